"""Where the scenes of a picture lie: at their coordinates if they share a grid, else in rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import AnyScene
from spectrolite.mapping.map_frame import Place, picture_step
from spectrolite.pages.false_colour import Grid, grid_of

EMPTIEST = 4  # times the pixels of its scenes: a larger mosaic at coordinates is mostly empty
PAPER = (255, 255, 255)


@dataclass(frozen=True)
class Mosaic:
    """One picture of several scenes, or of one.

    Attributes:
        corners: row and column of the first pixel of each scene.
        shapes: rows and columns of each.
        place: size of the whole picture in pixels of the scenes, and where it is.
        by_coordinates: whether the scenes lie where their coordinates are.
    """

    corners: tuple[tuple[int, int], ...]
    shapes: tuple[tuple[int, int], ...]
    place: Place
    by_coordinates: bool

    @property
    def grids(self) -> list[Grid]:
        """The rows and columns of each scene that the picture shows."""
        step = picture_step(self.place.shape)
        return [
            grid_of(shape, step, (-row % step, -col % step))
            for (row, col), shape in zip(self.corners, self.shapes, strict=True)
        ]

    def joined(
        self, pictures: Sequence[NDArray[np.uint8]], shown: Sequence[NDArray[np.bool_]]
    ) -> NDArray[np.uint8]:
        """One picture of those of the scenes; white between them.

        Args:
            pictures: `(rows, cols, 3)` of each scene, at its rows and columns of `grids`.
            shown: `(rows, cols)` where each scene hides those before it.
        """
        step = picture_step(self.place.shape)
        whole = np.full((*(-(-n // step) for n in self.place.shape), 3), PAPER, np.uint8)
        filled = np.zeros(whole.shape[:2], bool)
        for (row, col), picture, above in zip(self.corners, pictures, shown, strict=True):
            top, left = -(-row // step), -(-col // step)
            here = (slice(top, top + len(picture)), slice(left, left + picture.shape[1]))
            drawn = above | ~filled[here]
            whole[here][drawn] = picture[drawn]
            filled[here] = True
        return whole


def mosaic_of(scenes: Sequence[AnyScene]) -> Mosaic:
    """Scenes at their coordinates where these are on one grid and not far apart, else in rows."""
    shapes = tuple(scene.shape[:2] for scene in scenes)
    if len(scenes) == 1:
        place = Place(shapes[0], scenes[0].crs, scenes[0].transform)
        return Mosaic(((0, 0),), shapes, place, by_coordinates=True)
    return _by_coordinates(scenes, shapes) or _in_rows(shapes)


def _by_coordinates(
    scenes: Sequence[AnyScene], shapes: tuple[tuple[int, int], ...]
) -> Mosaic | None:
    first = scenes[0]
    place = Place(shapes[0], first.crs, first.transform)
    if not place.placed or any(s.crs != first.crs or s.transform is None for s in scenes):
        return None
    transforms = np.array([scene.transform for scene in scenes]).reshape(-1, 2, 3)
    pixel = transforms[0, :, :2]
    if np.abs(transforms[:, :, :2] - pixel).max() > 1e-6 * np.abs(pixel).max():
        return None
    apart = np.linalg.solve(pixel, (transforms[:, :, 2] - transforms[0, :, 2]).T).T
    if not np.isfinite(apart).all():
        return None
    cols, rows = (np.rint(apart - apart.min(axis=0))).T
    height, width = (
        int((start + [shape[n] for shape in shapes]).max()) for n, start in enumerate((rows, cols))
    )
    if height * width > EMPTIEST * sum(r * c for r, c in shapes):
        return None
    left, top = transforms[0, :, 2] + pixel @ apart.min(axis=0)
    (a, b), (d, e) = pixel.tolist()
    transform = (a, b, float(left), d, e, float(top))
    corners = tuple((int(r), int(c)) for r, c in zip(rows, cols, strict=True))
    whole = Place((height, width), first.crs, transform)
    return Mosaic(corners, shapes, whole, by_coordinates=True)


def _in_rows(shapes: tuple[tuple[int, int], ...]) -> Mosaic:
    """In reading order, with a gap above each for its name."""
    tallest, widest = (max(shape[n] for shape in shapes) for n in (0, 1))
    across = min(len(shapes), max(1, round(math.sqrt(len(shapes) * tallest / widest))))
    gap = max(1, round(0.12 * max(tallest, widest)))
    corners = tuple(
        (gap + n // across * (tallest + gap), n % across * (widest + gap))
        for n in range(len(shapes))
    )
    down = -(-len(shapes) // across)
    whole = (down * (tallest + gap), across * (widest + gap) - gap)
    return Mosaic(corners, shapes, Place(whole), by_coordinates=False)
