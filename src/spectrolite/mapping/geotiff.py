"""Write maps as GeoTIFF and ENVI rasters, by rows: all layers in one pass.

GDAL may lose what a full disk refuses without an error. So every file is read back once, and
compared with the hashes of the rows that were written.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.mapping.map_file import NODATA, MapHead
from spectrolite.mapping.map_rows import BLOCK, no_georeference_allowed

Layers = Mapping[str, NDArray[Any]]
"""Some rows of a map, or a window, by the name of the layer: `class`, or one of `EXTRA_BANDS`. Each
is `(rows, cols)`, or `(rows, cols, bands)` with a band for each class of the network."""


def write_layers(
    paths: Mapping[Path, str],
    head: MapHead,
    rows: Iterable[Layers],
    tags: Mapping[str, str],
    *,
    cog: bool = False,
) -> None:
    """Write layers of a map, each to its files, in one pass over the rows; read each file back.

    Args:
        paths: files, each with the name of its layer; one that ends in `.dat` is an ENVI raster,
            the others are GeoTIFFs.
        head: what they hold beside their pixels.
        rows: the layers from top to bottom, some whole rows at a time.
        tags: further tags of the GeoTIFFs.
        cog: make the GeoTIFFs cloud-optimised, with overviews.

    Raises:
        OSError: a file could not be written, or does not hold what was written.
    """
    import rasterio.shutil

    rows = iter(rows)
    first = next(rows)
    cogs = {path for path in paths if cog and not _is_envi(path)}
    plain = {path: path.with_name(f"plain-{path.name}") if path in cogs else path for path in paths}
    hashes: dict[str, list[bytes]] = {layer: [] for layer in paths.values()}
    with no_georeference_allowed():
        with ExitStack() as stack:
            files = {}
            for path, layer in paths.items():
                stack.enter_context(_writing(path))
                files[path] = stack.enter_context(
                    _new(plain[path], head, layer, first[layer], tags)
                )
            for start, block in blocks(chain([first], rows)):
                for layer in hashes:
                    hashes[layer].append(_sha256(_bands_first(block[layer])))
                for path, layer in paths.items():
                    with _writing(path):
                        _write(files[path], start, block[layer])
        for path, layer in paths.items():
            with _writing(path):
                if path in cogs:
                    resampling = "NEAREST" if layer == "class" else "AVERAGE"
                    options = {"compress": "DEFLATE", "overview_resampling": resampling}
                    rasterio.shutil.copy(plain[path], path, driver="COG", **options)
                    plain[path].unlink()
                _check_same(path, hashes[layer])


def geotiff_bytes(head: MapHead, layer: str, array: NDArray[Any]) -> bytes:
    """A GeoTIFF of a layer in memory."""
    from rasterio.io import MemoryFile

    with no_georeference_allowed(), MemoryFile() as memory:
        with memory.open(**_profile(head, layer, array)) as file:
            _describe(file, head, layer, {})
            for start in range(0, len(array), BLOCK):
                _write(file, start, array[start : start + BLOCK])
        return bytes(memory.read())


def blocks(rows: Iterable[Layers]) -> Iterator[tuple[int, Layers]]:
    """The same rows, `BLOCK` at a time, so that no tile of a GeoTIFF is written twice.

    Examples:
        >>> parts = [{"class": np.ones((200, 3))}, {"class": np.ones((100, 3))}]
        >>> [(start, block["class"].shape) for start, block in blocks(parts)]
        [(0, (256, 3)), (256, (44, 3))]
    """
    start, height = 0, 0
    waiting: Layers = {}
    for part in rows:
        waiting = {k: np.concatenate([waiting[k], v]) if height else v for k, v in part.items()}
        height = len(next(iter(waiting.values())))
        while height >= BLOCK:
            yield start, {k: v[:BLOCK] for k, v in waiting.items()}
            waiting = {k: v[BLOCK:] for k, v in waiting.items()}
            start, height = start + BLOCK, height - BLOCK
    if height:
        yield start, waiting


def _is_envi(path: Path) -> bool:
    return path.suffix == ".dat"


@contextmanager
def _new(
    path: Path, head: MapHead, layer: str, like: NDArray[Any], tags: Mapping[str, str]
) -> Iterator[Any]:
    import rasterio

    profile = _profile(head, layer, like)
    if _is_envi(path):
        kept = ("height", "width", "count", "dtype", "crs", "transform")
        profile = {"driver": "ENVI", **{k: v for k, v in profile.items() if k in kept}}
    with rasterio.open(path, "w", **profile) as file:
        if not _is_envi(path):
            _describe(file, head, layer, tags)
        yield file


def _profile(head: MapHead, layer: str, like: NDArray[Any]) -> dict[str, Any]:
    import rasterio

    profile = {
        "driver": "GTiff",
        "height": head.shape[0],
        "width": head.shape[1],
        "count": 1 if like.ndim == 2 else like.shape[2],
        "dtype": like.dtype.name,
        "crs": head.crs,
        "compress": "deflate",
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "BIGTIFF": "IF_SAFER",
    }
    if head.transform is not None:
        profile["transform"] = rasterio.Affine(*head.transform)
    if layer in NODATA:
        profile["nodata"] = NODATA[layer]
    if like.ndim > 2:
        profile["interleave"] = "band"  # one class is shown at a time
    return profile


def _describe(file: Any, head: MapHead, layer: str, tags: Mapping[str, str]) -> None:
    """Write colours, class names and tags, before any pixel."""
    if layer == "class":
        colours = {0: (0, 0, 0, 0), **{i: (*c, 255) for i, c in head.class_colours.items()}}
        file.write_colormap(1, colours)
        file.update_tags(1, **{f"CLASS_{i}": name for i, name in head.class_names.items()})
    file.update_tags(**tags)
    if layer != "probabilities":
        file.set_band_description(1, layer)
        return
    for band, i in enumerate(head.class_ids, start=1):
        file.set_band_description(band, head.class_names[i])
        file.update_tags(band, CLASS=i)


def _write(file: Any, start: int, block: NDArray[Any]) -> None:
    window = ((start, start + len(block)), (0, block.shape[1]))
    for number, band in enumerate(_bands_first(block), start=1):
        file.write(band, number, window=window)


def _bands_first(block: NDArray[Any]) -> NDArray[Any]:
    """`(rows, cols)` or `(rows, cols, bands)` as `(bands, rows, cols)`."""
    return block[None] if block.ndim == 2 else np.moveaxis(block, 2, 0)


def _check_same(path: Path, hashes: list[bytes]) -> None:
    import rasterio

    with rasterio.open(path, driver="ENVI" if _is_envi(path) else "GTiff") as file:
        for number, expected in enumerate(hashes):
            start = number * BLOCK
            window = ((start, min(start + BLOCK, file.height)), (0, file.width))
            if _sha256(file.read(window=window)) != expected:
                raise OSError(
                    errno.EIO, f"row {start} and after are not what was written", str(path)
                )


def _sha256(block: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(block).data).digest()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn GDAL's errors while a file is written into OSErrors that name it."""
    from rasterio.errors import RasterioError

    try:
        yield
    except RasterioError as error:
        raise OSError(
            errno.EIO, f"cannot be written ({error}); is the disk full?", str(path)
        ) from error
