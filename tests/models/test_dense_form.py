"""The form for whole scenes against patches, one pixel at a time.

Independent reference: `naive`, which cuts a 25x25 patch for each pixel, runs the trained network
itself on it, alone, and keeps one vector of logits. The weights are those after a few training
steps on data far from zero mean and unit variance, so that folding BatchNorm is not trivial.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from spectrolite.models.dense_form import dense
from spectrolite.models.hybridsn import HybridSN

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
BANDS, CLASSES, ROWS, COLS = 13, 4, 27, 26
PIXELS = [
    *((row, col) for row in (0, ROWS - 1) for col in (0, COLS - 1)),  # corners
    *((0, 11), (ROWS - 1, 5), (9, 0), (14, COLS - 1), (1, 1), (ROWS - 2, 3)),  # borders
    *((12, 12), (13, 13), (14, 12), (13, 12)),  # no padding in the patch
    *((4, 7), (20, 19), (6, 22), (17, 5)),
]


def _trained(variant: str) -> HybridSN:
    """Eight steps on patches of a mean of 2 and a deviation of 3."""
    generator = torch.Generator().manual_seed(1)
    net = HybridSN(BANDS, CLASSES, variant, generator)
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    net.train()
    net.dropout.p = 0.0
    for _ in range(8):
        targets = torch.randint(CLASSES, (8,), generator=generator)
        x = 3 * torch.randn(8, BANDS, 25, 25, generator=generator) + 2 + targets.view(-1, 1, 1, 1)
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(x).flatten(1), targets)
        torch.autograd.backward(loss)
        optimiser.step()
    net.dropout.p = 0.4
    return net


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, CUDA's convolutions round to 10 bits of mantissa."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(scope="module", params=["course", "paper"])
def net(request: pytest.FixtureRequest) -> HybridSN:
    return _trained(request.param).eval()


@pytest.fixture(scope="module")
def scene() -> Tensor:
    """`(bands, rows, cols)`, padded by the halo on each side."""
    inside = 3 * torch.randn(BANDS, ROWS, COLS, generator=torch.Generator().manual_seed(2)) + 2
    return nn.functional.pad(inside, (12, 12, 12, 12))


def naive(net: HybridSN, scene: Tensor, row: int, col: int) -> Tensor:
    """`(classes,)` logits of one pixel, from its own patch."""
    patch = scene[:, row : row + 25, col : col + 25]
    with torch.no_grad():
        logits: Tensor = net(patch[None])[0, :, 0, 0]
    return logits


def _norms(net: nn.Module) -> Iterator[nn.BatchNorm2d | nn.BatchNorm3d]:
    return (m for m in net.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d))


@pytest.mark.parametrize("device", DEVICES)
def test_logits_are_those_of_the_patches(net: HybridSN, scene: Tensor, device: str) -> None:
    with torch.inference_mode():
        logits = dense(net).to(device)(scene[None].to(device))[0].cpu()
    assert logits.shape == (CLASSES, ROWS, COLS)
    expected = torch.stack([naive(net, scene, row, col) for row, col in PIXELS])
    got = torch.stack([logits[:, row, col] for row, col in PIXELS])
    largest = float(logits.abs().max())
    assert float((got - expected).abs().max()) <= 1e-5 * largest
    assert float(logits.flatten(1).std(1).min()) > 1e-3 * largest  # pixels differ


def test_the_weights_that_are_tested_are_not_trivial(net: HybridSN) -> None:
    for norm in _norms(net):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert float(norm.running_mean.abs().max()) > 0.01
        assert float((norm.running_var - 1).abs().max()) > 0.01
        assert float((norm.weight.detach() - 1).abs().max()) > 1e-4
        assert float(norm.bias.detach().abs().max()) > 1e-4


def test_a_window_of_a_scene_is_the_scene_s_window(net: HybridSN, scene: Tensor) -> None:
    folded = dense(net)
    with torch.inference_mode():
        whole = folded(scene[None])[0]
        part = folded(scene[None, :, 5 : 5 + 28, 3 : 3 + 27])[0]  # 4 rows and 3 columns of output
    assert part.shape == (CLASSES, 4, 3)
    largest = float(whole.abs().max())
    assert float((part - whole[:, 5:9, 3:6]).abs().max()) <= 1e-5 * largest


@pytest.mark.parametrize("training", [True, False])
def test_the_network_itself_is_not_changed(net: HybridSN, scene: Tensor, training: bool) -> None:
    given = copy.deepcopy(net).train(training)
    modes = {name: module.training for name, module in given.named_modules()}
    before = {key: value.clone() for key, value in given.state_dict().items()}
    folded = dense(given)
    with torch.inference_mode():
        expected = dense(net)(scene[None])
        assert torch.equal(folded(scene[None]), expected)  # whatever mode it was in
    for weight in folded.parameters():
        weight.zero_()  # shares no memory with the network
    assert list(given.state_dict()) == list(before)
    assert all(torch.equal(given.state_dict()[key], value) for key, value in before.items())
    assert {name: module.training for name, module in given.named_modules()} == modes
    assert all(weight.requires_grad for weight in given.parameters())
    assert given.dropout.p == 0.4


def test_the_copy_has_no_batch_norm_and_no_gradients(net: HybridSN, scene: Tensor) -> None:
    folded = dense(net)
    assert not list(_norms(folded))
    assert not any("running" in key for key in folded.state_dict())
    assert not any(weight.requires_grad for weight in folded.parameters())
    assert not folded(scene[None, :, :25, :25]).requires_grad


@pytest.mark.parametrize("training", [True, False])
def test_every_module_of_the_copy_is_in_evaluation_mode(net: HybridSN, training: bool) -> None:
    folded = dense(copy.deepcopy(net).train(training))
    assert [name for name, module in folded.named_modules() if module.training] == []
    assert isinstance(folded.conv3d_1, nn.Sequential)  # those among them that are made anew


def test_the_copy_is_under_the_same_contract(net: HybridSN, scene: Tensor) -> None:
    folded = dense(net)
    assert (folded.halo, folded.bands, folded.classes) == (12, BANDS, CLASSES)
    rows, cols = torch.tensor([0, 3, 26]), torch.tensor([25, 2, 0])
    with torch.inference_mode():
        whole = folded(scene[None])[0]
        some = folded.at(scene[None], torch.zeros_like(rows), rows, cols)
    assert float((some - whole[:, rows, cols].T).abs().max()) <= 1e-5 * float(whole.abs().max())


def test_folding_twice_changes_nothing(net: HybridSN) -> None:
    once = dense(net)
    twice = dense(once).state_dict()
    assert list(twice) == list(once.state_dict())
    assert all(torch.equal(twice[key], value) for key, value in once.state_dict().items())
