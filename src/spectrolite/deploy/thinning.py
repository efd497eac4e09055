"""A network with fewer depthwise kernels; what those gave goes on as constants."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from spectrolite.errors import RunError, SettingsError
from spectrolite.evaluation.depthwise_kernels import DepthwiseLayer, LayerKernels, depthwise_layers
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


def flag_of(dead: bool, weak: float | None, share: float | None) -> str:
    """The one flag that was given, as it is typed.

    Raises:
        SettingsError: none or two of them, or a value out of range.
    """
    values = {"--weak": weak, "--share": share}
    given = [*(["--dead"] if dead else []), *(f for f, v in values.items() if v is not None)]
    if not given:
        raise SettingsError(
            "prune: nothing chosen to be removed; give --dead, --weak 0.01 or --share 0.3"
        )
    if len(given) > 1:
        why = "--weak and --share remove dead kernels too" if dead else "each says how many go"
        raise SettingsError(f"prune: {' and '.join(given)}: give one of them; {why}")
    if weak is not None and not 0 < weak <= 1:  # NaN is none
        raise SettingsError(
            "--weak: wanted a share of the mean variance of a layer's channels, above 0 and up to "
            f"1, got {weak:g}"
        )
    if share is not None and not 0 < share < 1:
        raise SettingsError(
            f"--share: wanted a share of each layer's kernels, above 0 and below 1, got {share:g}"
        )
    return "--dead" if dead else f"--weak {weak:g}" if weak is not None else f"--share {share:g}"


def chosen_kernels(
    layers: Sequence[DepthwiseLayer],
    found: Sequence[LayerKernels],
    weak: float | None,
    share: float | None,
) -> tuple[list[dict[int, float]], tuple[str, ...]]:
    """Of each layer the channels that go, and what had to stay.

    A channel comes with the number that stands for it: the constant of a dead one, else its mean.

    Args:
        layers: of the network.
        found: what the doctor finds in them.
        weak: as in `prune`.
        share: as in `prune`; with neither of them the dead ones go.

    Raises:
        RunError: nothing would be left of a layer.
    """
    gone: list[dict[int, float]] = []
    notes = []
    for layer, kernels in zip(layers, found, strict=True):
        chosen = kernels.dead if share is None else kernels.least(share)
        if weak is not None:
            chosen = tuple(sorted((*kernels.dead, *kernels.weaker_than(weak))))
        if layer.shared and chosen:
            notes.append(f"{layer.name} keeps {len(chosen)} of them: its input goes around it too")
            gone.append({})
            continue
        if len(chosen) == kernels.kernels:
            why = "the network looks at nothing there; train it again"
            if any(kernels.shares) and len(kernels.dead) < kernels.kernels:
                why = f"take less than {flag_of(False, weak, share)}"
            raise RunError(
                f"prune: all {kernels.kernels} kernels of {layer.name} would go, and a layer "
                f"cannot be empty: {why}"
            )
        constants = dict(zip(kernels.dead, kernels.constants, strict=True))
        gone.append({c: constants.get(c, kernels.means[c]) for c in chosen})
    return gone, tuple(notes)
