"""Draw a sample of points from a map of any tool, to be labelled: the points, and a page beside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spectrolite.data.scene import AnyScene
from spectrolite.files import whole_file, write_text
from spectrolite.mapping.drawn_sample import DrawnSample, drawn
from spectrolite.mapping.map_file import MapFile, open_map
from spectrolite.mapping.point_files import check_points_file, write_points
from spectrolite.pages.sample_page import sample_page
from spectrolite.part_folders import check_free
from spectrolite.products.scenes import open_scene
from spectrolite.runs.run_folder import Run


def sample(
    scene_map: MapFile | str | Path,
    *,
    out: str | Path,
    generator: np.random.Generator,
    design: str,
    points: int | None = None,
    standard_error: float | None = None,
    allocation: str | None = None,
    expected_accuracy: float | Mapping[int | str, float] | None = None,
    minimum: int | None = None,
    run: Run | str | Path | None = None,
    scene: AnyScene | str | Path | None = None,
    show_class: bool = False,
    background: int | str | None = 0,
    overwrite: bool = False,
) -> DrawnSample:
    """Draw points at random from a class map, and write them with an empty field `truth`.

    Each point is the centre of a pixel that has a class; no pixel is drawn twice. Their order is
    random too and nothing in the file tells the class of the map, so that labellers judge without
    it. Beside the file a page, `NAME.html`, shows what is around each point.

    Args:
        scene_map: a class map by any tool: a GeoTIFF of one band of whole numbers.
        out: file of the points: `.gpkg` in the map's reference system, `.geojson` in longitude and
            latitude, or `.csv` of x and y (of row and col if the map has no coordinates).
        generator: source of the draw; equal generators draw equal points.
        design: `simple`, at random over the whole map, or `by-map-class`, a number in each class.
        points: how many; or `standard_error` says how many are needed.
        standard_error: of the overall accuracy, such as 0.01: half a 95 % interval is 1.96 of it.
        allocation: of `by-map-class`: `proportional` to the areas (the default), `equal`, or
            `optimal` for the overall accuracy, which gives more to classes with more errors.
        expected_accuracy: user's accuracy that is expected, 0 to 1, for all classes or by id or
            name; 0.8 where none is given.
        minimum: of `by-map-class`: points of each class at least; default: 2.
        run: the run that made the map; pixels that it trained or validated on are not drawn.
        scene: shown around each point in false colour; it may have another grid and finer pixels,
            as an aerial picture has. Default: outlines of the map's classes.
        show_class: tell the class of the map in the file and on the page.
        background: 0, which is no data; or None or `none`: 0 is a class.
        overwrite: replace the file and the page.

    Raises:
        ReadError: a map or scene that cannot be read.
        SettingsError: an unknown design or allocation, or more or fewer points than can be drawn.
        SceneError: a scene that lies elsewhere.
        RunError: a run on other data, or a file in the way.
    """
    out = Path(out)
    page = out.with_suffix(".html")
    check_free(out, overwrite)
    check_free(page, overwrite, beside=out)
    opened = (
        scene_map if isinstance(scene_map, MapFile) else open_map(scene_map, background=background)
    )
    check_points_file(out, opened)
    if isinstance(scene, str | Path):
        scene = open_scene(scene)
    points_drawn = drawn(
        opened,
        generator,
        design,
        points=points,
        standard_error=standard_error,
        allocation=allocation,
        expected_accuracy=expected_accuracy,
        minimum=minimum,
        run=run,
    )
    text = sample_page(points_drawn, scene, out.name, show_class=show_class)
    names = opened.head.class_names
    classes = [names[int(i)] for i in points_drawn.classes] if show_class else None
    with whole_file(out) as part:
        write_points(part, points_drawn, classes)
        write_text(page, text)
    return points_drawn
