"""Figures from pairs of truth and prediction: sum counts, divide once.

Truth runs along the rows of a confusion matrix, prediction along its columns, classes by ascending
id. A class that has no test pixel has recall NaN, and the average accuracy leaves it out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def confusion_matrix(
    truth: NDArray[np.integer], prediction: NDArray[np.integer], ids: tuple[int, ...]
) -> Counts:
    """Count pairs: `(classes, classes)` int64.

    Args:
        truth: class ids, any shape, all among `ids`.
        prediction: class ids, same shape, all among `ids`.
        ids: ascending class ids.

    Raises:
        ValueError: an id that is not among `ids`.
    """
    order = np.asarray(ids)
    rows, cols = (np.searchsorted(order, v.ravel()) for v in (truth, prediction))
    for index, values in ((rows, truth), (cols, prediction)):
        if not np.array_equal(order[np.minimum(index, len(order) - 1)], values.ravel()):
            raise ValueError(f"wanted class ids among {ids}, got others")
    pairs = np.bincount(rows * len(ids) + cols, minlength=len(ids) ** 2)
    return pairs.reshape(len(ids), len(ids)).astype(np.int64)


def overall_accuracy(confusion: Counts) -> float:
    """Share of pixels classified correctly, 0 to 1; NaN without any pixel."""
    return _ratio(np.trace(confusion), confusion.sum())


def average_accuracy(confusion: Counts) -> float:
    """Mean recall of the classes that have test pixels, 0 to 1; NaN without any."""
    tested = confusion.sum(1) > 0
    return float(recall(confusion)[tested].mean()) if tested.any() else math.nan


def kappa(confusion: Counts) -> float:
    """Cohen's kappa, -1 to 1: (observed - chance) / (1 - chance).

    Chance is the agreement of two raters with these row and column sums. NaN where chance is 1.
    """
    n = int(confusion.sum())
    chance = int(confusion.sum(1) @ confusion.sum(0))
    return _ratio(int(np.trace(confusion)) * n - chance, n * n - chance)


def recall(confusion: Counts) -> Floats:
    """Share of each class's test pixels that are found (producer's accuracy); NaN without any."""
    return _ratios(np.diag(confusion), confusion.sum(1))


def precision(confusion: Counts) -> Floats:
    """Share of the pixels called a class that belong to it (user's accuracy); NaN without any."""
    return _ratios(np.diag(confusion), confusion.sum(0))


def f1(confusion: Counts) -> Floats:
    """Harmonic mean of precision and recall; NaN for a class neither present nor predicted."""
    return _ratios(2 * np.diag(confusion), confusion.sum(0) + confusion.sum(1))


def field_interval(
    correct: NDArray[np.bool_],
    fields: NDArray[np.integer],
    generator: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the overall accuracy, resampling whole fields.

    Pixels of one field are near copies of each other, so the field, not the pixel, is what could
    have been drawn otherwise (the cluster bootstrap: Davison and Hinkley 1997, section 3.8).

    Args:
        correct: `(P,)` whether each test pixel is right.
        fields: `(P,)` number of the field that each lies in.
        generator: source of the resamples.
        resamples: how many.
        level: coverage, 0 to 1.

    Returns:
        Lower and upper bound; both NaN with fewer than two fields.
    """
    _, index = np.unique(fields, return_inverse=True)
    sizes = np.bincount(index)
    right = np.bincount(index, weights=correct)
    if len(sizes) < 2:
        return math.nan, math.nan
    resampled = generator.integers(len(sizes), size=(resamples, len(sizes)))
    accuracies = right[resampled].sum(1) / sizes[resampled].sum(1)
    low, high = np.quantile(accuracies, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def wilson_interval(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share, as if pixels were independent, which they are not.

    Source: Wilson, JASA 22 (1927). `z` is the normal quantile, 1.96 for 95 %.
    """
    if n == 0:
        return math.nan, math.nan
    share = right / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def _ratio(part: int | np.integer, whole: int | np.integer) -> float:
    return int(part) / int(whole) if whole else math.nan


def _ratios(parts: Counts, wholes: Counts) -> Floats:
    ratios = np.full(len(parts), np.nan)
    np.divide(parts, wholes, out=ratios, where=wholes > 0)
    return ratios
