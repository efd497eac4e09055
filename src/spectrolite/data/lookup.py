"""LookupTable: from an orthorectified grid to the pixels of an image in its sensor's geometry.

A swath that was never resampled has no grid of its own: its pixels lie where the sensor looked.
Labels are put on the grid and followed through the table; a map is computed pixel by pixel of the
sensor and shown on the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import SceneError
from spectrolite.hashing import read_only

EMPTY = -1


@dataclass(frozen=True, eq=False)
class LookupTable:
    """Which pixel of the sensor is shown in each pixel of a grid.

    Args:
        pixels: `(rows, cols)` int32 of the grid: the flat index of a pixel of the sensor's image,
            or -1 where the grid shows none.
        sensor: rows and columns of the sensor's image.
        transform: affine transform of the grid, from (col, row) to coordinates, six numbers.
        crs: coordinate reference system of the grid as WKT or a code.

    Raises:
        SceneError: a place outside the sensor's image.
    """

    pixels: NDArray[np.int32]
    sensor: tuple[int, int]
    transform: tuple[float, ...]
    crs: str

    def __post_init__(self) -> None:
        pixels = np.asarray(self.pixels)
        rows, cols = self.sensor
        outside = (pixels < EMPTY) | (pixels >= rows * cols)
        if pixels.ndim != 2 or outside.any():
            raise SceneError(
                f"look-up table: wanted places in an image of {rows} x {cols} pixels, got "
                f"{int(outside.sum())} of {pixels.size} outside it"
            )
        object.__setattr__(self, "pixels", read_only(pixels))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        rows, cols = self.pixels.shape
        return rows, cols

    def followed(self, flat: NDArray[np.int64]) -> NDArray[np.int64]:
        """Flat indices in the sensor's image of pixels of the grid; -1 stays, and where none is."""
        pixels = np.full(flat.shape, EMPTY, np.int64)
        known = flat >= 0
        pixels[known] = self.pixels.ravel()[flat[known]]
        return pixels

    def on_grid(
        self, image: NDArray[Any], rows: slice = slice(None), empty: Any = 0
    ) -> NDArray[Any]:
        """An image of the sensor, `(rows, cols, ...)`, as the grid shows it.

        Args:
            image: in the sensor's geometry.
            rows: of the grid.
            empty: value where the grid shows no pixel.
        """
        pixels = self.pixels[rows]
        shown = image.reshape(-1, *image.shape[2:])[np.maximum(pixels, 0)]
        shown[pixels == EMPTY] = empty
        return shown
