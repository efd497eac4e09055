"""Several scenes of one grid as one: what is read where its tiles overlap, and between them.

Rules, stated here once:
- where tiles overlap, a pixel has the spectrum of the first tile, in the given order, that has one;
- whether a tile has a spectrum there follows from its own nodata value and its own masks;
- pixels in no tile have no spectrum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window
from spectrolite.errors import listed
from spectrolite.readers.scenes.band_statistics import has_spectrum, missing_values
from spectrolite.readers.scenes.cube import Cube, Numbers, QualityLayer
from spectrolite.readers.scenes.tiles import Tiles, placed

Read = Callable[[Window], tuple[NDArray[np.generic], NDArray[np.bool_]]]


def merged(
    tiles: Tiles, reads: Sequence[Read], bands: int, dtype: np.dtype[Any], window: Window
) -> tuple[NDArray[np.generic], NDArray[np.bool_], NDArray[np.int32]]:
    """What tiles hold in a window of the whole.

    Args:
        tiles: where they lie.
        reads: of each tile, window to `(rows, cols, bands)` values and `(rows, cols)` bool: where
            there is a spectrum.
        bands: number of bands.
        dtype: of the values.
        window: in the whole.

    Returns:
        `(rows, cols, bands)` values, 0 in no tile; `(rows, cols)` bool, where there is a spectrum;
        `(rows, cols)` int32, the tile that each pixel is from, -1 for none.
    """
    parts = list(tiles.within(window))
    if len(parts) == 1 and parts[0][1].shape == window.shape:  # almost always: no copy
        number, part, _ = parts[0]
        return *reads[number](part), np.full(window.shape, number, np.int32)
    values = np.zeros((*window.shape, bands), dtype)
    valid = np.zeros(window.shape, bool)
    tile_of = np.full(window.shape, -1, np.int32)
    for number, part, at in parts:
        if valid[at].all():
            continue
        own, spectrum = reads[number](part)
        # without any spectrum, the values of the first tile tell which bands lack them
        take = ~valid[at] & (spectrum | (tile_of[at] < 0))
        np.copyto(values[at], own, where=take[..., None])
        tile_of[at][take] = number
        valid[at] |= spectrum
    return values, valid, tile_of


def mosaic(cubes: Sequence[Cube], names: Sequence[str]) -> Cube:
    """The cube of all tiles, to describe and to take statistics of.

    Args:
        cubes: of the tiles, two or more, in the order in which they win where they overlap.
        names: of the tiles, for messages.

    Raises:
        ReadError: as of `placed`.
    """
    tiles = placed(cubes, names)
    first, bands = cubes[0], cubes[0].shape[2]
    notes = [*tiles.notes(), *joined_notes(names, [cube.notes for cube in cubes])]
    one_nodata = all(_equal(cube.nodata, first.nodata) for cube in cubes)
    if not one_nodata:
        each = [f"{_shown(c.nodata)} in {name}" for c, name in zip(cubes, names, strict=True)]
        notes.append(
            f"its tiles state different nodata values, and each is read by its own: {listed(each)}"
        )
    if not one_scale(cubes):
        notes.append(
            "its tiles state different scale factors, so their stored values mean different "
            "things; give train and map --scale"
        )
    dtype = first.dtype if one_nodata else np.dtype(np.float64)
    reads = [partial(_read, cube, one_nodata) for cube in cubes]

    @lru_cache(maxsize=1)  # values, mask and layers of one window are asked for in turn
    def read(window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_], NDArray[np.int32]]:
        return merged(tiles, reads, bands, dtype, window)

    def mask(window: Window) -> NDArray[np.bool_]:
        tile_of = read(window)[2]
        stated = tile_of >= 0
        for number, part, at in tiles.within(window):
            own = cubes[number].mask
            if own is not None:
                stated[at] &= (tile_of[at] != number) | own(part)
        return stated

    def marked(name: str, window: Window, kept: NDArray[np.int64]) -> NDArray[np.bool_]:
        tile_of = read(window)[2]
        marks = np.zeros(window.shape, bool)
        for number, part, at in tiles.within(window):
            for layer in cubes[number].quality:
                if layer.name == name:
                    marks[at] |= (tile_of[at] == number) & layer.marked(part, kept)
        return marks

    layers: dict[str, QualityLayer] = {}
    for layer in (layer for cube in cubes for layer in cube.quality):
        layers.setdefault(layer.name, replace(layer, marked=partial(marked, layer.name)))
    blocks = [cube.block for cube in cubes if cube.block is not None]
    products = {cube.product for cube in cubes}
    return replace(
        first,
        format=f"{first.format}, {len(cubes)} tiles",
        shape=(*tiles.shape, bands),
        read=lambda window: read(window)[0],
        wavelengths_nm=next((c.wavelengths_nm for c in cubes if c.wavelengths_nm), None),
        bad_bands=tuple(sorted({b for cube in cubes for b in cube.bad_bands})),
        nodata=first.nodata if one_nodata else None,
        transform=tiles.transform,
        notes=tuple(notes),
        block=tuple(map(max, *blocks)) if len(blocks) > 1 else next(iter(blocks), None),
        mask=mask,
        product=first.product if len(products) == 1 else "",
        quality=tuple(layers.values()),
        files=tuple(file for cube in cubes for file in cube.files),
    )


def joined_notes(names: Sequence[str], notes: Sequence[Sequence[str]]) -> list[str]:
    """The notes of all tiles, each once, with the names of the tiles if not all have it."""
    of_note: dict[str, list[str]] = {}
    for name, own in zip(names, notes, strict=True):
        for note in own:
            of_note.setdefault(note, []).append(name)
    return [
        note if len(having) == len(names) else f"{listed(having, 3)}: {note}"
        for note, having in of_note.items()
    ]


def one_scale(cubes: Sequence[Cube]) -> bool:
    """Whether the stored values of all cubes mean the same."""
    return all(
        _equal(cube.scale, cubes[0].scale) and _equal(cube.offset, cubes[0].offset)
        for cube in cubes
    )


def _read(
    cube: Cube, as_stored: bool, window: Window
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Values, and where there is a spectrum; other than as stored, NaN where values are missing."""
    values = cube.read(window)
    missing = missing_values(values, cube.nodata)
    # bands without any value here are left out when the tile is read as a scene
    some = ~missing.all((0, 1))
    nodata = None if cube.nodata is None else cube.nodata[some]
    valid = some.any() & has_spectrum(values[..., some], nodata)
    if not as_stored:
        missing &= ~has_spectrum(values, cube.nodata)[..., None]
        values = values.astype(np.float64)
        values[missing] = np.nan
    if cube.mask is not None:
        valid &= cube.mask(window)
    return values, valid


def _equal(one: Numbers | None, other: Numbers | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other, equal_nan=True)


def _shown(nodata: Numbers | None) -> str:
    stated = () if nodata is None else np.unique(nodata[~np.isnan(nodata)])
    return " and ".join(f"{n:g}" for n in stated) or "none"
