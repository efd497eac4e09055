"""Scenes as users have them: one file a band, several tiles, bands without values; as typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import spectrolite as sl
from written_scenes import placed_geotiff

NM = tuple(450.0 + 40 * band for band in range(16))
WORDS = ("--split", "random,train=0.3", "--model", "mobilesn", "--components", 5, "--epochs", 1)


def test_one_file_a_band_is_trained_on_and_mapped(
    tiny: tuple[sl.Scene, sl.Labels], tiny_files: tuple[Path, Path], tmp_path: Path, typed: Any
) -> None:
    bands = tiny[0].cube.transpose(2, 0, 1).astype(np.int32)
    for number, band in enumerate(bands, start=1):
        placed_geotiff(tmp_path / "bands" / f"B{number}.tif", band[None], NM[number - 1 : number])
    pattern, run = tmp_path / "bands" / "B*.tif", tmp_path / "run"
    scene = ("--scene", pattern, "--stack")
    done = typed("train", *scene, "--labels", tiny_files[1], *WORDS, "--out", run)
    assert done[0] == 0, done[2]
    assert f"{pattern}: 16 files are read as bands, in this order: B1.tif, B2.tif, " in done[2]
    np.testing.assert_array_equal(sl.open_run(run).data()[0].cube, tiny[0].cube)
    assert typed("verify", run)[0] == 0
    mapped = typed("map", run, *scene, "--out", tmp_path / "m.tif")
    assert mapped[0] == 0
    assert "bands: 16 files are read as bands, in this order: B1.tif, B2.tif, " in mapped[2]
    assert typed("map", run, "--out", tmp_path / "own.tif")[0] == 0
    assert (tmp_path / "m.tif").read_bytes() == (tmp_path / "own.tif").read_bytes()
    shown = typed("info", pattern)[1]
    assert "size         28 rows x 30 cols x 16 bands" in shown
    refused = typed("map", run, "--scene", pattern, "--out", tmp_path / "n.tif")
    assert refused[0] == 2
    assert "--out: several scenes want a folder" in refused[2]


def test_tiles_by_a_pattern_with_one_file_of_labels_and_a_band_without_values(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path, typed: Any
) -> None:
    bands = tiny[0].cube.transpose(2, 0, 1).astype(np.int32)
    west, east = bands[:, :, :26].copy(), bands[:, :, 4:]
    west[3] = -1
    placed_geotiff(tmp_path / "tiles" / "west.tif", west, NM)
    placed_geotiff(tmp_path / "tiles" / "east.tif", east, NM, shift=4)
    labels = placed_geotiff(tmp_path / "labels.tif", tiny[1].array[None], ())
    run = tmp_path / "run"
    words = ("train", "--scene", tmp_path / "tiles/*.tif", "--labels", labels, *WORDS)
    done = typed(*words, "--out", run)
    assert done[0] == 0, done[2]
    assert f"{tmp_path}/tiles/west.tif: 1 band without any value left out: 3, from 0" in done[2]
    assert "left out of all scenes, since some lack them: bands 3, from 0" in done[2]
    scenes, on_them = sl.open_run(run).data()
    assert [scene.source["drop_bands"] for scene in scenes.scenes] == ["3", "3"]
    assert scenes.names == ("east", "west")
    np.testing.assert_array_equal(on_them.parts[0].array, tiny[1].array[:, 4:])
    np.testing.assert_array_equal(on_them.parts[1].array, tiny[1].array[:, :26])
    whole = placed_geotiff(tmp_path / "whole.tif", bands, NM)  # the model's 15 bands among its 16
    assert typed("map", run, "--scene", whole, "--out", tmp_path / "m.tif")[0] == 0
    typed("map", run, "--scene", whole, "--drop-bands", 3, "--out", tmp_path / "said.tif")
    assert (tmp_path / "m.tif").read_bytes() == (tmp_path / "said.tif").read_bytes()
    refused = typed(*words[:3], "--labels", labels, "--labels", labels, "--labels", labels, *WORDS)
    assert refused[0] == 2


def test_a_scene_without_the_models_bands_is_still_refused(
    tiny: tuple[sl.Scene, sl.Labels], mobilesn_run: sl.Run, tmp_path: Path, typed: Any
) -> None:
    bands = tiny[0].cube.transpose(2, 0, 1).astype(np.int32)
    more = placed_geotiff(tmp_path / "more.tif", np.concatenate([bands, bands[:1]]), ())
    refused = typed("map", mobilesn_run.path, "--scene", more, "--out", tmp_path / "m.tif")
    assert refused[0] == 2
    assert "the model takes 16 bands, the scene has 17" in refused[2]
