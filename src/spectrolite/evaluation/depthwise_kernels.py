"""Depthwise kernels: which are dead, by proof, and which are weak, by measurement.

A depthwise layer has one kernel per channel, so no other kernel can replace a dead one.

- **Dead**: the output after the activation is one constant, at every position, borders included,
  for every input. Proved by interval arithmetic: BatchNorm is folded into the kernel, and
  bounds of what comes in become bounds of what goes out. No data are involved, so no input
  can revive a dead kernel. If the bounds are too loose to prove a constant, it is not called dead.
- **Weak**: the variance of the output on real data is at most a hundredth of the mean over the
  layer's channels. A kernel's share of the layer's variance is its importance, so all weak kernels
  together have less than a hundredth of it.

Sources: Moore, "Interval Analysis", 1966, chapter 3, for the bounds. Polyak and Wolf,
"Channel-level acceleration of deep face representations", IEEE Access 3, 2015, remove the channels
whose activations vary least. Ye, Lu, Lin and Wang, "Rethinking the smaller-norm-less-informative
assumption in channel pruning of convolution layers", ICLR 2018, remove constant ones and hand the
constant on. The threshold is ours: theirs are numbers of channels to remove.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from spectrolite.models import ImageNetwork, SceneNetwork
from spectrolite.models.hybridsn import HybridSN
from spectrolite.models.mobilenet_v1 import MobileNetV1
from spectrolite.records import Record

WEAK = 0.01
"""Largest variance of a weak kernel's output, as a share of the mean over its layer's channels."""
CONSTANT = 4 * torch.finfo(torch.float32).eps
"""How far the bounds of one constant may lie apart: float32 knows nothing between two numbers that
far apart from 4 on, and ReLU6 goes to 6."""
AT_A_TIME = 64  # inputs in one pass, for memory


class Range(NamedTuple):
    """Bounds of each channel, `(C,)` float64 both; infinite if unknown."""

    low: Tensor
    high: Tensor


class LayerKernels(Record):
    """The kernels of one depthwise layer.

    Attributes:
        name: of the convolution.
        kernels: how many it has.
        dead: channels whose output is one constant for every input, ascending.
        constants: that constant of each.
        weak: channels with a small share of the layer's variance that are not dead, ascending.
        shares: of each channel, its variance over the sum of all; zeros where nothing varies.
        means: of each channel, over inputs and positions.
    """

    name: str
    kernels: int
    dead: tuple[int, ...]
    constants: tuple[float, ...]
    weak: tuple[int, ...]
    shares: tuple[float, ...]
    means: tuple[float, ...]

    def weaker_than(self, threshold: float) -> tuple[int, ...]:
        """Channels that are not dead and whose share is at most `threshold` of an equal one."""
        least = threshold / self.kernels
        return tuple(
            c for c, share in enumerate(self.shares) if share <= least and c not in self.dead
        )

    def least(self, share: float) -> tuple[int, ...]:
        """The `share` of its channels, to the nearest number, with the smallest shares, ascending.

        Dead ones go first, then the lower channel of two that are equal.
        """
        ranks = [-1.0 if c in self.dead else own for c, own in enumerate(self.shares)]
        order = sorted(range(self.kernels), key=ranks.__getitem__)
        return tuple(sorted(order[: round(share * self.kernels)]))


@dataclass(frozen=True, eq=False)
class DepthwiseLayer:
    """A depthwise layer between its neighbours; each is a convolution and what follows it.

    Attributes:
        name: of its convolution.
        before: makes the channels that it filters.
        depthwise: the layer.
        after: mixes what it gives.
        shared: what `before` makes goes around the layer too.
        inputs: what can come in.
    """

    name: str
    before: nn.Sequential
    depthwise: nn.Sequential
    after: nn.Sequential
    shared: bool
    inputs: Range


def depthwise_layers(
    net: SceneNetwork | ImageNetwork, inputs: Range | None = None
) -> list[DepthwiseLayer]:
    """The depthwise layers of a network, in order; none of HybridSN.

    Args:
        net: in any mode; bounds are those of evaluation mode.
        inputs: what the network's own input can be, where it is known; a padding of zeros is
            counted in.
    """
    if isinstance(net, HybridSN):
        return []
    first = cast(nn.Conv2d, net.stem[0])
    x = unbounded(first.in_channels) if inputs is None else inputs
    before, x = net.stem, through(net.stem, x)
    layers = []
    for k, block in enumerate(cast(Any, net.blocks)):
        if isinstance(net, MobileNetV1):
            expand, after, shared = None, block.pointwise, False
            around = None
        else:
            expand, after = block.expand, block.project
            around = _around(block, x)
            shared = expand is None and around is not None
        wide = x if expand is None else through(expand, x)
        if expand is not None:
            before = expand
        layers.append(
            DepthwiseLayer(f"blocks.{k}.depthwise.0", before, block.depthwise, after, shared, wide)
        )
        y = through(after, through(block.depthwise, wide))
        x = y if around is None else Range(y.low + around.low, y.high + around.high)
        before = after
    return layers


def _around(block: Any, x: Range) -> Range | None:
    """What an inverted residual adds to its result; MobileSN has no module for it."""
    shortcut = getattr(block, "shortcut", nn.Identity())
    if isinstance(shortcut, nn.Sequential):
        return through(shortcut, x)
    return None if shortcut is None else x


def unbounded(channels: int) -> Range:
    """A range without any bound."""
    infinite = torch.full((channels,), torch.inf, dtype=torch.float64)
    return Range(-infinite, infinite)


def through(stage: nn.Sequential, x: Range) -> Range:
    """Bounds of what a convolution, BatchNorm in evaluation mode and an activation give.

    They hold at every position, for any input within `x`, whichever values of `x` meet there. Where
    the convolution pads, each of its weights may meet a zero instead.

    Args:
        stage: `Conv2d`, `BatchNorm2d` or none, `ReLU`, `ReLU6` or none.
        x: bounds of its input.
    """
    conv, activation = folded(stage)
    weight = conv.weight.detach().flatten(2)  # (out, in / groups, taps)
    out, inside, _ = weight.shape
    low, high = x
    if any(cast(tuple[int, ...], conv.padding)):
        low, high = low.clamp(max=0), high.clamp(min=0)
    group = torch.arange(out) // (out // conv.groups)
    ends = [_times(weight, end.view(conv.groups, inside)[group][:, :, None]) for end in (low, high)]
    bias = torch.zeros(out, dtype=torch.float64) if conv.bias is None else conv.bias.detach()
    sums = (torch.minimum(*ends).sum((1, 2)) + bias, torch.maximum(*ends).sum((1, 2)) + bias)
    return Range(*(y if activation is None else activation(y) for y in sums))


def folded(stage: nn.Sequential) -> tuple[nn.Conv2d, nn.Module | None]:
    """A stage's convolution in float64 with BatchNorm folded in, and its activation."""
    conv, *rest = copy.deepcopy(stage).cpu().double().eval()
    conv = cast(nn.Conv2d, conv)
    if rest and isinstance(rest[0], nn.BatchNorm2d):
        conv = fuse_conv_bn_eval(conv, cast(nn.BatchNorm2d, rest.pop(0)))
    return conv, rest[0] if rest else None


def _times(weight: Tensor, end: Tensor) -> Tensor:
    """The product, 0 where the weight is 0 and the end infinite."""
    return torch.where(weight == 0, 0.0, weight * end)


def depthwise_kernels(
    net: SceneNetwork | ImageNetwork, data: Tensor, inputs: Range | None = None
) -> tuple[LayerKernels, ...]:
    """Find the dead and the weak depthwise kernels of a network.

    Args:
        net: in any mode; it is run in evaluation mode and not changed.
        data: `(N, ...)` training inputs, ready for the network: weak kernels are weak on these.
        inputs: bounds of the network's input; default: unbounded.

    Returns:
        The depthwise layers, in order; none of HybridSN.
    """
    layers = depthwise_layers(net, inputs)
    moments = _moments(net, [layer.name for layer in layers], data)
    return tuple(
        _layer_kernels(layer, mean, variance)
        for layer, (mean, variance) in zip(layers, moments, strict=True)
    )


def _layer_kernels(layer: DepthwiseLayer, mean: Tensor, variance: Tensor) -> LayerKernels:
    low, high = through(layer.depthwise, layer.inputs)
    dead = (high - low <= CONSTANT).nonzero().flatten()
    total = float(variance.sum())
    kernels = LayerKernels(
        name=layer.name,
        kernels=len(mean),
        dead=tuple(dead.tolist()),
        constants=tuple(((low + high) / 2)[dead].tolist()),
        weak=(),
        shares=tuple((variance / total if total else variance).tolist()),
        means=tuple(mean.tolist()),
    )
    return kernels.model_copy(update={"weak": kernels.weaker_than(WEAK)})


def _moments(net: nn.Module, names: list[str], data: Tensor) -> list[tuple[Tensor, Tensor]]:
    """`(C,)` mean and variance of each layer's output after its activation, float64."""
    network_copy = copy.deepcopy(net).eval()
    sums: dict[str, Tensor] = {}

    def listen(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def add(_: nn.Module, __: Any, out: Tensor) -> None:
            x = out.transpose(0, 1).flatten(1).double()  # (C, all positions)
            count = torch.full_like(x[:, 0], x.shape[1])
            # about the first input's mean: the square of a large mean would swallow the variance
            about = sums[name][3] if name in sums else x.mean(1)
            x = x - about[:, None]
            seen = torch.stack([count, x.sum(1), x.square().sum(1)])  # (3, C)
            sums[name] = (
                torch.cat([sums[name][:3] + seen, about[None]])
                if name in sums
                else torch.cat([seen, about[None]])
            )

        return add

    for name in names:
        stage = cast(nn.Sequential, network_copy.get_submodule(name.rpartition(".")[0]))
        # MobileSN calls a stage's layers one by one, so the last of them is listened to
        stage[-1].register_forward_hook(listen(name))
    with torch.inference_mode():
        for part in torch.split(data, AT_A_TIME) if names else ():
            network_copy(part)
    moments = []
    for name in names:
        count, total, squares, about = sums[name]
        mean = total / count
        moments.append((about + mean, (squares / count - mean.square()).clamp(min=0)))
    return moments
