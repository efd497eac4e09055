"""What the doctor found as one self-contained HTML page, beside the report."""

from __future__ import annotations

import base64
import io
from html import escape

from matplotlib import rc_context
from matplotlib.figure import Figure

from spectrolite.evaluation.calibration import Calibration
from spectrolite.evaluation.checkup import Checkup
from spectrolite.evaluation.depthwise_kernels import WEAK
from spectrolite.pages.html import document, percent

MARKS = {"ok": "#1e7d4f", "wrong": "#b3261e", "not checked": "#5d6770"}


def checkup_page(checkup: Checkup, kernels: bytes | None) -> str:
    """The whole page as text; `kernels` is the PNG of the depthwise ones, where there are any."""
    title = f"Checkup of {checkup.model} on {checkup.data}"
    wrong = [check.name for check in checkup.checks if check.verdict == "wrong"]
    verdict = f"Wrong: {', '.join(wrong)}" if wrong else "Nothing found that is wrong"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<div class="verdict {"" if wrong else "clean"}"><h2>{verdict}</h2></div>',
        "<h2>Checks</h2>",
        _table(checkup),
        "<h2>Depthwise kernels</h2>",
        _kernels(checkup, kernels),
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


def kernel_sentence(checkup: Checkup) -> str:
    """What was found of the depthwise kernels, in one sentence."""
    if not checkup.kernels:
        return (
            f"{checkup.model} has no depthwise layers, so there are no kernels that could be dead."
        )
    kernels, dead, weak = (
        sum(counts)
        for counts in zip(
            *((k.kernels, len(k.dead), len(k.weak)) for k in checkup.kernels), strict=True
        )
    )
    return (
        f"{kernels:,} depthwise kernels. Dead: {dead:,}, whose output after the activation is one "
        f"constant, whatever comes in. Weak: {weak:,} more, whose output on the training data has "
        f"a variance of at most {WEAK:.0%} of the mean over their layer's channels."
    )


def _kernels(checkup: Checkup, picture: bytes | None) -> str:
    said = f"<p>{escape(kernel_sentence(checkup))}</p>"
    if picture is None:
        return said
    head = "".join(
        f'<th class="n">{name}</th>' for name in ("kernels", "dead", "weak", "smallest share")
    )
    rows = "".join(
        f'<tr><td>{escape(k.name)}</td><td class="n">{k.kernels}</td><td class="n">{len(k.dead)}'
        f'</td><td class="n">{len(k.weak)}</td><td class="n">{number(min(k.shares))}</td></tr>'
        for k in checkup.kernels
    )
    address = "data:image/png;base64," + base64.b64encode(picture).decode()
    return (
        f'{said}<div class="wide"><table><tr><th>layer</th>{head}</tr>{rows}</table></div>'
        f'<p class="soft">Weights with BatchNorm folded in: red positive, blue negative, white '
        "zero; one scale a layer. A black frame: dead. An orange frame: weak.</p>"
        f'<img style="max-width:100%" alt="depthwise kernels" src="{address}">'
    )


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
            [b.low for b in bins],
            [b.accuracy for b in bins],
            [b.high - b.low for b in bins],
            align="edge",
            color="#1f6f8b",
            alpha=0.35,
            edgecolor="#1f6f8b",
        )
        upper.plot(
            [b.confidence for b in bins],
            [b.accuracy for b in bins],
            "o-",
            color="#1f6f8b",
            markersize=4,
            label="this network",
        )
        upper.set(ylabel="share that is right", ylim=(0, 1.02), xlim=(0, 1))
        upper.legend(loc="upper left", frameon=False)
        lower.bar(
            [b.low for b in bins],
            [b.count for b in bins],
            [b.high - b.low for b in bins],
            align="edge",
            color="#9fb3c0",
            edgecolor="#5d6770",
        )
        lower.set(xlabel="confidence", ylabel="samples", yscale="log", ylim=(0.7, None))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
