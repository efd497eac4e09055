"""Which pixels train, which validate, which are tested.

Each method is a function of `split_methods` that takes some labelled pixels and returns those that
train. The validation part is drawn by the same method from the training pixels alone, never from
the test part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.labels import Labels
from spectrolite.data.scene_sets import AnyLabels, LabelSet, Pixels
from spectrolite.errors import SplitError, listed, wanted_one_of
from spectrolite.hashing import array_sha256
from spectrolite.samples import leakage
from spectrolite.samples.leakage import Leakage
from spectrolite.samples.split_given import given_pixels, scene_pixels
from spectrolite.samples.split_grammar import (
    METHODS,
    Parameter,
    checked,
    share_of,
    whole_number,
    written,
)
from spectrolite.samples.split_methods import DRAWS, VALIDATION_DRAWS, Values, classes_kept

GROUPS = {"fields": "field", "polygons": "polygon", "scenes": "scene"}  # kept whole


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Disjoint sets of labelled pixels, as ascending int64 flat indices `row * cols + col`.

    With several scenes the indices run on: the first pixel of a scene follows the last pixel of the
    scene before it.

    Attributes:
        labels: the label map that the indices point into.
        train: pixels that the model is fitted on.
        validation: pixels that choices are made on; empty unless asked for.
        test: the only pixels that are scored.
        method: name of the method.
        parameters: its keywords, as `split` takes them.
        raised: ids of classes too small for their share, which got one training pixel.
        dropped: test pixels dropped by the guard.
    """

    labels: AnyLabels
    train: Pixels
    validation: Pixels
    test: Pixels
    method: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    raised: tuple[int, ...] = ()
    dropped: int = 0

    @property
    def seen(self) -> Pixels:
        """Training and validation pixels together."""
        return np.union1d(self.train, self.validation)

    @property
    def train_share(self) -> float:
        """Share of the labelled pixels that train or validate, 0 to 1; may differ from `train`."""
        return len(self.seen) / sum(self.labels.counts().values())

    @cached_property
    def missing(self) -> dict[int, str]:
        """Classes without training or without test pixels: id to `"training"` or `"test"`."""
        train, test = (set(self.classes_of(p)) for p in (self.train, self.test))
        return {
            i: "training" if i not in train else "test"
            for i in self.labels.class_ids
            if i not in train or i not in test
        }

    def classes_of(self, pixels: Pixels) -> NDArray[np.int32]:
        """Class ids at `pixels`, ascending."""
        return np.unique(self.labels.array.ravel()[pixels])

    def leakage(self, patch: int = 25) -> Leakage:
        """How much of the test part a model with this patch sees in training; needs no spectra.

        Args:
            patch: odd side in pixels of the window that the model sees around a pixel.

        Raises:
            SettingsError: an even patch.
        """
        return leakage.measure(
            self.labels.array, self.train, self.seen, self.test, patch, self.labels.shapes
        )

    @cached_property
    def sha256(self) -> str:
        """Hash of the three index arrays and the map's shape, or the shapes of several."""
        shapes = [np.asarray(shape, np.int64) for shape in self.labels.shapes]
        return array_sha256(*shapes, self.train, self.validation, self.test)

    @property
    def text(self) -> str:
        """The split in the grammar of `--split`."""
        return written(self.method, self.parameters)

    def __repr__(self) -> str:
        parts = {"training": self.train, "validation": self.validation, "test": self.test}
        rows = [
            f"  {name:<11}{len(pixels):>9,} pixels of {len(self.classes_of(pixels))} classes"
            for name, pixels in parts.items()
        ]
        if self.dropped:
            rows.append(f"  {'guard':<11}{self.dropped:>9,} test pixels dropped")
        for part in ("training", "test"):
            names = [
                self.labels.class_names[i] for i, lacks in self.missing.items() if lacks == part
            ]
            if names:
                rows.append(f"  without {part} pixels: {listed(names, 6)}")
        rows.append("  split.leakage(patch) measures how much of the test part training sees")
        return "\n".join([f"Split {self.text} of {self.labels.name}", *rows])


def split(
    labels: AnyLabels,
    method: str = "random",
    *,
    seed: int = 0,
    guard: int = 0,
    validation: float | str | Path | Labels = 0.0,
    allow_missing: bool = False,
    **parameters: Any,
) -> Split:
    """Divide the labelled pixels into training, validation and test.

    Methods and their keywords; `train` is a share of the labelled pixels, above 0 and below 1:
        random: `train`. Stratified by class; the pixels are exactly those of scikit-learn's
            `train_test_split(..., test_size=1 - train, random_state=seed, stratify=labels)` on the
            labelled pixels in row order.
        per_class: `n` training pixels a class.
        blocks: `train`, and `side` in pixels. Whole blocks, drawn for the rarest class first,
            until every class has at least its share.
        blocks_by_class: the same keywords. Blocks are drawn for each class alone until it has
            round(train * n) pixels, the last block cut; one block may train one class and test
            another, so this is not a spatial split of the scene.
        fields: `train`. Whole fields: connected areas of one class; pixels that touch at a corner
            are connected. Each class takes its fields in random order until it has at least its
            share, but never the last one, which is tested; so a class may stay below its share.
        polygons: `train`. Whole polygons, as they were drawn (`Labels.polygons`): of the n
            polygons of each class round(train * n) train, at least one and never all.
        scenes: for several scenes. `test`, the names of those that are tested, joined by "+" (a
            scene has the name of its file without the ending); or `train`: of the n scenes
            round(train * n) train, at least one and never all.
        given: `train` and `test`, label maps or files of them, `F.mat:TR` for one array of a file;
            `validation` may be one too. Polygons and maps on another grid are read first:
            `train=read_labels("train.gpkg", scene=scene)`.

    A class that is a single field or polygon trains, so that the map can show it, and is not
    tested: an error unless `allow_missing`. `blocks`, `fields`, `polygons` and `scenes` are the
    best of 64 seeded draws: the one that keeps most classes on both sides; among those, `blocks`
    takes fewest pixels, and the others come nearest to `train` in pixels (`fields` and `polygons`
    by the sum over the classes of |share - train|).

    Args:
        labels: the label map, or the labels of several scenes, from `several`.
        method: one of the above.
        seed: of every draw, 0 to 4294967295.
        guard: test pixels at this Chebyshev distance or nearer to a training or validation pixel
            are dropped, in pixels; 0 drops none.
        validation: share of the training part that validates instead, 0 to below 1, drawn by the
            same method; with `given`, a label map or its file.
        allow_missing: accept classes without a training or a test pixel.
        **parameters: keywords of the method.

    Raises:
        SplitError: an unknown method or keyword, a value out of range, fewer than two classes to
            train on, no test pixel, or a class without training or test pixels unless
            `allow_missing` is true.
        LabelsError: with `given`, a map of another shape, or with other classes than `labels`.
        ReadError: with `given`, a file that cannot be read.
    """
    if method not in METHODS:
        raise SplitError(f"--split: {wanted_one_of(METHODS, method)}")
    seed = whole_number("seed", seed, 0, 2**32 - 1)
    guard = whole_number("guard", guard, 0)
    if not isinstance(allow_missing, bool):
        raise SplitError(f"allow_missing: wanted true or false, got {allow_missing!r}")
    _check_number_of_scenes(labels, method)
    raised: set[int] = set()
    if isinstance(labels, Labels) and method == "given":
        train, kept, test, names = given_pixels(labels, validation, parameters)
        values: dict[str, Parameter] = {"seed": seed, "guard": guard, **names}
    else:
        share = share_of("validation", validation, 0)
        pixels = np.flatnonzero(labels.array)
        train, raised, own = _draw(labels, method, parameters, pixels, seed, guard)
        test, kept = np.setdiff1d(pixels, train), train[:0]
        if share:
            train, kept, small = _set_aside(labels, method, np.sort(train), own, share, seed)
            raised |= small
        values = {**own, "seed": seed, "guard": guard, "validation": share}
    if allow_missing:
        values["allow_missing"] = True
    near = leakage.distances(labels.shapes, np.union1d(train, kept), test) <= guard
    result = Split(
        labels,
        train=np.sort(train).astype(np.int64),
        validation=np.sort(kept).astype(np.int64),
        test=test[~near] if guard else test,
        method=method,
        parameters={k: v for k, v in values.items() if v or k in ("seed", "train")},
        raised=tuple(sorted(raised)),
        dropped=int(near.sum()) if guard else 0,
    )
    _check(result, allow_missing, len(kept) > 0 or result.parameters.get("validation", 0) != 0)
    return result


def _check_number_of_scenes(labels: AnyLabels, method: str) -> None:
    if isinstance(labels, LabelSet) and method == "given":
        raise SplitError(
            "given: goes with one scene; of several name those to test: scenes,test=NAME"
        )
    if method == "scenes" and not isinstance(labels, LabelSet):
        raise SplitError(
            f"scenes: keeps scenes whole and wants two or more, got {labels.name} alone; give "
            "--scene and --labels again for each, or take blocks, fields or polygons"
        )


def _draw(
    labels: AnyLabels,
    method: str,
    parameters: Mapping[str, Any],
    pixels: Pixels,
    seed: int,
    guard: int,
) -> tuple[Pixels, set[int], Mapping[str, Parameter]]:
    """Training and validation pixels together, raised classes, and the method's keywords."""
    if isinstance(labels, LabelSet) and parameters.get("test") is not None:
        if method != "scenes" or "train" in parameters:
            raise SplitError(f"{method}: test= goes with scenes, and in place of train=")
        checked(method, {key: value for key, value in parameters.items() if key != "test"})
        names = str(parameters["test"])
        return np.setdiff1d(pixels, scene_pixels(labels, names)), set(), {"test": names}
    values = checked(method, parameters)
    kept = classes_kept(labels, pixels, guard)
    return *DRAWS[method](labels, pixels, values, seed, kept), values


def _set_aside(
    labels: AnyLabels,
    method: str,
    seen: Pixels,
    parameters: Mapping[str, Any],
    share: float,
    seed: int,
) -> tuple[Pixels, Pixels, set[int]]:
    """Divide the training side into training and validation by the split's own method."""
    kept = classes_kept(labels, seen, 0)
    if method in VALIDATION_DRAWS:
        values: Values = {**parameters, "train": share}
        validation, _ = VALIDATION_DRAWS[method](labels, seen, values, seed, kept)
        return np.setdiff1d(seen, validation), validation, set()
    values = {**parameters, "train": 1 - share}
    if method == "per_class":  # at least one pixel of each class must be left to validate
        values["n"] = max(1, min(round(values["n"] * (1 - share)), values["n"] - 1))
    train, raised = DRAWS[method](labels, seen, values, seed, kept)
    return train, np.setdiff1d(seen, train), raised


def _check(result: Split, allow_missing: bool, validation: bool) -> None:
    """Refuse a split that cannot be trained, validated or tested on."""
    names, group, text = result.labels.class_names, GROUPS.get(result.method), result.text
    if len(result.classes_of(result.train)) < 2:
        raise SplitError(
            f"{text}: wanted at least two classes with training pixels, got "
            f"{len(result.classes_of(result.train))} of {len(result.labels.class_ids)} in "
            f"{result.labels.name}"
        )
    if not len(result.test):
        if result.dropped:
            why = f"the guard dropped all {result.dropped}; lower guard, train or n"
        elif group and group != "scene":
            why = f"every class is one {group} and trains; take another split"
        else:
            why = "everything trains; lower train, n or side"
        raise SplitError(f"{text}: no test pixel is left: {why}")
    if validation and not len(result.validation):
        remedy = "raise train" if group else "raise validation, or take smaller blocks"
        if group == "scene":
            remedy = "one scene alone trains; give more scenes, or test fewer"
        raise SplitError(f"{text}: no validation pixel is left; {remedy}")
    if result.missing and not allow_missing:
        single = _classes_of_one_group(result.labels, group)
        lost = "; ".join(
            f"{i} {names[i]} has no {part} pixel" + (f", being one {group}" if i in single else "")
            for i, part in result.missing.items()
        )
        raise SplitError(f"{text}: {lost}; change the split, or add allow_missing to it")


def _classes_of_one_group(labels: AnyLabels, group: str | None) -> set[int]:
    """Ids of the classes that consist of a single field or polygon."""
    numbers = labels.fields if group == "field" else labels.polygons
    if numbers is None or group not in ("field", "polygon"):
        return set()
    _, first = np.unique(numbers, return_index=True)
    ids, counts = np.unique(labels.array.ravel()[first], return_counts=True)
    return {int(i) for i in ids[counts == 1]}
