"""Is the difference between two classifiers significant, on splits that share their pixels?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from spectrolite.errors import SettingsError


@dataclass(frozen=True)
class PairedTest:
    """Two classifiers on the same splits.

    Attributes:
        n: number of splits.
        mean: mean difference, in the unit of the differences.
        std: standard deviation of the differences, of a sample (n - 1).
        statistic: t, with n - 1 degrees of freedom; infinite if all differences are equal.
        p: two-sided.
        low: lower end of the 95 % interval of the mean difference.
        high: its upper end.
    """

    n: int
    mean: float
    std: float
    statistic: float
    p: float
    low: float
    high: float


def corrected_t_test(differences: Sequence[float], test_over_train: float) -> PairedTest:
    """The corrected resampled t-test.

    Splits drawn anew from the same pixels share most of them, so their differences vary less than
    independent ones would, and the plain t-test finds significance too often. Here the variance of
    the mean is `1 / n + n_test / n_train` times the variance of the differences, instead of `1 / n`
    times.

    Source: Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52 (2003),
    section 5.1. The correction is an approximation, conservative for many splits.

    Args:
        differences: one classifier minus the other, one number per split, at least two.
        test_over_train: test pixels per training pixel; the mean over the splits.

    Raises:
        SettingsError: fewer than two differences, or one that is not finite.
    """
    values = np.asarray(differences, np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise SettingsError(
            f"differences: wanted two or more finite numbers, got {list(differences)}"
        )
    n, mean, std = len(values), float(values.mean()), float(values.std(ddof=1))
    error = math.sqrt(1 / n + test_over_train) * std
    if error == 0:
        statistic, p = (math.copysign(math.inf, mean), 0.0) if mean else (0.0, 1.0)
    else:
        statistic = mean / error
        p = float(2 * stats.t.sf(abs(statistic), n - 1))
    reach = float(stats.t.ppf(0.975, n - 1)) * error
    return PairedTest(n, mean, std, statistic, p, mean - reach, mean + reach)
