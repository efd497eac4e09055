"""Polygons and points: GeoPackage, GeoJSON, Shapefile and FlatGeobuf, through pyogrio and shapely.

Vertices are reprojected to the scene's reference system and joined by straight lines there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import Grid, check_crs, grid_of, pixels_of, reproject_places
from spectrolite.data.labels import Labels
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError, listed
from spectrolite.readers.labels.class_columns import numbered_classes
from spectrolite.readers.labels.conventions import USUAL, Convention
from spectrolite.readers.labels.features import ENDINGS as ENDINGS
from spectrolite.readers.labels.features import extent, read_features
from spectrolite.readers.labels.from_shapes import labels_from_shapes

SUPPORTED = ("Polygon", "MultiPolygon", "Point", "MultiPoint")
POINTS = {0, 4}  # shapely's type numbers of the last two


def read(
    path: Path,
    scene: AnyScene,
    layer: str | None = None,
    class_field: str | None = None,
    convention: Convention = USUAL,
) -> Labels:
    """Labels of the polygons and points of one layer, on the scene's grid.

    `Labels.polygons` numbers the features in the file's order, from 1.

    Args:
        path: of the file.
        scene: the scene whose grid the labels are put on.
        layer: name of the layer; needed if there are several.
        class_field: attribute of whole numbers or words that holds the class.
        convention: what the ids mean.

    Raises:
        ReadError: a damaged file, no such layer, or several layers and no `layer`.
        LabelsError: no such attribute, shapes that cannot be placed, values that are not classes,
            or nothing in the scene.
        MissingExtraError: pyogrio or shapely is not installed.
    """
    read = read_features(path, layer, class_field)
    import shapely  # read_features says what to install

    grid = grid_of(scene, str(path))
    features = read.shapes
    check_crs(grid, read.crs, str(path))
    where = f"{path}: attribute {read.attribute}"
    classes, names = numbered_classes(read.classes, where, lambda n: f"feature {n + 1}")
    shapeless = shapely.is_missing(features) | shapely.is_empty(features)
    _check_kinds(path, features[~shapeless])
    points = set(shapely.get_type_id(features[~shapeless]).tolist()) <= POINTS
    what = "points" if points else "polygons"
    placed, repaired = _placed(path, features, read.crs, grid)
    frame = shapely.box(*grid.bounds())
    outside = ~shapeless & ~shapely.intersects(placed, frame)
    beyond = ~shapeless & ~outside & ~shapely.covers(frame, placed)
    if (outside | shapeless).all():
        raise LabelsError(
            f"{path}: none of the {len(features)} {what} of layer {read.layer} is in {grid.name}: "
            f"they extend {extent(shapely.total_bounds(placed))}, the scene "
            f"{extent(grid.bounds())}; check both reference systems"
        )
    pixels = [
        np.empty(0, np.int64) if gone else pixels_of(shape, grid)
        for shape, gone in zip(placed, outside | shapeless, strict=True)
    ]
    if grid.lookup is not None:  # its grid is the box around the swath
        whole = replace(grid, lookup=None)
        beside = [
            not gone and not len(held) and len(pixels_of(shape, whole)) > 0
            for shape, held, gone in zip(placed, pixels, outside | shapeless, strict=True)
        ]
        outside |= np.array(beside)
    notes = list(read.notes) + [
        f"{int(mask.sum()):,} of {len(features):,} {what} {fate}"
        for mask, fate in (
            (shapeless, "have no geometry and are dropped"),
            (repaired, "intersect themselves and were repaired"),
            (outside, "are outside the scene and are dropped"),
            (beyond, "extend beyond the scene and lose that part"),
        )
        if mask.any()
    ]
    return labels_from_shapes(
        path,
        scene,
        pixels,
        classes,
        names,
        what=what,
        absent=outside | shapeless,
        notes=notes,
        source={"layer": read.layer, "class_field": read.attribute},
        convention=convention,
    )


def _check_kinds(path: Path, features: NDArray[Any]) -> None:
    other = sorted({shape.geom_type for shape in features} - set(SUPPORTED))
    if other:
        raise LabelsError(
            f"{path}: wanted polygons and points, got {listed(other)}; a line holds no pixels: "
            "draw polygons around it, or export a layer without lines"
        )


def _placed(
    path: Path, features: NDArray[Any], crs: str | None, grid: Grid
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Shapes in the grid's coordinates, empty if they have none there; and which were repaired."""
    import shapely

    placed = features.copy()
    if crs is not None and grid.crs is not None:
        at = shapely.get_coordinates(placed)
        x, y = reproject_places(at[:, 0], at[:, 1], crs, grid.crs, str(path))
        placed = shapely.set_coordinates(placed, np.stack([x, y], axis=1))
    lost = ~np.isfinite(shapely.bounds(placed)).all(axis=1)
    at, of = shapely.get_coordinates(placed, return_index=True)
    lost[of[~np.isfinite(at).all(axis=1)]] = True
    placed[lost] = shapely.Polygon()
    broken = ~shapely.is_valid(placed)
    for n in np.flatnonzero(broken):
        parts = shapely.get_parts(shapely.make_valid(placed[n]))
        placed[n] = shapely.union_all([p for p in parts if p.geom_type in SUPPORTED])
    return placed, broken
