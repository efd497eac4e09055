"""Training patches or images, evenly spaced, as a network sees them: its checks look at these."""

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
IMAGES = 256  # training images that are looked at


def some_patches(bundle: Bundle, reduced: NDArray[np.float32], trained: Pixels) -> Tensor:
    """`(n, components, patch, patch)`: the patches of at most `PATCHES` training pixels."""
    padded = padded_image(reduced, bundle.config.patch // 2)
    return patches_around(padded, evenly_spaced(trained, PATCHES), bundle.config.patch)


def some_images(bundle: ImageBundle, images: ImageSet, trained: NDArray[np.int64]) -> Tensor:
    """`(n, C, H, W)`, ready for the network: at most `IMAGES` training images."""
    pixels = torch.from_numpy(images.pixels[evenly_spaced(trained, IMAGES)])
    return standardise(pixels, bundle.mean, bundle.std)


def evenly_spaced(indices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the indices, evenly spaced; nothing is random."""
    places = np.linspace(0, len(indices) - 1, min(most, len(indices))).round().astype(np.int64)
    spaced: NDArray[np.int64] = indices[places]
    return spaced


def padded_image(reduced: NDArray[np.float32], halo: int) -> Tensor:
    """`(rows, cols, components) -> (components, rows + 2 * halo, cols + 2 * halo)`."""
    image = torch.from_numpy(np.ascontiguousarray(reduced.transpose(2, 0, 1)))
    return torch.nn.functional.pad(image, (halo, halo, halo, halo))


def patches_around(padded: Tensor, pixels: Pixels, patch: int) -> Tensor:
    """`(n, components, patch, patch)` around flat indices into the scene without its padding."""
    rows, cols = np.unravel_index(
        pixels, (padded.shape[1] - patch + 1, padded.shape[2] - patch + 1)
    )
    return torch.stack(
        [
            padded[:, r : r + patch, c : c + patch]
            for r, c in zip(rows.tolist(), cols.tolist(), strict=True)
        ]
    )


def pixel_range(mean: Tensor, std: Tensor) -> Range:
    """Bounds of a standardised channel: from black to the full 8 bits."""
    mean, std = mean.double(), std.double()
    return Range(-mean / std, (1 - mean) / std)
