"""MATLAB files: up to version 7 through SciPy; version 7.3, which is HDF5, through h5py."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import io

from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.readers.scenes.arrays import ArrayShape, check_fits_memory, choose
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.hdf5 import read_part, variables

# MATLAB's class names, and the bytes per element in SciPy.
NUMBERS = {
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "int32": 4,
    "uint32": 4,
    "int64": 8,
    "uint64": 8,
    "single": 4,
    "double": 8,
    "logical": 1,
}
NUMPY = {"single": "float32", "double": "float64", "logical": "uint8"}


def shapes(path: Path) -> list[ArrayShape]:
    """Every variable of the file, in the file's order.

    Raises:
        ReadError: a damaged file.
    """
    if is_hdf5(path):
        return list(_variables(path))
    try:
        whos = io.whosmat(path)
    except Exception as error:  # SciPy raises many kinds of errors for a damaged file
        raise _damaged(path, error) from error
    return [
        ArrayShape(name, tuple(shape), kind, NUMBERS.get(kind, 1), kind in NUMBERS)
        for name, shape, kind in whos
    ]


def read(path: Path, key: str) -> NDArray[np.generic]:
    """The variable `key`, in memory.

    Raises:
        ReadError: a damaged file.
        OSError: the disk fails while it is read.
    """
    if is_hdf5(path):
        return np.asarray(read_part(path, key, ())).T
    try:
        return np.asarray(io.loadmat(path, variable_names=[key])[key])
    except OSError as error:
        if error.errno is None:  # how SciPy reports a file that ends too early
            raise _damaged(path, error) from error
        raise
    except Exception as error:
        raise _damaged(path, error) from error


def cube(path: Path, key: str | None) -> Cube:
    """The cube of the file.

    Version 7.3 is read window by window. Earlier versions compress an array as one stream, so the
    first window reads the whole array, which then stays in memory.

    Raises:
        ReadError: a damaged file, no cube or several, or a cube of an earlier version that does not
            fit into memory.
    """
    chosen = choose(path, shapes(path), key, 3, "a cube of rows, cols, bands", "--scene-key")
    rows, cols, bands = chosen.shape
    if is_hdf5(path):
        dtype = _variables(path)[chosen]
        return Cube(
            "MATLAB 7.3",
            chosen.key,
            (rows, cols, bands),
            dtype,
            partial(_read_window, path, chosen.key, bands),
        )
    check_fits_memory(path, chosen, remedy="cut the scene into parts, or save it with -v7.3")
    whole: Callable[[], NDArray[np.generic]] = cache(partial(read, path, chosen.key))
    dtype = np.dtype(NUMPY.get(chosen.dtype, chosen.dtype))
    return Cube(
        "MATLAB, up to 7",
        chosen.key,
        (rows, cols, bands),
        dtype,
        lambda window: whole()[window.slices],
    )


def is_hdf5(path: Path) -> bool:
    """Whether a file is of version 7.3."""
    with path.open("rb") as file:
        head = file.read(128)
    return head.startswith((b"\x89HDF", b"MATLAB 7.3"))


def _variables(path: Path) -> dict[ArrayShape, np.dtype[Any]]:
    """Variables of version 7.3 with their types; the file stores their axes in reverse order."""
    types = {}
    for v in variables(path):
        if v.key.startswith("#"):  # what cells refer to
            continue
        kind = v.text("MATLAB_class") or v.dtype.name
        numeric = kind in NUMBERS and v.dtype.kind in "iuf" and "MATLAB_empty" not in v.attrs
        shape = ArrayShape(v.key, v.shape[::-1], kind, v.dtype.itemsize, numeric)
        types[shape] = v.dtype
    return types


def _read_window(path: Path, key: str, bands: int, window: Window) -> NDArray[np.generic]:
    down, across = window.slices
    return read_part(path, key, (slice(0, bands), across, down)).transpose(2, 1, 0)


def _damaged(path: Path, error: Exception) -> ReadError:
    return ReadError(f"{path}: not a readable MATLAB file ({type(error).__name__}: {error})")
