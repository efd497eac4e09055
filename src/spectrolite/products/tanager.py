"""Tanager ortho surface reflectance of Planet (`ortho_sr_hdf5`): one HDF5 file on a UTM grid.

Tanager Product Specification, November 2025: `surface_reflectance` (bands, rows, cols) float32
with its wavelengths, widths and good bands among its attributes; masks of clouds and of cirrus,
both called beta, and of pixels without data beside it; the grid's corners, which are edges of
pixels, in HDF-EOS's StructMetadata.0. The reference system is the attribute `epsg_code` of the
grid, as public readers find it.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.products.hdf5_groups import attributes, names_in
from spectrolite.readers.scenes.arrays import in_order
from spectrolite.readers.scenes.cube import Cube, QualityLayer, in_nm
from spectrolite.readers.scenes.hdf5 import variables
from spectrolite.readers.scenes.variable import Variable, as_numbers, as_text

NAME = "tanager"
TITLE = "Tanager ortho surface reflectance"

GRID = ("HDFEOS", "GRIDS", "HYP")
SWATH = ("HDFEOS", "SWATHS", "HYP")
FIELDS = "/".join((*GRID, "Data Fields"))
REFLECTANCE, RADIANCE = "surface_reflectance", "toa_radiance"
STRUCTURE = "HDFEOS INFORMATION/StructMetadata.0"
NODATA = "nodata_pixels"
LAYERS = {"cloud": "beta_cloud_mask", "cirrus": "beta_cirrus_mask"}
MOST_TEXT = 1 << 20  # bytes of the structure, which has some thousand
FAR = 1e8  # metres, further than any place is
AGAIN = "the file is not as delivered: download it again"


def found(path: Path) -> bool:
    """Whether the path is a hyperspectral Tanager product, ortho or basic."""
    fields = {name for group in (GRID, SWATH) for name in names_in(path, *group, "Data Fields")}
    return bool(fields & {REFLECTANCE, RADIANCE})


def cube(path: Path) -> Cube:
    """The cube of surface reflectance; its values are not read.

    Args:
        path: of the `.h5` file.

    Raises:
        ReadError: another product of Tanager, a damaged file, or one without what the product has
            to have.
    """
    arrays = {array.key: array for array in variables(path)}
    array = _reflectance(path, arrays)
    bands, rows, cols = array.shape
    notes: list[str] = []
    nm = _per_band(path, array, "wavelengths")
    wavelengths_nm, odd = in_nm(nm, array.text("wavelengths_units") or "nm", bands)
    notes.extend(odd)
    bad: tuple[int, ...] = ()
    if "good_wavelengths" in array.attrs:
        good = np.array(_per_band(path, array, "good_wavelengths"))
        bad = tuple(int(band) for band in np.flatnonzero(good == 0))
    else:
        notes.append("it does not say which bands are good (good_wavelengths)")
    fill = as_numbers(array.attrs.get("_FillValue", ())) or [-9999.0]
    marks = {key: arrays.get(f"{FIELDS}/{key}") for key in (NODATA, *LAYERS.values())}
    for key, layer in marks.items():
        if layer is None:
            notes.append(f"it has no {key}")
        elif layer.shape != (rows, cols):
            raise ReadError(f"{path}: {layer.summary} is of another size than {array.key}; {AGAIN}")
    nodata = marks[NODATA]
    return Cube(
        TITLE,
        array.key,
        (rows, cols, bands),
        array.dtype,
        in_order(array.read, (1, 2, 0), bands),
        wavelengths_nm,
        "nm",
        bad,
        np.full(bands, fill[0]),
        crs=_crs(path, notes),
        transform=_transform(path, arrays, (rows, cols)),
        notes=tuple(notes),
        block=None if array.chunk is None else (array.chunk[1], array.chunk[2], array.chunk[0]),
        mask=None if nodata is None else partial(_has_data, nodata),
        product=NAME,
        fwhm_nm=tuple(_per_band(path, array, "fwhm")),
        quality=tuple(
            QualityLayer(word, partial(_is_marked, layer), True, key)
            for word, key in LAYERS.items()
            if (layer := marks[key]) is not None
        ),
    )


def _reflectance(path: Path, arrays: dict[str, Variable]) -> Variable:
    """The array of surface reflectance."""
    key = f"{FIELDS}/{REFLECTANCE}"
    if key not in arrays:
        wanted = "wanted ortho surface reflectance: get the asset ortho_sr_hdf5 of the same scene"
        if names_in(path, *SWATH):
            raise ReadError(
                f"{path}: this is a basic product of Tanager, in the sensor's geometry; {wanted}"
            )
        if f"{FIELDS}/{RADIANCE}" in arrays:
            raise ReadError(f"{path}: this is radiance of Tanager at the sensor; {wanted}")
        if not names_in(path, *GRID):
            raise ReadError(
                f"{path}: this is not a product of Tanager: it has no group {'/'.join(GRID)}; "
                f"leave out --product {NAME}"
            )
        variables(path, key)  # says so if it is a link into another file
        raise ReadError(f"{path}: has no {key}; {AGAIN}")
    array = arrays[key]
    if array.dtype.kind != "f" or len(array.shape) != 3 or min(array.shape) < 1:
        raise ReadError(
            f"{path}: wanted bands, rows, cols in floating point, got {array.summary}; {AGAIN}"
        )
    return array


def _per_band(path: Path, array: Variable, name: str) -> list[float]:
    """An attribute of one number a band."""
    numbers = as_numbers(array.attrs.get(name)) if name in array.attrs else None
    if numbers is None or len(numbers) != array.shape[0]:
        came = "none" if numbers is None else str(len(numbers))
        raise ReadError(
            f"{path}: {array.key}: attribute {name}: wanted {array.shape[0]} numbers, one a band, "
            f"got {came}; {AGAIN}"
        )
    return [float(f"{number:.7g}") for number in numbers]  # as float32 has them


def _crs(path: Path, notes: list[str]) -> str | None:
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    code = as_numbers(attributes(path, ["epsg_code"], *GRID).get("epsg_code", ()))
    if not code:
        notes.append("its grid has no epsg_code: no CRS")
        return None
    try:
        return str(CRS.from_epsg(int(code[0])).to_wkt())
    except (CRSError, ValueError, OverflowError) as error:
        raise ReadError(f"{path}: {'/'.join(GRID)}: epsg_code {code[0]:g} is no code") from error


def _transform(
    path: Path, arrays: dict[str, Variable], shape: tuple[int, int]
) -> tuple[float, ...]:
    """From the corners of the grid, which are edges of pixels."""
    stated = arrays.get(STRUCTURE)
    small = stated is not None and not stated.shape and stated.dtype.itemsize <= MOST_TEXT
    text = as_text(stated.all()) if stated is not None and small else ""
    group = re.search(r'GridName="HYP"(.*?)END_GROUP=GRID', text, re.DOTALL)
    inside = group[1] if group else ""
    corners = [_pair(inside, name) for name in ("UpperLeftPointMtrs", "LowerRightMtrs")]
    sizes = [re.search(rf"\b{name}=(\d{{1,9}})\b", inside) for name in ("YDim", "XDim")]
    if None in corners or None in sizes:
        raise ReadError(
            f"{path}: {STRUCTURE}: wanted XDim, YDim, UpperLeftPointMtrs and LowerRightMtrs of the "
            f"grid HYP; {AGAIN}"
        )
    (west, north), (east, south) = (corner for corner in corners if corner)
    rows, cols = (int(size[1]) for size in sizes if size)
    if (rows, cols) != shape or not (-FAR < west < east < FAR and -FAR < south < north < FAR):
        raise ReadError(
            f"{path}: {STRUCTURE}: its grid has {rows} x {cols} pixels from {west:g}, {north:g} to "
            f"{east:g}, {south:g}, {REFLECTANCE} has {shape[0]} x {shape[1]}; {AGAIN}"
        )
    return ((east - west) / cols, 0.0, west, 0.0, (south - north) / rows, north)


def _pair(text: str, name: str) -> tuple[float, float] | None:
    number = r"([-+0-9.eE]+)"
    pair = re.search(rf"{name}=\({number},{number}\)", text)
    try:
        return None if pair is None else (float(pair[1]), float(pair[2]))
    except ValueError:
        return None


def _is_marked(layer: Variable, window: Window, _: Any = None) -> NDArray[np.bool_]:
    return np.asarray(np.asarray(layer.read(window.slices)) == 1)


def _has_data(layer: Variable, window: Window) -> NDArray[np.bool_]:
    return ~_is_marked(layer, window)
