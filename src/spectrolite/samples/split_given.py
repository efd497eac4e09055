"""Parts of a split that are given, not drawn: label maps or files of them, scenes by name."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from spectrolite.data.labels import Labels
from spectrolite.data.scene_sets import LabelSet, Pixels, starts
from spectrolite.errors import LabelsError, SplitError
from spectrolite.readers import read_labels
from spectrolite.samples.split_grammar import Parameter


def given_pixels(
    labels: Labels, validation: float | str | Path | Labels, parameters: Mapping[str, Any]
) -> tuple[Pixels, Pixels, Pixels, dict[str, Parameter]]:
    """Training, validation and test pixels of given label maps, and what the maps are called.

    Args:
        labels: the ground truth that the maps must agree with.
        validation: a label map, its file, or 0 for no validation part.
        parameters: `train` and `test`, label maps or their files; `F.mat:TR` is one array of a
            file.

    Raises:
        SplitError: a map that is missing, is not a label map, or overlaps another.
        LabelsError: a map of another shape, or with other classes than `labels`.
    """
    if set(parameters) != {"train", "test"}:
        raise SplitError(
            "given: wanted train=FILE and test=FILE (and validation=FILE), got "
            f"{', '.join(sorted(parameters)) or 'neither'}"
        )
    maps = {"train": parameters["train"], "validation": validation, "test": parameters["test"]}
    pixels: dict[str, Pixels] = {}
    names: dict[str, Parameter] = {}
    for part, value in maps.items():
        if part == "validation" and isinstance(value, int | float | np.number) and value == 0:
            pixels[part] = np.empty(0, np.int64)
            continue
        if not isinstance(value, str | Path | Labels):
            raise SplitError(
                f"given: wanted a label map or a file for {part}, got {type(value).__name__}"
            )
        given = value if isinstance(value, Labels) else read_labels(*file_and_key(value))
        names[part] = given.name if isinstance(value, Labels) else str(value)
        if given.shape != labels.shape:
            raise LabelsError(
                f"{given.name}: wanted {labels.shape[0]} rows and {labels.shape[1]} columns as in "
                f"{labels.name}, got {given.shape[0]} and {given.shape[1]}"
            )
        pixels[part] = np.flatnonzero(given.array)
        differs = int((given.array != labels.array).ravel()[pixels[part]].sum())
        if differs:
            raise LabelsError(
                f"{given.name}: {differs} of its {len(pixels[part])} pixels have another class in "
                f"{labels.name}; both must come from one ground truth"
            )
    for one, other in combinations(pixels, 2):
        both = len(np.intersect1d(pixels[one], pixels[other]))
        if both:
            raise SplitError(f"given: {both} pixels are in both {one} and {other}; remove them")
    return pixels["train"], pixels["validation"], pixels["test"], names


def file_and_key(text: str | Path) -> tuple[Path, str | None]:
    """A file of labels, and the name of the array in it, if one is given: `F.mat:TR`.

    Examples:
        >>> file_and_key("pines.mat:TR")
        (PosixPath('pines.mat'), 'TR')
        >>> file_and_key("C:/data/train.tif")
        (PosixPath('C:/data/train.tif'), None)
    """
    file, colon, key = str(text).rpartition(":")
    if not colon or not Path(file).suffix or Path(text).exists():
        return Path(text), None
    return Path(file), key


def scene_pixels(labels: LabelSet, names: str) -> Pixels:
    """All pixels of some scenes.

    Args:
        labels: of all scenes.
        names: of those wanted, joined by "+".

    Raises:
        SplitError: an unknown name, or every scene.
    """
    wanted = [names] if names in labels.names else names.split("+")
    ends = starts(labels.shapes)
    unknown = [name for name in wanted if name not in labels.names]
    if unknown:
        raise SplitError(
            f"scenes: test={names}: no scene {unknown[0]}; wanted {', '.join(labels.names)}, or "
            'several of them joined by "+"'
        )
    if set(wanted) == set(labels.names):
        raise SplitError(f"scenes: test={names}: names every scene; leave one to train on")
    numbers = (n for n, name in enumerate(labels.names) if name in wanted)
    return np.concatenate([np.arange(ends[n], ends[n + 1]) for n in numbers])
