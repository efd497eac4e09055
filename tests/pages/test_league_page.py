"""The page of a comparison: names are escaped, every row and difference is the league's."""

from __future__ import annotations

import re

import numpy as np
import pytest

from spectrolite.evaluation.league_table import Cell, League, made_league
from spectrolite.pages.league_page import league_page

MODELS = ("<b>net</b>", "oats & rye")
ACCURACIES = {MODELS[0]: (0.9, 0.8, 0.85), MODELS[1]: (0.7, 0.75, 0.6)}


@pytest.fixture
def league() -> League:
    cells = [
        Cell(
            identity=f"{model}{seed}",
            model=model,
            split="random,train=0.1",
            seed=seed,
            overall_accuracy=accuracy,
            average_accuracy=accuracy,
            kappa=accuracy,
            patch=5,
            overlap=0.5,
            train=100,
            test=900,
            classes_tested=3,
            classes=3,
            parameters=12_345,
            macs_per_pixel=6_789,
            training_s=2.0,
            map_s=0.5,
            chosen="",
            split_sha256="0",
            weights_sha256=None,
            versions={},
            threads=1,
        )
        for model, accuracies in ACCURACIES.items()
        for seed, accuracy in enumerate(accuracies)
    ]
    return made_league("<script>data", {}, ["random,train=0.1"], MODELS, cells)


def test_names_are_escaped(league: League) -> None:
    page = league_page(league)
    for name in ("<script>", "<b>net"):
        assert name not in page
        assert name.replace("<", "&lt;").replace(">", "&gt;") in page
    assert "<td>oats &amp; rye</td>" in page


def test_rows_and_differences_are_the_league_s(league: League) -> None:
    page = league_page(league)
    rows = re.findall(r"<tr><td>([^<]+)</td>(.*)</tr>", page)
    cells = {name: re.findall(r'<td class="n">([^<]+)</td>', row) for name, row in rows}
    for model, name in zip(MODELS, ("&lt;b&gt;net&lt;/b&gt;", "oats &amp; rye"), strict=True):
        values = 100 * np.array(ACCURACIES[model])
        spread = f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"
        assert cells[name] == [
            "3",
            *[spread] * 3,
            "5",
            "50.0 %",
            "12,345",
            "6,789",
            "2.0 ± 0.0",
            "0.50 ± 0.00",
        ]
    pair = cells["&lt;b&gt;net&lt;/b&gt; less oats &amp; rye"]
    mean = 100 * np.subtract(*map(np.array, ACCURACIES.values())).mean()
    assert pair[0] == "3"
    assert pair[1].startswith(f"{mean:+.2f} (")
    assert "100 training and 900 test pixels on average, 3 of 3 classes tested" in page
