"""Batches of images for the loop of `training`, and what a network says of many images."""

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

AT_A_TIME = 500  # images in one pass that only looks


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
    """Fit an image network in place, with the channels last in memory.

    Every epoch shows each training image once, in batches whose sizes differ by one at most.

    Args:
        net: the network, on any device; it is moved to the one of the settings.
        split: whose training images give the loss, and whose validation images are watched.
        mean: `(C,)` of the training images, as `channel_statistics` gives it.
        std: the same.
        settings: of augmentation and loop.
        order: seed of the order of the images and of how they are changed.
        dropout: seed of torch's global generator while the loop runs.
        on_epoch: called after every epoch.
        checkpoint: from an earlier call, to continue to the same bits.
        save: called with checkpoints, as in `fit`.

    Returns:
        The log, an entry an epoch.
    """
    chosen = settings.training
    device = pick_device(chosen.device)
    net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    generator = torch.Generator().manual_seed(order)
    shown = _Shown(split, mean, std, settings.augmentation, chosen.batch, generator, device)
    if checkpoint is not None:
        shown.epoch = len(checkpoint.log)
    held = split.images.pixels[split.validation]
    truth = split.images.targets[split.validation]

    def validate() -> float:
        said = logits_of(net, held, mean, std, device).argmax(1).numpy()
        return float((said == truth).mean())

    devices = [device] if device.type == "cuda" else []
    with kept_memory(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(dropout)
        return fit(
            net,
            shown.batches,
            shown.steps,
            torch.bincount(shown.targets, minlength=shown.classes),
            chosen,
            validate if len(held) else None,
            on_epoch,
            generator,
            checkpoint,
            save,
        )


class _Shown:
    """The training images, as each epoch shows them."""

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
        # BatchNorm wants two images or more in each of the batches
        self.steps = max(1, min(-(-n // batch), n // 2))
        self.mirrored = torch.rand(n, generator=generator) < 0.5
        self.epoch = 0

    def batches(self) -> Iterator[ImageBatch]:
        """Each image once, in random order, changed at random."""
        self.epoch += 1
        order = torch.randperm(len(self.targets), generator=self.generator)
        for chosen in torch.tensor_split(order, self.steps):
            yield self._batch(chosen)

    def _batch(self, chosen: Tensor) -> ImageBatch:
        changes, generator = self.changes, self.generator
        images, targets = self.pixels[chosen].to(self.device), self.targets[chosen].to(self.device)
        if changes.pad:
            images = pad_crop(images, generator, changes.pad, changes.fill)
        if changes.mirror == "random":
            images = random_flip(images, generator)
        elif changes.mirror == "alternating":
            images = alternating_flip(images, self.mirrored[chosen], self.epoch)
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
    """`(N, classes)` float32 on the CPU: what a network says of images as they are.

    Args:
        net: the network, on `device`, in the mode that it is to be asked in.
        pixels: `(N, C, H, W)` uint8.
        mean: `(C,)` of the images that trained.
        std: the same.
        device: where to compute.
        at_a_time: images in one pass. In evaluation mode it is a matter of speed alone.
    """
    said = []
    for start in range(0, len(pixels), at_a_time):
        images = torch.from_numpy(pixels[start : start + at_a_time].copy()).to(device)
        images = standardise(images, mean.to(device), std.to(device))
        said.append(net(images.contiguous(memory_format=torch.channels_last)).float().cpu())
    return torch.cat(said)
