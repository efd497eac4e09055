"""The training loop on scenes: whole windows with the loss at training pixels only."""

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
from spectrolite.samples.band_reduction import Reduced
from spectrolite.samples.scene_batches import Batch, TrainingScene, dense_epoch, patch_epoch
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
    """Fit a scene network in place, in the mode that was chosen.

    Args:
        net: the network, on any device; it is moved to the one of the settings.
        reduced: `(rows, cols, components)` the scene as the network sees it; or each of several.
            Of those that stay in their files, windows are read that hold a training or a validation
            pixel, and held until the end.
        split: whose training pixels give the loss, and whose validation pixels are watched.
        settings: the loop's settings.
        order: seed of the order and the orientations of windows or patches.
        dropout: seed of dropout.
        on_epoch: called after every epoch.
        checkpoint: from an earlier call, to continue to the same bits.
        save: called with checkpoints, as in `fit`.

    Returns:
        The log, an entry an epoch.
    """
    labels = split.labels
    parts = [Reduced(reduced)] if isinstance(reduced, np.ndarray) else reduced
    scenes = _training_scenes(parts, split, split.train, net.halo, settings.window)
    watched = _training_scenes(parts, split, split.validation, net.halo, settings.window)
    device = pick_device(settings.device)
    net.to(device)
    windows = [
        (n, window)
        for n, scene in enumerate(scenes)
        for window in (scene.windows(settings.window) if scene.blocks else ())
    ]
    generator = torch.Generator().manual_seed(order)

    def batches() -> Iterator[Batch]:
        if settings.mode == "dense":
            return dense_epoch(scenes, windows, settings.flips, generator)
        return patch_epoch(scenes, settings.batch, settings.flips, generator)

    dense = settings.mode == "dense"
    steps = len(windows) if dense else -(-len(split.train) // settings.batch)
    taught = np.searchsorted(labels.class_ids, labels.array.ravel()[split.train])
    counts = torch.bincount(torch.from_numpy(taught), minlength=len(labels.class_ids))

    @torch.inference_mode()
    def validate() -> float:
        """Accuracy at the validation pixels, a thousand at a time."""
        right = 0
        for scene in watched:
            for window, block in scene.blocks:
                inputs, targets = block[None].to(device), scene.targets[window.slices]
                rows, cols = (targets >= 0).nonzero(as_tuple=True)
                for part in torch.split(torch.arange(len(rows)), 1000):
                    where = (torch.zeros_like(part), rows[part], cols[part])
                    logits = net.at(inputs, *(w.to(device) for w in where))
                    truth = targets[rows[part], cols[part]]
                    right += int((logits.argmax(1).cpu() == truth).sum())
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


def _training_scenes(
    parts: Sequence[Reduced], split: Split, pixels: Pixels, halo: int, side: int
) -> list[TrainingScene]:
    """Each scene with the targets of these pixels."""
    labels = split.labels
    index = np.full(labels.array.size, -1, np.int64)
    index[pixels] = np.searchsorted(labels.class_ids, labels.array.ravel()[pixels])
    made = []
    of_each = by_scene(labels.shapes, index)
    for part, shape, here in zip(parts, labels.shapes, of_each, strict=True):
        targets = torch.from_numpy(here).view(shape)
        if part.array is None:
            made.append(TrainingScene(partial(_window, part), targets, halo, side))
        else:
            made.append(TrainingScene(_image(part.array), targets, halo, max(shape)))
    return made


def _window(part: Reduced, window: Window) -> Tensor:
    return _image(part.read(window))


def _image(array: NDArray[np.float32]) -> Tensor:
    """`(rows, cols, components)` to `(components, rows, cols)`."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
