"""The networks by name. A name that is not in these tables is an error, never an import."""

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
        **arguments: of the network's class. Scene networks: `bands`, `classes`, `variant`,
            `generator`; `mobilesn` also `width` and `receptive_field`. Image networks: `variant`,
            `width`, `classes`, `activation`, `small_images`, `channels`, `generator`;
            `mobilenet_v2` also `linear_bottleneck`. Networks with depthwise layers: `kernels`.

    Returns:
        A scene network, with `.halo`, under the contract
        `(N, bands, rows + 2 * halo, cols + 2 * halo) -> (N, classes, rows, cols)`, or an image
        network, `(N, channels, H, W) -> (N, classes)`.

    Raises:
        SettingsError: an unknown name, an unknown argument, or one out of its range.
    """
    return _build(_named(name, MODELS), name, arguments)


def build_scene_model(name: str, **arguments: Any) -> SceneNetwork:
    """`build_model` for scene networks.

    Raises:
        SettingsError: as `build_model`; also the name of an image network.
    """
    if name in IMAGE_MODELS:
        raise SettingsError(
            f"model: {name} classifies images, and a scene needs one of {', '.join(SCENE_MODELS)}"
        )
    return _build(_named(name, SCENE_MODELS), name, arguments)


def build_image_model(name: str, **arguments: Any) -> ImageNetwork:
    """`build_model` for image networks.

    Raises:
        SettingsError: as `build_model`; also the name of a scene network.
    """
    if name in SCENE_MODELS:
        raise SettingsError(
            f"model: {name} classifies scenes, and images need one of {', '.join(IMAGE_MODELS)}"
        )
    return _build(_named(name, IMAGE_MODELS), name, arguments)


def scene_shape(name: str) -> dict[str, float | int]:
    """Arguments that change a scene network's shape, beside its variant, with their defaults.

    Examples:
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
        # layers draw weights from the global generator, before `initialise` draws them again
        with torch.random.fork_rng(devices=[], enabled=arguments.get("generator") is not None):
            return network(**arguments)
    except TypeError as error:
        raise SettingsError(f"model {name}: {error}") from error
