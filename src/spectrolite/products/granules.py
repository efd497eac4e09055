"""Products of DLR: a GeoTIFF of all bands, and beside it its METADATA.XML and quality layers.

The names of all files begin with the same stem, `STEM-SPECTRAL_IMAGE.TIF`, `STEM-METADATA.XML`,
`STEM-QL_QUALITY_CLOUD.TIF`; cloud-optimised copies end in `_COG.TIF`. The metadata say per band
where it is and how stored values become reflectance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

from spectrolite.errors import ReadError, listed
from spectrolite.products.archives import Members, is_archive, members_beside, members_of
from spectrolite.readers.text import decoded

MAX_METADATA = 32 << 20  # bytes; EnMAP's have about 4 MiB
METADATA = re.compile(r"((?:.*/)?[^/]*)METADATA\.xml", re.IGNORECASE)
IMAGE = re.compile(r"(.*)SPECTRAL_IMAGE(?:_COG)?\.tiff?", re.IGNORECASE)
ENDINGS = (".tif", "_cog.tif", ".tiff", "_cog.tiff")
LEVELS = ("metadata/schema/processingLevel", "base/level", "specific/code", "metadata/name")


@dataclass(frozen=True)
class Mission:
    """What tells the products of one mission.

    Attributes:
        name: `EnMAP`.
        files: how the names of its files begin, in lower case.
        band: tag of the element of a band in its metadata.
        fwhm: tag of the band's width in it.
        gain: tag of the factor of stored values.
        offset: tag of what is added then.
    """

    name: str
    files: str
    band: str
    fwhm: str
    gain: str
    offset: str


@dataclass(frozen=True)
class Granule:
    """A product of level 2A.

    Attributes:
        members: its files.
        metadata: name of its metadata among them.
        root: of the metadata.
    """

    members: Members
    metadata: str
    root: ElementTree.Element

    def named(self, layer: str) -> str | None:
        """The file of a layer, such as `SPECTRAL_IMAGE`, or None."""
        matched = METADATA.fullmatch(self.metadata)
        stem = "" if matched is None else matched[1]
        wanted = [f"{stem}{layer}{end}".lower() for end in ENDINGS]
        names = {name.lower(): name for name in self.members.sizes}
        return next((names[name] for name in wanted if name in names), None)

    def files(self, *layers: str) -> tuple[Path, ...]:
        """The archive, or the files of the metadata and of those layers that there are."""
        if self.members.archive is not None:
            return (self.members.place,)
        names = [self.metadata, *filter(None, map(self.named, layers))]
        return tuple(self.members.place / name for name in names)


def found(path: Path, mission: Mission) -> bool:
    """Whether a path is, or holds, a product of a mission, at any level or without a part."""
    try:
        documents = _documents(path)
        if documents is None:
            return False
        names = [Path(name).name for name in documents[0].sizes]
        if any(mission.fwhm in text for text in documents[1].values()):
            return True
    except (ReadError, OSError):  # for `granule` to report, if the name is one of the mission
        names = [f"{path.name} SPECTRAL_IMAGE"]
    parts = ("METADATA", "SPECTRAL_IMAGE", ".ZIP")
    return any(
        name.lower().startswith(mission.files) and any(part in name.upper() for part in parts)
        for name in names
    )


def granule(path: Path, mission: Mission) -> Granule:
    """The product that a path is or holds.

    Args:
        path: a folder, an archive, its METADATA.XML or its image.
        mission: of the product.

    Raises:
        ReadError: no metadata, several products, damaged metadata, or another level.
    """
    documents = _documents(path)
    title = f"{mission.name} L2A"
    if documents is None or not documents[1]:
        held = [] if documents is None else list(documents[0].sizes)
        packed = [name for name in held if name.lower().endswith(".zip")]
        if len(packed) > 1:
            raise ReadError(
                f"{path}: holds {len(packed)} archives, {listed(packed, 3)}; unpack it, and name "
                "one of them"
            )
        got = listed(held, 5) or "no such files"
        alone = (
            ", or read it as a GeoTIFF with --product none" if IMAGE.fullmatch(path.name) else ""
        )
        raise ReadError(
            f"{path}: wanted {title} with STEM-METADATA.XML beside STEM-SPECTRAL_IMAGE.TIF, got "
            f"{got}; unpack or download the product again, complete{alone}"
        )
    members, texts = documents
    if len(texts) > 1:
        raise ReadError(
            f"{path}: holds {len(texts)} products, {listed(list(texts), 3)}; name the METADATA.XML "
            "of one of them, unpacked if they are in an archive"
        )
    metadata, text = next(iter(texts.items()))
    shown = members.shown(metadata)
    one = Granule(members, metadata, _parsed(shown, text))
    stated = [one.root.findtext(place) or "" for place in LEVELS]
    levels = [m[0] for t in (*stated, metadata) if (m := re.search(r"L[0-3][A-C]", t.upper()))]
    if not levels or levels[0] != "L2A":
        level = levels[0] if levels else "metadata that state no level"
        raise ReadError(
            f"{shown}: wanted {title}, surface reflectance, got {mission.name} {level}; order or "
            "download that level"
        )
    return one


def _documents(path: Path) -> tuple[Members, dict[str, str]] | None:
    """The files of a place, and the texts of those that are metadata; None for other paths."""
    if path.is_dir():
        if path.suffix.lower() == ".zarr":
            return None
        return _texts(members_of(path))
    if is_archive(path):
        stat = path.stat()
        held = _of_archive(path, (stat.st_mtime_ns, stat.st_size))
        if isinstance(held, str):
            raise ReadError(held)
        return held
    matched = METADATA.fullmatch(path.name) or IMAGE.fullmatch(path.name)
    return _texts(members_beside(path, matched[1])) if matched and path.is_file() else None


@lru_cache(4)
def _of_archive(path: Path, _: tuple[int, int]) -> tuple[Members, dict[str, str]] | str:
    """The files and texts, or what is wrong: each product asks, and unpacking takes long."""
    try:
        return _texts(members_of(path))
    except ReadError as error:
        return str(error)


def _texts(members: Members) -> tuple[Members, dict[str, str]]:
    names = [name for name in members.sizes if METADATA.fullmatch(name)]
    if len(names) > 2:  # an error says so; their texts are not needed for it
        return members, dict.fromkeys(names, "")
    return members, {name: decoded(members.read(name, MAX_METADATA))[0] for name in names}


def _parsed(shown: Path, text: str) -> ElementTree.Element:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ReadError(f"{shown}: metadata of a product have no document type; download it again")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise ReadError(f"{shown}: damaged metadata ({error}); download it again") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # without a namespace
    return root
