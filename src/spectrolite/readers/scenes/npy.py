"""NumPy's `.npy`, without pickle: object arrays are refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import ReadError
from spectrolite.readers.scenes.arrays import ArrayShape, choose, in_order, order_of
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.raw import read_box

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
    with path.open("rb") as file:  # if a disk fails, reading a mapped file kills the process
        file.seek(mapped.offset)
        read = file.readinto(array.reshape(-1, order="A").view(np.uint8).data)
    if read < array.nbytes:
        raise ReadError(f"{path}: {array.nbytes - read} bytes shorter than when it was opened")
    return array


def cube(path: Path, key: str | None, axes: str | None = None) -> Cube:
    """The cube of the file, in either order of storage.

    Raises:
        ReadError: as for `shapes`, or an array that is not a cube.
        SettingsError: `axes` are not the three words.
    """
    chosen = choose(path, shapes(path), key, 3, "a cube of rows, cols, bands", "--scene-key")
    order = order_of(axes or "rows,cols,bands")
    array = _open(path)
    a, b, c = array.shape
    dtype, offset, backwards = array.dtype, array.offset, not array.flags.c_contiguous

    def read_part(box: tuple[slice, ...]) -> NDArray[np.generic]:
        first, second, third = box
        if backwards:
            return read_box(path, dtype, offset, (c, b, a), (third, second, first)).transpose(
                2, 1, 0
            )
        return read_box(path, dtype, offset, (a, b, c), (first, second, third))

    rows, cols, bands = (array.shape[i] for i in order)
    read_window = in_order(read_part, order, bands)
    return Cube("NumPy array", chosen.key, (rows, cols, bands), dtype, read_window)


def _open(path: Path) -> Memmap:
    # Memory-mapped, so that a header that states more than the file holds costs nothing.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy warns of sizes that overflow before it raises
            array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy raises many kinds of errors for a damaged header
        raise ReadError(
            f"{path}: not a readable .npy file of numbers ({type(error).__name__}: {error}); "
            "write it again with numpy.save(path, array, allow_pickle=False)"
        ) from error
    return array
