"""CIFAR's binary version.

References: records packed here byte by byte; the lengths that the authors publish.
"""

from __future__ import annotations

import io
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spectrolite.errors import ReadError
from spectrolite.readers.images.cifar import CIFAR10, CIFAR100, CifarLayout, read_cifar

TINY10 = replace(
    CIFAR10, train={f"data_batch_{n}.bin": 4 for n in range(1, 6)}, test={"test_batch.bin": 3}
)
TINY100 = replace(CIFAR100, train={"train.bin": 6}, test={"test.bin": 2})
TINY = pytest.mark.parametrize("layout", [TINY10, TINY100], ids=["cifar10", "cifar100"])


def files_of(layout: CifarLayout) -> dict[str, int]:
    return {**layout.train, **layout.test}


def record(layout: CifarLayout, number: int) -> tuple[bytes, int, list[list[list[int]]]]:
    """A record's bytes, its class, and its value at each channel, row and column."""
    target = number * 7 % layout.classes
    image = [
        [[(number + 50 * c + 3 * r + k) % 256 for k in range(32)] for r in range(32)]
        for c in range(3)
    ]
    labels = [19] * (layout.label_bytes - 1) + [target]
    values = [v for channel in image for row in channel for v in row]
    return struct.pack(f"{len(labels) + len(values)}B", *labels, *values), target, image


def packed(layout: CifarLayout) -> dict[str, bytes]:
    """The files' bytes; records are numbered through."""
    made, start = {}, 0
    for name, records in files_of(layout).items():
        made[name] = b"".join(record(layout, start + n)[0] for n in range(records))
        start += records
    return made


def unpacked(layout: CifarLayout, root: Path) -> Path:
    """The folder that the archive unpacks to."""
    (root / layout.folder).mkdir(parents=True)
    for name, content in packed(layout).items():
        (root / layout.folder / name).write_bytes(content)
    return root / layout.folder


def archive(layout: CifarLayout, root: Path) -> Path:
    with tarfile.open(root / layout.archive, "w:gz") as tar:
        for name, content in packed(layout).items():
            header = tarfile.TarInfo(f"{layout.folder}/{name}")
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return root / layout.archive


def message(layout: CifarLayout, root: Path) -> str:
    with pytest.raises(ReadError) as caught:
        read_cifar(layout, root)
    return str(caught.value)


def check(layout: CifarLayout, root: Path) -> None:
    train, test = read_cifar(layout, root)
    wanted = [record(layout, n) for n in range(sum(files_of(layout).values()))]
    for (pixels, targets), records in (
        (train, wanted[: sum(layout.train.values())]),
        (test, wanted[sum(layout.train.values()) :]),
    ):
        assert (str(pixels.dtype), str(targets.dtype)) == ("uint8", "int64")
        assert targets.tolist() == [target for _, target, _ in records]
        np.testing.assert_array_equal(pixels, [image for _, _, image in records])


@TINY
def test_every_way_to_name_the_folder(layout: CifarLayout, tmp_path: Path) -> None:
    folder = unpacked(layout, tmp_path)
    check(layout, folder)
    check(layout, tmp_path)


@TINY
def test_every_way_to_name_the_archive(layout: CifarLayout, tmp_path: Path) -> None:
    path = archive(layout, tmp_path)
    check(layout, path)
    check(layout, tmp_path)


def test_the_files_have_the_published_lengths() -> None:
    assert {n * CIFAR10.record_bytes for n in files_of(CIFAR10).values()} == {30_730_000}
    assert [n * CIFAR100.record_bytes for n in files_of(CIFAR100).values()] == [
        153_700_000,
        30_740_000,
    ]
    assert (CIFAR10.classes, CIFAR100.classes) == (10, 100)


def test_nothing_there(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "none"):
        assert message(TINY10, root) == (
            f"{root}: holds neither cifar-10-binary.tar.gz nor cifar-10-batches-bin; give the "
            "folder that holds one of them"
        )


def test_a_missing_file(tmp_path: Path) -> None:
    folder = unpacked(TINY10, tmp_path)
    (folder / "data_batch_3.bin").unlink()
    assert message(TINY10, tmp_path) == (
        f"{folder}: no data_batch_3.bin in it; wanted cifar-10-binary.tar.gz, or what it unpacks to"
    )


def test_the_python_version_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / TINY10.archive
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("cifar-10-batches-py/data_batch_1"))
    assert message(TINY10, tmp_path) == (
        f"{path}: no cifar-10-batches-bin/data_batch_1.bin in it; wanted cifar-10-binary.tar.gz, "
        "or what it unpacks to"
    )


@pytest.mark.parametrize(("change", "got"), [(-1, "12,291"), (1, "12,293"), (-12292, "0")])
def test_a_file_of_the_wrong_length(tmp_path: Path, change: int, got: str) -> None:
    folder = unpacked(TINY10, tmp_path)
    content = (folder / "data_batch_2.bin").read_bytes()
    (folder / "data_batch_2.bin").write_bytes((content + b"x")[: len(content) + change])
    assert message(TINY10, folder) == (
        f"{folder}/data_batch_2.bin: wanted 12,292 bytes (4 records of 3,073), got {got}; copy or "
        "download it again"
    )


def test_a_file_of_the_wrong_length_in_the_archive(tmp_path: Path) -> None:
    path = archive(replace(TINY100, test={"test.bin": 5}), tmp_path)
    assert message(TINY100, tmp_path) == (
        f"{path}/cifar-100-binary/test.bin: wanted 6,148 bytes (2 records of 3,074), got 15,370; "
        "copy or download it again"
    )


def test_an_archive_that_was_cut(tmp_path: Path) -> None:
    path = archive(TINY10, tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    assert message(TINY10, path) == (
        f"{path}: a damaged archive (EOFError: Compressed file ended before the end-of-stream "
        "marker was reached); copy or pack it again"
    )


@TINY
def test_an_unknown_class_is_refused(layout: CifarLayout, tmp_path: Path) -> None:
    folder = unpacked(layout, tmp_path)
    (name, *_) = layout.test
    content = bytearray((folder / name).read_bytes())
    content[layout.record_bytes + layout.label_bytes - 1] = layout.classes
    (folder / name).write_bytes(content)
    classes = layout.classes
    assert message(layout, folder) == (
        f"{folder}/{name}: record 1, from 0, has class {classes}; wanted 0 to {classes - 1}"
    )
