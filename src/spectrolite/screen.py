"""What the command line shows: progress on standard error, tables on standard output."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from spectrolite.catalog import Dataset
    from spectrolite.checks import Checkup
    from spectrolite.reports import Report
    from spectrolite.training import Epoch

PLAIN_EVERY_S = 15.0  # how often a log file, which shows no bar, gets a line


class TrainingProgress:
    """A bar on a terminal; a line now and then where the output is a file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, figures="")
        self._stage = ""
        self._last_s = time.monotonic()

    def stage(self, words: str) -> None:
        """A stage begins."""
        self._stage = words
        self._progress.reset(self._task, total=None, description=words, figures="")
        if not self._console.is_terminal:
            self._console.print(words)

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        """An epoch has ended."""
        figures = f"loss {epoch.loss:.3f}  training {epoch.training_accuracy:.1%}"
        if epoch.validation_accuracy is not None:
            figures += f"  validation {epoch.validation_accuracy:.1%}"
        self._progress.update(self._task, completed=epoch.epoch, total=epochs, figures=figures)
        now = time.monotonic()
        ended = epoch.epoch == epochs
        if not self._console.is_terminal and (ended or now - self._last_s > PLAIN_EVERY_S):
            self._last_s = now
            left_s = epoch.elapsed_s / epoch.epoch * (epochs - epoch.epoch)
            self._console.print(
                f"  epoch {epoch.epoch}/{epochs}  {figures}  {left_s:.0f} s left", highlight=False
            )

    def window(self, done: int, windows: int) -> None:
        """A window of a map has been computed."""
        self._progress.update(self._task, completed=done, total=windows)

    @contextmanager
    def shown(self) -> Iterator[TrainingProgress]:
        """Show it while the block runs."""
        with self._progress:
            yield self


def percent(value: float) -> str:
    """A fraction as a percentage with two decimals."""
    return f"{100 * value:.2f}"


def report_table(reports: dict[str, Report]) -> Table:
    """Runs side by side, each with its baselines and its leakage."""
    table = Table(title="Accuracy in % on the test pixels", title_justify="left")
    table.add_column("")
    for name in reports:
        table.add_column(name, justify="right")

    def row(title: str, cells: list[str], end: bool = False) -> None:
        table.add_row(title, *cells, end_section=end)

    all_ = list(reports.values())
    row("split", [r.protocol.split.replace(",", "\n") for r in all_], end=True)
    row(
        f"{all_[0].model}: overall accuracy", [f"[bold]{percent(r.overall_accuracy)}" for r in all_]
    )
    row("  95 % interval (fields)", [
        f"{percent(r.interval_fields.low)} to {percent(r.interval_fields.high)}" for r in all_
    ])  # fmt: skip
    row("  average accuracy", [percent(r.average_accuracy) for r in all_])
    row("  kappa x 100", [percent(r.kappa) for r in all_], end=True)
    row("SVM, pixel and patch mean", [percent(r.baselines.svm_context) for r in all_])
    row("SVM, pixel", [percent(r.baselines.svm) for r in all_])
    row("position alone, no image", [percent(r.baselines.position) for r in all_])
    row("majority class", [percent(r.baselines.majority) for r in all_], end=True)
    row("test pixels seen in training", [f"{r.leakage.overlap:.1%}" for r in all_])
    row("median distance, pixels", [f"{r.leakage.median_distance:g}" for r in all_])
    row("clean split", ["yes" if r.leakage.clean else "[red]no" for r in all_], end=True)
    row("training / test pixels", [f"{r.protocol.train:,} / {r.protocol.test:,}" for r in all_])
    row("classes tested", [f"{sum(c.test > 0 for c in r.per_class)} of {len(r.per_class)}"
                           for r in all_])  # fmt: skip
    row("seconds: training, map", [
        f"{r.times_s['training']:.0f}, {r.times_s['map']:.2f}" for r in all_
    ])  # fmt: skip
    return table


def checkup_table(checkup: Checkup) -> Table:
    """Each check with its verdict, its number and what it means."""
    colours = {"ok": "green", "wrong": "bold red", "not checked": "dim"}
    table = Table(
        title=escape(f"{checkup.model} on {checkup.data}"), title_justify="left", show_lines=True
    )
    table.add_column("check", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("at most", justify="right", no_wrap=True)
    table.add_column("what it means")
    for check in checkup.checks:
        numbers = ("–" if n is None else f"{n:.3g}" for n in (check.measured, check.threshold))
        verdict = f"[{colours[check.verdict]}]{check.verdict}"
        table.add_row(check.name, verdict, *numbers, escape(check.meaning))
    return table


def data_table(datasets: list[Dataset]) -> Table:
    """The known data sets."""
    table = Table(title="Data sets known by name", title_justify="left")
    table.add_column("name")
    for name in ("rows x cols x bands", "classes", "labelled"):
        table.add_column(name, justify="right")
    table.add_column("licence")
    for d in datasets:
        shape = " x ".join(map(str, d.shape))
        table.add_row(d.name, shape, str(len(d.counts)), f"{d.labelled:,}", d.licence)
    return table


def class_table(dataset: Dataset) -> Table:
    """The classes of a data set."""
    table = Table()
    table.add_column("id", justify="right")
    table.add_column("class")
    table.add_column("pixels", justify="right")
    for i, (name, count) in enumerate(dataset.counts.items(), start=1):
        table.add_row(str(i), name, f"{count:,}")
    return table
