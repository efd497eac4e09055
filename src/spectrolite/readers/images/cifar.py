"""CIFAR-10 and CIFAR-100, the binary version: records of labels and pixels, no pickle.

A record is one label byte (CIFAR-100: the coarse class, then the fine one, which is read), then
1,024 bytes each of red, green and blue, row by row. Krizhevsky, "Learning Multiple Layers of
Features from Tiny Images", 2009; www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import ReadError
from spectrolite.readers.archives import contents, listing

SHAPE = (3, 32, 32)
PIXEL_BYTES = 3 * 32 * 32


@dataclass(frozen=True)
class CifarLayout:
    """The files of a data set and the records in them.

    Attributes:
        folder: what the archive unpacks to.
        archive: name of the archive.
        train: files of the training images, with the number of records of each.
        test: the same for the test images.
        label_bytes: bytes before the pixels; the last one is the class.
        classes: how many classes there are.
    """

    folder: str
    archive: str
    train: Mapping[str, int]
    test: Mapping[str, int]
    label_bytes: int
    classes: int

    @property
    def record_bytes(self) -> int:
        """Length of one record."""
        return self.label_bytes + PIXEL_BYTES


CIFAR10 = CifarLayout(
    folder="cifar-10-batches-bin",
    archive="cifar-10-binary.tar.gz",
    train={f"data_batch_{n}.bin": 10_000 for n in range(1, 6)},
    test={"test_batch.bin": 10_000},
    label_bytes=1,
    classes=10,
)

CIFAR100 = CifarLayout(
    folder="cifar-100-binary",
    archive="cifar-100-binary.tar.gz",
    train={"train.bin": 50_000},
    test={"test.bin": 10_000},
    label_bytes=2,
    classes=100,
)

Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_cifar(layout: CifarLayout, root: Path) -> tuple[Part, Part]:
    """Pixels `(N, 3, 32, 32)` and class indices `(N,)` of the training and of the test images.

    Args:
        layout: of the data set: `CIFAR10` or `CIFAR100`.
        root: the archive, the folder that it unpacks to, or a folder that holds one of the two.

    Raises:
        ReadError: a file is missing, has another length, or a record of an unknown class.
    """
    path, prefix, sizes = _locate(layout, root)
    files = {prefix + n: records for n, records in [*layout.train.items(), *layout.test.items()]}
    for name, records in files.items():
        wanted = records * layout.record_bytes
        if name not in sizes:
            raise ReadError(
                f"{path}: no {name} in it; wanted {layout.archive}, or what it unpacks to"
            )
        if sizes[name] != wanted:
            raise ReadError(
                f"{path}/{name}: wanted {wanted:,} bytes ({records:,} records of "
                f"{layout.record_bytes:,}), got {sizes[name]:,}; copy or download it again"
            )
    read = {
        name: _records(layout, content, f"{path}/{name}")
        for name, content in contents(path, {name: sizes[name] for name in files})
    }
    train, test = ([read[prefix + name] for name in part] for part in (layout.train, layout.test))
    return _joined(train), _joined(test)


def _locate(layout: CifarLayout, root: Path) -> tuple[Path, str, Mapping[str, int]]:
    """The folder or archive, the prefix of file names in it, and sizes in bytes."""
    for folder in (root / layout.folder, root):
        names = [n for n in (*layout.train, *layout.test) if (folder / n).is_file()]
        if names:
            return folder, "", {n: (folder / n).stat().st_size for n in names}
    path = root / layout.archive if root.is_dir() else root
    if not path.is_file():
        raise ReadError(
            f"{root}: holds neither {layout.archive} nor {layout.folder}; give the folder that "
            "holds one of them"
        )
    return path, f"{layout.folder}/", listing(path).files


def _records(layout: CifarLayout, content: bytes, where: str) -> Part:
    records = np.frombuffer(content, np.uint8).reshape(-1, layout.record_bytes)
    targets = records[:, layout.label_bytes - 1].astype(np.int64)
    unknown = np.flatnonzero(targets >= layout.classes)
    if len(unknown):
        raise ReadError(
            f"{where}: record {unknown[0]}, from 0, has class {targets[unknown[0]]}; wanted 0 to "
            f"{layout.classes - 1}"
        )
    return records[:, layout.label_bytes :].reshape(-1, *SHAPE), targets


def _joined(parts: list[Part]) -> Part:
    return np.concatenate([p for p, _ in parts]), np.concatenate([t for _, t in parts])
