"""MobileNets for tests: the papers' tables, and networks with BatchNorms that saw images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import spectrolite as sl
from spectrolite.models.mobilenet_v1 import MobileNetV1
from spectrolite.models.mobilenet_v2 import MobileNetV2

Network = type[MobileNetV1] | type[MobileNetV2]


NETWORKS = [MobileNetV1, MobileNetV2]


V1_TABLE = {
    "paper": [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    + 5 * [(512, 1)]
    + [(1024, 2), (1024, 1)],
    "course": [
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (1024, 2),
        (1024, 1),
    ],
}


# t, channels, blocks, stride at 224 pixels
V2_TABLE = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


def ghost(name: str, **arguments: Any) -> Any:
    """A network without memory."""
    with torch.device("meta"):
        return sl.build_model(name, **arguments)


def seeded(kind: Network, **arguments: Any) -> Any:
    """A network in evaluation mode whose BatchNorms have seen images and are not alike."""
    net = kind(generator=torch.Generator().manual_seed(0), **arguments)
    return settle(net, net.channels)


def settle(net: nn.Module, channels: int) -> nn.Module:
    """Draw scales and shifts, and take running statistics from a batch of noise."""
    generator = torch.Generator().manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2, generator=generator)
            nn.init.uniform_(layer.bias, -0.5, 1, generator=generator)
            layer.momentum = None  # statistics become the mean over the batches seen
    with torch.no_grad():
        net.train()(random_images(16, channels, 32, 32, seed=9))
    return net.eval()


def random_images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
