"""Baselines tuned on the training part, mapped and timed like a network.

`baselines` has those of every report, with fixed settings. The baselines here are compared with
networks, and an untuned baseline would make the networks look better than they are.

Cross-validation leaves out the same units as the split: single pixels, or whole blocks, fields or
polygons. Folds of neighbouring pixels would tune for a test beside the training pixels.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from spectrolite.data.scene import Scene
from spectrolite.data.scene_sets import Pixels
from spectrolite.errors import SettingsError, did_you_mean, wanted_one_of
from spectrolite.evaluation.baselines import patch_mean
from spectrolite.samples.band_reduction import fit_bands
from spectrolite.samples.leakage import check_patch, predict_by_position
from spectrolite.samples.split_methods import block_of
from spectrolite.samples.split_scene import Split

TUNED: dict[str, dict[str, int | str]] = {
    "svm": {"components": 30, "reduction": "pca"},
    "svm_context": {"components": 30, "reduction": "pca", "side": 25},
    "random_forest": {"components": 30, "reduction": "pca"},
    "position": {},
}
"""Each baseline with its parameters and their defaults: whitened components (0: all bands,
standardised), principal ones of the training pixels or, with `reduction="mnf"`, by variance over
noise; side in pixels of the window whose mean spectrum stands beside the pixel's."""

NOISE_PATCH = 13  # pixels: mnf looks at this much around a training pixel, or at the wider window

FOLDS = 3
TUNE_AT_MOST = 2_000  # training pixels, drawn at random, that a choice is made on; all are fitted
TREES = 200
COSTS = (1.0, 10.0, 100.0, 1000.0)
GAMMAS = (0.25, 1.0, 4.0)  # over the number of features, which have variance 1
LEAVES, FEATURES = (1, 3), ("sqrt", 0.5)  # pixels in a leaf, share of features a node looks at


@dataclass(frozen=True, eq=False)
class BaselineMap:
    """The map of a tuned baseline.

    Attributes:
        classes: `(rows, cols)` class ids, 0 where the scene has no spectrum.
        chosen: the tuned parameters, and how they were tuned, in words.
        training_s: seconds of tuning and fitting, without band reduction.
        map_s: seconds of mapping the whole scene, band reduction included, as for a network.
    """

    classes: NDArray[np.int32]
    chosen: str
    training_s: float
    map_s: float


def checked_baseline(name: str, parameters: Mapping[str, Any]) -> dict[str, int | str]:
    """All parameters of a baseline, the defaults filled in.

    Raises:
        SettingsError: no such baseline or parameter, or one out of range.
    """
    if name not in TUNED:
        raise SettingsError(f"baseline: {wanted_one_of(TUNED, name)}")
    for key, value in parameters.items():
        if key not in TUNED[name]:
            known = ", ".join(TUNED[name]) or "none at all"
            raise SettingsError(
                f"{name}: no parameter {key}; wanted {known}{did_you_mean(key, TUNED[name])}"
            )
        if key == "reduction":
            if value not in ("pca", "mnf"):
                raise SettingsError(f"{name}: reduction: wanted pca or mnf, got {value!r}")
        elif type(value) is not int or value < 0:
            raise SettingsError(f"{name}: {key}: wanted a whole number from 0 up, got {value!r}")
        if key == "side":
            check_patch(value)
    tuned = {**TUNED[name], **parameters}
    if tuned.get("reduction") == "mnf" and tuned["components"] == 0:
        raise SettingsError(f"{name}: components: wanted 1 or more with reduction=mnf, got 0")
    return tuned


def receptive_field_of(name: str, parameters: Mapping[str, Any]) -> int | None:
    """Side in pixels of a baseline's receptive field; None if it sees no spectrum.

    With `mnf` it is at least the patch that the noise is estimated from, as for a network.
    """
    if name == "position":
        return None
    side: int = parameters.get("side", 1)
    return max(side, NOISE_PATCH) if parameters["reduction"] == "mnf" else side


def map_with_baseline(
    name: str,
    scene: Scene,
    split: Split,
    generator: np.random.Generator,
    **parameters: int | str,
) -> BaselineMap:
    """Tune a baseline inside the training part, fit it there, and map the scene.

    The grids are those of this module: C and gamma of the SVMs (RBF, features standardised), leaf
    size and features a node of the forest (200 trees). Position has nothing to tune. The noise of
    `reduction="mnf"` is what neighbours differ by inside the patches of the training pixels, 13
    pixels wide or as wide as the window: one MobileSN with that field is given the same.

    Args:
        name: `svm`, the pixel's spectrum; `svm_context`, with the mean spectrum of its window;
            `random_forest`, the pixel's spectrum; `position`, the class of the nearest training
            pixel, which never sees the image.
        scene: the scene.
        split: only its training pixels are looked at.
        generator: of folds, of pixels to tune on, and of the forest.
        **parameters: those of the baseline, as `TUNED` has them.

    Raises:
        SettingsError: as `checked_baseline`, or components that the training pixels do not give.
        SceneError: as `fit_bands`.
    """
    chosen = checked_baseline(name, parameters)
    labels = split.labels
    classes = labels.array.ravel()
    everywhere = np.arange(classes.size)
    if name == "position":
        start = time.perf_counter()
        class_map = _mapped(predict_by_position(labels.array, split.train, everywhere), scene)
        return BaselineMap(class_map, "nothing to tune", 0.0, time.perf_counter() - start)
    side = cast(int | None, chosen.get("side"))
    reduction = cast(str, chosen["reduction"])
    bands = fit_bands(
        scene,
        split,
        cast(int, chosen["components"]),
        reduction=reduction,
        fitted_on="patches" if reduction == "mnf" else "train",
        patch=cast(int, receptive_field_of(name, chosen)),
    )
    features = _features(bands.reduce(scene.cube, scene.valid), side)
    start = time.perf_counter()
    model, words = _tuned(name, features, classes, split, generator)
    model.fit(features[split.train], classes[split.train])
    fitted = time.perf_counter()
    features = _features(bands.reduce(scene.cube, scene.valid), side)
    class_map = _mapped(model.predict(features), scene)
    return BaselineMap(class_map, words, fitted - start, time.perf_counter() - fitted)


def _mapped(predicted: NDArray[np.integer], scene: Scene) -> NDArray[np.int32]:
    """`(rows, cols)` class ids, 0 where the scene has no spectrum."""
    classes = np.array(predicted, np.int32).reshape(scene.shape[:2])
    if scene.valid is not None:
        classes[~scene.valid] = 0
    return classes


def _features(reduced: NDArray[np.float32], side: int | None) -> NDArray[np.float32]:
    """`(rows * cols, features)`: the spectrum, and that of the window's mean beside it."""
    pixel = reduced.reshape(-1, reduced.shape[-1])
    if side is None:
        return pixel
    return np.concatenate([pixel, patch_mean(reduced, side).reshape(pixel.shape)], axis=1)


def _tuned(
    name: str,
    features: NDArray[np.float32],
    classes: NDArray[np.int32],
    split: Split,
    generator: np.random.Generator,
) -> tuple[Any, str]:
    """A model with the best parameters of its grid, not fitted, and those parameters in words."""
    width = features.shape[1]
    grid: dict[str, tuple[Any, ...]]
    if name == "random_forest":
        seed = int(generator.integers(2**31))
        model = make_pipeline(RandomForestClassifier(TREES, random_state=seed))
        grid = {
            "randomforestclassifier__min_samples_leaf": LEAVES,
            "randomforestclassifier__max_features": FEATURES,
        }
    else:
        model = make_pipeline(StandardScaler(), SVC())
        grid = {"svc__C": COSTS, "svc__gamma": tuple(g / width for g in GAMMAS)}
    few = split.train
    if len(few) > TUNE_AT_MOST:
        few = np.sort(generator.choice(few, TUNE_AT_MOST, replace=False))
    folds, kind = tuning_folds(split, few, generator)
    if folds is None:
        best, how = {key: values[len(values) // 2] for key, values in grid.items()}, kind
    else:
        search = GridSearchCV(
            model, grid, cv=PredefinedSplit(folds), refit=False, error_score="raise"
        )
        search.fit(features[few], classes[few])
        best = search.best_params_
        how = f"by {search.n_splits_} folds of {kind}: {search.best_score_:.2%} there"
    shown = ", ".join(
        f"{key.partition('__')[2]}={value:.4g}"
        if isinstance(value, float)
        else f"{key.partition('__')[2]}={value}"
        for key, value in best.items()
    )
    return clone(model).set_params(**best), f"{shown} ({how})"


def tuning_folds(
    split: Split, pixels: Pixels, generator: np.random.Generator
) -> tuple[NDArray[np.int64] | None, str]:
    """A fold for each of some training pixels, and what the folds are made of.

    Blocks, fields or polygons go whole into the fold that has fewest pixels, the largest first.
    Pixels are dealt out class by class. A fold is left out only where two classes train without it:
    where the groups are too few for that, pixels are dealt out instead, and the words say so.

    Args:
        split: whose method says what is left out at a time.
        pixels: flat indices, of the training part.
        generator: shuffles.

    Returns:
        `(len(pixels),)` folds from 0, or None where no fold can be left out.
    """
    classes = split.labels.array.ravel()[pixels]
    kind = "single pixels"
    groups: NDArray[np.integer] | None = None
    if split.method in ("blocks", "blocks_by_class"):
        side = int(split.parameters["side"])
        kind, groups = "whole blocks", block_of(split.labels, pixels, side)
    elif split.method == "polygons":
        polygons = cast(NDArray[np.int32], split.labels.polygons)
        kind, groups = "whole polygons", polygons.ravel()[pixels]
    elif split.method in ("fields", "given"):
        kind, groups = "whole fields", split.labels.fields.ravel()[pixels]
    if groups is not None:
        folds = _dealt_groups(groups, generator)
        if _can_be_left_out(folds, classes):
            return folds, kind
        kind = f"single pixels, {kind} being too few"
    folds = np.empty(len(pixels), np.int64)
    order = generator.permutation(len(pixels))
    order = order[np.argsort(classes[order], kind="stable")]  # class by class
    folds[order] = np.arange(len(pixels)) % FOLDS
    if _can_be_left_out(folds, classes):
        return folds, kind
    return None, "untuned: too few training pixels"


def _dealt_groups(groups: NDArray[np.integer], generator: np.random.Generator) -> NDArray[np.int64]:
    names, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = generator.permutation(len(names))
    fold_of, filled = np.empty(len(names), np.int64), np.zeros(FOLDS, np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    dealt: NDArray[np.int64] = fold_of[index]
    return dealt


def _can_be_left_out(folds: NDArray[np.int64], classes: NDArray[np.int32]) -> bool:
    names = np.unique(folds)
    return len(names) > 1 and all(len(np.unique(classes[folds != fold])) > 1 for fold in names)
