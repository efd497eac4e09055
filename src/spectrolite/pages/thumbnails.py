"""Small pictures around points: of a scene in false colour, or of a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import Grid, check_crs, grid_of, reproject_places
from spectrolite.data.scene import AnyScene, Window
from spectrolite.errors import SceneError
from spectrolite.mapping.drawn_sample import DrawnSample
from spectrolite.pages.false_colour import false_colour_windows

AROUND = 20  # pixels of the map on each side of a point
MOST_AROUND = 60  # pixels of a scene on each side
LEAST_AROUND = 4
PAPER, INK, EMPTY = 255, 70, 222
ZOOM = 5  # dots of a picture of outlines for each pixel


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """A picture around each point.

    Attributes:
        images: `(rows, cols, 3)` uint8 each, with the point in the middle; None outside the scene.
        mark: side of the map's pixel as a share of a picture's side: what is to be labelled.
    """

    images: Sequence[NDArray[np.uint8] | None]
    mark: float


def of_scene(sample: DrawnSample, scene: AnyScene, points: int) -> Thumbnails:
    """The first points of a sample in a scene's false colour; the scene may have another grid.

    Raises:
        SceneError: a scene that lies elsewhere, or one of another shape without coordinates.
        LabelsError: a reference system that only one of map and scene has.
    """
    if sample.scene_map.head.transform is None:  # a map in the geometry of the sensor
        scene = replace(scene, lookup=None)
    rows, cols, scale = _positions(sample, scene)
    rows, cols = rows[:points], cols[:points]
    half = int(np.clip(round(AROUND * scale), LEAST_AROUND, MOST_AROUND))
    height, width = scene.shape[:2] if scene.lookup is None else scene.lookup.shape
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    if not inside.any():
        raise SceneError(
            f"--scene: {scene.name} holds none of the points of {sample.scene_map.path}; give a "
            "scene of the same place"
        )
    order = np.lexsort((cols, rows))  # neighbours together, so that a file is read forwards
    order = order[inside[order]]
    windows = [
        Window(row, row + 1, col, col + 1).widened(half, height, width)
        for row, col in zip(rows[order].astype(int), cols[order].astype(int), strict=True)
    ]
    images: list[NDArray[np.uint8] | None] = [None] * len(rows)
    for n, window, image in zip(order, windows, false_colour_windows(scene, windows), strict=True):
        whole = np.full((2 * half + 1, 2 * half + 1, 3), PAPER, np.uint8)
        top = window.row_start - int(rows[n]) + half
        left = window.col_start - int(cols[n]) + half
        whole[top : top + len(image), left : left + image.shape[1]] = image
        images[n] = whole
    return Thumbnails(images, scale / (2 * half + 1))


def _positions(
    sample: DrawnSample, scene: AnyScene
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Whole row and column of each point in a scene, and how many of its pixels one of the map has.

    The latter along a side.
    """
    head = sample.scene_map.head
    if head.transform is None or (scene.transform is None and scene.lookup is None):
        if scene.shape[:2] != head.shape:
            raise SceneError(
                f"--scene: {scene.name} has {scene.shape[0]} x {scene.shape[1]} pixels, the map "
                f"{head.shape[0]} x {head.shape[1]}, and one of them has no coordinates; give the "
                "scene that was mapped"
            )
        return sample.rows.astype(np.float64), sample.cols.astype(np.float64), 1.0
    name = str(sample.scene_map.path)
    own = Grid(head.shape, head.transform, head.crs, name)
    grid = grid_of(scene, name)
    check_crs(grid, head.crs, name)

    def placed(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.float64]:
        x, y = own.centres(rows, cols)
        if head.crs is not None and grid.crs is not None:
            x, y = reproject_places(x, y, head.crs, grid.crs, name)
        return np.stack(grid.positions(x, y))

    here = placed(sample.rows, sample.cols)
    steps = [placed(sample.rows + down, sample.cols + 1 - down) - here for down in (0, 1)]
    sides = np.array([np.hypot(*step) for step in steps])
    scale = float(np.median(sides[np.isfinite(sides)])) if np.isfinite(sides).any() else 1.0
    here = np.where(np.isfinite(here), np.floor(here), -1)
    return here[0], here[1], scale


def of_map(sample: DrawnSample, points: int, *, coloured: bool) -> Thumbnails:
    """The first points of a sample on the map: outlines, which tell no class, or its colours."""
    patches = _patches(sample, points)
    head = sample.scene_map.head
    if coloured:
        ids = np.array([head.no_data, *head.class_names])
        table = np.array([(0, 0, 0), *(head.class_colours[i] for i in head.class_names)], np.uint8)
        order = np.argsort(ids)
        images = [table[order[np.searchsorted(ids, patch, sorter=order)]] for patch in patches]
    else:
        images = [_outlines(patch, head.no_data) for patch in patches]
    return Thumbnails(images, 1 / (2 * AROUND + 1))


def _patches(sample: DrawnSample, points: int) -> NDArray[np.int64]:
    """`(points, side, side)` classes around each; no data outside the map."""
    side = 2 * AROUND + 1
    rows, cols = sample.rows[:points], sample.cols[:points]
    patches = np.full((len(rows), side, side), sample.scene_map.head.no_data, np.int64)
    for start, block in sample.scene_map.rows():
        stop, width = start + len(block), block.shape[1]
        for n in np.flatnonzero((rows + AROUND >= start) & (rows - AROUND < stop)):
            top, left = int(rows[n]) - AROUND, int(cols[n]) - AROUND
            first, last = max(top, start), min(top + side, stop)
            low, high = max(left, 0), min(left + side, width)
            patches[n, first - top : last - top, low - left : high - left] = block[
                first - start : last - start, low:high
            ]
    return patches


def _outlines(patch: NDArray[np.int64], no_data: int) -> NDArray[np.uint8]:
    """Dark lines between pixels of different classes; grey without data."""
    grey = np.where(patch == no_data, EMPTY, PAPER).astype(np.uint8)
    image = grey.repeat(ZOOM, 0).repeat(ZOOM, 1)
    below, right = patch[1:] != patch[:-1], patch[:, 1:] != patch[:, :-1]
    image[ZOOM::ZOOM][below.repeat(ZOOM, 1)] = INK
    image[:, ZOOM::ZOOM][right.repeat(ZOOM, 0)] = INK
    return np.repeat(image[:, :, None], 3, axis=2)
