"""Training on a scene: what the loop computes, that it repeats, what it never uses.

Independent references:
- `own_loop` below: the same steps written out with `torch.optim.Adam` on patches and the whole
  forward pass, and the one-cycle schedule by its formula;
- a second training for the bits, and one whose test labels were changed for what must not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from spectrolite.errors import SettingsError
from spectrolite.models.hybridsn import HybridSN
from spectrolite.training.loop import Epoch
from spectrolite.training.scene_loop import fit_scene
from training.small_training import (
    COLS,
    ROWS,
    equal,
    fitted,
    patches_of,
    small_image,
    small_labels,
    small_net,
    small_settings,
    small_split,
    targets_of,
)

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def own_loop(net: HybridSN, rates: list[float]) -> list[float]:
    """Losses of Adam on all training patches at once, a step for each learning rate.

    In float64: the first steps of Adam have the sign of the gradient, and where a gradient is next
    to zero a rounding error of float32 turns it around.
    """
    pixels = small_split().train
    net.double()
    x, y = patches_of(pixels).double(), targets_of(pixels)
    optimiser = torch.optim.Adam(net.parameters())
    losses = []
    for rate in rates:
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad()
        loss = -net(x).flatten(1).log_softmax(1)[torch.arange(len(y)), y].mean()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_the_loop_is_adam_on_the_training_patches(mode: str) -> None:
    """Without dropout, BatchNorm and flips, both modes compute the same."""
    plain = {"weight_decay": 0, "label_smoothing": 0, "flips": False, "schedule": "constant"}
    settings = small_settings(mode=mode, batch=1000, learning_rate=1e-4, epochs=4, **plain)
    net, twin = small_net("paper", dropout=0), small_net("paper", dropout=0)
    log = fit_scene(net, small_image(), small_split(), settings, 0, 0)
    assert [e.loss for e in log] == pytest.approx(own_loop(twin, [1e-4] * 4), rel=1e-5)
    assert [e.learning_rate for e in log] == [1e-4] * 4
    x = patches_of(np.arange(0, ROWS * COLS, 7))
    with torch.no_grad():
        torch.testing.assert_close(net(x).double(), twin(x.double()), rtol=1e-3, atol=1e-5)


def test_the_log_has_a_line_an_epoch_with_the_validation_accuracy() -> None:
    net, heard = small_net(), list[Epoch]()
    split = small_split()
    log = fit_scene(net, small_image(), split, small_settings(epochs=4), 0, 0, heard.append)
    assert heard == log
    assert [e.epoch for e in log] == [1, 2, 3, 4]
    assert all(0 <= e.training_accuracy <= 1 and e.loss > 0 for e in log)
    assert [e.elapsed_s for e in log] == sorted(e.elapsed_s for e in log)
    assert not net.training
    with torch.no_grad():
        right = net(patches_of(split.validation)).flatten(1).argmax(1) == targets_of(
            split.validation
        )
    assert log[-1].validation_accuracy == float(right.sum()) / len(split.validation)


def test_without_a_validation_part_its_accuracy_is_none() -> None:
    log = fit_scene(
        small_net(), small_image(), small_split(validation=False), small_settings(epochs=1), 0, 0
    )
    assert log[0].validation_accuracy is None


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_the_global_random_state_is_neither_used_nor_moved(mode: str) -> None:
    nets = [small_net(), small_net()]
    with torch.random.fork_rng(devices=[]):
        for seed, net in enumerate(nets):
            torch.manual_seed(seed)
            before = torch.random.get_rng_state()
            fit_scene(net, small_image(), small_split(), small_settings(mode=mode, epochs=1), 0, 0)
            assert torch.equal(torch.random.get_rng_state(), before)
    assert equal(nets[0].state_dict(), nets[1].state_dict())


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_the_same_seeds_give_the_same_bits_and_others_do_not(mode: str) -> None:
    values: dict[str, Any] = {"mode": mode, "epochs": 2, "window": 16}
    one = fitted(1, 2, **values)
    assert equal(one, fitted(1, 2, **values))
    assert not equal(one, fitted(1, 3, **values))  # dropout
    assert not equal(one, fitted(4, 2, **values))  # order and orientations


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_labels_of_test_pixels_never_matter(mode: str) -> None:
    split = small_split()
    array = small_labels().copy()
    array.flat[split.test] = np.roll(np.array([3, 7, 2, 7], np.int32).repeat(20), 3)[
        : len(split.test)
    ]
    changed = small_split(array)
    assert (changed.labels.array != split.labels.array).sum() > 30
    one = fitted(split=split, mode=mode, epochs=2, class_weights="balanced")
    assert equal(one, fitted(split=changed, mode=mode, epochs=2, class_weights="balanced"))


def test_unlabelled_test_pixels_do_not_matter_either() -> None:
    split = small_split()
    array = small_labels().copy()
    array.flat[split.test] = 0
    assert equal(fitted(epochs=1), fitted(split=small_split(array), epochs=1))


def test_a_validation_part_does_not_change_the_training() -> None:
    assert equal(fitted(epochs=2), fitted(split=small_split(validation=False), epochs=2))


def test_labels_of_training_pixels_do_matter() -> None:
    array = small_labels().copy()
    array.flat[small_split().train[:5]] = 7
    assert not equal(fitted(epochs=1), fitted(split=small_split(array), epochs=1))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_a_tiny_scene_is_learnt(mode: str, device: str) -> None:
    net, split = small_net(), small_split()
    settings = small_settings(
        mode=mode,
        epochs=12,
        learning_rate=1e-3,
        schedule="constant",
        flips=False,
        batch=28,
        device=device,
    )
    log = fit_scene(net, small_image(), split, settings, 0, 0)
    assert log[0].training_accuracy < 0.6
    assert np.mean([e.training_accuracy for e in log[-4:]]) > 0.85
    assert log[-1].loss < 0.6 * log[0].loss
    with torch.no_grad():
        right = net.cpu()(patches_of(split.test)).flatten(1).argmax(1) == targets_of(split.test)
    assert float(right.float().mean()) > 0.8  # the largest class is 0.55 of the scene


@pytest.mark.parametrize("device", DEVICES)
def test_the_network_ends_on_the_device_of_the_settings(device: str) -> None:
    net = small_net("paper")
    fit_scene(net, small_image(), small_split(), small_settings(epochs=1, device=device), 0, 0)
    assert {p.device.type for p in net.parameters()} == {device}


def test_training_on_a_missing_device() -> None:
    settings = small_settings(device=f"cuda:{torch.cuda.device_count() + 3}")
    with pytest.raises(SettingsError, match=r"^--device: cuda:\d+ is not available"):
        fit_scene(small_net(), small_image(), small_split(), settings, 0, 0)
