"""EMIT L2A reflectance: NetCDF 4 in the geometry of the sensor, with a look-up table to a grid.

NASA LP DAAC, EMITL2ARFL version 001 and its masks, EMITL2AMASK versions 001 to 003:
`reflectance` (downtrack, crosstrack, bands) float32; `sensor_band_parameters` with `wavelengths`,
`fwhm` and `good_wavelengths`; `location` with `glt_x` and `glt_y`, the column and the row of the
sensor, counted from 1, that each pixel of the grid shows, 0 where it shows none; the grid's
`geotransform` and `spatial_ref` among the attributes of the file. The mask is a file of its own of
the same shape, whose layers are told by their names, which differ between versions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.lookup import LookupTable
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError, listed
from spectrolite.products.hdf5_groups import attributes, names_in
from spectrolite.readers.scenes.cube import Cube, QualityLayer, in_nm
from spectrolite.readers.scenes.drivers import is_crs
from spectrolite.readers.scenes.hdf5 import read_part, variables
from spectrolite.readers.scenes.variable import Variable, as_numbers, as_text

NAME = "emit"
TITLE = "EMIT L2A reflectance"

ENDINGS = (".nc", ".nc4", ".h5")
BANDS, LOCATION = "sensor_band_parameters", "location"
LAYERS = {
    "cloud flag": ("cloud", True),
    "cirrus flag": ("cirrus", True),
    "dilated cloud flag": ("near-cloud", True),
    "spectf-cloud flag": ("spectf-cloud", True),
    "spacecraft flag": ("spacecraft", True),
    "water flag": ("water", False),
}
"""Layers of the mask by their names: the word for each, and whether it is left out by default."""
OTHERS = {
    "radiance": "EMIT L1B radiance at the sensor",
    "reflectance_uncertainty": "the uncertainty of EMIT L2A reflectance",
    "mask": "the mask of EMIT L2A reflectance, which goes with --mask",
}
AGAIN = "download the granule again"
FAR = 0.05  # degrees, 90 pixels, between a corner of a granule and that of its mask
MOST = 1 << 24  # pixels of the image or the grid; a granule has 1.6 and about 5 million
MOST_BANDS = 1 << 12  # a granule has 285


def found(path: Path) -> bool:
    """Whether a file has the groups of an EMIT granule of level 1B or 2A."""
    if path.suffix.lower() not in ENDINGS or not path.is_file():
        return False
    return "glt_x" in names_in(path, LOCATION) and bool(names_in(path, BANDS))


def is_companion(path: Path) -> bool:
    """Whether a file is the mask or the uncertainty of a granule, which lie beside it."""
    names = names_in(path) if found(path) else []
    return "reflectance" not in names and bool({"mask", "reflectance_uncertainty"} & set(names))


def cube(path: Path, mask: Path | None = None) -> Cube:
    """The granule's reflectance, in the geometry of the sensor.

    Args:
        path: of the granule.
        mask: of its mask; default: the one beside it that has its name.

    Raises:
        ReadError: another level, a part that is missing, a look-up table that points outside, or a
            mask of another granule.
    """
    arrays = _arrays(path)
    if "reflectance" not in arrays:
        other = next((what for key, what in OTHERS.items() if key in arrays), None)
        raise ReadError(
            f"{path}: wanted {TITLE} with an array reflectance, got "
            f"{other or listed(list(arrays))}; download EMIT_L2A_RFL"
        )
    array = arrays["reflectance"]
    if len(array.shape) != 3 or array.dtype.kind != "f":
        raise ReadError(
            f"{path}: reflectance: wanted floating-point numbers of downtrack, crosstrack, bands, "
            f"got {array.dtype} of shape {array.shape}"
        )
    rows, cols, bands = array.shape
    if rows * cols > MOST or bands > MOST_BANDS:
        raise ReadError(f"{path}: {array.summary} is larger than any granule; {AGAIN}")
    notes = ["in the geometry of the sensor: maps come out on the grid of its look-up table"]
    centres = _per_band(path, arrays, "wavelengths", bands)
    unit = arrays[f"{BANDS}/wavelengths"].text("units") or "nm"
    wavelengths_nm, odd = in_nm(centres.tolist(), unit, bands)
    good = np.ones(bands)
    if f"{BANDS}/good_wavelengths" in arrays:
        good = _per_band(path, arrays, "good_wavelengths", bands)
    else:
        notes.append("good_wavelengths is missing: no band is known to be bad")
    fwhm = None
    if f"{BANDS}/fwhm" in arrays:
        fwhm = tuple(_per_band(path, arrays, "fwhm", bands).tolist())
    fill = as_numbers(array.attrs.get("_FillValue", -9999.0)) or [-9999.0]
    mask = _beside(path, notes) if mask is None else mask
    layers: tuple[QualityLayer, ...] = ()
    if mask is None:
        notes.append(
            "no mask file beside it: clouds are kept; download EMIT_L2A_MASK of the granule, or "
            "give it with --mask"
        )
    else:
        layers = _layers(path, arrays, mask)
    return Cube(
        TITLE,
        "reflectance",
        (rows, cols, bands),
        np.dtype(np.float32),
        partial(_read, path, fill[0]),
        wavelengths_nm,
        unit,
        tuple(int(b) for b in np.flatnonzero(good == 0)),
        notes=(*notes, *odd),
        block=None if array.chunk is None else (array.chunk[0], array.chunk[1], array.chunk[2]),
        product=NAME,
        fwhm_nm=fwhm,
        quality=layers,
        lookup=_lookup(path, arrays, (rows, cols)),
        files=(path,) if mask is None else (path, mask),
    )


def _arrays(path: Path) -> dict[str, Variable]:
    return {array.key: array for array in variables(path)}


def _read(path: Path, fill: float, window: Window) -> NDArray[np.generic]:
    values = np.asarray(read_part(path, "reflectance", window.slices), np.float32)
    values[values == np.float32(fill)] = np.nan
    return values


def _per_band(
    path: Path, arrays: Mapping[str, Variable], name: str, bands: int
) -> NDArray[np.float64]:
    array = arrays.get(f"{BANDS}/{name}")
    if array is None or array.shape != (bands,) or array.dtype.kind not in "iuf":
        got = "none" if array is None else str(array.summary)
        raise ReadError(
            f"{path}: {BANDS}/{name}: wanted a number for each of {bands} bands, got {got}; "
            "download the granule again"
        )
    return np.asarray(array.all(), np.float64)


def _lookup(path: Path, arrays: Mapping[str, Variable], sensor: tuple[int, int]) -> LookupTable:
    tables = [arrays.get(f"{LOCATION}/{name}") for name in ("glt_x", "glt_y")]
    stated = attributes(path, ("geotransform", "spatial_ref"))
    numbers, crs = as_numbers(stated.get("geotransform")), as_text(stated.get("spatial_ref", ""))
    if numbers is None or len(numbers) != 6 or not np.isfinite(numbers).all() or not is_crs(crs):
        raise ReadError(
            f"{path}: wanted the attributes geotransform, six numbers, and spatial_ref, a "
            "reference system, which place its look-up table; download the granule again"
        )
    columns, rows = (
        _table(path, name, table) for name, table in zip(("glt_x", "glt_y"), tables, strict=True)
    )
    if columns.shape != rows.shape:
        raise ReadError(
            f"{path}: glt_x has the shape {columns.shape}, glt_y {rows.shape}; they are one table: "
            "download the granule again"
        )
    shown = (columns > 0) & (rows > 0)
    outside = (columns > sensor[1]) | (rows > sensor[0]) | ((columns > 0) != (rows > 0))
    if outside.any():
        row, col = (int(n[0]) for n in np.nonzero(outside))
        raise ReadError(
            f"{path}: its look-up table points outside the image of {sensor[0]} x {sensor[1]} "
            f"pixels at {int(outside.sum())} of {outside.size} places, first at row {row}, col "
            f"{col}: glt_y {rows[row, col]}, glt_x {columns[row, col]}; download the granule again"
        )
    pixels = np.where(shown, (rows - 1) * sensor[1] + columns - 1, -1)
    left, width, turn, top, shear, height = numbers
    transform = (width, turn, left, shear, height, top)
    return LookupTable(pixels.astype(np.int32), sensor, transform, crs)


def _table(path: Path, name: str, table: Variable | None) -> NDArray[np.int64]:
    """One of the two arrays of a look-up table, 0 where the grid shows nothing."""
    if table is None or len(table.shape) != 2 or table.dtype.kind not in "iu":
        got = "none" if table is None else f"{table.dtype} of shape {table.shape}"
        raise ReadError(
            f"{path}: {LOCATION}/{name}: wanted whole numbers of two axes, got {got}; download the "
            "granule again"
        )
    if math.prod(table.shape) > MOST:
        raise ReadError(f"{path}: {table.summary} is larger than any granule's; {AGAIN}")
    return np.maximum(table.all().astype(np.int64), 0)  # fill values are negative


def _beside(path: Path, notes: list[str]) -> Path | None:
    """The mask beside a granule: `EMIT_L2A_MASK_001_TIME_ORBIT_SCENE.nc`, of the latest version."""
    named = re.fullmatch(r"(.*_)RFL_(\d+)_(.+)", path.name)
    if named is None:
        return None
    pattern = re.compile(rf"{re.escape(named[1])}MASK_(\d+)_{re.escape(named[3])}")
    versions = {m[1]: one for one in path.parent.iterdir() if (m := pattern.fullmatch(one.name))}
    if not versions:
        return None
    mask = versions[max(versions, key=int)]
    notes.append(f"its mask is {mask.name}")
    return mask


def _layers(path: Path, arrays: Mapping[str, Variable], mask: Path) -> tuple[QualityLayer, ...]:
    """The layers of a mask, after a check that it is the granule's."""
    if not mask.is_file():
        raise ReadError(f"--mask: {mask}: no such file")
    of_mask = _arrays(mask)
    array, names = of_mask.get("mask"), of_mask.get(f"{BANDS}/mask_bands")
    shapes = [() if one is None else one.shape for one in (array, names)]
    fits = len(shapes[0]) == 3 and shapes[0][2:] == shapes[1] and shapes[0][2] <= MOST_BANDS
    if array is None or names is None or not fits:
        raise ReadError(
            f"--mask: {mask}: wanted EMIT_L2A_MASK, with the arrays mask and {BANDS}/mask_bands, "
            f"got {listed(list(of_mask))}"
        )
    shape = arrays["reflectance"].shape[:2]
    apart = _apart(arrays, of_mask)
    times = [_start(file) for file in (path, mask)]
    other = times[0] != times[1] and all(times)
    if array.shape[:2] != shape or other or apart > FAR:
        why = f"it has {array.shape[0]} x {array.shape[1]} pixels, not {shape[0]} x {shape[1]}"
        if array.shape[:2] == shape:
            why = f"it begins at {times[1]}, not at {times[0]}"
            if not other:
                why = f"its first pixel is {apart:.2f} degrees away"
        raise ReadError(f"--mask: {mask} is the mask of another granule than {path.name}: {why}")
    titles = [as_text(name) for name in names.all()]
    known = {title.strip().lower(): n for n, title in enumerate(titles)}
    return tuple(
        QualityLayer(word, partial(_marked, mask, known[key]), left_out, titles[known[key]])
        for key, (word, left_out) in LAYERS.items()
        if key in known
    )


def _marked(mask: Path, layer: int, window: Window, _kept: Any) -> NDArray[np.bool_]:
    values = read_part(mask, "mask", (*window.slices, slice(layer, layer + 1)))[..., 0]
    return np.asarray(values == 1)


def _start(path: Path) -> str:
    return as_text(attributes(path, ["time_coverage_start"]).get("time_coverage_start", ""))


def _apart(one: Mapping[str, Variable], other: Mapping[str, Variable]) -> float:
    """Degrees between the first pixels of two files; 0 if one does not say where it is."""
    places: list[list[float]] = []
    for arrays in (one, other):
        both: Sequence[Variable | None] = [arrays.get(f"{LOCATION}/{n}") for n in ("lon", "lat")]
        first = (slice(0, 1), slice(0, 1))
        places.append([float(a.read(first).item()) for a in both if a is not None])
    return max((abs(a - b) for a, b in zip(*places, strict=False)), default=0.0)
