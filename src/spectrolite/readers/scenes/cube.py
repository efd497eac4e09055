"""Cube: what a file says of the cube in it, before any pixel is read; and units of wavelengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.lookup import LookupTable
from spectrolite.data.scene import Window

Numbers = NDArray[np.float64]

# Unit to nanometres per unit, and its spellings in files, in lower case.
UNITS: dict[str, tuple[float, tuple[str, ...]]] = {
    "nanometres": (1.0, ("nm", "nms", "nanometer", "nanometers", "nanometre", "nanometres")),
    "micrometres": (
        1e3,
        (
            "um",
            "µm",
            "μm",
            "mum",
            "micron",
            "microns",
            "micrometer",
            "micrometers",
            "micrometre",
            "micrometres",
            "micro-meter",
            "micro meters",
        ),
    ),
    "millimetres": (1e6, ("mm", "millimeter", "millimeters", "millimetre", "millimetres")),
    "metres": (1e9, ("m", "meter", "meters", "metre", "metres")),
    "angstroms": (0.1, ("angstrom", "angstroms", "ångström", "å")),
}
NO_UNIT = ("", "unknown", "none", "n/a")

PLAUSIBLE_NM = (100.0, 100_000.0)  # from the far ultraviolet to the thermal infrared
MICROMETRES = 100.0  # without a unit, numbers below this are taken as micrometres


@dataclass(frozen=True, eq=False)
class QualityLayer:
    """Pixels that a product marks, such as clouds.

    Attributes:
        name: one word, as `cloud`: what `--leave-out` takes.
        marked: window and `(kept,)` int64 numbers of the bands that are read, to `(rows, cols)`
            bool: true where the product marks the pixel, in one of these bands if it marks bands
            one by one.
        left_out: whether these pixels are left out by default.
        what: what the product calls it.
    """

    name: str
    marked: Callable[[Window, NDArray[np.int64]], NDArray[np.bool_]]
    left_out: bool
    what: str


@dataclass(frozen=True, eq=False)
class Cube:
    """A cube in a file.

    Attributes:
        format: name of the format, for people.
        key: name of the array in the file; empty if the format has no names.
        shape: rows, columns, bands.
        dtype: of the stored values.
        read: window to `(rows, cols, bands)`, the stored values.
        wavelengths_nm: centre of each band, or None.
        unit: of the wavelengths, as the file spells it, or None.
        bad_bands: bands that the file marks as bad, from 0.
        nodata: `(bands,)` nodata value, NaN for bands without one; None if no band has one.
        scale: `(bands,)` factor from stored values to physical ones, or None.
        offset: `(bands,)` added after that, or None.
        crs: as WKT, or None.
        transform: six numbers in rasterio's order, or None.
        notes: what is odd about the file, a sentence each.
        block: rows, cols and bands that the file decodes together; None if any part can be read.
        mask: window to `(rows, cols)`, where the file says that pixels are valid, beside `nodata`;
            None if it does not say.
        product: name of the satellite product, as `--product` takes it; empty for other files. A
            product is read as reflectance.
        fwhm_nm: full width of each band at half its maximum, or None.
        quality: what a product says of its pixels.
        lookup: from an orthorectified grid to the pixels, for an image in the sensor's geometry.
        files: all files that are read, where these are more than the one that was named.
    """

    format: str
    key: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    read: Callable[[Window], NDArray[np.generic]]
    wavelengths_nm: tuple[float, ...] | None = None
    unit: str | None = None
    bad_bands: tuple[int, ...] = ()
    nodata: Numbers | None = None
    scale: Numbers | None = None
    offset: Numbers | None = None
    crs: str | None = None
    transform: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()
    block: tuple[int, int, int] | None = None
    mask: Callable[[Window], NDArray[np.bool_]] | None = None
    product: str = ""
    fwhm_nm: tuple[float, ...] | None = None
    quality: tuple[QualityLayer, ...] = ()
    lookup: LookupTable | None = None
    files: tuple[Path, ...] = ()


def in_nm(
    values: Sequence[float], unit: str | None, bands: int
) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """Wavelengths in nanometres, or None if they make no sense; and notes on what is odd.

    A missing unit is inferred from the size of the numbers, with a note. Numbers that contradict
    their unit, or mix two units, are not used: a guess could be wrong without notice.

    Examples:
        >>> in_nm([0.45, 0.55], "Micrometers", 2)
        ((450.0, 550.0), ())
        >>> in_nm([450, 0.55], "nm", 2)[1]
        ('wavelengths: mixed units, from 0.55 to 450 (nm); they are not used',)

    Args:
        values: as in the file.
        unit: as the file spells it, or None.
        bands: number of bands.
    """
    array = np.asarray(values, np.float64)
    shown_unit = "no unit" if unit is None or unit.strip().lower() in NO_UNIT else unit.strip()
    not_used = "they are not used"
    if len(array) != bands:
        return None, (f"wavelengths: {len(array)} for {bands} bands; {not_used}",)
    if not np.isfinite(array).all() or array.min() <= 0:
        return None, (f"wavelengths: some are not positive numbers; {not_used}",)
    low, high = float(array.min()), float(array.max())
    span = f"from {low:g} to {high:g} ({shown_unit})"
    if high > 2 * MICROMETRES and low < MICROMETRES / 5:
        return None, (f"wavelengths: mixed units, {span}; {not_used}",)
    if shown_unit == "no unit" and low < MICROMETRES and _counts(array):
        return None, (f"wavelengths: {span} are numbers of bands; {not_used}",)
    if shown_unit == "no unit":
        factor, word = (1e3, "micrometres") if high < MICROMETRES else (1.0, "nanometres")
        notes: tuple[str, ...] = (f"wavelengths: {span}; taken as {word}, judging by their size",)
    else:
        factors = [f for f, words in UNITS.values() if shown_unit.lower() in words]
        if not factors:
            return None, (f"wavelengths: unknown unit, {span}; {not_used}",)
        factor, notes = factors[0], ()
    if low * factor < PLAUSIBLE_NM[0] or high * factor > PLAUSIBLE_NM[1]:
        return None, (f"wavelengths: {span} cannot be right; {not_used}",)
    # 0.55 * 1000 is 550.0000000000001: keep only the digits of the file
    return tuple(float(f"{v * factor:.12g}") for v in array.tolist()), notes


def _counts(numbers: Numbers) -> bool:
    """Whether they are consecutive whole numbers, as those of bands."""
    first = numbers[0]
    return bool(
        first == np.floor(first)
        and (np.diff(numbers) == 1).all()
        and (len(numbers) > 1 or first == 1)
    )


def per_band(value: object, bands: int) -> Numbers | None:
    """One number, or one per band, as `(bands,)`; None if it is neither."""
    try:
        array = np.asarray(value, np.float64).ravel()
    except (TypeError, ValueError):
        return None
    return np.broadcast_to(array, bands).copy() if len(array) in (1, bands) else None


def unless_trivial(scale: Numbers | None, trivial: float) -> Numbers | None:
    """None if every number is trivial, such as a scale of 1."""
    return None if scale is None or (scale == trivial).all() else scale
