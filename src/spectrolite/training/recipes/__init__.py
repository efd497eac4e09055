"""Settings by name: a TOML file each, which opens with its command, score, time and machine.

A recipe holds settings and nothing else; data, split, seed and place stay with who runs it. What is
given beside a recipe overrides it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from spectrolite.errors import SettingsError
from spectrolite.training.settings import IMAGE_STAGES, STAGES

FOLDER = Path(__file__).parent


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_recipe(name: str | Path) -> dict[str, Any]:
    """The settings of a recipe, as keywords of `train`.

    >>> read_recipe("course-10-epochs")["optimiser"]
    'adam'

    Args:
        name: one of `recipe_names`, or a path that ends in `.toml`.

    Raises:
        SettingsError: no such recipe, no TOML, or a key that is no setting. Values are checked by
            `train`, against the network that it trains.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = FOLDER / f"{name}.toml"
        if str(name) not in recipe_names():
            raise SettingsError(
                f"--recipe: wanted one of {', '.join(recipe_names())}, or a path that ends in "
                f".toml, got {str(name)!r}"
            )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"--recipe: {path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise SettingsError(f"--recipe: {path}: no TOML ({error})") from error
    stages = (*STAGES.values(), *IMAGE_STAGES.values())
    known = list(dict.fromkeys(key for stage in stages for key in stage.model_fields))
    for key in content:
        if key not in known:
            raise SettingsError(
                f"--recipe: {path}: no such setting: {key}; wanted some of {', '.join(known)}"
            )
    return content
