"""Tiles of one grid for the tests, written by rasterio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from written_scenes import PLACE

Corner = tuple[int, int]


def tile(
    path: Path,
    cube: NDArray[Any],
    corner: Corner | tuple[float, float] = (0, 0),
    *,
    grid: rasterio.Affine | None = None,
    nm: tuple[float, ...] = (),
    **profile: Any,
) -> Path:
    """A GeoTIFF of rows, cols, bands whose first pixel is at `corner`, row and column."""
    path.parent.mkdir(exist_ok=True, parents=True)
    place = (grid or rasterio.Affine(*PLACE)) @ rasterio.Affine.translation(*corner[::-1])
    with rasterio.open(
        path,
        "w",
        **{
            "driver": "GTiff",
            "count": cube.shape[2],
            "height": cube.shape[0],
            "width": cube.shape[1],
            "dtype": cube.dtype.name,
            "crs": "EPSG:32632",
            "transform": place,
            **profile,
        },
    ) as file:
        file.write(cube.transpose(2, 0, 1))
        for band, centre in enumerate(nm, start=1):
            file.update_tags(band, wavelength=centre, wavelength_units="nm")
    return path


def cut(
    folder: Path, whole: NDArray[Any], parts: dict[str, tuple[Corner, Corner]], **profile: Any
) -> list[Path]:
    """Parts of a whole as tiles: of each its name, its first pixel and its rows and columns."""
    return [
        tile(folder / name, whole[row : row + rows, col : col + cols].copy(), (row, col), **profile)
        for name, ((row, col), (rows, cols)) in parts.items()
    ]


def naive(tiles: list[tuple[Corner, NDArray[Any], NDArray[np.bool_]]], shape: Any) -> Any:
    """Values and validity, pixel by pixel: the first tile that has a spectrum wins."""
    values, valid = np.zeros(shape, tiles[0][1].dtype), np.zeros(shape[:2], bool)
    for row in range(shape[0]):
        for col in range(shape[1]):
            for (top, left), cube, has in tiles:
                r, c = row - top, col - left
                if 0 <= r < has.shape[0] and 0 <= c < has.shape[1] and has[r, c]:
                    values[row, col], valid[row, col] = cube[r, c], True
                    break
    return values, valid
