"""What the doctor found as one self-contained HTML page, beside the report."""

from __future__ import annotations

import base64
import io
from html import escape

from matplotlib import rc_context
from matplotlib.figure import Figure

from spectrolite.calibration import Calibration
from spectrolite.checks import Checkup
from spectrolite.page_parts import document, percent

MARKS = {"ok": "#1e7d4f", "wrong": "#b3261e", "not checked": "#5d6770"}


def checkup_page(checkup: Checkup) -> str:
    """The whole page as text."""
    title = f"Checkup of {checkup.model} on {checkup.data}"
    wrong = [check.name for check in checkup.checks if check.verdict == "wrong"]
    verdict = f"Wrong: {', '.join(wrong)}" if wrong else "Nothing found that is wrong"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<div class="verdict {"" if wrong else "clean"}"><h2>{verdict}</h2></div>',
        "<h2>Checks</h2>",
        _table(checkup),
        "<h2>Calibration</h2>",
        _calibration(checkup.calibration),
        "<h2>Numbers behind</h2>",
        _details(checkup),
    ]
    return document(title, parts)


def number(value: float | None) -> str:
    """A measured number with three digits that count, or a dash."""
    return "–" if value is None else f"{value:.3g}"


def _table(checkup: Checkup) -> str:
    head = '<th>check</th><th>verdict</th><th class="n">measured</th><th class="n">at most</th>'
    rows = "".join(
        f'<tr><td>{escape(c.name)}</td><td style="color:{MARKS[c.verdict]}"><b>{c.verdict}</b></td>'
        f'<td class="n">{number(c.measured)}</td><td class="n">{number(c.threshold)}</td>'
        f"<td>{escape(c.meaning)}</td></tr>"
        for c in checkup.checks
    )
    return f'<div class="wide"><table><tr>{head}<th>what it means</th></tr>{rows}</table></div>'


def _details(checkup: Checkup) -> str:
    rows = "".join(
        f"<tr><td>{escape(check.name)}</td><td>{escape(name)}</td>"
        f'<td class="n">{number(value)}</td></tr>'
        for check in checkup.checks
        for name, value in check.details.items()
    )
    return (
        '<p class="soft">Means are distances in standard deviations; spreads are ratios of '
        "standard deviations as powers of two, so that 1 is twice or half.</p>"
        f'<div class="wide"><table>{rows}</table></div>'
    )


def _calibration(measured: Calibration | None) -> str:
    if measured is None:
        return '<p class="soft">Not measured: a bundle does not know its test pixels.</p>'
    rows = "".join(
        f'<tr><td class="n">{100 * b.low:.1f} to {100 * b.high:.1f} %</td>'
        f'<td class="n">{b.count:,}</td><td class="n">{percent(b.confidence)}</td>'
        f'<td class="n">{percent(b.accuracy)}</td></tr>'
        for b in measured.bins
        if b.count
    )
    head = "".join(
        f'<th class="n">{name}</th>' for name in ("confidence", "samples", "mean", "of them right")
    )
    return (
        f"<p>Expected calibration error {percent(measured.error)} over {measured.count:,} test "
        f"samples, {len(measured.bins)} bins of equal width: mean confidence "
        f"{percent(measured.confidence)}, accuracy {percent(measured.accuracy)}.</p>"
        f'<img class="curve" alt="reliability curve" src="{_picture(measured)}">'
        f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'
    )


def _picture(measured: Calibration) -> str:
    """Accuracy over confidence above, samples below, as a data address."""
    bins = [b for b in measured.bins if b.count]
    with rc_context({"svg.hashsalt": "spectrolite", "font.size": 9}):
        figure = Figure(figsize=(5.2, 5.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot([0, 1], [0, 1], color="#9fb3c0", linestyle="--", label="calibrated")
        upper.bar(
            [b.low for b in bins], [b.accuracy for b in bins], [b.high - b.low for b in bins],
            align="edge", color="#1f6f8b", alpha=0.35, edgecolor="#1f6f8b",
        )  # fmt: skip
        upper.plot(
            [b.confidence for b in bins], [b.accuracy for b in bins], "o-", color="#1f6f8b",
            markersize=4, label="this network",
        )  # fmt: skip
        upper.set(ylabel="share that is right", ylim=(0, 1.02), xlim=(0, 1))
        upper.legend(loc="upper left", frameon=False)
        lower.bar(
            [b.low for b in bins], [b.count for b in bins], [b.high - b.low for b in bins],
            align="edge", color="#9fb3c0", edgecolor="#5d6770",
        )  # fmt: skip
        lower.set(xlabel="confidence", ylabel="samples", yscale="log", ylim=(0.7, None))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
