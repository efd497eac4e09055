"""A small PACE OCI L2 product, with the groups, names and types of a real one, by netCDF4."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
from numpy.typing import NDArray

ROWS, COLS, BANDS = 12, 9, 5
NM = (412.0, 555.0, 670.0, 865.0, 2131.0)
FILL = -32767.0
FLAGS = {"ATMFAIL": 1, "LAND": 2, "CLDICE": 512}


def places() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Longitude and latitude of an oblique swath whose pixels widen towards one edge."""
    row, col = np.meshgrid(np.arange(ROWS), np.arange(COLS), indexing="ij")
    across = 0.016 * col + 0.0005 * col**2
    lon = 11.0 + across + 0.003 * row
    lat = 48.0 - 0.011 * row + 0.15 * across
    return lon.astype(np.float32), lat.astype(np.float32)


def stored() -> NDArray[np.float32]:
    """Lines, pixels, bands; the last pixel of the first line has no value."""
    values = np.random.default_rng(5).uniform(0.01, 0.6, (ROWS, COLS, BANDS)).astype(np.float32)
    values[0, COLS - 1] = FILL
    return values


def pace(
    path: Path,
    without: tuple[str, ...] = (),
    title: str = "OCI Level-2 Data SFREFL",
    in_geophysical: bool = False,
    shift: float = 0.0,
) -> Path:
    """Write the product.

    Args:
        path: of the file.
        without: arrays and attributes that are left out.
        title: of the file.
        in_geophysical: the wavelengths beside the reflectance, as from version 3.2 on.
        shift: degrees added to the longitude, which stays between -180 and 180.
    """
    lon, lat = places()
    lon = (lon + shift + 180) % 360 - 180
    with netCDF4.Dataset(path, "w") as file:
        file.title, file.instrument, file.platform = title, "OCI", "PACE"
        for name, size in (("number_of_lines", ROWS), ("pixels_per_line", COLS)):
            file.createDimension(name, size)
        file.createDimension("wavelength_3d", BANDS)
        lines = ("number_of_lines", "pixels_per_line")
        arrays = {
            "geophysical_data/rhos": (stored(), (*lines, "wavelength_3d"), {"fill": FILL}),
            "geophysical_data/l2_flags": (flags(), lines, {}),
            "navigation_data/longitude": (lon.astype(np.float32), lines, {"fill": FILL}),
            "navigation_data/latitude": (lat, lines, {"fill": FILL}),
            "sensor_band_parameters/wavelength_3d": (np.array(NM), ("wavelength_3d",), {}),
        }
        if in_geophysical:
            true = np.array(NM, np.float32) + 0.5  # the names in the other group are rounded
            arrays["geophysical_data/wavelength"] = (true, ("wavelength_3d",), {})
        for key, (values, dims, more) in arrays.items():
            if key not in without:
                array = file.createVariable(
                    key, values.dtype, dims, zlib=True, fill_value=more.get("fill")
                )
                array[:] = values
                if key.endswith("l2_flags"):
                    array.flag_masks = np.array(list(FLAGS.values()), np.int32)
                    array.flag_meanings = " ".join(FLAGS)
    return path


def flags() -> NDArray[np.int32]:
    """Land but in the last line, cloud in one pixel."""
    values = np.full((ROWS, COLS), FLAGS["LAND"], np.int32)
    values[ROWS - 1] = 0
    values[3, 4] |= FLAGS["CLDICE"]
    return values
