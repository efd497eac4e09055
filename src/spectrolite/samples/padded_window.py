"""A window of a scene with its surroundings, as a network takes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import AnyScene, Window

Convert = Callable[[NDArray[np.generic], NDArray[np.bool_]], NDArray[np.float32]]


def padded_window(
    scene: AnyScene,
    window: Window,
    halo: int,
    outside: NDArray[np.float32],
    convert: Convert,
    size: tuple[int, int] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read a window and `halo` pixels around it, padded where they lie outside the scene.

    Args:
        scene: the scene.
        window: the window, inside the scene.
        halo: pixels of context on each side.
        outside: `(channels,)`, the value of a pixel outside the scene.
        convert: from `(rows, cols, bands)` spectra, and `(rows, cols)` bool that is false where
            there is no spectrum, to `(rows, cols, channels)`.
        size: rows and columns to make room for, from the window's first pixel on; default: the
            window's. Pixels that were not read have the value `outside`.

    Returns:
        `(rows + 2 * halo, cols + 2 * halo, channels)` float32, and where the window has a spectrum,
        `(rows, cols)` bool.
    """
    inside = window.widened(halo, *scene.shape[:2])
    cube, valid = scene.read(inside)
    height, width = size or window.shape
    padded = np.empty((height + 2 * halo, width + 2 * halo, len(outside)), np.float32)
    padded[:] = outside
    above, before = window.row_start - inside.row_start, window.col_start - inside.col_start
    top, left = halo - above, halo - before
    padded[top : top + len(cube), left : left + cube.shape[1]] = convert(cube, valid)
    rows, cols = window.shape
    return padded, valid[above : above + rows, before : before + cols]
