"""A small scene with a split, and the pixels that a reduction may use, painted patch by patch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.labels import Labels
from spectrolite.data.scene import Scene
from spectrolite.samples.split_scene import Split

ROWS, COLS, BANDS = 12, 11, 6


TRAIN = np.array([0, 13, 14, 27, 40, 55, 76, 98, 110, 131])  # (0, 0) and (11, 10) among them


def scene(seed: int = 0) -> Scene:
    """Correlated bands of very different size, as radiances are."""
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(ROWS, COLS, BANDS)) @ generator.normal(size=(BANDS, BANDS))
    return Scene(mixed * [1, 2, 5, 10, 50, 100] + 1000, name="field")


def a_split(train: NDArray[np.int64] = TRAIN) -> Split:
    labels = Labels(np.ones((ROWS, COLS), int))
    rest = np.setdiff1d(np.arange(ROWS * COLS), train)
    return Split(labels, train, rest[:0], rest, method="given")


def allowed(fitted_on: str, patch: int) -> NDArray[np.bool_]:
    """Flat mask of the pixels that may be used, pixel by pixel."""
    mask = np.zeros((ROWS, COLS), bool)
    reach = {"train": 0, "patches": patch // 2, "scene": ROWS}[fitted_on]
    for pixel in TRAIN.tolist():
        row, col = divmod(pixel, COLS)
        for r in range(ROWS):
            for c in range(COLS):
                mask[r, c] |= max(abs(r - row), abs(c - col)) <= reach
    return mask.ravel()


def same_up_to_sign(one: NDArray[np.floating], other: NDArray[np.floating], rtol: float) -> None:
    """Check that the columns are equal up to their signs."""
    signs = np.sign((one * other).sum(0))
    np.testing.assert_allclose(one * signs, other, rtol=rtol, atol=rtol)
