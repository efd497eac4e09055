"""The networks, by name. A name that is not in this table is an error, never an import."""

from __future__ import annotations

from typing import Any

import torch

from spectrolite.errors import SettingsError
from spectrolite.models.hybridsn import HybridSN

MODELS = {"hybridsn": HybridSN}


SceneNetwork = HybridSN


def build_model(name: str, **arguments: Any) -> SceneNetwork:
    """Build a network with fresh weights.

    Args:
        name: one of `MODELS`.
        **arguments: those of the network's class: for every scene network `bands`, `classes`,
            `variant` and `generator`.

    Returns:
        A module with `.halo`, under the contract
        `(N, bands, rows + 2 * halo, cols + 2 * halo) -> (N, classes, rows, cols)`.

    Raises:
        SettingsError: an unknown name, an argument that the network does not have, or one out of
            range.
    """
    if name not in MODELS:
        raise SettingsError(f"model: wanted one of {', '.join(MODELS)}, got {name!r}")
    try:
        # a layer draws weights from the global generator before ours replaces them
        with torch.random.fork_rng(devices=[], enabled=arguments.get("generator") is not None):
            return MODELS[name](**arguments)
    except TypeError as error:
        raise SettingsError(f"model {name}: {error}") from error
