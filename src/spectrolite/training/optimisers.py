"""What a step of the loop is made of: optimiser, learning rate, averaged weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from spectrolite.models.blocks import parameter_groups
from spectrolite.training.settings import LoopSettings


def optimised(net: nn.Module, decay_on: str, weight_decay: float) -> list[dict[str, Any]]:
    """The parameters of a network in the groups, and in the order, in which they are optimised."""
    if decay_on == "kernels":
        return parameter_groups(net, weight_decay)
    return [{"params": list(net.parameters()), "weight_decay": weight_decay}]


def make_optimiser(net: nn.Module, settings: LoopSettings) -> torch.optim.Optimizer:
    """The optimiser of the settings, over the network's parameters."""
    groups = optimised(net, settings.decay_on, settings.weight_decay)
    rate = settings.learning_rate
    if settings.optimiser == "sgd":
        # nesterov's step is one of momentum: without any there is none
        nesterov = settings.momentum > 0
        return torch.optim.SGD(groups, rate, momentum=settings.momentum, nesterov=nesterov)
    return (torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW)(groups, rate)


def make_schedule(
    optimiser: torch.optim.Optimizer, settings: LoopSettings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule of the settings, over so many steps in all."""
    if settings.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    if settings.schedule == "constant" or steps == 1:
        return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    # torch divides by the rising steps less one: exactly one of them is a division by zero
    rise = settings.rise if abs(settings.rise * steps - 1) > 1e-9 else settings.rise * 1.01
    return torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        settings.learning_rate,
        total_steps=steps,
        pct_start=rise,
        cycle_momentum=settings.optimiser != "sgd",
    )


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights and running statistics to be averaged; counters are left out."""
    return {k: v.detach().clone() for k, v in state.items() if v.is_floating_point()}


@torch.no_grad()
def average(averaged: dict[str, Tensor], net: nn.Module, decay: float, step: int) -> None:
    """Move the averages towards the network, faster in the first steps.

    Without that they would remember the initial weights: after 3,500 steps with a decay of 0.999,
    at 3 %.
    """
    if averaged:
        decay = min(decay, (1 + step) / (10 + step))
        state = net.state_dict()
        for key, value in averaged.items():
            value.lerp_(state[key], 1 - decay)


@contextmanager
def holding(net: nn.Module, averaged: Mapping[str, Tensor]) -> Iterator[None]:
    """While the block runs, the network holds the averages."""
    if not averaged:
        yield
        return
    own = copied(net.state_dict())
    net.load_state_dict({**net.state_dict(), **averaged})
    try:
        yield
    finally:
        net.load_state_dict({**net.state_dict(), **own})
