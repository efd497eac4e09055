"""Names and colours of classes in a table of their own: `id,name,colour`."""

from __future__ import annotations

import re
from pathlib import Path

from spectrolite.data.labels import MAX_ID, Colour
from spectrolite.errors import ReadError, why_no_file
from spectrolite.readers.labels.tables import ENDINGS, read_rows

COLOUR = re.compile(r"[0-9]{1,5}")
HEX = re.compile(r"#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", re.IGNORECASE)
SPELLINGS = ("colour", "color")


def read_classes(path: Path, notes: list[str]) -> tuple[dict[int, str], dict[int, Colour]]:
    """Names and colours by the ids in the file of labels.

    Args:
        path: a CSV file with the columns `id` and `name`, and `colour` if there are any: `#ff8800`,
            or red, green and blue from 0 to 255 with spaces: `255 136 0`. An empty one is none.
        notes: what is odd about the file is appended.

    Raises:
        ReadError: no such file, not a table, other columns, or a cell that is no id or colour.
    """
    if not path.is_file():
        raise ReadError(f"--classes: {path}: {why_no_file(path, ENDINGS)}")
    odd: list[str] = []
    header, lines, rows = read_rows(path, odd)
    notes.extend(f"{path.name}: {note}" for note in odd)
    columns = {name: n for n, name in enumerate(header)}
    if not {"id", "name"} <= set(columns):
        raise ReadError(f"{path}: wanted the columns id,name,colour, got {','.join(header)}")
    colour_column = next((columns[name] for name in SPELLINGS if name in columns), None)
    names: dict[int, str] = {}
    colours: dict[int, Colour] = {}
    for line, row in zip(lines, rows, strict=True):
        cell = row[columns["id"]]
        if not (cell.isascii() and cell.isdecimal() and len(cell) < 6 and int(cell) <= MAX_ID):
            raise ReadError(f"{path}: line {line}: wanted an id from 0 to {MAX_ID}, got {cell!r}")
        if int(cell) in names:
            raise ReadError(f"{path}: line {line}: class {cell} is named twice")
        names[int(cell)] = row[columns["name"]]
        if colour_column is not None and row[colour_column]:
            colours[int(cell)] = _colour(row[colour_column], f"{path}: line {line}")
    return names, colours


def _colour(text: str, where: str) -> Colour:
    hexadecimal = HEX.fullmatch(text)
    if hexadecimal is not None:
        red, green, blue = (int(pair, 16) for pair in hexadecimal.groups())
        return red, green, blue
    cells = text.replace(",", " ").split()
    if len(cells) == 3 and all(COLOUR.fullmatch(c) and int(c) < 256 for c in cells):
        return int(cells[0]), int(cells[1]), int(cells[2])
    raise ReadError(f"{where}: wanted a colour such as #ff8800 or 255 136 0, got {text[:60]!r}")
