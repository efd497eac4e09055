"""Labels: the known classes of a scene's pixels, a frozen value that checks itself.

Label 0 is unlabelled; class ids are positive, may have gaps, and are kept as in the file.
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
from spectrolite.data.summaries import as_html, as_text
from spectrolite.errors import LabelsError, listed
from spectrolite.hashing import array_sha256, read_only

Colour = tuple[int, int, int]

# Distinct on white and on black, also for eyes that lack one kind of cone: by the model of Machado
# et al. (2009), any eye sees the first 4, 8, 12, 16, 20 at least 50, 26, 20, 18, 15 apart in CIE
# Lab. Classes without a colour of their own take them in turn.
PALETTE: tuple[Colour, ...] = (
    (102, 0, 136),
    (170, 238, 102),
    (238, 170, 204),
    (136, 17, 0),
    (68, 102, 119),
    (102, 170, 255),
    (17, 255, 170),
    (170, 102, 85),
    (170, 170, 0),
    (204, 68, 34),
    (153, 85, 187),
    (119, 119, 255),
    (119, 51, 51),
    (68, 51, 102),
    (51, 204, 102),
    (119, 170, 136),
    (153, 238, 255),
    (221, 102, 170),
    (221, 204, 34),
    (85, 51, 68),
)

MAX_ID = 65535  # the largest class id that a map with a colour table can hold
WINDOW_SIDE = 128  # pixels, of the windows read to see where a scene has a spectrum


@dataclass(frozen=True, eq=False, repr=False)
class Labels:
    """A label map: the known classes of a scene's pixels.

    Args:
        array: `(rows, cols)`, whole numbers of any type; 0 is unlabelled, class ids are positive
            and may have gaps. Kept as int32.
        class_names: id to name; an id without a name is called "class 7".
        class_colours: id to red, green, blue (0 to 255); other ids take colours of the palette.
        name: used in messages.
        source: how to load it again.
        polygons: `(rows, cols)` number of the polygon that each pixel belongs to, from 1; 0 where
            unlabelled. A polygon has one class. Kept as int32; None if there are no polygons.
        notes: decisions that the reader made, a sentence each.

    Raises:
        LabelsError: another number of axes, fractions, negative ids, nothing labelled, or polygons
            that do not match the labelled pixels.
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
        array = whole_ids(array, self.name)
        high = int(array.max())
        if high == 0:
            raise LabelsError(
                f"{self.name}: all {array.size} pixels are 0, which means unlabelled; "
                "class ids start at 1"
            )
        for name in self.class_names.values():
            if any("\ud800" <= c <= "\udfff" for c in name):
                raise LabelsError(f"{self.name}: class name {name!r} is not valid text")
        array = read_only(array.astype(np.int32))
        ids = [int(i) for i in np.unique(array) if i != 0]
        extra = self.class_names.keys() - set(ids)
        if max(extra, default=0) > MAX_ID:
            raise LabelsError(
                f"{self.name}: wanted names of ids up to {MAX_ID}, got one of {max(extra)}; "
                "remove the names of ids that no pixel has"
            )
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

    def __repr__(self) -> str:
        return as_text(f"Labels {self.name}", self._facts())

    def _repr_html_(self) -> str:
        return as_html(f"Labels {self.name}", self._facts())

    def _facts(self) -> dict[str, str]:
        rows, cols = self.shape
        counts = self.counts()
        classes = [f"{i} {self.class_names[i]} ({n:,})" for i, n in counts.items()]
        facts = {
            "size": f"{rows:,} rows, {cols:,} cols",
            "labelled": f"{sum(counts.values()):,} of {rows * cols:,} pixels",
            "classes": f"{len(counts)}: {listed(classes, 5)}",
        }
        if self.polygons is not None:
            facts["polygons"] = f"{len(np.unique(self.polygons[self.polygons > 0])):,}"
        return facts | {f"note {n}": note for n, note in enumerate(self.notes, start=1)}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, cols = self.array.shape
        return rows, cols

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each scene; here of one."""
        return (self.shape,)

    @property
    def parts(self) -> tuple[Labels, ...]:
        """The labels of each scene; here of one."""
        return (self,)

    @cached_property
    def class_ids(self) -> tuple[int, ...]:
        """Ids of the classes that have a pixel, ascending."""
        return tuple(int(i) for i in np.unique(self.array) if i != 0)

    def counts(self) -> dict[int, int]:
        """Number of pixels of each class that has any."""
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
            numbered, count_of_class = ndimage.label(self.array == i, structure=np.ones((3, 3)))
            fields[numbered > 0] = numbered[numbered > 0] + count
            count += count_of_class
        return fields

    def on(self, scene: AnyScene) -> Labels:
        """The labels without those of pixels where the scene has no spectrum.

        The number of dropped labels is in the notes, and in the source as `without_spectrum`.

        Raises:
            LabelsError: the labels are not on the scene's grid, or none is left.
        """
        check_pair(scene, self)
        dropped = (self.array != 0) & ~_valid(scene, self.array != 0)
        count = int(dropped.sum())
        if not count:
            return self
        labelled = int((self.array != 0).sum())
        if count == labelled:
            raise LabelsError(
                f"{self.name}: none of its {count} labelled pixels has a spectrum in {scene.name}"
            )
        product = scene.source.get("product", "none") != "none"
        why = "no value, or left out" if product else "nodata or NaN"
        note = (
            f"{count:,} of {labelled:,} labelled pixels have no spectrum in the scene ({why}) and "
            "are dropped"
        )
        return replace(
            self,
            array=np.where(dropped, 0, self.array),
            polygons=None if self.polygons is None else np.where(dropped, 0, self.polygons),
            source={**self.source, "without_spectrum": str(count)},
            notes=(*self.notes, note),
        )

    @cached_property
    def sha256(self) -> str:
        """Hash of shape and ids, and of the polygons if there are any."""
        return array_sha256(*(a for a in (self.array, self.polygons) if a is not None))


def whole_ids(array: NDArray[Any], name: str, remedy: str = "") -> NDArray[Any]:
    """The array, if it holds ids.

    Args:
        array: of any shape.
        name: of the labels, for messages.
        remedy: end of the message on a number out of range, with `{}` for it.

    Raises:
        LabelsError: fractions, negative numbers, or numbers above `MAX_ID`.
    """
    whole = array.dtype.kind in "iufb" and np.isfinite(array).all()
    if not whole or not np.array_equal(array, np.floor(array)):
        raise LabelsError(
            f"{name}: wanted whole numbers (0 unlabelled, classes from 1), "
            f"got {array.dtype} with other values"
        )
    low, high = int(array.min()), int(array.max())
    if low < 0:
        raise LabelsError(
            f"{name}: wanted ids of 0 (unlabelled) or more, got {low} at "
            f"{int((array < 0).sum())} pixels; set them to 0{remedy.format(low)}"
        )
    if high > MAX_ID:
        raise LabelsError(
            f"{name}: wanted ids up to {MAX_ID}, got {high}; renumber them{remedy.format(high)}"
        )
    return array


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
            f"{name}: wanted a polygon number of 1 or more at each labelled pixel and 0 elsewhere"
        )
    pairs = np.unique(np.stack([polygons[array > 0], array[array > 0]]), axis=1)
    numbers, classes = np.unique(pairs[0], return_counts=True)
    if (classes > 1).any():
        mixed = int(numbers[classes > 1][0])
        raise LabelsError(
            f"{name}: polygon {mixed} holds pixels of the classes "
            f"{listed(pairs[1][pairs[0] == mixed].tolist())}; wanted one class per polygon"
        )
    return read_only(polygons.astype(np.int32))


def _valid(scene: AnyScene, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the scene has a spectrum; only windows that hold a wanted pixel are read."""
    if isinstance(scene, Scene):
        return np.ones(wanted.shape, bool) if scene.valid is None else scene.valid
    valid = np.ones(wanted.shape, bool)
    for window in windows(wanted.shape[0], wanted.shape[1], WINDOW_SIDE):
        if wanted[window.slices].any():
            valid[window.slices] = scene.read(window)[1]
    return valid


def check_pair(scene: AnyScene, labels: Labels) -> None:
    """Refuse labels that are not on the scene's grid.

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
    """Name of a class that has none in the file."""
    return f"class {i}"


def default_colour(n: int) -> Colour:
    """Colour of the n-th class: from the palette, then hues in equal steps."""
    if n < len(PALETTE):
        return PALETTE[n]
    red, green, blue = colorsys.hsv_to_rgb(n * 0.618034 % 1, 0.6, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)
