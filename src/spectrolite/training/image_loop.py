"""Training on images: batches for the loop, and a network's logits for many images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.machine import kept_memory, pick_device
from spectrolite.models import ImageNetwork
from spectrolite.samples.augmentation import (
    alternating_flip,
    cutout,
    mixup,
    pad_crop,
    random_flip,
    standardise,
)
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.training.loop import Checkpoint, Epoch, fit
from spectrolite.training.settings import AugmentationSettings, ImageSettings

AT_A_TIME = 500  # images in one pass without gradients


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """A batch of the loop.

    Attributes:
        images: `(N, C, H, W)` float32, standardised, with the channels last in memory.
        targets: `(N,)` int64, class index from 0, or `(N, classes)` shares of blended images.
    """

    images: Tensor
    targets: Tensor

    def logits(self, net: Any, device: torch.device) -> Tensor:
        """`(N, classes)` float32; on CUDA computed in mixed precision."""
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            logits: Tensor = net(self.images.to(device))
        return logits.float()


def fit_images(
    net: ImageNetwork,
    split: ImageSplit,
    mean: Tensor,
    std: Tensor,
    settings: ImageSettings,
    order: int,
    dropout: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    checkpoint: Checkpoint | None = None,
    save: Callable[[Checkpoint], None] = lambda _: None,
) -> list[Epoch]:
    """Train an image network in place, with the channels last in memory.

    Every epoch shows each training image once, in batches whose sizes differ by one at most.

    Args:
        net: the network, on any device; it is moved to the device of the settings.
        split: its training images give the loss, its validation images the validation accuracy.
        mean: `(C,)` mean of the training images, from `channel_statistics`.
        std: `(C,)` standard deviation, from the same.
        settings: of augmentation and loop.
        order: seed of the order of the images and of their augmentation.
        dropout: seed of torch's global generator while the loop runs.
        on_epoch: called after every epoch.
        checkpoint: from an earlier call, to continue to the same bits.
        save: called with checkpoints, as in `fit`.

    Returns:
        The log, an entry an epoch.
    """
    loop = settings.training
    device = pick_device(loop.device)
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    generator = torch.Generator().manual_seed(order)
    epochs = _Epochs(split, mean, std, settings.augmentation, loop.batch, generator, device)
    if checkpoint is not None:
        epochs.epoch = len(checkpoint.log)
    validation = split.images.pixels[split.validation]
    truth = split.images.targets[split.validation]

    def validate() -> float:
        predicted = logits_of(net, validation, mean, std, device).argmax(1).numpy()
        return float((predicted == truth).mean())

    devices = [device] if device.type == "cuda" else []
    with kept_memory(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(dropout)
        return fit(
            net,
            epochs.batches,
            epochs.steps,
            torch.bincount(epochs.targets, minlength=epochs.classes),
            loop,
            validate if len(validation) else None,
            on_epoch,
            generator,
            checkpoint,
            save,
        )


def steps_an_epoch(images: int, batch: int) -> int:
    """Batches an epoch; BatchNorm needs at least two images in each."""
    return max(1, min(-(-images // batch), images // 2))


class _Epochs:
    """The training images: shuffled and augmented anew for each epoch."""

    def __init__(
        self,
        split: ImageSplit,
        mean: Tensor,
        std: Tensor,
        changes: AugmentationSettings,
        batch: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self.pixels = torch.from_numpy(split.images.pixels[split.train])
        self.targets = torch.from_numpy(split.images.targets[split.train])
        self.classes = len(split.images.class_names)
        self.mean, self.std = mean.to(device), std.to(device)
        self.changes, self.generator, self.device = changes, generator, device
        n = len(self.targets)
        self.steps = steps_an_epoch(n, batch)
        self.mirrored = torch.rand(n, generator=generator) < 0.5
        self.epoch = 0

    def batches(self) -> Iterator[ImageBatch]:
        """Each image once, in random order, augmented at random."""
        self.epoch += 1
        order = torch.randperm(len(self.targets), generator=self.generator)
        for indices in torch.tensor_split(order, self.steps):
            yield self._batch(indices)

    def _batch(self, indices: Tensor) -> ImageBatch:
        changes, generator = self.changes, self.generator
        images = self.pixels[indices].to(self.device)
        targets = self.targets[indices].to(self.device)
        if changes.pad:
            images = pad_crop(images, generator, changes.pad, changes.fill)
        if changes.mirror == "random":
            images = random_flip(images, generator)
        elif changes.mirror == "alternating":
            images = alternating_flip(images, self.mirrored[indices], self.epoch)
        images = standardise(images, self.mean, self.std)
        if changes.cutout:
            images = cutout(images, generator, changes.cutout)
        if changes.mixup:
            images, targets = mixup(images, targets, self.classes, generator, changes.mixup)
        return ImageBatch(images.contiguous(memory_format=torch.channels_last), targets)


@torch.inference_mode()
def logits_of(
    net: ImageNetwork,
    pixels: NDArray[np.uint8],
    mean: Tensor,
    std: Tensor,
    device: torch.device,
    at_a_time: int = AT_A_TIME,
) -> Tensor:
    """`(N, classes)` float32 on the CPU: a network's logits for images without augmentation.

    Args:
        net: the network, on `device`, in training or evaluation mode.
        pixels: `(N, C, H, W)` uint8.
        mean: `(C,)` mean of the training images, from `channel_statistics`.
        std: `(C,)` standard deviation, from the same.
        device: where to compute.
        at_a_time: images in one pass. In evaluation mode it matters for speed only.
    """
    logits = []
    for start in range(0, len(pixels), at_a_time):
        images = torch.from_numpy(pixels[start : start + at_a_time].copy()).to(device)
        images = standardise(images, mean.to(device), std.to(device))
        logits.append(net(images.contiguous(memory_format=torch.channels_last)).float().cpu())
    return torch.cat(logits)
