"""Which weights are decayed, against a list written by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.mobilenets import NETWORKS, Network
from spectrolite.models.blocks import is_depthwise, parameter_groups
from spectrolite.models.hybridsn import HybridSN
from spectrolite.models.mobilenet_v1 import MobileNetV1


@pytest.mark.parametrize("kind", NETWORKS)
def test_decay_spares_depthwise_kernels_norms_and_biases(kind: Network) -> None:
    net = kind("course", 0.25, generator=torch.Generator().manual_seed(0))
    names = {id(p): name for name, p in net.named_parameters()}
    decayed, spared = (
        {names[id(p)] for p in group["params"]} for group in parameter_groups(net, 4e-5)
    )
    assert [group["weight_decay"] for group in parameter_groups(net, 4e-5)] == [4e-5, 0.0]
    assert decayed | spared == set(names.values())
    expected = {n for n in names.values() if n.endswith("0.weight") and "depthwise" not in n} | {
        "linear.weight"
    }
    assert decayed == expected
    assert sum("depthwise.0.weight" in n for n in spared) == len(net.blocks)


def test_a_step_without_gradients_shrinks_only_what_decays() -> None:
    net = MobileNetV1("course", 0.25, generator=torch.Generator().manual_seed(0))
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimiser = torch.optim.SGD(parameter_groups(net, 0.5), lr=0.1)
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    optimiser.step()
    after = dict(net.named_parameters())
    for name in ("blocks.0.depthwise.0.weight", "blocks.0.depthwise.1.weight", "linear.bias"):
        assert torch.equal(after[name], before[name]), name
    for name in ("stem.0.weight", "blocks.0.pointwise.0.weight", "linear.weight"):
        torch.testing.assert_close(after[name].detach(), 0.95 * before[name])


def test_groups_of_a_scene_network_and_of_frozen_weights() -> None:
    net = HybridSN(13, 2)
    decayed, spared = (group["params"] for group in parameter_groups(net, 1.0))
    assert len(decayed) == 7  # every convolution: none of them is depthwise
    assert len(decayed) + len(spared) == len(list(net.parameters()))
    net.conv3d_1.requires_grad_(False)
    assert sum(len(group["params"]) for group in parameter_groups(net, 1.0)) == (
        len(decayed) + len(spared) - 4
    )


def test_depthwise_differs_from_ordinary_and_grouped() -> None:
    assert is_depthwise(nn.Conv2d(4, 4, 3, groups=4))
    assert is_depthwise(nn.Conv3d(4, 8, 3, groups=4))
    for layer in (nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(1, 4, 3)):
        assert not is_depthwise(layer)
    assert not is_depthwise(nn.BatchNorm2d(4))
