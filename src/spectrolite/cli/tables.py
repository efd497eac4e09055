"""What the command line shows: progress on standard error, tables on standard output."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from spectrolite.data.summaries import short_names
from spectrolite.evaluation.figures import Group

if TYPE_CHECKING:
    from spectrolite.datasets.descriptions import Dataset, ImageDataset
    from spectrolite.evaluation.checkup import Checkup
    from spectrolite.evaluation.image_report import ImageReport
    from spectrolite.evaluation.reports import Report
    from spectrolite.experiments.repetition import Repetition
    from spectrolite.experiments.verification import Verification
    from spectrolite.models.costs import Cost
    from spectrolite.training.loop import Epoch

STAGE = 24  # characters of the words before a bar
NAME = 24  # characters of a scene's name in a table of many
PLAIN_EVERY_S = 15.0  # how often a log file, which shows no bar, gets a line


class TrainingProgress:
    """A bar on a terminal; a line now and then where the output is a file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn(f"{{task.description:<{STAGE}}}"),
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
        words = escape(words)  # it may name a file
        self._stage = words
        shown = short_names([words], STAGE)[0]
        self._progress.reset(self._task, total=None, description=shown, figures="")
        if not self._console.is_terminal:
            self._console.print(words)

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        """An epoch has ended."""
        figures = f"loss {epoch.loss:.3f}  training accuracy {epoch.training_accuracy:.1%}"
        if epoch.validation_accuracy is not None:
            figures += f"  validation {epoch.validation_accuracy:.1%}"
        self._progress.update(self._task, completed=epoch.epoch, total=epochs, figures=figures)
        due = epoch.epoch == epochs or time.monotonic() - self._last_s > PLAIN_EVERY_S
        if due and not self._console.is_terminal:
            self._last_s = time.monotonic()
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


def table_of(title: str, *headers: Column | str, **style: Any) -> Table:
    """A table with its title at the left."""
    return Table(*headers, title=title, title_justify="left", **style)


def right(*names: str, **style: Any) -> list[Column]:
    """Columns of numbers."""
    return [Column(name, justify="right", **style) for name in names]


def unwrapped(*names: str) -> list[Column]:
    """Columns of texts that stay on one line."""
    return [Column(name, no_wrap=True) for name in names]


def short_labels(labels: Sequence[str]) -> list[str]:
    """Labels of figures as `NAME: figure`, with the names of scenes in short."""
    parts = [label.rpartition(": ") for label in labels]
    names = list(dict.fromkeys(name for name, _, _ in parts if name))
    shown = dict(zip(names, short_names(names, NAME), strict=True))
    return [f"{shown.get(name, '')}{colon}{figure}" for name, colon, figure in parts]


def percent(value: float) -> str:
    """A fraction as a percentage with two decimals."""
    return f"{100 * value:.2f}"


def report_table(reports: Mapping[str, Report | ImageReport]) -> Table:
    """Runs side by side: each figure and fact of their reports in a row."""
    samples = next(iter(reports.values())).samples
    table = table_of(f"Scored on the test {samples}", "", *right(*map(escape, reports)))
    facts = [report.facts for report in reports.values()]
    for name in dict.fromkeys(name for one in facts for name in one):
        cells = [escape(one.get(name, "")) for one in facts]
        if name == "split":
            cells = [cell.replace(",", "\n") for cell in cells]
        table.add_row(name, *cells)
    table.add_section()
    columns = [{f.label: f for f in report.figure_list} for report in reports.values()]
    labels = {label: figure.group for column in columns for label, figure in column.items()}
    for group in (g for g in get_args(Group) if g != "class" and g in labels.values()):
        if group == "scene":
            _add_scenes(table, list(reports.values()))
            continue
        for label in (label for label, of in labels.items() if of == group):
            cells = [str(column.get(label, "")) for column in columns]
            bold = "[bold]" if label == "overall accuracy" else ""
            table.add_row(escape(label), *(f"{bold}{cell}" for cell in cells))
        table.add_section()
    return table


def _add_scenes(table: Table, reports: Sequence[Report | ImageReport]) -> None:
    """A row a scene, its accuracy and its test pixels, and a row for all of them."""
    columns = [
        {s.name: (s.overall_accuracy, s.test) for s in getattr(report, "scenes", ())}
        for report in reports
    ]
    names = list(dict.fromkeys(name for column in columns for name in column))
    table.add_row("[bold]overall accuracy of each scene", *("of pixels" for _ in reports))
    for name, short in zip(names, short_names(names, NAME), strict=True):
        found = [column.get(name, (0.0, 0)) for column in columns]
        cells = [f"{percent(right)} % of {n:,}" if n else "–" for right, n in found]
        table.add_row(escape(short), *cells)
    total = [f"{percent(r.overall_accuracy)} % of {r.protocol.test:,}" for r in reports]
    table.add_row(f"all {len(names)} scenes", *total)
    table.add_section()


def checkup_table(checkup: Checkup) -> Table:
    """Each check with its verdict, its number and what it means."""
    colours = {"ok": "green", "wrong": "bold red", "not checked": "dim"}
    table = table_of(
        escape(f"{checkup.model} on {checkup.data}"),
        *unwrapped("check", "verdict"),
        *right("measured", "at most", no_wrap=True),
        "what it means",
        show_lines=True,
    )
    for check in checkup.checks:
        numbers = ("–" if n is None else f"{n:.3g}" for n in (check.measured, check.threshold))
        verdict = f"[{colours[check.verdict]}]{check.verdict}"
        table.add_row(check.name, verdict, *numbers, escape(check.meaning))
    return table


def kernel_table(checkup: Checkup) -> Table:
    """Each depthwise layer with its dead and weak kernels."""
    numbers = right("kernels", "dead", "weak", "smallest share")
    table = table_of("Depthwise kernels", *unwrapped("layer"), *numbers)
    for k in checkup.kernels:
        counts = (k.kernels, len(k.dead), len(k.weak))
        table.add_row(k.name, *map(str, counts), f"{min(k.shares):.3g}")
    return table


def repetition_tables(repetition: Repetition) -> list[Table]:
    """Every repetition, and the mean and standard deviation of every figure."""
    names = ("seed", "split seed", "overall", "average", "kappa x 100", "seconds")
    columns = (Column("run", overflow="fold"), *right(*names, overflow="fold"))
    rows = table_of("Repetitions, accuracy in %", *columns)
    for one in repetition.runs:
        shown = ("overall accuracy", "average accuracy", "kappa x 100", "seconds of training")
        figures = (f"{one.figures[name]:.2f}" for name in shown)
        split_seed = "–" if one.split_seed is None else str(one.split_seed)
        rows.add_row(escape(one.run), str(one.seed), split_seed, *figures)
    title = f"{len(repetition.runs)} runs, mean ± std (n - 1)"
    summary = table_of(title, "", *right("mean ± std", "runs"))
    labels = short_labels(list(repetition.summary))
    for name, spread in zip(labels, repetition.summary.values(), strict=True):
        summary.add_row(escape(name), f"{spread.mean:.2f} ± {spread.std:.2f}", str(spread.n))
    return [rows, summary]


def verification_table(verification: Verification) -> Table:
    """What was stored beside what training again gave."""
    table = table_of("Trained again", "", *right("stored", "again"))
    for name, sha256 in verification.hashes.items():
        table.add_row(f"sha256 of the {name}", sha256[:12], "the same")
    for name, (stored, again) in verification.figures.items():
        table.add_row(name, f"{stored:.2f}", f"{again:.2f}")
    return table


def data_table(datasets: list[Dataset | ImageDataset]) -> Table:
    """The known data sets."""
    numbers = right("size", "classes", "labelled")
    table = table_of("Data sets known by name", "name", *numbers, "licence")
    for d in datasets:
        size = " x ".join(map(str, d.shape))
        table.add_row(d.name, size, str(len(d.counts)), d.samples, d.licence)
    return table


def class_table(dataset: Dataset | ImageDataset) -> Table:
    """The classes of a data set."""
    table = Table(*right("id"), "class", *right(dataset.samples.split()[-1]))
    for i, name in dataset.class_names.items():
        table.add_row(str(i), name, f"{dataset.counts[name]:,}")
    return table


def cost_table(cost: Cost) -> Table:
    """A network layer by layer: shapes, counts, shares, memory, and what a pair replaces."""
    size = "x".join(map(str, cost.input_shape))
    names = ("output", "parameters", "%", "MACs", "%", "weights KiB", "output KiB")
    table = table_of(
        f"{cost.network}, input {size}",
        *unwrapped("layer", "kind"),
        *right(*names, "MACs if ordinary"),
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for layer in cost.layers:
        table.add_row(
            layer.name,
            layer.kind,
            "x".join(map(str, layer.output_shape)),
            f"{layer.parameters:,}",
            f"{100 * layer.parameters / cost.parameters:.1f}",
            f"{layer.macs:,}",
            f"{100 * layer.macs / cost.macs:.1f}",
            f"{layer.weight_bytes / 1024:,.1f}",
            f"{layer.activation_bytes / 1024:,.1f}",
            "" if layer.ordinary_macs is None else f"{layer.ordinary_macs:,}",
        )
    table.add_section()
    table.add_row(
        "[bold]in all",
        "",
        "",
        f"{cost.parameters:,}",
        "",
        f"{cost.macs:,}",
        "",
        f"{cost.weight_bytes / 1024:,.1f}",
        f"{cost.activation_bytes / 1024:,.1f}",
        f"{cost.ordinary_macs:,}" if cost.pairs else "",
    )
    return table


def cost_notes(cost: Cost) -> list[str]:
    """What the table of costs comes to: its kinds of layers, and ordinary convolutions instead."""
    notes = [
        f"{kind}: {parameters / cost.parameters:.1%} of the parameters, "
        f"{macs / cost.macs:.1%} of the multiply-accumulates"
        for kind, (parameters, macs) in cost.kinds().items()
    ]
    if cost.pairs:
        notes.append(
            f"with ordinary convolutions in place of depthwise and pointwise ones: "
            f"{cost.ordinary_parameters:,} parameters "
            f"({cost.ordinary_parameters / cost.parameters:.2f} times as many), "
            f"{cost.ordinary_macs:,} multiply-accumulates ({cost.ordinary_macs / cost.macs:.2f})"
        )
    return notes


def separable_steps(cost: Cost) -> list[str]:
    """The cost of the first depthwise-separable pair, step by step."""
    depthwise, pointwise = cost.pairs[0]
    channels, out = depthwise.output_shape[0], pointwise.output_shape[0]
    kernel = depthwise.weights // channels
    pair, ordinary = depthwise.weights + pointwise.weights, pointwise.ordinary_weights or 0
    side = round(kernel**0.5)
    return [
        f"{channels} channels to {out} maps with a {side}x{side} kernel, "
        "multiply-accumulates a position:",
        f"1. depthwise, one kernel a channel: {side} * {side} * {channels} = {depthwise.weights}",
        f"2. pointwise, {channels} channels mixed into {out} maps: "
        f"1 * 1 * {channels} * {out} = {pointwise.weights}",
        f"3. together: {depthwise.weights} + {pointwise.weights} = {pair}",
        f"4. the ordinary convolution: {side} * {side} * {channels} * {out} = {ordinary}",
        f"5. the share: {pair} / {ordinary} = {pair / ordinary:.1%}, which is "
        f"1/{out} + 1/{kernel}: the more maps, the nearer to 1/{kernel}",
    ]
