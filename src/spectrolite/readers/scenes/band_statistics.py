"""Statistics of a cube's values: which pixels have a spectrum, which bands are constant or noisy.

A pixel has no spectrum if any band is NaN, infinite or nodata. If the nodata value is 0, every band
must be 0: dark water may give a single 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window, windows
from spectrolite.readers.scenes.cube import Cube, Numbers

NOISY = 0.5
"""Roughness from which a band is called noisy: half of its variance is between neighbours.

Roughness is von Neumann's ratio: half the mean squared difference of adjacent pixels, divided by
the variance; 1 if neighbours are independent, near 0 if the band is a smooth image.
"""

VALUES_AT_ONCE = 1 << 21  # 16 MiB as float64, of which there are a few copies
STRIP = 64 << 20  # bytes read at a time
LARGEST_STRIP = 512 << 20  # of blocks that are larger than that; blocks above it are decoded again
BLOCK_COST = 16 << 10  # bytes that are decoded in the time that it takes to find a block
FEWEST = 8  # windows to look at, where blocks are small enough


@dataclass(frozen=True, eq=False)
class BandStatistics:
    """Statistics of the values in some windows of a cube.

    Attributes:
        pixels: number of pixels in the windows.
        without: how many of them have no spectrum.
        missing: `(bands,)` number of values that are NaN, infinite or nodata.
        low: `(bands,)` lowest of the other values; NaN if there are none.
        high: `(bands,)` highest of them.
        roughness: `(bands,)`, see `NOISY`; NaN if the band is constant.
    """

    pixels: int
    without: int
    missing: NDArray[np.int64]
    low: Numbers
    high: Numbers
    roughness: Numbers

    @property
    def empty(self) -> tuple[int, ...]:
        """Bands without any value."""
        return tuple(int(b) for b in np.flatnonzero(self.missing == self.pixels))

    @property
    def constant(self) -> tuple[int, ...]:
        """Bands with a single value, or none."""
        return tuple(int(b) for b in np.flatnonzero(~(self.low < self.high)))

    @property
    def noisy(self) -> tuple[int, ...]:
        """Bands of a roughness of `NOISY` or more."""
        return tuple(int(b) for b in np.flatnonzero(self.roughness >= NOISY))


def missing_values(values: NDArray[np.generic], nodata: Numbers | None) -> NDArray[np.bool_]:
    """Where `(..., bands)` values are NaN, infinite or nodata."""
    missing = np.zeros(values.shape, bool)
    if values.dtype.kind == "f":
        np.logical_not(np.isfinite(values), out=missing)
    if nodata is not None:
        # rounded to the file's type: -3.4e38 is stated in float64 and stored in float32
        kind: Any = values.dtype.type
        typed = nodata.astype(kind) if values.dtype.kind == "f" else nodata
        np.logical_or(missing, values == typed, out=missing)
    return missing


def has_spectrum(values: NDArray[np.generic], nodata: Numbers | None) -> NDArray[np.bool_]:
    """`(rows, cols)` bool of `(rows, cols, bands)` values, by the rule of this module."""
    if nodata is None or not (nodata == 0).any():
        return np.asarray(~missing_values(values, nodata).any(-1))
    zero = nodata == 0
    other = np.where(zero, np.nan, nodata)
    filled = (values[..., zero] == 0).all(-1)
    return np.asarray(~filled & ~missing_values(values, other).any(-1))


def band_statistics(
    cube: Cube, windows_read: Iterable[Window], needed: Sequence[int] | None = None
) -> BandStatistics:
    """Statistics of the values in some windows of a cube.

    Args:
        cube: to read from.
        windows_read: the windows of `sample_windows`.
        needed: bands that a pixel needs a value in to have a spectrum; default: all.
    """
    nodata = cube.nodata
    bands_needed = slice(None) if needed is None else list(needed)
    their_nodata = None if nodata is None else nodata[bands_needed]
    pixels = without = 0
    columns: list[Any] = []
    for values, valid in _pieces(cube, windows_read):
        missing = missing_values(values, nodata)
        spectrum = has_spectrum(values[..., bands_needed], their_nodata)
        if valid is not None:
            missing |= ~valid[..., None]
            spectrum &= valid
        holes = bool(missing.any())
        numbers = values.astype(np.float64)
        if holes:
            numbers[missing] = np.nan
        if not columns:
            bands = numbers.shape[-1]
            # a typical value is subtracted, so that squares keep their digits
            near = np.nan_to_num(numbers.reshape(-1, bands)[0])
            columns = [
                np.zeros(bands, np.int64),
                np.full(bands, np.inf),
                np.full(bands, -np.inf),
                *(np.zeros(bands) for _ in range(5)),
            ]
        numbers -= near
        present = ~missing
        pixels += missing.shape[0] * missing.shape[1]
        without += int((~spectrum).sum())
        columns[0] += missing.sum((0, 1))
        columns[1] = np.minimum(columns[1], numbers.min((0, 1), initial=np.inf, where=present))
        columns[2] = np.maximum(columns[2], numbers.max((0, 1), initial=-np.inf, where=present))
        if holes:
            numbers[missing] = 0
        steps = np.diff(numbers, axis=1)
        both = present[:, 1:] & present[:, :-1]
        if holes:
            steps[~both] = 0
        squares, jumps = (np.einsum("ijk,ijk->k", a, a) for a in (numbers, steps))
        sums = (present.sum((0, 1)), numbers.sum((0, 1)), squares, both.sum((0, 1)), jumps)
        for i, more in enumerate(sums, start=3):
            columns[i] += more
    missing_count, low, high, n, total, squares, pairs, jumps = columns
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares / n - (total / n) ** 2
        roughness = np.where(high > low, jumps / pairs / 2 / variance, np.nan)
    low, high = (np.where(n > 0, end + near, np.nan) for end in (low, high))
    return BandStatistics(pixels, without, missing_count, low, high, roughness)


def _pieces(
    cube: Cube, windows_read: Iterable[Window]
) -> Iterator[tuple[NDArray[np.generic], NDArray[np.bool_] | None]]:
    """Values and validity, in pieces of which there may be copies as float64."""
    for whole in windows_read:
        values = cube.read(whole)
        valid = None if cube.mask is None else cube.mask(whole)
        side = max(1, int((VALUES_AT_ONCE / values.shape[2]) ** 0.5))
        for window in windows(values.shape[0], values.shape[1], side):
            yield values[window.slices], None if valid is None else valid[window.slices]


def sample_windows(
    shape: tuple[int, int, int],
    itemsize: int,
    budget: int = 0,
    block: tuple[int, int, int] | None = None,
) -> Iterator[Window]:
    """Windows of a scene to read: all of it in strips, or evenly spaced windows up to a budget.

    Args:
        shape: rows, cols, bands of the scene.
        itemsize: bytes per value in the file.
        budget: bytes that may be decoded; 0 for no limit.
        block: as in `Cube`.
    """
    rows, cols, bands = shape
    if not budget or _cost(shape, shape, itemsize, block) <= budget:
        high, wide = _strip(shape, itemsize, block)
        yield from (
            Window(r, min(r + high, rows), c, min(c + wide, cols))
            for r in range(0, rows, high)
            for c in range(0, cols, wide)
        )
        return
    side = max(1, int((VALUES_AT_ONCE / bands) ** 0.5))
    size = min(side, rows), min(side, cols)
    high, wide = (1, 1) if block is None else block[:2]
    cost = _cost((*size, bands), shape, itemsize, block)
    while cost > budget // FEWEST and (size[0] > 2 * high or size[1] > 2 * wide):
        # many small blocks take long, though their bytes are few
        size = max(size[0] // 2, min(high, size[0])), max(size[1] // 2, min(wide, size[1]))
        cost = _cost((*size, bands), shape, itemsize, block)
    if cost > budget:  # one block is more than the budget: use more of what is decoded
        size = max(1, min(high, budget // (cols * bands * itemsize))), cols
    down, across = -(-rows // size[0]), -(-cols // size[1])
    most = min(max(1, budget // cost), down * across)
    for n in range(most):  # a list of all windows would be long for a huge file
        last = down * across - 1
        i, j = divmod(n * last // (most - 1) if most > 1 else last // 2, across)
        yield Window(
            i * rows // down,
            (i + 1) * rows // down,
            j * cols // across,
            (j + 1) * cols // across,
        )


def _strip(
    shape: tuple[int, int, int], itemsize: int, block: tuple[int, int, int] | None
) -> tuple[int, int]:
    """Rows and cols to read at a time: 64 MiB, or some blocks, so that none is decoded twice."""
    _, cols, bands = shape
    row = cols * bands * itemsize
    fit = max(1, STRIP // row)
    high, wide, _ = (1, cols, bands) if block is None else block
    if high * row <= LARGEST_STRIP:
        return max(high, fit // high * high), cols
    one = high * wide * bands * itemsize
    return (high, max(1, STRIP // one) * wide) if one <= LARGEST_STRIP else (fit, cols)


def _cost(
    part: tuple[int, int, int],
    shape: tuple[int, int, int],
    itemsize: int,
    block: tuple[int, int, int] | None,
) -> int:
    """Bytes to decode for a part of the scene."""
    if block is None:
        return math.prod(part) * itemsize
    whole = [min(-(-n // b) * b, s) for n, b, s in zip(part, block, shape, strict=True)]
    blocks = math.prod(-(-n // b) for n, b in zip(part, block, strict=True))
    return max(math.prod(whole) * itemsize, blocks * BLOCK_COST)
