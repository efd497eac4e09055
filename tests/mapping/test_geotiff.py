"""The files of large maps: tiles, COG, attribute table, style, ENVI; reading by rows.

Independent references: rasterio's own reading of tags, overviews and colours; an XML parser; a
reader of ENVI headers and raw bytes of a few lines; NumPy on the whole array.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from spectrolite.errors import ReadError
from spectrolite.mapping.geotiff import blocks, geotiff_bytes, write_layers
from spectrolite.mapping.map_file import MapFiles, MapHead, open_map
from spectrolite.mapping.map_frame import picture_step
from spectrolite.mapping.picture import write_picture
from spectrolite.mapping.scene_map import SceneMap
from spectrolite.mapping.sidecars import (
    changed_in_envi,
    complete_envi,
    write_names,
    write_style,
)
from spectrolite.readers import read_labels

WKT = rasterio.crs.CRS.from_epsg(32633).to_wkt()
TRANSFORM = (30.0, 0.0, 500_000.0, 0.0, -30.0, 5_400_000.0)
NAMES = {2: "Corn & <rye>", 5: "Grün, {kurz}", 9: 'say "it"'}
COLOURS = {2: (255, 0, 0), 5: (0, 128, 1), 9: (10, 20, 30)}
ROWS, COLS = 600, 700
HEAD = MapHead((ROWS, COLS), NAMES, COLOURS, WKT, TRANSFORM)


@pytest.fixture(scope="module")
def classes() -> NDArray[np.uint8]:
    """Fields of 40 pixels, some without data."""
    small = np.random.default_rng(0).choice(np.array([0, 2, 5, 9], np.uint8), (15, 18))
    return np.repeat(np.repeat(small, 40, 0), 40, 1)[:, :COLS].copy()


def _rows(layers: dict[str, NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
    """As a map comes from its windows: a row of windows at a time, not 256 pixels high."""
    parts = zip(*(np.array_split(array, 7) for array in layers.values()), strict=True)
    return [dict(zip(layers, part, strict=True)) for part in parts]


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_blocks_are_the_same_rows_in_heights_of_256(heights: list[int]) -> None:
    whole = np.arange(sum(heights))[:, None]
    parts = np.split(whole, np.cumsum(heights)[:-1])
    cut = list(blocks({"class": part, "entropy": part / 2} for part in parts))
    assert [start for start, _ in cut] == list(range(0, len(whole), 256))
    assert {len(block["class"]) for _, block in cut[:-1]} <= {256}
    assert np.array_equal(np.concatenate([block["class"] for _, block in cut]), whole)
    assert np.array_equal(np.concatenate([block["entropy"] for _, block in cut]), whole / 2)


@pytest.mark.parametrize("cog", [False, True])
def test_a_large_map_is_tiled_and_read_back(
    classes: NDArray[np.uint8], tmp_path: Path, cog: bool
) -> None:
    out = tmp_path / "map.tif"
    confidence = np.random.default_rng(1).random((ROWS, COLS), np.float32)
    layers = _rows({"class": classes, "confidence": confidence})
    paths = {out: "class", tmp_path / "c.tif": "confidence"}
    write_layers(paths, HEAD, layers, {"MODEL": "abc"}, cog=cog)
    assert {p.name for p in tmp_path.iterdir()} == {"map.tif", "c.tif"}
    with rasterio.open(out) as file:
        assert np.array_equal(file.read(1), classes)
        assert (file.nodata, file.descriptions, file.crs) == (0, ("class",), WKT)
        assert file.transform == rasterio.Affine(*TRANSFORM)
        assert file.colormap(1)[5] == (0, 128, 1, 255)
        assert file.tags(1)["CLASS_9"] == NAMES[9]
        assert file.tags()["MODEL"] == "abc"
        assert file.profile["tiled"]
        assert file.profile["compress"] == "deflate"
        layout = file.tags(ns="IMAGE_STRUCTURE").get("LAYOUT")
        assert (layout, bool(file.overviews(1))) == (("COG", True) if cog else (None, False))
        if cog:
            with rasterio.open(out, overview_level=0) as small:
                assert set(np.unique(small.read(1))) == {0, 2, 5, 9}  # no class between classes
    with rasterio.open(tmp_path / "c.tif") as file:
        assert np.array_equal(file.read(1), confidence)
        assert file.nodata is None


def test_in_memory_and_row_by_row_are_the_same_bytes(
    classes: NDArray[np.uint8], tmp_path: Path
) -> None:
    write_layers({tmp_path / "map.tif": "class"}, HEAD, _rows({"class": classes}), {})
    assert (tmp_path / "map.tif").read_bytes() == geotiff_bytes(HEAD, "class", classes)


def test_a_map_is_opened_with_all_that_it_says(classes: NDArray[np.uint8], tmp_path: Path) -> None:
    out = tmp_path / "map.tif"
    write_layers({out: "class"}, HEAD, _rows({"class": classes}), {"MODEL": "abc"})
    made = open_map(out)
    assert (made.head.shape, made.head.crs, made.head.transform) == ((ROWS, COLS), WKT, TRANSFORM)
    assert (made.head.class_names, made.head.class_colours) == (NAMES, COLOURS)
    ids, counts = np.unique(classes, return_counts=True)
    assert made.counts == dict(zip(ids.tolist(), counts.tolist(), strict=True))
    assert made.tags["MODEL"] == "abc"
    assert np.array_equal(made.classes, classes)
    rows, cols = np.random.default_rng(2).integers(0, (ROWS, COLS), (50, 2)).T
    assert np.array_equal(made.at(rows, cols), classes[rows, cols])


def test_a_raster_of_others_is_a_map_too(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "height": 2, "width": 3, "count": 1, "dtype": "uint16"}
    place = {"crs": WKT, "transform": rasterio.Affine(*TRANSFORM)}
    with rasterio.open(tmp_path / "m.tif", "w", **profile, **place) as file:
        file.write(np.array([[0, 7, 7], [300, 7, 0]], np.uint16), 1)
    made = open_map(tmp_path / "m.tif")
    assert made.head.class_names == {7: "class 7", 300: "class 300"}
    assert made.counts == {0: 2, 7: 3, 300: 1}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_is_no_class_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    with pytest.raises(ReadError, match=r"m\.tif: cannot be read \(.*\); is it a GeoTIFF\?$"):
        open_map(path)
    path.write_bytes(geotiff_bytes(HEAD, "confidence", np.ones((ROWS, COLS), np.float32)))
    with pytest.raises(ReadError) as caught:
        open_map(path)
    assert str(caught.value) == (
        f"{path}: wanted one band of whole numbers, got 1 of float32; name the map that holds the "
        "classes"
    )
    head = MapHead((1, 2), {1: "a"}, {1: (1, 1, 1)})
    path.write_bytes(geotiff_bytes(head, "", np.array([[-1, 1]], np.int16)))
    with pytest.raises(ReadError, match=r"wanted class ids from 0 \(no data\) up, got -1$"):
        open_map(path)


def test_the_attribute_table_names_every_class(tmp_path: Path) -> None:
    write_names(tmp_path / "map.tif.aux.xml", HEAD)
    root = ElementTree.parse(tmp_path / "map.tif.aux.xml").getroot()
    table = root.find("PAMRasterBand/GDALRasterAttributeTable")
    assert table is not None
    assert table.get("tableType") == "thematic"
    assert [f.findtext("Name") for f in table.findall("FieldDefn")] == [
        "Value",
        "Class",
        "Red",
        "Green",
        "Blue",
    ]
    rows = [[f.text for f in row.findall("F")] for row in table.findall("Row")]
    assert rows == [[str(i), NAMES[i], *map(str, COLOURS[i])] for i in NAMES]


def test_the_style_of_qgis_has_names_and_colours(tmp_path: Path) -> None:
    write_style(tmp_path / "map.qml", HEAD)
    root = ElementTree.parse(tmp_path / "map.qml").getroot()
    renderer = root.find("pipe/rasterrenderer")
    assert root.tag == "qgis"
    assert renderer is not None
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    entries = [dict(e.items()) for e in renderer.findall("colorPalette/paletteEntry")]
    assert entries == [
        {"value": "2", "color": "#ff0000", "alpha": "255", "label": NAMES[2]},
        {"value": "5", "color": "#008001", "alpha": "255", "label": NAMES[5]},
        {"value": "9", "color": "#0a141e", "alpha": "255", "label": NAMES[9]},
    ]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_an_envi_classification(classes: NDArray[np.uint8], tmp_path: Path, dtype: str) -> None:
    """The header line by line, and the bytes as they lie."""
    out = MapFiles(tmp_path / "map.tif").envi
    write_layers({out: "class"}, HEAD, _rows({"class": classes.astype(dtype)}), {})
    complete_envi(out, HEAD)
    assert {p.name for p in tmp_path.iterdir()} == {
        "map_classes.dat",
        "map_classes.dat.aux.xml",
        "map_classes.hdr",
    }
    header = out.with_suffix(".hdr").read_text(encoding="utf-8")
    assert header.startswith("ENVI\ndescription = {Class map by Spectrolite}\nsamples")
    assert str(tmp_path) not in header
    labels = read_labels(out)
    np.testing.assert_array_equal(labels.array, classes)
    assert labels.class_names == NAMES
    assert labels.class_colours == COLOURS
    fields = {
        k.strip(): v.strip() for k, v in re.findall(r"^(.+?) *= *({[^}]*}|.*)$", header, re.M)
    }
    assert fields["file type"] == "ENVI Classification"
    assert (fields["samples"], fields["lines"], fields["bands"]) == ("700", "600", "1")
    assert (fields["classes"], fields["data ignore value"]) == ("10", "0")
    lookup = [int(n) for n in fields["class lookup"].strip("{}").split(",")]
    assert [tuple(lookup[3 * i : 3 * i + 3]) for i in (0, 2, 5, 9)] == [
        (0, 0, 0),
        *COLOURS.values(),
    ]
    names = [n.strip() for n in fields["class names"].strip("{}").split(",")]
    assert names == [
        "Unclassified",
        "-",
        NAMES[2],
        "-",
        "-",
        "Grün; (kurz)",
        "-",
        "-",
        "-",
        NAMES[9],
    ]
    assert "UTM" in fields["map info"]
    raw = np.fromfile(out, {"uint8": "u1", "uint16": "<u2"}[dtype]).reshape(ROWS, COLS)
    assert np.array_equal(raw, classes)
    with rasterio.open(out) as file:
        assert file.crs == rasterio.crs.CRS.from_epsg(32633)
        assert file.transform == rasterio.Affine(*TRANSFORM)
        assert file.colormap(1)[5][:3] == COLOURS[5]


def test_what_is_said_of_names_that_envi_cannot_hold() -> None:
    assert changed_in_envi({1: "Maïs {ensilage}", 2: "rye", 3: "a,  b"}) == (
        "class names that an ENVI header cannot hold are changed in it: Maïs {ensilage} is Maïs "
        "(ensilage), a,  b is a; b; the file .dat.aux.xml beside it has them as they are"
    )
    assert changed_in_envi({1: "Maïs", 2: 'say "it"'}) is None


def test_a_picture_of_a_large_map_is_no_larger(tmp_path: Path) -> None:
    """Every so many rows and columns; the legend counts the pixels of all."""
    assert [picture_step(s) for s in ((1440, 20), (1441, 20), (20, 5000))] == [1, 2, 4]
    large = np.full((1200, 5000), 5, np.uint8)
    step = picture_step((1200, 5000))
    head = replace(HEAD, shape=large.shape)
    write_picture(tmp_path / "m.png", large[::step, ::step], head, {0: 7, 5: 6_000_000})
    with Image.open(tmp_path / "m.png") as image:
        assert max(image.size) < 4000
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert (pixels == COLOURS[5]).all(1).mean() > 0.2


def test_a_map_in_its_file_prints_as_two_lines_without_its_pixels(
    classes: NDArray[np.uint8], tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    write_layers({out: "class"}, HEAD, _rows({"class": classes}), {})
    opened = open_map(out)
    pixels = {i: int((classes == i).sum()) for i in (0, *NAMES)}
    shown = ", ".join(f"{i} {name} {pixels[i]:,}" for i, name in NAMES.items())
    summary = f"600 x 700 pixels, WGS 84 / UTM zone 33N\n  no data {pixels[0]:,}, {shown}"
    assert repr(opened) == f"MapFile {out}: {summary}"
    in_memory = SceneMap(classes, np.ones((ROWS, COLS), np.float32), NAMES, COLOURS, WKT, TRANSFORM)
    assert repr(in_memory) == f"SceneMap: {summary}"
    html = ElementTree.fromstring(opened._repr_html_().replace("&emsp;", ""))
    assert html.findtext("caption") == "600 x 700 pixels"
    rows = [[cell.text for cell in row.findall("td")][1:] for row in html.findall("tr")]
    assert rows == [[str(i), name, f"{pixels[i]:,}"] for i, name in {0: "no data", **NAMES}.items()]
    assert in_memory._repr_html_() == opened._repr_html_()
