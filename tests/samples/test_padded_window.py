"""Windows with their surroundings, compared with a scene that numpy pads as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from spectrolite.data.scene import Scene, Window
from spectrolite.samples.padded_window import padded_window

HALO = 3
OUTSIDE = np.array([7.0, 8.0], np.float32)


@pytest.mark.parametrize(
    "window", [Window(0, 10, 0, 12), Window(0, 1, 11, 12), Window(4, 6, 4, 9), Window(9, 10, 0, 5)]
)
@pytest.mark.parametrize("room", [(0, 0), (2, 1)])
def test_a_padded_window_is_a_cut_of_the_padded_scene(
    window: Window, room: tuple[int, int]
) -> None:
    generator = np.random.default_rng(0)
    cube = generator.normal(size=(10, 12, 2)).astype(np.float32)
    valid = generator.random((10, 12)) < 0.8
    rows, cols = window.shape
    size = rows + room[0], cols + room[1]
    padded, has_spectrum = padded_window(
        Scene(cube, valid=valid),
        window,
        HALO,
        OUTSIDE,
        lambda c, v: np.where(v[..., None], c, -1),
        size,
    )
    scene = np.tile(OUTSIDE, (10 + 2 * HALO, 12 + 2 * HALO, 1))
    scene[HALO:-HALO, HALO:-HALO] = np.where(valid[..., None], cube, -1)
    expected = np.tile(OUTSIDE, (size[0] + 2 * HALO, size[1] + 2 * HALO, 1))
    expected[: rows + 2 * HALO, : cols + 2 * HALO] = scene[
        window.row_start : window.row_stop + 2 * HALO, window.col_start : window.col_stop + 2 * HALO
    ]
    assert padded.dtype == np.float32
    assert np.array_equal(padded, expected)
    assert np.array_equal(has_spectrum, valid[window.slices])
