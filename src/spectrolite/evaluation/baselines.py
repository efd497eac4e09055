"""Baselines on the same split: two SVMs, position alone, and the majority class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from spectrolite.data.scene import windows
from spectrolite.data.scene_sets import Pixels, scene_by_scene
from spectrolite.samples.band_reduction import READ_SIDE, Reduced, reduced_array
from spectrolite.samples.leakage import Leakage
from spectrolite.samples.split_scene import Split

FIT_AT_MOST = 5_000
SCORE_AT_MOST = 100_000


@dataclass(frozen=True)
class Baselines:
    """Overall accuracies on the split's test pixels, 0 to 1.

    Attributes:
        majority: every pixel gets the commonest training class.
        position: every pixel gets the class of the nearest training pixel; no spectrum is used.
        svm: RBF SVM (C = 100, gamma "scale") on the reduced spectrum of the pixel.
        svm_context: the same on the spectrum and the mean spectrum of the pixel's patch.
        fitted_pixels: training pixels the SVMs were fitted on, at most 5,000 drawn at random.
        scored_pixels: test pixels the SVMs were scored on, at most 100,000 drawn at random.
    """

    majority: float
    position: float
    svm: float
    svm_context: float
    fitted_pixels: int
    scored_pixels: int


def measure_baselines(
    reduced: NDArray[np.float32] | Sequence[Reduced],
    split: Split,
    leakage: Leakage,
    generator: np.random.Generator,
) -> Baselines:
    """Fit and score the baselines.

    Args:
        reduced: `(rows, cols, components)` the reduced scene, or one per scene. From scenes that
            stay in their files, only windows with a needed pixel are read.
        split: the SVMs are fitted on its training pixels only.
        leakage: of the same split, for the network's patch.
        generator: draws pixels if there are more than the limits.
    """
    fit = _at_most(split.train, FIT_AT_MOST, generator)
    score = _at_most(split.test, SCORE_AT_MOST, generator)
    parts = [reduced_array(reduced)] if isinstance(reduced, np.ndarray) else reduced
    features = _features(parts, split, np.concatenate([fit, score]), leakage.patch)
    fit_on, scored_on = features[: len(fit)], features[len(fit) :]
    classes = split.labels.array.ravel()
    truth = classes[fit], classes[score]
    components = fit_on.shape[1] // 2
    return Baselines(
        majority=leakage.majority,
        position=leakage.position,
        svm=_svm_accuracy(fit_on[:, :components], scored_on[:, :components], truth),
        svm_context=_svm_accuracy(fit_on, scored_on, truth),
        fitted_pixels=len(fit),
        scored_pixels=len(score),
    )


def patch_mean(cube: NDArray[np.float32], patch: int) -> NDArray[np.float32]:
    """Mean over the part of each pixel's patch that lies inside the scene, same shape."""
    inside = ndimage.uniform_filter(np.ones(cube.shape[:2]), patch, mode="constant")
    mean: NDArray[np.float64] = ndimage.uniform_filter(
        cube.astype(np.float64), (patch, patch, 1), mode="constant"
    )
    return np.asarray(mean / inside[:, :, None], np.float32)


def _features(
    parts: Sequence[Reduced], split: Split, pixels: Pixels, patch: int
) -> NDArray[np.float32]:
    """`(pixels, 2 * components)`: reduced spectra of pixels, and the means over their patches."""
    features: NDArray[np.float32] | None = None
    scenes = scene_by_scene(split.labels.shapes, pixels)
    for part, (shape, positions, indices) in zip(parts, scenes, strict=True):
        rows, cols = np.unravel_index(indices, shape)
        side = max(shape) if part.in_memory else READ_SIDE
        for window in windows(*shape, side):
            inside = (window.row_start <= rows) & (rows < window.row_stop)
            inside &= (window.col_start <= cols) & (cols < window.col_stop)
            if not inside.any():
                continue
            around = window.widened(patch // 2, *shape)
            spectra = part.read(around)
            means = patch_mean(spectra, patch)
            place = rows[inside] - around.row_start, cols[inside] - around.col_start
            if features is None:
                features = np.empty((len(pixels), 2 * spectra.shape[2]), np.float32)
            features[positions[inside]] = np.concatenate([spectra[place], means[place]], axis=1)
    assert features is not None
    return features


def _svm_accuracy(
    fit_on: NDArray[np.float32],
    scored_on: NDArray[np.float32],
    truth: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> float:
    model = make_pipeline(StandardScaler(), SVC(C=100, gamma="scale"))
    model.fit(np.ascontiguousarray(fit_on), truth[0])
    return float((model.predict(np.ascontiguousarray(scored_on)) == truth[1]).mean())


def _at_most(pixels: Pixels, n: int, generator: np.random.Generator) -> Pixels:
    if len(pixels) <= n:
        return pixels
    return np.sort(generator.choice(pixels, n, replace=False))
