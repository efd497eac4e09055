"""Class maps as rasters.

References: maps that rasterio and spectral wrote; a plain loop over pixel centres for other grids.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import warp
from spectral.io import envi

from spectrolite.errors import LabelsError, ReadError
from spectrolite.mapping.scene_map import SceneMap
from spectrolite.readers import read_labels
from written_labels import CRS, PLACE, SHAPE, class_map, geotiff, refused, scene


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
        rf"{beside}: damaged \(.+\); remove it",
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
        f"{tmp_path}/gt.hdr: no data file beside it; wanted gt with any ending, such as .img, "
        ".dat or .bsq, or with none",
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
        f"resampled to the scene's grid (nearest neighbour): {kept} of {count} labelled "
        f"pixels ({kept / count:.1%}) are inside the scene, {count - kept} "
        f"({1 - kept / count:.1%}) outside are lost; {np.count_nonzero(wanted)} pixels of the "
        "scene are labelled",
    )


def test_a_raster_outside_the_scene(tmp_path: Path) -> None:
    away = rasterio.Affine(10.0, 0.0, 700000.0, 0.0, -10.0, 5200000.0)
    path = geotiff(tmp_path / "gt.tif", class_map(), transform=away)
    count = np.count_nonzero(class_map())
    refused(
        LabelsError,
        f"{path}: none of its {count} labelled pixels labels a pixel of field; they are outside "
        "it, or smaller than its pixels: check both reference systems",
        path,
        scene=scene(),
    )


def test_a_raster_of_one_shape_without_a_reference_system(tmp_path: Path) -> None:
    plain = geotiff(tmp_path / "plain.tif", class_map(), crs=None)
    labels = read_labels(plain, scene=scene())
    np.testing.assert_array_equal(labels.array, class_map())
    assert labels.notes == (
        "the labels have no coordinate reference system: both have the same shape, so pixels are "
        "matched one to one",
    )
    placed = geotiff(tmp_path / "placed.tif", class_map())
    assert read_labels(placed, scene=scene(crs=None, transform=None)).notes == (
        "the scene has no coordinate reference system: both have the same shape, so pixels are "
        "matched one to one",
    )
    assert read_labels(plain, scene=scene(crs=None)).notes == ()
    refused(
        LabelsError,
        f"{placed}: has a coordinate reference system, but the scene field has none; set it "
        "(gdal_edit -a_srs EPSG:CODE, or Scene(crs=...))",
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
    refused(
        ReadError,
        (
            f"{path}: wanted one band of class numbers, got a picture of 3 bands, whose colours "
            "are no classes; save the numbers as one band, or choose a band that holds them: "
            "--labels-key 1"
        ),
        path,
    )
    other = geotiff(tmp_path / "other.tif", np.stack([class_map()] * 2))
    refused(ReadError, f"{other}: 2 bands; choose the band with the classes: --labels-key 1", other)
    refused(ReadError, f"{path}: --labels-key: wanted a band from 1 to 3, got '4'", path, "4")
    labels = read_labels(path, "2")
    np.testing.assert_array_equal(labels.array, class_map(seed=1))
    assert labels.source["key"] == "2"


def test_rasters_that_are_not_class_maps(tmp_path: Path) -> None:
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
    refused(
        LabelsError,
        "many.tif: wanted ids up to 65535, got 70000; renumber them, or give --ignore 70000",
        many,
    )
