"""Which images train, validate and are tested, by the stratified draw that scenes use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.images import ImageSet
from spectrolite.data.labels import Labels
from spectrolite.errors import ImagesError, SplitError
from spectrolite.hashing import array_sha256
from spectrolite.samples.split_grammar import written
from spectrolite.samples.split_methods import draw_random

Indices = NDArray[np.int64]
VALIDATION, TEST = 0.1, 0.2  # default shares


@dataclass(frozen=True, eq=False, repr=False)
class ImageSplit:
    """Which images train, which validate and which are tested, as ascending int64 indices.

    Attributes:
        images: the set that `train` and `validation` index.
        test_images: a given test set, which `test` indexes; None: `test` indexes `images`.
        train: images that the model is fitted on.
        validation: images that choices are made on; may be empty.
        test: the only images that are scored.
        method: `"random"`.
        parameters: its keywords, as `split_images` takes them.
        raised: always empty, as a class too small for its share is an error.
        dropped: always 0.

    Raises:
        ImagesError: test images of other classes or of another shape.
        SplitError: indices that do not ascend, lie outside their set or in two parts, or an empty
            training or test part.
    """

    images: ImageSet
    test_images: ImageSet | None
    train: Indices
    validation: Indices
    test: Indices
    method: str = "random"
    parameters: Mapping[str, int | float] = field(default_factory=dict)
    raised: tuple[int, ...] = ()
    dropped: int = 0

    def __post_init__(self) -> None:
        test_set = self.tested
        if test_set.class_names != self.images.class_names or test_set.shape != self.images.shape:
            raise ImagesError(
                f"{test_set.name}: wanted the classes and the shape {self.images.shape} of "
                f"{self.images.name}, got {len(test_set.class_names)} classes and {test_set.shape}"
            )
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, part in parts.items():
            most = len(test_set if name == "test" else self.images)
            fits = part.ndim == 1 and part.dtype.kind in "iu"
            if (
                not fits
                or (np.diff(part) < 1).any()
                or (len(part) and not 0 <= part[0] <= part[-1] < most)
            ):
                raise SplitError(f"split: {name}: wanted ascending indices from 0 to {most - 1}")
        own = [self.train, self.validation, *([] if self.test_images else [self.test])]
        if len(np.unique(np.concatenate(own))) < sum(map(len, own)):
            raise SplitError("split: an image is in two of train, validation and test")
        for name in ("train", "test"):
            if not len(parts[name]):
                raise SplitError(f"split: no image in {name}")

    @property
    def tested(self) -> ImageSet:
        """The set that `test` indexes."""
        return self.images if self.test_images is None else self.test_images

    @property
    def truth(self) -> Indices:
        """`(T,)` class index of each test image."""
        truth: Indices = self.tested.targets[self.test]
        return truth

    @cached_property
    def sha256(self) -> str:
        """Hash of the three index arrays and the number of images."""
        sizes = np.asarray([len(self.images), len(self.tested)], np.int64)
        return array_sha256(sizes, self.train, self.validation, self.test)

    @property
    def text(self) -> str:
        """The split in the grammar of `--split`."""
        return written(self.method, self.parameters)

    def __repr__(self) -> str:
        classes = len(self.images.class_names)
        parts = {"training": self.train, "validation": self.validation, "test": self.test}
        rows = [f"  {name:<11}{len(images):>9,} images" for name, images in parts.items()]
        if self.test_images is not None:
            rows[-1] += f" of {self.test_images.name}"
        return "\n".join([f"Split {self.text} of {self.images.name}, {classes} classes", *rows])


def split_images(
    images: ImageSet,
    test_images: ImageSet | None = None,
    method: str = "random",
    *,
    validation: float = VALIDATION,
    test: float | None = None,
    seed: int = 0,
    **others: Any,
) -> ImageSplit:
    """Divide images into training, validation and test, each class in the same shares.

    Args:
        images: the images that train and validate, and are tested if there is no test set.
        test_images: a test set, all of which is tested.
        method: `"random"`, the only one.
        validation: share of the images that are not tested which validates, 0 to below 1.
        test: share of `images` that is tested, above 0 and below 1 (default: 0.2); not with a test
            set.
        seed: of both draws, 0 to 4294967295.
        **others: refused: keywords of other split methods.

    Raises:
        SplitError: a method or a keyword for label maps, a share out of range, a test share with a
            test set, or a class too small to have an image in every part.
        ImagesError: test images of other classes or of another shape.
    """
    if method != "random" or others:
        what = next(iter(others), method)
        raise SplitError(
            f"--split: {what} does not go with images; wanted random with validation, test, seed"
        )
    if test_images is not None and test is not None:
        raise SplitError(
            f"--split: test={test}, but {test_images.name} is the test set; leave test= out"
        )
    rest = np.arange(len(images))
    parameters: dict[str, int | float] = {"validation": validation, "seed": seed}
    if test_images is None:
        parameters = {"test": TEST if test is None else test, **parameters}
        rest, tested = _draw(images.targets, parameters["test"], seed, images)
    else:
        tested = np.arange(len(test_images))
    train, aside = rest, rest[:0]
    if validation != 0:
        left, set_aside = _draw(images.targets[rest], validation, seed, images)
        train, aside = rest[left], rest[set_aside]
    return ImageSplit(images, test_images, train, aside, tested, method, parameters)


def image_split(
    targets: NDArray[Any], share: float = 0.1, seed: int = 0
) -> tuple[Indices, Indices]:
    """Set a share of every class aside, for validation or for testing.

    The images set aside are exactly those of scikit-learn's `train_test_split(..., test_size=share,
    random_state=seed, stratify=targets)`. The default leaves 45,000 of CIFAR's 50,000 training
    images to train on and 5,000 to validate on.

    Examples:
        >>> rest, aside = image_split(np.repeat([0, 1], 10), share=0.2)
        >>> len(rest), len(aside)
        (16, 4)

    Args:
        targets: `(N,)` class index from 0.
        share: of the images, above 0 and below 1.
        seed: of the draw, 0 to 4294967295.

    Returns:
        `(rest,)` and `(aside,)` int64 indices of the images left and set aside, both ascending.

    Raises:
        SplitError: a share or a seed out of range, or a class without an image in both parts.
    """
    return _draw(targets, share, seed)


def _draw(
    targets: NDArray[Any], share: float, seed: int, images: ImageSet | None = None
) -> tuple[Indices, Indices]:
    """`image_split`; with `images`, its messages name the set and the class."""
    where = "image_split" if images is None else images.name

    def name_of(target: int) -> str:
        return f"{target} (from 0)" if images is None else images.class_names[target]

    if not 0 < share < 1:
        raise SplitError(f"share: wanted a share above 0 and below 1, got {share!r}")
    if not 0 <= seed < 2**32:
        raise SplitError(f"seed: wanted a whole number from 0 to {2**32 - 1}, got {seed!r}")
    targets = np.asarray(targets)
    everything = np.arange(len(targets))
    classes, counts = np.unique(targets, return_counts=True)
    if counts.min() < 2:
        raise SplitError(
            f"{where}: class {name_of(classes[counts.argmin()])} has one image; it takes two to "
            "have one on either side: add images or drop the class"
        )
    row = Labels(targets[None] + 1)  # a map of one row, drawn as label maps are
    try:
        rest = np.sort(draw_random(row, everything, {"train": 1 - share}, seed, len)[0])
    except SplitError as error:
        raise SplitError(
            f"{where}: {len(targets)} images of {len(classes)} classes are too few to set a "
            f"share of {share:g} aside ({error.__cause__}); change the share or add images"
        ) from error
    aside = np.setdiff1d(everything, rest)
    without = np.setdiff1d(classes, targets[aside])
    if len(without):
        raise SplitError(
            f"{where}: a share of {share:g} sets no image of class {name_of(without[0])} "
            f"aside, which has {counts[classes == without[0]][0]}; raise the share"
        )
    return rest, aside
