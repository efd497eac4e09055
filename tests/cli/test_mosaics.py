"""Tiles as one scene, as typed: the run and the map of tiles against those of the merged file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.merge import merge
from typer.testing import CliRunner

import spectrolite as sl
from spectrolite.cli import app
from spectrolite.errors import RunError
from written_tiles import cut, tile

WORDS = ("--split", "random,train=0.3", "--model", "mobilesn", "--components", 5, "--epochs", 1)
PARTS = {"west.tif": ((0, 0), (28, 18)), "east.tif": ((3, 13), (25, 17))}


@pytest.fixture(scope="module")
def files(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path]:
    """The folder of two tiles of the tiny scene, the file rasterio merges of them, and labels.

    West lacks a band, and its other values are higher by 1, so that the order decides.
    """
    folder = tmp_path_factory.mktemp("tiles")
    paths = cut(folder / "tiles", tiny[0].cube.astype(np.int32), PARTS, nodata=-1)
    with rasterio.open(paths[0], "r+") as file:
        file.write(file.read() + 1)
        file.write(np.full((28, 18), -1), 4)  # a band that one tile lacks
    with pytest.warns(PendingDeprecationWarning):
        merged, _ = merge(paths[::-1], nodata=-1)
    whole = tile(folder / "whole.tif", merged.transpose(1, 2, 0), nodata=-1)
    return folder / "tiles", whole, tile(folder / "labels.tif", tiny[1].array[..., None])


@pytest.fixture(scope="module")
def run(files: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """A run on the tiles, east first."""
    out = tmp_path_factory.mktemp("runs") / "run"
    words = ("--scene", files[0] / "*.tif", "--mosaic", "--labels", files[2], *WORDS, "--out", out)
    done = CliRunner().invoke(app.app, ["train", *map(str, words)])
    assert done.exit_code == 0, done.output
    said = " ".join(done.stderr.split())
    assert "tiles: 2 tiles are read as one scene, in this order: east.tif, west.tif" in said
    assert "tiles: left out of all tiles, since some lack them: bands 3, from 0" in said
    assert f"{25 * 5} of its 840 pixels are in two tiles or more" in said
    assert f"{3 * 12} of its 840 pixels are in no tile and have no spectrum" in said
    return sl.open_run(out)


def layers(out: Path) -> dict[str, Any]:
    """Every band of a map, and its place."""
    found: dict[str, Any] = {}
    for path in (out, out.with_name(f"{out.stem}_confidence.tif")):
        with rasterio.open(path) as file:
            found[path.name.removeprefix(out.stem)] = file.read().tobytes()
            found["place"] = file.transform, file.crs, file.shape
    return found


def test_tiles_train_as_their_merged_file_does(files: tuple[Path, Path, Path], run: sl.Run) -> None:
    """Training repeats to the bit, so the same numbers give the same run."""
    whole = sl.read_scene(files[1], drop_bands=[3])
    assert run.manifest.scene_sha256 == whole.sha256
    assert run.manifest.labels_sha256 == sl.read_labels(files[2], scene=whole).sha256
    mapped = sl.classify(run, whole)
    with rasterio.open(run.path / "map.tif") as file:
        np.testing.assert_array_equal(file.read(1), mapped.classes)
        assert tuple(file.transform)[:6] == whole.transform
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert page.count("2 tiles are read as one scene, in this order: east.tif, west.tif") == 1


def test_tiles_are_mapped_as_their_merged_file_bit_by_bit(
    files: tuple[Path, Path, Path], run: sl.Run, tmp_path: Path, typed: Any
) -> None:
    tiles, whole, _ = files
    named = ("--scene", tiles / "east.tif", "--scene", tiles / "west.tif", "--mosaic")
    small = ("--window", 11, "--bands", "confidence")
    assert (
        typed(
            "map",
            run.path,
            "--scene",
            whole,
            "--drop-bands",
            3,
            *small,
            "--out",
            tmp_path / "whole.tif",
        )[0]
        == 0
    )
    mapped = typed("map", run.path, *named, *small, "--out", tmp_path / "tiles.tif")
    assert mapped[0] == 0, mapped[2]
    assert "tiles: 2 tiles are read as one scene, in this order: east.tif, west.tif" in mapped[2]
    assert layers(tmp_path / "tiles.tif") == layers(tmp_path / "whole.tif")
    assert typed("map", run.path, *small, "--out", tmp_path / "own.tif")[0] == 0
    assert (tmp_path / "own.tif").read_bytes() == (tmp_path / "tiles.tif").read_bytes()
    in_the_way = typed("map", run.path, *named, "--overwrite", "--out", tiles / "west.tif")
    assert in_the_way[0] == 2
    assert f"--out: {tiles}/west.tif is the scene itself; take another name" in in_the_way[2]
    twice = typed(
        "map",
        run.path,
        "--scene",
        tiles / "*.tif",
        *named,
        *small,
        "--resume",
        "--out",
        tmp_path / "tiles.tif",
    )
    assert twice[0] == 0, twice[2]
    in_python = sl.map_scene(
        run, [tiles / "east.tif", tiles / "west.tif"], out=tmp_path / "python.tif", mosaic=True
    )
    with rasterio.open(tmp_path / "tiles.tif") as file:
        np.testing.assert_array_equal(in_python.classes, file.read(1))


def test_a_run_reads_its_tiles_again_and_where_they_moved(
    files: tuple[Path, Path, Path], run: sl.Run, tmp_path: Path, typed: Any
) -> None:
    moved, labels = tmp_path / "moved", files[2]
    shutil.copytree(files[0], moved)
    shutil.copytree(run.path, tmp_path / "run")
    copy = sl.open_run(tmp_path / "run")
    verified = typed("verify", copy.path)
    assert verified[0] == 0, verified[1]
    tiles = [moved / "east.tif", moved / "west.tif"]
    for scene in (tiles, [moved / "*.tif"], moved / "*.tif"):
        assert copy.data(scene, labels)[0].sha256 == run.manifest.scene_sha256
    words = ("--scene", tiles[0], "--scene", tiles[1], "--labels", labels)
    shown = typed("report", copy.path, *words)
    assert shown[0] == 0, shown[2]
    with pytest.raises(RunError, match=r"the scene \(moved\) differ from those of the run"):
        copy.data(tiles[::-1], labels)
    few = typed("evaluate", copy.path, *words[:2], *words[-2:])
    assert few[0] == 2
    assert (
        f"--scene: {copy.path} was trained on a mosaic of 2 tiles; give all, in their order, or a "
        "pattern, got 1"
    ) in few[2]


def test_info_of_tiles(files: tuple[Path, Path, Path], typed: Any) -> None:
    tiles, _, _ = files
    code, shown, _ = typed("info", tiles / "west.tif", tiles / "east.tif", "--mosaic")
    assert code == 0
    assert "size         28 rows x 30 cols x 16 bands, int32" in shown
    assert "format       GeoTIFF, 2 tiles" in shown
    assert "nodata       -1; 4.29% of the pixels have no spectrum" in shown
    assert "! west.tif: 1 band (3, from 0) without any value; left out of all tiles" in shown
    assert "! 2 tiles are read as one scene, in this order: west.tif, east.tif" in shown
    by_pattern = json.loads(typed("info", tiles / "*.tif", "--mosaic", "--json")[1])
    assert by_pattern["rows"] == 28
    refused = typed("info", tiles / "west.tif", tiles / "east.tif")
    assert refused[0] == 2
    assert "info: takes one scene, got 2; if they are tiles of one, add --mosaic" in refused[2]


def test_doctor_and_compare_take_tiles(
    files: tuple[Path, Path, Path], run: sl.Run, tmp_path: Path, typed: Any
) -> None:
    scene = ("--scene", files[0] / "east.tif", "--scene", files[0] / "west.tif")
    data = (*scene, "--labels", files[2])
    checked = typed("doctor", run.path / "bundle", *data, "--mosaic", "--json")
    assert json.loads(checked[1])["checks"], checked[2]
    refused = typed("doctor", run.path / "bundle", *data)
    assert refused[0] == 2
    assert (
        "--scene: doctor takes one scene, got 2; if they are tiles of one, add --mosaic"
        in refused[2]
    )
    two = typed("train", *data, "--labels", files[2], "--mosaic", *WORDS, "--out", tmp_path / "x")
    assert two[0] == 2
    assert "--labels: a mosaic wants one file of labels for all its tiles, got 2" in two[2]
    alone = typed("map", run.path, "--mosaic", "--out", tmp_path / "x.tif")
    assert alone[0] == 2
    assert "--leave-out and --mosaic: go with --scene FILE" in alone[2]
