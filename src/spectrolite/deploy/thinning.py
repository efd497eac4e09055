"""A network with fewer depthwise kernels; what those gave goes on as constants."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from spectrolite.kernels import depthwise_layers
from spectrolite.models import ImageNetwork, SceneNetwork

Network = TypeVar("Network", bound=SceneNetwork | ImageNetwork)


def thinned(net: Network, gone: Sequence[Mapping[int, float]]) -> Network:
    """A copy of `net` without some of its depthwise kernels, in evaluation mode.

    With a kernel goes the channel that it filters, back to the convolution that makes it, and the
    column of weights that takes what it gives. A 1x1 convolution without padding adds the same
    number everywhere for a constant channel, so that number moves into the running mean of the
    BatchNorm behind it: where the channel was that constant, nothing changes but rounding.

    Args:
        net: a network with depthwise layers; it is not changed.
        gone: of each layer, the channels to remove, with the constant that stands for each. None of
            a layer whose input goes around it, and never all of a layer.
    """
    made = copy.deepcopy(net)
    made.eval()
    for layer, constants in zip(depthwise_layers(made), gone, strict=True):
        if not constants:
            continue
        conv, norm = _conv(layer.after), _norm(layer.after)
        channels, values = list(constants), list(constants.values())
        weight = conv.weight.detach()[:, channels, 0, 0].double()
        added = weight @ torch.tensor(values, dtype=torch.float64)
        mean = norm.get_buffer("running_mean")
        mean.copy_(mean.double() - added)
        left = torch.tensor([c for c in range(conv.in_channels) if c not in constants])
        for stage in (layer.before, layer.depthwise):
            _keep_outputs(stage, left)
        depthwise = _conv(layer.depthwise)
        depthwise.in_channels = depthwise.groups = len(left)
        conv.weight = nn.Parameter(conv.weight.detach()[:, left])
        conv.in_channels = len(left)
    return made


def _keep_outputs(stage: nn.Sequential, left: Tensor) -> None:
    conv, norm = _conv(stage), _norm(stage)
    conv.weight = nn.Parameter(conv.weight.detach()[left])
    conv.out_channels = norm.num_features = len(left)
    for name, parameter in list(norm.named_parameters()):
        setattr(norm, name, nn.Parameter(parameter.detach()[left]))
    for name in ("running_mean", "running_var"):
        setattr(norm, name, norm.get_buffer(name)[left])


def _conv(stage: nn.Sequential) -> nn.Conv2d:
    return cast(nn.Conv2d, stage[0])


def _norm(stage: nn.Sequential) -> nn.BatchNorm2d:
    return cast(nn.BatchNorm2d, stage[1])
