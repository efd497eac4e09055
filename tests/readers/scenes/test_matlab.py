"""MATLAB files of both kinds.

References: the array that was written; the sizes of the arrays that SciPy loads.
"""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import io, sparse

from spectrolite.errors import ReadError
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import read_scene
from spectrolite.readers import read_labels
from spectrolite.readers.scenes import matlab
from written_scenes import mat_73

CUBE = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)


MAP = np.array([[0, 1, 1], [2, 0, 7]], np.uint8)


def test_the_one_cube_of_a_mat_file_is_found_among_other_things(tmp_path: Path) -> None:
    path = tmp_path / "scene.mat"
    io.savemat(path, {"title": "a field", "scale": 2.0, "gt": MAP, "cube": CUBE})
    scene, labels = read_scene(path), read_labels(path)
    np.testing.assert_array_equal(scene.cube, CUBE)
    np.testing.assert_array_equal(labels.array, MAP)
    assert scene.source["key"] == "cube"
    assert labels.source["key"] == "gt"


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "bool"]
)
def test_a_mat_header_states_the_size_that_scipy_loads(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "cube.mat"
    io.savemat(path, {"cube": CUBE.astype(dtype)})
    (promised,) = matlab.shapes(path)
    loaded: NDArray[np.generic] = io.loadmat(path)["cube"]
    assert promised.numeric
    assert promised.shape == CUBE.shape
    assert promised.nbytes == loaded.nbytes
    np.testing.assert_array_equal(matlab.read(path, "cube"), CUBE.astype(dtype))


@pytest.mark.parametrize("read", [read_scene, read_labels])
def test_a_mat_without_such_an_array(tmp_path: Path, read: Any) -> None:
    path = tmp_path / "odd.mat"
    cells = np.empty((2, 2), object)
    cells[:] = "x"
    io.savemat(path, {"s": sparse.csc_matrix(np.eye(3)), "c": cells, "t": np.ones((2, 2, 2, 2))})
    with pytest.raises(ReadError) as caught:
        read(path)
    wanted = "a cube of rows, cols, bands" if read is read_scene else "a map of rows, cols"
    assert str(caught.value) == (
        f"{path}: wanted {wanted}, got s (3 x 3 sparse), c (2 x 2 cell), t (2 x 2 x 2 x 2 double)"
    )


def test_an_empty_mat(tmp_path: Path) -> None:
    io.savemat(tmp_path / "empty.mat", {})
    with pytest.raises(ReadError) as caught:
        read_labels(tmp_path / "empty.mat")
    assert str(caught.value) == (
        f"{tmp_path / 'empty.mat'}: wanted a map of rows, cols, got no arrays"
    )


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
    with pytest.raises(ReadError, match=r"cube\.mat: not a readable MATLAB file \(.*Error -3 "):
        read_scene(path)


def test_labels_of_matlab_7_3(tmp_path: Path) -> None:
    labels = read_labels(mat_73(tmp_path, CUBE))
    np.testing.assert_array_equal(labels.array, CUBE[:, :, 0])
    assert labels.source["key"] == "gt"


def element(kind: int, data: bytes) -> bytes:
    """An element of a MAT file of level 5: type, number of bytes, bytes to a multiple of 8."""
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matlab_object(name: bytes, kind: bytes) -> bytes:
    """A string, table and the like, as MATLAB 2020 stores it: class 17, and a mark of its data."""
    mark = (0xDD000000, 2, 3, 1, 1, 1)
    inner = element(6, struct.pack("<II", 13, 0)) + element(5, struct.pack("<ii", 6, 1))
    inner += element(1, b"") + element(6, struct.pack("<6I", *mark))
    named = element(1, name) + element(1, b"MCOS") + element(1, kind)
    return element(14, element(6, struct.pack("<II", 17, 0)) + named + element(14, inner))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_cube_beside_objects_of_matlab(tmp_path: Path, compressed: bool, first: bool) -> None:
    path = tmp_path / "s.mat"
    io.savemat(path, {"cube": CUBE, "gt": MAP}, do_compression=compressed)
    objects = b""
    for one in (matlab_object(b"site", b"string"), matlab_object(b"plots", b"table")):
        packed = zlib.compress(one)
        objects += struct.pack("<II", 15, len(packed)) + packed if compressed else one
    content = path.read_bytes()
    halves = (objects, content[128:]) if first else (content[128:], objects)
    path.write_bytes(content[:128] + b"".join(halves))
    scene, labels = read_scene(path), read_labels(path)
    np.testing.assert_array_equal(scene.cube, CUBE)
    np.testing.assert_array_equal(labels.array, MAP)
    assert open_cube(path).notes == (
        "not read, as they are objects of MATLAB: site (3 x 1 string), plots (3 x 1 table)",
    )
    with pytest.raises(ReadError) as caught:
        read_scene(path, "plots")
    assert str(caught.value) == (
        f"{path}: plots (3 x 1 table) is not numeric; wanted a cube of rows, cols, bands"
    )


def test_hdf5_under_an_older_heading(tmp_path: Path) -> None:
    path = mat_73(tmp_path, CUBE)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.0 MAT-file, Platform: PCWIN".ljust(124))
    np.testing.assert_array_equal(read_scene(path).cube, CUBE)
    np.testing.assert_array_equal(read_labels(path).array, CUBE[:, :, 0])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", [0, 8, 10, 11, 19, 2051, 65535])
def test_an_element_of_unknown_type_does_not_reach_scipy(
    tmp_path: Path, kind: int, compressed: bool
) -> None:
    """SciPy takes the number as a place in a table: 2051 ended the interpreter."""
    path = tmp_path / "s.mat"
    io.savemat(path, {"cube": CUBE})
    content = path.read_bytes()
    place = content.index(b"cube") + 4
    assert struct.unpack_from("<I", content, place) == (3,)  # int16
    content = content[:place] + struct.pack("<I", kind) + content[place + 4 :]
    if compressed:
        packed = zlib.compress(content[128:])
        content = content[:128] + struct.pack("<II", 15, len(packed)) + packed
    path.write_bytes(content)
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert str(caught.value) == (
        f"{path}: not a readable MATLAB file (DamagedElementError: element type {kind} of 48 bytes)"
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_elements_of_both_byte_orders_are_read(tmp_path: Path, order: str) -> None:
    """Written by hand, as MathWorks describes the format."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(f"{order}II", kind, len(data)) + data.ljust(
            -(-len(data) // 8) * 8, b"\0"
        )

    parts = (
        element(6, struct.pack(f"{order}II", 10, 0)),
        element(5, struct.pack(f"{order}3i", *CUBE.shape)),
        element(1, b"cube"),
        element(3, CUBE.astype(f"{order}i2").tobytes(order="F")),
    )
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 256)
    mark = b"IM" if order == "<" else b"MI"
    (tmp_path / "s.mat").write_bytes(head + mark + element(14, b"".join(parts)))
    np.testing.assert_array_equal(read_scene(tmp_path / "s.mat").cube, CUBE)


def test_a_complex_array_without_its_imaginary_part(tmp_path: Path) -> None:
    """SciPy would read on behind the array, and end the interpreter."""
    path = tmp_path / "s.mat"
    io.savemat(path, {"cube": CUBE})
    content = bytearray(path.read_bytes())
    content[content.index(b"cube") - 35] |= 0x08  # the flag of complex numbers
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"\(DamagedElementError: an array without its values\)$"):
        read_scene(path)
