"""`--split given`, typed with every kind of file that `--labels` takes.

References: the pixels that were written into the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import io

import spectrolite as sl
from written_labels import square, vector
from written_scenes import placed_geotiff

SETTINGS = ("--model", "mobilesn", "--components", 5, "--epochs", 1)


@pytest.fixture(scope="module")
def parts() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Squares of the four fields of the tiny scene that train, and others that test."""
    train, test = np.zeros((28, 30), np.uint8), np.zeros((28, 30), np.uint8)
    for row, col, number in ((2, 2, 1), (2, 17, 2), (16, 2, 3)):
        train[row : row + 4, col : col + 4] = number
        test[row + 6 : row + 10, col + 6 : col + 10] = number
    return train, test


def test_the_layout_that_published_code_uses(
    tiny: tuple[sl.Scene, sl.Labels], parts: Any, tmp_path: Path, typed: Any
) -> None:
    """`input`, `TR` and `TE` in one file; without --labels."""
    file, run = tmp_path / "pines.mat", tmp_path / "run"
    io.savemat(file, {"input": tiny[0].cube, "TR": parts[0], "TE": parts[1]})
    words = ("train", "--scene", file, "--scene-key", "input", *SETTINGS)
    done = typed(*words, "--split", f"given,train={file}:TR,test={file}:TE", "--out", run)
    assert done[0] == 0, done[2]
    made = sl.open_run(run)
    split = made.split(made.data()[1])
    assert (np.flatnonzero(parts[0]) == split.train).all()
    assert (np.flatnonzero(parts[1]) == split.test).all()
    np.testing.assert_array_equal(made.data()[1].array, parts[0] + parts[1])
    assert typed("verify", run)[0] == 0
    assert typed("evaluate", run)[0] == 0


@pytest.mark.parametrize("with_labels", [False, True])
def test_polygons_whose_words_are_numbered_differently(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path, typed: Any, with_labels: bool
) -> None:
    """The test file has no maize, so its words alone would be numbered from the next one."""
    scene = placed_geotiff(tmp_path / "s.tif", tiny[0].cube.transpose(2, 0, 1).astype(np.int32), ())
    folder = tmp_path / "a, b"
    folder.mkdir()
    at = [(2, 2), (2, 17), (16, 2)]
    trained = [square(row, col, 4) for row, col in at]
    tested = [square(row + 6, col + 6, 4) for row, col in at[1:]]
    names = np.array(["maize", "oats", "rye"], object)
    vector(folder / "train.gpkg", trained, names, field="crop")
    vector(folder / "test.gpkg", tested, names[1:], field="crop")
    vector(tmp_path / "all.gpkg", [*trained, *tested], np.array([*names, *names[1:]]), field="crop")
    split = f'given,train="{folder}/train.gpkg",test="{folder}/test.gpkg",allow_missing'
    labels = ("--labels", tmp_path / "all.gpkg") if with_labels else ()
    words = ("train", "--scene", scene, *labels, "--class-field", "crop", *SETTINGS)
    done = typed(*words, "--split", split, "--out", tmp_path / "run")
    assert done[0] == 0, done[2]
    run = sl.open_run(tmp_path / "run")
    found = run.data()[1]
    assert found.class_names == {1: "maize", 2: "oats", 3: "rye"}
    truth = np.zeros((28, 30), int)
    for n, (row, col) in enumerate(at, start=1):
        truth[row : row + 4, col : col + 4] = n
        if n > 1:
            truth[row + 6 : row + 10, col + 6 : col + 10] = n
    np.testing.assert_array_equal(found.array, truth)
    drawn = run.split(found)
    assert (len(drawn.train), len(drawn.test)) == (48, 32)
    assert typed("verify", tmp_path / "run")[0] == 0


def test_contradicting_files_are_refused(
    tiny_files: tuple[Path, Path], parts: Any, tmp_path: Path, typed: Any
) -> None:
    for name, array in (("a", parts[0]), ("b", np.where(parts[0] == 1, 2, parts[1]))):
        np.save(tmp_path / f"{name}.npy", array)
    words = ("train", "--scene", tiny_files[0], *SETTINGS, "--out", tmp_path / "run", "--split")
    code, _, said = typed(*words, f"given,train={tmp_path}/a.npy,test={tmp_path}/b.npy")
    assert code == 2
    assert f"{tmp_path}/b.npy: 16 of its pixels have another class in the other files" in said
    code, _, said = typed(*words, f'given,train="{tmp_path}/a.npy')
    assert code == 2
    assert "--split: a double quote is never closed in" in said
    code, _, said = typed(*words, "random")
    assert code == 2
    assert "give --data NAME, or --scene FILE and --labels FILE" in said
