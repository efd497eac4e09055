"""SceneSet and LabelSet: several scenes and their labels, which one model learns together.

Pixels are numbered through the scenes in order: the first pixel of the second scene follows the
last pixel of the first. Distances never cross from one scene to another.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.labels import Colour, Labels, check_pair, class_name, default_colour
from spectrolite.data.scene import AnyScene
from spectrolite.data.wavelengths import where_apart
from spectrolite.errors import LabelsError, SceneError, listed
from spectrolite.hashing import array_sha256, read_only

Shapes = tuple[tuple[int, int], ...]
Pixels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SceneSet:
    """Several scenes with the same bands.

    Args:
        parts: the scenes, two or more, each in memory or in its file.

    Raises:
        SceneError: fewer than two scenes, a scene given twice, two scenes of one name, different
            bands or wavelengths, or a scale factor that was applied to some of them only.
    """

    parts: tuple[AnyScene, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise SceneError(f"several: wanted two scenes or more, got {len(self.parts)}")
        first, names = self.parts[0], self.names
        for n, one in enumerate(self.parts):
            for before, name in zip(self.parts[:n], names, strict=False):
                if _same_scene(before, one):
                    raise SceneError(
                        f"{_place(one)}: given twice; give each scene once, for its pixels would "
                        "train and test"
                    )
                if name == names[n]:
                    raise SceneError(
                        f"{_place(before)} and {_place(one)}: both are called {name}; rename one"
                    )
        for one in self.parts[1:]:
            if one.shape[2] != first.shape[2]:
                raise SceneError(
                    f"{_place(one)}: {one.shape[2]} bands, but {_place(first)} has "
                    f"{first.shape[2]}; leave bands out until both have the same"
                )
            if ("scale" in one.source) != ("scale" in first.source):
                raise SceneError(
                    f"{_place(one)}: the scale factor of its file was applied to it or to "
                    f"{_place(first)}, not to both"
                )
        known = [one for one in self.parts if one.wavelengths_nm is not None]
        for one in known[1:]:
            _check_wavelengths(known[0], one)

    @property
    def scenes(self) -> tuple[AnyScene, ...]:
        """The scenes, as `parts`."""
        return self.parts

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenes: their files without the ending."""
        return tuple(Path(part.name).stem for part in self.parts)

    @property
    def name(self) -> str:
        """All names, as a list in words."""
        return listed([part.name for part in self.parts])

    @property
    def bands(self) -> int:
        """Number of bands of each scene."""
        return self.parts[0].shape[2]

    @property
    def wavelengths_nm(self) -> tuple[float, ...] | None:
        """Centres of the bands, from the first scene that has them; None if no scene has."""
        known = (p.wavelengths_nm for p in self.parts if p.wavelengths_nm is not None)
        return next(known, None)

    @cached_property
    def sha256(self) -> str:
        """Hash of the hashes of the scenes."""
        return hashlib.sha256("\n".join(part.sha256 for part in self.parts).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class LabelSet:
    """The labels of several scenes, joined into one row of pixels.

    Args:
        parts: the labels of each scene, two or more.
        names: of the scenes.

    Raises:
        LabelsError: fewer than two, another number of names, an id that has different names in two
            files, or a name that has two ids. A class without a name gets its name from another
            file.
    """

    parts: tuple[Labels, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or len(self.parts) != len(self.names):
            raise LabelsError(
                f"several: wanted the labels of two scenes or more and as many names, got "
                f"{len(self.parts)} and {len(self.names)}"
            )
        of_id: dict[int, tuple[str, str]] = {}
        of_name: dict[str, tuple[int, str]] = {}
        for part, scene in zip(self.parts, self.names, strict=True):
            place = f"{_place(part)} (of {scene})"
            for i, name in part.class_names.items():
                if name == class_name(i):
                    continue
                other, there = of_id.setdefault(i, (name, place))
                if other != name:
                    raise LabelsError(
                        f"{place}: class {i} is {name!r}, but {other!r} in {there}; give one "
                        "class one id and one name in all label files"
                    )
                number, there = of_name.setdefault(name, (i, place))
                if number != i:
                    raise LabelsError(
                        f"{place}: {name!r} is class {i}, but class {number} in {there}; give one "
                        "class one id and one name in all label files"
                    )

    @property
    def shapes(self) -> Shapes:
        """Rows and columns of each scene."""
        return tuple(part.shape for part in self.parts)

    @property
    def name(self) -> str:
        """All names, as a list in words."""
        return listed([part.name for part in self.parts])

    @property
    def notes(self) -> tuple[str, ...]:
        """Decisions made while reading, each with the name of its scene."""
        return tuple(
            f"{scene}: {note}"
            for part, scene in zip(self.parts, self.names, strict=True)
            for note in part.notes
        )

    @cached_property
    def array(self) -> NDArray[np.int32]:
        """`(pixels,)` class ids; 0 is unlabelled."""
        return read_only(np.concatenate([part.array.ravel() for part in self.parts]))

    @cached_property
    def polygons(self) -> NDArray[np.int32] | None:
        """`(pixels,)` polygon numbers, different in each scene; None if a scene has no polygons."""
        numbers = [part.polygons for part in self.parts if part.polygons is not None]
        return _counted_on(numbers) if len(numbers) == len(self.parts) else None

    @cached_property
    def fields(self) -> NDArray[np.int32]:
        """`(pixels,)` field numbers, different in each scene."""
        return _counted_on([part.fields for part in self.parts])

    @cached_property
    def class_names(self) -> Mapping[int, str]:
        """Name of each class id, over all scenes."""
        every = sorted((i, name) for part in self.parts for i, name in part.class_names.items())
        own = {i: name for i, name in every if name != class_name(i)}
        return {i: own.get(i, name) for i, name in every}

    @cached_property
    def class_colours(self) -> Mapping[int, Colour]:
        """Colour of each class id: from the first scene that has its own, else from the palette."""
        own: dict[int, Colour] = {}
        for part in self.parts:
            for n, (i, colour) in enumerate(part.class_colours.items()):
                if colour != default_colour(n):
                    own.setdefault(i, colour)
        return {i: own.get(i, default_colour(n)) for n, i in enumerate(self.class_names)}

    @cached_property
    def class_ids(self) -> tuple[int, ...]:
        """Ids of the classes that have a pixel in any scene, ascending."""
        return tuple(sorted({i for part in self.parts for i in part.class_ids}))

    def counts(self) -> dict[int, int]:
        """Number of pixels of each class, over all scenes."""
        each = [part.counts() for part in self.parts]
        return {i: sum(counts.get(i, 0) for counts in each) for i in self.class_ids}

    def on(self, scenes: SceneSet) -> LabelSet:
        """The labels without those on pixels that have no spectrum; see `Labels.on`."""
        parts = tuple(
            labels.on(scene) for labels, scene in zip(self.parts, scenes.parts, strict=True)
        )
        same = all(one is other for one, other in zip(parts, self.parts, strict=True))
        return self if same else LabelSet(parts, self.names)

    @cached_property
    def sha256(self) -> str:
        """Hash of shapes, ids and polygons."""
        arrays = (a for part in self.parts for a in (part.array, part.polygons))
        return array_sha256(*(a for a in arrays if a is not None))


AnyLabels = Labels | LabelSet
AnyScenes = AnyScene | SceneSet


def several(scenes: Sequence[AnyScene], labels: Sequence[Labels]) -> tuple[SceneSet, LabelSet]:
    """Join several scenes and their labels, to split and train on them as on one scene.

    A class may occur in some scenes only. Pixels without a spectrum lose their labels; see
    `Labels.on`.

    Examples:
        >>> from spectrolite.data.scene import Scene
        >>> ids = np.tile(np.array([[1, 1, 2, 2]]), (4, 1))
        >>> one = Scene(np.zeros((4, 4, 3)), name="north.tif")
        >>> other = Scene(np.ones((4, 4, 3)), name="south.tif")
        >>> scene, labels = several([one, other], [Labels(ids), Labels(ids)])
        >>> scene.names, labels.array.shape
        (('north', 'south'), (32,))

    Args:
        scenes: two or more, each in memory or in its file, with the same bands.
        labels: as many, in the order of the scenes.

    Raises:
        SceneError: as of `SceneSet`.
        LabelsError: another number of labels than of scenes, labels on another grid than their
            scene, or as of `LabelSet`.
    """
    if len(scenes) != len(labels):
        raise LabelsError(
            f"several: wanted labels for each of {len(scenes)} scenes, in their order, got "
            f"{len(labels)}"
        )
    together = SceneSet(tuple(scenes))
    for scene, one in zip(scenes, labels, strict=True):
        check_pair(scene, one)
    return together, LabelSet(tuple(labels), together.names).on(together)


def starts(shapes: Shapes) -> list[int]:
    """The number of the first pixel of each scene, and of the pixel after the last."""
    return list(itertools.accumulate((rows * cols for rows, cols in shapes), initial=0))


def by_scene(shapes: Shapes, values: NDArray[Any]) -> list[NDArray[Any]]:
    """An array with one row for each pixel of all scenes, cut into one array for each scene."""
    return np.split(values, starts(shapes)[1:-1])


def scene_by_scene(
    shapes: Shapes, pixels: Pixels
) -> Iterator[tuple[tuple[int, int], NDArray[np.int64], Pixels]]:
    """For each scene its shape, the places of its pixels in `pixels`, their numbers within it."""
    ends = starts(shapes)
    for shape, first, after in zip(shapes, ends, ends[1:], strict=False):
        there = np.flatnonzero((first <= pixels) & (pixels < after))
        yield shape, there, pixels[there] - first


def _counted_on(parts: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Numbers from 1, each scene's after those of the scenes before; 0 stays 0."""
    counted, most = [], 0
    for part in parts:
        flat = part.ravel()
        counted.append(np.where(flat > 0, flat + most, 0))
        most += int(flat.max(initial=0))
    return np.concatenate(counted).astype(np.int32)


def _place(value: AnyScene | Labels) -> str:
    return value.source.get("file", value.name)


def _same_scene(one: AnyScene, other: AnyScene) -> bool:
    """Whether two scenes hold the same numbers, whatever their files are called."""
    return one is other or (one.shape == other.shape and one.sha256 == other.sha256)


def _check_wavelengths(one: AnyScene, other: AnyScene) -> None:
    assert one.wavelengths_nm is not None
    assert other.wavelengths_nm is not None
    apart = where_apart(other.wavelengths_nm, one.wavelengths_nm, _place(one))
    if apart is not None:
        raise SceneError(f"{_place(other)}: {apart}; train on scenes of one sensor")
