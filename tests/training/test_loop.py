"""The loop: schedules, weights of classes, log, early stopping, failures.

Independent references: the one-cycle schedule by its formula; class weights and losses by a loop
over pixels in Python.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spectrolite.errors import InputError, SettingsError, SpectroliteError, TrainingError
from spectrolite.samples.scene_batches import Batch
from spectrolite.training.loop import Epoch, _class_weights, fit
from spectrolite.training.scene_loop import fit_scene
from spectrolite.training.settings import TrainingSettings
from training.small_training import (
    State,
    equal,
    patches_of,
    small_image,
    small_labels,
    small_net,
    small_settings,
    small_split,
    targets_of,
)


def _one_cycle(step: int, steps: int, highest: float, rise: float) -> float:
    """Learning rate of a step, from 0: a cosine from a 25th up, then down to a 250,000th."""
    low, end, last = highest / 25, highest / 25 / 1e4, steps - 1
    top = rise * steps - 1
    if step <= top:
        return highest + (low - highest) * (1 + math.cos(math.pi * step / top)) / 2
    return end + (highest - end) * (1 + math.cos(math.pi * (step - top) / (last - top))) / 2


def test_one_cycle_rises_then_falls_along_a_cosine() -> None:
    settings = small_settings(epochs=8, rise=0.5, learning_rate=1e-4)
    log = fit_scene(small_net("paper"), small_image(), small_split(), settings, 0, 0)
    steps = [_one_cycle(step, 8, 1e-4, 0.5) for step in range(8)]
    assert steps.index(max(steps)) == 3
    # The log has the rate of the next step; there is none after the last.
    assert [e.learning_rate for e in log[:-1]] == pytest.approx(steps[1:], rel=1e-6)


@pytest.mark.parametrize(
    ("epochs", "steps", "rise"),
    [(5, 1, 0.2), (1, 5, 0.2), (2, 1, 0.5), (3, 1, 1 / 3), (2, 5, 0.1), (1, 7, 1 / 7)],
)
def test_one_cycle_of_one_rising_step(epochs: int, steps: int, rise: float) -> None:
    """Its one rate is the lowest of the rise; then comes the fall, from the highest."""
    net, rates, total = small_net("paper"), list[float](), epochs * steps
    batches, counts = _batches()
    before = net.fc3.bias
    assert before is not None
    start = before.detach().clone()

    def epoch() -> Iterator[Batch]:
        for _ in range(steps):
            yield from batches()
            rates.append(float((before.detach() - start).abs().max()))

    settings = small_settings(epochs=epochs, rise=rise, learning_rate=1e-4, weight_decay=0)
    log = fit(net, epoch, steps, counts, settings)
    assert len(log) == epochs
    # Adam's first step has the size of the learning rate.
    assert rates[0] == pytest.approx(1e-4 / 25, rel=1e-2)
    end = 1e-4 / 25 / 1e4
    fall = [
        end + (1e-4 - end) * (1 + math.cos(math.pi * step / (total - 1))) / 2
        for step in range(1, total)
    ]
    # The log has the rate of the next step; there is none after the last.
    expected = [fall[epoch * steps - 1] for epoch in range(1, epochs)]
    assert [e.learning_rate for e in log[:-1]] == pytest.approx(expected, abs=1e-6)


def test_five_epochs_of_a_scene_of_one_window_are_trained() -> None:
    """A fifth of five steps is one."""
    net = small_net()
    before = copy.deepcopy(dict(net.state_dict()))
    log = fit_scene(
        net,
        small_image(),
        small_split(),
        TrainingSettings.model_validate({"epochs": 5, "device": "cpu"}),
        0,
        0,
    )
    assert len(log) == 5
    assert all(math.isfinite(e.loss) and math.isfinite(e.learning_rate) for e in log)
    assert not equal(dict(net.state_dict()), before)


def test_weight_decay_shrinks_what_adam_would_leave() -> None:
    def after(decay: float) -> Tensor:
        net = small_net("paper", dropout=0)
        settings = small_settings(
            epochs=1, learning_rate=1e-3, weight_decay=decay, schedule="constant", flips=False
        )
        fit_scene(net, small_image(), small_split(), settings, 0, 0)
        return net.fc1.weight.detach()

    start = small_net("paper").fc1.weight.detach()
    torch.testing.assert_close(after(0.5), after(0.0) - 1e-3 * 0.5 * start, rtol=0, atol=1e-7)


def _naive_loss(logits: Tensor, targets: Tensor, weights: list[float], smoothing: float) -> float:
    """Weighted cross-entropy with smoothed targets, a pixel and a class at a time."""
    total, scale, classes = 0.0, 0.0, logits.shape[1]
    for line, target in zip(logits.double().tolist(), targets.tolist(), strict=True):
        normaliser = math.log(sum(math.exp(v) for v in line))
        for i, value in enumerate(line):
            share = smoothing / classes + (1 - smoothing) * (i == target)
            total += weights[i] * share * (normaliser - value)
        scale += weights[target]
    return total / scale


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_class_weights_and_smoothing(kind: str, smoothing: float) -> None:
    """Balanced: all pixels over present classes times the class's pixels; an absent one has 0."""
    pixels = np.concatenate(
        [np.flatnonzero(small_labels() == 2)[:9], np.flatnonzero(small_labels() == 3)[:3]]
    )
    x, y = patches_of(pixels), targets_of(pixels)
    zero = torch.zeros_like(y)
    batch = Batch(x, torch.arange(len(y)), zero, zero, y)
    net = small_net("paper", dropout=0)
    with torch.no_grad():
        logits = net(x).flatten(1)
    log = fit(
        net,
        lambda: iter([batch]),
        1,
        torch.bincount(y, minlength=3),
        small_settings(epochs=1, class_weights=kind, label_smoothing=smoothing),
    )
    weights = [12 / (2 * 9), 12 / (2 * 3), 0.0] if kind == "balanced" else [1.0, 1.0, 1.0]
    assert log[0].loss == pytest.approx(_naive_loss(logits, y, weights, smoothing), rel=1e-5)
    assert log[0].training_accuracy == float((logits.argmax(1) == y).sum()) / 12


@pytest.mark.parametrize("counts", [[9, 3, 0], [5, 5, 5], [1, 0, 0], [1, 1000, 40]])
def test_balanced_weights_have_a_mean_of_1_over_the_training_pixels(counts: list[int]) -> None:
    pixels = [i for i, n in enumerate(counts) for _ in range(n)]
    inverse = [1 / n if n else 0.0 for n in counts]
    mean = sum(inverse[i] for i in pixels) / len(pixels)
    got = _class_weights(torch.tensor(counts), "balanced")
    assert got.dtype == torch.float32
    assert got.tolist() == pytest.approx([w / mean for w in inverse])
    assert _class_weights(torch.tensor(counts), "none").tolist() == [1.0, 1.0, 1.0]


def test_the_log_sums_over_batches_and_divides_once() -> None:
    """Batches of 16 and 12 pixels: a mean over pixels, not over batches."""
    net, split, sizes = small_net("paper", dropout=0), small_split(validation=False), list[int]()
    net.fc2.register_forward_pre_hook(lambda _module, inputs: sizes.append(len(inputs[0])))
    settings = small_settings(
        mode="patches",
        epochs=1,
        learning_rate=1e-12,
        weight_decay=0,
        label_smoothing=0,
        flips=False,
    )
    log = fit_scene(net, small_image(), split, settings, 0, 0)
    assert sizes == [16, 12]
    x, y = patches_of(split.train), targets_of(split.train)
    with torch.no_grad():
        logits = small_net("paper").eval()(x).flatten(1)
    assert log[0].loss == pytest.approx(_naive_loss(logits, y, [1.0] * 3, 0.0), rel=1e-5)
    assert log[0].training_accuracy == pytest.approx(float((logits.argmax(1) == y).sum()) / 28)


def _batches() -> tuple[Callable[[], Iterator[Batch]], Tensor]:
    """One small batch an epoch, and the counts of its classes."""
    pixels = small_split().train[:6]
    x, y = patches_of(pixels), targets_of(pixels)
    zero = torch.zeros_like(y)
    batch = Batch(x, torch.arange(len(y)), zero, zero, y)
    return lambda: iter([batch]), torch.bincount(y, minlength=3)


def _stopped(accuracies: list[float], **values: Any) -> tuple[list[Epoch], State, list[State]]:
    """Log, final weights and weights after each epoch, for given validation accuracies."""
    net, after = small_net(), list[State]()
    said = iter(accuracies)
    epochs, counts = _batches()

    def validate() -> float:
        assert not net.training
        return next(said)

    def note(epoch: Epoch) -> None:
        del epoch
        after.append(copy.deepcopy(dict(net.state_dict())))

    log = fit(net, epochs, 1, counts, small_settings(**values), validate, note)
    assert not net.training
    return log, dict(net.state_dict()), after


def test_patience_keeps_the_best_weights_and_stops() -> None:
    log, kept, after = _stopped([0.5, 0.7, 0.6, 0.7, 0.9], epochs=10, patience=2)
    assert [e.validation_accuracy for e in log] == [0.5, 0.7, 0.6, 0.7]  # a tie is no better
    assert equal(kept, after[1])
    assert not equal(kept, after[3])


def test_patience_restarts_with_every_better_epoch() -> None:
    log, kept, after = _stopped([0.1, 0.0, 0.2, 0.1, 0.3, 0.2, 0.2], epochs=10, patience=2)
    assert len(log) == 7
    assert equal(kept, after[4])


def test_patience_keeps_the_best_of_a_training_that_ran_to_its_end() -> None:
    log, kept, after = _stopped([0.0, 0.4, 0.3], epochs=3, patience=5)
    assert len(log) == 3
    assert equal(kept, after[1])


def test_without_patience_the_last_weights_stay() -> None:
    log, kept, after = _stopped([0.9, 0.1, 0.1], epochs=3)
    assert len(log) == 3
    assert equal(kept, after[2])


def test_patience_works_on_a_scene() -> None:
    net = small_net()
    settings = small_settings(epochs=6, patience=1, learning_rate=1e-12, flips=False)
    log = fit_scene(net, small_image(), small_split(), settings, 0, 0)
    accuracies = [e.validation_accuracy for e in log]
    assert None not in accuracies
    best = max(range(len(log)), key=lambda i: accuracies[i] or 0)
    assert len(log) in (best + 2, 6)


def test_patience_without_validation_is_an_error() -> None:
    net = small_net()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(SettingsError) as caught:
        fit_scene(
            net, small_image(), small_split(validation=False), small_settings(patience=2), 0, 0
        )
    assert str(caught.value) == (
        "--patience: early stopping needs a validation part; add validation=0.1 to --split"
    )
    assert equal(net.state_dict(), before)


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_a_loss_of_nan_ends_the_training(mode: str) -> None:
    image = small_image()
    image[0, 0, 0] = np.nan
    heard: list[Epoch] = []
    with pytest.raises(TrainingError) as caught:
        fit_scene(
            small_net(),
            image,
            small_split(),
            small_settings(mode=mode, learning_rate=0.01),
            0,
            0,
            heard.append,
        )
    assert str(caught.value) == (
        "the loss became nan in epoch 1 of 3; lower --learning-rate (now 0.01)"
    )
    assert isinstance(caught.value, SpectroliteError)
    assert not isinstance(caught.value, InputError)
    assert heard == []


def test_a_training_that_diverges_ends_in_the_epoch_where_it_does() -> None:
    epochs, counts = _batches()
    settings = small_settings(epochs=9, learning_rate=1e30, schedule="constant")
    with pytest.raises(
        TrainingError,
        match=r"^the loss became (nan|inf) in epoch [2-9] of 9; "
        r"lower --learning-rate \(now 1e\+30\)$",
    ):
        fit(small_net("paper"), epochs, 1, counts, settings)
