"""Where cubes of NetCDF, HDF5 and Zarr lie.

References: transforms worked out by hand; reference systems by their EPSG codes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import zarr
from rasterio.crs import CRS

from spectrolite.products.known import open_cube

UTM, WGS84 = CRS.from_epsg(32632).to_wkt(), CRS.from_epsg(4326).to_wkt()
FEET = CRS.from_epsg(2263).to_wkt()  # US survey feet
METRES = (10.0, 0.0, 600000.0, 0.0, -10.0, 5200000.0)
MIXED = (
    "its coordinates are in degrees_north and degrees_east, which are not of its reference "
    "system: no transform"
)


def netcdf(
    path: Path, y: Any, x: Any, units: tuple[str, str], wkt: str | None, **codes: int
) -> Path:
    with netCDF4.Dataset(path, "w") as file:
        for name, centres in (("y", y), ("x", x), ("band", [1, 2])):
            file.createDimension(name, len(centres))
            if name != "band":
                coordinate = file.createVariable(name, "f8", (name,))
                coordinate[:] = centres
                coordinate.units = units[name == "x"]
        cube = file.createVariable("cube", "f4", ("band", "y", "x"))
        cube[:] = np.ones(cube.shape)
        if wkt is not None or codes:
            cube.grid_mapping = "crs"
            mapping = file.createVariable("crs", "i4", ())
            mapping.setncatts(codes if wkt is None else {"crs_wkt": wkt})
    return path


Y, X = 5199995 - 10.0 * np.arange(3), 600005 + 10.0 * np.arange(4)
LAT, LON = 46.95 - 0.1 * np.arange(3), 10.05 + 0.1 * np.arange(4)
DEGREES = (0.1, 0.0, 10.0, 0.0, -0.1, 47.0)
NO_MAPPING = "it has no grid mapping; its degrees are taken as WGS 84 (EPSG:4326)"


@pytest.mark.parametrize(
    ("y", "x", "units", "wkt", "expected", "note"),
    [
        (Y, X, ("m", "m"), UTM, METRES, None),
        (Y / 1000, X / 1000, ("km", "km"), UTM, METRES, None),
        (Y / 1000, X / 1000, ("kilometers", "Kilometre"), UTM, METRES, None),
        (Y, X, ("", ""), UTM, METRES, None),
        (Y * 1200 / 3937, X * 1200 / 3937, ("m", "m"), FEET, METRES, None),
        (LAT, LON, ("degrees_north", "degrees_east"), WGS84, DEGREES, None),
        (np.radians(LAT), np.radians(LON), ("rad", "radian"), WGS84, DEGREES, None),
        (LAT, LON, ("degrees_north", "degrees_east"), UTM, None, MIXED),
        (LAT, LON, ("degrees_north", "degrees_east"), None, DEGREES, NO_MAPPING),
    ],
)
def test_coordinates_in_the_unit_that_they_state(
    tmp_path: Path,
    y: Any,
    x: Any,
    units: tuple[str, str],
    wkt: str | None,
    expected: tuple[float, ...] | None,
    note: str | None,
) -> None:
    cube = open_cube(netcdf(tmp_path / "s.nc", y, x, units, wkt))
    assert (None if cube.transform is None else pytest.approx(cube.transform)) == expected
    assert cube.crs == (wkt or WGS84)
    assert [n for n in cube.notes if "wavelength" not in n] == ([] if note is None else [note])


def test_a_grid_mapping_of_an_epsg_code(tmp_path: Path) -> None:
    cube = open_cube(netcdf(tmp_path / "s.nc", Y, X, ("m", "m"), None, epsg_code=32632))
    assert (cube.crs, cube.transform) == (UTM, METRES)


MAP_INFO = (
    "UTM,  1.000,  1.000,  600000.000,  5200000.0,  10.0,  10.0,  32,  North,  WGS-84,  "
    "units=Meters, 0"
)


@pytest.mark.parametrize("code", [None, 32632, "32632", "EPSG:32632"])
def test_the_layout_of_neon(tmp_path: Path, code: Any) -> None:
    """Texts in a branch of metadata, and another site's beside it."""
    path = tmp_path / "s.h5"
    with h5py.File(path, "w") as file:
        site = file.create_group("SITE/Reflectance")
        data = site.create_dataset("Reflectance_Data", data=np.ones((3, 4, 2), np.int16))
        data.attrs["Dimension_Labels"] = "Line, Sample, Wavelength"
        data.attrs["Data_Ignore_Value"], data.attrs["Scale_Factor"] = -9999.0, 10000.0
        spectral = site.create_dataset("Metadata/Spectral_Data/Wavelength", data=[450.0, 550.0])
        spectral.attrs["Units"] = "nanometers"
        system = site.create_group("Metadata/Coordinate_System")
        system["Map_Info"] = MAP_INFO
        if code is not None:
            system["EPSG Code"] = code
        file["ANCILLARY/Metadata/Coordinate_System/Map_Info"] = MAP_INFO.replace("600", "700")
    cube = open_cube(path)
    assert cube.crs is not None
    assert CRS.from_wkt(cube.crs).to_epsg() == 32632
    assert cube.transform == METRES
    assert cube.wavelengths_nm == (450.0, 550.0)
    assert cube.nodata is not None
    assert cube.scale is not None
    assert (cube.nodata.tolist(), cube.scale.tolist()) == ([-9999.0] * 2, [1e-4] * 2)
    assert cube.notes == ("Scale_Factor: 10000; --scale divides by it",)


def test_place_in_attributes_of_a_zarr_array(tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "s.zarr",
        data=np.ones((3, 4, 2), np.int16),
        dimension_names=("y", "x", "band"),
    )
    array.attrs.update({"map info": MAP_INFO, "EPSG": 999999, "nodata": -9999})
    cube = open_cube(tmp_path / "s.zarr")
    assert cube.crs is not None
    assert CRS.from_wkt(cube.crs).to_epsg() == 32632
    assert cube.transform == METRES
    assert cube.nodata is not None
    assert cube.notes == ("EPSG:999999: no such code; it is not used",)
