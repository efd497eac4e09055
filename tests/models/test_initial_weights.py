"""Initial weights come from the generator that is passed, or from torch's global one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spectrolite.models.blocks import initialise
from spectrolite.models.hybridsn import HybridSN

BANDS, CLASSES = 14, 5


def test_initial_weights_come_from_the_generator_alone() -> None:
    def weights(seed: int, global_seed: int) -> dict[str, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            return HybridSN(13, 2, generator=torch.Generator().manual_seed(seed)).state_dict()

    one, same, other = weights(1, 0), weights(1, 99), weights(2, 0)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not any(torch.equal(one[k], other[k]) for k in one if k.startswith("fc"))


def test_without_a_generator_the_global_one_is_drawn_from() -> None:
    layer = nn.Linear(4, 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        initialise(layer, None)
        first = layer.weight.clone()
        torch.manual_seed(5)
        initialise(layer, None)
    assert torch.equal(layer.weight, first)


def test_layers_without_bias_are_initialised_too() -> None:
    layer = nn.Conv2d(2, 3, 3, bias=False)
    initialise(layer, torch.Generator().manual_seed(0))
    assert 0 < float(layer.weight.detach().abs().max()) <= 1 / math.sqrt(18)
