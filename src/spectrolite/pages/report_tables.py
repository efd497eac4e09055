"""Rows of the tables that the pages of scenes and of images share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spectrolite.evaluation.reports import PerClass
from spectrolite.pages.html import percent, thousands

RIGHT, WRONG_CLASS = (31, 111, 139), (200, 60, 40)  # colours of a confusion matrix


def class_rows(classes: Sequence[PerClass]) -> list[tuple[str, ...]]:
    """A row per class: name, training and test samples, precision, recall, F1."""
    return [
        (
            f"{c.id} {c.name}",
            thousands(c.train),
            thousands(c.test),
            *map(percent, (c.precision, c.recall, c.f1)),
        )
        for c in classes
    ]


Cell = tuple[int, str, str]
"""A cell of a confusion matrix: count, colour, title."""


def confusion_cells(
    classes: Sequence[PerClass], confusion: Sequence[Sequence[int]]
) -> tuple[list[tuple[int, str]], list[tuple[str, list[Cell]]]]:
    """Columns and rows of the confusion matrix, shaded by the share of a row."""
    rows = []
    for true, counts in zip(classes, confusion, strict=True):
        total = max(sum(counts), 1)
        cells = []
        for called, count in zip(classes, counts, strict=True):
            red, green, blue = RIGHT if called is true else WRONG_CLASS
            strength = 0.75 * (count / total) ** 0.5
            colour = f"rgba({red},{green},{blue},{strength:.2f})"
            cells.append((count, colour, f"{true.name} called {called.name}"))
        rows.append((f"{true.id} {true.name}", cells))
    return [(c.id, c.name) for c in classes], rows


def key_values(values: Mapping[str, object]) -> str:
    """`key=value` pairs on one line."""
    return ", ".join(f"{key}={value}" for key, value in values.items())


def seconds(times: Mapping[str, float]) -> str:
    """Stages of a run with their seconds, on one line."""
    return ", ".join(f"{stage} {time:.1f}" for stage, time in times.items())
