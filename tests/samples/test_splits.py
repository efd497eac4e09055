"""What every split method keeps: parts, seeds, its own text, the hash, leakage.

References: set arithmetic and distances over all pairs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from samples.label_maps import DRAWN, SMALL, distance, scattered, sized
from spectrolite.data.labels import Labels
from spectrolite.errors import SplitError
from spectrolite.samples.split_grammar import METHODS, parse_split
from spectrolite.samples.split_scene import Split, split


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
def test_a_split_repeats_with_its_seed(method: str, parameters: dict[str, Any]) -> None:
    one, same, other = (split(scattered(), method, seed=seed, **parameters) for seed in (0, 0, 1))
    assert one.sha256 == same.sha256 != other.sha256
    np.testing.assert_array_equal(one.train, same.train)
    assert not np.array_equal(one.train, other.train)
    assert one.method == method


@pytest.mark.parametrize(("method", "parameters"), DRAWN)
@pytest.mark.parametrize("extra", [{}, {"guard": 1, "validation": 0.4, "allow_missing": True}])
def test_a_split_repeats_from_its_own_text(
    method: str, parameters: dict[str, Any], extra: dict[str, Any]
) -> None:
    drawn = split(scattered(), method, seed=7, **parameters, **extra)
    word, keywords = parse_split(drawn.text)
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
def test_the_largest_seed_draws_with_and_without_validation(
    method: str, parameters: dict[str, Any]
) -> None:
    last, before = (
        split(scattered(), method, seed=seed, validation=0.4, allow_missing=True, **parameters)
        for seed in (2**32 - 1, 2**32 - 2)
    )
    assert last.sha256 != before.sha256
    assert last.parameters["seed"] == 4294967295


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


def test_missing_classes_name_the_part_they_lack() -> None:
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
    assert drawn.text == "given,seed=0,allow_missing"


def test_allow_missing_false_allows_nothing() -> None:
    method, keywords = parse_split("random,train=0.25,allow_missing=false")
    with pytest.raises(SplitError) as caught:
        split(sized(40, 1, 20), method, **keywords)
    assert str(caught.value) == (
        "random,train=0.25,seed=0: 2 class 2 has no test pixel; "
        "change the split, or add allow_missing to it"
    )
    for text in ("random,train=0.25,allow_missing=true", "random,train=0.25,allow_missing"):
        method, keywords = parse_split(text)
        assert split(sized(40, 1, 20), method, **keywords).missing == {2: "test"}


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("random", "random,train=0.5,seed=0"),
        ("per_class", "per_class,n=20,seed=0"),
        ("blocks_by_class", "blocks_by_class,train=0.5,side=10,seed=0"),
        ("fields", "fields,train=0.5,seed=0"),
    ],
)
def test_a_single_class_is_refused(method: str, words: str) -> None:
    labels = Labels(np.full((4, 8), 3), name="one")
    parameters: dict[str, Any] = {} if method == "per_class" else {"train": 0.5}
    with pytest.raises(SplitError) as caught:
        split(labels, method, **parameters)
    assert str(caught.value) == (
        f"{words}: wanted at least two classes with training pixels, got 1 of 1 in one"
    )


def test_a_split_prints_its_counts_and_no_array(indian_pines: Labels) -> None:
    plain = split(sized(6, 4), "random", train=0.5, seed=1)
    assert repr(plain) == str(plain)
    assert str(plain) == (
        "Split random,train=0.5,seed=1 of sized\n"
        "  training           5 pixels of 2 classes\n"
        "  validation         0 pixels of 0 classes\n"
        "  test               5 pixels of 2 classes\n"
        "  split.leakage(patch) measures how much of the test part training sees"
    )
    guarded = split(indian_pines, "fields", train=0.1, guard=12, validation=0.2, allow_missing=True)
    lines = str(guarded).splitlines()
    assert lines[0] == (
        "Split fields,train=0.1,seed=0,guard=12,validation=0.2,allow_missing of indian_pines"
    )
    assert lines[1:4] == [
        f"  training   {len(guarded.train):>9,} pixels of 16 classes",
        f"  validation {len(guarded.validation):>9,} pixels of "
        f"{len(guarded.classes_of(guarded.validation))} classes",
        f"  test       {len(guarded.test):>9,} pixels of 9 classes",
    ]
    assert lines[4] == f"  guard      {guarded.dropped:>9,} test pixels dropped"
    names = indian_pines.class_names
    shown = ", ".join(names[i] for i in (1, 4, 7, 8, 9, 13))
    assert lines[5] == f"  without test pixels: {shown} and 1 more"
    assert len(lines) == 7
