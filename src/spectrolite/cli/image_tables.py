"""Tables of classified images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Column, Table

from spectrolite.cli.tables import percent, table_of

if TYPE_CHECKING:
    from spectrolite.mapping.image_inference import Predictions


def predictions_table(predictions: Predictions, top: int) -> Table:
    """A row an image: its likeliest classes with their probabilities in %.

    A model that learned nothing may be sure of it: its probabilities are left out.
    """
    sound = predictions.caveat is None
    title = "Classes and probabilities in %, not calibrated" if sound else "Classes"
    table = table_of(title, Column("image", overflow="fold"))
    for n in range(min(top, len(predictions.class_names))):
        table.add_column("class" if n == 0 else f"{n + 1}.")
        if sound:
            table.add_column("%", justify="right")
    for image, best in zip(predictions.images, predictions.top(top), strict=True):
        cells = (
            cell for name, p in best for cell in (escape(name), *([percent(p)] if sound else []))
        )
        table.add_row(escape(image), *cells)
    return table
