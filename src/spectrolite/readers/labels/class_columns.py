"""What a column of a table says of classes: whole numbers as they are, words numbered in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.labels import MAX_ID
from spectrolite.errors import LabelsError, listed


def numbered_classes(
    values: Sequence[object], where: str, place: Callable[[int], str]
) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Class id of each value, and the names of the ids where the values are words.

    Words are stripped of the blanks around them, sorted, and numbered from 1. Words that are whole
    numbers throughout, as all of a file without types are, count as those numbers.

    Args:
        values: whole numbers, possibly as floats, or words.
        where: file and field, for messages.
        place: which row or feature the n-th value stands in, for messages.

    Raises:
        LabelsError: something is empty, a number is not whole or out of range, numbers and words
            are mixed, or there are more words than ids.
    """
    cells = [_cell(value) for value in values]
    empty = [n for n, cell in enumerate(cells) if cell is None]
    if empty:
        raise LabelsError(
            f"{where} is empty in {len(empty)} of {len(cells)}, first in {place(empty[0])}; fill "
            "it, or remove them"
        )
    numbers = [n for n, cell in enumerate(cells) if isinstance(cell, float) or _is_whole(cell)]
    if not numbers:
        words = sorted({str(cell) for cell in cells})
        if len(words) > MAX_ID:
            raise LabelsError(
                f"{where}: {len(words)} different words, and a map holds {MAX_ID} classes; take "
                "another field"
            )
        names = dict(enumerate(words, start=1))
        ids = {word: i for i, word in names.items()}
        return np.array([ids[str(cell)] for cell in cells], np.int64), names
    if len(numbers) < len(cells):
        other = next(n for n in range(len(cells)) if n not in set(numbers))
        raise LabelsError(
            f"{where} mixes numbers and words: {values[numbers[0]]!r} in {place(numbers[0])}, "
            f"{values[other]!r} in {place(other)}; make it one of the two"
        )
    found = np.array([float(cell) for cell in cells if cell is not None])
    odd = np.flatnonzero((found != np.floor(found)) | (found < 0) | (found > MAX_ID))
    if len(odd):
        raise LabelsError(
            f"{where}: wanted whole numbers from 0 (unlabelled) to {MAX_ID}, got "
            f"{listed([f'{found[n]:g}' for n in odd], 3)}, first in {place(int(odd[0]))}; renumber "
            "the classes"
        )
    return found.astype(np.int64), {}


def _cell(value: object) -> float | str | None:
    if value is None:
        return None
    if isinstance(value, int | float | np.number):
        return None if np.isnan(value) else float(value)
    return str(value).strip() or None


def _is_whole(cell: object) -> bool:
    """Whether a word is a whole number as one writes it: not `007`, which is a code."""
    try:
        return str(int(str(cell))) == cell
    except ValueError:
        return False
