"""Does a confidence of 0.9 mean right nine times in ten? And the temperature that makes it so.

Source: Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
binning", AAAI 2015; Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks",
ICML 2017, section 2, equation 3, and section 4.2 for the temperature.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from spectrolite.errors import SettingsError
from spectrolite.records import Number, Record

BINS = 15  # Guo's number
TEMPERATURES = (0.05, 20.0)  # between which it is sought


class Bin(Record):
    """Pixels whose confidence lies above `low` and at most at `high`.

    Attributes:
        low: lower edge, excluded.
        high: upper edge, included.
        count: pixels.
        accuracy: share of them classified correctly; NaN if there are none.
        confidence: their mean confidence; NaN if there are none.
    """

    low: float
    high: float
    count: int
    accuracy: Number
    confidence: Number


class Calibration(Record):
    """A reliability curve.

    Attributes:
        bins: of equal width, ascending.
        error: the expected calibration error, 0 to 1: the mean distance of accuracy and
            confidence over the bins, each weighted by its number of pixels.
        confidence: mean over all pixels.
        accuracy: share of all pixels classified correctly.
    """

    bins: tuple[Bin, ...]
    error: float
    confidence: float
    accuracy: float

    @property
    def count(self) -> int:
        """Pixels in all bins."""
        return sum(b.count for b in self.bins)


def reliability(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = BINS
) -> Calibration:
    """The reliability curve of some pixels.

    Args:
        confidence: `(n,)` softmax of the predicted class, 0 to 1.
        right: `(n,)` whether the predicted class is the true one.
        bins: number of bins of equal width.

    Raises:
        SettingsError: no pixel, unequal lengths, no bin, or a confidence outside 0 to 1.
    """
    if confidence.ndim != 1 or confidence.shape != right.shape or not len(right):
        raise SettingsError(
            f"calibration: wanted a confidence and a verdict for each pixel, got shapes "
            f"{confidence.shape} and {right.shape}"
        )
    if bins < 1:
        raise SettingsError(f"bins: wanted 1 or more, got {bins}")
    values = confidence.astype(np.float64)
    if not ((values >= 0) & (values <= 1)).all():  # NaN is in neither
        raise SettingsError(
            f"confidence: wanted 0 to 1, got {values.min():g} to {values.max():g}; "
            "give the softmax, not the logits"
        )
    edges = np.linspace(0, 1, bins + 1)
    which = np.searchsorted(edges[1:-1], values, side="left")  # a value on an edge lies below it
    counts = np.bincount(which, minlength=bins)
    hits, sums = (np.bincount(which, weights=v, minlength=bins) for v in (right, values))
    with np.errstate(invalid="ignore"):
        accuracy, mean = hits / counts, sums / counts
    return Calibration(
        bins=tuple(
            Bin(low=low, high=high, count=n, accuracy=a, confidence=c)
            for low, high, n, a, c in zip(
                edges[:-1].tolist(),
                edges[1:].tolist(),
                counts.tolist(),
                accuracy.tolist(),
                mean.tolist(),
                strict=True,
            )
        ),
        error=float(np.abs(hits - sums).sum() / len(values)),
        confidence=float(values.mean()),
        accuracy=float(right.mean()),
    )


def fitted_temperature(logits: NDArray[np.floating], truth: NDArray[np.integer]) -> float | None:
    """The number to divide logits by, so that their softmax is most likely for the true classes.

    It changes no class, only how sure the network is of it.

    Args:
        logits: `(n, classes)`, of pixels that did not train.
        truth: `(n,)` true class of each, from 0.

    Returns:
        The temperature, or None if every class is right: then the surest softmax is the likeliest,
        and the pixels do not tell how often the network errs.
    """
    values = logits.astype(np.float64)
    if (values.argmax(1) == truth).all():
        return None

    def loss(log_temperature: float) -> float:
        """Mean cross-entropy."""
        shares = log_softmax(values / np.exp(log_temperature), axis=1)
        return float(-shares[np.arange(len(truth)), truth].mean())

    bounds = np.log(TEMPERATURES).tolist()
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
