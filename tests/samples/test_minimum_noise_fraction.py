"""The minimum noise fraction: the two steps of its paper, with a loop over pairs of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from samples.small_scene import BANDS, COLS, ROWS, a_split, allowed, same_up_to_sign, scene
from spectrolite.data.scene import Scene
from spectrolite.errors import SettingsError
from spectrolite.samples.band_reduction import fit_bands


def naive_noise(cube: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Half the covariance of the differences of neighbours, pair by pair."""
    allowed = mask.reshape(ROWS, COLS)
    differences = [
        cube[r, c] - cube[r + down, c + right]
        for down, right in ((0, 1), (1, 0))
        for r in range(ROWS - down)
        for c in range(COLS - right)
        if allowed[r, c] and allowed[r + down, c + right]
    ]
    noise: NDArray[np.floating] = np.stack([np.outer(d, d) for d in differences]).mean(0) / 2
    return noise


@pytest.mark.parametrize(("fitted_on", "patch"), [("patches", 3), ("patches", 5), ("scene", 3)])
@pytest.mark.parametrize("components", [1, 4, BANDS])
def test_the_minimum_noise_fraction_is_that_of_its_two_steps(
    fitted_on: str, patch: int, components: int
) -> None:
    """Green et al.: whiten the noise, then take principal components of what came out."""
    cube, mask = scene().cube, allowed(fitted_on, patch)
    ours = fit_bands(scene(), a_split(), components, fitted_on, patch=patch, reduction="mnf")
    values, axes = np.linalg.eigh(naive_noise(cube, mask))
    quiet = axes / np.sqrt(values)
    spectra = cube.reshape(-1, BANDS)
    theirs = PCA(components, whiten=True, svd_solver="full").fit(spectra[mask] @ quiet)
    assert (ours.pixels, ours.fitted_on) == (mask.sum(), fitted_on)
    assert ours.explained == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-9)
    reduced = ours.reduce(cube).reshape(-1, components)
    same_up_to_sign(reduced, theirs.transform(spectra @ quiet), 1e-4)
    assert (ours.matrix[np.arange(components), np.abs(ours.matrix).argmax(1)] > 0).all()


def test_a_faint_band_without_noise_comes_before_a_loud_one_of_noise() -> None:
    generator = np.random.default_rng(3)
    smooth = np.add.outer(np.sin(np.arange(ROWS) / 4), np.cos(np.arange(COLS) / 5))
    faint = 0.1 * smooth + 1e-3 * generator.normal(size=(ROWS, COLS))
    loud = 100 * generator.normal(size=(ROWS, COLS))
    found = Scene(np.stack([loud, faint, 10 * loud + 50 * generator.normal(size=loud.shape)], 2))
    by_noise = fit_bands(found, a_split(), 1, "scene", reduction="mnf").reduce(found.cube)[..., 0]
    by_variance = fit_bands(found, a_split(), 1, "scene").reduce(found.cube)[..., 0]
    assert abs(np.corrcoef(by_noise.ravel(), faint.ravel())[0, 1]) > 0.999
    assert abs(np.corrcoef(by_variance.ravel(), faint.ravel())[0, 1]) < 0.2


def test_units_of_the_bands_do_not_change_it() -> None:
    scaled = Scene(np.asarray(scene().cube) * [0.01, 7, 3, 100, 0.5, 2])
    one, other = (
        fit_bands(s, a_split(), 4, "scene", reduction="mnf").reduce(s.cube)
        for s in (scene(), scaled)
    )
    same_up_to_sign(one.reshape(-1, 4), other.reshape(-1, 4), 1e-3)


def test_pixels_outside_the_patches_change_no_bit_of_it() -> None:
    outside = ~allowed("patches", 3)
    assert outside.any()
    changed = np.array(scene().cube)
    changed.reshape(-1, BANDS)[outside] = 1e9
    one, other = (
        fit_bands(s, a_split(), 4, "patches", patch=3, reduction="mnf")
        for s in (scene(), Scene(changed))
    )
    assert one.matrix.tobytes() == other.matrix.tobytes()
    assert one.mean.tobytes() == other.mean.tobytes()


def test_too_few_neighbours_for_the_noise_are_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        fit_bands(scene(), a_split(), 4, "train", reduction="mnf")
    assert str(caught.value) == (
        "reduction: mnf estimates the noise of 6 bands from more than 6 pairs of neighbouring "
        "pixels, but there are 1 (train); take --bands-from patches with a larger patch, or "
        "--reduction pca"
    )


def test_linearly_dependent_noise_is_refused() -> None:
    """One band is the sum of two others."""
    cube = np.random.default_rng(0).normal(size=(ROWS, COLS, 3))
    cube = np.concatenate([cube, cube[..., :1] + cube[..., 1:2]], 2)
    with pytest.raises(SettingsError) as caught:
        fit_bands(Scene(cube), a_split(), 2, "scene", reduction="mnf")
    assert str(caught.value) == (
        "reduction: mnf needs noise that is independent from band to band, but the noise of "
        "some bands depends linearly on other bands; leave bands out with --drop-bands, or take "
        "--reduction pca"
    )
