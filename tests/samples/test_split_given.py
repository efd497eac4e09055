"""The split `given`: label maps or files that are taken as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectrolite.data.labels import Labels
from spectrolite.errors import LabelsError, ReadError, SplitError
from spectrolite.samples.split_grammar import parse_split
from spectrolite.samples.split_scene import split

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
    assert drawn.text == "given,seed=0,train=a,validation=c,test=b"
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
        ({}, "neither"),
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
    assert drawn.text == "given,seed=0,train=a,test=b,allow_missing"


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
        "change the split, or add allow_missing to it"
    )
