"""Several scenes in one call; each map against `classify`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import spectrolite as sl
from mapping.small_maps import NAMES, envi_pair
from spectrolite.errors import ReadError
from spectrolite.mapping.several_maps import Failed, map_scenes
from spectrolite.readers.scenes.patterns import scenes_named


def test_several_scenes_one_of_which_fails(
    tiny_run: sl.Run, tiny_files: tuple[Path, Path], tmp_path: Path
) -> None:
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    shutil.copy(tiny_files[0], scenes / "a.npy")
    (scenes / "b.npy").write_bytes(b"no array")
    shutil.copy(tiny_files[0], scenes / "c.npy")
    assert scenes_named([f"{scenes}/*.npy", scenes / "a.npy"]) == [
        scenes / f"{name}.npy" for name in "abc"
    ]
    heard: list[str] = []
    made = map_scenes(
        tiny_run,
        [f"{scenes}/*.npy"],
        out=tmp_path / "maps",
        on_scene=lambda scene, n: heard.append(f"{scene.name} {n}"),
    )
    assert heard == ["a.npy 3", "b.npy 3", "c.npy 3"]
    assert isinstance(made[1], Failed)
    assert made[1].scene == scenes / "b.npy"
    assert isinstance(made[1].error, ReadError)
    expected = sl.classify(tiny_run, sl.read_scene(tiny_files[0])).classes
    for one, name in ((made[0], "a"), (made[2], "c")):
        assert isinstance(one, sl.MapFile)
        assert one.path == tmp_path / "maps" / f"{name}.tif"
        assert np.array_equal(one.classes, expected)
    shutil.copy(tiny_files[0], scenes / "b.npy")
    again = map_scenes(tiny_run, [f"{scenes}/*.npy"], out=tmp_path / "maps", resume=True)
    assert [isinstance(m, sl.MapFile) for m in again] == [True] * 3
    with pytest.raises(ReadError, match=r"^--scene: no file matches .*/\*\.hdr$"):
        map_scenes(tiny_run, [f"{scenes}/*.hdr"], out=tmp_path / "maps")
    (tmp_path / "a.npy").touch()
    with pytest.raises(ReadError, match=r"a\.npy would both become a\.tif; map one of them alone$"):
        map_scenes(tiny_run, [scenes / "a.npy", tmp_path / "a.npy"], out=tmp_path / "maps")


def test_the_command_line_maps_several_scenes(
    typed: Callable[..., tuple[int, str, str]],
    tiny_run: sl.Run,
    tiny_files: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    shutil.copy(tiny_files[0], tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(b"no array")
    words = ("map", tiny_run.path, "--scene", tmp_path / "*.npy", "--out", tmp_path / "maps")
    code, out, err = typed(*words, "--json")
    printed = json.loads(out)
    assert code == 1
    assert [m["scene"] for m in printed["maps"]] == [str(tmp_path / "a.npy")]
    assert printed["maps"][0]["map"] == str(tmp_path / "maps" / "a.tif")
    assert printed["maps"][0]["hectares"] is None
    assert printed["failed"][0]["scene"] == str(tmp_path / "b.npy")
    assert "failed:" in err
    assert "b.npy" in err
    shutil.copy(tiny_files[0], tmp_path / "b.npy")
    code, out, err = typed(*words, "--resume")
    assert code == 0, err
    lines = [line.split() for line in out.splitlines() if line.strip()]
    pixels = printed["maps"][0]["pixels"]
    assert lines[1] == ["class", "a.npy", "b.npy", "in", "all"]
    assert [line[-3:] for line in lines[3:-2]] == [
        [f"{n:,}", f"{n:,}", f"{2 * n:,}"] for n in pixels.values()
    ]
    n = sum(pixels.values())
    assert lines[-2] == ["in", "all", f"{n:,}", f"{n:,}", f"{2 * n:,}"]
    assert f"maps in {tmp_path / 'maps'}, each with the name of its scene" in out
    assert {p.name for p in (tmp_path / "maps").iterdir()} == {
        n.replace("map", scene, 1) for n in NAMES for scene in "ab"
    }
    code, _, err = typed("map", tiny_run.path, "--scene", tmp_path / "*.npy", "--out", "m.tif")
    assert (code, err) == (2, "error: --out: several scenes want a folder, got m.tif")
    code, _, err = typed("map", tiny_run.path, "--drop-bands", "1", "--out", tmp_path / "m.tif")
    assert (code, err) == (
        2,
        "mapping error: --scene-key, --axes, --drop-bands, --allow-outside, --product, --mask, "
        "--leave-out and --mosaic: go with --scene FILE",
    )


def test_maps_in_the_folder_of_the_scenes_are_not_mapped(
    typed: Callable[..., tuple[int, str, str]],
    tiny_run: sl.Run,
    tiny: tuple[sl.Scene, sl.Labels],
    tmp_path: Path,
) -> None:
    """Their ENVI headers match the pattern once they exist; the folder's name has a dot."""
    folder = tmp_path / "fields.v2"
    scene = envi_pair(folder, tiny[0].cube)
    for ending in (".img", ".hdr"):
        shutil.copy(scene.with_suffix(ending), folder / f"t{ending}")
    words = ("--scene", folder / "*.hdr", "--envi", "--out", folder, "--json")
    code, out, err = typed("map", tiny_run.path, *words)
    assert code == 0, err
    assert [m["scene"] for m in json.loads(out)["maps"]] == [str(scene), str(folder / "t.hdr")]
    assert (folder / "s_classes.hdr").exists()
