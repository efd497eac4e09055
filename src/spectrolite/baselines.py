"""What scikit-learn and position alone reach on the same split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from spectrolite.leakage import Leakage, Pixels
from spectrolite.splits import Split

FIT_AT_MOST = 5_000
SCORE_AT_MOST = 100_000


@dataclass(frozen=True)
class Baselines:
    """Overall accuracies on the split's test pixels, 0 to 1.

    Attributes:
        majority: every pixel called the commonest training class.
        position: class of the nearest training pixel; never sees the image.
        svm: RBF SVM (C = 100, gamma "scale") on the reduced spectrum of the pixel.
        svm_context: the same on the spectrum and the mean spectrum of the pixel's patch.
        fitted_pixels: training pixels that the SVMs saw, at most 5,000 drawn at random.
        scored_pixels: test pixels that the SVMs were scored on, at most 100,000 drawn at random.
    """

    majority: float
    position: float
    svm: float
    svm_context: float
    fitted_pixels: int
    scored_pixels: int


def measure_baselines(
    reduced: NDArray[np.float32], split: Split, leakage: Leakage, generator: np.random.Generator
) -> Baselines:
    """Fit and score the baselines.

    Args:
        reduced: `(rows, cols, components)` the scene as the network sees it.
        split: the split; the SVMs are fitted on its training pixels alone.
        leakage: of the same split, with the patch of the network.
        generator: draws pixels where there are more than the limits.
    """
    fit = _at_most(split.train, FIT_AT_MOST, generator)
    score = _at_most(split.test, SCORE_AT_MOST, generator)
    pixel = reduced.reshape(-1, reduced.shape[-1])
    context = patch_mean(reduced, leakage.patch).reshape(pixel.shape)
    both = np.concatenate([pixel, context], axis=1)
    classes = split.labels.array.ravel()
    return Baselines(
        majority=leakage.majority,
        position=leakage.position,
        svm=_svm_accuracy(pixel, classes, fit, score),
        svm_context=_svm_accuracy(both, classes, fit, score),
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


def _svm_accuracy(
    features: NDArray[np.float32], classes: NDArray[np.int32], fit: Pixels, score: Pixels
) -> float:
    model = make_pipeline(StandardScaler(), SVC(C=100, gamma="scale"))
    model.fit(features[fit], classes[fit])
    return float((model.predict(features[score]) == classes[score]).mean())


def _at_most(pixels: Pixels, n: int, generator: np.random.Generator) -> Pixels:
    if len(pixels) <= n:
        return pixels
    return np.sort(generator.choice(pixels, n, replace=False))
