"""Names and colours of classes in GDAL's metadata of a raster: `NAME.aux.xml` beside it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from spectrolite.data.labels import Colour
from spectrolite.errors import ReadError
from spectrolite.files import read_bytes
from spectrolite.readers.text import decoded

MAX_AUX = 64 << 20  # bytes; an attribute table of 65,535 classes has 20 MiB

# Uses of the columns of an attribute table, by GDAL's numbers.
NAME = 2
REDS = (6, 7, 8)  # and green and blue
VALUES = (5, 3)  # the value of a row, or its lowest


def aux_names(path: Path, band: int) -> dict[int, str]:
    """Names of classes in `NAME.aux.xml` beside a raster: its categories or attribute table."""
    metadata = _aux(path, band)
    if metadata is None:
        return {}
    listed = [c.text or "" for c in metadata.findall("CategoryNames/Category")]
    rows = _table(path, metadata)
    return {**dict(enumerate(listed)), **{i: row[NAME] for i, row in rows if NAME in row}}


def aux_colours(path: Path, band: int) -> dict[int, Colour]:
    """Colours of classes in the attribute table of `NAME.aux.xml` beside a raster."""
    metadata = _aux(path, band)
    if metadata is None:
        return {}
    return {
        i: (int(row[6]), int(row[7]), int(row[8]))
        for i, row in _table(path, metadata)
        if all(use in row and _is_byte(row[use].strip()) for use in REDS)
    }


def _is_byte(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,3}", text) is not None and int(text) < 256


def _aux(path: Path, band: int) -> ElementTree.Element | None:
    """GDAL's metadata of a band, in the file `NAME.aux.xml` beside the raster."""
    beside = path.with_name(f"{path.name}.aux.xml")
    if not beside.is_file():
        return None
    content = read_bytes(beside, MAX_AUX)
    try:
        root = _parsed(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ReadError(f"{beside}: damaged ({error}); remove it") from error
    return root.find(f"PAMRasterBand[@band='{band}']")


def _parsed(raw: bytes) -> ElementTree.Element:
    """The root of XML, also where it is not in the encoding that it states."""
    try:
        return ElementTree.fromstring(raw)
    except ElementTree.ParseError:
        text, guessed = decoded(raw)
        if not guessed:
            raise
        return ElementTree.fromstring(text)


def _table(path: Path, metadata: ElementTree.Element) -> list[tuple[int, dict[int, str]]]:
    """Rows of the attribute table: class id, and the cells by the use of their column."""
    table = metadata.find("GDALRasterAttributeTable")
    if table is None:
        return []
    uses, titles, rows = [], [], []
    try:
        for column in table.findall("FieldDefn"):
            uses.append(int(column.findtext("Usage", "0")))
            titles.append(column.findtext("Name", "").lower())
        ids = next((uses.index(use) for use in VALUES if use in uses), None)
        if ids is None and "value" in titles:
            ids = titles.index("value")
        for row in table.findall("Row"):
            cells = [cell.text or "" for cell in row.findall("F")]
            index = row.get("index", "") if ids is None else cells[ids]
            rows.append((int(float(index)), dict(zip(uses, cells, strict=True))))
    except (ValueError, IndexError, OverflowError) as error:
        raise ReadError(
            f"{path.name}.aux.xml: its attribute table is damaged ({error}); remove the file"
        ) from error
    return rows
