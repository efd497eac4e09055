"""The tables of maps: areas of the classes of one map, or of several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Column, Table

from spectrolite.cli.tables import NAME, right, table_of
from spectrolite.data.summaries import short_names

if TYPE_CHECKING:
    from spectrolite.mapping.class_areas import Areas

HEADER = 12  # most characters of a line of a column's header
BETWEEN = 2  # characters between two columns


def areas_table(measured: Areas) -> Table:
    """One row a class: pixels, hectares, and the areas adjusted by the sample; the sums below."""
    hectares, adjusted = measured.mapped_ha, measured.adjusted
    table = table_of("Areas of the classes", *right("id"), "class", *right("pixels"))
    if hectares is not None:
        table.add_column("hectares", justify="right")
    if adjusted is not None:
        table.add_column("adjusted, % of the map", justify="right")
        if hectares is not None:
            table.add_column("adjusted, hectares", justify="right")
    for i, name in measured.class_names.items():
        cells = [str(i), escape(name), f"{measured.pixels[i]:,}"]
        if hectares is not None:
            cells.append(f"{hectares[i]:,.2f}")
        if adjusted is not None:
            one = adjusted[i]
            cells.append(f"{100 * one.share:.2f} ± {100 * one.share_error:.2f}")
            if one.ha is not None and one.ha_error is not None:
                cells.append(f"{one.ha:,.2f} ± {one.ha_error:,.2f}")
        table.add_row(*cells)
    table.add_section()
    sums = [f"{sum(measured.pixels[i] for i in measured.class_names):,}"]
    if hectares is not None:
        sums.append(f"{sum(hectares[i] for i in measured.class_names):,.2f}")
    table.add_row("", "[bold]in all", *sums)
    return table


def maps_tables(
    figures: Mapping[Path, Mapping[int, float]],
    class_names: Mapping[int, str],
    in_hectares: bool,
    width: int,
) -> list[Table]:
    """Scenes by classes with their sums, as several tables where one would be wider than `width`.

    Args:
        figures: hectares or pixels of each class, by the file of the scene.
        class_names: of all maps.
        in_hectares: whether the figures are hectares.
        width: characters of a line.
    """
    scenes = short_names([file.name for file in figures], NAME)
    classes = [f"{i} {name}" for i, name in class_names.items()]
    grid = [[float(one.get(i, 0)) for i in class_names] for one in figures.values()]
    rows, columns = scenes, classes
    if len(scenes) < len(classes):
        rows, columns, grid = classes, scenes, [list(line) for line in zip(*grid, strict=True)]
    grid = [[*line, sum(line)] for line in grid]
    grid.append([sum(line) for line in zip(*grid, strict=True)])
    cells = [[f"{n:,.2f}" if in_hectares else f"{n:,.0f}" for n in line] for line in grid]
    names, headers = [*rows, "in all"], [*columns, "in all"]
    title = f"Maps, {'hectares' if in_hectares else 'pixels'} of each class"
    first = max(map(len, names))
    words = [*(column.split() for column in columns), ["in all"]]
    widths = [
        max(*(len(line[k]) for line in cells), *(min(len(word), HEADER) for word in some))
        for k, some in enumerate(words)
    ]
    tables: list[Table] = []
    for some in _blocks(widths, width - first - BETWEEN):
        table = table_of(
            title if not tables else f"{title}, continued",
            Column("class" if rows is classes else "scene", width=first),
            *(
                Column(escape(headers[k]), justify="right", width=widths[k], overflow="fold")
                for k in some
            ),
            box=SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        for n, (name, line) in enumerate(zip(names, cells, strict=True)):
            table.add_row(escape(name), *(line[k] for k in some), end_section=n == len(rows) - 1)
        tables.append(table)
    return tables


def _blocks(widths: Sequence[int], width: int) -> list[list[int]]:
    """The numbers of the columns of each table, so many as stand side by side; one at least."""
    blocks: list[list[int]] = [[]]
    left = width
    for k, wide in enumerate(widths):
        if blocks[-1] and wide + BETWEEN > left:
            blocks.append([])
            left = width
        blocks[-1].append(k)
        left -= wide + BETWEEN
    return blocks
