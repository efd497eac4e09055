"""Augmentation and scaling of batches of images: `(N, C, H, W)` in, the same shape out.

Each function takes a batch of uint8 or floating point and a generator, and draws for all images at
once: the same generator state gives the same bits. Pixels are filled with 0: black before
`standardise`, the mean after it.
"""

from __future__ import annotations

from typing import Literal

import torch
from scipy import special
from torch import Generator, Tensor

from spectrolite.errors import ImagesError, SettingsError


def channel_statistics(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, to be computed on training images only.

    From counts of each value, so exact for any number of pixels.

    Args:
        pixels: `(N, C, H, W)` uint8.

    Returns:
        Mean and standard deviation, `(C,)` float32 each, of pixels divided by 255.

    Raises:
        ImagesError: a channel with the same value in all pixels.
    """
    counts = torch.stack([torch.bincount(c.flatten(), minlength=256) for c in pixels.unbind(1)])
    values = torch.arange(256, dtype=torch.float64) / 255
    share = counts / counts.sum(1, keepdim=True, dtype=torch.float64)
    mean = share @ values
    variance = (share * (values - mean[:, None]) ** 2).sum(1)
    constant = ((counts > 0).sum(1) == 1).nonzero().flatten().tolist()
    if constant:
        raise ImagesError(
            f"channel {constant[0]}, from 0, has one value in all {len(pixels)} training images; "
            "leave the channel out"
        )
    return mean.float(), variance.sqrt().float()


def standardise(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """`(pixels / 255 - mean) / std` for each channel, as float32.

    Args:
        pixels: `(N, C, H, W)` uint8.
        mean: `(C,)`, from `channel_statistics`.
        std: `(C,)`, from the same.

    Raises:
        ImagesError: images with another number of channels than `mean`.
    """
    if pixels.shape[1] != len(mean):
        raise ImagesError(
            f"the model was fitted on images of {len(mean)} channels, these have {pixels.shape[1]}"
        )
    scale = 1 / (255 * std)
    return pixels * scale[:, None, None] - (mean / std)[:, None, None]


def pad_crop(
    batch: Tensor, generator: Generator, pad: int = 4, fill: Literal["reflect", "zero"] = "reflect"
) -> Tensor:
    """Pad each side by `pad` pixels, and crop the original size at a random place in each image.

    Draws: `(N, 2)` row and column of the crop in the padded image, each 0 to `2 * pad`.

    Raises:
        SettingsError: an unknown fill, or `pad` not below the shorter side.
    """
    n, channels, height, width = batch.shape
    if fill not in ("reflect", "zero"):
        raise SettingsError(f"fill: wanted reflect or zero, got {fill!r}")
    if not 0 <= pad < min(height, width):
        raise SettingsError(
            f"pad: wanted 0 to {min(height, width) - 1} pixels for images of {height} x {width}, "
            f"got {pad}"
        )
    places = torch.randint(2 * pad + 1, (n, 2), generator=generator) - pad
    rows, cols = (
        torch.arange(side) + places[:, axis : axis + 1] for axis, side in enumerate((height, width))
    )
    # no padded copy: reflected indices and one gather
    from_row, from_col = _reflected(rows, height), _reflected(cols, width)
    index = (from_row[:, :, None] * width + from_col[:, None, :]).reshape(n, 1, -1)
    index = index.expand(n, channels, -1).to(batch.device)
    cut = batch.flatten(2).gather(2, index).view(batch.shape)
    if fill == "zero":
        outside = (rows != from_row)[:, None, :, None] | (cols != from_col)[:, None, None, :]
        cut = cut.masked_fill(outside.to(batch.device), 0)
    return cut


def _reflected(index: Tensor, side: int) -> Tensor:
    """Indices outside `0 .. side - 1` reflected at the border pixels, which are not repeated."""
    last = side - 1
    return last - (last - index.abs()).abs()


def random_flip(batch: Tensor, generator: Generator) -> Tensor:
    """Mirror half of the images, left to right.

    Draws: `(N,)` uniform numbers; an image with one below 0.5 is mirrored.
    """
    return _flipped(batch, torch.rand(len(batch), generator=generator) < 0.5)


def alternating_flip(batch: Tensor, first: Tensor, epoch: int) -> Tensor:
    """Mirror each image in every other epoch, so that two epochs show both sides of every image.

    With random flips, half of the images appear as in the epoch before. Source: Jordan, "94% on
    CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, arXiv:2404.00498. The images that start flipped
    are drawn once over the training set, before the first epoch:
    `torch.rand(images, generator=generator) < 0.5`.

    Args:
        batch: the images.
        first: `(N,)` bool, the images of this batch that are mirrored in even epochs.
        epoch: number of the epoch.
    """
    return _flipped(batch, first ^ (epoch % 2 == 1))


def _flipped(batch: Tensor, which: Tensor) -> Tensor:
    return torch.where(which.to(batch.device)[:, None, None, None], batch.flip(-1), batch)


def cutout(batch: Tensor, generator: Generator, side: int = 8) -> Tensor:
    """Blank a square of `side` pixels around a random pixel of each image, cut at the border.

    Source: DeVries, Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
    2017. Draws: `(N,)` row, then `(N,)` column of the centre; a square of even side extends one
    pixel more to the top and left.

    Raises:
        SettingsError: a side below 1.
    """
    if side < 1:
        raise SettingsError(f"cutout: wanted a side of 1 pixel or more, got {side}")
    blank = []
    for length in batch.shape[2:]:
        start = torch.randint(length, (len(batch), 1), generator=generator) - side // 2
        index = torch.arange(length)
        blank.append((index >= start) & (index < start + side))
    mask = blank[0][:, None, :, None] & blank[1][:, None, None, :]
    return batch.masked_fill(mask.to(batch.device), 0)


def mixup(
    batch: Tensor, targets: Tensor, classes: int, generator: Generator, alpha: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Blend each image with another image of the batch, and their classes in the same shares.

    Source: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018. One
    share for the whole batch, as in the paper's code. Draws: one uniform number, which the inverse
    of Beta(alpha, alpha) turns into the share; then a permutation of the batch.

    Args:
        batch: floating point, from `standardise`.
        targets: `(N,)` int64, class index from 0.
        classes: number of classes.
        generator: of the share and the permutation.
        alpha: above 0; with 1 all shares are equally likely, near 0 images are hardly mixed.

    Returns:
        The images, and `(N, classes)` float32 shares that sum to 1, for cross entropy.

    Raises:
        SettingsError: alpha out of range, or a batch of integers.
    """
    if not alpha > 0:
        raise SettingsError(f"mixup: wanted an alpha above 0, got {alpha}")
    if not batch.is_floating_point():
        raise SettingsError(f"mixup: wanted standardised images, got {batch.dtype}")
    uniform = torch.rand((), generator=generator, dtype=torch.float64).item()
    share = float(special.betaincinv(alpha, alpha, uniform))
    partners = torch.randperm(len(batch), generator=generator).to(batch.device)
    soft = torch.nn.functional.one_hot(targets, classes).float()
    return (
        share * batch + (1 - share) * batch[partners],
        share * soft + (1 - share) * soft[partners],
    )
