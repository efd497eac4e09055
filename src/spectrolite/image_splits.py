"""Which images train and which are set aside, by the draw that scenes use."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.draws import draw_random
from spectrolite.errors import SplitError
from spectrolite.scene import Labels

Indices = NDArray[np.int64]


def image_split(
    targets: NDArray[Any], share: float = 0.1, seed: int = 0
) -> tuple[Indices, Indices]:
    """Set a share of every class aside: to validate, or to test where no test set is given.

    The images set aside are exactly those of scikit-learn's `train_test_split(..., test_size=share,
    random_state=seed, stratify=targets)`. The default leaves 45,000 of CIFAR's 50,000 training
    images to train on and 5,000 to validate on.

    >>> rest, aside = image_split(np.repeat([0, 1], 10), share=0.2)
    >>> len(rest), len(aside)
    (16, 4)

    Args:
        targets: `(N,)` class index from 0.
        share: of the images, above 0 and below 1.
        seed: of the draw, 0 to 4294967295.

    Returns:
        Indices of the images that are left and of those set aside, both ascending.

    Raises:
        SplitError: a share or a seed out of range, or a class without an image on both sides.
    """
    if not 0 < share < 1:
        raise SplitError(f"share: wanted a share above 0 and below 1, got {share!r}")
    if not 0 <= seed < 2**32:
        raise SplitError(f"seed: wanted a whole number from 0 to {2**32 - 1}, got {seed!r}")
    targets = np.asarray(targets)
    everything = np.arange(len(targets))
    classes, counts = np.unique(targets, return_counts=True)
    if counts.min() < 2:
        lonely = classes[counts.argmin()]
        raise SplitError(
            f"image_split: class {lonely} (from 0) has one image; it takes two to have one on "
            "either side: add images or drop the class"
        )
    row = Labels(targets[None] + 1)  # a map of one row: its draw is the one of label maps
    try:
        rest = np.sort(draw_random(row, everything, {"train": 1 - share}, seed, len)[0])
    except SplitError as error:
        raise SplitError(
            f"image_split: {len(targets)} images of {len(classes)} classes are too few to set a "
            f"share of {share:g} aside ({error.__cause__}); change the share or add images"
        ) from error
    aside = np.setdiff1d(everything, rest)
    without = np.setdiff1d(classes, targets[aside])
    if len(without):
        raise SplitError(
            f"image_split: a share of {share:g} sets no image of class {without[0]} (from 0) "
            f"aside, which has {counts[classes == without[0]][0]}; raise the share"
        )
    return rest, aside
