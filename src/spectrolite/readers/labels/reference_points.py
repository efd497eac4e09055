"""A sample of reference points, as a CSV file of `row,col,class` or `x,y,class`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import ReadError
from spectrolite.readers.labels.tables import numbers, read_rows

PIXELS, COORDINATES = ("row", "col"), ("x", "y")
MAX_BYTES = 256 << 20


@dataclass(frozen=True, eq=False)
class Sample:
    """Points with what stands there in truth.

    Attributes:
        name: its file.
        in_pixels: whether places are rows and columns, counted from 0; otherwise coordinates of
            the map's reference system.
        places: `(N, 2)` float64: row and column, or x and y.
        classes: the class of each, as the file has it: an id or a name.
        lines: line of the file that each stands on.
    """

    name: str
    in_pixels: bool
    places: NDArray[np.float64]
    classes: tuple[str, ...]
    lines: tuple[int, ...]


def read_sample(path: str | Path) -> Sample:
    """Read a sample from a table whose first line names the columns; others are left alone.

    Raises:
        ReadError: missing, no text, no such columns, a place that is no number, or no point.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError(f"{path}: larger than {MAX_BYTES >> 20} MiB; is it a sample?")
        header, lines, rows = read_rows(path)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error
    found = [pair for pair in (PIXELS, COORDINATES) if {*pair, "class"} <= set(header)]
    if len(found) != 1:
        raise ReadError(
            f"{path}: wanted the columns row,col,class or x,y,class, got {','.join(header)}"
        )
    columns = {name: [row[n] for row in rows] for n, name in enumerate(header)}
    places = [numbers(path, name, columns[name], lines) for name in found[0]]
    classes = columns["class"]
    if "" in classes:
        raise ReadError(f"{path}: line {lines[classes.index('')]}: no class")
    return Sample(
        str(path), found[0] == PIXELS, np.column_stack(places), tuple(classes), tuple(lines)
    )
