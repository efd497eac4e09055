"""Labels as a table: a CSV file of coordinates or pixels with their classes.

The header names the columns, in upper or lower case: `class` (or the one of `--class-field`) and
`x, y` in the scene's coordinates, or `lon, lat` in degrees (WGS 84), or `row, col` from 0. A column
`polygon` groups rows; without it each row is a polygon of its own.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import grid_of, reproject_places
from spectrolite.data.labels import Labels
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError, ReadError, listed
from spectrolite.files import MAX_TEXT, read_bytes
from spectrolite.readers.labels.class_columns import numbered_classes
from spectrolite.readers.labels.conventions import USUAL, Convention
from spectrolite.readers.labels.from_shapes import labels_from_shapes
from spectrolite.readers.text import decoded

ENDINGS = (".csv", ".tsv")
DELIMITERS = ",;\t"
PLACES = (("x", "y"), ("lon", "lat"), ("longitude", "latitude"), ("row", "col"))


def read(
    path: Path,
    scene: AnyScene,
    class_field: str | None = None,
    convention: Convention = USUAL,
) -> Labels:
    """Labels of the rows of a table, on the scene's grid.

    Args:
        path: of the file, with commas, semicolons or tabs.
        scene: the scene whose grid the labels are put on.
        class_field: column of whole numbers or words that holds the class; default: `class`.
        convention: what the ids mean.

    Raises:
        ReadError: not a text, no header, or a row with another number of cells.
        LabelsError: missing or contradicting columns, values that are not classes, or no place in
            the scene.
    """
    notes: list[str] = []
    header, lines, rows = read_rows(path, notes)
    columns = {name: n for n, name in enumerate(header)}
    class_column = (class_field or "class").lower()
    if class_column not in columns:
        raise LabelsError(
            f"{path}: no column {class_column!r} for the class, only {listed(header)}; name it "
            "with --class-field"
        )
    pairs = [pair for pair in PLACES if set(pair) <= set(columns)]
    if len(pairs) != 1:
        raise LabelsError(
            f"{path}: wanted one pair of columns x,y or lon,lat or row,col, got "
            f"{' and '.join(','.join(p) for p in pairs) or f'none in {listed(header)}'}; keep one "
            "pair"
        )
    pair = pairs[0]

    def place(n: int) -> str:
        return f"line {lines[n]}"

    values = [row[columns[class_column]] for row in rows]
    classes, names = numbered_classes(values, f"{path}: column {class_column}", place)
    first, second = (
        numbers(path, name, [row[columns[name]] for row in rows], lines) for name in pair
    )
    if pair == ("row", "col"):
        pixels = _positions(path, first, second, scene, lines)
    else:
        grid = grid_of(scene, str(path))
        if pair != ("x", "y"):
            if grid.crs is None:
                raise LabelsError(
                    f"{path}: has {pair[0]} and {pair[1]}, but the scene {grid.name} has no "
                    "coordinate reference system; set it, or use row,col"
                )
            for name, degrees, limit in ((pair[0], first, 180), (pair[1], second, 90)):
                wrong = np.flatnonzero(np.abs(degrees) > limit)
                if len(wrong):
                    raise ReadError(
                        f"{path}: {place(int(wrong[0]))}: column {name}: wanted degrees from "
                        f"-{limit} to {limit}, got {degrees[wrong[0]]:g}; so in {len(wrong)} lines"
                    )
            first, second = reproject_places(first, second, "EPSG:4326", grid.crs, str(path))
        pixels = grid.pixels_at(first, second)
    absent = pixels < 0
    if absent.all():
        raise LabelsError(
            f"{path}: none of its {len(rows)} rows is in {scene.name}; check the order of "
            f"{pair[0]} and {pair[1]}, and the scene's reference system"
        )
    if absent.any():
        notes.append(
            f"{int(absent.sum()):,} of {len(rows):,} rows are outside the scene and are dropped"
        )
    groups = _groups(path, columns, rows, classes, place)
    held = [np.unique(pixels[g][pixels[g] >= 0]) for g in groups]
    source = {} if class_field is None else {"class_field": class_field}
    return labels_from_shapes(
        path,
        scene,
        held,
        classes[[g[0] for g in groups]],
        names,
        notes=notes,
        source=source,
        what="polygons" if "polygon" in columns else "rows",
        absent=np.array([not len(h) for h in held]),
        convention=convention,
    )


def read_rows(path: Path, notes: list[str]) -> tuple[list[str], list[int], list[list[str]]]:
    """Header in lower case, line number of each row, and the rows; blank lines are skipped.

    If the encoding is a guess, the notes say so.

    Raises:
        ReadError: not a table, no header, no rows, or a row with another number of cells.
    """
    text, guessed = decoded(read_bytes(path, MAX_TEXT))
    notes.extend(guessed)
    start = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=start.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        numbered = [(reader.line_num, [c.strip() for c in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise ReadError(
            f"{path}: line {reader.line_num}: not a readable CSV file ({error})"
        ) from error
    if len(numbered) < 2:
        raise ReadError(f"{path}: wanted a header such as x,y,class and rows below it")
    header = [name.lower() for name in numbered[0][1]]
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    if twice:
        raise ReadError(f"{path}: line {numbered[0][0]}: the column {listed(twice)} appears twice")
    bad = [(line, row) for line, row in numbered[1:] if len(row) != len(header)]
    if bad:
        raise ReadError(
            f"{path}: line {bad[0][0]}: {len(bad[0][1])} cells, the header has {len(header)}; "
            f"so in {len(bad)} lines"
        )
    return header, [line for line, _ in numbered[1:]], [row for _, row in numbered[1:]]


def numbers(path: Path, name: str, cells: list[str], lines: list[int]) -> NDArray[np.float64]:
    """The cells of a column as numbers.

    Raises:
        ReadError: a cell is not a finite number.
    """
    values = np.full(len(cells), np.nan)
    for n, cell in enumerate(cells):
        try:
            values[n] = float(cell)
        except ValueError:
            continue
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ReadError(
            f"{path}: line {lines[bad[0]]}: column {name}: wanted a number, got "
            f"{cells[bad[0]]!r}; so in {len(bad)} lines"
        )
    return values


def _positions(
    path: Path,
    rows: NDArray[np.float64],
    cols: NDArray[np.float64],
    scene: AnyScene,
    lines: list[int],
) -> NDArray[np.int64]:
    for name, values in (("row", rows), ("col", cols)):
        odd = np.flatnonzero((values != np.floor(values)) | (values < 0))
        if len(odd):
            raise ReadError(
                f"{path}: line {lines[odd[0]]}: column {name}: wanted a whole number of 0 or more, "
                f"got {values[odd[0]]:g}"
            )
    inside = (rows < scene.shape[0]) & (cols < scene.shape[1])
    at = np.where(inside, rows, -1) * scene.shape[1] + np.where(inside, cols, scene.shape[1] - 1)
    return at.astype(np.int64)


def _groups(
    path: Path,
    columns: Mapping[str, int],
    rows: list[list[str]],
    classes: NDArray[np.int64],
    place: Callable[[int], str],
) -> list[NDArray[np.int64]]:
    """Row numbers of each polygon, in the order of their first row."""
    if "polygon" not in columns:
        return [np.array([n]) for n in range(len(rows))]
    groups: dict[str, list[int]] = {}
    for n, row in enumerate(rows):
        groups.setdefault(row[columns["polygon"]] or f"\n{n}", []).append(
            n
        )  # without a name: a polygon of its own
    for name, group in groups.items():
        other = [n for n in group if classes[n] != classes[group[0]]]
        if other:
            raise LabelsError(
                f"{path}: polygon {name} has one class in {place(group[0])} and another in "
                f"{place(other[0])}; give each polygon one class"
            )
    return [np.array(group) for group in groups.values()]
