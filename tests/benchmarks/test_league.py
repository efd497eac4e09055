"""The page of the league says what its records say, to the digit.

Independent references: means and deviations are taken here by numpy from the cells.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import league
import numpy as np
import pytest
from PIL import Image

from prose import numbers_near

ROOT = Path(__file__).parents[2]
SPATIAL = (*league.WITH_HYBRIDSN[1:], league.BY_CLASS)
OPTIMISTIC = (league.WITH_HYBRIDSN[0], *league.FEW)
ALL = (league.SLOW, league.NARROW, *league.MODELS)


def record_of(name: str) -> dict[str, Any]:
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


RECORD, TIMES = record_of("league"), record_of("league_times")
PAGE = (ROOT / "docs" / "which-network.md").read_text(encoding="utf-8")
NAME = "docs/which-network.md"


def accuracies(model: str, split: str, figure: str = "overall_accuracy") -> dict[int, float]:
    """Seed to points."""
    return {
        cell["seed"]: 100 * cell[figure]
        for cell in RECORD["cells"]
        if (cell["model"], cell["split"]) == (model, split)
    }


def spread(values: dict[int, float]) -> str:
    there = list(values.values())
    if not there:
        return ""
    return f"{np.mean(there):.2f} ± {np.std(there, ddof=1):.2f}"


def table_row(model: str, splits: tuple[str, ...]) -> str:
    shown = [spread(accuracies(model, split)) for split in splits]
    return f"| `{model}` |{'|'.join(f' {cell} ' if cell else ' ' for cell in shown)}|"


@pytest.mark.parametrize("splits", [SPATIAL, OPTIMISTIC], ids=["spatial", "optimistic"])
@pytest.mark.parametrize("model", ALL)
def test_every_row_is_that_of_the_record(model: str, splits: tuple[str, ...]) -> None:
    if any(accuracies(model, split) for split in splits):
        assert table_row(model, splits) in PAGE


BASELINES = [m for m in league.MODELS if m.startswith(("svm", "random_forest"))]
COLUMNS = (
    (league.WITH_HYBRIDSN[0], "mobilesn"),
    (league.WITH_HYBRIDSN[1], league.NARROW),
    (league.BY_CLASS, "mobilesn"),
)


def mean_of(model: str, split: str) -> float:
    return float(np.mean(list(accuracies(model, split).values())))


def paired(split: str, one: str, other: str) -> float:
    """Mean difference on the splits that both have."""
    left, right = accuracies(one, split), accuracies(other, split)
    return float(np.mean([left[seed] - right[seed] for seed in left if seed in right]))


def shown_difference(split: str, one: str, other: str) -> str:
    """The mean from the cells, the interval from the record's test."""
    (protocol,) = (p for p in RECORD["protocols"] if p["split"] == split)
    (found,) = (
        d
        for d in protocol["differences"]
        if d["figure"] == "overall_accuracy" and {d["one"], d["other"]} == {one, other}
    )
    low, high = sorted((found["low"], found["high"]))
    if found["one"] != one:
        low, high = -high, -low
    return f"{paired(split, one, other):+.2f} ({low:.2f} to {high:.2f})"


def test_the_differences_are_those_of_the_record() -> None:
    slow = [shown_difference(s, m, league.SLOW) for s, m in COLUMNS if s in league.WITH_HYBRIDSN]
    assert f"| HybridSN, on three splits | {' | '.join(slow)} | |" in PAGE
    plain = [name for name in BASELINES if "mnf" not in name]
    for words, names in (("on principal components", plain), ("of all", BASELINES)):
        best = [max(names, key=lambda name: mean_of(name, split)) for split, _ in COLUMNS]
        cells = [
            f"`{name}`: {shown_difference(split, model, name)}"
            for name, (split, model) in zip(best, COLUMNS, strict=True)
        ]
        assert f"| the best baseline {words} | {' | '.join(cells)} |" in PAGE
    place = [shown_difference(split, model, "position") for split, model in COLUMNS]
    assert f"| position | {' | '.join(place)} |" in PAGE


def test_the_claims_are_those_of_the_cells() -> None:
    random, guard, by_class = (split for split, _ in COLUMNS)
    for model, split in (
        ("position", random),
        ("mobilesn", random),
        ("mobilesn", guard),
        (league.SLOW, guard),
        ("position", guard),
    ):
        assert f"{mean_of(model, split):.2f}" in numbers_near(NAME, "never sees the image and")
    assert max(mean_of(model, random) for model in ALL) == mean_of("mobilesn", random)
    for split in league.WITH_HYBRIDSN:
        assert paired(split, "mobilesn", league.SLOW) > 0
        low, high = re.findall(
            r"\((.*) to (.*)\)", shown_difference(split, "mobilesn", league.SLOW)
        )[0]
        assert float(low) < 0 < float(high)
    assert paired(guard, league.NARROW, league.SLOW) > 0
    worth = [
        mean_of("svm,reduction=mnf", split) - mean_of("svm", split)
        for split in (random, guard, by_class)
    ]
    near = numbers_near(NAME, "noise fraction alone", "SVM on the pixel")
    assert near[-2:] == [f"{min(worth):.1f}", f"{max(worth):.1f}"]
    wide = "svm_context,side=25,reduction=mnf"
    assert near[0] == f"{-paired(by_class, 'mobilesn', wide):.2f}"
    ten, twenty, fifty = (split for split in league.FEW if split.startswith("per_class"))
    one = "random,train=0.01,allow_missing"
    few = [f"{mean_of(m, split):.2f}" for split in (ten, one) for m in (wide, "mobilesn")]
    near = numbers_near(NAME, "few training pixels", "from 20 a class")
    assert near == ["10", "25", *few[:2], "1", *few[2:], "20"]
    for split in (twenty, fifty, "random,train=0.05"):
        assert mean_of("mobilesn", split) > max(mean_of(name, split) for name in BASELINES)
    shown = [
        f"{paired(split, 'mobilesn', league.NARROW):+.2f}" for split in (random, guard, by_class)
    ]
    near = numbers_near(NAME, "instead of 13 changes MobileSN")
    assert near == ["25", "13", shown[0][1:], "10", shown[1][1:], shown[2][1:]]
    assert all(f" {figure}" in PAGE for figure in shown)  # with their signs
    (protocol,) = (p for p in RECORD["protocols"] if p["split"] == guard)
    fields = {row["patch"]: row["overlap"] for row in protocol["rows"] if row["seeds"] == 10}
    assert (fields[1], fields[5], fields[13]) == (0, 0, 0)
    assert f"{100 * fields[25]:.1f}" in numbers_near(NAME, "draw blocks", "with the guard")


def test_every_cell_was_computed() -> None:
    for split in (*SPATIAL, *OPTIMISTIC):
        for model in league.MODELS:
            assert sorted(accuracies(model, split)) == list(range(10)), (model, split)
    for split in league.WITH_HYBRIDSN:
        assert sorted(accuracies(league.SLOW, split)) == [0, 1, 2]
    for split in (*league.WITH_HYBRIDSN, league.BY_CLASS):
        assert sorted(accuracies(league.NARROW, split)) == list(range(10))


def test_the_picture_is_drawn() -> None:
    assert "](which-network.png)" in PAGE
    with Image.open(ROOT / "docs" / "which-network.png") as picture:
        assert picture.size[0] >= 800


def test_the_times_are_those_of_the_record() -> None:
    rows = {row["model"]: row for row in TIMES["rows"]}
    assert set(rows) == set(ALL)
    for model, row in rows.items():
        cells = [f" {row['training_s']:.1f} ", f" {row['map_s']:.3f} ", " ", " ", " "]
        if row["command_s"] is not None:
            cells[2:] = [f" {row['command_s']:.0f} "]
            cells += [f" {row[key]:.3f} " for key in ("steady_map_s", "network_s")]
        assert f"| `{model}` |{'|'.join(cells)}|" in PAGE


def test_parameters_and_macs_are_those_of_the_record() -> None:
    of = {cell["model"]: cell for cell in RECORD["cells"]}
    shown = ["{parameters:,} and {macs_per_pixel:,}".format(**of[name]) for name in ALL[:3]]
    numbers = [n for k in (0, 2, 1) for n in shown[k].split(" and ")]
    near = numbers_near(NAME, "multiply-accumulates a pixel", "HybridSN")
    assert near == [*numbers[:4], "13", *numbers[4:]]


def test_the_tables_of_results_and_front_page_are_those_of_the_record() -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    splits = [split for split, _ in COLUMNS]
    rows: dict[str, list[str]] = {
        "**MobileSN**": ["mobilesn"] * 3,
        "MobileSN with a receptive field of 13 pixels, which the guard covers": [league.NARROW] * 3,
        "HybridSN": [league.SLOW] * 3,
        "position alone": ["position"] * 3,
    }
    for title, kind in (
        ("best SVM on principal components", False),
        ("best SVM on MobileSN's input, the noise fraction", True),
    ):
        svms = [name for name in BASELINES if "svm" in name and ("mnf" in name) == kind]
        rows[title] = [max(svms, key=lambda name: mean_of(name, split)) for split in splits]
        assert len({*svms}) == 4
    bold = {  # the best of each column
        split: max(
            mean_of(models[k], split) for models in rows.values() if accuracies(models[k], split)
        )
        for k, split in enumerate(splits)
    }
    for title, models in rows.items():
        cells = []
        for split, model in zip(splits, models, strict=True):
            cell = spread(accuracies(model, split))
            best = bool(cell) and mean_of(model, split) == bold[split]
            cells.append(f" **{cell}** " if best else f" {cell} " if cell else " ")
        assert f"| {title} |{'|'.join(cells)}|" in page
    columns = splits[:2]
    short = {
        "MobileSN, receptive field 13 pixels, 32,008 parameters": [league.NARROW] * 2,
        "HybridSN, 5,122,416 parameters": [league.SLOW] * 2,
        "best tuned SVM": rows["best SVM on MobileSN's input, the noise fraction"][:2],
        "position alone, never sees the image": ["position"] * 2,
    }
    best_of = [max(mean_of(m[k], s) for m in short.values()) for k, s in enumerate(columns)]
    for title, models in short.items():
        cells = [spread(accuracies(m, s)) for m, s in zip(models, columns, strict=True)]
        for k, (model, split) in enumerate(zip(models, columns, strict=True)):
            if mean_of(model, split) == best_of[k]:
                cells[k] = f"**{cells[k]}**"
        assert f"| {title} | {' | '.join(cells)} |" in front
    position = f"{mean_of('position', columns[0]):.1f}"
    assert numbers_near("README.md", "never sees the image", "leakage") == [position]
    for split, model in COLUMNS:
        rival = max(BASELINES, key=lambda name: mean_of(name, split))
        low, high = re.findall(r"\((.*) to (.*)\)", shown_difference(split, model, rival))[0]
        assert float(low) < 0 < float(high)
