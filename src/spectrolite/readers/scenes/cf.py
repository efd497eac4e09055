"""Cubes in files of named arrays: HDF5, NetCDF, Zarr.

Of the CF conventions (cfconventions.org, 1.11) this reads what a cube needs: dimensions by name, a
coordinate of wavelengths, packed values, missing values, the WKT of the grid mapping. Dimensions
without names are taken as rows, cols, bands.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.readers.scenes.arrays import ArrayShape, choose
from spectrolite.readers.scenes.cube import UNITS, Cube, Numbers, in_nm, per_band, unless_trivial

# Names of dimensions that are rows, cols and bands.
ROLES = tuple(
    words.split()
    for words in (
        "y row rows line lines lat latitude north northing downtrack along_track azimuth",
        "x col cols column columns sample samples lon longitude east easting crosstrack "
        "across_track cross_track",
        "band bands wavelength wavelengths wvl wl lambda channel channels spectral spectral_band "
        "number_of_bands",
    )
)
AXIS = {"Y": 0, "X": 1}
STANDARD = {
    "projection_y_coordinate": 0,
    "latitude": 0,
    "grid_latitude": 0,
    "projection_x_coordinate": 1,
    "longitude": 1,
    "grid_longitude": 1,
    "radiation_wavelength": 2,
    "sensor_band_central_radiation_wavelength": 2,
}
WAVELENGTHS = re.compile(r"(cent(er|re|ral)_)?wave_?lengths?(_nm|_um)?|wvl|wl|lambda")
GOOD_BANDS = ("good_wavelengths", "good_bands", "bbl")
MAX_UNEVENNESS = 0.01  # pixels: coordinates further off than this are not a grid


@dataclass(frozen=True, eq=False)
class Variable:
    """An array of a file.

    Attributes:
        key: its path in the file, with `/` between groups.
        shape: its length along each axis.
        dtype: of its values.
        dims: key of the dimension of each axis; empty if it has none.
        attrs: its attributes.
        read: reads a part of it.
        chunk: lengths of what is decoded together; None if any part can be read.
    """

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    attrs: Mapping[str, Any]
    read: Callable[[tuple[slice, ...]], NDArray[np.generic]]
    chunk: tuple[int, ...] | None = None

    @property
    def summary(self) -> ArrayShape:
        """Name, shape and type, for choosing and for messages."""
        numeric = self.dtype.kind in "iuf"
        return ArrayShape(self.key, self.shape, self.dtype.name, self.dtype.itemsize, numeric)

    def text(self, name: str) -> str:
        """An attribute as text; empty if there is none."""
        value = self.attrs.get(name, "")
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.item()
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def all(self) -> NDArray[np.generic]:
        """The whole array, in memory."""
        return self.read((slice(None),) * len(self.shape))


def cube_among(path: Path, form: str, variables: Sequence[Variable], key: str | None) -> Cube:
    """The cube named `key`, or the only one.

    Raises:
        ReadError: no cube or several, or two dimensions that are the same axis.
    """
    wanted = "a cube of rows, cols, bands"
    chosen = choose(
        path, [v.summary for v in variables], key and key.strip("/"), 3, wanted, "--scene-key"
    )
    by_key = {v.key: v for v in variables}
    array = by_key[chosen.key]
    notes: list[str] = []
    order = _order(path, array, by_key, notes)  # axes of the file for rows, cols, bands
    rows, cols, bands = (array.shape[i] for i in order)
    inverse = tuple(int(i) for i in np.argsort(order))

    def read_window(window: Window) -> NDArray[np.generic]:
        box = (*window.slices, slice(0, bands))
        return np.asarray(array.read(tuple(box[i] for i in inverse))).transpose(order)

    row_dim, col_dim, band_dim = (array.dims[i] for i in order)
    wavelengths_nm, unit = None, None
    listed = _wavelengths(array, band_dim, bands, variables)
    if listed is not None:
        unit = listed[1]
        wavelengths_nm, odd = in_nm(listed[0], unit, bands)
        notes.extend(odd)
    crs, transform = _place(array, (row_dim, col_dim), by_key, notes)
    return Cube(
        form,
        array.key,
        (rows, cols, bands),
        array.dtype,
        read_window,
        wavelengths_nm,
        unit,
        _bad_bands(array, bands, variables),
        _nodata(array, bands, notes),
        unless_trivial(per_band(array.attrs.get("scale_factor", 1), bands), 1.0),
        unless_trivial(per_band(array.attrs.get("add_offset", 0), bands), 0.0),
        crs,
        transform,
        tuple(notes),
        _block(array.chunk, order),
    )


def _block(
    chunk: tuple[int, ...] | None, order: tuple[int, int, int]
) -> tuple[int, int, int] | None:
    if chunk is None:
        return None
    rows, cols, bands = (chunk[i] for i in order)
    return rows, cols, bands


def _order(
    path: Path, array: Variable, by_key: Mapping[str, Variable], notes: list[str]
) -> tuple[int, int, int]:
    roles = [_role(dim, by_key) for dim in array.dims]
    assigned = [r for r in roles if r is not None]
    names = ", ".join(dim.rpartition("/")[2] or "?" for dim in array.dims)
    if len(set(assigned)) < len(assigned):
        raise ReadError(
            f"{path}: {array.summary}: two of its dimensions ({names}) are the same axis; "
            "wanted rows, cols and bands"
        )
    if not assigned:
        notes.append(f"its dimensions ({names}) have no known names; taken as rows, cols, bands")
    # dimensions without a known name: rows before cols, cols before bands
    return min(
        (rows, cols, bands)
        for rows, cols, bands in itertools.permutations(range(3))
        if roles[rows] in (None, 0) and roles[cols] in (None, 1) and roles[bands] in (None, 2)
    )


def _role(dim: str, by_key: Mapping[str, Variable]) -> int | None:
    """Whether a dimension is rows (0), cols (1) or bands (2); None if it does not say."""
    coordinate = by_key.get(dim)
    if coordinate is not None:
        if coordinate.text("axis") in AXIS:
            return AXIS[coordinate.text("axis")]
        if coordinate.text("standard_name") in STANDARD:
            return STANDARD[coordinate.text("standard_name")]
    name = dim.rpartition("/")[2].lower()
    return next((i for i, words in enumerate(ROLES) if name in words), None)


def _wavelengths(
    array: Variable, dim: str, bands: int, variables: Sequence[Variable]
) -> tuple[list[float], str | None] | None:
    """Numbers and their unit: of the best named coordinate of the bands, or of an attribute."""
    units = {word for _, words in UNITS.values() for word in words}
    best: tuple[int, Variable] | None = None
    for variable in variables:
        if variable.shape != (bands,) or variable.dtype.kind not in "iuf":
            continue
        name = variable.key.rpartition("/")[2].lower()
        of_bands = bool(dim) and (variable.dims == (dim,) or variable.key == dim)
        rank = 4 * (STANDARD.get(variable.text("standard_name")) == 2)
        rank += 2 * bool(WAVELENGTHS.fullmatch(name))
        if not rank and not (variable.key == dim and variable.text("units").lower() in units):
            continue
        rank += of_bands
        if best is None or rank > best[0]:
            best = (rank, variable)
    if best is not None:
        coordinate = best[1]
        unit = coordinate.text("units") or coordinate.text("Units") or None
        return np.asarray(coordinate.all(), np.float64).tolist(), unit
    for name, value in array.attrs.items():
        if WAVELENGTHS.fullmatch(str(name).lower()):
            numbers = _listed_numbers(value)
            if numbers is not None:
                unit = array.text(f"{name}_units") or array.text("wavelength_units")
                return numbers.tolist(), unit or None
    return None


def _bad_bands(array: Variable, bands: int, variables: Sequence[Variable]) -> tuple[int, ...]:
    """Bands that have a 0 in a list beside the cube."""
    for variable in variables:
        if variable.key.rpartition("/")[2].lower() in GOOD_BANDS and variable.shape == (bands,):
            return tuple(int(b) for b in np.flatnonzero(np.asarray(variable.all()) == 0))
    for name in GOOD_BANDS:
        good = _listed_numbers(array.attrs.get(name))
        if good is not None and len(good) == bands:
            return tuple(int(b) for b in np.flatnonzero(good == 0))
    return ()


def _listed_numbers(value: object) -> Numbers | None:
    """A list of numbers in an attribute; None for anything else, such as nested lists."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
    return array if array.ndim == 1 else None


def _nodata(array: Variable, bands: int, notes: list[str]) -> Numbers | None:
    stated: dict[str, Numbers] = {}
    for name in ("_FillValue", "missing_value"):
        value = array.attrs.get(name)
        if isinstance(value, str):  # base64, as xarray writes it into Zarr's JSON
            try:
                value = struct.unpack("<d", base64.b64decode(value, validate=True))[0]
            except (binascii.Error, struct.error, ValueError):
                notes.append(f"{name}: {value!r} is not a number; it is not used")
                continue
        if value is not None:
            numbers = per_band(np.ravel(np.asarray(value))[:1], bands)
            if numbers is not None and not np.isnan(numbers).all():
                stated[name] = numbers
    nodata = next(iter(stated.values()), None)
    if nodata is not None and any(not np.array_equal(nodata, n) for n in stated.values()):
        notes.append("missing_value: differs from _FillValue; it is not used")
    return nodata


def _place(
    array: Variable, dims: tuple[str, str], by_key: Mapping[str, Variable], notes: list[str]
) -> tuple[str | None, tuple[float, ...] | None]:
    """WKT and transform of the grid mapping, or the transform of evenly spaced coordinates."""
    crs, transform = None, None
    named = array.text("grid_mapping").split(":")[0].strip()
    if named:
        group = array.key.rpartition("/")[0]
        mapping = by_key.get(f"{group}/{named}".strip("/"), by_key.get(named.strip("/")))
        if mapping is None:
            notes.append(f"its grid mapping {named!r} is not in the file")
        else:
            crs = mapping.text("crs_wkt") or mapping.text("spatial_ref") or None
            if crs is None:
                notes.append(f"its grid mapping {named!r} has no crs_wkt: no CRS")
            six = mapping.text("GeoTransform").split()
            try:
                x, width, skew, y, lean, height = (float(v) for v in six)
                transform = (width, skew, x, lean, height, y)
            except ValueError:
                transform = None
    down, across = (_axis(by_key.get(dim)) for dim in dims)
    if transform is None and down is not None and across is not None:
        transform = (across[1], 0.0, across[0], 0.0, down[1], down[0])
    elif transform is None and any(dim in by_key for dim in dims):
        notes.append("its coordinates are not evenly spaced: no transform")
    return crs, transform


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
