"""Open the tiles of a mosaic, each by the rules of a scene, as one scene."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import SceneFile, Window, dropped_bands
from spectrolite.errors import ReadError, SceneError, ranges
from spectrolite.products.dropped import bands_to_drop
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.mosaic import joined_notes, merged, mosaic, one_scale
from spectrolite.readers.scenes.patterns import common_name, tile_names
from spectrolite.readers.scenes.tiles import ALONE, Tiles, placed


def open_mosaic(
    paths: Sequence[Path],
    cubes: Sequence[Cube],
    drop_bands: Sequence[int | str],
    open_tile: Callable[..., SceneFile],
    *,
    scale: bool,
) -> SceneFile:
    """A scene that stays in its tiles and is read window by window.

    Words for bands are judged on the whole. Bands that one tile lacks are left out of all.

    Args:
        paths: of the tiles, two or more, in the order in which they win where they overlap.
        cubes: what the files say, in that order.
        drop_bands: as of `open_scene`.
        open_tile: `open_scene` with its other arguments; takes a path and `drop_bands`.
        scale: whether it applies the scale factors of the files.

    Raises:
        ReadError: as of `placed`; tiles whose stored values mean different things; or as of
            `open_scene`.
        SceneError: as of `open_scene`.
        SettingsError: as of `open_scene`.
    """
    names, name = tile_names(paths), common_name(paths)
    tiles = placed(cubes, names)
    if not scale:
        _check_scale(cubes, names)
    drop_bands = bands_to_drop(Path(name), mosaic(cubes, names), drop_bands)
    opened = [open_tile(path, drop_bands=drop_bands) for path in paths]
    notes = tiles.notes() + joined_notes(names, [one.notes for one in opened])
    left_out = {tuple(dropped_bands(one)) for one in opened}
    if len(left_out) > 1:
        every = sorted({band for bands in left_out for band in bands})
        opened = [open_tile(path, drop_bands=every) for path in paths]
        notes.append(f"left out of all tiles, since some lack them: bands {ranges(every)}, from 0")
    first = opened[0]
    for tile, one in zip(names, opened, strict=True):
        if ("scale" in one.source) != ("scale" in first.source):
            raise ReadError(
                f"{tile}: the scale factor of its file was applied to it or to {names[0]}, not to "
                f"both; {ALONE}"
            )
    # of the first tile, what all tiles share: the array's name, the bands, the product
    source = {
        word: text
        for word, text in first.source.items()
        if word != "file" and all(one.source.get(word) == text for one in opened)
    }
    places = [one.source["file"] for one in opened]
    return replace(
        first,
        shape=(*tiles.shape, first.bands),
        read=partial(_read, name, tiles, opened),
        name=name,
        wavelengths_nm=next((one.wavelengths_nm for one in opened if one.wavelengths_nm), None),
        transform=tiles.transform,
        source={"mosaic": json.dumps(places), **source},
        notes=tuple(notes),
        files=tuple(file for one in opened for file in one.files),
    )


def _read(
    name: str, tiles: Tiles, opened: Sequence[SceneFile], window: Window
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    rows, cols = tiles.shape
    if min(window.row_start, window.col_start) < 0 or not (
        window.row_stop <= rows and window.col_stop <= cols
    ):
        raise SceneError(f"{name}: {window} is not inside its {rows} x {cols} pixels")
    reads = [one.read for one in opened]
    values, valid, _ = merged(tiles, reads, opened[0].bands, opened[0].dtype, window)
    return values, valid


def _check_scale(cubes: Sequence[Cube], names: Sequence[str]) -> None:
    for cube, name in zip(cubes, names, strict=True):
        if not one_scale([cubes[0], cube]):
            raise ReadError(
                f"{name}: states another scale factor or offset than {names[0]}, so their stored "
                f"values mean different things; read both in physical units (--scale), or {ALONE}"
            )
