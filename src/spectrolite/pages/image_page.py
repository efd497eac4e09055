"""The report of a run on images as one self-contained HTML page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spectrolite.evaluation.image_report import ImageReport
from spectrolite.mapping.image_inference import Predictions
from spectrolite.pages.charts import training_curve
from spectrolite.pages.html import png, render
from spectrolite.pages.report_tables import (
    RIGHT,
    WRONG_CLASS,
    class_rows,
    confusion_cells,
    key_values,
    seconds,
)
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.training.loop import Epoch

WRONG = 24  # test images shown
SHOWN_SIDE = 96  # pixels, at least, of a small image on the page
MOST_IN_TABLE = 20  # classes; with more the confusion matrix is a picture


def image_report_page(
    report: ImageReport, split: ImageSplit, predictions: Predictions, log: list[Epoch]
) -> str:
    """The whole page as text.

    Args:
        report: the figures.
        split: the split, for the test images.
        predictions: of the test images.
        log: the training log.
    """
    figures = {figure.label: figure for figure in report.figure_list}
    many = len(report.class_names) > MOST_IN_TABLE
    wrong = np.flatnonzero(predictions.classes != split.truth)
    return render(
        "image.html",
        title=f"{report.model} ({report.variant}) on {report.data}",
        report=report,
        headline=[
            (
                figures["overall accuracy"],
                f"95 % interval {figures['95 % interval (Wilson)']}, Wilson",
            ),
            (figures["average accuracy"], "mean recall of the tested classes"),
            (figures["kappa x 100"], "agreement beyond chance"),
            (figures["calibration error"], "between confidence and accuracy"),
        ],
        bars=[
            (report.model, figures["overall accuracy"], True),
            *(
                (f"{figure.label}, batches of {report.train_mode.batch}", figure, False)
                for figure in report.figure_list
                if figure.group == "train mode" and report.train_mode is not None
            ),
            ("majority class", figures["majority class"], False),
        ],
        per_class=class_rows(report.per_class),
        confusion=None if many else confusion_cells(report.per_class, report.confusion),
        confusion_picture=png(_confusion_picture(report)) if many else None,
        most_confused=_most_confused(report) if many else [],
        wrong=len(wrong),
        examples=_examples(wrong, split, predictions),
        training=training_curve(log),
        facts=_facts(report),
    )


def _confusion_picture(report: ImageReport) -> NDArray[np.uint8]:
    """`(rows, cols, 3)`: the confusion matrix, a square for each pair of classes."""
    counts = np.asarray(report.confusion, np.float64)
    shares = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1))
    diagonal = np.eye(len(counts), dtype=bool)[:, :, None]
    colours = np.where(diagonal, np.array(RIGHT), np.array(WRONG_CLASS))
    shaded = (255 - shares[:, :, None] * (255 - colours)).round().astype(np.uint8)
    scale = -(-600 // len(counts))
    picture: NDArray[np.uint8] = shaded.repeat(scale, 0).repeat(scale, 1)
    return picture


def _most_confused(report: ImageReport) -> list[str]:
    """The ten pairs of classes that are confused most often."""
    names = report.class_names
    errors = np.asarray(report.confusion) * (1 - np.eye(len(names), dtype=np.int64))
    pairs = [np.unravel_index(i, errors.shape) for i in np.argsort(-errors, axis=None)[:10]]
    return [f"{names[i]} called {names[j]}: {errors[i, j]}" for i, j in pairs if errors[i, j]]


def _examples(
    wrong: NDArray[np.int64], split: ImageSplit, predictions: Predictions
) -> list[tuple[str, str]]:
    """Wrongly classified test images with the highest confidence: picture and caption."""
    shown = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:WRONG]
    return [
        (
            png(enlarged(split.tested.pixels[split.test[i]])),
            f"{predictions.class_names[predictions.classes[i]]} ({predictions.confidence[i]:.0%}), "
            f"is {predictions.class_names[split.truth[i]]}",
        )
        for i in shown.tolist()
    ]


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(C, H, W)` to `(rows, cols, 3)`, each pixel a square; one channel is grey.

    Of two channels or of more than three the first is shown.
    """
    channels, height, width = image.shape
    rgb = image if channels == 3 else image[:1].repeat(3, 0)
    scale = max(1, SHOWN_SIDE // max(height, width))
    return rgb.transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1)


def _facts(report: ImageReport) -> dict[str, str]:
    settings = report.settings.model_dump()
    channels, height, width = report.input_shape
    return {
        **report.facts,
        "images": f"{channels} x {height} x {width} (channels, height, width)",
        **{name: key_values(stage) for name, stage in settings.items()},
        **{f.label: str(f) for f in report.figure_list if f.group == "size"},
        "seconds": seconds(report.times_s),
        "versions": key_values(report.versions),
        "machine": key_values(report.machine),
    }
