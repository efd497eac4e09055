"""PACE OCI reflectance, compared with what netCDF4 wrote and with the nearest pixel by a loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest

import spectrolite
from spectrolite.data.lookup import LookupTable
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.products import pace, prisma, swath_grid, tanager
from spectrolite.products.swath_grid import nearest_table
from written_pace import COLS, NM, ROWS, places, stored
from written_pace import pace as written

Typed = Callable[..., tuple[int, str, str]]
AGAIN = "the file is not as delivered: download it again"


@pytest.fixture
def product(tmp_path: Path) -> Path:
    return written(tmp_path / "download.nc")


def kilometres(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """By the haversine formula, on a sphere of 6,371 km."""
    a, b, c, d = map(math.radians, (lon, lat, other_lon, other_lat))
    half = math.sin((d - b) / 2) ** 2 + math.cos(b) * math.cos(d) * math.sin((c - a) / 2) ** 2
    return 2 * 6371 * math.asin(math.sqrt(half))


def nearest(lon: float, lat: float, shift: float) -> tuple[float, int]:
    lons, lats = (part.astype(float) for part in places())
    return min(
        (kilometres(lon, lat, lons.flat[n] + shift, lats.flat[n]), n) for n in range(ROWS * COLS)
    )


def the_lookup(path: Path) -> LookupTable:
    lookup = pace.cube(path).lookup
    assert lookup is not None
    return lookup


def test_values_and_wavelengths(product: Path, tmp_path: Path) -> None:
    assert pace.found(product)
    assert not prisma.found(product)
    assert not tanager.found(product)
    scene = spectrolite.read_scene(product, leave_out=["none"])
    wanted = stored()
    assert scene.valid is not None
    assert np.argwhere(~scene.valid).tolist() == [[0, COLS - 1]]
    np.testing.assert_array_equal(scene.cube[scene.valid], wanted[scene.valid])
    assert scene.wavelengths_nm == NM
    later = pace.cube(written(tmp_path / "later.nc", in_geophysical=True))
    assert later.wavelengths_nm == tuple(nm + 0.5 for nm in NM)


@pytest.mark.parametrize("shift", [0.0, 168.9])
def test_the_grid_shows_the_nearest_pixel(tmp_path: Path, shift: float) -> None:
    path = written(tmp_path / "a.nc", shift=shift)
    lookup = the_lookup(path)
    lons, lats = (part.astype(float).ravel().tolist() for part in places())
    width, _, left, _, height, top = lookup.transform
    for row in range(lookup.shape[0]):
        for col in range(lookup.shape[1]):
            lon, lat = left + (col + 0.5) * width, top + (row + 0.5) * height
            apart, which = nearest(lon, lat, shift)
            shown = int(lookup.pixels[row, col])
            if shown != which:  # none, because all are far, or one as near but for float32
                assert (shown == -1 and apart > 0.5) or kilometres(
                    lon, lat, lons[shown] + shift, lats[shown]
                ) == pytest.approx(apart, abs=0.003)
            if apart < 0.5:
                assert shown >= 0
    for lon, lat in zip(lons, lats, strict=True):
        row, col = int((lat - top) / height), int((lon + shift - left) / width)
        assert lookup.pixels[row, col] >= 0  # each pixel of the sensor lies on the grid
    assert lookup.crs == ("EPSG:4326" if not shift else swath_grid.FROM_0_TO_360)
    assert -height * 111.2 == pytest.approx(1.24, abs=0.05)  # km between two lines
    crosses = "it crosses 180 degrees: the longitudes of its grid go from 0 to 360"
    assert (crosses in pace.cube(path).notes) == (shift > 0)


def test_labels_reach_both_sides_of_180_degrees(tmp_path: Path) -> None:
    """Their longitudes go from -180 to 180, those of the grid from 0 to 360."""
    scene = spectrolite.read_scene(written(tmp_path / "a.nc", shift=168.9), leave_out=("none",))
    lons, lats = (part.astype(float).ravel() for part in places())
    lons = (lons + 168.9 + 180) % 360 - 180
    lines = [f"{lon},{lat},1" for lon, lat in zip(lons, lats, strict=True)]
    (tmp_path / "points.csv").write_text("\n".join(["lon,lat,class", *lines]))
    labels = spectrolite.read_labels(tmp_path / "points.csv", scene=scene)
    assert not any("outside" in note for note in labels.notes)
    labelled = labels.array.ravel() > 0
    for side in (lons < 0, lons > 0):
        assert labelled[side].mean() > 0.8


def test_a_place_without_coordinates_is_not_shown(product: Path) -> None:
    with netCDF4.Dataset(product, "r+") as file:
        file["navigation_data/latitude"][5, 5] = np.ma.masked
    assert 5 * COLS + 5 not in the_lookup(product).pixels
    with netCDF4.Dataset(product, "r+") as file:
        file["navigation_data/latitude"][:] = np.ma.masked
    with pytest.raises(ReadError) as error:
        pace.cube(product)
    assert str(error.value) == f"{product}: its pixels have no longitude and latitude"


def test_clouds_are_left_out_and_water_is_kept(product: Path) -> None:
    for words, marked in ((None, [(3, 4)]), (["water"], [(ROWS - 1, c) for c in range(COLS)])):
        _, valid = spectrolite.open_scene(product, leave_out=words).read(Window(1, ROWS, 0, COLS))
        assert [(row + 1, col) for row, col in np.argwhere(~valid).tolist()] == marked


def test_info_tells_the_product(product: Path, typed: Typed) -> None:
    code, out, err = typed("info", product)
    assert (code, err) == (0, "")
    assert "PACE OCI L2 surface reflectance" in " ".join(out.split())


def test_other_products_of_the_sensor(tmp_path: Path, typed: Typed) -> None:
    path = written(tmp_path / "a.nc", without=("geophysical_data/rhos",), title="OCI L2 Data AOP")
    assert typed("info", path) == (
        2,
        "",
        f"error: {path}: this is 'OCI L2 Data AOP', without surface reflectance; wanted PACE OCI "
        "L2 surface reflectance: get PACE_OCI_L2_SFREFL of the same time",
    )
    with netCDF4.Dataset(tmp_path / "l1b.nc", "w") as file:
        file.title, file.instrument = "PACE OCI Level-1B Data", "OCI"
        file.createGroup("observation_data")
        file.createGroup("geolocation_data")
    assert pace.found(tmp_path / "l1b.nc")
    with netCDF4.Dataset(path, "r+") as file:
        file.instrument = "MODIS"  # the same groups
    assert not pace.found(path)
    assert typed("info", path, "--product", "pace") == (
        2,
        "",
        f"error: {path}: this is not a product of PACE OCI: wanted geophysical_data/rhos, and OCI "
        "as the attribute instrument; leave out --product pace",
    )


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("sensor_band_parameters/wavelength_3d",
         "sensor_band_parameters/wavelength_3d: wanted 5 numbers, one a band, got none"),
        ("navigation_data/latitude",
         "navigation_data/latitude: wanted 12 x 9 degrees, got none"),
        ("geophysical_data/l2_flags",
         "geophysical_data/l2_flags: wanted 12 x 9 flags, CLDICE and LAND among their "
         "flag_meanings, got none"),
    ],
)  # fmt: skip
def test_without_an_array(tmp_path: Path, without: str, said: str) -> None:
    path = written(tmp_path / "a.nc", without=(without,))
    with pytest.raises(ReadError) as error:
        pace.cube(path)
    assert str(error.value) == f"{path}: {said}; {AGAIN}"


def test_flags_without_their_bits(product: Path) -> None:
    with h5py.File(product, "r+") as file:
        del file["geophysical_data/l2_flags"].attrs["flag_masks"]
    with pytest.raises(ReadError) as error:
        pace.cube(product)
    assert str(error.value) == (
        f"{product}: geophysical_data/l2_flags: wanted 12 x 9 flags, CLDICE and LAND among their "
        f"flag_meanings, got geophysical_data/l2_flags (12 x 9 int32); {AGAIN}"
    )


@pytest.mark.parametrize("shape", [(10_000, 10_000, 5), (12, 9, 5000)])
def test_more_pixels_or_bands_than_a_granule_has(
    product: Path, shape: tuple[int, int, int]
) -> None:
    with h5py.File(product, "r+") as file:  # a few bytes, as nothing is written to it
        del file["geophysical_data/rhos"]
        file.create_dataset("geophysical_data/rhos", shape, np.float32, chunks=True)
    with pytest.raises(ReadError) as error:
        pace.cube(product)
    sides = " x ".join(map(str, shape))
    assert str(error.value) == (
        f"{product}: geophysical_data/rhos ({sides} float32) is larger than any granule; {AGAIN}"
    )


def test_places_that_are_no_swath(product: Path) -> None:
    lon = np.zeros((ROWS, COLS))
    with pytest.raises(ReadError) as error:
        nearest_table(product, lon, lon)
    assert str(error.value) == (
        f"{product}: its longitudes and latitudes, 0 to 0 and 0 to 0, are no swath"
    )
