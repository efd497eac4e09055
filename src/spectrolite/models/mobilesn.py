"""MobileSN: MobileNetV2's inverted residuals on spectra, under the contract of scene networks.

Our own network, in the shape of MobileNetV2: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2:
Inverted Residuals and Linear Bottlenecks", CVPR 2018, section 3.

What is peculiar to it:
- 1x1 convolutions expand and mix a spectrum; only depthwise convolutions, one kernel a channel, see
  neighbouring pixels, so a wider receptive field costs few weights;
- every convolution is valid and has stride 1; a shortcut is cropped to its block's output;
- the receptive field is an argument and leaves depth and width unchanged: the three blocks divide
  its halo as evenly as possible, earlier blocks first, and a block without a share has 1x1 kernels.

Where we deviate from MobileNetV2: no padding and no stride; an expansion of 2 instead of 6; the
same width in all blocks, so that each has a shortcut; no pooling and no wide layer before the
classifier; PyTorch's default initial weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from spectrolite.errors import SettingsError
from spectrolite.models.blocks import (
    check_network,
    conv_norm,
    initialise,
    kernels_of,
    norm_and_activation,
)
from spectrolite.samples.receptive_field import input_mask, pixel_mask

CHANNELS = 48  # at width 1
EXPANSION = 2
BLOCKS = 3
MAX_RECEPTIVE_FIELD = 49  # pixels: larger depthwise kernels would dominate the network
VARIANTS = ("plain",)


class MobileSN(nn.Module):
    """`(N, bands, rows + 2 * halo, cols + 2 * halo) -> (N, classes, rows, cols)`, float32 logits.

    Args:
        bands: number of input bands or components, at least 1.
        classes: number of classes, at least 2.
        variant: `"plain"`, the only one.
        width: multiplier of the channels of every layer, 48 at 1, 0.05 to 8.
        receptive_field: odd side in pixels of the window that a logit is computed from, 1 to 49.
        generator: source of the initial weights; None: torch's global one.
        kernels: number of kernels of each depthwise layer of a pruned network; None: all.

    Attributes:
        halo: `receptive_field // 2`.

    Raises:
        SettingsError: an argument out of its range.
    """

    def __init__(
        self,
        bands: int,
        classes: int,
        variant: str = "plain",
        width: float = 1.0,
        receptive_field: int = 13,
        generator: torch.Generator | None = None,
        kernels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        _check(bands, classes, variant, width, receptive_field)
        self.bands, self.classes, self.variant = bands, classes, variant
        self.width, self.receptive_field = width, receptive_field
        self.halo = receptive_field // 2
        channels = max(round(width * CHANNELS), 1)
        reach, rest = divmod(self.halo, BLOCKS)
        self.stem = conv_norm(bands, channels, 1, nn.ReLU6)
        self.blocks = nn.ModuleList(
            InvertedResidual(channels, reach + (k < rest), hidden)
            for k, hidden in enumerate(kernels_of(kernels, [EXPANSION * channels] * BLOCKS))
        )
        self.head = nn.Conv2d(channels, classes, 1)
        initialise(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, bands, rows + 2 * halo, cols + 2 * halo) -> (N, classes, rows, cols)`."""
        x = _apply(self.stem, x.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x)
        return logits

    def at(self, x: Tensor, n: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """`forward(x)[n, :, rows, cols]`, with the last kernels applied at those pixels only.

        In training, BatchNorm counts only the positions that feed those pixels. Each pixel must be
        listed once only.

        Args:
            x: `(N, bands, rows + 2 * halo, cols + 2 * halo)`.
            n: `(P,)` int64, index into the batch.
            rows: `(P,)` int64, row in the output.
            cols: `(P,)` int64, column in the output.

        Returns:
            `(P, classes)` logits.
        """
        side = (x.shape[2] - 2 * self.halo, x.shape[3] - 2 * self.halo)
        reaches = [cast(InvertedResidual, block).reach for block in self.blocks]
        feeds: list[Tensor | None] = [None] * BLOCKS  # of what enters each block
        if self.training and len(n):
            feeding = pixel_mask(n, rows, cols, (len(x), *side))
            for k in range(BLOCKS - 1, -1, -1):
                feeding = feeds[k] = input_mask(feeding, reaches[k])
        x = _apply(self.stem, x.contiguous(memory_format=torch.channels_last), feeds[0])
        for k, block in enumerate(self.blocks[:-1]):
            x = block(x, feeds[k], feeds[k + 1])
        last = cast(InvertedResidual, self.blocks[-1])
        x = last.at(x, feeds[-1], n, rows, cols)  # (P, channels, 1, 1)
        return self.head(x).flatten(1)  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project without activation, and add the input.

    `(N, channels, H + 2 * reach, W + 2 * reach) -> (N, channels, H, W)`.
    """

    def __init__(self, channels: int, reach: int, hidden: int) -> None:
        super().__init__()
        self.reach = reach
        self.expand = conv_norm(channels, hidden, 1, nn.ReLU6)
        self.depthwise = conv_norm(
            hidden, hidden, 2 * reach + 1, nn.ReLU6, padding=0, groups=hidden
        )
        self.project = conv_norm(hidden, channels, 1, None)

    def forward(
        self, x: Tensor, feeds: Tensor | None = None, feeds_next: Tensor | None = None
    ) -> Tensor:
        """The block; BatchNorm counts `feeds` of its input and `feeds_next` of its output."""
        y = _apply(self.expand, x, feeds)
        y = _apply(self.depthwise, y, feeds_next)
        y = _apply(self.project, y, feeds_next)
        inside = (
            slice(self.reach, x.shape[2] - self.reach),
            slice(self.reach, x.shape[3] - self.reach),
        )
        return y + x[:, :, inside[0], inside[1]]

    def at(self, x: Tensor, feeds: Tensor | None, n: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """The block at some pixels of its output, `(P, channels, 1, 1)`."""
        y = _apply(self.expand, x, feeds)  # (N, hidden, H + 2 * reach, W + 2 * reach)
        conv, *rest = self.depthwise
        side = 2 * self.reach + 1
        width, hidden = y.shape[3], y.shape[1]
        steps = torch.arange(side, device=x.device)
        window = (steps[:, None] * width + steps).flatten()  # (side ** 2,), offsets in a window
        corner = (n * y.shape[2] + rows) * width + cols  # (P,)
        where = (corner[:, None] + window).flatten()
        windows = y.permute(0, 2, 3, 1).reshape(-1, hidden).index_select(0, where)
        windows = windows.view(len(n), len(window), hidden)
        weight = cast(Tensor, conv.weight).flatten(1).T  # (side ** 2, hidden)
        filtered = (windows * weight).sum(1)  # (P, hidden)
        if conv.bias is not None:
            filtered = filtered + cast(Tensor, conv.bias)
        y = norm_and_activation(rest, filtered[:, :, None, None], None)
        y = _apply(self.project, y)
        middle = corner + self.reach * (width + 1)
        shortcut = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).index_select(0, middle)
        return y + shortcut[:, :, None, None]


def _apply(stage: nn.Module, x: Tensor, feeds: Tensor | None = None) -> Tensor:
    """A convolution, BatchNorm and activation; BatchNorm counts `feeds` of its output."""
    conv, *rest = cast(nn.Sequential, stage)
    return norm_and_activation(rest, conv(x), feeds)


def _check(bands: int, classes: int, variant: str, width: float, receptive_field: int) -> None:
    check_network("mobilesn", VARIANTS, variant, width, classes)
    if bands < 1:
        raise SettingsError(f"bands: wanted at least 1, got {bands}")
    whole = isinstance(receptive_field, int) and not isinstance(receptive_field, bool)
    if not whole or not 1 <= receptive_field <= MAX_RECEPTIVE_FIELD or receptive_field % 2 == 0:
        raise SettingsError(
            f"receptive_field: wanted an odd side in pixels from 1 to {MAX_RECEPTIVE_FIELD} for "
            f"mobilesn, got {receptive_field}"
        )
