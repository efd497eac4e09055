"""Cubes in files of named arrays: HDF5, NetCDF, Zarr.

What the arrays say of each other is read as the CF conventions (cfconventions.org, 1.11) have it,
as far as a cube needs it: dimensions by name, a coordinate of wavelengths, packed values, missing
values, the grid mapping's WKT. Files that name nothing are rows, cols, bands.
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

ROLES = (
    (
        "y",
        "row",
        "rows",
        "line",
        "lines",
        "lat",
        "latitude",
        "north",
        "northing",
        "downtrack",
        "along_track",
        "azimuth",
    ),
    (
        "x",
        "col",
        "cols",
        "column",
        "columns",
        "sample",
        "samples",
        "lon",
        "longitude",
        "east",
        "easting",
        "crosstrack",
        "across_track",
        "cross_track",
    ),
    (
        "band",
        "bands",
        "wavelength",
        "wavelengths",
        "wvl",
        "wl",
        "lambda",
        "channel",
        "channels",
        "spectral",
        "spectral_band",
        "number_of_bands",
    ),
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
UNEVEN = 0.01  # of a pixel: coordinates further off than this are no grid


@dataclass(frozen=True, eq=False)
class Variable:
    """An array of a file.

    Attributes:
        key: its path in the file, parts divided by `/`.
        shape: its length along each axis.
        dtype: NumPy's name of its type.
        dims: the key of each axis' dimension; empty where it has none.
        attrs: what the file says of it.
        read: reads a part of it, or all.
    """

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    attrs: Mapping[str, Any]
    read: Callable[[tuple[slice, ...]], NDArray[np.generic]]

    @property
    def listed(self) -> ArrayShape:
        """The same without what reads it."""
        numeric = self.dtype.kind in "iuf"
        return ArrayShape(self.key, self.shape, self.dtype.name, self.dtype.itemsize, numeric)

    def text(self, name: str) -> str:
        """An attribute as text; empty where there is none."""
        value = self.attrs.get(name, "")
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.item()
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def all(self) -> NDArray[np.generic]:
        """The whole array, in memory."""
        return self.read((slice(None),) * len(self.shape))


def cube_among(path: Path, form: str, variables: Sequence[Variable], key: str | None) -> Cube:
    """The cube of that name, or the only one.

    Raises:
        ReadError: no cube or several, or axes that contradict each other.
    """
    wanted = "a cube of rows, cols, bands"
    chosen = choose(
        path, [v.listed for v in variables], key and key.strip("/"), 3, wanted, "--scene-key"
    )
    by_key = {v.key: v for v in variables}
    array = by_key[chosen.key]
    notes: list[str] = []
    order = _order(path, array, by_key, notes)  # axes of the file that are rows, cols, bands
    rows, cols, bands = (array.shape[i] for i in order)
    back = tuple(int(i) for i in np.argsort(order))

    def read_window(window: Window) -> NDArray[np.generic]:
        box = (*window.slices, slice(0, bands))
        return np.asarray(array.read(tuple(box[i] for i in back))).transpose(order)

    of_rows, of_cols, of_bands = (array.dims[i] for i in order)
    wavelengths_nm, unit = None, None
    named = _wavelengths(array, of_bands, bands, variables)
    if named is not None:
        unit = named[1]
        wavelengths_nm, odd = in_nm(named[0], unit, bands)
        notes.extend(odd)
    crs, transform = _place(array, (of_rows, of_cols), by_key, notes)
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
    )


def _order(
    path: Path, array: Variable, by_key: Mapping[str, Variable], notes: list[str]
) -> tuple[int, int, int]:
    roles = [_role(dim, by_key) for dim in array.dims]
    known = [r for r in roles if r is not None]
    names = ", ".join(dim.rpartition("/")[2] or "?" for dim in array.dims)
    if len(set(known)) < len(known):
        raise ReadError(
            f"{path}: {array.listed}: of its dimensions ({names}) two are the same axis; "
            "wanted rows, cols and bands"
        )
    if not known:
        notes.append(
            f"its dimensions ({names}) do not say which is which; taken as rows, cols, bands"
        )
    # of what is left open, rows come before cols, and cols before bands
    return min(
        (rows, cols, bands)
        for rows, cols, bands in itertools.permutations(range(3))
        if roles[rows] in (None, 0) and roles[cols] in (None, 1) and roles[bands] in (None, 2)
    )


def _role(dim: str, by_key: Mapping[str, Variable]) -> int | None:
    """Whether a dimension is rows (0), cols (1), bands (2) or does not say."""
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
    """Numbers and their unit: a coordinate of the bands, the best named one, or an attribute."""
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
        found = best[1]
        unit = found.text("units") or found.text("Units") or None
        return np.asarray(found.all(), np.float64).tolist(), unit
    for name, value in array.attrs.items():
        if WAVELENGTHS.fullmatch(str(name).lower()) and np.ndim(value) == 1:
            numbers = per_band(value, np.size(value))
            if numbers is not None:
                unit = array.text(f"{name}_units") or array.text("wavelength_units")
                return numbers.tolist(), unit or None
    return None


def _bad_bands(array: Variable, bands: int, variables: Sequence[Variable]) -> tuple[int, ...]:
    """Bands that a list beside the cube marks with a 0."""
    for variable in variables:
        if variable.key.rpartition("/")[2].lower() in GOOD_BANDS and variable.shape == (bands,):
            return tuple(int(b) for b in np.flatnonzero(np.asarray(variable.all()) == 0))
    for name in GOOD_BANDS:
        good = array.attrs.get(name)
        if good is not None and np.shape(good) == (bands,):
            return tuple(int(b) for b in np.flatnonzero(np.asarray(good) == 0))
    return ()


def _nodata(array: Variable, bands: int, notes: list[str]) -> Numbers | None:
    found: dict[str, Numbers] = {}
    for name in ("_FillValue", "missing_value"):
        value = array.attrs.get(name)
        if isinstance(value, str):  # how xarray writes it into Zarr's JSON
            try:
                value = struct.unpack("<d", base64.b64decode(value, validate=True))[0]
            except (binascii.Error, struct.error, ValueError):
                notes.append(f"{name}: {value!r} is no number; it is not used")
                continue
        if value is not None:
            numbers = per_band(np.ravel(np.asarray(value))[:1], bands)
            if numbers is not None and not np.isnan(numbers).all():
                found[name] = numbers
    taken = next(iter(found.values()), None)
    if taken is not None and any(not np.array_equal(taken, n) for n in found.values()):
        notes.append("missing_value: another than _FillValue; it is not used")
    return taken


def _place(
    array: Variable, dims: tuple[str, str], by_key: Mapping[str, Variable], notes: list[str]
) -> tuple[str | None, tuple[float, ...] | None]:
    """The grid mapping's WKT and transform, or the transform of evenly spaced coordinates."""
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
                notes.append(f"its grid mapping {named!r} has no crs_wkt; without it no CRS")
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
        notes.append("its coordinates are no even grid; without one no place on Earth")
    return crs, transform


def _axis(coordinate: Variable | None) -> tuple[float, float] | None:
    """Outer edge of the first pixel and the step, where pixel centres are evenly spaced."""
    if coordinate is None or len(coordinate.shape) != 1 or coordinate.dtype.kind not in "iuf":
        return None
    centres = np.asarray(coordinate.all(), np.float64)
    if len(centres) < 2:
        return None
    step = float((centres[-1] - centres[0]) / (len(centres) - 1))
    even = centres[0] + step * np.arange(len(centres))
    if not step or not np.abs(centres - even).max() <= UNEVEN * abs(step):
        return None
    return float(centres[0]) - step / 2, step
