"""The grammar of splits: methods, their keywords, and the values that each accepts.

`blocks,train=0.3,side=20,guard=6,seed=1,allow_missing`: the keywords are those of `split`; a
keyword without a value is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spectrolite.errors import SplitError, did_you_mean, wanted_one_of
from spectrolite.samples.split_methods import Values

Parameter = int | float | bool | str

# The keywords of each method, with their defaults; all methods have those in COMMON too.
METHODS: dict[str, dict[str, Parameter]] = {
    "random": {"train": 0.1},
    "per_class": {"n": 20},
    "blocks": {"train": 0.3, "side": 20},
    "blocks_by_class": {"train": 0.3, "side": 10},
    "fields": {"train": 0.3},
    "polygons": {"train": 0.3},
    "scenes": {"train": 0.5},
    "given": {},
}

COMMON = ("seed", "guard", "validation", "allow_missing")
KEYWORDS = ("train", "test", "n", "side", *COMMON)


def parse_split(text: str) -> tuple[str, dict[str, Any]]:
    """Method and keywords of a split in the grammar of the command line.

    Examples:
        >>> parse_split("blocks,train=0.3,side=20,allow_missing")
        ('blocks', {'train': 0.3, 'side': 20, 'allow_missing': True})

    Raises:
        SplitError: text outside the grammar, an unknown method or keyword, or a keyword that is
            given twice.
    """
    method, *words = _words(text)
    if method not in METHODS:
        raise SplitError(f"--split: {wanted_one_of(METHODS, method)}")
    parameters: dict[str, Any] = {}
    for word in words:
        key, equals, value = (part.strip() for part in word.partition("="))
        if not key or (equals and not value):
            raise SplitError(f"--split: wanted key=value or a bare word, got {word!r} in {text!r}")
        if key not in KEYWORDS:
            raise SplitError(
                f"--split: no keyword {key}; wanted one of {', '.join(KEYWORDS)}"
                f"{did_you_mean(key, KEYWORDS)}"
            )
        if key in parameters:
            raise SplitError(f"--split: {key} is given twice in {text!r}")
        parameters[key] = parsed(value) if equals else True
        if equals and (method, key) == ("scenes", "test"):  # a scene may be called 2024
            parameters[key] = value
    return method, parameters


def _words(text: str) -> list[str]:
    """The words between commas, but for commas inside double quotes, which are left out.

    Examples:
        >>> _words('given,train="a,b.tif",test=c.tif')
        ['given', 'train=a,b.tif', 'test=c.tif']

    Raises:
        SplitError: a quote that is never closed.
    """
    pieces = text.split('"')
    if len(pieces) % 2 == 0:
        raise SplitError(f"--split: a double quote is never closed in {text!r}")
    words = [""]
    for n, piece in enumerate(pieces):
        first, *others = [piece] if n % 2 else piece.split(",")
        words[-1] += first
        words += others
    return [word.strip() for word in words]


def checked(method: str, parameters: Mapping[str, object]) -> Values:
    """The method's keywords, complete and in range.

    Raises:
        SplitError: an unknown keyword, or a value out of range.
    """
    defaults = METHODS[method]
    unknown = sorted(set(parameters) - set(defaults))
    if unknown:
        known = [*defaults, *COMMON]
        raise SplitError(
            f"{method}: no keyword {', '.join(unknown)}; wanted {', '.join(known)}"
            f"{did_you_mean(unknown[0], known)}"
        )
    values: Values = {}
    for key, default in defaults.items():
        value = parameters.get(key, default)
        values[key] = share_of(key, value, None) if key == "train" else whole_number(key, value, 1)
    return values


def written(method: str, parameters: Mapping[str, Parameter]) -> str:
    """A split in the grammar: what `parse_split` reads.

    Examples:
        >>> written("blocks", {"train": 0.3, "allow_missing": True})
        'blocks,train=0.3,allow_missing'
    """
    quoted = {k: f'"{v}"' if isinstance(v, str) and "," in v else v for k, v in parameters.items()}
    words = (k if v is True else f"{k}={v}" for k, v in quoted.items() if v is not False)
    return ",".join([method, *words])


def share_of(key: str, value: object, low: int | None) -> float:
    """A share above 0 and below 1; with `low` 0, 0 too."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(
        value, bool
    )
    if not number or not (0 < value < 1 or value == low):  # type: ignore[operator]
        wanted = "above 0 and below 1" if low is None else f"from {low} to below 1"
        raise SplitError(f"{key}: wanted a share {wanted}, got {value!r}")
    return float(value)  # type: ignore[arg-type]


def whole_number(key: str, value: object, low: int, high: int | None = None) -> int:
    """A whole number from `low` to `high`; any number from `low` up if `high` is None."""
    number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not number or value < low or (high is not None and value > high):  # type: ignore[operator]
        wanted = f"from {low} up" if high is None else f"from {low} to {high}"
        raise SplitError(f"{key}: wanted a whole number {wanted}, got {value!r}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def parsed(text: str) -> Parameter:
    """The value of a keyword: true or false, a number, or the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
