"""All depthwise kernels of a network as one picture, the dead and the weak ones framed."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from spectrolite.evaluation.depthwise_kernels import DepthwiseLayer, LayerKernels, folded

DEAD, WEAK, FINE = (20, 24, 28), (240, 140, 0), (228, 231, 234)
ACROSS = 64  # kernels in a row
SIDE = 15  # pixels of a kernel at the least, without its frame
FRAME = 2
WIDTH = 12.0  # inches
BRIGHT = 98  # percentile of the largest weights of a layer's kernels that gets the full colour


def kernel_picture(
    title: str, layers: Sequence[DepthwiseLayer], kernels: Sequence[LayerKernels]
) -> bytes:
    """A PNG: a block of kernels a layer, in the order of the channels.

    Weights are those with BatchNorm folded in. Red is positive, blue negative, white zero, and one
    scale holds for a layer: a kernel that looks empty is so beside its neighbours. Dead kernels
    have a black frame, weak ones an orange one.

    Args:
        title: what the network is called.
        layers: of the network, one or more.
        kernels: the dead and weak kernels of each layer.
    """
    mosaics = [_mosaic(layer, own) for layer, own in zip(layers, kernels, strict=True)]
    widest = max(mosaic.shape[1] for mosaic in mosaics)
    heights = [WIDTH * mosaic.shape[0] / widest for mosaic in mosaics]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.42 * len(mosaics) + 0.9), layout="constrained")
    axes = figure.subplots(len(mosaics), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axis, mosaic, own in zip(axes, mosaics, kernels, strict=True):
        canvas = np.full((mosaic.shape[0], widest, 3), 255, np.uint8)
        canvas[:, : mosaic.shape[1]] = mosaic
        axis.imshow(canvas, interpolation="nearest")
        axis.set_title(
            f"{own.name.removesuffix('.0')}: {own.kernels} kernels, "
            f"{len(own.dead)} dead, {len(own.weak)} weak",
            fontsize=9,
            loc="left",
        )
        axis.axis("off")
    dead, weak = ("#{:02x}{:02x}{:02x}".format(*colour) for colour in (DEAD, WEAK))
    figure.legend(
        handles=[
            Patch(facecolor="white", edgecolor=dead, linewidth=2, label="dead: one constant"),
            Patch(facecolor="white", edgecolor=weak, linewidth=2, label="weak: varies little"),
            Patch(facecolor=colormaps["RdBu_r"](0.85), label="positive weight"),
            Patch(facecolor=colormaps["RdBu_r"](0.15), label="negative weight"),
        ],
        loc="outside lower left",
        ncols=4,
        frameon=False,
        fontsize=9,
    )
    figure.suptitle(title, fontsize=11)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _mosaic(layer: DepthwiseLayer, kernels: LayerKernels) -> NDArray[np.uint8]:
    """`(rows, cols, 3)`: the layer's kernels side by side, each in its frame."""
    weights = folded(layer.depthwise)[0].weight.detach()[:, 0].numpy()  # (kernels, side, side)
    largest = np.abs(weights).max((1, 2))
    scale = np.percentile(largest, BRIGHT) or largest.max() or 1.0
    shades = colormaps["RdBu_r"](np.clip(0.5 + weights / scale / 2, 0, 1))[..., :3]
    step = max(SIDE // weights.shape[1], 1)  # pixels a weight
    inner = np.kron(255 * shades, np.ones((1, step, step, 1))).round().astype(np.uint8)
    side = inner.shape[1] + 2 * FRAME + 1  # a white line parts the frames
    rows = math.ceil(len(inner) / ACROSS)
    mosaic = np.full((rows * side, min(len(inner), ACROSS) * side, 3), 255, np.uint8)
    for channel, tile in enumerate(inner):
        row, col = (side * place for place in divmod(channel, ACROSS))
        colour = DEAD if channel in kernels.dead else WEAK if channel in kernels.weak else FINE
        mosaic[row : row + side - 1, col : col + side - 1] = colour
        mosaic[row + FRAME : row + side - 1 - FRAME, col + FRAME : col + side - 1 - FRAME] = tile
    return mosaic
