"""NumPy's `.npy`, without pickle: object arrays are refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import ReadError
from spectrolite.readers.shapes import ArrayShape


def shapes(path: Path) -> list[ArrayShape]:
    """The one array of the file; its key is `array`.

    Raises:
        ReadError: a damaged or shortened file, or one that holds Python objects.
    """
    array = _open(path)
    return [
        ArrayShape(
            "array", array.shape, str(array.dtype), array.dtype.itemsize, array.dtype.kind in "biuf"
        )
    ]


def read(path: Path, key: str) -> NDArray[np.generic]:
    """The array, in memory. `key` is always `array`."""
    del key
    return np.array(_open(path))


def _open(path: Path) -> NDArray[np.generic]:
    # Memory-mapped, so that a header which promises more than the file holds costs nothing.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns of sizes that overflow before it refuses
            array: NDArray[np.generic] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy lets many kinds through for a damaged header
        raise ReadError(
            f"{path}: not a readable .npy file of numbers ({type(error).__name__}: {error}); "
            "write it again with numpy.save(path, array, allow_pickle=False)"
        ) from error
    return array
