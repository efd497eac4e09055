"""Training on scenes: windows or patches, with the loss at training pixels only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.data.scene import Window
from spectrolite.data.scene_sets import Pixels, by_scene
from spectrolite.machine import kept_memory, pick_device
from spectrolite.models import SceneNetwork
from spectrolite.samples.band_reduction import Reduced, reduced_array
from spectrolite.samples.scene_batches import (
    Batch,
    TrainingScene,
    dense_epoch,
    patch_epoch,
    training_windows,
)
from spectrolite.samples.split_scene import Split
from spectrolite.training.loop import Checkpoint, Epoch, fit
from spectrolite.training.settings import TrainingSettings


def fit_scene(
    net: SceneNetwork,
    reduced: NDArray[np.float32] | Sequence[Reduced],
    split: Split,
    settings: TrainingSettings,
    order: int,
    dropout: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    checkpoint: Checkpoint | None = None,
    save: Callable[[Checkpoint], None] = lambda _: None,
) -> list[Epoch]:
    """Train a scene network in place, in the mode of the settings.

    Args:
        net: the network, on any device; it is moved to the device of the settings.
        reduced: `(rows, cols, components)` float32, the scene as the network's input; or each of
            several. From scenes that stay in their files, the windows with a training or validation
            pixel are read once and kept in memory.
        split: its training pixels give the loss, its validation pixels the validation accuracy.
        settings: the loop's settings.
        order: seed of the order and the orientations of windows or patches.
        dropout: seed of torch's global generator while the loop runs, for dropout.
        on_epoch: called after every epoch.
        checkpoint: from an earlier call, to continue to the same bits.
        save: called with checkpoints, as in `fit`.

    Returns:
        The log, an entry an epoch.
    """
    labels = split.labels
    inputs = [reduced_array(reduced)] if isinstance(reduced, np.ndarray) else reduced
    scenes = _training_scenes(inputs, split, split.train, net.halo, settings.window)
    validation = _training_scenes(inputs, split, split.validation, net.halo, settings.window)
    device = pick_device(settings.device)
    net.to(device)
    windows = [
        (n, window)
        for n, scene in enumerate(scenes)
        for window in (scene.windows(settings.window) if scene.blocks else ())
    ]
    generator = torch.Generator().manual_seed(order)

    dense = settings.mode == "dense"

    def batches() -> Iterator[Batch]:
        if dense:
            return dense_epoch(scenes, windows, settings.flips, generator)
        return patch_epoch(scenes, settings.batch, settings.flips, generator)

    steps = len(windows) if dense else steps_an_epoch(split, settings)
    classes = np.searchsorted(labels.class_ids, labels.array.ravel()[split.train])
    counts = torch.bincount(torch.from_numpy(classes), minlength=len(labels.class_ids))

    @torch.inference_mode()
    def validate() -> float:
        """Accuracy at the validation pixels."""
        scores = _scores(net, validation, device)
        right = sum(int((logits.argmax(1) == truth).sum()) for logits, truth in scores)
        return right / len(split.validation)

    devices = [device] if device.type == "cuda" else []
    with kept_memory(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(dropout)
        return fit(
            net,
            batches,
            steps,
            counts,
            settings,
            validate if len(split.validation) else None,
            on_epoch,
            generator,
            checkpoint,
            save,
        )


def validation_logits(
    net: SceneNetwork, reduced: Sequence[Reduced], split: Split, settings: TrainingSettings
) -> tuple[Tensor, Tensor]:
    """Logits `(n, classes)` at the validation pixels, and their classes `(n,)`, from 0.

    Arguments as in `fit_scene`; the network is trained, and in evaluation mode.
    """
    device = pick_device(settings.device)
    scenes = _training_scenes(reduced, split, split.validation, net.halo, settings.window)
    with kept_memory(), torch.inference_mode():
        logits, truth = zip(*_scores(net.to(device), scenes, device), strict=True)
    return torch.cat(logits), torch.cat(truth)


def _scores(
    net: SceneNetwork, scenes: Sequence[TrainingScene], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits and classes at the pixels with a target, a thousand at a time."""
    for scene in scenes:
        for window, block in scene.blocks:
            image, targets = block[None].to(device), scene.targets[window.slices]
            rows, cols = (targets >= 0).nonzero(as_tuple=True)
            for some in torch.split(torch.arange(len(rows)), 1000):
                pixels = (torch.zeros_like(some), rows[some], cols[some])
                logits = net.at(image, *(p.to(device) for p in pixels))
                yield logits.cpu(), targets[rows[some], cols[some]]


def steps_an_epoch(split: Split, settings: TrainingSettings) -> int:
    """Steps of the optimiser in an epoch: windows with a training pixel, or batches of patches."""
    if settings.mode == "patches":
        return -(-len(split.train) // settings.batch)
    trains = np.zeros(split.labels.array.size, bool)
    trains[split.train] = True
    shapes = split.labels.shapes
    parts = zip(by_scene(shapes, trains), shapes, strict=True)
    return sum(len(training_windows(part.reshape(shape), settings.window)) for part, shape in parts)


def _training_scenes(
    inputs: Sequence[Reduced], split: Split, pixels: Pixels, halo: int, side: int
) -> list[TrainingScene]:
    """Each scene with targets at some pixels."""
    labels = split.labels
    index = np.full(labels.array.size, -1, np.int64)
    index[pixels] = np.searchsorted(labels.class_ids, labels.array.ravel()[pixels])
    scenes = []
    of_each = by_scene(labels.shapes, index)
    for reduced, shape, targets in zip(inputs, labels.shapes, of_each, strict=True):
        read = partial(_read, reduced)
        whole = Window(0, shape[0], 0, shape[1])
        image = read(whole) if reduced.in_memory else read
        scenes.append(TrainingScene(image, torch.from_numpy(targets).view(shape), halo, side))
    return scenes


def _read(reduced: Reduced, window: Window) -> Tensor:
    """`(components, rows, cols)` of a window."""
    return torch.from_numpy(np.ascontiguousarray(reduced.read(window).transpose(2, 0, 1)))
