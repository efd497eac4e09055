"""Which images train, validate and are tested, against scikit-learn's stratified draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

import spectrolite as sl
from spectrolite.errors import ImagesError, SplitError


def _set(n: int, classes: int = 3, name: str = "set") -> sl.ImageSet:
    pixels = np.zeros((n, 1, 2, 2), np.uint8)
    names = tuple(f"c{i}" for i in range(classes))
    return sl.ImageSet(pixels, np.arange(n) % classes, names, name=name)


@given(
    n=st.integers(90, 200),
    seed=st.integers(0, 2**32 - 1),
    validation=st.sampled_from([0.0, 0.1, 0.3]),
    test=st.sampled_from([0.2, 0.5]),
)
def test_the_parts_are_all_images_and_share_none(
    n: int, seed: int, validation: float, test: float
) -> None:
    images = _set(n)
    made = sl.split_images(images, validation=validation, test=test, seed=seed)
    parts = np.concatenate([made.train, made.validation, made.test])
    np.testing.assert_array_equal(np.sort(parts), np.arange(n))
    rest, tested = train_test_split(
        np.arange(n), test_size=test, random_state=seed, stratify=images.targets
    )
    np.testing.assert_array_equal(made.test, np.sort(tested))
    assert bool(len(made.validation)) == (validation > 0)
    if validation:
        rest = np.sort(rest)
        _, aside = train_test_split(
            rest, test_size=validation, random_state=seed, stratify=images.targets[rest]
        )
        np.testing.assert_array_equal(made.validation, np.sort(aside))
    np.testing.assert_array_equal(made.truth, images.targets[made.test])


def test_a_test_set_is_tested_as_a_whole() -> None:
    images, test = _set(100), _set(20, name="test")
    made = sl.split_images(images, test)
    np.testing.assert_array_equal(made.test, np.arange(20))
    assert (len(made.train), len(made.validation)) == (90, 10)
    assert made.tested is test
    assert made.text == "random,validation=0.1,seed=0"
    assert sl.split_images(images).text == "random,test=0.2,validation=0.1,seed=0"
    assert made.sha256 != sl.split_images(images, test, seed=1).sha256
    assert made.sha256 == sl.split_images(images, test).sha256


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"method": "blocks"},
            "--split: blocks does not go with images; wanted random with validation, test, seed",
        ),
        (
            {"train": 0.1},
            "--split: train does not go with images; wanted random with validation, test, seed",
        ),
        ({"validation": 1.0}, "share: wanted a share above 0 and below 1, got 1.0"),
        ({"validation": -0.1}, "share: wanted a share above 0 and below 1, got -0.1"),
        ({"test": 0.0}, "share: wanted a share above 0 and below 1, got 0.0"),
        ({"seed": -1}, "seed: wanted a whole number from 0 to 4294967295, got -1"),
        (
            {"test_images": _set(9, name="nine"), "test": 0.2},
            "--split: test=0.2, but nine is the test set; leave test= out",
        ),
    ],
)
def test_what_cannot_be_drawn_is_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(SplitError) as caught:
        sl.split_images(_set(60), **arguments)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (
            [0, 1, 1, 1, 1, 2, 2],
            "pets: class c0 has one image; it takes two to have one on either "
            "side: add images or drop the class",
        ),
        (
            [0, 0] + [1, 2] * 20,
            "pets: class c0 has one image; it takes two to have one on either "
            "side: add images or drop the class",
        ),  # the other one is tested
        (
            [0, 0, 0] + [1, 2] * 20,
            "pets: a share of 0.1 sets no image of class c0 aside, which has 2; raise the share",
        ),
        (
            [0, 0, 1, 1, 2, 2],
            "pets: 6 images of 3 classes are too few to set a share of 0.2 aside "
            "(The test_size = 2 should be greater or equal to the number of classes = 3); "
            "change the "
            "share or add images",
        ),
    ],
)
def test_a_class_that_is_too_small_is_called_by_its_name(targets: list[int], words: str) -> None:
    pixels = np.zeros((len(targets), 1, 2, 2), np.uint8)
    images = sl.ImageSet(pixels, np.array(targets), ("c0", "c1", "c2"), name="pets")
    with pytest.raises(SplitError) as caught:
        sl.split_images(images)
    assert str(caught.value) == words


def test_test_images_of_other_classes_or_sizes_are_refused() -> None:
    with pytest.raises(ImagesError) as caught:
        sl.split_images(_set(60), _set(9, classes=2, name="two"))
    assert str(caught.value) == (
        "two: wanted the classes and the shape (1, 2, 2) of set, got 2 classes and (1, 2, 2)"
    )


@pytest.mark.parametrize(
    ("train", "validation", "test", "words"),
    [
        ([0, 1], [1], [2], "split: an image is in two of train, validation and test"),
        ([0, 1], [2], [0], "split: an image is in two of train, validation and test"),
        ([1, 0], [2], [3], "split: train: wanted ascending indices from 0 to 5"),
        ([0, 6], [2], [3], "split: train: wanted ascending indices from 0 to 5"),
        ([-1, 0], [2], [3], "split: train: wanted ascending indices from 0 to 5"),
        ([0, 1], [2], [0.5], "split: test: wanted ascending indices from 0 to 5"),
        ([], [2], [3], "split: no image in train"),
        ([0, 1], [], [], "split: no image in test"),
    ],
)
def test_invalid_parts_are_named(
    train: list[int], validation: list[int], test: list[float], words: str
) -> None:
    with pytest.raises(SplitError) as caught:
        sl.ImageSplit(
            _set(6),
            None,
            np.array(train, np.int64),
            np.array(validation, np.int64),
            np.array(test, None if test else np.int64),
        )
    assert str(caught.value) == words


def test_a_split_of_images_prints_its_counts() -> None:
    images, test = _set(1200), _set(20, name="held out")
    assert str(sl.split_images(images, seed=3)) == (
        "Split random,test=0.2,validation=0.1,seed=3 of set, 3 classes\n"
        "  training         864 images\n"
        "  validation        96 images\n"
        "  test             240 images"
    )
    assert repr(sl.split_images(images, test)) == (
        "Split random,validation=0.1,seed=0 of set, 3 classes\n"
        "  training       1,080 images\n"
        "  validation       120 images\n"
        "  test              20 images of held out"
    )
