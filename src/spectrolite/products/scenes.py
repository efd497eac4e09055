"""Open and read scenes of products and of all formats, by the same rules.

- Values are kept as stored. A scale factor that the file states (ENVI's reflectance scale factor or
  gains, GDAL's scale and offset, CF's scale_factor and add_offset) is applied only on request:
  small integers stay small, and a classifier standardises anyway. Products are read as reflectance.
- Whether a pixel has a spectrum depends on the bands that are read (`band_statistics`). Of a
  product, pixels that it marks, such as clouds, have none (`left_out`).
- Bands without any value are left out, with a note, and those that a product flags. Other bands are
  dropped only on request, by number or by word: `bad` are those that the file marks as bad,
  `constant` those with a single value, `noisy` those whose pixels hardly correlate with their
  neighbours (`band_statistics.NOISY`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import (
    Scene,
    SceneFile,
    Window,
    dropped_bands,
    scene_files,
)
from spectrolite.errors import (
    ReadError,
    SceneError,
    listed,
    ranges,
)
from spectrolite.files import naming
from spectrolite.products.dropped import bands_to_drop, empty_bands, whole_statistics
from spectrolite.products.known import Places, one_place, open_cube, open_tiles, product_of
from spectrolite.products.left_out import LeftOut, left_out
from spectrolite.products.mosaics import open_mosaic
from spectrolite.readers.scenes.arrays import ArrayShape, check_fits_memory
from spectrolite.readers.scenes.band_statistics import (
    has_spectrum,
    sample_windows,
)
from spectrolite.readers.scenes.cube import Cube, Numbers
from spectrolite.readers.scenes.patterns import is_pattern


def open_scene(
    path: Places,
    key: str | None = None,
    drop_bands: Sequence[int | str] = (),
    *,
    scale: bool = False,
    axes: str | None = None,
    allow_outside: bool = False,
    product: str | None = None,
    mask: str | Path | None = None,
    leave_out: Sequence[str] | None = None,
    model_bands: bool = False,
    mosaic: bool = False,
) -> SceneFile:
    """Open a scene that stays in its file and is read window by window.

    The exception is `.mat` up to version 7: it is compressed as one stream, so the first window
    reads all of it.

    Args:
        path: a satellite product as it was downloaded: a file, a folder or an archive; ENVI (either
            file of the pair), GeoTIFF or VRT, `.npy`, `.mat`, HDF5, NetCDF, Zarr; or a
            pattern, `bands/*.tif`, of files whose bands make one scene, in the order of their
            names.
        key: name of the array in the file; default: the only one with three axes.
        drop_bands: bands to drop, counted from 0, or the words `bad`, `constant`, `noisy`; the
            last two read the whole file once.
        scale: apply the file's scale factor and offset, to get reflectance or another physical
            unit. Products are always read as reflectance.
        axes: the words `rows`, `cols` and `bands` in the order of the array's axes, as
            `bands,rows,cols`; default: as the names in the file say; without names rows, cols,
            bands, unless the number of wavelengths fits one other axis alone.
        allow_outside: a VRT may name local files that are neither beside nor below it.
        product: name of the product, as `emit`; default: told by the structure of the files. `none`
            reads the file as one of its format.
        mask: the file of the product's mask, if it is not beside the product.
        leave_out: words for what is left out of a product: layers of marked pixels, such as
            `cloud`, and the bands `flagged` and `water-vapour`; or `none`. Words for pixels leave
            the default of bands as it is, and the reverse. Default: what `scene_info` lists.
        model_bands: `drop_bands` leaves those of a model, so no others are left out by default.
        mosaic: `path` is the pattern or the list of tiles of one grid, which are one scene. Where
            they overlap, the first that has a spectrum wins.

    Raises:
        ReadError: no such file, another format, no array or several that fit, a damaged file, or
            `scale` for a file without a scale factor; a product that is not complete, or of another
            level; tiles that share no grid or differ in kind.
        SceneError: values that are not real numbers, or bands that the file does not have.
        SettingsError: other words, or `axes` for a format that fixes their order.
    """
    if mosaic:
        open_tile = partial(
            open_scene,
            key=key,
            scale=scale,
            axes=axes,
            allow_outside=allow_outside,
            product=product,
            mask=mask,
            leave_out=leave_out,
            model_bands=model_bands,
        )
        paths, cubes = open_tiles(path, key, axes, allow_outside, product, mask)
        if len(paths) > 1:
            return open_mosaic(paths, cubes, drop_bands, open_tile, scale=scale)
        path = paths[0]
    path = one_place(path)
    cube = open_cube(path, key, axes, allow_outside=allow_outside, product=product, mask=mask)
    if cube.dtype.kind not in "iuf":
        raise SceneError(
            f"{path.name}: wanted integers or floating-point numbers, got {cube.dtype}"
        )
    out = left_out(cube, leave_out, bands=not model_bands)
    dropped = tuple(sorted({*bands_to_drop(path, cube, drop_bands), *out.bands}))
    notes = (*cube.notes, *out.notes)
    empty = empty_bands(cube, dropped)
    if empty:
        noun = "band" if len(empty) == 1 else "bands"
        notes = (*notes, f"{len(empty)} {noun} without any value left out: {ranges(empty)}, from 0")
        dropped = tuple(sorted({*dropped, *empty}))
    kept = np.delete(np.arange(cube.shape[2]), list(dropped))
    source = {"file": str(path.resolve())}
    if cube.key and not cube.product:
        source["key"] = cube.key
    if axes:
        source["axes"] = axes
    if dropped:
        source["drop_bands"] = ",".join(map(str, dropped))
    dtype, scales = cube.dtype, None
    if cube.product:
        source |= {"product": cube.product, "scale": "true"}
    elif scale:
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
    if product == "none" and product_of(path) is not None:
        source["product"] = product
    if mask is not None:
        source["mask"] = str(Path(mask).resolve())
    if leave_out is not None:
        source["leave_out"] = ",".join(leave_out)
    if model_bands and cube.product:
        source["model_bands"] = "true"
    nodata = None if cube.nodata is None else cube.nodata[kept]
    nm = cube.wavelengths_nm
    return SceneFile(
        (*cube.shape[:2], len(kept)),
        dtype,
        partial(_read_window, path, cube, kept, nodata, scales, dtype, out),
        path.resolve().parent.name if is_pattern(path) else path.name,
        None if nm is None else tuple(nm[b] for b in kept),
        cube.crs,
        cube.transform,
        source,
        notes,
        cube.lookup,
        cube.files,
    )


def scene_from(source: Mapping[str, str], *, load: bool) -> Scene | SceneFile:
    """A scene as its `source` says that it was read.

    Args:
        source: of a scene from a file; `file` may name where it is now.
        load: into memory.

    Raises:
        ReadError: as of `open_scene`.
        SceneError: as of `open_scene`.
    """
    words = source.get("leave_out")
    return (read_scene if load else open_scene)(
        scene_files(source) if "mosaic" in source else source["file"],
        source.get("key"),
        tuple(int(b) for b in source.get("drop_bands", "").split(",") if b),
        scale="scale" in source,
        axes=source.get("axes"),
        allow_outside="allow_outside" in source,
        product=source.get("product", "none"),  # versions before products read a file's format
        mask=source.get("mask"),
        leave_out=None if words is None else tuple(words.split(",")),
        model_bands="model_bands" in source,
        mosaic="mosaic" in source,
    )


def read_scene(
    path: Places,
    key: str | None = None,
    drop_bands: Sequence[int | str] = (),
    *,
    scale: bool = False,
    axes: str | None = None,
    allow_outside: bool = False,
    product: str | None = None,
    mask: str | Path | None = None,
    leave_out: Sequence[str] | None = None,
    model_bands: bool = False,
    mosaic: bool = False,
) -> Scene:
    """Read a whole scene from a file into memory.

    Args:
        path: as in `open_scene`.
        key: as in `open_scene`.
        drop_bands: as in `open_scene`.
        scale: as in `open_scene`.
        axes: as in `open_scene`.
        allow_outside: as in `open_scene`.
        product: as in `open_scene`.
        mask: as in `open_scene`.
        leave_out: as in `open_scene`.
        model_bands: as in `open_scene`.
        mosaic: as in `open_scene`.

    Raises:
        ReadError: as in `open_scene`, or it takes more than half of this machine's memory.
        SceneError: as in `open_scene`, or no pixel has a spectrum.
    """
    opened = open_scene(
        path,
        key,
        drop_bands,
        scale=scale,
        axes=axes,
        allow_outside=allow_outside,
        product=product,
        mask=mask,
        leave_out=leave_out,
        model_bands=model_bands,
        mosaic=mosaic,
    )
    size = ArrayShape(
        opened.source.get("key", "cube"),
        opened.shape,
        opened.dtype.name,
        opened.dtype.itemsize,
        True,
    )
    check_fits_memory(
        Path(opened.name) if mosaic else one_place(path),
        size,
        remedy="leave it in its file (open_scene; train --leave-in-file)",
    )
    cube = np.empty(opened.shape, opened.dtype)
    valid = np.empty(opened.shape[:2], bool)
    stored = _stored(opened)
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
        opened.lookup,
        opened.files,
    )


def _stored(opened: SceneFile) -> Cube:
    """What the file says of the scene, with all its bands."""
    source = opened.source
    return open_cube(
        scene_files(source) if "mosaic" in source else source["file"],
        source.get("key"),
        source.get("axes"),
        allow_outside="allow_outside" in source,
        product=source.get("product"),
        mask=source.get("mask"),
        mosaic="mosaic" in source,
    )


def _read_window(
    path: Path,
    cube: Cube,
    kept: NDArray[np.int64],
    nodata: Numbers | None,
    scales: tuple[Numbers, Numbers] | None,
    dtype: np.dtype[np.generic],
    out: LeftOut,
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
        marked = [layer.marked(window, kept) for layer in out.layers]
    if len(kept) < bands:
        values = values[..., kept]
    valid = has_spectrum(values, nodata)
    if stated is not None:
        valid &= stated
    for layer in marked:
        valid &= ~layer
    if scales is not None:
        values = (values.astype(np.float64) * scales[0] + scales[1]).astype(dtype)
    if not valid.all():
        values = np.where(valid[..., None], values, np.zeros((), values.dtype))
    return values, valid


def _no_spectrum(opened: SceneFile) -> SceneError:
    """The error for a scene without any spectrum, naming the bands that cause it."""
    rows, cols, bands = opened.shape
    dropped = dropped_bands(opened)
    statistics = whole_statistics(_stored(opened))
    some = [int(b) for b in np.flatnonzero(statistics.missing) if b not in dropped]
    if len(statistics.empty) == len(statistics.missing):
        return SceneError(
            f"{opened.name}: all {rows} x {cols} pixels are NaN, infinite, nodata or masked"
        )
    if not some:
        return SceneError(
            f"{opened.name}: no pixel is left of {rows} x {cols}: all are without values or left "
            f"out ({'; '.join(note for note in opened.notes if note.startswith('left out'))}); "
            "keep them with --leave-out none"
        )
    return SceneError(
        f"{opened.name}: no pixel has a value in every band: NaN, infinite or nodata in "
        f"{len(some)} of {bands} bands, from 0: {listed(some)}; drop them "
        f"(--drop-bands {ranges(some)}) or fill them"
    )
