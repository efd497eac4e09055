"""What the numbers in a file of labels mean: which id is unlabelled, and which are ignored.

Here 0 is unlabelled and classes count from 1. In segmentation, classes often count from 0, and 255
marks pixels to ignore.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.labels import Colour, class_name, whole_ids
from spectrolite.errors import LabelsError, listed

IGNORE = ", or give --ignore {}"
ALONE = 10  # more than twice the id below it and this: an id that stands alone


@dataclass(frozen=True)
class Convention:
    """What the numbers in a file mean.

    Attributes:
        ignore: ids and names of classes that are unlabelled.
        zero_is_a_class: ids are those of the file plus 1, as 0 is unlabelled here.
    """

    ignore: tuple[int | str, ...] = ()
    zero_is_a_class: bool = False

    @property
    def source(self) -> dict[str, str]:
        """What `Labels.source` keeps of it, to read the file again."""
        kept = {"ignore": json.dumps(self.ignore)} if self.ignore else {}
        return kept | ({"background": "none"} if self.zero_is_a_class else {})


USUAL = Convention()


@dataclass(frozen=True)
class Converted:
    """Ids as this project has them.

    Attributes:
        ids: of the shape that was given, int64; 0 is unlabelled.
        names: id to name.
        colours: id to colour.
        notes: what was decided, and what may be wrong, a sentence each.
    """

    ids: NDArray[np.int64]
    names: dict[int, str]
    colours: dict[int, Colour]
    notes: tuple[str, ...]


def convention_of(ignore: Sequence[int | str], background: int | str | None) -> Convention:
    """The convention of the keywords `ignore` and `background` of `read_labels`.

    Raises:
        LabelsError: another background than 0 or none.
    """
    if background not in (0, None, "0", "none"):
        raise LabelsError(
            f"--background: wanted 0 (unlabelled) or none (0 is a class), got {background}; an id "
            "that means unlabelled goes with --ignore"
        )
    words = [int(w) if re.fullmatch(r"-?\d{1,19}", str(w), re.ASCII) else w for w in ignore]
    return Convention(tuple(words), background in (None, "none"))


def converted(
    array: NDArray[Any],
    names: Mapping[int, str],
    colours: Mapping[int, Colour],
    convention: Convention,
    where: str,
    nodata: float | None = None,
    missing: NDArray[np.bool_] | None = None,
) -> Converted:
    """Ids, names and colours of a file as this project has them, with notes.

    Args:
        array: ids of the file.
        names: id to name, as in the file.
        colours: id to colour, as in the file.
        convention: what the numbers mean.
        where: the file, for messages.
        nodata: the value that the file declares to be none.
        missing: where there is no value; None: nowhere.

    Raises:
        LabelsError: values that are not ids, and are not ignored.
    """
    missing = np.zeros(array.shape, bool) if missing is None else missing
    ignored = [i for word in convention.ignore for i in _ids_of(word, names)]
    dropped = np.isin(array, ignored) & ~missing
    ids = whole_ids(np.where(dropped | missing, 0, array), where, IGNORE).astype(np.int64)
    kept = [int(i) for i in np.unique(ids[~dropped & ~missing])]
    notes = []
    if dropped.any():
        there = [i for i in ignored if (array == i).any()]
        shown = listed([names.get(i, str(i)) for i in there])
        notes.append(f"ignored: {shown}, {int(dropped.sum()):,} of {ids.size:,}")
    absent = [w for w in convention.ignore if not np.isin(array, _ids_of(w, names)).any()]
    if absent:
        has = listed([f"{i} {names[i]}" if i in names else i for i in kept])
        notes.append(f"--ignore: no class {listed(absent)}; it has {has}")
    notes += _doubts(ids[~dropped & ~missing], kept, names, convention, nodata)
    shift = int(convention.zero_is_a_class)
    if shift:
        notes.append("0 is a class: ids are those of the file plus 1")
    ids = np.where(dropped | missing, 0, ids + shift)
    named = {i: class_name(i) for i in kept} if shift else {}
    named |= {i: name for i, name in names.items() if i not in ignored}
    return Converted(
        ids,
        {i + shift: name for i, name in named.items() if i + shift > 0},
        {i + shift: colour for i, colour in colours.items() if i not in ignored},
        tuple(notes),
    )


def _ids_of(word: int | str, names: Mapping[int, str]) -> list[int]:
    """The ids that a word of `ignore` means: a number itself, or those of its name."""
    named = [i for i, name in names.items() if name == str(word)]
    return named or ([word] if isinstance(word, int) else [])


def _doubts(
    ids: NDArray[np.int64],
    kept: Sequence[int],
    names: Mapping[int, str],
    convention: Convention,
    nodata: float | None,
) -> list[str]:
    """Signs of another convention than the one that was taken."""
    notes = []
    if nodata is not None and nodata != 0 and 0 in kept and not convention.zero_is_a_class:
        notes.append(
            f"its nodata value is {nodata:g}, and {int((ids == 0).sum()):,} pixels are 0: they are "
            "unlabelled; if 0 is a class, give --background none"
        )
    classes = [i for i in kept if i > 0 or convention.zero_is_a_class]
    for n, (below, above) in enumerate(pairwise(classes), start=1):
        rest = [i for i in classes[n:] if i not in names]
        if above > 2 * below + ALONE and rest and len(rest) == len(classes[n:]) <= 2:
            others = f"{classes[0]} to {below}" if n > 1 else f"{below}"
            note = (
                f"id {rest[0]} stands far above {others}: if it means unlabelled, give "
                f"--ignore {rest[0]}"
            )
            if 0 in kept and not convention.zero_is_a_class:
                note += "; if 0 is a class then, --background none"
            notes.append(note)
            break
    return notes
