"""From a column of a table to class ids: whole numbers are kept, words are numbered."""

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

    Words are stripped of surrounding spaces, sorted, and numbered from 1. If all words are whole
    numbers, as in a file without types, they count as numbers.

    Args:
        values: whole numbers, possibly as floats, or words.
        where: file and column, for messages.
        place: the row or feature of the n-th value, for messages.

    Raises:
        LabelsError: a value is empty, a number is not whole or out of range, numbers and words are
            mixed, or there are more words than ids.
    """
    cells = [_cell(value) for value in values]
    empty = [n for n, cell in enumerate(cells) if cell is None]
    if empty:
        raise LabelsError(
            f"{where} is empty in {len(empty)} of {len(cells)}, first in {place(empty[0])}; fill "
            "the empty ones, or remove them"
        )
    numbers = [n for n, cell in enumerate(cells) if isinstance(cell, float) or _is_whole(cell)]
    if not numbers:
        words = sorted({str(cell) for cell in cells})
        if len(words) > MAX_ID:
            raise LabelsError(
                f"{where}: {len(words)} different words, but a map holds at most {MAX_ID} classes; "
                "use another column"
            )
        names = dict(enumerate(words, start=1))
        ids = {word: i for i, word in names.items()}
        return np.array([ids[str(cell)] for cell in cells], np.int64), names
    if len(numbers) < len(cells):
        other = min(set(range(len(cells))) - set(numbers))
        raise LabelsError(
            f"{where} mixes numbers and words: {values[numbers[0]]!r} in {place(numbers[0])}, "
            f"{values[other]!r} in {place(other)}; use one of the two"
        )
    classes = np.array([float(cell) for cell in cells if cell is not None])
    odd = np.flatnonzero((classes != np.floor(classes)) | (classes < 0) | (classes > MAX_ID))
    if len(odd):
        raise LabelsError(
            f"{where}: wanted whole numbers from 0 (unlabelled) to {MAX_ID}, got "
            f"{listed([f'{classes[n]:g}' for n in odd], 3)}, first in {place(int(odd[0]))}; "
            "renumber the classes"
        )
    return classes.astype(np.int64), {}


def _cell(value: object) -> float | str | None:
    if value is None:
        return None
    if isinstance(value, int | float | np.number):
        return None if np.isnan(value) else float(value)
    return str(value).strip() or None


def _is_whole(cell: object) -> bool:
    """Whether a word is a whole number without leading zeros; `007` is a code."""
    try:
        return str(int(str(cell))) == cell
    except ValueError:
        return False
