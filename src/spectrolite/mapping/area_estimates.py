"""Areas and accuracies from a probability sample, with the classes of the map as strata.

Olofsson, Foody, Herold, Stehman, Woodcock, Wulder 2014, "Good practices for estimating area and
assessing accuracy of land change", Remote Sensing of Environment 148, section 4.2: accuracies by
equations 1 to 8, areas by equations 9 to 11, each an estimate with an interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import SettingsError

Z = 1.96  # 95 % of a normal distribution, as rounded in the paper


@dataclass(frozen=True)
class Estimate:
    """An estimate of a class's share of the map, and of its area if the map is projected.

    Attributes:
        share: of the map, 0 to 1.
        share_error: half the width of the 95 % interval of the share.
        ha: the area in hectares, or None.
        ha_error: half the width of its 95 % interval, or None.
    """

    share: float
    share_error: float
    ha: float | None
    ha_error: float | None


@dataclass(frozen=True)
class Share:
    """A share of pixels, such as an accuracy, estimated from a sample.

    Attributes:
        value: 0 to 1; of a difference -1 to 1.
        error: half the width of its 95 % interval.
    """

    value: float
    error: float


@dataclass(frozen=True)
class Accuracies:
    """How accurate a map is.

    Attributes:
        overall: share of the map's pixels that are right.
        users: by class, the share of what the map calls so that is so; None without a pixel.
        producers: by class, the share of what is so that the map calls so; None without a point.
    """

    overall: Share
    users: tuple[Share | None, ...]
    producers: tuple[Share | None, ...]


def ratio_of_means(
    numerator: NDArray[np.bool_] | NDArray[np.int64],
    denominator: NDArray[np.bool_],
    stratum: NDArray[np.integer],
    sizes: NDArray[np.int64],
) -> Share | None:
    """The mean of one figure over that of another, both over all pixels of a map.

    R = sum_h W_h y_h / sum_h W_h x_h with the means y_h and x_h of the points of stratum h, and the
    standard error sqrt(sum_h W_h^2 s_h^2 / n_h) / sum_h W_h x_h, where s_h^2 is the variance of
    y - R x among the points of the stratum. With x = 1 everywhere it is the mean itself. A stratum
    whose pixels are all in the sample adds no error.

    Source: Stehman 2014, "Estimating area and map accuracy for stratified random sampling when the
    strata are different from the map classes", International Journal of Remote Sensing 35 (the
    combined ratio estimator). Where the strata are the classes, it is Olofsson's equations 5 to 7.

    Args:
        numerator: `(P,)` y of each point, -1 to 1.
        denominator: `(P,)` x of each point.
        stratum: `(P,)` number of each point's stratum, from 0.
        sizes: `(strata,)` pixels of each.

    Returns:
        None where the denominator is 0 at every point.
    """
    y, x = numerator.astype(np.float64), denominator.astype(np.float64)
    points = np.bincount(stratum, minlength=len(sizes))
    weights = sizes / sizes.sum() / np.maximum(points, 1)
    below = float(weights[stratum] @ x)
    if below == 0:
        return None
    ratio = float(weights[stratum] @ y) / below
    rest = y - ratio * x
    means = np.bincount(stratum, rest, len(sizes)) / np.maximum(points, 1)
    squares = np.bincount(stratum, (rest - means[stratum]) ** 2, len(sizes))
    drawn = (points < sizes) & (points > 1)
    spread = squares[drawn] / (points[drawn] - 1) * points[drawn]
    return Share(ratio, Z * float(np.sqrt(weights[drawn] ** 2 @ spread)) / below)


def accuracies(
    counts: NDArray[np.int64], pixels: Sequence[int], strata: Sequence[Sequence[int]]
) -> Accuracies:
    """Overall, user's and producer's accuracies.

    Args:
        counts: as of `adjusted`.
        pixels: as of `adjusted`.
        strata: as of `adjusted`.
    """
    numbers = np.empty(len(pixels), np.int64)
    for n, group in enumerate(strata):
        numbers[list(group)] = n
    sizes = np.array([sum(pixels[i] for i in group) for group in strata])
    cells = np.nonzero(counts)
    truth, mapped = (np.repeat(axis, counts[cells]) for axis in cells)
    stratum, right = numbers[mapped], truth == mapped
    overall = ratio_of_means(right, np.ones(len(right), bool), stratum, sizes)
    assert overall is not None
    users, producers = (
        tuple(
            ratio_of_means(right & (called == i), called == i, stratum, sizes)
            for i in range(len(pixels))
        )
        for called in (mapped, truth)
    )
    return Accuracies(overall, users, producers)


def adjusted(
    counts: NDArray[np.int64],
    pixels: Sequence[int],
    strata: Sequence[Sequence[int]],
    total_ha: float | None,
) -> list[Estimate]:
    """Error-adjusted shares and areas.

    With W_i the share of stratum i, n_i its points and n_ij those of them whose true class is j:
    p_j = sum_i W_i n_ij / n_i, with the standard error
    sqrt(sum_i W_i^2 (n_ij / n_i) (1 - n_ij / n_i) / (n_i - 1)). A stratum whose pixels are all in
    the sample adds no error, which the paper leaves out.

    Args:
        counts: `(classes, classes)` points, truth along the rows, classes of the map along the
            columns.
        pixels: pixels of each class in the map.
        strata: classes of the map, by place, that are counted together.
        total_ha: hectares of the map, or None.
    """
    points = np.array([counts[:, list(group)].sum() for group in strata])
    sizes = np.array([sum(pixels[i] for i in group) for group in strata])
    weights = sizes / sum(pixels)
    within = np.stack([counts[:, list(group)].sum(1) for group in strata], axis=1) / points
    shares = within @ weights
    drawn = points < sizes
    spread = within[:, drawn] * (1 - within[:, drawn]) / (points[drawn] - 1)
    errors = Z * np.sqrt(spread @ weights[drawn] ** 2)
    return [
        Estimate(
            float(share),
            float(error),
            None if total_ha is None else float(share * total_ha),
            None if total_ha is None else float(error * total_ha),
        )
        for share, error in zip(shares, errors, strict=True)
    ]


def strata_of(
    points: NDArray[np.int64],
    pixels: Sequence[int],
    class_names: Mapping[int, str],
    design: str,
    merge_small: bool,
) -> tuple[list[list[int]], tuple[str, ...]]:
    """Classes of the map that are counted together, and what to say of merged ones.

    Raises:
        SettingsError: a class with fewer than two points that is not in the sample whole, without
            `merge_small`; or fewer than two points in all.
    """
    names = [f"{i} {name}" for i, name in class_names.items()]
    used = [n for n, size in enumerate(pixels) if size]
    small = [n for n in used if points[n] < 2 and points[n] < pixels[n]]
    if small and not merge_small:
        n = small[0]
        more = "draw more of it" if design == "by-map-class" else "draw more points"
        if pixels[n] <= 2:
            more = f"add {'it' if pixels[n] == 1 else 'both'} to the sample"
        raise SettingsError(
            f"--sample: wanted at least 2 points in each class of the map, got {points[n]} for "
            f"{pixels[n]:,} pixels of {names[n]}; {more}, or count small classes as one stratum "
            "with --merge-small"
        )
    if not small:
        return [[n] for n in used], ()
    others = sorted((n for n in used if n not in small), key=lambda n: pixels[n])
    while points[small].sum() < 2 and others:
        small.append(others.pop(0))
    if points[small].sum() < 2:
        raise SettingsError(
            f"--sample: wanted at least 2 points on classes of the map, got {points[small].sum()}"
        )
    note = f"counted as one stratum, for lack of points: {', '.join(names[n] for n in small)}"
    if design == "by-map-class":
        note += "; the estimate takes them as sampled at one rate"
    return [small, *([n] for n in others)], (note,)
