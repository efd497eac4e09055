"""GeoTIFF, cloud-optimised GeoTIFF and VRT, through rasterio."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import place_of
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.readers.scenes.cube import UNITS, Cube, in_nm, unless_trivial

GDAL_CACHE = 64 << 20  # bytes; GDAL's default is 5 % of the memory

_WORDS = "|".join(re.escape(w) for _, words in UNITS.values() for w in words if len(w) > 1)
IN_WORDS = re.compile(rf"(\d+(?:\.\d+)?)\s*({_WORDS})\b", re.IGNORECASE)
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def cube(path: Path, key: str | None) -> Cube:
    """The bands of the file as a cube.

    Wavelengths come from the bands' metadata (`wavelength` with `wavelength_units`, or GDAL's
    `CENTRAL_WAVELENGTH_UM`), or from their descriptions, with or without a unit.

    Raises:
        ReadError: a damaged file, or complex numbers.
    """
    if key is not None:
        raise ReadError(f"{path}: a raster holds one cube and has no keys; omit {key!r}")
    with opened(path) as source:
        dtypes = [np.dtype(d) for d in source.dtypes if "complex" not in d]
        if len(dtypes) != source.count or not dtypes:
            types = ", ".join(sorted(set(source.dtypes))) or "none"
            raise ReadError(f"{path}: wanted bands of real numbers, got {types}")
        dtype = np.result_type(*dtypes)
        notes = []
        if len(set(dtypes)) > 1:
            notes.append(f"its bands are of several types; all are read as {dtype.name}")
        wavelengths_nm, unit = None, None
        try:
            listed = _wavelengths(source)
        except UnicodeDecodeError:  # rasterio's for a description
            listed = None
            notes.append("wavelengths: its band descriptions are not in UTF-8; they are not used")
        if listed is not None:
            unit = listed[1]
            wavelengths_nm, odd = in_nm(listed[0], unit, source.count)
            notes.extend(odd)
        crs, transform = place_of(source)
        if transform is None and source.gcps[0]:
            notes.append("ground control points are not read; warp the scene to a grid")
        nodata = np.array([np.nan if n is None else n for n in source.nodatavals], np.float64)
        form = "GeoTIFF" if source.driver == "GTiff" else str(source.driver)
        if source.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG":
            form = "cloud-optimised GeoTIFF"
        return Cube(
            form,
            "",
            (source.height, source.width, source.count),
            dtype,
            lambda window: _read(path, dtype, window),
            wavelengths_nm,
            unit,
            (),
            None if np.isnan(nodata).all() else nodata,
            unless_trivial(np.array(source.scales, np.float64), 1.0),
            unless_trivial(np.array(source.offsets, np.float64), 0.0),
            crs,
            transform,
            tuple(notes),
            _block(source),
        )


def _block(source: Any) -> tuple[int, int, int]:
    shapes = set(source.block_shapes)
    rows, cols = max(shapes, key=math.prod)
    return min(rows, source.height), min(cols, source.width), source.count


def _read(path: Path, dtype: np.dtype[Any], window: Window) -> NDArray[np.generic]:
    from rasterio.windows import Window as Part

    rows, cols = window.shape
    with opened(path) as source:
        part = Part(window.col_start, window.row_start, cols, rows)
        values: NDArray[np.generic] = source.read(window=part, out_dtype=dtype)
    return values.transpose(1, 2, 0)


@contextmanager
def opened(path: Path, driver: str | None = None) -> Iterator[Any]:
    """The raster, open while the block runs: each time anew, as GDAL handles belong to one thread.

    Args:
        path: of the raster.
        driver: GDAL's name of the format; None for any.

    Raises:
        ReadError: it is damaged, or not a raster.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with (
                rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE),
                rasterio.open(path, driver=driver) as source,
            ):
                yield source
    except RasterioError as error:
        why = " ".join(str(error).split())
        raise ReadError(f"{path}: cannot be read as a raster ({why})") from error


def _wavelengths(source: Any) -> tuple[list[float], str | None] | None:
    """Numbers and their unit, if every band has one and all units are the same."""
    found: list[tuple[str, str | None]] = []
    for band, description in enumerate(source.descriptions, start=1):
        tags = {k.lower(): v for k, v in source.tags(band).items()}
        imagery = source.tags(band, ns="IMAGERY").get("CENTRAL_WAVELENGTH_UM")
        words = IN_WORDS.search(description or "")
        if "wavelength" in tags:
            found.append((tags["wavelength"], tags.get("wavelength_units")))
        elif imagery is not None:
            found.append((imagery, "um"))
        elif words is not None:
            found.append((words[1], words[2]))
        elif NUMBER.fullmatch((description or "").strip()):
            found.append((description.strip(), None))
    units = {unit and unit.lower() for _, unit in found}
    if len(found) < source.count or len(units) != 1:
        return None
    try:
        return [float(number) for number, _ in found], found[0][1]
    except ValueError:
        return None
