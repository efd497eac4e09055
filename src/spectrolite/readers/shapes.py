"""What a file says of an array before it is read."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from spectrolite.errors import ReadError


@dataclass(frozen=True)
class ArrayShape:
    """Name, shape, type and size of an array in a file."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    itemsize: int
    numeric: bool

    @property
    def nbytes(self) -> int:
        """Bytes that the array takes in memory."""
        return math.prod(self.shape) * self.itemsize

    def __str__(self) -> str:
        return f"{self.key} ({' x '.join(map(str, self.shape))} {self.dtype})"


def check_fits_memory(path: Path, array: ArrayShape, remedy: str) -> None:
    """Refuse an array before its memory is taken.

    Raises:
        ReadError: it takes more than half of this machine's memory.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if array.nbytes > memory // 2:
        raise ReadError(
            f"{path}: {array} takes {array.nbytes / 2**30:.1f} GiB, more than half of this "
            f"machine's {memory / 2**30:.1f} GiB; {remedy}"
        )
