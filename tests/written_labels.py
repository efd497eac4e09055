"""Files of labels for the tests, by rasterio and pyogrio, and the scene that they lie on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from pyogrio import raw

import spectrolite as sl
from spectrolite.readers import read_labels

CRS = "EPSG:32632"


PLACE = (10.0, 0.0, 600000.0, 0.0, -10.0, 5200000.0)


SHAPE = (12, 15)


def scene(shape: tuple[int, int] = SHAPE, **changes: Any) -> sl.Scene:
    facts: dict[str, Any] = {"crs": CRS, "transform": PLACE, "name": "field", **changes}
    return sl.Scene(np.ones((*shape, 2), np.uint8), **facts)


def class_map(shape: tuple[int, int] = SHAPE, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).choice(np.array([0, 1, 2, 7], np.uint8), shape)


def geotiff(path: Path, array: NDArray[Any], **changes: Any) -> Path:
    facts = {"crs": CRS, "transform": rasterio.Affine(*PLACE), **changes}
    colours, tags = facts.pop("colours", None), facts.pop("tags", {})
    bands = array if array.ndim == 3 else array[None]
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(bands),
        height=bands.shape[1],
        width=bands.shape[2],
        dtype=array.dtype,
        **facts,
    ) as file:
        file.write(bands)
        file.update_tags(1, **tags)
        if colours:
            file.write_colormap(1, colours)
    return path


def square(row: int, col: int, side: int = 2, high: int | None = None) -> shapely.Geometry:
    """A rectangle around pixels, a quarter of a pixel wider than they are."""
    left, top = 600000 + 10 * col - 2.5, 5200000 - 10 * row + 2.5
    return shapely.box(left, top - 10 * (high or side) - 5, left + 10 * side + 5, top)


def vector(
    path: Path,
    shapes: list[Any],
    values: Any,
    field: str = "crop",
    crs: str | None = CRS,
    layer: str | None = None,
    append: bool = False,
    kind: str = "Unknown",
) -> Path:
    drivers = {
        ".gpkg": "GPKG",
        ".geojson": "GeoJSON",
        ".shp": "ESRI Shapefile",
        ".fgb": "FlatGeobuf",
    }
    raw.write(
        path,
        shapely.to_wkb(np.array(shapes, object)),
        [np.asarray(values)],
        [field],
        geometry_type=kind,
        crs=crs,
        driver=drivers[path.suffix],
        layer=layer,
        append=append,
    )
    return path


def refused(kind: type[Exception], message: str, *arguments: Any, **keywords: Any) -> None:
    with pytest.raises(kind) as caught:
        read_labels(*arguments, **keywords)
    assert str(caught.value) == message


def at(labels: sl.Labels) -> dict[tuple[int, int], int]:
    return {(int(r), int(c)): int(labels.array[r, c]) for r, c in np.argwhere(labels.array)}
