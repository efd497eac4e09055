"""The split `per_class`: the same number of training pixels for each class."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples.label_maps import SMALL, counts_of, sized
from spectrolite.errors import SplitError
from spectrolite.samples.split_scene import split


@SMALL
@given(st.integers(1, 12), st.integers(0, 1000))
def test_per_class_takes_n_of_each_and_one_of_the_too_small(n: int, seed: int) -> None:
    labels = sized(40, 7, 2, 13)
    drawn = split(labels, "per_class", n=n, seed=seed)
    sizes = labels.counts()
    assert counts_of(drawn, drawn.train) == {i: n if n < sizes[i] else 1 for i in sizes}
    assert drawn.raised == tuple(i for i in sizes if sizes[i] <= n)


def test_per_class_of_a_class_of_one_pixel_leaves_no_test() -> None:
    with pytest.raises(SplitError) as caught:
        split(sized(9, 1), "per_class", n=3)
    assert str(caught.value) == (
        "per_class,n=3,seed=0: 2 class 2 has no test pixel; "
        "change the split, or add allow_missing to it"
    )
    drawn = split(sized(9, 1), "per_class", n=3, allow_missing=True)
    assert (drawn.raised, drawn.missing) == ((2,), {2: "test"})


def test_per_class_validates_its_share_of_n() -> None:
    drawn = split(sized(40, 30, 20), "per_class", n=10, validation=0.3)
    assert counts_of(drawn, drawn.train) == {1: 7, 2: 7, 3: 7}
    assert counts_of(drawn, drawn.validation) == {1: 3, 2: 3, 3: 3}
    assert drawn.raised == ()


@SMALL
@given(st.integers(2, 30), st.floats(0.001, 0.999), st.integers(0, 1000))
def test_per_class_validates_and_trains_at_least_one_pixel_of_each_class(
    n: int, validation: float, seed: int
) -> None:
    drawn = split(sized(40, 60, 31), "per_class", n=n, validation=validation, seed=seed)
    train, kept = counts_of(drawn, drawn.train), counts_of(drawn, drawn.validation)
    assert set(train) == set(kept) == {1, 2, 3}
    assert all(train[i] + kept[i] == n for i in train)
    assert all(abs(kept[i] - validation * n) <= 1 for i in kept)
    assert drawn.raised == ()


def test_per_class_cannot_validate_a_class_of_one_training_pixel() -> None:
    drawn = split(sized(40, 40, 5), "per_class", n=5, validation=0.01)
    assert counts_of(drawn, drawn.train) == {1: 4, 2: 4, 3: 1}
    assert counts_of(drawn, drawn.validation) == {1: 1, 2: 1}
    assert drawn.raised == (3,)
