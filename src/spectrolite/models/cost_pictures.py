"""The cost of a network as a picture: each layer, and the totals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spectrolite.files import whole_file
from spectrolite.models.costs import Cost
from spectrolite.models.layer_costs import LayerCost

COLOURS = {
    "convolution": "#1e7d4f",
    "grouped": "#7a7a7a",
    "depthwise": "#d95f02",
    "pointwise": "#1f6f8b",
    "linear": "#7a4fa3",
}
ORDINARY, STRIPE, INK = "#b9c0c6", "#f5f6f7", "#5d6770"


def plot_cost(cost: Cost, path: Path) -> None:
    """Write a PNG of weights and multiply-accumulates, by layer and in total.

    A dot is a layer, coloured by its kind, on a logarithmic axis. For a depthwise-separable pair, a
    diamond shows the ordinary convolution that the pair replaces, with the ratio of their costs; a
    line joins the two. The bars below, on a linear axis, are the network, and the same network with
    ordinary convolutions.
    """
    from matplotlib.figure import Figure  # here: it takes half a second to import
    from matplotlib.lines import Line2D

    rows, saves = len(cost.layers), bool(cost.pairs)
    height, below = 0.2 * max(rows, 3), 1.05 if saves else 0.6
    figure = Figure(figsize=(12, height + below + 1.9), layout="constrained")
    axes = figure.subplots(2, 2, height_ratios=[height, below], sharey="row")
    panels = (("weights", "ordinary_weights"), ("macs", "ordinary_macs"))
    for axis, quantities in zip(axes[0], panels, strict=True):
        _layers(axis, cost, *quantities)
    for column, (axis, quantity) in enumerate(zip(axes[1], ("parameters", "macs"), strict=True)):
        kinds = {kind: totals[column] for kind, totals in cost.kinds().items()}
        whole = getattr(cost, f"ordinary_{quantity}")
        _totals(axis, cost, quantity, kinds, whole)
    axes[0, 0].set_title("weights of each layer", fontsize=11)
    axes[0, 1].set_title("multiply-accumulates of each layer", fontsize=11)
    axes[1, 0].set_title("parameters in all, BatchNorm and biases too", fontsize=11)
    axes[1, 1].set_title("multiply-accumulates in all", fontsize=11)
    labels = ["as it is", "with ordinary convolutions"][: 2 if saves else 1]
    axes[0, 0].set_yticks(range(rows), [_label(layer) for layer in cost.layers])
    axes[1, 0].set_yticks(range(len(labels)), labels)
    for axis in axes.flat:
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(labelsize=8.5)
        axis.tick_params(axis="y", length=0)
        axis.tick_params(axis="x", which="minor", length=0)
    handles = [
        Line2D([], [], marker="o", ls="", color=COLOURS[kind], label=kind) for kind in cost.kinds()
    ]
    if saves:
        label = "ordinary convolution in place of a depthwise and a pointwise one"
        handles.append(Line2D([], [], marker="D", color=ORDINARY, label=label))
    size = "x".join(map(str, cost.input_shape))
    figure.suptitle(f"{cost.network}, input {size}", fontsize=12.5)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=110)


def _layers(axis: Any, cost: Cost, quantity: str, ordinary: str) -> None:
    from matplotlib.ticker import EngFormatter, NullFormatter

    pairs = {two: one for one, two in cost.pairs}
    values = [getattr(layer, quantity) for layer in cost.layers]
    largest = max([*values, *(getattr(two, ordinary) for two in pairs)])
    for y, (layer, value) in enumerate(zip(cost.layers, values, strict=True)):
        if y % 2 == 0:
            axis.axhspan(y - 0.5, y + 0.5, color=STRIPE, zorder=0)
        if layer in pairs:
            pair, replaced = value + getattr(pairs[layer], quantity), getattr(layer, ordinary)
            axis.plot([pair, replaced], [y, y], "-", color=ORDINARY, lw=1, zorder=1)
            axis.plot(pair, y, "|", color=ORDINARY, ms=7, zorder=1)
            axis.plot(replaced, y, "D", color=ORDINARY, ms=5, zorder=2)
            _note(axis, replaced, y, 7, "left", f"{replaced / pair:.1f} ×")
        axis.plot(value, y, "o", color=COLOURS[layer.kind], ms=5.5, zorder=3)
        _note(axis, value, y, -6, "right", f"{value:,}")
    axis.set_xscale("log")
    low, high = math.log10(min(values)), math.log10(largest)
    room = 0.16 * max(high - low, 1)  # for the numbers beside the dots
    axis.set_xlim(10 ** (low - room), 10 ** (high + 0.8 * room))
    axis.set_ylim(len(values) - 0.4, -0.6)
    axis.xaxis.set_major_formatter(EngFormatter())
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.grid(axis="x", color="#e3e6e8", zorder=0)


def _totals(axis: Any, cost: Cost, quantity: str, kinds: dict[str, int], whole: int) -> None:
    from matplotlib.ticker import EngFormatter

    bars: list[Sequence[tuple[str, int]]] = [[(COLOURS[k], value) for k, value in kinds.items()]]
    if cost.pairs:
        replaced = {layer for pair in cost.pairs for layer in pair}
        kept = [
            (COLOURS[layer.kind], getattr(layer, quantity))
            for layer in cost.layers
            if layer not in replaced
        ]
        bars.append([*sorted(kept), (ORDINARY, whole - sum(value for _, value in kept))])
    for y, parts in enumerate(bars):
        left = 0
        for colour, value in parts:
            axis.barh(y, value, left=left, color=colour, height=0.7)
            left += value
        _note(axis, left, y, 5, "left", f"{left:,}", size=9)
    axis.set_xlim(0, 1.25 * whole)
    axis.set_ylim(len(bars) - 0.4, -0.6)
    axis.xaxis.set_major_formatter(EngFormatter())


def _note(axis: Any, x: int, y: int, shift: int, side: str, text: str, size: float = 7) -> None:
    axis.annotate(
        text,
        (x, y),
        (shift, 0),
        textcoords="offset points",
        ha=side,
        va="center",
        fontsize=size,
        color=INK,
    )


def _label(layer: LayerCost) -> str:
    return f"{layer.name}  {'x'.join(map(str, layer.output_shape))}"
