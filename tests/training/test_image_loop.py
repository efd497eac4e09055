"""The loop on images: what a step computes, that it repeats, and what it never uses.

Independent references:
- `own_loop` below: Nesterov's momentum, decay, one cycle, smoothing and averages written out for
  each tensor, on whole batches that are standardised here;
- schedules by their formulas, averages by a loop over steps;
- networks asked one image at a time;
- a second training for the bits.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spectrolite as sl
from spectrolite.errors import SettingsError
from spectrolite.models import ImageNetwork, build_image_model
from spectrolite.samples.augmentation import channel_statistics
from spectrolite.training import loop
from spectrolite.training.checkpoint import load_checkpoint, save_checkpoint
from spectrolite.training.image_loop import _Epochs, fit_images, logits_of
from spectrolite.training.keywords import settings
from spectrolite.training.loop import Checkpoint, Epoch
from spectrolite.training.settings import ImageSettings

State = dict[str, Tensor]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def split() -> sl.ImageSplit:
    """60 digits of three classes and 20 to validate on."""
    train, _ = sl.load("digits")
    few = train.take(np.flatnonzero(train.targets < 3)[:100])
    few = sl.ImageSet(few.pixels, few.targets, ("0", "1", "2"), name="few")
    return sl.split_images(few, validation=0.25, test=0.2)


def _chosen(**values: Any) -> ImageSettings:
    plain = {"model": "mobilenet_v1", "variant": "course", "width": 0.25, "device": "cpu"}
    chosen: ImageSettings = settings(**{**plain, "batch": 16, "pad": 1, "epochs": 3, **values})
    return chosen


def _net() -> ImageNetwork:
    return build_image_model(
        "mobilenet_v1",
        variant="course",
        width=0.25,
        classes=3,
        channels=1,
        generator=torch.Generator().manual_seed(1),
    )


def _statistics(split: sl.ImageSplit) -> tuple[Tensor, Tensor]:
    return channel_statistics(torch.from_numpy(split.images.pixels[split.train]))


def _fit(
    split: sl.ImageSplit,
    progress: Checkpoint | None = None,
    keep: Callable[[Checkpoint], None] = lambda _: None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    order: int = 5,
    **values: Any,
) -> tuple[State, list[Epoch]]:
    net = _net()
    log = fit_images(
        net, split, *_statistics(split), _chosen(**values), order, 6, on_epoch, progress, keep
    )
    assert not net.training
    return dict(net.state_dict()), log


def _same(one: State, other: State) -> bool:
    assert list(one) == list(other)
    return all(torch.equal(value, other[key]) for key, value in one.items())


# What a step computes


def own_loop(split: sl.ImageSplit, rates: list[float], ema: float) -> tuple[State, list[float]]:
    """Averaged state and losses of SGD on all training images at once, a step for each rate."""
    pixels = split.images.pixels[split.train].astype(np.float64) / 255
    x = torch.from_numpy((pixels - pixels.mean()) / pixels.std()).float()
    y = torch.from_numpy(split.images.targets[split.train])
    soft = torch.full((len(y), 3), 0.1 / 3)
    soft[torch.arange(len(y)), y] += 0.9
    net = _net().train()
    depthwise = {n for n, _ in net.named_parameters() if "depthwise.0" in n}
    speed = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    averaged = {k: v.clone() for k, v in net.state_dict().items()}
    losses = []
    for step, rate in enumerate(rates):
        net.zero_grad()
        loss = -(soft * net(x).log_softmax(1)).sum(1).mean()
        torch.autograd.backward(loss)
        losses.append(float(loss.detach()))
        with torch.no_grad():
            for name, p in net.named_parameters():
                assert p.grad is not None
                decayed = p.dim() > 1 and name not in depthwise
                grad = p.grad + (5e-4 * p if decayed else 0)
                speed[name] = 0.9 * speed[name] + grad
                p.sub_(rate * (grad + 0.9 * speed[name]))
            share = min(ema, (1 + step) / (10 + step))
            for key, value in net.state_dict().items():
                if value.is_floating_point():
                    averaged[key] = share * averaged[key] + (1 - share) * value
    return averaged, losses


def test_the_loop_is_nesterov_with_decay_on_kernels_and_averages(split: sl.ImageSplit) -> None:
    values: dict[str, Any] = {
        "batch": 1000,
        "epochs": 4,
        "mirror": "none",
        "pad": 0,
        "ema": 0.3,
        "schedule": "constant",
        "learning_rate": 1e-3,
        "decay_on": "kernels",
    }
    state, log = _fit(split, **values)
    averaged, losses = own_loop(split, [1e-3] * 4, 0.3)
    assert [e.loss for e in log] == pytest.approx(losses, rel=1e-4)
    for key, value in state.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, averaged[key], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_schedules_by_their_formulas(split: sl.ImageSplit, schedule: str) -> None:
    """The log has the rate of the next step; there is none after the last step."""
    _, log = _fit(split, schedule=schedule, epochs=4, batch=1000, rise=0.5, learning_rate=0.01)

    def rate(step: int) -> float:
        if schedule == "cosine":
            return 0.01 * (1 + math.cos(math.pi * step / 4)) / 2
        low, end = 0.01 / 25, 0.01 / 25e4
        if step <= 1:
            return 0.01 + (low - 0.01) * (1 + math.cos(math.pi * step)) / 2
        return end + (0.01 - end) * (1 + math.cos(math.pi * (step - 1) / 2)) / 2

    assert [e.learning_rate for e in log[:-1]] == pytest.approx([rate(n) for n in (1, 2, 3)])


def test_decay_on_all_shrinks_depthwise_kernels_too(split: sl.ImageSplit) -> None:
    plain: dict[str, Any] = {
        "epochs": 1,
        "batch": 1000,
        "ema": 0,
        "schedule": "constant",
        "weight_decay": 0.5,
    }
    spared, _ = _fit(split, decay_on="kernels", **plain)
    shrunk, _ = _fit(split, decay_on="all", **plain)
    key = "blocks.0.depthwise.0.weight"
    start = _net().state_dict()[key]
    # one step of Nesterov: rate 0.2 * (1 + momentum) * decay
    torch.testing.assert_close(spared[key] - shrunk[key], 0.2 * 1.9 * 0.5 * start)


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
def test_every_optimiser_learns(split: sl.ImageSplit, optimiser: str) -> None:
    plain: dict[str, Any] = {
        "mirror": "none",
        "pad": 0,
        "label_smoothing": 0.0,
        "weight_decay": 0.0,
    }
    rate = 0.05 if optimiser == "sgd" else 0.002
    _, log = _fit(split, optimiser=optimiser, epochs=25, learning_rate=rate, **plain)
    assert log[-1].training_accuracy > 0.9


# Batches


@pytest.mark.parametrize(("batch", "sizes"), [(16, {15}), (7, {6, 7}), (59, {30}), (1000, {60})])
def test_every_image_once_in_batches_alike(
    split: sl.ImageSplit, batch: int, sizes: set[int]
) -> None:
    shown = _Epochs(
        split,
        *_statistics(split),
        _chosen(pad=0, mirror="none").augmentation,
        batch,
        torch.Generator().manual_seed(0),
        CPU,
    )
    batches = list(shown.batches())
    assert len(batches) == shown.steps
    assert {len(b.targets) for b in batches} == sizes
    mean, std = _statistics(split)
    seen = torch.cat([b.images for b in batches]) * std + mean
    wanted = torch.from_numpy(split.images.pixels[split.train]) / 255.0
    assert sorted(seen.flatten(1).round(decimals=3).tolist()) == sorted(
        wanted.flatten(1).round(decimals=3).tolist()
    )
    assert all(b.images.is_contiguous(memory_format=torch.channels_last) for b in batches)


def test_no_batch_of_one_image(split: sl.ImageSplit) -> None:
    """BatchNorm refuses one value a channel: three images in batches of two are one batch."""
    few = sl.ImageSplit(split.images, None, split.train[:3], split.validation, split.test)
    shown = _Epochs(few, *_statistics(split), _chosen().augmentation, 2, torch.Generator(), CPU)
    assert [len(b.targets) for b in shown.batches()] == [3]


def test_alternating_mirrors_show_every_image_both_ways(split: sl.ImageSplit) -> None:
    shown = _Epochs(
        split,
        torch.zeros(1),
        torch.ones(1),
        _chosen(pad=0).augmentation,
        1000,
        torch.Generator().manual_seed(3),
        CPU,
    )
    one, two = ({row.sum(0).tobytes() for row in _pixels(shown)} for _ in range(2))
    original = split.images.pixels[split.train][:, 0].astype(np.int64)
    both = {i.sum(0).tobytes() for i in original} | {i[:, ::-1].sum(0).tobytes() for i in original}
    assert one | two == both
    assert one != two


def _pixels(shown: _Epochs) -> np.ndarray[Any, np.dtype[np.int64]]:
    (batch,) = shown.batches()
    return (batch.images[:, 0] * 255).round().long().numpy()


def test_blends_are_shares_and_their_accuracy_is_of_the_larger(split: sl.ImageSplit) -> None:
    _, log = _fit(split, mixup=0.4, cutout=3, mirror="random", fill="zero", epochs=2)
    assert all(0 <= e.training_accuracy <= 1 and math.isfinite(e.loss) for e in log)


# Bits


def test_the_same_seed_gives_the_same_bits_and_another_does_not(split: sl.ImageSplit) -> None:
    before = torch.random.get_rng_state()
    one, other, third = (_fit(split, order=order)[0] for order in (1, 1, 2))
    assert _same(one, other)
    assert not _same(one, third)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_validation_and_test_images_never_matter(split: sl.ImageSplit) -> None:
    pixels = split.images.pixels.copy()
    pixels[split.validation] = 255 - pixels[split.validation]
    pixels[split.test] = 0
    changed = sl.ImageSet(pixels, split.images.targets, split.images.class_names)
    other = sl.ImageSplit(changed, None, split.train, split.validation, split.test)
    assert _same(_fit(split)[0], _fit(other)[0])


@pytest.mark.parametrize(
    "values",
    [
        {"mixup": 0.3, "cutout": 2, "epochs": 4},
        {"epochs": 5, "patience": 1, "learning_rate": 1e-9, "schedule": "cosine"},
        {"optimiser": "adam", "mirror": "random", "ema": 0, "schedule": "constant"},
    ],
    ids=["sgd and averages", "stops early", "adam"],
)
def test_stopped_after_any_epoch_it_ends_with_the_same_bits(
    split: sl.ImageSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    monkeypatch.setattr(loop, "KEEP_EVERY_S", 0.0)
    path = tmp_path / "state"
    wanted, log = _fit(split, **values)
    for last in range(1, len(log) + 1):

        def stop(epoch: Epoch, last: int = last) -> None:
            if epoch.epoch == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            _fit(split, None, lambda p: save_checkpoint(path, p, "run"), stop, **values)
        back = load_checkpoint(path, _net(), "run")
        assert bool(back.ema) == (values.get("ema") != 0)
        again, full = _fit(split, back, **values)
        assert _same(again, wanted)
        assert [e.loss for e in full] == [e.loss for e in log]


def test_a_checkpoint_without_averages_is_refused(split: sl.ImageSplit) -> None:
    states: list[Checkpoint] = []
    _fit(split, keep=states.append, epochs=2, ema=0)
    with pytest.raises(SettingsError) as caught:
        _fit(split, states[0], epochs=2, ema=0.9)
    assert str(caught.value) == (
        "checkpoint: its averaged weights are not those that --ema asks for"
    )


def test_validation_uses_the_averages(split: sl.ImageSplit) -> None:
    """The validation accuracy in the log is the averaged weights' accuracy."""
    accuracies: list[float | None] = []
    _fit(split, on_epoch=lambda e: accuracies.append(e.validation_accuracy), ema=0.5)
    state, log = _fit(split, ema=0.5)
    net = _net()
    net.load_state_dict(state)
    mean, std = _statistics(split)
    said = logits_of(net.eval(), split.images.pixels[split.validation], mean, std, CPU)
    truth = split.images.targets[split.validation]
    assert log[-1].validation_accuracy == float((said.argmax(1).numpy() == truth).mean())
    assert accuracies == [e.validation_accuracy for e in log]


def test_logits_are_those_of_one_image_at_a_time(split: sl.ImageSplit) -> None:
    net = _net()
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]
    before = copy.deepcopy(net.eval().state_dict())
    mean, std = _statistics(split)
    pixels = split.images.pixels[:9]
    naive = [
        net(((torch.tensor(image.tolist()) / 255 - mean[:, None, None]) / std[:, None, None])[None])
        for image in pixels
    ]
    said = logits_of(net, pixels, mean, std, CPU, 4)
    torch.testing.assert_close(said, torch.cat(naive).detach(), rtol=1e-4, atol=1e-5)
    assert _same(dict(net.state_dict()), dict(before))
