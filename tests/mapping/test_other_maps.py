"""Class maps of other tools: nodata values, masks, names and colours, 0 as a class.

References: the arrays that were written, counted by numpy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import spectrolite as sl
from spectrolite.data.labels import PALETTE
from spectrolite.errors import ReadError, SettingsError
from written_labels import geotiff

CLASSES = np.array([[0, 0, 3, 3], [7, 7, 7, 255], [255, 0, 3, 7]], np.uint8)
TABLE = """<PAMDataset><PAMRasterBand band="1">
<CategoryNames><Category>water</Category><Category></Category></CategoryNames>
<GDALRasterAttributeTable>
<FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>
<FieldDefn index="1"><Name>Label</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
<FieldDefn index="2"><Name>R</Name><Type>0</Type><Usage>6</Usage></FieldDefn>
<FieldDefn index="3"><Name>G</Name><Type>0</Type><Usage>7</Usage></FieldDefn>
<FieldDefn index="4"><Name>B</Name><Type>0</Type><Usage>8</Usage></FieldDefn>
<Row index="0"><F>3</F><F>forest</F><F>10</F><F>90</F><F>20</F></Row>
<Row index="2"><F>7</F><F></F><F>300</F><F>0</F><F>0</F></Row>
<Row index="3"><F>-5</F><F>below</F><F>1</F><F>2</F><F>3</F></Row>
<Row index="1"><F>255</F><F>nothing</F><F>0</F><F>0</F><F>0</F></Row>
</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"""


def test_names_colours_and_nodata_of_another_tool(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "m.tif", CLASSES, nodata=255)
    (tmp_path / "m.tif.aux.xml").write_text(TABLE)
    made = sl.open_map(path)
    assert made.head.class_names == {3: "forest", 7: "class 7"}
    assert made.head.class_colours == {3: (10, 90, 20), 7: PALETTE[1]}  # 300 is no colour
    assert made.counts == {0: 5, 3: 3, 7: 4}
    assert made.notes == (
        "m.tif: its nodata value is 255, and 3 pixels are 0 (water): they count as no data; if 0 "
        "is a class, give --background none",
    )
    np.testing.assert_array_equal(made.classes, np.where(CLASSES == 255, 0, CLASSES))


def test_0_as_a_class(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "m.tif", CLASSES, nodata=255)
    (tmp_path / "m.tif.aux.xml").write_text(TABLE)
    made = sl.open_map(path, background="none")
    assert made.head.class_names == {0: "water", 3: "forest", 7: "class 7"}
    assert (made.counts, made.notes) == ({-1: 2, 0: 3, 3: 3, 7: 4}, ())
    assert "no data 2, 0 water 3" in repr(made)
    assert "<td>-1</td><td>no data</td><td>2</td>" in made._repr_html_()
    np.testing.assert_array_equal(made.classes, np.where(CLASSES == 255, -1, CLASSES.astype(int)))
    assert sl.areas(path, background=None).pixels == {0: 3, 3: 3, 7: 4}
    with pytest.raises(SettingsError) as caught:
        sl.open_map(path, background=7)
    assert str(caught.value) == "--background: wanted 0 (no data) or none (0 is a class), got 7"


@pytest.mark.parametrize("nodata", [-9999, None])
def test_a_map_of_signed_numbers(tmp_path: Path, nodata: int | None) -> None:
    ids = np.where(CLASSES == 255, nodata or 0, CLASSES.astype(np.int16)).astype(np.int16)
    made = sl.open_map(geotiff(tmp_path / "m.tif", ids, nodata=nodata))
    assert (made.head.class_names, made.counts) == (
        {3: "class 3", 7: "class 7"},
        {0: 5, 3: 3, 7: 4},
    )
    stated = "its nodata value is -9999" if nodata else "it states no nodata value"
    assert made.notes[0].startswith(f"m.tif: {stated}, and {3 if nodata else 5} pixels are 0: they")


def test_a_mask_inside_the_file(tmp_path: Path) -> None:
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            tmp_path / "m.tif", "w", driver="GTiff", width=4, height=3, count=1, dtype="uint8",
            crs="EPSG:32632", transform=rasterio.Affine(1, 0, 5, 0, -1, 4),
        ) as file,
    ):  # fmt: skip
        file.write(CLASSES, 1)
        file.write_mask(CLASSES != 255)
    assert sl.open_map(tmp_path / "m.tif").counts == {0: 5, 3: 3, 7: 4}


def test_a_colour_table(tmp_path: Path) -> None:
    colours = {3: (1, 2, 3, 255), 7: (9, 8, 7, 255)}
    made = sl.open_map(geotiff(tmp_path / "m.tif", CLASSES, nodata=255, colours=colours))
    assert made.head.class_colours == {3: (1, 2, 3), 7: (9, 8, 7)}


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(70_000).reshape(200, 350), "more than 65,535 different numbers; name a map of "
         "classes"),
        (np.full((2, 2), 1.0), "wanted one band of whole numbers, got 1 of float64; name the map "
         "that holds the classes"),
        (np.full((2, 2), -3), "wanted class ids from 0 (no data) up, got -3"),
    ],
)  # fmt: skip
def test_what_is_no_map(tmp_path: Path, array: Any, message: str) -> None:
    kind = np.float64 if array.dtype.kind == "f" else np.int32
    path = geotiff(tmp_path / "m.tif", array.astype(kind))
    with pytest.raises(ReadError) as caught:
        sl.open_map(path)
    assert str(caught.value) == f"{path}: {message}"
