"""Scaling, whitened PCA, minimum noise fraction: from a spectrum to what a network sees.

Whatever is fitted ends as one mean and one matrix, `(spectrum - mean) @ matrix.T`, so that a
model keeps it as two arrays and an export as one 1x1 convolution. The mean is taken off before
projecting: the other order is six times less exact in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, ndimage
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from spectrolite.data.scene import AnyScene, Scene, SceneFile, Window, windows
from spectrolite.data.scene_sets import AnyScenes, bands_of, by_scene, scene_by_scene, scenes_of
from spectrolite.errors import SceneError, SettingsError, listed, ranges
from spectrolite.samples.leakage import check_patch
from spectrolite.samples.split_scene import Split

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
        explained: share of the variance of those pixels that the components hold, 0 to 1; with
            `mnf` that of the variance in units of the noise.
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
    reduction: str = "pca",
) -> Bands:
    """Fit the reduction on what the split allows.

    PCA orders components by their variance, noise included, and whitened ones let the noisy last
    count as much as the first. The minimum noise fraction orders them by variance over noise, where
    the noise is what two neighbouring pixels differ by: half the covariance of the differences of
    horizontal and vertical neighbours. Source: Green, Berman, Switzer, Craig, "A transformation for
    ordering multispectral data in terms of image quality with implications for noise removal",
    IEEE TGRS 26(1), 1988. Ours leave out pairs of which one pixel may not be looked at.

    Args:
        scene: the scene, or several. Of one that stays in its file only windows are read that hold
            a pixel that is looked at.
        split: whose training pixels may be looked at.
        components: principal components, whitened; 0 keeps all bands and only standardises them.
        fitted_on: `"train"`, the training pixels; `"patches"`, every pixel inside one of their
            patches; `"scene"`, all of it, test pixels included, as the published code does.
        standardise: divide each band by its standard deviation before the PCA.
        patch: odd side of the patches, in pixels.
        reduction: `"pca"`, or `"mnf"`, the minimum noise fraction, whitened too.

    Raises:
        SceneError: a band that has one value throughout.
        SettingsError: more components than bands, pixels or independent bands, an even patch, or
            all of a scene that stays in its file; with `mnf` too few pairs of neighbours, or bands
            whose noise is not independent.
    """
    bands = bands_of(scene)
    check_patch(patch)
    if components < 0:
        raise SettingsError(f"components: wanted 0 or more, got {components}")
    if reduction not in ("pca", "mnf"):
        raise SettingsError(f"reduction: wanted pca or mnf, got {reduction!r}")
    if reduction == "mnf" and components == 0:
        raise SettingsError("components: wanted 1 or more with the reduction mnf, got 0")
    if components > bands:
        raise SettingsError(
            f"components: {scene.name} has {bands} bands, fewer than the {components} components; "
            f"lower --components to {bands} or less (0 keeps all bands)"
        )
    chosen = fitted_pixels(split, fitted_on, patch)
    parts = [
        _spectra(one, here.reshape(one.shape[:2]), fitted_on)
        for one, here in zip(scenes_of(scene), by_scene(split.labels.shapes, chosen), strict=True)
    ]
    spectra = parts[0][0] if len(parts) == 1 else np.concatenate([part for part, _ in parts])
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
    if reduction == "mnf":
        noise = _noise(parts, fitted_on)
        matrix, explained = _minimum_noise_fraction(spectra, noise, components)
        return Bands(scaler.mean_, matrix, fitted_on, len(spectra), explained)
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
    signed = pca.components_ * _signs(pca.components_)
    matrix = np.ascontiguousarray(signed / np.sqrt(variance)[:, None] / scale)
    mean = scaler.mean_ + scale * pca.mean_
    return Bands(mean, matrix, fitted_on, len(spectra), float(pca.explained_variance_ratio_.sum()))


def _noise(
    parts: list[tuple[NDArray[np.float64], NDArray[np.bool_]]], fitted_on: str
) -> NDArray[np.float64]:
    """`(bands, bands)` covariance of the noise: half that of what neighbours differ by.

    Of each scene the spectra that may be looked at, row by row, and where they lie.
    """
    bands = parts[0][0].shape[1]
    squares, pairs = np.zeros((bands, bands)), 0
    for spectra, there in parts:
        number = np.cumsum(there).reshape(there.shape) - 1
        for axis in (0, 1):
            one, other = (
                tuple(cut if k == axis else slice(None) for k in range(2))
                for cut in (slice(None, -1), slice(1, None))
            )
            both = there[one] & there[other]
            differences = spectra[number[one][both]] - spectra[number[other][both]]
            squares += differences.T @ differences
            pairs += len(differences)
    if pairs <= bands:
        raise SettingsError(
            f"reduction: mnf takes the noise of {bands} bands from more than {bands} pairs of "
            f"neighbouring pixels, and there are {pairs} ({fitted_on}); take --bands-from patches "
            "with a larger patch, or --reduction pca"
        )
    return squares / (2 * pairs)


def _minimum_noise_fraction(
    spectra: NDArray[Any], noise: NDArray[np.float64], components: int
) -> tuple[NDArray[np.float64], float]:
    """`(components, bands)` whitened, most variance over noise first; and their share of it."""
    deviation = np.sqrt(noise.diagonal())
    correlation = noise / np.outer(deviation, deviation) if deviation.all() else np.zeros((1, 1))
    if linalg.eigvalsh(correlation)[0] < 1e-10:
        raise SettingsError(
            "reduction: mnf needs noise that is independent from band to band, and some bands' "
            "noise follows from that of others; leave bands out with --drop-bands, or take "
            "--reduction pca"
        )
    ratios, axes = linalg.eigh(np.cov(spectra.T), noise)  # ascending
    first = slice(None, -components - 1, -1)
    kept = axes[:, first].T
    matrix = kept * _signs(kept) / np.sqrt(ratios[first])[:, None]
    return np.ascontiguousarray(matrix), float(ratios[first].sum() / ratios.sum())


def _signs(components: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(components, 1)`: what makes each one's largest weight positive.

    The sign is arbitrary; fixing it keeps two runs comparable.
    """
    largest = np.abs(components).argmax(1)
    signs: NDArray[np.float64] = np.sign(components[np.arange(len(components)), largest])
    return signs[:, None]


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


def _spectra(
    scene: AnyScene, chosen: NDArray[np.bool_], fitted_on: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """`(pixels, bands)` spectra of the chosen pixels that have one, row by row, and where."""
    if isinstance(scene, Scene):
        there = chosen if scene.valid is None else chosen & scene.valid
        return scene.cube[there].astype(np.float64), there
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
    there = chosen.copy()
    there[chosen] = known
    return spectra[known], there
