"""The pictures of a scene on its page, or of all scenes as one mosaic, in frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from spectrolite.data.labels import Colour
from spectrolite.data.scene import AnyScene
from spectrolite.data.scene_sets import by_scene
from spectrolite.data.summaries import short_names
from spectrolite.mapping.map_frame import draw_map
from spectrolite.mapping.picture import paint
from spectrolite.mapping.scene_map import SceneMap
from spectrolite.pages.charts import style, svg
from spectrolite.pages.false_colour import false_colour_caption, false_colours
from spectrolite.pages.mosaic import Mosaic
from spectrolite.samples.split_scene import Split

TRAIN, VALIDATION, TEST, OTHER = (31, 119, 180), (255, 127, 14), (222, 222, 214), (46, 46, 46)
WIDTH = 3.1  # inches of the map in a picture
TALLEST = 6.0  # inches
NAME_SIZE = 4  # points, of the names of the scenes in a mosaic

Picture = tuple[str, str, list[tuple[str, str]]]
"""A picture: its address, its caption, and a legend of colours and names."""


def scene_pictures(
    scenes: Sequence[AnyScene], mosaic: Mosaic, split: Split, maps: Sequence[SceneMap]
) -> list[Picture]:
    """False colour, ground truth, split, map and confidence.

    Args:
        scenes: one, or several that share one picture.
        mosaic: where they lie in it.
        split: of their pixels.
        maps: the map of each.
    """
    grids = [np.ix_(*grid) for grid in mosaic.grids]
    shown = [one.classes[grid] > 0 for one, grid in zip(maps, grids, strict=True)]
    lowest = min(float(one.confidence.min()) for one in maps)
    viridis = colormaps["viridis"]
    legend = [
        (css(colour), name)
        for colour, name, pixels in (
            (TRAIN, "training", split.train),
            (VALIDATION, "validation", split.validation),
            (TEST, "test", split.test),
        )
        if len(pixels)
    ]
    names = _names_that_fit(scenes, mosaic) if len(scenes) > 1 else []

    def picture(images: Sequence[NDArray[np.uint8]], *, named: bool = False) -> str:
        whole = mosaic.joined(images, shown)
        return _drawn(whole, mosaic, names if named or not mosaic.by_coordinates else [])

    truth = [
        paint(labels.array[grid], split.labels.class_colours)
        for labels, grid in zip(split.labels.parts, grids, strict=True)
    ]
    parts = [image[grid] for image, grid in zip(split_pictures(split), grids, strict=True)]
    classes = [
        paint(one.classes[grid], one.class_colours) for one, grid in zip(maps, grids, strict=True)
    ]
    sure = [
        (255 * viridis(one.confidence[grid])[:, :, :3]).astype(np.uint8)
        for one, grid in zip(maps, grids, strict=True)
    ]
    return [
        (
            picture(false_colours(scenes, mosaic.grids), named=True),
            false_colour_caption(scenes[0]),
            [],
        ),
        (picture(truth), "Ground truth; black is unlabelled", []),
        (picture(parts), "Split: ", [*legend, (css(OTHER), "neither")]),
        (picture(classes), "Map; pixels without a label are not scored", []),
        (
            picture(sure),
            f"Confidence, {lowest:.2f} (dark) to 1 (yellow); not calibrated",
            [],
        ),
    ]


def _names_that_fit(scenes: Sequence[AnyScene], mosaic: Mosaic) -> list[str]:
    """Names no wider than the scenes are in the mosaic; none if they would not differ then."""
    share = min(scene.shape[1] for scene in scenes) / mosaic.place.shape[1]
    width = int(72 * WIDTH * share / (0.65 * NAME_SIZE))
    names = short_names([name for scene in scenes for name in scene.names], max(width, 1))
    return names if max(map(len, names)) <= width else []


def _drawn(image: NDArray[np.uint8], mosaic: Mosaic, names: Sequence[str]) -> str:
    """A picture in its frame, each scene with its name."""
    with style():
        figure = Figure()
        axes = figure.add_axes((0, 0, 1, 1))
        draw_map(axes, image, mosaic.place)
        rows, cols = mosaic.place.shape
        tall = WIDTH * rows * float(axes.get_aspect()) / cols
        scale = min(1, TALLEST / tall)
        figure.set_size_inches(WIDTH * scale, tall * scale)
        if not mosaic.by_coordinates:
            axes.set_axis_off()
        above = "top" if mosaic.by_coordinates else "baseline"
        for name, (row, col) in zip(names, mosaic.corners, strict=False):
            axes.annotate(
                name,
                (col, row),
                (1, -2 if mosaic.by_coordinates else 2),
                textcoords="offset points",
                va=above,
                fontsize=NAME_SIZE,
                color="#1c2126",
                parse_math=False,
                path_effects=[withStroke(linewidth=1, foreground="white")],
            )
        return svg(figure, bbox_inches="tight", pad_inches=0.04)


def split_pictures(split: Split) -> list[NDArray[np.uint8]]:
    """`(rows, cols, 3)` of each scene: training blue, validation orange, test light, else dark."""
    flat = np.full((split.labels.array.size, 3), OTHER, np.uint8)
    for pixels, colour in (
        (split.test, TEST),
        (split.train, TRAIN),
        (split.validation, VALIDATION),
    ):
        flat[pixels] = colour
    shapes = split.labels.shapes
    images = by_scene(shapes, flat)
    return [image.reshape(*shape, 3) for image, shape in zip(images, shapes, strict=True)]


def css(colour: Colour) -> str:
    """A colour as a style sheet writes it."""
    return f"rgb{tuple(int(c) for c in colour)}"
