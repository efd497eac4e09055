"""Draw a probability sample of pixels from a class map of any size, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import Grid
from spectrolite.errors import SettingsError, listed
from spectrolite.mapping.allocation import allocated, expected_error, shares, size_for
from spectrolite.mapping.class_areas import checked_design
from spectrolite.mapping.map_file import MapFile
from spectrolite.mapping.placed_sample import ids_called, seen_pixels
from spectrolite.runs.run_folder import Run

ACCURACY = 0.8
"""Expected user's accuracy of a class that none is given for."""
LEAST = 2
"""Points of each class that the estimate of its variance needs."""


@dataclass(frozen=True, eq=False, repr=False)
class DrawnSample:
    """Points drawn from a map, in random order, which tells nothing of their classes.

    Attributes:
        scene_map: the map.
        design: `simple` or `by-map-class`.
        allocation: how the points were shared among the classes; None for a simple design.
        rows: `(points,)` int64 row of each.
        cols: `(points,)` int64 column of each.
        classes: `(points,)` int64 class of the map at each.
        points: number of points of each class, by id.
        expected_accuracy: user's accuracy of each class that the plan assumed, 0 to 1.
        expected_error: standard error of the overall accuracy if it is so, 0 to 1.
        notes: cautions, a sentence each.
    """

    scene_map: MapFile
    design: str
    allocation: str | None
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    classes: NDArray[np.int64]
    points: Mapping[int, int]
    expected_accuracy: Mapping[int, float]
    expected_error: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """Design, map and the points of each class, in two lines."""
        names = self.scene_map.head.class_names
        how = " ".join(filter(None, (self.design, self.allocation)))
        shares = listed([f"{i} {names[i]} {n:,}" for i, n in self.points.items()])
        return f"DrawnSample {how}, {len(self):,} points on {self.scene_map.path}\n  {shares}"

    def __len__(self) -> int:
        return len(self.rows)

    def coordinates(self) -> NDArray[np.float64] | None:
        """`(points, 2)` x and y of the centres of the pixels; None if the map has no coordinates.

        In the reference system of the map.
        """
        head = self.scene_map.head
        if head.transform is None:
            return None
        grid = Grid(head.shape, head.transform, head.crs, str(self.scene_map.path))
        return np.column_stack(grid.centres(self.rows, self.cols))


def drawn(
    scene_map: MapFile,
    generator: np.random.Generator,
    design: str | None,
    *,
    points: int | None = None,
    standard_error: float | None = None,
    allocation: str | None = None,
    expected_accuracy: float | Mapping[int | str, float] | None = None,
    minimum: int | None = None,
    run: Run | str | Path | None = None,
) -> DrawnSample:
    """Draw points from a map; each is the centre of a pixel with a class, and no two are one.

    Arguments and errors as of `sample`.
    """
    design = checked_design(design)
    by_class = design == "by-map-class"
    if (points is None) == (standard_error is None):
        raise SettingsError("give one of --points and --standard-error: how many points to draw")
    if not by_class and not (allocation is None and minimum is None):
        raise SettingsError(
            "--allocation and --minimum: go with --design by-map-class; a simple sample falls "
            "where it falls"
        )
    least = LEAST if minimum is None else minimum
    if least < LEAST:
        raise SettingsError(
            f"--minimum: wanted {LEAST} or more, which the intervals need, got {minimum}"
        )
    head = scene_map.head
    ids = np.array([i for i in head.class_names if scene_map.counts.get(i)], np.int64)
    if not len(ids):
        raise SettingsError(f"{scene_map.path}: no pixel has a class; there is nothing to draw")
    names = [f"{i} {head.class_names[int(i)]}" for i in ids]
    pixels = np.array([scene_map.counts[int(i)] for i in ids], np.int64)
    accuracy = _expected(expected_accuracy, head.class_names, ids)
    seen, notes = _seen(scene_map, run)
    free = _free(scene_map, ids, pixels, seen) if len(seen) else pixels
    share = shares(allocation or "proportional", pixels, accuracy) if by_class else None
    if points is None:
        assert standard_error is not None
        points = size_for(standard_error, share, pixels, accuracy)
        if share is not None:
            points = max(points, int(np.minimum(free, least).sum()))
    if points < 1:
        raise SettingsError(f"--points: wanted 1 or more, got {points}")
    if share is not None:
        groups = [np.array([i]) for i in ids]
        wanted = allocated(points, share, free, least, names)
        error = expected_error(wanted, pixels, accuracy)
        while standard_error is not None and error > standard_error and points < free.sum():
            # the least number of points of small classes takes some from the others
            points = min(points + max(1, points // 200), int(free.sum()))
            wanted = allocated(points, share, free, least, names)
            error = expected_error(wanted, pixels, accuracy)
    else:
        if points > free.sum():
            raise SettingsError(
                f"--points: wanted at most {free.sum():,}, the pixels that can be drawn, got "
                f"{points:,}"
            )
        groups, wanted = [ids], np.array([points])
        right = float(accuracy @ pixels / pixels.sum())
        error = expected_error(wanted, np.array([pixels.sum()]), np.array([right]))
    sizes = free if by_class else np.array([free.sum()])
    ranks = [
        np.sort(generator.choice(int(size), int(count), replace=False))
        for size, count in zip(sizes, wanted, strict=True)
    ]
    flat = generator.permutation(_at_ranks(scene_map, groups, ranks, seen))
    rows, cols = np.divmod(flat, head.shape[1])
    classes = scene_map.at(rows, cols)
    of_class = {int(i): int((classes == i).sum()) for i in ids}
    notes += _cautions(names, pixels, np.array(list(of_class.values())), by_class)
    if allocation == "optimal" and len(set(accuracy)) == 1 < len(ids):
        notes += (
            "every class has the same expected accuracy, so the optimal allocation is the "
            "proportional one; give each class its own with --expected-accuracy 1=0.7,2=0.9",
        )
    return DrawnSample(
        scene_map,
        design,
        (allocation or "proportional") if by_class else None,
        rows,
        cols,
        classes,
        of_class,
        {int(i): float(a) for i, a in zip(ids, accuracy, strict=True)},
        error,
        (*scene_map.notes, *notes),
    )


def _expected(
    given: float | Mapping[int | str, float] | None,
    names: Mapping[int, str],
    ids: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Expected user's accuracy of each class of `ids`."""
    every = given if isinstance(given, int | float) else ACCURACY
    accuracy = {int(i): float(every) for i in ids}
    for key, value in given.items() if isinstance(given, Mapping) else ():
        called = ids_called(str(key), names)
        if len(called) != 1:
            raise SettingsError(
                f"--expected-accuracy: wanted a class of the map, by id or name, got {key!r}; it "
                f"has {listed([f'{i} {name}' for i, name in names.items()])}"
            )
        accuracy[called[0]] = float(value)
    odd = next((value for value in accuracy.values() if not 0 <= value <= 1), None)
    if odd is not None:
        raise SettingsError(f"--expected-accuracy: wanted shares from 0 to 1, got {odd:g}")
    return np.array([accuracy[int(i)] for i in ids])


def _seen(
    scene_map: MapFile, run: Run | str | Path | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Flat indices, ascending, of pixels with a class that a run has seen; what to say of them."""
    if run is None:
        return np.empty(0, np.int64), (
            "not checked: whether points are on pixels that trained the map; give --run if it is "
            "by this program",
        )
    seen, folder = seen_pixels(run, scene_map.head, "sample")
    seen = np.unique(seen).astype(np.int64)
    cols = scene_map.head.shape[1]
    seen = seen[scene_map.at(*np.divmod(seen, cols)) != scene_map.head.no_data]
    every = sum(n for i, n in scene_map.counts.items() if i != scene_map.head.no_data)
    return seen, (
        f"{len(seen):,} pixels ({len(seen) / every:.1%} of the map) trained or validated {folder} "
        "and are never drawn; the estimates take them to be like the rest of their class",
    )


def _free(
    scene_map: MapFile, ids: NDArray[np.int64], pixels: NDArray[np.int64], seen: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pixels of each class that can be drawn."""
    classes = scene_map.at(*np.divmod(seen, scene_map.head.shape[1]))
    return pixels - np.array([int((classes == i).sum()) for i in ids], np.int64)


def _at_ranks(
    scene_map: MapFile,
    groups: Sequence[NDArray[np.int64]],
    ranks: Sequence[NDArray[np.int64]],
    seen: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Flat index of the n-th pixel of each group of classes, for every n of its ranks.

    Args:
        scene_map: read once, some rows at a time.
        groups: classes that are counted together.
        ranks: of each group, ascending, from 0; pixels that were seen are not counted.
        seen: flat indices, ascending.
    """
    passed = np.zeros(len(groups), np.int64)
    found: list[NDArray[np.int64]] = []
    for start, block in scene_map.rows():
        first = start * block.shape[1]
        free = np.ones(block.size, bool)
        low, high = np.searchsorted(seen, (first, first + block.size))
        free[seen[low:high] - first] = False
        for n, group in enumerate(groups):
            places = np.flatnonzero(np.isin(block.ravel(), group) & free)
            low, high = np.searchsorted(ranks[n], (passed[n], passed[n] + len(places)))
            found.append(first + places[ranks[n][low:high] - passed[n]])
            passed[n] += len(places)
    return np.concatenate(found)


def _cautions(
    names: Sequence[str], pixels: NDArray[np.int64], points: NDArray[np.int64], by_class: bool
) -> tuple[str, ...]:
    """What to say of classes with too few points for an estimate."""
    few = [
        f"{name} ({n} of {size:,} pixels)"
        for name, n, size in zip(names, points.tolist(), pixels.tolist(), strict=True)
        if n < min(LEAST, size)
    ]
    if not few:
        return ()
    why = (
        "since the run has seen nearly all of their pixels"
        if by_class
        else "as chance has it: draw more, or take --design by-map-class"
    )
    return (
        f"fewer than {LEAST} points in: {listed(few)}, {why}; areas counts them with other classes "
        "only with --merge-small",
    )
