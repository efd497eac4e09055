"""The lessons say what their records say, to the digit.

Independent references: means and deviations are taken here by numpy from the trainings; what ReLU
keeps, the rounding of a scale and the arithmetic of convolutions are worked out by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lesson_bottlenecks as bottlenecks
import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
LESSONS = ROOT / "docs" / "lessons"


def record_of(name: str) -> dict[str, Any]:
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def page(name: str) -> str:
    """The words of a lesson, in one line."""
    return " ".join((LESSONS / f"{name}.md").read_text(encoding="utf-8").split())


def spread(values: list[float]) -> str:
    return f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f}"


def test_every_lesson_has_its_picture() -> None:
    pictures = {path.stem for path in LESSONS.glob("*.png")}
    assert pictures == {path.stem for path in LESSONS.glob("*.md")}
    for path in LESSONS.glob("*.png"):
        with Image.open(path) as picture:
            assert picture.size[0] >= 800
        assert f"]({path.name})" in page(path.stem)


# Linear bottlenecks


def test_linear_bottlenecks_says_what_was_trained() -> None:
    record, text = record_of("lesson_bottlenecks"), page("linear-bottlenecks")
    for activation, word in (("relu6", "ReLU6"), ("relu", "ReLU")):
        cells: dict[str, tuple[str, str]] = {}
        for ends in ("linear", "activated"):
            own = [
                row
                for row in record["trainings"]
                if (row["activation"], row["ends"]) == (activation, ends)
            ]
            assert [row["seed"] for row in own] == [0, 1, 2]
            loss = np.mean([row["losses"][-1] for row in own])
            cells[ends] = spread([row["accuracy"] for row in own]), f"{loss:.2f}"
        (linear, low), (activated, high) = cells.values()
        assert f"| {word} | **{linear}** | {activated} | {low}, {high} |" in text
    shares = [row["not_positive"] for row in record["table"]]
    assert "({0:.0%} in the linear networks, {1:.0%} and {3:.0%} before".format(*shares).replace(
        "%", " %"
    ) in text  # fmt: skip
    assert f"{shares[2]:.0%}" == f"{shares[0]:.0%}"
    assert f"{record['training_images']:,} training and {record['test_images']} test" in text
    assert f"{record['settings']['epochs']} epochs" in text


def test_linear_bottlenecks_says_what_the_spiral_lost() -> None:
    record, text = record_of("lesson_bottlenecks"), page("linear-bottlenecks")
    rows = record["spiral"]
    assert f"| n | {' | '.join(str(row['dimensions']) for row in rows)} |" in text
    for key, words in (("mean", "mean"), ("max", "worst matrix")):
        cells = " | ".join(f"{100 * row[key]:.2f} %" for row in rows)
        assert f"| variance lost, {words} | {cells} |" in text


def test_nothing_is_lost_where_both_signs_are_kept() -> None:
    """A matrix with its negative beside it: ReLU(y) - ReLU(-y) is y."""

    class Mirrored:
        def normal(self, size: tuple[int, int]) -> Any:
            half = np.random.default_rng(0).normal(size=(2, size[1] // 2))
            return np.c_[half, -half]

    assert bottlenecks.lost(4, Mirrored()) < 1e-20  # type: ignore[arg-type]


def test_half_of_the_plane_is_lost_in_one_dimension() -> None:
    """One direction of two is never seen, and of the other ReLU keeps one side."""
    shares = [bottlenecks.lost(1, np.random.default_rng(seed)) for seed in range(5)]
    assert min(shares) > 0.5
    assert max(shares) < 1
