"""The split `blocks` and its validation blocks.

References: the draw written out as a plain loop over sets; figures of Indian Pines measured before
this package existed.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from samples.label_maps import SMALL, block_numbers, counts_of, distance, scattered
from spectrolite.data.labels import Labels
from spectrolite.errors import SplitError
from spectrolite.samples.split_methods import classes_kept, draw_blocks
from spectrolite.samples.split_scene import Split, split


@SMALL
@given(st.integers(2, 7), st.sampled_from([0.2, 0.3, 0.5]), st.integers(0, 1000))
def test_blocks_stay_whole_and_give_every_class_its_share(
    side: int, share: float, seed: int
) -> None:
    labels = scattered(seed=seed % 3)
    try:
        drawn = split(labels, "blocks", train=share, side=side, seed=seed, allow_missing=True)
    except SplitError as error:
        if "no test pixel is left" not in str(error):
            raise
        reject()
    block = block_numbers(labels, side)
    train_blocks = {block[p] for p in drawn.train}
    assert train_blocks.isdisjoint({block[p] for p in drawn.test})
    taken = counts_of(drawn, drawn.train)
    assert all(taken.get(i, 0) >= share * n for i, n in labels.counts().items())
    assert drawn.raised == ()


def naive_blocks(
    labels: Labels, share: float, side: int, seed: int, guard: int, spare: bool = False
) -> set[int]:
    """The best of the seeded draws, with sets and loops; `spare` leaves some of each class."""
    flat, block = labels.array.ravel().tolist(), block_numbers(labels, side)
    pixels = [p for p, i in enumerate(flat) if i]
    sizes = labels.counts()
    down, across = (-(-n // side) for n in labels.shape)
    best: tuple[int, int, set[int]] | None = None
    last = max(r * across + c for r, c in (block[p] for p in pixels))
    assert last < down * across
    for child in np.random.SeedSequence(seed).spawn(64):
        order = np.random.default_rng(child).permutation(last + 1).tolist()
        train: set[int] = set()
        for i in sorted(sizes, key=lambda i: sizes[i]):  # rarest first, ties by id
            for number in order:
                inside = [p for p in pixels if block[p] == divmod(number, across)]
                if not any(flat[p] == i for p in inside):
                    continue
                if sum(flat[p] == i for p in train) >= share * sizes[i]:
                    break
                left = {flat[p] for p in pixels if p not in train and p not in inside}
                if spare and len(left) < len(sizes):
                    continue
                train.update(inside)
        seen = np.array(sorted(train))
        rest = np.array(sorted(set(pixels) - train), np.int64)
        test = rest[distance(labels, rest, seen) > guard] if guard else rest
        kept = len({flat[p] for p in train} & {flat[p] for p in test.tolist()})
        if best is None or (kept, -len(train)) > best[:2]:
            best = (kept, -len(train), train)
    assert best is not None
    return best[2]


@pytest.mark.parametrize(
    ("share", "side", "seed", "guard"),
    [(0.3, 4, 0, 0), (0.3, 4, 1, 1), (0.4, 3, 2, 1), (0.5, 2, 3, 0)],
)
def test_blocks_are_those_of_a_plain_loop(share: float, side: int, seed: int, guard: int) -> None:
    labels = scattered(12, 14, seed=4)
    drawn = split(
        labels, "blocks", train=share, side=side, seed=seed, guard=guard, allow_missing=True
    )
    assert set(drawn.train.tolist()) == naive_blocks(labels, share, side, seed, guard)


@pytest.mark.parametrize("seed", range(4))
def test_validation_blocks_are_those_of_a_plain_loop_over_the_training_part(seed: int) -> None:
    labels = scattered(12, 14, seed=4)
    keywords: dict[str, Any] = {"train": 0.5, "side": 2, "seed": seed, "allow_missing": True}
    drawn = split(labels, "blocks", validation=0.4, **keywords)
    only_seen = np.zeros_like(labels.array)
    only_seen.flat[drawn.seen] = labels.array.flat[drawn.seen]
    kept = naive_blocks(Labels(only_seen), 0.4, 2, seed, 0, spare=True)
    assert set(drawn.validation.tolist()) == kept
    assert drawn.parameters["validation"] == 0.4


@pytest.mark.parametrize("seed", range(20))
def test_where_blocks_are_scarce_most_classes_validate(seed: int) -> None:
    """Few blocks of many classes: the first block decides how many classes follow."""
    labels = Labels(np.random.default_rng(seed).integers(0, 9, (4, 6)))
    pixels = np.flatnonzero(labels.array)
    count_classes = classes_kept(labels, pixels, 0)
    kept, _ = draw_blocks(labels, pixels, {"side": 2, "train": 0.3}, 0, count_classes, spare=True)
    assert set(kept.tolist()) == naive_blocks(labels, 0.3, 2, 0, 0, spare=True)


def blocks_to_spare(drawn: Split, side: int, i: int) -> list[tuple[int, int]]:
    """Training blocks with class `i` that could validate too and leave some of every class."""
    flat, block = drawn.labels.array.ravel(), block_numbers(cast(Labels, drawn.labels), side)
    train = drawn.train.tolist()
    wanted = {int(flat[p]) for p in train}
    return [
        b
        for b in sorted({block[p] for p in train if flat[p] == i})
        if {int(flat[p]) for p in train if block[p] != b} == wanted
    ]


def check_validation_blocks(drawn: Split, side: int, validation: float) -> None:
    """Whole blocks; every class trains; a class below its share has no block to spare."""
    block = block_numbers(cast(Labels, drawn.labels), side)
    assert {block[p] for p in drawn.train}.isdisjoint({block[p] for p in drawn.validation})
    seen, kept = counts_of(drawn, drawn.seen), counts_of(drawn, drawn.validation)
    assert set(counts_of(drawn, drawn.train)) == set(seen)
    for i, n in seen.items():
        if kept.get(i, 0) < validation * n:
            assert blocks_to_spare(drawn, side, i) == []


@SMALL
@given(
    st.integers(2, 6),
    st.sampled_from([0.3, 0.5, 0.7]),
    st.sampled_from([0.05, 0.2, 0.5, 0.9]),
    st.integers(0, 1000),
)
def test_validation_blocks_are_whole_and_leave_every_class_in_training(
    side: int, share: float, validation: float, seed: int
) -> None:
    labels = scattered(seed=seed % 3)
    try:
        drawn = split(
            labels,
            "blocks",
            train=share,
            side=side,
            seed=seed,
            validation=validation,
            allow_missing=True,
        )
    except SplitError as error:
        if "no test pixel is left" not in str(error):
            raise
        reject()
    check_validation_blocks(drawn, side, validation)
    assert drawn.raised == ()


@pytest.mark.parametrize("seed", range(20))
def test_a_class_in_one_training_block_never_validates(seed: int) -> None:
    array = np.tile([[1, 2]], (12, 6))
    array[3:6, 3:6] = 3  # a block of 3 x 3 that holds all of a class
    labels = Labels(array)
    drawn = split(
        labels, "blocks", train=0.5, side=3, validation=0.9, seed=seed, allow_missing=True
    )
    assert counts_of(drawn, drawn.train)[3] == 9
    assert counts_of(drawn, drawn.validation).keys() == {1, 2}
    assert drawn.missing == {3: "test"}


@pytest.mark.parametrize("seed", range(4))
def test_guarded_blocks_of_indian_pines_can_be_validated(seed: int, indian_pines: Labels) -> None:
    keywords: dict[str, Any] = {"train": 0.3, "side": 20, "guard": 6, "seed": seed}
    whole = split(indian_pines, "blocks", allow_missing=True, **keywords)
    drawn = split(indian_pines, "blocks", validation=0.1, allow_missing=True, **keywords)
    np.testing.assert_array_equal(drawn.seen, whole.train)
    np.testing.assert_array_equal(drawn.test, whole.test)
    assert drawn.missing == whole.missing
    check_validation_blocks(drawn, 20, 0.1)
    seen, kept = counts_of(drawn, drawn.seen), counts_of(drawn, drawn.validation)
    assert 0.1 * sum(seen.values()) <= sum(kept.values()) < 0.35 * sum(seen.values())
    flat, block = indian_pines.array.ravel(), block_numbers(indian_pines, 20)
    blocks = {i: len({block[p] for p in drawn.seen if flat[p] == i}) for i in seen}
    assert all(n > 1 for i, n in blocks.items() if i in kept)
    assert sum(kept.get(i, 0) >= 0.1 * n for i, n in seen.items()) >= 9


def test_blocks_that_lose_a_class_say_which_unless_it_is_allowed() -> None:
    array = np.ones((12, 12), int)
    array[:, 6:] = 2
    array[0, :2] = 3  # in one block: it cannot be on both sides
    labels = Labels(array, class_names={3: "oats"}, name="three")
    with pytest.raises(SplitError) as caught:
        split(labels, "blocks", train=0.3, side=3)
    assert str(caught.value) == (
        "blocks,train=0.3,side=3,seed=0: 3 oats has no test pixel; "
        "change the split, or add allow_missing to it"
    )
    drawn = split(labels, "blocks", train=0.3, side=3, allow_missing=True)
    assert drawn.missing == {3: "test"}
    assert drawn.text == "blocks,train=0.3,side=3,seed=0,allow_missing"


def test_a_block_as_large_as_the_scene_leaves_no_test_pixel() -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), "blocks", side=24)
    assert str(caught.value) == (
        "blocks,train=0.3,side=24,seed=0: no test pixel is left: everything trains; "
        "lower train, n or side"
    )


def test_one_training_block_leaves_no_validation_pixel() -> None:
    labels = Labels(np.tile([[1, 2]], (4, 4)))
    with pytest.raises(SplitError) as caught:
        split(labels, "blocks", train=0.3, side=4, validation=0.5)
    assert str(caught.value) == (
        "blocks,train=0.3,side=4,seed=0,validation=0.5: no validation pixel is left; "
        "raise validation, or take smaller blocks"
    )


@pytest.mark.parametrize("seed", range(3))
def test_guarded_blocks_of_indian_pines_are_what_was_measured(
    indian_pines: Labels, seed: int
) -> None:
    drawn = split(
        indian_pines, "blocks", train=0.3, side=20, guard=6, seed=seed, allow_missing=True
    )
    assert 0.40 < drawn.train_share < 0.48
    assert 11 <= 16 - len(drawn.missing) <= 13
    assert set(drawn.missing.values()) == {"test"}
    assert 2200 < len(drawn.test) < 3500
    assert len(drawn.test) + len(drawn.train) + drawn.dropped == 10_249
