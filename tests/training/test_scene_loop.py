"""The loop: what it computes, that it repeats, when it stops, what it never looks at.

Independent references:
- `own_loop` below: the same steps written out with `torch.optim.Adam` on patches and the whole
  forward pass, and the one-cycle schedule by its formula;
- class weights and losses by a loop over pixels in Python;
- a second training for the bits, and one whose test labels were changed for what must not matter.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.data.labels import Labels
from spectrolite.errors import InputError, SettingsError, SpectroliteError, TrainingError
from spectrolite.machine import pick_device
from spectrolite.models.hybridsn import HybridSN
from spectrolite.samples.scene_batches import Batch
from spectrolite.samples.split_scene import Split
from spectrolite.training.loop import Epoch, _class_weights, fit
from spectrolite.training.scene_loop import fit_scene
from spectrolite.training.settings import TrainingSettings

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
ROWS, COLS, BANDS = 10, 11, 13
IDS = (2, 3, 7)
State = dict[str, Tensor]


def _labels() -> NDArray[np.int32]:
    """Three fields, of 60, 25 and 25 pixels."""
    array = np.full((ROWS, COLS), 2, np.int32)
    array[:5, 6:], array[5:, 6:] = 3, 7
    return array


def _image(seed: int = 0) -> NDArray[np.float32]:
    """`(rows, cols, bands)`: a spectrum a class, and noise."""
    generator = np.random.default_rng(seed)
    spectra = generator.normal(scale=2, size=(8, BANDS))
    noise = generator.normal(scale=0.6, size=(ROWS, COLS, BANDS))
    return (spectra[_labels()] + noise).astype(np.float32)


def _split(array: NDArray[np.int32] | None = None, validation: bool = True) -> Split:
    """A pixel in four trains, one validates, two are tested; each column has some of each."""
    pixels = np.arange(ROWS * COLS)
    return Split(
        Labels(_labels() if array is None else array),
        train=pixels[pixels % 4 == 0],
        validation=pixels[pixels % 4 == 1] if validation else pixels[:0],
        test=pixels[pixels % 4 >= 2],
        method="given",
    )


def _settings(**values: Any) -> TrainingSettings:
    return TrainingSettings.model_validate({"epochs": 3, "batch": 16, "device": "cpu", **values})


def _net(variant: str = "course", dropout: float = 0.4) -> HybridSN:
    net = HybridSN(BANDS, len(IDS), variant, torch.Generator().manual_seed(1))
    net.dropout.p = dropout
    return net


def _fitted(order: int = 0, dropout: int = 0, split: Split | None = None, **values: Any) -> State:
    """Weights and statistics after a training."""
    net = _net()
    fit_scene(net, _image(), split or _split(), _settings(**values), order, dropout)
    return net.state_dict()


def _equal(one: State, other: State) -> bool:
    assert list(one) == list(other)
    return all(torch.equal(value, other[key]) for key, value in one.items())


def _patches(pixels: NDArray[np.integer]) -> Tensor:
    """`(P, bands, 25, 25)` around pixels of the scene, zeros beyond it."""
    padded = np.pad(_image(), ((12, 12), (12, 12), (0, 0)))
    cut = [padded[p // COLS :, p % COLS :][:25, :25] for p in pixels.tolist()]
    return torch.from_numpy(np.stack(cut).transpose(0, 3, 1, 2).copy())


def _targets(pixels: NDArray[np.integer]) -> Tensor:
    return torch.tensor([IDS.index(int(i)) for i in _labels().ravel()[pixels]])


# What a step computes


def own_loop(net: HybridSN, rates: list[float]) -> list[float]:
    """Losses of Adam on all training patches at once, a step for each learning rate.

    In float64: the first steps of Adam have the sign of the gradient, and where a gradient is next
    to zero a rounding error of float32 turns it around.
    """
    pixels = _split().train
    net.double()
    x, y = _patches(pixels).double(), _targets(pixels)
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
    """Dropout, BatchNorm and flips aside, both modes are one thing."""
    plain = {"weight_decay": 0, "label_smoothing": 0, "flips": False, "schedule": "constant"}
    settings = _settings(mode=mode, batch=1000, learning_rate=1e-4, epochs=4, **plain)
    net, twin = _net("paper", dropout=0), _net("paper", dropout=0)
    log = fit_scene(net, _image(), _split(), settings, 0, 0)
    assert [e.loss for e in log] == pytest.approx(own_loop(twin, [1e-4] * 4), rel=1e-5)
    assert [e.learning_rate for e in log] == [1e-4] * 4
    x = _patches(np.arange(0, ROWS * COLS, 7))
    with torch.no_grad():
        torch.testing.assert_close(net(x).double(), twin(x.double()), rtol=1e-3, atol=1e-5)


def _one_cycle(step: int, steps: int, highest: float, rise: float) -> float:
    """Learning rate of a step, from 0: a cosine from a 25th up, then down to a 250,000th."""
    low, end, last = highest / 25, highest / 25 / 1e4, steps - 1
    top = rise * steps - 1
    if step <= top:
        return highest + (low - highest) * (1 + math.cos(math.pi * step / top)) / 2
    return end + (highest - end) * (1 + math.cos(math.pi * (step - top) / (last - top))) / 2


def test_one_cycle_rises_then_falls_along_a_cosine() -> None:
    settings = _settings(epochs=8, rise=0.5, learning_rate=1e-4)
    log = fit_scene(_net("paper"), _image(), _split(), settings, 0, 0)
    steps = [_one_cycle(step, 8, 1e-4, 0.5) for step in range(8)]
    assert steps.index(max(steps)) == 3
    # The log has the rate that the next step would take; after the last there is none.
    assert [e.learning_rate for e in log[:-1]] == pytest.approx(steps[1:], rel=1e-6)


@pytest.mark.parametrize(
    ("epochs", "steps", "rise"),
    [(5, 1, 0.2), (1, 5, 0.2), (2, 1, 0.5), (3, 1, 1 / 3), (2, 5, 0.1), (1, 7, 1 / 7)],
)
def test_one_cycle_of_one_rising_step(epochs: int, steps: int, rise: float) -> None:
    """Its one rate is the lowest of the rise; then comes the fall, from the highest."""
    net, rates, total = _net("paper"), list[float](), epochs * steps
    batches, counts = _batches()
    before = net.fc3.bias
    assert before is not None
    start = before.detach().clone()

    def epoch() -> Iterator[Batch]:
        for _ in range(steps):
            yield from batches()
            rates.append(float((before.detach() - start).abs().max()))

    settings = _settings(epochs=epochs, rise=rise, learning_rate=1e-4, weight_decay=0)
    log = fit(net, epoch, steps, counts, settings)
    assert len(log) == epochs
    # Adam's first step has the size of the learning rate.
    assert rates[0] == pytest.approx(1e-4 / 25, rel=1e-2)
    end = 1e-4 / 25 / 1e4
    fall = [
        end + (1e-4 - end) * (1 + math.cos(math.pi * step / (total - 1))) / 2
        for step in range(1, total)
    ]
    # The log has the rate that the next step would take; after the last there is none.
    expected = [fall[epoch * steps - 1] for epoch in range(1, epochs)]
    assert [e.learning_rate for e in log[:-1]] == pytest.approx(expected, abs=1e-6)


def test_five_epochs_of_a_scene_of_one_window_are_trained() -> None:
    """A fifth of five steps is one."""
    net = _net()
    before = copy.deepcopy(dict(net.state_dict()))
    log = fit_scene(
        net,
        _image(),
        _split(),
        TrainingSettings.model_validate({"epochs": 5, "device": "cpu"}),
        0,
        0,
    )
    assert len(log) == 5
    assert all(math.isfinite(e.loss) and math.isfinite(e.learning_rate) for e in log)
    assert not _equal(dict(net.state_dict()), before)


def test_weight_decay_shrinks_what_adam_would_leave() -> None:
    def after(decay: float) -> Tensor:
        net = _net("paper", dropout=0)
        settings = _settings(
            epochs=1, learning_rate=1e-3, weight_decay=decay, schedule="constant", flips=False
        )
        fit_scene(net, _image(), _split(), settings, 0, 0)
        return net.fc1.weight.detach()

    start = _net("paper").fc1.weight.detach()
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
        [np.flatnonzero(_labels() == 2)[:9], np.flatnonzero(_labels() == 3)[:3]]
    )
    x, y = _patches(pixels), _targets(pixels)
    zero = torch.zeros_like(y)
    batch = Batch(x, torch.arange(len(y)), zero, zero, y)
    net = _net("paper", dropout=0)
    with torch.no_grad():
        logits = net(x).flatten(1)
    log = fit(
        net,
        lambda: iter([batch]),
        1,
        torch.bincount(y, minlength=3),
        _settings(epochs=1, class_weights=kind, label_smoothing=smoothing),
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
    net, split, sizes = _net("paper", dropout=0), _split(validation=False), list[int]()
    net.fc2.register_forward_pre_hook(lambda _module, inputs: sizes.append(len(inputs[0])))
    settings = _settings(
        mode="patches",
        epochs=1,
        learning_rate=1e-12,
        weight_decay=0,
        label_smoothing=0,
        flips=False,
    )
    log = fit_scene(net, _image(), split, settings, 0, 0)
    assert sizes == [16, 12]
    x, y = _patches(split.train), _targets(split.train)
    with torch.no_grad():
        logits = _net("paper").eval()(x).flatten(1)
    assert log[0].loss == pytest.approx(_naive_loss(logits, y, [1.0] * 3, 0.0), rel=1e-5)
    assert log[0].training_accuracy == pytest.approx(float((logits.argmax(1) == y).sum()) / 28)


# The log and the state it leaves


def test_the_log_has_a_line_an_epoch_and_watches_the_validation_pixels() -> None:
    net, heard = _net(), list[Epoch]()
    split = _split()
    log = fit_scene(net, _image(), split, _settings(epochs=4), 0, 0, heard.append)
    assert heard == log
    assert [e.epoch for e in log] == [1, 2, 3, 4]
    assert all(0 <= e.training_accuracy <= 1 and e.loss > 0 for e in log)
    assert [e.elapsed_s for e in log] == sorted(e.elapsed_s for e in log)
    assert not net.training
    with torch.no_grad():
        right = net(_patches(split.validation)).flatten(1).argmax(1) == _targets(split.validation)
    assert log[-1].validation_accuracy == float(right.sum()) / len(split.validation)


def test_without_a_validation_part_there_is_no_such_accuracy() -> None:
    log = fit_scene(_net(), _image(), _split(validation=False), _settings(epochs=1), 0, 0)
    assert log[0].validation_accuracy is None


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_the_global_random_state_is_neither_used_nor_moved(mode: str) -> None:
    nets = [_net(), _net()]
    with torch.random.fork_rng(devices=[]):
        for seed, net in enumerate(nets):
            torch.manual_seed(seed)
            before = torch.random.get_rng_state()
            fit_scene(net, _image(), _split(), _settings(mode=mode, epochs=1), 0, 0)
            assert torch.equal(torch.random.get_rng_state(), before)
    assert _equal(nets[0].state_dict(), nets[1].state_dict())


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_the_same_seeds_give_the_same_bits_and_others_do_not(mode: str) -> None:
    values: dict[str, Any] = {"mode": mode, "epochs": 2, "window": 16}
    one = _fitted(1, 2, **values)
    assert _equal(one, _fitted(1, 2, **values))
    assert not _equal(one, _fitted(1, 3, **values))  # dropout
    assert not _equal(one, _fitted(4, 2, **values))  # order and orientations


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_labels_of_test_pixels_never_matter(mode: str) -> None:
    split = _split()
    array = _labels().copy()
    array.flat[split.test] = np.roll(np.array([3, 7, 2, 7], np.int32).repeat(20), 3)[
        : len(split.test)
    ]
    changed = _split(array)
    assert (changed.labels.array != split.labels.array).sum() > 30
    one = _fitted(split=split, mode=mode, epochs=2, class_weights="balanced")
    assert _equal(one, _fitted(split=changed, mode=mode, epochs=2, class_weights="balanced"))


def test_unlabelled_test_pixels_do_not_matter_either() -> None:
    split = _split()
    array = _labels().copy()
    array.flat[split.test] = 0
    assert _equal(_fitted(epochs=1), _fitted(split=_split(array), epochs=1))


def test_watching_a_validation_part_does_not_change_the_training() -> None:
    assert _equal(_fitted(epochs=2), _fitted(split=_split(validation=False), epochs=2))


def test_labels_of_training_pixels_do_matter() -> None:
    array = _labels().copy()
    array.flat[_split().train[:5]] = 7
    assert not _equal(_fitted(epochs=1), _fitted(split=_split(array), epochs=1))


# Learning


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_a_tiny_scene_is_learnt(mode: str, device: str) -> None:
    net, split = _net(), _split()
    settings = _settings(
        mode=mode,
        epochs=12,
        learning_rate=1e-3,
        schedule="constant",
        flips=False,
        batch=28,
        device=device,
    )
    log = fit_scene(net, _image(), split, settings, 0, 0)
    assert log[0].training_accuracy < 0.6
    assert np.mean([e.training_accuracy for e in log[-4:]]) > 0.85
    assert log[-1].loss < 0.6 * log[0].loss
    with torch.no_grad():
        right = net.cpu()(_patches(split.test)).flatten(1).argmax(1) == _targets(split.test)
    assert float(right.float().mean()) > 0.8  # the largest class is 0.55 of the scene


@pytest.mark.parametrize("device", DEVICES)
def test_the_network_ends_on_the_device_of_the_settings(device: str) -> None:
    net = _net("paper")
    fit_scene(net, _image(), _split(), _settings(epochs=1, device=device), 0, 0)
    assert {p.device.type for p in net.parameters()} == {device}


# Early stopping


def _batches() -> tuple[Callable[[], Iterator[Batch]], Tensor]:
    """One small batch an epoch, and the counts of its classes."""
    pixels = _split().train[:6]
    x, y = _patches(pixels), _targets(pixels)
    zero = torch.zeros_like(y)
    batch = Batch(x, torch.arange(len(y)), zero, zero, y)
    return lambda: iter([batch]), torch.bincount(y, minlength=3)


def _stopped(accuracies: list[float], **values: Any) -> tuple[list[Epoch], State, list[State]]:
    """The log, the last weights, and those after each epoch, where validation says so."""
    net, after = _net(), list[State]()
    said = iter(accuracies)
    epochs, counts = _batches()

    def validate() -> float:
        assert not net.training
        return next(said)

    def note(epoch: Epoch) -> None:
        del epoch
        after.append(copy.deepcopy(dict(net.state_dict())))

    log = fit(net, epochs, 1, counts, _settings(**values), validate, note)
    assert not net.training
    return log, dict(net.state_dict()), after


def test_patience_keeps_the_best_weights_and_stops() -> None:
    log, kept, after = _stopped([0.5, 0.7, 0.6, 0.7, 0.9], epochs=10, patience=2)
    assert [e.validation_accuracy for e in log] == [0.5, 0.7, 0.6, 0.7]  # a tie is no better
    assert _equal(kept, after[1])
    assert not _equal(kept, after[3])


def test_patience_starts_anew_with_every_better_epoch() -> None:
    log, kept, after = _stopped([0.1, 0.0, 0.2, 0.1, 0.3, 0.2, 0.2], epochs=10, patience=2)
    assert len(log) == 7
    assert _equal(kept, after[4])


def test_patience_keeps_the_best_of_a_training_that_ran_to_its_end() -> None:
    log, kept, after = _stopped([0.0, 0.4, 0.3], epochs=3, patience=5)
    assert len(log) == 3
    assert _equal(kept, after[1])


def test_without_patience_the_last_weights_stay() -> None:
    log, kept, after = _stopped([0.9, 0.1, 0.1], epochs=3)
    assert len(log) == 3
    assert _equal(kept, after[2])


def test_patience_works_on_a_scene() -> None:
    net = _net()
    settings = _settings(epochs=6, patience=1, learning_rate=1e-12, flips=False)
    log = fit_scene(net, _image(), _split(), settings, 0, 0)
    accuracies = [e.validation_accuracy for e in log]
    assert None not in accuracies
    best = max(range(len(log)), key=lambda i: accuracies[i] or 0)
    assert len(log) in (best + 2, 6)


def test_patience_without_validation_is_an_error() -> None:
    net = _net()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(SettingsError) as caught:
        fit_scene(net, _image(), _split(validation=False), _settings(patience=2), 0, 0)
    assert str(caught.value) == (
        "--patience: early stopping needs a validation part; add validation=0.1 to --split"
    )
    assert _equal(net.state_dict(), before)


# What goes wrong


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_a_loss_of_nan_ends_the_training(mode: str) -> None:
    image = _image()
    image[0, 0, 0] = np.nan
    heard: list[Epoch] = []
    with pytest.raises(TrainingError) as caught:
        fit_scene(
            _net(), image, _split(), _settings(mode=mode, learning_rate=0.01), 0, 0, heard.append
        )
    assert str(caught.value) == (
        "the loss became nan in epoch 1 of 3; lower --learning-rate (now 0.01)"
    )
    assert isinstance(caught.value, SpectroliteError)
    assert not isinstance(caught.value, InputError)
    assert heard == []


def test_a_training_that_diverges_ends_in_the_epoch_where_it_does() -> None:
    epochs, counts = _batches()
    settings = _settings(epochs=9, learning_rate=1e30, schedule="constant")
    with pytest.raises(
        TrainingError,
        match=r"^the loss became (nan|inf) in epoch [2-9] of 9; "
        r"lower --learning-rate \(now 1e\+30\)$",
    ):
        fit(_net("paper"), epochs, 1, counts, settings)


# Devices


def test_pick_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == DEVICES[-1]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:2", "mps"])
def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: name == "cuda:2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SettingsError) as caught:
        pick_device(name)
    assert str(caught.value) == f"--device: {name} is not available on this machine; take cpu"


@pytest.mark.parametrize(
    "name", ["", "foo", "CPU", "Auto", "cpu ", "cuda:", "cuda:-1", "cuda:x", "cuda:99999999999"]
)
def test_a_name_that_is_no_device(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pick_device(name)
    assert str(caught.value) == f"--device: wanted auto, cpu or cuda, got {name!r}"


@pytest.mark.parametrize("name", ["meta", "xla", "hpu", "vulkan", "fpga:1"])
def test_a_device_that_torch_knows_and_we_do_not(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pick_device(name)
    assert str(caught.value) == f"--device: {name} is not available on this machine; take cpu"


def test_a_training_on_a_device_that_is_not_there() -> None:
    settings = _settings(device=f"cuda:{torch.cuda.device_count() + 3}")
    with pytest.raises(SettingsError, match=r"^--device: cuda:\d+ is not available"):
        fit_scene(_net(), _image(), _split(), settings, 0, 0)
