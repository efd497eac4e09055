"""What stored figures are made of."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

# JSON has no NaN: it is written as null and read back as NaN.
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


class Record(BaseModel):
    """Base of everything stored as JSON: frozen, no unknown keys, NaN as null."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class Spread(Record):
    """Mean and standard deviation of a sample (n - 1) over the `n` runs that have the figure."""

    mean: Number
    std: Number
    n: int


def spread(values: Iterable[float]) -> Spread:
    """Mean and standard deviation of the values; NaN counts as missing."""
    present = [value for value in values if not math.isnan(value)]
    return Spread(
        mean=statistics.fmean(present) if present else math.nan,
        std=statistics.stdev(present) if len(present) > 1 else math.nan,
        n=len(present),
    )
