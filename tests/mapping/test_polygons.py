"""`--polygons` and `--sieve`: the areas of a map for a GIS.

Independent references: pyogrio's and shapely's reading, rasterio's rasterize, areas known by
construction.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.features
import shapely
from numpy.typing import NDArray

import spectrolite as sl
from spectrolite.errors import MissingExtraError, RunError, SettingsError
from spectrolite.mapping import polygons as module
from spectrolite.mapping.geotiff import geotiff_bytes
from spectrolite.mapping.large_maps import map_scene
from spectrolite.mapping.map_file import MapHead
from spectrolite.mapping.pixel_areas import row_areas_m2
from spectrolite.mapping.polygons import write_polygons

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1"
TRANSFORM = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_200_000.0)
WKT = rasterio.crs.CRS.from_epsg(32632).to_wkt()
NAMES = {2: "Corn & <rye>", 300: "Grünland"}
HEAD = MapHead((20, 24), NAMES, {2: (1, 2, 3), 300: (4, 5, 6)}, WKT, TRANSFORM)


@pytest.fixture
def classes() -> NDArray[np.uint16]:
    """Two classes, no data; small areas in the other class, at a corner, and amid no data."""
    array = np.full((20, 24), 2, np.uint16)
    array[10:] = 300
    array[3:5, 3:6] = 300  # 6 pixels in class 2
    array[15, 15] = 2  # 1 pixel in class 300
    array[16, 16] = 2  # another, at its corner
    array[0:6, 18:24] = 0  # 36 pixels without data
    array[2, 20] = 300  # 1 pixel amid them
    array[12:14, 3:5] = 0  # 4 without data in class 300
    return array


def written(
    folder: Path, classes: NDArray[Any], sieve: int | None = None, head: MapHead = HEAD
) -> tuple[Any, Any, dict[str, Any]]:
    """Shapes, reference system and columns of the layer."""
    (folder / "map.tif").write_bytes(geotiff_bytes(head, "class", classes))
    write_polygons(folder / "out.gpkg", folder / "map.tif", head, sieve)
    meta, _, shapes, columns = pyogrio.raw.read(folder / "out.gpkg", layer="map")
    return shapely.from_wkb(shapes), meta["crs"], dict(zip(meta["fields"], columns, strict=True))


def burnt(shapes: Any, ids: Any, head: MapHead = HEAD) -> NDArray[Any]:
    transform = rasterio.Affine(*(head.transform or (1, 0, 0, 0, -1, 0)))
    pairs = zip(shapes, ids.tolist(), strict=True)
    burnt_in = rasterio.features.rasterize(pairs, head.shape, transform=transform, dtype="int32")
    return np.asarray(burnt_in)


@pytest.mark.parametrize("at_a_time", [20_000, 2])
def test_polygons_are_the_map(
    classes: NDArray[np.uint16],
    tmp_path: Path,
    at_a_time: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AT_A_TIME", at_a_time)
    shapes, crs, columns = written(tmp_path, classes)
    assert crs == "EPSG:32632"
    assert list(columns) == ["class_id", "class", "pixels", "hectares"]
    assert np.array_equal(burnt(shapes, columns["class_id"]), classes)
    assert sorted(columns["pixels"].tolist()) == [1, 1, 1, 6, 198, 234]
    assert columns["pixels"].sum() == (classes > 0).sum()
    assert columns["class"].tolist() == [NAMES[i] for i in columns["class_id"]]
    assert np.array_equal(columns["hectares"], columns["pixels"] * 0.01)
    assert shapely.is_valid(shapes).all()


def test_the_sieve_gives_small_areas_to_their_neighbour_and_no_data_to_none(
    classes: NDArray[np.uint16], tmp_path: Path
) -> None:
    before = classes.copy()
    shapes, _, columns = written(tmp_path, classes, sieve=7)
    expected = classes.copy()
    expected[3:5, 3:6], expected[15, 15], expected[16, 16] = 2, 300, 300
    assert np.array_equal(burnt(shapes, columns["class_id"]), expected)
    assert sorted(columns["pixels"].tolist()) == [1, 204, 236]  # the one amid no data stays
    with rasterio.open(tmp_path / "map.tif") as file:
        assert np.array_equal(file.read(1), before)
    _, _, columns = written(tmp_path, classes, sieve=6)
    assert sorted(columns["pixels"].tolist()) == [1, 6, 198, 236]


def test_a_map_without_a_place_or_without_a_class(
    classes: NDArray[np.uint16], tmp_path: Path
) -> None:
    nowhere = MapHead((20, 24), NAMES, HEAD.class_colours)
    shapes, crs, columns = written(tmp_path, classes, head=nowhere)
    assert crs is None
    assert list(columns) == ["class_id", "class", "pixels"]
    assert np.array_equal(burnt(shapes, columns["class_id"], nowhere), classes)
    shapes, _, columns = written(tmp_path, np.zeros_like(classes))
    assert (len(shapes), list(columns)) == (0, ["class_id", "class", "pixels", "hectares"])


@pytest.mark.parametrize("step", [-0.5, 0.5])
def test_hectares_in_degrees_are_those_of_the_map(
    classes: NDArray[np.uint16], tmp_path: Path, step: float
) -> None:
    """Summed row by row, by another way than that of the polygons."""
    wkt = rasterio.crs.CRS.from_epsg(4326).to_wkt()
    head = replace(HEAD, crs=wkt, transform=(0.5, 0.0, 9.0, 0.0, step, 60.0))
    _, _, columns = written(tmp_path, classes, head=head)
    ids = columns["class_id"]
    of_classes = {i: columns["hectares"][ids == i].sum() for i in NAMES}
    assert of_classes == pytest.approx(dict(sl.areas(tmp_path / "map.tif").mapped_ha or {}))
    single = columns["hectares"][columns["pixels"] == 1]
    rows_m2 = row_areas_m2(head)
    assert rows_m2 is not None
    np.testing.assert_allclose(sorted(single), sorted(rows_m2[[2, 15, 16]] / 1e4), rtol=1e-9)


@pytest.mark.parametrize("stem", ["gpkg_a", "SQLite_b", "rtree_c", "Class"])
def test_names_that_geopackages_reserve(
    classes: NDArray[np.uint16], tmp_path: Path, stem: str
) -> None:
    path = tmp_path / f"{stem}.tif"
    path.write_bytes(geotiff_bytes(HEAD, "class", classes))
    write_polygons(tmp_path / "out.gpkg", path, HEAD, None)
    layer = stem if stem in ("Class", "rtree_c") else "classes"
    assert pyogrio.list_layers(tmp_path / "out.gpkg").tolist() == [[layer, "Polygon"]]


@pytest.fixture(scope="module")
def scene() -> sl.Scene:
    return sl.Scene(np.load(OLD / "scene.npy"), crs=WKT, transform=TRANSFORM)


def test_a_map_writes_them_whole_or_not_at_all(
    scene: sl.Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder of their own; a full disk leaves what was there, and the map can go on."""
    out, place = tmp_path / "map.tif", tmp_path / "gis" / "fields.gpkg"
    flags: dict[str, Any] = {"polygons": place, "sieve": 4, "reject": 0.4}
    place.parent.mkdir()
    place.write_bytes(b"of before")
    with pytest.raises(RunError) as caught:
        map_scene(OLD / "scene_run", scene, out=out, **flags)
    assert str(caught.value) == (
        f"{place} exists; take another --polygons, or replace it with --overwrite"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["gis"]

    def full(*_: Any, **__: Any) -> None:
        raise pyogrio.errors.DataLayerError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(pyogrio.raw, "write", full)
        with pytest.raises(OSError, match=r"cannot be written \(database or disk is") as stop:
            map_scene(OLD / "scene_run", scene, out=out, overwrite=True, **flags)
    assert stop.value.errno == errno.EIO
    assert stop.value.__notes__ == [
        "every window is computed; go on with the same command and --resume"
    ]
    assert place.read_bytes() == b"of before"
    assert not out.exists()
    made = map_scene(OLD / "scene_run", scene, out=out, resume=True, **flags)
    assert [p.name for p in place.parent.iterdir()] == ["fields.gpkg"]
    meta, _, _, columns = pyogrio.raw.read(place)
    pixels = dict(zip(meta["fields"], columns, strict=True))["pixels"]
    assert made.counts[0] == made.rejected > 0
    assert pixels.sum() == 440 - made.counts[0]
    read = sl.read_labels(place, scene=scene, class_field="class_id")
    assert ((read.array == 0) == (made.classes == 0)).all()


def test_what_is_refused(
    typed: Callable[..., tuple[int, str, str]],
    scene: sl.Scene,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases: tuple[tuple[str, dict[str, Any]], ...] = (
        ("--sieve: goes with --polygons, which it makes fewer", {"sieve": 10}),
        (
            "--polygons: wanted a name that ends in .gpkg, got fields.shp",
            {"polygons": "fields.shp"},
        ),
        ("--sieve: wanted 2 pixels or more, got 1", {"polygons": "f.gpkg", "sieve": 1}),
    )
    for message, flags in cases:
        with pytest.raises(SettingsError) as caught:
            map_scene(OLD / "scene_run", scene, out=tmp_path / "m.tif", **flags)
        assert str(caught.value) == message
    words = ("map", OLD / "scene_run", "--scene", OLD / "*.npy", "--polygons", "f.gpkg")
    code, _, err = typed(*words, "--out", tmp_path / "maps")
    assert (code, err) == (2, "error: --polygons: takes one scene, got 2")
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(MissingExtraError) as missing:
        map_scene(OLD / "scene_run", scene, out=tmp_path / "m.tif", polygons="f.gpkg")
    assert str(missing.value) == (
        "--polygons: needs pyogrio and shapely, which are not installed; install them with: "
        "pip install 'spectrolite[geo]'"
    )
    assert list(tmp_path.iterdir()) == []
