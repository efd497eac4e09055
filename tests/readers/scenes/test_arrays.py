"""Which array of a file is read, and how large it may be.

References: the arrays that SciPy, h5py and NumPy wrote; sizes typed in here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import io

from spectrolite.errors import ReadError
from spectrolite.products.scenes import read_scene
from spectrolite.readers import read_labels
from spectrolite.readers.scenes.arrays import ArrayShape

CUBE = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)


MAP = np.array([[0, 1, 1], [2, 0, 7]], np.uint8)


def test_a_key_chooses_among_several_arrays(tmp_path: Path) -> None:
    io.savemat(tmp_path / "two.mat", {"one": CUBE, "two": CUBE + 1, "a": MAP, "b": MAP * 2})
    np.testing.assert_array_equal(read_scene(tmp_path / "two.mat", key="two").cube, CUBE + 1)
    np.testing.assert_array_equal(read_labels(tmp_path / "two.mat", key="b").array, MAP * 2)


def test_an_array_is_described_in_words() -> None:
    shape = ArrayShape("paviaU", (610, 340, 103), "uint16", 2, True)
    assert str(shape) == "paviaU (610 x 340 x 103 uint16)"
    assert shape.nbytes == 610 * 340 * 103 * 2


def test_several_arrays_that_fit_name_the_flag(tmp_path: Path) -> None:
    path = tmp_path / "two.mat"
    io.savemat(path, {"one": CUBE, "two": CUBE * 1.0, "a": MAP, "b": MAP, "n": 5})
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert str(caught.value) == (
        f"{path}: several arrays fit: one (2 x 3 x 4 int16), two (2 x 3 x 4 double); "
        "choose one with --scene-key"
    )
    with pytest.raises(ReadError) as caught:
        read_labels(path)
    assert str(caught.value) == (
        f"{path}: several arrays fit: a (2 x 3 uint8), b (2 x 3 uint8); "
        "choose one with --labels-key"
    )


@pytest.mark.parametrize("read", [read_scene, read_labels])
def test_a_key_that_is_not_there(tmp_path: Path, read: Any) -> None:
    io.savemat(tmp_path / "one.mat", {"cube": CUBE})
    np.save(tmp_path / "one.npy", MAP)
    with pytest.raises(ReadError) as caught:
        read(tmp_path / "one.mat", key="paviaU")
    assert str(caught.value) == (
        f"{tmp_path / 'one.mat'}: no array 'paviaU', only cube (2 x 3 x 4 int16)"
    )
    with pytest.raises(ReadError) as caught:
        read(tmp_path / "one.npy", key="paviaU")
    assert str(caught.value) == (
        f"{tmp_path / 'one.npy'}: no array 'paviaU', only array (2 x 3 uint8)"
    )


def test_a_key_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    io.savemat(tmp_path / "m.mat", {"gt": MAP, "cube": CUBE})
    with pytest.raises(ReadError) as bad_scene:
        read_scene(tmp_path / "m.mat", key="gt")
    assert str(bad_scene.value) == (
        f"{tmp_path}/m.mat: wanted a cube of rows, cols, bands, got gt (2 x 3 uint8)"
        "; a map of classes goes with --labels"
    )
    with pytest.raises(ReadError) as bad_labels:
        read_labels(tmp_path / "m.mat", key="cube")
    assert str(bad_labels.value) == (
        f"{tmp_path}/m.mat: wanted a map of rows, cols, got cube (2 x 3 x 4 int16)"
        "; a scene goes with --scene"
    )


@pytest.mark.parametrize("ending", [".mat", ".h5", ".npy"])
def test_an_array_without_values_is_refused_by_its_key_too(tmp_path: Path, ending: str) -> None:
    path, empty = tmp_path / f"m{ending}", np.empty((0, 3, 4), np.int16)
    if ending == ".mat":
        io.savemat(path, {"array": empty})
    elif ending == ".h5":
        with h5py.File(path, "w") as file:
            file["array"] = empty
    else:
        np.save(path, empty)
    with pytest.raises(ReadError) as caught:
        read_scene(path, key="array")
    assert str(caught.value) == (
        f"{path}: wanted a cube of rows, cols, bands, got array (0 x 3 x 4 int16)"
    )


@pytest.mark.parametrize("ending", [".npy", ".mat"])
def test_half_of_the_memory_is_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = tmp_path / f"cube{ending}"
    if ending == ".npy":
        np.save(path, CUBE)
    else:
        io.savemat(path, {"cube": CUBE})
    memory = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 2 * CUBE.nbytes}
    monkeypatch.setattr(os, "sysconf", memory.__getitem__)
    np.testing.assert_array_equal(read_scene(path).cube, CUBE)
    memory["SC_PHYS_PAGES"] -= 1
    with pytest.raises(ReadError, match=r"more than half of this machine's 0\.0 GiB; "):
        read_scene(path)


def test_an_array_without_numbers_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "text.npy"
    np.save(path, np.array([[["a", "b"]]]))
    with pytest.raises(ReadError) as caught:
        read_scene(path, key="array")
    assert str(caught.value) == (
        f"{path}: array (1 x 1 x 2 <U1) is not numeric; wanted a cube of rows, cols, bands"
    )
