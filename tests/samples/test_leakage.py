"""What a split reveals without any spectrum.

References: Chebyshev distances over all pairs, patches painted one by one, a loop for the nearest
training pixel, and figures measured on Indian Pines (five seeds, before this package existed).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spectrolite.data.labels import Labels
from spectrolite.datasets.catalog import load
from spectrolite.errors import SettingsError
from spectrolite.samples import leakage
from spectrolite.samples.leakage import Leakage
from spectrolite.samples.split_scene import split

SMALL = settings(deadline=None, max_examples=50, derandomize=True)

Parts = tuple[tuple[int, int], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@st.composite
def parts(draw: st.DrawFn) -> Parts:
    """Shape, training, validation and test pixels of a small map; validation may be empty."""
    rows, cols = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    roles = np.array(draw(st.lists(st.integers(0, 5), min_size=rows * cols, max_size=rows * cols)))
    train, validation = np.flatnonzero(roles == 1), np.flatnonzero(roles == 2)
    test = np.flatnonzero(roles > 3)
    assume(len(train) and len(test))
    return (rows, cols), train, validation, test


def chebyshev(
    shape: tuple[int, int], one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[Any]:
    """`(len(one), len(other))` distances, pair by pair."""
    return np.array(
        [
            [
                max(abs(a // shape[1] - b // shape[1]), abs(a % shape[1] - b % shape[1]))
                for b in other
            ]
            for a in one.tolist()
        ]
    )


@pytest.fixture(scope="module")
def labels() -> Labels:
    return load("indian_pines")[1]


@SMALL
@given(parts())
def test_distances_equal_brute_force(drawn: Parts) -> None:
    shape, train, _, test = drawn
    found = leakage.nearest_distance(shape, train, test)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, np.min(chebyshev(shape, test, train), axis=1))


@SMALL
@given(parts(), st.sampled_from([1, 3, 5, 25]), st.integers(0, 2**32 - 1))
def test_figures_equal_naive_ones(drawn: Parts, patch: int, seed: int) -> None:
    shape, train, validation, test = drawn
    classes = np.random.default_rng(seed).choice(np.array([1, 4, 9], np.int32), shape)
    seen = np.union1d(train, validation)
    painted = np.zeros(shape, bool)
    for row, col in zip(*np.unravel_index(seen, shape), strict=True):
        reach = patch // 2
        painted[max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1] = True
    found = leakage.measure(classes, train, seen, test, patch)
    flat = classes.ravel()
    assert found.patch == patch
    assert found.overlap == painted.ravel()[test].mean()
    assert found.clean == (not painted.ravel()[test].any())
    distances = np.min(chebyshev(shape, test, seen), axis=1)
    assert found.median_distance == np.median(distances)
    assert found.distance_edges == tuple(range(1, 2 * patch + 1))
    naive = [sum(d == edge for d in distances.tolist()) for edge in range(1, 2 * patch)]
    assert found.distance_counts == (*naive, sum(d >= 2 * patch for d in distances.tolist()))
    ids, counts = np.unique(flat[train], return_counts=True)
    assert found.majority == (flat[test] == ids[counts.argmax()]).mean()


@SMALL
@given(parts(), st.integers(0, 2**32 - 1))
def test_position_predicts_a_nearest_training_pixels_class(drawn: Parts, seed: int) -> None:
    shape, train, _, test = drawn
    classes = np.random.default_rng(seed).integers(1, 5, shape, dtype=np.int32)
    predicted = leakage.predict_by_position(classes, train, test)
    assert predicted.shape == test.shape
    for pixel, guess in zip(test.tolist(), predicted.tolist(), strict=True):
        squares = [
            (pixel // shape[1] - t // shape[1]) ** 2 + (pixel % shape[1] - t % shape[1]) ** 2
            for t in train.tolist()
        ]
        nearest = [t for t, s in zip(train, squares, strict=True) if s == min(squares)]
        assert guess in classes.ravel()[nearest]


def test_position_scores_with_training_pixels_only() -> None:
    row = np.array([[1, 2, 2, 2]], np.int32)
    train, validation, test = np.array([0]), np.array([1]), np.array([2, 3])
    found = leakage.measure(row, train, np.union1d(train, validation), test, 3)
    assert found == Leakage(
        patch=3,
        overlap=0.5,
        median_distance=1.5,
        majority=0,
        position=0,
        distance_edges=(1, 2, 3, 4, 5, 6),
        distance_counts=(1, 1, 0, 0, 0, 0),
    )
    assert not found.clean


@pytest.mark.parametrize(("patch", "halo"), [(1, 0), (3, 1), (13, 6), (25, 12)])
def test_an_odd_patch_has_a_halo(patch: int, halo: int) -> None:
    assert leakage.check_patch(patch) == halo


@pytest.mark.parametrize("patch", [-1, 0, 2, 24])
def test_an_even_patch_is_refused(patch: int, labels: Labels) -> None:
    with pytest.raises(SettingsError) as caught:
        leakage.check_patch(patch)
    assert str(caught.value) == f"patch: wanted an odd side in pixels, got {patch}"
    with pytest.raises(SettingsError, match=r"^patch: wanted an odd side in pixels, got -?\d+$"):
        split(labels, "random").leakage(patch)


# Indian Pines


@pytest.mark.parametrize(("share", "accuracy"), [(0.1, 0.9755), (0.3, 0.9945)])
def test_position_alone_has_the_accuracy_that_was_measured(
    labels: Labels, share: float, accuracy: float
) -> None:
    found = [split(labels, "random", train=share, seed=s).leakage(25) for s in range(5)]
    assert np.mean([f.position for f in found]) == pytest.approx(accuracy, abs=0.003)
    assert [f.overlap for f in found] == [1.0] * 5
    assert {f.median_distance for f in found} == {1.0}
    majority = 2455 / 10_249  # Soybean-mintill, in the test part as in the whole
    assert [f.majority for f in found] == pytest.approx([majority] * 5, abs=1e-3)


def test_position_alone_is_less_accurate_with_one_percent(labels: Labels) -> None:
    found = [split(labels, "random", train=0.01, seed=s).leakage(25).position for s in range(5)]
    assert np.mean(found) == pytest.approx(0.8279, abs=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_guarded_blocks_are_clean_for_the_patch_they_are_made_for(
    labels: Labels, seed: int
) -> None:
    drawn = split(labels, "blocks", train=0.3, side=20, guard=6, seed=seed, allow_missing=True)
    assert drawn.leakage(13).overlap == 0
    assert drawn.leakage(13).clean
    assert drawn.leakage(13).median_distance > 6
    assert drawn.leakage(15).overlap > 0
    assert not drawn.leakage(25).clean
    assert drawn.leakage(13).position < 0.9


def test_leakage_prints_its_figures() -> None:
    found = Leakage(5, 0.75, 2.0, 0.25, 0.5, (1, 2), (3, 4))
    assert str(found) == repr(found)
    assert str(found) == (
        "Leakage for a patch of 5 pixels: yes\n"
        "  test pixels inside a patch around training or validation pixels    75.00 %\n"
        "  accuracy of the nearest training pixel's class                     50.00 %\n"
        "  accuracy of the commonest training class                           25.00 %\n"
        "  median distance to a training or validation pixel                      2 pixels"
    )
    assert str(replace(found, overlap=0.0)).startswith("Leakage for a patch of 5 pixels: none\n")
