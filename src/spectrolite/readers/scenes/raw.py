"""Boxes of a plain array in a file, without reading or mapping the rest.

Mapped files would be simpler, but a failing disk kills a process that reads one, and the system
maps 64 KiB around each byte that is read, which counts as our memory.
"""

from __future__ import annotations

from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import ReadError
from spectrolite.files import naming

Box = tuple[slice, slice, slice]

GAP = 16 << 10  # bytes: gaps up to this size are read too, which is faster than many short reads


def read_box(
    path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, int, int], box: Box
) -> NDArray[np.generic]:
    """Part of an array of three axes, stored in a file in C order.

    Args:
        path: the file.
        dtype: of the values, with its byte order.
        offset: bytes before the array.
        shape: of the whole array.
        box: start and stop along each axis, inside the shape.

    Raises:
        ReadError: the file is shorter than it was.
        OSError: the disk fails.
    """
    (_, b, c), wanted = _collapsed(shape, box)
    first, second, third = wanted
    out = np.empty(tuple(s.stop - s.start for s in wanted), dtype)
    size, width = dtype.itemsize, third.stop - third.start
    slab = np.empty((out.shape[1], c), dtype) if 0 < (c - width) * size <= GAP else None
    buffer = _bytes_of(out if slab is None else slab)
    run = width * size if slab is None else slab.nbytes
    with naming(path), path.open("rb", buffering=0) as file:
        for n, i in enumerate(range(first.start, first.stop)):
            if slab is not None:
                _fill(file, path, offset + (i * b + second.start) * c * size, buffer)
                out[n] = slab[:, third]
                continue
            for m, j in enumerate(range(second.start, second.stop)):
                k = (n * out.shape[1] + m) * run
                start = offset + ((i * b + j) * c + third.start) * size
                _fill(file, path, start, buffer[k : k + run])
    return out.reshape(tuple(s.stop - s.start for s in box))


def _collapsed(shape: tuple[int, int, int], box: Box) -> tuple[tuple[int, int, int], Box]:
    """The same bytes, with axes joined that are read from end to end: fewer, longer runs."""
    a, b, c = shape
    first, second, third = box
    if third != slice(0, c):
        return shape, box
    if second != slice(0, b):
        return (a, 1, b * c), (first, slice(0, 1), slice(second.start * c, second.stop * c))
    run = slice(first.start * b * c, first.stop * b * c)
    return (1, 1, a * b * c), (slice(0, 1), slice(0, 1), run)


def _bytes_of(array: NDArray[np.generic]) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8).data)


def _fill(file: FileIO, path: Path, start: int, buffer: memoryview) -> None:
    """Fill the buffer from a place in the file."""
    file.seek(start)
    read = file.readinto(buffer)
    while read < len(buffer):
        more = file.readinto(buffer[read:])
        if not more:
            raise ReadError(f"{path}: {len(buffer) - read} bytes shorter than when it was opened")
        read += more
