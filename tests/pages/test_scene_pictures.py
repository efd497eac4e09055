"""Pictures of scenes: their false colour, and where they lie in a mosaic.

The references are pictures put together by hand, and percentiles of numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import spectrolite as sl
from spectrolite.mapping.map_frame import PICTURE_SIDE
from spectrolite.pages.false_colour import (
    false_colour,
    false_colour_caption,
    false_colours,
    grid_of,
)
from spectrolite.pages.mosaic import mosaic_of

UTM = "EPSG:32632"


def test_false_colour_takes_infrared_red_green() -> None:
    cube = np.zeros((4, 4, 4), np.float32)
    cube[1:, :, :] = [10, 20, 30, 40]
    cube[2, 0] = [10, 0, 30, 0]
    scene = sl.Scene(cube, wavelengths_nm=(550.0, 650.0, 861.0, 2000.0))
    picture = false_colour(scene)
    assert picture.shape == (4, 4, 3)
    assert picture[3, 3].tolist() == [255, 255, 255]
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[2, 0].tolist() == [255, 0, 255]
    caption = "False colour: 861, 650 and 550 nm as red, green and blue"
    assert false_colour_caption(scene) == caption


@pytest.mark.parametrize("waves", [None, tuple(np.linspace(1500.0, 2400.0, 30))])
@pytest.mark.parametrize("ramp", [np.ones(30), np.linspace(1, 90, 30)])
def test_false_colour_without_visible_wavelengths_does_not_glare(
    waves: tuple[float, ...] | None, ramp: Any
) -> None:
    """Noise in each band: in colours of full strength it would be confetti."""
    cube = np.random.default_rng(0).normal(1000, 200, (60, 50, 30)) * ramp
    scene = sl.Scene(cube, wavelengths_nm=waves)
    picture = false_colour(scene).astype(int)
    assert (picture.max(axis=2) - picture.min(axis=2)).max() <= 0.6 * 255 + 1
    assert picture.std() > 40
    thirds = np.stack([cube[:, :, k : k + 10].mean(axis=2) for k in (20, 10, 0)], axis=2)
    low, high = np.percentile(thirds, [2, 98], axis=(0, 1))
    full = ((thirds - low) / (high - low)).clip(0, 1)
    grey = full.mean(axis=2)
    np.testing.assert_allclose(picture.mean(axis=2), 255 * grey, atol=1)
    np.testing.assert_allclose(
        picture[:, :, 0] - picture[:, :, 2], 0.6 * 255 * (full[:, :, 0] - full[:, :, 2]), atol=1.5
    )
    words = "False colour: means of the last, middle and first third of the bands"
    assert false_colour_caption(scene) == words


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_false_colour_of_few_bands(bands: int) -> None:
    cube = np.arange(12.0 * bands).reshape(3, 4, bands)
    picture = false_colour(sl.Scene(cube))
    assert (picture[0, 0].max(), picture[-1, -1].min()) == (0, 255)


def test_pixels_without_a_spectrum_are_black_and_stretch_nothing() -> None:
    cube = np.random.default_rng(0).normal(1000, 10, (20, 20, 6))
    plain = false_colour(sl.Scene(cube))
    valid = np.ones((20, 40), bool)
    valid[:, 20:] = False
    wide = np.concatenate([cube, np.zeros_like(cube)], axis=1)
    picture = false_colour(sl.Scene(wide, valid=valid))
    assert np.array_equal(picture[:, :20], plain)
    assert not picture[:, 20:].any()


def test_scenes_are_stretched_alike_and_a_file_as_in_memory() -> None:
    dark, light = (np.full((4, 5, 3), value, float) for value in (10, 90))
    scenes = [sl.Scene(dark, name="a"), sl.Scene(light, name="b")]
    grids = [grid_of((4, 5), 2), grid_of((4, 5), 3, (1, 2))]
    one, other = false_colours(scenes, grids)
    assert (one.shape, other.shape) == ((2, 3, 3), (1, 1, 3))
    assert (one.max(), other.min()) == (0, 255)
    cube = np.random.default_rng(0).normal(size=(9, 8, 7))
    left = sl.SceneFile(
        cube.shape,
        cube.dtype,
        lambda window: (cube[window.slices], np.ones(window.shape, bool)),
    )
    assert np.array_equal(false_colour(left, 2), false_colour(sl.Scene(cube), 2))


def tile(rows: int, cols: int, x: float, y: float, **other: Any) -> sl.Scene:
    place = {"crs": UTM, "transform": (20.0, 0.0, x, 0.0, -20.0, y), **other}
    return sl.Scene(np.ones((rows, cols, 3)), name=f"{x:.0f}_{y:.0f}.tif", **place)


def test_tiles_lie_where_their_coordinates_are() -> None:
    scenes = [tile(4, 5, 1000, 500), tile(4, 3, 1100, 500), tile(2, 8, 1000, 420)]
    mosaic = mosaic_of(scenes)
    assert mosaic.by_coordinates
    assert mosaic.corners == ((0, 0), (0, 5), (4, 0))
    assert mosaic.place.shape == (6, 8)
    assert mosaic.place.transform == (20.0, 0.0, 1000.0, 0.0, -20.0, 500.0)
    colours = [(10, 0, 0), (0, 20, 0), (0, 0, 30)]
    pictures = [
        np.full((*scene.shape[:2], 3), colour, np.uint8)
        for scene, colour in zip(scenes, colours, strict=True)
    ]
    joined = mosaic.joined(pictures, [np.ones(p.shape[:2], bool) for p in pictures])
    expected = np.empty((6, 8, 3), np.uint8)
    expected[:4, :5], expected[:4, 5:], expected[4:] = colours
    assert np.array_equal(joined, expected)


def test_where_tiles_overlap_a_pixel_without_data_hides_none() -> None:
    scenes = [tile(2, 4, 0, 0), tile(2, 4, 40, 0)]
    mosaic = mosaic_of(scenes)
    pictures = [np.full((2, 4, 3), value, np.uint8) for value in (1, 2)]
    shown = [np.ones((2, 4), bool), np.array([[0, 1, 1, 0], [1, 0, 1, 0]], bool)]
    joined = mosaic.joined(pictures, shown)[:, :, 0]
    assert joined.tolist() == [[1, 1, 1, 2, 2, 2], [1, 1, 2, 1, 2, 2]]


@pytest.mark.parametrize(
    "other",
    [
        {"transform": None},
        {"crs": "EPSG:32633"},
        {"transform": (10.0, 0.0, 1000.0, 0.0, -10.0, 500.0)},
        {"transform": (20.0, 0.0, 90_000.0, 0.0, -20.0, 500.0)},
    ],
)
def test_tiles_of_other_grids_or_far_apart_lie_in_rows(other: dict[str, Any]) -> None:
    scenes = [tile(50, 50, 1000 * n, 500) for n in range(3)] + [tile(40, 50, 1000, 500, **other)]
    mosaic = mosaic_of(scenes)
    assert not mosaic.by_coordinates
    assert mosaic.corners == ((6, 0), (6, 56), (62, 0), (62, 56))
    assert mosaic.place.shape == (112, 106)
    assert not mosaic.place.placed
    joined = mosaic.joined(
        [np.zeros((*s.shape[:2], 3), np.uint8) for s in scenes],
        [np.ones(s.shape[:2], bool) for s in scenes],
    )
    assert int((joined == 0).all(axis=2).sum()) == 3 * 2500 + 2000


def test_a_turned_mosaic_keeps_its_turn() -> None:
    turned = (3.0, 4.0, 100.0, 4.0, -3.0, 200.0)
    right = (3.0, 4.0, 100.0 + 5 * 3.0, 4.0, -3.0, 200.0 + 5 * 4.0)
    scenes = [
        tile(2, 5, 1, 1, transform=right),
        tile(2, 5, 2, 2, transform=turned),
    ]
    mosaic = mosaic_of(scenes)
    assert mosaic.corners == ((0, 5), (0, 0))
    np.testing.assert_allclose(mosaic.place.transform, turned)  # type: ignore[arg-type]


def test_a_large_mosaic_shows_every_so_many_pixels_of_one_grid() -> None:
    """As if the whole had been put together first, and every third row and column taken."""
    side, count = 1001, 4
    whole = np.random.default_rng(0).integers(0, 255, (20, side * count), np.uint8)
    scenes = [
        sl.Scene(
            np.ones((20, side, 1), np.uint8),
            name=str(n),
            crs=UTM,
            transform=(1.0, 0.0, float(side * n), 0.0, -1.0, 0.0),
        )
        for n in range(count)
    ]
    assert side * count > 2 * PICTURE_SIDE
    mosaic = mosaic_of(scenes)
    parts = [whole[:, n * side : (n + 1) * side] for n in range(count)]
    pictures = [
        np.repeat(part[np.ix_(*grid)][:, :, None], 3, axis=2)
        for part, grid in zip(parts, mosaic.grids, strict=True)
    ]
    joined = mosaic.joined(pictures, [np.ones(p.shape[:2], bool) for p in pictures])
    assert np.array_equal(joined[:, :, 0], whole[::3, ::3])
