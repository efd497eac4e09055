"""ENVI: a text header beside a file of plain numbers.

The header is read here and the numbers by `raw`; rasterio only georeferences the scene. The keys of
the header mean what L3Harris, "ENVI Header Files", says.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import place_of
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.readers.scenes.cube import Cube, in_nm, per_band, unless_trivial
from spectrolite.readers.scenes.foreign import other_format
from spectrolite.readers.scenes.geotiff import mask_beside, opened
from spectrolite.readers.scenes.raw import read_box
from spectrolite.readers.text import decoded

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

# Axes of the file, as positions in rows, cols, bands.
ORDERS = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}

DATA_ENDINGS = ("", ".img", ".dat", ".bsq", ".bil", ".bip", ".raw", ".bin", ".envi", ".rfl")
# Endings of files beside a scene that do not hold its numbers.
BESIDE = (
    *(".hdr", ".xml", ".txt", ".json", ".csv", ".md", ".enp", ".sta", ".msk", ".ovr", ".qml"),
    *(".aux", ".prj", ".evf", ".roi", ".kml", ".shp", ".shx", ".dbf", ".log", ".npy", ".mat"),
)
NO_VALUE = ("", "none", "null", "nan", "n/a", "na", "-")
MAX_HEADER = 16 << 20  # bytes; a header with ten thousand bands has half a MiB


def cube(path: Path, key: str | None) -> Cube:
    """The cube of a header and its data file, given either of the two.

    Raises:
        ReadError: one of the two is missing, the header is damaged, or the data file is shorter
            than the header says.
    """
    if key is not None:
        raise ReadError(f"{path}: an ENVI file holds one cube and has no keys; omit {key!r}")
    header, data = pair(path)
    notes: list[str] = []
    fields = read_header(header, notes)
    _check_kind(header, fields)
    rows, cols, bands = (_whole(header, fields, name, 1) for name in ("lines", "samples", "bands"))
    offset = _whole(header, fields, "header offset", 0, 0)
    dtype = _dtype(header, fields)
    interleave = fields.get("interleave", "bsq" if bands == 1 else "none").lower()
    if interleave not in ORDERS:
        raise ReadError(f"{header}: interleave: wanted bsq, bil or bip, got {interleave[:60]}")
    for name in ("major frame offsets", "minor frame offsets", "file compression"):
        if any(re.findall("[1-9]", fields.get(name, ""))):
            raise ReadError(f"{header}: {name}: not supported; save the scene again without")
    expected = offset + rows * cols * bands * dtype.itemsize
    actual = data.stat().st_size
    if expected > actual:
        raise ReadError(
            f"{data}: its header says {expected:,} bytes ({rows} lines x {cols} samples x "
            f"{bands} bands of {dtype.name}, header offset {offset}), the file has {actual:,}; "
            "it was cut off, or the header belongs to another file"
        )
    order = ORDERS[interleave]
    back = tuple(int(i) for i in np.argsort(order))
    shape = (rows, cols, bands)

    def read_window(window: Window) -> NDArray[np.generic]:
        box = (*window.slices, slice(0, bands))
        a, b, c = (shape[i] for i in order)
        first, second, third = (box[i] for i in order)
        return read_box(data, dtype, offset, (a, b, c), (first, second, third)).transpose(back)

    if expected < actual:
        notes.append(f"the data file is {actual - expected:,} bytes longer than its header says")
    if dtype.itemsize > 1 and "byte order" not in fields:
        notes.append("the header has no byte order; taken as 0, least significant byte first")
    if "classification" in fields.get("file type", "").lower():
        notes.append("the header calls it a classification: a label map, not a scene")
    wavelengths_nm, unit = None, None
    listed = _list(header, fields, "wavelength")
    if listed is not None:
        numbers = per_band(listed, len(listed))
        unit = fields.get("wavelength units")
        if numbers is None:
            notes.append("wavelengths: some are not numbers; they are not used")
        else:
            wavelengths_nm, odd = in_nm(numbers.tolist(), unit, bands)
            notes.extend(odd)
    crs, transform = _place(data, fields, notes)
    scale, offsets = _scale(header, fields, bands, notes)
    nodata = None
    ignored = fields.get("data ignore value", "")
    if ignored.lower() not in NO_VALUE:
        nodata = per_band(ignored, bands)
        if nodata is None:
            raise ReadError(f"{header}: data ignore value: wanted a number, got {ignored[:60]!r}")
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
        mask=mask_beside(data, bands),
    )


def read_header(path: Path, notes: list[str] | None = None) -> dict[str, str]:
    """Keys in lower case with single spaces, and values without their braces.

    If the encoding is a guess, the notes say so.

    Raises:
        ReadError: not a header, or a brace that is never closed.
    """
    with path.open("rb") as file:
        content = file.read(MAX_HEADER + 1)
    if len(content) > MAX_HEADER:
        raise ReadError(f"{path}: a header of more than {MAX_HEADER >> 20} MiB; is it the data?")
    text, guessed = decoded(content)
    if notes is not None:
        notes.extend(f"{path.name}: {note}" for note in guessed)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.split("\n", 1)[0].strip().upper() != "ENVI":
        raise ReadError(f"{path}: not an ENVI header: its first line is not ENVI")
    fields = {}
    for name, value in _fields(text):
        name = " ".join(name.lower().split())
        if value.startswith("{"):
            if not value.endswith("}"):
                raise ReadError(f"{path}: the brace of {name!r} is never closed")
            value = value[1:-1]
        fields[name] = value.strip()
    return fields


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Names and values as they are written, `{...}` over several lines; other lines are skipped."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) % (len(text) + 1)
        name, equals, value = text[start:end].partition("=")
        start = end + 1
        if not equals or not name.strip() or any(c in name for c in ";{}"):
            continue
        value = value.lstrip(" \t")
        if value.startswith("{"):
            opened = end - len(value)
            close = text.find("}", opened)
            value = text[opened:] if close < 0 else text[opened : close + 1]
            start = max(start, text.find("\n", opened + len(value)) % (len(text) + 1) + 1)
        yield name, value


def pair(path: Path) -> tuple[Path, Path]:
    """Header and data file, given either of the two.

    Raises:
        ReadError: the other is missing, or several data files could be the header's.
    """
    files = {p.name.lower(): p for p in sorted(path.parent.iterdir()) if p.is_file()}
    name = path.name.lower()
    if name.endswith(".hdr"):
        stem = name.removesuffix(".hdr")
        data = [files[stem + end] for end in DATA_ENDINGS if stem + end in files]
        if not data:  # sensors have endings of their own: x.hyspex, x.cube
            data = [p for n, p in files.items() if Path(n).stem == stem and _may_hold_data(p)]
        if not data:
            raise ReadError(
                f"{path}: no data file beside it; wanted {path.stem} with any ending, such as "
                ".img, .dat or .bsq, or with none"
            )
        if len(data) > 1:
            raise ReadError(
                f"{path}: several data files beside it: {', '.join(p.name for p in data)}; "
                "name the data file itself"
            )
        return path, data[0]
    for header in _headers(name):
        if header in files:
            return files[header], path
    raise ReadError(f"{path}: no ENVI header beside it; wanted {path.name}.hdr or {path.stem}.hdr")


def _may_hold_data(path: Path) -> bool:
    return path.suffix.lower() not in BESIDE and other_format(path) is None


def has_header(path: Path) -> bool:
    """Whether a file is a header of ENVI, or has one beside it; its name may contain dots."""
    wanted = _headers(path.name.lower())
    beside = (p for p in path.parent.iterdir() if p.name.lower() in wanted)
    return any(_starts_as_header(p) for p in beside if p.is_file())


def _starts_as_header(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16).lstrip(b"\xef\xbb\xbf \t")[:4].upper() == b"ENVI"


def _headers(name: str) -> tuple[str, str]:
    return f"{name}.hdr", f"{Path(name).stem}.hdr"


def _check_kind(header: Path, fields: dict[str, str]) -> None:
    if "spectral library" in fields.get("file type", "").lower():
        count, bands = fields.get("lines", "?")[:20], fields.get("samples", "?")[:20]
        raise ReadError(
            f"{header}: an ENVI spectral library of {count} spectra with {bands} bands, not a "
            "scene; to read its spectra as a scene of one row, copy both files and write in the "
            f"header: file type = ENVI Standard, samples = {count}, lines = 1, bands = {bands}, "
            "interleave = bip"
        )


def _whole(
    header: Path, fields: dict[str, str], name: str, low: int, default: int | None = None
) -> int:
    if name not in fields and default is not None:
        return default
    value = fields.get(name, "nothing")
    if not (value.isascii() and value.isdecimal() and len(value) < 19) or int(value) < low:
        raise ReadError(
            f"{header}: {name}: wanted a whole number of {low} or more, got {value[:60]}"
        )
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
    """Bands that have a 0 in `bbl`, the list of bad bands."""
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
    """Factor and offset from stored values to physical ones."""
    if "reflectance scale factor" in fields:
        factor = per_band(fields["reflectance scale factor"], bands)
        if factor is None or not np.isfinite(factor).all() or not factor.all():
            notes.append("reflectance scale factor: wanted a number other than 0; it is not used")
            return None, None
        return unless_trivial(1 / factor, 1.0), None
    numbers = []
    for name, trivial in (("data gain values", 1.0), ("data offset values", 0.0)):
        values = per_band(_list(header, fields, name), bands) if name in fields else None
        if name in fields and values is None:
            notes.append(f"{name}: wanted one number per band; they are not used")
        numbers.append(unless_trivial(values, trivial))
    return numbers[0], numbers[1]


def _place(
    data: Path, fields: dict[str, str], notes: list[str]
) -> tuple[str | None, tuple[float, ...] | None]:
    """Coordinate reference system and transform, as GDAL reads them from the header."""
    if "map info" not in fields and "coordinate system string" not in fields:
        return None, None
    try:
        with opened(data, driver="ENVI") as source:
            crs, transform = place_of(source)
    except ReadError as error:
        notes.append(f"no georeference: {error}")
        return None, None
    if crs is not None and is_arbitrary(crs):
        notes.append("map info: its projection is of no place on the Earth: no CRS")
        crs = None
    if transform is not None and not all(math.isfinite(v) for v in transform):
        notes.append("map info: some numbers are not finite; it is not used")
        return crs, None
    return crs, transform


def is_arbitrary(crs: str) -> bool:
    """Whether a WKT is GDAL's name of a projection of no place, such as ENVI's Arbitrary."""
    return crs.startswith(("LOCAL_CS", "ENGCRS"))


def place_of_text(
    map_info: str, system: str, notes: list[str]
) -> tuple[str | None, tuple[float, ...] | None]:
    """WKT and transform of ENVI's map info, and a WKT, that another format holds as texts."""
    one_line = {"map info": map_info, "coordinate system string": system}
    one_line = {k: re.sub(r"[\r\n{}]", " ", v) for k, v in one_line.items() if v.strip()}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "place.dat"
        data.write_bytes(bytes(2))  # GDAL takes nothing shorter
        placed = "".join(f"{key} = {{{value}}}\n" for key, value in one_line.items())
        data.with_suffix(".hdr").write_text(
            "ENVI\nsamples = 1\nlines = 1\nbands = 1\ndata type = 1\ninterleave = bsq\n"
            f"byte order = 0\n{placed}",
            encoding="utf-8",
        )
        odd: list[str] = []
        place = _place(data, one_line, odd)
    notes.extend(note.replace(f"{data}", "map info") for note in odd)
    return place
