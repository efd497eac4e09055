"""A sample of reference points, as a CSV file of `row,col,class` or `x,y,class`."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import ReadError

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
    """Read a sample from a CSV file whose first line names the columns; others are left alone.

    Raises:
        ReadError: missing, no text, no such columns, a place that is no number, or no point.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError(f"{path}: larger than {MAX_BYTES >> 20} MiB; is it a sample?")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ReadError(f"{path}: no text in UTF-8 ({error.reason}); save it as CSV") from error
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    try:
        columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        found = [pair for pair in (PIXELS, COORDINATES) if {*pair, "class"} <= set(columns)]
        if len(found) != 1 or len(set(columns)) != len(columns):
            raise ReadError(
                f"{path}: wanted the columns row,col,class or x,y,class, got {','.join(columns)}"
            )
        places, classes, lines = [], [], []
        for row in reader:
            texts = [(row[column] or "").strip() for column in (*found[0], "class")]
            try:
                place = [float(text) for text in texts[:2]]
            except ValueError:
                place = [np.nan]
            if not np.isfinite(place).all() or not texts[2]:
                raise ReadError(
                    f"{path}, line {reader.line_num}: wanted two numbers and a class, got "
                    f"{','.join(texts)}"
                )
            places.append(place)
            classes.append(texts[2])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise ReadError(f"{path}, line {reader.line_num}: no CSV ({error})") from error
    if not places:
        raise ReadError(f"{path}: no point in it")
    return Sample(str(path), found[0] == PIXELS, np.array(places), tuple(classes), tuple(lines))
