"""Tables of classified images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from spectrolite.cli.tables import percent

if TYPE_CHECKING:
    from spectrolite.mapping.image_inference import Predictions


def predictions_table(made: Predictions, top: int) -> Table:
    """A row an image: its likeliest classes with their probabilities in %."""
    table = Table(title="Classes and probabilities in %, not calibrated", title_justify="left")
    table.add_column("image", overflow="fold")
    for n in range(min(top, len(made.class_names))):
        table.add_column("class" if n == 0 else f"{n + 1}.")
        table.add_column("%", justify="right")
    for image, best in zip(made.images, made.top(top), strict=True):
        cells = (cell for name, p in best for cell in (name.replace("[", r"\["), percent(p)))
        table.add_row(image.replace("[", r"\["), *cells)
    return table
