"""Where the tiles of a mosaic lie: on the pixels of the first one, in any order.

Tiles of another kind, or off that grid, are refused: resampling them would invent spectra.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spectrolite.data.georeferencing import SAME_GRID, Grid, same_crs
from spectrolite.data.scene import Window
from spectrolite.data.summaries import crs_name
from spectrolite.data.wavelengths import where_apart
from spectrolite.errors import ReadError, listed
from spectrolite.readers.scenes.cube import Cube

SPARSEST = 100  # pixels of a mosaic for each pixel of its tiles
ALONE = "give them as several scenes, without --mosaic"

TOLD = ("tiles are read as one scene", "are in two tiles or more", "are in no tile")

Slices = tuple[slice, slice]


@dataclass(frozen=True)
class Tiles:
    """Where tiles lie on the grid that they share.

    Args:
        names: of the tiles, for messages.
        places: of each tile its window in the whole.
        transform: of the whole, six numbers.
    """

    names: tuple[str, ...]
    places: tuple[Window, ...]
    transform: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the whole."""
        return max(p.row_stop for p in self.places), max(p.col_stop for p in self.places)

    def within(self, window: Window) -> Iterator[tuple[int, Window, Slices]]:
        """Of each tile in a window: its number, the window in the tile, and its place in ours."""
        for number, tile in enumerate(self.places):
            top, bottom = _both(window.row_start, window.row_stop, tile.row_start, tile.row_stop)
            left, right = _both(window.col_start, window.col_stop, tile.col_start, tile.col_stop)
            if top < bottom and left < right:
                down, across = tile.row_start, tile.col_start
                yield (
                    number,
                    Window(top - down, bottom - down, left - across, right - across),
                    (
                        slice(top - window.row_start, bottom - window.row_start),
                        slice(left - window.col_start, right - window.col_start),
                    ),
                )

    def covered(self) -> tuple[int, int]:
        """Number of pixels in one tile or more, and in two tiles or more."""
        starts, stops = (
            np.array([[p.row_start, p.col_start] for p in self.places]),
            np.array([[p.row_stop, p.col_stop] for p in self.places]),
        )
        edges = np.unique(np.concatenate([starts[:, 1], stops[:, 1]]))
        widths = np.diff(edges)
        once = twice = 0
        for top, bottom in pairwise(
            np.unique(np.concatenate([starts[:, 0], stops[:, 0]])).tolist()
        ):
            here = (starts[:, 0] <= top) & (bottom <= stops[:, 0])
            depth = np.zeros(len(edges), np.int64)
            np.add.at(depth, np.searchsorted(edges, starts[here, 1]), 1)
            np.subtract.at(depth, np.searchsorted(edges, stops[here, 1]), 1)
            depth = np.cumsum(depth)[:-1]
            once += (bottom - top) * int(widths[depth > 0].sum())
            twice += (bottom - top) * int(widths[depth > 1].sum())
        return once, twice

    def notes(self) -> list[str]:
        """What is read: the order of the tiles, overlaps and gaps, a sentence each."""
        rows, cols = self.shape
        once, twice = self.covered()
        notes = [
            f"{len(self.places)} tiles are read as one scene, in this order: {listed(self.names)}"
        ]
        if twice:
            notes.append(
                f"{twice:,} of its {rows * cols:,} pixels are in two tiles or more; each takes its "
                "spectrum from the first that has one"
            )
        if once < rows * cols:
            notes.append(
                f"{rows * cols - once:,} of its {rows * cols:,} pixels are in no tile and have no "
                "spectrum"
            )
        return notes


def of_tiles(notes: Sequence[str]) -> list[str]:
    """The notes of `Tiles.notes` among those of a scene; one that is read again has the same."""
    return [note for note in notes if any(words in note for words in TOLD)]


def placed(cubes: Sequence[Cube], names: Sequence[str]) -> Tiles:
    """Where tiles lie, if they are of one grid and one kind.

    Args:
        cubes: of the tiles, at least one.
        names: of the tiles, for messages.

    Raises:
        ReadError: tiles of different bands, types, wavelengths, reference systems or pixels, off
            the grid of the first, or so far apart that the whole is almost empty.
        LabelsError: a reference system that is not understood.
    """
    grids = [_grid(cube, name) for cube, name in zip(cubes, names, strict=True)]
    starts = [(0, 0)]
    for cube, name, grid in zip(cubes[1:], names[1:], grids[1:], strict=True):
        _check_kind(cubes[0], names[0], cube, name)
        starts.append(_start(grids[0], grid))
    top, left = (min(start[axis] for start in starts) for axis in (0, 1))
    places = tuple(
        Window(row - top, row - top + cube.shape[0], col - left, col - left + cube.shape[1])
        for (row, col), cube in zip(starts, cubes, strict=True)
    )
    a, b, x, d, e, y = grids[0].transform
    corner = (a, b, x + left * a + top * b, d, e, y + left * d + top * e)
    tiles = Tiles(tuple(names), places, corner)
    rows, cols = tiles.shape
    own = sum(cube.shape[0] * cube.shape[1] for cube in cubes)
    if rows * cols > SPARSEST * own:
        apart = max(range(len(starts)), key=lambda n: sum(abs(at) for at in starts[n]))
        raise ReadError(
            f"{names[apart]}: lies {starts[apart][0]:,} rows and {starts[apart][1]:,} columns from "
            f"{names[0]}, so the mosaic would have {rows:,} x {cols:,} pixels, more than "
            f"{SPARSEST} times those of its tiles; {ALONE}"
        )
    return tiles


def _grid(cube: Cube, name: str) -> Grid:
    if cube.lookup is not None:
        raise ReadError(
            f"{name}: is in the geometry of its sensor and shares no grid with other tiles; {ALONE}"
        )
    if cube.transform is None:
        raise ReadError(
            f"{name}: has no transform, so its place among the tiles is unknown; georeference it, "
            f"or {ALONE}"
        )
    a, b, _, d, e, _ = cube.transform
    if a * e == b * d:
        raise ReadError(
            f"{name}: its transform puts all pixels on a line: {tuple(cube.transform)}; "
            "georeference it again"
        )
    return Grid(cube.shape[:2], tuple(cube.transform), cube.crs, name)


def _check_kind(first: Cube, first_name: str, cube: Cube, name: str) -> None:
    """Refuse a tile whose values mean something else than those of the first."""
    here, there = cube.shape[2], first.shape[2]
    if here != there:
        raise ReadError(
            f"{name}: {here} {'band' if here == 1 else 'bands'}, but {first_name} has {there}; the "
            "tiles of a mosaic have the same bands"
        )
    if cube.dtype != first.dtype:
        raise ReadError(
            f"{name}: its values are {cube.dtype.name}, but {first.dtype.name} in {first_name}; "
            f"convert one of them, or {ALONE}"
        )
    if cube.wavelengths_nm is not None and first.wavelengths_nm is not None:
        apart = where_apart(cube.wavelengths_nm, first.wavelengths_nm, first_name)
        if apart is not None:
            raise ReadError(f"{name}: {apart}; the tiles of a mosaic are of one sensor")


def _start(first: Grid, grid: Grid) -> tuple[int, int]:
    """Row and column of a tile's first pixel in the first tile's grid."""
    if not _one_crs(first, grid):
        raise ReadError(
            f"{grid.name}: its reference system is {_crs(grid)}, but {_crs(first)} in "
            f"{first.name}; warp one to the grid of the other (gdalwarp), or {ALONE}"
        )
    rows, cols = (np.array(n) for n in ([0, 0, grid.shape[0]] * 2, [0, grid.shape[1]] * 3))
    placed_rows, placed_cols = first.positions(*grid.centres(rows - 0.5, cols - 0.5))
    start = placed_rows[0], placed_cols[0]
    drift = max(
        np.abs(placed_rows - start[0] - rows).max(), np.abs(placed_cols - start[1] - cols).max()
    )
    if not drift <= SAME_GRID:
        raise ReadError(
            f"{grid.name}: its pixels are {_pixel(grid)}, but {_pixel(first)} in {first.name}; "
            f"warp one to the grid of the other (gdalwarp -tr), or {ALONE}"
        )
    whole = round(float(start[0])), round(float(start[1]))
    off = abs(start[0] - whole[0]), abs(start[1] - whole[1])
    if max(off) > SAME_GRID:
        raise ReadError(
            f"{grid.name}: lies {off[0]:.2f} rows and {off[1]:.2f} columns off the pixels of "
            f"{first.name}; up to {SAME_GRID} is taken as rounding: warp one to the grid of the "
            f"other (gdalwarp -tap), or {ALONE}"
        )
    return whole


def _one_crs(first: Grid, grid: Grid) -> bool:
    if first.crs is None or grid.crs is None or first.crs == grid.crs:
        return first.crs == grid.crs
    return same_crs(first.crs, grid.crs, grid.name)


def _crs(grid: Grid) -> str:
    return "none" if grid.crs is None else crs_name(grid.crs)


def _pixel(grid: Grid) -> str:
    a, b, _, d, e, _ = grid.transform
    return f"{a:g} x {e:g}" if not (b or d) else f"{a:g}, {b:g}, {d:g}, {e:g} (rotated)"


def _both(start: int, stop: int, other_start: int, other_stop: int) -> tuple[int, int]:
    return max(start, other_start), min(stop, other_stop)
