"""Whether a scene has the bands of a model, and how to interpolate them if it has not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import AnyScene, Scene, SceneFile, Window
from spectrolite.errors import SceneError

TOLERANCE_NM = 1.0
"""Centres this close are the same band: files round them, and they drift across a sensor."""

WIDE = 3  # times the usual distance of bands: some between them were left out
EDGE_NM = 50.0
"""How far outside a scene its outermost band stands in: EMIT begins 37 nm before EnMAP, and ends 48
nm after it; reflectance changes little over so much."""


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
    """The scene with the bands of a model.

    Bands are compared in their order, up to `TOLERANCE_NM`. If scene or model has no wavelengths,
    nothing is compared. With `match`, a scene of other wavelengths is interpolated linearly between
    the two band centres around each wanted one, as float32, or float64 if its values need that;
    a wanted centre up to `EDGE_NM` outside the scene's range takes the values of its outermost
    band, which a note of the scene says.

    Args:
        scene: in memory or in a file, which stays there.
        wanted_nm: centres of the model's bands, or None.
        match: interpolate.

    Raises:
        SceneError: other wavelengths without `match`, some too far outside the scene's range, or
            no wavelengths to match.
    """
    scene_nm = scene.wavelengths_nm
    if not match:
        check_wavelengths(scene.name, scene_nm, wanted_nm)
        return scene
    if wanted_nm is None or scene_nm is None:
        lacking = "the model" if wanted_nm is None else scene.name
        raise SceneError(
            f"--match-wavelengths: {lacking} has no wavelengths; omit --match-wavelengths"
        )
    own, wanted = np.asarray(scene_nm), np.asarray(wanted_nm)
    if _same(own, wanted):
        return scene
    low, high = float(own.min()), float(own.max())
    beyond = np.maximum(low - wanted, wanted - high)
    outside = wanted[beyond > TOLERANCE_NM]
    notes = scene.notes
    if len(outside):
        what = (
            f"{len(outside)} of the model's {len(wanted)} wavelengths are outside its range of "
            f"{low:g} to {high:g} nm"
        )
        if beyond.max() > EDGE_NM:
            raise SceneError(
                f"{scene.name}: --match-wavelengths: {what}, one by {beyond.max():g} nm at "
                f"{wanted[beyond.argmax()]:g} nm; more than {EDGE_NM:g} nm cannot be filled: train "
                "without these bands (--drop-bands)"
            )
        notes = (*notes, f"{what}, by up to {beyond.max():.3g} nm: its outermost bands stand in")
    order = np.argsort(own, kind="stable")
    right = np.minimum(np.searchsorted(own[order], wanted), len(own) - 1)
    one, other = order[np.maximum(right - 1, 0)], order[right]
    gap = own[other] - own[one]
    weight = np.divide(wanted - own[one], gap, out=np.zeros(len(wanted)), where=gap > 0)
    usual = float(np.median(np.diff(own[order]))) if len(own) > 1 else 0.0
    across = (weight > 0) & (weight < 1) & (gap > WIDE * usual)
    if across.any():
        notes = (
            *notes,
            f"{int(across.sum())} of the model's {len(wanted)} wavelengths lie in gaps between its "
            f"bands, up to {np.abs(gap[across]).max():.3g} nm wide: interpolated across",
        )
    interpolate = partial(_interpolated, one=one, other=other, weight=weight.clip(0, 1))
    if isinstance(scene, Scene):
        cube = interpolate(scene.cube)
        return replace(scene, cube=cube, wavelengths_nm=wanted_nm, notes=notes)

    stored = scene.read

    def read(window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        values, valid = stored(window)
        return interpolate(values), valid

    shape = (*scene.shape[:2], len(wanted))
    dtype = np.result_type(scene.dtype, np.float32)
    return replace(
        scene, shape=shape, dtype=dtype, read=read, wavelengths_nm=wanted_nm, notes=notes
    )


def surplus_bands(
    scene_nm: tuple[float, ...] | None, wanted_nm: tuple[float, ...] | None
) -> tuple[int, ...]:
    """Bands of a scene that a model does not have, where the wavelengths prove which these are.

    They do if each band of the model is one band of the scene, and only one, in the same order.

    Examples:
        >>> surplus_bands((450.0, 550.0, 650.0), (450.2, 650.0))
        (1,)
        >>> surplus_bands((450.0, 450.5, 650.0), (450.2, 650.0))
        ()

    Args:
        scene_nm: centres of its bands, or None.
        wanted_nm: centres of the model's bands, or None.
    """
    if scene_nm is None or wanted_nm is None or len(wanted_nm) >= len(scene_nm):
        return ()
    near = np.abs(np.subtract.outer(np.asarray(wanted_nm), np.asarray(scene_nm))) <= TOLERANCE_NM
    kept = near.argmax(axis=1)
    if not (near.sum(axis=1) == 1).all() or not (np.diff(kept) > 0).all():
        return ()
    return tuple(b for b in range(len(scene_nm)) if b not in set(kept.tolist()))


def where_apart(
    own_nm: tuple[float, ...], wanted_nm: tuple[float, ...], wanted_of: str
) -> str | None:
    """Which bands of two scenes are not the same, for messages; None if all are.

    Args:
        own_nm: centres of as many bands as the other scene has.
        wanted_nm: those of the other scene.
        wanted_of: its name.
    """
    own, wanted = np.asarray(own_nm), np.asarray(wanted_nm)
    apart = np.flatnonzero(np.abs(own - wanted) > TOLERANCE_NM)
    if not len(apart):
        return None
    b = int(apart[0])
    return (
        f"band {b}, from 0, has its centre at {own[b]:g} nm, but at {wanted[b]:g} nm in "
        f"{wanted_of}, and so {len(apart)} of {len(own)} bands are more than {TOLERANCE_NM:g} nm "
        "apart"
    )


def same_wavelengths(
    scene_nm: tuple[float, ...] | None, wanted_nm: tuple[float, ...] | None
) -> bool:
    """Whether a scene has exactly the bands of a model; not known without wavelengths: false."""
    if scene_nm is None or wanted_nm is None:
        return False
    return _same(np.asarray(scene_nm), np.asarray(wanted_nm))


def check_wavelengths(
    name: str, scene_nm: tuple[float, ...] | None, wanted_nm: tuple[float, ...] | None
) -> None:
    """Refuse a scene whose bands are not those of a model; if one has no wavelengths, do nothing.

    Args:
        name: of the scene.
        scene_nm: centres of its bands, or None.
        wanted_nm: centres of the model's bands, or None.

    Raises:
        SceneError: other wavelengths.
    """
    if scene_nm is None or wanted_nm is None:
        return
    own, wanted = np.asarray(scene_nm), np.asarray(wanted_nm)
    if not _same(own, wanted):
        raise SceneError(
            f"{name}: other wavelengths than the model's: {_difference(own, wanted)}; "
            "drop bands with --drop-bands, or interpolate with --match-wavelengths"
        )


def _same(own: NDArray[np.float64], wanted: NDArray[np.float64]) -> bool:
    return len(own) == len(wanted) and bool(np.abs(own - wanted).max() <= TOLERANCE_NM)


def _interpolated(
    cube: NDArray[Any],
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> NDArray[np.generic]:
    """Each band as a weighted mean of two bands of the cube."""
    dtype = np.result_type(cube.dtype, np.float32)
    bands = np.empty((*cube.shape[:2], len(one)), dtype)
    for b, (i, j, s) in enumerate(zip(one, other, weight, strict=True)):
        bands[:, :, b] = (1 - s) * cube[:, :, i].astype(dtype) + s * cube[:, :, j].astype(dtype)
    return bands


def _difference(own: NDArray[np.float64], wanted: NDArray[np.float64]) -> str:
    """How they differ, for messages."""
    if len(own) != len(wanted):
        return (
            f"wanted {len(wanted)} bands from {wanted.min():g} to {wanted.max():g} nm, got "
            f"{len(own)} from {own.min():g} to {own.max():g} nm"
        )
    apart = np.flatnonzero(np.abs(own - wanted) > TOLERANCE_NM)
    b = int(apart[0])
    return (
        f"{len(apart)} of {len(wanted)} bands are more than {TOLERANCE_NM:g} nm off, the first "
        f"is band {b}, from 0: wanted {wanted[b]:g} nm, got {own[b]:g} nm"
    )
