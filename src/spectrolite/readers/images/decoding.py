"""One image file through Pillow, as red, green and blue of 8 bits.

Rules, stated here once:
- EXIF rotation is applied;
- grey becomes three equal channels; palettes become colours; of 16 bits the high byte is kept;
- transparent pixels are blended with white;
- CMYK becomes RGB as (255 - ink) (255 - black) / 255, without the colour profile;
- anything else (32-bit, Lab, several frames) is refused. A phone's `MPO` counts as one image: its
  further frames are previews and depth maps.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from spectrolite.errors import ReadError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
ENDINGS = (
    ".bmp",
    ".gif",
    ".jpg",
    ".jpeg",
    ".png",
    ".ppm",
    ".pgm",
    ".pbm",
    ".tif",
    ".tiff",
    ".webp",
)

MAX_PIXELS = 2**26  # before and after resizing; cameras have 2**24 to 2**26
MAX_BYTES = 2**26  # of one file

PLAIN = ("1", "L", "P", "RGB", "CMYK")
TRANSPARENT = ("1", "L", "P", "RGB", "LA", "PA", "RGBA")


def read_picture(content: bytes, where: str, size: int | None = None) -> NDArray[np.uint8]:
    """Decode one image file.

    Args:
        content: the file's bytes.
        where: its name in messages.
        size: side in pixels of the square that it becomes: its shorter side is resized to `size`
            (bicubic, with antialiasing), the longer one in proportion, then the centre is cropped.
            None keeps the size.

    Returns:
        `(3, H, W)` uint8.

    Raises:
        ReadError: an empty, truncated or damaged file, not an image, too many pixels, several
            frames, or pixels that no rule above covers.
    """
    if not content:
        raise ReadError(f"{where}: an empty file, 0 bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what is refused or corrected below
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                _check_header(image, where)
                upright = ImageOps.exif_transpose(image)
            rgb = _rgb(upright, where, netpbm=content.startswith(b"P"))
            return _array(rgb if size is None else _resized(rgb, size, where))
    except ReadError:
        raise
    except UnidentifiedImageError as error:
        raise ReadError(
            f"{where}: not an image of a supported format ({', '.join(FORMATS)}); "
            f"it begins with {content[:8]!r}"
        ) from error
    except Image.DecompressionBombError as error:
        raise ReadError(f"{where}: {error}; make it smaller") from error
    except Exception as error:  # Pillow raises many kinds of errors for a damaged file
        raise ReadError(f"{where}: a damaged image ({type(error).__name__}: {error})") from error


def grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(3, H, W)` to `(1, H, W)`: luma, 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601)."""
    image = Image.fromarray(picture.transpose(1, 2, 0))
    return np.asarray(image.convert("L"))[None]


def _check_header(image: Image.Image, where: str) -> None:
    """Check the size before pixels are decoded."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ReadError(
            f"{where}: {width} x {height} pixels, more than {MAX_PIXELS:,}; make it smaller"
        )
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise ReadError(f"{where}: {frames} frames; wanted one image per file")


def _rgb(image: Image.Image, where: str, *, netpbm: bool) -> Image.Image:
    transparent = image.has_transparency_data
    # Pillow reads 16-bit PGM as 32-bit integers from 0 to 65535
    sixteen_bits = image.mode.startswith("I;16") or (netpbm and image.mode == "I")
    if sixteen_bits and not transparent:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode not in (TRANSPARENT if transparent else PLAIN):
        raise ReadError(
            f"{where}: pixels of Pillow's mode {image.mode}; wanted grey of 8 or 16 bits, a "
            "palette, RGB, RGBA or CMYK"
        )
    if not transparent:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("RGB")


def _resized(image: Image.Image, size: int, where: str) -> Image.Image:
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    if width * height > MAX_PIXELS:
        raise ReadError(
            f"{where}: {image.width} x {image.height} pixels are too long and narrow to be resized "
            f"to {size}; crop it"
        )
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - size) // 2, (height - size) // 2
    return image.crop((left, top, left + size, top + size))


def _array(image: Image.Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
