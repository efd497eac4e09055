"""What the command line shows, on a terminal and in a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import spectrolite as sl
from spectrolite.cli.tables import (
    TrainingProgress,
    class_table,
    cost_notes,
    cost_table,
    data_table,
    report_table,
    separable_steps,
)
from spectrolite.datasets.catalog import DATASETS
from spectrolite.training.loop import Epoch


def shown(*, terminal: bool, slow: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """Three epochs, as they are shown."""
    clock = iter(range(0, 10_000, 20 if slow else 1))
    monkeypatch.setattr("spectrolite.cli.tables.time.monotonic", lambda: float(next(clock)))
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=140, color_system=None)
    with TrainingProgress(console).shown() as progress:
        progress.stage("training")
        for n in (1, 2, 3):
            progress.epoch(Epoch(n, 1.25 / n, 0.5, 0.75 if n > 1 else None, 1e-3, 10.0 * n), 3)
        progress.stage("mapping")
        progress.window(1, 4)
    return file.getvalue()


def test_a_file_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(terminal=False, slow=True, monkeypatch=monkeypatch).splitlines() == [
        "training",
        "  epoch 1/3  loss 1.250  training accuracy 50.0%  20 s left",
        "  epoch 2/3  loss 0.625  training accuracy 50.0%  validation 75.0%  10 s left",
        "  epoch 3/3  loss 0.417  training accuracy 50.0%  validation 75.0%  0 s left",
        "mapping",
    ]


def test_a_file_is_not_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(terminal=False, slow=False, monkeypatch=monkeypatch).splitlines() == [
        "training",
        "  epoch 3/3  loss 0.417  training accuracy 50.0%  validation 75.0%  0 s left",
        "mapping",
    ]


def test_a_terminal_gets_a_bar_with_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(terminal=True, slow=True, monkeypatch=monkeypatch)
    assert "mapping" in text
    assert "1/4" in text
    assert "━" in text


def test_the_table_shows_runs_side_by_side(tiny_run: sl.Run) -> None:
    file = io.StringIO()
    Console(file=file, width=100).print(
        report_table({"one": tiny_run.report, "two": tiny_run.report})
    )
    lines = {
        row.split("│")[1].strip(): row.split("│")[2:4]
        for row in file.getvalue().splitlines()
        if row.count("│") == 4
    }
    report = tiny_run.report
    assert [v.strip() for v in lines["overall accuracy"]] == [
        f"{100 * report.overall_accuracy:.2f} %"
    ] * 2
    assert lines["clean split"][0].strip() == "no"
    assert lines["test pixels seen in training"][0].strip() == "100.00 %"
    assert lines["classes tested"][0].strip() == "3 of 3"
    interval = report.interval_fields
    values = lines["95 % interval (fields)"]
    shown = f"{100 * interval.low:.2f} to {100 * interval.high:.2f} %"
    assert values[0].strip() == f"{shown} (4 fields)"
    assert lines["parameters"][1].strip() == f"{report.parameters:,}"


def test_the_tables_of_data_sets_count_their_pixels() -> None:
    file = io.StringIO()
    console = Console(file=file, width=120)
    console.print(data_table(list(DATASETS.values())))
    console.print(class_table(DATASETS["indian_pines"]))
    assert "10,249" in file.getvalue()
    assert "2,455" in file.getvalue()


def test_the_table_of_costs_has_every_layer_and_what_it_comes_to() -> None:
    made = sl.explain("mobilenet_v1", variant="course")
    file = io.StringIO()
    Console(file=file, width=200).print(cost_table(made))
    lines = [line.split() for line in file.getvalue().splitlines() if line.strip()]
    assert lines[-1] == [
        "in",
        "all",
        "2,142,026",
        "29,282,304",
        "8,367.3",
        "1,352.0",
        "246,261,760",
    ]
    assert [line[0] for line in lines[-21:-1]] == [row.name for row in made.layers]
    assert lines[-19] == [
        "blocks.0.pointwise.0",
        "pointwise",
        "64x32x32",
        "2,176",
        "0.1",
        "2,097,152",
        "7.2",
        "8.5",
        "256.0",
        "18,874,368",
    ]


def test_notes_of_costs_tell_kinds_and_ordinary_convolutions() -> None:
    assert cost_notes(sl.explain("depthwise")) == [
        "depthwise: 69.2% of the parameters, 69.2% of the multiply-accumulates",
        "pointwise: 30.8% of the parameters, 30.8% of the multiply-accumulates",
        "with ordinary convolutions in place of depthwise and pointwise ones: 108 parameters "
        "(2.77 times as many), 108 multiply-accumulates (2.77)",
    ]
    assert cost_notes(sl.explain("hybridsn")) == [
        "convolution: 6.9% of the parameters, 98.1% of the multiply-accumulates",
        "linear: 93.1% of the parameters, 1.9% of the multiply-accumulates",
    ]


def test_steps_of_a_pair_follow_its_numbers() -> None:
    assert separable_steps(sl.explain("mobilenet_v1"))[1:5] == [
        "1. depthwise, one kernel a channel: 3 * 3 * 32 = 288",
        "2. pointwise, 32 channels mixed into 64 maps: 1 * 1 * 32 * 64 = 2048",
        "3. together: 288 + 2048 = 2336",
        "4. the ordinary convolution: 3 * 3 * 32 * 64 = 18432",
    ]
