"""What GDAL may open: one driver for each ending, no network, and no file that strangers choose.

GDAL looks at the content of a file and not at its ending, so a text with an address may hide in a
`.tif`, and a VRT may name any file of the machine.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from spectrolite.errors import ReadError
from spectrolite.files import check_regular
from spectrolite.readers.scenes.arrays import ArrayShape, check_fits_memory
from spectrolite.readers.text import decoded

NO_NETWORK = {
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "none",
    "GDAL_HTTP_PROXY": "none://none",
    "GDAL_HTTPS_PROXY": "none://none",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "CPL_VSIL_GZIP_WRITE_PROPERTIES": "NO",
}
"""Settings of GDAL: its readers of addresses find nothing, a VRT runs no Python, and nothing is
written beside an archive."""

DRIVERS = {".tif": "GTiff", ".tiff": "GTiff", ".vrt": "VRT", ".png": "PNG", ".asc": "AAIGrid"}
MAX_VRT = 64 << 20  # bytes; 200 bands of 100 tiles have 10 MiB
MAX_DEPTH = 8  # VRTs within VRTs

NETWORK = re.compile(r"://|/vsi(?!(?:zip|gzip|tar|7z|rar|subfile)/)", re.IGNORECASE)
MAGIC = (
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"\0\0\0\x0cjP  ",
    b"EHFA_HEADER_TAG",
)
"""How the sources of a VRT begin: TIFF, PNG, JPEG, JPEG 2000, ERDAS."""
BESIDE = (".msk", ".MSK", ".ovr", ".OVR")
"""Of the mask and the overviews that GDAL finds beside a raster, and opens with any driver."""
TEXT = re.compile(rb"<[?!]?[A-Za-z_]{4}|\{\s*\"|[A-Z_]{8}")
# Elements of a VRT whose text names no file; the addresses in them are never opened.
PROSE = {"metadata", "srs", "gcplist", "description", "categorynames", "unittype"}
PARENTS = {"vrtdataset", "vrtrasterband"}
SOURCES = {"sourcefilename", "sourcedataset"}


def is_crs(text: str) -> bool:
    """Whether a text describes a reference system itself.

    GDAL also takes an address or the name of a file, and reads the description from there.

    Examples:
        >>> [is_crs(text) for text in ("EPSG:32631", 'GEOGCS["WGS 84"]', "+proj=utm", "a.prj")]
        [True, True, True, False]
    """
    return (
        re.match(r"\s*([A-Za-z_]{1,30}[0-9]?\s*[\[(]|[A-Za-z_]+:[0-9]+\s*$|\+|\{)", text)
        is not None
    )


def driver_of(path: Path) -> str:
    """GDAL's name of the one driver that reads files of this ending."""
    ending = path.suffix.lower()
    if ending in DRIVERS:
        return DRIVERS[ending]
    if not path.is_file():
        return "GTiff"  # whose message says that there is no such file
    with path.open("rb") as file:
        if file.read(15) == b"EHFA_HEADER_TAG":
            return "HFA"
    for header in (path.with_suffix(".hdr"), path.with_name(f"{path.name}.hdr")):
        if header.is_file():
            with header.open("rb") as file:
                first = file.read(64).lstrip(b"\xef\xbb\xbf \t")
            return "ENVI" if first.startswith(b"ENVI") else "EHdr"
    return "ENVI"


@contextmanager
def no_lost_messages() -> Iterator[None]:
    """While the block runs, messages of GDAL that rasterio cannot decode are not printed.

    They quote texts of the file in its own encoding; what follows from them is raised anyway.
    """
    unraisable, uncaught = sys.unraisablehook, sys.excepthook

    def of_lost(failed: Any) -> None:
        if not isinstance(failed.exc_value, UnicodeDecodeError):
            unraisable(failed)

    def of_printed(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if kind is not UnicodeDecodeError:
            uncaught(kind, error, trace)

    sys.unraisablehook, sys.excepthook = of_lost, of_printed
    try:
        yield
    finally:
        sys.unraisablehook, sys.excepthook = unraisable, uncaught


def check_sources(path: Path, allow_outside: bool = False) -> None:
    """Refuse a VRT that names addresses, or files that are neither beside nor below it; and pipes.

    Args:
        path: of a file of any format; only VRTs name other files.
        allow_outside: a VRT may name any local file.

    Raises:
        ReadError: it does, or it is damaged; or it is a pipe or a device, or one is beside it; or
            its mask or overviews beside it are no image, but may name other files.
    """
    check_regular(path, beside=True)
    _check_metadata(path)
    check_beside(path)
    if path.suffix.lower() == ".vrt" and path.is_file():
        stat = path.stat()
        _check(path, allow_outside, 0, (stat.st_mtime_ns, stat.st_size))


def _check_metadata(path: Path) -> None:
    """Refuse a damaged `NAME.aux.xml`, which GDAL would leave out with a message that is no text.

    Raises:
        ReadError: it is not XML.
    """
    beside = path.with_name(f"{path.name}.aux.xml")
    if not beside.is_file():
        return
    with beside.open("rb") as file:
        content = file.read(MAX_VRT)
    try:
        ElementTree.fromstring(decoded(content)[0])
    except (ElementTree.ParseError, ValueError) as error:
        raise ReadError(f"{beside}: damaged ({error}); remove it") from error


def check_beside(path: Path) -> None:
    """Refuse a mask or overviews that are no image, such as a VRT, whose sources may be anywhere.

    Raises:
        ReadError: `NAME.msk` or `NAME.ovr` is another file.
    """
    for ending in BESIDE:
        beside = path.with_name(f"{path.name}{ending}")
        if not _is_file(beside):
            continue
        with beside.open("rb") as file:
            if not file.read(16).startswith(MAGIC):
                raise ReadError(
                    f"{beside}: wanted the mask or the overviews of {path.name} as a TIFF, got "
                    "another file; remove it, or convert it with gdal_translate -of GTiff"
                )
        check_beside(beside)


def check_opened(path: Path, source: Any) -> None:
    """Refuse overviews that are elsewhere, and a block that does not fit into memory.

    GDAL opens overviews from any place, also for a mask; and it decodes whole blocks, whose size a
    file without values only declares.

    Args:
        path: of the raster.
        source: the raster, opened, before anything but its metadata is read.

    Raises:
        ReadError: a file of overviews that is not beside the raster, or a block of more than half
            of this machine's memory.
    """
    rows, cols = max(source.block_shapes, key=math.prod, default=(0, 0))
    together = source.count if source.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "PIXEL" else 1
    dtype = next(iter(source.dtypes), "uint8")
    itemsize = 16 if "complex" in dtype else np.dtype(dtype).itemsize
    block = ArrayShape("one block", (rows, cols, together), dtype, itemsize, numeric=True)
    check_fits_memory(path, block, remedy="store it in tiles: gdal_translate -co TILED=YES")
    overviews, proxy = source.tags(ns="OVERVIEWS"), source.tags(ns="ProxyOverviewRequest")
    for name in filter(None, (overviews.get("OVERVIEW_FILE"), proxy.get("FILENAME"))):
        if re.fullmatch(r":::BASE:::[^/\\:<>]+", name) is None:
            raise ReadError(
                f"{path}: its metadata names the file of overviews {name[:200]!r}; wanted one "
                "beside it: remove OVERVIEW_FILE from the metadata, or NAME.aux.xml"
            )


@lru_cache(64)
def _check(path: Path, allow_outside: bool, depth: int, _: tuple[int, int]) -> None:
    if depth > MAX_DEPTH:
        raise ReadError(f"{path}: more than {MAX_DEPTH} VRTs within one another; build one VRT")
    for name, relative in _names(path):
        where = f"{path}: names the source {name[:200]!r}"
        source = path.parent / name if relative else Path(name)
        if _is_file(source) and _plain(name):
            real = source.resolve()
            if not allow_outside and not real.is_relative_to(path.resolve().parent):
                raise ReadError(
                    f"{where}, which is neither beside nor below it; --allow-outside "
                    "(allow_outside=True) permits local files elsewhere"
                )
            _check_kind(where, source, allow_outside, depth)
        elif not allow_outside:
            raise ReadError(
                f"{where}, which is not a file; copy its sources beside it, or permit local "
                "sources of every kind with --allow-outside (allow_outside=True)"
            )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _plain(name: str) -> bool:
    """Whether GDAL takes a name as that of a file, and not as a request to one of its drivers."""
    return re.match(r"[A-Za-z_0-9]{2,}:|[<{]", name.strip()) is None


def _check_kind(where: str, source: Path, allow_outside: bool, depth: int) -> None:
    _check_metadata(source)
    check_beside(source)
    with source.open("rb") as file:
        head = file.read(4096)
    if head.startswith(MAGIC):
        return
    if b"<VRTDataset" in head:
        stat = source.stat()
        _check(source, allow_outside, depth + 1, (stat.st_mtime_ns, stat.st_size))
    elif TEXT.search(head.split(b"\0")[0]) is not None:
        raise ReadError(
            f"{where}, which is a text and not an image; a VRT's sources are TIFF, PNG, JPEG, "
            "JPEG 2000, ERDAS, ENVI or VRT"
        )


def _names(path: Path) -> list[tuple[str, bool]]:
    """Names of a VRT's sources, and whether each is relative to the VRT.

    Raises:
        ReadError: not a VRT, or one with an address.
    """
    with path.open("rb") as file:
        content = file.read(MAX_VRT + 1)
    if len(content) > MAX_VRT:
        raise ReadError(f"{path}: a VRT of more than {MAX_VRT >> 20} MiB; build a smaller one")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError(f"{path}: not a readable VRT ({error}); save it as UTF-8") from error
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ReadError(f"{path}: a VRT has no document type; remove it")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise ReadError(f"{path}: not a readable VRT ({error})") from error
    names = []
    todo = [("", root)]
    while todo:
        parent, element = todo.pop()
        tag = element.tag.lower()
        if tag in PROSE and parent in PARENTS:
            continue
        todo.extend((tag, child) for child in element)
        attributes = {key.lower(): value for key, value in element.attrib.items()}
        for value in (element.text or "", *attributes.values()):
            if NETWORK.search(value):
                raise ReadError(
                    f"{path}: {element.tag} names {value.strip()[:200]!r}; addresses and network "
                    "files are never opened: download the source, and name the local file"
                )
        if tag in SOURCES and element.text:
            relative = attributes.get("relativetovrt", "0").strip() not in ("0", "")
            names.append((element.text.strip(), relative))
    return list(dict.fromkeys(names))
