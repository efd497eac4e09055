"""Files of a product in a folder or an archive, by names that stay inside it.

Products come as a folder, a `.zip`, a `.tar`, a `.tar.gz`, or a `.zip` within one of these. Nothing
is unpacked to disk: small files are read into memory, and GDAL reads rasters in their archive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from spectrolite.errors import ReadError
from spectrolite.files import check_regular, read_bytes
from spectrolite.readers.archives import ENDINGS, Listing, contents, listing

MOST = 5000  # files and folders; a product has about 15
CACHE = f"chunk_size={64 << 10}&cache_size={16 << 20}"


@dataclass(frozen=True)
class Members:
    """The files of a place.

    Attributes:
        place: a folder or an archive.
        sizes: name inside, with `/` between its parts, to declared size in bytes.
        archive: names in the archive itself to size, and to start in a tar; None for a folder.
        inside: the `.zip` in the archive that they are in, or None.
    """

    place: Path
    sizes: Mapping[str, int]
    archive: Listing | None = None
    inside: str | None = None

    @property
    def compressed(self) -> bool:
        """Whether what is before a byte may have to be unpacked to read it."""
        return self.archive is not None and (
            self.inside is not None or self.place.suffix.lower() != ".tar"
        )

    def shown(self, name: str) -> Path:
        """Where a file is, for people; it is a path of the machine only in a folder."""
        return self.place / (self.inside or "") / name

    def gdal_name(self, name: str) -> str:
        """What GDAL calls a file.

        Raises:
            ReadError: a sparse file of a tar.
        """
        if self.archive is None:
            return str(self.place / name)
        packed = self._packed(name if self.inside is None else self.inside)
        if self.inside is not None:
            packed = f"/vsizip/{{{packed}}}/{name}"
        # a TIFF lists its strips at one place: without a cache, going there unpacks much each time
        return f"/vsicached?{CACHE}&file={quote(packed)}" if self.compressed else packed

    def _packed(self, name: str) -> str:
        """What GDAL calls a file of the archive itself.

        Files of a tar are named by their place in it: GDAL's own reader of tars does not know the
        long names of POSIX.
        """
        assert self.archive is not None
        place = self.place.resolve()
        if place.suffix.lower() == ".zip":
            return f"/vsizip/{{{place}}}/{name}"
        start = self.archive.starts.get(name)
        if start is None:
            raise ReadError(f"{self.place / name}: a sparse file; pack it without --sparse")
        tar = place if place.suffix.lower() == ".tar" else f"/vsigzip/{place}"
        return f"/vsisubfile/{start}_{self.archive.files[name]},{tar}"

    def read(self, name: str, most: int) -> bytes:
        """All of a small file.

        Raises:
            ReadError: more than `most` bytes, or a damaged archive.
        """
        if self.archive is None:
            return read_bytes(self.place / name, most)
        size = self.sizes[name]
        if size > most:
            raise ReadError(f"{self.shown(name)}: {size:,} bytes, more than {most:,}")
        return next(contents(self.place, {name: size}, self.inside))[1]


def is_archive(path: Path) -> bool:
    """Whether a path is a file with the ending of an archive."""
    return path.name.lower().endswith(ENDINGS) and path.is_file()


def members_of(place: Path) -> Members:
    """The files of a folder, with those below it, or of an archive.

    Raises:
        ReadError: a name or a link that leads outside, an archive that is damaged or encrypted, a
            pipe or a device, or more than `MOST` files.
    """
    if place.is_dir():
        return Members(place, listing(place, most=MOST).files)
    stat = place.stat()
    return _of_archive(place, (stat.st_mtime_ns, stat.st_size))


def members_beside(file: Path, stem: str) -> Members:
    """The files in the folder of `file` whose names begin with `stem`.

    Raises:
        ReadError: a pipe or a device, or a link to another folder.
    """
    folder = file.parent
    sizes = {}
    for one in folder.iterdir():
        if one.name.startswith(stem) and not one.is_dir():
            check_regular(one)
            if one.is_symlink() and one.resolve().parent != folder.resolve() and one != file:
                raise ReadError(f"{one}: a link to another folder; replace it with a copy")
            sizes[one.name] = one.stat().st_size
    return Members(folder, sizes)


@lru_cache(8)
def _of_archive(place: Path, _: tuple[int, int]) -> Members:
    archive = listing(place, most=MOST)
    packed = [name for name in archive.files if name.lower().endswith(".zip")]
    if len(packed) == 1 and not any(name.lower().endswith(".xml") for name in archive.files):
        return Members(place, listing(place, packed[0], MOST).files, archive, packed[0])
    return Members(place, archive.files, archive)
