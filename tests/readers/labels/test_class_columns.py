"""Numbers and words as classes, in files that pyogrio wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectrolite.errors import LabelsError
from spectrolite.readers import read_labels
from written_labels import scene, square, vector

VALUES: list[tuple[Any, str]] = [
    (
        np.array(["oats", None, " "], object),
        "is empty in 2 of 3, first in feature 2; fill the empty ones, or remove them",
    ),
    (
        np.array([1, np.nan, 2]),
        "is empty in 1 of 3, first in feature 2; fill the empty ones, or remove them",
    ),
    (
        np.array(["oats", "3", "rye"], object),
        "mixes numbers and words: '3' in feature 2, 'oats' in feature 1; use one of the two",
    ),
    (
        np.array([1.0, 2.5, 3.0]),
        ": wanted whole numbers from 0 (unlabelled) to 65535, got 2.5, first in feature 2; "
        "renumber "
        "the classes",
    ),
    (
        np.array([1, 2, -3]),
        ": wanted whole numbers from 0 (unlabelled) to 65535, got -3, first in feature 3; renumber "
        "the classes",
    ),
    (
        np.array(["2020-01-01"] * 3, "datetime64[D]"),
        ": wanted whole numbers or words, got datetime64[D]",
    ),
]


@pytest.mark.parametrize(("values", "said"), VALUES, ids=lambda v: str(v)[:12])
def test_values_that_are_not_classes(tmp_path: Path, values: Any, said: str) -> None:
    path = vector(tmp_path / "plots.gpkg", [square(1, 1), square(5, 5), square(8, 8)], values)
    with pytest.raises(LabelsError) as caught:
        read_labels(path, scene=scene(), class_field="crop")
    blank = "" if said.startswith(":") else " "
    assert str(caught.value) == f"{path}: attribute crop{blank}{said}"


def test_words_that_are_numbers_are_numbers_and_codes_are_words(tmp_path: Path) -> None:
    shapes = [square(1, 1), square(5, 5)]
    numbers = vector(tmp_path / "n.gpkg", shapes, np.array(["10", " 2"], object))
    assert read_labels(numbers, scene=scene(), class_field="crop").counts() == {2: 4, 10: 4}
    codes = vector(tmp_path / "c.gpkg", shapes, np.array(["010", "002"], object))
    assert read_labels(codes, scene=scene(), class_field="crop").class_names == {1: "002", 2: "010"}
