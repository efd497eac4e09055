"""Are the running statistics of every BatchNorm those of the data it meets?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from spectrolite.evaluation.checkup import Check, threshold_check
from spectrolite.evaluation.network_outputs import (
    check_inputs,
    first_names,
    logits_of,
    undisturbed,
)

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

DRIFT = 0.7
"""Largest drift of a layer (`Drift`) that passes. Measured on HybridSN and the patches of its
training pixels. Healthy: 0.05 after 60 steps on patches, 0.26 and 0.30 after 60 steps on the whole
of a 72x72 scene (which sees it evenly, where patches overlap), 0.55 of a 28x30 scene, which is
mostly border. Broken: 0.8 with the last layer reset or the contrast of the inputs halved, 1.1
after 10 steps, 1.5 to 3.7 with every layer reset."""


class Drift(NamedTuple):
    """How far a layer's running statistics lie from the statistics of its inputs.

    Attributes:
        mean: root mean square over channels of the means' distance, in standard deviations.
        spread: root mean square of the logarithm (base 2) of the standard deviations' ratio: 1 is
            twice or half.
    """

    mean: float
    spread: float


def check_normalisation(net: nn.Module, inputs: Tensor) -> Check:
    """Whether the running statistics of every BatchNorm are those of its training data.

    Args:
        net: any module.
        inputs: `(N, ...)`, from the data that it was trained on.
    """
    drifts = normalisation_drift(net, inputs)
    if not drifts:
        return Check(
            name="normalisation",
            verdict="not checked",
            meaning="No layer keeps running statistics, so there are none to compare.",
        )
    worst = {name: max(drift) for name, drift in drifts.items()}
    off = [name for name, value in worst.items() if not value <= DRIFT]
    return threshold_check(
        "normalisation",
        max(worst.values()),
        DRIFT,
        "The running statistics of every BatchNorm are those of the training data.",
        f"The running statistics of {first_names(off)} are not those of the data: they were reset, "
        "come from other data, or trail behind a short training. The first is the one to look at. "
        "Give the data that it was trained on, scaled as then, or train longer.",
        {
            f"{name}, {kind}": value
            for name, drift in drifts.items()
            for kind, value in drift._asdict().items()
        },
    )


def normalisation_drift(net: nn.Module, inputs: Tensor, batch: int = 64) -> dict[str, Drift]:
    """How far the running statistics of each BatchNorm lie from the statistics of its inputs.

    The network runs in evaluation mode, as in use. If one layer is off, the layers after it get
    other inputs than in training and are off too, so look at the first.

    Args:
        net: any module; one without running statistics gives an empty dict.
        inputs: `(N, ...)`, from the data that it was trained on.
        batch: inputs at a time, for memory.

    Returns:
        Name of each layer that was reached, in the order of the passes, to its drift.
    """
    check_inputs(inputs)
    met: dict[str, Tensor] = {}
    with undisturbed(net) as network_copy:
        layers = {
            name: layer
            for name, layer in network_copy.eval().named_modules()
            if isinstance(layer, NORMS) and layer.running_mean is not None
        }

        def listen(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
            def add(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
                x = arguments[0].transpose(0, 1).flatten(1).double()  # (C, all positions)
                count = torch.full_like(x[:, 0], x.shape[1])
                sums = torch.stack([count, x.sum(1), x.square().sum(1)])  # (3, C)
                met[name] = met[name] + sums if name in met else sums

            return add

        for name, layer in layers.items():
            layer.register_forward_pre_hook(listen(name))
        logits_of(network_copy, inputs, batch)
        return {name: _drift(layers[name], sums) for name, sums in met.items()}


def _drift(layer: nn.Module, sums: Tensor) -> Drift:
    """Of a layer that met `(3, channels)` counts, sums and sums of squares."""
    state, eps = dict(layer.named_buffers()), cast(float, layer.eps)
    count, total, squares = sums
    mean = total / count
    deviation = ((squares / count - mean.square()).clamp(min=0) + eps).sqrt()
    apart = (state["running_mean"].double() - mean) / deviation
    ratio = (state["running_var"].double() + eps).sqrt() / deviation
    rms = [float(values.square().mean().sqrt()) for values in (apart, ratio.log2())]
    return Drift(*(value if math.isfinite(value) else math.inf for value in rms))
