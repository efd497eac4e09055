"""A sample of reference points: a CSV file of `row,col,class` or `x,y,class`, or a point layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import LabelsError, ReadError, listed, why_no_file
from spectrolite.readers.labels import features
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
        lines: line number of each point in the file; its number from 1 in a layer.
        crs: reference system of the places, if the file names one.
        notes: what is odd about the file.
    """

    name: str
    in_pixels: bool
    places: NDArray[np.float64]
    classes: tuple[str, ...]
    lines: tuple[int, ...]
    notes: tuple[str, ...] = ()
    crs: str | None = None


def read_sample(
    path: str | Path, class_field: str | None = None, *, skip_empty: bool = False
) -> Sample:
    """Read a sample from a layer of points, or from a table whose first line names the columns.

    Args:
        path: of the file.
        class_field: attribute or column that holds the class; default: `class`, or the only
            attribute of a layer.
        skip_empty: leave out points without a class, with a note.

    Raises:
        ReadError: no such file, not a text, no such columns, a coordinate that is not a number, no
            points, or points without a class.
        LabelsError: a layer without such an attribute, or of other shapes than points.
        MissingExtraError: a layer, and pyogrio or shapely is not installed.
    """
    path = Path(path)
    if path.suffix.lower() in features.ENDINGS:
        return _filled(_of_layer(path, class_field), class_field, skip_empty)
    named = (class_field or "class").lower()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError(
                f"{path}: larger than {MAX_BYTES >> 20} MiB; is this a sample of points?"
            )
        notes: list[str] = []
        header, lines, rows = read_rows(path, notes)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror})") from error
    pairs = [pair for pair in (PIXELS, COORDINATES) if {*pair, named} <= set(header)]
    if len(pairs) != 1:
        raise ReadError(
            f"{path}: wanted the columns row,col,{named} or x,y,{named}, got {listed(header)}"
        )
    columns = {name: [row[n] for row in rows] for n, name in enumerate(header)}
    places = [numbers(path, name, columns[name], lines) for name in pairs[0]]
    classes = columns[named]
    sample = Sample(
        str(path),
        pairs[0] == PIXELS,
        np.column_stack(places),
        tuple(classes),
        tuple(lines),
        tuple(notes),
    )
    return _filled(sample, named, skip_empty)


def _filled(sample: Sample, field: str | None, skip_empty: bool) -> Sample:
    """The points that have a class.

    Raises:
        ReadError: points without one, and not `skip_empty`; or none has one.
    """
    empty = [n for n, name in enumerate(sample.classes) if not name]
    if not empty:
        return sample
    where = "line" if sample.name.lower().endswith((".csv", ".tsv", ".txt")) else "feature"
    count, first = len(sample.classes), sample.lines[empty[0]]
    some = f"{len(empty):,} of {count:,} points have no class yet"
    if len(empty) == count:
        some, skip_empty = f"none of its {count:,} points has a class yet", False
    if not skip_empty:
        raise ReadError(
            f"{sample.name}: {some}{f' in {field}' if field else ''}, first in {where} {first}; "
            "fill in the true classes"
            + ("" if len(empty) == count else ", or leave the others out with --skip-empty")
        )
    kept = np.flatnonzero([bool(name) for name in sample.classes])
    note = (
        f"{some}; they are left out, which biases the estimates if they are harder to tell than "
        "the others"
    )
    return replace(
        sample,
        places=sample.places[kept],
        classes=_at(sample.classes, kept),
        lines=_at(sample.lines, kept),
        notes=(*sample.notes, note),
    )


def _at(values: Sequence[Any], places: NDArray[np.intp]) -> tuple[Any, ...]:
    return tuple(values[n] for n in places)


def _word(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value).strip()


def _of_layer(path: Path, class_field: str | None) -> Sample:
    if not path.is_file():
        raise ReadError(f"{path}: {why_no_file(path, features.ENDINGS)}")
    read = features.read_features(path, None, class_field)
    import shapely  # read_features says what to install

    other = sorted({shape.geom_type for shape in read.shapes if shape is not None} - {"Point"})
    if other or any(shape is None or shape.is_empty for shape in read.shapes):
        raise LabelsError(
            f"{path}: wanted points, got {listed(other) or 'features without geometry'}; give each "
            "reference point one feature"
        )
    classes = ["" if c is None or c != c else _word(c) for c in read.classes]
    return Sample(
        str(path),
        False,
        shapely.get_coordinates(read.shapes),
        tuple(classes),
        tuple(range(1, len(classes) + 1)),
        read.notes,
        read.crs,
    )
