"""Layers, checks and initial weights that several networks share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from spectrolite.errors import SettingsError, did_you_mean, wanted_one_of

ACTIVATIONS = {"relu6": nn.ReLU6, "relu": nn.ReLU}
WIDTHS = (0.05, 8.0)
"""Range of the width multiplier; the papers use 0.25 to 1.4."""
MIN_SIDE = 8  # pixels: of a smaller image, the later layers see mostly padding
STDDEV = 0.09  # of the truncated normal in the MobileNets' reference
Norm = nn.BatchNorm2d | nn.BatchNorm3d


def conv_norm(
    channels: int,
    out: int,
    kernel: int,
    activation: type[nn.Module] | None,
    *,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
) -> nn.Sequential:
    """Convolution without bias, BatchNorm, activation: `(N, channels, H, W) -> (N, out, h, w)`.

    The default padding is half the kernel, so `h` is `H / stride` rounded up. With no activation
    (None), the block is linear.
    """
    around = kernel // 2 if padding is None else padding
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, around, groups=groups, bias=False),
        nn.BatchNorm2d(out),
        *([] if activation is None else [activation(inplace=True)]),
    )


def check_network(
    name: str, variants: tuple[str, ...], variant: str, width: float, classes: int
) -> None:
    """Check the arguments that all networks share.

    Raises:
        SettingsError: one is out of range.
    """
    if variant not in variants:
        raise SettingsError(
            f"variant: wanted one of {', '.join(variants)} for {name}, got {variant!r}"
            f"{did_you_mean(variant, variants)}"
        )
    if not WIDTHS[0] <= width <= WIDTHS[1]:  # NaN is in no range
        raise SettingsError(
            f"width: wanted a number from {WIDTHS[0]:g} to {WIDTHS[1]:g}, got {width}"
        )
    if classes < 2:
        raise SettingsError(f"classes: wanted at least 2, got {classes}")


def check_image_network(
    name: str,
    variants: tuple[str, ...],
    variant: str,
    width: float,
    classes: int,
    activation: str,
    channels: int,
) -> None:
    """Check the arguments that image networks share.

    Raises:
        SettingsError: one is out of range.
    """
    check_network(name, variants, variant, width, classes)
    if activation not in ACTIVATIONS:
        raise SettingsError(f"activation: {wanted_one_of(ACTIVATIONS, activation)}")
    if channels < 1:
        raise SettingsError(f"channels: wanted at least 1, got {channels}")


def kernels_of(kernels: Sequence[int] | None, full: Sequence[int]) -> tuple[int, ...]:
    """How many kernels each depthwise layer has.

    Args:
        kernels: a number for each layer of a pruned network; None: `full`.
        full: the numbers that the network's width gives.

    Raises:
        SettingsError: another number of layers, or a number below 1 or above `full`.
    """
    if kernels is None:
        return tuple(full)
    if len(kernels) != len(full):
        raise SettingsError(
            f"kernels: wanted a number for each of {len(full)} depthwise layers, got {len(kernels)}"
        )
    for layer, (count, most) in enumerate(zip(kernels, full, strict=True)):
        if not 1 <= count <= most:
            raise SettingsError(
                f"kernels: wanted 1 to {most} in depthwise layer {layer}, got {count}"
            )
    return tuple(kernels)


def check_images(x: Tensor, channels: int) -> None:
    """Check that `x` is a batch of images for a network of `channels` channels.

    Raises:
        SettingsError: another shape, or fewer than `MIN_SIDE` pixels a side.
    """
    if x.dim() != 4 or x.shape[1] != channels or min(x.shape[2:]) < MIN_SIDE:
        raise SettingsError(
            f"images: wanted (N, {channels}, H, W) with at least {MIN_SIDE} pixels a side, "
            f"got {tuple(x.shape)}"
        )


def is_depthwise(layer: nn.Module) -> bool:
    """Whether the layer is a convolution with one kernel a channel, applied to it alone."""
    return isinstance(layer, nn.Conv2d | nn.Conv3d) and layer.groups == layer.in_channels > 1


def parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Groups for an optimiser: weight decay on kernels and matrices, none on the rest.

    The rest are depthwise kernels, BatchNorm and biases. A depthwise kernel has nine weights, and
    decay pulls whole channels to zero: section 3.2 of the MobileNetV1 paper recommends little or
    none on them, and its reference has none.

    Args:
        net: any network; parameters without gradients are left out.
        weight_decay: of the first group, 0 or more.

    Returns:
        Two groups for `torch.optim`, with `weight_decay` and with 0; each parameter is in one.
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
    """Draw the weights of all convolutions and linear layers from `generator` alone.

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
    """Draw all weights as the MobileNets' reference does, from `generator` alone.

    Weights come from a normal distribution of standard deviation 0.09, drawn again beyond two
    deviations; biases are zero. Source: `stddev=0.09` of the argument scopes in TensorFlow's
    `research/slim/nets`; the papers give no distribution.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.trunc_normal_(
                layer.weight, std=STDDEV, a=-2 * STDDEV, b=2 * STDDEV, generator=generator
            )
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def norm_and_activation(layers: list[nn.Module], x: Tensor, feeds: Tensor | None) -> Tensor:
    """The layers after a convolution: BatchNorm, then ReLU or ReLU6; each may be absent.

    In training, the statistics are taken over the positions that `feeds` marks. The other positions
    reach no logit of the loss; their results are finite, and otherwise arbitrary.

    Args:
        layers: BatchNorm, ReLU or ReLU6, both, or none.
        x: `(N, C, H, W)` or `(N, C, D, H, W)`, with the channels last in memory.
        feeds: `(N, 1, H, W)` bool; None: all positions count.
    """
    norm = layers[0] if layers else None
    if not (isinstance(norm, Norm) and norm.training):
        for layer in layers:
            x = layer(x)
        return x
    flat = x.movedim(1, -1)  # (N, ..., C)
    outside = torch.empty(0, dtype=torch.int64, device=x.device)
    if feeds is not None:
        deep = feeds if x.dim() == 5 else feeds[:, 0]
        outside = (~deep).expand(flat.shape[:-1]).flatten().nonzero().flatten()
    ceiling = None
    if len(layers) > 1:
        ceiling = 6.0 if isinstance(layers[1], nn.ReLU6) else math.inf
    y, mean, variance = _NormActivation.apply(  # type: ignore[no-untyped-call]
        flat.reshape(-1, flat.shape[-2], flat.shape[-1]),
        norm.weight,
        norm.bias,
        outside,
        norm.eps,
        ceiling,
    )
    with torch.no_grad():
        n = flat.numel() // flat.shape[-1] - len(outside)
        # conv_norm and HybridSN always make norms with running statistics and a momentum
        momentum = cast(float, norm.momentum)
        cast(Tensor, norm.running_mean).lerp_(mean, momentum)
        cast(Tensor, norm.running_var).lerp_(variance * (n / max(n - 1, 1)), momentum)
        cast(Tensor, norm.num_batches_tracked).add_(1)
    result: Tensor = y.view(flat.shape).movedim(-1, 1)
    return result


class _NormActivation(torch.autograd.Function):
    """BatchNorm over some of the positions, then ReLU up to a ceiling, in few passes over memory.

    The ceiling is infinite for ReLU, 6 for ReLU6, and None where no activation follows.

    Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015, algorithm 1. Our deviation: the
    sums run over some of the positions. Sums are matrix products and a row of the image is one long
    vector, because on a CPU the passes over memory take the time, not the arithmetic.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        outside: Tensor,
        eps: float,
        ceiling: float | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        lines, width, channels = x.shape
        positions = lines * width
        n = positions - len(outside)
        flat = x.reshape(positions, channels).contiguous()
        counted = x.new_ones(positions).index_fill_(0, outside, 0)
        mean = counted @ flat / n
        centred = (flat.view(lines, -1) - mean.repeat(width)).view(positions, channels)
        centred.index_fill_(0, outside, 0)
        variance = (centred.T @ centred).diagonal() / n
        scale = weight * (variance + eps).rsqrt()
        y = torch.addcmul(bias.repeat(width), centred.view(lines, -1), scale.repeat(width))
        if ceiling is not None:
            y = y.relu_() if math.isinf(ceiling) else y.clamp_(0, ceiling)
        # without an activation, backward does not need the result
        ctx.save_for_backward(
            centred, y if ceiling is not None else y[:0], weight, variance, outside
        )
        ctx.eps, ctx.n, ctx.ceiling = eps, n, ceiling
        ctx.mark_non_differentiable(mean, variance)
        return y.view(x.shape), mean, variance

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor, *_: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        centred, y, weight, variance, outside = ctx.saved_tensors
        lines, width, channels = grad.shape
        inverse = (variance + ctx.eps).rsqrt()
        g = grad.reshape(lines, -1).contiguous()
        if ctx.ceiling is None:
            g = g.clone()  # the lines below write into it
        elif math.isinf(ctx.ceiling):
            g = torch.ops.aten.threshold_backward(g, y, 0)
        else:
            g = torch.ops.aten.hardtanh_backward(g, y, 0, ctx.ceiling)
        g = g.view(-1, channels)
        g.index_fill_(0, outside, 0)
        for_bias = g.new_ones(len(g)) @ g
        for_weight = (g.T @ centred).diagonal() * inverse
        scale = weight * inverse
        rows = g.view(lines, -1)
        rows.mul_(scale.repeat(width))
        rows.sub_((scale * for_bias / ctx.n).repeat(width))
        slope = -scale * inverse * for_weight / ctx.n
        rows.addcmul_(centred.view(lines, -1), slope.repeat(width))
        g.index_fill_(0, outside, 0)
        return g.view(grad.shape), for_weight, for_bias, None, None, None
