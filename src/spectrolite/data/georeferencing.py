"""From coordinates to pixels: where a scene's pixels are, and which of them a shape holds.

Rules, stated here once:
- a polygon holds the pixels whose centre is inside it, not on its edge;
- a point holds the pixel that it is in; a pixel includes its upper and left edges;
- pixels held by shapes of two classes are unlabelled;
- shapes of one class that share a pixel count as one polygon, with the lowest of their numbers, so
  that no split separates them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spectrolite.data.lookup import LookupTable
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError

if TYPE_CHECKING:
    from shapely import Geometry

SAME_GRID = 0.01  # pixels between corners of equal grids: transforms are rounded when written
CENTRES_AT_ONCE = 1 << 20  # pixel centres tested at once, which bounds the memory

Pixels = NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a scene are.

    Args:
        shape: rows, columns.
        transform: affine transform from (col, row) to coordinates, six numbers.
        crs: coordinate reference system as WKT or a code, or None.
        name: of the scene, for messages.
        lookup: of a scene in its sensor's geometry; `shape` is then that of its grid, and pixels
            are those of the sensor.
    """

    shape: tuple[int, int]
    transform: tuple[float, ...]
    crs: str | None
    name: str
    lookup: LookupTable | None = None

    def centres(self, rows: NDArray[Any], cols: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Coordinates of the centres of pixels."""
        a, b, x, d, e, y = self.transform
        right, down = cols + 0.5, rows + 0.5
        return right * a + down * b + x, right * d + down * e + y

    def pixels_at(self, x: NDArray[Any], y: NDArray[Any]) -> Pixels:
        """Flat index of the pixel at each place; -1 outside the scene or at infinity."""
        rows, cols = self.positions(x, y)
        with np.errstate(invalid="ignore"):  # reprojection gives infinity outside a system
            inside = (rows >= 0) & (rows < self.shape[0]) & (cols >= 0) & (cols < self.shape[1])
        flat = np.full(np.shape(x), -1, np.int64)
        flat[inside] = np.floor(rows[inside]) * self.shape[1] + np.floor(cols[inside])
        return flat if self.lookup is None else self.lookup.followed(flat)

    def positions(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Places as fractional rows and columns; whole numbers are edges of pixels."""
        from rasterio import Affine

        inverse = ~Affine(*self.transform)
        with np.errstate(over="ignore", invalid="ignore"):
            cols = inverse.a * x + inverse.b * y + inverse.c
            rows = inverse.d * x + inverse.e * y + inverse.f
        return rows, cols

    def bounds(self) -> tuple[float, float, float, float]:
        """Lowest x, lowest y, highest x, highest y of the scene's corners."""
        a, b, left, d, e, top = self.transform
        corners = [(c, r) for c in (0, self.shape[1]) for r in (0, self.shape[0])]
        xs = [c * a + r * b + left for c, r in corners]
        ys = [c * d + r * e + top for c, r in corners]
        return min(xs), min(ys), max(xs), max(ys)


@dataclass(frozen=True, eq=False)
class Burnt:
    """Shapes as pixels.

    Attributes:
        array: `(rows, cols)` int32 class ids.
        polygons: `(rows, cols)` int32 number of the shape, from 1; 0 where unlabelled.
        conflicts: number of pixels held by shapes of two classes.
        merged: number of shapes that share a pixel with another shape of their class.
    """

    array: NDArray[np.int32]
    polygons: NDArray[np.int32]
    conflicts: int
    merged: int


def place_of(source: Any) -> tuple[str | None, tuple[float, ...] | None]:
    """CRS as WKT and transform of a raster that rasterio opened; None for what it lacks."""
    return (
        source.crs.to_wkt() if source.crs else None,
        None if source.transform.is_identity else tuple(source.transform)[:6],
    )


def fault_of(transform: Sequence[float]) -> str | None:
    """Why no place can be found by a transform, if so."""
    if not np.isfinite(transform).all():
        return "has numbers that are not finite"
    a, b, _, d, e, _ = transform
    return "puts all pixels on a line" if a * e == b * d else None


def grid_of(scene: AnyScene, labels: str) -> Grid:
    """The grid of a scene, on which `labels` are to be placed.

    Raises:
        LabelsError: the scene has no transform, or one that cannot be inverted.
    """
    if scene.lookup is not None:
        grid = scene.lookup
        return Grid(grid.shape, grid.transform, grid.crs, scene.name, grid)
    if scene.transform is None:
        raise LabelsError(
            f"{labels}: holds coordinates, but {scene.name} has no transform, so its pixels have "
            "none; georeference the scene, or use a raster of labels on its grid"
        )
    fault = fault_of(scene.transform)
    if fault is not None:
        raise LabelsError(
            f"{labels}: cannot be placed, because the transform of {scene.name} {fault}: "
            f"{tuple(scene.transform)}; georeference the scene again"
        )
    return Grid(scene.shape[:2], tuple(scene.transform), scene.crs, scene.name)


def check_crs(grid: Grid, crs: str | None, labels: str) -> None:
    """Refuse labels if only one of labels and scene has a coordinate reference system.

    Raises:
        LabelsError: names the one that lacks it.
    """
    if (crs is None) == (grid.crs is None):
        return
    if grid.crs is None:
        raise LabelsError(
            f"{labels}: has a coordinate reference system, but the scene {grid.name} has none; set "
            "it (gdal_edit -a_srs EPSG:CODE, or Scene(crs=...))"
        )
    raise LabelsError(
        f"{labels}: has no coordinate reference system, but the scene {grid.name} has one; store "
        "it with the labels (in QGIS: Layer > Set Layer CRS, then export)"
    )


def reproject_places(
    x: NDArray[Any], y: NDArray[Any], source: str, target: str, labels: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates in another reference system; infinite where it does not cover them.

    Raises:
        LabelsError: one of the two systems is not understood.
    """
    from rasterio import warp

    if same_crs(source, target, labels):
        return np.asarray(x, np.float64), np.asarray(y, np.float64)
    try:
        xs, ys = warp.transform(source, target, np.asarray(x, float), np.asarray(y, float))
    except Exception as error:  # rasterio passes on GDAL errors, which have no public class
        raise LabelsError(
            f"{labels}: cannot be reprojected to the scene's coordinate reference system ({error})"
        ) from error
    return np.asarray(xs, np.float64), np.asarray(ys, np.float64)


def same_crs(one: str, other: str, labels: str) -> bool:
    """Whether two coordinate reference systems are the same.

    Raises:
        LabelsError: one is not understood.
    """
    from rasterio import Env
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        with Env():  # else PROJ prints its errors
            return bool(CRS.from_user_input(one) == CRS.from_user_input(other))
    except CRSError as error:
        raise LabelsError(
            f"{labels}: a coordinate reference system is not understood ({error}); wanted WKT or "
            "a code such as EPSG:32632"
        ) from error


def pixels_of(shape: Geometry, grid: Grid) -> Pixels:
    """Flat indices of the pixels that a polygon or points hold, by the rules above.

    Args:
        shape: a polygon, polygons, a point or points, in the grid's coordinates.
        grid: of the scene.
    """
    import shapely

    if shape.geom_type in ("Point", "MultiPoint"):
        places = shapely.get_coordinates(shape)
        pixels = grid.pixels_at(places[:, 0], places[:, 1])
        return np.unique(pixels[pixels >= 0])
    left, low, right, high = shape.bounds
    rows, cols = grid.positions(
        np.array([left, left, right, right]), np.array([low, high, low, high])
    )
    first, stop = (
        (max(int(np.floor(at.min())) - 1, 0), min(int(np.ceil(at.max())) + 1, size))
        for at, size in ((rows, grid.shape[0]), (cols, grid.shape[1]))
    )
    across = np.arange(*stop)
    shapely.prepare(shape)
    held: list[Pixels] = [np.empty(0, np.int64)]
    step = max(1, CENTRES_AT_ONCE // max(1, len(across)))
    for row in range(*first, step) if len(across) else ():
        down = np.arange(row, min(row + step, first[1]))[:, None]
        x, y = np.broadcast_arrays(*grid.centres(down, across))
        inside = shapely.contains_xy(shape, x, y)
        held.append((down * grid.shape[1] + across)[inside])
    pixels = np.concatenate(held)
    if grid.lookup is None:
        return pixels
    pixels = np.unique(grid.lookup.followed(pixels))
    return pixels[pixels >= 0]


def burn(shape: tuple[int, int], pixels: Sequence[Pixels], classes: Sequence[int]) -> Burnt:
    """Put shapes on a grid, by the rules above.

    Args:
        shape: rows, columns.
        pixels: flat indices of the pixels that each shape holds, without repetition.
        classes: class id of each shape.
    """
    array, polygons = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    where = np.concatenate([np.empty(0, np.int64), *pixels])
    number = np.repeat(np.arange(len(pixels)), [len(p) for p in pixels])
    ids = np.asarray(classes, np.int32)[number] if len(where) else np.empty(0, np.int32)
    order = np.lexsort((number, where))
    where, number, ids = where[order], number[order], ids[order]
    same = where[1:] == where[:-1]
    conflicting = np.unique(where[1:][same & (ids[1:] != ids[:-1])])
    clear = ~np.isin(where, conflicting)
    linked = same & clear[1:]
    links = sparse.coo_array(
        (np.ones(int(linked.sum())), (number[:-1][linked], number[1:][linked])), [len(pixels)] * 2
    )
    group = sparse.csgraph.connected_components(links, directed=False)[1]
    _, lowest, back = np.unique(group, return_index=True, return_inverse=True)
    array.flat[where[clear]] = ids[clear]
    polygons.flat[where[clear]] = lowest[back][number[clear]] + 1
    merged = len(np.union1d(number[:-1][linked], number[1:][linked]))
    return Burnt(array, polygons, len(conflicting), merged)
