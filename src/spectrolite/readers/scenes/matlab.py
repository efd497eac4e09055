"""MATLAB files: up to version 7 through SciPy; version 7.3, which is HDF5, through h5py."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import io

from spectrolite.errors import ReadError, listed
from spectrolite.readers.scenes.arrays import (
    ArrayShape,
    Order,
    as_axes,
    check_fits_memory,
    choose,
    in_order,
    order_by_count,
    order_of,
)
from spectrolite.readers.scenes.cf import WAVELENGTHS
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.hdf5 import read_part, variables
from spectrolite.readers.scenes.mat_elements import check_elements

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
CLASSES = (*NUMBERS, "cell", "struct", "object", "char", "sparse", "function", "opaque", "unknown")
HDF5 = b"\x89HDF"
NUMPY = {"single": "float32", "double": "float64", "logical": "uint8"}


def shapes(path: Path) -> list[ArrayShape]:
    """Every variable of the file, in the file's order.

    Raises:
        ReadError: a damaged file.
    """
    if is_hdf5(path):
        return list(_variables(path))
    try:
        check_elements(path)
        whos = io.whosmat(path)
    except TypeError as error:  # SciPy's for an object, such as a string, in one of the variables
        whos = _one_by_one(path, error)
    except Exception as error:  # SciPy raises many kinds of errors for a damaged file
        raise _damaged(path, error) from error
    return [
        ArrayShape(name, tuple(shape), kind, NUMBERS.get(kind, 1), kind in NUMBERS)
        for name, shape, kind in whos
    ]


def _one_by_one(path: Path, error: Exception) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and kind of each variable; of an object its class, such as string or table."""
    found = []
    try:
        with path.open("rb") as file:
            parts = io.matlab.varmats_from_mat(file)
        for name, part in parts:
            if name == "__function_workspace__":  # what the objects hold
                continue
            try:
                found += io.whosmat(part)
            except TypeError:
                ((own_name, _, kind, ids),) = io.loadmat(part)[name]
                shape = ids.ravel()[2 : 2 + int(ids.ravel()[1])]  # after a mark and the count
                sides = tuple(int(n) for n in shape[:32])
                found.append((own_name.decode("latin-1"), sides, kind.decode("latin-1")))
    except Exception:  # not an object, but damage
        raise _damaged(path, error) from error
    return found


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


def cube(path: Path, key: str | None, axes: str | None = None) -> Cube:
    """The cube of the file.

    Version 7.3 is read window by window. Earlier versions compress an array as one stream, so the
    first window reads the whole array, which then stays in memory.

    Raises:
        ReadError: a damaged file, no cube or several, or a cube of an earlier version that does not
            fit into memory.
        SettingsError: `axes` are not the three words.
    """
    arrays = shapes(path)
    chosen = choose(path, arrays, key, 3, "a cube of rows, cols, bands", "--scene-key")
    order, notes = _order(chosen, arrays, axes)
    rows, cols, bands = (chosen.shape[i] for i in order)
    if is_hdf5(path):
        dtype = _variables(path)[chosen]
        form = "MATLAB 7.3"
        read_box: Callable[[tuple[slice, ...]], NDArray[np.generic]] = partial(
            _read_backwards, path, chosen.key
        )
    else:
        check_fits_memory(path, chosen, remedy="cut the scene into parts, or save it with -v7.3")
        whole: Callable[[], NDArray[np.generic]] = cache(partial(read, path, chosen.key))
        dtype = np.dtype(NUMPY.get(chosen.dtype, chosen.dtype))
        form, read_box = "MATLAB, up to 7", lambda box: whole()[box]
        objects = [str(a) for a in arrays if a.dtype not in CLASSES]
        if objects:
            notes.append(f"not read, as they are objects of MATLAB: {listed(objects, 5)}")
    window = in_order(read_box, order, bands)
    return Cube(form, chosen.key, (rows, cols, bands), dtype, window, notes=tuple(notes))


def _order(cube: ArrayShape, arrays: list[ArrayShape], axes: str | None) -> tuple[Order, list[str]]:
    """Axes of the cube for rows, cols, bands, and what to say of them."""
    if axes:
        return order_of(axes), []
    for array in arrays:  # MATLAB stores a list as a matrix of one row or column
        count = max(array.shape, default=0)
        if math.prod(array.shape) != count or not WAVELENGTHS.fullmatch(array.key.lower()):
            continue
        order = order_by_count(cube.shape, count)
        if order not in (None, (0, 1, 2)):
            return order, [
                f"taken as {as_axes(order)}, as the file has {count} wavelengths; --axes states "
                "another order"
            ]
    return (0, 1, 2), []


def is_hdf5(path: Path) -> bool:
    """Whether a file is of version 7.3, which other programs also write under an older heading."""
    with path.open("rb") as file:
        head = file.read(520)
    return head.startswith((HDF5, b"MATLAB 7.3")) or head[512:].startswith(HDF5)


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


def _read_backwards(path: Path, key: str, box: tuple[slice, ...]) -> NDArray[np.generic]:
    return read_part(path, key, box[::-1]).T


def _damaged(path: Path, error: Exception) -> ReadError:
    return ReadError(f"{path}: not a readable MATLAB file ({type(error).__name__}: {error})")
