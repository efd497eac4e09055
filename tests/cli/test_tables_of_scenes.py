"""Tables of many scenes on a terminal of 80 columns: every name differs, and the sums are there.

The reference is arithmetic on the figures that went in.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

import spectrolite as sl
from spectrolite.cli.area_tables import areas_table, maps_tables
from spectrolite.cli.tables import report_table, short_labels
from spectrolite.data.summaries import short_names
from spectrolite.evaluation.reports import SceneFigures
from spectrolite.mapping.class_areas import Areas

SATELLITE = "S2A_MSIL2A_20230612T103631_N0509_R008_T32UQD_tile_{:02d}.tif"
MIDDLE = "EMIT_L2A_RFL_001_{:02d}_20230612T103631_2316310_005_orthorectified_reflectance.nc"


def lines(*tables: Table) -> list[str]:
    file = io.StringIO()
    for table in tables:
        Console(file=file, width=80).print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [8, 16, 24, 40])
@pytest.mark.parametrize("pattern", [SATELLITE, MIDDLE, "{:02d}" + 60 * "x", 60 * "x" + "{:02d}"])
def test_names_in_short_differ(pattern: str, width: int) -> None:
    names = [pattern.format(n) for n in range(1, 19)]
    shown = short_names(names, width)
    assert len({*shown}) == 18
    assert {len(name) for name in shown} == {width}
    assert all("…" in name for name in shown)


def test_names_that_are_short_or_that_no_cut_tells_apart_stay_whole() -> None:
    assert short_names(["north.tif", "south.tif"], 9) == ["north.tif", "south.tif"]
    assert short_names([], 9) == []
    names = [f"{a}{30 * 'x'}{b}{30 * 'y'}{c}" for a in "ab" for b in "cd" for c in "ef"]
    assert short_names(names, 12) == names
    assert short_names(["a" * 30, "b"], 5) == ["aa…aa", "b"]


def test_labels_of_figures_keep_what_comes_after_the_name() -> None:
    labels = [f"{SATELLITE.format(n)}: overall accuracy" for n in (1, 2)]
    assert short_labels(["kappa x 100", *labels, "eight orientations: seconds"]) == [
        "kappa x 100",
        "S2A_MSIL2A_…_tile_01.tif: overall accuracy",
        "S2A_MSIL2A_…_tile_02.tif: overall accuracy",
        "eight orientations: seconds",
    ]


@pytest.mark.parametrize("count", [3, 18])
def test_a_report_has_a_line_a_scene_and_one_for_all(tiny_run: sl.Run, count: int) -> None:
    report = tiny_run.report
    scenes = tuple(
        SceneFigures(
            name=SATELLITE.format(n),
            train=5,
            validation=0,
            test=1000 * (n > 1) + n,
            overall_accuracy=0.9 + n / 1000,
            average_accuracy=0.5,
            kappa=0.5,
        )
        for n in range(count)
    )
    report = report.model_copy(update={"scenes": scenes})
    shown = lines(report_table({"one": report}))
    assert max(map(len, shown)) <= 80
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown]
    start = cells.index(["overall accuracy of each scene", "of pixels"])
    assert cells[start + 1 : start + count + 2] == [
        ["S2A_MSIL2A_…_tile_00.tif", "–"],
        ["S2A_MSIL2A_…_tile_01.tif", "90.10 % of 1"],
        *(
            [f"S2A_MSIL2A_…_tile_{n:02d}.tif", f"{90 + n / 10:.2f} % of {1000 + n:,}"]
            for n in range(2, count)
        ),
        [
            f"all {count} scenes",
            f"{100 * report.overall_accuracy:.2f} % of {report.protocol.test:,}",
        ],
    ]


@pytest.mark.parametrize(("count", "classes"), [(3, 16), (18, 5), (18, 16), (3, 2)])
def test_maps_have_all_figures_and_their_sums(count: int, classes: int) -> None:
    names = {i: f"Corn-notill and [b]{i}[/b]" for i in range(1, classes + 1)}
    figures = {
        Path("scenes") / SATELLITE.format(n): {i: 1000.5 * n + i for i in names}
        for n in range(1, count + 1)
    }
    shown = lines(*maps_tables(figures, names, in_hectares=True, width=80))
    assert max(map(len, shown)) <= 80
    text = "\n".join(shown)
    if count < classes:
        rows, columns = [f"{i} {name}" for i, name in names.items()], list(figures.values())
        wanted = {row: [one[i] for one in columns] for row, i in zip(rows, names, strict=True)}
    else:
        short = [f"S2A_MSIL2A_…_tile_{n:02d}.tif" for n in range(1, count + 1)]
        wanted = {row: list(one.values()) for row, one in zip(short, figures.values(), strict=True)}
    wanted = {row: [*line, sum(line)] for row, line in wanted.items()}
    wanted["in all"] = [sum(column) for column in zip(*wanted.values(), strict=True)]
    for row, line in wanted.items():
        found = [part for one in shown if one.strip().startswith(f"{row} ") for part in [one]]
        cells = " ".join(one.strip().removeprefix(row) for one in found).split()
        assert cells == [f"{value:,.2f}" for value in line], text


def test_maps_in_pixels_are_whole_numbers() -> None:
    shown = lines(*maps_tables({Path("a.tif"): {1: 1200}}, {1: "x", 2: "y"}, False, 80))
    assert " ".join(shown).startswith("Maps, pixels of each class ")
    assert [line.split() for line in shown if line.startswith((" 1", " 2"))] == [
        ["1", "x", "1,200", "1,200"],
        ["2", "y", "0", "0"],
    ]


def test_areas_end_with_their_sum() -> None:
    areas = Areas(
        class_names={1: "[i]maize", 2: "wood"},
        pixels={1: 1500, 2: 700},
        pixel_m2=400.0,
        mapped_ha={1: 60.0, 2: 28.0},
        adjusted=None,
        notes=(),
    )
    cells = [[c.strip() for c in line.split("│")[1:-1]] for line in lines(areas_table(areas))]
    assert [row for row in cells if len(row) == 4] == [
        ["1", "[i]maize", "1,500", "60.00"],
        ["2", "wood", "700", "28.00"],
        ["", "in all", "2,200", "88.00"],
    ]
