"""Label maps of one scene with the same class numbers, and as one map."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spectrolite.data.labels import Labels, class_name
from spectrolite.errors import LabelsError


def of_one_numbering(parts: Sequence[Labels]) -> list[Labels]:
    """The maps with one number for each class.

    Words are numbered in each file alone: where two maps have different names for one number, all
    classes are numbered anew by their names.

    Args:
        parts: label maps of one scene.

    Raises:
        LabelsError: maps of different names, of which one has a class without a name.
    """
    names: dict[int, str] = {}
    clash = False
    for part in parts:
        for i in part.class_ids:
            name = part.class_names[i]
            if name != class_name(i):
                clash |= names.setdefault(i, name) != name
    if not clash:
        return list(parts)
    for part in parts:
        unnamed = [i for i in part.class_ids if part.class_names[i] == class_name(i)]
        if unnamed:
            raise LabelsError(
                f"{part.name}: class {unnamed[0]} has no name, and {parts[0].name} names its "
                "classes differently; name the classes in all files, or number them alike"
            )
    found = sorted({part.class_names[i] for part in parts for i in part.class_ids})
    numbers = {name: n for n, name in enumerate(found, start=1)}
    return [_renumbered(part, numbers) for part in parts]


def numbered_like(part: Labels, labels: Labels) -> Labels:
    """A map with the class numbers of `labels`, by the names where these differ.

    Raises:
        LabelsError: a class that `labels` does not have.
    """
    if of_one_numbering([labels, part])[1] is part:
        return part
    numbers = {name: i for i, name in labels.class_names.items()}
    unknown = [name for name in map(part.class_names.get, part.class_ids) if name not in numbers]
    if unknown:
        raise LabelsError(f"{part.name}: {labels.name} has no class {unknown[0]}")
    return _renumbered(part, numbers)


def joined(parts: Sequence[Labels], name: str) -> Labels:
    """The labels of all maps as one; `source` has the sources of all.

    Args:
        parts: label maps of one scene, as of `of_one_numbering`.
        name: of the joined map.

    Raises:
        LabelsError: maps of different shapes, or a pixel with two classes.
    """
    array = np.zeros(parts[0].shape, np.int32)
    polygons = np.zeros(parts[0].shape, np.int32)
    for part in parts:
        if part.shape != array.shape:
            raise LabelsError(
                f"{part.name}: has {part.shape[0]} x {part.shape[1]} pixels, {parts[0].name} "
                f"{array.shape[0]} x {array.shape[1]}; wanted maps of one scene"
            )
        both = (array > 0) & (part.array > 0) & (array != part.array)
        if both.any():
            raise LabelsError(
                f"{part.name}: {int(both.sum())} of its pixels have another class in the other "
                "files; remove them from one"
            )
        new = (part.array > 0) & (array == 0)
        if part.polygons is not None:
            polygons[new] = part.polygons[new] + polygons.max()
        array[new] = part.array[new]
    known = all(part.polygons is not None for part in parts)
    return Labels(
        array,
        class_names={i: name for part in parts for i, name in part.class_names.items()},
        class_colours={i: c for part in parts for i, c in part.class_colours.items()},
        name=name,
        source={"joined": json.dumps([dict(part.source) for part in parts]), "name": name},
        polygons=polygons if known else None,
        notes=tuple(f"{part.name}: {note}" for part in parts for note in part.notes),
    )


def _renumbered(labels: Labels, numbers: dict[str, int]) -> Labels:
    new = np.zeros(max(labels.class_names) + 1, np.int32)
    names = {}
    for i in labels.class_ids:
        name = labels.class_names[i]
        new[i] = numbers[name]
        names[numbers[name]] = name
    return replace(labels, array=new[labels.array], class_names=names, class_colours={})
