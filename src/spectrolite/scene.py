"""Scene, Labels and Window: frozen values that check themselves.

Conventions, stated here once:
- axes of a scene are `rows, cols, bands`; row 0 is the northern edge, column 0 the western;
- windows are half open: `row_start` belongs to the window, `row_stop` does not;
- label 0 is unlabelled; class ids are positive, may have gaps, and stay as the file has them;
- wavelengths are in nanometres, in the order of the bands, not sorted: the four spectrometers of
  AVIRIS overlap, so its bands step back at the joints.
"""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spectrolite.errors import LabelsError, SceneError

Colour = tuple[int, int, int]

# Told apart on white and on black; a class that has no colour of its own takes them in turn.
PALETTE: tuple[Colour, ...] = (
    (230, 75, 53), (77, 187, 213), (0, 160, 135), (60, 84, 136), (243, 155, 127),
    (132, 145, 180), (145, 209, 194), (220, 0, 0), (126, 97, 72), (176, 156, 133),
    (255, 205, 0), (106, 61, 154), (178, 223, 138), (31, 120, 180), (255, 127, 0),
    (202, 178, 214), (51, 160, 44), (251, 154, 200), (120, 120, 0), (90, 220, 90),
)  # fmt: skip


MAX_ID = 65535  # the largest class id that a map with a colour table can hold
LOOKED_AT = 128  # side in pixels of what is read at a time to see where a scene has a spectrum


@dataclass(frozen=True)
class Window:
    """A half-open rectangle of pixels: from `row_start` to before `row_stop`, and so on."""

    row_start: int
    row_stop: int
    col_start: int
    col_stop: int

    def __post_init__(self) -> None:
        if not (self.row_start < self.row_stop and self.col_start < self.col_stop):
            raise SceneError(f"window: wanted start < stop along both axes, got {self}")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.row_stop - self.row_start, self.col_stop - self.col_start

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the window in an array whose first axes are rows and columns."""
        return slice(self.row_start, self.row_stop), slice(self.col_start, self.col_stop)


def windows(rows: int, cols: int, side: int) -> Iterator[Window]:
    """Cover `rows` by `cols` pixels with windows of at most `side` pixels, row by row, no overlap.

    They are as few as can be, and as equal: their sides differ by one pixel at most.

    >>> [w.shape for w in windows(5, 4, 4)]
    [(2, 4), (3, 4)]
    """
    down, across = -(-rows // side), -(-cols // side)
    for i in range(down):
        for j in range(across):
            yield Window(
                i * rows // down, (i + 1) * rows // down,
                j * cols // across, (j + 1) * cols // across,
            )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scene:
    """A hyperspectral scene in memory.

    Args:
        cube: `(rows, cols, bands)`, integer or float, at least one of each, finite throughout.
        name: what reports call it.
        wavelengths_nm: centre of each band in nanometres, or nothing.
        crs: coordinate reference system as WKT, or nothing.
        transform: affine transform from (col, row) to coordinates, six numbers in rasterio's
            order, or nothing.
        source: how to load it again: `{"data": "indian_pines"}` or `{"file": ..., "key": ...}`.
        valid: `(rows, cols)` bool, false where the scene has no spectrum: its values there are 0,
            it does not teach, and a map has no class there. Nothing where every pixel has one.

    Raises:
        SceneError: another number of axes, no pixel, a type that is no number, NaN or infinity.
    """

    cube: NDArray[np.generic]
    name: str = "scene"
    wavelengths_nm: tuple[float, ...] | None = None
    crs: str | None = None
    transform: tuple[float, ...] | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    valid: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        cube = np.asarray(self.cube)
        if cube.ndim != 3 or 0 in cube.shape:
            raise SceneError(
                f"{self.name}: wanted a cube of rows, cols, bands, got shape {cube.shape}"
            )
        if cube.dtype.kind not in "iuf":
            raise SceneError(
                f"{self.name}: wanted integers or floating-point numbers, got {cube.dtype}"
            )
        if cube.dtype.kind == "f":
            bad = [int(b) for b in range(cube.shape[2]) if not np.isfinite(cube[:, :, b]).all()]
            if bad:
                raise SceneError(
                    f"{self.name}: NaN or infinite values in {len(bad)} of {cube.shape[2]} bands, "
                    f"from 0: {listed(bad)}; drop them (--drop-bands {ranges(bad)}) or fill them"
                )
        if self.wavelengths_nm is not None and len(self.wavelengths_nm) != cube.shape[2]:
            raise SceneError(
                f"{self.name}: wanted one wavelength a band, got {len(self.wavelengths_nm)} "
                f"for {cube.shape[2]} bands"
            )
        object.__setattr__(self, "cube", _read_only(cube))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, bands."""
        rows, cols, bands = self.cube.shape
        return rows, cols, bands

    @cached_property
    def sha256(self) -> str:
        """Hash of type, shape and values: two scenes with one hash hold the same numbers."""
        return array_sha256(*(a for a in (self.cube, self.valid) if a is not None))

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """`(rows, cols, bands)` of a window, and `(rows, cols)` bool: where there is a spectrum."""
        cube = self.cube[window.slices]
        valid = np.ones(window.shape, bool) if self.valid is None else self.valid[window.slices]
        return cube, valid


@dataclass(frozen=True, eq=False)
class SceneFile:
    """A hyperspectral scene that stays in its file and is read window by window.

    Whatever takes a scene of any size takes this or a `Scene`: both have `shape`, `name`,
    `wavelengths_nm`, `crs`, `transform`, `source` and `read`.

    Args:
        shape: rows, columns, bands that are read.
        dtype: of the values that are read.
        read: window to `(rows, cols, bands)` finite values and `(rows, cols)` bool, false where
            the file has no spectrum; the values there are 0.
        name: what reports call it.
        wavelengths_nm: as of `Scene`.
        crs: as of `Scene`.
        transform: as of `Scene`.
        source: as of `Scene`.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    read: Callable[[Window], tuple[NDArray[np.generic], NDArray[np.bool_]]]
    name: str = "scene"
    wavelengths_nm: tuple[float, ...] | None = None
    crs: str | None = None
    transform: tuple[float, ...] | None = None
    source: Mapping[str, str] = field(default_factory=dict)


AnyScene = Scene | SceneFile


def without_bands(
    cube: NDArray[np.generic], drop: tuple[int, ...], name: str
) -> NDArray[np.generic]:
    """The cube less the bands numbered in `drop`, counted from 0.

    Raises:
        SceneError: another number of axes, a band that the cube does not have, or none left.
    """
    if cube.ndim != 3:
        raise SceneError(f"{name}: wanted a cube of rows, cols, bands, got shape {cube.shape}")
    unknown = sorted(set(drop) - set(range(cube.shape[2])))
    if unknown or len(set(drop)) == cube.shape[2]:
        raise SceneError(
            f"{name}: --drop-bands wants bands from 0 to {cube.shape[2] - 1} and some left over, "
            f"got {ranges(sorted(set(drop)))}"
        )
    return np.delete(cube, list(drop), axis=2)


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
        array = _read_only(array.astype(np.int32))
        ids = [int(i) for i in np.unique(array) if i != 0]
        extra = [i for i in self.class_names if i not in ids]
        names = {i: self.class_names.get(i, f"class {i}") for i in sorted([*ids, *extra])}
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
    return _read_only(polygons.astype(np.int32))


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


def default_colour(n: int) -> Colour:
    """Colour of the n-th class: the palette, then evenly turning hues."""
    if n < len(PALETTE):
        return PALETTE[n]
    red, green, blue = colorsys.hsv_to_rgb(n * 0.618034 % 1, 0.6, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def array_sha256(*arrays: NDArray[np.generic]) -> str:
    """Hash of the types, shapes and values of arrays, in little-endian C order."""
    digest = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{plain.dtype.str}{plain.shape}".encode())
        digest.update(plain.data)
    return digest.hexdigest()


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def listed(numbers: Sequence[object], most: int = 10) -> str:
    """Numbers or words for a message, the first few of many."""
    shown = ", ".join(str(n) for n in numbers[:most])
    return shown if len(numbers) <= most else f"{shown} and {len(numbers) - most} more"


def ranges(numbers: list[int]) -> str:
    """`[3, 4, 5, 9]` as `3-5,9`."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ",".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)
