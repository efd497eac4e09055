"""ENVI's regions of interest as text: what ENVI Classic writes as "Output ROIs to ASCII".

A header lists the regions with name, colour and number of points; the points follow, region by
region, in columns named by the header's last line: `ID X Y ...`. X and Y count pixels from 1.
Regions of the same name are one class; each region is one polygon.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.labels import Colour, Labels
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError, ReadError
from spectrolite.files import MAX_TEXT, read_bytes
from spectrolite.readers.labels.conventions import USUAL, Convention
from spectrolite.readers.labels.from_shapes import labels_from_shapes
from spectrolite.readers.text import decoded

ENDINGS = (".txt", ".roi")
START = "; ENVI Output of ROIs"


@dataclass
class Region:
    """A region, as described in the header."""

    name: str
    colour: Colour | None = None
    points: int = 0


def read(path: Path, scene: AnyScene, convention: Convention = USUAL) -> Labels:
    """Labels of the regions, on the grid of the scene that they were drawn on.

    Classes are numbered from 1 in the file's order.

    Args:
        path: of the text.
        scene: the scene whose pixels X and Y count.
        convention: what the ids mean.

    Raises:
        ReadError: not such a text, or a text that was cut off.
        LabelsError: drawn on an image of another size, or without X and Y.
    """
    notes: list[str] = []
    regions, columns, rows, dimension = _parts(path, notes)
    if dimension is not None and dimension != (scene.shape[1], scene.shape[0]):
        raise LabelsError(
            f"{path}: drawn on an image of {dimension[0]} x {dimension[1]} (columns x rows), but "
            f"{scene.name} has {scene.shape[1]} x {scene.shape[0]}; use the scene that it was "
            "drawn on, or export the regions as a Shapefile"
        )
    if not {"X", "Y"} <= set(columns):
        raise LabelsError(
            f"{path}: its points have no columns X and Y ({' '.join(columns) or 'no heading'}); "
            "export them again with pixel locations"
        )
    expected = sum(region.points for region in regions)
    if expected != len(rows):
        raise ReadError(
            f"{path}: its header says {expected} points, the file has {len(rows)}; it was "
            "cut off or edited"
        )
    cols, lines = (_pixels(path, rows, columns.index(name)) for name in ("X", "Y"))
    inside = (cols < scene.shape[1]) & (lines < scene.shape[0])
    if not inside.all():
        raise LabelsError(
            f"{path}: {int((~inside).sum())} of its points are outside {scene.name}; use the "
            "scene that it was drawn on"
        )
    names = dict(enumerate(dict.fromkeys(r.name for r in regions), start=1))
    numbers = {name: n for n, name in names.items()}
    ends = np.cumsum([region.points for region in regions])[:-1]
    held = [np.unique(p) for p in np.split(lines * scene.shape[1] + cols, ends)]
    colours = {numbers[r.name]: r.colour for r in reversed(regions) if r.colour is not None}
    return labels_from_shapes(
        path,
        scene,
        held,
        np.array([numbers[r.name] for r in regions]),
        names,
        what="regions",
        absent=np.array([region.points == 0 for region in regions]),
        colours=colours,
        notes=notes,
        source={},
        convention=convention,
    )


def _parts(
    path: Path, notes: list[str]
) -> tuple[list[Region], list[str], list[tuple[int, list[str]]], tuple[int, int] | None]:
    """Regions, names of the columns, rows of points with their line numbers, and the image size."""
    regions: list[Region] = []
    columns: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    dimension = None
    text, guessed = decoded(read_bytes(path, MAX_TEXT))
    notes.extend(guessed)
    if not text.startswith(START):
        raise ReadError(
            f"{path}: wanted a text that begins with {START!r}; export the regions with Output "
            "ROIs to ASCII, or as a Shapefile; a table of x, y, class ends in .csv"
        )
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith(";"):
            if line.split():
                rows.append((number, line.split()))
            continue
        key, _, value = line[1:].partition(":")
        key, value = key.strip().lower(), value.strip()
        numbers = [int(n) for n in re.findall(r"\d{1,18}", value)]
        if key == "roi name":
            regions.append(Region(value))
        elif key == "file dimension" and len(numbers) == 2:
            dimension = (numbers[0], numbers[1])
        elif key == "roi rgb value" and regions and len(numbers) == 3 and max(numbers) < 256:
            regions[-1].colour = (numbers[0], numbers[1], numbers[2])
        elif key == "roi npts" and regions and len(numbers) == 1:
            regions[-1].points = numbers[0]
        elif {"X", "Y"} <= set(line[1:].split()) or line[1:].split()[:1] in (["ID"], ["B1"]):
            columns = re.sub(r"\bMap [XY]\b", "Map", line[1:]).split()
    if not regions:
        raise ReadError(f"{path}: no region of interest")
    return regions, columns, rows, dimension


def _pixels(path: Path, rows: list[tuple[int, list[str]]], column: int) -> NDArray[np.int64]:
    """A column of pixel numbers, counted from 0 instead of 1."""
    numbers = np.empty(len(rows), np.int64)
    for n, (line, cells) in enumerate(rows):
        cell = cells[column] if len(cells) > column else ""
        if not re.fullmatch(r"0*[1-9]\d{0,8}", cell, re.ASCII):
            raise ReadError(
                f"{path}: line {line}: wanted a pixel number of 1 or more, got {' '.join(cells)!r}"
            )
        numbers[n] = int(cell)
    return numbers - 1
