"""Some training patches or images, evenly spaced, as a network sees them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.images import ImageSet
from spectrolite.data.scene_sets import Pixels
from spectrolite.evaluation.depthwise_kernels import Range
from spectrolite.samples.augmentation import standardise

PATCHES = 128  # training pixels whose patches are looked at


def some_patches(bundle: Bundle, reduced: NDArray[np.float32], trained: Pixels) -> Tensor:
    """`(n, components, patch, patch)`: around at most `PATCHES` of the pixels, evenly."""
    padded = _padded(reduced, bundle.config.patch // 2)
    return _patches(padded, _evenly(trained, PATCHES), bundle.config.patch)


def _padded(reduced: NDArray[np.float32], halo: int) -> Tensor:
    """`(rows, cols, components) -> (components, rows + 2 * halo, cols + 2 * halo)`."""
    image = torch.from_numpy(np.ascontiguousarray(reduced.transpose(2, 0, 1)))
    return torch.nn.functional.pad(image, (halo, halo, halo, halo))


def _patches(padded: Tensor, pixels: Pixels, patch: int) -> Tensor:
    """`(n, components, patch, patch)` around flat indices into the scene."""
    rows, cols = np.unravel_index(
        pixels, (padded.shape[1] - patch + 1, padded.shape[2] - patch + 1)
    )
    return torch.stack(
        [
            padded[:, r : r + patch, c : c + patch]
            for r, c in zip(rows.tolist(), cols.tolist(), strict=True)
        ]
    )


def _evenly(pixels: Pixels, most: int) -> Pixels:
    """At most so many of them, evenly spaced: nothing here is drawn."""
    places = np.linspace(0, len(pixels) - 1, min(most, len(pixels))).round().astype(np.int64)
    spaced: Pixels = pixels[places]
    return spaced


IMAGES = 256  # training images that are looked at


def some_images(bundle: ImageBundle, images: ImageSet, trained: NDArray[np.int64]) -> Tensor:
    """`(n, C, H, W)`, ready for the network: at most `IMAGES` of those that trained, evenly."""
    places = np.linspace(0, len(trained) - 1, min(IMAGES, len(trained))).round().astype(np.int64)
    pixels = torch.from_numpy(images.pixels[trained[places]])
    return standardise(pixels, bundle.mean, bundle.std)


def pixel_range(mean: Tensor, std: Tensor) -> Range:
    """What a channel of an image can be to the network: from black to the full 8 bits."""
    mean, std = mean.double(), std.double()
    return Range(-mean / std, (1 - mean) / std)
