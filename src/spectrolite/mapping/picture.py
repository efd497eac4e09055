"""A map as a picture, with a legend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.labels import Colour
from spectrolite.files import whole_file

PICTURE_SIDE = 1440  # most pixels of a map along its longer side; the picture itself has half


def paint(classes: NDArray[np.integer], colours: Mapping[int, Colour]) -> NDArray[np.uint8]:
    """`(rows, cols)` class ids to `(rows, cols, 3)` colours; 0 becomes black."""
    table = np.zeros((max(int(classes.max()), *colours) + 1, 3), np.uint8)
    for i, colour in colours.items():
        table[i] = colour
    painted: NDArray[np.uint8] = table[classes]
    return painted


def picture_step(shape: tuple[int, int]) -> int:
    """The step between the rows and columns of a map of that shape that a picture shows."""
    return -(-max(shape) // PICTURE_SIDE)


def write_picture(
    path: Path,
    classes: NDArray[np.integer],
    class_names: Mapping[int, str],
    class_colours: Mapping[int, Colour],
    counts: Mapping[int, int],
) -> None:
    """Write a PNG of the map with a legend.

    Args:
        path: the file.
        classes: `(rows, cols)` class ids; of a large map, evenly spaced rows and columns.
        class_names: id to name.
        class_colours: id to red, green, blue.
        counts: pixels of each class in the whole map, for the legend.
    """
    from matplotlib.figure import Figure  # here: it takes half a second to import
    from matplotlib.patches import Patch

    rows, cols = classes.shape
    height = 6.0
    figure = Figure(figsize=(height * min(max(cols / rows, 0.3), 3) + 3.2, height))
    axes = figure.add_subplot()
    axes.imshow(paint(classes, class_colours), interpolation="nearest")
    axes.set_axis_off()
    handles = [
        Patch(
            facecolor="#{:02x}{:02x}{:02x}".format(*class_colours[i]),
            edgecolor="#888888",
            label=f"{i}  {name}  ({counts.get(i, 0):,})",
        )
        for i, name in class_names.items()
    ]
    if counts.get(0):
        handles.append(Patch(facecolor="#000000", label=f"no data  ({counts[0]:,})"))
    legend = axes.legend(
        handles=handles,
        title="class (pixels)",
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        fontsize=8,
        frameon=False,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # a name may contain dollar signs
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=120, bbox_inches="tight")
