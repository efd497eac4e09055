"""ImageSet: images of one size with their classes, a frozen value that checks itself.

Conventions, stated here once:
- pixels are `(N, C, H, W)` uint8, 0 to 255, channels red, green, blue where there are three;
- a target is the index of its class in `class_names`, from 0: no image is unlabelled;
- a set has no means and standard deviations of channels: they are fitted on the training images.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.summaries import as_html, as_text
from spectrolite.errors import ImagesError, listed
from spectrolite.hashing import array_sha256


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Images in memory.

    Args:
        pixels: `(N, C, H, W)` uint8, at least one of each.
        targets: `(N,)` whole numbers, class index from 0. Kept as int64.
        class_names: name of each class; a class may have no images.
        name: used in reports.
        source: how to load it again: `{"data": "cifar10", "part": "train"}` or
            `{"images": ..., "part": ...}`; empty for a set made in memory.
        skipped: damaged files that the reader left out, each with its fault.

    Raises:
        ImagesError: another number of axes, no images, another type, a target without a class, or
            two class names that read alike.
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
                f"{self.name}: wanted one whole number per image, shape ({len(pixels)},), "
                f"got {targets.dtype} of shape {targets.shape}"
            )
        names = tuple(self.class_names)
        check_class_names(names, self.name)
        outside = np.flatnonzero((targets < 0) | (targets >= len(names)))
        if len(outside):
            raise ImagesError(
                f"{self.name}: wanted targets from 0 to {len(names) - 1}, one per class name, got "
                f"{targets[outside[0]]} at image {outside[0]}; {len(outside)} targets are outside"
            )
        pixels, targets = pixels.view(), targets.astype(np.int64)
        pixels.flags.writeable = targets.flags.writeable = False
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "class_names", names)

    def __repr__(self) -> str:
        return as_text(f"ImageSet {self.name}", self._facts())

    def _repr_html_(self) -> str:
        return as_html(f"ImageSet {self.name}", self._facts())

    def _facts(self) -> dict[str, str]:
        classes = [f"{name} ({n:,})" for name, n in self.counts().items()]
        facts = {
            "images": f"{len(self):,}",
            "size": f"{' x '.join(map(str, self.shape))} (channels, height, width), uint8",
            "classes": f"{len(classes)}: {listed(classes, 5)}",
        }
        return facts | ({"skipped": f"{len(self.skipped):,} damaged files"} if self.skipped else {})

    def __len__(self) -> int:
        """Number of images."""
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of each image, in pixels."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    def counts(self) -> dict[str, int]:
        """Images of each class, in the order of the classes; 0 for a class without images."""
        counts = np.bincount(self.targets, minlength=len(self.class_names))
        return {name: int(n) for name, n in zip(self.class_names, counts, strict=True)}

    def take(self, indices: NDArray[np.int64]) -> ImageSet:
        """The images at `indices`, in that order, as a new set without a source.

        Args:
            indices: `(n,)` whole numbers from 0 to N - 1, at least one.

        Raises:
            ImagesError: other indices.
        """
        indices = np.asarray(indices)
        if indices.ndim != 1 or not len(indices) or indices.dtype.kind not in "iu":
            raise ImagesError(
                f"{self.name}: wanted a list of whole numbers as indices, got {indices.dtype} of "
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
        """Hash of shape, pixels and targets: sets with the same hash hold the same numbers."""
        return array_sha256(self.pixels, self.targets)


def check_class_names(names: Iterable[str], where: str) -> None:
    """Refuse class names that are not valid text or that read alike.

    Two names that differ only in case, or in how an accent is encoded, are the same folder on some
    systems and two folders on others.

    Raises:
        ImagesError: no names, an empty name, invalid text, or two names that read alike.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name or any("\ud800" <= c <= "\udfff" for c in name):
            raise ImagesError(f"{where}: class name {name!r} is not valid text")
        read = unicodedata.normalize("NFC", name).casefold()
        if read in seen:
            raise ImagesError(
                f"{where}: class names {seen[read]!r} and {name!r} read alike; rename or merge them"
            )
        seen[read] = name
    if not seen:
        raise ImagesError(f"{where}: wanted at least one class name, got none")
