"""Several cubes of one grid as one: the pages of a TIFF, or one file a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.readers.scenes.cube import Cube, Numbers, unless_trivial


def stacked(path: Path, cubes: Sequence[Cube], names: Sequence[str]) -> Cube:
    """The bands of all cubes, in their order.

    Args:
        path: of the file or the pattern, for messages.
        cubes: at least one; all of the same rows and columns in the same place.
        names: of the cubes, for messages.

    Raises:
        ReadError: cubes of different sizes or places.
    """
    first = cubes[0]
    for name, cube in zip(names, cubes, strict=True):
        if cube.shape[:2] != first.shape[:2]:
            raise ReadError(
                f"{path}: {names[0]} has {first.shape[0]} x {first.shape[1]} pixels, {name} has "
                f"{cube.shape[0]} x {cube.shape[1]}; the bands of a scene have one size: resample "
                "them, or give the file that you want alone"
            )
        if (cube.crs, cube.transform) != (first.crs, first.transform):
            raise ReadError(
                f"{path}: {name} lies elsewhere than {names[0]}; the bands of a scene have one "
                "grid: warp them to it"
            )
    ends = np.cumsum([cube.shape[2] for cube in cubes])
    bands = int(ends[-1])
    dtype = np.result_type(*(cube.dtype for cube in cubes))

    def read(window: Window) -> NDArray[np.generic]:
        values = np.empty((*window.shape, bands), dtype)
        for cube, end in zip(cubes, ends, strict=True):
            values[..., end - cube.shape[2] : end] = cube.read(window)
        return values

    masks = [cube.mask for cube in cubes if cube.mask is not None]

    def mask(window: Window) -> NDArray[np.bool_]:
        return np.asarray(np.all([one(window) for one in masks], axis=0))

    wavelengths = [nm for cube in cubes for nm in cube.wavelengths_nm or ()]
    notes = [note for cube in cubes for note in cube.notes]
    if len({cube.dtype for cube in cubes}) > 1:
        notes.append(f"its bands are of several types; all are read as {dtype.name}")
    blocks = [cube.block for cube in cubes if cube.block is not None]
    nodata = _joined(cubes, [cube.nodata for cube in cubes], np.nan)
    return replace(
        first,
        shape=(*first.shape[:2], bands),
        dtype=dtype,
        read=read,
        wavelengths_nm=tuple(wavelengths) if len(wavelengths) == bands else None,
        bad_bands=tuple(
            int(end) - cube.shape[2] + b
            for cube, end in zip(cubes, ends, strict=True)
            for b in cube.bad_bands
        ),
        nodata=None if np.isnan(nodata).all() else nodata,
        scale=unless_trivial(_joined(cubes, [cube.scale for cube in cubes], 1.0), 1.0),
        offset=unless_trivial(_joined(cubes, [cube.offset for cube in cubes], 0.0), 0.0),
        notes=tuple(dict.fromkeys(notes)),
        block=(max(b[0] for b in blocks), max(b[1] for b in blocks), 1) if blocks else None,
        mask=mask if masks else None,
    )


def _joined(cubes: Sequence[Cube], parts: Sequence[Numbers | None], lacking: float) -> Numbers:
    """`(bands,)` numbers of all cubes, `lacking` for those that have none."""
    return np.concatenate(
        [
            np.full(cube.shape[2], lacking) if part is None else part
            for cube, part in zip(cubes, parts, strict=True)
        ]
    )
