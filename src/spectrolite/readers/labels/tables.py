"""Labels as a table: a CSV file of places or pixels with their class.

The header names the columns, in any case of letters: `class` (or the one of `--class-field`) and
`x, y` in the scene's coordinates, or `lon, lat` in degrees (WGS 84), or `row, col` from 0. A column
`polygon` says which rows belong together; without it each row is for itself.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import grid_of, reproject_places
from spectrolite.data.labels import Labels
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError, ReadError, listed
from spectrolite.readers.labels.class_columns import numbered_classes
from spectrolite.readers.labels.rasterised import labels_of

ENDINGS = (".csv", ".tsv")
DELIMITERS = ",;\t"
PLACES = (("x", "y"), ("lon", "lat"), ("longitude", "latitude"), ("row", "col"))


def read(path: Path, scene: AnyScene, class_field: str | None = None) -> Labels:
    """Labels of the rows of a table, on the scene's grid.

    Args:
        path: of the file, UTF-8, with commas, semicolons or tabs.
        scene: on whose grid they are put.
        class_field: column of whole numbers or words that says the class; `class` without it.

    Raises:
        ReadError: no text, no header, or a row that is not like it, by its line.
        LabelsError: columns that lack or contradict each other, values that are no classes, places
            that cannot be put into the scene.
    """
    header, lines, rows = read_rows(path)
    columns = {name: n for n, name in enumerate(header)}
    field = (class_field or "class").lower()
    if field not in columns:
        raise LabelsError(
            f"{path}: no column {field!r} for the class, only {listed(header)}; name it with "
            "--class-field"
        )
    pairs = [pair for pair in PLACES if set(pair) <= set(columns)]
    if len(pairs) != 1:
        raise LabelsError(
            f"{path}: wanted one pair of columns x,y or lon,lat or row,col, got "
            f"{' and '.join(','.join(p) for p in pairs) or f'none in {listed(header)}'}; leave one "
            "pair in it"
        )
    pair = pairs[0]

    def place(n: int) -> str:
        return f"line {lines[n]}"

    values = [row[columns[field]] for row in rows]
    classes, names = numbered_classes(values, f"{path}: column {field}", place)
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
                    "coordinate reference system; give it one, or take row,col"
                )
            for name, found, most in ((pair[0], first, 180), (pair[1], second, 90)):
                wrong = np.flatnonzero(np.abs(found) > most)
                if len(wrong):
                    raise ReadError(
                        f"{path}: {place(int(wrong[0]))}: column {name}: wanted degrees from "
                        f"-{most} to {most}, got {found[wrong[0]]:g}; {len(wrong)} lines are so"
                    )
            first, second = reproject_places(first, second, "EPSG:4326", grid.crs, str(path))
        pixels = grid.pixels_at(first, second)
    absent = pixels < 0
    if absent.all():
        raise LabelsError(
            f"{path}: none of its {len(rows)} rows lies in {scene.name}; check the order of "
            f"{pair[0]} and {pair[1]}, and the scene's reference system"
        )
    notes = []
    if absent.any():
        notes.append(
            f"{int(absent.sum()):,} of {len(rows):,} rows lie outside the scene and are left out"
        )
    groups = _together(path, columns, rows, classes, place)
    held = [np.unique(pixels[g][pixels[g] >= 0]) for g in groups]
    source = {} if class_field is None else {"class_field": class_field}
    return labels_of(
        path,
        scene,
        held,
        classes[[g[0] for g in groups]],
        names,
        notes=notes,
        source=source,
        what="polygons" if "polygon" in columns else "rows",
        absent=np.array([not len(h) for h in held]),
    )


def read_rows(path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """Header in lower case, and the rows with their lines; blank lines do not count.

    Raises:
        ReadError: no text, no header or no row, or a row that is not like the header, by its line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError(f"{path}: not a readable CSV file in UTF-8 ({error})") from error
    start = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=start.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        found = [(reader.line_num, [c.strip() for c in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise ReadError(
            f"{path}: line {reader.line_num}: not a readable CSV file in UTF-8 ({error})"
        ) from error
    if len(found) < 2:
        raise ReadError(f"{path}: wanted a header such as x,y,class and rows below it")
    header = [name.lower() for name in found[0][1]]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ReadError(f"{path}: line {found[0][0]}: the column {listed(twice)} stands twice")
    bad = [(line, row) for line, row in found[1:] if len(row) != len(header)]
    if bad:
        raise ReadError(
            f"{path}: line {bad[0][0]}: {len(bad[0][1])} cells, the header has {len(header)}; "
            f"{len(bad)} lines are so"
        )
    return header, [line for line, _ in found[1:]], [row for _, row in found[1:]]


def numbers(path: Path, name: str, cells: list[str], lines: list[int]) -> NDArray[np.float64]:
    """The cells of a column as numbers.

    Raises:
        ReadError: one is no finite number, by its line.
    """
    found = np.full(len(cells), np.nan)
    for n, cell in enumerate(cells):
        try:
            found[n] = float(cell)
        except ValueError:
            continue
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        raise ReadError(
            f"{path}: line {lines[bad[0]]}: column {name}: wanted a number, got "
            f"{cells[bad[0]]!r}; {len(bad)} lines are so"
        )
    return found


def _positions(
    path: Path,
    rows: NDArray[np.float64],
    cols: NDArray[np.float64],
    scene: AnyScene,
    lines: list[int],
) -> NDArray[np.int64]:
    for name, found in (("row", rows), ("col", cols)):
        odd = np.flatnonzero((found != np.floor(found)) | (found < 0))
        if len(odd):
            raise ReadError(
                f"{path}: line {lines[odd[0]]}: column {name}: wanted a whole number from 0 up, "
                f"got {found[odd[0]]:g}"
            )
    inside = (rows < scene.shape[0]) & (cols < scene.shape[1])
    at = np.where(inside, rows, -1) * scene.shape[1] + np.where(inside, cols, scene.shape[1] - 1)
    return at.astype(np.int64)


def _together(
    path: Path,
    columns: Mapping[str, int],
    rows: list[list[str]],
    classes: NDArray[np.int64],
    place: Callable[[int], str],
) -> list[NDArray[np.int64]]:
    """Numbers of the rows that belong together, in the order of their first row."""
    if "polygon" not in columns:
        return [np.array([n]) for n in range(len(rows))]
    groups: dict[str, list[int]] = {}
    for n, row in enumerate(rows):
        groups.setdefault(row[columns["polygon"]] or f"\n{n}", []).append(n)  # no name: alone
    for name, group in groups.items():
        other = [n for n in group if classes[n] != classes[group[0]]]
        if other:
            raise LabelsError(
                f"{path}: polygon {name} has one class in {place(group[0])} and another in "
                f"{place(other[0])}; give each class a polygon of its own"
            )
    return [np.array(group) for group in groups.values()]
