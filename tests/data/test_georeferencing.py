"""Shapes on a scene's grid.

References: shapely's predicate asked of one pixel centre after the other, in a plain loop, on
straight and rotated grids; GDAL's rasteriser (`rasterio.features`) as a second opinion where no
centre lies near an edge; sets of pixels in plain dictionaries for what shapes share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rasterio import Affine, features

from spectrolite.data.georeferencing import (
    Grid,
    burn,
    check_crs,
    grid_of,
    pixels_of,
    reproject_places,
    same_crs,
)
from spectrolite.data.scene import Scene
from spectrolite.errors import LabelsError

SMALL = settings(deadline=None, max_examples=60, derandomize=True)
NORTH_UP = (10.0, 0.0, 600000.0, 0.0, -10.0, 5200000.0)
TURNED = (8.0, 3.0, 600000.0, 3.0, -8.0, 5200000.0)


def grid(rows: int = 9, cols: int = 11, transform: tuple[float, ...] = NORTH_UP) -> Grid:
    return Grid((rows, cols), transform, "EPSG:32632", "field")


def place(transform: tuple[float, ...], col: float, row: float) -> tuple[float, float]:
    a, b, x, d, e, y = transform
    return a * col + b * row + x, d * col + e * row + y


@st.composite
def polygons(draw: st.DrawFn) -> shapely.Geometry:
    """A few corners in and around the grid, in steps of half a pixel, so that edges are met."""
    corner = st.tuples(st.integers(-8, 30), st.integers(-26, 8))
    corners = draw(st.lists(corner, min_size=3, max_size=6, unique=True))
    polygon = shapely.Polygon([(600000 + 5 * x, 5200000 + 5 * y) for x, y in corners])
    assume(polygon.is_valid and polygon.area > 0)
    return polygon


@SMALL
@given(polygons(), st.sampled_from([NORTH_UP, TURNED]))
def test_a_polygon_holds_the_pixels_whose_centre_is_inside(
    polygon: shapely.Geometry, transform: tuple[float, ...]
) -> None:
    made = grid(transform=transform)
    wanted = [
        row * 11 + col
        for row in range(9)
        for col in range(11)
        if polygon.contains(shapely.Point(*place(transform, col + 0.5, row + 0.5)))
    ]
    assert pixels_of(polygon, made).tolist() == wanted


@SMALL
@given(polygons())
def test_gdal_agrees_where_no_centre_is_near_an_edge(polygon: shapely.Geometry) -> None:
    moved = shapely.transform(polygon, lambda at: at + 0.7)
    centres = [
        shapely.Point(600005 + 10 * c, 5199995 - 10 * r) for r in range(9) for c in range(11)
    ]
    assume(min(moved.boundary.distance(centre) for centre in centres) > 1e-3)
    gdal = features.rasterize([(moved, 1)], (9, 11), transform=Affine(*NORTH_UP))
    assert pixels_of(moved, grid()).tolist() == np.flatnonzero(gdal).tolist()


def test_a_centre_on_the_edge_is_outside_on_both_sides() -> None:
    left = shapely.box(600000, 5199960, 600015, 5200000)  # through the centres of column 1
    right = shapely.box(600015, 5199960, 600030, 5200000)
    held = {n % 11 for side in (left, right) for n in pixels_of(side, grid()).tolist()}
    assert held == {0, 2}


def test_many_centres_are_tested_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    polygon = shapely.box(600001, 5199921, 600099, 5199999)
    whole = pixels_of(polygon, grid()).tolist()
    monkeypatch.setattr("spectrolite.data.georeferencing.CENTRES_AT_ONCE", 12)
    assert pixels_of(polygon, grid()).tolist() == whole
    assert len(whole) == 8 * 10


@pytest.mark.parametrize("transform", [NORTH_UP, TURNED])
def test_a_point_holds_the_pixel_it_is_in(transform: tuple[float, ...]) -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        row, col = generator.uniform(-3, 12, 2)
        point = shapely.Point(*place(transform, col, row))
        inside = 0 <= row < 9 and 0 <= col < 11
        wanted = [int(row) * 11 + int(col)] if inside else []
        assert pixels_of(point, grid(transform=transform)).tolist() == wanted


def test_the_upper_and_left_edge_belong_to_a_pixel() -> None:
    points = shapely.MultiPoint([(600010, 5199990), (600000, 5200000), (600110, 5199995)])
    assert pixels_of(points, grid()).tolist() == [0, 12]  # the last one is the scene's right edge


@SMALL
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 7]), st.sets(st.integers(0, 11))), min_size=1, max_size=6
    )
)
def test_what_shapes_share(shapes: list[tuple[int, set[int]]]) -> None:
    made = burn((3, 4), [np.array(sorted(s), np.int64) for _, s in shapes], [i for i, _ in shapes])
    holders = {p: [n for n, (_, s) in enumerate(shapes) if p in s] for p in range(12)}
    classes = {p: {shapes[n][0] for n in held} for p, held in holders.items()}
    group = list(range(len(shapes)))
    shared = set()
    for p, held in holders.items():
        if len(held) > 1 and len(classes[p]) == 1:
            shared.update(held)
            joined = {group[n] for n in held}
            group = [min(joined) if g in joined else g for g in group]
    for p in range(12):
        one = len(classes[p]) == 1
        assert made.array.flat[p] == (next(iter(classes[p])) if one else 0)
        assert made.polygons.flat[p] == (group[holders[p][0]] + 1 if one else 0)
    assert made.conflicts == sum(len(found) > 1 for found in classes.values())
    assert made.merged == len(shared)


def test_a_scene_without_a_transform() -> None:
    with pytest.raises(LabelsError) as caught:
        grid_of(Scene(np.ones((2, 3, 4)), name="field"), "plots.gpkg")
    assert str(caught.value) == (
        "plots.gpkg: holds coordinates, but field has no transform, so its pixels have none; "
        "georeference the scene, or use a raster of labels on its grid"
    )


def test_a_scene_whose_pixels_lie_on_a_line() -> None:
    flat = Scene(np.ones((2, 3, 4)), name="field", transform=(1.0, 2.0, 0.0, 2.0, 4.0, 0.0))
    with pytest.raises(LabelsError) as caught:
        grid_of(flat, "plots.gpkg")
    assert str(caught.value) == (
        "plots.gpkg: cannot be placed, because the transform of field puts all pixels on a line: "
        "(1.0, 2.0, 0.0, 2.0, 4.0, 0.0); georeference the scene again"
    )


def test_one_reference_system_without_the_other() -> None:
    with pytest.raises(LabelsError) as caught:
        check_crs(Grid((2, 3), NORTH_UP, None, "field"), "EPSG:4326", "plots.gpkg")
    assert str(caught.value) == (
        "plots.gpkg: has a coordinate reference system, but the scene field has none; set it "
        "(gdal_edit -a_srs EPSG:CODE, or Scene(crs=...))"
    )
    with pytest.raises(LabelsError) as reverse:
        check_crs(grid(), None, "plots.gpkg")
    assert str(reverse.value) == (
        "plots.gpkg: has no coordinate reference system, but the scene field has one; store it "
        "with the labels (in QGIS: Layer > Set Layer CRS, then export)"
    )
    check_crs(Grid((2, 3), NORTH_UP, None, "field"), None, "plots.gpkg")


def test_a_reference_system_that_is_none() -> None:
    with pytest.raises(
        LabelsError, match=r"^plots: a coordinate reference system is not understood"
    ):
        same_crs("EPSG:32632", "EPSG:99999999", "plots")


def test_places_go_to_another_system_by_the_formula_of_mercator() -> None:
    """Reference: the formula of the spherical Mercator projection."""
    lon, lat = np.array([9.0, -3.0]), np.array([47.0, 12.5])
    x, y = reproject_places(lon, lat, "EPSG:4326", "EPSG:3857", "plots")
    radius: Any = 6378137
    np.testing.assert_allclose(x, radius * np.radians(lon))
    np.testing.assert_allclose(y, radius * np.log(np.tan(np.pi / 4 + np.radians(lat) / 2)))
