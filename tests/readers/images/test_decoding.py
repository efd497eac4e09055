"""One image file.

References: the array that Pillow was given to write (lossless formats), the rules of
`readers.pictures` written out in NumPy, and Pillow's own `resize` on a square.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from spectrolite.errors import ReadError
from spectrolite.readers.images import decoding
from spectrolite.readers.images.decoding import read_picture

SMALL = settings(deadline=None, max_examples=100, derandomize=True)
RGB = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)


def written(image: Image.Image | NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def read(content: bytes, size: int | None = None) -> NDArray[np.uint8]:
    """As rows, cols, channels: the order in which they were written."""
    return read_picture(content, "a.png", size).transpose(1, 2, 0)


def message(content: bytes, size: int | None = None) -> str:
    with pytest.raises(ReadError) as caught:
        read_picture(content, "cat/1.png", size)
    return str(caught.value)


def outcome(content: bytes) -> NDArray[np.uint8] | str:
    """The pixels, or what is said instead."""
    try:
        return read(content)
    except ReadError as error:
        return str(error)


# What is read


@pytest.mark.parametrize("kind", ["BMP", "PNG", "PPM", "TIFF"])
def test_colours_come_back_as_they_were_written(kind: str) -> None:
    picture = read_picture(written(RGB, kind), "a")
    assert (picture.shape, str(picture.dtype)) == ((3, 12, 20), "uint8")
    np.testing.assert_array_equal(picture.transpose(1, 2, 0), RGB)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_come_close(kind: str) -> None:
    smooth = np.linspace(0, 255, 12 * 20 * 3).astype(np.uint8).reshape(12, 20, 3)
    assert np.abs(read(written(smooth, kind, quality=95)).astype(int) - smooth).max() < 12


def test_grey_and_black_and_white_become_three_equal_channels() -> None:
    grey = RGB[..., 0]
    np.testing.assert_array_equal(read(written(grey)), np.repeat(grey[..., None], 3, 2))
    ink = grey > 127
    np.testing.assert_array_equal(read(written(ink)), np.repeat(ink[..., None] * 255, 3, 2))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_of_16_bits_the_high_byte_is_kept(kind: str) -> None:
    deep = np.array([[0, 255, 256], [4095, 65279, 65535]], np.uint16)
    assert read(written(deep, kind))[..., 0].tolist() == [[0, 0, 1], [15, 254, 255]]


def test_colours_of_16_bits_lose_their_low_byte_too() -> None:
    deep = np.array([[[0, 256, 65535], [511, 512, 4095]]], ">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 2, 1, 16, 2, 0, 0, 0))
    content += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    np.testing.assert_array_equal(read(content), deep // 256)


def test_what_is_transparent_is_laid_over_white() -> None:
    alpha = np.random.default_rng(1).integers(0, 256, (12, 20, 1), np.uint8)
    alpha[0, :3, 0] = 0, 255, 128
    wanted = (RGB * (alpha / 255) + 255 * (1 - alpha / 255)).round()
    got = read(written(np.concatenate([RGB, alpha], 2))).astype(int)
    assert np.abs(got - wanted).max() <= 1
    assert got[0, 0].tolist() == [255, 255, 255]
    assert got[0, 1].tolist() == RGB[0, 1].tolist()
    grey = read(written(np.concatenate([RGB[..., :1], alpha], 2))).astype(int)
    assert np.abs(grey - wanted[..., :1]).max() <= 1


def test_a_palette_is_looked_up_and_its_transparent_colour_is_white() -> None:
    indices = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = Image.fromarray(indices)
    image.putpalette(RGB[0, :6].tobytes())
    np.testing.assert_array_equal(read(written(image)), RGB[0, :6].reshape(2, 3, 3))
    clear = RGB[0, :6].copy()
    clear[4] = 255
    for kind in ("PNG", "GIF"):
        content = written(image, kind, transparency=4)
        np.testing.assert_array_equal(read(content), clear.reshape(2, 3, 3))


def test_cmyk_becomes_rgb_without_a_profile() -> None:
    inks = np.random.default_rng(2).integers(0, 256, (12, 20, 4), np.uint8)
    content = written(Image.fromarray(inks, "CMYK"), "TIFF")
    plain = 255 - inks.astype(float)
    wanted = plain[..., :3] * plain[..., 3:] / 255
    assert np.abs(read(content) - wanted).max() <= 1


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).transpose(1, 0, 2)),
        (8, np.rot90),
    ],
)
def test_exif_rotation_is_applied(orientation: int, upright: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read(written(RGB, "PNG", exif=exif)), upright(RGB))


def test_the_first_image_of_a_phones_file_is_taken() -> None:
    black = Image.new("RGB", (20, 12))
    content = written(
        Image.new("RGB", (20, 12), "white"), "MPO", save_all=True, append_images=[black]
    )
    assert Image.open(io.BytesIO(content)).n_frames == 2  # type: ignore[attr-defined]
    assert (read(content) == 255).all()


# Resizing


@pytest.mark.parametrize("size", [5, 12, 30])
def test_the_shorter_side_is_resized_and_the_centre_cut_out(size: int) -> None:
    width = round(20 * size / 12)
    left = (width - size) // 2
    wide = np.asarray(Image.fromarray(RGB).resize((width, size), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(read(written(RGB), size), wide[:, left : left + size])
    upright = np.ascontiguousarray(RGB.transpose(1, 0, 2))
    tall = np.asarray(Image.fromarray(upright).resize((size, width), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(read(written(upright), size), tall[left : left + size])


def test_an_image_of_the_wanted_size_is_left_alone_and_shrinking_is_antialiased() -> None:
    square = RGB[:, :12]
    np.testing.assert_array_equal(read(written(square), 12), square)
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    small = read(written(stripes), 8)  # without antialiasing it would be all black or all white
    assert np.abs(small.astype(int) - 127.5).max() < 20


# What is refused


def test_an_empty_file() -> None:
    assert message(b"") == "cat/1.png: an empty file, 0 bytes"


def test_a_text_named_like_an_image() -> None:
    assert message(b"hello, world") == (
        "cat/1.png: not an image of a supported format (BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP); it "
        "begins with b'hello, w'"
    )


def test_a_truncated_image() -> None:
    content = written(RGB, "JPEG")
    assert message(content[:-100]).startswith(
        "cat/1.png: a damaged image (OSError: image file is truncated ("
    )
    assert message(written(RGB)[:-60]) == (
        "cat/1.png: a damaged image (OSError: image file is truncated)"
    )


@SMALL
@given(st.sampled_from(["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"]), st.floats(0, 0.9999))
def test_a_cut_file_is_refused_or_has_lost_no_pixel(kind: str, share: float) -> None:
    content = written(RGB, kind)
    cut = content[: int(share * len(content))]
    got = outcome(cut)
    if isinstance(got, str):
        assert got.startswith("a.png: ")
    else:
        np.testing.assert_array_equal(got, read(content))


@SMALL
@given(
    st.sampled_from(["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"]),
    st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_random_bytes_never_crash(kind: str, strikes: list[tuple[float, int]]) -> None:
    content = bytearray(written(RGB, kind))
    for share, value in strikes:
        content[int(share * len(content))] = value
    got = outcome(bytes(content))
    assert got.startswith("a.png: ") if isinstance(got, str) else got.shape[2] == 3


def bomb(side: int) -> bytes:
    """A small PNG that promises side x side pixels."""
    header = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    content = bytearray(written(RGB))
    content[16:29] = header
    content[29:33] = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return bytes(content)


def test_decompression_bombs() -> None:
    assert message(bomb(9000)) == (
        "cat/1.png: 9000 x 9000 pixels, more than 67,108,864; make it smaller"
    )
    assert message(bomb(60000)) == (
        "cat/1.png: Image size (3600000000 pixels) exceeds limit of 178956970 pixels, could be "
        "decompression bomb DOS attack.; make it smaller"
    )


def test_a_text_bomb_in_a_png() -> None:
    packed = zlib.compress(bytes(2**27), 9)
    data = b"Comment\0\0" + packed
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    content = written(RGB)
    assert message(content[:33] + chunk + content[33:]) == (
        "cat/1.png: a damaged image (ValueError: Decompressed data too large for "
        "PngImagePlugin.MAX_TEXT_CHUNK)"
    )


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP"])
def test_animated_images(kind: str) -> None:
    frames = [Image.new("RGB", (20, 12), colour) for colour in ("red", "green", "blue")]
    content = written(frames[0], kind, save_all=True, append_images=frames[1:])
    assert message(content) == "cat/1.png: 3 frames; wanted one image per file"


@pytest.mark.parametrize(
    ("image", "mode"),
    [
        (Image.new("F", (4, 4)), "F"),
        (Image.new("I", (4, 4)), "I"),
        (Image.new("LAB", (4, 4)), "LAB"),
    ],
)
def test_kinds_of_pixel_that_have_no_rule(image: Image.Image, mode: str) -> None:
    assert message(written(image, "TIFF")) == (
        f"cat/1.png: pixels of Pillow's mode {mode}; wanted grey of 8 or 16 bits, a palette, RGB, "
        "RGBA or CMYK"
    )


def test_a_line_that_resizing_would_make_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 10_000)
    line = np.zeros((1, 500), np.uint8)
    assert read(written(line), 4).shape == (4, 4, 3)
    assert message(written(line), 5) == (
        "cat/1.png: 500 x 1 pixels are too long and narrow to be resized to 5; crop it"
    )


@pytest.mark.parametrize("highest", [255, 4095, 65535])
def test_grey_pgm_of_8_to_16_bits(highest: int) -> None:
    grey = np.random.default_rng(0).integers(0, highest + 1, (5, 7))
    head = f"P5\n7 5\n{highest}\n".encode()
    stored = grey.astype(np.uint8 if highest < 256 else ">u2").tobytes()
    eight_bits = np.round(grey / highest * 65535).astype(int) >> 8 if highest > 255 else grey
    assert np.abs(read(head + stored)[..., 0].astype(int) - eight_bits).max() <= (highest == 4095)
