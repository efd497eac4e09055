"""Warnings of a report: whole sentences, for confusion matrices written down."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spectrolite.evaluation.caveats import interval_note, learned_nothing, warnings_of

NAMES = ("disc", "square", "triangle")


@pytest.mark.parametrize(
    ("confusion", "wanted"),
    [
        (
            [[0, 4, 0], [0, 4, 0], [0, 4, 0]],
            "the network learned nothing: it calls all 12 of the test part square",
        ),
        (
            [[1, 3, 0], [2, 2, 0], [0, 4, 0]],
            "the network learned nothing that the test part shows: it is right in 25.00%, and "
            "calling everything disc would be right in 33.33%",
        ),
        (
            [[3, 1, 0], [4, 0, 0], [3, 1, 0]],
            "the network learned nothing that the test part shows: it is right in 25.00%, and "
            "calling everything disc would be right in 33.33%",
        ),
        ([[4, 0, 0], [0, 1, 3], [0, 4, 0]], None),  # 5 of 12 is above a third
        ([[4, 0, 0], [0, 0, 0], [0, 0, 0]], None),  # one class is tested: nothing to compare
    ],
)
def test_what_shows_that_nothing_was_learned(confusion: list[list[int]], wanted: str) -> None:
    assert learned_nothing(np.array(confusion), NAMES) == wanted


def test_warnings_are_whole_sentences() -> None:
    even = np.array([[4, 0], [2, 2]])
    assert warnings_of(None, 50, 0.6, even) == ()
    assert warnings_of(None, 50, math.nan, even) == ()
    assert warnings_of(None, 1, 0.4, even) == (
        "The 95 % interval of the overall accuracy begins at 40.00%, and calling all the commonest "
        "class of the test part is right in 50.00%: the network may be no better than that.",
        "Trained for 1 step of the optimiser; the running statistics of BatchNorm want 50 or more. "
        "Raise --epochs, or lower --batch where training is in batches.",
    )
    assert warnings_of("the network learned nothing", 60, 0.0, even) == (
        "The network learned nothing. Its confidence means nothing.",
    )


def test_an_interval_over_few_fields_says_so() -> None:
    assert interval_note(10, "fields") is None
    assert interval_note(3, "fields") == (
        "The interval is drawn over 3 fields only and says little: with fewer than 10 it is too "
        "short, and 100 to 100 % where all are right."
    )
    assert interval_note(1, "fields") == (
        "All test pixels lie in one of the fields: no interval can be drawn over fields."
    )
