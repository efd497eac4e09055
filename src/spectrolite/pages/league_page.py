"""The league as one self-contained HTML page: tables, differences, accuracy against cost."""

from __future__ import annotations

from spectrolite.evaluation.league_table import Difference, League, Protocol, Row
from spectrolite.pages.charts import CostPoint, accuracy_against_cost
from spectrolite.pages.html import render
from spectrolite.records import Spread


def league_page(league: League) -> str:
    """The whole page as text."""
    return render(
        "league.html",
        title=f"Which network, which split? {league.data}",
        league=league,
        columns=("model", *COLUMNS),
        tables=[[(row.model, *row_cells(row)) for row in p.rows] for p in league.protocols],
        plots=[accuracy_against_cost(p.title, _points(p)) for p in league.protocols],
        differences=[
            [
                (f"{d.one} less {d.other}", d.n, in_words(d))
                for d in p.differences
                if d.figure == "overall_accuracy"
            ]
            for p in league.protocols
        ],
    )


def _points(protocol: Protocol) -> list[CostPoint]:
    return [
        CostPoint(
            row.model, row.overall_accuracy, row.parameters, row.training_s.mean + row.map_s.mean
        )
        for row in protocol.rows
    ]


def plus_minus(spread: Spread, digits: int = 2) -> str:
    """`98.76 ± 0.12`; the mean alone for a single seed."""
    if spread.n == 0:
        return "–"
    alone = f"{spread.mean:.{digits}f}"
    return alone if spread.n == 1 else f"{alone} ± {spread.std:.{digits}f}"


def row_cells(row: Row) -> list[str]:
    """The cells of a classifier after its name, in the order of `COLUMNS`."""
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
    "patch",
    "seen in training",
    "parameters",
    "MACs a pixel",
    "training s",
    "map s",
)


def in_words(difference: Difference) -> str:
    """`+1.23 (0.20 to 2.26), p = 0.021`; without a spread there is neither interval nor p."""
    equal = f"{abs(difference.mean):.2f}" == "0.00"
    mean = "equal" if equal else f"{difference.mean:+.2f}"
    if difference.std == 0:
        return f"{mean} on every split"
    return f"{mean} ({difference.low:.2f} to {difference.high:.2f}), p = {difference.p:.3f}"
