"""The league on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from spectrolite.cli.tables import right, table_of, unwrapped

if TYPE_CHECKING:
    from spectrolite.evaluation.league_table import League


def league_tables(league: League) -> list[Table]:
    """Two tables a protocol: the classifiers, and their differences where there are any."""
    from spectrolite.pages.league_page import COLUMNS, in_words, row_cells

    tables = []
    for protocol in league.protocols:
        title = escape(f"{protocol.title}, {league.data}, accuracy in %")
        columns = (*unwrapped("model"), *right(*COLUMNS, no_wrap=True))
        table = table_of(title, *columns, box=SIMPLE_HEAD, pad_edge=False)
        for row in protocol.rows:
            table.add_row(escape(row.model), *row_cells(row))
        tables.append(table)
        overall = [d for d in protocol.differences if d.figure == "overall_accuracy"]
        if overall:
            title = escape(f"{protocol.title}: differences of the overall accuracy, points")
            table = table_of(
                title,
                "pair",
                *right("splits"),
                "difference (95 % interval), p",
                box=SIMPLE_HEAD,
                pad_edge=False,
            )
            for d in overall:
                table.add_row(escape(f"{d.one} less {d.other}"), str(d.n), in_words(d))
            tables.append(table)
    return tables
