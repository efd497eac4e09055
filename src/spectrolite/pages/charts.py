"""The charts of the pages, each an SVG as the address of an `img` element."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spectrolite.data.labels import PALETTE
from spectrolite.evaluation.calibration import Calibration
from spectrolite.evaluation.reports import LeakageFigures
from spectrolite.pages.html import data_address
from spectrolite.records import Spread
from spectrolite.samples.leakage import check_patch
from spectrolite.training.loop import Epoch

INSIDE, OVERLAPPING, APART = "#c2502e", "#e0b074", "#1f6f8b"
INK_LUMA = 165  # the brightest of 255 that a line on white has
COLOURS = tuple(
    f"#{bytes(colour).hex()}"
    for colour in PALETTE
    if np.dot(colour, (0.299, 0.587, 0.114)) < INK_LUMA
)
VALIDATION, LOSS, TRAINING = COLOURS[0], COLOURS[1], COLOURS[3]


def training_curve(log: list[Epoch]) -> str:
    """Loss and accuracies over the epochs."""
    with style():
        figure = Figure(figsize=(7.6, 2.8), layout="constrained")
        axes = figure.add_subplot()
        epochs = [e.epoch for e in log]
        axes.plot(epochs, [e.loss for e in log], color=LOSS, label="loss")
        axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        right = axes.twinx()
        right.plot(
            epochs, [100 * e.training_accuracy for e in log], color=TRAINING, label="training"
        )
        checked = [
            (e.epoch, 100 * e.validation_accuracy) for e in log if e.validation_accuracy is not None
        ]
        if checked:
            right.plot(*zip(*checked, strict=True), color=VALIDATION, label="validation")
        right.set(ylabel="accuracy, %", ylim=(0, 101))
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        return svg(figure)


def distance_histogram(leakage: LeakageFigures) -> str:
    """Test pixels at each distance from the training pixels, with one and two halos of the patch.

    Within the halo a test pixel lies inside a training pixel's patch. Within twice the halo its
    own patch still shares pixels with one.
    """
    halo = check_patch(leakage.patch)
    edges, counts = leakage.distance_edges, leakage.distance_counts
    colours = [
        INSIDE if edge <= halo else OVERLAPPING if edge <= 2 * halo else APART for edge in edges
    ]
    with style():
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
        return svg(figure)


class CostPoint(NamedTuple):
    """A classifier: its overall accuracy in %, its parameters if it has any, and its seconds."""

    name: str
    accuracy: Spread
    parameters: int | None
    seconds: float


def accuracy_against_cost(title: str, points: Sequence[CostPoint]) -> str:
    """Overall accuracy against parameters, and against seconds of training and map.

    A classifier without parameters is a dashed line across the first chart.
    """
    with style():
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for point, colour in zip(points, cycle(COLOURS)):
            if point.parameters is None:
                left.axhline(point.accuracy.mean, color=colour, linestyle="--", linewidth=1)
            else:
                _error_bar(left, point.parameters, point.accuracy, colour)
            _error_bar(right, max(point.seconds, 1e-3), point.accuracy, colour, point.name)
        for axes, values in (
            (left, [p.parameters for p in points if p.parameters is not None]),
            (right, [max(p.seconds, 1e-3) for p in points]),
        ):
            if values and min(values) == max(values):
                axes.set_xlim(min(values) / 2, 2 * max(values))  # one value has no range of its own
        left.set(xscale="log", xlabel="parameters; dashed: has none", ylabel="overall accuracy, %")
        right.set(xscale="log", xlabel="seconds of training and map")
        if all(point.parameters is None for point in points):
            left.set_xlim(1, 10)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="#dfe3e6", linewidth=0.6)
        legend = figure.legend(loc="outside lower center", ncols=4, frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
        figure.suptitle(title, parse_math=False)
        return svg(figure)


def _error_bar(axes: Axes, x: float, y: Spread, colour: str, label: str | None = None) -> None:
    error = y.std if y.n > 1 else None
    axes.errorbar(x, y.mean, yerr=error, fmt="o", color=colour, capsize=3, label=label)


def reliability_curve(calibration: Calibration) -> str:
    """Accuracy over confidence above, samples below."""
    bins = [b for b in calibration.bins if b.count]
    with style():
        figure = Figure(figsize=(5.2, 5.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot([0, 1], [0, 1], color="#9fb3c0", linestyle="--", label="calibrated")
        upper.bar(
            [b.low for b in bins],
            [b.accuracy for b in bins],
            [b.high - b.low for b in bins],
            align="edge",
            color="#1f6f8b",
            alpha=0.35,
            edgecolor="#1f6f8b",
        )
        upper.plot(
            [b.confidence for b in bins],
            [b.accuracy for b in bins],
            "o-",
            color="#1f6f8b",
            markersize=4,
            label="this network",
        )
        upper.set(ylabel="share that is right", ylim=(0, 1.02), xlim=(0, 1))
        upper.legend(loc="upper left", frameon=False)
        lower.bar(
            [b.low for b in bins],
            [b.count for b in bins],
            [b.high - b.low for b in bins],
            align="edge",
            color="#9fb3c0",
            edgecolor="#5d6770",
        )
        lower.set(xlabel="confidence", ylabel="samples", yscale="log", ylim=(0.7, None))
        return svg(figure)


def style() -> AbstractContextManager[None]:
    """The page's type size, and a fixed salt, so that the same figures give the same bytes."""
    return rc_context({"svg.hashsalt": "spectrolite", "font.size": 9})


def svg(figure: Figure, **saving: Any) -> str:
    """A figure as the address of an `img` element."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, **saving)
    return data_address("svg+xml", buffer.getvalue())
