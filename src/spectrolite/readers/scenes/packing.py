"""What stored values mean: unsigned integers, missing values, the valid range, scale and offset.

Values count as missing where the netCDF4 library masks them: every `_FillValue` and
`missing_value`, the default fill value of a NetCDF variable without `_FillValue` (not of one byte),
and what is outside `valid_range` or `valid_min` and `valid_max`. Files that are not NetCDF spell
these names in many ways. `Cube` has one nodata value for each band: where a file has more, or a
range, the values that are missing become that one when they are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import listed
from spectrolite.readers.scenes.cube import Numbers, per_band, unless_trivial
from spectrolite.readers.scenes.variable import Variable, as_numbers

NODATA = (
    "fillvalue",
    "missingvalue",
    "dataignorevalue",
    "ignorevalue",
    "nodata",
    "nodatavalue",
    "nodataval",
)
SCALE = ("scalefactor", "reflectancescalefactor")
DEFAULT_FILL = {  # of the NetCDF library: netcdf.h, NC_FILL_SHORT and so on
    "i2": -32767.0,
    "u2": 65535.0,
    "i4": -2147483647.0,
    "u4": 4294967295.0,
    "i8": -9223372036854775806.0,
    "u8": 18446744073709551614.0,
    "f4": 9.969209968386869e36,
    "f8": 9.969209968386869e36,
}

Values = NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Packing:
    """How the stored values of a cube are read.

    Attributes:
        dtype: of the values that `read` returns.
        nodata: as in `Cube`.
        scale: as in `Cube`.
        offset: as in `Cube`.
        read: stored `(rows, cols, bands)` to values with the one nodata value.
    """

    dtype: np.dtype[Any]
    nodata: Numbers | None
    scale: Numbers | None
    offset: Numbers | None
    read: Callable[[Values], Values]


def packing(array: Variable, bands: int, netcdf: bool, notes: list[str]) -> Packing:
    """What the attributes of an array say of its values.

    Args:
        array: the cube.
        bands: number of bands.
        netcdf: whether NetCDF's default fill values apply.
        notes: what is odd is appended.
    """
    dtype = array.dtype
    signed_bits = 0
    if array.text("_Unsigned").lower() == "true" and dtype.kind == "i":
        signed_bits = 8 * dtype.itemsize
        dtype = np.dtype(dtype.str.replace("i", "u"))
    scale, offset = _scale(array, bands, notes)
    missing = _as_stored(_missing(array, notes), signed_bits)
    if netcdf and not signed_bits and "_FillValue" not in array.attrs:
        default = DEFAULT_FILL.get(dtype.str[1:])
        missing += [] if default is None or default in missing else [default]
    low, high = _valid_range(array, scale, offset, notes)
    low, high = (_as_stored([v], signed_bits)[0] for v in (low, high))
    if not low <= high:
        notes.append(f"valid range: from {low:g} to {high:g} holds no value; it is not used")
        low, high = -math.inf, math.inf
    ranged = not _holds_all(dtype, low, high)
    nodata, read = _nodata(dtype, missing, low, high, ranged, notes)
    if signed_bits:
        stored = read

        def read(values: Values) -> Values:
            return stored(values.view(dtype))

    return Packing(
        dtype,
        None if nodata is None else per_band(nodata, bands),
        unless_trivial(scale, 1.0),
        unless_trivial(offset, 0.0),
        read,
    )


def _missing(array: Variable, notes: list[str]) -> list[float]:
    """Missing values that the attributes state, each once, without NaN."""
    found: list[float] = []
    for plain in NODATA:
        for name, value in array.named(plain):
            numbers = as_numbers(value)
            if numbers is None:
                notes.append(f"{name}: {str(value)[:60]!r} is not a number; it is not used")
            found += numbers or []
    return [v for v in dict.fromkeys(found) if not math.isnan(v)]


def _as_stored(values: list[float], signed_bits: int) -> list[float]:
    """Signed numbers that stand for unsigned ones of that many bits."""
    if not signed_bits:
        return values
    return [v + 2.0**signed_bits if -math.inf < v < 0 else v for v in values]


def _valid_range(
    array: Variable, scale: Numbers | None, offset: Numbers | None, notes: list[str]
) -> tuple[float, float]:
    """Lowest and highest valid value as stored; infinite where there is no limit."""
    limits = {0: -math.inf, 1: math.inf}
    real = False
    for plain, ends in (("validmin", (0,)), ("validmax", (1,)), ("validrange", (0, 1))):
        for name, value in array.named(plain):
            numbers = as_numbers(value)
            if numbers is None or len(numbers) != len(ends) or any(map(math.isnan, numbers)):
                wanted = "a number" if len(ends) == 1 else "two numbers"
                notes.append(f"{name}: wanted {wanted}; it is not used")
                continue
            real = real or np.asarray(value).dtype.kind == "f"
            limits.update(zip(ends, numbers, strict=True))
    if not (real and array.dtype.kind in "iu") or (scale is None and offset is None):
        return limits[0], limits[1]
    # limits of another type than the stored values are limits of the unpacked ones
    factor = 1.0 if scale is None else float(scale[0])
    added = 0.0 if offset is None else float(offset[0])
    low, high = sorted(float(f"{(v - added) / factor:.12g}") for v in limits.values())
    return low, high


def _holds_all(dtype: np.dtype[Any], low: float, high: float) -> bool:
    """Whether every value of the type is from `low` to `high`."""
    if dtype.kind not in "iu":
        return low == -math.inf and high == math.inf
    return low <= np.iinfo(dtype).min and high >= np.iinfo(dtype).max


def _nodata(
    dtype: np.dtype[Any],
    missing: list[float],
    low: float,
    high: float,
    ranged: bool,
    notes: list[str],
) -> tuple[float | None, Callable[[Values], Values]]:
    """The one nodata value, and what makes it of the others."""
    if not ranged and len(missing) < 2:
        return (missing[0] if missing else None), lambda values: values
    free = math.nan
    info = np.iinfo(dtype if dtype.kind in "iu" else np.int64)
    if dtype.kind in "iu":
        missing = [v for v in missing if v.is_integer() and info.min <= v <= float(info.max)]
        low = float(math.ceil(max(low, info.min)))
        high = float(math.floor(min(high, info.max)))
        free = high + 1 if high < info.max else low - 1
    if len(missing) > 1:
        notes.append(f"several values count as nodata: {listed([f'{v:.10g}' for v in missing])}")
    if ranged:
        notes.append(f"values outside its valid range, from {low:g} to {high:g}, count as nodata")
    one = next((v for v in missing if v), free)

    stored: Any = float
    if dtype.kind == "f":  # a limit of 0.1 is stated in float64 and stored in float32
        stored = dtype.type
    with np.errstate(over="ignore"):
        others = [stored(v) for v in missing if v and v != one]
        ends = (stored(low), stored(high))
        sentinel = stored(one)
    if dtype.kind in "iu":  # the largest of 64 bits are no floats
        sentinel = min(max(int(one), info.min), info.max)

    def read(values: Values) -> Values:
        gone: NDArray[np.bool_] = np.zeros(values.shape, bool)
        for other in others:
            gone |= values == other
        if ranged:
            gone |= (values < ends[0]) | (values > ends[1])
        if 0 in missing:  # dark water may give a single 0
            gone |= (values == 0).all(-1, keepdims=True)
        if gone.any():
            values = values.copy()
            values[gone] = sentinel
        return values

    return (None if math.isnan(one) else float(one)), read


def _scale(array: Variable, bands: int, notes: list[str]) -> tuple[Numbers | None, Numbers | None]:
    """Factor and offset from stored values to physical ones.

    CF's `scale_factor` multiplies. By other spellings files state what the values were multiplied
    with, such as 10,000 for reflectance: from 1 on they divide.
    """
    scale = per_band(array.attrs["scale_factor"], bands) if "scale_factor" in array.attrs else None
    offset = next((per_band(v, bands) for _, v in array.named("addoffset")), None)
    if "scale_factor" in array.attrs:
        return scale, offset
    for plain in SCALE:
        for name, value in array.named(plain):
            numbers = per_band(as_numbers(value), bands)
            if numbers is None or not np.isfinite(numbers).all() or not numbers.all():
                notes.append(f"{name}: wanted a number other than 0; it is not used")
                continue
            divides = bool((np.abs(numbers) > 1).all())
            if divides:
                notes.append(f"{name}: {numbers[0]:g}; --scale divides by it")
            return (1 / numbers if divides else numbers), offset
    return None, offset
