"""The elements of a MATLAB file of version 5 to 7, checked before SciPy reads them.

SciPy looks the type of an element up in a table without a check of the number, so that a damaged
file ends the interpreter. The layout is that of MathWorks, "MAT-File Format".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

MATRIX, COMPRESSED = 14, 15
NUMBERS = (1, 2, 3, 4, 5, 6, 7, 9, 12, 13)  # of 8 to 64 bits
TEXTS = (16, 17, 18)
HEADER = 128  # bytes
PIECE = 1 << 16  # bytes read at a time
DEEPEST = 16  # cells in cells
COMPLEX = 0x0800
NUMERIC_CLASSES = range(6, 16)
MOST = 1032  # bytes that zlib makes of one


class DamagedElementError(ValueError):
    """An element that SciPy must not read."""


def check_elements(path: Path) -> None:
    """Refuse a file with an element of unknown type or one longer than its place.

    Of a numeric array only what comes before its values is read. Files of version 4 are not looked
    at, since they have no elements.

    Raises:
        DamagedElementError: there is one.
        OSError: the disk fails.
    """
    with path.open("rb") as file:
        head = file.read(HEADER)
        if len(head) < HEADER or 0 in head[:4] or head[126:] not in (b"IM", b"MI"):
            return
        order = "<" if head[126:] == b"IM" else ">"
        end = path.stat().st_size
        while file.tell() < end:
            kind, size = _tag(file.read(8), order)[:2]
            start = file.tell()
            if size > end - start:
                raise DamagedElementError(f"an element of {size} bytes, {end - start} are left")
            if kind == COMPRESSED:
                with _unpacked(file, size) as stream:
                    inner, length = _tag(stream.read(8), order)[:2]
                    if inner != MATRIX or length > MOST * size:
                        raise DamagedElementError(f"element type {inner} of {length} bytes")
                    _check_matrix(stream, length, order, 0)
            elif kind == MATRIX:
                pieces = iter(partial(file.read, PIECE), b"")
                _check_matrix(_Stream(pieces), size, order, 0)
            else:
                raise DamagedElementError(f"element type {kind} at the top")
            file.seek(start + size)


class _Stream:
    """Bytes that come in pieces, read or skipped in order."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces, self.left = pieces, b""

    def read(self, count: int) -> bytes:
        while len(self.left) < count:
            piece = next(self.pieces, b"")
            if not piece:
                break
            self.left += piece
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def skip(self, count: int) -> None:
        while count > len(self.left):
            count -= len(self.left)
            self.left = next(self.pieces, b"")
            if not self.left:
                raise DamagedElementError("it ends inside an element")
        self.left = self.left[count:]


@contextmanager
def _unpacked(file: BinaryIO, size: int) -> Iterator[_Stream]:
    unpacker = zlib.decompressobj()

    def pieces() -> Iterator[bytes]:
        left = size
        while left and not unpacker.eof:
            packed = file.read(min(left, PIECE))
            left -= len(packed)
            while packed and (piece := unpacker.decompress(packed, PIECE)):
                yield piece
                packed = unpacker.unconsumed_tail

    try:
        yield _Stream(pieces())
    except zlib.error as error:
        raise DamagedElementError(str(error)) from error


def _tag(head: bytes, order: str) -> tuple[int, int, bool]:
    """Type and bytes of an element, and whether its data are inside the tag."""
    if len(head) < 8:
        raise DamagedElementError("it ends inside the tag of an element")
    first, second = struct.unpack(f"{order}II", head)
    return (first & 0xFFFF, first >> 16, True) if first >> 16 else (first, second, False)


def _check_matrix(stream: _Stream, length: int, order: str, depth: int) -> None:
    """Check the elements of a matrix; of a numeric one up to the tag of its last values."""
    if depth > DEEPEST:
        raise DamagedElementError(f"more than {DEEPEST} cells in each other")
    number, flags = 0, 0
    while length >= 8:
        kind, size, inside = _tag(stream.read(8), order)
        length -= 8
        if kind not in (*NUMBERS, *TEXTS, MATRIX) or size > (4 if inside else length):
            raise DamagedElementError(f"element type {kind} of {size} bytes")
        padded = 0 if inside else -(-size // 8) * 8
        if number == 0 and size >= 4:
            content = stream.read(min(padded, length))
            (flags,) = struct.unpack(f"{order}I", content[:4].ljust(4, b"\0"))
        else:
            values = number - 3  # after flags, sizes and name
            numeric = flags & 0xFF in NUMERIC_CLASSES
            if numeric and values == (1 if flags & COMPLEX else 0):
                return
            if kind == MATRIX:
                _check_matrix(stream, size, order, depth + 1)
            else:
                stream.skip(min(padded, length))
        length -= padded
        number += 1
    if flags & 0xFF in NUMERIC_CLASSES:
        raise DamagedElementError("an array without its values")
