"""NetCDF: version 4 is HDF5; the classic format is read by SciPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import io

from spectrolite.errors import ReadError
from spectrolite.readers.scenes.cf import cube_among
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.hdf5 import cube as hdf5
from spectrolite.readers.scenes.variable import Variable


def cube(path: Path, key: str | None, axes: str | None = None) -> Cube:
    """The cube of the file, found by the rules of `cf`.

    Raises:
        ReadError: a damaged file, no cube or several.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if not head.startswith(b"CDF"):
        return hdf5(path, key, axes)
    if head[3:] not in (b"\x01", b"\x02"):
        raise ReadError(
            f"{path}: NetCDF version {head[3:].hex()} is not supported; convert it to NetCDF 4: "
            "nccopy -k nc4 OLD NEW"
        )
    return cube_among(path, "NetCDF 3", _variables(path), key, axes, netcdf=True)


def _variables(path: Path) -> list[Variable]:
    variables = []
    with _opened(path) as file:
        for name, item in file.variables.items():
            dtype = np.dtype(item.data.dtype)
            read = partial(_read_part, path, name)
            attrs = dict(item._attributes)
            variables.append(Variable(name, item.shape, dtype, tuple(item.dimensions), attrs, read))
            del item  # SciPy unmaps the file only when nothing refers to it
    return variables


def _read_part(path: Path, name: str, part: tuple[slice, ...]) -> NDArray[np.generic]:
    with _opened(path) as file:
        return np.array(file.variables[name].data[part])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The mapped file: each time anew, as the pages that were read count as our memory."""
    try:
        with io.netcdf_file(path, "r", mmap=True, maskandscale=False) as file:
            yield file
    except Exception as error:  # SciPy raises many kinds of errors for a damaged file
        if isinstance(error, OSError) and error.errno:
            raise
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ReadError(f"{path}: not a readable NetCDF file ({why})") from error
