"""Scaling and whitened PCA.

References: scikit-learn's whitened PCA up to sign; NumPy's SVD of the naively chosen pixels; masks
painted patch by patch; long double for the order of centring and projecting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

import spectrolite as sl
from samples.small_scene import BANDS, COLS, ROWS, TRAIN, a_split, allowed, same_up_to_sign, scene
from spectrolite.data.labels import Labels
from spectrolite.data.scene import Scene
from spectrolite.datasets.catalog import load
from spectrolite.errors import SceneError, SettingsError
from spectrolite.samples import band_reduction as module
from spectrolite.samples.band_reduction import Bands, fit_bands
from spectrolite.samples.split_scene import Split

FITS = [("train", 3), ("patches", 3), ("patches", 5), ("scene", 3)]


@pytest.mark.parametrize(("fitted_on", "patch"), FITS)
@pytest.mark.parametrize("components", [1, 4, BANDS])
def test_it_is_scikit_learns_whitened_pca_of_the_allowed_pixels(
    fitted_on: str, patch: int, components: int
) -> None:
    spectra = scene().cube.reshape(-1, BANDS)
    mask = allowed(fitted_on, patch)
    theirs = PCA(components, whiten=True, svd_solver="full").fit(spectra[mask])
    ours = fit_bands(scene(), a_split(), components, fitted_on, patch=patch)
    assert ours.pixels == mask.sum()
    assert ours.fitted_on == fitted_on
    assert ours.matrix.shape == (components, BANDS)
    np.testing.assert_allclose(ours.mean, spectra[mask].mean(0), rtol=1e-12)
    assert ours.explained == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-12)
    reduced = ours.reduce(scene().cube)
    assert reduced.shape == (ROWS, COLS, components)
    assert reduced.dtype == np.float32
    same_up_to_sign(reduced.reshape(-1, components), theirs.transform(spectra), 2e-5)


@pytest.mark.parametrize(("fitted_on", "patch"), FITS)
def test_the_matrix_is_that_of_a_singular_value_decomposition(fitted_on: str, patch: int) -> None:
    chosen = scene().cube.reshape(-1, BANDS)[allowed(fitted_on, patch)]
    _, values, axes = np.linalg.svd(chosen - chosen.mean(0), full_matrices=False)
    whitened = axes[:4] / (values[:4, None] / np.sqrt(len(chosen) - 1))
    ours = fit_bands(scene(), a_split(), 4, fitted_on, patch=patch).matrix
    same_up_to_sign(ours.T, whitened.T, 1e-9)


def test_the_allowed_pixels_come_out_white() -> None:
    ours = fit_bands(scene(), a_split(), 5, "scene")
    reduced = ours.reduce(scene().cube).reshape(-1, 5).astype(float)
    np.testing.assert_allclose(reduced.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(reduced.T), np.eye(5), atol=1e-5)


@pytest.mark.parametrize(("fitted_on", "patch"), [("train", 3), ("patches", 3), ("patches", 1)])
@pytest.mark.parametrize("components", [0, 4])
@pytest.mark.parametrize("standardise", [False, True])
def test_pixels_that_may_not_be_used_change_no_bit(
    fitted_on: str, patch: int, components: int, standardise: bool
) -> None:
    changed = np.array(scene().cube)
    outside = ~allowed(fitted_on, patch)
    assert outside.any()
    changed.reshape(-1, BANDS)[outside] = np.random.default_rng(9).normal(
        0, 1e9, (outside.sum(), BANDS)
    )
    one, other = (
        fit_bands(s, a_split(), components, fitted_on, standardise, patch)
        for s in (scene(), Scene(changed))
    )
    assert one.mean.tobytes() == other.mean.tobytes()
    assert one.matrix.tobytes() == other.matrix.tobytes()
    assert (one.pixels, one.explained) == (other.pixels, other.explained)


def test_test_pixels_do_change_a_fit_on_the_scene() -> None:
    changed = np.array(scene().cube)
    changed[0, 5] += 1
    one, other = (fit_bands(s, a_split(), 4, "scene") for s in (scene(), Scene(changed)))
    assert one.mean.tobytes() != other.mean.tobytes()


def test_validation_pixels_are_not_used() -> None:
    plain = a_split()
    held = Split(plain.labels, TRAIN[:8], TRAIN[8:], plain.test, method="given")
    assert fit_bands(scene(), held, 4).pixels == 8


def test_standardised_bands_go_through_the_same_pca() -> None:
    spectra = scene().cube.reshape(-1, BANDS)
    scaled = StandardScaler().fit_transform(spectra)
    theirs = PCA(4, whiten=True, svd_solver="full").fit(scaled)
    ours = fit_bands(scene(), a_split(), 4, "scene", standardise=True)
    reduced = ours.reduce(scene().cube).reshape(-1, 4)
    same_up_to_sign(reduced, theirs.transform(scaled), 2e-5)
    assert ours.explained == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-12)


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("fitted_on", ["train", "scene"])
def test_no_components_keep_all_bands_standardised(fitted_on: str, standardise: bool) -> None:
    spectra = scene().cube.reshape(-1, BANDS)
    theirs = StandardScaler().fit(spectra[allowed(fitted_on, 3)])
    ours = fit_bands(scene(), a_split(), 0, fitted_on, standardise)
    reduced = ours.reduce(scene().cube)
    assert reduced.shape == (ROWS, COLS, BANDS)
    np.testing.assert_allclose(
        reduced.reshape(-1, BANDS), theirs.transform(spectra), rtol=1e-6, atol=1e-6
    )
    assert ours.explained == 1.0


@pytest.mark.parametrize("components", [1, 4, BANDS])
@pytest.mark.parametrize("fitted_on", ["train", "scene"])
def test_the_largest_weight_of_a_component_is_positive(components: int, fitted_on: str) -> None:
    matrix = fit_bands(scene(), a_split(), components, fitted_on).matrix
    largest = np.abs(matrix).argmax(1)
    assert (matrix[np.arange(components), largest] > 0).all()


def test_a_solver_that_turns_every_sign_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Turned(PCA):  # type: ignore[misc]
        """scikit-learn's, with the other sign of each component."""

        def fit(self, spectra: NDArray[np.float64], y: None = None) -> Turned:
            super().fit(spectra, y)
            self.components_ *= -1
            return self

    plain = fit_bands(scene(), a_split(), 4)
    monkeypatch.setattr(module, "PCA", Turned)
    assert fit_bands(scene(), a_split(), 4).matrix.tobytes() == plain.matrix.tobytes()


def test_a_mirrored_scene_gives_the_same_components() -> None:
    mirrored = Scene(-np.asarray(scene().cube, float))
    one, other = (fit_bands(s, a_split(), 4, "scene") for s in (scene(), mirrored))
    np.testing.assert_allclose(one.matrix, other.matrix, rtol=1e-9)


def test_the_mean_spectrum_becomes_zeros_exactly() -> None:
    ours = fit_bands(scene(), a_split(), 4)
    assert not ours.reduce(ours.mean[None]).any()


@pytest.mark.parametrize(("offset", "dtype"), [(1e6, np.float32), (1e12, np.float64)])
def test_the_mean_is_subtracted_before_projecting(offset: float, dtype: Any) -> None:
    """Against long double: projecting first would lose small differences beside a large offset."""
    noise = np.random.default_rng(1).normal(size=(9, 9, 4))
    cube = (offset + noise).astype(dtype)
    ours = fit_bands(Scene(cube), a_split_of(9, 9), 3, "scene")
    exact = (cube.astype(np.longdouble) - ours.mean) @ ours.matrix.T.astype(np.longdouble)
    np.testing.assert_allclose(ours.reduce(cube), exact, rtol=1e-6, atol=1e-6)
    matrix, mean = ours.matrix.astype(dtype), ours.mean.astype(dtype)
    other_order = cube @ matrix.T - mean @ matrix.T
    assert np.abs(other_order - exact).max() > 100 * np.abs(ours.reduce(cube) - exact).max()


def a_split_of(rows: int, cols: int) -> Split:
    pixels = np.arange(rows * cols)
    labels = Labels(np.ones((rows, cols), int))
    return Split(labels, pixels[:5], pixels[:0], pixels[5:], method="given")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, ">i2", np.uint16, np.float32])
def test_any_type_of_numbers_is_reduced_alike(dtype: type | str) -> None:
    whole = np.random.default_rng(2).integers(0, 120, (ROWS, COLS, BANDS))
    ours, plain = (
        fit_bands(Scene(whole.astype(d)), a_split(), 3, "scene") for d in (dtype, np.float64)
    )
    assert ours.matrix.tobytes() == plain.matrix.tobytes()
    np.testing.assert_array_equal(
        ours.reduce(whole.astype(dtype)), plain.reduce(whole.astype(float))
    )


def test_spectra_come_in_any_shape_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, cube = fit_bands(scene(), a_split(), 3), scene().cube
    whole = ours.reduce(cube)
    np.testing.assert_allclose(ours.reduce(cube[4, 5]), whole[4, 5], rtol=1e-6)
    np.testing.assert_allclose(ours.reduce(cube.reshape(-1, BANDS)), whole.reshape(-1, 3))
    assert ours.reduce(cube[:0]).shape == (0, COLS, 3)
    monkeypatch.setattr(module, "CHUNK", 7)
    np.testing.assert_allclose(ours.reduce(cube), whole, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("bands", [BANDS - 1, BANDS + 1, 1])
def test_another_number_of_bands_is_refused(bands: int) -> None:
    ours = fit_bands(scene(), a_split(), 3)
    with pytest.raises(SceneError) as caught:
        ours.reduce(np.zeros((2, 2, bands)))
    assert str(caught.value) == (f"the model was fitted on {BANDS} bands, the scene has {bands}")


def test_more_components_than_bands() -> None:
    with pytest.raises(SettingsError) as caught:
        fit_bands(scene(), a_split(), 7)
    assert str(caught.value) == (
        "--components: field has 6 bands, fewer than the 7 components; take --components 6 or fewer"
    )


@pytest.mark.parametrize("components", [-1, -30])
def test_a_negative_number_of_components(components: int) -> None:
    with pytest.raises(SettingsError) as caught:
        fit_bands(scene(), a_split(), components)
    assert str(caught.value) == f"components: wanted 0 or more, got {components}"


@pytest.mark.parametrize("patch", [24, 2, 0, -1, -3])
@pytest.mark.parametrize("fitted_on", ["train", "patches", "scene"])
def test_an_even_patch(patch: int, fitted_on: str) -> None:
    with pytest.raises(SettingsError) as caught:
        fit_bands(scene(), a_split(), 3, fitted_on, patch=patch)
    assert str(caught.value) == f"patch: wanted an odd side in pixels, got {patch}"


@pytest.mark.parametrize("components", [0, 3])
def test_constant_bands_are_named_with_the_flag(components: int) -> None:
    cube = np.array(scene().cube)
    cube[:, :, [1, 2, 5]] = 7.0
    with pytest.raises(SceneError) as caught:
        fit_bands(Scene(cube, name="field"), a_split(), components, "scene")
    assert str(caught.value) == (
        "field: 3 of 6 bands have one value at all 132 pixels that the bands are fitted on "
        "(scene): 1, 2, 5, from 0; leave them out with --drop-bands 1-2,5"
    )


def test_a_band_that_is_constant_in_training_only() -> None:
    cube = np.array(scene().cube)
    cube.reshape(-1, BANDS)[TRAIN, 4] = 0
    with pytest.raises(SceneError) as caught:
        fit_bands(Scene(cube, name="field"), a_split(), 3)
    assert str(caught.value) == (
        "field: 1 of 6 bands have one value at all 10 pixels that the bands are fitted on "
        "(train): 4, from 0; leave them out with --drop-bands 4"
    )
    assert fit_bands(Scene(cube), a_split(), 3, "scene").pixels == ROWS * COLS


@pytest.mark.parametrize("pixels", [3, 4])
def test_more_components_than_pixels(pixels: int) -> None:
    with pytest.raises(SettingsError) as caught:
        fit_bands(scene(), a_split(TRAIN[:pixels]), 4)
    assert str(caught.value) == (
        f"components: 4 components need more than {pixels} pixels (train); "
        "lower --components or raise train"
    )
    assert fit_bands(scene(), a_split(TRAIN[:pixels]), 4, "patches", patch=3).pixels > 4


def test_bands_that_repeat_one_another() -> None:
    cube = np.array(scene().cube)
    cube[:, :, 3:] = 2 * cube[:, :, :3] + 1
    with pytest.raises(SettingsError) as caught:
        fit_bands(Scene(cube), a_split(), 4, "scene")
    assert str(caught.value) == (
        "components: only 3 of 4 components carry any variance; lower --components to 3"
    )
    assert fit_bands(Scene(cube), a_split(), 3, "scene").explained == pytest.approx(1)


@pytest.mark.parametrize("components", [0, 3])
def test_an_unknown_set_of_pixels(components: int) -> None:
    with pytest.raises(SettingsError) as caught:
        fit_bands(scene(), a_split(), components, "test")
    assert str(caught.value) == "bands_from: wanted train, patches or scene, got 'test'"


def test_thirty_components_of_indian_pines_equal_scikit_learns() -> None:
    pines, labels = load("indian_pines")
    pixels = np.flatnonzero(labels.array)
    drawn = Split(labels, pixels[::10], pixels[:0], pixels[1::10], method="given")
    ours: Bands = fit_bands(pines, drawn, 30)
    spectra = pines.cube.reshape(-1, 200)[pixels[::10]].astype(float)
    theirs = PCA(30, whiten=True, svd_solver="full").fit(spectra)
    same_up_to_sign(
        ours.reduce(pines.cube[60:70]).reshape(-1, 30),
        theirs.transform(pines.cube[60:70].reshape(-1, 200).astype(float)),
        1e-5,
    )
    assert ours.explained > 0.99


@pytest.mark.parametrize(
    ("reduction", "components", "message"),
    [
        ("MNF", 3, "reduction: wanted pca or mnf, got 'MNF'"),
        ("mnf", 0, "components: wanted 1 or more with the reduction mnf, got 0"),
    ],
)
def test_unknown_reductions_are_refused(reduction: str, components: int, message: str) -> None:
    cube = np.random.default_rng(0).normal(size=(6, 6, 4))
    drawn = sl.split(sl.Labels(np.tile([1, 2], (6, 3))), "random", train=0.5)
    with pytest.raises(SettingsError) as refused:
        fit_bands(sl.Scene(cube), drawn, components, reduction=reduction)
    assert str(refused.value) == message
