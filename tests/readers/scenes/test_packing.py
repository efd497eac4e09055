"""Missing values, valid ranges, unsigned integers and scales.

References: what the netCDF4 library masks and unpacks; values written down.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import zarr

from spectrolite.products.known import open_cube
from spectrolite.products.scenes import read_scene

NAMES = ("band", "y", "x")

I2 = np.array([[[1, -1, 2, 3], [-9, 5, 0, 200]], [[1, 2, -32767, 300], [-8, 5, 0, 9999]]], np.int16)
U2 = (I2 % 401).astype(np.uint16)
F4 = np.where(I2 == 300, np.float32(9.969209968386869e36), I2 / 4).astype(np.float32)


def netcdf(path: Path, values: Any, attrs: dict[str, Any], version: Any = "NETCDF4") -> Path:
    attrs = dict(attrs)
    with netCDF4.Dataset(path, "w", format=version) as file:
        for name, length in zip(NAMES, values.shape, strict=True):
            file.createDimension(name, length)
        fill = attrs.pop("_FillValue", None)
        array = file.createVariable("cube", values.dtype.str[1:], NAMES, fill_value=fill)
        array.set_auto_maskandscale(False)
        array.setncatts(attrs)
        array[:] = values
    return path


def i2(*numbers: int) -> Any:
    return np.array(numbers, np.int16) if len(numbers) > 1 else np.int16(numbers[0])


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "default fill": (I2, {}),
    "default fill of floats": (F4, {}),
    "no default fill of bytes": ((I2 % 120).astype(np.int8), {}),
    "own fill": (I2, {"_FillValue": i2(-9)}),
    "two missing values": (I2, {"missing_value": i2(-8, -9)}),
    "missing beside fill": (I2, {"_FillValue": i2(-9), "missing_value": i2(-8)}),
    "missing floats": (F4, {"missing_value": np.array([0.25, -2.0], np.float32)}),
    "unsigned": (I2, {"_Unsigned": "true", "_FillValue": i2(-9)}),
    "unsigned scaled": (I2, {"_Unsigned": "true", "_FillValue": i2(-1), "scale_factor": 0.5}),
    "unsigned bytes": (
        np.arange(-8, 8, dtype=np.int8).reshape(2, 2, 4),
        {"_Unsigned": "true", "_FillValue": np.int8(-1), "valid_range": np.array([1, -3], "i1")},
    ),
    "unsigned, false": (I2, {"_Unsigned": "false", "_FillValue": i2(-9)}),
    "range": (I2, {"valid_range": i2(0, 200)}),
    "range and fill": (I2, {"_FillValue": i2(-9), "valid_range": i2(-8, 300)}),
    "range and fill 0": (U2, {"_FillValue": np.uint16(0), "valid_range": np.array([1, 300], "u2")}),
    "range of packed values": (I2, {"valid_range": i2(1, 300), "scale_factor": 0.1}),
    "min": (I2, {"valid_min": i2(1)}),
    "max": (I2, {"valid_max": i2(250), "_FillValue": i2(-8)}),
    "range of floats": (F4, {"valid_range": np.array([0, 100], np.float32)}),
    "range of 64 bits": (I2.astype(np.int64), {"valid_max": np.int64(250)}),
    "fill of 64 bits": (
        np.where(I2 < 0, np.iinfo("u8").max - 1, U2.astype("u8")),
        {"missing_value": np.array([5, 300], "u8")},
    ),
    "range before min": (I2, {"valid_range": i2(0, 200), "valid_min": i2(5)}),
}


def masked_by_netcdf4(path: Path) -> tuple[Any, Any]:
    with netCDF4.Dataset(path) as file:
        values = file["cube"][:]
    return values.data.transpose(1, 2, 0), ~np.ma.getmaskarray(values).any(0)


@pytest.mark.parametrize("version", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("case", CASES)
def test_what_netcdf4_masks_and_unpacks_has_no_spectrum(
    tmp_path: Path, case: str, version: str
) -> None:
    values, attrs = CASES[case]
    if version != "NETCDF4" and (values.dtype.kind == "u" or values.dtype.itemsize == 8):
        values, attrs = values.astype(np.int32), {k: v.astype(np.int32) for k, v in attrs.items()}
    path = netcdf(tmp_path / "s.nc", values, attrs, version)
    theirs, valid = masked_by_netcdf4(path)
    assert valid.any()
    scaled = "scale_factor" in attrs
    scene = read_scene(path, scale=scaled)
    np.testing.assert_array_equal(scene.valid if scene.valid is not None else True, valid)
    np.testing.assert_allclose(scene.cube[valid], theirs[valid], rtol=1e-6)
    if not scaled:
        assert scene.cube.dtype.newbyteorder("=") == theirs.dtype


@pytest.mark.parametrize("case", ["unsigned", "missing beside fill", "range and fill", "max"])
def test_zarr_and_hdf5_mask_as_netcdf4_does(tmp_path: Path, case: str) -> None:
    values, attrs = CASES[case]
    theirs, valid = masked_by_netcdf4(netcdf(tmp_path / "s.nc", values, attrs))
    array = zarr.create_array(
        tmp_path / "s.zarr", data=values, chunks=(1, 2, 2), dimension_names=NAMES
    )
    array.attrs.update({k: v if isinstance(v, str) else v.tolist() for k, v in attrs.items()})
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["cube"] = values
        file["cube"].attrs.update(attrs)
        for axis, name in enumerate(NAMES):
            file["cube"].dims[axis].label = name
    for name in ("s.zarr", "s.h5"):
        scene = read_scene(tmp_path / name)
        np.testing.assert_array_equal(scene.valid, valid)
        np.testing.assert_array_equal(scene.cube[valid], theirs[valid])


def hdf5(path: Path, attrs: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        file["cube"] = I2
        for axis, name in enumerate(NAMES):
            file["cube"].dims[axis].label = name
        for name, value in attrs.items():
            file["cube"].attrs[name] = value
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Data_Ignore_Value", -9.0),
        ("data ignore value", "-9"),
        ("NoData", np.array([-9])),
        ("nodata", np.bytes_("-9")),
        ("NODATA_VALUE", -9),
        ("_fillvalue", -9),
        ("FillValue", np.int16(-9)),
        ("Missing_Value", -9),
    ],
)
def test_nodata_by_any_usual_name(tmp_path: Path, name: str, value: Any) -> None:
    cube = open_cube(hdf5(tmp_path / "s.h5", {name: value}))
    assert cube.nodata is not None
    assert cube.nodata.tolist() == [-9, -9]
    assert cube.notes == ()


@pytest.mark.parametrize(
    ("name", "value", "factor", "notes"),
    [
        ("scale_factor", 10000.0, 10000.0, ()),
        ("Scale_Factor", 10000.0, 1e-4, ("Scale_Factor: 10000; --scale divides by it",)),
        ("Scale Factor", "10000", 1e-4, ("Scale Factor: 10000; --scale divides by it",)),
        ("SCALE_FACTOR", 0.0001, 1e-4, ()),
        (
            "Reflectance_Scale_Factor",
            np.array([1000]),
            1e-3,
            ("Reflectance_Scale_Factor: 1000; --scale divides by it",),
        ),
        (
            "Scale_Factor",
            "big",
            None,
            ("Scale_Factor: wanted a number other than 0; it is not used",),
        ),
        ("Scale_Factor", 1.0, None, ()),
    ],
)
def test_scale_by_any_usual_name(
    tmp_path: Path, name: str, value: Any, factor: float | None, notes: tuple[str, ...]
) -> None:
    cube = open_cube(hdf5(tmp_path / "s.h5", {name: value}))
    assert cube.notes == notes
    assert (None if cube.scale is None else cube.scale.tolist()) == (factor and [factor] * 2)


def test_what_is_said_of_missing_values_and_ranges(tmp_path: Path) -> None:
    attrs = {
        "_FillValue": i2(-9),
        "missing_value": i2(-8),
        "valid_range": np.array([0.0, 95.5]),  # of another type: of unpacked values
        "scale_factor": 0.5,
        "nodata": "unknown",
    }
    cube = open_cube(hdf5(tmp_path / "s.h5", attrs))
    assert cube.notes == (
        "nodata: 'unknown' is not a number; it is not used",
        "several values count as nodata: -9, -8",
        "values outside its valid range, from 0 to 191, count as nodata",
    )
    assert open_cube(hdf5(tmp_path / "s.h5", {"valid_range": i2(5)})).notes == (
        "valid_range: wanted two numbers; it is not used",
    )
    assert open_cube(hdf5(tmp_path / "s.h5", {"valid_range": i2(9, 5)})).notes == (
        "valid range: from 9 to 5 holds no value; it is not used",
    )
