"""The reliability curve and the temperature.

References: scikit-learn's curve, a loop from the papers' formula, a search.
"""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from spectrolite.errors import SettingsError
from spectrolite.evaluation.calibration import Calibration, fitted_temperature, reliability

PIXELS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def naive_error(confidence: list[float], right: list[bool], bins: int) -> float:
    """Equation 3 of Guo et al., bin by bin and pixel by pixel."""
    edges = np.linspace(0, 1, bins + 1)
    error = 0.0
    for m in range(bins):
        inside = [
            (c, r)
            for c, r in zip(confidence, right, strict=True)
            if edges[m] < c <= edges[m + 1] or (m == 0 and c == 0)
        ]
        if inside:
            accuracy = sum(r for _, r in inside) / len(inside)
            mean = sum(c for c, _ in inside) / len(inside)
            error += len(inside) / len(right) * abs(accuracy - mean)
    return error


@settings(deadline=None)
@given(PIXELS, st.integers(1, 20))
def test_the_error_is_the_papers(pixels: list[tuple[float, bool]], bins: int) -> None:
    confidence, right = map(list, zip(*pixels, strict=True))
    found = reliability(np.array(confidence), np.array(right), bins)
    assert found.error == pytest.approx(naive_error(confidence, right, bins), abs=1e-12)
    assert found.count == len(right)
    assert 0 <= found.error <= 1


def test_the_curve_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.2, 1, 2000).astype(np.float32)
    right = generator.uniform(size=2000) < confidence**2
    found = reliability(confidence, right)
    accuracy, mean = calibration_curve(right, confidence, n_bins=15)
    there = [b for b in found.bins if b.count]
    assert [b.accuracy for b in there] == pytest.approx(accuracy)
    assert [b.confidence for b in there] == pytest.approx(mean)
    assert (found.confidence, found.accuracy) == pytest.approx((confidence.mean(), right.mean()))


def test_over_confidence_is_the_gap() -> None:
    right = np.arange(100) % 10 < 6
    found = reliability(np.ones(100), right)
    assert found.error == pytest.approx(0.4)
    assert reliability(np.full(100, 0.6), right).error == pytest.approx(0, abs=1e-12)


def test_an_edge_belongs_below_and_an_empty_bin_is_nan() -> None:
    found = reliability(np.array([0.0, 0.5, 1.0]), np.array([False, True, True]), bins=4)
    assert [b.count for b in found.bins] == [1, 1, 0, 1]
    assert [(b.low, b.high) for b in found.bins] == [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]
    assert math.isnan(found.bins[2].accuracy)
    assert math.isnan(found.bins[2].confidence)
    again = Calibration.model_validate_json(found.model_dump_json())
    assert math.isnan(again.bins[2].accuracy)
    assert again.error == found.error


@pytest.mark.parametrize(
    ("confidence", "right", "bins", "message"),
    [
        (
            [0.5],
            [True, False],
            15,
            "calibration: wanted a confidence and a verdict for each pixel, "
            "got shapes (1,) and (2,)",
        ),
        (
            [],
            [],
            15,
            "calibration: wanted a confidence and a verdict for each pixel, got shapes "
            "(0,) and (0,)",
        ),
        ([0.5], [True], 0, "bins: wanted 1 or more, got 0"),
        (
            [0.5, 7.0],
            [True, True],
            15,
            "confidence: wanted 0 to 1, got 0.5 to 7; give the softmax, not the logits",
        ),
        (
            [math.nan],
            [True],
            15,
            "confidence: wanted 0 to 1, got nan to nan; give the softmax, not the logits",
        ),
    ],
)
def test_what_is_refused(
    confidence: list[float], right: list[bool], bins: int, message: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        reliability(np.array(confidence), np.array(right), bins)


def test_the_temperature_is_the_likeliest() -> None:
    """Against a search over many temperatures."""
    generator = np.random.default_rng(2)
    truth = generator.integers(0, 4, 600)
    logits = generator.normal(size=(600, 4)) + 1.5 * np.eye(4)[truth]
    for scale in (0.5, 1, 3):
        found = fitted_temperature((scale * logits).astype(np.float32), truth)
        tried = np.exp(np.linspace(-2, 3, 1001))
        powers = (np.exp(scale * logits / t) for t in tried)
        losses = [-np.log(p[range(600), truth] / p.sum(1)).mean() for p in powers]
        assert found == pytest.approx(tried[int(np.argmin(losses))], rel=6e-3)


def test_no_temperature_where_all_are_right() -> None:
    assert fitted_temperature(np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([0, 1])) is None
    assert fitted_temperature(np.array([[2.0, 1.0], [3.0, 2.9]]), np.array([0, 1])) is not None
