"""How much of the test the training has already seen, and what position alone scores.

Distances are Chebyshev distances in pixels, the larger of rows and columns apart: a pixel lies
inside a training pixel's patch exactly when that distance is at most the patch's halo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.neighbors import KNeighborsClassifier

from spectrolite.errors import SettingsError

Pixels = NDArray[np.int64]


@dataclass(frozen=True)
class Leakage:
    """What a split gives away before any spectrum is looked at.

    Attributes:
        patch: side of the patch that the figures are for, in pixels.
        overlap: share of test pixels inside the patch of a training or validation pixel, 0 to 1.
        median_distance: median Chebyshev distance from a test pixel to the nearest training or
            validation pixel, in pixels.
        majority: overall accuracy of calling every test pixel the commonest training class.
        position: overall accuracy of the nearest training pixel's class (1-NN on row and column).
        distance_edges: lowest distance of each bin of the histogram, in pixels: 1, 2, ... up to
            twice the patch; the last bin holds all that lie farther too.
        distance_counts: test pixels in each bin.
    """

    patch: int
    overlap: float
    median_distance: float
    majority: float
    position: float
    distance_edges: tuple[int, ...]
    distance_counts: tuple[int, ...]

    @property
    def clean(self) -> bool:
        """Whether no test pixel lies inside the patch of a training pixel."""
        return self.overlap == 0


def check_patch(patch: int) -> int:
    """The halo of a patch: `patch // 2`.

    Raises:
        SettingsError: an even side, or none.
    """
    if patch < 1 or patch % 2 == 0:
        raise SettingsError(f"patch: wanted an odd side in pixels, got {patch}")
    return patch // 2


def nearest_distance(shape: tuple[int, int], seen: Pixels, test: Pixels) -> NDArray[np.int64]:
    """Chebyshev distance of each test pixel to the nearest seen one, `(len(test),)`, in pixels."""
    unseen = np.ones(shape, bool)
    unseen.flat[seen] = False
    distance = ndimage.distance_transform_cdt(unseen, metric="chessboard")
    return np.asarray(distance.ravel()[test], np.int64)


def measure(
    array: NDArray[np.int32], train: Pixels, seen: Pixels, test: Pixels, patch: int
) -> Leakage:
    """Leakage of a split of the label map `array`.

    Args:
        array: `(rows, cols)` class ids.
        train: flat indices that classifiers are fitted on.
        seen: flat indices that training looks at in any way: training and validation.
        test: flat indices that are scored.
        patch: odd side in pixels.

    Raises:
        SettingsError: an even patch.
    """
    halo = check_patch(patch)
    distance = nearest_distance(array.shape, seen, test)
    truth = array.ravel()[test]
    edges = range(1, 2 * patch + 1)
    counts = np.bincount(distance.clip(max=edges[-1]), minlength=len(edges) + 1)[1:]
    return Leakage(
        patch=patch,
        overlap=float((distance <= halo).mean()),
        median_distance=float(np.median(distance)),
        majority=float((truth == np.bincount(array.ravel()[train]).argmax()).mean()),
        position=float((truth == predict_by_position(array, train, test)).mean()),
        distance_edges=tuple(edges),
        distance_counts=tuple(counts.tolist()),
    )


def predict_by_position(array: NDArray[np.int32], train: Pixels, test: Pixels) -> NDArray[np.int32]:
    """Class id of the training pixel nearest to each test pixel (Euclidean, on row and column)."""
    model = KNeighborsClassifier(n_neighbors=1)
    model.fit(_coordinates(array, train), array.ravel()[train])
    predicted: NDArray[np.int32] = model.predict(_coordinates(array, test))
    return predicted


def _coordinates(array: NDArray[np.int32], pixels: Pixels) -> NDArray[np.int64]:
    return np.stack(np.unravel_index(pixels, array.shape), axis=1)
