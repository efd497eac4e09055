"""The split `blocks_by_class`: exact shares of whole blocks, drawn for each class alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples.label_maps import SMALL, block_numbers, counts_of, scattered, sized
from spectrolite.errors import SplitError
from spectrolite.samples.split_scene import split


def test_a_share_that_rounds_to_everything_leaves_no_test_pixel() -> None:
    with pytest.raises(SplitError) as caught:
        split(sized(2, 9), "blocks_by_class", train=0.99)
    assert str(caught.value) == (
        "blocks_by_class,train=0.99,side=10,seed=0: no test pixel is left: everything trains; "
        "lower train, n or side"
    )


@SMALL
@given(st.integers(1, 9), st.sampled_from([0.1, 0.3, 0.5]), st.integers(0, 1000))
def test_blocks_by_class_takes_the_exact_share_from_whole_blocks(
    side: int, share: float, seed: int
) -> None:
    labels = scattered()
    drawn = split(labels, "blocks_by_class", train=share, side=side, seed=seed, allow_missing=True)
    sizes, flat = labels.counts(), labels.array.ravel()
    assert counts_of(drawn, drawn.train) == {i: round(share * n) for i, n in sizes.items()}
    assert drawn.raised == ()
    block = block_numbers(labels, side)
    for i in sizes:
        trains = {block[p] for p in drawn.train if flat[p] == i}
        tests = {block[p] for p in drawn.test if flat[p] == i}
        assert len(trains & tests) <= 1  # the last block is cut


def test_blocks_by_class_is_not_a_spatial_split() -> None:
    labels = scattered()
    drawn = split(labels, "blocks_by_class", train=0.3, side=6)
    block = block_numbers(labels, 6)
    assert {block[p] for p in drawn.train} & {block[p] for p in drawn.test}


def test_blocks_by_class_raises_a_class_too_small_for_its_share() -> None:
    drawn = split(sized(40, 3), "blocks_by_class", train=0.1, side=2)
    assert counts_of(drawn, drawn.train) == {1: 4, 2: 1}
    assert drawn.raised == (2,)


def test_a_class_too_small_to_validate_is_raised_too() -> None:
    drawn = split(sized(40, 4), "blocks_by_class", train=0.5, side=2, validation=0.9)
    assert counts_of(drawn, drawn.train) == {1: 2, 2: 1}
    assert counts_of(drawn, drawn.validation) == {1: 18, 2: 1}
    assert drawn.raised == (2,)
