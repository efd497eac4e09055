"""Figures of a confusion matrix.

References: scikit-learn on the same pairs, absent classes included; SciPy's Wilson interval;
SciPy's bootstrap and a loop written out for the interval by fields; hand-made matrices for the
rest.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as theirs

from spectrolite.evaluation import metrics

IDS = (2, 3, 7, 40)
SMALL = settings(deadline=None, max_examples=60, derandomize=True)
PAIRS = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), min_size=1, max_size=60)


def two_columns(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    truth, prediction = np.array(pairs, np.int64).T
    return truth, prediction


@SMALL
@given(PAIRS)
def test_figures_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, prediction = two_columns(pairs)
    confusion = metrics.confusion_matrix(truth, prediction, IDS)
    assert confusion.dtype == np.int64
    each = {"labels": IDS, "average": None, "zero_division": np.nan}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where a class is absent
        matrix = theirs.confusion_matrix(truth, prediction, labels=IDS)
        recall = theirs.recall_score(truth, prediction, **each)
        precision = theirs.precision_score(truth, prediction, **each)
        f1 = theirs.f1_score(truth, prediction, **each)
        kappa = theirs.cohen_kappa_score(truth, prediction, labels=IDS)
        balanced = theirs.balanced_accuracy_score(truth, prediction)
    accuracy = theirs.accuracy_score(truth, prediction)
    np.testing.assert_array_equal(confusion, matrix)
    np.testing.assert_allclose(metrics.recall(confusion), recall)
    np.testing.assert_allclose(metrics.precision(confusion), precision)
    np.testing.assert_allclose(metrics.f1(confusion), f1)
    np.testing.assert_allclose(metrics.overall_accuracy(confusion), accuracy)
    np.testing.assert_allclose(metrics.average_accuracy(confusion), balanced)
    np.testing.assert_allclose(metrics.kappa(confusion), kappa, atol=1e-12)


@SMALL
@given(PAIRS, PAIRS)
def test_counts_of_parts_add_up(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    parts = [metrics.confusion_matrix(*two_columns(p), IDS) for p in (one, other)]
    whole = metrics.confusion_matrix(*two_columns(one + other), IDS)
    np.testing.assert_array_equal(parts[0] + parts[1], whole)


def test_truth_runs_along_the_rows() -> None:
    truth, prediction = np.array([[2, 2], [7, 7]], np.uint8), np.array([[2, 7], [7, 7]], np.int32)
    assert metrics.confusion_matrix(truth, prediction, (2, 7)).tolist() == [[1, 1], [0, 2]]


@pytest.mark.parametrize("stranger", [0, 4, 41])
def test_ids_that_are_not_named_are_refused(stranger: int) -> None:
    good, bad = np.array([2, 3, 7]), np.array([2, stranger, 7])
    for truth, prediction in ((good, bad), (bad, good)):
        with pytest.raises(ValueError, match=r"^wanted class ids among \(2, 3, 7, 40\), got other"):
            metrics.confusion_matrix(truth, prediction, IDS)


def test_absent_classes_are_nan_and_the_average_leaves_them_out() -> None:
    confusion = np.array([[3, 1, 0, 0], [0, 0, 0, 0], [0, 2, 2, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(metrics.recall(confusion), [0.75, np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(metrics.precision(confusion), [1, 0, 1, np.nan])
    np.testing.assert_array_equal(metrics.f1(confusion), [6 / 7, 0, 2 / 3, np.nan])
    assert metrics.average_accuracy(confusion) == 0.625
    assert metrics.overall_accuracy(confusion) == 0.625


def test_without_pixels_every_figure_is_nan() -> None:
    empty = np.zeros((3, 3), np.int64)
    figures = [metrics.overall_accuracy, metrics.average_accuracy, metrics.kappa]
    assert all(np.isnan(figure(empty)) for figure in figures)
    for per_class in (metrics.recall, metrics.precision, metrics.f1):
        assert np.isnan(per_class(empty)).all()
    no_pixels = np.empty(0, np.int64)
    assert metrics.confusion_matrix(no_pixels, no_pixels, IDS).tolist() == np.zeros((4, 4)).tolist()


@pytest.mark.parametrize(
    ("confusion", "kappa"),
    [
        ([[20, 5], [10, 15]], 0.4),  # the example of Cohen's kappa that textbooks compute
        ([[5, 0], [0, 5]], 1.0),
        ([[0, 5], [5, 0]], -1.0),
        ([[25, 25], [25, 25]], 0.0),
        ([[9, 0], [0, 0]], np.nan),
    ],
)
def test_kappa_of_known_tables(confusion: list[list[int]], kappa: float) -> None:
    np.testing.assert_allclose(metrics.kappa(np.array(confusion)), kappa, atol=1e-15)


# Intervals


def answers_by_field(fields: int, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Whether pixels are right, much alike inside a field, and their fields in mixed order."""
    generator = np.random.default_rng(seed)
    numbers = generator.permutation(np.repeat(np.arange(fields) * 3 + 1, 2 + np.arange(fields) % 5))
    skill = generator.uniform(0.3, 1, numbers.max() + 1)
    return generator.random(len(numbers)) < skill[numbers], numbers


def test_the_interval_by_fields_equals_a_loop() -> None:
    correct, fields = answers_by_field(6, 1)
    numbers = sorted(set(fields.tolist()))
    drawn = np.random.default_rng(5).integers(6, size=(50, 6))
    accuracies = []
    for draw in drawn:
        pooled = [right for i in draw for right in correct[fields == numbers[i]]]
        accuracies.append(sum(map(bool, pooled)) / len(pooled))
    low, high = metrics.field_interval(correct, fields, np.random.default_rng(5), 50, 0.8)
    assert (low, high) == pytest.approx(np.quantile(accuracies, [0.1, 0.9]), abs=1e-15)


def test_the_interval_by_fields_agrees_with_scipys_bootstrap() -> None:
    correct, fields = answers_by_field(30, 2)
    numbers = np.unique(fields)
    right = np.array([correct[fields == i].sum() for i in numbers])
    sizes = np.array([(fields == i).sum() for i in numbers])
    expected = stats.bootstrap(
        (right, sizes),
        lambda r, s, axis: r.sum(axis) / s.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=9999,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    found = metrics.field_interval(correct, fields, np.random.default_rng(1), 9999)
    assert found == pytest.approx((expected.low, expected.high), abs=0.015)


def test_the_interval_by_fields_repeats_with_its_seed() -> None:
    correct, fields = answers_by_field(8, 3)
    one, same, other = (
        metrics.field_interval(correct, fields, np.random.default_rng(s), 200) for s in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_the_interval_by_fields_is_wider_than_that_of_independent_pixels() -> None:
    fields = np.repeat(np.arange(8), 50)
    correct = fields % 2 == 0  # whole fields right or wrong
    low, high = metrics.field_interval(correct, fields, np.random.default_rng(0))
    independent = metrics.wilson_interval(int(correct.sum()), len(correct))
    assert low < independent[0] < 0.5 < independent[1] < high


def test_one_field_has_no_interval() -> None:
    generator = np.random.default_rng(0)
    assert np.isnan(metrics.field_interval(np.ones(9, bool), np.full(9, 4), generator)).all()
    empty = np.empty(0, np.int64)
    assert np.isnan(metrics.field_interval(empty.astype(bool), empty, generator)).all()


@SMALL
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_equals_scipys(counts: tuple[int, int]) -> None:
    expected = stats.binomtest(*counts).proportion_ci(0.95, method="wilson")
    found = metrics.wilson_interval(*counts)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_wilsons_interval_of_nothing_is_nan() -> None:
    assert np.isnan(metrics.wilson_interval(0, 0)).all()
