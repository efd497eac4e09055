"""How many points a sample needs, and how many of them each class of the map gets.

With W_h the share of class h in the map, U_h its expected user's accuracy, S_h = sqrt(U_h (1 -
U_h)), N the pixels of the map, and a_h the share of the points that class h gets, the overall
accuracy of n points has the variance sum_h W_h^2 S_h^2 / (n a_h) - sum_h W_h S_h^2 / N.

Sources: Cochran 1977, "Sampling Techniques", section 5.9: for the optimal allocation, a_h in
proportion to W_h S_h, the size is equation 5.25, which is equation 13 of Olofsson et al. 2014,
Remote Sensing of Environment 148.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import SettingsError, wanted_one_of

Allocation = Literal["proportional", "equal", "optimal"]

CERTAIN = (
    "--expected-accuracy: with 1 or 0 in every class nothing is to be estimated; wanted a number "
    "between for one class at least"
)

Floats = NDArray[np.float64]


def shares(
    allocation: str, pixels: NDArray[np.int64], accuracy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The share of the points that each class gets, before rounding.

    Args:
        allocation: `proportional` to the pixels, `equal`, or `optimal` for the overall accuracy.
        pixels: `(classes,)` of each class, all above 0.
        accuracy: `(classes,)` expected user's accuracy of each, 0 to 1.

    Raises:
        SettingsError: another allocation, or an optimal one where no class has errors.
    """
    if allocation not in get_args(Allocation):
        raise SettingsError(f"--allocation: {wanted_one_of(get_args(Allocation), allocation)}")
    weights = pixels / pixels.sum()
    if allocation == "equal":
        return np.full(len(pixels), 1 / len(pixels))
    if allocation == "optimal":
        weights = weights * np.sqrt(accuracy * (1 - accuracy))
        if weights.sum() == 0:
            raise SettingsError(CERTAIN)
    return np.asarray(weights / weights.sum(), np.float64)


def variances(pixels: NDArray[np.int64], accuracy: NDArray[np.float64]) -> tuple[Floats, float]:
    """W_h^2 S_h^2 of each class, and sum_h W_h S_h^2 / N."""
    weights, square = pixels / pixels.sum(), accuracy * (1 - accuracy)
    return weights**2 * square, float(weights @ square / pixels.sum())


def size_for(
    standard_error: float,
    share: NDArray[np.float64] | None,
    pixels: NDArray[np.int64],
    accuracy: NDArray[np.float64],
) -> int:
    """The points that a standard error of the overall accuracy needs.

    Args:
        standard_error: of the overall accuracy, 0 to 1.
        share: of the points in each class, as of `shares`; None for points drawn at random over the
            whole map, where the whole map is one class.
        pixels: of each class.
        accuracy: expected user's accuracy of each class.

    Raises:
        SettingsError: not a standard error; no class has errors.
    """
    if not 0 < standard_error < 0.5:
        raise SettingsError(
            "--standard-error: wanted a share above 0 and below 0.5, such as 0.01 for one "
            f"percentage point, got {standard_error:g}"
        )
    if share is None:
        pixels, accuracy = np.array([pixels.sum()]), np.array([accuracy @ pixels / pixels.sum()])
        share = np.ones(1)
    squares, rest = variances(pixels, accuracy)
    used = squares > 0
    if not used.any():
        raise SettingsError(CERTAIN)
    needed = float((squares[used] / share[used]).sum())
    return math.ceil(needed / (standard_error**2 + rest) - 1e-9)


def expected_error(
    points: NDArray[np.int64], pixels: NDArray[np.int64], accuracy: NDArray[np.float64]
) -> float:
    """Standard error of the overall accuracy that a number of points in each class will have."""
    squares, _ = variances(pixels, accuracy)
    drawn = (points > 0) & (points < pixels)
    left = 1 - points[drawn] / pixels[drawn]
    return math.sqrt(float((squares[drawn] / points[drawn] * left).sum()))


def allocated(
    count: int,
    share: NDArray[np.float64],
    available: NDArray[np.int64],
    least: int,
    names: Sequence[str],
) -> NDArray[np.int64]:
    """Whole points of each class, `count` in all.

    A class gets at least `least` points, and at most as many as it has pixels; the others share
    what is left in proportion. Fractions are rounded by largest remainder.

    Args:
        count: points in all.
        share: of each class, as of `shares`.
        available: pixels of each class that can be drawn.
        least: points that each class gets, if it has so many pixels.
        names: of the classes, for messages.

    Raises:
        SettingsError: fewer points than the classes need, or more than there are pixels.
    """
    low = np.minimum(available, least)
    if count < low.sum():
        raise SettingsError(
            f"--points: wanted at least {low.sum()}, {least} in each of {len(names)} classes "
            f"(--minimum), got {count}"
        )
    if count > available.sum():
        raise SettingsError(
            f"--points: wanted at most {available.sum():,}, the pixels that can be drawn, got "
            f"{count:,}"
        )
    # the multiple of the shares at which the bounded shares sum to the count, by bisection
    below, above = 0.0, 1.0
    while np.clip(above * share, low, available).sum() < count and above < 1e18:
        above *= 2
    for _ in range(200):
        middle = (below + above) / 2
        if np.clip(middle * share, low, available).sum() < count:
            below = middle
        else:
            above = middle
    exact = np.clip(above * share, low, available)
    points = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-(exact - points), kind="stable")
    while missing := count - int(points.sum()):
        room = (available - points if missing > 0 else points - low)[order]
        given = order[room > 0][: abs(missing)]
        # one to each in turn, as many rounds at once as nobody's room ends
        rounds = max(1, min(abs(missing) // len(given), int(room[room > 0].min())))
        points[given] += rounds if missing > 0 else -rounds
    return points
