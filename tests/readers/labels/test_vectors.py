"""Polygons and points, in files that pyogrio wrote from a list of shapes."""

from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pyogrio import raw
from rasterio import warp

from spectrolite.errors import LabelsError, MissingExtraError, ReadError
from spectrolite.readers import read_labels
from written_labels import CRS, SHAPE, refused, scene, square, vector


@pytest.mark.parametrize("ending", [".gpkg", ".geojson", ".shp", ".fgb"])
@pytest.mark.parametrize("crs", [CRS, "EPSG:4326"])
def test_polygons_of_every_format(tmp_path: Path, ending: str, crs: str) -> None:
    shapes = np.array([square(1, 1), square(4, 2, 3), square(8, 10)], object)
    moved = shapely.transform(
        shapes, lambda at: np.stack(warp.transform(CRS, crs, at[:, 0], at[:, 1]), axis=1)
    )
    crops = np.array(["wheat", "maize", "wheat"], object)
    path = vector(tmp_path / f"plots{ending}", list(moved), crops, crs=crs, kind="Polygon")
    labels = read_labels(path, scene=scene(), class_field="crop")
    wanted, polygons = np.zeros(SHAPE, int), np.zeros(SHAPE, int)
    for n, (place, i) in enumerate(
        (
            ((slice(1, 3), slice(1, 3)), 2),
            ((slice(4, 7), slice(2, 5)), 1),
            ((slice(8, 10), slice(10, 12)), 2),
        )
    ):
        wanted[place] = i
        polygons[place] = n + 1
    np.testing.assert_array_equal(labels.array, wanted)
    if ending != ".fgb":  # which sorts its features by place
        np.testing.assert_array_equal(labels.polygons, polygons)
    assert labels.class_names == {1: "maize", 2: "wheat"}
    assert labels.source == {"file": str(path), "layer": "plots", "class_field": "crop"}
    assert labels.notes == ()
    source = labels.source
    again = read_labels(
        source["file"], scene=scene(), layer=source["layer"], class_field=source["class_field"]
    )
    assert again.sha256 == labels.sha256


def test_points(tmp_path: Path) -> None:
    points = [
        shapely.Point(600000 + 10 * c + 1, 5200000 - 10 * r - 9)
        for r, c in ((0, 0), (3, 4), (3, 4))
    ]
    path = vector(tmp_path / "p.gpkg", [*points, shapely.Point(0, 0)], [5, 300, 300, 5])
    labels = read_labels(path, scene=scene(), class_field="crop")
    assert {tuple(at): int(labels.array[*at]) for at in np.argwhere(labels.array)} == {
        (0, 0): 5,
        (3, 4): 300,
    }
    assert np.asarray(labels.polygons)[[0, 3], [0, 4]].tolist() == [1, 2]
    assert labels.notes == (
        "1 of 4 points are outside the scene and are dropped",
        "id 300 stands far above 5: if it means unlabelled, give --ignore 300",
        "2 points share pixels with others of their class and are merged with them",
    )


def test_layers(tmp_path: Path) -> None:
    path = vector(tmp_path / "two.gpkg", [square(1, 1)], [4], layer="south")
    vector(path, [square(5, 5), square(8, 8)], [1, 2], layer="north", append=True)
    known: dict[str, Any] = {"scene": scene(), "class_field": "crop"}
    refused(
        ReadError, f"{path}: several layers: south, north; choose one with --layer", path, **known
    )
    refused(ReadError, f"{path}: no layer 'east', only south, north", path, layer="east", **known)
    assert read_labels(path, layer="north", **known).counts() == {1: 4, 2: 4}
    empty = vector(tmp_path / "empty.gpkg", [], np.array([], np.int32), layer="plots")
    refused(
        LabelsError,
        f"{empty}: layer plots is empty; draw polygons in it, or name another",
        empty,
        **known,
    )


def test_the_class_field(tmp_path: Path) -> None:
    path = vector(tmp_path / "plots.gpkg", [square(1, 1), square(5, 5)], [4, 70000])
    two = tmp_path / "two.gpkg"
    raw.write(
        two,
        shapely.to_wkb([square(1, 1)]),
        [np.array([4]), np.array([9])],
        ["crop", "plot"],
        geometry_type="Polygon",
        crs=CRS,
        driver="GPKG",
    )
    refused(
        LabelsError,
        f"{two}: name the attribute that holds the class with --class-field; the file has: crop, "
        "plot",
        two,
        scene=scene(),
    )
    refused(
        LabelsError,
        f"{path}: --class-field: no attribute 'kind', only crop",
        path,
        scene=scene(),
        class_field="kind",
    )
    refused(
        LabelsError,
        f"{path}: attribute crop: wanted whole numbers from 0 (unlabelled) to 65535, got 70000, "
        "first in "
        "feature 2; renumber the classes",
        path,
        scene=scene(),
        class_field="crop",
    )


def test_shapes_that_cannot_be_placed(tmp_path: Path) -> None:
    known: dict[str, Any] = {"scene": scene(), "class_field": "crop"}
    away = vector(tmp_path / "away.gpkg", [square(500, 500), square(510, 500)], [1, 2])
    refused(
        LabelsError,
        f"{away}: none of the 2 polygons of layer away is in field: they extend from (604997.5, "
        "5194877.5) to (605022.5, 5195002.5), the scene from (600000, 5199880) to (600150, "
        "5200000); "
        "check both reference systems",
        away,
        **known,
    )
    line = shapely.LineString([(600000, 5200000), (600100, 5199900)])
    lines = vector(tmp_path / "lines.gpkg", [line, square(1, 1)], [1, 2])
    refused(
        LabelsError,
        f"{lines}: wanted polygons and points, got LineString; a line holds no pixels: draw "
        "polygons around it, or export a layer without lines",
        lines,
        **known,
    )
    with pytest.warns(UserWarning, match="crs"):
        bare = vector(tmp_path / "bare.gpkg", [square(1, 1)], [1], crs=None)
    refused(
        LabelsError,
        f"{bare}: has no coordinate reference system, but the scene field has one; store it with "
        "the "
        "labels (in QGIS: Layer > Set Layer CRS, then export)",
        bare,
        **known,
    )
    assert read_labels(bare, scene=scene(crs=None), class_field="crop").counts() == {1: 4}
    refused(
        LabelsError,
        f"{bare}: holds coordinates and needs the scene's grid: read_labels(path, scene=scene); or "
        "use a raster",
        bare,
    )
    garbage = tmp_path / "garbage.gpkg"
    garbage.write_bytes(b"no database" * 50)
    with pytest.raises(
        ReadError, match=rf"^{garbage}: not a readable file of polygons or points \("
    ):
        read_labels(garbage, **known)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = vector(tmp_path / "plots.gpkg", [square(1, 1)], [1])
    real = builtins.__import__

    def missing(name: str, *arguments: Any) -> Any:
        if name == "pyogrio":
            raise ModuleNotFoundError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, "pyogrio")
    refused(
        MissingExtraError,
        f"{path}: reading polygons and points needs pyogrio and shapely, which are not installed; "
        "install them with: pip install 'spectrolite[geo]'",
        path,
        scene=scene(),
        class_field="crop",
    )


def test_geojson_in_metres(tmp_path: Path) -> None:
    """Without the member `crs` it is in degrees; with it, as GDAL wrote it before RFC 7946."""
    path = vector(tmp_path / "p.geojson", [square(1, 1)], ["oats"])
    content = json.loads(path.read_text())
    assert "32632" in str(content.pop("crs"))
    path.write_text(json.dumps(content))
    refused(
        LabelsError,
        f"{path}: its coordinates extend from (600007.5, 5199967.5) to (600032.5, 5199992.5), but "
        "GeoJSON that does not name its reference system is in degrees (RFC 7946); export it in "
        "longitude and latitude, or as a GeoPackage, or name the system in it: "
        '"crs": {"type": "name", "properties": {"name": "EPSG:32632"}} with your code',
        path,
        scene=scene(),
        class_field="crop",
    )
    content["crs"] = {"type": "name", "properties": {"name": "EPSG:32632"}}
    path.write_text(json.dumps(content))
    labels = read_labels(path, scene=scene(), class_field="crop")
    assert (labels.array > 0).sum() == 4
    package = vector(tmp_path / "p.gpkg", [square(1, 1)], ["oats"], crs="EPSG:4326")
    refused(
        LabelsError,
        f"{package}: its coordinates extend from (600007.5, 5199967.5) to (600032.5, 5199992.5), "
        "but its reference system is in degrees (EPSG:4326); correct its reference system",
        package,
        scene=scene(),
        class_field="crop",
    )


def test_a_vertex_that_is_no_number(tmp_path: Path) -> None:
    with np.errstate(invalid="ignore"):
        broken = shapely.Polygon([(600000, 5200000), (np.nan, 5199990), (600010, 5199980)])
    path = vector(tmp_path / "p.gpkg", [square(1, 1), broken], [4, 5])
    labels = read_labels(path, scene=scene(), class_field="crop")
    assert labels.class_ids == (4,)
