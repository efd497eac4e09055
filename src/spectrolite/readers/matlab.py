"""MATLAB files up to version 7, through SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import io

from spectrolite.errors import ReadError
from spectrolite.readers.shapes import ArrayShape

# MATLAB's class names, and the bytes that SciPy takes for an element.
NUMBERS = {
    "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
    "int64": 8, "uint64": 8, "single": 4, "double": 8, "logical": 1,
}  # fmt: skip


def shapes(path: Path) -> list[ArrayShape]:
    """Every variable of the file, in the file's order.

    Raises:
        ReadError: a damaged file, or version 7.3.
    """
    if _is_hdf5(path):
        raise ReadError(f"{path}: MATLAB version 7.3 is not read; save it in MATLAB with -v7")
    try:
        variables = io.whosmat(path)
    except Exception as error:  # SciPy lets many kinds through for a damaged file
        raise _damaged(path, error) from error
    return [
        ArrayShape(name, tuple(shape), kind, NUMBERS.get(kind, 1), kind in NUMBERS)
        for name, shape, kind in variables
    ]


def read(path: Path, key: str) -> NDArray[np.generic]:
    """The variable `key`, in memory.

    Raises:
        ReadError: a damaged file.
        OSError: the disk fails while it is read.
    """
    try:
        return np.asarray(io.loadmat(path, variable_names=[key])[key])
    except OSError as error:
        if error.errno is None:  # SciPy's own word for a file that ends too early
            raise _damaged(path, error) from error
        raise
    except Exception as error:
        raise _damaged(path, error) from error


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(128)
    return head.startswith((b"\x89HDF", b"MATLAB 7.3"))


def _damaged(path: Path, error: Exception) -> ReadError:
    return ReadError(f"{path}: not a readable MATLAB file ({type(error).__name__}: {error})")
