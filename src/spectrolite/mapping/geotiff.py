"""The files of a map: a GeoTIFF, and beside it class names, a style, and bands of doubt; ENVI.

Nothing here holds more of a map than a few rows, unless it is asked for.
"""

from __future__ import annotations

import errno
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import place_of
from spectrolite.data.labels import Colour, default_colour
from spectrolite.errors import ReadError

BLOCK = 256  # rows and columns of a tile of the GeoTIFF
DOUBTS = ("confidence", "entropy")
"""Bands that may stand beside the classes, float32, 0 to 1: the softmax of the chosen class, and
the entropy of the softmax divided by the logarithm of the number of classes."""
MADE_FROM = "SPECTROLITE_MADE_FROM"  # tag: the hash of what the map was begun with


Rows = Callable[[], Iterable[NDArray[Any]]]  # a map from top to bottom, some whole rows at a time


@dataclass(frozen=True, eq=False)
class MapHead:
    """What a map's files say beside its pixels.

    Attributes:
        shape: rows and columns.
        class_names: id to name.
        class_colours: id to red, green, blue.
        crs: coordinate reference system as WKT, or nothing.
        transform: affine transform, six numbers, or nothing.
    """

    shape: tuple[int, int]
    class_names: Mapping[int, str]
    class_colours: Mapping[int, Colour]
    crs: str | None = None
    transform: tuple[float, ...] | None = None


@dataclass(frozen=True)
class MapFiles:
    """Where a map's files stand, by the name of its GeoTIFF."""

    geotiff: Path

    @property
    def names(self) -> Path:
        """Class names, where GDAL and QGIS look for them."""
        return self.geotiff.with_name(f"{self.geotiff.name}.aux.xml")

    @property
    def style(self) -> Path:
        """The style that QGIS opens the map with."""
        return self.geotiff.with_suffix(".qml")

    @property
    def picture(self) -> Path:
        """The picture with a legend."""
        return self.geotiff.with_suffix(".png")

    @property
    def envi(self) -> Path:
        """The ENVI classification; its header ends in `.hdr`. Never the name of a scene's pair."""
        return self.geotiff.with_name(f"{self.geotiff.stem}_classes.dat")

    def band(self, name: str) -> Path:
        """A band of `DOUBTS`."""
        return self.geotiff.with_name(f"{self.geotiff.stem}_{name}.tif")

    def all(self, doubts: Iterable[str] = DOUBTS, envi: bool = True) -> tuple[Path, ...]:
        """Every file of the map; the GeoTIFF last, for its presence says that all are there."""
        pair = (self.envi.with_suffix(".hdr"), self.envi) if envi else ()
        bands = (self.band(name) for name in doubts)
        return (*bands, *pair, self.names, self.style, self.picture, self.geotiff)


def geotiff_bytes(head: MapHead, band: str, array: NDArray[Any]) -> bytes:
    """A GeoTIFF of a band in memory: `class`, or one of `DOUBTS`."""
    from rasterio.io import MemoryFile

    with _no_place_on_earth(), MemoryFile() as memory:
        with memory.open(**_profile(head, band, array.dtype)) as file:
            _fill(file, head, band, {}, [array])
        content: bytes = memory.read()
    return content


def write_geotiff(
    path: Path, head: MapHead, band: str, rows: Rows, tags: Mapping[str, str], *, cog: bool
) -> None:
    """Write a band as a GeoTIFF, row by row, and read it back: GDAL may lose what a disk refuses.

    Args:
        path: the file; a plain GeoTIFF stands beside it while a COG is made of it.
        head: what it says beside its pixels.
        band: `class`, or one of `DOUBTS`.
        rows: its pixels.
        tags: further tags.
        cog: make it cloud-optimised, with overviews.

    Raises:
        OSError: it could not be written, or is not what was written.
    """
    import rasterio
    import rasterio.shutil

    plain = path.with_name(f"plain-{path.name}") if cog else path
    with _no_place_on_earth(), _refused(path):
        dtype = next(iter(rows())).dtype
        with rasterio.open(plain, "w", **_profile(head, band, dtype)) as file:
            _fill(file, head, band, tags, rows())
        if cog:
            rasterio.shutil.copy(
                plain,
                path,
                driver="COG",
                compress="DEFLATE",
                overview_resampling="NEAREST" if band == "class" else "AVERAGE",
            )
            plain.unlink()
        _check_same(path, rows)


@dataclass(frozen=True, eq=False)
class MapFile:
    """A map in its file.

    Attributes:
        path: the GeoTIFF.
        head: what it says beside its pixels.
        counts: pixels of each class, ascending by id; 0 is no data.
        tags: further tags of the file.
    """

    path: Path
    head: MapHead
    counts: Mapping[int, int]
    tags: Mapping[str, str]

    @property
    def classes(self) -> NDArray[np.unsignedinteger]:
        """`(rows, cols)` class ids, all of them in memory."""
        return np.concatenate([block for _, block in read_rows(self.path)])

    def thinned(self, step: int) -> NDArray[np.unsignedinteger]:
        """Every `step`-th row and column of the classes."""
        return np.concatenate(
            [block[-start % step :: step, ::step] for start, block in read_rows(self.path)]
        )

    def at(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.int64]:
        """Class ids at some pixels, which lie inside."""
        found = np.zeros(len(rows), np.int64)
        for start, block in read_rows(self.path):
            here = (rows >= start) & (rows < start + len(block))
            found[here] = block[rows[here] - start, cols[here]]
        return found


def open_map(path: str | Path) -> MapFile:
    """Open a class map: one that `map` wrote, or any GeoTIFF of whole numbers whose 0 is no data.

    Raises:
        ReadError: missing, damaged, or no class map.
    """
    import rasterio

    path = Path(path)
    with readable(path, "is it a GeoTIFF?"), rasterio.open(path) as file:
        if file.count != 1 or np.dtype(file.dtypes[0]).kind not in "iu":
            raise ReadError(
                f"{path}: wanted one band of whole numbers, got {file.count} of {file.dtypes[0]}; "
                "name the map that holds the classes"
            )
        crs, transform = place_of(file)
        names = {int(k[6:]): v for k, v in file.tags(1).items() if re.fullmatch(r"CLASS_\d+", k)}
        try:
            colours = {i: c[:3] for i, c in file.colormap(1).items()}
        except ValueError:  # it has none
            colours = {}
        shape, tags = file.shape, file.tags()
    counts: dict[int, int] = {}
    for _, block in read_rows(path):
        for i, n in zip(*np.unique(block, return_counts=True), strict=True):
            counts[int(i)] = counts.get(int(i), 0) + int(n)
    if min(counts) < 0:
        raise ReadError(f"{path}: wanted class ids from 0 (no data) up, got {min(counts)}")
    ids = sorted({*names, *counts} - {0})
    head = MapHead(
        shape,
        {i: names.get(i, f"class {i}") for i in ids},
        {i: colours.get(i, default_colour(n)) for n, i in enumerate(ids)},
        crs,
        transform,
    )
    return MapFile(path, head, dict(sorted(counts.items())), tags)


def read_rows(path: Path) -> Iterator[tuple[int, NDArray[Any]]]:
    """The band of a GeoTIFF from top to bottom, some whole rows at a time, each with its row.

    Raises:
        ReadError: missing or damaged.
    """
    import rasterio

    with readable(path, "is it a GeoTIFF?"):
        file = rasterio.open(path)
    with file:
        for start in range(0, file.height, BLOCK):
            stop = min(start + BLOCK, file.height)
            with readable(path, "map the scene again"):
                block = file.read(1, window=((start, stop), (0, file.width)))
            yield start, block


def blocks(rows: Iterable[NDArray[Any]]) -> Iterator[tuple[int, NDArray[Any]]]:
    """The same rows, `BLOCK` at a time, so that no tile of a GeoTIFF is written twice.

    >>> [(n, b.shape) for n, b in blocks([np.ones((200, 3)), np.ones((100, 3))])]
    [(0, (256, 3)), (256, (44, 3))]
    """
    start, waiting = 0, np.empty((0, 0))
    for part in rows:
        waiting = np.concatenate([waiting, part]) if len(waiting) else part
        while len(waiting) >= BLOCK:
            yield start, waiting[:BLOCK]
            start, waiting = start + BLOCK, waiting[BLOCK:]
    if len(waiting):
        yield start, waiting


def _profile(head: MapHead, band: str, dtype: np.dtype[Any]) -> dict[str, Any]:
    import rasterio

    profile = {
        "driver": "GTiff",
        "height": head.shape[0],
        "width": head.shape[1],
        "count": 1,
        "dtype": dtype.name,
        "crs": head.crs,
        "compress": "deflate",
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "BIGTIFF": "IF_SAFER",
    }
    if head.transform is not None:
        profile["transform"] = rasterio.Affine(*head.transform)
    if band == "class":
        profile["nodata"] = 0
    return profile


def _fill(
    file: Any, head: MapHead, band: str, tags: Mapping[str, str], rows: Iterable[NDArray[Any]]
) -> None:
    if band == "class":
        colours = {0: (0, 0, 0, 0), **{i: (*c, 255) for i, c in head.class_colours.items()}}
        file.write_colormap(1, colours)
        file.update_tags(1, **{f"CLASS_{i}": name for i, name in head.class_names.items()})
    file.update_tags(**tags)
    file.set_band_description(1, band)
    for start, block in blocks(rows):
        file.write(block, 1, window=((start, start + len(block)), (0, head.shape[1])))


def _check_same(path: Path, rows: Rows) -> None:
    import rasterio

    with rasterio.open(path) as file:
        for start, block in blocks(rows()):
            window = ((start, start + len(block)), (0, file.width))
            if file.read(1, window=window).tobytes() != block.tobytes():
                raise OSError(
                    errno.EIO, f"row {start} and after are not what was written", str(path)
                )


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """GDAL's errors as those of a disk that refuses, with the name of the file."""
    from rasterio.errors import RasterioError

    try:
        yield
    except RasterioError as error:
        raise OSError(
            errno.EIO, f"cannot be written ({error}); is the disk full?", str(path)
        ) from error


@contextmanager
def readable(path: Path, remedy: str) -> Iterator[None]:
    """GDAL's errors while a file is read as ours, and no warning about a map that lies nowhere."""
    from rasterio.errors import RasterioIOError

    try:
        with _no_place_on_earth():
            yield
    except RasterioIOError as error:
        raise ReadError(f"{path}: cannot be read ({error}); {remedy}") from error


@contextmanager
def _no_place_on_earth() -> Iterator[None]:
    """A map need not lie on Earth: no warning about that."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
