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
    """Reference points with their true classes.

    Attributes:
        name: its file.
        in_pixels: whether places are rows and columns, counted from 0; otherwise they are
            coordinates in the map's reference system.
        places: `(N, 2)` float64: row and column, or x and y.
        classes: true class of each point, as in the file: an id or a name.
        lines: line number of each point in the file.
        notes: what is odd about the file.
    """

    name: str
    in_pixels: bool
    places: NDArray[np.float64]
    classes: tuple[str, ...]
    lines: tuple[int, ...]
    notes: tuple[str, ...] = ()


def read_sample(path: str | Path) -> Sample:
    """Read a sample from a table whose first line names the columns; other columns are ignored.

    Raises:
        ReadError: no such file, not a text, no such columns, a coordinate that is not a number, or
            no points.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError(
                f"{path}: larger than {MAX_BYTES >> 20} MiB; is this a sample of points?"
            )
        notes: list[str] = []
        header, lines, rows = read_rows(path, notes)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error
    pairs = [pair for pair in (PIXELS, COORDINATES) if {*pair, "class"} <= set(header)]
    if len(pairs) != 1:
        raise ReadError(
            f"{path}: wanted the columns row,col,class or x,y,class, got {','.join(header)}"
        )
    columns = {name: [row[n] for row in rows] for n, name in enumerate(header)}
    places = [numbers(path, name, columns[name], lines) for name in pairs[0]]
    classes = columns["class"]
    if "" in classes:
        raise ReadError(f"{path}: line {lines[classes.index('')]}: no class")
    return Sample(
        str(path),
        pairs[0] == PIXELS,
        np.column_stack(places),
        tuple(classes),
        tuple(lines),
        tuple(notes),
    )
