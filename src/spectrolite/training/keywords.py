"""Settings from the keywords of `train`, and from what a manifest stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

from spectrolite.errors import SettingsError, did_you_mean, in_our_words, wanted_one_of
from spectrolite.training.defaults import DEFAULTS, IMAGE_NETWORKS, SCENE_DEFAULT, network_defaults
from spectrolite.training.settings import (
    IMAGE_STAGES,
    STAGES,
    BandSettings,
    ImageSettings,
    Settings,
    flag_of,
    setting_fields,
)

LEAST_OF_HYBRIDSN = 13  # bands or components


def settings(**values: Any) -> Any:
    """Settings from flat keywords; each goes into the stage that has it.

    Examples:
        >>> settings(components=15, epochs=10).training.epochs
        10
        >>> settings(model="mobilenet_v1").training.optimiser
        'sgd'

    Returns:
        `ImageSettings` if `model` classifies images, else `Settings`.

    Raises:
        SettingsError: an unknown name, a setting that does not go with the network, or a value out
            of range.
    """
    model = values.get("model", SCENE_DEFAULT)
    images = isinstance(model, str) and model in IMAGE_NETWORKS
    own, others = (IMAGE_STAGES, STAGES) if images else (STAGES, IMAGE_STAGES)
    if isinstance(model, str):  # otherwise the type of `model` is refused below
        if model not in DEFAULTS:
            raise SettingsError(f"--model: {wanted_one_of(DEFAULTS, model)}")
        defaults = network_defaults(model, values)
        values |= {k: v for k, v in defaults.items() if values.get(k) is None}
    stages: dict[str, dict[str, Any]] = {name: {} for name in own}
    for key, value in values.items():
        home = next((name for name, stage in own.items() if key in stage.model_fields), None)
        if home is not None:
            stages[home][key] = value
        elif any(key in stage.model_fields for stage in others.values()):
            kind = "images" if images else "scenes"
            raise SettingsError(
                f"{flag_of(key)}: does not go with {model}, which classifies {kind}; leave it out"
            )
        else:
            names = [name for stage in own.values() for name in stage.model_fields]
            raise SettingsError(
                f"{key}: unknown setting; wanted one of {', '.join(names)}"
                f"{did_you_mean(key, names)}"
            )
    return checked_settings(stages)


def keywords_for(model: str, given: Mapping[str, Any], bands: int, scene: str) -> dict[str, Any]:
    """The keywords with components that a scene of few bands has: the default, or all its bands.

    Args:
        model: a scene network.
        given: the keywords.
        bands: of the scene.
        scene: its name, for messages.

    Raises:
        SettingsError: HybridSN, whose three spectral kernels take 12 bands away, and fewer bands.
    """
    if model == "hybridsn" and bands < LEAST_OF_HYBRIDSN:
        raise SettingsError(
            f"--model: hybridsn needs {LEAST_OF_HYBRIDSN} bands or more, got {bands} in {scene}; "
            f"take --model mobilesn --components {bands}"
        )
    if given.get("components") is not None:
        return dict(given)
    default = BandSettings.model_fields["components"].default
    return {**given, "components": min(bands, default)}


def flat_settings(nested: Settings | ImageSettings) -> dict[str, Any]:
    """The flat keywords from which `settings` makes these settings."""
    return {key: value for _, stage in nested for key, value in stage}


def checked_settings(stages: Mapping[str, Any]) -> Any:
    """Settings from nested ones, as a manifest holds them.

    Returns:
        `ImageSettings` if the network classifies images, else `Settings`.

    Raises:
        SettingsError: an unknown name, or a value out of range.
    """
    model = stages.get("model") if isinstance(stages, Mapping) else None
    name = model.get("model") if isinstance(model, Mapping) else None
    kind = ImageSettings if isinstance(name, str) and name in IMAGE_NETWORKS else Settings
    try:
        return kind.model_validate(stages)
    except ValidationError as error:
        raise SettingsError(_message(error)) from error


def _message(error: ValidationError) -> str:
    """The first error, by the flag that it is about."""
    first = error.errors()[0]
    if first["type"] == "value_error":
        return in_our_words(first["msg"])
    key = str(first["loc"][-1] if first["loc"] else "settings")
    hint = ""
    if first["type"] == "literal_error":
        hint = did_you_mean(first["input"], get_args(setting_fields()[key].annotation))
    elif first["type"] == "extra_forbidden":
        hint = did_you_mean(key, setting_fields())
    return f"{flag_of(key)}: {in_our_words(first['msg'])}, got {first['input']!r}{hint}"
