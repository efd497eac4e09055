"""Granules of EMIT as netCDF4 writes them: sensor geometry, a turned look-up table, a mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

NAME = "EMIT_L2A_{}_001_20230401T120000_2309108_001.nc"
FLAGS = (
    "Cloud flag",
    "Cirrus flag",
    "Water flag",
    "Spacecraft Flag",
    "Dilated Cloud Flag",
    "AOD550",
    "H2O (g cm-2)",
    "Aggregate Flag",
)
STEP = 0.000542232520256367  # degrees, EMIT's own grid
LEFT, TOP = 14.5, 48.2
WKT = CRS.from_epsg(4326).to_wkt()


def turned_table(rows: int, cols: int, turn: float = 0.3) -> NDArray[np.int64]:
    """`(rows, cols, 2)` of a grid around a turned swath: row and col of the sensor, -1 for none."""
    side = int(np.ceil(rows * (1 + turn))) + 2, int(np.ceil(cols + turn * rows)) + 2
    y, x = np.mgrid[: side[0], : side[1]]
    row = np.floor(y * 0.93 - turn * (x - side[1] / 2) * 0.2)
    col = np.floor(x * 0.95 - turn * y)
    inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
    return np.where(inside[..., None], np.stack([row, col], -1), -1).astype(np.int64)


def write_granule(
    folder: Path,
    cube: NDArray[Any],
    table: NDArray[np.int64],
    *,
    good: NDArray[Any] | None = None,
    wavelengths_nm: NDArray[Any] | None = None,
    variable: str = "reflectance",
    kind: str = "RFL",
    version: str = "001",
    zlib: bool = False,
    chunks: tuple[int, int, int] | None = None,
) -> Path:
    """A reflectance granule of `(rows, cols, bands)`, -9999 where NaN."""
    rows, cols, bands = cube.shape
    path = folder / NAME.format(kind).replace("_001_2", f"_{version}_2")
    with netCDF4.Dataset(path, "w") as file:
        _begin(file, (rows, cols), table)
        file.createDimension("bands", bands)
        array = file.createVariable(
            variable,
            "f4",
            ("downtrack", "crosstrack", "bands"),
            fill_value=-9999.0,
            zlib=zlib,
            chunksizes=chunks,
        )
        array.units = "unitless"
        array[:] = np.where(np.isnan(cube), -9999, cube)
        group = file.createGroup("sensor_band_parameters")
        nm = np.linspace(381, 2493, bands) if wavelengths_nm is None else wavelengths_nm
        for name, values, dtype in (
            ("wavelengths", nm, "f4"),
            ("fwhm", np.full(bands, 8.5), "f4"),
            ("good_wavelengths", np.ones(bands) if good is None else good, "u1"),
        ):
            written = group.createVariable(name, dtype, ("bands",))
            written[:] = values
        group["wavelengths"].units = "nm"
    return path


def write_mask(
    folder: Path,
    flags: dict[str, NDArray[Any]],
    shape: tuple[int, int],
    table: NDArray[np.int64],
    *,
    start: str = "2023-04-01T12:00:00+0000",
    names: tuple[str, ...] = FLAGS,
    version: str = "001",
) -> Path:
    """The mask of a granule; flags by their names in the file."""
    path = folder / NAME.format("MASK").replace("_001_2", f"_{version}_2")
    with netCDF4.Dataset(path, "w") as file:
        _begin(file, shape, table, start)
        file.createDimension("bands", len(names))
        array = file.createVariable(
            "mask", "f4", ("downtrack", "crosstrack", "bands"), fill_value=-9999.0
        )
        array[:] = np.stack([flags.get(name, np.zeros(shape)) for name in names], -1)
        titles = file.createGroup("sensor_band_parameters").createVariable(
            "mask_bands", str, ("bands",)
        )
        titles[:] = np.array(names, object)
    return path


def _begin(
    file: Any,
    shape: tuple[int, int],
    table: NDArray[np.int64],
    start: str = "2023-04-01T12:00:00+0000",
) -> None:
    """Dimensions, attributes and the group `location`, which all files of a granule share."""
    file.createDimension("downtrack", shape[0])
    file.createDimension("crosstrack", shape[1])
    file.createDimension("ortho_y", table.shape[0])
    file.createDimension("ortho_x", table.shape[1])
    file.title = "EMIT L2A Estimated Surface Reflectance 60 m V001"
    file.time_coverage_start = start
    file.geotransform = np.array([LEFT, STEP, 0.0, TOP, 0.0, -STEP])
    file.spatial_ref = WKT
    location = file.createGroup("location")
    for n, name in enumerate(("glt_y", "glt_x")):
        written = location.createVariable(name, "i4", ("ortho_y", "ortho_x"), fill_value=0)
        written[:] = table[..., n] + 1
    for name in ("lat", "lon"):
        written = location.createVariable(name, "f8", ("downtrack", "crosstrack"))
        written[:] = TOP if name == "lat" else LEFT
