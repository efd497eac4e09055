"""Bad images typed as a user would: one line that names the file, exit 2, nothing left behind.

What the readers make of each kind of pixel and of damage is tested with the readers; here it is
that the whole of it comes through the command line. Reference: each set is made here, and is the
good one but for the one thing that its test is about.
"""

from __future__ import annotations

import io
import json
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import spectrolite as sl
from spectrolite.readers.images.cifar import CIFAR10, CIFAR100

Type = Callable[..., tuple[int, str, str]]
SMALL = ("--model", "mobilenet_v1", "--variant", "course", "--width", 0.05, "--epochs", 1)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def noise(channels: int, top: int = 256) -> NDArray[np.int64]:
    shape = (12, 12, channels) if channels > 1 else (12, 12)
    return np.random.default_rng(channels).integers(0, top, shape)


def coloured(channels: int, mode: str) -> Image.Image:
    return Image.frombytes(mode, (12, 12), noise(channels).astype(np.uint8).tobytes())


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    return encoded(coloured(3, "RGB"), "JPEG", exif=exif)


def bomb() -> bytes:
    """A PNG of 8 bytes of pixels whose header says 100,000 x 100,000."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + end

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(8))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


def made(root: Path, images: int = 12) -> Path:
    """Two classes of so many images of 12 x 12 pixels."""
    generator = np.random.default_rng(0)
    for name, grey in (("cat", 60), ("dog", 190)):
        (root / name).mkdir(parents=True)
        for n in range(images):
            pixels = generator.normal(grey, 20, (12, 12, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{n}.png")
    return root


DAMAGED: dict[str, tuple[bytes, str]] = {  # name: content, and what is said of it
    "none.jpg": (b"", "an empty file, 0 bytes"),
    "text.jpg": (
        b"hello",
        "not an image of a supported format (BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP); it begins with "
        "b'hello'",
    ),
    "bomb.png": (
        bomb(),
        "Image size (10000000000 pixels) exceeds limit of 178956970 pixels, could be decompression "
        "bomb DOS attack.; make it smaller",
    ),
    "cut.png": (encoded(coloured(3, "RGB"))[:200], "a damaged image (OSError: "),
    "cut.jpg": (encoded(coloured(3, "RGB"), "JPEG")[:400], "a damaged image (OSError: "),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named(
    typed: Type, digits_run: sl.Run, tmp_path: Path, name: str
) -> None:
    images = made(tmp_path / "set")
    content, said = DAMAGED[name]
    (images / "cat" / name).write_bytes(content)
    code, out, err = typed("train", "--images", images, *SMALL, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {images}/cat/{name}: {said}")
    code, out, again = typed("classify", digits_run.path, images / "cat" / name)
    assert (code, out, again) == (2, "", err)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_all_of_them_are_skipped_counted_and_listed_where_that_is_allowed(
    typed: Type, tmp_path: Path
) -> None:
    images = made(tmp_path / "set")
    for name, (content, _) in DAMAGED.items():
        (images / "cat" / name).write_bytes(content)
    flags = ("--images", images, *SMALL, "--skip-damaged", "--out", tmp_path / "run")
    code, out, err = typed("train", *flags, "--json")
    assert code == 0
    for name, (_, said) in DAMAGED.items():
        assert f"left out: {images}/cat/{name}: {said}" in err
    report = json.loads(out)
    assert report["protocol"]["skipped"] == len(DAMAGED)
    assert f"Damaged files left out, as --skip-damaged allows: {len(DAMAGED)}." in report["notes"]
    assert sum(row["train"] + row["test"] for row in report["per_class"]) == 22  # and 2 validate


def test_every_kind_of_pixel_trains_and_is_classified(
    typed: Type, digits_run: sl.Run, tmp_path: Path
) -> None:
    images = made(tmp_path / "set")
    deep = Image.fromarray(noise(1, 2**16).astype(np.uint16))
    kinds = {
        "grey.png": encoded(coloured(1, "L")),
        "rgba.png": encoded(coloured(4, "RGBA")),
        "palette.png": encoded(coloured(3, "RGB").quantize(16)),
        "deep.png": encoded(deep),
        "cmyk.jpg": encoded(coloured(4, "CMYK"), "JPEG"),
        "turned.jpg": turned(),
    }
    for name, content in kinds.items():
        (images / "dog" / name).write_bytes(content)
    code, out, err = typed("train", "--images", images, *SMALL, "--out", tmp_path / "run")
    assert (code, "left out" in err) == (0, False)
    assert "21, 3, 6" in out
    files = [images / "dog" / name for name in kinds]
    code, out, _ = typed("classify", digits_run.path, *files, "--json")
    assert code == 0
    assert [row["image"] for row in json.loads(out)["images"]] == [str(file) for file in files]


def empty_class(images: Path) -> Path:
    (images / "bird").mkdir()
    return images


def link_out(images: Path) -> Path:
    (images / "cat" / "out.png").symlink_to(images.parent)
    return images


def alike(images: Path) -> Path:
    shutil.copytree(images / "cat", images / "Cat")
    return images


def leading_out_of_a_tar(images: Path) -> Path:
    with tarfile.open(images.parent / "set.tar", "w") as tar:
        tar.add(images / "dog" / "0.png", "dog/0.png")
        tar.add(images / "cat" / "0.png", "../cat/0.png")
    return images.parent / "set.tar"


def leading_out_of_a_zip(images: Path) -> Path:
    with zipfile.ZipFile(images.parent / "set.zip", "w") as archive:
        archive.write(images / "cat" / "0.png", "../cat/0.png")
    return images.parent / "set.zip"


LEADS_OUT = (
    "{0}: the name '../cat/0.png' leads out of the archive; pack it again, with names like "
    "folder/file"
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (empty_class, "{0}/bird: a class folder without an image; remove it"),
        (link_out, "{0}/cat/out.png: a link out of {0}, to {1}; replace it with a copy"),
        (alike, "{0}: class names 'Cat' and 'cat' read alike; rename or merge them"),
        (leading_out_of_a_tar, LEADS_OUT),
        (leading_out_of_a_zip, LEADS_OUT),
    ],
)
def test_a_set_that_is_none_is_named(
    typed: Type, tmp_path: Path, change: Callable[[Path], Path], said: str
) -> None:
    images = change(made(tmp_path / "set"))
    there = sorted(tmp_path.iterdir())
    for allowed in ((), ("--skip-damaged",)):
        code, out, err = typed(
            "train", "--images", images, *SMALL, *allowed, "--out", tmp_path / "run"
        )
        assert (code, out) == (2, "")
        assert err == f"error: {said.format(images, tmp_path)}"
        assert sorted(tmp_path.iterdir()) == there


def test_one_image_a_class_is_named(typed: Type, tmp_path: Path) -> None:
    images = made(tmp_path / "pets", images=1)
    code, out, err = typed("train", "--images", images, *SMALL, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err == (
        "error: pets: class cat has one image; it takes two to have one on either side: add images "
        "or drop the class"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
def test_a_cifar_file_of_the_wrong_length_is_named(typed: Type, tmp_path: Path, data: str) -> None:
    known = CIFAR10 if data == "cifar10" else CIFAR100
    folder = tmp_path / known.folder
    folder.mkdir()
    for name in [*known.train, *known.test]:
        (folder / name).write_bytes(bytes(known.record_bytes))
    code, out, err = typed(
        "train", "--data", data, "--root", tmp_path, *SMALL, "--out", tmp_path / "run"
    )
    first, records = next(iter(known.train.items()))
    assert (code, out) == (2, "")
    assert err == (
        f"error: {folder}/{first}: wanted {records * known.record_bytes:,} bytes ({records:,} "
        f"records of {known.record_bytes:,}), got {known.record_bytes:,}; copy or download it again"
    )
