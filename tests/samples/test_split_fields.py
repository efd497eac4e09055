"""The split `fields`.

References: fields by a flood fill, their draw by a plain loop over lists.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st
from numpy.typing import NDArray

from samples.label_maps import SMALL, counts_of, distance
from spectrolite.data.labels import Labels
from spectrolite.errors import SplitError
from spectrolite.samples.split_scene import split


def flooded(array: NDArray[np.int32]) -> dict[int, list[list[int]]]:
    """Pixels of each field by class, by flooding from the first pixel not yet reached."""
    rows, cols = array.shape
    left = {(r, c) for r in range(rows) for c in range(cols) if array[r, c]}
    found: dict[int, list[list[int]]] = {}
    for r, c in np.argwhere(array).tolist():
        if (r, c) not in left:
            continue
        left.remove((r, c))
        field = [(r, c)]
        for y, x in field:  # grows while it is walked
            for near in ((y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                if near in left and array[near] == array[r, c]:
                    left.remove(near)
                    field.append(near)
        found.setdefault(int(array[r, c]), []).append(sorted(y * cols + x for y, x in field))
    return dict(sorted(found.items()))


def naive_fields(
    labels: Labels, share: float, seed: int, guard: int, lone: int = 1
) -> tuple[set[int], list[list[int]]]:
    """The pixels of the best of the seeded draws, and every field, with lists and loops."""
    by_class = flooded(labels.array)
    fields = [(i, field) for i, fields in by_class.items() for field in fields]
    best: tuple[int, float, set[int]] | None = None
    for child in np.random.SeedSequence(seed).spawn(64):
        order = [fields[n] for n in np.random.default_rng(child).permutation(len(fields))]
        train: set[int] = set()
        off = 0.0
        for i in by_class:
            total, got = sum(map(len, by_class[i])), 0
            mine = [field for j, field in order if j == i]
            for field in mine[:-1] if len(mine) > 1 else mine[:lone]:
                if got >= share * total:
                    break
                train.update(field)
                got += len(field)
            off += abs(got / total - share)
        rest = np.array(sorted(set(np.flatnonzero(labels.array).tolist()) - train), np.int64)
        if guard and train:
            rest = rest[distance(labels, rest, np.array(sorted(train))) > guard]
        flat = labels.array.ravel()
        kept = len({flat[p] for p in train} & {flat[p] for p in rest.tolist()})
        if best is None or (kept, -off) > best[:2]:
            best = (kept, -off, train)
    assert best is not None
    return best[2], [field for _, field in fields]


@st.composite
def sparse_maps(draw: st.DrawFn) -> Labels:
    """Small maps of three classes with much unlabelled ground, so that fields are many."""
    rows, cols = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    ids = draw(
        st.lists(st.sampled_from([0, 0, 1, 4, 6]), min_size=rows * cols, max_size=rows * cols)
    )
    assume(len(set(ids) - {0}) > 1)
    return Labels(np.reshape(ids, (rows, cols)), name="sparse")


@SMALL
@given(
    sparse_maps(),
    st.sampled_from([0.1, 0.3, 0.5, 0.8]),
    st.integers(0, 1000),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.4]),
)
def test_fields_are_those_of_a_plain_loop_and_stay_whole(
    labels: Labels, share: float, seed: int, guard: int, validation: float
) -> None:
    keywords: dict[str, Any] = {"train": share, "seed": seed, "guard": guard}
    try:
        drawn = split(labels, "fields", validation=validation, allow_missing=True, **keywords)
    except SplitError as error:
        if "pixel is left" not in str(error):
            raise
        reject()
    seen, fields = naive_fields(labels, share, seed, guard)
    assert set(drawn.seen.tolist()) == seen
    only_seen = np.zeros_like(labels.array)
    only_seen.flat[drawn.seen] = labels.array.flat[drawn.seen]
    kept = naive_fields(Labels(only_seen), validation, seed, 0, lone=0)[0] if validation else set()
    assert set(drawn.validation.tolist()) == kept
    parts = [set(part.tolist()) for part in (drawn.train, drawn.validation, drawn.test)]
    dropped = set(np.flatnonzero(labels.array).tolist()) - set.union(*parts)
    assert len(dropped) == drawn.dropped
    assert sum(map(len, [*parts, dropped])) == np.count_nonzero(labels.array)
    assert (distance(labels, drawn.test, drawn.seen) > guard).all()
    for field in map(set, fields):
        assert any(field <= part for part in (parts[0], parts[1], parts[2] | dropped))
    again = split(labels, "fields", validation=validation, allow_missing=True, **keywords)
    assert again.sha256 == drawn.sha256
    assert drawn.raised == ()


def test_pixels_that_touch_at_a_corner_are_one_field() -> None:
    array = np.zeros((4, 9), int)
    array[[0, 1, 2, 3], [0, 1, 2, 3]] = 1  # a diagonal: one field
    array[:, 5] = array[:, 7] = 2  # two columns apart: two fields
    drawn = split(Labels(array), "fields", train=0.5, allow_missing=True)
    assert counts_of(drawn, drawn.train) == {1: 4, 2: 4}
    assert counts_of(drawn, drawn.test) == {2: 4}


@pytest.mark.parametrize("seed", range(5))
def test_the_last_field_of_a_class_is_never_taken(seed: int) -> None:
    array = np.zeros((3, 40), int)
    array[0, 0:10], array[0, 11:40] = 1, 1  # the small one alone is below its share
    array[2, 0:20], array[2, 21:40] = 2, 2
    drawn = split(Labels(array), "fields", train=0.3, seed=seed)
    assert counts_of(drawn, drawn.train)[1] == 10  # a little below the share, not far above
    assert drawn.missing == {}
    assert split(Labels(array), "fields", train=0.99, seed=seed).missing == {}


def test_a_class_of_one_field_trains_and_is_named() -> None:
    array = np.tile([[1, 0, 1, 0, 2, 0, 2, 0]], (6, 1))
    array[2:4, 7] = 5
    labels = Labels(array, class_names={5: "oats"})
    with pytest.raises(SplitError) as caught:
        split(labels, "fields", train=0.3)
    assert str(caught.value) == (
        "fields,train=0.3,seed=0: 5 oats has no test pixel, being one field; "
        "change the split, or add allow_missing to it"
    )
    drawn = split(labels, "fields", train=0.3, allow_missing=True)
    assert counts_of(drawn, drawn.train)[5] == 2
    assert drawn.missing == {5: "test"}


def test_where_each_class_is_one_field_nothing_can_be_tested_or_validated() -> None:
    array = np.zeros((5, 5), int)
    array[0], array[4] = 1, 2
    with pytest.raises(SplitError) as caught:
        split(Labels(array), "fields", allow_missing=True)
    assert str(caught.value) == (
        "fields,train=0.3,seed=0,allow_missing: no test pixel is left: every class is one field "
        "and trains; take another split"
    )
    array[2] = [1, 1, 0, 2, 2]
    with pytest.raises(SplitError) as caught:
        split(Labels(array), "fields", train=0.5, validation=0.5)
    assert str(caught.value) == (
        "fields,train=0.5,seed=0,validation=0.5: no validation pixel is left; raise train"
    )


@pytest.mark.parametrize("seed", range(3))
def test_fields_of_indian_pines(indian_pines: Labels, seed: int) -> None:
    """Seven of its classes are one field; the other nine keep test pixels even behind a guard."""
    drawn = split(indian_pines, "fields", train=0.1, seed=seed, guard=12, allow_missing=True)
    assert drawn.missing == dict.fromkeys((1, 4, 7, 8, 9, 13, 16), "test")
    train, test = set(drawn.train.tolist()), set(drawn.test.tolist())
    for fields in flooded(indian_pines.array).values():
        assert all(train.issuperset(field) or train.isdisjoint(field) for field in fields)
        assert any(test.isdisjoint(field) for field in fields)
    leakage = drawn.leakage(25)
    assert leakage.clean
    assert leakage.position < 0.15  # if fields stay whole, position predicts almost nothing
