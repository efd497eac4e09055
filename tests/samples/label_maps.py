"""Small label maps, and what tests measure of a split."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings
from numpy.typing import NDArray

from spectrolite.data.labels import Labels
from spectrolite.samples.split_scene import Split

SMALL = settings(deadline=None, max_examples=50, derandomize=True)


DRAWN: list[tuple[str, dict[str, Any]]] = [
    ("random", {"train": 0.3}),
    ("per_class", {"n": 6}),
    ("blocks", {"train": 0.3, "side": 4}),
    ("blocks_by_class", {"train": 0.3, "side": 3}),
    ("fields", {"train": 0.3}),
    ("polygons", {"train": 0.3}),
]


def scattered(rows: int = 20, cols: int = 24, seed: int = 0) -> Labels:
    """Patches of 2 x 2 pixels of the ids 2, 5, 6 and 9, some unlabelled."""
    generator = np.random.default_rng(seed)
    coarse = generator.choice([0, 2, 5, 6, 9], size=(rows // 2, cols // 2))
    array = np.kron(coarse, np.ones((2, 2), int))
    patch = np.kron(np.arange(1, coarse.size + 1).reshape(coarse.shape), np.ones((2, 2), int))
    return Labels(array, name="scattered", polygons=np.where(array, patch, 0))


def sized(*counts: int) -> Labels:
    """A row with the given numbers of pixels of class 1, 2, ..."""
    return Labels(np.repeat(np.arange(1, len(counts) + 1), counts)[None, :], name="sized")


def distance(labels: Labels, pixels: NDArray[np.int64], seen: NDArray[np.int64]) -> NDArray[Any]:
    """Chebyshev distance of each of `pixels` to the nearest of `seen`, over all pairs."""
    cols = labels.shape[1]
    down = np.abs(pixels[:, None] // cols - seen // cols)
    across = np.abs(pixels[:, None] % cols - seen % cols)
    return np.asarray(np.maximum(down, across).min(1))


def counts_of(drawn: Split, pixels: NDArray[np.int64]) -> dict[int, int]:
    ids, counts = np.unique(drawn.labels.array.ravel()[pixels], return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def block_numbers(labels: Labels, side: int) -> list[tuple[int, int]]:
    rows, cols = labels.shape
    return [(r // side, c // side) for r in range(rows) for c in range(cols)]
