"""One figure of a report: its label, value and format, the same on every surface."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Group = Literal[
    "accuracy",
    "scene",
    "orientations",
    "class",
    "calibration",
    "train mode",
    "leakage",
    "baseline",
    "size",
    "time",
]


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        label: what is measured, the same words in every table, page and file.
        group: what it belongs to; tables draw a line between groups.
        value: in its unit, so an accuracy from 0 to 100; NaN where undefined.
        unit: `%`, `s`, `pixels`, or empty.
        decimals: shown.
        high: upper end of an interval, which begins at `value`.
        undefined: shown in the place of NaN.
        over: what an interval was drawn over, such as `12 fields`; empty where it is not known.
    """

    label: str
    group: Group
    value: float
    unit: str = "%"
    decimals: int = 2
    high: float | None = None
    undefined: str = "–"
    over: str = ""

    def __str__(self) -> str:
        if math.isnan(self.value):
            return self.undefined
        number = f"{self.value:,.{self.decimals}f}"
        if self.high is not None:
            number += f" to {self.high:,.{self.decimals}f}"
        unit = "" if self.unit == "s" else self.unit  # the label of a time says seconds
        over = f" ({self.over})" if self.over else ""
        return f"{number} {unit}".rstrip() + over


def accuracies(
    overall: float, average: float, kappa: float, group: Group = "accuracy", prefix: str = ""
) -> tuple[Figure, Figure, Figure]:
    """Overall accuracy, average accuracy and kappa, each given from 0 to 1."""
    return (
        Figure(f"{prefix}overall accuracy", group, 100 * overall),
        Figure(f"{prefix}average accuracy", group, 100 * average),
        Figure(f"{prefix}kappa x 100", group, 100 * kappa, ""),
    )


def percents(group: Group, shares: dict[str, float]) -> tuple[Figure, ...]:
    """Figures in %, by label, each given from 0 to 1."""
    return tuple(Figure(label, group, 100 * share) for label, share in shares.items())


def counted(number: int, plural: str) -> str:
    """`1 field`, `12 fields`."""
    return f"1 {plural.removesuffix('s')}" if number == 1 else f"{number:,} {plural}"


def report_lines(title: str, facts: Mapping[str, str], figures: Sequence[Figure]) -> str:
    """A title, then a line for each fact and figure; single classes are left to the tables."""
    shown = {**facts, **{f.label: str(f) for f in figures if f.group != "class"}}
    return "\n".join([title, *(f"  {name}: {value}" for name, value in shown.items())])
