"""Read the rows of a class map in its GeoTIFF, some at a time, and count its classes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.labels import MAX_ID
from spectrolite.errors import ReadError
from spectrolite.readers.scenes.drivers import (
    NO_NETWORK,
    check_opened,
    check_sources,
    driver_of,
)

BLOCK = 256  # rows and columns of a tile of the GeoTIFF
LARGEST = 2**31 - 1  # class id
MASKED = -(2**62)  # no value of a file's


def _unique(block: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """As of `np.unique` with counts, several times faster for small numbers."""
    if block.dtype.kind != "u" or block.dtype.itemsize > 2:
        return np.unique(block, return_counts=True)
    counts = np.bincount(block.ravel())
    ids = np.flatnonzero(counts)
    return ids, counts[ids]


def counted(path: Path) -> dict[int, int]:
    """Pixels of each number in the file; `MASKED` are those that it masks."""
    counts: dict[int, int] = {}
    for _, block in read_rows(path, MASKED):
        for i, n in zip(*_unique(block), strict=True):
            counts[int(i)] = counts.get(int(i), 0) + int(n)
        if len(counts) > MAX_ID:
            raise ReadError(
                f"{path}: more than {MAX_ID:,} different numbers; name a map of classes"
            )
    odd = [i for i in counts if not 0 <= i <= LARGEST and i != MASKED]
    if odd:
        raise ReadError(f"{path}: wanted class ids from 0 (no data) up, got {min(odd)}")
    return counts


def read_rows(path: Path, no_data: int = 0) -> Iterator[tuple[int, NDArray[Any]]]:
    """The band of a GeoTIFF from top to bottom, some whole rows at a time, each with its row.

    Args:
        path: of the file.
        no_data: what masked pixels become; 0 itself is left as it is.

    Raises:
        ReadError: missing or damaged.
    """
    import rasterio
    from rasterio.enums import MaskFlags

    check_sources(path)
    with reading(path, "is it a GeoTIFF?"):
        file = rasterio.open(path, driver=driver_of(path))
    with file:
        with reading(path, "is it a GeoTIFF?"):
            check_opened(path, file)
            flags = file.mask_flag_enums[0]
        masked = MaskFlags.per_dataset in flags or (MaskFlags.nodata in flags and file.nodata != 0)
        for start in range(0, file.height, BLOCK):
            stop = min(start + BLOCK, file.height)
            window = ((start, stop), (0, file.width))
            with reading(path, "map the scene again"):
                block = file.read(1, window=window)
                if masked:
                    absent = file.read_masks(1, window=window) == 0
                    block = np.where(absent, no_data, block.astype(np.int64))
            yield start, block


@contextmanager
def opened_raster(path: Path) -> Iterator[Any]:
    """A GeoTIFF, opened within `reading` after a look at which other files it names."""
    import rasterio

    check_sources(path)
    with rasterio.open(path, driver=driver_of(path)) as file:
        check_opened(path, file)
        yield file


@contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn GDAL's errors while a file is read into ours; no network, and no georeference needed.

    Within a generator it is around each read, not around a `yield`: settings are of the thread.
    """
    import rasterio
    from rasterio.errors import RasterioIOError

    try:
        with rasterio.Env(**NO_NETWORK), no_georeference_allowed():
            yield
    except RasterioIOError as error:
        raise ReadError(f"{path}: cannot be read ({error}); {remedy}") from error


@contextmanager
def no_georeference_allowed() -> Iterator[None]:
    """Silence rasterio's warning about files without georeference."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
