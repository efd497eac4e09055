"""Time several functions turn by turn, so that a busy machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def seconds_in_turns(functions: Sequence[Callable[[], object]], turns: int) -> NDArray[np.float64]:
    """Seconds of each call, `(functions, turns)`; one turn before them warms up.

    Args:
        functions: called in this order in each turn.
        turns: how many are timed.
    """
    for function in functions:
        function()
    seconds = np.empty((len(functions), turns))
    for turn in range(turns):
        for k, function in enumerate(functions):
            start = time.perf_counter()
            function()
            seconds[k, turn] = time.perf_counter() - start
    return seconds
