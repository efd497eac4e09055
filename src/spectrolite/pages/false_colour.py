"""False colour: a picture of a scene's spectra for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import AnyScene, Scene, Window

FALSE_COLOUR_NM = (860.0, 650.0, 550.0)  # near infrared, red, green
SATURATION = 0.6  # of colours that stand for parts of the spectrum without wavelengths

Grid = tuple[NDArray[np.intp], NDArray[np.intp]]
"""The rows and the columns of a scene that a picture shows."""


def false_colour(scene: AnyScene, step: int = 1) -> NDArray[np.uint8]:
    """`(rows, cols, 3)` of every `step` of rows and columns, as of `false_colours`."""
    return false_colours([scene], [grid_of(scene.shape[:2], step)])[0]


def grid_of(shape: tuple[int, int], step: int, start: tuple[int, int] = (0, 0)) -> Grid:
    """Every `step` of the rows and columns of a scene."""
    rows, cols = (np.arange(s, n, step) for s, n in zip(start, shape, strict=True))
    return rows, cols


def false_colours(scenes: Sequence[AnyScene], grids: Sequence[Grid]) -> list[NDArray[np.uint8]]:
    """`(rows, cols, 3)` of each scene, all of them stretched alike; black without a spectrum.

    Near infrared, red and green where wavelengths are known. Otherwise the means of the last, the
    middle and the first third of the bands, in muted colours, for they mean nothing. Each channel
    is stretched between its 2nd and 98th percentile.

    Args:
        scenes: with the same bands.
        grids: rows and columns to show of each.
    """
    bands, by_wavelength = _shown_bands(scenes[0])
    read = [_means(scene, grid, bands) for scene, grid in zip(scenes, grids, strict=True)]
    return _stretched(read, by_wavelength)


def false_colour_windows(scene: AnyScene, windows: Sequence[Window]) -> list[NDArray[np.uint8]]:
    """`(rows, cols, 3)` of some windows, as of `false_colours`; only these are read.

    Args:
        scene: one in its sensor's geometry is shown on its grid.
        windows: of the scene, or of its grid.
    """
    bands, by_wavelength = _shown_bands(scene)
    read = []
    for window in windows:
        values, valid = scene.read(window) if scene.lookup is None else _on_grid(scene, window)
        means = [values[:, :, some].mean(axis=2, dtype=np.float64) for some in bands]
        read.append((np.stack(means, axis=2).astype(np.float32), valid))  # there may be many
    return _stretched(read, by_wavelength)


def _on_grid(scene: AnyScene, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A window of the grid of a scene in its sensor's geometry."""
    assert scene.lookup is not None
    pixels = scene.lookup.pixels[window.slices]
    known = pixels >= 0
    if not known.any():
        return np.zeros((*window.shape, scene.shape[2])), known
    rows, cols = np.divmod(np.where(known, pixels, pixels[known][0]), scene.shape[1])
    top, left = int(rows.min()), int(cols.min())
    values, valid = scene.read(Window(top, int(rows.max()) + 1, left, int(cols.max()) + 1))
    at = rows - top, cols - left
    return values[at], valid[at] & known


def _stretched(
    read: Sequence[tuple[NDArray[np.floating[Any]], NDArray[np.bool_]]], by_wavelength: bool
) -> list[NDArray[np.uint8]]:
    """Means of three bands as colours, all stretched alike."""
    pooled = np.concatenate([means[valid] for means, valid in read])
    low, high = np.percentile(pooled, [2, 98], axis=0) if len(pooled) else (0.0, 1.0)
    pictures = []
    for means, valid in read:
        shown = ((means - low) / np.maximum(high - low, 1e-12)).clip(0, 1)
        if not by_wavelength:
            grey = shown.mean(axis=2, keepdims=True)
            shown = grey + SATURATION * (shown - grey)
        pictures.append((255 * np.where(valid[:, :, None], shown, 0)).astype(np.uint8))
    return pictures


def false_colour_caption(scene: AnyScene) -> str:
    """What red, green and blue are."""
    bands, by_wavelength = _shown_bands(scene)
    if scene.wavelengths_nm is None or not by_wavelength:
        return "False colour: means of the last, middle and first third of the bands"
    red, green, blue = (f"{scene.wavelengths_nm[band[0]]:.0f}" for band in bands)
    return f"False colour: {red}, {green} and {blue} nm as red, green and blue"


def _shown_bands(scene: AnyScene) -> tuple[list[list[int]], bool]:
    """The bands whose means are red, green and blue; whether they were taken by wavelength."""
    if scene.wavelengths_nm is not None:
        waves = np.asarray(scene.wavelengths_nm)
        nearest = [int(np.abs(waves - nm).argmin()) for nm in FALSE_COLOUR_NM]
        if len({*nearest}) == len(nearest):
            return [[band] for band in nearest], True
    thirds = np.array_split(np.arange(scene.shape[2]), 3)
    return [third.tolist() or [0] for third in reversed(thirds)], False


def _means(
    scene: AnyScene, grid: Grid, bands: list[list[int]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Means of some bands, and where there is a spectrum; of a file only those rows are read."""
    rows, cols = grid
    means = np.empty((len(rows), len(cols), len(bands)))
    valid = np.ones(means.shape[:2], bool)
    for n, row in enumerate(rows):
        if isinstance(scene, Scene):
            line = scene.cube[row, cols]
            if scene.valid is not None:
                valid[n] = scene.valid[row, cols]
        else:
            values, there = scene.read(Window(int(row), int(row) + 1, 0, scene.shape[1]))
            line, valid[n] = values[0, cols], there[0, cols]
        for k, some in enumerate(bands):
            means[n, :, k] = line[:, some].mean(axis=1, dtype=np.float64)
    return means, valid
