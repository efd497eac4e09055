"""Settings by name: one TOML file a recipe, which opens with its command, score, time and machine.

A recipe holds settings only; data, split, seed and folder are chosen when it is run. Settings given
beside a recipe override it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from spectrolite.errors import ReadError, SettingsError, did_you_mean
from spectrolite.files import read_text
from spectrolite.training.settings import setting_fields

FOLDER = Path(__file__).parent
MAX_RECIPE = 1 << 20  # bytes


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_recipe(name: str | Path) -> dict[str, Any]:
    """The settings of a recipe, as keywords of `train`.

    Examples:
        >>> read_recipe("course-10-epochs")["optimiser"]
        'adam'

    Args:
        name: one of `recipe_names`, or a path that ends in `.toml`.

    Raises:
        SettingsError: no such recipe, not TOML, or an unknown key. `train` checks the values, for
            the network that it trains.
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = FOLDER / f"{name}.toml"
        if str(name) not in recipe_names():
            raise SettingsError(
                f"--recipe: wanted one of {', '.join(recipe_names())}, or a path that ends in "
                f".toml, got {str(name)!r}{did_you_mean(str(name), recipe_names())}"
            )
    try:
        content = tomllib.loads(read_text(path, most=MAX_RECIPE))
    except OSError as error:
        raise SettingsError(f"--recipe: {path}: cannot be read ({error.strerror})") from error
    except ReadError:
        raise
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"--recipe: {path}: not TOML ({error})") from error
    names = list(setting_fields())
    for key in content:
        if key not in names:
            raise SettingsError(
                f"--recipe: {path}: unknown setting {key}; wanted some of {', '.join(names)}"
                f"{did_you_mean(key, names)}"
            )
    return content
