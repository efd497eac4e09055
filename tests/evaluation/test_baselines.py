"""Baselines that need no network.

References: patch means by loops; scikit-learn's pipeline on features written out by hand; scores
measured on Indian Pines before this package existed (whitened PCA 30 of the scene, RBF SVM, C 100:
71.2 on the pixel, 96.6 with the 25 x 25 mean beside it, random 10 %).
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from spectrolite.data.labels import Labels
from spectrolite.datasets.catalog import load
from spectrolite.evaluation import baselines
from spectrolite.evaluation.baselines import Baselines, measure_baselines, patch_mean
from spectrolite.samples.band_reduction import fit_bands
from spectrolite.samples.split_scene import Split, split

ROWS, COLS, BANDS = 14, 10, 3


def reduced_scene(labels: Labels, seed: int = 0) -> NDArray[np.float32]:
    """Noisy spectra that depend on the class."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(*labels.shape, BANDS))
    return (noise + labels.array[:, :, None] * [0.8, -0.4, 0.0]).astype(np.float32)


def small() -> tuple[NDArray[np.float32], Split]:
    coarse = np.random.default_rng(3).choice([0, 1, 2, 6], size=(ROWS // 2, COLS // 2))
    labels = Labels(np.kron(coarse, np.ones((2, 2), int)))
    return reduced_scene(labels), split(labels, "random", train=0.3, seed=1)


def naive_mean(cube: NDArray[np.float32], patch: int) -> NDArray[np.float64]:
    mean = np.empty(cube.shape)
    reach = patch // 2
    for row in range(cube.shape[0]):
        for col in range(cube.shape[1]):
            rows = slice(max(0, row - reach), row + reach + 1)
            cols = slice(max(0, col - reach), col + reach + 1)
            mean[row, col] = cube[rows, cols].astype(float).mean((0, 1))
    return mean


@pytest.mark.parametrize("patch", [1, 3, 5, 9, 25, 41])
def test_the_mean_of_a_patch_stays_inside_the_scene(patch: int) -> None:
    cube = np.random.default_rng(0).normal(size=(9, 7, 2)).astype(np.float32)
    found = patch_mean(cube, patch)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, naive_mean(cube, patch), rtol=1e-5, atol=1e-6)


def test_scores_equal_scikit_learns_on_features_written_out() -> None:
    reduced, drawn = small()
    found = measure_baselines(reduced, drawn, drawn.leakage(5), np.random.default_rng(0))
    pixel = reduced.reshape(-1, BANDS)
    context = naive_mean(reduced, 5).reshape(-1, BANDS).astype(np.float32)
    classes = drawn.labels.array.ravel()
    for score, features in ((found.svm, pixel), (found.svm_context, np.hstack([pixel, context]))):
        model = make_pipeline(StandardScaler(), SVC(C=100, gamma="scale", kernel="rbf"))
        model.fit(features[drawn.train], classes[drawn.train])
        assert score == pytest.approx(model.score(features[drawn.test], classes[drawn.test]))
    assert found.majority == drawn.leakage(5).majority
    assert found.position == drawn.leakage(5).position
    assert (found.fitted_pixels, found.scored_pixels) == (len(drawn.train), len(drawn.test))


def test_the_patch_is_that_of_the_leakage() -> None:
    reduced, drawn = small()
    found = [
        measure_baselines(reduced, drawn, drawn.leakage(patch), np.random.default_rng(0))
        for patch in (1, 7)
    ]
    assert found[0].svm == found[1].svm
    assert found[0].svm_context != found[1].svm_context


def test_only_training_pixels_are_fitted_and_only_test_pixels_scored() -> None:
    reduced, drawn = small()
    elsewhere = np.setdiff1d(np.arange(ROWS * COLS), np.union1d(drawn.train, drawn.test))
    changed = reduced.copy()
    changed.reshape(-1, BANDS)[elsewhere] = 1e6
    one, other = (
        measure_baselines(r, drawn, drawn.leakage(1), np.random.default_rng(0))
        for r in (reduced, changed)
    )
    assert one == other
    assert isinstance(one, Baselines)


def test_many_pixels_are_drawn_from_by_the_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "FIT_AT_MOST", 12)
    monkeypatch.setattr(baselines, "SCORE_AT_MOST", 30)
    reduced, drawn = small()
    one, same, other = (
        measure_baselines(reduced, drawn, drawn.leakage(3), np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )
    assert (one.fitted_pixels, one.scored_pixels) == (12, 30)
    assert one == same
    assert (one.svm, one.svm_context) != (other.svm, other.svm_context)
    generator = np.random.default_rng(0)
    fit = generator.choice(drawn.train, 12, replace=False)
    score = generator.choice(drawn.test, 30, replace=False)
    pixel, classes = reduced.reshape(-1, BANDS), drawn.labels.array.ravel()
    model = make_pipeline(StandardScaler(), SVC(C=100)).fit(
        pixel[np.sort(fit)], classes[np.sort(fit)]
    )
    assert one.svm == pytest.approx(model.score(pixel[score], classes[score]))


def test_indian_pines_scores_what_was_measured() -> None:
    scene, labels = load("indian_pines")
    drawn = split(labels, "random", train=0.1, seed=345)
    reduced = fit_bands(scene, drawn, 30, "scene").reduce(scene.cube)
    found = measure_baselines(reduced, drawn, drawn.leakage(25), np.random.default_rng(0))
    assert found.svm == pytest.approx(0.712, abs=0.015)
    assert found.svm_context == pytest.approx(0.966, abs=0.01)
    assert found.position == pytest.approx(0.9755, abs=0.005)
    assert (found.fitted_pixels, found.scored_pixels) == (1024, 9225)
