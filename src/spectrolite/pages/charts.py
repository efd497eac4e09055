"""The diagrams of the page, as SVG inside an `img` element."""

from __future__ import annotations

import base64
import io
from contextlib import AbstractContextManager
from html import escape
from itertools import cycle

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spectrolite.evaluation.league_table import Protocol, Row
from spectrolite.evaluation.reports import LeakageFigures
from spectrolite.samples.leakage import check_patch
from spectrolite.training.loop import Epoch

INSIDE, OVERLAPPING, APART = "#c2502e", "#e0b074", "#1f6f8b"
COLOURS = ("#1f6f8b", "#c2502e", "#1e7d4f", "#9a5b00", "#6a4c93", "#3a3f44", "#b0467a", "#7a8b1f")


def training_curve(log: list[Epoch]) -> str:
    """Loss and accuracies over the epochs."""
    with _style():
        figure = Figure(figsize=(7.6, 2.8), layout="constrained")
        axes = figure.add_subplot()
        epochs = [e.epoch for e in log]
        axes.plot(epochs, [e.loss for e in log], color="#9a5b00", label="loss")
        axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        right = axes.twinx()
        right.plot(
            epochs, [100 * e.training_accuracy for e in log], color="#1f6f8b", label="training"
        )
        checked = [
            (e.epoch, 100 * e.validation_accuracy) for e in log if e.validation_accuracy is not None
        ]
        if checked:
            right.plot(*zip(*checked, strict=True), color="#1e7d4f", label="validation")
        right.set(ylabel="accuracy, %", ylim=(0, 101))
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        return _image(figure, "loss and accuracy")


def distance_histogram(leakage: LeakageFigures) -> str:
    """Test pixels at each distance from the training, with the two reaches of the patch.

    Within the halo a test pixel lies inside a training pixel's patch. Within twice the halo its
    own patch still shares pixels with one.
    """
    halo = check_patch(leakage.patch)
    edges, counts = leakage.distance_edges, leakage.distance_counts
    colours = [
        INSIDE if edge <= halo else OVERLAPPING if edge <= 2 * halo else APART for edge in edges
    ]
    with _style():
        figure = Figure(figsize=(7.6, 2.9), layout="constrained")
        axes = figure.add_subplot()
        for bar, edge in zip(axes.bar(edges, counts, 0.9, color=colours), edges, strict=True):
            bar.set_gid(f"distance-{edge}")
        top = axes.get_xaxis_transform()
        for reach, words in ((halo, "halo"), (2 * halo, "twice the halo")) if halo else ():
            axes.axvline(reach + 0.5, color="#1c2126", linewidth=1, linestyle="--")
            axes.text(reach + 0.5, 1.02, f"{words}: {reach}", ha="center", transform=top)
        step = 5 * (1 + leakage.patch // 30)
        ticks = [edge for edge in edges if edge % step == 0 and edge < edges[-1] - 2]
        axes.set_xticks([1, *ticks, edges[-1]], ["1", *map(str, ticks), f"≥ {edges[-1]}"])
        axes.set(
            xlabel="pixels to the nearest training or validation pixel (Chebyshev)",
            ylabel="test pixels",
            xlim=(0, edges[-1] + 1),
        )
        axes.spines[["top", "right"]].set_visible(False)
        return _image(figure, "test pixels at each distance from the training")


def accuracy_against_cost(protocol: Protocol) -> str:
    """Overall accuracy against parameters, and against seconds, as one picture.

    What has no parameters is a line across the first diagram.
    """
    with _style():
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for row, colour in zip(protocol.rows, cycle(COLOURS)):
            seconds = max(row.training_s.mean + row.map_s.mean, 1e-3)
            if row.parameters is None:
                left.axhline(row.overall_accuracy.mean, color=colour, linestyle="--", linewidth=1)
            else:
                _point(left, row, row.parameters, colour)
            _point(right, row, seconds, colour, row.model)
        left.set(xscale="log", xlabel="parameters; dashed: has none", ylabel="overall accuracy, %")
        right.set(xscale="log", xlabel="seconds of training and map")
        if all(row.parameters is None for row in protocol.rows):
            left.set_xlim(1, 10)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="#dfe3e6", linewidth=0.6)
        legend = figure.legend(loc="outside lower center", ncols=4, frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
        figure.suptitle(protocol.title, parse_math=False)
        return _image(figure, f"accuracy against parameters and seconds, {escape(protocol.title)}")


def _point(axes: Axes, row: Row, x: float, colour: str, label: str | None = None) -> None:
    spread = row.overall_accuracy
    error = spread.std if spread.n > 1 else None
    axes.errorbar(x, spread.mean, yerr=error, fmt="o", color=colour, capsize=3, label=label)


def _style() -> AbstractContextManager[None]:
    """The page's type size, and a fixed salt, so that the same figures give the same bytes."""
    return rc_context({"svg.hashsalt": "spectrolite", "font.size": 9})


def _image(figure: Figure, alt: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return f'<img class="curve" alt="{alt}" src="data:image/svg+xml;base64,{encoded}">'
