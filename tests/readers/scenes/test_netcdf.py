"""Packed NetCDF, against netCDF4's own unpacking and mask."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np

from spectrolite.products.known import open_cube
from spectrolite.products.scenes import read_scene


def test_packed_values_and_fill_of_netcdf(tmp_path: Path) -> None:
    """Against netCDF4's own unpacking and mask."""
    path = tmp_path / "packed.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, length in (("band", 3), ("lat", 4), ("lon", 5)):
            file.createDimension(name, length)
        group = file.createGroup("sensor")
        waves = group.createVariable("wavelengths", "f4", ("band",))
        waves[:], waves.units = [450, 550, 650], "nm"
        good = group.createVariable("good_wavelengths", "u1", ("band",))
        good[:] = [1, 1, 0]
        cube = file.createVariable("rfl", "i2", ("band", "lat", "lon"), fill_value=-9999)
        cube.scale_factor, cube.add_offset = 0.0001, 0.5
        values = np.random.default_rng(1).uniform(0.5, 1, (3, 4, 5))
        cube[:] = np.ma.masked_array(values, np.arange(60).reshape(3, 4, 5) % 20 == 7)
    with netCDF4.Dataset(path) as file:
        theirs = file["rfl"][:].transpose(1, 2, 0)
    assert open_cube(path).bad_bands == (2,)
    scene = read_scene(path, scale=True)
    assert scene.valid is not None
    np.testing.assert_array_equal(scene.valid, ~theirs.mask.any(-1))
    unpacked = scene.cube[scene.valid].astype(float)
    np.testing.assert_allclose(unpacked, theirs.data[scene.valid], rtol=1e-6)
    assert scene.wavelengths_nm == (450.0, 550.0, 650.0)
    stored = read_scene(path)
    assert stored.cube.dtype == np.int16
    np.testing.assert_allclose(
        stored.cube[scene.valid].astype(float) * 0.0001 + 0.5, theirs.data[scene.valid], rtol=1e-6
    )
