"""Tiles as one cube: places against rasterio's merge, and every tile that does not belong.

References: `rasterio.merge`, which knows no rotated grids; the whole that the tiles were cut from;
naive loops over pixels.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.merge import merge

from spectrolite.data.lookup import LookupTable
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.products.known import open_cube
from spectrolite.readers.scenes.band_statistics import has_spectrum
from spectrolite.readers.scenes.mosaic import mosaic
from spectrolite.readers.scenes.tiles import Tiles, placed
from written_scenes import PLACE
from written_tiles import cut, tile

WHOLE = np.random.default_rng(0).integers(1, 999, (20, 24, 3)).astype(np.int16)
PARTS = {
    "b.tif": ((0, 8), (12, 16)),  # not in the order of their places
    "a.tif": ((2, 0), (18, 12)),
    "inside.tif": ((4, 2), (3, 4)),
}
WINDOWS = (Window(0, 20, 0, 24), Window(3, 13, 5, 17), Window(0, 2, 0, 8), Window(15, 20, 20, 24))


def as_one(paths: list[Path]) -> Any:
    return mosaic([open_cube(path) for path in paths], [path.name for path in paths])


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # of rasterio
def test_tiles_are_read_as_rasterio_merges_them(tmp_path: Path) -> None:
    paths = cut(tmp_path, WHOLE, PARTS, nodata=-1)
    with rasterio.open(paths[0], "r+") as file:  # no spectrum in part of the overlap
        file.write(np.full((3, 6, 5), -1, np.int16), window=((0, 6), (0, 5)))
    merged, transform = merge(paths, nodata=-1)
    cube = as_one(paths)
    assert cube.shape == (20, 24, 3)
    assert cube.transform == tuple(transform)[:6]
    assert cube.format == "GeoTIFF, 3 tiles"
    for window in WINDOWS:
        valid = has_spectrum(cube.read(window), cube.nodata) & cube.mask(window)
        expected = merged.transpose(1, 2, 0)[window.slices]
        np.testing.assert_array_equal(valid, (expected != -1).all(-1))
        np.testing.assert_array_equal(cube.read(window)[valid], expected[valid])
    counts = np.zeros((20, 24), int)
    for (row, col), (rows, cols) in PARTS.values():
        counts[row : row + rows, col : col + cols] += 1
    assert cube.notes == (
        "3 tiles are read as one scene, in this order: b.tif, a.tif, inside.tif",
        f"{(counts > 1).sum()} of its 480 pixels are in two tiles or more; each takes its "
        "spectrum from the first that has one",
        f"{(counts == 0).sum()} of its 480 pixels are in no tile and have no spectrum",
    )


def test_overlaps_are_counted_for_any_tiles() -> None:
    generator = np.random.default_rng(1)
    for _ in range(20):
        counts = np.zeros((30, 30), int)
        places = []
        for _ in range(6):
            row, col = generator.integers(0, 20, 2)
            rows, cols = generator.integers(1, 10, 2)
            counts[row : row + rows, col : col + cols] += 1
            places.append(Window(row, row + rows, col, col + cols))
        tiles = Tiles(tuple("abcdef"), tuple(places), PLACE)
        assert tiles.covered() == ((counts > 0).sum(), (counts > 1).sum())


@pytest.mark.parametrize(
    "grid",
    [
        rasterio.Affine(10, 0, 600000, 0, 10, 5200000),  # rows run north
        rasterio.Affine.translation(600000, 5200000) @ rasterio.Affine.rotation(30),
        rasterio.Affine(1 / 3600, 0, 9.1, 0, -1 / 3600, 47.2),
    ],
)
def test_any_grid_will_do(tmp_path: Path, grid: rasterio.Affine) -> None:
    paths = cut(tmp_path, WHOLE, PARTS, grid=grid)
    cube = as_one(paths)
    np.testing.assert_allclose(cube.transform, tuple(grid)[:6], rtol=1e-12)
    whole = Window(0, 20, 0, 24)
    inside = cube.mask(whole)
    np.testing.assert_array_equal(cube.read(whole)[inside], WHOLE[inside])
    assert inside.sum() == 480 - (2 * 8 + 8 * 12)


def test_rounded_transforms_are_tolerated_up_to_a_hundredth_of_a_pixel(tmp_path: Path) -> None:
    whole = np.zeros((4, 8, 1), np.int16)
    first = tile(tmp_path / "a.tif", whole)
    near = tile(tmp_path / "near.tif", whole, (2.009, 7.991))
    assert placed([open_cube(first), open_cube(near)], ["a", "b"]).places[1] == Window(2, 6, 8, 16)
    far = tile(tmp_path / "far.tif", whole, (2.0, 7.98))
    with pytest.raises(ReadError, match=r"0\.00 rows and 0\.02 columns off the pixels of a\.tif"):
        as_one([first, far])


OFF = "give them as several scenes, without --mosaic"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "shifted": (
        {"corner": (0.25, 8.5)},
        "b.tif: lies 0.25 rows and 0.50 columns off the pixels of a.tif; up to 0.01 is taken as "
        f"rounding: warp one to the grid of the other (gdalwarp -tap), or {OFF}",
    ),
    "another pixel": (
        {"grid": rasterio.Affine(20, 0, 600000, 0, -20, 5200000)},
        "b.tif: its pixels are 20 x -20, but 10 x -10 in a.tif; warp one to the grid of the other "
        f"(gdalwarp -tr), or {OFF}",
    ),
    "rotated": (
        {"grid": rasterio.Affine(6, 8, 600000, 8, -6, 5200000)},
        "b.tif: its pixels are 6, 8, 8, -6 (rotated), but 10 x -10 in a.tif; warp one to the grid "
        f"of the other (gdalwarp -tr), or {OFF}",
    ),
    "another zone": (
        {"crs": "EPSG:32633"},
        "b.tif: its reference system is EPSG:32633, but EPSG:32632 in a.tif; warp one to the grid "
        f"of the other (gdalwarp), or {OFF}",
    ),
    "no reference system": (
        {"crs": None},
        "b.tif: its reference system is none, but EPSG:32632 in a.tif; warp one to the grid of the "
        f"other (gdalwarp), or {OFF}",
    ),
    "no place": (
        {"corner": (0, 0), "grid": rasterio.Affine.identity()},
        "b.tif: has no transform, so its place among the tiles is unknown; georeference it, or "
        f"{OFF}",
    ),
    "another type": (
        {"cube": np.zeros((4, 8, 3), np.float32)},
        f"b.tif: its values are float32, but int16 in a.tif; convert one of them, or {OFF}",
    ),
    "other bands": (
        {"cube": np.zeros((4, 8, 1), np.int16)},
        "b.tif: 1 band, but a.tif has 3; the tiles of a mosaic have the same bands",
    ),
    "other wavelengths": (
        {"nm": (500.0, 602.0, 705.0)},
        "b.tif: band 1, from 0, has its centre at 602 nm, but at 600 nm in a.tif, and so 2 of 3 "
        "bands are more than 1 nm apart; the tiles of a mosaic are of one sensor",
    ),
    "far away": (
        {"corner": (100, 5000)},
        "b.tif: lies 100 rows and 5,000 columns from a.tif, so the mosaic would have 104 x 5,008 "
        f"pixels, more than 100 times those of its tiles; {OFF}",
    ),
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_a_tile_that_does_not_belong_is_refused(tmp_path: Path, case: str) -> None:
    changed, message = REFUSED[case]
    cube = np.zeros((4, 8, 3), np.int16)
    first = tile(tmp_path / "a.tif", cube, nm=(500.0, 600.0, 700.0))
    other = tile(tmp_path / "b.tif", **{"cube": cube, "corner": (0, 8), **changed})
    with pytest.raises(ReadError, match=f"^{re.escape(message)}$"):
        as_one([first, other])


def test_a_tile_in_the_geometry_of_its_sensor_is_refused(tmp_path: Path) -> None:
    cube = open_cube(tile(tmp_path / "a.tif", np.zeros((4, 8, 1), np.int16)))
    table = LookupTable(np.zeros((2, 2), np.int32), (4, 8), PLACE, "EPSG:32632")
    swath = replace(cube, crs=None, transform=None, lookup=table)
    message = f"b: is in the geometry of its sensor and shares no grid with other tiles; {OFF}"
    with pytest.raises(ReadError, match=f"^{re.escape(message)}$"):
        placed([cube, swath], ["a", "b"])


def test_each_tile_is_read_by_its_own_nodata_value(tmp_path: Path) -> None:
    """0 in all bands is no spectrum in one tile, a single -1 in the other, NaN in the cube."""
    one = np.array([[[0, 0], [0, 5], [-1, 6]]], np.int16)
    other = np.array([[[7, 8], [0, 0], [-1, 9]]], np.int16)
    paths = [
        tile(tmp_path / "a.tif", one, nodata=0),
        tile(tmp_path / "b.tif", other, (0, 3), nodata=-1),
    ]
    cube = as_one(paths)
    values = cube.read(Window(0, 1, 0, 6))
    nan = np.nan
    np.testing.assert_array_equal(values, [[[nan, nan], [0, 5], [-1, 6], [7, 8], [0, 0], [nan, 9]]])
    assert cube.nodata is None
    assert cube.dtype == np.int16
    assert cube.notes[1] == (
        "its tiles state different nodata values, and each is read by its own: 0 in a.tif, -1 in "
        "b.tif"
    )
