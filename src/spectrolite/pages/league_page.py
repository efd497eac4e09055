"""The league as one self-contained HTML page: tables, differences, accuracy against cost."""

from __future__ import annotations

from html import escape

from spectrolite.evaluation.league_table import Difference, League, Protocol, Row, Spread
from spectrolite.pages.charts import accuracy_against_cost
from spectrolite.pages.html import document


def league_page(league: League) -> str:
    """The whole page as text."""
    parts = [
        f"<h1>Which network, which split? {escape(league.data)}</h1>",
        '<div class="verdict"><h2>How to read it</h2><ul>'
        + "".join(f"<li>{escape(note)}</li>" for note in league.notes)
        + "</ul></div>",
    ]
    for protocol in league.protocols:
        low, high = protocol.classes_tested
        tested = str(low) if low == high else f"{low} to {high}"
        parts += [
            f"<h2>{escape(protocol.title)}</h2>",
            f"<p>{escape(protocol.says)}</p>",
            f'<p class="soft">{protocol.train:,.0f} training and {protocol.test:,.0f} test pixels '
            f"on average, {tested} of {protocol.classes} classes tested</p>",
            _table(protocol),
            accuracy_against_cost(protocol),
            _differences(protocol),
        ]
    return document(f"Which network, which split? {league.data}", parts)


def plus_minus(spread: Spread, digits: int = 2) -> str:
    """`98.76 ± 0.12`; without the spread of a single seed."""
    if spread.n == 0:
        return "–"
    alone = f"{spread.mean:.{digits}f}"
    return alone if spread.n == 1 else f"{alone} ± {spread.std:.{digits}f}"


def row_cells(row: Row) -> list[str]:
    """What a row of the table says after its name, in the order of `COLUMNS`."""
    return [
        str(row.seeds),
        plus_minus(row.overall_accuracy),
        plus_minus(row.average_accuracy),
        plus_minus(row.kappa),
        "–" if row.patch is None else str(row.patch),
        "–" if row.overlap is None else f"{100 * row.overlap:.1f} %",
        "–" if row.parameters is None else f"{row.parameters:,}",
        "–" if row.macs_per_pixel is None else f"{row.macs_per_pixel:,}",
        plus_minus(row.training_s, 1),
        plus_minus(row.map_s),
    ]


COLUMNS = (
    "seeds",
    "overall",
    "average",
    "kappa x 100",
    "field",
    "in field",
    "parameters",
    "MACs a pixel",
    "training s",
    "map s",
)


def in_words(difference: Difference) -> str:
    """`+1.23 (0.20 to 2.26), p = 0.021`."""
    return (
        f"{difference.mean:+.2f} ({difference.low:.2f} to {difference.high:.2f}), "
        f"p = {difference.p:.3f}"
    )


def _table(protocol: Protocol) -> str:
    head = "<th>model</th>" + "".join(f'<th class="n">{name}</th>' for name in COLUMNS)
    rows = "".join(
        f"<tr><td>{escape(row.model)}</td>"
        + "".join(f'<td class="n">{cell}</td>' for cell in row_cells(row))
        + "</tr>"
        for row in protocol.rows
    )
    return (
        f'<div class="wide"><table><caption class="soft">{escape(protocol.title)}, accuracy in %'
        f"</caption><tr>{head}</tr>{rows}</table></div>"
    )


def _differences(protocol: Protocol) -> str:
    overall = [d for d in protocol.differences if d.figure == "overall_accuracy"]
    if not overall:
        return '<p class="soft">No two classifiers share two splits: nothing to test.</p>'
    rows = "".join(
        f"<tr><td>{escape(d.one)} less {escape(d.other)}</td><td class='n'>{d.n}</td>"
        f"<td class='n'>{in_words(d)}</td></tr>"
        for d in overall
    )
    return (
        f'<div class="wide"><table><caption class="soft">{escape(protocol.title)}: differences of '
        "the overall accuracy in points, 95 % interval and p, corrected resampled t-test</caption>"
        f'<tr><th>pair</th><th class="n">splits</th><th class="n">difference</th></tr>{rows}'
        "</table></div>"
    )
