"""What several networks share."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from spectrolite.errors import SettingsError

ACTIVATIONS = {"relu6": nn.ReLU6, "relu": nn.ReLU}
WIDTHS = (0.05, 8.0)
"""Width multipliers that an image network takes; the papers' go from 0.25 to 1.4."""
MIN_SIDE = 8  # pixels: a smaller image is mostly padding before half of the layers are through
STDDEV = 0.09  # of the truncated normal in the MobileNets' reference


def conv_norm(
    channels: int,
    out: int,
    kernel: int,
    activation: type[nn.Module] | None,
    *,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Convolution without bias, BatchNorm, activation: `(N, channels, H, W) -> (N, out, h, w)`.

    The padding is half the kernel, so `h` is `H / stride` rounded up. Without an activation the
    block is linear.
    """
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
        *([] if activation is None else [activation(inplace=True)]),
    )


def check_image_network(
    name: str,
    variants: tuple[str, ...],
    variant: str,
    width: float,
    classes: int,
    activation: str,
    channels: int,
) -> None:
    """Raise a SettingsError where an image network's argument is out of range."""
    if variant not in variants:
        raise SettingsError(
            f"variant: wanted one of {', '.join(variants)} for {name}, got {variant!r}"
        )
    if not WIDTHS[0] <= width <= WIDTHS[1]:  # NaN is in no range
        raise SettingsError(
            f"width: wanted a number from {WIDTHS[0]:g} to {WIDTHS[1]:g}, got {width}"
        )
    if classes < 2:
        raise SettingsError(f"classes: wanted at least 2, got {classes}")
    if activation not in ACTIVATIONS:
        raise SettingsError(
            f"activation: wanted one of {', '.join(ACTIVATIONS)}, got {activation!r}"
        )
    if channels < 1:
        raise SettingsError(f"channels: wanted at least 1, got {channels}")


def check_images(x: Tensor, channels: int) -> None:
    """Raise a SettingsError where `x` is no batch of images that a network of `channels` takes."""
    if x.dim() != 4 or x.shape[1] != channels or min(x.shape[2:]) < MIN_SIDE:
        raise SettingsError(
            f"images: wanted (N, {channels}, H, W) with at least {MIN_SIDE} pixels a side, "
            f"got {tuple(x.shape)}"
        )


def is_depthwise(layer: nn.Module) -> bool:
    """Whether each channel has a kernel of its own that sees no other channel."""
    return isinstance(layer, nn.Conv2d | nn.Conv3d) and layer.groups == layer.in_channels > 1


def parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Groups for an optimiser: weight decay on kernels and matrices, none on the rest.

    The rest are depthwise kernels, BatchNorm and biases. A depthwise kernel has nine weights, and
    decay pulls whole channels to zero: section 3.2 of the MobileNetV1 paper asks for little or none
    on them, and its reference has none. Decay on BatchNorm and biases shrinks what no later layer
    makes good.

    Args:
        net: any network; parameters that take no gradient are left out.
        weight_decay: of the first group.

    Returns:
        Two groups, `weight_decay` and 0, as `torch.optim` takes them; every parameter is in one.
    """
    decayed: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for layer in net.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            plain = name == "weight" and parameter.dim() > 1 and not is_depthwise(layer)
            if parameter.requires_grad:
                (decayed if plain else rest).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]


def initialise(net: nn.Module, generator: torch.Generator | None) -> None:
    """Draw every weight of convolutions and linear layers anew, from `generator` alone.

    The distribution is PyTorch's default: uniform in +-1/sqrt(fan in) for weights and biases
    (`kaiming_uniform_` with a = sqrt(5)). Normalisation layers keep their ones and zeros.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def initialise_truncated(net: nn.Module, generator: torch.Generator | None) -> None:
    """Draw every weight as the MobileNets' reference does, from `generator` alone.

    Weights come from a normal distribution of standard deviation 0.09, drawn again beyond two
    deviations; biases are zero. Source: `stddev=0.09` of the argument scopes in TensorFlow's
    `research/slim/nets`; the papers do not say.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.trunc_normal_(
                layer.weight, std=STDDEV, a=-2 * STDDEV, b=2 * STDDEV, generator=generator
            )
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
