"""Which of two maps is more accurate, at the points of one sample.

Points by the classes of the first map were not drawn with equal chances, so that a test that counts
them alike, as McNemar's does (Foody 2004, Photogrammetric Engineering & Remote Sensing 70), answers
for the sample and not for the map. Here the difference of two indicators, right in one map less
right in the other, is estimated like any other figure of a stratified sample: the strata are the
classes of the first map, whatever the second one says (Stehman 2014, International Journal of
Remote Sensing 35). Both maps are judged by the same points, which takes out what they share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from spectrolite.data.georeferencing import same_crs
from spectrolite.data.labels import class_name
from spectrolite.errors import ReadError, SettingsError, listed
from spectrolite.mapping.area_estimates import Share, Z, ratio_of_means, strata_of
from spectrolite.mapping.class_areas import checked_design
from spectrolite.mapping.map_file import MapFile, MapHead, open_map
from spectrolite.mapping.placed_sample import (
    check_not_trained,
    ids_called,
    inside,
    pixels_of,
    positions_of,
)
from spectrolite.readers.labels.reference_points import Sample, read_sample
from spectrolite.runs.run_folder import Run

NONE = -2  # the class of a point in a map that does not have it
FEW = 10  # points at which one map alone is right: with fewer a normal distribution is far off


@dataclass(frozen=True)
class MapComparison:
    """Two maps at the same points.

    Attributes:
        maps: the paths of their files.
        points: number of points at which both have a class.
        overall: overall accuracy of each, over the pixels where both have a class.
        alone: points at which the first alone is right, and the second alone.
        difference: accuracy of the first less that of the second, -1 to 1.
        p: two-sided, by the normal distribution, of a difference of 0.
        verdict: which is better, in a sentence.
        notes: cautions, a sentence each.
    """

    maps: tuple[str, str]
    points: int
    overall: tuple[Share, Share]
    alone: tuple[int, int]
    difference: Share
    p: float
    verdict: str
    notes: tuple[str, ...]


def compare_maps(
    one: MapFile | str | Path,
    other: MapFile | str | Path,
    *,
    sample: str | Path | None,
    design: str | None,
    run: Run | str | Path | None = None,
    merge_small: bool = False,
    class_field: str | None = None,
    skip_empty: bool = False,
    background: int | str | None = 0,
) -> MapComparison:
    """Which of two maps is more accurate, by one sample, paired, with interval and p-value.

    Args:
        one: the map whose classes the points were drawn by, if they were drawn by class.
        other: a map of the same place, maybe on another grid. Classes have the same ids or names.
        sample: as of `areas`.
        design: as of `areas`, for `one`.
        run: as of `areas`, for `one`.
        merge_small: as of `areas`.
        class_field: as of `areas`.
        skip_empty: as of `areas`.
        background: of both maps, as of `areas`.

    Raises:
        ReadError: as of `areas`; a class need only be one of either map.
        SettingsError: as of `areas`.
        RunError: as of `areas`.
    """
    if sample is None:
        raise SettingsError("--sample: wanted points of known class, which tell the maps apart")
    design = checked_design(design)
    first, second = (
        opened if isinstance(opened, MapFile) else open_map(opened, background=background)
        for opened in (one, other)
    )
    points = read_sample(sample, class_field, skip_empty=skip_empty)
    rows, cols = pixels_of(points, first.head)
    if run is not None:
        check_not_trained(points, rows, cols, first.head, run)
    truths = _truths(points, first.head.class_names, second.head.class_names)
    ids = first.at(rows, cols), _ids_in(second, points, first.head)
    has_class = ids[0] != first.head.no_data
    compared = has_class & (ids[1] != second.head.no_data)
    if not compared.any():
        raise ReadError(f"{points.name}: at none of its points both maps have a class")
    right = [(truth == found) & compared for truth, found in zip(truths, ids, strict=True)]
    names = list(first.head.class_names)
    pixels = [first.counts.get(i, 0) for i in names]
    drawn = np.array([int((ids[0] == i).sum()) for i in names])
    strata, merged = strata_of(drawn, pixels, first.head.class_names, design, merge_small)
    numbers = {names[n]: number for number, group in enumerate(strata) for n in group}
    stratum = np.array([numbers[int(i)] for i in ids[0][has_class]])
    sizes = np.array([sum(pixels[n] for n in group) for group in strata])
    figures = (right[0], right[1], right[0].astype(np.int64) - right[1])
    shares = [ratio_of_means(f[has_class], compared[has_class], stratum, sizes) for f in figures]
    a, b, difference = (share for share in shares if share is not None)
    alone = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    return MapComparison(
        (str(first.path), str(second.path)),
        int(compared.sum()),
        (a, b),
        alone,
        difference,
        _p(difference),
        _verdict(difference, (str(first.path), str(second.path))),
        (
            *first.notes,
            *second.notes,
            *points.notes,
            *merged,
            *_cautions(points, (first, second), truths, has_class, compared),
            *(
                (
                    f"only {sum(alone)} points tell the maps apart; with fewer than {FEW}, the "
                    "interval and p are rough",
                )
                if sum(alone) < FEW
                else ()
            ),
            *(
                ("not checked: whether points of the sample trained a model; give --run",)
                if run is None
                else ()
            ),
        ),
    )


def _truths(
    points: Sample, one: Mapping[int, str], other: Mapping[int, str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True class of each point by the ids of either map; -2 where a map does not have the class.

    A class is the one of the same name in the other map; without such a name, the one of the same
    id if one of the two has no name of its own.

    Raises:
        ReadError: a class that neither map has.
    """
    same = {}
    for i, name in one.items():
        named = ids_called(name, other)
        unnamed = i in other and class_name(i) in (name, other[i])
        same[i] = named[0] if len(named) == 1 else i if unnamed else NONE
    truths = []
    for text, line in zip(points.classes, points.lines, strict=True):
        own, its = ids_called(text, one), ids_called(text, other)
        if len(own) == 1:
            truths.append((own[0], same[own[0]]))
        elif not own and len(its) == 1:
            truths.append((NONE, its[0]))
        else:
            both = [f"{i} {name}" for i, name in {**other, **one}.items()]
            raise ReadError(
                f"{points.name}, line {line}: wanted a class of one of the maps, by id or name, "
                f"got {text!r}; they have {listed(both)}"
            )
    first, second = np.array(truths, np.int64).T
    return first, second


def _ids_in(second: MapFile, points: Sample, head: MapHead) -> NDArray[np.int64]:
    """Classes of the second map at the points; no data outside it.

    Raises:
        ReadError: points by row and column, and maps on different grids or in different reference
            systems.
        LabelsError: a reference system that is not understood.
    """
    own, its = head.crs, second.head.crs
    elsewhere = own is not None and its is not None and not same_crs(own, its, points.name)
    if points.in_pixels:
        same_grid = (head.shape, head.transform) == (second.head.shape, second.head.transform)
        if elsewhere or not same_grid:
            how = "in different reference systems" if same_grid else "on different grids"
            raise ReadError(
                f"{points.name}: its points are rows and columns, and the maps are {how}; give x,y"
            )
    elif elsewhere and points.crs is None:  # coordinates of the first map
        points = replace(points, crs=own)
    rows, cols = positions_of(points, second.head)
    within = inside(rows, cols, second.head)
    ids = np.full(len(rows), second.head.no_data, np.int64)
    ids[within] = second.at(rows[within].astype(np.int64), cols[within].astype(np.int64))
    return ids


def _p(difference: Share) -> float:
    if difference.error == 0:
        return 1.0 if difference.value == 0 else 0.0
    return float(2 * stats.norm.sf(abs(difference.value) / (difference.error / Z)))


def _verdict(difference: Share, paths: tuple[str, str]) -> str:
    if abs(difference.value) <= difference.error or math.isclose(difference.value, 0):
        return (
            "the sample does not tell which map is better: the 95 % interval of the difference "
            "contains 0"
        )
    return f"{paths[difference.value < 0]} is the better map"


def _cautions(
    points: Sample,
    maps: tuple[MapFile, MapFile],
    truths: tuple[NDArray[np.int64], NDArray[np.int64]],
    has_class: NDArray[np.bool_],
    compared: NDArray[np.bool_],
) -> list[str]:
    notes = []
    for one, left_out in zip(maps, (~has_class, has_class & ~compared), strict=True):
        if left_out.any():
            notes.append(
                f"{int(left_out.sum())} points are where {one.path} has no class; left out: the "
                "figures are about the pixels where both maps have one"
            )
    for one, truth in zip(maps, truths, strict=True):
        lacking = {points.classes[n] for n in np.flatnonzero(truth == NONE)}
        if lacking:
            notes.append(
                f"{one.path} has no class {listed(sorted(lacking))}; it is wrong at "
                f"{int((truth == NONE).sum())} points of it"
            )
    return notes
