"""Data files, and files that only look like them.

References: the array that was written; NumPy's own loader for the control of the pickle payload;
SciPy's loaded arrays for the sizes that a header promises; a file whose bytes are struck at random.
"""

from __future__ import annotations

import gc
import os
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import io, sparse

from spectrolite.errors import LabelsError, ReadError, SceneError
from spectrolite.readers import read_labels, read_scene
from spectrolite.readers.scenes import matlab, npy
from spectrolite.readers.scenes.arrays import ArrayShape

CUBE = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
MAP = np.array([[0, 1, 1], [2, 0, 7]], np.uint8)


def npy_promising(path: Path, shape: str, dtype: str = "<f8") -> Path:
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


# What is read


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


def test_a_path_may_be_a_text_and_its_ending_in_capitals(tmp_path: Path) -> None:
    with (tmp_path / "CUBE.NPY").open("wb") as file:
        np.save(file, CUBE)
    np.testing.assert_array_equal(read_scene(str(tmp_path / "CUBE.NPY")).cube, CUBE)


def test_the_source_is_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "cube.npy", CUBE)
    monkeypatch.chdir(tmp_path)
    assert read_scene("cube.npy").source["file"] == str(tmp_path.resolve() / "cube.npy")


def test_a_scene_read_from_npy_is_independent_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cube.npy"
    np.save(path, CUBE)
    scene = read_scene(path)
    path.write_bytes(bytes(path.stat().st_size))
    np.testing.assert_array_equal(scene.cube, CUBE)


def test_a_label_map_comes_back_with_its_names(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", MAP)
    labels = read_labels(tmp_path / "gt.npy", class_names={7: "oats"})
    np.testing.assert_array_equal(labels.array, MAP)
    assert labels.class_names == {1: "class 1", 2: "class 2", 7: "oats"}
    assert labels.name == "gt.npy"
    assert labels.source == {"file": str(tmp_path / "gt.npy"), "key": "array"}


def test_the_one_cube_of_a_mat_file_is_found_among_other_things(tmp_path: Path) -> None:
    path = tmp_path / "scene.mat"
    io.savemat(path, {"title": "a field", "scale": 2.0, "gt": MAP, "cube": CUBE})
    scene, labels = read_scene(path), read_labels(path)
    np.testing.assert_array_equal(scene.cube, CUBE)
    np.testing.assert_array_equal(labels.array, MAP)
    assert scene.source["key"] == "cube"
    assert labels.source["key"] == "gt"


def test_labels_that_matlab_stored_as_doubles_are_read(tmp_path: Path) -> None:
    io.savemat(tmp_path / "gt.mat", {"gt": MAP.astype(float) * 300})
    assert read_labels(tmp_path / "gt.mat").class_ids == (300, 600, 2100)


def test_a_map_of_one_row_is_read_where_there_is_no_other(tmp_path: Path) -> None:
    io.savemat(tmp_path / "row.mat", {"gt": np.array([[1, 2, 3]])})
    assert read_labels(tmp_path / "row.mat").shape == (1, 3)


def test_a_key_chooses_among_several_arrays(tmp_path: Path) -> None:
    io.savemat(tmp_path / "two.mat", {"one": CUBE, "two": CUBE + 1, "a": MAP, "b": MAP * 2})
    np.testing.assert_array_equal(read_scene(tmp_path / "two.mat", key="two").cube, CUBE + 1)
    np.testing.assert_array_equal(read_labels(tmp_path / "two.mat", key="b").array, MAP * 2)


def test_dropped_bands_are_left_out_and_remembered(tmp_path: Path) -> None:
    broken = CUBE.astype(float)
    broken[:, :, 1] = np.nan
    np.save(tmp_path / "cube.npy", broken)
    scene = read_scene(tmp_path / "cube.npy", drop_bands=(1, 3))
    np.testing.assert_array_equal(scene.cube, CUBE[:, :, [0, 2]])
    assert scene.source["drop_bands"] == "1,3"


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "bool"]
)
def test_a_mat_header_promises_the_bytes_that_scipy_loads(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "cube.mat"
    io.savemat(path, {"cube": CUBE.astype(dtype)})
    (promised,) = matlab.shapes(path)
    loaded: NDArray[np.generic] = io.loadmat(path)["cube"]
    assert promised.numeric
    assert promised.shape == CUBE.shape
    assert promised.nbytes == loaded.nbytes
    np.testing.assert_array_equal(matlab.read(path, "cube"), CUBE.astype(dtype))


def test_an_npy_header_promises_the_bytes_of_the_array(tmp_path: Path) -> None:
    np.save(tmp_path / "cube.npy", CUBE)
    assert npy.shapes(tmp_path / "cube.npy") == [ArrayShape("array", (2, 3, 4), "int16", 2, True)]


def test_an_array_is_described_in_words() -> None:
    shape = ArrayShape("paviaU", (610, 340, 103), "uint16", 2, True)
    assert str(shape) == "paviaU (610 x 340 x 103 uint16)"
    assert shape.nbytes == 610 * 340 * 103 * 2


# What is refused


@pytest.mark.parametrize("read", [read_scene, read_labels])
def test_a_missing_file_and_a_folder(tmp_path: Path, read: Any) -> None:
    (tmp_path / "folder.npy").mkdir()
    for path in (tmp_path / "none.npy", tmp_path / "folder.npy"):
        with pytest.raises(ReadError) as caught:
            read(path)
        assert str(caught.value) == f"{path}: no such file"


def test_labels_with_an_unknown_ending(tmp_path: Path) -> None:
    path = tmp_path / "map.xyz"
    path.touch()
    with pytest.raises(ReadError) as caught:
        read_labels(path)
    assert str(caught.value) == (
        f"{path}: wanted one of .asc, .bil, .bin, .bip, .bsq, .csv, .dat, .envi, .fgb, .geojson, "
        ".gpkg, .hdr, .img, .json, .mat, .npy, .png, .raw, .rfl, .roi, .shp, .tif, .tiff, .tsv, "
        ".txt, .vrt, got .xyz"
    )


def test_labels_without_an_ending_are_a_raster_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "map"
    path.touch()
    with pytest.raises(ReadError) as caught:
        read_labels(path)
    assert str(caught.value) == (
        f"{path}: cannot be read as a raster ('{path}' not recognized as being in a supported file "
        "format.)"
    )


@pytest.mark.parametrize(
    ("read", "array", "message"),
    [
        (read_scene, MAP, "wanted a cube of rows, cols, bands, found only array (2 x 3 uint8)"),
        (read_labels, CUBE, "wanted a map of rows, cols, found only array (2 x 3 x 4 int16)"),
        (
            read_scene,
            CUBE[:0],
            "wanted a cube of rows, cols, bands, found only array (0 x 3 x 4 int16)",
        ),
        (
            read_scene,
            CUBE * 1j,
            "wanted a cube of rows, cols, bands, found only array (2 x 3 x 4 complex128)",
        ),
        (
            read_labels,
            np.array([["a", "b"]]),
            "wanted a map of rows, cols, found only array (1 x 2 <U1)",
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


@pytest.mark.parametrize("read", [read_scene, read_labels])
def test_a_mat_that_holds_no_such_array(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "odd.mat"
    cells = np.empty((2, 2), object)
    cells[:] = "x"
    io.savemat(path, {"s": sparse.csc_matrix(np.eye(3)), "c": cells, "t": np.ones((2, 2, 2, 2))})
    with pytest.raises(ReadError) as caught:
        read(path)
    wanted = "a cube of rows, cols, bands" if read is read_scene else "a map of rows, cols"
    assert str(caught.value) == (
        f"{path}: wanted {wanted}, found only s (3 x 3 sparse), c (2 x 2 cell), "
        "t (2 x 2 x 2 x 2 double)"
    )


def test_an_empty_mat(tmp_path: Path) -> None:
    io.savemat(tmp_path / "empty.mat", {})
    with pytest.raises(ReadError) as caught:
        read_labels(tmp_path / "empty.mat")
    assert str(caught.value) == (
        f"{tmp_path / 'empty.mat'}: wanted a map of rows, cols, found only nothing"
    )


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
        f"{tmp_path / 'one.mat'}: no array 'paviaU' in it, only cube (2 x 3 x 4 int16)"
    )
    with pytest.raises(ReadError) as caught:
        read(tmp_path / "one.npy", key="paviaU")
    assert str(caught.value) == (
        f"{tmp_path / 'one.npy'}: no array 'paviaU' in it, only array (2 x 3 uint8)"
    )


def test_a_key_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    io.savemat(tmp_path / "m.mat", {"gt": MAP, "cube": CUBE})
    with pytest.raises(ReadError) as bad_scene:
        read_scene(tmp_path / "m.mat", key="gt")
    assert str(bad_scene.value) == (
        f"{tmp_path}/m.mat: wanted a cube of rows, cols, bands, got gt (2 x 3 uint8)"
    )
    with pytest.raises(ReadError) as bad_labels:
        read_labels(tmp_path / "m.mat", key="cube")
    assert str(bad_labels.value) == (
        f"{tmp_path}/m.mat: wanted a map of rows, cols, got cube (2 x 3 x 4 int16)"
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


def test_bad_values_are_named_with_their_file(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", MAP.astype(int) - 1)
    with pytest.raises(LabelsError) as bad_labels:
        read_labels(tmp_path / "gt.npy")
    assert str(bad_labels.value) == (
        "gt.npy: wanted ids from 0 (unlabelled) up, got -1 at 2 pixels; set them to 0"
    )
    for where in (np.arange(4) == 1, CUBE % 4 == 1):  # every pixel of one band
        np.save(tmp_path / "cube.npy", np.where(where, np.inf, CUBE))
        with pytest.raises(SceneError) as bad_scene:
            read_scene(tmp_path / "cube.npy")
        assert str(bad_scene.value) == (
            "cube.npy: no pixel has a value in every band: NaN, infinite or nodata in 1 of 4 "
            "bands, from 0: 1; drop them (--drop-bands 1) or fill them"
        )


def test_bands_that_the_file_does_not_have(tmp_path: Path) -> None:
    np.save(tmp_path / "cube.npy", CUBE)
    with pytest.raises(SceneError) as caught:
        read_scene(tmp_path / "cube.npy", drop_bands=(2, 3, 4))
    assert str(caught.value) == (
        "cube.npy: --drop-bands wants bands from 0 to 3 and some left over, got 2-4"
    )


def test_bands_of_a_map_cannot_be_dropped(tmp_path: Path) -> None:
    io.savemat(tmp_path / "m.mat", {"gt": MAP, "cube": CUBE})
    with pytest.raises(ReadError) as caught:
        read_scene(tmp_path / "m.mat", key="gt", drop_bands=(1,))
    assert str(caught.value) == (
        f"{tmp_path}/m.mat: wanted a cube of rows, cols, bands, got gt (2 x 3 uint8)"
    )


def test_infinite_labels_are_named_with_their_file(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", np.where(MAP == 7, np.inf, MAP))
    with pytest.raises(LabelsError) as caught:
        read_labels(tmp_path / "gt.npy")
    assert str(caught.value) == (
        "gt.npy: wanted whole numbers (0 unlabelled, classes from 1), got float64 with other values"
    )


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
def test_a_header_that_promises_a_petabyte_costs_nothing(tmp_path: Path, shape: str) -> None:
    path = npy_promising(tmp_path / "cube.npy", shape)
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
def test_a_header_that_promises_nonsense(tmp_path: Path, shape: str) -> None:
    path = npy_promising(tmp_path / "cube.npy", shape)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(ReadError) as caught:
            read_scene(path)
    assert damaged_npy(path).fullmatch(str(caught.value))
    assert warned == []


def test_a_header_of_python_2_is_read_without_a_word(tmp_path: Path) -> None:
    path = npy_promising(tmp_path / "cube.npy", "(1L, 2L, 4L)")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert read_scene(path).shape == (1, 2, 4)
    assert warned == []


@pytest.mark.parametrize("dtype", ["garbage", "<f3", "<q9", ""])
def test_a_header_that_promises_an_unknown_type(tmp_path: Path, dtype: str) -> None:
    path = npy_promising(tmp_path / "cube.npy", "(2, 2, 2)", dtype)
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert damaged_npy(path).fullmatch(str(caught.value))


STRIKES = st.tuples(
    st.integers(0, 127),
    st.sampled_from(list(b"0123456789()[]{},'<>|fiuUOV-+.eL :\\")) | st.integers(0, 255),
)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(strikes=st.lists(STRIKES, min_size=1, max_size=5))
def test_a_header_with_struck_bytes_is_read_or_refused(
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


@pytest.mark.parametrize("head", [b"MATLAB 7.3 MAT-file, Platform: GLNXA64", b"\x89HDF\r\n\x1a\n"])
def test_a_head_of_matlab_7_3_without_a_body(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "cube.mat"
    path.write_bytes(head.ljust(512))
    for read in (read_scene, read_labels):
        with pytest.raises(ReadError) as caught:
            read(path)
        assert re.fullmatch(
            re.escape(f"{path}: not a readable HDF5 file (") + ".+" + re.escape(")"),
            str(caught.value),
        )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "MatReadError: Mat file appears to be truncated"),
        (b"MATLAB 5.0 MAT-file", "MatReadError: Mat file appears to be truncated"),
        (b"hello" * 100, "ValueError: Unknown mat file type, version 111, 104"),
        (bytes(200), "MatReadError: Mat file appears to be corrupt (first 20 bytes == 0)"),
    ],
)
def test_a_mat_without_a_readable_header(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "cube.mat"
    path.write_bytes(content)
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert str(caught.value) == f"{path}: not a readable MATLAB file ({said})"


def test_a_mat_cut_off_inside_its_array(tmp_path: Path) -> None:
    path = tmp_path / "cube.mat"
    io.savemat(path, {"cube": np.arange(4000.0).reshape(10, 20, 20)})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert re.fullmatch(
        re.escape(f"{path}: not a readable MATLAB file (") + r"\w+: .+\)", str(caught.value)
    )


def test_a_mat_with_damaged_compression(tmp_path: Path) -> None:
    path = tmp_path / "cube.mat"
    io.savemat(path, {"cube": CUBE}, do_compression=True)
    content = bytearray(path.read_bytes())
    content[140:160] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"cube\.mat: not a readable MATLAB file \(error: "):
        read_scene(path)


# Memory


def test_an_array_larger_than_half_of_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = npy_promising(tmp_path / "cube.npy", "(1024, 1024, 384)")
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
        f"{path}: array (1 x 1 x 2 <U1) holds no numbers; wanted a cube of rows, cols, bands"
    )
