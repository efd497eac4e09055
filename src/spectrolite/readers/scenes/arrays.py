"""Which array of a file is read, in which order of axes, and whether it fits into memory."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window
from spectrolite.errors import ReadError, SettingsError, did_you_mean, listed

AXES = ("rows", "cols", "bands")

Order = tuple[int, int, int]
"""Axes of the file for rows, cols and bands."""


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
        sides = " x ".join(map(str, self.shape))
        return f"{self.key} ({f'{sides} {self.dtype}'.strip()})"


def order_of(axes: str) -> Order:
    """The order of axes that the words of `--axes` state, `bands,rows,cols`.

    Raises:
        SettingsError: other words, or not each of the three once.
    """
    words = [word.strip().lower() for word in axes.split(",")]
    if sorted(words) != sorted(AXES):
        other = next((word for word in words if word not in AXES), None)
        raise SettingsError(
            "--axes: wanted rows, cols and bands, each once, in the order of the file, as "
            f"bands,rows,cols, got {axes[:60]!r}{did_you_mean(other, AXES)}"
        )
    rows, cols, bands = (words.index(word) for word in AXES)
    return rows, cols, bands


def as_axes(order: Order) -> str:
    """The words of an order, for people."""
    return ", ".join(AXES[order.index(n)] for n in range(3))


def order_by_count(shape: tuple[int, ...], count: int) -> Order | None:
    """The order if the bands are the only axis of that many entries, and rows come before cols."""
    if shape.count(count) != 1:
        return None
    bands = shape.index(count)
    rows, cols = (n for n in range(3) if n != bands)
    return rows, cols, bands


def in_order(
    read: Callable[[tuple[slice, ...]], NDArray[np.generic]], order: Order, bands: int
) -> Callable[[Window], NDArray[np.generic]]:
    """What reads `(rows, cols, bands)` of a window, from what reads a box of the file's axes."""
    inverse = tuple(int(i) for i in np.argsort(order))

    def read_window(window: Window) -> NDArray[np.generic]:
        box = (*window.slices, slice(0, bands))
        return np.asarray(read(tuple(box[i] for i in inverse))).transpose(order)

    return read_window


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
        raise ReadError(f"{path}: wanted {wanted}, got {named[0]}{_hint(named, axes)}")
    return named[0]


def _only_fit(
    path: Path, arrays: list[ArrayShape], axes: int, wanted: str, flag: str
) -> ArrayShape:
    fits = [a for a in arrays if _fits(a, axes)]
    if axes == 2:  # MATLAB stores numbers and texts as matrices of one row
        fits = [a for a in fits if min(a.shape) > 1] or fits
    if not fits:
        raise ReadError(f"{path}: wanted {wanted}, got {_listed(arrays)}{_hint(arrays, axes)}")
    if len(fits) > 1:
        raise ReadError(f"{path}: several arrays fit: {_listed(fits)}; choose one with {flag}")
    return fits[0]


def _hint(arrays: list[ArrayShape], axes: int) -> str:
    """Where arrays go that are a map and no scene, or the reverse."""
    if axes == 3 and any(_fits(a, 2) for a in arrays):
        return "; a map of classes goes with --labels"
    return "; a scene goes with --scene" if any(_fits(a, 3) for a in arrays) else ""


def _fits(array: ArrayShape, axes: int) -> bool:
    return array.numeric and len(array.shape) == axes and min(array.shape) > 0


def _listed(arrays: list[ArrayShape]) -> str:
    return listed(arrays) or "no arrays"
