"""The figures of a run on a scene, scored on its test pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene_sets import LabelSet, starts
from spectrolite.evaluation import metrics
from spectrolite.evaluation.baselines import Baselines
from spectrolite.evaluation.caveats import interval_note, learned_nothing, warnings_of
from spectrolite.evaluation.reports import (
    BaselineFigures,
    FlipFigures,
    Interval,
    LeakageFigures,
    PerClass,
    Protocol,
    Report,
    SceneFigures,
)
from spectrolite.samples.band_reduction import Bands
from spectrolite.samples.leakage import Leakage
from spectrolite.samples.split_scene import Split
from spectrolite.training.scene_loop import steps_an_epoch
from spectrolite.training.settings import Settings


def flip_figures(classes: NDArray[np.integer], split: Split, seconds: float) -> FlipFigures:
    """Score a map that was averaged over eight orientations on the split's test pixels.

    Args:
        classes: `(rows, cols)` predicted class ids.
        split: its test pixels are scored.
        seconds: taken by the map.
    """
    truth = split.labels.array.ravel()[split.test]
    confusion = metrics.confusion_matrix(truth, classes.ravel()[split.test], split.labels.class_ids)
    return FlipFigures(
        overall_accuracy=metrics.overall_accuracy(confusion),
        average_accuracy=metrics.average_accuracy(confusion),
        kappa=metrics.kappa(confusion),
        seconds=round(seconds, 3),
    )


def make_report(
    classes: NDArray[np.integer],
    split: Split,
    bands: Bands,
    leakage: Leakage,
    baselines: Baselines,
    settings: Settings,
    generator: np.random.Generator,
    epochs: int,
    of_files: Sequence[str] = (),
    **facts: Any,
) -> Report:
    """Score a class map on the split's test pixels only.

    Args:
        classes: `(rows, cols)` predicted class ids; for several scenes, all pixels in one row.
        split: its test pixels are scored.
        bands: the fitted reduction.
        leakage: of the split, with the network's patch.
        baselines: on the same split.
        settings: of the training.
        generator: resamples fields for the interval.
        epochs: trained, which early stopping may have cut short.
        of_files: what was left out of satellite products, and how tiles lie, a sentence each.
        **facts: the other keys of the report: `data`, `seed`, `parameters`,
            `macs_per_pixel`, `macs_per_patch`, `times_s`, `versions`, `machine`, `flips`.
    """
    labels = split.labels
    ids = labels.class_ids
    truth = labels.array.ravel()[split.test]
    predicted = classes.ravel()[split.test]
    confusion = metrics.confusion_matrix(truth, predicted, ids)
    train = np.bincount(labels.array.ravel()[split.train], minlength=max(ids) + 1)
    columns = (metrics.precision(confusion), metrics.recall(confusion), metrics.f1(confusion))
    names = labels.class_names
    accuracy = metrics.overall_accuracy(confusion)
    right = truth == predicted
    fields = metrics.field_interval(right, labels.fields.ravel()[split.test], generator)
    scenes = _scene_figures(classes.ravel(), split)
    tested_fields = len(np.unique(labels.fields.ravel()[split.test]))
    wilson = metrics.wilson_interval(int(right.sum()), len(right))
    nothing = learned_nothing(confusion, tuple(names[i] for i in ids))
    steps = epochs * steps_an_epoch(split, settings.training)
    return Report(
        model=settings.model.model,
        variant=settings.model.variant,
        overall_accuracy=accuracy,
        average_accuracy=metrics.average_accuracy(confusion),
        kappa=metrics.kappa(confusion),
        interval_fields=Interval(low=fields[0], high=fields[1], n=tested_fields),
        interval_as_if_pixels_were_independent=Interval(
            low=wilson[0], high=wilson[1], n=len(right)
        ),
        class_ids=ids,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        per_class=tuple(
            PerClass(
                id=i, name=names[i], precision=p, recall=r, f1=f, train=int(train[i]), test=int(n)
            )
            for i, p, r, f, n in zip(ids, *columns, confusion.sum(1), strict=True)
        ),
        baselines=BaselineFigures(**asdict(baselines)),
        leakage=LeakageFigures(**asdict(leakage), clean=leakage.clean),
        protocol=Protocol(
            split=split.text,
            train=len(split.train),
            validation=len(split.validation),
            test=len(split.test),
            train_share=split.train_share,
            dropped_by_guard=split.dropped,
            raised={i: names[i] for i in split.raised},
            missing={i: f"{names[i]}: no {side} pixel" for i, side in split.missing.items()},
            bands_from=bands.fitted_on,
            bands_pixels=bands.pixels,
            components=len(bands.matrix),
            explained=bands.explained,
        ),
        notes=(
            *_notes(accuracy, scenes, split, leakage, baselines, settings),
            *(f"Scene: {note}." for note in of_files),
            *filter(None, [interval_note(tested_fields, "fields")]),
        ),
        warnings=warnings_of(nothing, steps, fields[0], confusion),
        settings=settings,
        scenes=scenes,
        **facts,
    )


def _scene_figures(classes: NDArray[np.integer], split: Split) -> tuple[SceneFigures, ...]:
    """The figures of each scene, if there are several."""
    labels = split.labels
    if not isinstance(labels, LabelSet):
        return ()
    figures = []
    for name, first, after in zip(
        labels.names, starts(labels.shapes), starts(labels.shapes)[1:], strict=False
    ):
        train, validation, test = (
            pixels[(first <= pixels) & (pixels < after)]
            for pixels in (split.train, split.validation, split.test)
        )
        confusion = metrics.confusion_matrix(labels.array[test], classes[test], labels.class_ids)
        figures.append(
            SceneFigures(
                name=name,
                train=len(train),
                validation=len(validation),
                test=len(test),
                overall_accuracy=metrics.overall_accuracy(confusion),
                average_accuracy=metrics.average_accuracy(confusion),
                kappa=metrics.kappa(confusion),
            )
        )
    return tuple(figures)


def _compared(points: float) -> str:
    """`is 1.20 points above`; equal if the two decimals that are shown say so."""
    shown = f"{abs(points):.2f}"
    if shown == "0.00":
        return "is equal to it"
    return f"is {shown} points {'above' if points > 0 else 'below'}"


def _notes(
    accuracy: float,
    scenes: Sequence[SceneFigures],
    split: Split,
    leakage: Leakage,
    baselines: Baselines,
    settings: Settings,
) -> list[str]:
    """Sentences a reader needs to interpret the figures."""
    patch, names = leakage.patch, split.labels.class_names
    notes = []
    if leakage.clean:
        notes.append(
            f"Clean: no test pixel lies inside the {patch}x{patch} patch of a training pixel."
        )
    else:
        notes.append(
            f"Not clean: {leakage.overlap:.1%} of the test pixels lie inside the {patch}x{patch} "
            f"patch of a training pixel, so the network has seen them in training. A clean split "
            f"for this network wants a guard of {patch // 2} pixels or more."
        )
    if split.method == "scenes":
        taught, tested = (
            ", ".join(s.name for s in scenes if getattr(s, part)) for part in ("train", "test")
        )
        notes.append(f"Whole scenes: trained on {taught}; tested on {tested}.")
    rivals = {
        "the nearest training pixel's class (position alone, no spectrum)": baselines.position,
        "an SVM on the pixel's spectrum": baselines.svm,
        "an SVM on the spectrum and the patch's mean": baselines.svm_context,
    }
    name, best = max(rivals.items(), key=lambda rival: rival[1])
    notes.append(
        f"The best baseline, {name}, scores {best:.2%}; the network "
        f"{_compared(100 * (accuracy - best))}. Position alone scores {baselines.position:.2%}."
    )
    if baselines.position > 0.9:
        notes.append(
            "Position alone scores above 90 %: under this split, accuracy says little about "
            "recognising spectra elsewhere."
        )
    if split.missing:
        lost = ", ".join(f"{names[i]} ({side})" for i, side in split.missing.items())
        notes.append(
            f"{len(split.missing)} of {len(split.labels.class_ids)} classes have no pixel on one "
            f"side and are not scored or not learnt: {lost}."
        )
    if split.raised:
        raised = ", ".join(names[i] for i in split.raised)
        why = "No larger than n" if split.method == "per_class" else "Too small for their share"
        notes.append(f"{why}, given one training pixel: {raised}.")
    notes.extend(f"Labels: {note}." for note in split.labels.notes)
    if settings.bands.bands_from == "scene":
        notes.append("The reduction of bands was fitted on the whole scene, test pixels included.")
    if baselines.fitted_pixels < len(split.train) or baselines.scored_pixels < len(split.test):
        notes.append(
            f"The SVMs were fitted on {baselines.fitted_pixels:,} and scored on "
            f"{baselines.scored_pixels:,} pixels drawn at random."
        )
    return notes
