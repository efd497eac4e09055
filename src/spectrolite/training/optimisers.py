"""The parts of a training step: optimiser, learning rate schedule, averaged weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from spectrolite.models.blocks import parameter_groups
from spectrolite.training.settings import LoopSettings


def optimiser_groups(net: nn.Module, decay_on: str, weight_decay: float) -> list[dict[str, Any]]:
    """A network's parameters, in the groups and the order in which they are optimised.

    Args:
        net: the network.
        decay_on: `"kernels"`, as `parameter_groups` divides them; else one group of all.
        weight_decay: of the group that is decayed.
    """
    if decay_on == "kernels":
        return parameter_groups(net, weight_decay)
    return [{"params": list(net.parameters()), "weight_decay": weight_decay}]


def make_optimiser(net: nn.Module, settings: LoopSettings) -> torch.optim.Optimizer:
    """The optimiser of the settings, over the network's parameters."""
    groups = optimiser_groups(net, settings.decay_on, settings.weight_decay)
    rate = settings.learning_rate
    if settings.optimiser == "sgd":
        # torch refuses Nesterov's step without momentum
        nesterov = settings.momentum > 0
        return torch.optim.SGD(groups, rate, momentum=settings.momentum, nesterov=nesterov)
    return (torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW)(groups, rate)


def make_schedule(
    optimiser: torch.optim.Optimizer, settings: LoopSettings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule of the settings, for a training of `steps` steps."""
    if settings.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    if settings.schedule == "constant" or steps == 1:
        return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    # torch divides by the rising steps less one: with exactly one it would divide by zero
    rise = settings.rise if abs(settings.rise * steps - 1) > 1e-9 else settings.rise * 1.01
    return torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        settings.learning_rate,
        total_steps=steps,
        pct_start=rise,
        cycle_momentum=settings.optimiser != "sgd",
    )


def copy_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy of weights and running statistics; BatchNorm's counters are left out."""
    return {k: v.detach().clone() for k, v in state.items() if v.is_floating_point()}


@torch.no_grad()
def update_averages(averages: dict[str, Tensor], net: nn.Module, decay: float, step: int) -> None:
    """Move exponential moving averages towards the network's weights, in place.

    The decay is `min(decay, (1 + step) / (10 + step))`, smaller in the first steps, so that the
    averages forget the initial weights: with a constant decay of 0.999 these would still count
    3 % after 3,500 steps.
    """
    if averages:
        decay = min(decay, (1 + step) / (10 + step))
        state = net.state_dict()
        for key, value in averages.items():
            value.lerp_(state[key], 1 - decay)


@contextmanager
def temporary_weights(net: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Load `weights` into the network for the length of a `with` block; none: change nothing."""
    if not weights:
        yield
        return
    own = copy_weights(net.state_dict())
    net.load_state_dict({**net.state_dict(), **weights})
    try:
        yield
    finally:
        net.load_state_dict({**net.state_dict(), **own})
