"""Splits and how they are drawn.

References: scikit-learn's `train_test_split`, to the pixel, on Indian Pines; set arithmetic and
distances over all pairs for disjoint parts and the guard; the draw of blocks, and of validation
blocks, written out as a plain loop; fields by a flood fill, their draw and that of polygons by a
plain loop over lists;
figures of Indian Pines measured before this package existed.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from spectrolite.data.labels import Labels
from spectrolite.datasets.catalog import load
from spectrolite.errors import LabelsError, ReadError, SplitError
from spectrolite.samples import split_scene
from spectrolite.samples.split_grammar import METHODS, parse_split
from spectrolite.samples.split_methods import (
    DRAWS,
    classes_kept,
    draw_validation_blocks,
    draw_validation_fields,
    draw_validation_polygons,
)
from spectrolite.samples.split_scene import Split, split

SMALL = settings(deadline=None, max_examples=50, derandomize=True)

DRAWN: list[tuple[str, dict[str, Any]]] = [
    ("random", {"train": 0.3}),
    ("per_class", {"n": 6}),
    ("blocks", {"train": 0.3, "side": 4}),
    ("blocks_by_class", {"train": 0.3, "side": 3}),
    ("fields", {"train": 0.3}),
    ("polygons", {"train": 0.3}),
]


def scattered(rows: int = 20, cols: int = 24, seed: int = 0) -> Labels:
    """Patches of 2 x 2 pixels of the ids 2, 5, 6 and 9, and of nothing."""
    generator = np.random.default_rng(seed)
    coarse = generator.choice([0, 2, 5, 6, 9], size=(rows // 2, cols // 2))
    array = np.kron(coarse, np.ones((2, 2), int))
    patch = np.kron(np.arange(1, coarse.size + 1).reshape(coarse.shape), np.ones((2, 2), int))
    return Labels(array, name="scattered", polygons=np.where(array, patch, 0))


def sized(*counts: int) -> Labels:
    """A row of as many pixels of class 1, 2, ... as asked for."""
    return Labels(np.repeat(np.arange(1, len(counts) + 1), counts)[None, :], name="sized")


def distance(labels: Labels, pixels: NDArray[np.int64], seen: NDArray[np.int64]) -> NDArray[Any]:
    """Chebyshev distance of each of `pixels` to the nearest of `seen`, over all pairs."""
    cols = labels.shape[1]
    down = np.abs(pixels[:, None] // cols - seen // cols)
    across = np.abs(pixels[:, None] % cols - seen % cols)
    return np.asarray(np.maximum(down, across).min(1))


def counts_of(drawn: Split, pixels: NDArray[np.int64]) -> dict[int, int]:
    ids, counts = np.unique(drawn.labels.array.ravel()[pixels], return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


@pytest.fixture(scope="module")
def indian_pines() -> Labels:
    return load("indian_pines")[1]


# Every method


@SMALL
@given(
    st.sampled_from(DRAWN),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.3, 0.5]),
)
def test_parts_are_disjoint_ascending_labelled_and_guarded(
    method: tuple[str, dict[str, Any]], seed: int, guard: int, validation: float
) -> None:
    labels = scattered()
    try:
        drawn = split(
            labels,
            method[0],
            seed=seed,
            guard=guard,
            validation=validation,
            allow_missing=True,
            **method[1],
        )
    except SplitError as error:
        if "pixel is left" not in str(error):
            raise
        reject()
    parts = (drawn.train, drawn.validation, drawn.test)
    for part in parts:
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
        assert labels.array.ravel()[part].all()
    assert sum(map(len, parts)) == len(set(np.concatenate(parts).tolist()))
    assert sum(map(len, parts)) + drawn.dropped == np.count_nonzero(labels.array)
    assert (distance(labels, drawn.test, drawn.seen) > guard).all()
    assert set(drawn.seen.tolist()) == {*drawn.train.tolist(), *drawn.validation.tolist()}
    assert drawn.train_share == len(drawn.seen) / np.count_nonzero(labels.array)


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


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
def test_a_split_repeats_with_its_seed(method: str, parameters: dict[str, Any]) -> None:
    one, same, other = (split(scattered(), method, seed=seed, **parameters) for seed in (0, 0, 1))
    assert one.sha256 == same.sha256 != other.sha256
    np.testing.assert_array_equal(one.train, same.train)
    assert not np.array_equal(one.train, other.train)
    assert one.method == method


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
@pytest.mark.parametrize("extra", [{}, {"guard": 1, "validation": 0.4, "allow_missing": True}])
def test_a_split_is_drawn_again_from_its_own_words(
    method: str, parameters: dict[str, Any], extra: dict[str, Any]
) -> None:
    drawn = split(scattered(), method, seed=7, **parameters, **extra)
    word, keywords = parse_split(str(drawn))
    assert word == method
    assert keywords == {**parameters, "seed": 7, **extra}
    assert split(scattered(), word, **keywords).sha256 == drawn.sha256


@pytest.mark.parametrize("method", [m for m in METHODS if m not in ("given", "polygons", "scenes")])
def test_the_documented_defaults_are_used(method: str, indian_pines: Labels) -> None:
    plain = split(indian_pines, method, allow_missing=True)
    said = split(indian_pines, method, allow_missing=True, seed=0, guard=0, **METHODS[method])
    assert plain.sha256 == said.sha256
    assert dict(plain.parameters) == {**METHODS[method], "seed": 0, "allow_missing": True}


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
def test_validation_is_drawn_from_the_training_part_alone(
    method: str, parameters: dict[str, Any]
) -> None:
    labels = scattered()
    whole = split(labels, method, seed=5, allow_missing=True, **parameters)
    drawn = split(labels, method, seed=5, validation=0.4, allow_missing=True, **parameters)
    np.testing.assert_array_equal(drawn.seen, whole.train)
    np.testing.assert_array_equal(drawn.test, whole.test)
    assert len(whole.validation) == 0
    assert 0 < len(drawn.validation) < len(whole.train)
    assert len(np.intersect1d(drawn.train, drawn.validation)) == 0


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
def test_what_stands_at_test_pixels_cannot_reach_the_choice_of_validation_pixels(
    method: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = split(scattered(), method, seed=5, validation=0.4, **parameters)
    draw, given_pixels = DRAWS[method], []

    def other_labels_elsewhere(labels: Labels, pixels: NDArray[np.int64]) -> Labels:
        given_pixels.append(pixels)
        array = np.full(labels.shape, 3)
        array.flat[pixels] = labels.array.flat[pixels]
        polygons = np.full(labels.shape, 10**6)
        polygons.flat[pixels] = np.asarray(labels.polygons).flat[pixels]
        return Labels(array, polygons=polygons)

    def draw_among_others(
        labels: Labels, pixels: NDArray[np.int64], values: Any, seed: int, kept: Any
    ) -> tuple[NDArray[np.int64], set[int]]:
        assert kept(pixels) == 0  # of the pixels it may draw from, none is left to score with
        return draw(other_labels_elsewhere(labels, pixels), pixels, values, seed, kept)

    def among_others(draw_validation: Any) -> Any:
        def drawn_among_others(labels: Labels, pixels: NDArray[np.int64], *more: Any) -> Any:
            return draw_validation(other_labels_elsewhere(labels, pixels), pixels, *more)

        return drawn_among_others

    monkeypatch.setitem(DRAWS, method, draw_among_others)
    monkeypatch.setattr(split_scene, "draw_validation_blocks", among_others(draw_validation_blocks))
    monkeypatch.setattr(split_scene, "draw_validation_fields", among_others(draw_validation_fields))
    monkeypatch.setattr(
        split_scene, "draw_validation_polygons", among_others(draw_validation_polygons)
    )
    drawn = split(scattered(), method, seed=5, validation=0.4, **parameters)
    assert drawn.sha256 == plain.sha256
    assert len(given_pixels) == 2
    np.testing.assert_array_equal(given_pixels[1], drawn.seen)


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
def test_the_order_in_which_training_pixels_were_drawn_cannot_reach_validation(
    method: str, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = split(scattered(), method, seed=5, validation=0.4, **parameters)
    draw, generator = DRAWS[method], np.random.default_rng(0)

    def draw_in_another_order(*arguments: Any) -> tuple[NDArray[np.int64], set[int]]:
        train, raised = draw(*arguments)
        return generator.permutation(train), raised

    monkeypatch.setitem(DRAWS, method, draw_in_another_order)
    again = split(scattered(), method, seed=5, validation=0.4, **parameters)
    assert again.sha256 == plain.sha256


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


# A Split


def test_the_hash_is_of_the_parts_and_the_maps_shape() -> None:
    labels, wide = Labels(np.array([[1, 2], [1, 2]])), Labels(np.array([[1, 2, 1, 2]]))
    none, train, test = np.empty(0, np.int64), np.array([0, 1]), np.array([2, 3])

    def digest(of: Labels, train: Any, validation: Any, test: Any) -> str:
        return Split(of, train, validation, test, method="given").sha256

    hashes = {
        digest(labels, train, none, test),
        digest(wide, train, none, test),
        digest(labels, test, none, train),
        digest(labels, train[:1], train[1:], test),
        digest(labels, train, test[:1], test[1:]),
    }
    assert len(hashes) == 5
    assert digest(labels, train, none, test) == digest(labels, train, none, test)


def test_the_hash_survives_a_file(tmp_path: Path, indian_pines: Labels) -> None:
    drawn = split(indian_pines, "random", train=0.1, seed=345, validation=0.1, guard=1)
    for part in ("train", "validation", "test"):
        written = np.zeros_like(indian_pines.array)
        pixels = getattr(drawn, part)
        written.flat[pixels] = indian_pines.array.flat[pixels]
        np.save(tmp_path / f"{part}.npy", written)
    back = split(
        indian_pines,
        "given",
        train=tmp_path / "train.npy",
        test=str(tmp_path / "test.npy"),
        validation=tmp_path / "validation.npy",
    )
    assert back.sha256 == drawn.sha256
    assert back.method == "given"
    assert back.parameters["test"] == str(tmp_path / "test.npy")


def test_leakage_counts_validation_pixels_as_seen() -> None:
    drawn = Split(
        Labels(np.array([[1, 2, 2, 1, 2, 2, 1]])),
        train=np.array([0, 1]),
        validation=np.array([3]),
        test=np.array([4, 6]),
        method="given",
    )
    found = drawn.leakage(3)
    assert (found.overlap, found.median_distance, found.patch) == (0.5, 2.0, 3)
    assert drawn.leakage().patch == 25


def test_missing_classes_say_what_they_miss() -> None:
    labels = Labels(np.array([[1, 1, 2, 3, 4]]))
    drawn = Split(
        labels,
        train=np.array([0, 2]),
        validation=np.array([], np.int64),
        test=np.array([1, 3]),
        method="given",
        parameters={"seed": 0, "allow_missing": True, "odd": False},
    )
    assert drawn.missing == {2: "test", 3: "training", 4: "training"}
    assert drawn.classes_of(drawn.test).tolist() == [1, 3]
    assert str(drawn) == "given,seed=0,allow_missing"


# random


@pytest.mark.parametrize("seed", [345, 0])
@pytest.mark.parametrize("test_size", [0.9, 0.7])
def test_random_is_scikit_learns_split_to_the_pixel(
    indian_pines: Labels, test_size: float, seed: int
) -> None:
    flat = indian_pines.array.ravel()
    pixels = np.flatnonzero(flat)
    train, test = train_test_split(
        pixels, test_size=test_size, random_state=seed, stratify=flat[pixels]
    )
    drawn = split(indian_pines, "random", train=round(1 - test_size, 3), seed=seed)
    np.testing.assert_array_equal(drawn.train, np.sort(train))
    np.testing.assert_array_equal(drawn.test, np.sort(test))
    assert (drawn.raised, drawn.dropped, drawn.missing) == ((), 0, {})
    if (test_size, seed) == (0.9, 345):
        assert (len(drawn.train), len(drawn.test)) == (1024, 9225)


@pytest.mark.parametrize(
    ("train", "test_size"), [(0.29, 0.71), (0.95, 0.05), (0.55, 0.45), (0.07, 0.93)]
)
def test_random_rounds_the_share_as_scikit_learn_does(train: float, test_size: float) -> None:
    """0.29 * 100 and 1 - 0.95 are no whole numbers in floating point."""
    expected, _ = train_test_split(
        np.arange(100), test_size=test_size, random_state=1, stratify=np.repeat([1, 2], 50)
    )
    drawn = split(sized(50, 50), "random", train=train, seed=1)
    np.testing.assert_array_equal(drawn.train, np.sort(expected))
    assert len(drawn.train) == round(100 * train)


@pytest.mark.parametrize("method", ["random", "blocks_by_class"])
@pytest.mark.parametrize("validation", [0.1, 0.25, 0.8])
def test_validation_takes_its_share_of_every_class(
    method: str, validation: float, indian_pines: Labels
) -> None:
    drawn = split(indian_pines, method, train=0.3, seed=2, validation=validation)
    seen, kept = counts_of(drawn, drawn.seen), counts_of(drawn, drawn.validation)
    assert all(abs(kept.get(i, 0) - validation * n) <= 1 for i, n in seen.items())


@pytest.mark.parametrize("seed", range(3))
def test_at_one_percent_two_classes_of_indian_pines_are_raised(
    indian_pines: Labels, seed: int
) -> None:
    drawn = split(indian_pines, "random", train=0.01, seed=seed)
    flat = indian_pines.array.ravel()
    pixels = np.flatnonzero(flat)
    train, _ = train_test_split(pixels, test_size=0.99, random_state=seed, stratify=flat[pixels])
    assert drawn.raised == tuple(np.setdiff1d(np.unique(flat[pixels]), flat[train])) == (7, 9)
    assert drawn.missing == {}
    added = np.setdiff1d(drawn.train, train)
    assert flat[added].tolist() in ([7, 9], [9, 7])
    assert set(train.tolist()) <= set(drawn.train.tolist())


def test_random_trains_on_a_class_of_one_pixel_and_stratifies_the_others() -> None:
    labels = sized(40, 1, 20)
    drawn = split(labels, "random", train=0.25, seed=2, allow_missing=True)
    others = np.concatenate([np.arange(40), np.arange(41, 61)])
    train, _ = train_test_split(
        others, test_size=0.75, random_state=2, stratify=np.repeat([1, 3], [40, 20])
    )
    np.testing.assert_array_equal(drawn.train, np.sort(np.append(train, 40)))
    assert drawn.raised == (2,)
    assert drawn.missing == {2: "test"}


def test_a_class_of_one_pixel_is_named_with_the_remedy() -> None:
    with pytest.raises(SplitError) as caught:
        split(sized(40, 1, 20), "random", train=0.25)
    assert str(caught.value) == (
        "random,train=0.25,seed=0: 2 class 2 has no test pixel; "
        "change the split, or accept it with allow_missing"
    )


@pytest.mark.parametrize("seed", [0, 345])
def test_random_validation_is_scikit_learns_split_of_the_sorted_training_pixels(
    seed: int, indian_pines: Labels
) -> None:
    flat = indian_pines.array.ravel()
    pixels = np.flatnonzero(flat)
    seen, _ = train_test_split(pixels, test_size=0.7, random_state=seed, stratify=flat[pixels])
    train, kept = train_test_split(
        np.sort(seen), test_size=0.2, random_state=seed, stratify=flat[np.sort(seen)]
    )
    drawn = split(indian_pines, "random", train=0.3, validation=0.2, seed=seed)
    np.testing.assert_array_equal(drawn.train, np.sort(train))
    np.testing.assert_array_equal(drawn.validation, np.sort(kept))


@pytest.mark.parametrize(
    ("sizes", "keywords", "said"),
    [
        ((3, 3, 3), {"train": 0.1}, "9 pixels of 3 classes are too few to be divided 0.1 to 0.9"),
        ((1, 1, 1), {"train": 0.5}, "0 pixels of 3 classes are too few to be divided 0.5 to 0.5"),
        ((9, 9), {"train": 0.95}, "18 pixels of 2 classes are too few to be divided 0.95 to 0.05"),
        (
            (9, 9, 9),
            {"train": 0.5, "validation": 0.1},
            "13 pixels of 3 classes are too few to be divided 0.9 to 0.1",
        ),
    ],
)
def test_random_without_enough_pixels_to_stratify(
    sizes: tuple[int, ...], keywords: dict[str, Any], said: str
) -> None:
    with pytest.raises(SplitError) as caught:
        split(sized(*sizes), "random", **keywords)
    assert re.fullmatch(
        re.escape(f"random: {said} (") + ".+" + re.escape("); change train or validation"),
        str(caught.value),
    )


# per_class


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
        "change the split, or accept it with allow_missing"
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


# blocks


def block_numbers(labels: Labels, side: int) -> list[tuple[int, int]]:
    rows, cols = labels.shape
    return [(r // side, c // side) for r in range(rows) for c in range(cols)]


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
    """Few blocks of many classes: which one is taken first decides how many classes follow."""
    labels = Labels(np.random.default_rng(seed).integers(0, 9, (4, 6)))
    pixels = np.flatnonzero(labels.array)
    kept = draw_validation_blocks(labels, pixels, {"side": 2, "train": 0.3}, 0)
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
    """Whole blocks; every class still trains; who is short of the share has no block to spare."""
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
        "change the split, or accept it with allow_missing"
    )
    drawn = split(labels, "blocks", train=0.3, side=3, allow_missing=True)
    assert drawn.missing == {3: "test"}
    assert str(drawn) == "blocks,train=0.3,side=3,seed=0,allow_missing"


def test_a_block_as_large_as_the_scene_leaves_no_test_pixel() -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), "blocks", side=24)
    assert str(caught.value) == (
        "blocks,train=0.3,side=24,seed=0: no test pixel is left: everything trains; "
        "lower train, n or side"
    )


def test_a_share_that_rounds_to_everything_leaves_no_test_pixel() -> None:
    with pytest.raises(SplitError) as caught:
        split(sized(2, 9), "blocks_by_class", train=0.99)
    assert str(caught.value) == (
        "blocks_by_class,train=0.99,side=10,seed=0: no test pixel is left: everything trains; "
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


# blocks_by_class


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


def test_blocks_by_class_is_no_split_of_the_scene() -> None:
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


# fields


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
        "change the split, or accept it with allow_missing"
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
    assert leakage.position < 0.15  # where fields are whole, their places say next to nothing


# polygons


def drawn_as(*shapes: tuple[int, int]) -> Labels:
    """A row a polygon, of the class and as many pixels as asked for."""
    array = np.zeros((2 * len(shapes), 12), int)
    polygons = np.zeros_like(array)
    for n, (i, size) in enumerate(shapes):
        array[2 * n, :size], polygons[2 * n, :size] = i, n + 1
    return Labels(array, polygons=polygons, name="drawn")


def naive_polygons(
    labels: Labels, pixels: set[int], share: float, seed: int, guard: int, least: int
) -> set[int]:
    """The pixels of `_whole_polygons`, drawn over lists of pixels."""
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
    assert str(drawn) == "polygons,train=0.5,seed=3"


def test_a_class_of_one_polygon_is_an_error_unless_it_is_accepted() -> None:
    labels = drawn_as((1, 6), (1, 5), (4, 3), (4, 2), (7, 9))
    with pytest.raises(SplitError) as caught:
        split(labels, "polygons", train=0.5)
    assert str(caught.value) == (
        "polygons,train=0.5,seed=0: 7 class 7 has no test pixel, being one polygon; "
        "change the split, or accept it with allow_missing"
    )
    drawn = split(labels, "polygons", train=0.5, allow_missing=True)
    assert drawn.missing == {7: "test"}
    with pytest.raises(SplitError) as lone:
        split(drawn_as((1, 6), (4, 3)), "polygons", allow_missing=True)
    assert str(lone.value) == (
        "polygons,train=0.3,seed=0,allow_missing: no test pixel is left: every class is one "
        "polygon and trains; take another split"
    )


def test_labels_that_were_not_drawn_have_no_polygons_to_keep() -> None:
    with pytest.raises(SplitError) as caught:
        split(sized(9, 9), "polygons")
    assert str(caught.value) == (
        "polygons: sized knows no polygons; take labels that were drawn as polygons (.gpkg, "
        ".geojson, .shp, or a .csv with a column polygon), or the split fields"
    )


# given

GROUND = Labels(np.array([[1, 1, 2, 2, 0, 5], [1, 1, 2, 2, 0, 5]]), name="gt")
TRAIN = np.array([[1, 0, 2, 0, 0, 0], [0, 0, 0, 0, 0, 5]])
TEST = np.array([[0, 0, 0, 2, 0, 5], [0, 1, 0, 0, 0, 0]])
VALIDATION = np.array([[0, 1, 0, 0, 0, 0], [0, 0, 2, 0, 0, 0]])


def test_given_maps_are_taken_as_they_are() -> None:
    drawn = split(
        GROUND,
        "given",
        train=Labels(TRAIN, name="a"),
        test=Labels(TEST, name="b"),
        validation=Labels(VALIDATION, name="c"),
    )
    assert drawn.train.tolist() == np.flatnonzero(TRAIN).tolist()
    assert drawn.test.tolist() == np.flatnonzero(TEST).tolist()
    assert drawn.validation.tolist() == np.flatnonzero(VALIDATION).tolist()
    assert str(drawn) == "given,seed=0,train=a,validation=c,test=b"
    assert (drawn.raised, drawn.dropped) == ((), 0)


def test_given_maps_may_be_files_and_guarded(tmp_path: Path) -> None:
    np.save(tmp_path / "train.npy", TRAIN)
    np.save(tmp_path / "test.npy", TEST)
    method, parameters = parse_split(
        f"given,train={tmp_path}/train.npy,test={tmp_path}/test.npy,guard=1,allow_missing"
    )
    with pytest.raises(SplitError) as caught:
        split(GROUND, method, **parameters)
    assert str(caught.value) == (
        f"given,seed=0,guard=1,train={tmp_path}/train.npy,test={tmp_path}/test.npy,allow_missing: "
        "no test pixel is left: the guard dropped all 3; lower guard, train or n"
    )
    parameters["guard"] = 0
    drawn = split(GROUND, method, **parameters)
    assert drawn.train.tolist() == np.flatnonzero(TRAIN).tolist()
    assert drawn.test.tolist() == np.flatnonzero(TEST).tolist()
    assert len(drawn.validation) == 0


def test_the_guard_counts_given_validation_pixels_as_training() -> None:
    ground = np.array([[1, 2, 2, 1, 1, 2, 2, 1, 2]])
    train, validation, test = (np.zeros_like(ground) for _ in range(3))
    train[0, :2], validation[0, 4:6], test[0, 6:] = ground[0, :2], ground[0, 4:6], ground[0, 6:]
    drawn = split(
        Labels(ground),
        "given",
        train=Labels(train),
        validation=Labels(validation),
        test=Labels(test),
        guard=1,
    )
    assert drawn.test.tolist() == [7, 8]
    assert drawn.dropped == 1


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "nothing"),
        ({"train": "a.npy"}, "train"),
        ({"test": "a.npy"}, "test"),
        ({"train": "a.npy", "test": "b.npy", "side": 3, "n": 2}, "n, side, test, train"),
    ],
)
def test_given_without_its_maps(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(SplitError) as caught:
        split(GROUND, "given", **parameters)
    assert str(caught.value) == (
        f"given: wanted train=FILE and test=FILE (and validation=FILE), got {said}"
    )


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("train", 0.3),
        ("train", True),
        ("train", 0),
        ("train", None),
        ("train", TRAIN),
        ("validation", 0.1),
        ("validation", True),
        ("validation", None),
        ("validation", VALIDATION),
        ("validation", np.zeros(1)),
        ("test", 5),
        ("test", None),
        ("test", TEST),
        ("test", TEST.tolist()),
        ("test", b"test.npy"),
    ],
)
def test_given_something_else_than_a_map(part: str, value: Any) -> None:
    maps: dict[str, Any] = {"train": Labels(TRAIN), "test": Labels(TEST), part: value}
    with pytest.raises(SplitError) as caught:
        split(GROUND, "given", **maps)
    assert str(caught.value) == (
        f"given: wanted a label map or a file for {part}, got {type(value).__name__}"
    )


@pytest.mark.parametrize("validation", [0, 0.0, np.float64(0)])
def test_given_maps_without_validation(validation: float) -> None:
    drawn = split(
        GROUND,
        "given",
        train=Labels(TRAIN, name="a"),
        test=Labels(TEST, name="b"),
        validation=validation,
        allow_missing=True,
    )
    assert len(drawn.validation) == 0
    assert str(drawn) == "given,seed=0,train=a,test=b,allow_missing"


def test_a_given_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError) as caught:
        split(GROUND, "given", train=tmp_path / "none.npy", test=Labels(TEST))
    assert str(caught.value) == f"{tmp_path / 'none.npy'}: no such file"


def test_a_given_map_of_another_shape() -> None:
    with pytest.raises(LabelsError) as caught:
        split(GROUND, "given", train=Labels(TRAIN.T, name="train.npy"), test=Labels(TEST))
    assert str(caught.value) == ("train.npy: wanted 2 rows and 6 columns as in gt, got 6 and 2")


@pytest.mark.parametrize("part", ["train", "test", "validation"])
def test_a_given_map_that_disagrees_with_the_ground_truth(part: str) -> None:
    other = {"train": TRAIN, "test": TEST, "validation": VALIDATION}[part].copy()
    pixels = np.count_nonzero(other)
    other[:, 4] = 1  # unlabelled in the ground truth
    other[other == 2] = 7  # another class there
    maps: dict[str, Any] = {
        "train": Labels(TRAIN),
        "test": Labels(TEST),
        "validation": Labels(VALIDATION),
        part: Labels(other, name=f"{part}.npy"),
    }
    with pytest.raises(LabelsError) as caught:
        split(GROUND, "given", **maps)
    assert str(caught.value) == (
        f"{part}.npy: 3 of its {pixels + 2} pixels have another class in gt; "
        "both must come from one ground truth"
    )


@pytest.mark.parametrize(
    ("one", "other"), [("train", "test"), ("train", "validation"), ("validation", "test")]
)
def test_given_maps_that_overlap(one: str, other: str) -> None:
    maps: dict[str, Any] = {"train": TRAIN, "test": TEST, "validation": VALIDATION}
    maps[other] = maps[other] + maps[one] * (np.indices(GROUND.shape)[0] == 0)
    shared = np.count_nonzero(maps[one][0])
    given_maps: dict[str, Any] = {part: Labels(array) for part, array in maps.items()}
    with pytest.raises(SplitError) as caught:
        split(GROUND, "given", **given_maps)
    assert str(caught.value) == (
        f"given: {shared} pixels are in both {one} and {other}; remove them"
    )


def test_given_maps_that_miss_a_class() -> None:
    with pytest.raises(SplitError) as caught:
        split(GROUND, "given", train=Labels(TRAIN % 5, name="a"), test=Labels(TEST, name="b"))
    assert str(caught.value) == (
        "given,seed=0,train=a,test=b: 5 class 5 has no training pixel; "
        "change the split, or accept it with allow_missing"
    )


# What is refused


def test_an_unknown_method_lists_the_known_ones() -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), "fourths")
    assert str(caught.value) == (
        "--split: wanted one of random, per_class, blocks, blocks_by_class, fields, polygons, "
        "scenes, given, got 'fourths'"
    )


@pytest.mark.parametrize(
    ("method", "parameters", "said"),
    [
        ("random", {"side": 4, "n": 3}, "no keyword n, side; wanted train"),
        ("per_class", {"train": 0.1}, "no keyword train; wanted n"),
        ("blocks", {"sid": 4}, "no keyword sid; wanted train, side"),
        ("blocks_by_class", {"n": 4}, "no keyword n; wanted train, side"),
        ("fields", {"side": 4}, "no keyword side; wanted train"),
        ("polygons", {"n": 4}, "no keyword n; wanted train"),
    ],
)
def test_an_unknown_keyword_lists_the_known_ones(
    method: str, parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), method, **parameters)
    hint = "; did you mean side?" if "sid" in parameters else ""
    assert str(caught.value) == f"{method}: {said}, seed, guard, validation, allow_missing{hint}"


@pytest.mark.parametrize("method", ["random", "blocks", "blocks_by_class", "fields", "polygons"])
@pytest.mark.parametrize(
    "train",
    [
        0,
        1,
        0.0,
        1.0,
        -0.1,
        2,
        float("nan"),
        "much",
        True,
        None,
        np.float32(1),
        np.float64(0),
        np.int64(0),
        np.True_,
        [0.3],
    ],
)
def test_train_is_a_share(method: str, train: object) -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), method, train=train)
    assert str(caught.value) == f"train: wanted a share above 0 and below 1, got {train!r}"


@pytest.mark.parametrize(
    ("method", "key", "wanted", "value"),
    [
        ("random", "seed", "from 0 to 4294967295", -1),
        ("random", "seed", "from 0 to 4294967295", 1.5),
        ("random", "seed", "from 0 to 4294967295", True),
        ("random", "seed", "from 0 to 4294967295", None),
        ("random", "seed", "from 0 to 4294967295", 2**32),
        ("per_class", "seed", "from 0 to 4294967295", 2**32),
        ("blocks", "seed", "from 0 to 4294967295", np.uint64(2**63)),
        ("blocks_by_class", "seed", "from 0 to 4294967295", 10**30),
        ("given", "seed", "from 0 to 4294967295", 2**32),
        ("random", "guard", "from 0 up", -1),
        ("random", "guard", "from 0 up", "wide"),
        ("given", "guard", "from 0 up", 0.5),
        ("per_class", "n", "from 1 up", 0),
        ("per_class", "n", "from 1 up", 0.5),
        ("blocks", "side", "from 1 up", 0),
        ("blocks", "side", "from 1 up", np.float64(4)),
        ("blocks_by_class", "side", "from 1 up", True),
    ],
)
def test_numbers_are_whole(method: str, key: str, wanted: str, value: object) -> None:
    keywords: dict[str, Any] = {key: value}
    with pytest.raises(SplitError) as caught:
        split(scattered(), method, **keywords)
    assert str(caught.value) == f"{key}: wanted a whole number {wanted}, got {value!r}"


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
def test_the_largest_seed_draws_with_and_without_validation(
    method: str, parameters: dict[str, Any]
) -> None:
    last, before = (
        split(scattered(), method, seed=seed, validation=0.4, allow_missing=True, **parameters)
        for seed in (2**32 - 1, 2**32 - 2)
    )
    assert last.sha256 != before.sha256
    assert last.parameters["seed"] == 4294967295


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("value", [0, 1, "no", "yes", None, np.True_, 1.0])
def test_allow_missing_is_true_or_false(method: str, value: Any) -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), method, allow_missing=value)
    assert str(caught.value) == f"allow_missing: wanted true or false, got {value!r}"


def test_allow_missing_false_allows_nothing() -> None:
    method, keywords = parse_split("random,train=0.25,allow_missing=false")
    with pytest.raises(SplitError) as caught:
        split(sized(40, 1, 20), method, **keywords)
    assert str(caught.value) == (
        "random,train=0.25,seed=0: 2 class 2 has no test pixel; "
        "change the split, or accept it with allow_missing"
    )
    for text in ("random,train=0.25,allow_missing=true", "random,train=0.25,allow_missing"):
        method, keywords = parse_split(text)
        assert split(sized(40, 1, 20), method, **keywords).missing == {2: "test"}


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
@pytest.mark.parametrize(
    "validation", [-0.1, 1, 1.5, float("nan"), True, False, "v.npy", None, np.float32(1), np.True_]
)
def test_validation_is_a_share(method: str, parameters: dict[str, Any], validation: Any) -> None:
    with pytest.raises(SplitError) as caught:
        split(scattered(), method, validation=validation, **parameters)
    assert str(caught.value) == (
        f"validation: wanted a share from 0 to below 1, got {validation!r}"
    )


def test_numbers_may_be_numpys() -> None:
    one = split(scattered(), "per_class", n=np.int64(5), seed=3)
    assert one.sha256 == split(scattered(), "per_class", n=5, seed=3).sha256


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_shares_may_be_numpys(kind: Any) -> None:
    one = split(scattered(), "random", train=kind(0.25), validation=kind(0.5), seed=3)
    plain = split(scattered(), "random", train=0.25, validation=0.5, seed=3)
    assert one.sha256 == plain.sha256
    assert str(one) == str(plain) == "random,train=0.25,seed=3,validation=0.5"
    assert {type(one.parameters[key]) for key in ("train", "validation")} == {float}
    assert str(split(scattered(), "random", validation=kind(0))) == "random,train=0.1,seed=0"


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("random", "random,train=0.5,seed=0"),
        ("per_class", "per_class,n=20,seed=0"),
        ("blocks_by_class", "blocks_by_class,train=0.5,side=10,seed=0"),
        ("fields", "fields,train=0.5,seed=0"),
    ],
)
def test_one_class_is_nothing_to_learn(method: str, words: str) -> None:
    labels = Labels(np.full((4, 8), 3), name="one")
    parameters: dict[str, Any] = {} if method == "per_class" else {"train": 0.5}
    with pytest.raises(SplitError) as caught:
        split(labels, method, **parameters)
    assert str(caught.value) == (
        f"{words}: wanted at least two classes with training pixels, got 1 of 1 in one"
    )


def test_validation_that_takes_nothing() -> None:
    with pytest.raises(SplitError) as caught:
        split(sized(9, 9), "per_class", n=1, validation=0.5)
    assert str(caught.value) == (
        "per_class,n=1,seed=0,validation=0.5: no validation pixel is left; "
        "raise validation, or take smaller blocks"
    )
    with pytest.raises(SplitError) as caught:
        split(sized(9, 9), "blocks_by_class", train=0.5, validation=0.01)
    assert str(caught.value) == (
        "blocks_by_class,train=0.5,side=10,seed=0,validation=0.01: no validation pixel is left; "
        "raise validation, or take smaller blocks"
    )


# The grammar


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("random", ("random", {})),
        (
            "blocks,train=0.3,side=20,guard=6,seed=1,allow_missing",
            (
                "blocks",
                {"train": 0.3, "side": 20, "guard": 6, "seed": 1, "allow_missing": True},
            ),
        ),
        (" per_class , n=20 ", ("per_class", {"n": 20})),
        ("given,train=a=b.npy,test=b.mat", ("given", {"train": "a=b.npy", "test": "b.mat"})),
        ("random,train=1e-3", ("random", {"train": 0.001})),
        ("blocks,allow_missing=false", ("blocks", {"allow_missing": False})),
        ("blocks,allow_missing=False,seed=3", ("blocks", {"allow_missing": False, "seed": 3})),
        ("blocks,allow_missing=true", ("blocks", {"allow_missing": True})),
        ("blocks,allow_missing=TRUE", ("blocks", {"allow_missing": True})),
        ("blocks,allow_missing=no", ("blocks", {"allow_missing": "no"})),
    ],
)
def test_the_grammar(text: str, parsed: tuple[str, dict[str, Any]]) -> None:
    assert parse_split(text) == parsed
    kinds = [type(v) for v in parse_split(text)[1].values()]
    assert kinds == [type(v) for v in parsed[1].values()]


KEYWORDS = ["train", "test", "n", "side", "seed", "guard", "validation", "allow_missing"]


@SMALL
@given(
    st.dictionaries(
        st.sampled_from(KEYWORDS),
        st.integers() | st.floats(allow_nan=False) | st.booleans() | st.text("xyz./_", min_size=1),
    )
)
def test_what_is_written_in_the_grammar_is_read_back(parameters: dict[str, Any]) -> None:
    words = (k if v is True else f"{k}={v}" for k, v in parameters.items())
    method, back = parse_split(",".join(["random", *words]))
    assert (method, back) == ("random", parameters)
    assert [type(v) for v in back.values()] == [type(v) for v in parameters.values()]


def test_the_grammar_knows_every_keyword_of_every_method_and_no_other() -> None:
    named = inspect.signature(split).parameters.values()
    common = {p.name for p in named if p.kind is p.KEYWORD_ONLY}
    of_methods = {keyword for keywords in METHODS.values() for keyword in keywords}
    assert {*common, *of_methods, "test"} == set(KEYWORDS)
    text = ",".join(["blocks", *(f"{keyword}=1" for keyword in KEYWORDS)])
    assert parse_split(text) == ("blocks", dict.fromkeys(KEYWORDS, 1))


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("random,method=blocks", "method", ""),
        ("random,labels=gt.npy", "labels", ""),
        ("random,parameters=3", "parameters", ""),
        ("random,method", "method", ""),
        ("blocks,sid=4", "sid", "; did you mean side?"),
        ("given,train=a.npy,tset=b.npy", "tset", "; did you mean test?"),
        ("random,Train=0.1", "Train", "; did you mean train?"),
    ],
)
def test_a_keyword_that_no_method_has_is_refused_when_it_is_read(
    text: str, key: str, hint: str
) -> None:
    with pytest.raises(SplitError) as caught:
        parse_split(text)
    assert str(caught.value) == (
        f"--split: no keyword {key}; wanted one of train, test, n, side, seed, guard, validation, "
        f"allow_missing{hint}"
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("random,train=0.1,train=0.2", "train"),
        ("random,seed=1,train=0.1,seed=1", "seed"),
        ("blocks,allow_missing,allow_missing=false", "allow_missing"),
    ],
)
def test_a_keyword_that_stands_twice(text: str, key: str) -> None:
    with pytest.raises(SplitError) as caught:
        parse_split(text)
    assert str(caught.value) == f"--split: {key} stands twice in {text!r}"


@pytest.mark.parametrize(
    ("text", "word"), [("random,", ""), ("random,=3", "=3"), ("random,b=", "b=")]
)
def test_broken_grammar(text: str, word: str) -> None:
    with pytest.raises(SplitError) as caught:
        parse_split(text)
    assert str(caught.value) == (
        f"--split: wanted key=value or a bare word, got {word!r} in {text!r}"
    )
