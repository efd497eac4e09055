"""One look at the values of a cube: where there is a spectrum, and which bands say little.

A pixel has no spectrum where any band is NaN, infinite or the value that stands for none. Where
that value is 0, every band must be 0: a single 0 is what dark water gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window, windows
from spectrolite.readers.scenes.cube import Numbers

NOISY = 0.5
"""A band is called noisy from here on: where half of its variance lies between neighbours.

The measure is von Neumann's: half the mean squared difference of pixels side by side, over the
variance; 1 where pixels know nothing of their neighbours, near 0 where the band is a smooth image.
"""

VALUES = 1 << 21  # looked at in one go: 16 MiB as float64, of which there are a few copies


@dataclass(frozen=True, eq=False)
class Survey:
    """What was found in some windows of a cube.

    Attributes:
        pixels: how many were looked at.
        without: how many of them have no spectrum.
        missing: `(bands,)`, how many values are NaN, infinite or stand for none.
        low: `(bands,)`, the lowest of the other values; NaN where there is none.
        high: `(bands,)`, the highest.
        roughness: `(bands,)`, see `NOISY`; NaN where the band is constant.
    """

    pixels: int
    without: int
    missing: NDArray[np.int64]
    low: Numbers
    high: Numbers
    roughness: Numbers

    @property
    def constant(self) -> tuple[int, ...]:
        """Bands that have one value throughout, or none."""
        return tuple(int(b) for b in np.flatnonzero(~(self.low < self.high)))

    @property
    def noisy(self) -> tuple[int, ...]:
        """Bands whose pixels hardly know their neighbours."""
        return tuple(int(b) for b in np.flatnonzero(self.roughness >= NOISY))


def missing_values(values: NDArray[np.generic], nodata: Numbers | None) -> NDArray[np.bool_]:
    """Where `(..., bands)` values are NaN, infinite or the value that stands for none."""
    missing = np.zeros(values.shape, bool)
    if values.dtype.kind == "f":
        np.logical_not(np.isfinite(values), out=missing)
    if nodata is not None:
        # as the file's own type has it: -3.4e38 is written in float64 and stored in float32
        kind: Any = values.dtype.type
        none = nodata.astype(kind) if values.dtype.kind == "f" else nodata
        np.logical_or(missing, values == none, out=missing)
    return missing


def has_spectrum(values: NDArray[np.generic], nodata: Numbers | None) -> NDArray[np.bool_]:
    """`(rows, cols)` bool of `(rows, cols, bands)` values: the rule of this module."""
    if nodata is None or not (nodata == 0).any():
        return np.asarray(~missing_values(values, nodata).any(-1))
    zero = nodata == 0
    other = np.where(zero, np.nan, nodata)
    filled = (values[..., zero] == 0).all(-1)
    return np.asarray(~filled & ~missing_values(values, other).any(-1))


def survey(
    read: Callable[[Window], NDArray[np.generic]], parts: Iterable[Window], nodata: Numbers | None
) -> Survey:
    """Look at the values in some windows.

    Args:
        read: window to stored values.
        parts: the windows; `pieces` makes small ones.
        nodata: as of `Cube`.
    """
    pixels = without = 0
    columns: list[Any] = []
    for part in parts:
        values = read(part)
        missing = missing_values(values, nodata)
        holes = bool(missing.any())
        numbers = values.astype(np.float64)
        if holes:
            numbers[missing] = np.nan
        if not columns:
            bands = numbers.shape[-1]
            # a value near all others is taken off, so that squares keep their digits
            near = np.nan_to_num(numbers.reshape(-1, bands)[0])
            columns = [
                np.zeros(bands, np.int64),
                np.full(bands, np.inf),
                np.full(bands, -np.inf),
                *(np.zeros(bands) for _ in range(5)),
            ]
        numbers -= near
        there = ~missing
        pixels += missing.shape[0] * missing.shape[1]
        without += int((~has_spectrum(values, nodata)).sum()) if holes else 0
        columns[0] += missing.sum((0, 1))
        columns[1] = np.minimum(columns[1], numbers.min((0, 1), initial=np.inf, where=there))
        columns[2] = np.maximum(columns[2], numbers.max((0, 1), initial=-np.inf, where=there))
        if holes:
            numbers[missing] = 0
        steps = np.diff(numbers, axis=1)
        both = there[:, 1:] & there[:, :-1]
        if holes:
            steps[~both] = 0
        squares, jumps = (np.einsum("ijk,ijk->k", a, a) for a in (numbers, steps))
        found = (there.sum((0, 1)), numbers.sum((0, 1)), squares, both.sum((0, 1)), jumps)
        for i, more in enumerate(found, start=3):
            columns[i] += more
    gone, low, high, n, total, squares, pairs, jumps = columns
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares / n - (total / n) ** 2
        roughness = np.where(high > low, jumps / pairs / 2 / variance, np.nan)
    low, high = (np.where(n > 0, end + near, np.nan) for end in (low, high))
    return Survey(pixels, without, gone, low, high, roughness)


def pieces(rows: int, cols: int, bands: int, itemsize: int, budget: int) -> Iterator[Window]:
    """Small windows over the whole scene, evenly spaced where all would be too much.

    Args:
        rows: of the scene.
        cols: of the scene.
        bands: of the scene.
        itemsize: bytes a value in the file.
        budget: bytes that may be read; 0 where all shall be.
    """
    side = max(1, int((VALUES / bands) ** 0.5))
    down, across = -(-rows // side), -(-cols // side)
    largest = bands * itemsize * -(-rows // down) * -(-cols // across)
    most = max(1, budget // largest) if budget else down * across
    if most >= down * across:
        yield from windows(rows, cols, side)
        return
    for n in range(most):  # as `windows` has them, of which a huge file would have a huge list
        i, j = divmod(n * (down * across - 1) // max(most - 1, 1), across)
        yield Window(
            i * rows // down,
            (i + 1) * rows // down,
            j * cols // across,
            (j + 1) * cols // across,
        )
