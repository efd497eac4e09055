"""CIFAR-10 and CIFAR-100, the binary version: records of labels and pixels, nothing to unpickle.

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
from spectrolite.readers.images.archives import contents, listing

SHAPE = (3, 32, 32)
PIXEL_BYTES = 3 * 32 * 32


@dataclass(frozen=True)
class CifarFiles:
    """Where the records of a data set lie.

    Attributes:
        folder: what the archive unpacks to.
        archive: name of the archive.
        train: files of the training images, with the number of records of each.
        test: the same for the test images.
        label_bytes: bytes before the pixels; the last one is the class.
        class_names: name of each class, from 0.
    """

    folder: str
    archive: str
    train: Mapping[str, int]
    test: Mapping[str, int]
    label_bytes: int
    class_names: tuple[str, ...]

    @property
    def record_bytes(self) -> int:
        """Length of one record."""
        return self.label_bytes + PIXEL_BYTES


CIFAR10 = CifarFiles(
    folder="cifar-10-batches-bin",
    archive="cifar-10-binary.tar.gz",
    train={f"data_batch_{n}.bin": 10_000 for n in range(1, 6)},
    test={"test_batch.bin": 10_000},
    label_bytes=1,
    class_names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
)

CIFAR100 = CifarFiles(
    folder="cifar-100-binary",
    archive="cifar-100-binary.tar.gz",
    train={"train.bin": 50_000},
    test={"test.bin": 10_000},
    label_bytes=2,
    class_names=(
        "apple",
        "aquarium_fish",
        "baby",
        "bear",
        "beaver",
        "bed",
        "bee",
        "beetle",
        "bicycle",
        "bottle",
        "bowl",
        "boy",
        "bridge",
        "bus",
        "butterfly",
        "camel",
        "can",
        "castle",
        "caterpillar",
        "cattle",
        "chair",
        "chimpanzee",
        "clock",
        "cloud",
        "cockroach",
        "couch",
        "crab",
        "crocodile",
        "cup",
        "dinosaur",
        "dolphin",
        "elephant",
        "flatfish",
        "forest",
        "fox",
        "girl",
        "hamster",
        "house",
        "kangaroo",
        "keyboard",
        "lamp",
        "lawn_mower",
        "leopard",
        "lion",
        "lizard",
        "lobster",
        "man",
        "maple_tree",
        "motorcycle",
        "mountain",
        "mouse",
        "mushroom",
        "oak_tree",
        "orange",
        "orchid",
        "otter",
        "palm_tree",
        "pear",
        "pickup_truck",
        "pine_tree",
        "plain",
        "plate",
        "poppy",
        "porcupine",
        "possum",
        "rabbit",
        "raccoon",
        "ray",
        "road",
        "rocket",
        "rose",
        "sea",
        "seal",
        "shark",
        "shrew",
        "skunk",
        "skyscraper",
        "snail",
        "snake",
        "spider",
        "squirrel",
        "streetcar",
        "sunflower",
        "sweet_pepper",
        "table",
        "tank",
        "telephone",
        "television",
        "tiger",
        "tractor",
        "train",
        "trout",
        "tulip",
        "turtle",
        "wardrobe",
        "whale",
        "willow_tree",
        "wolf",
        "woman",
        "worm",
    ),
)

Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_cifar(known: CifarFiles, root: Path) -> tuple[Part, Part]:
    """Pixels `(N, 3, 32, 32)` and class indices `(N,)` of the training and of the test images.

    Args:
        known: which data set.
        root: the archive, the folder that it unpacks to, or a folder that holds one of the two.

    Raises:
        ReadError: a file is missing, has another length, or a record of an unknown class.
    """
    path, prefix, sizes = _found(known, root)
    files = {prefix + n: records for n, records in [*known.train.items(), *known.test.items()]}
    for name, records in files.items():
        wanted = records * known.record_bytes
        if name not in sizes:
            raise ReadError(
                f"{path}: no {name} in it; wanted {known.archive}, or what it unpacks to"
            )
        if sizes[name] != wanted:
            raise ReadError(
                f"{path}/{name}: wanted {wanted:,} bytes ({records:,} records of "
                f"{known.record_bytes:,}), got {sizes[name]:,}; copy or download it again"
            )
    read = {
        name: _records(known, content, f"{path}/{name}")
        for name, content in contents(path, {name: sizes[name] for name in files})
    }
    train, test = ([read[prefix + name] for name in part] for part in (known.train, known.test))
    return _joined(train), _joined(test)


def _found(known: CifarFiles, root: Path) -> tuple[Path, str, Mapping[str, int]]:
    """The folder or archive, what stands before a file's name in it, and sizes in bytes."""
    for folder in (root / known.folder, root):
        names = [n for n in (*known.train, *known.test) if (folder / n).is_file()]
        if names:
            return folder, "", {n: (folder / n).stat().st_size for n in names}
    path = root / known.archive if root.is_dir() else root
    if not path.is_file():
        raise ReadError(
            f"{root}: neither {known.archive} nor {known.folder} is there; give the folder that "
            "holds one of them"
        )
    return path, f"{known.folder}/", listing(path).files


def _records(known: CifarFiles, content: bytes, where: str) -> Part:
    records = np.frombuffer(content, np.uint8).reshape(-1, known.record_bytes)
    targets = records[:, known.label_bytes - 1].astype(np.int64)
    unknown = np.flatnonzero(targets >= len(known.class_names))
    if len(unknown):
        raise ReadError(
            f"{where}: record {unknown[0]}, from 0, has class {targets[unknown[0]]}; wanted 0 to "
            f"{len(known.class_names) - 1}"
        )
    return records[:, known.label_bytes :].reshape(-1, *SHAPE), targets


def _joined(parts: list[Part]) -> Part:
    return np.concatenate([p for p, _ in parts]), np.concatenate([t for _, t in parts])
