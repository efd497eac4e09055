"""How much of the test part training has already seen, and the accuracy of position alone.

Distances are Chebyshev distances in pixels, the larger of the differences in rows and columns: a
pixel lies inside a training pixel's patch exactly when that distance is at most the patch's halo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.neighbors import KNeighborsClassifier

from spectrolite.data.scene_sets import Pixels, Shapes, scene_by_scene, starts
from spectrolite.errors import SettingsError

FAR = np.iinfo(np.int64).max  # distance in a scene without training and validation pixels


@dataclass(frozen=True, repr=False)
class Leakage:
    """What a split gives away before any spectrum is used.

    Attributes:
        patch: side of the patch that the figures are for, in pixels.
        overlap: share of test pixels inside the patch of a training or validation pixel, 0 to 1.
        median_distance: median Chebyshev distance from a test pixel to the nearest training or
            validation pixel, in pixels; NaN if at least half of the test pixels lie in scenes
            without such pixels.
        majority: overall accuracy of the commonest training class for every test pixel, 0 to 1.
        position: overall accuracy of the nearest training pixel's class (1-NN on row and column),
            0 to 1; in a scene without training pixels, of the commonest training class.
        distance_edges: lowest distance of each bin of the histogram, in pixels: 1, 2, ... up to
            twice the patch; the last bin also holds test pixels farther away or in other scenes.
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
        """Whether no test pixel lies inside the patch of a training or validation pixel."""
        return self.overlap == 0

    def __repr__(self) -> str:
        rows = (
            ("test pixels inside a patch around training or validation pixels", self.overlap),
            ("accuracy of the nearest training pixel's class", self.position),
            ("accuracy of the commonest training class", self.majority),
        )
        distance = "median distance to a training or validation pixel"
        return "\n".join(
            [
                f"Leakage for a patch of {self.patch} pixels: {'none' if self.clean else 'yes'}",
                *(f"  {name:<65}{100 * value:>7.2f} %" for name, value in rows),
                f"  {distance:<65}{self.median_distance:>7g} pixels",
            ]
        )


def check_patch(patch: int) -> int:
    """The halo of a patch: `patch // 2`.

    Raises:
        SettingsError: an even side, or one below 1.
    """
    if patch < 1 or patch % 2 == 0:
        raise SettingsError(f"patch: wanted an odd side in pixels, got {patch}")
    return patch // 2


def nearest_distance(shape: tuple[int, int], seen: Pixels, test: Pixels) -> NDArray[np.int64]:
    """`(len(test),)` Chebyshev distance of each test pixel to the nearest seen one, in pixels."""
    unseen = np.ones(shape, bool)
    unseen.flat[seen] = False
    distance = ndimage.distance_transform_cdt(unseen, metric="chessboard")
    return np.asarray(distance.ravel()[test], np.int64)


def distances(shapes: Shapes, seen: Pixels, test: Pixels) -> NDArray[np.int64]:
    """`nearest_distance` in several scenes; `FAR` in a scene without seen pixels."""
    result = np.full(len(test), FAR)
    scenes = zip(scene_by_scene(shapes, seen), scene_by_scene(shapes, test), strict=True)
    for (shape, _, seen_here), (_, places, test_here) in scenes:
        if len(seen_here) and len(test_here):
            result[places] = nearest_distance(shape, seen_here, test_here)
    return result


def measure(
    array: NDArray[np.int32],
    train: Pixels,
    seen: Pixels,
    test: Pixels,
    patch: int,
    shapes: Shapes | None = None,
) -> Leakage:
    """Leakage of a split of the label map `array`.

    Args:
        array: `(rows, cols)` class ids; of several scenes, `(pixels,)`.
        train: flat indices that classifiers are fitted on.
        seen: flat indices of training and validation pixels.
        test: flat indices that are scored.
        patch: odd side in pixels.
        shapes: rows and columns of each scene; None: one scene of the shape of `array`.

    Raises:
        SettingsError: an even patch.
    """
    halo = check_patch(patch)
    shapes = shapes or ((array.shape[0], array.shape[1]),)
    distance = distances(shapes, seen, test)
    truth = array.ravel()[test]
    edges = range(1, 2 * patch + 1)
    counts = np.bincount(distance.clip(max=edges[-1]), minlength=len(edges) + 1)[1:]
    return Leakage(
        patch=patch,
        overlap=float((distance <= halo).mean()),
        median_distance=_median(distance),
        majority=float((truth == np.bincount(array.ravel()[train]).argmax()).mean()),
        position=float((truth == by_position(array, shapes, train, test)).mean()),
        distance_edges=tuple(edges),
        distance_counts=tuple(counts.tolist()),
    )


def predict_by_position(array: NDArray[np.int32], train: Pixels, test: Pixels) -> NDArray[np.int32]:
    """Class id of the training pixel nearest to each test pixel (Euclidean, on row and column)."""
    model = KNeighborsClassifier(n_neighbors=1)
    model.fit(_coordinates(array, train), array.ravel()[train])
    predicted: NDArray[np.int32] = model.predict(_coordinates(array, test))
    return predicted


def by_position(
    array: NDArray[np.int32], shapes: Shapes, train: Pixels, test: Pixels
) -> NDArray[np.int32]:
    """`predict_by_position` in several scenes; the commonest training class where none trains."""
    classes = array.ravel()
    predicted = np.full(len(test), np.bincount(classes[train]).argmax(), np.int32)
    for first, ((rows, cols), _, train_here), (_, places, test_here) in zip(
        starts(shapes), scene_by_scene(shapes, train), scene_by_scene(shapes, test), strict=False
    ):
        if len(train_here) and len(test_here):
            ids = classes[first : first + rows * cols].reshape(rows, cols)
            predicted[places] = predict_by_position(ids, train_here, test_here)
    return predicted


def _median(distance: NDArray[np.int64]) -> float:
    if (distance == FAR).mean() >= 0.5:
        return math.nan
    return float(np.median(distance))


def _coordinates(array: NDArray[np.int32], pixels: Pixels) -> NDArray[np.int64]:
    return np.stack(np.unravel_index(pixels, array.shape), axis=1)
