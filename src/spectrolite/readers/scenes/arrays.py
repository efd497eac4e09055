"""Which array of a file is read, and whether it fits into memory."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from spectrolite.errors import ReadError, listed


@dataclass(frozen=True)
class ArrayShape:
    """An array in a file, before it is read."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    itemsize: int
    numeric: bool

    @property
    def nbytes(self) -> int:
        """Size in memory, bytes."""
        return math.prod(self.shape) * self.itemsize

    def __str__(self) -> str:
        return f"{self.key} ({' x '.join(map(str, self.shape))} {self.dtype})"


def check_fits_memory(path: Path, array: ArrayShape, remedy: str) -> None:
    """Refuse an array that takes more than half of this machine's memory, before it is read.

    Raises:
        ReadError: it does.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if array.nbytes > memory // 2:
        raise ReadError(
            f"{path}: {array} takes {array.nbytes / 2**30:.1f} GiB, more than half of this "
            f"machine's {memory / 2**30:.1f} GiB; {remedy}"
        )


def choose(
    path: Path, arrays: list[ArrayShape], key: str | None, axes: int, wanted: str, flag: str
) -> ArrayShape:
    """The array named `key`, or the only one that fits.

    Args:
        path: the file, for messages.
        arrays: all arrays of the file.
        key: name of the array; None if only one has that many axes.
        axes: number of axes.
        wanted: what the axes are, in words.
        flag: the option that names an array.

    Raises:
        ReadError: no array or several that fit, none of that name, or one that does not fit.
    """
    if key is None:
        return _only_fit(path, arrays, axes, wanted, flag)
    named = [a for a in arrays if a.key == key]
    if not named:
        raise ReadError(f"{path}: no array {key!r}, only {_listed(arrays)}")
    if not named[0].numeric:
        raise ReadError(f"{path}: {named[0]} is not numeric; wanted {wanted}")
    if not _fits(named[0], axes):
        raise ReadError(f"{path}: wanted {wanted}, got {named[0]}")
    return named[0]


def _only_fit(
    path: Path, arrays: list[ArrayShape], axes: int, wanted: str, flag: str
) -> ArrayShape:
    fits = [a for a in arrays if _fits(a, axes)]
    if axes == 2:  # MATLAB stores numbers and texts as matrices of one row
        fits = [a for a in fits if min(a.shape) > 1] or fits
    if not fits:
        raise ReadError(f"{path}: wanted {wanted}, got {_listed(arrays)}")
    if len(fits) > 1:
        raise ReadError(f"{path}: several arrays fit: {_listed(fits)}; choose one with {flag}")
    return fits[0]


def _fits(array: ArrayShape, axes: int) -> bool:
    return array.numeric and len(array.shape) == axes and min(array.shape) > 0


def _listed(arrays: list[ArrayShape]) -> str:
    return listed(arrays) or "no arrays"
