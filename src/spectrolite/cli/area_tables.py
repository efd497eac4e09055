"""The tables of maps: areas, accuracies and drawn points of the classes, several maps at once."""

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
    from spectrolite.mapping.area_estimates import Share
    from spectrolite.mapping.class_areas import Areas
    from spectrolite.mapping.drawn_sample import DrawnSample
    from spectrolite.mapping.map_comparison import MapComparison

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


def accuracy_table(measured: Areas) -> Table:
    """One row a class: points, user's and producer's accuracy; the overall one below."""
    users, producers, counts = measured.users or {}, measured.producers or {}, measured.counts or ()
    table = table_of(
        "Accuracies, % with 95 % intervals",
        *right("id"),
        "class",
        *right("points", "user's accuracy", "producer's accuracy"),
    )
    for n, (i, name) in enumerate(measured.class_names.items()):
        points = sum(row[n] for row in counts)
        table.add_row(
            str(i), escape(name), f"{points:,}", plus_minus(users[i]), plus_minus(producers[i])
        )
    table.add_section()
    points = sum(map(sum, counts))
    table.add_row("", "[bold]overall accuracy", f"{points:,}", plus_minus(measured.overall))
    return table


def plus_minus(share: Share | None) -> str:
    """`94.65 ± 1.85`, in %; a dash where it is undefined."""
    return "–" if share is None else f"{100 * share.value:.2f} ± {100 * share.error:.2f}"


def comparison_table(compared: MapComparison) -> Table:
    """The overall accuracy of two maps at the same points, and their difference."""
    table = table_of(
        "Overall accuracy at the same points, % with 95 % intervals",
        "map",
        *right("accuracy", "right where the other is wrong"),
    )
    for name, share, alone in zip(compared.maps, compared.overall, compared.alone, strict=True):
        table.add_row(
            escape(Path(name).name), plus_minus(share), f"{alone:,} of {compared.points:,} points"
        )
    table.add_section()
    difference = compared.difference
    table.add_row(
        "[bold]first less second",
        f"{100 * difference.value:+.2f} ± {100 * difference.error:.2f}",
        "p < 0.001" if compared.p < 0.001 else f"p = {compared.p:.3f}",
    )
    return table


def drawn_table(drawn: DrawnSample) -> Table:
    """One row a class: its pixels and share of the map, what was expected, and its points."""
    head, counts = drawn.scene_map.head, drawn.scene_map.counts
    how = drawn.design if drawn.allocation is None else f"{drawn.design}, {drawn.allocation}"
    table = table_of(
        f"Points drawn ({how})",
        *right("id"),
        "class",
        *right("pixels", "% of the map", "expected accuracy", "standard deviation", "points"),
    )
    every = sum(counts[i] for i in drawn.points)
    for i, points in drawn.points.items():
        accuracy = drawn.expected_accuracy[i]
        table.add_row(
            str(i),
            escape(head.class_names[i]),
            f"{counts[i]:,}",
            f"{100 * counts[i] / every:.2f}",
            f"{accuracy:.2f}",
            f"{(accuracy * (1 - accuracy)) ** 0.5:.3f}",
            f"{points:,}",
        )
    table.add_section()
    table.add_row("", "[bold]in all", f"{every:,}", "100.00", "", "", f"{len(drawn):,}")
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
