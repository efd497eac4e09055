"""ImageSet and the split of images.

References: `collections.Counter` for the counts, `hashlib` over the bytes for the hash, a list
comprehension for subsets, and scikit-learn's own `train_test_split` for the split.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import Counter
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from spectrolite.data.images import ImageSet, check_class_names
from spectrolite.errors import ImagesError, SplitError
from spectrolite.samples.split_image_set import image_split

SMALL = settings(deadline=None, max_examples=60, derandomize=True)
NAMES = ("cat", "dog", "owl")


def pixels(n: int = 5) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, 3, 4, 6), np.uint8)


def some(n: int = 5) -> ImageSet:
    return ImageSet(pixels(n), np.arange(n) % 2, NAMES, name="pets", source={"data": "pets"})


# ImageSet


def test_a_set_says_what_it_holds() -> None:
    images = some()
    assert len(images) == 5
    assert images.shape == (3, 4, 6)
    assert [str(a.dtype) for a in (images.pixels, images.targets)] == ["uint8", "int64"]
    assert images.counts() == {"cat": 3, "dog": 2, "owl": 0}
    assert Counter(images.targets.tolist()) == {0: 3, 1: 2}
    assert (images.class_names, images.skipped) == (NAMES, ())


def test_a_set_cannot_be_changed_and_does_not_freeze_what_it_was_given() -> None:
    mine, targets = pixels(), np.zeros(5, np.int64)
    images = ImageSet(mine, targets, NAMES)
    with pytest.raises(FrozenInstanceError):
        images.name = "other"  # type: ignore[misc]
    for array in (images.pixels, images.targets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    mine[0] = 0
    targets[0] = 7
    assert images.targets[0] == 0


def test_the_hash_is_that_of_types_shapes_and_bytes() -> None:
    images = some()
    wanted = hashlib.sha256(b"|u1(5, 3, 4, 6)" + images.pixels.tobytes())
    wanted.update(b"<i8(5,)" + images.targets.tobytes())
    assert images.sha256 == wanted.hexdigest()
    other = images.targets.copy()
    other[0] = 2
    assert ImageSet(images.pixels, other, NAMES).sha256 != images.sha256


@SMALL
@given(st.lists(st.integers(0, 6), min_size=1, max_size=20))
def test_a_subset_holds_those_images_in_that_order(indices: list[int]) -> None:
    images = some(7)
    taken = images.take(np.array(indices))
    np.testing.assert_array_equal(taken.pixels, [images.pixels[i] for i in indices])
    assert taken.targets.tolist() == [int(images.targets[i]) for i in indices]
    assert (taken.name, taken.class_names, taken.source) == ("pets", NAMES, {})


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, 5], "pets: wanted images from 0 to 4, got 0 to 5"),
        ([-1, 2], "pets: wanted images from 0 to 4, got -1 to 2"),
        ([], "pets: wanted a list of whole numbers as indices, got float64 of shape (0,)"),
        ([True], "pets: wanted a list of whole numbers as indices, got bool of shape (1,)"),
        ([[1]], "pets: wanted a list of whole numbers as indices, got int64 of shape (1, 1)"),
    ],
)
def test_images_that_are_not_there_cannot_be_taken(indices: Any, message: str) -> None:
    with pytest.raises(ImagesError) as caught:
        some().take(indices)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"pixels": pixels()[0]},
            "pets: wanted pixels of shape (N, C, H, W), none of them 0, got (3, 4, 6)",
        ),
        (
            {"pixels": pixels()[:0], "targets": np.zeros(0, int)},
            "pets: wanted pixels of shape (N, C, H, W), none of them 0, got (0, 3, 4, 6)",
        ),
        (
            {"pixels": pixels() / 255},
            "pets: wanted pixels of type uint8, 0 to 255, got float64",
        ),
        (
            {"targets": np.zeros(4, int)},
            "pets: wanted one whole number per image, shape (5,), got int64 of shape (4,)",
        ),
        (
            {"targets": np.zeros(5)},
            "pets: wanted one whole number per image, shape (5,), got float64 of shape (5,)",
        ),
        (
            {"targets": np.array([0, 3, 1, 4, 0])},
            "pets: wanted targets from 0 to 2, one per class name, got 3 at image 1; 2 targets are "
            "outside",
        ),
        (
            {"targets": np.array([0, 0, 0, -1, 0])},
            "pets: wanted targets from 0 to 2, one per class name, got -1 at image 3; 1 targets "
            "are outside",
        ),
        ({"class_names": ()}, "pets: wanted at least one class name, got none"),
    ],
)
def test_invalid_sets_of_images_are_refused(change: dict[str, Any], message: str) -> None:
    values = {"pixels": pixels(), "targets": np.zeros(5, int), "class_names": NAMES, **change}
    with pytest.raises(ImagesError) as caught:
        ImageSet(**values, name="pets")
    assert str(caught.value) == message
    back = pickle.loads(pickle.dumps(caught.value))
    assert (type(back), str(back), back.exit_code) == (ImagesError, message, 2)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Cat", "dog", "cat"], "d: class names 'Cat' and 'cat' read alike; rename or merge them"),
        (["é", "e\u0301"], "d: class names 'é' and 'e\u0301' read alike; rename or merge them"),
        (["dog", ""], "d: class name '' is not valid text"),
        (["dog\udcff"], r"d: class name 'dog\udcff' is not valid text"),
        ([7], "d: class name 7 is not valid text"),
    ],
)
def test_class_names_that_read_alike_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ImagesError) as caught:
        check_class_names(names, "d")
    assert str(caught.value) == message


# The split


@SMALL
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.2, 1 / 3, 0.5]))
def test_the_images_set_aside_are_those_of_scikit_learn(seed: int, share: float) -> None:
    targets = np.random.default_rng(seed).permutation(np.repeat([0, 1, 4], [40, 25, 30]))
    rest, aside = image_split(targets, share, seed)
    ours = train_test_split(np.arange(95), test_size=share, random_state=seed, stratify=targets)
    np.testing.assert_array_equal(rest, np.sort(ours[0]))
    np.testing.assert_array_equal(aside, np.sort(ours[1]))
    assert rest.dtype == aside.dtype == np.int64


def test_the_default_divides_cifar_45_to_5() -> None:
    targets = np.arange(50_000) % 10
    rest, aside = image_split(targets)
    assert (len(rest), len(aside)) == (45_000, 5_000)
    assert np.bincount(targets[aside]).tolist() == [500] * 10
    assert not np.intersect1d(rest, aside).size


@pytest.mark.parametrize(
    ("targets", "share", "seed", "message"),
    [
        ([0, 0, 1, 1], 0.0, 0, "share: wanted a share above 0 and below 1, got 0.0"),
        ([0, 0, 1, 1], 1, 0, "share: wanted a share above 0 and below 1, got 1"),
        ([0, 0, 1, 1], 0.5, -1, "seed: wanted a whole number from 0 to 4294967295, got -1"),
        (
            [0, 0, 2, 1, 1],
            0.5,
            0,
            "image_split: class 2 (from 0) has one image; it takes two to have one on either "
            "side: add images or drop the class",
        ),
        (
            [0, 0, 1, 1, 2, 2],
            0.1,
            0,
            "image_split: 6 images of 3 classes are too few to set a share of 0.1 aside (The "
            "test_size = 1 should be greater or equal to the number of classes = 3); change the "
            "share or add images",
        ),
        (
            [0] * 97 + [1] * 3,
            0.1,
            0,
            "image_split: a share of 0.1 sets no image of class 1 (from 0) aside, which has 3; "
            "raise the share",
        ),
    ],
)
def test_a_split_that_cannot_be_drawn(
    targets: list[int], share: float, seed: int, message: str
) -> None:
    with pytest.raises(SplitError) as caught:
        image_split(np.array(targets), share, seed)
    assert str(caught.value) == message


def test_print_shows_a_few_lines_and_never_the_pixels() -> None:
    images = ImageSet(
        np.zeros((3, 1, 8, 6), np.uint8),
        np.array([1, 0, 1]),
        ("cat", "dog", "<i>"),
        name="pets/train",
        skipped=("a.png: an empty file, 0 bytes",),
    )
    assert str(images) == (
        "ImageSet pets/train\n"
        "  images   3\n"
        "  size     1 x 8 x 6 (channels, height, width), uint8\n"
        "  classes  3: cat (1), dog (2), <i> (0)\n"
        "  skipped  1 damaged files"
    )
    assert images._repr_html_() == (
        "<table><caption>ImageSet pets/train</caption>"
        "<tr><th>images</th><td>3</td></tr>"
        "<tr><th>size</th><td>1 x 8 x 6 (channels, height, width), uint8</td></tr>"
        "<tr><th>classes</th><td>3: cat (1), dog (2), &lt;i&gt; (0)</td></tr>"
        "<tr><th>skipped</th><td>1 damaged files</td></tr></table>"
    )
