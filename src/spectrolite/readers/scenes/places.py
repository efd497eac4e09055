"""Where the cube of a file of named arrays lies.

CF's grid mapping with a WKT, or an EPSG code; the GeoTransform beside it, or evenly spaced
coordinates in the unit that they state; or ENVI's map info as a text, as NEON's files have it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from spectrolite.readers.scenes.envi import place_of_text
from spectrolite.readers.scenes.variable import Variable, as_text, nearest

MAX_UNEVENNESS = 0.01  # pixels: coordinates further off than this are not a grid

LENGTHS = {  # metres
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1.0),
    **dict.fromkeys(("km", "kilometre", "kilometres", "kilometer", "kilometers"), 1000.0),
    **dict.fromkeys(("ft", "foot", "feet"), 0.3048),
}
RADIANS = ("rad", "radian", "radians")
DEGREES = re.compile(r"degrees?([_ ]?(n|e|north|east))?|deg|°")
NORTH, EAST = re.compile(r"degrees?[_ ]?n(orth)?"), re.compile(r"degrees?[_ ]?e(ast)?")
EPSG = ("epsg", "epsgcode", "spatialepsg")
CODE = re.compile(r"(?:epsg:{0,2})?(\d{4,6})(?:\.0)?", re.IGNORECASE)

Transform = tuple[float, ...]


def place(
    array: Variable, dims: tuple[str, str], variables: Sequence[Variable], notes: list[str]
) -> tuple[str | None, Transform | None]:
    """WKT and transform of a cube; what is odd is appended to the notes.

    Args:
        array: the cube.
        dims: of its rows and cols.
        variables: all arrays of the file.
        notes: appended to.
    """
    by_key = {v.key: v for v in variables}
    crs, transform = _grid_mapping(array, by_key, notes)
    crs = crs or _epsg(array, variables, notes)
    coordinates = by_key.get(dims[0]), by_key.get(dims[1])
    if transform is None and None not in coordinates:
        crs, transform = _of_coordinates(coordinates, crs, notes)
    elif transform is None and any(c is not None for c in coordinates):
        notes.append(UNEVEN)
    if transform is None:
        map_info = _text(array, variables, "mapinfo")
        if map_info:
            system = _text(array, variables, "coordinatesystemstring")
            own, transform = place_of_text(map_info, system, notes)
            crs = crs or own
    return crs, transform


UNEVEN = "its coordinates are not evenly spaced: no transform"


def _grid_mapping(
    array: Variable, by_key: dict[str, Variable], notes: list[str]
) -> tuple[str | None, Transform | None]:
    named = array.text("grid_mapping").split(":")[0].strip()
    if not named:
        return None, None
    group = array.key.rpartition("/")[0]
    mapping = by_key.get(f"{group}/{named}".strip("/"), by_key.get(named.strip("/")))
    if mapping is None:
        notes.append(f"its grid mapping {named!r} is not in the file")
        return None, None
    crs = mapping.text("crs_wkt") or mapping.text("spatial_ref") or _of_codes(mapping, notes)
    if crs is None:
        notes.append(f"its grid mapping {named!r} has no crs_wkt: no CRS")
    six = mapping.text("GeoTransform").split()
    try:
        x, width, skew, y, lean, height = (float(v) for v in six)
    except ValueError:
        return crs, None
    return crs, (width, skew, x, lean, height, y)


def _of_codes(variable: Variable, notes: list[str]) -> str | None:
    """WKT of an EPSG code among the attributes."""
    stated = (as_text(v) for name in EPSG for _, v in variable.named(name))
    return next((wkt for text in stated if (wkt := _wkt(text, notes))), None)


def _epsg(array: Variable, variables: Sequence[Variable], notes: list[str]) -> str | None:
    """WKT of an EPSG code among the attributes of the cube, or in an array of that name."""
    texts = (_text(array, variables, name) for name in EPSG)
    return next((wkt for text in texts if (wkt := _wkt(text, notes))), None)


def _text(array: Variable, variables: Sequence[Variable], name: str) -> str:
    """An attribute of the cube, or the nearest array of one entry, as text; empty if none."""
    for _, value in array.named(name):
        return as_text(value)
    found = nearest(array, [v for v in variables if math.prod(v.shape) == 1], name)
    return "" if found is None else as_text(np.asarray(found.all()))


def _wkt(text: str, notes: list[str]) -> str | None:
    code = CODE.fullmatch(text.strip())
    if code is None:
        return None
    from rasterio import Env
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        with Env():  # else PROJ prints its errors
            return str(CRS.from_epsg(int(code[1])).to_wkt())
    except CRSError:
        notes.append(f"EPSG:{code[1]}: no such code; it is not used")
        return None


def _of_coordinates(
    coordinates: tuple[Variable | None, ...], crs: str | None, notes: list[str]
) -> tuple[str | None, Transform | None]:
    """CRS, and transform of the centres of rows and cols, in its unit."""
    axes = [_axis(c) for c in coordinates]
    if None in axes:
        notes.append(UNEVEN)
        return crs, None
    units = ["" if c is None else c.text("units").strip() for c in coordinates]
    lower = [u.lower() for u in units]
    if crs is None and NORTH.fullmatch(lower[0]) and EAST.fullmatch(lower[1]):
        crs = _wkt("4326", notes)
        notes.append("it has no grid mapping; its degrees are taken as WGS 84 (EPSG:4326)")
    factors = [_factor(unit, crs) for unit in lower]
    if None in factors:
        notes.append(
            f"its coordinates are in {' and '.join(dict.fromkeys(units))}, which are not of its "
            "reference system: no transform"
        )
        return crs, None
    (y, height), (x, width) = (
        (axis[0] * factor, axis[1] * factor)
        for axis, factor in zip(axes, factors, strict=True)
        if axis is not None and factor is not None
    )
    return crs, (width, 0.0, x, 0.0, height, y)


def _factor(unit: str, crs: str | None) -> float | None:
    """What turns a coordinate into the unit of the CRS; None if they are of another kind."""
    from rasterio import Env
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    angle = 1.0 if DEGREES.fullmatch(unit) else 180 / math.pi if unit in RADIANS else None
    if crs is None or (angle is None and unit not in LENGTHS):
        return 1.0
    try:
        with Env():
            system = CRS.from_user_input(crs)
            own = None if system.is_geographic else system.linear_units_factor[1]
    except (CRSError, IndexError, ValueError):  # `info` says that it cannot be read
        return 1.0
    if own is None or angle is not None:
        return angle if own is None else None
    return LENGTHS[unit] / float(own)


def _axis(coordinate: Variable | None) -> tuple[float, float] | None:
    """Outer edge of the first pixel, and the step; None if centres are not evenly spaced."""
    if coordinate is None or len(coordinate.shape) != 1 or coordinate.dtype.kind not in "iuf":
        return None
    centres = np.asarray(coordinate.all(), np.float64)
    if len(centres) < 2:
        return None
    step = float((centres[-1] - centres[0]) / (len(centres) - 1))
    even = centres[0] + step * np.arange(len(centres))
    if not step or not np.abs(centres - even).max() <= MAX_UNEVENNESS * abs(step):
        return None
    return float(centres[0]) - step / 2, step
