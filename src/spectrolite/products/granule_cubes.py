"""The image of a DLR product as reflectance, and its quality layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window
from spectrolite.errors import ReadError, listed
from spectrolite.products.granules import Granule, Mission
from spectrolite.readers.scenes.cube import Cube, QualityLayer, in_nm
from spectrolite.readers.scenes.drivers import check_sources
from spectrolite.readers.scenes.geotiff import named_cube

Marked = Callable[[Window, NDArray[np.int64]], NDArray[np.bool_]]

IMAGE = "SPECTRAL_IMAGE"
NODATA = -32768  # where the image does not state it
STRIP = 128 << 20  # bytes of an image in a compressed archive that are unpacked at a time
CLEAR, BACKGROUND = 0, 255  # in quality layers


def spectral_cube(one: Granule, mission: Mission, product: str) -> Cube:
    """The bands of a product as reflectance, NaN where there is none.

    Args:
        one: the product.
        mission: of the product.
        product: its name for `--product`.

    Raises:
        ReadError: no image, one that is cut off, or other bands than in the metadata.
    """
    name = one.named(IMAGE)
    shown = one.members.shown(one.metadata)
    if name is None:
        others = [n for n in one.members.sizes if "SPECTRAL_IMAGE" in n.upper()]
        raise ReadError(
            f"{shown}: wanted the GeoTIFF STEM-SPECTRAL_IMAGE.TIF beside it, got "
            f"{listed(others, 3) or 'none'}; order the product as GeoTIFF, or copy its image there"
        )
    stored = _raster(one, name)
    bands = _bands(one, mission, shown)
    if len(bands) != stored.shape[2]:
        raise ReadError(
            f"{one.members.shown(name)}: has {stored.shape[2]} bands, its metadata {len(bands)}; "
            "download the product again"
        )
    centres, widths, gain, offset = bands.T
    wavelengths_nm, odd = in_nm(centres.tolist(), "nm", len(bands))
    notes = [*stored.notes, *odd]
    fwhm = tuple(widths.tolist()) if (widths > 0).all() else None
    nodata = stored.nodata
    if nodata is None:
        nodata = np.full(len(bands), NODATA, np.float64)
        notes.append(f"its image states no nodata value; {NODATA} is taken")
    scales = gain.astype(np.float32), offset.astype(np.float32)
    return replace(
        stored,
        format=f"{mission.name} L2A",
        dtype=np.dtype(np.float32),
        read=partial(_reflectance, stored.read, nodata, *scales),
        wavelengths_nm=wavelengths_nm,
        unit="nm",
        bad_bands=(),
        nodata=None,
        scale=None,
        offset=None,
        notes=tuple(notes),
        product=product,
        fwhm_nm=fwhm,
    )


def _reflectance(
    read: Callable[[Window], NDArray[np.generic]],
    nodata: NDArray[np.float64],
    gain: NDArray[np.float32],
    offset: NDArray[np.float32],
    window: Window,
) -> NDArray[np.generic]:
    stored = read(window)
    values = stored.astype(np.float32)
    values *= gain
    values += offset
    values[stored == nodata] = np.nan
    return values


def _bands(one: Granule, mission: Mission, shown: Path) -> NDArray[np.float64]:
    """`(bands, 4)`: centre and width in nm, gain and offset, in the order of the image."""
    tags = ("wavelengthCenterOfBand", mission.fwhm, mission.gain, mission.offset)
    elements = one.root.findall(f".//bandCharacterisation/{mission.band}")
    numbered = {}
    for element in elements:
        number = element.get("number") or element.findtext("bandNumber") or ""
        texts = [element.findtext(tag) or "" for tag in tags]
        try:
            values = [float(text) for text in texts]
            numbered[int(number)] = values
        except ValueError as error:
            raise ReadError(
                f"{shown}: band {number.strip()[:20]!r}: wanted numbers as {', '.join(tags)}, got "
                f"{listed([repr(text[:20]) for text in texts])}; download it again"
            ) from error
    array = np.array([numbered[n] for n in sorted(numbered)], np.float64)
    if not elements or len(numbered) != len(elements) or not np.isfinite(array).all():
        raise ReadError(
            f"{shown}: wanted bandCharacterisation/{mission.band} with finite numbers for each "
            f"band, got {len(elements)} bands of {len(numbered)} numbers; is it of {mission.name}?"
        )
    return array


def quality_layer(one: Granule, cube: Cube, layer: str) -> Cube | None:
    """A quality layer of a product; None without it.

    Raises:
        ReadError: it is cut off, or of another size or place than the image.
    """
    name = one.named(layer)
    if name is None:
        return None
    stored = _raster(one, name)
    place, other = (np.asarray(c.transform or (), np.float64) for c in (stored, cube))
    same_place = len(place) == len(other) and np.allclose(place, other, rtol=1e-6, atol=0)
    if stored.shape[:2] != cube.shape[:2] or not same_place:
        sizes = [f"{c.shape[0]} x {c.shape[1]} pixels" for c in (stored, cube)]
        where = "place" if sizes[0] == sizes[1] else "size"
        raise ReadError(
            f"{one.members.shown(name)}: a quality layer of another {where} than the image: "
            f"{sizes[0]}, the image {sizes[1]}; unpack or download the product again"
        )
    return stored


def band_layer(one: Granule, cube: Cube, layer: str) -> Cube | None:
    """A quality layer with a band for each band of the image; None without it.

    Raises:
        ReadError: as of `quality_layer`, or another number of bands.
    """
    stored = quality_layer(one, cube, layer)
    if stored is not None and stored.shape[2] != cube.shape[2]:
        raise ReadError(
            f"{one.members.shown(one.named(layer) or '')}: wanted a band for each of the "
            f"{cube.shape[2]} bands of the image, got {stored.shape[2]}; download the product again"
        )
    return stored


def marks(layer: Cube, bands: Sequence[int] | None = None) -> Marked:
    """Where one of the bands of a layer is neither clear nor background.

    Args:
        layer: of a product.
        bands: those that count, from 0; None for the bands of the image that are read.
    """

    def marked(window: Window, kept: NDArray[np.int64]) -> NDArray[np.bool_]:
        values = layer.read(window)[..., kept if bands is None else list(bands)]
        return np.asarray(((values != CLEAR) & (values != BACKGROUND)).any(-1))

    return marked


def equals(layer: Cube, value: int) -> Marked:
    """Where the first band of a layer has a value."""
    return lambda window, _kept: np.asarray(layer.read(window)[..., 0] == value)


def with_quality(
    one: Granule, cube: Cube, layers: Sequence[QualityLayer], names: Sequence[str]
) -> Cube:
    """The cube of a product with its layers, and a note on files that are missing.

    Args:
        one: the product.
        cube: of its image.
        layers: those that there are.
        names: of the files of all layers.
    """
    missing = [name for name in names if one.named(name) is None]
    notes = cube.notes
    if missing:
        notes = (*notes, f"without {listed(missing)}: what they would mark is kept")
    return replace(cube, quality=tuple(layers), notes=notes, files=one.files(IMAGE, *names))


def _raster(one: Granule, name: str) -> Cube:
    """The bands of a GeoTIFF of the product, in strips that are kept if it is compressed."""
    shown, gdal_name = one.members.shown(name), one.members.gdal_name(name)
    if one.members.archive is None:
        check_sources(shown)
    cube = named_cube(shown, gdal_name, partial(_check_complete, shown, one.members.sizes[name]))
    return _by_strips(cube) if one.members.compressed else cube


def _check_complete(shown: Path, size: int, source: Any) -> None:
    """Refuse a GeoTIFF whose last blocks would be behind its end."""
    for band in source.indexes:
        high, wide = source.block_shapes[band - 1]
        last = f"{(source.width - 1) // wide}_{(source.height - 1) // high}"
        place, length = (
            source.get_tag_item(f"BLOCK_{what}_{last}", "TIFF", bidx=band)
            for what in ("OFFSET", "SIZE")
        )
        if place is not None and length is not None and int(place) + int(length) > size:
            raise ReadError(
                f"{shown}: cut off: band {band} of {source.count} ends at byte "
                f"{int(place) + int(length):,}, the file has {size:,}; copy it again"
            )


def _by_strips(cube: Cube) -> Cube:
    """A cube that keeps the last two strips of full width that were read.

    Reading a window of a compressed archive means to unpack much of it; neighbours share that.
    """
    rows, cols, bands = cube.shape
    row = cols * bands * cube.dtype.itemsize
    block = 1 if cube.block is None else cube.block[0]
    if block * row > STRIP:
        return cube
    high = max(STRIP // row // block, 1) * block

    @lru_cache(2)
    def strip(number: int) -> NDArray[np.generic]:
        return cube.read(Window(number * high, min((number + 1) * high, rows), 0, cols))

    def read(window: Window) -> NDArray[np.generic]:
        first, last = window.row_start // high, (window.row_stop - 1) // high
        across = slice(window.col_start, window.col_stop)
        parts = []
        for number in range(first, last + 1):
            start, stop = window.row_start - number * high, window.row_stop - number * high
            parts.append(strip(number)[max(start, 0) : stop, across])
        return np.concatenate(parts)

    return replace(cube, read=read, block=(min(high, rows), cols, bands))
