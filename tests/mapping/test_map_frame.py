"""Scale, north and coordinates of a map's picture.

The references are lengths of degrees from the tables of WGS 84 (at 60 degrees of latitude a degree
of longitude has 55,800 m and one of latitude 111,412 m), and angles written down.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from rasterio.crs import CRS

from spectrolite.mapping.map_file import MapHead
from spectrolite.mapping.map_frame import Place, bar_length, draw_map
from spectrolite.mapping.picture import write_picture

UTM = CRS.from_epsg(32633).to_wkt()  # its central meridian, 15 east, is at an easting of 500,000
COS, SIN = 20 * np.cos(np.radians(30)), 20 * np.sin(np.radians(30))
SHAPE = (200, 300)
PLACED = {
    "north up": (UTM, (20.0, 0.0, 497_000.0, 0.0, -20.0, 5_402_000.0), (20, 0, 0, -20)),
    "south up": (UTM, (20.0, 0.0, 497_000.0, 0.0, 20.0, 5_398_000.0), (20, 0, 0, 20)),
    "turned": (UTM, (COS, SIN, 496_000.0, SIN, -COS, 5_400_000.0), (COS, SIN, SIN, -COS)),
    "on its side": (UTM, (0.0, 0.2, 500_000.0, 0.2, 0.0, 5_400_000.0), (0, 0.2, 0.2, 0)),
    "degrees": ("EPSG:4326", (0.001, 0.0, 11.35, 0.0, -0.001, 60.1), (55.8, 0, 0, -111.412)),
    "Mercator": (
        "EPSG:3857",  # at 60 degrees of latitude its metres are half as long
        (30.0, 0.0, 1_280_000.0, 0.0, -30.0, 8_402_738.0),
        (15.04, 0, 0, -14.99),
    ),
    "feet": (
        "EPSG:2263",
        (3.0, 0.0, 984_000.0, 0.0, -3.0, 200_000.0),
        (0.9144018, 0, 0, -0.9144018),
    ),
}


@pytest.mark.parametrize("name", PLACED)
def test_metres_on_the_ground(name: str) -> None:
    crs, transform, (a, b, d, e) = PLACED[name]
    ground = Place(SHAPE, crs, transform).ground()
    assert ground is not None
    size = np.hypot(a, d)
    np.testing.assert_allclose(ground, [[a, d], [b, e]], rtol=1e-3, atol=5e-3 * size)


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (None, (20.0, 0.0, 5e5, 0.0, -20.0, 5.4e6)),
        (UTM, None),
        (UTM, (1.0, 2.0, 0.0, 2.0, 4.0, 0.0)),
        (UTM, (20.0, 0.0, float("nan"), 0.0, -20.0, 5.4e6)),
        ("no system", (20.0, 0.0, 5e5, 0.0, -20.0, 5.4e6)),
        ('LOCAL_CS["field",UNIT["metre",1]]', (20.0, 0.0, 5e5, 0.0, -20.0, 5.4e6)),
        (UTM, (20.0, 0.0, 1e12, 0.0, -20.0, 5.4e6)),
    ],
)
def test_a_map_whose_place_on_earth_is_unknown_has_no_scale(
    crs: str | None, transform: tuple[float, ...] | None, tmp_path: Path
) -> None:
    assert Place(SHAPE, crs, transform).ground() is None
    head = MapHead(SHAPE, {1: "a"}, {1: (9, 99, 199)}, crs, transform)
    write_picture(tmp_path / "m.png", np.ones(SHAPE, np.uint8), head, {1: 60_000})
    with Image.open(tmp_path / "m.png") as image:
        assert min(image.size) > 400


@pytest.mark.parametrize(
    ("width_m", "length", "text"),
    [(6000, 2000, "2 km"), (2999, 500, "500 m"), (3000, 1000, "1 km"), (3, 1, "1 m"),
     (1.2, 0.2, "0.2 m"), (1e7, 2e6, "2,000 km")],
)  # fmt: skip
def test_a_scale_bar_has_a_round_length(width_m: float, length: float, text: str) -> None:
    made, words = bar_length(width_m)
    assert made == pytest.approx(length)
    assert words == text


def drawn(crs: str | None, transform: tuple[float, ...] | None) -> Figure:
    figure = Figure(figsize=(6, 4))
    draw_map(figure.add_subplot(), np.zeros((*SHAPE, 3), np.uint8), Place(SHAPE, crs, transform))
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize(
    ("name", "pixels", "north"),
    [
        ("north up", 100, (0, 1)),
        ("south up", 100, (0, -1)),
        ("turned", 100, (0.5, 0.866)),
        ("on its side", 100, (1, 0)),
        ("degrees", 5000 / 55.8, (0, 1)),
    ],
)
def test_the_bar_and_the_arrow_are_drawn_so(
    name: str, pixels: float, north: tuple[float, float]
) -> None:
    (axes,) = drawn(*PLACED[name][:2]).axes
    (bar,) = [line for line in axes.lines if line.get_gid() == "scale-bar"]
    assert float(bar.get_xdata()[1]) == pytest.approx(pixels, rel=2e-3)  # type: ignore[arg-type, index]
    arrow = next(text for text in axes.texts if text.get_text() == "")
    head, tail = arrow.xycoords, arrow.anncoords  # type: ignore[attr-defined]
    way = np.subtract(head.transform((1, 1)), tail.transform((1, 1)))
    np.testing.assert_allclose(way / np.hypot(*way), north, atol=0.02)


@pytest.mark.parametrize(
    ("name", "bottom", "left"),
    [
        (
            "north up",
            ("easting, m (WGS 84 / UTM zone 33N)", {"498,000": 50, "500,000": 150}),
            ("northing, m", {"5,400,000": 100, "5,402,000": 0}),
        ),
        (
            "degrees",
            ("longitude, ° (WGS 84)", {"11.4": 50, "11.6": 250}),
            ("latitude, °", {"60.0": 100, "59.9": 200}),
        ),
        (
            "on its side",
            ("northing, m", {"5,400,020": 100, "5,400,040": 200}),
            ("easting, m (WGS 84 / UTM zone 33N)", {"500,010": 50, "500,030": 150}),
        ),
        (None, ("column", {"0": 0, "100": 100}), ("row", {"100": 100})),
    ],
)
def test_coordinates_stand_at_their_pixels(
    name: str | None, bottom: tuple[str, dict[str, int]], left: tuple[str, dict[str, int]]
) -> None:
    (axes,) = drawn(*(PLACED[name][:2] if name else (None, None))).axes
    for axis, (title, some) in ((axes.xaxis, bottom), (axes.yaxis, left)):
        assert axis.get_label_text() == title
        marks = dict(
            zip(
                [text.get_text() for text in axis.get_ticklabels()],
                np.asarray(axis.get_ticklocs()).tolist(),
                strict=True,
            )
        )
        assert {label: round(marks.get(label, -1), 3) for label in some} == some, marks


def test_the_lines_of_a_turned_map_go_through_the_places_of_their_coordinates() -> None:
    crs, transform, _ = PLACED["turned"]
    (axes,) = drawn(crs, transform).axes
    a, b, x, d, e, y = transform
    lines = [line for line in axes.lines if line.get_gid() != "scale-bar"]
    values = [text.get_text() for text in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    assert len(lines) == len(values) >= 4
    for n, (line, text) in enumerate(zip(lines, values, strict=True)):
        (col, row), other = line.get_xy1(), line.get_xy2()  # type: ignore[attr-defined]
        for c, r in ((col, row), other):
            place = a * c + b * r + x if n < len(axes.get_xticks()) else d * c + e * r + y
            assert place == pytest.approx(float(text.replace(",", "")))
