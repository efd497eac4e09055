"""From shapes with classes to labels, with a note of what had to be decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import Pixels, burn
from spectrolite.data.labels import Colour, Labels
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError


def labels_of(
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
) -> Labels:
    """Labels of shapes on a scene's grid.

    Args:
        path: of the file.
        scene: whose grid it is.
        pixels: flat indices that each shape holds.
        classes: class id of each; one of 0 is left out.
        names: id to name.
        what: the shapes' name in the plural: polygons, points, rows.
        absent: `(shapes,)`, true of those without a place in the scene, of which `notes` tell.
        source: how to load them again, beside the file.
        colours: id to colour.
        notes: what reading them had to decide.

    Raises:
        LabelsError: nothing is labelled.
    """
    said = list(notes)
    count = len(classes)
    unlabelled = int((classes == 0).sum())
    if unlabelled:
        said.append(
            f"{unlabelled:,} of {count:,} {what} have class 0, unlabelled, and are left out"
        )
    kept = [p if i else p[:0] for p, i in zip(pixels, classes.tolist(), strict=True)]
    burnt = burn(scene.shape[:2], kept, classes.tolist())
    small = sum(not len(p) and not gone for p, gone in zip(pixels, absent, strict=True))
    if small:
        said.append(f"{small:,} of {count:,} {what} hold no pixel's centre and are left out")
    if burnt.conflicts:
        said.append(
            f"{burnt.conflicts:,} pixels lie in {what} of two classes and are left unlabelled"
        )
    if burnt.merged:
        said.append(
            f"{burnt.merged:,} {what} share pixels with others of their class and count as one "
            "polygon with those"
        )
    if not burnt.array.any():
        raise LabelsError(
            f"{path}: none of its {count} {what} labels a pixel of {scene.name}: "
            f"{'; '.join(said) or 'there are none'}"
        )
    made = Labels(
        burnt.array,
        class_names=names,
        class_colours=colours or {},
        name=path.name,
        source={"file": str(path.resolve()), **source},
        polygons=burnt.polygons,
        notes=tuple(said),
    )
    return made.on(scene)
