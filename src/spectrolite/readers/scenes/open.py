"""The formats of scenes: which module reads which ending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spectrolite.errors import ReadError, SettingsError, listed, why_no_file
from spectrolite.files import check_regular, naming
from spectrolite.readers.scenes.cube import Cube
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


def cube_of_file(
    path: str | Path,
    key: str | None = None,
    axes: str | None = None,
    *,
    allow_outside: bool = False,
) -> Cube:
    """What a file says of the cube in it; its values are not read.

    Args:
        path: as in `products.scenes.open_scene`.
        key: as in `products.scenes.open_scene`.
        axes: as in `products.scenes.open_scene`.
        allow_outside: as in `products.scenes.open_scene`.

    Raises:
        ReadError: as in `products.scenes.open_scene`.
        SettingsError: as in `products.scenes.open_scene`.
    """
    path = Path(path)
    if is_pattern(path):
        files = matching(path)
        cubes = [cube_of_file(file, key, axes, allow_outside=allow_outside) for file in files]
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
