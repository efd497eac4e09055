"""Whether a scene's bands are those of a model, and a scene whose bands are made to be."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import AnyScene, Scene, SceneFile, Window
from spectrolite.errors import SceneError

TOLERANCE_NM = 1.0
"""Centres so near are one band: files round them, and they wander across a sensor."""


@overload
def at_wavelengths(
    scene: Scene, wanted_nm: tuple[float, ...] | None, match: bool = False
) -> Scene: ...
@overload
def at_wavelengths(
    scene: SceneFile, wanted_nm: tuple[float, ...] | None, match: bool = False
) -> SceneFile: ...
def at_wavelengths(
    scene: AnyScene, wanted_nm: tuple[float, ...] | None, match: bool = False
) -> AnyScene:
    """The scene as a model of these wavelengths can take it.

    Bands are compared in their order, up to `TOLERANCE_NM`. Where one of scene and model has no
    wavelengths nothing is compared. With `match`, a scene of other wavelengths is interpolated
    linearly between the two band centres around each one that is wanted, as float32 where that
    holds its values; nothing is made up outside its range.

    Args:
        scene: in memory or in a file, which stays there.
        wanted_nm: centres of the model's bands, or nothing.
        match: interpolate.

    Raises:
        SceneError: other wavelengths without `match`, some outside the scene's range, or no
            wavelengths to match.
    """
    there_nm = scene.wavelengths_nm
    if not match:
        check_wavelengths(scene.name, there_nm, wanted_nm)
        return scene
    if wanted_nm is None or there_nm is None:
        lacking = "the model" if wanted_nm is None else scene.name
        raise SceneError(f"--match-wavelengths: {lacking} has no wavelengths; leave it out")
    there, wanted = np.asarray(there_nm), np.asarray(wanted_nm)
    if _same(there, wanted):
        return scene
    low, high = float(there.min()), float(there.max())
    outside = wanted[(wanted < low - TOLERANCE_NM) | (wanted > high + TOLERANCE_NM)]
    if len(outside):
        raise SceneError(
            f"{scene.name}: --match-wavelengths: {len(outside)} of the model's {len(wanted)} "
            f"wavelengths lie outside its range of {low:g} to {high:g} nm, the first at "
            f"{outside[0]:g} nm"
        )
    order = np.argsort(there, kind="stable")
    right = np.minimum(np.searchsorted(there[order], wanted), len(there) - 1)
    one, other = order[np.maximum(right - 1, 0)], order[right]
    gap = there[other] - there[one]
    share = np.divide(wanted - there[one], gap, out=np.zeros(len(wanted)), where=gap > 0)
    mixed = partial(_mixed, one=one, other=other, share=share.clip(0, 1))
    if isinstance(scene, Scene):
        return replace(scene, cube=mixed(scene.cube), wavelengths_nm=wanted_nm)

    stored = scene.read

    def read(window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        values, valid = stored(window)
        return mixed(values), valid

    shape = (*scene.shape[:2], len(wanted))
    dtype = np.result_type(scene.dtype, np.float32)
    return replace(scene, shape=shape, dtype=dtype, read=read, wavelengths_nm=wanted_nm)


def check_wavelengths(
    name: str, there_nm: tuple[float, ...] | None, wanted_nm: tuple[float, ...] | None
) -> None:
    """Refuse a scene whose bands are not those of a model, where both say which they have.

    Args:
        name: of the scene.
        there_nm: centres of its bands, or nothing.
        wanted_nm: centres of the model's bands, or nothing.

    Raises:
        SceneError: other wavelengths.
    """
    if there_nm is None or wanted_nm is None:
        return
    there, wanted = np.asarray(there_nm), np.asarray(wanted_nm)
    if not _same(there, wanted):
        raise SceneError(
            f"{name}: other wavelengths than the model's: {_difference(there, wanted)}; "
            "leave bands out with --drop-bands, or interpolate with --match-wavelengths"
        )


def _same(there: NDArray[np.float64], wanted: NDArray[np.float64]) -> bool:
    return len(there) == len(wanted) and bool(np.abs(there - wanted).max() <= TOLERANCE_NM)


def _mixed(
    cube: NDArray[Any], one: NDArray[np.int64], other: NDArray[np.int64], share: NDArray[np.float64]
) -> NDArray[np.generic]:
    """Each band between two of the cube's."""
    dtype = np.result_type(cube.dtype, np.float32)
    made = np.empty((*cube.shape[:2], len(one)), dtype)
    for b, (i, j, s) in enumerate(zip(one, other, share, strict=True)):
        made[:, :, b] = (1 - s) * cube[:, :, i].astype(dtype) + s * cube[:, :, j].astype(dtype)
    return made


def _difference(there: NDArray[np.float64], wanted: NDArray[np.float64]) -> str:
    """In what they differ, in words."""
    if len(there) != len(wanted):
        return (
            f"wanted {len(wanted)} bands from {wanted.min():g} to {wanted.max():g} nm, got "
            f"{len(there)} from {there.min():g} to {there.max():g} nm"
        )
    apart = np.flatnonzero(np.abs(there - wanted) > TOLERANCE_NM)
    b = int(apart[0])
    return (
        f"{len(apart)} of {len(wanted)} bands are more than {TOLERANCE_NM:g} nm off, the first "
        f"being {b}, from 0: wanted {wanted[b]:g} nm, got {there[b]:g} nm"
    )
