"""One loop, read top to bottom. `fit` knows batches; `fit_scene` makes them of a scene.

Those of images are made by `image_training`.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from spectrolite.errors import SettingsError, TrainingError
from spectrolite.training.optimisers import average, copied, holding, make_optimiser, make_schedule
from spectrolite.training.settings import LoopSettings

KEEP_EVERY_S = 20.0
"""Seconds between two states that the loop hands out. One of HybridSN takes 0.2 s to write."""


@dataclass(frozen=True)
class Epoch:
    """One line of the training log.

    Attributes:
        epoch: number, from 1.
        loss: mean over the epoch's training pixels or images, smoothing and weights included.
        training_accuracy: over the same as they were seen, dropout and augmentation live; of a
            blend, the class with the larger share counts.
        validation_accuracy: in evaluation mode, of the averaged weights where some are kept, 0 to
            1; nothing without a validation part.
        learning_rate: after the epoch's last step.
        elapsed_s: seconds since the loop began.
    """

    epoch: int
    loss: float
    training_accuracy: float
    validation_accuracy: float | None
    learning_rate: float
    elapsed_s: float


def best_epoch(log: Sequence[Epoch]) -> int:
    """The epoch whose weights early stopping keeps: the first with the best validation."""
    return max(log, key=lambda epoch: (epoch.validation_accuracy or 0.0, -epoch.epoch)).epoch


@dataclass(frozen=True, eq=False)
class Progress:
    """Where the loop stands after an epoch: all that the next one depends on.

    The tensors are the loop's own and change with its next step: write or copy them at once.

    Attributes:
        log: an entry an epoch.
        network: weights and running statistics, by name.
        optimiser: its `state_dict()`.
        schedule: its `state_dict()`.
        generators: states, uint8: `order`, `torch`, and the device's own where it has one.
        best_epoch: the one with the best validation accuracy; 0 without `patience`.
        best_accuracy: that accuracy; -1 without `patience`.
        best: its weights and running statistics; empty without `patience`.
        ema: averaged weights, by name; empty where none are kept.
    """

    log: tuple[Epoch, ...]
    network: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]
    schedule: Mapping[str, Any]
    generators: Mapping[str, Tensor]
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best: Mapping[str, Tensor] = field(default_factory=dict)
    ema: Mapping[str, Tensor] = field(default_factory=dict)


class LoopBatch(Protocol):
    """What the loop asks of a batch; `tiles.Batch` is one of scenes."""

    @property
    def targets(self) -> Tensor:
        """`(P,)` class index from 0, or `(P, classes)` shares that sum to 1."""
        ...

    def logits(self, net: Any, device: torch.device) -> Tensor:
        """`(P, classes)`: what the network, on that device, says."""
        ...


def fit(
    net: nn.Module,
    epoch_batches: Callable[[], Iterator[LoopBatch]],
    steps: int,
    class_counts: Tensor,
    settings: LoopSettings,
    validate: Callable[[], float] | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    generator: torch.Generator | None = None,
    progress: Progress | None = None,
    keep: Callable[[Progress], None] = lambda _: None,
) -> list[Epoch]:
    """Fit `net` in place; it ends in evaluation mode.

    Dropout draws from torch's global generator, which the caller seeds: its layers take no other.

    Args:
        net: a network, on the device to train on.
        epoch_batches: called once an epoch; gives that epoch's batches.
        steps: batches an epoch.
        class_counts: `(classes,)` training pixels or images a class; 0 where a class has none.
        settings: the loop's settings.
        validate: accuracy of the net on the validation part, in evaluation mode.
        on_epoch: called after every epoch.
        generator: the one that `epoch_batches` draws from, to be kept with the rest.
        progress: where an earlier call with the same arguments stood; the loop goes on from there
            and ends with the bits of one that never stopped.
        keep: called with where the loop stands after the first epoch, after the last, and about
            every `KEEP_EVERY_S` seconds between them.

    Returns:
        The log, an entry an epoch.

    Raises:
        SettingsError: early stopping without a validation part, or progress without the averages
            that the settings ask for.
        TrainingError: the loss became NaN or infinite.
    """
    if settings.patience and validate is None:
        raise SettingsError(
            "--patience: early stopping needs a validation part; add validation=0.1 to --split"
        )
    device = next(net.parameters()).device
    epochs = settings.epochs
    optimiser = make_optimiser(net, settings)
    schedule = make_schedule(optimiser, settings, epochs * steps)
    criterion = nn.CrossEntropyLoss(
        weight=_class_weights(class_counts, settings.class_weights).to(device),
        label_smoothing=settings.label_smoothing,
    )
    log: list[Epoch] = []
    best_accuracy, best_epoch, best_state = -1.0, 0, net.state_dict()
    averaged = copied(net.state_dict()) if settings.ema else {}
    kept_epoch, kept_s = 0, -math.inf
    if progress is not None:
        log, kept_epoch = list(progress.log), len(progress.log)
        best_accuracy, best_epoch = progress.best_accuracy, progress.best_epoch
        best_state = dict(progress.best)
        net.load_state_dict(dict(progress.network))
        if set(progress.ema) != set(averaged):
            raise SettingsError("progress: its averaged weights are not those that --ema asks for")
        for key, value in averaged.items():
            value.copy_(progress.ema[key])  # in place, for another layout may round otherwise
        _load_optimiser(optimiser, progress.optimiser)
        schedule.load_state_dict(dict(progress.schedule))
        _set_generators(progress.generators, device, generator)

    def stands() -> Progress:
        best = best_state if settings.patience else {}
        return Progress(
            tuple(log),
            net.state_dict(),
            optimiser.state_dict(),
            schedule.state_dict(),
            _generators(device, generator),
            best_epoch,
            best_accuracy,
            best,
            averaged,
        )

    start = time.perf_counter() - (log[-1].elapsed_s if log else 0.0)
    for epoch in range(len(log) + 1, epochs + 1):
        if settings.patience and len(log) - best_epoch >= settings.patience:
            break
        net.train()
        loss_sum, right, seen = 0.0, 0, 0
        for step, batch in enumerate(epoch_batches(), start=steps * (epoch - 1)):
            targets = batch.targets.to(device)
            logits = batch.logits(net, device)  # (P, classes)
            loss = criterion(logits, targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            average(averaged, net, settings.ema, step)
            loss_sum += loss.item() * len(targets)
            truth = targets if targets.dim() == 1 else targets.argmax(1)
            right += int((logits.argmax(1) == truth).sum())
            seen += len(targets)
        if not math.isfinite(loss_sum):
            raise TrainingError(
                f"the loss became {loss_sum} in epoch {epoch} of {epochs}; "
                f"lower --learning-rate (now {settings.learning_rate})"
            )
        accuracy = None
        if validate is not None:
            net.eval()
            with holding(net, averaged):
                accuracy = validate()
                if settings.patience and accuracy > best_accuracy:
                    best_accuracy, best_epoch = accuracy, epoch
                    best_state = copy.deepcopy(net.state_dict())
        rate = float(optimiser.param_groups[0]["lr"])
        elapsed = time.perf_counter() - start
        log.append(Epoch(epoch, loss_sum / seen, right / seen, accuracy, rate, elapsed))
        if time.perf_counter() - kept_s >= KEEP_EVERY_S:
            keep(stands())
            kept_epoch, kept_s = epoch, time.perf_counter()
        on_epoch(log[-1])
    if kept_epoch < len(log):
        keep(stands())
    net.load_state_dict(best_state if settings.patience else {**net.state_dict(), **averaged})
    net.eval()
    if not all(bool(p.isfinite().all()) for p in net.parameters()):
        raise TrainingError(
            f"weights became NaN or infinite in the last step of {epochs} epochs; "
            f"lower --learning-rate (now {settings.learning_rate})"
        )
    return log


def _load_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    optimiser.load_state_dict(dict(state))
    for parameter, kept in optimiser.state.items():
        for key, value in kept.items():
            # laid out as the parameter is, for another layout may round in another order
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                kept[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _generators(device: torch.device, order: torch.Generator | None) -> dict[str, Tensor]:
    states = {"torch": torch.get_rng_state()}
    if order is not None:
        states["order"] = order.get_state()
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_generators(
    states: Mapping[str, Tensor], device: torch.device, order: torch.Generator | None
) -> None:
    torch.set_rng_state(states["torch"])
    if order is not None:
        order.set_state(states["order"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states["mps"])


def _class_weights(counts: Tensor, kind: str) -> Tensor:
    """`(classes,)` float32: ones, or inverse counts scaled to a mean of 1 over training pixels."""
    there = counts > 0
    if kind == "none":
        return torch.ones(len(counts))
    weights = torch.where(there, counts.sum() / (there.sum() * counts.clamp(min=1)), 0.0)
    return weights.float()
