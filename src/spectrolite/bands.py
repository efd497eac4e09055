"""Scaling and whitened PCA: from a spectrum to the numbers that a network sees.

Whatever is fitted ends as one mean and one matrix, `(spectrum - mean) @ matrix.T`, so that a
model keeps it as two arrays and an export as one 1x1 convolution. The mean is taken off before
projecting: the other order is six times less exact in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from spectrolite.errors import SceneError, SettingsError
from spectrolite.leakage import check_patch
from spectrolite.scene import AnyScene, Scene, SceneFile, Window, listed, ranges, windows
from spectrolite.scene_sets import AnyScenes, bands_of, scene_by_scene, scenes_of, starts
from spectrolite.splits import Split

READ_SIDE = 256  # side in pixels of what is read at a time of a scene that stays in its file
CHUNK = 8192  # pixels reduced at a time, so that float64 copies stay small and in the cache


@dataclass(frozen=True, eq=False)
class Bands:
    """A fitted reduction of bands.

    Attributes:
        mean: `(bands,)` float64, in the scene's units.
        matrix: `(components, bands)` float64.
        fitted_on: `"train"`, `"patches"` or `"scene"`.
        pixels: how many pixels it was fitted on.
        explained: share of the variance of those pixels that the components hold, 0 to 1.
    """

    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]
    fitted_on: str
    pixels: int
    explained: float

    def reduce(
        self, cube: NDArray[np.generic], valid: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """`(..., bands) -> (..., components)` float32; the mean spectrum becomes zeros.

        So does a pixel without a spectrum, where `valid` says which have one.

        Raises:
            SceneError: another number of bands than it was fitted on.
        """
        if cube.shape[-1] != len(self.mean):
            raise SceneError(
                f"the model was fitted on {len(self.mean)} bands, the scene has {cube.shape[-1]}"
            )
        spectra = cube.reshape(-1, cube.shape[-1])
        reduced = np.empty((len(spectra), len(self.matrix)), np.float32)
        for start in range(0, len(spectra), CHUNK):
            part = slice(start, start + CHUNK)
            reduced[part] = (spectra[part].astype(np.float64) - self.mean) @ self.matrix.T
        if valid is not None:
            reduced[~valid.ravel()] = 0
        return reduced.reshape(*cube.shape[:-1], len(self.matrix))


@dataclass(frozen=True, eq=False)
class Reduced:
    """A scene as the network sees it.

    Attributes:
        array: `(rows, cols, components)` float32; nothing of a scene that stays in its file.
        of_file: that of a window of it.
    """

    array: NDArray[np.float32] | None = None
    of_file: Callable[[Window], NDArray[np.float32]] | None = None

    def read(self, window: Window) -> NDArray[np.float32]:
        """`(rows, cols, components)` of a window."""
        if self.array is not None:
            return self.array[window.slices]
        assert self.of_file is not None
        return self.of_file(window)


def reduce_scenes(bands: Bands, scene: AnyScenes) -> list[Reduced]:
    """Each scene as the network sees it: at once where it is in memory, else as it is read."""
    return [
        Reduced(bands.reduce(one.cube, one.valid))
        if isinstance(one, Scene)
        else Reduced(None, partial(_reduced_window, bands, one))
        for one in scenes_of(scene)
    ]


def _reduced_window(bands: Bands, scene: SceneFile, window: Window) -> NDArray[np.float32]:
    return bands.reduce(*scene.read(window))


def fit_bands(
    scene: AnyScenes,
    split: Split,
    components: int = 30,
    fitted_on: str = "train",
    standardise: bool = False,
    patch: int = 25,
) -> Bands:
    """Fit the reduction on what the split allows.

    Args:
        scene: the scene, or several. Of one that stays in its file only windows are read that hold
            a pixel that is looked at.
        split: whose training pixels may be looked at.
        components: principal components, whitened; 0 keeps all bands and only standardises them.
        fitted_on: `"train"`, the training pixels; `"patches"`, every pixel inside one of their
            patches; `"scene"`, all of it, test pixels included, as the published code does.
        standardise: divide each band by its standard deviation before the PCA.
        patch: odd side of the patches, in pixels.

    Raises:
        SceneError: a band that has one value throughout.
        SettingsError: more components than bands, pixels or independent bands, an even patch, or
            all of a scene that stays in its file.
    """
    bands = bands_of(scene)
    check_patch(patch)
    if components < 0:
        raise SettingsError(f"components: wanted 0 or more, got {components}")
    if components > bands:
        raise SettingsError(
            f"components: {scene.name} has {bands} bands, fewer than the {components} components; "
            f"lower --components to {bands} or less (0 keeps all bands)"
        )
    chosen = fitted_pixels(split, fitted_on, patch)
    ends = starts(split.labels.shapes)
    spectra = np.concatenate(
        [
            _spectra(one, chosen[first:after].reshape(one.shape[:2]), fitted_on)
            for one, first, after in zip(scenes_of(scene), ends, ends[1:], strict=False)
        ]
    )
    constant = np.flatnonzero(np.ptp(spectra, axis=0) == 0).tolist()
    if constant:
        raise SceneError(
            f"{scene.name}: {len(constant)} of {bands} bands have one value at all "
            f"{len(spectra)} pixels that the bands are fitted on ({fitted_on}): "
            f"{listed(constant)}, from 0; leave them out with --drop-bands {ranges(constant)}"
        )
    if len(spectra) <= components:
        raise SettingsError(
            f"components: {components} components need more than {len(spectra)} pixels "
            f"({fitted_on}); lower --components or raise train"
        )
    scaler = StandardScaler(with_std=standardise or components == 0).fit(spectra)
    scale = np.ones(bands) if scaler.scale_ is None else scaler.scale_
    if components == 0:
        return Bands(scaler.mean_, np.diag(1 / scale), fitted_on, len(spectra), 1.0)
    pca = PCA(components, svd_solver="full").fit(scaler.transform(spectra))
    variance = pca.explained_variance_
    independent = int((variance > variance[0] * 1e-12).sum())
    if independent < components:
        raise SettingsError(
            f"components: only {independent} of {components} components carry any variance; "
            f"lower --components to {independent}"
        )
    # A component's sign is arbitrary; fixing it keeps two runs comparable.
    largest = np.abs(pca.components_).argmax(1)
    sign = np.sign(pca.components_[np.arange(components), largest])
    matrix = np.ascontiguousarray(pca.components_ * (sign / np.sqrt(variance))[:, None] / scale)
    mean = scaler.mean_ + scale * pca.mean_
    return Bands(mean, matrix, fitted_on, len(spectra), float(pca.explained_variance_ratio_.sum()))


def fitted_pixels(split: Split, fitted_on: str, patch: int) -> NDArray[np.bool_]:
    """Flat mask of the pixels that a reduction is fitted on.

    Args:
        split: whose training pixels may be looked at.
        fitted_on: as in `fit_bands`.
        patch: odd side of the patches, in pixels.

    Raises:
        SettingsError: another word than `train`, `patches` or `scene`.
    """
    if fitted_on not in ("train", "patches", "scene"):
        raise SettingsError(f"bands_from: wanted train, patches or scene, got {fitted_on!r}")
    masks = []
    for shape, _, here in scene_by_scene(split.labels.shapes, split.train):
        mask = np.full(shape, fitted_on == "scene")
        mask.flat[here] = True
        if fitted_on == "patches":
            mask = ndimage.maximum_filter(mask, patch, mode="constant")
        masks.append(mask.ravel())
    return np.concatenate(masks)


def _spectra(scene: AnyScene, chosen: NDArray[np.bool_], fitted_on: str) -> NDArray[np.float64]:
    """`(pixels, bands)` spectra of the chosen pixels that have one, row by row."""
    if isinstance(scene, Scene):
        there = chosen if scene.valid is None else chosen & scene.valid
        return scene.cube[there].astype(np.float64)
    if fitted_on == "scene":
        raise SettingsError(
            f"--bands-from scene: takes all of {scene.name} in memory, and it stays in its file; "
            "take train or patches"
        )
    rows, cols = chosen.shape
    number = np.cumsum(chosen).reshape(chosen.shape) - 1
    spectra = np.empty((int(chosen.sum()), scene.shape[2]))
    known = np.zeros(len(spectra), bool)
    for window in windows(rows, cols, READ_SIDE):
        wanted = chosen[window.slices]
        if wanted.any():
            cube, valid = scene.read(window)
            places = number[window.slices][wanted]
            spectra[places], known[places] = cube[wanted], valid[wanted]
    return spectra[known]
