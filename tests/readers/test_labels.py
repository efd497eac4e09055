"""Labels from files of every kind, and files that only look like them.

References: maps that rasterio, spectral and pyogrio wrote from an array or a list of shapes; a
plain loop over pixel centres for other grids; texts written by hand for what no library writes.
"""

from __future__ import annotations

import builtins
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from pyogrio import raw
from rasterio import warp
from spectral.io import envi

import spectrolite as sl
from spectrolite.data.scene import SceneFile, Window
from spectrolite.errors import LabelsError, MissingExtraError, ReadError
from spectrolite.mapping.scene_map import SceneMap
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


# Rasters


def test_names_colours_and_gaps_survive_from_file_to_map(tmp_path: Path) -> None:
    colours = {1: (200, 10, 10, 255), 2: (0, 150, 0, 255), 7: (9, 9, 90, 255)}
    path = geotiff(
        tmp_path / "gt.tif",
        class_map(),
        colours=colours,
        tags={"CLASS_1": "oats", "CLASS_7": "rye"},
    )
    labels = read_labels(path, scene=scene())
    np.testing.assert_array_equal(labels.array, class_map())
    assert labels.class_names == {1: "oats", 2: "class 2", 7: "rye"}
    assert labels.class_colours == {i: colour[:3] for i, colour in colours.items()}
    assert labels.source == {"file": str(path), "key": "1"}
    assert labels.notes == ()
    made = SceneMap(
        class_map(),
        np.ones(SHAPE, np.float32),
        labels.class_names,
        labels.class_colours,
        CRS,
        PLACE,
    )
    made.write_geotiff(tmp_path / "map.tif")
    again = read_labels(tmp_path / "map.tif", scene=scene())
    assert again.class_names == labels.class_names
    assert again.class_colours == labels.class_colours
    assert again.sha256 == labels.sha256


def test_category_names_of_gdal(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "gt.tif", class_map())
    (tmp_path / "gt.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category/><Category>oats</Category>'
        "<Category>r&amp;b</Category></CategoryNames></PAMRasterBand></PAMDataset>"
    )
    assert read_labels(path).class_names == {1: "oats", 2: "r&b", 7: "class 7"}


def test_an_attribute_table_of_gdal(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "gt.tif", class_map())
    columns = (("Value", 5), ("Class", 2), ("Red", 6), ("Green", 7), ("Blue", 8))
    head = "".join(
        f"<FieldDefn><Name>{name}</Name><Type>0</Type><Usage>{use}</Usage></FieldDefn>"
        for name, use in columns
    )
    rows = "".join(
        f'<Row index="{n}">' + "".join(f"<F>{cell}</F>" for cell in row) + "</Row>"
        for n, row in enumerate([(0, "none", 0, 0, 0), (1, "oats", 1, 2, 3), (7, "rye", 4, 5, 6)])
    )
    beside = tmp_path / "gt.tif.aux.xml"
    text = (
        '<PAMDataset><PAMRasterBand band="1"><GDALRasterAttributeTable>{}'
        "</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"
    )
    beside.write_text(text.format(head + rows))
    labels = read_labels(path)
    assert labels.class_names == {1: "oats", 2: "class 2", 7: "rye"}
    assert (labels.class_colours[1], labels.class_colours[7]) == ((1, 2, 3), (4, 5, 6))
    beside.write_text(text.format(head + rows.replace("<F>7</F>", "<F>seven</F>")))
    with pytest.raises(
        ReadError, match=r"^gt\.tif\.aux\.xml: its attribute table is damaged \(.+seven"
    ):
        read_labels(path)
    for old, new, why in (
        ("<Usage>5</Usage>", "<Usage></Usage>", "invalid literal for int() with base 10: ''"),
        ("<F>7</F>", "<F>inf</F>", "cannot convert float infinity to integer"),
    ):
        beside.write_text(text.format((head + rows).replace(old, new)))
        refused(
            ReadError,
            f"gt.tif.aux.xml: its attribute table is damaged ({why}); remove the file",
            path,
        )
    beside.write_text("<PAMDataset>")
    with pytest.raises(ReadError) as caught:
        read_labels(path)
    assert re.fullmatch(
        rf"{beside}: damaged \(.+\); remove it, and the classes have numbers only",
        str(caught.value),
    )


@pytest.mark.parametrize("nodata", [255, 7])
def test_nodata_is_unlabelled(tmp_path: Path, nodata: int) -> None:
    array = class_map()
    array[0, 0] = nodata
    labels = read_labels(geotiff(tmp_path / "gt.tif", array, nodata=nodata))
    np.testing.assert_array_equal(labels.array, np.where(array == nodata, 0, array))


def test_nan_as_nodata_is_unlabelled(tmp_path: Path) -> None:
    array = class_map().astype(np.float32)
    array[3] = np.nan
    labels = read_labels(geotiff(tmp_path / "gt.tif", array, nodata=float("nan")))
    np.testing.assert_array_equal(labels.array, np.nan_to_num(array))


def test_an_envi_classification_that_spectral_wrote(tmp_path: Path) -> None:
    names, colours = (
        ["Unclassified", "oats", "rye", "woods"],
        [[0] * 3, [9, 8, 7], [1, 2, 3], [4, 4, 4]],
    )
    array = class_map() % 4
    envi.save_classification(
        str(tmp_path / "gt.hdr"), array, class_names=names, class_colors=colours, dtype=np.uint8
    )
    for path in (tmp_path / "gt.hdr", tmp_path / "gt.img"):
        labels = read_labels(path)
        np.testing.assert_array_equal(labels.array, array)
        assert labels.class_names == {1: "oats", 2: "rye", 3: "woods"}
        assert labels.class_colours == {1: (9, 8, 7), 2: (1, 2, 3), 3: (4, 4, 4)}
    (tmp_path / "gt.img").unlink()
    refused(
        ReadError,
        f"{tmp_path}/gt.hdr: no data file beside it; wanted gt with one of the endings .img, .dat, "
        ".bsq, .bil, .bip, .raw, .bin, .envi, .rfl, or with none",
        tmp_path / "gt.hdr",
    )
    (tmp_path / "gt.dat").touch()
    (tmp_path / "gt.rfl").touch()
    refused(
        ReadError,
        f"{tmp_path}/gt.hdr: several data files beside it: gt.dat, gt.rfl; name the data file "
        "itself",
        tmp_path / "gt.hdr",
    )


@pytest.mark.parametrize(
    ("crs", "place", "shape"),
    [
        (CRS, (4.0, 0.0, 599980.0, 0.0, -4.0, 5200030.0), (30, 45)),  # finer, beginning elsewhere
        (CRS, (23.0, 0.0, 599900.0, 0.0, -23.0, 5200050.0), (9, 14)),  # coarser
        ("EPSG:4326", (1.3e-4, 0.0, 10.3135, 0.0, -9e-5, 46.9465), (20, 24)),  # degrees
    ],
)
def test_another_grid_gives_each_pixel_the_class_at_its_centre(
    tmp_path: Path, crs: str, place: tuple[float, ...], shape: tuple[int, int]
) -> None:
    array = class_map(shape, seed=3)
    path = geotiff(tmp_path / "gt.tif", array, crs=crs, transform=rasterio.Affine(*place))
    wanted, kept = np.zeros(SHAPE, int), 0
    for row in range(SHAPE[0]):
        for col in range(SHAPE[1]):
            x, y = warp.transform(
                CRS, crs, [600000 + 10 * (col + 0.5)], [5200000 - 10 * (row + 0.5)]
            )
            there = ((y[0] - place[5]) // place[4], (x[0] - place[2]) // place[0])
            if 0 <= there[0] < shape[0] and 0 <= there[1] < shape[1]:
                wanted[row, col] = array[int(there[0]), int(there[1])]
    for row, col in np.argwhere(array):
        x, y = warp.transform(
            crs, CRS, [place[2] + place[0] * (col + 0.5)], [place[5] + place[4] * (row + 0.5)]
        )
        kept += 600000 <= x[0] < 600150 and 5199880 < y[0] <= 5200000
    labels = read_labels(path, scene=scene())
    np.testing.assert_array_equal(labels.array, wanted)
    count = np.count_nonzero(array)
    assert 0 < kept < count
    assert labels.notes == (
        f"another grid than the scene's, taken to the nearest pixel: {kept} of {count} labelled "
        f"pixels ({kept / count:.1%}) lie in the scene, {count - kept} ({1 - kept / count:.1%}) "
        f"outside are lost; {np.count_nonzero(wanted)} pixels of the scene are labelled",
    )


def test_a_raster_that_lies_elsewhere(tmp_path: Path) -> None:
    away = rasterio.Affine(10.0, 0.0, 700000.0, 0.0, -10.0, 5200000.0)
    path = geotiff(tmp_path / "gt.tif", class_map(), transform=away)
    count = np.count_nonzero(class_map())
    refused(
        LabelsError,
        f"{path}: none of its {count} labelled pixels labels a pixel of field; they lie elsewhere, "
        "or "
        "are smaller than its pixels: check both reference systems",
        path,
        scene=scene(),
    )


def test_a_raster_of_one_shape_without_a_reference_system(tmp_path: Path) -> None:
    plain = geotiff(tmp_path / "plain.tif", class_map(), crs=None)
    labels = read_labels(plain, scene=scene())
    np.testing.assert_array_equal(labels.array, class_map())
    assert labels.notes == (
        "the labels have no coordinate reference system: taken pixel by pixel, being of one shape",
    )
    placed = geotiff(tmp_path / "placed.tif", class_map())
    assert read_labels(placed, scene=scene(crs=None, transform=None)).notes == (
        "the scene has no coordinate reference system: taken pixel by pixel, being of one shape",
    )
    assert read_labels(plain, scene=scene(crs=None)).notes == ()
    refused(
        LabelsError,
        f"{placed}: has a coordinate reference system, but the scene field has none, so nobody "
        "knows "
        "where it lies; give the scene its own (gdal_edit -a_srs EPSG:CODE, or Scene(crs=...))",
        placed,
        scene=scene((4, 5), crs=None),
    )
    refused(
        LabelsError,
        "plain.tif: wanted 4 rows and 5 columns as in field, got 12 and 15",
        plain,
        scene=scene((4, 5), crs=None),
    )


def test_several_bands(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "gt.tif", np.stack([class_map(seed=s) for s in range(3)]))
    refused(ReadError, f"{path}: 3 bands; choose the one of the classes: --labels-key 1", path)
    refused(ReadError, f"{path}: --labels-key: wanted a band from 1 to 3, got '4'", path, "4")
    labels = read_labels(path, "2")
    np.testing.assert_array_equal(labels.array, class_map(seed=1))
    assert labels.source["key"] == "2"


def test_what_is_no_class_map(tmp_path: Path) -> None:
    garbage = tmp_path / "gt.tif"
    garbage.write_bytes(b"II*\0garbage" * 9)
    with pytest.raises(ReadError, match=rf"^{garbage}: cannot be read as a raster \("):
        read_labels(garbage, scene=scene())
    numbers = geotiff(tmp_path / "ndvi.tif", np.full(SHAPE, 0.5, np.float32))
    refused(
        LabelsError,
        "ndvi.tif: wanted whole numbers (0 unlabelled, classes from 1), got float32 with other "
        "values",
        numbers,
    )
    many = geotiff(tmp_path / "many.tif", np.full(SHAPE, 70000, np.int32))
    refused(LabelsError, "many.tif: wanted ids up to 65535, got 70000; renumber them", many)


# Pixels without a spectrum


def without(rows: slice) -> NDArray[np.bool_]:
    valid = np.ones(SHAPE, bool)
    valid[rows] = False
    return valid


def from_file(valid: NDArray[np.bool_], asked: list[Window]) -> SceneFile:
    def read(window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        asked.append(window)
        return np.zeros((*window.shape, 2)), valid[window.slices]

    return SceneFile((*SHAPE, 2), np.dtype(float), read, "field", crs=CRS, transform=PLACE)


def test_labels_where_the_scene_has_no_spectrum_are_dropped_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spectrolite.data.labels.LOOKED_AT", 4)
    valid = without(slice(0, 3))
    shapes = [square(2, 1), square(6, 3), square(5, 9)]
    vectors = vector(tmp_path / "plots.gpkg", shapes, [4, 4, 9])
    table = tmp_path / "gt.npy"
    np.save(table, read_labels(vectors, scene=scene(), class_field="crop").array)
    asked: list[Window] = []
    for held in (scene(valid=valid), from_file(valid, asked)):
        labels = read_labels(vectors, scene=held, class_field="crop")
        assert labels.counts() == {4: 2 + 4, 9: 4}
        assert not labels.array[:3].any()
        assert labels.notes == (
            "2 of 12 labelled pixels have no spectrum in the scene (nodata or NaN) and are dropped",
        )
        assert labels.source["without_spectrum"] == "2"
        assert (np.asarray(labels.polygons) > 0).sum() == 10
        assert read_labels(table, scene=held).counts() == labels.counts()
    looked_at = {(w.row_start, w.col_start) for w in asked}
    assert looked_at == {(0, 0), (4, 3), (4, 7)}  # of twelve, the three that hold a label
    refused(
        LabelsError,
        "plots.gpkg: none of its 12 labelled pixels has a spectrum in field",
        vectors,
        scene=scene(valid=without(slice(0, 12))),
        class_field="crop",
    )


# Polygons and points


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
        "1 of 4 points lie outside the scene and are left out",
        "2 points share pixels with others of their class and count as one polygon with those",
    )


def test_what_had_to_be_decided_is_told(tmp_path: Path) -> None:
    bow = shapely.Polygon(
        [(600000, 5199900), (600040, 5199940), (600040, 5199900), (600000, 5199940)]
    )
    tiny = shapely.box(600061, 5199901, 600063, 5199903)
    shapes = [
        square(1, 1),
        square(2, 2),
        bow,
        tiny,
        square(0, 13, 4),
        square(40, 40),
        None,
        square(8, 8),
    ]
    path = vector(tmp_path / "plots.gpkg", shapes, [1, 2, 2, 2, 2, 1, 1, 0])
    labels = read_labels(path, scene=scene(), class_field="crop")
    assert labels.array[2, 2] == 0  # the pixel that is in both
    assert labels.counts() == {1: 3, 2: 3 + 4 + 8}
    assert labels.notes == (
        "1 of 8 polygons have no shape and are left out",
        "1 of 8 polygons cross themselves and were repaired",
        "1 of 8 polygons lie outside the scene and are left out",
        "1 of 8 polygons reach beyond the scene's edge, and lose what lies there",
        "1 of 8 polygons have class 0, unlabelled, and are left out",
        "1 of 8 polygons hold no pixel's centre and are left out",
        "1 pixels lie in polygons of two classes and are left unlabelled",
    )


def test_polygons_of_one_class_that_overlap_are_one(tmp_path: Path) -> None:
    shapes = [square(1, 1), square(6, 6), square(2, 2), square(9, 1)]
    path = vector(tmp_path / "plots.gpkg", shapes, [3, 3, 3, 3])
    labels = read_labels(path, scene=scene(), class_field="crop")
    assert set(np.unique(np.asarray(labels.polygons)).tolist()) == {0, 1, 2, 4}
    assert (np.asarray(labels.polygons) == 1).sum() == 7


def test_layers(tmp_path: Path) -> None:
    path = vector(tmp_path / "two.gpkg", [square(1, 1)], [4], layer="south")
    vector(path, [square(5, 5), square(8, 8)], [1, 2], layer="north", append=True)
    known: dict[str, Any] = {"scene": scene(), "class_field": "crop"}
    refused(
        ReadError, f"{path}: several layers: south, north; choose one with --layer", path, **known
    )
    refused(
        ReadError, f"{path}: no layer 'east' in it, only south, north", path, layer="east", **known
    )
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
    refused(
        LabelsError,
        f"{path}: which field says the class? Choose one with --class-field: crop",
        path,
        scene=scene(),
    )
    refused(
        LabelsError,
        f"{path}: --class-field: no field 'kind' in it, only crop",
        path,
        scene=scene(),
        class_field="kind",
    )
    refused(
        LabelsError,
        f"{path}: field crop: wanted whole numbers from 0 (unlabelled) to 65535, got 70000, first "
        "in "
        "feature 2; renumber the classes",
        path,
        scene=scene(),
        class_field="crop",
    )


VALUES: list[tuple[Any, str]] = [
    (
        np.array(["oats", None, " "], object),
        "is empty in 2 of 3, first in feature 2; fill it, or remove them",
    ),
    (np.array([1, np.nan, 2]), "is empty in 1 of 3, first in feature 2; fill it, or remove them"),
    (
        np.array(["oats", "3", "rye"], object),
        "mixes numbers and words: '3' in feature 2, 'oats' in feature 1; make it one of the two",
    ),
    (
        np.array([1.0, 2.5, 3.0]),
        ": wanted whole numbers from 0 (unlabelled) to 65535, got 2.5, first in feature 2; "
        "renumber "
        "the classes",
    ),
    (
        np.array([1, 2, -3]),
        ": wanted whole numbers from 0 (unlabelled) to 65535, got -3, first in feature 3; renumber "
        "the classes",
    ),
    (
        np.array(["2020-01-01"] * 3, "datetime64[D]"),
        ": wanted whole numbers or words, got datetime64[D]",
    ),
]


@pytest.mark.parametrize(("values", "said"), VALUES, ids=lambda v: str(v)[:12])
def test_values_that_are_no_classes(tmp_path: Path, values: Any, said: str) -> None:
    path = vector(tmp_path / "plots.gpkg", [square(1, 1), square(5, 5), square(8, 8)], values)
    with pytest.raises(LabelsError) as caught:
        read_labels(path, scene=scene(), class_field="crop")
    blank = "" if said.startswith(":") else " "
    assert str(caught.value) == f"{path}: field crop{blank}{said}"


def test_words_that_are_numbers_are_numbers_and_codes_are_words(tmp_path: Path) -> None:
    shapes = [square(1, 1), square(5, 5)]
    numbers = vector(tmp_path / "n.gpkg", shapes, np.array(["10", " 2"], object))
    assert read_labels(numbers, scene=scene(), class_field="crop").counts() == {2: 4, 10: 4}
    codes = vector(tmp_path / "c.gpkg", shapes, np.array(["010", "002"], object))
    assert read_labels(codes, scene=scene(), class_field="crop").class_names == {1: "002", 2: "010"}


def test_shapes_that_cannot_be_placed(tmp_path: Path) -> None:
    known: dict[str, Any] = {"scene": scene(), "class_field": "crop"}
    away = vector(tmp_path / "away.gpkg", [square(500, 500), square(510, 500)], [1, 2])
    refused(
        LabelsError,
        f"{away}: none of the 2 polygons of layer away lies in field: they reach from (604997.5, "
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
        f"{lines}: wanted polygons and points, got LineString; a line holds no pixel: draw "
        "polygons "
        "around it, or export a layer without",
        lines,
        **known,
    )
    with pytest.warns(UserWarning, match="crs"):
        bare = vector(tmp_path / "bare.gpkg", [square(1, 1)], [1], crs=None)
    refused(
        LabelsError,
        f"{bare}: has no coordinate reference system, and the scene field has one; store it with "
        "the "
        "labels (in QGIS: Layer > Set Layer CRS, then export)",
        bare,
        **known,
    )
    assert read_labels(bare, scene=scene(crs=None), class_field="crop").counts() == {1: 4}
    refused(
        LabelsError,
        f"{bare}: holds places and needs the scene's grid: read_labels(path, scene=scene); or take "
        "a "
        "raster",
        bare,
    )
    garbage = tmp_path / "garbage.gpkg"
    garbage.write_bytes(b"no database" * 50)
    with pytest.raises(
        ReadError, match=rf"^{garbage}: not a readable file of polygons or points \("
    ):
        read_labels(garbage, **known)


def test_options_of_other_formats(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", class_map())
    path = tmp_path / "gt.npy"
    refused(LabelsError, f"{path}: --layer a does not go with .npy files", path, layer="a")
    refused(
        LabelsError, f"{path}: --class-field a does not go with .npy files", path, class_field="a"
    )
    plots = vector(tmp_path / "p.gpkg", [square(1, 1)], [1])
    refused(LabelsError, f"{plots}: --labels-key a does not go with .gpkg files", plots, "a")


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
        f"{path}: polygons and points are read with pyogrio and shapely: pip install "
        "'spectrolite[geo]'",
        path,
        scene=scene(),
        class_field="crop",
    )


# Tables


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def at(labels: sl.Labels) -> dict[tuple[int, int], int]:
    return {(int(r), int(c)): int(labels.array[r, c]) for r, c in np.argwhere(labels.array)}


def test_three_ways_to_name_a_place(tmp_path: Path) -> None:
    centres = {(0, 0): "oats", (3, 4): "rye", (11, 14): "oats"}
    xy = {p: (600000 + 10 * (p[1] + 0.5), 5200000 - 10 * (p[0] + 0.5)) for p in centres}
    lonlat = {
        p: [v[0] for v in warp.transform(CRS, "EPSG:4326", [x], [y])] for p, (x, y) in xy.items()
    }
    wanted = {(0, 0): 1, (3, 4): 2, (11, 14): 1}
    for head, places in (("x,y", xy), ("Lon,Lat", lonlat), ("row,col", {p: p for p in centres})):
        lines = [f"{name},{a!r},{b!r}" for (p, name) in centres.items() for a, b in [places[p]]]
        path = table(tmp_path / "p.csv", f"Class,{head}", *lines)
        labels = read_labels(path, scene=scene())
        assert at(labels) == wanted
        assert labels.class_names == {1: "oats", 2: "rye"}
        assert sorted(np.unique(np.asarray(labels.polygons))) == [0, 1, 2, 3]
        assert labels.source == {"file": str(path)}


def test_semicolons_other_names_a_mark_and_polygons(tmp_path: Path) -> None:
    lines = ["\ufeffrow;col;crop;polygon", "0;0;4;a", "0;1;4;a", "", "5;5;9;b", "9;9;9;", "9;9;9;"]
    path = table(tmp_path / "p.csv", *lines)
    labels = read_labels(path, scene=scene(), class_field="crop")
    assert at(labels) == {(0, 0): 4, (0, 1): 4, (5, 5): 9, (9, 9): 9}
    assert np.asarray(labels.polygons)[[0, 0, 5, 9], [0, 1, 5, 9]].tolist() == [1, 1, 2, 3]
    assert labels.source == {"file": str(path), "class_field": "crop"}


def test_rows_outside_and_rows_that_contradict(tmp_path: Path) -> None:
    path = table(tmp_path / "p.csv", "row,col,class", "1,1,2", "1,1,3", "2,2,3", "12,0,3", "0,15,2")
    labels = read_labels(path, scene=scene())
    assert at(labels) == {(2, 2): 3}
    assert labels.notes == (
        "2 of 5 rows lie outside the scene and are left out",
        "1 pixels lie in rows of two classes and are left unlabelled",
    )


TABLES: list[tuple[list[str], type[Exception], str]] = [
    (
        ["x,y,class", "1,2,3", "1,b,3", "1,c,3"],
        ReadError,
        "line 3: column y: wanted a number, got 'b'; 2 lines are so",
    ),
    (
        ["x,y,class", "1,nan,3"],
        ReadError,
        "line 2: column y: wanted a number, got 'nan'; 1 lines are so",
    ),
    (
        ["x,y,class", "1,2,3", "", "1,2"],
        ReadError,
        "line 4: 2 cells, the header has 3; 1 lines are so",
    ),
    (
        ["row,col,class", "1,2.5,3"],
        ReadError,
        "line 2: column col: wanted a whole number from 0 up, got 2.5",
    ),
    (
        ["lon,lat,class", "10.3,46.9,1", "600000,46.9,3"],
        ReadError,
        "line 3: column lon: wanted degrees from -180 to 180, got 600000; 1 lines are so",
    ),
    (
        ["row,col,class", "1,2,"],
        LabelsError,
        "column class is empty in 1 of 1, first in line 2; fill it, or remove them",
    ),
    (
        ["row,col,crop", "1,2,3"],
        LabelsError,
        "no column 'class' for the class, only row, col, crop; name it with --class-field",
    ),
    (
        ["row,column,class", "1,2,3"],
        LabelsError,
        "wanted one pair of columns x,y or lon,lat or row,col, got none in row, column, "
        "class; leave "
        "one "
        "pair in it",
    ),
    (
        ["row,col,x,y,class", "1,2,3,4,5"],
        LabelsError,
        "wanted one pair of columns x,y or lon,lat or row,col, got x,y and row,col; leave "
        "one pair in "
        "it",
    ),
    (["row,col,class,class", "1,2,3,3"], ReadError, "line 1: the column class stands twice"),
    (["row,col,class"], ReadError, "wanted a header such as x,y,class and rows below it"),
    (
        ["x,y,class", "46,10,3"],
        LabelsError,
        "none of its 1 rows lies in field; check the order of x and y, and the scene's reference "
        "system",
    ),
    (
        ["row,col,class,polygon", "1,2,3,a", "1,3,4,a"],
        LabelsError,
        "polygon a has one class in line 2 and another in line 3; give each class a polygon of its "
        "own",
    ),
]


@pytest.mark.parametrize(("lines", "kind", "said"), TABLES, ids=lambda v: str(v)[:30])
def test_tables_that_are_refused(
    tmp_path: Path, lines: list[str], kind: type[Exception], said: str
) -> None:
    path = table(tmp_path / "p.csv", *lines)
    refused(kind, f"{path}: {said}", path, scene=scene())


def test_a_table_in_another_encoding_and_degrees_without_a_system(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes("x,y,class\n1,2,Hafer ö\n".encode("latin-1"))
    with pytest.raises(ReadError, match=rf"^{path}: not a readable CSV file in UTF-8 \("):
        read_labels(path, scene=scene())
    table(path, "lon,lat,class", "10.3,46.9,1")
    refused(
        LabelsError,
        f"{path}: has lon and lat, but the scene field has no coordinate reference system; give it "
        "one, "
        "or take row,col",
        path,
        scene=scene(crs=None),
    )


# ENVI's regions of interest


ROIS = """; ENVI Output of ROIs (5.3) [Tue Nov 24 12:00:00 2026]
; Number of ROIs: 3
; File Dimension: 15 x 12
;
; ROI name: rye field
; ROI rgb value: {255, 0, 10}
; ROI npts: 2
;
; ROI name: oats
; ROI rgb value: {0, 255, 0}
; ROI npts: 1
;
; ROI name: rye field
; ROI rgb value: {9, 9, 9}
; ROI npts: 1
;   ID    X    Y         Map X         Map Y   B1
     1    1    1     600005.00    5199995.00   12
     2    2    1     600015.00    5199995.00   12

     1   15   12     600145.00    5199885.00   12

     1    4    6     600035.00    5199945.00   12
"""


def test_regions_of_interest(tmp_path: Path) -> None:
    path = tmp_path / "rois.txt"
    path.write_text(ROIS)
    labels = read_labels(path, scene=scene())
    assert at(labels) == {(0, 0): 1, (0, 1): 1, (11, 14): 2, (5, 3): 1}
    assert labels.class_names == {1: "rye field", 2: "oats"}
    assert labels.class_colours == {1: (255, 0, 10), 2: (0, 255, 0)}
    assert np.asarray(labels.polygons)[[0, 0, 11, 5], [0, 1, 14, 3]].tolist() == [1, 1, 2, 3]
    assert labels.source == {"file": str(path)}


ROI_ERRORS: list[tuple[str, str, type[Exception], str]] = [
    (
        "15 x 12",
        "145 x 145",
        LabelsError,
        "drawn on an image of 145 x 145 (columns x rows), but field has 15 x 12; take the "
        "scene that "
        "it "
        "was drawn on, or export the regions as a Shapefile",
    ),
    (
        "npts: 2",
        "npts: 3",
        ReadError,
        "its header promises 5 points, the file holds 4; it was cut off, or edited",
    ),
    (
        "     1   15 ",
        "     1    0 ",
        ReadError,
        "line 20: wanted a pixel number from 1 up, got '1 0 12 600145.00 5199885.00 12'",
    ),
    (
        "     1   15 ",
        "     1   9999999999999999999 ",
        ReadError,
        "line 20: wanted a pixel number from 1 up, got '1 9999999999999999999 12 600145.00 "
        "5199885.00 "
        "12'",
    ),
    (
        "     1   15 ",
        "     1   16 ",
        LabelsError,
        "1 of its points lie outside field; take the scene that it was drawn on",
    ),
    (
        ";   ID    X    Y ",
        ";   B1   B2   B3 ",
        LabelsError,
        "its points have no columns X and Y (B1 B2 B3 Map Map B1); write them again with pixel "
        "locations",
    ),
    (
        "; ENVI",
        "; IDL",
        ReadError,
        "wanted a text that begins with '; ENVI Output of ROIs'; export the regions with "
        "Output ROIs "
        "to "
        "ASCII, or as a Shapefile; a table of x, y, class ends in .csv",
    ),
]


@pytest.mark.parametrize(("old", "new", "kind", "said"), ROI_ERRORS, ids=lambda v: str(v)[:16])
def test_regions_that_are_refused(
    tmp_path: Path, old: str, new: str, kind: type[Exception], said: str
) -> None:
    path = tmp_path / "rois.txt"
    path.write_text(ROIS.replace(old, new))
    refused(kind, f"{path}: {said}", path, scene=scene())


def test_a_binary_file_of_regions(tmp_path: Path) -> None:
    path = tmp_path / "rois.roi"
    path.write_bytes(b"\xff\xfe\x80" * 20)
    with pytest.raises(
        ReadError, match=rf"^{path}: no text \(.+export them with Output ROIs to ASCII"
    ):
        read_labels(path, scene=scene())
