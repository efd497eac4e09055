"""Which pixels train, which validate, which are tested.

Each method is one function that takes some labelled pixels and returns those that train. The
validation part is drawn by the same function from the training pixels alone, never from the test.
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
from spectrolite.data.scene_sets import AnyLabels, LabelSet, Pixels, starts
from spectrolite.errors import LabelsError, SplitError, wanted_one_of
from spectrolite.hashing import array_sha256
from spectrolite.readers import read_labels
from spectrolite.samples import leakage
from spectrolite.samples.leakage import Leakage
from spectrolite.samples.split_grammar import METHODS, Parameter, checked, share_of, whole_number
from spectrolite.samples.split_methods import (
    DRAWS,
    Values,
    classes_kept,
    draw_validation_blocks,
    draw_validation_fields,
    draw_validation_polygons,
    draw_validation_scenes,
)

WHOLE = {"fields": "field", "polygons": "polygon", "scenes": "scene"}  # what these keep whole


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint sets of labelled pixels, as ascending int64 flat indices `row * cols + col`.

    In several scenes they count on: the first pixel of a scene follows the last of the one before.

    Attributes:
        labels: the label map that the indices point into.
        train: pixels that the model is fitted on.
        validation: pixels that choices are made on; empty unless asked for.
        test: pixels that are scored, and the only ones.
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
        """Share of the labelled pixels that train or validate: what the split really took."""
        return len(self.seen) / sum(self.labels.counts().values())

    @cached_property
    def missing(self) -> dict[int, str]:
        """Classes without a training or without a test pixel: id to which of the two."""
        train, test = (set(self.classes_of(p)) for p in (self.train, self.test))
        return {
            i: "training" if i not in train else "test"
            for i in self.labels.class_ids
            if i not in train or i not in test
        }

    def classes_of(self, pixels: Pixels) -> NDArray[np.int32]:
        """Class ids that stand at `pixels`, ascending."""
        return np.unique(self.labels.array.ravel()[pixels])

    def leakage(self, patch: int = 25) -> Leakage:
        """How much of the test a model with this patch sees in training; needs no spectra.

        Args:
            patch: odd side in pixels of what the model sees around a pixel.
        """
        return leakage.measure(
            self.labels.array, self.train, self.seen, self.test, patch, self.labels.shapes
        )

    @cached_property
    def sha256(self) -> str:
        """Hash of the three index arrays and the map's shape, or the shapes of several."""
        shapes = [np.asarray(shape, np.int64) for shape in self.labels.shapes]
        return array_sha256(*shapes, self.train, self.validation, self.test)

    def __str__(self) -> str:
        words = (
            k if v is True else f"{k}={v}" for k, v in self.parameters.items() if v is not False
        )
        return ",".join([self.method, *words])


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

    Methods and their keywords:
        random: `train`, a share. Stratified by class; the pixels are exactly those of
            scikit-learn's `train_test_split(..., test_size=1 - train, random_state=seed,
            stratify=labels)` on the labelled pixels in row order.
        per_class: `n` training pixels a class.
        blocks: `train`, a share, and `side` in pixels. Whole blocks, drawn for the rarest class
            first, until every class has at least its share. Of 64 seeded draws the one that
            keeps most classes on both sides, and among those takes fewest pixels.
        blocks_by_class: the same keywords. Blocks are drawn for each class alone until it has
            round(share * n) pixels, the last block cut; one block may train one class and test
            another, so this is no spatial split of the scene.
        fields: `train`, a share. Whole fields: connected areas of one class, pixels that touch at
            a corner being connected. Each class takes its fields in random order until it has at
            least its share, but never the last one, which is left to be tested and may leave the
            class below its share. A class that is one field trains, so that the map knows it, and
            is not tested: an error unless `allow_missing`. Of 64 seeded draws the one that keeps
            most classes on both sides, and among those comes nearest to the share (the least sum
            over the classes of |share taken - train|).
        polygons: `train`, a share. Whole polygons, as they were drawn (`Labels.polygons`): of the n
            polygons of each class round(train * n) train, at least one and never all. A class that
            is one polygon trains and is not tested: an error unless `allow_missing`. Of 64 seeded
            draws the one that keeps most classes on both sides, and among those comes nearest to
            the share in pixels.
        scenes: of several scenes, `test`, the names of those that are tested, joined by "+" (a
            scene is called like its file, without the ending); or `train`, a share: of the n scenes
            round(train * n) train, at least one and never all. Of 64 seeded draws the one that
            keeps most classes on both sides, and among those comes nearest to the share in pixels.
        given: `train` and `test`, label maps or files of them; `validation` may be one too.

    Args:
        labels: the label map, or those of several scenes, from `several`.
        method: one of the above.
        seed: of every draw.
        guard: test pixels at this Chebyshev distance or nearer to a training or validation pixel
            are dropped, in pixels; 0 drops none.
        validation: share of the training part that validates instead, 0 to 1, by the same method.
        allow_missing: accept classes without a training or a test pixel.
        **parameters: keywords of the method.

    Raises:
        SplitError: an unknown method or keyword, a value out of range, fewer than two classes to
            train on, no test pixel, or a class without training or test pixels where
            `allow_missing` does not stand.
    """
    if method not in METHODS:
        raise SplitError(f"--split: {wanted_one_of(METHODS, method)}")
    seed = whole_number("seed", seed, 0, 2**32 - 1)
    guard = whole_number("guard", guard, 0)
    if not isinstance(allow_missing, bool):
        raise SplitError(f"allow_missing: wanted true or false, got {allow_missing!r}")
    if isinstance(labels, LabelSet) and method == "given":
        raise SplitError(
            "given: goes with one scene; of several name those to test: scenes,test=NAME"
        )
    if method == "scenes" and not isinstance(labels, LabelSet):
        raise SplitError(
            f"scenes: keeps scenes whole and wants two or more, got {labels.name} alone; give "
            "--scene and --labels again for each, or take blocks, fields or polygons"
        )
    if isinstance(labels, Labels) and method == "given":
        train, kept, test, given = _given(labels, validation, parameters)
        raised: set[int] = set()
        known: dict[str, Parameter] = {"seed": seed, "guard": guard, **given}
    else:
        tested = parameters.pop("test", None) if isinstance(labels, LabelSet) else None
        if tested is not None and (method != "scenes" or "train" in parameters):
            raise SplitError(f"{method}: test= goes with scenes, and in place of train=")
        values = checked(method, parameters)
        share = share_of("validation", validation, 0)
        pixels = np.flatnonzero(labels.array)
        named: dict[str, Parameter] = {**values}
        if isinstance(labels, LabelSet) and tested is not None:
            train, raised = np.setdiff1d(pixels, _pixels_of(labels, str(tested))), set()
            named = {"test": str(tested)}
        else:
            fits = classes_kept(labels, pixels, guard)
            train, raised = DRAWS[method](labels, pixels, values, seed, fits)
        test = np.setdiff1d(pixels, train)
        kept = train[:0]
        if share:
            train, kept, small = _set_aside(labels, method, np.sort(train), values, share, seed)
            raised |= small
        known = {**named, "seed": seed, "guard": guard, "validation": share}
    if allow_missing:
        known["allow_missing"] = True
    near = leakage.distances(labels.shapes, np.union1d(train, kept), test) <= guard
    drawn = Split(
        labels,
        train=np.sort(train).astype(np.int64),
        validation=np.sort(kept).astype(np.int64),
        test=test[~near] if guard else test,
        method=method,
        parameters={k: v for k, v in known.items() if v or k in ("seed", "train")},
        raised=tuple(sorted(raised)),
        dropped=int(near.sum()) if guard else 0,
    )
    _check(drawn, allow_missing, len(kept) > 0 or drawn.parameters.get("validation", 0) != 0)
    return drawn


def _pixels_of(labels: LabelSet, names: str) -> Pixels:
    """All pixels of the scenes that are to be tested."""
    wanted = [names] if names in labels.names else names.split("+")
    ends = starts(labels.shapes)
    unknown = [name for name in wanted if name not in labels.names]
    if unknown:
        raise SplitError(
            f"scenes: test={names}: no scene {unknown[0]}; wanted {', '.join(labels.names)}, or "
            'several of them joined by "+"'
        )
    if set(wanted) == set(labels.names):
        raise SplitError(f"scenes: test={names}: names every scene; leave one to train on")
    chosen = (n for n, name in enumerate(labels.names) if name in wanted)
    return np.concatenate([np.arange(ends[n], ends[n + 1]) for n in chosen])


def _set_aside(
    labels: AnyLabels, method: str, side: Pixels, values: Values, share: float, seed: int
) -> tuple[Pixels, Pixels, set[int]]:
    """Divide the training side into training and validation by the split's own method."""
    whole = {
        "blocks": draw_validation_blocks,
        "fields": draw_validation_fields,
        "polygons": draw_validation_polygons,
        "scenes": draw_validation_scenes,
    }.get(method)
    if whole is not None:
        kept = whole(labels, side, {**values, "train": share}, seed)
        return np.setdiff1d(side, kept), kept, set()
    smaller = {**values, "train": 1 - share}
    if method == "per_class":  # one pixel at least must be left over to validate
        smaller["n"] = max(1, min(round(values["n"] * (1 - share)), values["n"] - 1))
    train, raised = DRAWS[method](labels, side, smaller, seed, classes_kept(labels, side, 0))
    return train, np.setdiff1d(side, train), raised


def _check(drawn: Split, allow_missing: bool, validation: bool) -> None:
    names, whole = drawn.labels.class_names, WHOLE.get(drawn.method)
    if len(drawn.classes_of(drawn.train)) < 2:
        raise SplitError(
            f"{drawn}: wanted at least two classes with training pixels, got "
            f"{len(drawn.classes_of(drawn.train))} of {len(drawn.labels.class_ids)} in "
            f"{drawn.labels.name}"
        )
    if not len(drawn.test):
        if drawn.dropped:
            why = f"the guard dropped all {drawn.dropped}; lower guard, train or n"
        elif whole and whole != "scene":
            why = f"every class is one {whole} and trains; take another split"
        else:
            why = "everything trains; lower train, n or side"
        raise SplitError(f"{drawn}: no test pixel is left: {why}")
    if validation and not len(drawn.validation):
        remedy = "raise train" if whole else "raise validation, or take smaller blocks"
        if whole == "scene":
            remedy = "one scene alone trains; give more scenes, or test fewer"
        raise SplitError(f"{drawn}: no validation pixel is left; {remedy}")
    if drawn.missing and not allow_missing:
        lone = _classes_of_one(drawn.labels, whole) if whole not in (None, "scene") else set()
        lost = "; ".join(
            f"{i} {names[i]} has no {side} pixel" + (f", being one {whole}" if i in lone else "")
            for i, side in drawn.missing.items()
        )
        raise SplitError(f"{drawn}: {lost}; change the split, or accept it with allow_missing")


def _classes_of_one(labels: AnyLabels, whole: str | None) -> set[int]:
    numbers = labels.fields if whole == "field" else labels.polygons
    _, first = np.unique(np.zeros(1) if numbers is None else numbers, return_index=True)
    ids, counts = np.unique(labels.array.ravel()[first], return_counts=True)
    return {int(i) for i in ids[counts == 1]}


def _given(
    labels: Labels,
    validation: float | str | Path | Labels,
    parameters: Mapping[str, Any],
) -> tuple[Pixels, Pixels, Pixels, dict[str, Parameter]]:
    """Pixels of the maps, after checking that they agree with `labels` and not overlap."""
    unknown = set(parameters) - {"train", "test"}
    if unknown or len(parameters) < 2:
        raise SplitError(
            "given: wanted train=FILE and test=FILE (and validation=FILE), got "
            f"{', '.join(sorted(parameters)) or 'nothing'}"
        )
    named = {"train": parameters["train"], "validation": validation, "test": parameters["test"]}
    pixels: dict[str, Pixels] = {}
    known: dict[str, Parameter] = {}
    for part, value in named.items():
        if part == "validation" and isinstance(value, int | float | np.number) and value == 0:
            pixels[part] = np.empty(0, np.int64)
            continue
        if not isinstance(value, str | Path | Labels):
            raise SplitError(
                f"given: wanted a label map or a file for {part}, got {type(value).__name__}"
            )
        given = value if isinstance(value, Labels) else read_labels(value)
        known[part] = str(value) if isinstance(value, str | Path) else given.name
        if given.shape != labels.shape:
            raise LabelsError(
                f"{given.name}: wanted {labels.shape[0]} rows and {labels.shape[1]} columns as in "
                f"{labels.name}, got {given.shape[0]} and {given.shape[1]}"
            )
        pixels[part] = np.flatnonzero(given.array)
        differs = int((given.array != labels.array).ravel()[pixels[part]].sum())
        if differs:
            raise LabelsError(
                f"{given.name}: {differs} of its {len(pixels[part])} pixels have another class in "
                f"{labels.name}; both must come from one ground truth"
            )
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        both = len(np.intersect1d(pixels[one], pixels[other]))
        if both:
            raise SplitError(f"given: {both} pixels are in both {one} and {other}; remove them")
    return pixels["train"], pixels["validation"], pixels["test"], known
