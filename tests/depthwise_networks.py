"""Small networks with depthwise layers, for the tests of dead kernels and of pruning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from spectrolite.evaluation.depthwise_kernels import depthwise_layers
from spectrolite.models import build_model

NETWORKS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "V1": ("mobilenet_v1", {"width": 0.25, "variant": "course"}, (3, 8, 8)),
    "V1 relu": ("mobilenet_v1", {"width": 0.25, "activation": "relu"}, (3, 8, 8)),
    "V2": ("mobilenet_v2", {"width": 0.35}, (3, 8, 8)),
    "V2 narrow": ("mobilenet_v2", {"width": 0.1}, (3, 8, 8)),
    "V2 course": ("mobilenet_v2", {"width": 0.1, "variant": "course"}, (3, 8, 8)),
    "MobileSN": ("mobilesn", {"bands": 5, "classes": 3, "width": 0.3}, (5, 15, 14)),
    "MobileSN of a pixel": (
        "mobilesn",
        {"bands": 5, "classes": 3, "width": 0.3, "receptive_field": 1},
        (5, 4, 4),
    ),
}
"""Model, its arguments, and the shape of an input, by name."""


def network_without_dead_kernels(name: str, seed: int = 0) -> tuple[Any, Tensor]:
    """One of `NETWORKS` in evaluation mode, and 48 inputs that its BatchNorm statistics are of."""
    model, arguments, shape = NETWORKS[name]
    net = build_model(model, **arguments, generator=torch.Generator().manual_seed(seed))
    data = torch.randn(48, *shape, generator=torch.Generator().manual_seed(seed + 1))
    for layer in depthwise_layers(net):
        conv: Any = layer.depthwise[0]
        with torch.no_grad():  # on an image of one pixel, only the centre of a kernel counts
            conv.weight[:, :, conv.kernel_size[0] // 2, conv.kernel_size[0] // 2] = 1
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of one pass
            nn.init.constant_(module.bias, 2.0)  # where ReLU6 is linear
    with torch.no_grad():
        net.train()(data)
    return net.eval(), data
