"""The figures of a report: each once, with its unit; a report prints a few lines."""

from __future__ import annotations

import math

import spectrolite as sl
from spectrolite.evaluation.figures import Figure


def test_a_figure_shows_its_unit_and_what_is_undefined() -> None:
    assert str(Figure("overall accuracy", "accuracy", 98.765)) == "98.77 %"
    assert str(Figure("parameters", "size", 4_807_395, "", 0)) == "4,807,395"
    assert str(Figure("95 % interval", "accuracy", 1.5, high=2.25)) == "1.50 to 2.25 %"
    assert str(Figure("seconds of training", "time", 12.34, "s", 1)) == "12.3"
    nowhere = Figure("distance", "leakage", math.nan, "pixels", undefined="none in the same scene")
    assert str(nowhere) == "none in the same scene"
    assert str(Figure("kappa x 100", "accuracy", math.nan, "")) == "–"


def test_a_report_on_a_scene_lists_every_figure_once(tiny_run: sl.Run) -> None:
    report = tiny_run.report
    labels = [figure.label for figure in report.figure_list]
    assert len(labels) == len(set(labels))
    values = {figure.label: figure.value for figure in report.figure_list}
    assert values == {
        "overall accuracy": 100 * report.overall_accuracy,
        "95 % interval (fields)": 100 * report.interval_fields.low,
        "average accuracy": 100 * report.average_accuracy,
        "kappa x 100": 100 * report.kappa,
        **{f"{c.id} {c.name}": 100 * c.recall for c in report.per_class},
        "test pixels seen in training": 100 * report.leakage.overlap,
        "median distance to a training pixel": report.leakage.median_distance,
        "SVM, pixel and patch mean": 100 * report.baselines.svm_context,
        "SVM, pixel": 100 * report.baselines.svm,
        "position alone": 100 * report.baselines.position,
        "majority class": 100 * report.baselines.majority,
        "parameters": report.parameters,
        "MACs a pixel": report.macs_per_pixel,
        "MACs a single patch": report.macs_per_patch,
        "seconds of training": report.times_s["training"],
        "seconds of the map": report.times_s["map"],
    }


def test_a_report_on_images_lists_every_figure_once(digits_run: sl.Run) -> None:
    report = digits_run.report
    values = {f.label: f.value for f in report.figure_list if f.group != "class"}
    assert values == {
        "overall accuracy": 100 * report.overall_accuracy,
        "95 % interval (Wilson)": 100 * report.interval.low,
        "average accuracy": 100 * report.average_accuracy,
        "kappa x 100": 100 * report.kappa,
        "calibration error": 100 * report.calibration_error,
        "majority class": 100 * report.baselines.majority,
        "parameters": report.parameters,
        "MACs an image": report.macs,
        "seconds of training": report.times_s["training"],
        "seconds of the test": report.times_s["test"],
    }


def test_a_report_prints_a_few_lines(tiny_run: sl.Run) -> None:
    report = tiny_run.report
    lines = str(report).splitlines()
    assert repr(report) == str(report)
    assert lines[:7] == [
        "hybridsn (course) on scene.npy",
        "  network: hybridsn (course)",
        "  split: random,train=0.2,seed=1",
        "  training, validation, test pixels: 124, 0, 500",
        "  classes tested: 3 of 3",
        "  clean split: no",
        f"  overall accuracy: {100 * report.overall_accuracy:.2f} %",
    ]
    assert len(lines) == 22
    assert lines[-1] == (
        "  warning: Trained for 30 steps of the optimiser; the running statistics of BatchNorm "
        "want 50 or more. Raise --epochs, or lower --batch where training is in batches."
    )
    assert "confusion" not in str(report)
