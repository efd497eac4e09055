"""From shapes with classes to labels, with notes on every decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import Pixels, burn
from spectrolite.data.labels import Colour, Labels
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError
from spectrolite.readers.labels.conventions import USUAL, Convention, converted


def labels_from_shapes(
    path: Path,
    scene: AnyScene,
    pixels: Sequence[Pixels],
    classes: NDArray[np.int64],
    names: Mapping[int, str],
    *,
    what: str,
    absent: NDArray[np.bool_],
    source: Mapping[str, str],
    colours: Mapping[int, Colour] | None = None,
    notes: Sequence[str] = (),
    convention: Convention = USUAL,
) -> Labels:
    """Labels of shapes on a scene's grid.

    Args:
        path: of the file.
        scene: the scene.
        pixels: flat indices of the pixels that each shape holds.
        classes: class id of each shape; shapes of class 0 are dropped.
        names: id to name.
        what: the plural for messages: polygons, points, rows.
        absent: `(shapes,)` true for shapes outside the scene, which `notes` mention already.
        source: how to load them again, in addition to the file.
        colours: id to colour.
        notes: decisions so far.
        convention: what the ids mean.

    Raises:
        LabelsError: no pixel is labelled.
    """
    read = converted(classes, names, colours or {}, convention, str(path))
    classes = read.ids
    all_notes = [*notes, *read.notes]
    count = len(classes)
    unlabelled = int((classes == 0).sum())
    if unlabelled:
        all_notes.append(
            f"{unlabelled:,} of {count:,} {what} have class 0 (unlabelled) and are dropped"
        )
    kept = [p if i else p[:0] for p, i in zip(pixels, classes.tolist(), strict=True)]
    burnt = burn(scene.shape[:2], kept, classes.tolist())
    small = sum(not len(p) and not gone for p, gone in zip(pixels, absent, strict=True))
    if small:
        all_notes.append(f"{small:,} of {count:,} {what} hold no pixel centre and are dropped")
    if burnt.conflicts:
        all_notes.append(
            f"{burnt.conflicts:,} pixels are in {what} of two classes and stay unlabelled"
        )
    if burnt.merged:
        all_notes.append(
            f"{burnt.merged:,} {what} share pixels with others of their class and are merged "
            "with them"
        )
    if not burnt.array.any():
        raise LabelsError(
            f"{path}: none of its {count} {what} labels a pixel of {scene.name}: "
            f"{'; '.join(all_notes) or 'there are none'}"
        )
    labels = Labels(
        burnt.array,
        class_names=read.names,
        class_colours=read.colours,
        name=path.name,
        source={"file": str(path.resolve()), **source, **convention.source},
        polygons=burnt.polygons,
        notes=tuple(all_notes),
    )
    return labels.on(scene)
