"""A page that helps to label points: a picture around each, its place, and what to write where."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np

from spectrolite.data.scene import AnyScene
from spectrolite.mapping.drawn_sample import DrawnSample
from spectrolite.mapping.pixel_areas import pixel_area_m2
from spectrolite.mapping.point_files import longitudes_latitudes
from spectrolite.pages.false_colour import false_colour_caption
from spectrolite.pages.html import png, render
from spectrolite.pages.scene_pictures import css
from spectrolite.pages.thumbnails import of_map, of_scene

MOST_SHOWN = 1000  # points; each has 5 to 50 KiB in the page


def sample_page(sample: DrawnSample, scene: AnyScene | None, file: str, *, show_class: bool) -> str:
    """The whole page as text.

    Args:
        sample: the points.
        scene: the scene around each, or None: outlines of the map.
        file: name of the file of the points.
        show_class: show what the map says; labellers should not see it.

    Raises:
        SceneError: as of `of_scene`.
        LabelsError: as of `of_scene`.
    """
    shown = min(len(sample), MOST_SHOWN)
    head = sample.scene_map.head
    if scene is not None:
        pictures, what = of_scene(sample, scene, shown), false_colour_caption(scene)
    else:
        pictures = of_map(sample, shown, coloured=show_class)
        what = "The map" if show_class else "Outlines of the map, without its classes"
    addresses = [None if image is None else png(image) for image in pictures.images]
    return render(
        "sample.html",
        title=f"Points to label on {sample.scene_map.path.name}",
        file=file,
        command=shlex.join(
            ["spectrolite", "areas", sample.scene_map.path.name, "--sample", file]
            + ["--class-field", "truth", "--design", sample.design]
            + (["--background", "none"] if 0 in head.class_names else [])
        ),
        points=len(sample),
        shown=shown,
        what=what,
        pixel=_pixel(sample),
        classes=[
            (css(head.class_colours[i]) if show_class else None, i, name)
            for i, name in head.class_names.items()
        ],
        mark=f"{100 * pictures.mark:.3f}",
        cards=list(
            zip(range(1, shown + 1), addresses, _captions(sample, show_class), strict=False)
        ),
    )


def _pixel(sample: DrawnSample) -> str:
    """How large the pixel is that is to be labelled."""
    area, _ = pixel_area_m2(sample.scene_map.head)
    return "" if area is None else f", {np.sqrt(area):,.3g} m wide"


def _captions(sample: DrawnSample, show_class: bool) -> Sequence[list[str]]:
    """Lines below each picture: where the point is."""
    lines = [[f"row {row}, col {col}"] for row, col in zip(sample.rows, sample.cols, strict=True)]
    places, degrees = sample.coordinates(), longitudes_latitudes(sample)
    for n, line in enumerate(lines):
        if places is not None:
            line.append("x {:.10g}, y {:.10g}".format(*places[n]))
        if degrees is not None:
            line.append(f"lat {degrees[n, 1]:.6f}, lon {degrees[n, 0]:.6f}")
        if show_class:
            line.append(f"map: {sample.scene_map.head.class_names[int(sample.classes[n])]}")
    return lines
