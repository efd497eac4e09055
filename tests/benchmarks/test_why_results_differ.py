"""Numbers in the documentation are those of the recorded results, to the digit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from why_results_differ import title

from prose import numbers_near

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "why-results-differ.md"


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """What `benchmarks/why_results_differ.py` wrote."""
    path = ROOT / "benchmarks" / "results" / "why_results_differ.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_every_cause_stands_in_the_page_with_its_spread(record: dict[str, Any]) -> None:
    assert len(record["causes"]) == 10
    rows = re.findall(
        r"^\| ([^|]+) \| ([\d.]+) ± ([\d.]+) \| ([\d.]+) to ([\d.]+) \|$",
        PAGE.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    expected = [
        (title(name), *(f"{100 * cause[key]:.2f}" for key in ("mean", "std", "min", "max")))
        for name, cause in record["causes"].items()
    ]
    assert rows == expected


def test_a_spread_is_that_of_its_repetitions(record: dict[str, Any]) -> None:
    for name, cause in record["causes"].items():
        values = cause["overall_accuracy"]
        mean = sum(values) / len(values)
        std = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
        assert (cause["mean"], cause["std"]) == pytest.approx((mean, std))
        assert (cause["min"], cause["max"]) == (min(values), max(values))
        assert len(values) >= (2 if name == "nothing" else 5)
    base = record["causes"]["nothing"]["overall_accuracy"][0]
    assert record["causes"]["weights"]["overall_accuracy"][0] == base
    assert record["weights_sha256"] == record["weights_sha256_again"]


def test_what_the_page_says_was_run_was_run(record: dict[str, Any]) -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert record["data"] == "indian_pines, rows 18:90, columns 6:78"
    for words in (
        "rows 18 to 89 and columns 6 to 77",
        f"{record['classes']} classes",
        f"{record['training_pixels']} training and {record['test_pixels']:,} test pixels",
        f"{record['settings']['epochs']} steps",
        record["machine"]["processor"],
    ):
        assert words in text, words


def test_the_numbers_in_the_prose_are_measured_ones(record: dict[str, Any]) -> None:
    page, causes = "docs/why-results-differ.md", record["causes"]
    random = [causes[name] for name in ("weights", "order", "dropout", "split", "threads")]
    ends = min(c["min"] for c in random), max(c["max"] for c in random)
    near = numbers_near(page, "same network and data gave")
    assert near == [f"{100 * end:.2f}" for end in ends]
    means = [f"{100 * causes[f'batchnorm live, batch {n}']['mean']:.0f}" for n in (2, 8, 128)]
    near = numbers_near(page, "with the same weights")
    assert near == [means[0], "2", means[1], "8", means[2], "128"]
    after = record["evaluation_mode_afterwards"]["batchnorm live, batch 2"]
    base = causes["nothing"]["mean"]
    near = numbers_near(page, "running statistics", "after one such test")
    assert near == ["2", *(f"{100 * a:.2f}" for a in (min(after), max(after), base))]
    one, two = causes["weights"]["overall_accuracy"], record["two_threads"]
    moved = [100 * abs(a - b) for a, b in zip(one, two, strict=True)]
    near = numbers_near(page, "one thread or two")
    assert near[-2:] == [f"{min(moved):.2f}", f"{max(moved):.2f}"]
    assert f"{100 * base:.2f}" in numbers_near(page, "base run fixes everything")
    differences = [two - one for one, two in zip(one, two, strict=True)]
    assert causes["threads"]["overall_accuracy"] == pytest.approx([base + d for d in differences])
    assert causes["split"]["std"] == max(c["std"] for c in random)  # "the largest spread of all"


def test_the_picture_is_there() -> None:
    with Image.open(ROOT / "docs" / "why-results-differ.png") as picture:
        assert picture.size[0] >= 800
