"""Folders, tars and zips, and those made to do harm.

References: what the standard library's `tarfile` and `zipfile` wrote, headers set by hand, and the
files themselves.
"""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrolite.errors import ReadError
from spectrolite.readers import archives
from spectrolite.readers.archives import contents, listing

FILES = {"a/1.png": b"one", "a/2.png": b"", "b/deep/3.png": b"three" * 400}
CLUTTER = {
    ".DS_Store": b"x",
    "a/.hidden.png": b"x",
    "__MACOSX/a/1.png": b"x",
    "b/Thumbs.db": b"x",
    "b/desktop.ini": b"x",
    ".git/config": b"x",
}


def as_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def as_tar(path: Path, files: dict[str, bytes], **change: Any) -> Path:
    """A tar; `change` sets fields of every header."""
    with tarfile.open(path, "w:gz" if path.name.lower().endswith("gz") else "w") as tar:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            for key, value in change.items():
                setattr(header, key, value)
            tar.addfile(header, io.BytesIO(content))
    return path


def as_zip(path: Path, files: dict[str, bytes], mode: int = 0, packed: int = 8) -> Path:
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = packed
            archive.writestr(info, content)
    return path


MAKERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "all": as_folder,
    "all.tar": as_tar,
    "all.tar.gz": as_tar,
    "all.TGZ": as_tar,
    "all.zip": as_zip,
}


def message(path: Path) -> str:
    """What is said of a path that is read to its end."""
    with pytest.raises(ReadError) as caught:
        list(contents(path, listing(path).files))
    return str(caught.value)


@pytest.mark.parametrize("name", MAKERS)
def test_what_was_packed_comes_out_and_clutter_does_not(tmp_path: Path, name: str) -> None:
    path = MAKERS[name](tmp_path / name, {**FILES, **CLUTTER})
    listed = listing(path)
    assert listed.files == {n: len(content) for n, content in FILES.items()}
    assert dict(contents(path, listed.files)) == FILES
    assert list(contents(path, {"a/1.png": 3})) == [("a/1.png", b"one")]


def test_folders_without_a_file_are_listed(tmp_path: Path) -> None:
    (tmp_path / "all" / "a" / "empty").mkdir(parents=True)
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        tar.add(tmp_path / "all", arcname=".")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.mkdir("a/")
        archive.mkdir("a/empty/")
    for name in ("all", "all.tar", "all.zip"):
        assert listing(tmp_path / name).folders == {"a", "a/empty"}, name
        assert listing(tmp_path / name).files == {}


@pytest.mark.parametrize("name", ["none", "none.zip"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    assert message(tmp_path / name) == f"{tmp_path / name}: no such file or folder"


def test_another_ending(tmp_path: Path) -> None:
    path = tmp_path / "all.rar"
    path.touch()
    assert message(path) == f"{path}: wanted a folder or one of .tar, .tar.gz, .tgz, .zip"


# Links and special files


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    root = as_folder(tmp_path / "all", FILES)
    (tmp_path / "secret.png").write_bytes(b"secret")
    (root / "a" / "link.png").symlink_to(tmp_path / "secret.png")
    assert message(root) == (
        f"{root}/a/link.png: a link out of {root}, to {tmp_path.resolve()}/secret.png; replace it "
        "with a copy"
    )


def test_a_folder_linked_from_elsewhere_is_refused(tmp_path: Path) -> None:
    root = as_folder(tmp_path / "all", FILES)
    as_folder(tmp_path / "other", FILES)
    (root / "c").symlink_to(tmp_path / "other")
    assert message(root) == (
        f"{root}/c: a link out of {root}, to {tmp_path.resolve()}/other; replace it with a copy"
    )
    (root / "c").unlink()
    (root / "c").symlink_to(root / "a")
    assert message(root) == f"{root}/c: a link to a folder; replace it with a copy"


@pytest.mark.parametrize("target", ["nothing.png", "loop.png"])
def test_a_broken_link_is_refused(tmp_path: Path, target: str) -> None:
    root = as_folder(tmp_path / "all", FILES)
    (root / "a" / "loop.png").symlink_to(root / "a" / target)
    assert message(root) == f"{root}/a/loop.png: a link that leads nowhere; remove it"


def test_a_link_to_a_file_inside_is_followed_and_the_root_may_be_one(tmp_path: Path) -> None:
    root = as_folder(tmp_path / "all", FILES)
    (root / "a" / "link.png").symlink_to("1.png")
    (tmp_path / "door").symlink_to(root)
    assert dict(contents(tmp_path / "door", listing(tmp_path / "door").files)) == {
        **FILES,
        "a/link.png": b"one",
    }


def test_a_pipe_in_the_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    root = as_folder(tmp_path / "all", FILES)
    os.mkfifo(root / "a" / "pipe.png")
    assert message(root) == f"{root}/a/pipe.png: not a regular file; remove it"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    path = as_tar(tmp_path / "all.tar", {"a/1.png": b""}, type=kind, linkname="/etc/passwd")
    assert message(path) == f"{path}: a/1.png is a link or a device; pack the file itself"


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010666])
def test_links_and_devices_in_a_zip(tmp_path: Path, mode: int) -> None:
    path = as_zip(tmp_path / "all.zip", {"a/1.png": b"/etc/passwd"}, mode)
    assert message(path) == f"{path}: a/1.png is a link or a device; pack the file itself"


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = as_folder(tmp_path / "all", FILES)
    whole = os.scandir

    def locked(path: str) -> Any:
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", path)
        return whole(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert message(root) == f"{root}/b/deep: cannot be read (Permission denied)"


# Names


@pytest.mark.parametrize("ending", ["all.tar", "all.zip"])
@pytest.mark.parametrize(
    "name",
    ["../1.png", "a/../../1.png", "/etc/1.png", "C:/1.png", "C:\\1.png", "a\\..\\1.png", "a/.."],
)
def test_a_name_outside_the_archive_is_refused(tmp_path: Path, ending: str, name: str) -> None:
    path = MAKERS[ending](tmp_path / ending, {name: b"x"})
    assert message(path) == (
        f"{path}: the name {name!r} leads out of the archive; pack it again, with names like "
        "folder/file"
    )


@pytest.mark.parametrize("ending", ["all.tar", "all.zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_appears_twice_is_refused(tmp_path: Path, ending: str) -> None:
    path = MAKERS[ending](tmp_path / ending, {"a/1.png": b"x", "./a/1.png": b"y"})
    assert message(path) == f"{path}: a/1.png appears twice; pack it again"


@pytest.mark.parametrize("name", ["a/1\n.png", "a/\x1b[2J.png", "a/\udcff.png"])
@pytest.mark.parametrize("ending", ["all", "all.tar"])
def test_a_name_that_a_terminal_cannot_show(tmp_path: Path, ending: str, name: str) -> None:
    path = MAKERS[ending](tmp_path / ending, {name: b"x"})
    assert message(path) == f"{path}: the name {name!r} is not printable text; rename it"


# Damage


@settings(deadline=None, max_examples=80, derandomize=True)
@given(st.sampled_from(["all.tar", "all.tar.gz", "all.zip"]), st.floats(0, 0.9999))
def test_an_archive_that_was_cut_is_refused_or_still_has_everything(
    tmp_path_factory: pytest.TempPathFactory, name: str, share: float
) -> None:
    path = MAKERS[name](tmp_path_factory.mktemp("cut") / name, FILES)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    try:
        got: object = dict(contents(path, listing(path).files))
    except ReadError as error:
        got = str(error)
    if isinstance(got, str):
        assert got.startswith(f"{path}: ")
    else:
        assert got == FILES  # it was cut in its padding
        assert name != "all.zip"


@settings(deadline=None, max_examples=80, derandomize=True)
@given(
    st.sampled_from(["all.tar", "all.tar.gz", "all.zip"]),
    st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_random_bytes_never_crash(
    tmp_path_factory: pytest.TempPathFactory, name: str, strikes: list[tuple[float, int]]
) -> None:
    path = MAKERS[name](tmp_path_factory.mktemp("struck") / name, FILES)
    content = bytearray(path.read_bytes())
    for share, value in strikes:
        content[int(share * len(content))] = value
    path.write_bytes(content)
    try:
        listed = listing(path).files
        got: object = {n: len(c) for n, c in contents(path, listed)} == listed
    except ReadError as error:
        got = str(error).startswith(str(path))
    assert got is True


def test_a_tar_that_was_cut_between_two_files(tmp_path: Path) -> None:
    path = as_tar(tmp_path / "all.tar", {"a/1.png": b"x" * 512, "a/2.png": b"y" * 512})
    path.write_bytes(path.read_bytes()[:1024])
    assert message(path) == f"{path}: cut off: the end mark of a tar is missing; copy it again"


def test_something_else_under_an_archives_name(tmp_path: Path) -> None:
    for name, said in (
        ("all.tar", "ReadError: truncated header"),
        ("all.tar.gz", "BadGzipFile: Not a gzipped file (b'he')"),
        ("all.zip", "BadZipFile: File is not a zip file"),
    ):
        (tmp_path / name).write_bytes(b"hello")
        assert message(tmp_path / name) == (
            f"{tmp_path / name}: a damaged archive ({said}); copy or pack it again"
        )


def test_a_zip_whose_bytes_were_changed(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "all.zip", {"a/1.png": b"x" * 100}, packed=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"x" * 100, b"x" * 99 + b"y"))
    assert message(path) == (
        f"{path}: a damaged archive (BadZipFile: Bad CRC-32 for file 'a/1.png'); copy or pack it "
        "again"
    )


def test_an_encrypted_zip(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "all.zip", {"a/1.png": b"x"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # general purpose flag, bit 0
    path.write_bytes(content)
    assert message(path) == f"{path}: a/1.png is encrypted; pack it without a password"


# Bombs


def declaring(path: Path, size: int) -> Path:
    """A zip of one file of 1000 zeros whose directory declares `size` bytes."""
    as_zip(path, {"a/1.png": bytes(1000)})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    assert int.from_bytes(content[at : at + 4], "little") == 1000
    content[at : at + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)
    return path


def test_a_zip_that_holds_more_than_it_declares(tmp_path: Path) -> None:
    path = declaring(tmp_path / "all.zip", 10)
    assert message(path) == (
        f"{path}: a damaged archive (BadZipFile: Bad CRC-32 for file 'a/1.png'); copy or pack it "
        "again"
    )


def test_a_zip_that_holds_less_than_it_declares(tmp_path: Path) -> None:
    path = declaring(tmp_path / "all.zip", 2000)
    assert message(path) == f"{path}/a/1.png: 2,000 bytes declared, 1,000 found; pack it again"


def test_an_archive_that_declares_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "all.tar.gz"
    header = tarfile.TarInfo("a/1.png")
    header.size = archives.MAX_BYTES + 1
    with gzip.open(path, "wb") as file:  # the promised bytes are not even there
        file.write(header.tobuf())
    assert message(path) == (
        f"{path}: more than 2,097,152 files or 64 GiB as declared, up to a/1.png; use a part of it"
    )


@pytest.mark.parametrize("name", MAKERS)
def test_too_many_files(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 2)
    path = MAKERS[name](tmp_path / name, {f"{n}.png": b"" for n in (1, 2, 3)})
    assert message(path) == (
        f"{path}: more than 2 files or 64 GiB as declared, up to 3.png; use a part of it"
    )


def test_a_header_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "all.tar.gz"
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 2**33
    with gzip.open(path, "wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
    assert message(path) == (
        f"{path}: a damaged archive (ReadError: 8589934592 bytes in one piece, more than "
        "268435456); copy or pack it again"
    )


@pytest.mark.parametrize("outer", ["o.tar", "o.tar.gz", "o.zip"])
def test_a_zip_in_an_archive_is_read_like_an_archive(outer: str, tmp_path: Path) -> None:
    inner = as_zip(tmp_path / "in.zip", FILES).read_bytes()
    write = as_zip if outer == "o.zip" else as_tar
    path = write(tmp_path / outer, {"order/note.txt": b"x", "order/IN.ZIP": inner})
    inside = "order/IN.ZIP"
    assert listing(path).files == {"order/note.txt": 1, inside: len(inner)}
    listed = listing(path, inside)
    assert listed.files == {name: len(content) for name, content in FILES.items()}
    assert dict(contents(path, listed.files, inside)) == FILES
    evil = as_zip(tmp_path / "evil.zip", {"../1.png": b"x"}).read_bytes()
    path = write(tmp_path / outer, {inside: evil})
    with pytest.raises(ReadError) as caught:
        listing(path, inside)
    assert str(caught.value) == (
        f"{path}/{inside}: the name '../1.png' leads out of the archive; pack it again, with names "
        "like folder/file"
    )


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_where_the_files_of_a_tar_begin(name: str, tmp_path: Path) -> None:
    long = {f"{'n' * 200}/{name}": content for name, content in FILES.items()}  # as POSIX names
    path = as_tar(tmp_path / name, long)
    raw = path.read_bytes()
    unpacked = gzip.decompress(raw) if name.endswith("gz") else raw
    listed = listing(path)
    assert {
        one: unpacked[start : start + listed.files[one]] for one, start in listed.starts.items()
    } == long
    assert listing(as_zip(tmp_path / "a.zip", FILES)).starts == {}


@pytest.mark.parametrize("size", [5 << 20, (5 << 20) + 3])
def test_a_zip_in_an_archive_whose_directory_would_fill_the_memory(
    size: int, tmp_path: Path
) -> None:
    """Zeros, said to be the directory; a zip of 5 KB could declare gigabytes."""
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0)
    path = as_zip(tmp_path / "all.zip", {"in.zip": bytes(size) + end})
    with pytest.raises(ReadError) as caught:
        listing(path, "in.zip")
    assert str(caught.value) == (
        f"{path}/in.zip: a damaged archive (ReadError: {size} bytes in one piece, more than "
        "4194304); copy or pack it again"
    )


def test_a_member_of_a_zip_in_an_archive_is_read_up_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_INNER", 1 << 16)
    inner = tmp_path / "in.zip"
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_STORED) as file:
        file.writestr("a.xml", bytes(1 << 17))
    path = as_zip(tmp_path / "all.zip", {"in.zip": inner.read_bytes()})
    with pytest.raises(ReadError, match=r"131072 bytes in one piece, more than 65536"):
        dict(contents(path, {"a.xml": 1 << 17}, "in.zip"))
