"""Which bands of a cube are dropped: by number, by word, and where no pixel has a value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spectrolite.data.scene import without_bands
from spectrolite.errors import SettingsError, did_you_mean
from spectrolite.readers.scenes.band_statistics import (
    BandStatistics,
    band_statistics,
    sample_windows,
)
from spectrolite.readers.scenes.cube import Cube

WORDS = ("bad", "constant", "noisy")
SAMPLE = 4 << 20  # bytes of a scene that are read to find bands without values


def bands_to_drop(path: Path, cube: Cube, drop_bands: Sequence[int | str]) -> tuple[int, ...]:
    """Bands to drop, ascending."""
    words = {b for b in drop_bands if isinstance(b, str)}
    unknown = sorted(words - set(WORDS))
    if unknown:
        raise SettingsError(
            f"--drop-bands: wanted numbers, ranges or one of {', '.join(WORDS)}, got {unknown[0]!r}"
            f"{did_you_mean(unknown[0], WORDS)}"
        )
    bands = {int(b) for b in drop_bands if not isinstance(b, str)}
    if "bad" in words:
        bands |= set(cube.bad_bands)
    if words & {"constant", "noisy"}:
        statistics = whole_statistics(cube)
        bands |= set(statistics.constant) if "constant" in words else set()
        bands |= set(statistics.noisy) if "noisy" in words else set()
    if bands:  # the same check as for a scene in memory
        without_bands(np.empty((0, 0, cube.shape[2])), tuple(sorted(bands)), path.name)
    return tuple(sorted(bands))


def empty_bands(cube: Cube, dropped: Sequence[int]) -> list[int]:
    """Bands without any value, unless all are; left in, no pixel would have a spectrum."""
    if cube.dtype.kind != "f" and cube.nodata is None:
        return []
    few = sample_windows(cube.shape, cube.dtype.itemsize, SAMPLE, cube.block)
    if not _empty_in(band_statistics(cube, few), dropped):
        return []
    return _empty_in(whole_statistics(cube), dropped)  # the sample may have missed their values


def _empty_in(statistics: BandStatistics, dropped: Sequence[int]) -> list[int]:
    empty = statistics.empty
    kept = set(range(len(statistics.missing))) - set(dropped)
    return sorted(kept & set(empty)) if kept - set(empty) else []


def whole_statistics(cube: Cube) -> BandStatistics:
    """Statistics of all pixels."""
    parts = sample_windows(cube.shape, cube.dtype.itemsize, block=cube.block)
    return band_statistics(cube, parts)
