"""The figures of a run on images, scored on its test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.evaluation import metrics
from spectrolite.evaluation.calibration import BINS, reliability
from spectrolite.evaluation.caveats import learned_nothing, warnings_of
from spectrolite.evaluation.figures import Figure, percents
from spectrolite.evaluation.reports import Counts, Figures, Interval, PerClass
from spectrolite.records import Record
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.training.few_images import FEW_IMAGES
from spectrolite.training.image_loop import steps_an_epoch
from spectrolite.training.loop import Epoch, best_epoch
from spectrolite.training.settings import ImageSettings


class ImageBaselines(Record):
    """Overall accuracy without a network, on the same test images."""

    majority: float


class ImageProtocol(Counts):
    """How the images were divided, and which epoch's weights were kept."""

    test_given: bool
    skipped: int
    epochs: int
    best_epoch: int | None


class TrainModeFigures(Record):
    """What a script without `eval()` would print: BatchNorm uses each batch of test images."""

    overall_accuracy: float
    overall_accuracy_shuffled: float
    batch: int


class ImageReport(Figures):
    """`report.json` of a run on images."""

    samples = "images"

    interval: Interval
    calibration_error: float
    class_names: tuple[str, ...]
    baselines: ImageBaselines
    protocol: ImageProtocol
    input_shape: tuple[int, int, int]
    macs: int
    settings: ImageSettings
    train_mode: TrainModeFigures | None = None

    @property
    def figure_list(self) -> tuple[Figure, ...]:
        """The figures of every report, and those only of images."""
        overall, *accuracies, parameters, training = super().figure_list
        error, majority = 100 * self.calibration_error, 100 * self.baselines.majority
        return (
            overall,
            self.interval.figure("Wilson", "images"),
            *accuracies,
            Figure("calibration error", "calibration", error),
            *self._without_eval(),
            Figure("majority class", "baseline", majority),
            parameters,
            Figure("MACs an image", "size", self.macs, "", 0),
            training,
            Figure("seconds of the test", "time", self.times_s["test"], "s"),
        )

    def _without_eval(self) -> list[Figure]:
        """Overall accuracies of a network left in training mode, where a run has measured them."""
        if self.train_mode is None:
            return []
        prefix = "wrongly scored, without eval(): "
        shares = {
            f"{prefix}shuffled": self.train_mode.overall_accuracy_shuffled,
            f"{prefix}in order": self.train_mode.overall_accuracy,
        }
        return [*percents("train mode", shares)]


def make_image_report(
    classes: NDArray[np.integer],
    confidence: NDArray[np.floating],
    split: ImageSplit,
    settings: ImageSettings,
    log: Sequence[Epoch],
    **facts: Any,
) -> ImageReport:
    """Score predictions of the split's test images.

    Args:
        classes: `(T,)` predicted class index of each test image.
        confidence: `(T,)` the probability of that class.
        split: the split whose test images were predicted.
        settings: of the training.
        log: of the training; with early stopping, its best epoch was kept.
        **facts: the other keys of the report: `data`, `seed`, `input_shape`,
            `parameters`, `macs`, `times_s`, `versions`, `machine`, `train_mode`.
    """
    names = split.images.class_names
    truth = split.truth
    confusion = metrics.confusion_matrix(truth, classes, tuple(range(len(names))))
    counts = np.bincount(split.images.targets[split.train], minlength=len(names))
    columns = (metrics.precision(confusion), metrics.recall(confusion), metrics.f1(confusion))
    right = truth == classes
    low, high = metrics.wilson_interval(int(right.sum()), len(right))
    skipped = len(split.images.skipped)
    if split.test_images is not None:
        skipped += len(split.test_images.skipped)
    protocol = ImageProtocol(
        split=split.text,
        train=len(split.train),
        validation=len(split.validation),
        test=len(split.test),
        test_given=split.test_images is not None,
        skipped=skipped,
        epochs=settings.training.epochs,
        best_epoch=best_epoch(log) if settings.training.patience else None,
    )
    steps = len(log) * steps_an_epoch(len(split.train), settings.training.batch)
    nothing = learned_nothing(confusion, names)
    majority = float((truth == int(counts.argmax())).mean())
    error = reliability(confidence, right).error
    return ImageReport(
        model=settings.model.model,
        variant=settings.model.variant,
        overall_accuracy=metrics.overall_accuracy(confusion),
        average_accuracy=metrics.average_accuracy(confusion),
        kappa=metrics.kappa(confusion),
        interval=Interval(low=low, high=high, n=len(right)),
        calibration_error=error,
        class_names=names,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        per_class=tuple(
            PerClass(
                id=i, name=name, precision=p, recall=r, f1=f, train=int(counts[i]), test=int(n)
            )
            for i, (name, p, r, f, n) in enumerate(
                zip(names, *columns, confusion.sum(1), strict=True)
            )
        ),
        baselines=ImageBaselines(majority=majority),
        protocol=protocol,
        notes=tuple(_notes(protocol, majority, error, split, settings, steps)),
        warnings=warnings_of(nothing, steps, low, confusion),
        settings=settings,
        **facts,
    )


def _notes(
    protocol: ImageProtocol,
    majority: float,
    error: float,
    split: ImageSplit,
    settings: ImageSettings,
    steps: int,
) -> list[str]:
    """Sentences a reader needs to interpret the figures."""
    images = f"{protocol.train:,} images trained and {protocol.validation:,} validated"
    test = "the test set that the data come with" if protocol.test_given else "drawn by the split"
    notes = [
        f"{images}; the {protocol.test:,} test images ({test}) were scored once, after the last "
        "epoch."
    ]
    if protocol.train < FEW_IMAGES:
        loop = settings.training
        notes.append(
            f"Few training images: {steps:,} steps of the optimiser, of at most "
            f"{min(loop.batch, protocol.train)} images each, with a learning rate of at most "
            f"{loop.learning_rate:g}."
        )
    if protocol.best_epoch is not None:
        notes.append(
            f"The weights of epoch {protocol.best_epoch} were kept, chosen on the validation "
            "images."
        )
    elif protocol.validation:
        notes.append("No choice was made on the validation images: the last epoch's weights stand.")
    if settings.training.ema:
        notes.append(
            f"Weights are averages over the steps, with a decay of {settings.training.ema:g}."
        )
    notes.append(
        f"Calling every image the commonest training class scores {majority:.2%}. Confidence and "
        f"accuracy are {error:.2%} apart (expected calibration error, {BINS} bins)."
    )
    if protocol.skipped:
        notes.append(f"Damaged files left out, as --skip-damaged allows: {protocol.skipped}.")
    missing = [n for n, here in split.tested.take(split.test).counts().items() if not here]
    if missing:
        notes.append(
            f"No test image of {', '.join(missing)}: the average accuracy leaves them out."
        )
    return notes
