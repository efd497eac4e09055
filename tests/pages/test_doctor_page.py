"""The page of a checkup: every name and meaning is escaped, every number is the checkup's."""

from __future__ import annotations

import math

from spectrolite.evaluation.calibration import Bin, Calibration
from spectrolite.evaluation.checkup import Check, Checkup
from spectrolite.pages.doctor_page import checkup_page

CHECKUP = Checkup(
    model="<b>net</b>",
    data="Oats & rye",
    checks=(
        Check(
            name="<script>",
            verdict="wrong",
            measured=0.12345,
            threshold=0.1,
            meaning="a < b",
            details={"<i>layer</i>": 2.5},
        ),
        Check(name="inputs", verdict="not checked", meaning="no data"),
    ),
    calibration=Calibration(
        bins=(
            Bin(low=0.0, high=0.5, count=0, accuracy=math.nan, confidence=math.nan),
            Bin(low=0.5, high=1.0, count=1200, accuracy=0.75, confidence=0.8),
        ),
        error=0.05,
        confidence=0.8,
        accuracy=0.75,
    ),
    kernels=(),
)


def test_names_are_escaped_and_numbers_shown() -> None:
    page = checkup_page(CHECKUP, None)
    for name in ("<b>net", "<script>", "<i>layer"):
        assert name not in page
        assert name.replace("<", "&lt;").replace(">", "&gt;") in page
    assert "Oats &amp; rye" in page
    assert "<h2>Wrong: &lt;script&gt;</h2>" in page
    assert '<td class="n">0.123</td><td class="n">0.1</td><td>a &lt; b</td>' in page
    assert '<td class="n">–</td><td class="n">–</td><td>no data</td>' in page
    assert '&lt;i&gt;layer&lt;/i&gt;</td><td class="n">2.5</td>' in page
    row = '<td>50.0 to 100.0 %</td><td class="n">1,200</td>'
    assert f'{row}<td class="n">80.00 %</td><td class="n">75.00 %</td>' in page
    assert "0.0 to 50.0 %" not in page
    assert "Expected calibration error 5.00 % over 1,200 test samples, 2 bins" in page


def test_a_bundle_has_no_calibration() -> None:
    page = checkup_page(CHECKUP.model_copy(update={"calibration": None}), None)
    assert "Not measured: a bundle does not know its test pixels." in page
    assert "<img" not in page
