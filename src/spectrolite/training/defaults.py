"""The networks by name, their variants, and the defaults that differ between networks.

This table is the only place where such a default is written. It imports nothing heavy, so that the
help of the command line, which shows it, needs no torch. A default that all networks share is in
the field itself (training/settings.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VARIANTS: dict[str, tuple[str, ...]] = {
    "hybridsn": ("course", "paper"),
    "mobilesn": ("plain",),
    "mobilenet_v1": ("paper", "course"),
    "mobilenet_v2": ("paper", "course"),
}
"""The variants of each network."""

SCENE_NETWORKS = ("hybridsn", "mobilesn")
IMAGE_NETWORKS = ("mobilenet_v1", "mobilenet_v2")
SCENE_DEFAULT, IMAGE_DEFAULT = "hybridsn", "mobilenet_v2"
"""The networks trained where none is named."""

_SCENES: dict[str, Any] = {
    "reduction": "pca",
    "bands_from": "train",
    "optimiser": "adamw",
    "decay_on": "all",
    "label_smoothing": 0.05,
    "ema": 0.0,
}
_IMAGES: dict[str, Any] = {
    "width": 1.0,
    "epochs": 10,
    "optimiser": "sgd",
    "learning_rate": 0.2,
    "weight_decay": 5e-4,
    "decay_on": "kernels",
    "label_smoothing": 0.1,
    "ema": 0.999,
}

DEFAULTS: dict[str, dict[str, Any]] = {
    # epochs and rate: benchmarks/choose_schedule.py, for dense training
    "hybridsn": {
        **_SCENES,
        "variant": "course",
        "epochs": 130,
        "learning_rate": 3e-3,
        "weight_decay": 1e-2,
    },
    # benchmarks/choose_mobilesn.py, on validation pixels inside the training part of split 345
    "mobilesn": {
        **_SCENES,
        "variant": "plain",
        "width": 0.9,
        "receptive_field": 25,
        "reduction": "mnf",
        "bands_from": "patches",
        "epochs": 100,
        "learning_rate": 1e-2,
        "weight_decay": 1e-2,
    },
    # the course's budget of ten epochs
    "mobilenet_v1": {**_IMAGES, "variant": "paper"},
    "mobilenet_v2": {**_IMAGES, "variant": "paper"},
}

PATCH_EPOCHS = 100
"""Epochs of scene networks with `mode="patches"`: the HybridSN paper's."""

OPTIMISER_DEFAULTS: dict[str, dict[str, dict[str, float]]] = {
    "scenes": {
        "adamw": {"learning_rate": 3e-3, "weight_decay": 1e-2},
        "adam": {"learning_rate": 3e-3, "weight_decay": 0.0},
        "sgd": {"learning_rate": 0.05, "weight_decay": 5e-4},
    },
    "images": {
        "adamw": {"learning_rate": 3e-3, "weight_decay": 1e-2},
        "adam": {"learning_rate": 1e-3, "weight_decay": 0.0},
        "sgd": {"learning_rate": 0.2, "weight_decay": 5e-4},
    },
}
"""Learning rate and weight decay with an optimiser or a mode that is not the network's default."""


def network_defaults(network: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of a network beside the mode and the optimiser that are given.

    Examples:
        >>> network_defaults("mobilesn", {})["learning_rate"]
        0.01
        >>> network_defaults("mobilesn", {"optimiser": "sgd"})["learning_rate"]
        0.05
    """
    defaults = dict(DEFAULTS[network])
    optimiser = given.get("optimiser") or defaults["optimiser"]
    in_patches = given.get("mode") not in (None, "dense")
    if in_patches:
        defaults["epochs"] = PATCH_EPOCHS
    if in_patches or optimiser != defaults["optimiser"]:
        kind = "images" if network in IMAGE_NETWORKS else "scenes"
        defaults |= OPTIMISER_DEFAULTS[kind].get(str(optimiser), {})
    return defaults
