"""Cubes in files of named arrays: HDF5, NetCDF, Zarr.

Of the CF conventions (cfconventions.org, 1.11) this reads what a cube needs: dimensions by name, a
coordinate of wavelengths, packed and missing values (`packing`), the place (`places`). Dimensions
without names are rows, cols, bands, unless the number of wavelengths fits one other axis alone.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spectrolite.errors import ReadError
from spectrolite.readers.scenes.arrays import (
    Order,
    as_axes,
    choose,
    in_order,
    order_by_count,
    order_of,
)
from spectrolite.readers.scenes.cube import UNITS, Cube, in_nm
from spectrolite.readers.scenes.packing import packing
from spectrolite.readers.scenes.places import place
from spectrolite.readers.scenes.variable import Variable, as_numbers, as_text

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


def cube_among(
    path: Path,
    form: str,
    variables: Sequence[Variable],
    key: str | None,
    axes: str | None = None,
    *,
    netcdf: bool = False,
) -> Cube:
    """The cube named `key`, or the only one.

    Args:
        path: of the file.
        form: name of the format, for people.
        variables: all arrays of the file.
        key: name of the cube.
        axes: `rows`, `cols` and `bands` in the order of the file; default: as its names say.
        netcdf: whether values that NetCDF fills by default are missing.

    Raises:
        ReadError: no cube or several, or two dimensions that are the same axis.
        SettingsError: `axes` are not the three words.
    """
    wanted = "a cube of rows, cols, bands"
    chosen = choose(
        path, [v.summary for v in variables], key and key.strip("/"), 3, wanted, "--scene-key"
    )
    array = _with_labels(next(v for v in variables if v.key == chosen.key))
    notes: list[str] = []
    order = order_of(axes) if axes else _order(path, array, variables, notes)
    rows, cols, bands = (array.shape[i] for i in order)
    row_dim, col_dim, band_dim = (array.dims[i] for i in order)
    wavelengths_nm, unit = None, None
    listed = _wavelengths(array, band_dim, bands, variables)
    if listed is not None:
        unit = listed[1]
        wavelengths_nm, odd = in_nm(listed[0], unit, bands)
        notes.extend(odd)
    values = packing(array, bands, netcdf, notes)
    crs, transform = place(array, (row_dim, col_dim), variables, notes)
    stored = in_order(array.read, order, bands)
    return Cube(
        form,
        array.key,
        (rows, cols, bands),
        values.dtype,
        lambda window: values.read(stored(window)),
        wavelengths_nm,
        unit,
        _bad_bands(array, bands, variables),
        values.nodata,
        values.scale,
        values.offset,
        crs,
        transform,
        tuple(notes),
        _block(array.chunk, order),
    )


def _with_labels(array: Variable) -> Variable:
    """The array with dimensions named by its attribute, where the file has no other names."""
    stated = next((as_text(v) for _, v in array.named("dimensionlabels")), "")
    labels = tuple(word.strip() for word in stated.split(","))
    if any(array.dims) or len(labels) != len(array.shape):
        return array
    return replace(array, dims=labels)


def _block(chunk: tuple[int, ...] | None, order: Order) -> tuple[int, int, int] | None:
    if chunk is None:
        return None
    rows, cols, bands = (chunk[i] for i in order)
    return rows, cols, bands


def _order(path: Path, array: Variable, variables: Sequence[Variable], notes: list[str]) -> Order:
    """Axes of the file for rows, cols, bands."""
    by_key = {v.key: v for v in variables}
    roles = [_role(dim, by_key) for dim in array.dims]
    assigned = [r for r in roles if r is not None]
    names = ", ".join(dim.rpartition("/")[2] or "?" for dim in array.dims)
    if len(set(assigned)) < len(assigned):
        raise ReadError(
            f"{path}: {array.summary}: two of its dimensions ({names}) are the same axis; "
            "wanted rows, cols and bands"
        )
    if not assigned:
        order, why = _order_by_count(array, variables)
        notes.append(
            f"its dimensions ({names}) have no known names; taken as {as_axes(order)}{why}; "
            "--axes states another order"
        )
        return order
    # dimensions without a known name: rows before cols, cols before bands
    return min(
        (rows, cols, bands)
        for rows, cols, bands in itertools.permutations(range(3))
        if roles[rows] in (None, 0) and roles[cols] in (None, 1) and roles[bands] in (None, 2)
    )


def _order_by_count(array: Variable, variables: Sequence[Variable]) -> tuple[Order, str]:
    """The order in which the wavelengths fit, and why."""
    for count in sorted(set(array.shape)):
        listed = _wavelengths(array, "", count, variables)
        order = order_by_count(array.shape, count)
        if listed is not None and len(listed[0]) == count and order is not None:
            return order, f", as the file has {count} wavelengths"
    return (0, 1, 2), ""


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
            numbers = as_numbers(value)
            if numbers is not None and np.ndim(value) == 1:
                unit = array.text(f"{name}_units") or array.text("wavelength_units")
                return numbers, unit or None
    return None


def _bad_bands(array: Variable, bands: int, variables: Sequence[Variable]) -> tuple[int, ...]:
    """Bands that have a 0 in a list beside the cube."""
    for variable in variables:
        if variable.key.rpartition("/")[2].lower() in GOOD_BANDS and variable.shape == (bands,):
            return tuple(int(b) for b in np.flatnonzero(np.asarray(variable.all()) == 0))
    for name in GOOD_BANDS:
        good = as_numbers(array.attrs.get(name))
        if good is not None and len(good) == bands > 1:
            return tuple(int(b) for b in np.flatnonzero(np.array(good) == 0))
    return ()
