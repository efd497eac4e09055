"""PRISMA L2D of the Italian Space Agency: reflectance on a UTM grid of 30 m, in one HDF5 file.

What is peculiar to it:
- Two cubes, VNIR and SWIR, of lines, bands, samples in uint16. Reflectance is
  minimum + value * (maximum - minimum) / 65535, with a minimum and maximum for each detector.
- Bands run from long to short waves. A band that was not acquired has the flag 0 and the
  wavelength 0; it is not read. The others are put in order of their wavelength.
- Both detectors see about 940 to 975 nm. In order of wavelength their bands would alternate there,
  and with them the step between the detectors, which no surface has. So VNIR ends where SWIR
  begins; prismaread joins them in the same way by default.
- The corners that the file states are centres of pixels, half a pixel inside the image.
- Outside the swath all bands are 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window
from spectrolite.errors import ReadError, listed
from spectrolite.products.hdf5_groups import attributes, names_in
from spectrolite.products.prisma_detectors import (
    ATTRIBUTES,
    SWATH,
    Detector,
    detector_of,
    numbers_of,
    part_of,
    read,
    without_overlap,
)
from spectrolite.readers.archives import listing
from spectrolite.readers.scenes.cube import Cube, Numbers, QualityLayer
from spectrolite.readers.scenes.hdf5 import variables
from spectrolite.readers.scenes.variable import Variable, as_numbers

NAME = "prisma"
TITLE = "PRISMA L2D"

SWATHS = ("HDFEOS", "SWATHS")
WANTED = SWATH.rpartition("/")[2]
PLACES = f"{SWATH}/Geolocation Fields"
OTHER_LEVELS = {
    "L1": "radiance at the sensor",
    "L2B": "radiance at the ground",
    "L2C": "reflectance in the sensor's geometry",
}
ZIPPED = re.compile(r"(?:.*/)?PRS_L\w+\.he5", re.IGNORECASE)
DETECTORS = ("Vnir", "Swir")
CORNERS = [
    f"Product_{corner}corner_{axis}" for corner in ("UL", "LR") for axis in ("easting", "northing")
]
CLOUDS = "Cloudy_pixels_percentage"

PIXEL = 30.0  # metres
NEGATIVE = 2  # of the error matrices; 1 is invalid in L1, 3 saturated


def found(path: Path) -> bool:
    """Whether the path is a PRISMA product of any level, or a zip file that holds one."""
    return any(name.startswith("PRS_") for name in names_in(path, *SWATHS)) or bool(_zipped(path))


def _zipped(path: Path) -> str:
    """Name of the product in a zip file, as it is downloaded; empty if there is none."""
    if path.suffix.lower() != ".zip" or not path.is_file():
        return ""
    try:
        return next((name for name in listing(path).files if ZIPPED.fullmatch(name)), "")
    except ReadError:
        return ""


def cube(path: Path) -> Cube:
    """The cube of both detectors; its values are not read.

    Args:
        path: of the `.he5` file.

    Raises:
        ReadError: another level, a damaged file, or one without what the product has to have.
    """
    zipped = _zipped(path)
    if zipped:
        raise ReadError(
            f"{path}: holds {zipped}, which can only be read unpacked: unpack the archive and give "
            "that file"
        )
    arrays = {array.key: array for array in variables(path)}
    _check_level(path)
    of_detectors = [name.format(detector) for detector in DETECTORS for name in ATTRIBUTES]
    header = attributes(path, [*of_detectors, *CORNERS, "Epsg_Code", CLOUDS])
    notes: list[str] = []
    vnir, swir = (detector_of(path, arrays, header, name, notes) for name in DETECTORS)
    rows, _, cols = vnir.values.shape
    if (rows, cols) != (swir.values.shape[0], swir.values.shape[2]):
        raise ReadError(
            f"{path}: its cubes are of two sizes: {vnir.values.summary}, {swir.values.summary}; "
            "the file is damaged: download it again"
        )
    detectors = without_overlap(vnir, swir, notes)
    crs, transform = _place(path, arrays, header, (rows, cols), notes)
    clouds = as_numbers(header.get(CLOUDS, ()))
    notes.append(
        "it has no mask of clouds"
        + (f"; it states {clouds[0]:g} % of cloudy pixels" if clouds else "")
    )
    quality = _quality(detectors, notes)
    chunks = [c for c in (vnir.values.chunk, swir.values.chunk) if c is not None]
    return Cube(
        TITLE,
        "",
        (rows, cols, sum(len(detector.bands) for detector in detectors)),
        np.dtype(np.float32),
        partial(read, detectors),
        _digits([detector.nm for detector in detectors]),
        "nm",
        crs=crs,
        transform=transform,
        notes=tuple(notes),
        block=(max(c[0] for c in chunks), max(c[2] for c in chunks), max(c[1] for c in chunks))
        if chunks
        else None,
        product=NAME,
        fwhm_nm=_digits([detector.fwhm for detector in detectors]),
        quality=quality,
    )


def _check_level(path: Path) -> None:
    """Raise unless the file has the swath of L2D."""
    swaths = names_in(path, *SWATHS)
    if WANTED in swaths:
        return
    levels = sorted({m[1] for name in swaths if (m := re.match(r"PRS_(L\w+?)_", name))})
    if not levels:
        raise ReadError(
            f"{path}: this is not a PRISMA product: it has no group HDFEOS/SWATHS/{WANTED}; "
            f"leave out --product {NAME}"
        )
    what = f", {OTHER_LEVELS[levels[0]]}" if levels[0] in OTHER_LEVELS else ""
    raise ReadError(
        f"{path}: this is PRISMA {listed(levels)}{what}; wanted L2D, reflectance on a map grid: "
        "get the L2D product of the same acquisition (PRS_L2D_STD_….he5)"
    )


def _digits(numbers: Sequence[Numbers]) -> tuple[float, ...]:
    """As the file's float32 has them: 942.96277, not 942.9627685546875."""
    return tuple(float(f"{number:.7g}") for part in numbers for number in part)


def _place(
    path: Path,
    arrays: dict[str, Variable],
    header: dict[str, Any],
    shape: tuple[int, int],
    notes: list[str],
) -> tuple[str, tuple[float, ...]]:
    """WKT and transform: the stated corners are centres of pixels."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    code = int(numbers_of(path, header, "Epsg_Code", 1)[0])
    try:
        crs = CRS.from_epsg(code)
    except CRSError as error:
        raise ReadError(f"{path}: attribute Epsg_Code: {code} is no code of EPSG") from error
    if not crs.is_projected:
        raise ReadError(f"{path}: attribute Epsg_Code: {code} is no system in metres, such as UTM")
    west, north, east, south = (float(numbers_of(path, header, name, 1)[0]) for name in CORNERS)
    rows, cols = shape
    across, down = east - west, north - south
    wanted = PIXEL * (cols - 1), PIXEL * (rows - 1)
    if abs(across - wanted[0]) > PIXEL / 4 or abs(down - wanted[1]) > PIXEL / 4:
        notes.append(
            f"its corners are {across:g} m and {down:g} m apart, where {cols} x {rows} centres of "
            f"pixels of 30 m are {wanted[0]:g} m and {wanted[1]:g} m; placed by the upper left one"
        )
    transform = (PIXEL, 0.0, west - PIXEL / 2, 0.0, -PIXEL, north + PIXEL / 2)
    notes.extend(_contradiction(arrays, shape, transform, crs))
    return str(crs.to_wkt()), transform


def _contradiction(
    arrays: dict[str, Variable], shape: tuple[int, int], transform: tuple[float, ...], crs: Any
) -> list[str]:
    """A note if the file's own longitude and latitude of the middle pixel lie elsewhere."""
    from rasterio._err import CPLE_BaseError  # some errors of GDAL pass rasterio as they are
    from rasterio.warp import transform as moved

    row, col = shape[0] // 2, shape[1] // 2
    both = [arrays.get(f"{PLACES}/{name}") for name in ("Longitude", "Latitude")]
    if any(array is None or array.shape != shape for array in both):
        return []
    pixel = (slice(row, row + 1), slice(col, col + 1))
    degrees = [float(array.read(pixel)[0, 0]) for array in both if array is not None]
    if not all(map(math.isfinite, degrees)) or not any(degrees):
        return []
    try:
        (x,), (y,) = moved("EPSG:4326", crs, degrees[:1], degrees[1:])
    except CPLE_BaseError:
        return []  # no place on Earth
    east = x - (transform[2] + PIXEL * (col + 0.5))
    north = y - (transform[5] - PIXEL * (row + 0.5))
    if not PIXEL / 4 < math.hypot(east, north) < math.inf:
        return []
    return [
        f"by its Longitude and Latitude the middle pixel lies {east:.0f} m east and {north:.0f} m "
        "north of where its corners put it; placed by the corners"
    ]


def _quality(detectors: Sequence[Detector], notes: list[str]) -> tuple[QualityLayer, ...]:
    without = [detector.name for detector in detectors if detector.errors is None]
    if without:
        notes.append(f"it has no error matrix of {' and '.join(without)}: no defects are known")
    if len(without) == len(detectors):
        return ()

    def marked(
        codes: Callable[[NDArray[np.generic]], NDArray[np.bool_]],
        window: Window,
        kept: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        result = np.zeros(window.shape, bool)
        start = 0
        for detector in detectors:
            stop = start + len(detector.bands)
            bands = detector.bands[kept[(kept >= start) & (kept < stop)] - start]
            if detector.errors is not None and len(bands):
                result |= codes(part_of(detector.errors, window, bands)).any(1)
            start = stop
        return result

    return (
        QualityLayer(
            "defects",
            partial(marked, lambda codes: (codes != 0) & (codes != NEGATIVE)),
            True,
            "invalid in L1 or saturated, in a band that is read",
        ),
        QualityLayer(
            "negative",
            partial(marked, lambda codes: codes == NEGATIVE),
            False,
            "negative after the correction of the atmosphere, in a band that is read",
        ),
    )
