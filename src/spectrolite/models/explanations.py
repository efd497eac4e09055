"""The cost of a network by its name, counted on tensors without memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spectrolite.errors import SettingsError, wanted_one_of
from spectrolite.models import IMAGE_MODELS, MODELS, ImageNetwork, build_model
from spectrolite.models.cost_pictures import plot_cost
from spectrolite.models.costs import Cost, cost
from spectrolite.models.mobilesn import MobileSN
from spectrolite.part_folders import check_free

LESSON = "depthwise"
LARGEST_SIDE = 100_000
LARGEST_CLASSES = 1_000_000
IMAGE_INPUT = (3, 32, 32)
SCENE_BANDS, SCENE_CLASSES = 30, 16  # HybridSN's paper on Indian Pines


def explain(
    name: str,
    input_shape: str | Sequence[int] | None = None,
    *,
    picture: str | Path | None = None,
    overwrite: bool = False,
    **arguments: Any,
) -> Cost:
    """Count a network layer by layer, and plot the counts on request.

    Args:
        name: one of `MODELS`, or `depthwise`: the course's example of a depthwise-separable
            convolution, 3 channels, 4 output maps, 3x3, at one position.
        input_shape: `(channels, rows, cols)`, or `"3x32x32"`; for a scene network,
            `(bands, rows, cols)`. Default: 3x32x32 for image networks; 30 bands and the receptive
            field for scene networks.
        picture: PNG to write.
        overwrite: replace an existing picture.
        **arguments: of the network, without channels or bands; a scene network has 16 classes by
            default.

    Returns:
        The cost.

    Raises:
        SettingsError: an unknown name, or a shape or an argument that the network does not accept.
        RunError: a picture that exists.
    """
    if name not in (LESSON, *MODELS):
        raise SettingsError(f"explain: {wanted_one_of([LESSON, *MODELS], name)}")
    out = None if picture is None else Path(picture)
    if out is not None:
        check_free(out, overwrite, "--picture", ".png")
    if name == LESSON:
        if input_shape is not None or arguments:
            raise SettingsError(
                f"explain {LESSON}: a fixed example; it takes no --input and no flags of networks"
            )
        result = replace(cost(_lesson(), (3, 3, 3)), network="depthwise-separable convolution")
    else:
        result = _explain_network(name, input_shape, arguments)
    if out is not None:
        plot_cost(result, out)
    return result


def _explain_network(
    name: str, input_shape: str | Sequence[int] | None, arguments: dict[str, Any]
) -> Cost:
    images = name in IMAGE_MODELS
    given = None if input_shape is None else _shape(input_shape)
    channels = given[0] if given else IMAGE_INPUT[0] if images else SCENE_BANDS
    defaults = {"channels": channels} if images else {"bands": channels, "classes": SCENE_CLASSES}
    classes = arguments.get("classes", 2)
    if isinstance(classes, int) and classes > LARGEST_CLASSES:
        raise SettingsError(f"classes: wanted at most {LARGEST_CLASSES:,}, got {classes:,}")
    with torch.device("meta"):
        net = build_model(name, **{**defaults, **arguments})
    if isinstance(net, ImageNetwork):
        shape = given or IMAGE_INPUT
    else:
        shape = given or (channels, *[2 * net.halo + 1] * 2)
    words = [f"{name} ({net.variant})", f"{net.classes} classes"]
    if isinstance(net, ImageNetwork):
        strides = "small images" if net.small_images else "224 pixels"
        words += [f"width {net.width:g}", net.activation, f"strides for {strides}"]
    elif isinstance(net, MobileSN):
        words += [f"width {net.width:g}", f"receptive field {net.receptive_field}"]
    return replace(cost(net, shape), network=", ".join(words))


def _lesson() -> nn.Sequential:
    with torch.device("meta"):
        net = nn.Sequential()
        net.add_module("depthwise", nn.Conv2d(3, 3, 3, groups=3, bias=False))
        net.add_module("pointwise", nn.Conv2d(3, 4, 1, bias=False))
    return net


def _shape(text: str | Sequence[int]) -> tuple[int, ...]:
    """`3x32x32` as 3, 32, 32."""
    shown = text if isinstance(text, str) else "x".join(map(str, text))
    if not re.fullmatch(r"[0-9]{1,20}(x[0-9]{1,20}){2}", shown):
        raise SettingsError(
            "--input: wanted CHANNELSxROWSxCOLS as 3x32x32, bands first for a scene network as "
            f"30x25x25, got {shown!r}"
        )
    shape = tuple(map(int, shown.split("x")))
    if not all(1 <= side <= LARGEST_SIDE for side in shape):
        raise SettingsError(f"--input: wanted sizes from 1 to {LARGEST_SIDE:,}, got {shown}")
    return shape
