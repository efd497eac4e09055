"""Baselines that are tuned inside the training part.

References: scikit-learn's pipelines fitted by hand with what was chosen; a grid search written as
loops; the position baseline of `leakage`; folds against what they promise, by hypothesis.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import spectrolite as sl
from spectrolite.errors import SettingsError
from spectrolite.evaluation import tuned_baselines
from spectrolite.evaluation.baselines import patch_mean
from spectrolite.evaluation.tuned_baselines import (
    checked_baseline,
    map_with_baseline,
    receptive_field_of,
    tuning_folds,
)
from spectrolite.samples.band_reduction import fit_bands
from spectrolite.samples.split_scene import split


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned_baselines, "TREES", 10)


def drawn_from(tiny: tuple[sl.Scene, sl.Labels], method: str = "random", **keywords: Any) -> Any:
    return split(tiny[1], method, **{"train": 0.2, "seed": 1, **keywords})


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def features_of(scene: sl.Scene, drawn: sl.Split, side: int | None) -> NDArray[np.float32]:
    reduced = fit_bands(scene, drawn, 5).reduce(scene.cube)
    pixel = reduced.reshape(-1, 5)
    if side is None:
        return pixel
    return np.hstack([pixel, patch_mean(reduced, side).reshape(-1, 5)])


@pytest.mark.parametrize(("name", "side"), [("svm", None), ("svm_context", 3), ("svm_context", 7)])
def test_an_svm_is_the_one_that_loops_over_the_grid_choose(
    tiny: tuple[sl.Scene, sl.Labels], name: str, side: int | None
) -> None:
    drawn = drawn_from(tiny)
    own = {} if side is None else {"side": side}
    found = map_with_baseline(name, tiny[0], drawn, seeded(), components=5, **own)
    features = features_of(tiny[0], drawn, side)
    classes = drawn.labels.array.ravel()
    folds, kind = tuning_folds(drawn, drawn.train, seeded())
    assert folds is not None
    assert kind == "single pixels"

    def fitted(cost: float, gamma: float, pixels: NDArray[np.int64]) -> Any:
        scaler = StandardScaler().fit(features[pixels])
        model = SVC(C=cost, gamma=gamma / features.shape[1])
        model.fit(scaler.transform(features[pixels]), classes[pixels])
        return lambda where: model.predict(scaler.transform(features[where]))

    scores = {}
    for cost in (1.0, 10.0, 100.0, 1000.0):
        for gamma in (0.25, 1.0, 4.0):
            right = []
            for fold in range(3):
                predict = fitted(cost, gamma, drawn.train[folds != fold])
                left = drawn.train[folds == fold]
                right.append((predict(left) == classes[left]).mean())
            scores[cost, gamma] = float(np.mean(right))
    best = max(scores.values())
    words = re.fullmatch(
        r"C=(\S+), gamma=(\S+) \(by 3 folds of single pixels: (\S+)% there\)", found.chosen
    )
    assert words is not None
    assert float(words[3]) == pytest.approx(100 * best, abs=0.006)
    chosen = float(words[1]), float(words[2]) * features.shape[1]
    pair = min(scores, key=lambda p: abs(p[0] - chosen[0]) + abs(p[1] - chosen[1]))
    assert scores[pair] == pytest.approx(best)
    everywhere = np.arange(classes.size)
    assert np.array_equal(fitted(*pair, drawn.train)(everywhere), found.classes.ravel())


def test_a_forest_is_scikit_learns_and_its_seed_comes_from_the_generator(
    tiny: tuple[sl.Scene, sl.Labels],
) -> None:
    drawn = drawn_from(tiny)
    found, same, other = (
        map_with_baseline("random_forest", tiny[0], drawn, seeded(seed), components=5)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(found.classes, same.classes)
    assert found.chosen == same.chosen
    assert not np.array_equal(found.classes, other.classes)
    words = re.match(r"max_features=(\S+), min_samples_leaf=(\d) \(by", found.chosen)
    assert words is not None
    features, classes = features_of(tiny[0], drawn, None), drawn.labels.array.ravel()
    model = RandomForestClassifier(
        10,
        random_state=int(seeded().integers(2**31)),
        min_samples_leaf=int(words[2]),
        max_features="sqrt" if words[1] == "sqrt" else float(words[1]),
    ).fit(features[drawn.train], classes[drawn.train])
    assert np.array_equal(model.predict(features), found.classes.ravel())


def test_position_is_that_of_the_leakage(tiny: tuple[sl.Scene, sl.Labels]) -> None:
    drawn = drawn_from(tiny)
    found = map_with_baseline("position", tiny[0], drawn, seeded())
    truth = drawn.labels.array.ravel()[drawn.test]
    score = float((found.classes.ravel()[drawn.test] == truth).mean())
    assert score == drawn.leakage(1).position
    assert (found.chosen, found.training_s) == ("nothing to tune", 0.0)


@pytest.mark.parametrize("name", ["svm", "svm_context", "random_forest"])
def test_no_test_label_and_no_label_of_validation_is_looked_at(
    tiny: tuple[sl.Scene, sl.Labels], name: str
) -> None:
    """Other classes at the pixels that do not train change nothing."""
    drawn = drawn_from(tiny, "blocks", side=6, allow_missing=True, validation=0.3)
    spoiled = tiny[1].array.copy()
    for pixels in (drawn.test, drawn.validation):
        spoiled.flat[pixels] = 2 + 5 * (spoiled.flat[pixels] == 2)
    twin = sl.Split(
        sl.Labels(spoiled, class_names=tiny[1].class_names),
        drawn.train,
        drawn.validation,
        drawn.test,
        drawn.method,
        drawn.parameters,
    )
    one, other = (
        map_with_baseline(name, tiny[0], s, seeded(), components=4) for s in (drawn, twin)
    )
    assert np.array_equal(one.classes, other.classes)
    assert one.chosen == other.chosen


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    side=st.integers(3, 9),
    method=st.sampled_from(
        ["random", "per_class", "blocks", "blocks_by_class", "fields", "polygons"]
    ),
)
def test_folds_leave_out_what_the_split_leaves_out(seed: int, side: int, method: str) -> None:
    ids = np.kron(np.random.default_rng(seed % 7).integers(0, 4, (6, 6)), np.ones((4, 4), int))
    polygons = 1 + np.arange(24 * 24).reshape(24, 24) // 48 * 12 + np.arange(24) // 2
    labels = sl.Labels(ids, polygons=np.where(ids > 0, polygons, 0))
    keywords: dict[str, dict[str, Any]] = {
        "random": {"train": 0.3},
        "per_class": {"n": 4},
        "fields": {},
        "polygons": {},
    }
    own = keywords.get(method, {"train": 0.4, "side": side})
    try:
        drawn = split(labels, method, seed=seed % 5, allow_missing=True, **own)
    except sl.SpectroliteError:
        return
    folds, kind = tuning_folds(drawn, drawn.train, seeded(seed))
    again, _ = tuning_folds(drawn, drawn.train, seeded(seed))
    if folds is None:
        assert kind == "untuned: too few training pixels"
        return
    assert again is not None
    assert np.array_equal(folds, again)
    classes = ids.ravel()[drawn.train]
    assert set(folds) <= {0, 1, 2}
    assert all(len(set(classes[folds != fold])) > 1 for fold in set(folds))
    rows, cols = np.unravel_index(drawn.train, labels.shape)
    if kind == "whole blocks":
        where = [(r // side, c // side) for r, c in zip(rows, cols, strict=True)]
    elif kind == "whole fields":
        where = labels.fields.ravel()[drawn.train].tolist()
    elif kind == "whole polygons":
        where = polygons.ravel()[drawn.train].tolist()
    else:
        for i in set(classes):
            counts = np.bincount(folds[classes == i], minlength=3)
            assert counts.max() - counts.min() <= 1
        return
    assert method in ("blocks", "blocks_by_class", "fields", "polygons")
    for place in set(where):
        assert len({f for f, w in zip(folds, where, strict=True) if w == place}) == 1


def test_polygons_are_left_out_whole() -> None:
    ids = np.kron(np.array([[2, 3], [3, 2]]), np.ones((6, 6), int))
    polygons = 1 + np.arange(144).reshape(12, 12) // 36 * 4 + np.arange(12) // 3
    drawn = split(sl.Labels(ids, polygons=polygons), "polygons", train=0.5, seed=1)
    folds, kind = tuning_folds(drawn, drawn.train, seeded())
    assert folds is not None
    assert kind == "whole polygons"
    where = polygons.ravel()[drawn.train]
    assert len(set(where)) == 8
    assert all(len(set(folds[where == number])) == 1 for number in set(where))


@pytest.mark.parametrize("name", ["svm_context", "position"])
def test_pixels_without_a_spectrum_get_no_class_and_say_nothing(
    tiny: tuple[sl.Scene, sl.Labels], name: str
) -> None:
    """Whatever stands in the cube there, the map is the same."""
    valid = np.random.default_rng(0).random((28, 30)) < 0.8
    own = {} if name == "position" else {"components": 4, "side": 5}
    maps = []
    for value in (0, 60_000):
        scene = sl.Scene(np.where(valid[..., None], tiny[0].cube, value), valid=valid)
        drawn = split(tiny[1].on(scene), "random", train=0.2, seed=1)
        maps.append(map_with_baseline(name, scene, drawn, seeded(), **own).classes)
    assert np.array_equal(maps[0], maps[1])
    assert np.array_equal(maps[0] > 0, valid)


@pytest.mark.parametrize(
    ("name", "own", "field"),
    [("svm", {}, 13), ("svm_context", {"side": 5}, 13), ("svm_context", {"side": 15}, 15)],
)
def test_noise_comes_from_the_field_that_the_table_names(
    tiny: tuple[sl.Scene, sl.Labels], name: str, own: dict[str, int], field: int
) -> None:
    """What lies outside the patches of the training pixels changes no class inside them."""
    mnf: dict[str, Any] = {"components": 4, "reduction": "mnf", **own}
    assert receptive_field_of(name, checked_baseline(name, mnf)) == field
    drawn = drawn_from(tiny)
    left = drawn.train[drawn.train % 30 < 8]  # columns
    corner = sl.Split(tiny[1], left, left[:0], drawn.test, "random")
    seen = np.zeros((28, 30), np.bool_)
    for row, col in zip(*np.unravel_index(corner.train, seen.shape), strict=True):
        far = field // 2
        seen[max(row - far, 0) : row + far + 1, max(col - far, 0) : col + far + 1] = True
    assert np.count_nonzero(~seen) > 50
    assert list(drawn.classes_of(corner.train)) == [2, 7]
    noise = np.random.default_rng(0).normal(size=tiny[0].cube.shape)
    hard = tiny[0].cube.astype(np.float64) + 2000 * noise
    spoiled = hard + np.where(seen[..., None], 0, 50 * noise)
    one, other = (
        map_with_baseline(name, sl.Scene(cube), corner, seeded(), **mnf) for cube in (hard, spoiled)
    )
    inner = seen.copy()  # where the whole window is seen
    for row, col in zip(*np.nonzero(~seen), strict=True):
        far = own.get("side", 1) // 2
        inner[max(row - far, 0) : row + far + 1, max(col - far, 0) : col + far + 1] = False
    assert np.array_equal(one.classes[inner], other.classes[inner])
    assert one.chosen == other.chosen


def test_components_by_variance_over_noise_are_those_of_the_network(
    tiny: tuple[sl.Scene, sl.Labels],
) -> None:
    drawn = drawn_from(tiny)
    found = map_with_baseline("svm", tiny[0], drawn, seeded(), components=4, reduction="mnf")
    bands = fit_bands(tiny[0], drawn, 4, "patches", patch=13, reduction="mnf")
    features = bands.reduce(tiny[0].cube).reshape(-1, 4)
    words = re.match(r"C=(\S+), gamma=(\S+) \(by", found.chosen)
    assert words is not None
    classes = drawn.labels.array.ravel()
    scaler = StandardScaler().fit(features[drawn.train])
    model = SVC(C=float(words[1]), gamma=float(words[2]))
    model.fit(scaler.transform(features[drawn.train]), classes[drawn.train])
    assert np.array_equal(model.predict(scaler.transform(features)), found.classes.ravel())


def test_two_training_pixels_cannot_be_tuned_on(tiny: tuple[sl.Scene, sl.Labels]) -> None:
    one, other = (np.flatnonzero(tiny[1].array == i)[:1] for i in (2, 3))
    test = np.flatnonzero(tiny[1].array == 2)[1:]
    drawn = sl.Split(tiny[1], np.sort(np.append(one, other)), test[:0], test, "random")
    found = map_with_baseline("svm", tiny[0], drawn, seeded(), components=1)
    assert found.chosen == "C=100, gamma=1 (untuned: too few training pixels)"


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("knn", {}, "baseline: wanted one of svm, svm_context, random_forest, position, got 'knn'"),
        ("svm", {"side": 5}, "svm: no parameter side; wanted components, reduction"),
        ("position", {"side": 5}, "position: no parameter side; wanted none at all"),
        ("svm_context", {"side": 4}, "patch: wanted an odd side in pixels, got 4"),
        ("svm", {"components": -1}, "svm: components: wanted a whole number from 0 up, got -1"),
        ("svm", {"components": True}, "svm: components: wanted a whole number from 0 up, got True"),
        (
            "random_forest",
            {"reduction": "ica"},
            "random_forest: reduction: wanted pca or mnf, got 'ica'",
        ),
        (
            "svm",
            {"reduction": "mnf", "components": 0},
            "svm: components: wanted 1 or more with reduction=mnf, got 0",
        ),
    ],
)
def test_wrong_parameters_are_refused(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        checked_baseline(name, parameters)
    assert str(caught.value) == message
