"""The two cubes of PRISMA L2D, VNIR and SWIR: which bands they have, and reading them as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import Window
from spectrolite.errors import ReadError, ranges
from spectrolite.readers.scenes.cube import Numbers
from spectrolite.readers.scenes.hdf5 import variables
from spectrolite.readers.scenes.variable import Variable, as_numbers

SWATH = "HDFEOS/SWATHS/PRS_L2D_HCO"
FIELDS = f"{SWATH}/Data Fields"
STEPS = 65535  # values of 0 to this span the minimum to the maximum
ATTRIBUTES = ("List_Cw_{}", "List_Fwhm_{}", "List_Cw_{}_Flags", "L2Scale{}Min", "L2Scale{}Max")
"""Of the file, for each detector, `Vnir` and `Swir`."""


@dataclass(frozen=True, eq=False)
class Detector:
    """One of the two cubes.

    Attributes:
        name: VNIR or SWIR.
        values: lines, bands, samples.
        errors: of the same shape, 0 where a value is good; None if the file has none.
        bands: positions in the file of the bands that are read, by ascending wavelength.
        nm: their wavelengths.
        fwhm: their widths in nm.
        scale: from values to reflectance.
        offset: added after that.
    """

    name: str
    values: Variable
    errors: Variable | None
    bands: NDArray[np.int64]
    nm: Numbers
    fwhm: Numbers
    scale: float
    offset: float


def detector_of(
    path: Path,
    arrays: Mapping[str, Variable],
    header: Mapping[str, Any],
    name: str,
    notes: list[str],
) -> Detector:
    """One detector's cube and bands.

    Args:
        path: of the file.
        arrays: of the file, by key.
        header: attributes of the file.
        name: `Vnir` or `Swir`.
        notes: appended to.

    Raises:
        ReadError: an array or an attribute is missing or makes no sense.
    """
    upper = name.upper()
    key = f"{FIELDS}/{upper}_Cube"
    if key not in arrays:
        variables(path, key)  # says so if it is a link into another file
        raise ReadError(f"{path}: has no {key}; the file is damaged: download it again")
    values = arrays[key]
    if values.dtype != np.uint16 or len(values.shape) != 3 or min(values.shape) < 1:
        raise ReadError(f"{path}: wanted lines, bands, samples in uint16, got {values.summary}")
    count = values.shape[1]
    nm = numbers_of(path, header, f"List_Cw_{name}", count)
    fwhm = numbers_of(path, header, f"List_Fwhm_{name}", count)
    flags = f"List_Cw_{name}_Flags"
    acquired = (numbers_of(path, header, flags, count) != 0) & (nm > 0)
    missing = [int(band) for band in np.flatnonzero(~acquired)]
    if len(missing) == count:
        raise ReadError(f"{path}: {flags}: no band of {count} was acquired")
    if missing:
        noun = "band was" if len(missing) == 1 else "bands were"
        notes.append(f"{len(missing)} {upper} {noun} not acquired: {ranges(missing)} of its cube")
    low, high = (numbers_of(path, header, f"L2Scale{name}{end}", 1)[0] for end in ("Min", "Max"))
    if not low < high:
        raise ReadError(
            f"{path}: L2Scale{name}Min and Max: wanted a minimum below the maximum, got {low:g} "
            f"and {high:g}"
        )
    errors = arrays.get(f"{FIELDS}/{upper}_PIXEL_L2_ERR_MATRIX")
    if errors is not None and errors.shape != values.shape:
        raise ReadError(
            f"{path}: {errors.summary} is of another size than {values.summary}; the file is "
            "damaged: download it again"
        )
    bands = np.flatnonzero(acquired)
    bands = bands[np.argsort(nm[bands], kind="stable")]
    return Detector(
        upper, values, errors, bands, nm[bands], fwhm[bands], (high - low) / STEPS, float(low)
    )


def numbers_of(path: Path, header: Mapping[str, Any], name: str, count: int) -> Numbers:
    """An attribute of `count` finite numbers.

    Raises:
        ReadError: it is missing, or something else.
    """
    numbers = as_numbers(header.get(name)) if name in header else None
    if numbers is None or len(numbers) != count or not np.isfinite(numbers).all():
        came = "none" if name not in header else "something else"
        if numbers is not None:
            came = str(len(numbers)) if len(numbers) != count else "some that are not finite"
        noun = "a number" if count == 1 else f"{count} numbers, one a band"
        raise ReadError(
            f"{path}: attribute {name}: wanted {noun}, got {came}; the file is not as delivered: "
            "download it again"
        )
    return np.array(numbers)


def without_overlap(vnir: Detector, swir: Detector, notes: list[str]) -> tuple[Detector, Detector]:
    """Both, without the bands of VNIR where SWIR sees too."""
    keep = vnir.nm < swir.nm[0]
    if not keep.all():
        left = vnir.nm[~keep]
        notes.append(
            f"both detectors see {left[0]:.0f} to {left[-1]:.0f} nm: the {len(left)} VNIR "
            f"band{'' if len(left) == 1 else 's'} there are not read"
        )
    short = replace(vnir, bands=vnir.bands[keep], nm=vnir.nm[keep], fwhm=vnir.fwhm[keep])
    return short, swir


def read(detectors: Sequence[Detector], window: Window) -> NDArray[np.generic]:
    """Reflectance, NaN where all bands are 0."""
    reflectance = np.empty((*window.shape, sum(len(d.bands) for d in detectors)), np.float32)
    inside = np.zeros(window.shape, bool)
    start = 0
    for detector in detectors:
        stored = part_of(detector.values, window, detector.bands).transpose(0, 2, 1)
        inside |= stored.any(2)
        here = reflectance[..., start : start + stored.shape[2]]
        np.multiply(stored, np.float32(detector.scale), out=here)
        here += np.float32(detector.offset)
        start += stored.shape[2]
    reflectance[~inside] = np.nan
    return reflectance


def part_of(array: Variable, window: Window, bands: NDArray[np.int64]) -> NDArray[np.generic]:
    """Lines, bands, samples of a window."""
    if not len(bands):
        return np.empty((window.shape[0], 0, window.shape[1]), array.dtype)
    first, last = int(bands.min()), int(bands.max())
    rows, cols = window.slices
    # one box of bands: HDF5 is slow at picking single ones
    return np.asarray(array.read((rows, slice(first, last + 1), cols))[:, bands - first])
