"""The grammar of splits: methods, their keywords, and what each may be.

`blocks,train=0.3,side=20,guard=6,seed=1,allow_missing`: the keywords are those of `split`, a bare
word is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spectrolite.errors import SplitError, did_you_mean, wanted_one_of
from spectrolite.samples.split_methods import Values

Parameter = int | float | bool | str

# What each method takes beside seed, guard, validation and allow_missing, with its default.
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

    >>> parse_split("blocks,train=0.3,side=20,allow_missing")
    ('blocks', {'train': 0.3, 'side': 20, 'allow_missing': True})

    Raises:
        SplitError: an unknown method or keyword, or a keyword given twice or without a value.
    """
    method, *words = (word.strip() for word in text.split(","))
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
            raise SplitError(f"--split: {key} stands twice in {text!r}")
        parameters[key] = parsed(value) if equals else True
        if equals and (method, key) == ("scenes", "test"):  # a scene may be called 2024
            parameters[key] = value
    return method, parameters


def checked(method: str, parameters: Mapping[str, object]) -> Values:
    """The method's keywords, complete and in range."""
    known = METHODS[method]
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise SplitError(
            f"{method}: no keyword {', '.join(unknown)}; wanted {', '.join([*known, *COMMON])}"
            f"{did_you_mean(unknown[0], [*known, *COMMON])}"
        )
    values: Values = {}
    for key, default in known.items():
        value = parameters.get(key, default)
        values[key] = share_of(key, value, None) if key == "train" else whole_number(key, value, 1)
    return values


def share_of(key: str, value: object, low: int | None) -> float:
    """A share below 1 and above 0, or from 0 where `low` is 0."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(
        value, bool
    )
    if not number or not (0 < value < 1 or value == low):  # type: ignore[operator]
        wanted = "above 0 and below 1" if low is None else f"from {low} to below 1"
        raise SplitError(f"{key}: wanted a share {wanted}, got {value!r}")
    return float(value)  # type: ignore[arg-type]


def whole_number(key: str, value: object, low: int, high: int | None = None) -> int:
    """A whole number from `low` to `high`, or from `low` up."""
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
