"""The league on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from spectrolite.evaluation.league_table import League


def league_tables(league: League) -> list[Table]:
    """Two tables a protocol: the classifiers, and their differences where there are any."""
    from spectrolite.pages.league_page import COLUMNS, in_words, row_cells

    tables = []
    for protocol in league.protocols:
        title = escape(f"{protocol.title}, {league.data}, accuracy in %")
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("model", no_wrap=True)
        for name in COLUMNS:
            table.add_column(name, justify="right", no_wrap=True)
        for row in protocol.rows:
            table.add_row(escape(row.model), *row_cells(row))
        tables.append(table)
        overall = [d for d in protocol.differences if d.figure == "overall_accuracy"]
        if overall:
            title = escape(f"{protocol.title}: differences of the overall accuracy, points")
            table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
            for name in ("pair", "splits", "difference (95 % interval), p"):
                table.add_column(name, justify="right" if name == "splits" else "left")
            for d in overall:
                table.add_row(escape(f"{d.one} less {d.other}"), str(d.n), in_words(d))
            tables.append(table)
    return tables
