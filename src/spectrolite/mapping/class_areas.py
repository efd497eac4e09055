"""The area of each class: counted in the map, and corrected by a sample of reference points.

The areas counted in a map are biased: pixels wrongly given to a class and pixels of it that were
missed do not cancel out. A sample of points whose true class is known corrects them
(`area_estimates`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import Grid, check_crs, reproject_places
from spectrolite.errors import ReadError, RunError, SettingsError
from spectrolite.mapping.area_estimates import Estimate, adjusted, strata_of
from spectrolite.mapping.map_file import MapFile, MapHead, open_map
from spectrolite.readers.labels.reference_points import Sample, read_sample
from spectrolite.runs.run_folder import ImageRun, Run, any_run, check_one_scene

HECTARE_M2 = 10_000
DESIGNS = ("simple", "by-map-class")


@dataclass(frozen=True)
class Areas:
    """The areas of a map's classes.

    Attributes:
        class_names: id to name, in the map and in the sample.
        pixels: pixels of each class in the map.
        pixel_m2: area of a pixel in square metres, or None if the map does not define it.
        mapped_ha: area of each class in the map in hectares, or None.
        adjusted: with a sample, the error-adjusted estimate of each class.
        counts: with a sample, its points: true classes along the rows, classes of the map along the
            columns, both in the order of `class_names`.
        notes: cautions about the figures.
    """

    class_names: Mapping[int, str]
    pixels: Mapping[int, int]
    pixel_m2: float | None
    mapped_ha: Mapping[int, float] | None
    adjusted: Mapping[int, Estimate] | None = None
    counts: tuple[tuple[int, ...], ...] | None = None
    notes: tuple[str, ...] = ()


def areas(
    scene_map: MapFile | str | Path,
    *,
    sample: str | Path | None = None,
    design: str | None = None,
    run: Run | str | Path | None = None,
    merge_small: bool = False,
    class_field: str | None = None,
) -> Areas:
    """The area of each class of a map, with a sample also error-adjusted with 95 % intervals.

    Args:
        scene_map: a class map, as `map` writes it.
        sample: CSV with the columns `row,col,class` (from 0) or `x,y,class` (coordinates of the
            map), or a layer of points: one line a point, drawn at random, with its true class as id
            or name.
        design: how they were drawn: `simple`, at random from the whole map; `by-map-class`, a fixed
            number in each class of the map. Both use the same estimator; for a simple sample it is
            the poststratified one.
        run: the run that made the map; points on its training or validation pixels are refused.
        merge_small: count the classes of the map with fewer than two points as one stratum. A class
            whose pixels are all in the sample needs no second point, and has no sampling error.
        class_field: column or attribute of the sample that holds the class; default: `class`, or
            the only attribute.

    Raises:
        ReadError: a map or a sample that cannot be read, points outside the map or twice in it, or
            a class that the map does not have.
        SettingsError: a sample without its design, or one too small for an estimate.
        RunError: points that trained the model, or a run on another scene.
    """
    opened = scene_map if isinstance(scene_map, MapFile) else open_map(scene_map)
    head = opened.head
    names = head.class_names
    pixel_m2, notes = pixel_area_m2(head)
    notes += opened.notes
    pixels = {i: opened.counts.get(i, 0) for i in names}
    mapped = None
    if pixel_m2 is not None:
        mapped = {i: n * pixel_m2 / HECTARE_M2 for i, n in pixels.items()}
    if sample is None:
        if design is not None or run is not None or merge_small or class_field is not None:
            raise SettingsError(
                "--design, --run, --class-field and --merge-small: go with --sample"
            )
        return Areas(names, pixels, pixel_m2, mapped, notes=notes)
    if design not in DESIGNS:
        raise SettingsError(
            f"--design: wanted {' or '.join(DESIGNS)}, how the points of --sample were drawn, got "
            f"{design}"
        )
    points = read_sample(sample, class_field)
    rows, cols = _pixels(points, head)
    truth = _truth(points, names)
    notes += points.notes
    if run is None:
        notes += ("not checked: whether points of the sample trained the model; give --run",)
    else:
        _check_not_trained(points, rows, cols, head, run)
    in_map = opened.at(rows, cols)
    has_class = in_map > 0
    if not has_class.all():
        notes += (f"{int((~has_class).sum())} points are where the map has no class; left out",)
    ids = np.array(list(names))
    counts = np.zeros((len(ids), len(ids)), np.int64)
    at = np.searchsorted(ids, truth[has_class]), np.searchsorted(ids, in_map[has_class])
    np.add.at(counts, at, 1)
    total_ha = None if mapped is None else sum(mapped.values())
    strata, merged = strata_of(counts.sum(0), list(pixels.values()), names, design, merge_small)
    notes += merged
    estimates = adjusted(counts, list(pixels.values()), strata, total_ha)
    return Areas(
        names,
        pixels,
        pixel_m2,
        mapped,
        dict(zip(pixels, estimates, strict=True)),
        tuple(tuple(int(n) for n in row) for row in counts),
        notes,
    )


def pixel_area_m2(head: MapHead) -> tuple[float | None, tuple[str, ...]]:
    """Square metres of a pixel, or None and a note that says why."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    if head.crs is None or head.transform is None:
        return None, ("no areas: the map has no reference system and grid, only pixels",)
    crs = CRS.from_user_input(head.crs)
    try:
        metres = float(crs.linear_units_factor[1]) if crs.is_projected else None
    except CRSError:
        metres = None
    if metres is None:
        why = "the map's reference system is not projected"
        if crs.is_geographic:
            why = "the map is in degrees, so the area of a pixel changes with its latitude"
        return None, (f"no areas: {why}; map a scene in a projected reference system",)
    a, b, _, d, e, _ = head.transform
    notes: tuple[str, ...] = ()
    if 'PROJECTION["Mercator' in crs.to_wkt():
        notes = ("areas in a Mercator projection are too large, fourfold at 60 degrees latitude",)
    return abs(a * e - b * d) * metres**2, notes


def _pixels(sample: Sample, head: MapHead) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each point, all inside the map and no two alike."""
    if sample.in_pixels:
        fractions = (sample.places != np.floor(sample.places)).any(1)
        if fractions.any():
            line = sample.lines[int(fractions.argmax())]
            raise ReadError(
                f"{sample.name}, line {line}: rows and columns are whole numbers from 0"
            )
        rows, cols = sample.places.T
    else:
        if head.transform is None:
            raise ReadError(
                f"{sample.name}: its points are coordinates, and the map has none; give row,col"
            )
        grid = Grid(head.shape, head.transform, head.crs, sample.name)
        x, y = sample.places.T
        if sample.crs is not None:
            check_crs(grid, sample.crs, sample.name)
            x, y = reproject_places(x, y, sample.crs, str(head.crs), sample.name)
        rows, cols = map(np.floor, grid.positions(x, y))
    outside = ~((rows >= 0) & (rows < head.shape[0]) & (cols >= 0) & (cols < head.shape[1]))
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


def _truth(sample: Sample, class_names: Mapping[int, str]) -> NDArray[np.int64]:
    """Id of each point's class."""
    by_name: dict[str, list[int]] = {}
    for i, name in class_names.items():
        by_name.setdefault(name, []).append(i)
    truth = []
    for text, line in zip(sample.classes, sample.lines, strict=True):
        ids = by_name.get(text, [])
        if not ids and text.isdecimal() and int(text) in class_names:
            ids = [int(text)]
        if len(ids) != 1:
            raise ReadError(
                f"{sample.name}, line {line}: wanted a class of the map, by id or name, got "
                f"{text!r}; it has " + ", ".join(f"{i} {n}" for i, n in class_names.items())
            )
        truth.append(ids[0])
    return np.array(truth)


def _check_not_trained(
    sample: Sample,
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    head: MapHead,
    run: Run | str | Path,
) -> None:
    """Refuse points on pixels that a run trained or validated on.

    Raises:
        RunError: there are such points; or the run is on images, or on a scene of another size.
    """
    opened = any_run(run)
    if isinstance(opened, ImageRun):
        raise RunError(f"{opened.path}: a run on images makes no map; name the run that made it")
    data = opened.data()
    check_one_scene(opened, data, "areas --run")
    split = opened.split(data[1])
    shape = split.labels.shapes[0]
    if shape != head.shape:
        raise RunError(
            f"{opened.path}: its scene has {shape[0]} x {shape[1]} pixels, the map "
            f"{head.shape[0]} x {head.shape[1]}; the run was trained on a different scene: omit "
            "--run"
        )
    trained = np.isin(rows * head.shape[1] + cols, split.seen)
    if trained.any():
        lines = [line for line, bad in zip(sample.lines, trained, strict=True) if bad]
        raise RunError(
            f"{sample.name}: {len(lines)} of {len(rows)} points are on pixels that {opened.path} "
            f"trained on, first in line {lines[0]}; an estimate needs points that it never saw"
        )
