"""HDF5 files without the cube that was wanted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

Typed = Callable[..., tuple[int, str, str]]


def test_no_cube_in_an_hdf5_file_and_a_wrong_key(tmp_path: Path, typed: Typed) -> None:
    path = tmp_path / "s.h5"
    with h5py.File(path, "w") as file:
        file["site/gt"] = np.zeros((2, 3), np.uint8)
        file["name"] = "x"
    said = f"{path}: wanted a cube of rows, cols, bands, got "
    code, _, err = typed("info", path)
    assert code == 2
    assert err.startswith(f"error: {said}")
    assert err.endswith("site/gt (2 x 3 uint8); a map of classes goes with --labels")
    mat = tmp_path / "s.mat"
    with h5py.File(mat, "w") as file:
        file["cube"] = np.zeros((2, 3, 4))
        file["cube"].attrs["MATLAB_class"] = np.bytes_("double")
    assert typed("info", mat, "--key", "paviaU") == (
        2,
        "",
        f"error: {mat}: no array 'paviaU', only cube (4 x 3 x 2 double)",
    )


def test_a_text_in_an_unknown_encoding(tmp_path: Path, typed: Typed) -> None:
    path = tmp_path / "s.h5"
    with h5py.File(path, "w") as file:
        file["cube"] = np.zeros((2, 3, 4))
        file.create_dataset("name", data=np.array(b"hello", h5py.string_dtype("utf-8", 5)))
    text, unknown = (bytes([0x13, bits, 0, 0, 5, 0, 0, 0]) for bits in (0x11, 0x71))
    assert text in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(text, unknown))
    assert typed("info", path) == (
        2,
        "",
        f"error: {path}: not a readable HDF5 file (Unknown string encoding (value 7))",
    )
