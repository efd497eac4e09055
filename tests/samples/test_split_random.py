"""The split `random`, to the pixel against scikit-learn's `train_test_split` on Indian Pines."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from samples.label_maps import sized
from spectrolite.data.labels import Labels
from spectrolite.errors import SplitError
from spectrolite.samples.split_scene import split


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
        "change the split, or add allow_missing to it"
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
