"""Logits of any `nn.Module`, computed without changing it, and how far two of them differ."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from spectrolite.errors import SettingsError


def modules_in_training_mode(net: nn.Module) -> list[str]:
    """Names of the modules in training mode, the network itself under its class's name."""
    return [name or type(net).__name__ for name, module in net.named_modules() if module.training]


def logits_of(net: nn.Module, inputs: Tensor, batch: int) -> Tensor:
    """Logits of all inputs, `batch` at a time, in whatever mode the network is.

    Raises:
        SettingsError: the network gives something other than one tensor with a row an input.
    """
    parts = []
    for part in torch.split(inputs, batch):
        out = net(part)
        if not isinstance(out, Tensor) or out.shape[:1] != part.shape[:1]:
            got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise SettingsError(
                f"net: wanted logits with one row for each of {len(part)} inputs, got {got}"
            )
        parts.append(out)
    return torch.cat(parts)


def difference(one: Tensor, other: Tensor) -> float:
    """Largest difference of two tensors over the largest magnitude of the first.

    Infinite where either holds a number that is not finite.
    """
    if not bool(one.isfinite().all() and other.isfinite().all()):
        return math.inf
    apart = float((one.double() - other.double()).abs().max())
    return 0.0 if apart == 0 else apart / max(float(one.abs().max()), 1e-300)


@contextmanager
def undisturbed(net: nn.Module) -> Iterator[nn.Module]:
    """A copy of `net` in its own mode, without gradients; generators are put back afterwards."""
    network_copy = copy.deepcopy(net)
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices), torch.inference_mode():
        yield network_copy


def check_inputs(inputs: Tensor) -> None:
    """Refuse a tensor that is not a batch of two or more inputs.

    Raises:
        SettingsError: names the shape.
    """
    if inputs.dim() < 2 or len(inputs) < 2:
        raise SettingsError(
            f"inputs: wanted a batch of two or more, got a tensor of shape {tuple(inputs.shape)}"
        )


def first_names(names: list[str]) -> str:
    """The first few names of many."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
