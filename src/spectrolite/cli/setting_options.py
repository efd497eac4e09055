"""Options of the command line made from the fields of training/settings.py.

Nothing is written twice: the type, the help and the range of an option are the field's, and the
default shown is what `settings` gives each network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from spectrolite.cli.options import AUGMENTATION, BANDS, NETWORK, TRAINING, optional
from spectrolite.training.defaults import (
    DEFAULTS,
    IMAGE_DEFAULT,
    IMAGE_NETWORKS,
    SCENE_DEFAULT,
    SCENE_NETWORKS,
)
from spectrolite.training.keywords import flat_settings, settings
from spectrolite.training.settings import IMAGE_STAGES, STAGES, setting_fields

PANEL_OF_STAGE = {
    "model": NETWORK,
    "bands": BANDS,
    "training": TRAINING,
    "augmentation": AUGMENTATION,
}
FLAT_DEFAULTS: dict[str, dict[str, Any]] = {
    network: flat_settings(settings(model=network)) for network in DEFAULTS
}


def setting_options(
    names: Iterable[str] | None = None, defaults: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The options of some settings, or of all.

    Args:
        names: of the settings.
        defaults: shown instead of what training takes, for verbs that take something else.
    """
    options = {}
    for name in names or setting_fields():
        kind = _kind(setting_fields()[name])
        shown = (defaults or {}).get(name, default_text(name))
        options[name] = optional(kind, setting_help(name), shown, _panel(name))
    return options


def setting_help(name: str) -> str:
    """Description, range and kind of data of a setting, in one line."""
    field = setting_fields()[name]
    words = [str(field.description), range_text(field)]
    only = [
        kind
        for kind, other in (("Scenes", IMAGE_STAGES), ("Images", STAGES))
        if not any(name in stage.model_fields for stage in other.values())
    ]
    words += [f"{kind} only." for kind in only]
    return " ".join(filter(None, words))


def range_text(field: FieldInfo) -> str:
    """The values that a field accepts, or nothing if its description names them."""
    if get_origin(field.annotation) is Literal:
        return f"One of {', '.join(get_args(field.annotation))}."
    limits = []
    for limit in field.metadata:
        if isinstance(limit, Ge):
            limits.append(f"from {limit.ge:g}")
        elif isinstance(limit, Gt):
            limits.append(f"above {limit.gt:g}")
        elif isinstance(limit, Le):
            limits.append(f" to {limit.le:g}")
        elif isinstance(limit, Lt):
            limits.append(f", below {limit.lt:g}")
    return f"Range: {''.join(limits)}." if limits else ""


def default_text(name: str) -> str:
    """The default of a setting; where networks differ, with their names.

    Examples:
        >>> default_text("batch")
        '128'
        >>> default_text("epochs")
        'hybridsn 130, mobilesn 100, images 10'
    """
    if name == "model":
        return f"scenes {SCENE_DEFAULT}, images {IMAGE_DEFAULT}"
    shown = defaults_by_network(name)
    if len(set(shown.values())) == 1 and name not in ("width", "receptive_field"):
        return next(iter(shown.values()))
    for kind, networks in (("scenes", SCENE_NETWORKS), ("images", IMAGE_NETWORKS)):
        own = {shown.get(network) for network in networks}
        if len(own) == 1 and own != {None}:
            shown = {n: v for n, v in shown.items() if n not in networks} | {kind: str(own.pop())}
    return ", ".join(f"{network} {value}" for network, value in shown.items())


def defaults_by_network(name: str) -> dict[str, str]:
    """The default of a setting in every network that has it."""
    values = {network: flat[name] for network, flat in FLAT_DEFAULTS.items() if name in flat}
    if any(value is not None for value in values.values()):  # None: fixed in this network
        values = {network: value for network, value in values.items() if value is not None}
    return {network: value_text(value) for network, value in values.items()}


def value_text(value: object) -> str:
    """A value as a reader of the help wants it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def _kind(field: FieldInfo) -> Any:
    """The type of an option: a choice is text, and None is left to the default."""
    if get_origin(field.annotation) is Literal:
        return str
    return next((k for k in get_args(field.annotation) if k is not NoneType), field.annotation)


def _panel(name: str) -> str:
    stages = [*STAGES.items(), *IMAGE_STAGES.items()]
    return next(PANEL_OF_STAGE[key] for key, stage in stages if name in stage.model_fields)
