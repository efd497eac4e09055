"""ImageSet: images of one size with their classes, a frozen value that checks itself.

Conventions, stated here once:
- pixels are `(N, C, H, W)` uint8, 0 to 255, channels red, green, blue where there are three;
- a target is the index of its class in `class_names`, from 0: no image is unlabelled;
- means and standard deviations of channels are no part of a set: they are fitted on the images
  that train.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import ImagesError
from spectrolite.hashing import array_sha256


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images in memory.

    Args:
        pixels: `(N, C, H, W)` uint8, at least one of each.
        targets: `(N,)` whole numbers, class index from 0. Kept as int64.
        class_names: name of each class; a class may have no image.
        name: what reports call it.
        source: how to load it again: `{"data": "cifar10", "part": "train"}` or
            `{"images": ..., "part": ...}`; empty for a set made in memory.
        skipped: the damaged files that a reader was allowed to leave out, each with what is wrong.

    Raises:
        ImagesError: another number of axes, no image, another type, a target without a class, or
            class names that cannot be told apart.
    """

    pixels: NDArray[np.uint8]
    targets: NDArray[np.int64]
    class_names: tuple[str, ...]
    name: str = "images"
    source: Mapping[str, str] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels, targets = np.asarray(self.pixels), np.asarray(self.targets)
        if pixels.ndim != 4 or 0 in pixels.shape:
            raise ImagesError(
                f"{self.name}: wanted pixels of shape (N, C, H, W), none of them 0, "
                f"got {pixels.shape}"
            )
        if pixels.dtype != np.uint8:
            raise ImagesError(
                f"{self.name}: wanted pixels of type uint8, 0 to 255, got {pixels.dtype}"
            )
        if targets.shape != pixels.shape[:1] or targets.dtype.kind not in "iu":
            raise ImagesError(
                f"{self.name}: wanted one whole number a target, shape ({len(pixels)},), "
                f"got {targets.dtype} of shape {targets.shape}"
            )
        names = tuple(self.class_names)
        check_class_names(names, self.name)
        outside = np.flatnonzero((targets < 0) | (targets >= len(names)))
        if len(outside):
            raise ImagesError(
                f"{self.name}: wanted targets from 0 to {len(names) - 1}, one a class name, got "
                f"{targets[outside[0]]} at image {outside[0]} and {len(outside)} such in all"
            )
        pixels, targets = pixels.view(), targets.astype(np.int64)
        pixels.flags.writeable = targets.flags.writeable = False
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "class_names", names)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of each image, in pixels."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    def counts(self) -> dict[str, int]:
        """Images of each class, in the order of the classes; 0 for a class without any."""
        counts = np.bincount(self.targets, minlength=len(self.class_names))
        return {name: int(n) for name, n in zip(self.class_names, counts, strict=True)}

    def take(self, indices: NDArray[np.int64]) -> ImageSet:
        """The images at `indices`, in that order, as a set of its own without a source.

        Args:
            indices: `(n,)` whole numbers from 0 to N - 1, at least one.

        Raises:
            ImagesError: anything else.
        """
        indices = np.asarray(indices)
        if indices.ndim != 1 or not len(indices) or indices.dtype.kind not in "iu":
            raise ImagesError(
                f"{self.name}: wanted a list of whole numbers to take, got {indices.dtype} of "
                f"shape {indices.shape}"
            )
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= len(self):
            raise ImagesError(
                f"{self.name}: wanted images from 0 to {len(self) - 1}, got {low} to {high}"
            )
        return ImageSet(
            self.pixels[indices], self.targets[indices], self.class_names, name=self.name
        )

    @cached_property
    def sha256(self) -> str:
        """Hash of shape, pixels and targets: two sets with one hash hold the same numbers."""
        return array_sha256(self.pixels, self.targets)


def check_class_names(names: Iterable[str], where: str) -> None:
    """Refuse class names that are no text or that cannot be told apart.

    Two names that differ only in case, or in how an accent is encoded, are one folder on some
    systems and two on others.

    Raises:
        ImagesError: no name, one that is empty or no valid text, or two that read alike.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name or any("\ud800" <= c <= "\udfff" for c in name):
            raise ImagesError(f"{where}: class name {name!r} is no valid text")
        read = unicodedata.normalize("NFC", name).casefold()
        if read in seen:
            raise ImagesError(
                f"{where}: class names {seen[read]!r} and {name!r} read alike; rename or merge them"
            )
        seen[read] = name
    if not seen:
        raise ImagesError(f"{where}: wanted at least one class name, got none")
