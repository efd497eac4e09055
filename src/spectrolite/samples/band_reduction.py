"""Scaling, whitened PCA, minimum noise fraction: from a spectrum to a network's input.

Every reduction ends as one mean and one matrix, `(spectrum - mean) @ matrix.T`, so that a model
keeps it as two arrays and an export as one 1x1 convolution. The mean is subtracted before the
projection: the other order has six times the rounding error in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from spectrolite.data.scene import AnyScene, Scene, Window, dropped_bands, windows
from spectrolite.data.scene_sets import AnyScenes, by_scene, scene_by_scene
from spectrolite.errors import SceneError, SettingsError, listed, ranges
from spectrolite.samples.leakage import check_patch
from spectrolite.samples.minimum_noise_fraction import (
    component_signs,
    minimum_noise_fraction,
    noise_covariance,
)
from spectrolite.samples.split_scene import Split

READ_SIDE = 256  # side in pixels of the windows in which a scene is read from its file
CHUNK = 8192  # pixels reduced at a time, so that their float64 copies stay in the cache


@dataclass(frozen=True, eq=False)
class Bands:
    """A fitted reduction of bands.

    Attributes:
        mean: `(bands,)` float64, in the scene's units.
        matrix: `(components, bands)` float64.
        fitted_on: `"train"`, `"patches"` or `"scene"`, as in `fit_bands`.
        pixels: how many pixels it was fitted on.
        explained: share of the variance of those pixels that the components explain, 0 to 1; with
            `mnf`, of the variance in units of the noise.
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

        Args:
            cube: spectra in the scene's units.
            valid: `(...)` bool, false for pixels without a spectrum, which become zeros too.

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
            chunk = slice(start, start + CHUNK)
            reduced[chunk] = (spectra[chunk].astype(np.float64) - self.mean) @ self.matrix.T
        if valid is not None:
            reduced[~valid.ravel()] = 0
        return reduced.reshape(*cube.shape[:-1], len(self.matrix))


@dataclass(frozen=True, eq=False)
class Reduced:
    """A scene as the network's input, computed already or as its file is read.

    Attributes:
        read: from a window to its `(rows, cols, components)` float32.
        in_memory: whether the whole scene is computed already.
    """

    read: Callable[[Window], NDArray[np.float32]]
    in_memory: bool


def reduced_array(array: NDArray[np.float32]) -> Reduced:
    """A scene that is reduced already, `(rows, cols, components)`."""
    return Reduced(lambda window: array[window.slices], True)


def reduce_scenes(bands: Bands, scene: AnyScenes) -> list[Reduced]:
    """Each scene as the network's input: computed now if it is in memory, else as it is read."""

    def reduced(one: AnyScene) -> Reduced:
        if isinstance(one, Scene):
            return reduced_array(bands.reduce(one.cube, one.valid))
        return Reduced(lambda window: bands.reduce(*one.read(window)), False)

    return [reduced(one) for one in scene.scenes]


def fit_bands(
    scene: AnyScenes,
    split: Split,
    components: int = 30,
    fitted_on: str = "train",
    standardise: bool = False,
    patch: int = 25,
    reduction: str = "pca",
) -> Bands:
    """Fit the reduction on the pixels that may be used.

    PCA orders components by their variance, noise included; once they are whitened, the noisy last
    ones count as much as the first. The minimum noise fraction orders them by variance over noise.

    Args:
        scene: the scene, or several. From a scene that stays in its file, only the windows with a
            pixel that is used are read.
        split: its training pixels may be used.
        components: whitened components; 0 keeps all bands and only standardises them.
        fitted_on: which pixels are used: `"train"`, the training pixels; `"patches"`, every pixel
            inside one of their patches; `"scene"`, all pixels, test pixels included, as the
            published code does.
        standardise: divide each band by its standard deviation before the PCA.
        patch: odd side of the patches, in pixels.
        reduction: `"pca"`, or `"mnf"`, the minimum noise fraction, whitened too.

    Raises:
        SceneError: a band with the same value at all pixels that are used.
        SettingsError: more components than bands, pixels or independent bands, an even patch, an
            unknown name, or `"scene"` with a scene that stays in its file; with `mnf`, too few
            pairs of neighbours, or bands whose noise is not independent.
    """
    bands = scene.bands
    check_patch(patch)
    if components < 0:
        raise SettingsError(f"components: wanted 0 or more, got {components}")
    if reduction not in ("pca", "mnf"):
        raise SettingsError(f"reduction: wanted pca or mnf, got {reduction!r}")
    if reduction == "mnf" and components == 0:
        raise SettingsError("components: wanted 1 or more with the reduction mnf, got 0")
    if components > bands:
        raise SettingsError(
            f"--components: {scene.name} has {bands} bands, fewer than the {components} "
            f"components; take --components {bands} or fewer"
        )
    masks = by_scene(split.labels.shapes, fitted_pixels(split, fitted_on, patch))
    samples = [
        _spectra(one, mask.reshape(one.shape[:2]), fitted_on)
        for one, mask in zip(scene.scenes, masks, strict=True)
    ]
    spectra = samples[0][0]
    if len(samples) > 1:
        spectra = np.concatenate([of_scene for of_scene, _ in samples])
    constant = np.flatnonzero(np.ptp(spectra, axis=0) == 0).tolist()
    if constant:
        dropped = dropped_bands(scene.scenes[0])
        kept = np.delete(np.arange(bands + len(dropped)), dropped)
        named = kept[constant].tolist()
        raise SceneError(
            f"{scene.name}: {len(constant)} of {bands} bands have one value at all "
            f"{len(spectra)} pixels that the bands are fitted on ({fitted_on}): "
            f"{listed(named)}, from 0; leave them out with --drop-bands "
            f"{ranges(sorted({*dropped, *named}))}"
        )
    if len(spectra) <= components:
        raise SettingsError(
            f"components: {components} components need more than {len(spectra)} pixels "
            f"({fitted_on}); lower --components or raise train"
        )
    scaler = StandardScaler(with_std=standardise or components == 0).fit(spectra)
    mean, explained = scaler.mean_, 1.0
    if components == 0:
        matrix = np.diag(1 / scaler.scale_)
    elif reduction == "mnf":
        matrix, explained = minimum_noise_fraction(
            spectra, noise_covariance(samples, fitted_on), components
        )
    else:
        matrix, mean, explained = _principal_components(spectra, scaler, components)
    return Bands(mean, matrix, fitted_on, len(spectra), explained)


def _principal_components(
    spectra: NDArray[Any], scaler: StandardScaler, components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """`(components, bands)` whitened, the mean, and the share of the variance that they explain."""
    scale = np.ones(spectra.shape[1]) if scaler.scale_ is None else scaler.scale_
    pca = PCA(components, svd_solver="full").fit(scaler.transform(spectra))
    variance = pca.explained_variance_
    independent = int((variance > variance[0] * 1e-12).sum())
    if independent < components:
        raise SettingsError(
            f"components: only {independent} of {components} components carry any variance; "
            f"lower --components to {independent}"
        )
    signed = pca.components_ * component_signs(pca.components_)
    matrix = np.ascontiguousarray(signed / np.sqrt(variance)[:, None] / scale)
    return matrix, scaler.mean_ + scale * pca.mean_, float(pca.explained_variance_ratio_.sum())


def fitted_pixels(split: Split, fitted_on: str, patch: int) -> NDArray[np.bool_]:
    """Flat mask of the pixels that a reduction is fitted on.

    Args:
        split: its training pixels may be used.
        fitted_on: as in `fit_bands`.
        patch: odd side of the patches, in pixels.

    Raises:
        SettingsError: `fitted_on` is not `train`, `patches` or `scene`.
    """
    if fitted_on not in ("train", "patches", "scene"):
        raise SettingsError(f"bands_from: wanted train, patches or scene, got {fitted_on!r}")
    masks = []
    for shape, _, train in scene_by_scene(split.labels.shapes, split.train):
        mask = np.full(shape, fitted_on == "scene")
        mask.flat[train] = True
        if fitted_on == "patches":
            mask = ndimage.maximum_filter(mask, patch, mode="constant")
        masks.append(mask.ravel())
    return np.concatenate(masks)


def _spectra(
    scene: AnyScene, wanted: NDArray[np.bool_], fitted_on: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """`(pixels, bands)` spectra of the wanted pixels that have one, row by row, and their mask."""
    if isinstance(scene, Scene):
        used = wanted if scene.valid is None else wanted & scene.valid
        return scene.cube[used].astype(np.float64), used
    if fitted_on == "scene":
        raise SettingsError(
            f"--bands-from scene: needs all of {scene.name} in memory, but it stays in its file; "
            "take train or patches"
        )
    rows, cols = wanted.shape
    number = np.cumsum(wanted).reshape(wanted.shape) - 1
    spectra = np.empty((int(wanted.sum()), scene.shape[2]))
    has_spectrum = np.zeros(len(spectra), bool)
    for window in windows(rows, cols, READ_SIDE):
        inside = wanted[window.slices]
        if inside.any():
            cube, valid = scene.read(window)
            places = number[window.slices][inside]
            spectra[places], has_spectrum[places] = cube[inside], valid[inside]
    used = wanted.copy()
    used[wanted] = has_spectrum
    return spectra[has_spectrum], used
