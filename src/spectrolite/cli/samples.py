"""The verbs about samples of points on maps of any tool: sample, areas."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from spectrolite.cli.area_tables import accuracy_table, areas_table, comparison_table, drawn_table
from spectrolite.cli.options import (
    DATA,
    OUTPUT,
    Json,
    Overwrite,
    console,
    option,
    plain,
    print_json,
)
from spectrolite.errors import SettingsError

ClassMap = Annotated[
    Path,
    typer.Argument(
        metavar="MAP", help="Class map by any tool: a GeoTIFF of one band of whole numbers."
    ),
]
Background = Annotated[
    str | None,
    option(
        "What 0 is in a map: 0 (no data), or none (a class like the others).",
        default="0, which is no data",
        metavar="0|none",
    ),
]


def sample(
    scene_map: ClassMap,
    out: Annotated[
        Path,
        option(
            "Points to write, .gpkg, .geojson or .csv; a page that helps to label them is written "
            "beside it, as .html.",
            panel=OUTPUT,
        ),
    ],
    design: Annotated[
        Literal["simple", "by-map-class"],
        option(
            "simple (at random over the whole map) or by-map-class (a number in each class of the "
            "map).",
            metavar="DESIGN",
        ),
    ],
    points: Annotated[
        int | None,
        option("Points in all.", default="as many as --standard-error needs", min=1),
    ] = None,
    standard_error: Annotated[
        float | None,
        option(
            "Standard error wanted for the overall accuracy, such as 0.01; half a 95 % interval is "
            "1.96 times as wide.",
            default="none: give --points",
        ),
    ] = None,
    allocation: Annotated[
        Literal["proportional", "equal", "optimal"] | None,
        option(
            "How by-map-class shares the points: proportional to the areas, equal, or optimal for "
            "the overall accuracy.",
            default="proportional",
            metavar="NAME",
        ),
    ] = None,
    expected_accuracy: Annotated[
        str | None,
        option(
            "User's accuracy that you expect, 0 to 1: of all classes, as 0.85, or of each by id or "
            "name, as 1=0.7,forest=0.9. Optimal allocation and --standard-error rest on it.",
            default="0.8",
            metavar="X",
        ),
    ] = None,
    minimum: Annotated[
        int | None,
        option("Points in each class at least, with by-map-class.", default="2", min=2),
    ] = None,
    run: Annotated[
        Path | None,
        option(
            "Run that made the map; its training and validation pixels are not drawn.",
            default="none",
            metavar="RUN",
        ),
    ] = None,
    seed: Annotated[int, option("Seed of the draw.", min=0)] = 0,
    scene: Annotated[
        Path | None,
        option(
            "Scene that the page shows around each point; it may be an aerial picture with finer "
            "pixels.",
            panel=DATA,
            default="outlines of the map",
        ),
    ] = None,
    show_class: Annotated[
        bool,
        option(
            "Tell the class of the map in the file and on the page; labellers should not know it.",
            "--show-class",
            panel=OUTPUT,
        ),
    ] = False,
    background: Background = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw points from a class map of any tool, to be labelled: a file, and a page that helps.

    Each point is the centre of a pixel. When its empty field truth is filled in, areas gives areas
    and accuracies with intervals.

    Example: `spectrolite sample map.tif --design by-map-class --points 300 --out points.gpkg`
    """
    import numpy as np

    from spectrolite.experiments.map_sample import sample as draw

    drawn = draw(
        scene_map,
        out=out,
        generator=np.random.default_rng(seed),
        design=design,
        points=points,
        standard_error=standard_error,
        allocation=allocation,
        expected_accuracy=_accuracies(expected_accuracy),
        minimum=minimum,
        run=run,
        scene=scene,
        show_class=show_class,
        background=background or 0,
        overwrite=overwrite,
    )
    page = out.with_suffix(".html")
    if as_json:
        print_json(
            {
                "map": str(scene_map),
                "out": str(out),
                "page": str(page),
                "design": drawn.design,
                "allocation": drawn.allocation,
                "seed": seed,
                "points": drawn.points,
                "pixels": {i: drawn.scene_map.counts[i] for i in drawn.points},
                "expected_accuracy": drawn.expected_accuracy,
                "expected_standard_error": drawn.expected_error,
                "notes": drawn.notes,
            }
        )
        return
    console.print(drawn_table(drawn))
    console.print(
        f"- if classes are as accurate as expected, the overall accuracy will have a standard "
        f"error of {100 * drawn.expected_error:.2f} points, a 95 % interval of "
        f"± {196 * drawn.expected_error:.2f}",
        soft_wrap=True,
    )
    for note in drawn.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)
    console.print(f"{out}, {page}", soft_wrap=True, markup=False)


def _accuracies(text: str | None) -> float | dict[int | str, float] | None:
    """`0.9`, or `1=0.7,forest=0.9`."""
    if text is None:
        return None
    try:
        if "=" not in text:
            return float(text)
        pairs = [pair.rpartition("=") for pair in text.split(",")]
        return {name.strip(): float(value) for name, _, value in pairs}
    except ValueError as error:
        raise SettingsError(
            f"--expected-accuracy: wanted a number, or CLASS=NUMBER with commas between, got {text}"
        ) from error


def areas(
    scene_map: ClassMap,
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="OTHER",
            help="Another map of the same place: the sample tells which of the two is better.",
            show_default="areas of MAP alone",
        ),
    ] = None,
    sample: Annotated[
        Path | None,
        option(
            "Points of known class: a CSV with the columns row,col,class or x,y,class, or a layer "
            "of points (.gpkg, .geojson, .shp, .fgb).",
            default="none: mapped areas only",
        ),
    ] = None,
    design: Annotated[
        Literal["simple", "by-map-class"] | None,
        option(
            "How the sample was drawn: simple (at random over the whole map) or by-map-class (in "
            "each class of the map).",
            default="none; needed with --sample",
            metavar="DESIGN",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        option(
            "Run that made the map; sample points on its training pixels are refused.",
            default="none",
            metavar="RUN",
        ),
    ] = None,
    class_field: Annotated[
        str | None,
        option(
            "Column of --sample that holds the class.",
            default="class, or the only one",
            metavar="NAME",
        ),
    ] = None,
    merge_small: Annotated[
        bool,
        option(
            "Count the classes of the map with fewer than two points of --sample as one stratum.",
            "--merge-small",
        ),
    ] = False,
    skip_empty: Annotated[
        bool,
        option("Leave out the points of --sample that have no class, with a note.", "--skip-empty"),
    ] = False,
    background: Background = None,
    as_json: Json = False,
) -> None:
    """Area of each class; with a sample, areas and accuracies with 95 % intervals.

    With OTHER, which of two maps is more accurate, at the same points; these were drawn from MAP.

    Example: `spectrolite areas map.tif --sample points.csv --design by-map-class --run runs/ip`

    Example: `spectrolite areas map.tif other.tif --sample points.csv --design by-map-class`
    """
    from spectrolite.mapping.class_areas import areas as measure

    settings: dict[str, Any] = {
        "sample": sample,
        "design": design,
        "run": run,
        "merge_small": merge_small,
        "class_field": class_field,
        "skip_empty": skip_empty,
        "background": background or 0,
    }
    if other is not None:
        _print_comparison(scene_map, other, as_json, **settings)
        return
    measured = measure(scene_map, **settings)
    if as_json:
        print_json({"map": str(scene_map), **asdict(measured)})
        return
    console.print(areas_table(measured))
    if measured.overall is not None:
        console.print(accuracy_table(measured))
    for note in measured.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)


def _print_comparison(one: Path, other: Path, as_json: bool, **settings: Any) -> None:
    from spectrolite.mapping.map_comparison import compare_maps

    compared = compare_maps(one, other, **settings)
    if as_json:
        print_json(asdict(compared))
        return
    console.print(comparison_table(compared))
    console.print(plain(compared.verdict), soft_wrap=True)
    for note in compared.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)
