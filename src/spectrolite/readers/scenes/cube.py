"""What a file says of the cube in it, before any pixel is read: one value for every format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window

Numbers = NDArray[np.float64]

# Kind, raw numbers a nanometre, and words of the wild, all in lower case.
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

NM = (100.0, 100_000.0)  # from the far ultraviolet to the thermal infrared
MICROMETRES = 100.0  # a number below it is taken for micrometres, where no unit is given


@dataclass(frozen=True, eq=False)
class Cube:
    """A cube in a file.

    Attributes:
        format: what the file is, for people.
        key: name of the array in the file; empty where the format has no names.
        shape: rows, columns, bands.
        dtype: of the stored values.
        read: window to `(rows, cols, bands)`, the stored values.
        wavelengths_nm: centre of each band, or nothing.
        unit: of the wavelengths in the file, as the file spells it, or nothing.
        bad_bands: bands that the file itself marks as bad, from 0.
        nodata: `(bands,)`, the value that stands for none, NaN where there is no such value; or
            nothing.
        scale: `(bands,)`, what a stored value is multiplied by to get its physical unit, or
            nothing.
        offset: `(bands,)`, what is added then, or nothing.
        crs: as WKT, or nothing.
        transform: six numbers in rasterio's order, or nothing.
        notes: what is odd about the file, a sentence each.
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


def in_nm(
    values: Sequence[float], unit: str | None, bands: int
) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """Wavelengths in nanometres, and what is odd about them; nothing where they make no sense.

    A unit that is missing is taken from the size of the numbers, and told. Numbers that contradict
    their unit, or that are of two units, are not used: a guess would be wrong in silence.

    >>> in_nm([0.45, 0.55], "Micrometers", 2)
    ((450.0, 550.0), ())
    >>> in_nm([450, 0.55], "nm", 2)[1]
    ('wavelengths: mixed units, from 0.55 to 450 (nm); they are not used',)

    Args:
        values: as the file has them.
        unit: its word for the unit.
        bands: how many there should be.
    """
    array = np.asarray(values, np.float64)
    said = "no unit" if unit is None or unit.strip().lower() in NO_UNIT else unit.strip()
    not_used = "they are not used"
    if len(array) != bands:
        return None, (f"wavelengths: {len(array)} for {bands} bands; {not_used}",)
    if not np.isfinite(array).all() or array.min() <= 0:
        return None, (f"wavelengths: some are no positive numbers; {not_used}",)
    low, high = float(array.min()), float(array.max())
    seen = f"from {low:g} to {high:g} ({said})"
    if high > 2 * MICROMETRES and low < MICROMETRES / 5:
        return None, (f"wavelengths: mixed units, {seen}; {not_used}",)
    if said == "no unit":
        factor, word = (1e3, "micrometres") if high < MICROMETRES else (1.0, "nanometres")
        notes: tuple[str, ...] = (f"wavelengths: {seen}; taken as {word}, by their size",)
    else:
        known = [f for f, words in UNITS.values() if said.lower() in words]
        if not known:
            return None, (f"wavelengths: a unit that is not understood, {seen}; {not_used}",)
        factor, notes = known[0], ()
    if low * factor < NM[0] or high * factor > NM[1]:
        return None, (f"wavelengths: {seen} cannot be right; {not_used}",)
    # 0.55 * 1000 is 550.0000000000001: the digits of the file are kept, no others
    return tuple(float(f"{v * factor:.12g}") for v in array.tolist()), notes


def per_band(value: object, bands: int) -> Numbers | None:
    """One number, or one a band, as `(bands,)`; nothing where it is neither."""
    try:
        array = np.asarray(value, np.float64).ravel()
    except (TypeError, ValueError):
        return None
    return np.broadcast_to(array, bands).copy() if len(array) in (1, bands) else None


def unless_trivial(scale: Numbers | None, trivial: float) -> Numbers | None:
    """Nothing where every number is the trivial one, as a scale of 1."""
    return None if scale is None or (scale == trivial).all() else scale
