"""Write points to be labelled: a number and an empty `truth` each, and no hint of their class."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import fault_of, reproject_places
from spectrolite.errors import MissingExtraError, SettingsError
from spectrolite.mapping.drawn_sample import DrawnSample
from spectrolite.mapping.geopackages import of_one_date
from spectrolite.mapping.map_file import MapFile

ENDINGS = (".gpkg", ".geojson", ".csv")


def check_points_file(out: Path, scene_map: MapFile) -> None:
    """Refuse an ending that is none, points without coordinates in a layer, a map without places.

    Raises:
        SettingsError: it is one.
        MissingExtraError: a GeoPackage, and pyogrio or shapely is not installed.
    """
    ending = out.suffix.lower()
    head = scene_map.head
    if ending not in ENDINGS:
        raise SettingsError(f"--out: wanted one of {', '.join(ENDINGS)}, got {out}")
    fault = None if head.transform is None else fault_of(head.transform)
    if fault is not None:
        raise SettingsError(
            f"{scene_map.path}: the map's transform {fault}, so its points have no places; "
            "georeference the map again"
        )
    if ending == ".csv":
        return
    if head.transform is None or head.crs is None:
        raise SettingsError(
            f"--out: {scene_map.path.name} has no "
            f"{'coordinates' if head.transform is None else 'reference system'}; take a .csv"
        )
    if ending == ".gpkg":
        try:
            import pyogrio  # noqa: F401
            import shapely  # noqa: F401
        except ImportError as error:
            raise MissingExtraError(
                f"{out}: writing a GeoPackage needs pyogrio and shapely, which are not installed; "
                "install them with: pip install 'spectrolite[geo]', or take a .geojson or .csv"
            ) from error


def longitudes_latitudes(sample: DrawnSample) -> NDArray[np.float64] | None:
    """`(points, 2)` degrees, WGS 84; None if the map has no reference system."""
    places, crs = sample.coordinates(), sample.scene_map.head.crs
    if places is None or crs is None:
        return None
    name = str(sample.scene_map.path)
    x, y = places.T
    return np.column_stack(reproject_places(x, y, crs, "EPSG:4326", name))


def write_points(path: Path, sample: DrawnSample, classes: list[str] | None) -> None:
    """Write the points: a GeoPackage in the map's reference system, GeoJSON in degrees, or a table.

    Args:
        path: of the file, by its ending.
        sample: the points; they are numbered from 1.
        classes: class of the map at each, for a column `map_class`; None keeps it from labellers.

    Raises:
        OSError: the file cannot be written.
    """
    numbers = list(range(1, len(sample) + 1))
    columns: dict[str, list[Any]] = {"point": numbers}
    if classes is not None:
        columns["map_class"] = classes
    columns["truth"] = [None] * len(sample)
    kind = path.suffix.lower()
    if kind == ".gpkg":
        _write_geopackage(path, sample, columns)
    elif kind == ".geojson":
        path.write_text(_geojson(sample, columns), encoding="utf-8")
    else:
        path.write_text(_table(sample, columns), encoding="utf-8", newline="")


def _write_geopackage(path: Path, sample: DrawnSample, columns: dict[str, list[Any]]) -> None:
    import shapely
    from pyogrio import errors, raw

    values = [
        np.array(column, np.int64 if name == "point" else object)
        for name, column in columns.items()
    ]
    try:
        with of_one_date():
            raw.write(
                path,
                shapely.to_wkb(shapely.points(sample.coordinates())),
                values,
                list(columns),
                geometry_type="Point",
                crs=sample.scene_map.head.crs,
                driver="GPKG",
                layer="points",
            )
    except (errors.DataSourceError, errors.DataLayerError, errors.FeatureError) as error:
        raise OSError(f"{path}: cannot be written ({error}); is the disk full?") from error


def _geojson(sample: DrawnSample, columns: dict[str, list[Any]]) -> str:
    """RFC 7946: one feature a line, in longitude and latitude."""
    places = longitudes_latitudes(sample)
    assert places is not None
    lines = [
        json.dumps(
            {
                "type": "Feature",
                "properties": {name: column[n] for name, column in columns.items()},
                "geometry": {"type": "Point", "coordinates": place},
            },
            ensure_ascii=False,
        )
        for n, place in enumerate(places.tolist())
    ]
    return '{"type": "FeatureCollection", "features": [\n' + ",\n".join(lines) + "\n]}\n"


def _table(sample: DrawnSample, columns: dict[str, list[Any]]) -> str:
    """Coordinates of the map, or rows and columns if it has none."""
    places, names = sample.coordinates(), ("x", "y")
    pairs = np.column_stack((sample.rows, sample.cols)) if places is None else places
    if places is None:
        names = ("row", "col")
    first, second = pairs.T.tolist()
    table = {"point": columns["point"], names[0]: first, names[1]: second, **columns}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return text.getvalue()
