"""The verbs that make and read maps of scenes: map, areas."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from spectrolite.cli.options import (
    DropBands,
    Json,
    Overwrite,
    SceneKey,
    band_numbers,
    console,
    messages,
    plain,
    print_json,
)
from spectrolite.cli.tables import TrainingProgress
from spectrolite.errors import RunError

if TYPE_CHECKING:
    from spectrolite.mapping.class_areas import Areas
    from spectrolite.mapping.map_file import MapFile
    from spectrolite.mapping.several_maps import Failed


def map_(
    run: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder of a run, a bundle or an export.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="GeoTIFF to write, with picture, style and confidence beside it; a folder for "
            "several scenes."
        ),
    ],
    scene: Annotated[
        list[str] | None,
        typer.Option(
            help="Scene from a file; without it the run's own. Several: again, or 'scenes/*.tif'."
        ),
    ] = None,
    scene_key: SceneKey = None,
    drop_bands: DropBands = "",
    match_wavelengths: Annotated[
        bool,
        typer.Option(
            "--match-wavelengths", help="Interpolate a scene of other wavelengths than the model's."
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was stopped; leave what is complete.")
    ] = False,
    overwrite: Overwrite = False,
    flips: Annotated[
        bool, typer.Option("--flips", help="Average eight orientations; takes eight times as long.")
    ] = False,
    window: Annotated[
        int | None, typer.Option(min=1, help="Side in pixels of what is computed at a time.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    bands: Annotated[
        str, typer.Option(help="Of confidence,entropy: float bands to write beside the classes.")
    ] = "confidence,entropy",
    cog: Annotated[
        bool, typer.Option("--cog", help="Cloud-optimised GeoTIFFs, with overviews.")
    ] = False,
    envi: Annotated[
        bool, typer.Option("--envi", help="An ENVI classification too: NAME_classes.dat, .hdr.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Classify scenes of any size into GeoTIFFs with colours, class names and areas.

    Example: `spectrolite map runs/ip --scene other.npy --out map.tif`
    """
    from spectrolite.mapping.large_maps import MAP_WINDOW, map_scene
    from spectrolite.mapping.several_maps import (
        Failed,
        is_of_several,
        map_scenes,
        scenes_named,
    )

    settings: dict[str, Any] = {
        "scene_key": scene_key,
        "drop_bands": band_numbers(drop_bands),
        "match_wavelengths": match_wavelengths,
        "resume": resume,
        "overwrite": overwrite,
        "flips": flips,
        "window": window or MAP_WINDOW,
        "device": device,
        "bands": tuple(filter(None, bands.split(","))),
        "cog": cog,
        "envi": envi,
    }
    given = scene or []
    named = scenes_named(given)  # once: maps may match the patterns too
    several = not given and is_of_several(run)
    one = not several and (not given or (len(given) == 1 and named == [Path(given[0])]))
    if not one and out.suffix.lower() in (".tif", ".tiff"):
        raise RunError(f"--out: several scenes want a folder, got {out}")
    files: list[Path] = []

    def begin(file: Path, _all: int) -> None:
        files.append(file)
        progress.stage(f"mapping {file.name}")

    try:
        with TrainingProgress(messages).shown() as progress:
            if one:
                progress.stage("mapping")
                made: list[MapFile | Failed] = [
                    map_scene(
                        run,
                        given[0] if given else None,
                        out=out,
                        on_window=progress.window,
                        **settings,
                    )
                ]
            else:
                made = map_scenes(
                    run,
                    named or None,
                    out=out,
                    on_window=progress.window,
                    on_scene=begin,
                    **settings,
                )
    except (KeyboardInterrupt, RuntimeError) as stop:
        for note in getattr(stop, "__notes__", []):
            messages.print(plain(note), soft_wrap=True)
        if isinstance(stop, RuntimeError):
            raise
        raise typer.Exit(130) from stop
    if one:
        assert not isinstance(made[0], Failed)
        _print_map(made[0], as_json)
        return
    _print_maps(files, made, as_json)
    if any(isinstance(m, Failed) for m in made):
        raise typer.Exit(1)


def areas(
    scene_map: Annotated[Path, typer.Argument(metavar="MAP", help="A class map: map.tif.")],
    sample: Annotated[
        Path | None,
        typer.Option(help="CSV of row,col,class or x,y,class: points whose class is known."),
    ] = None,
    design: Annotated[
        Literal["simple", "by-map-class"] | None,
        typer.Option(help="How they were drawn: over the whole map, or in each class of it."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Run that made the map: its training pixels are refused.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Area of each class; with a sample, error-adjusted areas with 95 % intervals.

    Example: `spectrolite areas map.tif --sample points.csv --design by-map-class --run runs/ip`
    """
    from spectrolite.mapping.class_areas import areas as measure

    made = measure(scene_map, sample=sample, design=design, run=run)
    if as_json:
        print_json({"map": str(scene_map), **asdict(made)})
        return
    console.print(areas_table(made))
    for note in made.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)


def areas_table(made: Areas) -> Table:
    """A row a class: pixels, hectares, and what the sample makes of them."""
    table = Table(title="Areas of the classes", title_justify="left")
    table.add_column("id", justify="right")
    table.add_column("class")
    table.add_column("pixels", justify="right")
    if made.mapped_ha is not None:
        table.add_column("hectares", justify="right")
    if made.adjusted is not None:
        table.add_column("adjusted, % of the map", justify="right")
        if made.mapped_ha is not None:
            table.add_column("adjusted, hectares", justify="right")
    for i, name in made.class_names.items():
        cells = [str(i), escape(name), f"{made.pixels[i]:,}"]
        if made.mapped_ha is not None:
            cells.append(f"{made.mapped_ha[i]:,.2f}")
        if made.adjusted is not None:
            one = made.adjusted[i]
            cells.append(f"{100 * one.share:.2f} ± {100 * one.share_error:.2f}")
            if one.ha is not None and one.ha_error is not None:
                cells.append(f"{one.ha:,.2f} ± {one.ha_error:,.2f}")
        table.add_row(*cells)
    return table


def _as_json(made: MapFile, measured: Areas) -> dict[str, Any]:
    from spectrolite.mapping.map_file import EXTRA_BANDS, MapFiles

    files = MapFiles(made.path)
    there = {name: files.band(name) for name in EXTRA_BANDS} | {"envi": files.envi}
    return {
        "map": str(made.path),
        "picture": str(files.picture),
        "style": str(files.style),
        **{name: str(path) for name, path in there.items() if path.exists()},
        "shape": made.head.shape,
        "pixels": measured.pixels,
        "no_data": made.counts.get(0, 0),
        "pixel_m2": measured.pixel_m2,
        "hectares": measured.mapped_ha,
        "notes": measured.notes,
    }


def _print_map(made: MapFile, as_json: bool) -> None:
    from spectrolite.mapping.class_areas import areas as measure

    measured = measure(made)
    told = _as_json(made, measured)
    if as_json:
        print_json(told)
        return
    console.print(areas_table(measured))
    if told["no_data"]:
        console.print(f"- {told['no_data']:,} pixels without data", soft_wrap=True)
    for note in told["notes"]:
        console.print(f"- {note}", soft_wrap=True, markup=False)
    keys = ("map", "picture", "style", "confidence", "entropy", "envi")
    console.print(", ".join(told[key] for key in keys if key in told), soft_wrap=True, markup=False)


def _print_maps(scenes: list[Path], made: list[MapFile | Failed], as_json: bool) -> None:
    from spectrolite.mapping.class_areas import areas as measure
    from spectrolite.mapping.several_maps import Failed

    done = {file: m for file, m in zip(scenes, made, strict=True) if not isinstance(m, Failed)}
    failed = [m for m in made if isinstance(m, Failed)]
    told = {file: _as_json(m, measure(m)) for file, m in done.items()}
    if as_json:
        print_json(
            {
                "maps": [{"scene": str(file), **one} for file, one in told.items()],
                "failed": [{"scene": str(f.scene), "error": str(f.error)} for f in failed],
            }
        )
    else:
        ids = {i: name for m in done.values() for i, name in m.head.class_names.items()}
        in_hectares = all(one["hectares"] is not None for one in told.values())
        table = Table(
            title=f"Maps, {'hectares' if in_hectares else 'pixels'} of each class",
            title_justify="left",
        )
        for name in ("scene", "map", *(f"{i} {escape(name)}" for i, name in ids.items())):
            table.add_column(name, justify="left" if name in ("scene", "map") else "right")
        for file, one in told.items():
            figures = (
                f"{one['hectares'][i]:,.2f}" if in_hectares else f"{one['pixels'][i]:,}"
                for i in ids
            )
            table.add_row(escape(str(file)), escape(one["map"]), *figures)
        if done:
            console.print(table)
    for f in failed:
        messages.print(f"[bold red]failed:[/] {plain(f'{f.scene}: {f.error}')}", soft_wrap=True)
        for note in getattr(f.error, "__notes__", []):
            messages.print(plain(note), soft_wrap=True)
