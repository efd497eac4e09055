"""The area of each class, counted in the map; areas and accuracies by a sample of points.

The areas counted in a map are biased: pixels wrongly given to a class and pixels of it that were
missed do not cancel out. A sample of points whose true class is known corrects them
(`area_estimates`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import SettingsError, listed
from spectrolite.mapping.area_estimates import (
    Accuracies,
    Estimate,
    Share,
    accuracies,
    adjusted,
    strata_of,
)
from spectrolite.mapping.map_file import MapFile, open_map
from spectrolite.mapping.pixel_areas import HECTARE_M2, in_degrees, pixel_area_m2, row_areas_m2
from spectrolite.mapping.placed_sample import check_not_trained, pixels_of, truth_of
from spectrolite.readers.labels.reference_points import read_sample
from spectrolite.runs.run_folder import Run

DESIGNS = ("simple", "by-map-class")


@dataclass(frozen=True)
class Areas:
    """The areas of a map's classes.

    Attributes:
        class_names: id to name, in the map and in the sample.
        pixels: pixels of each class in the map.
        pixel_m2: area of a pixel in square metres; None if the map does not define it, or is in
            degrees, where it changes from row to row.
        mapped_ha: area of each class in the map in hectares, or None.
        adjusted: with a sample, the error-adjusted estimate of each class.
        counts: with a sample, its points: true classes along the rows, classes of the map along the
            columns, both in the order of `class_names`.
        overall: with a sample, the share of the map's pixels that are right.
        users: with a sample, of each class the share of what the map calls so that is so; None for
            a class without pixels.
        producers: with a sample, of each class the share of what is so that the map calls so; None
            for a class without points.
        notes: cautions about the figures.
    """

    class_names: Mapping[int, str]
    pixels: Mapping[int, int]
    pixel_m2: float | None
    mapped_ha: Mapping[int, float] | None
    adjusted: Mapping[int, Estimate] | None = None
    counts: tuple[tuple[int, ...], ...] | None = None
    overall: Share | None = None
    users: Mapping[int, Share | None] | None = None
    producers: Mapping[int, Share | None] | None = None
    notes: tuple[str, ...] = ()


def areas(
    scene_map: MapFile | str | Path,
    *,
    sample: str | Path | None = None,
    design: str | None = None,
    run: Run | str | Path | None = None,
    merge_small: bool = False,
    class_field: str | None = None,
    skip_empty: bool = False,
    background: int | str | None = 0,
) -> Areas:
    """The area of each class of a map; with a sample, areas and accuracies with 95 % intervals.

    Args:
        scene_map: a class map, as `map` writes it, or a GeoTIFF of whole numbers by any tool.
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
        skip_empty: leave out the points without a class, with a note.
        background: 0, which is no data; or None or `none`: 0 is a class.

    Raises:
        ReadError: a map or a sample that cannot be read, points outside the map or twice in it, or
            a class that the map does not have.
        SettingsError: a sample without its design, or one too small for an estimate; a map in which
            no pixel has a class.
        RunError: points that trained the model, or a run on another scene.
    """
    opened = (
        scene_map if isinstance(scene_map, MapFile) else open_map(scene_map, background=background)
    )
    head = opened.head
    names = head.class_names
    pixel_m2, notes = pixel_area_m2(head)
    pixels = {i: opened.counts.get(i, 0) for i in names}
    mapped = None
    if pixel_m2 is not None:
        mapped = {i: n * pixel_m2 / HECTARE_M2 for i, n in pixels.items()}
    elif (row_m2 := row_areas_m2(head)) is not None:
        mapped, notes = _by_rows(opened, row_m2), (in_degrees(row_m2),)
    notes = (*opened.notes, *notes)
    if sample is None:
        if any((design, run, merge_small, class_field, skip_empty)):
            raise SettingsError(
                "--design, --run, --class-field, --merge-small and --skip-empty: go with --sample"
            )
        return Areas(names, pixels, pixel_m2, mapped, notes=notes)
    design = checked_design(design)
    if not any(pixels.values()):
        raise SettingsError(f"{opened.path}: no pixel has a class; there is nothing to estimate")
    points = read_sample(sample, class_field, skip_empty=skip_empty)
    rows, cols = pixels_of(points, head)
    truth = truth_of(points, names)
    notes += points.notes
    if run is None:
        notes += ("not checked: whether points of the sample trained the model; give --run",)
    else:
        check_not_trained(points, rows, cols, head, run)
    in_map = opened.at(rows, cols)
    has_class = in_map != head.no_data
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
    accurate = accuracies(counts, list(pixels.values()), strata)
    return Areas(
        names,
        pixels,
        pixel_m2,
        mapped,
        dict(zip(pixels, estimates, strict=True)),
        tuple(tuple(int(n) for n in row) for row in counts),
        accurate.overall,
        dict(zip(pixels, accurate.users, strict=True)),
        dict(zip(pixels, accurate.producers, strict=True)),
        (*notes, *_without_width(accurate, counts, pixels, list(names.values()))),
    )


def _by_rows(opened: MapFile, row_m2: NDArray[np.float64]) -> dict[int, float]:
    """Hectares of each class of a map whose rows have pixels of different areas."""
    hectares = dict.fromkeys(opened.head.class_names, 0.0)
    for start, block in opened.rows():
        areas_ha = row_m2[start : start + len(block)] / HECTARE_M2
        for i in hectares:
            hectares[i] += float((block == i).sum(1) @ areas_ha)
    return hectares


def checked_design(design: str | None) -> str:
    """The design of a sample, which is never left open.

    Raises:
        SettingsError: none, or an unknown one.
    """
    if design not in DESIGNS:
        raise SettingsError(
            f"--design: wanted {' or '.join(DESIGNS)}, how the points of --sample were drawn, got "
            f"{design}"
        )
    return design


def _without_width(
    accurate: Accuracies, counts: NDArray[np.int64], pixels: Mapping[int, int], names: Sequence[str]
) -> tuple[str, ...]:
    """What to say of classes whose points are all right: ± 0 is the formula's, not the truth's."""
    points = counts.sum(0)
    alike = [
        f"{name} ({n} points: {100 * 0.05 ** (1 / n):.0f} %)"
        for name, n, size, user in zip(names, points, pixels.values(), accurate.users, strict=True)
        if user is not None and user.value == 1 and user.error == 0 and 0 < n < size
    ]
    if not alike:
        return ()
    return (
        "all points of these classes are right, so the interval of their user's accuracy has no "
        f"width; with 95 % confidence it is at least: {listed(alike)}",
    )
