"""Defaults for few training images: smaller batches, more epochs, an optimiser that fits them.

With the defaults for CIFAR, 43 images are one batch, and ten epochs are ten steps: the network
learns nothing, and BatchNorm's running statistics keep a third of their initial values. How they
were compared, on validation images, is in benchmarks/choose_few_images.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from spectrolite.training.defaults import network_defaults
from spectrolite.training.image_loop import steps_an_epoch

BATCH = 128
BATCHES = 8
"""Wanted in an epoch."""
FEW_IMAGES = BATCHES * BATCH
"""With this many training images or more, every default is that of the network."""


class Few(NamedTuple):
    """What a network wants of a training on few images.

    Attributes:
        batch: images a step, at least.
        steps: of the optimiser, at least.
        adamw: learning rate of AdamW; None: SGD, with its rate scaled to the batch.
    """

    batch: int
    steps: int
    adamw: float | None


FEW = {
    # a chain without shortcuts: batches of 16 are too rough for its 27 BatchNorms one after the
    # other, and its layers want steps of their own size, which SGD does not give
    "mobilenet_v1": Few(32, 400, 0.01),
    "mobilenet_v2": Few(16, 250, None),
}


def defaults_for_few(network: str, given: Mapping[str, Any], images: int) -> dict[str, Any]:
    """The settings with defaults that fit the number of training images.

    Args:
        network: its name.
        given: settings that the user gave, none of which changes; None: not given.
        images: that train.

    Returns:
        `given`, and for fewer than `FEW_IMAGES` also batch, epochs, learning rate and perhaps the
        optimiser.

    Examples:
        >>> defaults_for_few("mobilenet_v2", {"width": 0.25}, 43)
        {'batch': 16, 'learning_rate': 0.025, 'epochs': 84, 'width': 0.25}
        >>> defaults_for_few("mobilenet_v2", {"width": 0.25}, 45000)
        {'width': 0.25}
    """
    chosen = {key: value for key, value in given.items() if value is not None}
    if images >= FEW_IMAGES or network not in FEW:
        return chosen
    few, defaults = FEW[network], network_defaults(network, chosen)
    batch = int(chosen.get("batch", max(few.batch, images // BATCHES)))
    changed: dict[str, Any] = {"batch": batch}
    if few.adamw and not {"optimiser", "learning_rate", "momentum", "weight_decay"} & set(chosen):
        changed |= {"optimiser": "adamw", "learning_rate": few.adamw}
    elif chosen.get("optimiser", defaults["optimiser"]) == "sgd":
        # the linear rule of Goyal and others 2017, arXiv:1706.02677, section 2.1
        changed["learning_rate"] = defaults["learning_rate"] * min(1.0, batch / BATCH)
    changed["epochs"] = max(defaults["epochs"], -(-few.steps // steps_an_epoch(images, batch)))
    return {**changed, **chosen}
