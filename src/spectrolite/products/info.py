"""What a scene's file holds, and what is odd about it: `spectrolite info`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window
from spectrolite.data.summaries import as_html, as_text, crs_name
from spectrolite.errors import listed, ranges
from spectrolite.products.dropped import empty_bands
from spectrolite.products.known import Places, open_cube, open_tiles
from spectrolite.products.left_out import left_out
from spectrolite.readers.scenes.band_statistics import (
    BandStatistics,
    band_statistics,
    sample_windows,
)
from spectrolite.readers.scenes.cube import Cube, QualityLayer
from spectrolite.readers.scenes.patterns import tile_names


@dataclass(frozen=True)
class Marked:
    """Pixels that a product marks.

    Attributes:
        name: the word of `--leave-out`.
        what: what the product calls it.
        share: of the pixels looked at that are marked, in any band that is read, 0 to 1.
        left_out: whether they are left out by default.
    """

    name: str
    what: str
    share: float
    left_out: bool


BUDGET = 64 << 20  # bytes decoded of a file; of a larger one, evenly spaced windows
SMALLEST = 25  # pixels, the patch of HybridSN


@dataclass(frozen=True, repr=False)
class SceneInfo:
    """What a scene's file holds.

    Attributes:
        file: its path.
        format: name of the format, and the order of the values.
        key: name of the array; empty if the format has no names.
        rows: pixels from north to south.
        cols: pixels from west to east.
        bands: spectral bands.
        dtype: type of the stored values.
        mib: size in memory, MiB.
        wavelengths_nm: lowest and highest band centre in nanometres, or None.
        wavelength_unit: their unit as the file spells it, or None.
        steps_back: number of bands whose wavelength is not above the one before.
        crs: `EPSG:n` if it has a code, else its name, or None.
        pixel_size: width and height of a pixel, or None.
        pixel_unit: of these two, in words, or None.
        nodata: nodata values that the file states; more than one if bands differ.
        looked_at: share of the pixels that the figures below come from, 0 to 1.
        nodata_share: share of these pixels that have no spectrum.
        low: lowest stored value that is not nodata, or None.
        high: highest one.
        bad_bands: bands that the file marks as bad, from 0.
        constant_bands: bands with a single value, or none, at these pixels.
        noisy_bands: bands whose pixels hardly correlate with their neighbours.
        scale: lowest and highest factor of stored values that the file states, or None.
        offset: the same of what is added after that.
        warnings: what is odd, a sentence each.
        product: name of the satellite product; empty for other files.
        marked: what the product says of its pixels.
        left_out_bands: bands that are left out by default, from 0.
        map_shape: rows and cols of the grid of a map, if a look-up table leads to another one.
        fwhm_nm: narrowest and widest band, full width at half maximum, or None.
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
    product: str = ""
    marked: tuple[Marked, ...] = ()
    left_out_bands: tuple[int, ...] = ()
    map_shape: tuple[int, int] | None = None
    fwhm_nm: tuple[float, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """All attributes as plain JSON values."""
        return asdict(self)

    def __repr__(self) -> str:
        return as_text(f"SceneInfo {self.file}", self._facts())

    def _repr_html_(self) -> str:
        return as_html(f"SceneInfo {self.file}", self._facts())

    def _facts(self) -> dict[str, str]:
        nm, size = self.wavelengths_nm, self.pixel_size
        facts = {
            "format": self.format,
            "size": f"{self.rows:,} rows, {self.cols:,} cols, {self.bands:,} bands",
            "values": self.dtype,
            "wavelengths": "None" if nm is None else f"{nm[0]:g} to {nm[1]:g} nm",
            "CRS": str(self.crs),
        }
        if size is not None:
            facts["pixel size"] = f"{size[0]:g} x {size[1]:g} {self.pixel_unit or ''}".strip()
        return facts | {f"warning {n}": w for n, w in enumerate(self.warnings, start=1)}


def scene_info(
    path: Places,
    key: str | None = None,
    axes: str | None = None,
    *,
    allow_outside: bool = False,
    product: str | None = None,
    mask: str | Path | None = None,
    mosaic: bool = False,
) -> SceneInfo:
    """Describe a scene's file: what its header says, and statistics of its values.

    Files of up to 64 MiB are read completely; of larger ones, 64 MiB in small, evenly spaced
    windows, fewer if the file's blocks are large. `looked_at` is the share of the pixels that were
    read.

    Args:
        path: as in `open_scene`.
        key: as in `open_scene`.
        axes: as in `open_scene`.
        allow_outside: as in `open_scene`.
        product: as in `open_scene`.
        mask: as in `open_scene`.
        mosaic: as in `open_scene`.

    Raises:
        ReadError: as in `open_scene`.
        SettingsError: as in `open_scene`.
    """
    cube = open_cube(
        path, key, axes, allow_outside=allow_outside, product=product, mask=mask, mosaic=mosaic
    )
    rows, cols, bands = cube.shape
    parts = list(sample_windows(cube.shape, cube.dtype.itemsize, BUDGET, cube.block))
    out = left_out(cube, None)
    statistics = band_statistics(cube, parts)
    lacking: dict[str, set[int]] = {}
    if mosaic:
        tiles = open_tiles(path, key, axes, allow_outside, product, mask)
        lacking = _lacking(*tiles, {*out.bands, *statistics.empty})
    lacked = {band for one in lacking.values() for band in one}
    if cube.product or lacked:
        empty = {*out.bands, *statistics.empty, *lacked}
        kept = [b for b in range(bands) if b not in empty] or [*range(bands)]
        statistics = band_statistics(cube, parts, kept)
        marked = tuple(_marked(layer, parts, np.array(kept, np.int64)) for layer in cube.quality)
    else:
        marked = ()
    of_tiles = [
        f"{name}: {_bands(tuple(sorted(one)))} without any value; left out of all tiles"
        for name, one in lacking.items()
    ]
    waves = cube.wavelengths_nm
    crs, unit, odd_crs = _crs(cube)
    back = 0 if waves is None else int((np.diff(waves) <= 0).sum())
    has_values = np.isfinite(statistics.low)
    grid = cube.lookup
    affine, size = cube.transform if grid is None else grid.transform, None
    if affine is not None:
        size = (math.hypot(affine[0], affine[3]), math.hypot(affine[1], affine[4]))
    nodata = () if cube.nodata is None else np.unique(cube.nodata[~np.isnan(cube.nodata)]).tolist()
    return SceneInfo(
        file=str(path) if isinstance(path, str | Path) else listed(path),
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
        pixel_unit=None if affine is None else unit,
        nodata=tuple(nodata),
        looked_at=statistics.pixels / (rows * cols),
        nodata_share=statistics.without / statistics.pixels,
        low=float(statistics.low[has_values].min()) if has_values.any() else None,
        high=float(statistics.high[has_values].max()) if has_values.any() else None,
        bad_bands=cube.bad_bands,
        constant_bands=statistics.constant,
        noisy_bands=statistics.noisy,
        scale=None if cube.scale is None else (float(cube.scale.min()), float(cube.scale.max())),
        offset=(
            None if cube.offset is None else (float(cube.offset.min()), float(cube.offset.max()))
        ),
        warnings=(
            *cube.notes,
            *out.notes,
            *of_tiles,
            *odd_crs,
            *_warnings(cube, statistics, back, lacked, set(out.bands)),
        ),
        product=cube.product,
        marked=marked,
        left_out_bands=out.bands,
        map_shape=None if grid is None else grid.shape,
        fwhm_nm=None if cube.fwhm_nm is None else (min(cube.fwhm_nm), max(cube.fwhm_nm)),
    )


def _lacking(paths: Sequence[Path], cubes: Sequence[Cube], known: set[int]) -> dict[str, set[int]]:
    """Of each tile the bands without any value, but for those that are known to be left out."""
    lacking = {}
    for name, cube in zip(tile_names(paths), cubes, strict=True):
        bands = {*empty_bands(cube, left_out(cube, None).bands)} - known
        if bands:
            lacking[name] = bands
    return lacking


def _marked(layer: QualityLayer, parts: Sequence[Window], kept: NDArray[np.int64]) -> Marked:
    counts = [(int(layer.marked(one, kept).sum()), one.shape[0] * one.shape[1]) for one in parts]
    some, pixels = np.sum(counts, axis=0)
    return Marked(layer.name, layer.what, float(some / pixels), layer.left_out)


def _crs(cube: Cube) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Name of the coordinate reference system, unit of its coordinates, and what is odd."""
    described = cube.crs if cube.lookup is None else cube.lookup.crs
    if described is None:
        return None, None, ()
    from rasterio import Env
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        with Env():  # else PROJ prints its errors
            crs = CRS.from_user_input(described)
            unit = "degrees" if crs.is_geographic else str(crs.linear_units)
        name = crs_name(described)
    except (CRSError, IndexError) as error:
        return None, None, (f"its CRS cannot be read ({' '.join(str(error).split())[:80]})",)
    return name, unit, ()


def _warnings(
    cube: Cube, statistics: BandStatistics, back: int, lacked: set[int], out: set[int]
) -> list[str]:
    """What is odd about the values and the georeference, a sentence each."""
    rows, cols, bands = cube.shape
    warnings = []
    if cube.wavelengths_nm is None and not any(n.startswith("wavelengths") for n in cube.notes):
        warnings.append("no wavelengths: the bands cannot be compared with a model's")
    if back and cube.wavelengths_nm is not None:
        first = int(np.flatnonzero(np.diff(cube.wavelengths_nm) <= 0)[0]) + 1
        warnings.append(
            f"wavelengths do not ascend: {back} of {bands} are not above the one before, the first "
            f"is band {first}, from 0; this is normal for overlapping spectrometers"
        )
    if cube.crs is None and cube.lookup is None:
        warnings.append("no CRS: maps will not be georeferenced")
    if cube.lookup is not None:
        pass  # the pixels of its image have no places of their own
    elif cube.transform is None:
        warnings.append("no transform: the pixel size is unknown")
    elif cube.transform[1] or cube.transform[3]:
        warnings.append("its grid is rotated: rows do not run from west to east")
    elif cube.transform[4] > 0:
        warnings.append("its rows run from south to north: maps will appear upside down")
    constant = tuple(b for b in statistics.constant if b not in statistics.empty)
    for fault, bands_named, remedy in (
        ("marked as bad by the file", cube.bad_bands, "--drop-bands bad drops them"),
        ("without any value", statistics.empty, "every verb leaves them out"),
        ("constant", constant, "--drop-bands constant drops them"),
        ("noisy", statistics.noisy, "--drop-bands noisy drops them"),
    ):
        bands_named = tuple(b for b in bands_named if b not in out)  # of which the notes tell
        if len(bands_named) == cube.shape[2] > 1:
            warnings.append(f"all {cube.shape[2]} bands are {fault}: check the file")
        elif bands_named:
            verb = "is" if len(bands_named) == 1 else "are"
            warnings.append(f"{_bands(bands_named)} {verb} {fault}; {remedy}")
    holes = np.flatnonzero(
        (statistics.missing > 0) & (statistics.missing > statistics.missing.min())
    ).tolist()
    holes = [band for band in holes if band not in lacked | out]
    if holes:
        kept = cube.nodata is not None and not np.any(cube.nodata)
        fate = "have no spectrum" if not kept else "keep their spectrum, since nodata is 0"
        warnings.append(
            f"{_bands(tuple(holes))} without values at pixels where other bands have values: "
            f"these pixels {fate}"
        )
    if statistics.without == statistics.pixels:
        warnings.append("none of the pixels read has a spectrum")
    if cube.scale is not None or cube.offset is not None:
        warnings.append(
            "the file states a scale factor: values are read as stored unless --scale is given"
        )
    if bands == 1:
        warnings.append(
            "one band: there is no spectrum to classify; if these are classes, they go with "
            "--labels"
        )
    if min(rows, cols) < SMALLEST:
        warnings.append(
            f"smaller than the {SMALLEST} x {SMALLEST} patch of hybridsn: too small to train on"
        )
    return warnings


def _bands(named: tuple[int, ...]) -> str:
    noun = "band" if len(named) == 1 else "bands"
    return f"{len(named)} {noun} ({listed(ranges(list(named)).split(','))}, from 0)"
