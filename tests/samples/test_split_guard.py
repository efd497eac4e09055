"""The guard between training and test pixels, against distances over all pairs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from samples.label_maps import DRAWN, SMALL, distance, scattered
from spectrolite.data.labels import Labels
from spectrolite.errors import SplitError
from spectrolite.samples.split_methods import (
    classes_kept,
)
from spectrolite.samples.split_scene import split


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
def test_the_guard_drops_every_test_pixel_within_reach_and_no_other(
    method: str, parameters: dict[str, Any]
) -> None:
    labels = scattered()
    for guard, validation in ((1, 0.0), (1, 0.4)):
        drawn = split(
            labels,
            method,
            seed=3,
            guard=guard,
            validation=validation,
            allow_missing=True,
            **parameters,
        )
        rest = np.setdiff1d(np.flatnonzero(labels.array), drawn.seen)
        far = distance(labels, rest, drawn.seen) > guard
        np.testing.assert_array_equal(drawn.test, rest[far])
        assert drawn.dropped == (~far).sum() > 0


def test_the_guard_counts_validation_pixels_as_training() -> None:
    labels = scattered()
    drawn = split(labels, "random", train=0.05, seed=1, guard=1, validation=0.5, allow_missing=True)
    rest = np.setdiff1d(np.flatnonzero(labels.array), drawn.seen)
    near_validation_only = (distance(labels, rest, drawn.train) > 1) & (
        distance(labels, rest, drawn.validation) <= 1
    )
    assert near_validation_only.any()
    assert not np.isin(rest[near_validation_only], drawn.test).any()


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
def test_a_guard_that_drops_everything_says_how_many(
    method: str, parameters: dict[str, Any]
) -> None:
    labels = scattered()
    with pytest.raises(SplitError) as caught:
        split(labels, method, guard=24, **parameters)
    left = np.count_nonzero(labels.array) - len(
        split(labels, method, allow_missing=True, **parameters).train
    )
    words = ",".join(f"{k}={v}" for k, v in parameters.items())
    found = re.fullmatch(
        re.escape(
            f"{method},{words},seed=0,guard=24: no test pixel is left: the guard dropped all "
        )
        + r"(\d+); lower guard, train or n",
        str(caught.value),
    )
    assert found is not None
    if method not in ("blocks", "fields", "polygons"):  # without a guard others are chosen
        assert int(found.group(1)) == left
    with pytest.raises(SplitError) as wider:
        split(labels, method, guard=10**30, **parameters)
    assert str(wider.value) == str(caught.value).replace("guard=24", f"guard={10**30}")


@SMALL
@given(
    st.integers(0, 1000),
    st.integers(0, 3),
    st.sets(st.integers(0, 79), min_size=1, max_size=9),
)
def test_classes_kept_equals_brute_force(seed: int, guard: int, chosen: set[int]) -> None:
    labels = scattered(8, 10, seed)
    flat = labels.array.ravel()
    pixels = np.flatnonzero(flat)
    train = np.array(sorted(chosen & set(pixels.tolist())), np.int64)
    assume(len(train))
    rest = np.setdiff1d(pixels, train)
    test = rest[distance(labels, rest, train) > guard]
    both = set(flat[train].tolist()) & set(flat[test].tolist())
    assert classes_kept(labels, pixels, guard)(train) == len(both)


@pytest.mark.parametrize("guard", [10, 10**6, 10**12, 10**30])
def test_a_guard_wider_than_the_map_keeps_no_class_and_takes_no_time(guard: int) -> None:
    labels = scattered(8, 10)
    pixels = np.flatnonzero(labels.array)
    assert classes_kept(labels, pixels, 0)(pixels[:9]) > 0
    assert classes_kept(labels, pixels, guard)(pixels[:9]) == 0


def test_the_cap_of_the_guard_reaches_across_the_map() -> None:
    """The corners of the map are 8 pixels apart: a guard of 7 keeps class 1, one of 8 none."""
    array = np.zeros((4, 9), int)
    array[0, 0] = array[3, 8] = 1
    pixels = np.flatnonzero(array)
    kept = [classes_kept(Labels(array), pixels, guard)(pixels[:1]) for guard in (7, 8, 9, 99)]
    assert kept == [1, 0, 0, 0]
