"""Open and read scenes: which module reads which ending, and the same rules for all formats.

- Values are kept as stored. A scale factor that the file states (ENVI's reflectance scale factor or
  gains, GDAL's scale and offset, CF's scale_factor and add_offset) is applied only on request:
  small integers stay small, and a classifier standardises anyway.
- Whether a pixel has a spectrum depends on the bands that are read (`band_statistics`).
- Bands without any value are left out, with a note. Other bands are dropped only on request, by
  number or by word: `bad` are those that the file marks as bad, `constant` those with a single
  value, `noisy` those whose pixels hardly correlate with their neighbours
  (`band_statistics.NOISY`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Scene, SceneFile, Window, dropped_bands, without_bands
from spectrolite.errors import (
    ReadError,
    SceneError,
    SettingsError,
    did_you_mean,
    listed,
    ranges,
    why_no_file,
)
from spectrolite.files import check_regular, naming
from spectrolite.readers.scenes.arrays import ArrayShape, check_fits_memory
from spectrolite.readers.scenes.band_statistics import (
    BandStatistics,
    band_statistics,
    has_spectrum,
    sample_windows,
)
from spectrolite.readers.scenes.cube import Cube, Numbers
from spectrolite.readers.scenes.drivers import check_sources, is_crs
from spectrolite.readers.scenes.envi import DATA_ENDINGS, has_header, pair
from spectrolite.readers.scenes.envi import cube as envi
from spectrolite.readers.scenes.foreign import other_format
from spectrolite.readers.scenes.geotiff import cube as geotiff
from spectrolite.readers.scenes.hdf5 import cube as hdf5
from spectrolite.readers.scenes.matlab import cube as matlab
from spectrolite.readers.scenes.netcdf import cube as netcdf
from spectrolite.readers.scenes.npy import cube as npy
from spectrolite.readers.scenes.patterns import is_pattern, matching
from spectrolite.readers.scenes.stacks import stacked
from spectrolite.readers.scenes.zarr_stores import cube as zarr

FORMATS = {
    envi: (".hdr", *DATA_ENDINGS),
    geotiff: (".tif", ".tiff", ".vrt"),
    npy: (".npy",),
    matlab: (".mat",),
    hdf5: (".h5", ".hdf5", ".he5", ".hdf"),
    netcdf: (".nc", ".nc4", ".cdf"),
    zarr: (".zarr",),
}
WITH_AXES = (envi, geotiff)  # their format fixes the order of the axes
BY_ENDING: dict[str, Callable[..., Cube]] = {
    ending: reader for reader, endings in FORMATS.items() for ending in endings
}

# Endings of labels that no scene has.
OF_LABELS = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".csv", ".tsv", ".roi", ".txt")
WORDS = ("bad", "constant", "noisy")
SAMPLE = 4 << 20  # bytes of a scene that are read to find bands without values


def open_cube(
    path: str | Path,
    key: str | None = None,
    axes: str | None = None,
    *,
    allow_outside: bool = False,
) -> Cube:
    """What a file says of the cube in it; its values are not read.

    Args:
        path: as in `open_scene`.
        key: as in `open_scene`.
        axes: as in `open_scene`.
        allow_outside: as in `open_scene`.

    Raises:
        ReadError: as in `open_scene`.
        SettingsError: as in `open_scene`.
    """
    path = Path(path)
    if is_pattern(path):
        files = matching(path)
        cubes = [open_cube(file, key, axes, allow_outside=allow_outside) for file in files]
        stack = stacked(path, cubes, [file.name for file in files])
        order = f"{len(files)} files are read as bands, in this order: "
        return replace(stack, notes=(order + listed([file.name for file in files]), *stack.notes))
    check_regular(path, beside=True)
    reader = _reader(path)
    if not (path.is_dir() if reader is zarr else path.is_file()):
        why = "no such folder" if reader is zarr else why_no_file(path, BY_ENDING)
        raise ReadError(f"{path}: {why}")
    if reader is not zarr and (reader is not envi or not has_header(path)):
        other = other_format(path)
        if other is not None:
            raise ReadError(f"{path}: {other}")
    if reader is None:
        endings = ", ".join(filter(None, BY_ENDING))
        hint = "; labels go with --labels" if path.suffix.lower() in OF_LABELS else ""
        raise ReadError(f"{path}: wanted one of {endings}, got {path.suffix or 'no ending'}{hint}")
    with naming(path):
        check_sources(path, allow_outside)
        if axes is None:
            cube = reader(path, key)
        elif reader in WITH_AXES:
            raise SettingsError(
                f"--axes: {path.name} states its axes; the flag is for .npy, .mat, HDF5, NetCDF "
                "and Zarr"
            )
        else:
            cube = reader(path, key, axes)
    if cube.crs is None or is_crs(cube.crs):
        return cube
    note = f"its CRS {cube.crs[:80]!r} is no description of one; it is not used"
    return replace(cube, crs=None, notes=(*cube.notes, note))


def files_of(path: Path) -> list[Path]:
    """All files of a scene: both of an ENVI scene, all of a pattern or a folder, else the one."""
    if is_pattern(path):
        return [file for one in matching(path) for file in files_of(one)]
    if path.is_dir():
        return [file for file in path.rglob("*") if file.is_file()]
    return list(pair(path)) if _reader(path) is envi else [path]


def _reader(path: Path) -> Callable[..., Cube] | None:
    if path.suffix.lower() in BY_ENDING:
        return BY_ENDING[path.suffix.lower()]
    return envi if path.is_file() and has_header(path) else None


def open_scene(
    path: str | Path,
    key: str | None = None,
    drop_bands: Sequence[int | str] = (),
    *,
    scale: bool = False,
    axes: str | None = None,
    allow_outside: bool = False,
) -> SceneFile:
    """Open a scene that stays in its file and is read window by window.

    The exception is `.mat` up to version 7: it is compressed as one stream, so the first window
    reads all of it.

    Args:
        path: ENVI (either file of the pair), GeoTIFF or VRT, `.npy`, `.mat`, HDF5, NetCDF, Zarr;
            or a pattern, `bands/*.tif`, of files whose bands make one scene, in the order of their
            names.
        key: name of the array in the file; default: the only one with three axes.
        drop_bands: bands to drop, counted from 0, or the words `bad`, `constant`, `noisy`; the
            last two read the whole file once.
        scale: apply the file's scale factor and offset, to get reflectance or another physical
            unit.
        axes: the words `rows`, `cols` and `bands` in the order of the array's axes, as
            `bands,rows,cols`; default: as the names in the file say; without names rows, cols,
            bands, unless the number of wavelengths fits one other axis alone.
        allow_outside: a VRT may name local files that are neither beside nor below it.

    Raises:
        ReadError: no such file, another format, no array or several that fit, a damaged file, or
            `scale` for a file without a scale factor.
        SceneError: values that are not real numbers, or bands that the file does not have.
        SettingsError: other words, or `axes` for a format that fixes their order.
    """
    path = Path(path)
    cube = open_cube(path, key, axes, allow_outside=allow_outside)
    if cube.dtype.kind not in "iuf":
        raise SceneError(
            f"{path.name}: wanted integers or floating-point numbers, got {cube.dtype}"
        )
    dropped = _dropped(path, cube, drop_bands)
    notes = cube.notes
    empty = _empty(cube, dropped)
    if empty:
        noun = "band" if len(empty) == 1 else "bands"
        notes = (*notes, f"{len(empty)} {noun} without any value left out: {ranges(empty)}, from 0")
        dropped = tuple(sorted({*dropped, *empty}))
    kept = np.delete(np.arange(cube.shape[2]), list(dropped))
    source = {"file": str(path.resolve())}
    if cube.key:
        source["key"] = cube.key
    if axes:
        source["axes"] = axes
    if dropped:
        source["drop_bands"] = ",".join(map(str, dropped))
    dtype, scales = cube.dtype, None
    if scale:
        if cube.scale is None and cube.offset is None:
            raise ReadError(
                f"{path}: has no scale factor, which --scale needs, and a model trained with it"
            )
        ones = np.ones(cube.shape[2])
        factor = ones if cube.scale is None else cube.scale
        offset = 0 * ones if cube.offset is None else cube.offset
        scales = factor[kept], offset[kept]
        dtype = np.result_type(dtype, np.float32)
        source["scale"] = "true"
    if allow_outside:
        source["allow_outside"] = "true"
    nodata = None if cube.nodata is None else cube.nodata[kept]
    nm = cube.wavelengths_nm
    return SceneFile(
        (*cube.shape[:2], len(kept)),
        dtype,
        partial(_read_window, path, cube, kept, nodata, scales, dtype),
        path.resolve().parent.name if is_pattern(path) else path.name,
        None if nm is None else tuple(nm[b] for b in kept),
        cube.crs,
        cube.transform,
        source,
        notes,
    )


def read_scene(
    path: str | Path,
    key: str | None = None,
    drop_bands: Sequence[int | str] = (),
    *,
    scale: bool = False,
    axes: str | None = None,
    allow_outside: bool = False,
) -> Scene:
    """Read a whole scene from a file into memory.

    Args:
        path: as in `open_scene`.
        key: as in `open_scene`.
        drop_bands: as in `open_scene`.
        scale: as in `open_scene`.
        axes: as in `open_scene`.
        allow_outside: as in `open_scene`.

    Raises:
        ReadError: as in `open_scene`, or it takes more than half of this machine's memory.
        SceneError: as in `open_scene`, or no pixel has a spectrum.
    """
    path = Path(path)
    opened = open_scene(path, key, drop_bands, scale=scale, axes=axes, allow_outside=allow_outside)
    size = ArrayShape(
        opened.source.get("key", "cube"),
        opened.shape,
        opened.dtype.name,
        opened.dtype.itemsize,
        True,
    )
    check_fits_memory(path, size, remedy="leave it in its file (open_scene; train --leave-in-file)")
    cube = np.empty(opened.shape, opened.dtype)
    valid = np.empty(opened.shape[:2], bool)
    stored = open_cube(path, key, axes, allow_outside=allow_outside)
    for window in sample_windows(stored.shape, stored.dtype.itemsize, block=stored.block):
        cube[window.slices], valid[window.slices] = opened.read(window)
    if not valid.any():
        raise _no_spectrum(opened)
    return Scene(
        cube,
        opened.name,
        opened.wavelengths_nm,
        opened.crs,
        opened.transform,
        opened.source,
        None if valid.all() else valid,
        opened.notes,
    )


def _read_window(
    path: Path,
    cube: Cube,
    kept: NDArray[np.int64],
    nodata: Numbers | None,
    scales: tuple[Numbers, Numbers] | None,
    dtype: np.dtype[np.generic],
    window: Window,
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Values, and where there is a spectrum, as `SceneFile.read` returns them."""
    rows, cols, bands = cube.shape
    if min(window.row_start, window.col_start) < 0 or not (
        window.row_stop <= rows and window.col_stop <= cols
    ):
        raise SceneError(f"{path.name}: {window} is not inside its {rows} x {cols} pixels")
    with naming(path):
        values = cube.read(window)
        stated = None if cube.mask is None else cube.mask(window)
    if len(kept) < bands:
        values = values[..., kept]
    valid = has_spectrum(values, nodata)
    if stated is not None:
        valid &= stated
    if scales is not None:
        values = (values.astype(np.float64) * scales[0] + scales[1]).astype(dtype)
    if not valid.all():
        values = np.where(valid[..., None], values, np.zeros((), values.dtype))
    return values, valid


def _dropped(path: Path, cube: Cube, drop_bands: Sequence[int | str]) -> tuple[int, ...]:
    """Bands to drop, ascending."""
    words = {b for b in drop_bands if isinstance(b, str)}
    unknown = sorted(words - set(WORDS))
    if unknown:
        raise SettingsError(
            f"--drop-bands: wanted numbers, ranges or one of {', '.join(WORDS)}, got {unknown[0]!r}"
            f"{did_you_mean(unknown[0], WORDS)}"
        )
    bands = {int(b) for b in drop_bands if not isinstance(b, str)}
    if "bad" in words:
        bands |= set(cube.bad_bands)
    if words & {"constant", "noisy"}:
        statistics = _statistics(cube)
        bands |= set(statistics.constant) if "constant" in words else set()
        bands |= set(statistics.noisy) if "noisy" in words else set()
    if bands:  # the same check as for a scene in memory
        without_bands(np.empty((0, 0, cube.shape[2])), tuple(sorted(bands)), path.name)
    return tuple(sorted(bands))


def _empty(cube: Cube, dropped: Sequence[int]) -> list[int]:
    """Bands without any value, unless all are; left in, no pixel would have a spectrum."""
    if cube.dtype.kind != "f" and cube.nodata is None:
        return []
    few = sample_windows(cube.shape, cube.dtype.itemsize, SAMPLE, cube.block)
    if not _empty_in(band_statistics(cube, few), dropped):
        return []
    return _empty_in(_statistics(cube), dropped)  # the sample may have missed their values


def _empty_in(statistics: BandStatistics, dropped: Sequence[int]) -> list[int]:
    empty = statistics.empty
    kept = set(range(len(statistics.missing))) - set(dropped)
    return sorted(kept & set(empty)) if kept - set(empty) else []


def _no_spectrum(opened: SceneFile) -> SceneError:
    """The error for a scene without any spectrum, naming the bands that cause it."""
    rows, cols, bands = opened.shape
    dropped = dropped_bands(opened)
    source = opened.source
    cube = open_cube(
        source["file"],
        source.get("key"),
        source.get("axes"),
        allow_outside="allow_outside" in source,
    )
    statistics = _statistics(cube)
    some = [int(b) for b in np.flatnonzero(statistics.missing) if b not in dropped]
    if len(statistics.empty) == len(statistics.missing):
        return SceneError(
            f"{opened.name}: all {rows} x {cols} pixels are NaN, infinite, nodata or masked"
        )
    return SceneError(
        f"{opened.name}: no pixel has a value in every band: NaN, infinite or nodata in "
        f"{len(some)} of {bands} bands, from 0: {listed(some)}; drop them "
        f"(--drop-bands {ranges(some)}) or fill them"
    )


def _statistics(cube: Cube) -> BandStatistics:
    parts = sample_windows(cube.shape, cube.dtype.itemsize, block=cube.block)
    return band_statistics(cube, parts)
