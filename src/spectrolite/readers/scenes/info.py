"""What a scene's file is, and what is odd about it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spectrolite.errors import listed, ranges
from spectrolite.readers.scenes.band_statistics import Survey, pieces, survey
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.open import open_cube

BUDGET = 64 << 20  # bytes of a file that are looked at; of a larger one, windows all over it
SMALLEST = 25  # pixels, the patch of HybridSN


@dataclass(frozen=True)
class SceneInfo:
    """What a scene's file is.

    Attributes:
        file: its path.
        format: what it is, and how its values are ordered.
        key: name of the array; empty where the format has no names.
        rows: pixels from north to south.
        cols: pixels from west to east.
        bands: spectral bands.
        dtype: type of the stored values.
        mib: size in memory, MiB.
        wavelengths_nm: lowest and highest band centre in nanometres, or nothing.
        wavelength_unit: how the file spells their unit, or nothing.
        steps_back: bands whose wavelength is not above that of the band before.
        crs: `EPSG:n` where it is one, else the name, or nothing.
        pixel_size: width and height of a pixel, or nothing.
        pixel_unit: of these two, in words, or nothing.
        nodata: values that stand for none, as the file states them; more than one where bands
            differ.
        looked_at: share of the pixels that the figures below are from, 0 to 1; 1 is all.
        nodata_share: share of these that have no spectrum.
        low: lowest stored value that is not nodata, or nothing.
        high: highest one.
        bad_bands: bands that the file marks as bad, from 0.
        constant_bands: bands with one value, or none, at all these pixels.
        noisy_bands: bands whose pixels hardly know their neighbours.
        scale: factors of the stored values that the file states, least and largest, or nothing.
        offset: what is added then.
        warnings: what is odd, a sentence each.
    """

    file: str
    format: str
    key: str
    rows: int
    cols: int
    bands: int
    dtype: str
    mib: float
    wavelengths_nm: tuple[float, float] | None
    wavelength_unit: str | None
    steps_back: int
    crs: str | None
    pixel_size: tuple[float, float] | None
    pixel_unit: str | None
    nodata: tuple[float, ...]
    looked_at: float
    nodata_share: float
    low: float | None
    high: float | None
    bad_bands: tuple[int, ...]
    constant_bands: tuple[int, ...]
    noisy_bands: tuple[int, ...]
    scale: tuple[float, float] | None
    offset: tuple[float, float] | None
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)


def scene_info(path: str | Path, key: str | None = None) -> SceneInfo:
    """Look at a scene's file: what it says, and windows all over it, never more at a time.

    Files of up to 64 MiB are looked at whole; of larger ones, so many bytes in small windows that
    are evenly spread. `looked_at` says what share that was.

    Args:
        path: as of `open_scene`.
        key: as of `open_scene`.

    Raises:
        ReadError: as of `open_scene`.
    """
    path = Path(path)
    cube = open_cube(path, key)
    rows, cols, bands = cube.shape
    parts = pieces(*cube.shape, cube.dtype.itemsize, BUDGET)
    found = survey(cube.read, parts, cube.nodata)
    waves = cube.wavelengths_nm
    crs, unit, odd_crs = _crs(cube)
    back = 0 if waves is None else int((np.diff(waves) <= 0).sum())
    there = np.isfinite(found.low)
    six, size = cube.transform, None
    if six is not None:
        size = (math.hypot(six[0], six[3]), math.hypot(six[1], six[4]))
    nodata = () if cube.nodata is None else np.unique(cube.nodata[~np.isnan(cube.nodata)]).tolist()
    return SceneInfo(
        file=str(path),
        format=cube.format,
        key=cube.key,
        rows=rows,
        cols=cols,
        bands=bands,
        dtype=cube.dtype.name,
        mib=round(math.prod(cube.shape) * cube.dtype.itemsize / 2**20, 3),
        wavelengths_nm=None if waves is None else (min(waves), max(waves)),
        wavelength_unit=cube.unit,
        steps_back=back,
        crs=crs,
        pixel_size=size,
        pixel_unit=None if six is None else unit,
        nodata=tuple(nodata),
        looked_at=found.pixels / (rows * cols),
        nodata_share=found.without / found.pixels,
        low=float(found.low[there].min()) if there.any() else None,
        high=float(found.high[there].max()) if there.any() else None,
        bad_bands=cube.bad_bands,
        constant_bands=found.constant,
        noisy_bands=found.noisy,
        scale=None if cube.scale is None else (float(cube.scale.min()), float(cube.scale.max())),
        offset=(
            None if cube.offset is None else (float(cube.offset.min()), float(cube.offset.max()))
        ),
        warnings=(*cube.notes, *odd_crs, *_warnings(cube, found, back)),
    )


def _crs(cube: Cube) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Name of the coordinate reference system, unit of its coordinates, and what is odd."""
    if cube.crs is None:
        return None, None, ()
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        crs = CRS.from_user_input(cube.crs)
        code = crs.to_epsg()
        unit = "degrees" if crs.is_geographic else str(crs.linear_units)
        name = f"EPSG:{code}" if code else str(crs.to_wkt()).split('"')[1]
    except (CRSError, IndexError) as error:
        return None, None, (f"its CRS is not understood ({' '.join(str(error).split())[:80]})",)
    return name, unit, ()


def _warnings(cube: Cube, found: Survey, back: int) -> list[str]:
    """What is odd about the numbers and the place, a sentence each."""
    rows, cols, bands = cube.shape
    said = []
    if cube.wavelengths_nm is None and not any(n.startswith("wavelengths") for n in cube.notes):
        said.append("no wavelengths: whether a model's bands are these cannot be checked")
    if back and cube.wavelengths_nm is not None:
        first = int(np.flatnonzero(np.diff(cube.wavelengths_nm) <= 0)[0]) + 1
        said.append(
            f"wavelengths do not ascend: {back} of {bands} are not above the one before, the first "
            f"is band {first}, from 0; spectrometers that overlap do that"
        )
    if cube.crs is None:
        said.append("no CRS: a map of it has no place on Earth")
    if cube.transform is None:
        said.append("no transform: the size of its pixels is not known")
    elif cube.transform[1] or cube.transform[3]:
        said.append("its grid is rotated: rows do not run from west to east")
    elif cube.transform[4] > 0:
        said.append("its rows run from south to north: maps will be upside down in a viewer")
    for what, named, remedy in (
        ("marked as bad by the file", cube.bad_bands, "--drop-bands bad leaves them out"),
        ("of one value, or none", found.constant, "--drop-bands constant leaves them out"),
        ("noisy", found.noisy, "--drop-bands noisy leaves them out"),
    ):
        if named:
            verb = "is" if len(named) == 1 else "are"
            said.append(f"{_bands(named)} {verb} {what}; {remedy}")
    holes = np.flatnonzero((found.missing > 0) & (found.missing > found.missing.min())).tolist()
    if holes:
        said.append(
            f"{_bands(tuple(holes))} without a value at pixels where other bands have one: "
            "such pixels have no spectrum"
        )
    if found.without == found.pixels:
        said.append("no pixel that was looked at has a spectrum")
    if cube.scale is not None or cube.offset is not None:
        said.append("a scale factor is stated: values are read as stored, --scale applies it")
    if bands == 1:
        said.append("one band: there is no spectrum to classify by")
    if min(rows, cols) < SMALLEST:
        said.append(
            f"smaller than the {SMALLEST} x {SMALLEST} patch of hybridsn: no training on it"
        )
    return said


def _bands(named: tuple[int, ...]) -> str:
    noun = "band" if len(named) == 1 else "bands"
    return f"{len(named)} {noun} ({listed(ranges(list(named)).split(','))}, from 0)"
