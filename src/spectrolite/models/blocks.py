"""What several networks share."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

Norm = nn.BatchNorm2d | nn.BatchNorm3d


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


def norm_and_relu(layers: list[nn.Module], x: Tensor, feeds: Tensor | None) -> Tensor:
    """What follows a convolution: BatchNorm, where there is one, and ReLU.

    In training the statistics are those of the positions that `feeds` marks. What stands elsewhere
    is of no consequence, since it reaches no logit of which the loss is taken; there the result is
    only finite.

    Args:
        layers: of the network, after its convolution: ReLU, or BatchNorm and ReLU.
        x: `(N, C, H, W)` or `(N, C, D, H, W)`, with the channels last in memory.
        feeds: `(N, 1, H, W)` bool, or nothing where every position counts.
    """
    norm = layers[0]
    if not (isinstance(norm, Norm) and norm.training):
        for layer in layers:
            x = layer(x)
        return x
    flat = x.movedim(1, -1)  # (N, ..., C)
    outside = torch.empty(0, dtype=torch.int64, device=x.device)
    if feeds is not None:
        deep = feeds if x.dim() == 5 else feeds[:, 0]
        outside = (~deep).expand(flat.shape[:-1]).flatten().nonzero().flatten()
    y, mean, variance = _NormRelu.apply(  # type: ignore[no-untyped-call]
        flat.reshape(-1, flat.shape[-2], flat.shape[-1]), norm.weight, norm.bias, outside, norm.eps
    )
    with torch.no_grad():
        n = flat.numel() // flat.shape[-1] - len(outside)
        momentum = float(norm.momentum or 0.1)
        running = ((norm.running_mean, mean), (norm.running_var, variance * (n / max(n - 1, 1))))
        for kept, new in running:
            if kept is not None:
                kept.lerp_(new, momentum)
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
    result: Tensor = y.view(flat.shape).movedim(-1, 1)
    return result


class _NormRelu(torch.autograd.Function):
    """BatchNorm over some of the positions, then ReLU, in few passes over memory.

    Source: Ioffe and Szegedy, "Batch Normalization", ICML 2015, algorithm 1, with its sums taken
    over a part of the positions. On a CPU it takes half the time of the two layers of torch, where
    the passes, not the arithmetic, are what one waits for: sums are matrix products, and a row of
    the image is one long vector.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, outside: Tensor, eps: float
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
        y = torch.addcmul(bias.repeat(width), centred.view(lines, -1), scale.repeat(width)).relu_()
        ctx.save_for_backward(centred, y, weight, variance, outside)
        ctx.eps, ctx.n = eps, n
        ctx.mark_non_differentiable(mean, variance)
        return y.view(x.shape), mean, variance

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        centred, y, weight, variance, outside = ctx.saved_tensors
        lines, width, channels = grad.shape
        inverse = (variance + ctx.eps).rsqrt()
        g = torch.ops.aten.threshold_backward(grad.reshape(y.shape).contiguous(), y, 0)
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
        return g.view(grad.shape), for_weight, for_bias, None, None
