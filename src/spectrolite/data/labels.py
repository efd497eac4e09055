"""Labels: what is known about a scene's pixels, as a value that checks itself.

Label 0 is unlabelled; class ids are positive, may have gaps, and stay as the file has them.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spectrolite.data.scene import AnyScene, Scene, windows
from spectrolite.errors import LabelsError, listed
from spectrolite.hashing import array_sha256, read_only

Colour = tuple[int, int, int]

# Told apart on white and on black; a class that has no colour of its own takes them in turn.
PALETTE: tuple[Colour, ...] = (
    (230, 75, 53),
    (77, 187, 213),
    (0, 160, 135),
    (60, 84, 136),
    (243, 155, 127),
    (132, 145, 180),
    (145, 209, 194),
    (220, 0, 0),
    (126, 97, 72),
    (176, 156, 133),
    (255, 205, 0),
    (106, 61, 154),
    (178, 223, 138),
    (31, 120, 180),
    (255, 127, 0),
    (202, 178, 214),
    (51, 160, 44),
    (251, 154, 200),
    (120, 120, 0),
    (90, 220, 90),
)


MAX_ID = 65535  # the largest class id that a map with a colour table can hold
LOOKED_AT = 128  # side in pixels of what is read at a time to see where a scene has a spectrum


@dataclass(frozen=True, eq=False)
class Labels:
    """A label map: what is known about a scene's pixels.

    Args:
        array: `(rows, cols)`, whole numbers of any type; 0 is unlabelled, classes are positive and
            may have gaps. Kept as int32.
        class_names: id to name; ids without a name are called "class 7".
        class_colours: id to red, green, blue (0 to 255); ids without one take the palette's.
        name: what messages call it.
        source: how to load it again.
        polygons: `(rows, cols)` number of the polygon that each pixel was drawn with, from 1; 0
            where unlabelled. A polygon has one class. Kept as int32, or nothing.
        notes: what reading it had to decide, a sentence each.

    Raises:
        LabelsError: another number of axes, fractions, negative ids, nothing labelled, polygons
            that are not those of the labelled pixels.
    """

    array: NDArray[np.int32] | NDArray[Any]
    class_names: Mapping[int, str] = field(default_factory=dict)
    class_colours: Mapping[int, Colour] = field(default_factory=dict)
    name: str = "labels"
    source: Mapping[str, str] = field(default_factory=dict)
    polygons: NDArray[np.int32] | NDArray[Any] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        if array.ndim != 2 or 0 in array.shape:
            raise LabelsError(f"{self.name}: wanted rows, cols, got shape {array.shape}")
        whole = array.dtype.kind in "iufb" and np.isfinite(array).all()
        if not whole or not np.array_equal(array, np.floor(array)):
            raise LabelsError(
                f"{self.name}: wanted whole numbers (0 unlabelled, classes from 1), "
                f"got {array.dtype} with other values"
            )
        low, high = int(array.min()), int(array.max())
        if low < 0:
            raise LabelsError(
                f"{self.name}: wanted ids from 0 (unlabelled) up, got {low} at "
                f"{int((array < 0).sum())} pixels; set them to 0"
            )
        if high == 0:
            raise LabelsError(
                f"{self.name}: all {array.size} pixels are 0, which means unlabelled; "
                "class ids start at 1"
            )
        if high > MAX_ID:
            raise LabelsError(f"{self.name}: wanted ids up to {MAX_ID}, got {high}; renumber them")
        for name in self.class_names.values():
            if any("\ud800" <= c <= "\udfff" for c in name):
                raise LabelsError(f"{self.name}: class name {name!r} is no valid text")
        array = read_only(array.astype(np.int32))
        ids = [int(i) for i in np.unique(array) if i != 0]
        extra = [i for i in self.class_names if i not in ids]
        names = {i: self.class_names.get(i, class_name(i)) for i in sorted([*ids, *extra])}
        colours = {
            i: tuple(self.class_colours.get(i, default_colour(n))) for n, i in enumerate(names)
        }
        object.__setattr__(self, "array", array)
        if self.polygons is not None:
            polygons = _checked_polygons(np.asarray(self.polygons), array, self.name)
            object.__setattr__(self, "polygons", polygons)
        object.__setattr__(self, "class_names", names)
        object.__setattr__(self, "class_colours", colours)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, cols = self.array.shape
        return rows, cols

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each scene: here of the one."""
        return (self.shape,)

    @property
    def parts(self) -> tuple[Labels, ...]:
        """The labels of each scene: here of the one."""
        return (self,)

    @cached_property
    def class_ids(self) -> tuple[int, ...]:
        """Ids of the classes that have a pixel, ascending."""
        return tuple(int(i) for i in np.unique(self.array) if i != 0)

    def counts(self) -> dict[int, int]:
        """Pixels of each class that has any."""
        ids, counts = np.unique(self.array[self.array > 0], return_counts=True)
        return {int(i): int(n) for i, n in zip(ids, counts, strict=True)}

    @cached_property
    def fields(self) -> NDArray[np.int32]:
        """`(rows, cols)` number of each pixel's field, from 1; 0 where unlabelled.

        A field is a connected area of one class; pixels that touch at a corner are connected.
        """
        fields = np.zeros(self.shape, np.int32)
        count = 0
        for i in self.class_ids:
            numbered, found = ndimage.label(self.array == i, structure=np.ones((3, 3)))
            fields[numbered > 0] = numbered[numbered > 0] + count
            count += found
        return fields

    def on(self, scene: AnyScene) -> Labels:
        """The labels less those of pixels where the scene has no spectrum: nothing to learn there.

        How many those were stands in the notes, and in the source as `without_spectrum`.

        Raises:
            LabelsError: not on the scene's grid, or nothing is left.
        """
        check_pair(scene, self)
        lost = (self.array != 0) & ~_valid(scene, self.array != 0)
        count = int(lost.sum())
        if not count:
            return self
        labelled = int((self.array != 0).sum())
        if count == labelled:
            raise LabelsError(
                f"{self.name}: none of its {count} labelled pixels has a spectrum in {scene.name}"
            )
        note = (
            f"{count:,} of {labelled:,} labelled pixels have no spectrum in the scene (nodata or "
            "NaN) and are dropped"
        )
        return replace(
            self,
            array=np.where(lost, 0, self.array),
            polygons=None if self.polygons is None else np.where(lost, 0, self.polygons),
            source={**self.source, "without_spectrum": str(count)},
            notes=(*self.notes, note),
        )

    @cached_property
    def sha256(self) -> str:
        """Hash of shape and ids, and of the polygons where there are any."""
        return array_sha256(*(a for a in (self.array, self.polygons) if a is not None))


def _checked_polygons(
    polygons: NDArray[Any], array: NDArray[np.int32], name: str
) -> NDArray[np.int32]:
    if polygons.shape != array.shape or polygons.dtype.kind not in "iu":
        raise LabelsError(
            f"{name}: wanted polygons as whole numbers of shape {array.shape}, got "
            f"{polygons.dtype} of shape {polygons.shape}"
        )
    if not np.array_equal(polygons > 0, array > 0) or int(polygons.min()) < 0:
        raise LabelsError(
            f"{name}: wanted a polygon number from 1 up at each labelled pixel and 0 elsewhere"
        )
    pairs = np.unique(np.stack([polygons[array > 0], array[array > 0]]), axis=1)
    numbers, classes = np.unique(pairs[0], return_counts=True)
    if (classes > 1).any():
        several = int(numbers[classes > 1][0])
        raise LabelsError(
            f"{name}: polygon {several} holds pixels of the classes "
            f"{listed(pairs[1][pairs[0] == several].tolist())}; wanted one class a polygon"
        )
    return read_only(polygons.astype(np.int32))


def _valid(scene: AnyScene, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the scene has a spectrum, looked up in the windows that hold a wanted pixel."""
    if isinstance(scene, Scene):
        return np.ones(wanted.shape, bool) if scene.valid is None else scene.valid
    valid = np.ones(wanted.shape, bool)
    for window in windows(wanted.shape[0], wanted.shape[1], LOOKED_AT):
        if wanted[window.slices].any():
            valid[window.slices] = scene.read(window)[1]
    return valid


def check_pair(scene: AnyScene, labels: Labels) -> None:
    """Refuse labels that do not lie on the scene's grid.

    Raises:
        LabelsError: another number of rows or columns.
    """
    if labels.shape == scene.shape[:2]:
        return
    hint = ""
    if labels.shape == scene.shape[1::-1]:
        hint = "; rows and columns look swapped: transpose one of the two"
    elif labels.shape == scene.shape[1:]:
        hint = "; the cube looks stored as bands, rows, cols: move its first axis to the end"
    raise LabelsError(
        f"{labels.name}: wanted {scene.shape[0]} rows and {scene.shape[1]} columns as in "
        f"{scene.name}, got {labels.shape[0]} and {labels.shape[1]}{hint}"
    )


def class_name(i: int) -> str:
    """What a class is called that no one named."""
    return f"class {i}"


def default_colour(n: int) -> Colour:
    """Colour of the n-th class: the palette, then evenly turning hues."""
    if n < len(PALETTE):
        return PALETTE[n]
    red, green, blue = colorsys.hsv_to_rgb(n * 0.618034 % 1, 0.6, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)
