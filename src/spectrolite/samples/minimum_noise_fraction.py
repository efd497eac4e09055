"""The minimum noise fraction: components ordered by variance over noise.

Source: Green, Berman, Switzer, Craig, "A transformation for ordering multispectral data in terms of
image quality with implications for noise removal", IEEE TGRS 26(1), 1988. The noise is estimated
from neighbours: half the covariance of the differences between pixels one above the other and side
by side. Our deviation: pairs with a pixel that may not be used are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from spectrolite.errors import SettingsError


def noise_covariance(
    samples: list[tuple[NDArray[np.float64], NDArray[np.bool_]]], fitted_on: str
) -> NDArray[np.float64]:
    """`(bands, bands)` covariance of the noise: half the covariance of neighbours' differences.

    Args:
        samples: of each scene the spectra that are used, row by row, and the mask of their pixels.
        fitted_on: which pixels these are, for messages.

    Raises:
        SettingsError: not more pairs of neighbours than bands.
    """
    bands = samples[0][0].shape[1]
    squares, pairs = np.zeros((bands, bands)), 0
    for spectra, used in samples:
        number = np.cumsum(used).reshape(used.shape) - 1
        for first, second in (
            (np.s_[:-1], np.s_[1:]),  # pixels one above the other
            (np.s_[:, :-1], np.s_[:, 1:]),  # pixels side by side
        ):
            both = used[first] & used[second]
            differences = spectra[number[first][both]] - spectra[number[second][both]]
            squares += differences.T @ differences
            pairs += len(differences)
    if pairs <= bands:
        raise SettingsError(
            f"reduction: mnf estimates the noise of {bands} bands from more than {bands} pairs of "
            f"neighbouring pixels, but there are {pairs} ({fitted_on}); take --bands-from patches "
            "with a larger patch, or --reduction pca"
        )
    return squares / (2 * pairs)


def minimum_noise_fraction(
    spectra: NDArray[Any], noise: NDArray[np.float64], components: int
) -> tuple[NDArray[np.float64], float]:
    """`(components, bands)` whitened, largest variance over noise first, and their share of it.

    Args:
        spectra: `(pixels, bands)`.
        noise: `(bands, bands)` covariance of the noise.
        components: 1 to the number of bands.

    Raises:
        SettingsError: bands whose noise is linearly dependent.
    """
    deviation = np.sqrt(noise.diagonal())
    correlation = noise / np.outer(deviation, deviation) if deviation.all() else np.zeros((1, 1))
    if linalg.eigvalsh(correlation)[0] < 1e-10:
        raise SettingsError(
            "reduction: mnf needs noise that is independent from band to band, but the noise of "
            "some bands depends linearly on other bands; leave bands out with --drop-bands, or "
            "take --reduction pca"
        )
    ratios, axes = linalg.eigh(np.atleast_2d(np.cov(spectra.T)), noise)  # ascending
    first = slice(None, -components - 1, -1)
    rows = axes[:, first].T
    matrix = rows * component_signs(rows) / np.sqrt(ratios[first])[:, None]
    return np.ascontiguousarray(matrix), float(ratios[first].sum() / ratios.sum())


def component_signs(components: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(components, 1)` of 1 and -1, to make each component's largest weight positive.

    The sign of a component is arbitrary; fixing it keeps runs comparable.
    """
    largest = np.abs(components).argmax(1)
    signs: NDArray[np.float64] = np.sign(components[np.arange(len(components)), largest])
    return signs[:, None]
