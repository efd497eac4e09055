"""A scene of a few pixels, its labels and split, and a network trained on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.data.labels import Labels
from spectrolite.models.hybridsn import HybridSN
from spectrolite.samples.split_scene import Split
from spectrolite.training.scene_loop import fit_scene
from spectrolite.training.settings import TrainingSettings

ROWS, COLS, BANDS = 10, 11, 13


IDS = (2, 3, 7)


State = dict[str, Tensor]


def small_labels() -> NDArray[np.int32]:
    """Three fields, of 60, 25 and 25 pixels."""
    array = np.full((ROWS, COLS), 2, np.int32)
    array[:5, 6:], array[5:, 6:] = 3, 7
    return array


def small_image(seed: int = 0) -> NDArray[np.float32]:
    """`(rows, cols, bands)`: a spectrum a class, and noise."""
    generator = np.random.default_rng(seed)
    spectra = generator.normal(scale=2, size=(8, BANDS))
    noise = generator.normal(scale=0.6, size=(ROWS, COLS, BANDS))
    return (spectra[small_labels()] + noise).astype(np.float32)


def small_split(array: NDArray[np.int32] | None = None, validation: bool = True) -> Split:
    """A pixel in four trains, one validates, two are tested; each column has some of each."""
    pixels = np.arange(ROWS * COLS)
    return Split(
        Labels(small_labels() if array is None else array),
        train=pixels[pixels % 4 == 0],
        validation=pixels[pixels % 4 == 1] if validation else pixels[:0],
        test=pixels[pixels % 4 >= 2],
        method="given",
    )


def small_settings(**values: Any) -> TrainingSettings:
    return TrainingSettings.model_validate({"epochs": 3, "batch": 16, "device": "cpu", **values})


def small_net(variant: str = "course", dropout: float = 0.4) -> HybridSN:
    net = HybridSN(BANDS, len(IDS), variant, torch.Generator().manual_seed(1))
    net.dropout.p = dropout
    return net


def fitted(order: int = 0, dropout: int = 0, split: Split | None = None, **values: Any) -> State:
    """Weights and statistics after a training."""
    net = small_net()
    fit_scene(net, small_image(), split or small_split(), small_settings(**values), order, dropout)
    return net.state_dict()


def equal(one: State, other: State) -> bool:
    assert list(one) == list(other)
    return all(torch.equal(value, other[key]) for key, value in one.items())


def patches_of(pixels: NDArray[np.integer]) -> Tensor:
    """`(P, bands, 25, 25)` around pixels of the scene, zeros beyond it."""
    padded = np.pad(small_image(), ((12, 12), (12, 12), (0, 0)))
    cut = [padded[p // COLS :, p % COLS :][:25, :25] for p in pixels.tolist()]
    return torch.from_numpy(np.stack(cut).transpose(0, 3, 1, 2).copy())


def targets_of(pixels: NDArray[np.integer]) -> Tensor:
    return torch.tensor([IDS.index(int(i)) for i in small_labels().ravel()[pixels]])
