"""What stored figures are made of."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

# JSON has no NaN: it is written as null and read back as NaN.
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


class Part(BaseModel):
    """Base of the report's parts."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")
