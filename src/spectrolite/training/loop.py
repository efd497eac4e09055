"""The training loop, read top to bottom: `fit` takes batches of any kind.

`scene_loop` makes them of a scene, `image_loop` of images.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from spectrolite.errors import SettingsError, TrainingError
from spectrolite.training.optimisers import (
    copy_weights,
    make_optimiser,
    make_schedule,
    temporary_weights,
    update_averages,
)
from spectrolite.training.settings import LoopSettings

KEEP_EVERY_S = 20.0
"""Seconds between two checkpoints: writing one takes a small part of that."""


@dataclass(frozen=True)
class Epoch:
    """One line of the training log.

    Attributes:
        epoch: number, from 1.
        loss: mean over the epoch's training pixels or images, with label smoothing and class
            weights.
        training_accuracy: over the same pixels or images, with dropout and augmentation active, 0
            to 1; of a blended image, the class with the larger share counts.
        validation_accuracy: in evaluation mode, of the averaged weights if there are any, 0 to 1;
            None without a validation part.
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
class Checkpoint:
    """The state of a training after an epoch: all that the next epoch depends on.

    The tensors are the loop's own and change with its next step: write or copy them at once.

    Attributes:
        log: an entry an epoch.
        network: weights and running statistics, by name.
        optimiser: its `state_dict()`.
        schedule: its `state_dict()`.
        generators: states, uint8: `order`, `torch`, and the device's own where it has one.
        best_epoch: the one with the best validation accuracy; 0 without `patience`.
        best_accuracy: its validation accuracy; -1 without `patience`.
        best: its weights and running statistics; empty without `patience`.
        ema: averaged weights, by name; empty if none are averaged.
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


@dataclass(eq=False)
class TrainingState:
    """Everything that changes while a network trains; attributes as those of `Checkpoint`.

    `finished` is a copy of the state after the last epoch that this call has finished.
    """

    net: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator | None
    ema: dict[str, Tensor]
    log: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best: Mapping[str, Tensor] = field(default_factory=dict)
    finished: Checkpoint | None = None

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        return next(self.net.parameters()).device

    def checkpoint(self) -> Checkpoint:
        """The state as values."""
        return Checkpoint(
            tuple(self.log),
            self.net.state_dict(),
            self.optimiser.state_dict(),
            self.schedule.state_dict(),
            _generators(self.device, self.generator),
            self.best_epoch,
            self.best_accuracy,
            self.best,
            self.ema,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint, to the bits of a training that was never interrupted.

        Raises:
            SettingsError: a checkpoint without the averages that the settings ask for.
        """
        if set(checkpoint.ema) != set(self.ema):
            raise SettingsError(
                "checkpoint: its averaged weights are not those that --ema asks for"
            )
        self.log = list(checkpoint.log)
        self.best_epoch, self.best_accuracy = checkpoint.best_epoch, checkpoint.best_accuracy
        self.best = dict(checkpoint.best)
        self.net.load_state_dict(dict(checkpoint.network))
        for key, value in self.ema.items():
            value.copy_(checkpoint.ema[key])  # in place: another memory layout may round otherwise
        _load_optimiser(self.optimiser, checkpoint.optimiser)
        self.schedule.load_state_dict(dict(checkpoint.schedule))
        _set_generators(checkpoint.generators, self.device, self.generator)

    def validate(self, accuracy_of_net: Callable[[], float], keep_best: bool) -> float:
        """Validation accuracy with the averaged weights; the best weights are copied on request."""
        self.net.eval()
        with temporary_weights(self.net, self.ema):
            accuracy = accuracy_of_net()
            if keep_best and accuracy > self.best_accuracy:
                self.best_accuracy, self.best_epoch = accuracy, len(self.log) + 1
                self.best = copy.deepcopy(self.net.state_dict())
        return accuracy


class LoopBatch(Protocol):
    """What the loop asks of a batch: `scene_batches.Batch` or `image_loop.ImageBatch`."""

    @property
    def targets(self) -> Tensor:
        """`(P,)` class index from 0, or `(P, classes)` shares that sum to 1."""
        ...

    def logits(self, net: Any, device: torch.device) -> Tensor:
        """`(P, classes)`: the network's outputs, computed on that device."""
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
    checkpoint: Checkpoint | None = None,
    save: Callable[[Checkpoint], None] = lambda _: None,
) -> list[Epoch]:
    """Train `net` in place; it ends in evaluation mode.

    Dropout draws from torch's global generator, which the caller seeds: its layers take no other.

    Args:
        net: a network, on the device to train on.
        epoch_batches: called once an epoch; gives that epoch's batches.
        steps: batches an epoch.
        class_counts: `(classes,)` training pixels or images a class; 0 where a class has none.
        settings: the loop's settings.
        validate: accuracy of the net on the validation part, in evaluation mode, 0 to 1.
        on_epoch: called after every epoch.
        generator: the one that `epoch_batches` draws from; its state goes into checkpoints.
        checkpoint: from an earlier call with the same arguments; the loop continues from there and
            ends with the bits of a training that was never interrupted.
        save: called with a checkpoint after the first epoch, after the last, about every
            `KEEP_EVERY_S` seconds between them, and when a `KeyboardInterrupt` ends the loop: then
            with that of the last finished epoch.

    Returns:
        The log, an entry an epoch.

    Raises:
        SettingsError: early stopping without a validation part, or a checkpoint without the
            averages that the settings ask for.
        TrainingError: the loss or a weight became NaN or infinite.
    """
    if settings.patience and validate is None:
        raise SettingsError(
            "--patience: early stopping needs a validation part; add validation=0.1 to --split"
        )
    epochs, optimiser = settings.epochs, make_optimiser(net, settings)
    schedule = make_schedule(optimiser, settings, epochs * steps)
    averages = copy_weights(net.state_dict()) if settings.ema else {}
    state = TrainingState(net, optimiser, schedule, generator, averages)
    if checkpoint is not None:
        state.restore(checkpoint)
    device, saved_epoch, saved_s = state.device, len(state.log), -math.inf
    criterion = nn.CrossEntropyLoss(
        weight=_class_weights(class_counts, settings.class_weights).to(device),
        label_smoothing=settings.label_smoothing,
    )
    start = time.perf_counter() - (state.log[-1].elapsed_s if state.log else 0.0)
    with _saved_if_stopped(state, save):
        for epoch in range(len(state.log) + 1, epochs + 1):
            if settings.patience and len(state.log) - state.best_epoch >= settings.patience:
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
                update_averages(state.ema, net, settings.ema, step)
                loss_sum += loss.item() * len(targets)
                truth = targets if targets.dim() == 1 else targets.argmax(1)
                right += int((logits.argmax(1) == truth).sum())
                seen += len(targets)
            if not math.isfinite(loss_sum):
                raise TrainingError(
                    f"the loss became {loss_sum} in epoch {epoch} of {epochs}; "
                    f"lower --learning-rate (now {settings.learning_rate})"
                )
            accuracy = state.validate(validate, bool(settings.patience)) if validate else None
            rate = float(optimiser.param_groups[0]["lr"])
            elapsed = time.perf_counter() - start
            state.log.append(Epoch(epoch, loss_sum / seen, right / seen, accuracy, rate, elapsed))
            state.finished = copy.deepcopy(state.checkpoint())
            if time.perf_counter() - saved_s >= KEEP_EVERY_S:
                save(state.finished)
                saved_epoch, saved_s = epoch, time.perf_counter()
            on_epoch(state.log[-1])
        if state.finished is not None and saved_epoch < len(state.log):
            save(state.finished)
    net.load_state_dict(state.best or {**net.state_dict(), **state.ema})
    net.eval()
    if not all(bool(p.isfinite().all()) for p in net.parameters()):
        raise TrainingError(
            f"weights became NaN or infinite in the last step of {epochs} epochs; "
            f"lower --learning-rate (now {settings.learning_rate})"
        )
    return state.log


@contextmanager
def _saved_if_stopped(state: TrainingState, save: Callable[[Checkpoint], None]) -> Iterator[None]:
    """Save the last finished epoch if Ctrl-C ends the block, where the next one has begun."""
    try:
        yield
    except KeyboardInterrupt:
        if state.finished is not None:
            save(state.finished)
        raise


def _load_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    optimiser.load_state_dict(dict(state))
    for parameter, kept in optimiser.state.items():
        for key, value in kept.items():
            # in the memory layout of the parameter: another one may round in another order
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
    trains = counts > 0
    if kind == "none":
        return torch.ones(len(counts))
    weights = torch.where(trains, counts.sum() / (trains.sum() * counts.clamp(min=1)), 0.0)
    return weights.float()
