"""Scaling and whitened PCA: from a spectrum to the numbers that a network sees.

Whatever is fitted ends as one mean and one matrix, `(spectrum - mean) @ matrix.T`, so that a
model keeps it as two arrays and an export as one 1x1 convolution. The mean is taken off before
projecting: the other order is six times less exact in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from spectrolite.errors import SceneError, SettingsError
from spectrolite.leakage import check_patch
from spectrolite.scene import Scene, listed, ranges
from spectrolite.splits import Split

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


def fit_bands(
    scene: Scene,
    split: Split,
    components: int = 30,
    fitted_on: str = "train",
    standardise: bool = False,
    patch: int = 25,
) -> Bands:
    """Fit the reduction on what the split allows.

    Args:
        scene: the scene.
        split: whose training pixels may be looked at.
        components: principal components, whitened; 0 keeps all bands and only standardises them.
        fitted_on: `"train"`, the training pixels; `"patches"`, every pixel inside one of their
            patches; `"scene"`, all of it, test pixels included, as the published code does.
        standardise: divide each band by its standard deviation before the PCA.
        patch: odd side of the patches, in pixels.

    Raises:
        SceneError: a band that has one value throughout.
        SettingsError: more components than bands, pixels or independent bands, or an even patch.
    """
    bands = scene.shape[2]
    check_patch(patch)
    if components < 0:
        raise SettingsError(f"components: wanted 0 or more, got {components}")
    if components > bands:
        raise SettingsError(
            f"components: {scene.name} has {bands} bands, fewer than the {components} components; "
            f"lower --components to {bands} or less (0 keeps all bands)"
        )
    chosen = fitted_pixels(split, fitted_on, patch)
    if scene.valid is not None:
        chosen &= scene.valid.ravel()
    spectra = scene.cube.reshape(-1, bands)[chosen]
    spectra = spectra.astype(np.float64)
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
    mask = np.zeros(split.labels.shape, bool)
    mask.flat[split.train] = True
    if fitted_on == "patches":
        mask = ndimage.maximum_filter(mask, patch, mode="constant")
    elif fitted_on == "scene":
        mask[:] = True
    elif fitted_on != "train":
        raise SettingsError(f"bands_from: wanted train, patches or scene, got {fitted_on!r}")
    return mask.ravel()
