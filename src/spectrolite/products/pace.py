"""PACE OCI L2 surface reflectance of NASA (`PACE_OCI_L2_SFREFL`): NetCDF 4 in the sensor's swath.

OB.DAAC, versions 3.0 and 3.1, as NASA's notebooks for OCI describe them: `geophysical_data` with
`rhos` (lines, pixels, bands) and `l2_flags`, `navigation_data` with `longitude` and `latitude` of
each pixel, `sensor_band_parameters` with `wavelength_3d`. From version 3.2 on other OCI products
have the wavelengths as `geophysical_data/wavelength`; that is read too. The file has no grid, so
one is made of it: longitude and latitude, each pixel shows the nearest of the sensor.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.lookup import LookupTable
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.products.hdf5_groups import attributes, names_in
from spectrolite.products.swath_grid import nearest_table
from spectrolite.readers.scenes.arrays import in_order
from spectrolite.readers.scenes.band_statistics import missing_values
from spectrolite.readers.scenes.cube import Cube, QualityLayer, in_nm
from spectrolite.readers.scenes.hdf5 import read_part, variables
from spectrolite.readers.scenes.packing import Packing, packing
from spectrolite.readers.scenes.variable import Variable, as_numbers, as_text

NAME = "pace"
TITLE = "PACE OCI L2 surface reflectance"

GROUPS = ({"geophysical_data", "navigation_data"}, {"observation_data", "geolocation_data"})
"""Of level 2 and of level 1."""
REFLECTANCE = "geophysical_data/rhos"
WAVELENGTHS = ("geophysical_data/wavelength", "sensor_band_parameters/wavelength_3d")
PLACES = ("navigation_data/longitude", "navigation_data/latitude")
FLAGS = "geophysical_data/l2_flags"
MOST = 1 << 24  # pixels; a granule has 2 million, whose places are read at once
MOST_BANDS = 1 << 12  # a granule has 122
AGAIN = "the file is not as delivered: download it again"


def found(path: Path) -> bool:
    """Whether the path is a product of OCI of level 1 or 2."""
    names = set(names_in(path))
    if not any(groups <= names for groups in GROUPS):
        return False
    try:
        return as_text(attributes(path, ["instrument"]).get("instrument", "")) == "OCI"
    except ReadError:
        return False


def cube(path: Path) -> Cube:
    """The cube of surface reflectance in the sensor's geometry; its values are not read.

    Args:
        path: of the `.nc` file.

    Raises:
        ReadError: another product of OCI, a damaged file, or one without what the product has to
            have.
    """
    arrays = {array.key: array for array in variables(path)}
    if REFLECTANCE not in arrays:
        variables(path, REFLECTANCE)  # says so if it is a link into another file
        if not found(path):
            raise ReadError(
                f"{path}: this is not a product of PACE OCI: wanted {REFLECTANCE}, and OCI as "
                f"the attribute instrument; leave out --product {NAME}"
            )
        title = as_text(attributes(path, ["title"]).get("title", ""))
        raise ReadError(
            f"{path}: this is {title[:80]!r}, without surface reflectance; wanted {TITLE}: get "
            "PACE_OCI_L2_SFREFL of the same time"
        )
    array = arrays[REFLECTANCE]
    if len(array.shape) != 3 or array.dtype.kind not in "iuf" or min(array.shape) < 1:
        raise ReadError(f"{path}: wanted lines, pixels, bands, got {array.summary}; {AGAIN}")
    rows, cols, bands = array.shape
    if rows * cols > MOST or bands > MOST_BANDS:
        raise ReadError(f"{path}: {array.summary} is larger than any granule; {AGAIN}")
    notes = ["in the geometry of the sensor: maps come out in longitude and latitude"]
    values = packing(array, bands, netcdf=True, notes=notes)
    stored = in_order(array.read, (0, 1, 2), bands)
    listed = next((arrays[key] for key in WAVELENGTHS if key in arrays), None)
    if listed is None or listed.shape != (bands,) or listed.dtype.kind not in "iuf":
        came = "none" if listed is None else listed.summary
        raise ReadError(
            f"{path}: {WAVELENGTHS[1]}: wanted {bands} numbers, one a band, got {came}; {AGAIN}"
        )
    wavelengths_nm, odd = in_nm(
        np.asarray(listed.all(), np.float64).tolist(), listed.text("units") or "nm", bands
    )
    for key in PLACES:
        place = arrays.get(key)
        if place is None or place.shape != (rows, cols):
            came = "none" if place is None else place.summary
            raise ReadError(f"{path}: {key}: wanted {rows} x {cols} degrees, got {came}; {AGAIN}")
    lookup, of_grid = _grid(path, path.stat().st_mtime_ns)
    return Cube(
        TITLE,
        array.key,
        (rows, cols, bands),
        np.dtype(np.float32),
        lambda window: _reflectance(values, stored(window)),
        wavelengths_nm,
        "nm",
        notes=(*notes, *odd, *of_grid),
        block=None if array.chunk is None else (array.chunk[0], array.chunk[1], array.chunk[2]),
        product=NAME,
        quality=_quality(path, arrays.get(FLAGS), (rows, cols)),
        lookup=lookup,
    )


def _reflectance(values: Packing, stored: NDArray[np.generic]) -> NDArray[np.generic]:
    """As float32, NaN where a value is missing."""
    read = values.read(stored)
    reflectance = read.astype(np.float32)
    if values.scale is not None:
        reflectance *= values.scale.astype(np.float32)
    if values.offset is not None:
        reflectance += values.offset.astype(np.float32)
    reflectance[missing_values(read, values.nodata)] = np.nan
    return reflectance


@lru_cache(maxsize=1)
def _grid(path: Path, written: int) -> tuple[LookupTable, tuple[str, ...]]:
    """The grid of a file as it was written then; it takes seconds, so the last one is kept."""
    whole = (slice(None), slice(None))
    with np.errstate(invalid="ignore"):  # a NaN of another kind, in a damaged file
        lon, lat = (np.asarray(read_part(path, key, whole), np.float64) for key in PLACES)
    return nearest_table(path, lon, lat)


def _quality(
    path: Path, flags: Variable | None, shape: tuple[int, int]
) -> tuple[QualityLayer, ...]:
    """Clouds, and water, which is what is not land."""
    masks = None if flags is None else as_numbers(flags.attrs.get("flag_masks", ()))
    names = "" if flags is None else flags.text("flag_meanings")
    bits = dict(zip(names.split(), masks or (), strict=False))
    if flags is None or flags.shape != shape or not {"CLDICE", "LAND"} <= set(bits):
        raise ReadError(
            f"{path}: {FLAGS}: wanted {shape[0]} x {shape[1]} flags, CLDICE and LAND among their "
            f"flag_meanings, got {'none' if flags is None else flags.summary}; {AGAIN}"
        )
    cloud, land = (int(bits[name]) for name in ("CLDICE", "LAND"))
    return (
        QualityLayer("cloud", partial(_has_flag, flags, cloud, True), True, "CLDICE"),
        QualityLayer("water", partial(_has_flag, flags, land, False), False, "without LAND"),
    )


def _has_flag(
    flags: Variable, bit: int, is_set: bool, window: Window, _: Any = None
) -> NDArray[np.bool_]:
    values = np.asarray(flags.read(window.slices), np.int64)
    return np.asarray(((values & bit) != 0) == is_set)
