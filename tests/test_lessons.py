"""The lessons say what their records say, to the digit.

Independent references: means and deviations are taken here by numpy from the trainings; what ReLU
keeps, the rounding of a scale and the arithmetic of convolutions are worked out by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lesson_bottlenecks as bottlenecks
import lesson_separable as separable
import numpy as np
import pytest
from PIL import Image

import spectrolite as sl

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


# Depthwise separable convolutions


def test_separable_says_what_was_timed() -> None:
    record, text = record_of("lesson_separable"), page("depthwise-separable-convolutions")
    speeds: dict[str, list[float]] = {"depthwise": [], "pointwise": [], "ordinary": []}
    for row in record["layers"]:
        for name, values in speeds.items():
            values.append(row[name]["macs"] / row[name]["seconds"] / 1e9)
        last = " | ".join(f"{values[-1]:.1f}" for values in speeds.values())
        assert (
            f"| {row['channels']} → {row['out']}, {row['side']}×{row['side']} | {row['batch']} | "
            f"{row['times_macs']:.2f} | {row['times_seconds']:.2f} | {last} |"
        ) in text
    depthwise, pointwise, ordinary = (max(values) for values in speeds.values())
    assert f"reaches {depthwise:.1f} billion MACs a second at best" in text
    assert f"ones reach {pointwise:.1f} and {ordinary:.1f}." in text
    assert depthwise < pointwise / 4
    slower = [row for row in record["layers"] if row["times_seconds"] < 1]
    assert [(row["channels"], row["out"], row["batch"]) for row in slower] == [(3, 4, 1)]
    best = max(row["times_seconds"] for row in record["layers"])
    assert f"up to {best:.2f} times instead" in text
    shares = [
        row["depthwise"]["seconds"] / (row["depthwise"]["seconds"] + row["pointwise"]["seconds"])
        for row in record["layers"]
        if (row["channels"], row["side"]) == (32, 32)
    ]
    assert f"takes {100 * shares[1]:.0f} % of its time" in text
    assert f"{100 * shares[0]:.0f} % with one." in text


def test_separable_says_what_whole_networks_take() -> None:
    record, text = record_of("lesson_separable"), page("depthwise-separable-convolutions")
    rows = {(row["network"], row["batch"]): row for row in record["networks"]}
    for (name, batch), row in rows.items():
        speed = row["macs"] * batch / row["seconds"] / 1e9
        shown = f"{row['macs'] / 1e6:.1f} | {1e3 * row['seconds']:.2f} | {speed:.1f}"
        assert f"| {name} | {batch} | {shown} |" in text

    def times(one: str, other: str, batch: int) -> tuple[str, str]:
        pair = rows[one, batch], rows[other, batch]
        return tuple(f"{pair[0][key] / pair[1][key]:.1f}" for key in ("macs", "seconds"))  # type: ignore[return-value]

    macs, seconds = times("V1, ordinary", "V1", 32)
    assert f"{macs} times fewer MACs than the network that it replaces and takes {seconds}" in text
    assert f"{times('V1, ordinary', 'V1', 1)[1]} times less with one." in text
    macs, seconds = times("V2", "V1", 32)
    assert f"{macs} times the MACs of V1 and takes {seconds} times as long" in text
    macs, seconds = times("V1", "V1 ×0.25", 1)
    assert f"{macs} times fewer MACs than V1 and takes {seconds} times less time" in text


def test_the_pair_and_what_it_replaces_are_counted_as_by_hand() -> None:
    """The course's example: 27 + 12 weights against 108."""
    row = separable.measure_layer(3, 4, 4, 1)
    weights = {name: row[name]["weights"] for name in separable.COLOURS}
    assert weights == {"depthwise": 27, "pointwise": 12, "ordinary": 108}
    assert row["ordinary"]["macs"] == 108 * 16
    assert row["depthwise"]["bytes"] == 4 * (2 * 3 * 16 + 27)
    assert row["times_macs"] == pytest.approx(108 / 39)
    whole = separable.network("V1, ordinary")
    assert (
        sum(p.numel() for p in whole.parameters())
        == sl.cost(separable.network("V1"), (3, 32, 32)).ordinary_parameters
    )
