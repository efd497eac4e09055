"""NumPy's `.npy`, without pickle: object arrays are refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import ReadError
from spectrolite.readers.shapes import ArrayShape

Memmap = np.memmap[Any, np.dtype[np.generic]]


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
    """The array, in memory. `key` is always `array`.

    Raises:
        OSError: the disk fails while it is read.
    """
    del key
    mapped = _open(path)
    array = np.empty_like(mapped, subok=False)  # in the file's own order of axes
    with path.open("rb") as file:  # where a disk fails, reading a mapped file kills the process
        file.seek(mapped.offset)
        read = file.readinto(array.reshape(-1, order="A").view(np.uint8).data)
    if read < array.nbytes:
        raise ReadError(f"{path}: {array.nbytes - read} bytes have gone since it was opened")
    return array


def _open(path: Path) -> Memmap:
    # Memory-mapped, so that a header which promises more than the file holds costs nothing.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns of sizes that overflow before it refuses
            array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy lets many kinds through for a damaged header
        raise ReadError(
            f"{path}: not a readable .npy file of numbers ({type(error).__name__}: {error}); "
            "write it again with numpy.save(path, array, allow_pickle=False)"
        ) from error
    return array
