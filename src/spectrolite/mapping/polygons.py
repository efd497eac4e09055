"""The areas of a class map as polygons for a GIS, by GDAL's own polygonize and sieve.

Pixels of one class that share an edge make a polygon. The sieve gives polygons of few pixels to
their largest neighbour. It changes the polygons only: the map keeps what the network said, which
its areas and its accuracy are about. Class 0 takes no part: it is given to no class, and a small
polygon that has no other neighbour stays.

The pixels stay in files. GDAL's memory grows with the number of polygons.
"""

from __future__ import annotations

import errno
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import MissingExtraError
from spectrolite.mapping.geopackages import of_one_date
from spectrolite.mapping.map_file import MapHead
from spectrolite.mapping.map_rows import no_georeference_allowed, read_rows
from spectrolite.mapping.pixel_areas import HECTARE_M2, pixel_area_m2, row_areas_m2

AT_A_TIME = 20_000  # polygons in memory, beside those of GDAL
PIXELS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)  # the transform of a map without one
RESERVED = re.compile("gpkg|sqlite", re.IGNORECASE)  # beginnings of names of tables
Area = tuple[list[Any], int]
"""The rings of a polygon, the outer one first, and its class."""


def need_polygons() -> tuple[Any, Any]:
    """The packages pyogrio and shapely.

    Raises:
        MissingExtraError: one is not installed.
    """
    try:
        import pyogrio
        import shapely
    except ImportError as error:
        raise MissingExtraError(
            "--polygons: needs pyogrio and shapely, which are not installed; install them with: "
            "pip install 'spectrolite[geo]'"
        ) from error
    return pyogrio, shapely


def write_polygons(path: Path, geotiff: Path, head: MapHead, sieve: int | None) -> None:
    """Write the areas of a class map as a GeoPackage with class, pixels and, if known, hectares.

    Args:
        path: the GeoPackage, in a folder for working files; its layer has the name of the map, or
            is `classes` if the format or SQLite reserve that name.
        geotiff: the class map.
        head: what it holds beside its pixels.
        sieve: polygons of fewer pixels go to their largest neighbour; None keeps all.

    Raises:
        OSError: the file cannot be written, or does not hold what was written.
    """
    pyogrio, _ = need_polygons()
    areas = _areas(geotiff, head, sieve, path.parent)
    path.unlink(missing_ok=True)
    layer = "classes" if RESERVED.match(geotiff.stem) else geotiff.stem
    written = 0
    try:
        for n in count():
            some = list(islice(areas, AT_A_TIME))
            if n and not some:
                break
            _append(path, layer, head, some)
            written += len(some)
        stored = pyogrio.read_info(path, layer=layer)["features"]
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        pyogrio.errors.FeatureError,
    ) as error:
        raise OSError(
            errno.EIO, f"cannot be written ({error}); is the disk full?", str(path)
        ) from error
    if stored != written:
        raise OSError(errno.EIO, f"it holds {stored} of {written} polygons", str(path))


def _append(path: Path, layer: str, head: MapHead, areas: Sequence[Area]) -> None:
    """Add areas to the layer, which is made by the first ones."""
    pyogrio, shapely = need_polygons()
    a, b, _, d, e, _ = head.transform or PIXELS
    shapes = np.array([shapely.Polygon(rings[0], rings[1:]) for rings, _ in areas], object)
    ids = np.array([i for _, i in areas], np.int32)
    pixels = np.rint(shapely.area(shapes) / abs(a * e - b * d)).astype(np.int64)
    names = np.array([head.class_names[i] for i in ids.tolist()], object)
    columns = {"class_id": ids, "class": names, "pixels": pixels}
    pixel_m2, _ = pixel_area_m2(head)
    if pixel_m2 is not None:
        columns["hectares"] = pixels * pixel_m2 / HECTARE_M2
    elif (row_m2 := row_areas_m2(head)) is not None:
        columns["hectares"] = shapely.area(_with_areas(shapes, head, row_m2)) / HECTARE_M2
    with of_one_date(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a map without a reference system
        pyogrio.raw.write(
            path,
            shapely.to_wkb(shapes),
            list(columns.values()),
            list(columns),
            layer=layer,
            driver="GPKG",
            geometry_type="Polygon",
            crs=head.crs,
            append=path.exists(),
        )


def _with_areas(shapes: NDArray[Any], head: MapHead, row_m2: NDArray[np.float64]) -> NDArray[Any]:
    """Polygons on a plane whose areas are theirs in square metres.

    To the right a pixel is 1 wide, and downwards it is as high as it has square metres.
    """
    import shapely

    width, _, left, _, height, top = head.transform or PIXELS
    down_m2 = np.concatenate([[0], np.cumsum(row_m2)])

    def placed(corners: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = np.rint((corners[:, 1] - top) / height).astype(np.int64)
        return np.column_stack([np.rint((corners[:, 0] - left) / width), down_m2[rows]])

    return np.asarray(shapely.transform(shapes, placed))


def _areas(geotiff: Path, head: MapHead, sieve: int | None, folder: Path) -> Iterator[Area]:
    """Each area that has a class."""
    import rasterio
    from rasterio import features

    transform = rasterio.Affine(*(head.transform or PIXELS))
    with no_georeference_allowed(), rasterio.open(geotiff, driver="GTiff") as file:
        source = rasterio.band(file, 1)
        if sieve is not None:
            source = _sieved(source, geotiff, sieve, folder)
        for shape, i in features.shapes(source, connectivity=4, transform=transform):
            rings = shape["coordinates"]
            if head.transform is None:  # rows go down, as QGIS shows such a map
                rings = [[(x, -y) for x, y in ring] for ring in rings]
            if i:
                yield rings, int(i)


def _sieved(band: Any, geotiff: Path, sieve: int, folder: Path) -> NDArray[Any]:
    """The classes without small areas, in a file of that folder."""
    from rasterio import features

    has_class = np.memmap(folder / "has_class", np.uint8, "w+", shape=band.shape)
    for start, block in read_rows(geotiff):
        has_class[start : start + len(block)] = block > 0
    classes: NDArray[Any] = np.memmap(folder / "sieved", band.dtype, "w+", shape=band.shape)
    features.sieve(band, sieve, out=classes, mask=has_class, connectivity=4)
    return classes
