"""ENVI: a text header beside a file of plain numbers.

The header is read here and the numbers by `raw`; rasterio is asked only where the scene lies. The
meaning of the fields is that of L3Harris, "ENVI Header Files".
"""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import place_of
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.readers.scenes.cube import Cube, in_nm, per_band, unless_trivial
from spectrolite.readers.scenes.raw import read_box

FIELD = re.compile(r"^[ \t]*([^=;{}\n]+?)[ \t]*=[ \t]*(\{[^}]*\}?|[^\n]*)", re.MULTILINE)

TYPES = {
    1: "u1",
    2: "i2",
    3: "i4",
    4: "f4",
    5: "f8",
    12: "u2",
    13: "u4",
    14: "i8",
    15: "u8",
}
COMPLEX = (6, 9)

# Axes of the file, as positions among rows, cols, bands.
ORDERS = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}

DATA_ENDINGS = ("", ".img", ".dat", ".bsq", ".bil", ".bip", ".raw", ".bin", ".envi", ".rfl")
MOST_HEADER = 16 << 20  # bytes; a header of ten thousand bands has half a MiB


def cube(path: Path, key: str | None) -> Cube:
    """The cube of a pair of files, found from either of the two.

    Raises:
        ReadError: one of the two is missing, the header is damaged, or it promises more than the
            data file holds.
    """
    if key is not None:
        raise ReadError(f"{path}: an ENVI file holds one cube and has no keys; leave out {key!r}")
    header, data = pair(path)
    fields = read_header(header)
    rows, cols, bands = (_whole(header, fields, name, 1) for name in ("lines", "samples", "bands"))
    offset = _whole(header, fields, "header offset", 0, 0)
    dtype = _dtype(header, fields)
    interleave = fields.get("interleave", "bsq" if bands == 1 else "none").lower()
    if interleave not in ORDERS:
        raise ReadError(f"{header}: interleave: wanted bsq, bil or bip, got {interleave}")
    for name in ("major frame offsets", "minor frame offsets", "file compression"):
        if any(re.findall("[1-9]", fields.get(name, ""))):
            raise ReadError(f"{header}: {name} are not read; save the scene again without them")
    promised = offset + rows * cols * bands * dtype.itemsize
    there = data.stat().st_size
    if promised > there:
        raise ReadError(
            f"{data}: its header promises {promised:,} bytes ({rows} lines x {cols} samples x "
            f"{bands} bands of {dtype.name}, header offset {offset}), the file holds {there:,}; "
            "it was cut off, or the header is another file's"
        )
    order = ORDERS[interleave]
    back = tuple(int(i) for i in np.argsort(order))
    shape = (rows, cols, bands)

    def read_window(window: Window) -> NDArray[np.generic]:
        box = (*window.slices, slice(0, bands))
        a, b, c = (shape[i] for i in order)
        first, second, third = (box[i] for i in order)
        return read_box(data, dtype, offset, (a, b, c), (first, second, third)).transpose(back)

    notes = [f"the data file is {there - promised:,} bytes longer than its header says"]
    if promised == there:
        notes = []
    if dtype.itemsize > 1 and "byte order" not in fields:
        notes.append("the header has no byte order; taken as 0, the least significant byte first")
    kind = fields.get("file type", "").lower()
    if "classification" in kind:
        notes.append("the header calls it a classification: a label map, not a scene")
    wavelengths_nm, unit = None, None
    listed = _list(header, fields, "wavelength")
    if listed is not None:
        numbers = per_band(listed, len(listed))
        unit = fields.get("wavelength units")
        if numbers is None:
            notes.append("wavelengths: some are no numbers; they are not used")
        else:
            wavelengths_nm, odd = in_nm(numbers.tolist(), unit, bands)
            notes.extend(odd)
    crs, transform = _place(data, fields, notes)
    scale, offsets = _scale(header, fields, bands, notes)
    nodata = None
    if "data ignore value" in fields:
        nodata = per_band(fields["data ignore value"], bands)
        if nodata is None:
            raise ReadError(
                f"{header}: data ignore value: wanted a number, got {fields['data ignore value']!r}"
            )
    return Cube(
        f"ENVI, {interleave}",
        "",
        shape,
        dtype,
        read_window,
        wavelengths_nm,
        unit,
        _bad_bands(header, fields, bands, notes),
        nodata,
        scale,
        offsets,
        crs,
        transform,
        tuple(notes),
    )


def read_header(path: Path) -> dict[str, str]:
    """Fields of a header, names in lower case with single blanks, values without braces around.

    Raises:
        ReadError: not a header, or one with a brace that is never closed.
    """
    with path.open("rb") as file:
        text = file.read(MOST_HEADER).decode("utf-8", "replace").lstrip("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.split("\n", 1)[0].strip().upper() != "ENVI":
        raise ReadError(f"{path}: not an ENVI header: its first line is not ENVI")
    fields = {}
    for name, value in FIELD.findall(text):
        name = " ".join(name.lower().split())
        if value.startswith("{"):
            if not value.endswith("}"):
                raise ReadError(f"{path}: the brace of {name!r} is never closed")
            value = value[1:-1]
        fields[name] = value.strip()
    return fields


def pair(path: Path) -> tuple[Path, Path]:
    """Header and data file, by either of the two.

    Raises:
        ReadError: the other is missing, or several data files could be the header's.
    """
    near = {p.name.lower(): p for p in sorted(path.parent.iterdir()) if p.is_file()}
    name = path.name.lower()
    if name.endswith(".hdr"):
        stem = name.removesuffix(".hdr")
        found = [near[stem + end] for end in DATA_ENDINGS if stem + end in near]
        if not found:
            raise ReadError(
                f"{path}: no data file beside it; wanted {path.stem} with one of the endings "
                f"{', '.join(filter(None, DATA_ENDINGS))}, or with none"
            )
        if len(found) > 1:
            raise ReadError(
                f"{path}: several data files beside it: {', '.join(p.name for p in found)}; "
                "name the data file itself"
            )
        return path, found[0]
    for header in (f"{name}.hdr", f"{Path(name).stem}.hdr"):
        if header in near:
            return near[header], path
    raise ReadError(f"{path}: no ENVI header beside it; wanted {path.name}.hdr or {path.stem}.hdr")


def _whole(
    header: Path, fields: dict[str, str], name: str, low: int, default: int | None = None
) -> int:
    if name not in fields and default is not None:
        return default
    value = fields.get(name, "nothing")
    if not (value.isascii() and value.isdecimal() and len(value) < 19) or int(value) < low:
        raise ReadError(f"{header}: {name}: wanted a whole number from {low} up, got {value[:60]}")
    return int(value)


def _dtype(header: Path, fields: dict[str, str]) -> np.dtype[np.generic]:
    number = _whole(header, fields, "data type", 1)
    if number in COMPLEX:
        raise ReadError(f"{header}: data type {number} is complex; wanted real numbers")
    if number not in TYPES:
        raise ReadError(
            f"{header}: data type: wanted one of {', '.join(map(str, TYPES))}, got {number}"
        )
    order = _whole(header, fields, "byte order", 0, 0)
    if order > 1:
        raise ReadError(f"{header}: byte order: wanted 0 or 1, got {order}")
    dtype: np.dtype[np.generic] = np.dtype(f"{'<>'[order]}{TYPES[number]}")
    return dtype


def _list(header: Path, fields: dict[str, str], name: str) -> list[str] | None:
    if name not in fields:
        return None
    return [v.strip() for v in fields[name].replace("\n", " ").split(",") if v.strip()]


def _bad_bands(
    header: Path, fields: dict[str, str], bands: int, notes: list[str]
) -> tuple[int, ...]:
    """Bands that the list of bad bands calls bad, which it does by a 0."""
    listed = _list(header, fields, "bbl")
    if listed is None:
        return ()
    numbers = per_band(listed, len(listed))
    if numbers is None or len(numbers) != bands:
        notes.append(f"bbl: {len(listed)} entries for {bands} bands; it is not used")
        return ()
    return tuple(int(b) for b in np.flatnonzero(numbers == 0))


def _scale(
    header: Path, fields: dict[str, str], bands: int, notes: list[str]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """What turns stored values into physical ones."""
    if "reflectance scale factor" in fields:
        factor = per_band(fields["reflectance scale factor"], bands)
        if factor is None or not np.isfinite(factor).all() or not factor.all():
            notes.append("reflectance scale factor: no number but 0; it is not used")
            return None, None
        return unless_trivial(1 / factor, 1.0), None
    numbers = []
    for name, trivial in (("data gain values", 1.0), ("data offset values", 0.0)):
        found = per_band(_list(header, fields, name), bands) if name in fields else None
        if name in fields and found is None:
            notes.append(f"{name}: wanted one number a band; they are not used")
        numbers.append(unless_trivial(found, trivial))
    return numbers[0], numbers[1]


def _place(
    data: Path, fields: dict[str, str], notes: list[str]
) -> tuple[str | None, tuple[float, ...] | None]:
    """Coordinate reference system and transform, which GDAL knows how to make of a header."""
    if "map info" not in fields and "coordinate system string" not in fields:
        return None, None
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(data, driver="ENVI") as source:
                crs, transform = place_of(source)
    except rasterio.RasterioIOError as error:
        notes.append(f"where the scene lies is not understood ({' '.join(str(error).split())})")
        return None, None
    if transform is not None and not all(math.isfinite(v) for v in transform):
        notes.append("map info: no finite numbers; it is not used")
        return crs, None
    return crs, transform
