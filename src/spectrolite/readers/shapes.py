"""What a file says of an array before it is read."""

from __future__ import annotations

import math
from dataclasses import dataclass


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
