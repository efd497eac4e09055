"""The report of a run on images as one self-contained HTML page."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from spectrolite.evaluation.image_report import ImageReport
from spectrolite.mapping.image_inference import Predictions
from spectrolite.pages.charts import training_curve
from spectrolite.pages.html import bars, boxes, confusion_table, document, facts_table, percent, png
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.training.loop import Epoch

WRONG = 24  # test images shown
SHOWN_SIDE = 96  # pixels, at least, of a small image on the page
MOST_IN_TABLE = 20  # classes; of more the confusion matrix is a picture


def image_report_page(
    report: ImageReport, split: ImageSplit, made: Predictions, log: list[Epoch]
) -> str:
    """The whole page as text.

    Args:
        report: the figures.
        split: the split, for the test images.
        made: predictions of the test images.
        log: the training log.
    """
    title = f"{report.model} ({report.variant}) on {report.data}"
    p = report.protocol
    verdict = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">split <code>{escape(p.split)}</code> · training seed {report.seed} · '
        f"{p.train:,} training, {p.validation:,} validation, {p.test:,} test images; only test "
        "images are scored</p>",
        _headline(report),
        f'<div class="verdict clean"><h2>What was scored</h2><ul>{verdict}</ul></div>',
        "<h2>Against what needs no network</h2>",
        _bars(report),
        "<h2>Class by class</h2>",
        _per_class(report),
        "<h2>Confusion matrix</h2>",
        _confusion(report),
        "<h2>Test images it got wrong</h2>",
        _wrong(report, split, made),
        "<h2>Training</h2>",
        training_curve(log),
        '<p class="soft">Training accuracy is taken as the network trains, on images that were '
        "changed at random.</p>",
        "<h2>Protocol, cost, versions</h2>",
        _facts(report),
    ]
    return document(title, parts)


def _headline(report: ImageReport) -> str:
    interval = report.interval
    shown = (
        (
            "overall accuracy",
            percent(report.overall_accuracy),
            f"95 % interval {percent(interval.low)} to {percent(interval.high)} (Wilson)",
        ),
        ("average accuracy", percent(report.average_accuracy), "mean recall of the tested classes"),
        ("kappa", percent(report.kappa), "agreement beyond chance"),
        ("calibration error", percent(report.calibration_error), "between confidence and accuracy"),
    )
    return boxes(shown)


def _bars(report: ImageReport) -> str:
    rows = [(report.model, report.overall_accuracy, "own")]
    if report.train_mode is not None:
        lesson = report.train_mode
        rows.append(
            (
                f"wrongly scored: without eval(), in batches of {lesson.batch}, shuffled",
                lesson.overall_accuracy_shuffled,
                "",
            )
        )
        rows.append(("wrongly scored: the same in the set's order", lesson.overall_accuracy, ""))
    return bars([*rows, ("majority class", report.baselines.majority, "")])


def _per_class(report: ImageReport) -> str:
    names = ("training", "test", "precision", "recall", "F1")
    head = "<th>class</th>" + "".join(f'<th class="n">{name}</th>' for name in names)
    rows = []
    for c in report.per_class:
        values = (f"{c.train:,}", f"{c.test:,}", *map(percent, (c.precision, c.recall, c.f1)))
        cells = "".join(f'<td class="n">{value}</td>' for value in values)
        rows.append(f"<tr><td>{c.id} {escape(c.name)}</td>{cells}</tr>")
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _confusion(report: ImageReport) -> str:
    names = report.class_names
    if len(names) <= MOST_IN_TABLE:
        return confusion_table(range(len(names)), names, report.confusion)
    counts = np.asarray(report.confusion, np.float64)
    shares = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1))
    own, other = np.array([31, 111, 139]), np.array([200, 60, 40])
    colours = np.where(np.eye(len(names), dtype=bool)[:, :, None], own, other)
    picture = 255 - shares[:, :, None] * (255 - colours)
    scale = -(-600 // len(names))
    pixels = picture.round().astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    worst = counts * (1 - np.eye(len(names)))
    pairs = [np.unravel_index(i, worst.shape) for i in np.argsort(-worst, axis=None)[:10]]
    listed = "".join(
        f"<li>{escape(names[i])} called {escape(names[j])}: {int(worst[i, j])}</li>"
        for i, j in pairs
        if worst[i, j]
    )
    return (
        '<p class="soft">Truth along the rows, prediction along the columns, in the order of the '
        f'table above; shades are shares of a row.</p><div class="maps"><figure><img alt="" '
        f'src="{png(pixels)}"></figure><div>Most often confused<ul>{listed}</ul></div></div>'
    )


def _wrong(report: ImageReport, split: ImageSplit, made: Predictions) -> str:
    """The test images that it got wrong with the most confidence."""
    wrong = np.flatnonzero(made.classes != split.truth)
    if not len(wrong):
        return "<p>None.</p>"
    shown = wrong[np.argsort(-made.confidence[wrong], kind="stable")][:WRONG]
    figures = []
    for i in shown.tolist():
        called, true = made.class_names[made.classes[i]], made.class_names[split.truth[i]]
        caption = f"{called} ({made.confidence[i]:.0%}), is {true}"
        picture = png(enlarged(split.tested.pixels[split.test[i]]))
        figures.append(
            f'<figure><img alt="" src="{picture}"><figcaption>{escape(caption)}</figcaption>'
            "</figure>"
        )
    return (
        f'<p class="soft">{len(wrong):,} of {len(split.test):,}; shown are those with the highest '
        f'confidence.</p><div class="maps small">{"".join(figures)}</div>'
    )


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(C, H, W)` to `(rows, cols, 3)`, each pixel a square; one channel is grey.

    Of two channels or of more than three the first is shown.
    """
    channels, height, width = image.shape
    rgb = image if channels == 3 else image[:1].repeat(3, 0)
    scale = max(1, SHOWN_SIDE // max(height, width))
    return rgb.transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1)


def _facts(report: ImageReport) -> str:
    stages = {k: v for k, v in report.settings.model_dump().items() if k != "model"}
    size = " x ".join(map(str, report.input_shape))
    return facts_table(
        [
            ("split", report.protocol.split),
            ("images", f"{size} (channels, height, width)"),
            (
                "network",
                ", ".join(f"{k}={v}" for k, v in report.settings.model.model_dump().items()),
            ),
            *((k, ", ".join(f"{n}={v}" for n, v in stage.items())) for k, stage in stages.items()),
            ("parameters", f"{report.parameters:,}"),
            ("multiply-accumulates", f"{report.macs:,} an image"),
            ("seconds", ", ".join(f"{k} {v:.1f}" for k, v in report.times_s.items())),
            ("versions", ", ".join(f"{k} {v}" for k, v in report.versions.items())),
            ("machine", ", ".join(f"{k} {v}" for k, v in report.machine.items())),
        ]
    )
