"""Files of a folder, a `.tar`, a `.tar.gz` or a `.zip`, by paths that stay inside it.

Nothing is unpacked to disk. `listing` reads only names and declared sizes; then `contents` reads
one file at a time, never more of it than was declared. Both also read a `.zip` that lies in another
archive, as satellite products are delivered.

Files that operating systems create are not listed: names that begin with a dot (`.DS_Store`,
`._photo.jpg`), `__MACOSX`, `Thumbs.db` and `desktop.ini`.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from spectrolite.errors import ReadError

ENDINGS = (".tar", ".tar.gz", ".tgz", ".zip")

MAX_FILES = 2**21  # ImageNet has 1.3 million
MAX_BYTES = 2**36  # 64 GiB over all files, as declared
MAX_READ = 2**28  # 256 MiB at once: tarfile reads extended headers of any length in one piece
MAX_INNER = 2**26  # 64 MiB at once of a zip in an archive, whose sizes no file on the disk bounds
MAX_DIRECTORY = 2**22  # 4 MiB of names in it; zipfile makes about ten times as much of them

SYSTEM_FILES = ("__MACOSX", "Thumbs.db", "desktop.ini")
TAR_BLOCK = 512


@dataclass(frozen=True)
class Listing:
    """Contents that a folder or an archive declares.

    Attributes:
        files: path inside, with `/` between its parts, to declared size in bytes; in the order of
            the archive, sorted for a folder.
        folders: paths of the folders inside, including empty ones.
        starts: where the content of each file begins in a tar, unpacked; empty for others.
    """

    files: dict[str, int] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    starts: dict[str, int] = field(default_factory=dict)


Member = tuple[str, int | None, int | None]
"""A path inside, its declared size or None for a folder, and its start in a tar or None."""


def listing(path: Path, inside: str | None = None, most: int | None = None) -> Listing:
    """Names and sizes, without reading a file.

    Args:
        path: a folder or an archive.
        inside: a `.zip` in the archive, as `listing` names it; its contents are listed instead.
        most: files and folders that it may have; default: `MAX_FILES`.

    Raises:
        ReadError: no such file, another ending, a damaged archive, a path or a link that leads
            outside, a name that is not text or appears twice, a special file, or too many files.
    """
    most = MAX_FILES if most is None else most
    if path.is_dir():
        return _checked(path, _walk(path), most)
    if not path.is_file():
        raise ReadError(f"{path}: no such file or folder")
    if not path.name.lower().endswith(ENDINGS):
        raise ReadError(f"{path}: wanted a folder or one of {', '.join(ENDINGS)}")
    if inside is not None:
        return _checked(path / inside, _zip_members(path, inside), most)
    members = _zip_members if _is_zip(path) else _tar_members
    return _checked(path, members(path), most)


def contents(
    path: Path, files: Mapping[str, int], inside: str | None = None
) -> Iterator[tuple[str, bytes]]:
    """Each file of `files`, name and bytes, in the order of the archive.

    Args:
        path: the folder or archive.
        files: some of the files of `listing`.
        inside: as of `listing`.

    Raises:
        ReadError: a file that cannot be read.
    """
    if path.is_dir():
        for name, size in files.items():
            try:
                with (path / name).open("rb") as file:
                    yield name, file.read(size)
            except OSError as error:
                raise ReadError(f"{path}/{name}: cannot be read ({error.strerror})") from error
    elif _is_zip(path) or inside is not None:
        with _opened_zip(path, inside) as archive:
            for info in archive.infolist():
                name = _inside(path, info.filename)
                if name in files and not info.is_dir():
                    yield name, _whole(path, name, files[name], archive.read(info))
    else:
        with _opened_tar(path) as (tar, _):
            for member in tar:
                name = _inside(path, member.name)
                if name in files and member.isfile():
                    stream = tar.extractfile(member)
                    content = stream.read() if stream else b""
                    yield name, _whole(path, name, files[name], content)


def _checked(path: Path, found: Iterator[Member], most: int) -> Listing:
    """Collect names and sizes while they are within the limits; a folder has no size."""
    listed, total = Listing(), 0
    for count, (name, size, start) in enumerate(found, start=1):
        total += size or 0
        # Check before the next header: finding it means unpacking what is before it.
        if count > most or total > MAX_BYTES:
            raise ReadError(
                f"{path}: more than {most:,} files or {MAX_BYTES / 2**30:.0f} GiB as "
                f"declared, up to {name}; use a part of it"
            )
        if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
            raise ReadError(f"{path}: the name {name!r} is not printable text; rename it")
        if any(part.startswith(".") or part in SYSTEM_FILES for part in name.split("/")):
            continue
        if size is None:
            listed.folders.add(name)
        elif name in listed.files:
            raise ReadError(f"{path}: {name} appears twice; pack it again")
        else:
            listed.files[name] = size
            if start is not None:
                listed.starts[name] = start
    return listed


def _walk(root: Path) -> Iterator[Member]:
    def unreadable(error: OSError) -> None:
        raise ReadError(f"{error.filename}: cannot be read ({error.strerror})") from error

    for folder, below, names in os.walk(root, onerror=unreadable):
        # In place: `os.walk` does not enter what is removed here.
        below[:] = sorted(n for n in below if not n.startswith(".") and n not in SYSTEM_FILES)
        for name in [*below, *sorted(names)]:
            file = Path(folder, name)
            inside = file.relative_to(root).as_posix()
            if file.is_symlink():
                _check_link(root, file)
            if name in below:
                yield inside, None, None
            elif stat.S_ISREG((status := file.stat()).st_mode):
                yield inside, status.st_size, None
            else:
                raise ReadError(f"{file}: not a regular file; remove it")


def _check_link(root: Path, file: Path) -> None:
    """A link may only lead to a file inside `root`."""
    try:
        target = file.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ReadError(f"{file}: a link that leads nowhere; remove it") from error
    if not target.is_relative_to(root.resolve()):
        raise ReadError(f"{file}: a link out of {root}, to {target}; replace it with a copy")
    if target.is_dir():
        raise ReadError(f"{file}: a link to a folder; replace it with a copy")


def _zip_members(path: Path, inside: str | None = None) -> Iterator[Member]:
    with _opened_zip(path, inside) as archive:
        path = path / (inside or "")
        for info in archive.infolist():
            name = _inside(path, info.filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ReadError(f"{path}: {name} is a link or a device; pack the file itself")
            if info.flag_bits & 1:
                raise ReadError(f"{path}: {name} is encrypted; pack it without a password")
            if name:
                yield name, None if info.is_dir() else info.file_size, None


def _tar_members(path: Path) -> Iterator[Member]:
    with _opened_tar(path) as (tar, stream):
        for member in tar:
            name = _inside(path, member.name)
            if not member.isfile() and not member.isdir():
                raise ReadError(f"{path}: {name} is a link or a device; pack the file itself")
            if name:
                size = None if member.isdir() else member.size
                # the parts of a sparse file are not where they belong
                yield name, size, None if member.issparse() else member.offset_data
        # A tar ends with blocks of zeros; without them it was cut off, perhaps between two files.
        stream.seek(tar.offset)
        if stream.read(TAR_BLOCK) != bytes(TAR_BLOCK):
            raise ReadError(f"{path}: cut off: the end mark of a tar is missing; copy it again")


def _inside(path: Path, name: str) -> str:
    """A member's name as parts with `/` between them; `./` in front is dropped."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in parts[0] or "\0" in name:
        raise ReadError(
            f"{path}: the name {name!r} leads out of the archive; pack it again, with names like "
            "folder/file"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _whole(path: Path, name: str, size: int, content: bytes) -> bytes:
    if len(content) != size:
        raise ReadError(
            f"{path}/{name}: {size:,} bytes declared, {len(content):,} found; pack it again"
        )
    return content


def _is_zip(path: Path) -> bool:
    return path.name.lower().endswith(".zip")


class _Bounded:
    """A stream that never returns more than `most` bytes at once."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream = stream
        self.most = most
        self.tell, self.seek, self.seekable = stream.tell, stream.seek, stream.seekable

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; below 0, all that are left."""
        content = self._stream.read(size) if 0 <= size <= self.most else b""
        if size < 0:
            content = self._stream.read(self.most + 1)
            size = len(content)
        if size > self.most:
            raise tarfile.ReadError(f"{size} bytes in one piece, more than {self.most}")
        return content


@contextmanager
def _opened_tar(path: Path) -> Iterator[tuple[tarfile.TarFile, _Bounded]]:
    with _damage(path), path.open("rb") as file:
        packed = path.name.lower().endswith("gz")
        stream = _Bounded(
            gzip.GzipFile(fileobj=file) if packed else file,  # type: ignore[arg-type]
            MAX_READ,
        )
        with tarfile.open(fileobj=stream, mode="r:") as tar:  # type: ignore[call-overload]
            yield tar, stream


@contextmanager
def _opened_zip(path: Path, inside: str | None = None) -> Iterator[zipfile.ZipFile]:
    if inside is None:
        with _damage(path), zipfile.ZipFile(path) as archive:
            yield archive
    else:
        with _opened_member(path, inside) as stream, _damage(path / inside):
            bounded = _Bounded(stream, MAX_DIRECTORY)
            with zipfile.ZipFile(bounded) as archive:
                bounded.most = MAX_INNER
                yield archive


@contextmanager
def _opened_member(path: Path, name: str) -> Iterator[IO[bytes]]:
    """A file of an archive as a stream; going back in it may mean to unpack it again."""
    if _is_zip(path):
        with _opened_zip(path) as archive:
            infos = archive.infolist()
            info = next(i for i in infos if _inside(path, i.filename) == name)
            with archive.open(info) as stream:
                yield stream
    else:
        with _opened_tar(path) as (tar, _):
            member = next(m for m in tar if _inside(path, m.name) == name and m.isfile())
            unpacked = tar.extractfile(member)
            assert unpacked is not None  # it is a file
            yield unpacked


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Errors of the libraries for a damaged archive, as ReadError."""
    try:
        yield
    except ReadError:
        raise
    except Exception as error:  # tarfile and zipfile raise many kinds of errors
        raise ReadError(
            f"{path}: a damaged archive ({type(error).__name__}: {error}); copy or pack it again"
        ) from error
