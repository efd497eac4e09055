"""The corrected resampled t-test.

References: a computation by hand, tables of Student's t, and scipy's plain paired test where the
correction is taken away.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from spectrolite.errors import SettingsError
from spectrolite.evaluation.significance import corrected_t_test


def test_a_computation_by_hand() -> None:
    """Differences 1, 2, 3, 4; nine test pixels for each that trains.

    Mean 2.5; variance (2.25 + 0.25 + 0.25 + 2.25) / 3 = 5 / 3; the factor is 1 / 4 + 9 = 37 / 4,
    so the standard error is sqrt(37 / 4 * 5 / 3) = sqrt(185 / 12) = 3.92641, and t = 0.63671. The
    two-sided 5 % point of t with 3 degrees of freedom is 3.18245 (printed tables).
    """
    found = corrected_t_test([1, 2, 3, 4], 9.0)
    assert (found.n, found.mean) == (4, 2.5)
    assert found.std == pytest.approx(math.sqrt(5 / 3))
    assert found.statistic == pytest.approx(2.5 / math.sqrt(185 / 12))
    assert found.statistic == pytest.approx(0.63671, abs=1e-5)
    reach = 3.18245 * 3.92641
    assert found.low == pytest.approx(2.5 - reach, abs=1e-3)
    assert found.high == pytest.approx(2.5 + reach, abs=1e-3)
    # with 3 degrees of freedom the distribution function has a closed form
    t = found.statistic / math.sqrt(3)
    by_hand = 1 - 2 / math.pi * (t / (1 + t * t) + math.atan(t))
    assert found.p == pytest.approx(by_hand)


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=12).filter(lambda v: np.std(v) >= 1e-6))
def test_without_the_correction_it_is_the_paired_t_test(values: list[float]) -> None:
    found = corrected_t_test(values, 0.0)
    wanted = stats.ttest_1samp(values, 0)
    assert found.statistic == pytest.approx(wanted.statistic)
    assert found.p == pytest.approx(wanted.pvalue)
    interval = wanted.confidence_interval(0.95)
    assert found.low == pytest.approx(interval.low)
    assert found.high == pytest.approx(interval.high)


@given(
    st.lists(st.floats(-50, 50), min_size=2, max_size=12), st.floats(0, 100), st.floats(0.01, 10)
)
def test_it_is_antisymmetric_and_more_test_pixels_make_it_less_sure(
    values: list[float], ratio: float, more: float
) -> None:
    one, other = (corrected_t_test(v, ratio) for v in (values, [-v for v in values]))
    assert other.mean == -one.mean
    assert other.p == pytest.approx(one.p)
    assert corrected_t_test(values, ratio + more).p >= one.p - 1e-12
    assert one.low <= one.mean <= one.high


@pytest.mark.parametrize(("value", "statistic", "p"), [(0.0, 0.0, 1.0), (2.0, math.inf, 0.0)])
def test_differences_that_are_all_one_number(value: float, statistic: float, p: float) -> None:
    found = corrected_t_test([value] * 3, 9)
    assert (found.statistic, found.p, found.low, found.high) == (statistic, p, value, value)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
def test_too_little_is_refused(values: list[float]) -> None:
    with pytest.raises(SettingsError) as caught:
        corrected_t_test(values, 1)
    assert str(caught.value) == f"differences: wanted two or more finite numbers, got {values}"
