"""The page of points to label: what its pictures show, and that it gives no class away.

References: the pixels of the scene and of the map at the points, as they were written.
"""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

import spectrolite as sl
from spectrolite.data.lookup import LookupTable
from spectrolite.errors import LabelsError, SceneError
from spectrolite.mapping.drawn_sample import DrawnSample, drawn
from spectrolite.mapping.map_rows import no_georeference_allowed
from spectrolite.pages.sample_page import sample_page
from spectrolite.pages.thumbnails import AROUND, of_map, of_scene
from written_labels import CRS, PLACE, geotiff

SHAPE = (30, 50)
CLASSES = np.random.default_rng(0).choice(np.array([0, 1, 4, 9], np.uint8), SHAPE)
NAMES = {"CLASS_1": "<b>Water</b>", "CLASS_4": "Oats & rye"}
MIDDLE = AROUND


@pytest.fixture
def points(tmp_path: Path) -> DrawnSample:
    path = geotiff(tmp_path / "m.tif", CLASSES, nodata=0, tags=NAMES)
    return drawn(sl.open_map(path), np.random.default_rng(0), "by-map-class", points=12)


def seen_by(points: DrawnSample, scene: sl.Scene) -> list[NDArray[np.uint8]]:
    made = of_scene(points, scene, len(points)).images
    return [image for image in made if image is not None]


def cube(classes: NDArray[Any], fine: int = 1) -> NDArray[np.uint8]:
    """Three bands whose values are those of the classes."""
    values = classes.repeat(fine, 0).repeat(fine, 1)
    return np.repeat(values[:, :, None], 3, axis=2)


def test_a_thumbnail_is_the_scene_around_its_point(points: DrawnSample) -> None:
    scene = sl.Scene(cube(CLASSES), crs=CRS, transform=PLACE)
    padded = np.pad(CLASSES, AROUND, constant_values=99)
    greys = {0: 0, 1: 28, 4: 113, 9: 255, 99: 255}  # stretched from 0 to 9
    for image, row, col in zip(seen_by(points, scene), points.rows, points.cols, strict=True):
        around = padded[row : row + 2 * AROUND + 1, col : col + 2 * AROUND + 1]
        wanted = np.vectorize(greys.get)(around)
        np.testing.assert_array_equal(image, np.repeat(wanted[:, :, None], 3, axis=2))


@pytest.mark.parametrize("fine", [1, 3])
def test_a_scene_of_finer_pixels(points: DrawnSample, fine: int) -> None:
    place = (10 / fine, 0.0, PLACE[2], 0.0, -10 / fine, PLACE[5])
    scene = sl.Scene(cube(CLASSES, fine), crs=CRS, transform=place)
    made = of_scene(points, scene, len(points))
    half = AROUND * fine
    assert made.mark == pytest.approx(fine / (2 * half + 1))
    of_class = {
        (int(i), int(image[half, half, 0]))
        for i, image in zip(points.classes, made.images, strict=True)
        if image is not None
    }
    assert len(of_class) == len({*points.classes.tolist()}) == 3


def test_a_scene_in_another_reference_system(points: DrawnSample) -> None:
    """Degrees: a scene that grows lighter eastwards is as light as the points lie in the east."""
    left, bottom, right, top = rasterio.warp.transform_bounds(
        CRS, "EPSG:4326", PLACE[2] - 500, PLACE[5] - 900, PLACE[2] + 1100, PLACE[5] + 500
    )
    step = 5e-5
    rows, cols = round((top - bottom) / step), round((right - left) / step)
    place = (step, 0.0, left, 0.0, -step, top)
    ramp = np.repeat(np.arange(cols, dtype=np.float32)[None, :, None], rows, axis=0).repeat(3, 2)
    made = of_scene(points, sl.Scene(ramp, crs="EPSG:4326", transform=place), len(points))
    places = points.coordinates()
    assert places is not None
    east, _ = rasterio.warp.transform(CRS, "EPSG:4326", *places.T)
    images = [image for image in made.images if image is not None]
    half = len(images[0]) // 2
    shown = np.array([int(image[half, half, 0]) for image in images])
    inside = (shown > 0) & (shown < 255)  # lightest and darkest are cut off
    assert inside.sum() > 8
    assert np.corrcoef(shown[inside], np.array(east)[inside])[0, 1] > 0.9999


def test_a_scene_in_its_sensors_geometry_is_shown_on_its_grid(points: DrawnSample) -> None:
    """Turned by a quarter, with a table that turns it back; some pixels of the grid show none."""
    flat = np.arange(CLASSES.size, dtype=np.int32).reshape(SHAPE[1], SHAPE[0])
    pixels = np.rot90(flat, -1).copy()
    pixels[:3] = -1
    table = LookupTable(pixels, (SHAPE[1], SHAPE[0]), PLACE, CRS)
    turned = sl.Scene(np.rot90(cube(CLASSES)).copy(), lookup=table)
    valid = pixels >= 0
    placed = sl.Scene(cube(CLASSES), crs=CRS, transform=PLACE, valid=valid)
    shown, wanted = seen_by(points, turned), seen_by(points, placed)
    for one, other in zip(shown, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((image == 255).any() for image in shown)


def test_a_map_in_the_geometry_of_the_sensor_is_shown_there(
    points: DrawnSample, tmp_path: Path
) -> None:
    """A table that turns the scene upside down says nothing of the pixels of such a map."""
    rows, cols = SHAPE
    pixels = np.zeros((rows + 9, cols), np.int32)
    pixels[:rows] = np.arange(rows * cols, dtype=np.int32).reshape(SHAPE)[::-1]
    table = LookupTable(pixels, SHAPE, PLACE, CRS)
    with no_georeference_allowed():
        path = geotiff(tmp_path / "s.tif", CLASSES, nodata=0, crs=None, transform=None)
    drawn_there = drawn(sl.open_map(path), np.random.default_rng(0), "simple", points=12)
    shown = seen_by(drawn_there, sl.Scene(cube(CLASSES), lookup=table))
    wanted = seen_by(drawn_there, sl.Scene(cube(CLASSES)))
    assert len(shown) == 12
    for one, other in zip(shown, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_outlines_tell_where_classes_change_and_not_which(points: DrawnSample) -> None:
    made = of_map(points, len(points), coloured=False).images
    for image, row, col in zip(made, points.rows, points.cols, strict=True):
        assert image is not None
        assert {*np.unique(image[..., 0])} <= {70, 222, 255}
        if col + 1 < SHAPE[1]:
            line = image[5 * MIDDLE + 2, 5 * (MIDDLE + 1), 0]
            assert (line == 70) == (CLASSES[row, col] != CLASSES[row, col + 1])
    coloured = of_map(points, len(points), coloured=True).images
    colours = points.scene_map.head.class_colours
    for image, i in zip(coloured, points.classes, strict=True):
        assert image is not None
        assert tuple(image[MIDDLE, MIDDLE]) == colours[int(i)]


def test_the_page_is_whole_and_gives_no_class_away(points: DrawnSample) -> None:
    page = sample_page(points, None, "p&q.gpkg", show_class=False)
    assert "<b>Water" not in page
    assert "<li>1 &lt;b&gt;Water&lt;/b&gt;</li><li>4 Oats &amp; rye</li>" in page
    assert (
        "<code>spectrolite areas m.tif --sample &#39;p&amp;q.gpkg&#39; --class-field truth "
        "--design by-map-class</code>"
    ) in page
    assert "http" not in page
    assert re.findall(r'(?:src|href)="(?!data:image/png;base64,)', page) == []
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) == len(points)
    image = Image.open(io.BytesIO(base64.b64decode(pictures[0])))
    assert image.size == (205, 205)
    assert "map: " not in page
    assert "chip" not in page.split("</style>")[-1]
    row, col = points.rows[0], points.cols[0]
    x, y = PLACE[2] + 10 * col + 5, PLACE[5] - 10 * row - 5
    (longitude,), (latitude,) = rasterio.warp.transform(CRS, "EPSG:4326", [x], [y])
    assert (
        f"<b>1</b><br>row {row}, col {col}<br>x {x:g}, y {y:.0f}<br>"
        f"lat {latitude:.6f}, lon {longitude:.6f}<span"
    ) in page
    told = sample_page(points, None, "p.gpkg", show_class=True)
    assert told.count("<br>map: ") == len(points)


def test_the_command_says_that_0_is_a_class(points: DrawnSample) -> None:
    opened = sl.open_map(points.scene_map.path, background="none")
    made = drawn(opened, np.random.default_rng(0), "simple", points=3)
    page = sample_page(made, None, "p.csv", show_class=False)
    assert "--design simple --background none</code>" in page


def test_a_scene_of_another_place(points: DrawnSample) -> None:
    name = str(points.scene_map.path)
    for facts, kind, message in (
        (
            {"crs": CRS, "transform": (10.0, 0.0, 0.0, 0.0, -10.0, 0.0)}, SceneError,
            f"--scene: s holds none of the points of {name}; give a scene of the same place",
        ),
        (
            {}, SceneError,
            "--scene: s has 30 x 49 pixels, the map 30 x 50, and one of them has no coordinates; "
            "give the scene that was mapped",
        ),
        (
            {"transform": PLACE}, LabelsError,
            f"{name}: has a coordinate reference system, but the scene s has none; set it "
            "(gdal_edit -a_srs EPSG:CODE, or Scene(crs=...))",
        ),
    ):  # fmt: skip
        with pytest.raises(kind) as caught:
            of_scene(points, sl.Scene(cube(CLASSES)[:, :49], name="s", **facts), 3)
        assert str(caught.value) == message
    plain = sl.Scene(cube(CLASSES))
    placed = sl.Scene(cube(CLASSES), crs=CRS, transform=PLACE)
    for one, other in zip(seen_by(points, plain), seen_by(points, placed), strict=True):
        np.testing.assert_array_equal(one, other)
