"""A map as a picture, with a legend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.labels import Colour
from spectrolite.files import whole_file
from spectrolite.mapping.map_file import MapHead
from spectrolite.mapping.map_frame import Place, draw_map


def paint(classes: NDArray[np.integer], colours: Mapping[int, Colour]) -> NDArray[np.uint8]:
    """`(rows, cols)` class ids to `(rows, cols, 3)` colours; 0 becomes black."""
    table = np.zeros((max(int(classes.max()), *colours) + 1, 3), np.uint8)
    for i, colour in colours.items():
        table[i] = colour
    painted: NDArray[np.uint8] = table[classes]
    return painted


def write_picture(
    path: Path, classes: NDArray[np.integer], head: MapHead, counts: Mapping[int, int]
) -> None:
    """Write a PNG of the map with a legend; with scale bar, north and coordinates if it is placed.

    Args:
        path: the file.
        classes: class ids at every `picture_step` of the map's rows and columns.
        head: shape, class names, colours and place of the whole map; without a name for it, 0 is
            no data.
        counts: pixels of each class in the whole map, for the legend.
    """
    from matplotlib.figure import Figure  # here: it takes half a second to import
    from matplotlib.patches import Patch

    height = 6.0
    figure = Figure()
    axes = figure.add_subplot()
    place = Place(head.shape, head.crs, head.transform)
    draw_map(axes, paint(classes, head.class_colours), place)
    rows, cols = head.shape
    wide = cols / (rows * float(axes.get_aspect()))
    figure.set_size_inches(height * min(max(wide, 0.3), 3) + 3.2, height)
    handles = [
        Patch(
            facecolor=f"#{bytes(head.class_colours[i]).hex()}",
            edgecolor="#888888",
            label=f"{i}  {name}  ({counts.get(i, 0):,})",
        )
        for i, name in head.class_names.items()
    ]
    if counts.get(0) and 0 not in head.class_names:
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
