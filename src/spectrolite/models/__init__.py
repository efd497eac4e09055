"""The networks, by name. A name that is not in this table is an error, never an import."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import torch

from spectrolite.errors import SettingsError, did_you_mean, wanted_one_of
from spectrolite.models.hybridsn import HybridSN
from spectrolite.models.mobilenet_v1 import MobileNetV1
from spectrolite.models.mobilenet_v2 import MobileNetV2
from spectrolite.models.mobilesn import MobileSN

SceneNetwork = HybridSN | MobileSN
ImageNetwork = MobileNetV1 | MobileNetV2
Network = TypeVar("Network", bound=SceneNetwork | ImageNetwork)

SCENE_MODELS: dict[str, type[SceneNetwork]] = {"hybridsn": HybridSN, "mobilesn": MobileSN}
IMAGE_MODELS: dict[str, type[ImageNetwork]] = {
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v2": MobileNetV2,
}
MODELS: dict[str, type[SceneNetwork | ImageNetwork]] = {**SCENE_MODELS, **IMAGE_MODELS}


def build_model(name: str, **arguments: Any) -> SceneNetwork | ImageNetwork:
    """Build a network with fresh weights.

    Args:
        name: one of `MODELS`.
        **arguments: those of the network's class: for every scene network `bands`, `classes`,
            `variant` and `generator`, for `mobilesn` also `width` and `receptive_field`; for every
            image network `variant`, `width`, `classes`,
            `activation`, `small_images`, `channels` and `generator`. Those with depthwise layers
            take `kernels`.

    Returns:
        A scene network, with `.halo`, under the contract
        `(N, bands, rows + 2 * halo, cols + 2 * halo) -> (N, classes, rows, cols)`, or an image
        network, `(N, channels, H, W) -> (N, classes)`.

    Raises:
        SettingsError: an unknown name, an argument that the network does not have, or one out of
            range.
    """
    return _build(_named(name, MODELS), name, arguments)


def build_scene_model(name: str, **arguments: Any) -> SceneNetwork:
    """`build_model` for what works on scenes.

    Raises:
        SettingsError: as `build_model`, and where the network classifies images.
    """
    if name in IMAGE_MODELS:
        raise SettingsError(
            f"model: {name} classifies images, and a scene needs one of {', '.join(SCENE_MODELS)}"
        )
    return _build(_named(name, SCENE_MODELS), name, arguments)


def build_image_model(name: str, **arguments: Any) -> ImageNetwork:
    """`build_model` for what works on images.

    Raises:
        SettingsError: as `build_model`, and where the network works on scenes.
    """
    if name in SCENE_MODELS:
        raise SettingsError(
            f"model: {name} classifies scenes, and images need one of {', '.join(IMAGE_MODELS)}"
        )
    return _build(_named(name, IMAGE_MODELS), name, arguments)


def scene_shape(name: str) -> dict[str, float | int]:
    """What decides a scene network's shape beside its variant: arguments with their defaults.

    >>> scene_shape("mobilesn")
    {'width': 1.0, 'receptive_field': 13}
    >>> scene_shape("hybridsn")
    {}

    Raises:
        SettingsError: an unknown name.
    """
    parameters = inspect.signature(_named(name, SCENE_MODELS)).parameters
    named = ("width", "receptive_field")
    return {key: parameters[key].default for key in named if key in parameters}


def _named(name: str, models: dict[str, type[Network]]) -> type[Network]:
    if name not in models:
        raise SettingsError(f"model: {wanted_one_of(models, name)}")
    return models[name]


def _build(network: type[Network], name: str, arguments: dict[str, Any]) -> Network:
    known = list(inspect.signature(network).parameters)
    for key in arguments:
        if key not in known:
            raise SettingsError(
                f"model {name}: no argument {key!r}; wanted some of {', '.join(known)}"
                f"{did_you_mean(key, known)}"
            )
    try:
        # a layer draws weights from the global generator before ours replaces them
        with torch.random.fork_rng(devices=[], enabled=arguments.get("generator") is not None):
            return network(**arguments)
    except TypeError as error:
        raise SettingsError(f"model {name}: {error}") from error
