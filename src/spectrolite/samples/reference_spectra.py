"""How like the training spectra a spectrum is: a warning where a map leaves what its network knows.

The distance of a spectrum is the Euclidean one, in the network's components, to the nearest of at
most 1,000 training spectra. What is far is told by the training spectra themselves: the similarity
is the share of their own distances that are at least as large. The idea is the area of
applicability of Meyer and Pebesma 2021 ("Predicting into unknown space? Estimating the area of
applicability of spatial prediction models", Methods in Ecology and Evolution 12), with quantiles
in place of one threshold.

A training pixel's nearest spectrum is that of its neighbour in the same field, nearly equal to its
own. Such distances would say that every new field is far. So a training spectrum is measured
against those of other fields, or polygons; where its class has one field only, against those whose
patches do not overlap its own. A spectrum without one of its own class so far away is not measured:
its distance would be that to another class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.data.scene import Window
from spectrolite.data.scene_sets import Pixels, scene_by_scene
from spectrolite.hashing import array_sha256
from spectrolite.samples.band_reduction import Reduced
from spectrolite.samples.split_scene import Split

AT_MOST = 1000  # spectra
AT_A_TIME = 512  # spectra whose distances are in memory together: they stay in the cache
UNLIKE = 0.05  # a similarity below it: the network was not trained on such spectra
Noted = dict[int, NDArray[np.float32]]
"""Spectra `(components,)` by the flat index of their pixel."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Training spectra to compare with.

    Attributes:
        spectra: `(n, components)` float32.
        distances: `(m,)` float32, ascending: of training spectra to the nearest one that is apart.
        apart: `fields`, as above; or `pixels` if no class has two fields, or one wider than a
            patch: then they are the distances to the nearest other pixel, and nearly every field
            that did not train is called unlike.
    """

    spectra: NDArray[np.float32]
    distances: NDArray[np.float32]
    apart: str

    @property
    def sha256(self) -> str:
        """Hash of spectra and distances."""
        return array_sha256(self.spectra, self.distances)

    def similarity(self, spectra: Tensor) -> Tensor:
        """`(n, components)` -> `(n,)`: the share of `distances` at least as large, 0 to 1."""
        known, own = (
            torch.from_numpy(a).to(spectra.device) for a in (self.spectra, self.distances)
        )
        lengths = known.square().sum(1)  # |x - y|^2 = |x|^2 - 2xy + |y|^2: half the time of cdist
        nearest = [
            torch.addmm(lengths, some, known.T, alpha=-2).amin(1) + some.square().sum(1)
            for some in torch.split(spectra, AT_A_TIME)
        ]
        distances = torch.cat(nearest).clamp(min=0).sqrt()
        return 1 - torch.searchsorted(own, distances) / len(own)


def noted(reduced: Sequence[Reduced], split: Split, seed: int) -> tuple[list[Reduced], Noted]:
    """The same scenes, and the spectra to compare with, which are noted as training reads them.

    From each class training pixels are drawn in turn: rare classes come in whole.

    Args:
        reduced: each scene as the network's input.
        split: its training pixels are drawn from.
        seed: of the draw.
    """
    pixels = _drawn(split, seed)
    spectra: Noted = {}

    def noting(part: Reduced, shape: tuple[int, int], numbers: Pixels, places: Pixels) -> Reduced:
        rows, cols = np.unravel_index(places, shape)

        def read(window: Window) -> NDArray[np.float32]:
            values = part.read(window)
            inside = (window.row_start <= rows) & (rows < window.row_stop)
            inside &= (window.col_start <= cols) & (cols < window.col_stop)
            own = values[rows[inside] - window.row_start, cols[inside] - window.col_start]
            spectra.update(zip(pixels[numbers[inside]].tolist(), own, strict=True))
            return values

        return Reduced(read, part.in_memory)

    scenes = scene_by_scene(split.labels.shapes, pixels)
    return [noting(part, *of_it) for part, of_it in zip(reduced, scenes, strict=True)], spectra


def reference_spectra(spectra: Noted, split: Split, patch: int) -> Reference:
    """The spectra to compare with, and how far they are from one another.

    Args:
        spectra: as of `noted`, once the training pixels are read.
        split: their training pixels are among its own.
        patch: side in pixels of the network's patch.
    """
    pixels = np.sort(np.array(list(spectra), np.int64))
    known = np.stack([spectra[n] for n in pixels.tolist()])
    classes = split.labels.array.ravel()[pixels]
    apart = _apart(split, pixels, classes, patch)
    measured = (apart & (classes[:, None] == classes)).any(1)
    kind = "fields" if measured.any() else "pixels"
    if kind == "pixels":
        apart, measured = ~np.eye(len(pixels), dtype=bool), np.ones(len(pixels), bool)
    exact = torch.from_numpy(known).double()
    between = np.where(apart, torch.cdist(exact, exact).numpy(), np.inf)[measured]
    return Reference(known, np.sort(between.min(1)).astype(np.float32), kind)


def _apart(
    split: Split, pixels: Pixels, classes: NDArray[np.int32], patch: int
) -> NDArray[np.bool_]:
    """`(n, n)`: which pixels, along the columns, a pixel is measured against."""
    labels = split.labels
    fields = (labels.fields if labels.polygons is None else labels.polygons).ravel()[pixels]
    of_classes = np.unique(np.stack([classes, fields]), axis=1)[0]
    ids, counts = np.unique(of_classes, return_counts=True)
    several = np.isin(classes, ids[counts > 1])
    near = np.zeros((len(pixels), len(pixels)), bool)
    for shape, positions, indices in scene_by_scene(labels.shapes, pixels):
        places = np.stack(np.unravel_index(indices, shape), axis=1)
        steps = np.abs(places[:, None] - places).max(2)  # Chebyshev's distance
        near[np.ix_(positions, positions)] = steps < patch
    return np.where(several[:, None], fields[:, None] != fields, ~near)


def _drawn(split: Split, seed: int) -> Pixels:
    """At most `AT_MOST` training pixels, ascending."""
    pixels = np.random.default_rng(seed).permutation(split.train)
    classes = split.labels.array.ravel()[pixels]
    turn = np.empty(len(pixels), np.int64)  # of each pixel within its class
    for i in np.unique(classes):
        own = classes == i
        turn[own] = np.arange(own.sum())
    return np.sort(pixels[np.argsort(turn, kind="stable")[:AT_MOST]])
