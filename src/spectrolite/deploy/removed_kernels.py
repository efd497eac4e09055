"""Choose depthwise kernels and remove them from a network; constants replace their outputs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.errors import RunError, SettingsError
from spectrolite.evaluation.depthwise_kernels import DepthwiseLayer, LayerKernels, depthwise_layers
from spectrolite.models import ImageNetwork, SceneNetwork

Network = TypeVar("Network", bound=SceneNetwork | ImageNetwork)


def check_choice(dead: bool, weak: float | None, share: float | None) -> str:
    """The one flag that chooses kernels, as typed on the command line.

    Raises:
        SettingsError: no flag or several, or a value out of range.
    """
    values = {"--weak": weak, "--share": share}
    given = [*(["--dead"] if dead else []), *(f for f, v in values.items() if v is not None)]
    if not given:
        raise SettingsError(
            "prune: wanted a choice of kernels to remove; give --dead, --weak 0.01 or --share 0.3"
        )
    if len(given) > 1:
        why = "--weak and --share remove dead kernels too" if dead else "each is a choice by itself"
        raise SettingsError(f"prune: {' and '.join(given)}: give only one of them; {why}")
    if weak is not None and not 0 < weak <= 1:  # also refuses NaN
        raise SettingsError(
            "--weak: wanted a share of the mean variance of a layer's channels, above 0 and up to "
            f"1, got {weak:g}"
        )
    if share is not None and not 0 < share < 1:
        raise SettingsError(
            f"--share: wanted a share of each layer's kernels, above 0 and below 1, got {share:g}"
        )
    return "--dead" if dead else f"--weak {weak:g}" if weak is not None else f"--share {share:g}"


def kernels_to_remove(
    layers: Sequence[DepthwiseLayer],
    kernels: Sequence[LayerKernels],
    weak: float | None,
    share: float | None,
) -> tuple[list[dict[int, float]], tuple[str, ...]]:
    """Channels to remove from each layer, each with the constant that replaces its output.

    The constant is the output of a dead kernel, and the mean output of any other.

    Args:
        layers: the network's depthwise layers.
        kernels: their kernels, as `depthwise_kernels` returns them.
        weak: as in `prune`.
        share: as in `prune`; if both are None, dead kernels are chosen.

    Returns:
        A dict for each layer, and a note for each layer that keeps chosen kernels.

    Raises:
        RunError: a layer would lose all its kernels.
    """
    removed: list[dict[int, float]] = []
    notes = []
    for layer, own in zip(layers, kernels, strict=True):
        channels = own.dead if share is None else own.least(share)
        if weak is not None:
            channels = tuple(sorted((*own.dead, *own.weaker_than(weak))))
        if layer.shared and channels:
            notes.append(
                f"{layer.name}: {len(channels)} kernel(s) kept, since a shortcut uses the same "
                "input channels"
            )
            removed.append({})
            continue
        if len(channels) == own.kernels:
            remedy = "train the network again: this layer ignores its input"
            if any(own.shares) and len(own.dead) < own.kernels:
                remedy = f"use less than {check_choice(False, weak, share)}"
            raise RunError(
                f"prune: all {own.kernels} kernels of {layer.name} would be removed, but a layer "
                f"needs at least one; {remedy}"
            )
        constants = dict(zip(own.dead, own.constants, strict=True))
        removed.append({c: constants.get(c, own.means[c]) for c in channels})
    return removed, tuple(notes)


def bundle_without_kernels(
    bundle: Bundle | ImageBundle, removed: Sequence[Mapping[int, float]]
) -> Bundle | ImageBundle:
    """The trained model without some of its depthwise kernels; arguments as `without_kernels`."""
    net = without_kernels(bundle.network, removed)
    if isinstance(bundle, ImageBundle):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    counts = tuple(_conv(layer.depthwise).out_channels for layer in depthwise_layers(net))
    config: Any = bundle.config.model_copy(update={"kernels": counts})
    return cast(Bundle | ImageBundle, replace(cast(Any, bundle), network=net, config=config))


def without_kernels(net: Network, removed: Sequence[Mapping[int, float]]) -> Network:
    """A copy of `net` without some of its depthwise kernels, in evaluation mode.

    Removing a kernel also removes its input channel from the convolution before it, and its column
    of weights from the convolution after it. That 1x1 convolution has no padding, so a constant
    channel adds the same number at every position; the running mean of the BatchNorm behind it
    takes up that number. If the channel really was that constant, only rounding changes.

    Args:
        net: a network with depthwise layers; it is not changed.
        removed: for each layer, the channels to remove and the constant that replaces each. Must be
            empty for a layer whose input a shortcut uses too, and must not name all channels.
    """
    smaller = copy.deepcopy(net)
    smaller.eval()
    for layer, constants in zip(depthwise_layers(smaller), removed, strict=True):
        if not constants:
            continue
        conv, norm = _conv(layer.after), _norm(layer.after)
        channels, values = list(constants), list(constants.values())
        weight = conv.weight.detach()[:, channels, 0, 0].double()
        added = weight @ torch.tensor(values, dtype=torch.float64)
        mean = norm.get_buffer("running_mean")
        mean.copy_(mean.double() - added)
        kept = torch.tensor([c for c in range(conv.in_channels) if c not in constants])
        for stage in (layer.before, layer.depthwise):
            _keep_outputs(stage, kept)
        depthwise = _conv(layer.depthwise)
        depthwise.in_channels = depthwise.groups = len(kept)
        conv.weight = nn.Parameter(conv.weight.detach()[:, kept])
        conv.in_channels = len(kept)
    return smaller


def _keep_outputs(stage: nn.Sequential, kept: Tensor) -> None:
    conv, norm = _conv(stage), _norm(stage)
    conv.weight = nn.Parameter(conv.weight.detach()[kept])
    conv.out_channels = norm.num_features = len(kept)
    for name, parameter in list(norm.named_parameters()):
        setattr(norm, name, nn.Parameter(parameter.detach()[kept]))
    for name in ("running_mean", "running_var"):
        setattr(norm, name, norm.get_buffer(name)[kept])


def _conv(stage: nn.Sequential) -> nn.Conv2d:
    return cast(nn.Conv2d, stage[0])


def _norm(stage: nn.Sequential) -> nn.BatchNorm2d:
    return cast(nn.BatchNorm2d, stage[1])
