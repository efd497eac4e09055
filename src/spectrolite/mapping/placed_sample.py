"""The points of a sample on a map: their pixels, their true classes, and which trained a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import Grid, check_crs, fault_of, reproject_places
from spectrolite.data.scene_sets import SceneSet
from spectrolite.errors import ReadError, RunError
from spectrolite.mapping.map_file import MapHead
from spectrolite.readers.labels.reference_points import Sample
from spectrolite.runs.run_folder import ImageRun, Run, any_run


def pixels_of(sample: Sample, head: MapHead) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each point, all inside the map and no two alike.

    Raises:
        ReadError: points outside the map, or two in one pixel.
    """
    rows, cols = positions_of(sample, head)
    outside = ~inside(rows, cols, head)
    if outside.any():
        line = sample.lines[int(outside.argmax())]
        raise ReadError(
            f"{sample.name}, line {line}: {int(outside.sum())} of {len(rows)} points are outside "
            f"the map of {head.shape[0]} x {head.shape[1]} pixels"
            + ("" if sample.in_pixels else "; are they in its reference system?")
        )
    seen: dict[tuple[int, int], int] = {}
    for row, col, line in zip(rows.astype(int), cols.astype(int), sample.lines, strict=True):
        first = seen.setdefault((row, col), line)
        if first != line:
            raise ReadError(
                f"{sample.name}: lines {first} and {line} are in one pixel, row {row}, col {col}; "
                "keep one of them"
            )
    return rows.astype(np.int64), cols.astype(np.int64)


def inside(
    rows: NDArray[np.float64], cols: NDArray[np.float64], head: MapHead
) -> NDArray[np.bool_]:
    """Whether each place is inside the map; one at infinity is not."""
    return (rows >= 0) & (rows < head.shape[0]) & (cols >= 0) & (cols < head.shape[1])


def positions_of(sample: Sample, head: MapHead) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Whole row and column of each point, which may be outside the map.

    Raises:
        ReadError: rows and columns that are not whole, or coordinates for a map without any, or
            with a transform that places nothing.
        LabelsError: a reference system that only one of sample and map has, or is not understood.
    """
    if sample.in_pixels:
        fractions = (sample.places != np.floor(sample.places)).any(1)
        if fractions.any():
            line = sample.lines[int(fractions.argmax())]
            raise ReadError(
                f"{sample.name}, line {line}: rows and columns are whole numbers from 0"
            )
        rows, cols = sample.places.T
        return rows, cols
    if head.transform is None:
        raise ReadError(
            f"{sample.name}: its points are coordinates, and the map has none; give row,col"
        )
    fault = fault_of(head.transform)
    if fault is not None:
        raise ReadError(
            f"{sample.name}: cannot be placed, because the transform of the map {fault}: "
            f"{head.transform}; georeference the map again, or give row,col"
        )
    grid = Grid(head.shape, head.transform, head.crs, sample.name)
    x, y = sample.places.T
    if sample.crs is not None:
        check_crs(grid, sample.crs, sample.name)
        x, y = reproject_places(x, y, sample.crs, str(head.crs), sample.name)
    rows, cols = map(np.floor, grid.positions(x, y))
    return rows, cols


def truth_of(sample: Sample, class_names: Mapping[int, str]) -> NDArray[np.int64]:
    """Id of each point's class.

    Raises:
        ReadError: a class that the map does not have, or a name of several of its classes.
    """
    truth = []
    for text, line in zip(sample.classes, sample.lines, strict=True):
        ids = ids_called(text, class_names)
        if len(ids) != 1:
            raise ReadError(
                f"{sample.name}, line {line}: wanted a class of the map, by id or name, got "
                f"{text!r}; it has " + ", ".join(f"{i} {n}" for i, n in class_names.items())
            )
        truth.append(ids[0])
    return np.array(truth)


def ids_called(text: str, class_names: Mapping[int, str]) -> list[int]:
    """The classes of that name, or else the one of that id."""
    ids = [i for i, name in class_names.items() if name == text]
    if not ids and text.isdecimal() and len(text) < 11 and int(text) in class_names:
        ids = [int(text)]
    return ids


def check_not_trained(
    sample: Sample,
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    head: MapHead,
    run: Run | str | Path,
) -> None:
    """Refuse points on pixels that a run trained or validated on.

    Raises:
        RunError: there are such points; or as of `seen_pixels`.
    """
    seen, folder = seen_pixels(run, head, "areas")
    trained = np.isin(rows * head.shape[1] + cols, seen)
    if trained.any():
        lines = [line for line, bad in zip(sample.lines, trained, strict=True) if bad]
        raise RunError(
            f"{sample.name}: {len(lines)} of {len(rows)} points are on pixels that {folder} "
            f"trained on, first in line {lines[0]}; an estimate needs points that it never saw"
        )


def seen_pixels(run: Run | str | Path, head: MapHead, verb: str) -> tuple[NDArray[np.int64], Path]:
    """Flat indices of the map's pixels that a run trained or validated on, and the run's folder.

    Raises:
        RunError: a run on images, on several scenes, or on a scene of another size.
    """
    opened = any_run(run)
    if isinstance(opened, ImageRun):
        raise RunError(f"{opened.path}: a run on images makes no map; name the run that made it")
    data = opened.data()
    if isinstance(data[0], SceneSet):
        raise RunError(
            f"{verb} --run: takes a run on one scene, and {opened.path} was trained on several "
            "scenes"
        )
    split = opened.split(data[1])
    shape, lookup = split.labels.shapes[0], data[0].lookup
    if lookup is not None and head.transform is not None:  # a map on the scene's grid
        if lookup.shape == head.shape:
            return np.flatnonzero(np.isin(lookup.pixels, split.seen)), opened.path
        shape = lookup.shape
    if shape != head.shape:
        raise RunError(
            f"{opened.path}: its scene has {shape[0]} x {shape[1]} pixels, the map "
            f"{head.shape[0]} x {head.shape[1]}; the run was trained on a different scene: omit "
            "--run"
        )
    return split.seen, opened.path
