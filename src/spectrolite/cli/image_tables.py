"""Tables of the command line on images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from spectrolite.cli.tables import percent, side_by_side

if TYPE_CHECKING:
    from spectrolite.evaluation.image_report import ImageReport
    from spectrolite.mapping.image_inference import Predictions


def image_report_table(reports: dict[str, ImageReport]) -> Table:
    """Runs on images side by side."""
    table, row = side_by_side("Accuracy in % on the test images", reports)
    all_ = list(reports.values())
    row("split", [r.protocol.split.replace(",", "\n") for r in all_], end=True)
    row(
        f"{all_[0].model}: overall accuracy", [f"[bold]{percent(r.overall_accuracy)}" for r in all_]
    )
    row(
        "  95 % interval (Wilson)",
        [f"{percent(r.interval.low)} to {percent(r.interval.high)}" for r in all_],
    )
    row("  average accuracy", [percent(r.average_accuracy) for r in all_])
    row("  kappa x 100", [percent(r.kappa) for r in all_])
    row("  calibration error", [percent(r.calibration_error) for r in all_], end=True)
    if any(r.train_mode for r in all_):
        row(
            "wrongly scored, without eval(): shuffled, in order",
            [
                f"{percent(t.overall_accuracy_shuffled)}, {percent(t.overall_accuracy)}"
                if (t := r.train_mode)
                else ""
                for r in all_
            ],
        )
    row("majority class", [percent(r.baselines.majority) for r in all_], end=True)
    row(
        "training / validation / test images",
        [f"{r.protocol.train:,} / {r.protocol.validation:,} / {r.protocol.test:,}" for r in all_],
    )
    row("parameters", [f"{r.parameters:,}" for r in all_])
    row("MACs an image", [f"{r.macs:,}" for r in all_], end=True)
    row(
        "seconds: training, test",
        [f"{r.times_s['training']:.0f}, {r.times_s['test']:.2f}" for r in all_],
    )
    return table


def predictions_table(made: Predictions, top: int) -> Table:
    """A row an image: its likeliest classes with their probabilities in %."""
    table = Table(title="Classes and probabilities in %, not calibrated", title_justify="left")
    table.add_column("image", overflow="fold")
    for n in range(min(top, len(made.class_names))):
        table.add_column("class" if n == 0 else f"{n + 1}.")
        table.add_column("%", justify="right")
    for image, best in zip(made.images, made.top(top), strict=True):
        cells = (cell for name, p in best for cell in (name.replace("[", r"\["), percent(p)))
        table.add_row(image.replace("[", r"\["), *cells)
    return table
