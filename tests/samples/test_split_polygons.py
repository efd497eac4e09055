"""The split `polygons`, against a plain loop over lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from samples.label_maps import counts_of, distance, sized
from spectrolite.data.labels import Labels
from spectrolite.errors import SplitError
from spectrolite.samples.split_scene import split


def drawn_as(*shapes: tuple[int, int]) -> Labels:
    """A row a polygon, with the given class and number of pixels."""
    array = np.zeros((2 * len(shapes), 12), int)
    polygons = np.zeros_like(array)
    for n, (i, size) in enumerate(shapes):
        array[2 * n, :size], polygons[2 * n, :size] = i, n + 1
    return Labels(array, polygons=polygons, name="drawn")


def naive_polygons(
    labels: Labels, pixels: set[int], share: float, seed: int, guard: int, least: int
) -> set[int]:
    """The pixels of the best of the seeded draws, over lists of pixels."""
    array, polygons = labels.array.ravel().tolist(), np.asarray(labels.polygons).ravel().tolist()
    shapes: dict[int, list[int]] = {}
    for pixel in sorted(pixels):
        shapes.setdefault(polygons[pixel], []).append(pixel)
    listed = [shapes[number] for number in sorted(shapes)]
    best: tuple[int, float, set[int]] | None = None
    for child in np.random.SeedSequence(seed).spawn(64):
        order = [listed[n] for n in np.random.default_rng(child).permutation(len(listed))]
        taken: set[int] = set()
        off = 0.0
        for i in sorted({array[shape[0]] for shape in listed}):
            mine = [shape for shape in order if array[shape[0]] == i]
            n = max(least, min(round(share * len(mine)), len(mine) - 1))
            taken.update(*mine[:n])
            off += abs(sum(map(len, mine[:n])) / sum(map(len, mine)) - share)
        rest = np.array(sorted(pixels - taken), np.int64)
        if guard and len(rest) and taken:
            rest = rest[distance(labels, rest, np.array(sorted(taken))) > guard]
        kept = len({array[p] for p in taken} & {array[p] for p in rest.tolist()})
        if best is None or (kept, -off) > (best[0], best[1]):
            best = (kept, -off, taken)
    assert best is not None
    return best[2]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from([2, 5, 9]), st.integers(1, 12)), min_size=4, max_size=12),
    st.sampled_from([0.1, 0.5, 0.8]),
    st.integers(0, 1000),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.4]),
)
def test_polygons_are_those_of_a_plain_loop_and_stay_whole(
    shapes: list[tuple[int, int]], share: float, seed: int, guard: int, validation: float
) -> None:
    labels = drawn_as(*shapes)
    try:
        drawn = split(
            labels,
            "polygons",
            train=share,
            seed=seed,
            guard=guard,
            validation=validation,
            allow_missing=True,
        )
    except SplitError as error:
        if "is left" not in str(error) and "two classes" not in str(error):
            raise
        reject()
    every = set(np.flatnonzero(labels.array).tolist())
    seen = naive_polygons(labels, every, share, seed, guard, least=1)
    assert set(drawn.seen.tolist()) == seen
    kept = naive_polygons(labels, seen, validation, seed, 0, least=0) if validation else set()
    assert set(drawn.validation.tolist()) == kept
    whole = np.asarray(labels.polygons).ravel()
    sides = [set(whole[part].tolist()) for part in (drawn.train, drawn.validation, drawn.test)]
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert (distance(labels, drawn.test, drawn.seen) > guard).all()


def test_half_of_the_polygons_of_each_class_train() -> None:
    labels = drawn_as(*[(1, 6)] * 8, *[(4, 3)] * 5)
    drawn = split(labels, "polygons", train=0.5, seed=3)
    assert counts_of(drawn, drawn.train) == {1: 4 * 6, 4: 2 * 3}
    assert counts_of(drawn, drawn.test) == {1: 4 * 6, 4: 3 * 3}
    assert drawn.text == "polygons,train=0.5,seed=3"


def test_a_class_of_one_polygon_is_an_error_unless_it_is_accepted() -> None:
    labels = drawn_as((1, 6), (1, 5), (4, 3), (4, 2), (7, 9))
    with pytest.raises(SplitError) as caught:
        split(labels, "polygons", train=0.5)
    assert str(caught.value) == (
        "polygons,train=0.5,seed=0: 7 class 7 has no test pixel, being one polygon; "
        "change the split, or add allow_missing to it"
    )
    drawn = split(labels, "polygons", train=0.5, allow_missing=True)
    assert drawn.missing == {7: "test"}
    with pytest.raises(SplitError) as lone:
        split(drawn_as((1, 6), (4, 3)), "polygons", allow_missing=True)
    assert str(lone.value) == (
        "polygons,train=0.3,seed=0,allow_missing: no test pixel is left: every class is one "
        "polygon and trains; take another split"
    )


def test_labels_without_polygons_are_refused() -> None:
    with pytest.raises(SplitError) as caught:
        split(sized(9, 9), "polygons")
    assert str(caught.value) == (
        "polygons: sized has no polygons; take labels that were drawn as polygons (.gpkg, "
        ".geojson, .shp, or a .csv with a column polygon), or the split fields"
    )
