"""GeoTIFF, cloud-optimised GeoTIFF and VRT, through rasterio."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import place_of
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.readers.scenes.cube import UNITS, Cube, in_nm, per_band, unless_trivial
from spectrolite.readers.scenes.drivers import (
    NO_NETWORK,
    check_beside,
    check_opened,
    driver_of,
    no_lost_messages,
)
from spectrolite.readers.scenes.stacks import stacked

GDAL_CACHE = 64 << 20  # bytes; GDAL's default is 5 % of the memory
ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
"""For a raster in an archive: GDAL opens no mask, overviews or metadata that lie beside it."""

_WORDS = "|".join(re.escape(w) for _, words in UNITS.values() for w in words if len(w) > 1)
IN_WORDS = re.compile(rf"(\d+(?:\.\d+)?)\s*({_WORDS})\b", re.IGNORECASE)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
TRUTH = {"true": "1", "false": "0"}


def cube(path: Path, key: str | None) -> Cube:
    """The bands of the file as a cube, or its pages, if there are several.

    Wavelengths come from the metadata of the bands or of the file (`wavelength` with
    `wavelength_units`, or GDAL's `CENTRAL_WAVELENGTH_UM`), or from the descriptions of the bands,
    with or without a unit; bad bands from `bbl`.

    Raises:
        ReadError: a damaged file, complex numbers, or pages that are not the bands of one scene.
    """
    if key is not None:
        raise ReadError(f"{path}: a raster holds one cube and has no keys; omit {key!r}")
    with opened(path) as source:
        pages = source.subdatasets if source.driver == "GTiff" else []
        if len(pages) < 2:
            return _cube(path, path, source)
    cubes = []
    for page in pages:
        with opened(path, name=page) as source:
            cubes.append(_cube(path, page, source))
    stack = stacked(path, cubes, [f"page {n}" for n in range(1, len(pages) + 1)])
    return replace(stack, notes=(f"its {len(pages)} pages are read as bands", *stack.notes))


def named_cube(path: Path, name: str, check: Callable[[Any], None]) -> Cube:
    """The bands of a raster that GDAL knows by a name of its own, such as one in an archive.

    Args:
        path: of the raster, for messages.
        name: what GDAL opens.
        check: of the open raster; it raises what speaks against it.

    Raises:
        ReadError: as of `cube`.
    """
    with opened(path, name=name) as source:
        check(source)
        return _cube(path, name, source)


def _cube(path: Path, name: Path | str, source: Any) -> Cube:
    """The cube of an open raster: the file, or a page of it that GDAL knows by `name`."""
    from rasterio.enums import ColorInterp, MaskFlags

    alpha = [
        b
        for b, use in zip(source.indexes, source.colorinterp, strict=True)
        if use == ColorInterp.alpha
    ]
    spectral = [b for b in source.indexes if b not in alpha]
    if not spectral:
        raise ReadError(f"{path}: wanted spectral bands, got {len(alpha)} alpha bands only")
    notes = []
    if alpha:
        notes.append(
            f"band {alpha[0] - 1}, from 0, is marked as alpha: it says which pixels are valid, and "
            "is no spectral band; if it is one, remove the mark: gdal_edit.py -colorinterp_"
            f"{alpha[0]} undefined FILE"
        )
    types = [source.dtypes[b - 1] for b in spectral]
    if any("complex" in t for t in types):
        raise ReadError(
            f"{path}: wanted bands of real numbers, got {', '.join(sorted(set(types)))}"
        )
    dtype = np.result_type(*map(np.dtype, types))
    if len(set(types)) > 1:
        notes.append(f"its bands are of several types; all are read as {dtype.name}")
    wavelengths_nm, unit = None, None
    try:
        listed = _wavelengths(source, spectral)
    except UnicodeDecodeError:  # rasterio's for a description
        listed = None
        notes.append("wavelengths: its band descriptions are not in UTF-8; they are not used")
    if listed is not None:
        unit = listed[1]
        wavelengths_nm, odd = in_nm(listed[0], unit, len(spectral))
        notes.extend(odd)
    crs, transform = place_of(source)
    if transform is None and source.gcps[0]:
        notes.append("ground control points are not read; warp the scene to a grid")
    nodata = np.array([source.nodatavals[b - 1] for b in spectral], np.float64)
    by_value = {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha}
    flags = source.mask_flag_enums  # of all bands, each time that they are asked for
    masked = [b for b in spectral if not by_value & set(flags[b - 1])]
    if masked and MaskFlags.per_dataset in flags[masked[0] - 1]:
        masked = masked[:1]  # one mask for all bands
    form = "GeoTIFF" if source.driver == "GTiff" else str(source.driver)
    if source.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG":
        form = "cloud-optimised GeoTIFF"
    rows, cols = max(source.block_shapes, key=math.prod)
    return Cube(
        form,
        "",
        (source.height, source.width, len(spectral)),
        dtype,
        lambda window: _read(path, name, spectral, dtype, window),
        wavelengths_nm,
        unit,
        _bad_bands(source, spectral, notes),
        None if np.isnan(nodata).all() else nodata,
        unless_trivial(np.array([source.scales[b - 1] for b in spectral], np.float64), 1.0),
        unless_trivial(np.array([source.offsets[b - 1] for b in spectral], np.float64), 0.0),
        crs,
        transform,
        tuple(notes),
        (min(rows, source.height), min(cols, source.width), len(spectral)),
        (lambda window: _valid(path, name, masked, window, alpha)) if masked or alpha else None,
    )


def _read(
    path: Path, name: Path | str, bands: list[int], dtype: np.dtype[Any], window: Window
) -> NDArray[np.generic]:
    values = np.empty((len(bands), *window.shape), dtype)
    with opened(path, name=name) as source:
        part = _part(window)
        if len({source.dtypes[b - 1] for b in bands}) == 1:
            source.read(bands, window=part, out=values)
        else:  # rasterio reads several bands at once only if they have one type
            for n, band in enumerate(bands):
                values[n] = source.read(band, window=part)
    return values.transpose(1, 2, 0)


def _valid(
    path: Path,
    name: Path | str,
    bands: Sequence[int],
    window: Window,
    alpha: Sequence[int] = (),
) -> NDArray[np.bool_]:
    """Where the masks of these bands, in the file or beside it, and alpha bands are not 0."""
    valid = np.ones(window.shape, bool)
    with opened(path, name=name) as source:
        for band in bands:
            valid &= source.read_masks(band, window=_part(window)) > 0
        for band in alpha:
            valid &= source.read(band, window=_part(window)) > 0
    return valid


def mask_beside(path: Path, bands: int) -> Callable[[Window], NDArray[np.bool_]] | None:
    """Reads the mask `NAME.msk`, which GDAL keeps beside rasters that hold none; None without."""
    if not path.with_name(f"{path.name}.msk").is_file():
        return None
    return lambda window: _valid(path, path, range(1, bands + 1), window)


def _part(window: Window) -> Any:
    from rasterio.windows import Window as Part

    rows, cols = window.shape
    return Part(window.col_start, window.row_start, cols, rows)


@contextmanager
def opened(path: Path, driver: str | None = None, name: Path | str | None = None) -> Iterator[Any]:
    """The raster, open while the block runs: each time anew, as GDAL handles belong to one thread.

    Args:
        path: of the raster.
        driver: GDAL's name of the format; None for the one of the file's ending.
        name: what GDAL opens, if it is a part of the file; None for the file.

    Raises:
        ReadError: it is damaged, or not a raster.
    """
    import rasterio
    from rasterio._err import CPLE_BaseError  # some errors of GDAL pass rasterio as they are
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    check_beside(path)  # the data of an ENVI header are another file than the one that was checked
    driver = driver or driver_of(path)
    settings = NO_NETWORK | (ALONE if str(name or "").startswith("/vsi") else {})
    try:
        with warnings.catch_warnings(), no_lost_messages():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with (
                rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE, **settings),
                rasterio.open(path if name is None else name, driver=driver) as source,
            ):
                check_opened(path, source)
                yield source
    except (
        RasterioError,
        CPLE_BaseError,
        UnicodeDecodeError,
    ) as error:  # texts within it may be in any encoding
        why = " ".join(str(error).split())
        raise ReadError(f"{path}: cannot be read as a raster ({why})") from error


def _wavelengths(source: Any, bands: list[int]) -> tuple[list[float], str | None] | None:
    """Numbers and their unit, if every band has one and all units are the same."""
    found: list[tuple[str, str | None]] = []
    whole = _lower(source.tags()) | _lower(source.tags(ns="ENVI"))
    listed = _entries(whole.get("wavelength", ""))
    for band in bands:
        description = (source.descriptions[band - 1] or "")[:200].strip()  # bounds the search
        tags = _lower(source.tags(band))
        imagery = source.tags(band, ns="IMAGERY").get("CENTRAL_WAVELENGTH_UM")
        words = IN_WORDS.search(description)
        if "wavelength" in tags:
            found.append((tags["wavelength"], tags.get("wavelength_units")))
        elif imagery is not None:
            found.append((imagery, "um"))
        elif len(listed) == source.count:
            found.append((listed[band - 1], whole.get("wavelength_units")))
        elif words is not None:
            found.append((words[1], words[2]))
        elif NUMBER.fullmatch(description):
            found.append((description, None))
    units = {unit and unit.lower() for _, unit in found}
    if len(found) < len(bands) or len(units) != 1:
        return None
    try:
        return [float(number) for number, _ in found], found[0][1]
    except ValueError:
        return None


def _bad_bands(source: Any, bands: list[int], notes: list[str]) -> tuple[int, ...]:
    """Bands that have a 0 in `bbl`, a tag of each band or a list in a tag of the file."""
    tags = [_lower(source.tags(b)) | _lower(source.tags(b, ns="ENVI")) for b in bands]
    marks = [one["bbl"] for one in tags if "bbl" in one]
    if not marks:
        whole = _lower(source.tags()) | _lower(source.tags(ns="ENVI"))
        listed = _entries(whole.get("bbl", ""))
        marks = [listed[b - 1] for b in bands] if len(listed) == source.count else listed
    numbers = per_band([TRUTH.get(m.strip().lower(), m) for m in marks], len(marks))
    if numbers is None or len(numbers) not in (0, len(bands)):
        notes.append(f"bbl: {len(marks)} entries for {len(bands)} bands; it is not used")
        return ()
    return tuple(int(b) for b in np.flatnonzero(numbers == 0))


def _entries(text: str) -> list[str]:
    """A list in a tag, `{1, 0, 1}` as ENVI writes it, with or without the braces."""
    return [entry.strip() for entry in text.strip().strip("{}").split(",") if entry.strip()]


def _lower(tags: dict[str, str]) -> dict[str, str]:
    """Tags by their keys in lower case, with `_` for spaces."""
    return {key.lower().replace(" ", "_"): value for key, value in tags.items()}
