"""NumPy's `.npy`: what comes back, and files that only look like one.

References: the array that was written; NumPy's own loader, which does run the pickle; a file with
bytes changed at random.
"""

from __future__ import annotations

import gc
import os
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spectrolite.errors import LabelsError, ReadError, SceneError
from spectrolite.products.scenes import read_scene
from spectrolite.readers import read_labels
from spectrolite.readers.scenes import npy
from spectrolite.readers.scenes.arrays import ArrayShape

CUBE = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)


MAP = np.array([[0, 1, 1], [2, 0, 7]], np.uint8)


def npy_stating(path: Path, shape: str, dtype: str = "<f8") -> Path:
    """A `.npy` file with a well-formed header and 64 bytes of data."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    path.write_bytes(start + header.encode() + bytes(64))
    return path


def damaged_npy(path: Path) -> re.Pattern[str]:
    """The one message for every `.npy` file that NumPy cannot open, on one line."""
    return re.compile(
        re.escape(f"{path}: not a readable .npy file of numbers (")
        + r"\w+: .+"
        + re.escape("); write it again with numpy.save(path, array, allow_pickle=False)")
    )


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<i4", "<u8", "<f2", "<f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_cube_comes_back_as_it_was_written(tmp_path: Path, dtype: str, order: Any) -> None:
    written = np.asarray(CUBE, dtype=dtype, order=order)
    np.save(tmp_path / "cube.npy", written)
    scene = read_scene(tmp_path / "cube.npy")
    assert scene.cube.dtype == np.dtype(dtype)
    assert type(scene.cube) is np.ndarray
    np.testing.assert_array_equal(scene.cube, written)
    assert scene.name == "cube.npy"
    assert scene.source == {"file": str(tmp_path / "cube.npy"), "key": "array"}


def test_a_scene_read_from_npy_is_independent_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cube.npy"
    np.save(path, CUBE)
    scene = read_scene(path)
    path.write_bytes(bytes(path.stat().st_size))
    np.testing.assert_array_equal(scene.cube, CUBE)


def test_an_npy_header_states_the_size_of_the_array(tmp_path: Path) -> None:
    np.save(tmp_path / "cube.npy", CUBE)
    assert npy.shapes(tmp_path / "cube.npy") == [ArrayShape("array", (2, 3, 4), "int16", 2, True)]


@pytest.mark.parametrize(
    ("read", "array", "message"),
    [
        (
            read_scene,
            MAP,
            "wanted a cube of rows, cols, bands, got array (2 x 3 uint8); a "
            "map of classes goes with --labels",
        ),
        (
            read_labels,
            CUBE,
            "wanted a map of rows, cols, got array (2 x 3 x 4 int16); a scene goes with --scene",
        ),
        (
            read_scene,
            CUBE[:0],
            "wanted a cube of rows, cols, bands, got array (0 x 3 x 4 int16)",
        ),
        (
            read_scene,
            CUBE * 1j,
            "wanted a cube of rows, cols, bands, got array (2 x 3 x 4 complex128)",
        ),
        (
            read_labels,
            np.array([["a", "b"]]),
            "wanted a map of rows, cols, got array (1 x 2 <U1)",
        ),
    ],
)
def test_an_npy_that_holds_something_else(
    tmp_path: Path, read: Any, array: NDArray[np.generic], message: str
) -> None:
    path = tmp_path / "other.npy"
    np.save(path, array)
    with pytest.raises(ReadError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_pickle_inside_an_npy_is_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made-by-the-pickle"
    array = np.empty((1, 1, 1), object)
    array[0, 0, 0] = Payload(made)
    path = tmp_path / "cube.npy"
    np.save(path, array, allow_pickle=True)
    for read in (read_scene, read_labels):
        with pytest.raises(ReadError) as caught:
            read(path)
        assert damaged_npy(path).fullmatch(str(caught.value))
        assert "Python objects" in str(caught.value)
    assert not made.exists()
    np.load(path, allow_pickle=True)  # the control: a careless reader does run it
    assert made.exists()


def test_a_bare_pickle_with_the_ending_npy_is_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made-by-the-pickle"
    path = tmp_path / "cube.npy"
    path.write_bytes(pickle.dumps(Payload(made)))
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert damaged_npy(path).fullmatch(str(caught.value))
    assert not made.exists()


@pytest.mark.parametrize("shape", ["(100000, 100000, 100000)", "(1, 1, 1125899906842624)"])
def test_a_header_that_states_a_petabyte_is_refused_without_reading(
    tmp_path: Path, shape: str
) -> None:
    path = npy_stating(tmp_path / "cube.npy", shape)
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert str(caught.value) == (
        f"{path}: not a readable .npy file of numbers "
        "(ValueError: mmap length is greater than file size); "
        "write it again with numpy.save(path, array, allow_pickle=False)"
    )


@pytest.mark.parametrize(
    "shape",
    [
        "(-1, 2, 2)",
        "'a'",
        "(2.0, 2, 2)",
        "[2, 2, 2]",
        "'\\d'",  # a warning of Python's
        "(4294967296, 4294967296, 1)",  # a warning of NumPy's
        "(True, 2, 2)",  # a TypeError
        "(99999999999999999999, 2, 2)",  # an OverflowError
        "(2, 2, 2",  # a TokenError
        "(" * 300,
    ],
)
def test_a_header_with_an_invalid_shape(tmp_path: Path, shape: str) -> None:
    path = npy_stating(tmp_path / "cube.npy", shape)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(ReadError) as caught:
            read_scene(path)
    assert damaged_npy(path).fullmatch(str(caught.value))
    assert warned == []


def test_a_header_of_python_2_is_read_without_a_warning(tmp_path: Path) -> None:
    path = npy_stating(tmp_path / "cube.npy", "(1L, 2L, 4L)")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert read_scene(path).shape == (1, 2, 4)
    assert warned == []


@pytest.mark.parametrize("dtype", ["garbage", "<f3", "<q9", ""])
def test_a_header_with_an_unknown_type(tmp_path: Path, dtype: str) -> None:
    path = npy_stating(tmp_path / "cube.npy", "(2, 2, 2)", dtype)
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert damaged_npy(path).fullmatch(str(caught.value))


STRIKES = st.tuples(
    st.integers(0, 127),
    st.sampled_from(list(b"0123456789()[]{},'<>|fiuUOV-+.eL :\\")) | st.integers(0, 255),
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(strikes=st.lists(STRIKES, min_size=1, max_size=5))
def test_a_header_with_random_bytes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, strikes: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "struck.npy"
    np.save(path, CUBE)
    content = bytearray(path.read_bytes())
    for place, byte in strikes:
        content[place] = byte
    path.write_bytes(content)
    said = []
    for read in (read_scene, read_labels):
        try:
            read(path)
        except (ReadError, SceneError, LabelsError) as error:
            said.append(str(error))
    assert all("struck.npy: " in message for message in said)


@pytest.mark.parametrize("arrays", [{"cube": CUBE}, {"cube": CUBE, "gt": MAP}])
@pytest.mark.parametrize("read", [read_scene, read_labels])
def test_an_archive_with_the_ending_npy(tmp_path: Path, read: Any, arrays: dict[str, Any]) -> None:
    path = tmp_path / "cube.npy"
    with path.open("wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(ReadError) as caught:
        read(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: not a readable .npy file of numbers (ValueError: the magic ")
    assert said.endswith("); write it again with numpy.save(path, array, allow_pickle=False)")
    del caught
    gc.collect()  # a file left open would warn here


@pytest.mark.parametrize("kept", [0, 3, 6, 8, 9, 10, 127, 128, 175])
def test_a_shortened_npy(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cube.npy"
    np.save(path, CUBE)
    content = path.read_bytes()
    assert len(content) == 176
    path.write_bytes(content[:kept])
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert damaged_npy(path).fullmatch(str(caught.value))


def test_a_text_with_the_ending_npy(tmp_path: Path) -> None:
    path = tmp_path / "cube.npy"
    path.write_text("1 2 3\n" * 50)
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert damaged_npy(path).fullmatch(str(caught.value))


def test_an_array_larger_than_half_of_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = npy_stating(tmp_path / "cube.npy", "(1024, 1024, 384)")
    with path.open("r+b") as file:
        file.truncate(128 + 3 * 2**30)  # 3 GiB that take no space on the disk
    memory = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**20}
    monkeypatch.setattr(os, "sysconf", memory.__getitem__)
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert str(caught.value) == (
        f"{path}: array (1024 x 1024 x 384 float64) takes 3.0 GiB, more than half of this "
        "machine's 4.0 GiB; leave it in its file (open_scene; train --leave-in-file)"
    )
