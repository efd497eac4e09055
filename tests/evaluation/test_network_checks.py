"""Checks of any torch network, each against a fault planted on purpose.

References: batches formed by hand, and numpy's mean and variance of what a layer meets.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spectrolite as sl
from spectrolite.errors import SettingsError
from spectrolite.evaluation.checkup import Check
from spectrolite.evaluation.network_checks import batch_invariance, determinism
from spectrolite.evaluation.network_outputs import difference, modules_in_training_mode
from spectrolite.evaluation.normalisation import normalisation_drift

NAMES = ["evaluation mode", "batch size", "same bits twice", "normalisation"]


class Noisy(nn.Module):
    """Draws at random in every mode."""

    def forward(self, x: Tensor) -> Tensor:
        """`x` and a little noise."""
        return x + 0.1 * torch.randn_like(x)


@pytest.fixture(scope="module")
def inputs() -> Tensor:
    """130 images of 3 channels far from zero mean and unit variance."""
    return 5 + 4 * torch.randn(130, 3, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def net(inputs: Tensor) -> nn.Sequential:
    """A network whose running statistics have followed the inputs for a hundred steps."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Flatten(),
            nn.Linear(32, 5),
        )
        with torch.no_grad():
            for _ in range(100):
                net(inputs)
    return net.eval()


def wrong(net: nn.Module, inputs: Tensor) -> set[str]:
    checks = sl.check_network(net, inputs)
    assert [check.name for check in checks] == NAMES
    return {check.name for check in checks if check.verdict == "wrong"}


def _live(*kinds: type[nn.Module]) -> Callable[[nn.Sequential], None]:
    def plant(net: nn.Sequential) -> None:
        for module in net:
            if isinstance(module, kinds):
                module.train()

    return plant


def _reset(net: nn.Sequential) -> None:
    for module in net:
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()


def _batch_statistics_for_ever(net: nn.Sequential) -> None:
    net[1] = nn.BatchNorm2d(8, track_running_stats=False).eval()


def _noise(net: nn.Sequential) -> None:
    net[6] = Noisy().eval()


def test_a_healthy_network_passes(net: nn.Sequential, inputs: Tensor) -> None:
    checks = sl.check_network(net, inputs)
    assert [(check.name, check.verdict) for check in checks] == [(name, "ok") for name in NAMES]
    assert checks[0].measured == checks[2].measured == 0
    assert checks[3].measured is not None
    assert checks[3].measured < 0.1
    assert list(checks[3].details) == ["1, mean", "1, spread", "4, mean", "4, spread"]


@pytest.mark.parametrize(
    ("plant", "names"),
    [
        (_live(nn.Dropout), {"evaluation mode", "batch size", "same bits twice"}),
        (_live(nn.BatchNorm2d), {"evaluation mode", "batch size"}),
        (nn.Module.train, {"evaluation mode", "batch size", "same bits twice"}),
        (_reset, {"normalisation"}),
        (_batch_statistics_for_ever, {"batch size"}),
        (_noise, {"batch size", "same bits twice"}),
    ],
    ids=["dropout", "batchnorm", "all", "reset", "untracked", "noise"],
)
def test_a_planted_fault_is_found_and_no_other(
    net: nn.Sequential, inputs: Tensor, plant: Callable[[nn.Sequential], None], names: set[str]
) -> None:
    plant(net)
    assert wrong(net, inputs) == names


def test_other_data_are_found(net: nn.Sequential, inputs: Tensor) -> None:
    assert wrong(net, inputs / 10) == {"normalisation"}
    said = sl.check_network(net, inputs / 10)[3].meaning
    assert said.startswith("The running statistics of 1, 4 are not those of the data: ")


def test_the_difference_is_that_of_batches_formed_by_hand(
    net: nn.Sequential, inputs: Tensor
) -> None:
    _live(nn.BatchNorm2d)(net)
    by_hand = copy.deepcopy(net)
    with torch.no_grad():
        alone = torch.cat([by_hand(inputs[n : n + 1]) for n in range(len(inputs))])
        pairs = torch.cat([by_hand(inputs[n : n + 2]) for n in range(0, len(inputs), 2)])
    expected = float((alone - pairs).abs().max() / alone.abs().max())
    assert expected > 0.01
    assert batch_invariance(net, inputs, (1, 2)) == pytest.approx(expected, rel=1e-5)


def test_the_drift_is_numpys(inputs: Tensor) -> None:
    layer = nn.BatchNorm2d(3, eps=0.5)
    with torch.no_grad():
        layer.running_mean.copy_(torch.tensor([5.0, 4.0, 7.0]))  # type: ignore[union-attr]
        layer.running_var.copy_(torch.tensor([16.0, 64.0, 1.0]))  # type: ignore[union-attr]
    x = inputs.numpy().astype(np.float64)
    mean, deviation = x.mean((0, 2, 3)), np.sqrt(x.var((0, 2, 3)) + 0.5)
    apart = (np.array([5, 4, 7]) - mean) / deviation
    ratio = np.log2(np.sqrt(np.array([16, 64, 1]) + 0.5) / deviation)
    found = normalisation_drift(nn.Sequential(layer), inputs, batch=11)
    assert list(found) == ["0"]
    assert found["0"].mean == pytest.approx(np.sqrt(np.mean(apart**2)))
    assert found["0"].spread == pytest.approx(np.sqrt(np.mean(ratio**2)))


def test_one_dimensional_layers_are_met_too() -> None:
    x = 3 + torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    net = nn.Sequential(nn.BatchNorm1d(4)).eval()
    assert normalisation_drift(net, x)["0"].mean == pytest.approx(3, rel=0.1)


def test_batchnorm_that_refuses_a_batch_of_one_is_wrong_not_a_crash() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    checks = sl.check_network(net, torch.randn(9, 4, generator=torch.Generator().manual_seed(0)))
    assert [check.verdict for check in checks][:3] == ["wrong"] * 3
    assert checks[1].measured == math.inf
    assert checks[0].meaning == (
        "3 modules are in training mode (Sequential, 0, 1): dropout draws at random and BatchNorm "
        "looks at the batch. Call net.eval() before the network is used."
    )


def test_logits_that_are_not_finite_are_wrong(net: nn.Sequential, inputs: Tensor) -> None:
    net[8].register_forward_hook(lambda _net, _inputs, out: out * math.nan)
    assert wrong(net, inputs) == {"batch size", "same bits twice"}
    assert '"measured":null' in sl.check_network(net, inputs)[1].model_dump_json()


def test_nothing_is_moved(net: nn.Sequential, inputs: Tensor) -> None:
    net.train()
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    sl.check_network(net, inputs)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in net.modules())
    assert all(not module._forward_pre_hooks for module in net.modules())


def test_no_running_statistics_is_said() -> None:
    net = nn.Sequential(nn.Linear(4, 3)).eval()
    check = sl.check_network(net, torch.eye(4))[3]
    assert check == Check(
        name="normalisation",
        verdict="not checked",
        meaning="No layer keeps running statistics, so there are none to compare.",
    )


def test_modules_in_training_mode_are_named(net: nn.Sequential) -> None:
    assert modules_in_training_mode(net) == []
    net[6].train()
    assert modules_in_training_mode(net) == ["6"]


def test_the_difference_is_relative_to_the_first() -> None:
    assert difference(torch.tensor([4.0, -8.0]), torch.tensor([4.0, -6.0])) == 0.25
    assert difference(torch.zeros(2), torch.zeros(2)) == 0
    assert difference(torch.ones(2), torch.tensor([1.0, math.inf])) == math.inf


def test_what_is_refused(inputs: Tensor) -> None:
    for call in (batch_invariance, determinism, normalisation_drift):
        message = "inputs: wanted a batch of two or more, got a tensor of shape (1, 3, 6, 6)"
        with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
            call(nn.Identity(), inputs[:1])
    message = "net: wanted logits with one row for each of 1 inputs, got ()"
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        sl.check_network(Total().eval(), inputs)


class Total(nn.Module):
    """Gives one number for the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        """Sum of all."""
        return x.sum()
