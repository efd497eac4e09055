"""What a network costs: parameters and multiply-accumulates.

MACs are those of convolutions and linear layers at batch 1, without BatchNorm and bias; one MAC is
two floating-point operations. They are counted by torch's own counter on tensors without memory.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from spectrolite.models import SceneNetwork


def parameters(net: nn.Module) -> int:
    """Trained numbers; running statistics are not among them."""
    return sum(p.numel() for p in net.parameters())


def macs(net: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of one input of `input_shape`, without the batch axis."""
    ghost = copy.deepcopy(net).eval().to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ghost(torch.empty(1, *input_shape, device="meta"))
    return int(counter.get_total_flops()) // 2


def macs_per_patch(net: SceneNetwork, bands: int) -> int:
    """Multiply-accumulates to label one pixel from its own patch, as published code does."""
    side = 2 * net.halo + 1
    return macs(net, (bands, side, side))


def macs_per_pixel(net: SceneNetwork, bands: int) -> int:
    """Multiply-accumulates a pixel of a large scene, where each layer visits each position once.

    A layer of cost a, whose output is m pixels wider than the map, costs a * (side + m) ** 2 for a
    map of `side`. Half the second difference over three sides is the sum of all a, exactly.
    """
    first = 2 * net.halo + 1
    one, two, three = (macs(net, (bands, side, side)) for side in range(first, first + 3))
    return (one - 2 * two + three) // 2
