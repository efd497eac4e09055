"""Runs on polygons, from the command line: trained, stopped and resumed, verified, moved, refused.

References: the same run made in Python from shapes at hand; a run that was never stopped; GDAL's
view of the map, through rasterio.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from pyogrio import raw

import spectrolite as sl
from spectrolite.cli.tables import TrainingProgress
from spectrolite.errors import RunError, SplitError
from spectrolite.training import loop

PLACE = (10.0, 0.0, 600000.0, 0.0, -10.0, 5200000.0)
CROPS = {2: "oats & rye", 3: "wheat", 7: "woods"}
SPLIT = "polygons,train=0.5,seed=1"
Typed = Callable[..., tuple[int, str, str]]


def plots(ids: Any) -> tuple[list[Any], list[str]]:
    """Rectangles of 5 x 6 pixels inside the fields, two a field, with the name of their crop."""
    shapes, crops = [], []
    for row, col in ((2, 2), (2, 8), (2, 17), (2, 23), (16, 2), (16, 8), (16, 17), (16, 23)):
        left, top = 600000 + 10 * col, 5200000 - 10 * row
        shapes.append(shapely.box(left, top - 60, left + 50, top))
        crops.append(CROPS[int(ids[row, col])])
    return shapes, crops


@pytest.fixture(scope="module")
def files(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The tiny scene as a GeoTIFF, and polygons of its crops, one of them far away."""
    folder = tmp_path_factory.mktemp("drawn")
    scene, labels = tiny
    rows, cols, bands = scene.shape
    with rasterio.open(
        folder / "field.tif",
        "w",
        driver="GTiff",
        height=rows,
        width=cols,
        count=bands,
        dtype=scene.cube.dtype,
        crs="EPSG:32632",
        transform=rasterio.Affine(*PLACE),
    ) as file:
        file.write(scene.cube.transpose(2, 0, 1))
    shapes, crops = plots(labels.array)
    raw.write(
        folder / "plots.gpkg",
        shapely.to_wkb([*shapes, shapely.box(0, 0, 9, 9)]),
        [np.array([*crops, "wheat"], object)],
        ["crop"],
        geometry_type="Polygon",
        crs="EPSG:32632",
        driver="GPKG",
    )
    return folder / "field.tif", folder / "plots.gpkg"


def words(files: tuple[Path, Path], *more: object) -> list[object]:
    return ["train", "--scene", files[0], "--labels", files[1], "--class-field", "crop", *more]


SHORT = ("--split", SPLIT, "--components", 13, "--epochs", 2)


@pytest.fixture(scope="module")
def whole(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """The same run from Python, never stopped."""
    scene = sl.read_scene(files[0])
    labels = sl.read_labels(files[1], scene=scene, class_field="crop")
    out = tmp_path_factory.mktemp("runs") / "whole"
    split = sl.split(labels, "polygons", train=0.5, seed=1)
    return sl.train(scene, labels, split, out=out, components=13, epochs=2)


def test_a_run_on_polygons(files: tuple[Path, Path], whole: sl.Run) -> None:
    told = "1 of 9 polygons are outside the scene and are dropped"
    assert f"Labels: {told}." in whole.report.notes
    assert whole.manifest.data.labels == {
        "file": str(files[1]),
        "layer": "plots",
        "class_field": "crop",
    }
    _, labels = whole.data()
    split = whole.split(labels)
    train, test = (set(np.asarray(labels.polygons).flat[p]) for p in (split.train, split.test))
    assert len(train) == len(test) == 4
    assert train.isdisjoint(test)
    with rasterio.open(whole.path / "map.tif") as made:
        assert made.crs.to_epsg() == 32632
        assert tuple(made.transform)[:6] == PLACE
        assert {made.tags(1)[f"CLASS_{i}"] for i in (1, 2, 3)} == set(CROPS.values())


def test_verify_loads_the_polygons_again(typed: Typed, whole: sl.Run) -> None:
    code, out, err = typed("verify", whole.path)
    assert code == 0, err
    assert out.replace("\n", "").endswith("same bits")


def test_a_stopped_run_goes_on_with_the_same_polygons(
    typed: Typed,
    files: tuple[Path, Path],
    whole: sl.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "KEEP_EVERY_S", 0.0)
    with monkeypatch.context() as patch:

        def stop(_: TrainingProgress, epoch: Any, epochs: int) -> None:
            if epoch.epoch == 1:
                raise KeyboardInterrupt

        patch.setattr(TrainingProgress, "epoch", stop)
        code, _, err = typed(*words(files, *SHORT, "--out", tmp_path / "run"))
    assert code == 130
    assert "plots.gpkg: 1 of 9 polygons are outside the scene and are dropped" in err
    code, _, err = typed("train", "--out", tmp_path / "run", "--resume")
    assert code == 0, err
    assert sl.open_run(tmp_path / "run").manifest.weights_sha256 == whole.bundle.sha256


def test_polygons_that_were_moved_or_changed(
    typed: Typed,
    files: tuple[Path, Path],
    whole: sl.Run,
    tiny: tuple[sl.Scene, sl.Labels],
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole.path, run)
    manifest = json.loads((run / "manifest.json").read_text())
    moved = tmp_path / "moved.gpkg"
    shutil.copy(files[1], moved)
    manifest["data"]["labels"]["file"] = str(tmp_path / "gone.gpkg")
    (run / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = typed("evaluate", run)
    assert (code, err) == (2, f"error: {tmp_path}/gone.gpkg: no such file")
    labels = sl.open_run(run).data(files[0], moved)[1]
    assert labels.sha256 == manifest["labels_sha256"]
    shapes, crops = plots(tiny[1].array)
    raw.write(
        tmp_path / "fewer.gpkg",
        shapely.to_wkb(shapes[:-1]),
        [np.array(crops[:-1], object)],
        ["crop"],
        geometry_type="Polygon",
        crs="EPSG:32632",
        driver="GPKG",
        layer="plots",
    )
    with pytest.raises(RunError) as caught:
        sl.open_run(run).data(files[0], tmp_path / "fewer.gpkg")
    assert str(caught.value) == (
        f"{run}: the labels (fewer.gpkg) differ from those of the run; give the data that it was "
        "trained on"
    )


def test_the_doctor_on_polygons(typed: Typed, files: tuple[Path, Path], whole: sl.Run) -> None:
    there = ("--scene", files[0], "--labels", files[1])
    bundle = whole.path / "bundle"
    code, _, err = typed("doctor", bundle, *there, "--layer", "north", "--class-field", "crop")
    assert (code, err) == (2, f"error: {files[1]}: no layer 'north', only plots")
    code, _, err = typed("doctor", bundle, *there, "--class-field", "kind")
    assert (code, err) == (2, f"error: {files[1]}: --class-field: no attribute 'kind', only crop")


def test_labels_on_pixels_without_a_spectrum_are_refused_before_training(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    scene = sl.read_scene(files[0])
    labels = sl.read_labels(files[1], scene=scene, class_field="crop")
    valid = np.ones(scene.shape[:2], bool)
    valid[:4] = False
    holed = sl.Scene(scene.cube, name="holed", crs=scene.crs, transform=PLACE, valid=valid)
    with pytest.raises(SplitError) as caught:
        sl.train(holed, labels, sl.split(labels), out=tmp_path / "run", components=13, epochs=1)
    assert str(caught.value) == (
        "plots.gpkg: labels on pixels without a spectrum in holed; leave them out before the split "
        "is drawn: labels = labels.on(scene)"
    )
    assert labels.on(holed).counts() == {1: 4 * 30 - 20, 2: 2 * 30 - 20, 3: 2 * 30}
    assert list(tmp_path.iterdir()) == []


WRONG: dict[str, tuple[tuple[object, ...], str]] = {
    "another field": (("--class-field", "kind"), "no attribute 'kind', only crop"),
    "another layer": (
        ("--class-field", "crop", "--layer", "north"),
        "no layer 'north', only plots",
    ),
    "a key": (("--labels-key", "crop"), "--labels-key crop does not apply to .gpkg files"),
    "too wide a guard": (
        ("--class-field", "crop", "--split", "polygons,train=0.5,guard=12"),
        "polygons,train=0.5,seed=0,guard=12: 2 wheat has no test pixel",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_message_and_nothing_is_left(
    typed: Typed, files: tuple[Path, Path], tmp_path: Path, case: str
) -> None:
    more, message = WRONG[case]
    there = ("train", "--scene", files[0], "--labels", files[1], "--out", tmp_path / "run")
    code, out, err = typed(*there, *more)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_the_flags_go_with_a_scene(typed: Typed, tmp_path: Path) -> None:
    for flag in ("class-field", "layer"):
        code, _, err = typed(
            "train", "--data", "indian_pines", f"--{flag}", "x", "--out", tmp_path / "x"
        )
        assert (code, err) == (2, f"error: --{flag} goes with --scene, not with --data")
