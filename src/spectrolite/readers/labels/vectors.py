"""Polygons and points: GeoPackage, GeoJSON, Shapefile and FlatGeobuf, through pyogrio and shapely.

The corners are put into the scene's reference system and joined by straight lines there.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import Grid, check_crs, grid_of, pixels_of, reproject_places
from spectrolite.data.labels import Labels
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError, MissingExtraError, ReadError, listed
from spectrolite.readers.labels.class_columns import numbered_classes
from spectrolite.readers.labels.rasterised import labels_of

ENDINGS = (".gpkg", ".geojson", ".json", ".shp", ".fgb")
READ = ("Polygon", "MultiPolygon", "Point", "MultiPoint")
POINTS = {0, 4}  # shapely's type numbers of the last two


def read(
    path: Path, scene: AnyScene, layer: str | None = None, class_field: str | None = None
) -> Labels:
    """Labels of the polygons and points of one layer, on the scene's grid.

    Their numbers in `Labels.polygons` are those of the features in the file's order, from 1.

    Args:
        path: of the file.
        scene: on whose grid they are put.
        layer: name of the layer, where there are several.
        class_field: field of whole numbers or words that says the class.

    Raises:
        ReadError: a damaged file, no such layer, or several and none named.
        LabelsError: no such field, reference systems or shapes that cannot be placed, values that
            are no classes, nothing in the scene.
        MissingExtraError: pyogrio or shapely is not installed.
    """
    try:
        import pyogrio
        import shapely
        from pyogrio import errors
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: polygons and points are read with pyogrio and shapely: "
            "pip install 'spectrolite[geo]'"
        ) from error
    grid = grid_of(scene, str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # GDAL's, of what concerns neither shapes nor classes
            layer = _layer(path, layer, pyogrio.list_layers(path))
            field = _field(path, class_field, list(pyogrio.read_info(path, layer=layer)["fields"]))
            meta, _, shapes, columns = pyogrio.raw.read(
                path, layer=layer, columns=[field], force_2d=True
            )
        drawn = shapely.from_wkb(shapes)
    except (
        errors.DataSourceError,
        errors.DataLayerError,
        errors.FeatureError,
        errors.GeometryError,
        errors.CRSError,
        shapely.errors.ShapelyError,
        UnicodeDecodeError,
    ) as error:
        said = " ".join(str(error).split())
        raise ReadError(f"{path}: not a readable file of polygons or points ({said})") from error
    if not len(drawn):
        raise LabelsError(f"{path}: layer {layer} is empty; draw polygons in it, or name another")
    check_crs(grid, meta["crs"], str(path))
    where = f"{path}: field {field}"
    if columns[0].dtype.kind not in "iufO":
        raise LabelsError(f"{where}: wanted whole numbers or words, got {columns[0].dtype}")
    classes, names = numbered_classes(columns[0].tolist(), where, lambda n: f"feature {n + 1}")
    shapeless = shapely.is_missing(drawn) | shapely.is_empty(drawn)
    _check_kinds(path, drawn[~shapeless])
    points = set(shapely.get_type_id(drawn[~shapeless]).tolist()) <= POINTS
    what = "points" if points else "polygons"
    placed, repaired = _placed(path, drawn, meta["crs"], grid)
    frame = shapely.box(*grid.bounds())
    outside = ~shapeless & ~shapely.intersects(placed, frame)
    beyond = ~shapeless & ~outside & ~shapely.covers(frame, placed)
    if (outside | shapeless).all():
        raise LabelsError(
            f"{path}: none of the {len(drawn)} {what} of layer {layer} lies in {grid.name}: they "
            f"reach {_reach(shapely.total_bounds(placed))}, the scene {_reach(grid.bounds())}; "
            "check both reference systems"
        )
    notes = [
        f"{int(found.sum()):,} of {len(drawn):,} {what} {said}"
        for found, said in (
            (shapeless, "have no shape and are left out"),
            (repaired, "cross themselves and were repaired"),
            (outside, "lie outside the scene and are left out"),
            (beyond, "reach beyond the scene's edge, and lose what lies there"),
        )
        if found.any()
    ]
    pixels = [
        np.empty(0, np.int64) if gone else pixels_of(shape, grid)
        for shape, gone in zip(placed, outside | shapeless, strict=True)
    ]
    return labels_of(
        path,
        scene,
        pixels,
        classes,
        names,
        what=what,
        absent=outside | shapeless,
        notes=notes,
        source={"layer": layer, "class_field": field},
    )


def _layer(path: Path, layer: str | None, found: NDArray[Any]) -> str:
    """The layer of that name, or the only one with shapes."""
    every = [str(name) for name, _ in found]
    drawn = [str(name) for name, kind in found if kind is not None]  # QGIS keeps styles as a table
    if layer is not None:
        if layer not in every:
            raise ReadError(f"{path}: no layer {layer!r} in it, only {listed(every)}")
        return layer
    if not drawn:
        raise ReadError(f"{path}: no layer with shapes in it, only {listed(every) or 'nothing'}")
    if len(drawn) > 1:
        raise ReadError(f"{path}: several layers: {listed(drawn)}; choose one with --layer")
    return drawn[0]


def _field(path: Path, name: str | None, fields: list[str]) -> str:
    if name is None:
        raise LabelsError(
            f"{path}: which field says the class? Choose one with --class-field: "
            f"{listed(fields) or 'there is none'}"
        )
    if name not in fields:
        raise LabelsError(
            f"{path}: --class-field: no field {name!r} in it, only {listed(fields) or 'none'}"
        )
    return name


def _check_kinds(path: Path, drawn: NDArray[Any]) -> None:
    other = sorted({shape.geom_type for shape in drawn} - set(READ))
    if other:
        raise LabelsError(
            f"{path}: wanted polygons and points, got {listed(other)}; a line holds no pixel: draw "
            "polygons around it, or export a layer without"
        )


def _placed(
    path: Path, drawn: NDArray[Any], crs: str | None, grid: Grid
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Shapes in the grid's coordinates, empty where they have no place there; which were mended."""
    import shapely

    placed = drawn.copy()
    if crs is not None and grid.crs is not None:
        at = shapely.get_coordinates(placed)
        x, y = reproject_places(at[:, 0], at[:, 1], crs, grid.crs, str(path))
        placed = shapely.set_coordinates(placed, np.stack([x, y], axis=1))
    lost = ~np.isfinite(shapely.bounds(placed)).all(axis=1)
    placed[lost] = shapely.Polygon()
    broken = ~shapely.is_valid(placed)
    for n in np.flatnonzero(broken):
        parts = shapely.get_parts(shapely.make_valid(placed[n]))
        placed[n] = shapely.union_all([p for p in parts if p.geom_type in READ])
    return placed, broken


def _reach(bounds: Any) -> str:
    left, low, right, high = (f"{value:.8g}" for value in bounds)
    return f"from ({left}, {low}) to ({right}, {high})"
