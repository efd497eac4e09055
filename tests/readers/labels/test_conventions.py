"""Ids to ignore, and 0 as a class, in every format of labels; signs of another convention.

References: the arrays that were written, changed with NumPy.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import io

import spectrolite as sl
from spectrolite.errors import LabelsError
from spectrolite.readers import read_labels
from written_labels import SHAPE, geotiff, scene, square, vector

IDS = np.random.default_rng(0).choice(np.array([0, 1, 2, 255], np.uint8), SHAPE)
ROWS, COLS = SHAPE


def _npy(folder: Path) -> Path:
    np.save(folder / "l.npy", IDS)
    return folder / "l.npy"


def _mat(folder: Path) -> Path:
    io.savemat(folder / "l.mat", {"gt": IDS})
    return folder / "l.mat"


def _tif(folder: Path) -> Path:
    return geotiff(folder / "l.tif", IDS)


def _csv(folder: Path) -> Path:
    lines = [f"{r},{c},{IDS[r, c]}" for r in range(ROWS) for c in range(COLS)]
    (folder / "l.csv").write_text("\n".join(["row,col,class", *lines]))
    return folder / "l.csv"


def _gpkg(folder: Path) -> Path:
    squares = [square(r, c, 1) for r in range(ROWS) for c in range(COLS)]
    return vector(folder / "l.gpkg", squares, IDS.ravel().astype(np.int64), "class")


FORMATS = (_npy, _mat, _tif, _csv, _gpkg)


@pytest.mark.parametrize("write", FORMATS)
def test_255_is_ignored_and_0_is_a_class(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    fields: dict[str, Any] = {"class_field": "class"} if write in (_csv, _gpkg) else {}
    usual = read_labels(path, scene=scene(), **fields)
    np.testing.assert_array_equal(usual.array, IDS)
    assert (
        "id 255 stands far above 1 to 2: if it means unlabelled, give --ignore 255; if 0 is a "
        "class then, --background none"
    ) in usual.notes
    ignored = read_labels(path, scene=scene(), ignore=(255,), **fields)
    np.testing.assert_array_equal(ignored.array, np.where(IDS == 255, 0, IDS))
    assert f"ignored: 255, {(IDS == 255).sum()} of {IDS.size}" in ignored.notes
    all_classes = read_labels(path, scene=scene(), ignore=(255,), background=None, **fields)
    np.testing.assert_array_equal(all_classes.array, np.where(IDS == 255, 0, IDS + 1))
    assert all_classes.class_names == {1: "class 0", 2: "class 1", 3: "class 2"}
    assert "0 is a class: ids are those of the file plus 1" in all_classes.notes
    kept = all_classes.source
    assert (kept["ignore"], kept["background"]) == ("[255]", "none")


def test_names_go_with_their_classes(tmp_path: Path) -> None:
    path = geotiff(
        tmp_path / "l.tif",
        IDS,
        tags={"CLASS_0": "water", "CLASS_1": "maize", "CLASS_2": "oats", "CLASS_255": "void"},
    )
    labels = read_labels(path, ignore=("void", 1), background="none")
    assert labels.class_names == {1: "water", 3: "oats"}
    np.testing.assert_array_equal(labels.array, np.choose(IDS % 253, [1, 0, 3]) * (IDS < 255))
    own = read_labels(path, class_names={0: "sea"}, ignore=(255,), background=None)
    assert own.class_names[1] == "sea"


def test_nodata_beside_zeros_is_told(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "l.tif", IDS, nodata=255)
    zeros = int((IDS == 0).sum())
    labels = read_labels(path)
    assert labels.notes == (
        f"its nodata value is 255, and {zeros} pixels are 0: they are unlabelled; if 0 is a class, "
        "give --background none",
    )
    shifted = read_labels(path, background=None)
    np.testing.assert_array_equal(shifted.array, np.where(IDS == 255, 0, IDS + 1))


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ((1, 2, 3, 255), True),
        ((1, 255), True),
        ((0, 1, 2, 254, 255), True),
        ((1, 2, 7), False),
        ((10, 20, 30, 40, 50, 60, 95), False),  # codes of land cover
        ((111, 112, 121, 211, 311, 511), False),
        ((1, 2, 3), False),
    ],
)
def test_an_id_far_above_the_others(tmp_path: Path, ids: tuple[int, ...], told: bool) -> None:
    np.save(tmp_path / "l.npy", np.array([ids, ids], np.int32))
    labels = read_labels(tmp_path / "l.npy")
    assert any("stands far above" in note for note in labels.notes) == told


def test_classes_that_are_not_there_and_other_backgrounds(tmp_path: Path) -> None:
    """A tile may lack a class that others have."""
    path = _npy(tmp_path)
    labels = read_labels(path, ignore=(254, "void", 255))
    assert labels.notes == (
        f"ignored: 255, {(IDS == 255).sum()} of {IDS.size}",
        "--ignore: no class 254, void; it has 0, 1, 2",
    )
    with pytest.raises(LabelsError) as caught:
        read_labels(path, background=255)
    assert str(caught.value) == (
        "--background: wanted 0 (unlabelled) or none (0 is a class), got 255; an id that means "
        "unlabelled goes with --ignore"
    )


@pytest.mark.parametrize("value", [-1, -9999, 4294967295])
def test_numbers_that_are_no_ids_can_be_ignored(tmp_path: Path, value: int) -> None:
    ids = np.where(IDS == 255, value, IDS.astype(np.int64))
    np.save(tmp_path / "l.npy", ids)
    with pytest.raises(LabelsError, match=f"give --ignore {value}$"):
        read_labels(tmp_path / "l.npy")
    labels = read_labels(tmp_path / "l.npy", ignore=(str(value),), background=None)
    np.testing.assert_array_equal(labels.array, np.where(ids == value, 0, ids + 1))
    path = geotiff(tmp_path / "l.tif", ids.astype(np.float64))
    labels = read_labels(path, ignore=(value,), background=None)
    np.testing.assert_array_equal(labels.array, np.where(ids == value, 0, ids + 1))


def test_a_name_with_a_comma_survives_in_the_source(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "l.tif", IDS, tags={"CLASS_255": "mixed, other"})
    labels = read_labels(path, ignore=("mixed, other",))
    assert json.loads(labels.source["ignore"]) == ["mixed, other"]
    assert labels.class_ids == (1, 2)


def test_a_run_reads_its_labels_in_the_same_way(
    tiny: tuple[sl.Scene, sl.Labels], tiny_files: tuple[Path, Path], tmp_path: Path, typed: Any
) -> None:
    ids = np.choose(np.searchsorted([0, 2, 3, 7], tiny[1].array), [255, 0, 1, 2]).astype(np.uint8)
    np.save(tmp_path / "l.npy", ids)
    words = ("--split", "random,train=0.3", "--model", "mobilesn", "--epochs", 1)
    files = ("--scene", tiny_files[0], "--labels", tmp_path / "l.npy")
    flags = ("--ignore", 255, "--background", "none")
    done = typed("train", *files, *flags, *words, "--out", tmp_path / "run")
    assert done[0] == 0, done[2]
    assert "l.npy: 0 is a class: ids are those of the file plus 1" in done[2]
    run = sl.open_run(tmp_path / "run")
    np.testing.assert_array_equal(run.data()[1].array > 0, tiny[1].array > 0)
    assert run.report.class_ids == (1, 2, 3)
    assert typed("verify", tmp_path / "run")[0] == 0
