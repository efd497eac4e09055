"""HybridSN: three 3-D convolutions over space and spectrum, a 2-D one, three linear layers.

Source: Roy, Krishna, Dubey, Chaudhuri, "HybridSN: Exploring 3-D-2-D CNN Feature Hierarchy for
Hyperspectral Image Classification", IEEE GRSL 2020, section II and table I.

What is peculiar to it:
- every convolution is valid and has stride 1, so a 25x25 patch gives one pixel and a whole scene
  gives its map, with the same weights;
- the spectral axis exists inside the network only: bands become depth, and of 30 bands 18 are left
  when channels and depth are folded into 576 channels;
- the first linear layer takes a flattened 64x17x17 window and has 92 % of the weights. Here it is
  the equivalent 17x17 convolution; the other two are 1x1 convolutions.

Where we deviate from the paper:
- `variant="course"` (the default) puts BatchNorm after each convolution, `"paper"` has none;
- dropout comes before the ReLU of a linear layer, as in the course (the same function, as ReLU and
  a non-negative scaling commute);
- initial weights are PyTorch's defaults for such layers, not Keras' Glorot ones.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from spectrolite.errors import SettingsError
from spectrolite.models.blocks import initialise, norm_and_activation
from spectrolite.samples.receptive_field import input_mask, pixel_mask

# Layers of table I: channels in and out, kernel as (bands, rows, cols).
CONV3D = ((1, 8, (7, 3, 3)), (8, 16, (5, 3, 3)), (16, 32, (3, 3, 3)))
CONV2D_CHANNELS = 64
LINEAR = (256, 128)
DROPOUT = 0.4
WINDOW = 17  # side of the window that the first linear layer takes: 25 less 8
SPECTRAL_LOSS = sum(kernel[0] - 1 for _, _, kernel in CONV3D)  # bands lost to valid kernels: 12
VARIANTS = ("course", "paper")


class HybridSN(nn.Module):
    """`(N, bands, rows + 24, cols + 24) -> (N, classes, rows, cols)`, float32 logits.

    Args:
        bands: number of input bands (principal components), at least 13.
        classes: number of classes, at least 2.
        variant: `"course"` (BatchNorm after each convolution) or `"paper"` (none).
        generator: source of the initial weights; None: torch's global one.

    Raises:
        SettingsError: too few bands or classes, or an unknown variant.
    """

    halo = 12

    def __init__(
        self,
        bands: int,
        classes: int,
        variant: str = "course",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise SettingsError(
                f"variant: wanted one of {', '.join(VARIANTS)} for hybridsn, got {variant!r}"
            )
        if bands <= SPECTRAL_LOSS:
            raise SettingsError(
                f"bands: hybridsn's valid spectral kernels need at least {SPECTRAL_LOSS + 1} bands "
                f"or components, got {bands}; raise --components, or take --model mobilesn"
            )
        if classes < 2:
            raise SettingsError(f"classes: wanted at least 2, got {classes}")
        self.bands, self.classes, self.variant = bands, classes, variant
        norm = variant == "course"
        self.conv3d_1, self.conv3d_2, self.conv3d_3 = (
            nn.Sequential(
                nn.Conv3d(channels, out, kernel, bias=True),
                *([nn.BatchNorm3d(out)] if norm else []),
                nn.ReLU(inplace=True),
            )
            for channels, out, kernel in CONV3D
        )
        folded = CONV3D[-1][1] * (bands - SPECTRAL_LOSS)
        self.conv2d_4 = nn.Sequential(
            nn.Conv2d(folded, CONV2D_CHANNELS, 3),
            *([nn.BatchNorm2d(CONV2D_CHANNELS)] if norm else []),
            nn.ReLU(inplace=True),
        )
        self.fc1 = nn.Conv2d(CONV2D_CHANNELS, LINEAR[0], WINDOW)
        self.fc2 = nn.Conv2d(LINEAR[0], LINEAR[1], 1)
        self.fc3 = nn.Conv2d(LINEAR[1], classes, 1)
        self.dropout = nn.Dropout(DROPOUT)
        self.relu = nn.ReLU()
        self.register_load_state_dict_pre_hook(  # type: ignore[no-untyped-call]
            _reshape_flat_linear_layers
        )
        initialise(self, generator)

    def trunk(self, x: Tensor, feeds: Tensor | None = None) -> Tensor:
        """The four convolutions: `(N, bands, H, W) -> (N, 64, H - 8, W - 8)`.

        Args:
            x: the input.
            feeds: `(N, 1, H - 8, W - 8)` bool, the positions of the result that are used. In
                training, BatchNorm counts only the positions that feed them; None: all.
        """
        feeding: list[Tensor | None] = [None] * 4
        if feeds is not None:
            for k in range(3, -1, -1):
                feeding[k], feeds = feeds, input_mask(feeds, 1)
        conv, *rest = self.conv3d_1
        x = _convolve_one_channel(cast(nn.Conv3d, conv), x)  # (N, 8, bands - 6, H - 2, W - 2)
        x = norm_and_activation(rest, x, feeding[0])
        for k, (conv, *rest) in enumerate((self.conv3d_2, self.conv3d_3), start=1):
            x = norm_and_activation(rest, conv(x), feeding[k])
        # (N, 32, bands - 12, H - 6, W - 6)
        conv, *rest = self.conv2d_4
        x = _convolve_all_depths(cast(nn.Conv2d, conv), x)  # (N, 64, H - 8, W - 8)
        return norm_and_activation(rest, x, feeding[3])

    def head(self, x: Tensor) -> Tensor:
        """The last two linear layers: `(N, 256, rows, cols) -> (N, classes, rows, cols)`."""
        x = self.relu(self.dropout(x))
        x = self.relu(self.dropout(self.fc2(x)))  # (N, 128, rows, cols)
        logits: Tensor = self.fc3(x)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """`(N, bands, rows + 24, cols + 24) -> (N, classes, rows, cols)`."""
        return self.head(self.fc1(self.trunk(x)))

    def at(self, x: Tensor, n: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """`forward(x)[n, :, rows, cols]`, computing the linear layers at those pixels only.

        The linear layers have 87 % of the multiply-accumulates of a large scene, and training needs
        logits at its training pixels only: on Indian Pines at 10 %, one pixel in twenty.

        Args:
            x: `(N, bands, rows + 24, cols + 24)`.
            n: `(P,)` int64, index into the batch.
            rows: `(P,)` int64, row in the output.
            cols: `(P,)` int64, column in the output.

        Returns:
            `(P, classes)` logits.
        """
        side = (x.shape[2] - 2 * self.halo, x.shape[3] - 2 * self.halo)
        feeds = None
        if self.training and self.variant == "course" and len(n):
            feeds = input_mask(pixel_mask(n, rows, cols, (len(x), *side)), WINDOW // 2)
        features = self.trunk(x, feeds).permute(0, 2, 3, 1)  # (N, H, W, 64)
        _, height, width, channels = features.shape
        steps = torch.arange(WINDOW, device=x.device)
        window = (steps[:, None] * width + steps).flatten()  # (289,), offsets inside a window
        corner = (n * height + rows) * width + cols  # (P,)
        where = (corner[:, None] + window).flatten()  # (P * 289,)
        windows = features.reshape(-1, channels).index_select(0, where)
        windows = windows.view(len(n), len(window) * channels)
        weight = self.fc1.weight.permute(0, 2, 3, 1).reshape(LINEAR[0], -1)
        hidden = nn.functional.linear(windows, weight, self.fc1.bias)  # (P, 256)
        return self.head(hidden[:, :, None, None]).flatten(1)


def _convolve_one_channel(conv: nn.Conv3d, x: Tensor) -> Tensor:
    """A 3-D convolution of one channel: `(N, bands, H, W) -> (N, out, bands - 6, H - 2, W - 2)`.

    Each output depth is a 2-D convolution of the bands under its kernel. The results are the same,
    and faster on a CPU, where torch has no fast 3-D convolution of one channel. From here on
    channels are last in memory, which is faster for the other convolutions too.
    """
    depth = conv.weight.shape[2]
    n, bands, rows, cols = x.shape
    x = x.unfold(1, depth, 1).permute(0, 1, 4, 2, 3)  # (N, bands - 6, 7, H, W)
    x = x.reshape(-1, depth, rows, cols).contiguous(memory_format=torch.channels_last)
    x = nn.functional.conv2d(x, conv.weight[:, 0], conv.bias)
    x = x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)  # one depth a row
    return x.view(n, bands - depth + 1, *x.shape[1:]).permute(0, 4, 1, 2, 3)


def _convolve_all_depths(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """A 2-D convolution of channels and depths folded: `(N, 32, D, H, W) -> (N, 64, H - 2, W - 2)`.

    Computed as a 3-D convolution whose kernel is as deep as its input, without a folded copy.
    """
    # channels run before depths
    weight = conv.weight.view(len(conv.weight), *x.shape[1:3], *conv.kernel_size)
    return nn.functional.conv3d(x, weight, conv.bias).squeeze(2)


def _reshape_flat_linear_layers(
    module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Let the state dict of the course's class load, whose `fc1` to `fc3` are linear layers.

    It flattens channels, rows, columns: the order of a convolution's weight.
    """
    for name in ("fc1", "fc2", "fc3"):
        key = f"{prefix}{name}.weight"
        target = getattr(module, name).weight
        flat = (target.shape[0], target[0].numel())
        if key in state and state[key].shape == flat:
            state[key] = state[key].reshape(target.shape)
