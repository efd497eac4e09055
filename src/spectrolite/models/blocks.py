"""What several networks share."""

from __future__ import annotations

import math

import torch
from torch import nn


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
