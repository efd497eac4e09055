"""The verb that makes maps of scenes: map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectrolite.cli.area_tables import areas_table, maps_tables
from spectrolite.cli.data_options import (
    SCENE_READING,
    STACK_HELP,
    band_numbers,
    granules_among,
    scene_reading,
)
from spectrolite.cli.options import (
    DATA,
    OUTPUT,
    Json,
    Model,
    Overwrite,
    console,
    exit_after,
    messages,
    option,
    plain,
    print_json,
    print_warning,
    with_options,
)
from spectrolite.cli.tables import TrainingProgress
from spectrolite.errors import RunError

if TYPE_CHECKING:
    from spectrolite.mapping.class_areas import Areas
    from spectrolite.mapping.map_file import MapFile
    from spectrolite.mapping.several_maps import Failed


@with_options(SCENE_READING)
def map_(
    run: Model,
    out: Annotated[
        Path,
        option(
            "GeoTIFF to write; a picture, a QGIS style and the --bands are written beside it. A "
            "folder for several scenes.",
            panel=OUTPUT,
        ),
    ],
    scene: Annotated[
        list[str] | None,
        option(
            "Scene file. For several scenes repeat the flag, or quote a pattern: 'scenes/*.tif'.",
            panel=DATA,
            default="the run's scenes",
        ),
    ] = None,
    stack: Annotated[bool, option(STACK_HELP, "--stack", panel=DATA)] = False,
    match_wavelengths: Annotated[
        bool,
        option(
            "Interpolate a scene whose wavelengths differ from the model's.",
            "--match-wavelengths",
            panel=DATA,
        ),
    ] = False,
    sensor_geometry: Annotated[
        bool,
        option(
            "Leave the map of a swath in the sensor's geometry, pixel by pixel, without "
            "coordinates.",
            "--sensor-geometry",
            panel=OUTPUT,
        ),
    ] = False,
    flips: Annotated[
        bool, option("Average the eight orientations; takes eight times as long.", "--flips")
    ] = False,
    window: Annotated[
        int | None,
        option(
            "Side in pixels of the windows computed one at a time; smaller ones need less memory.",
            default="128",
            min=1,
        ),
    ] = None,
    device: Annotated[
        str, option("auto, cpu, cuda or mps; auto takes CUDA if there is one.")
    ] = "auto",
    bands: Annotated[
        str,
        option(
            "Float layers to write beside the classes, with commas: confidence, entropy, "
            "probabilities (a band a class), similarity (to the training spectra: do not trust "
            "the map where it is low).",
            panel=OUTPUT,
        ),
    ] = "confidence,entropy",
    reject: Annotated[
        float | None,
        option(
            "Give class 0 to pixels whose confidence is lower. Range: above 0, up to 1.",
            panel=OUTPUT,
            default="none",
        ),
    ] = None,
    cog: Annotated[
        bool, option("Write cloud-optimised GeoTIFFs with overviews.", "--cog", panel=OUTPUT)
    ] = False,
    envi: Annotated[
        bool,
        option(
            "Write an ENVI classification too: NAME_classes.dat and .hdr.", "--envi", panel=OUTPUT
        ),
    ] = False,
    polygons: Annotated[
        Path | None,
        option(
            "GeoPackage of the areas of the classes as polygons (.gpkg), of one scene.",
            panel=OUTPUT,
            default="none",
        ),
    ] = None,
    sieve: Annotated[
        int | None,
        option(
            "Give polygons of fewer pixels to their largest neighbour; the map keeps them.",
            panel=OUTPUT,
            default="none",
            metavar="PIXELS",
        ),
    ] = None,
    resume: Annotated[
        bool, option("Continue a stopped map; skip complete ones.", "--resume", panel=OUTPUT)
    ] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
    **reading: Any,
) -> None:
    """Classify scenes of any size into GeoTIFFs with colours, class names and areas.

    Example: `spectrolite map runs/ip --scene other.npy --out map.tif`
    """
    from spectrolite.bundles.loading import scene_model
    from spectrolite.mapping.large_maps import MAP_WINDOW, map_scene
    from spectrolite.mapping.map_file import MapFile
    from spectrolite.mapping.scene_inference import scene_config
    from spectrolite.mapping.several_maps import Failed, is_of_several, map_scenes
    from spectrolite.mapping.sidecars import changed_in_envi
    from spectrolite.readers.scenes.patterns import scenes_named

    settings: dict[str, Any] = {
        **{("scene_key" if k == "key" else k): v for k, v in scene_reading(reading).items()},
        "drop_bands": band_numbers(reading["drop_bands"] or ""),
        "match_wavelengths": match_wavelengths,
        "resume": resume,
        "overwrite": overwrite,
        "flips": flips,
        "window": window or MAP_WINDOW,
        "device": device,
        "bands": tuple(filter(None, bands.split(","))),
        "reject": reject,
        "polygons": polygons,
        "sieve": sieve,
        "cog": cog,
        "envi": envi,
        "sensor_geometry": sensor_geometry,
        "on_note": lambda note: messages.print(plain(note), soft_wrap=True),
    }
    paths = scene or []
    # once: maps may match the patterns too
    named = list(map(Path, paths)) if stack else granules_among(scenes_named(paths))
    several = not paths and is_of_several(run)
    mosaic = settings["mosaic"]
    alone = not paths or mosaic or (len(paths) == 1 and named == [Path(paths[0])])
    one = alone and not several
    if not one and out.suffix.lower() in (".tif", ".tiff"):
        raise RunError(f"--out: several scenes want a folder, got {out}")
    print_warning(scene_config(scene_model(run)).caveat)
    files: list[Path] = []

    def begin(file: Path, _all: int) -> None:
        files.append(file)
        progress.stage(f"mapping {file.name}")

    try:
        with TrainingProgress(messages).shown() as progress:
            if one:
                progress.stage("mapping")
                results: list[MapFile | Failed] = [
                    map_scene(
                        run,
                        (named if mosaic else paths[0]) if paths else None,
                        out=out,
                        on_window=progress.window,
                        **settings,
                    )
                ]
            else:
                results = map_scenes(
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
        raise exit_after(stop) from stop
    done = next((m for m in results if isinstance(m, MapFile)), None)
    changed = changed_in_envi(done.head.class_names) if envi and done is not None else None
    if changed:
        messages.print(plain(f"--envi: {changed}"), soft_wrap=True)
    if one:
        assert not isinstance(results[0], Failed)
        _print_map(results[0], polygons, as_json)
        return
    _print_maps(files, results, as_json)
    if any(isinstance(m, Failed) for m in results):
        raise typer.Exit(1)


def _as_json(map_file: MapFile, measured: Areas) -> dict[str, Any]:
    from spectrolite.mapping.map_file import EXTRA_BANDS, MapFiles

    files = MapFiles(map_file.path)
    optional = {name: files.band(name) for name in EXTRA_BANDS} | {"envi": files.envi}
    return {
        "map": str(map_file.path),
        "picture": str(files.picture),
        "style": str(files.style),
        **{name: str(path) for name, path in optional.items() if path.exists()},
        "shape": map_file.head.shape,
        "pixels": measured.pixels,
        "no_data": map_file.counts.get(0, 0) - map_file.rejected,
        "rejected": map_file.rejected,
        "pixel_m2": measured.pixel_m2,
        "hectares": measured.mapped_ha,
        "notes": measured.notes,
    }


def _print_map(map_file: MapFile, polygons: Path | None, as_json: bool) -> None:
    from spectrolite.mapping.class_areas import areas as measure
    from spectrolite.mapping.map_file import EXTRA_BANDS

    measured = measure(map_file)
    content = _as_json(map_file, measured)
    if polygons is not None:
        content["polygons"] = str(polygons)
    if as_json:
        print_json(content)
        return
    console.print(areas_table(measured))
    if content["no_data"]:
        console.print(f"- {content['no_data']:,} pixels without data", soft_wrap=True)
    for note in content["notes"]:
        console.print(f"- {note}", soft_wrap=True, markup=False)
    keys = ("map", "picture", "style", *EXTRA_BANDS, "envi", "polygons")
    console.print(
        ", ".join(content[key] for key in keys if key in content), soft_wrap=True, markup=False
    )


def _print_maps(scenes: list[Path], results: list[MapFile | Failed], as_json: bool) -> None:
    from spectrolite.mapping.class_areas import areas as measure
    from spectrolite.mapping.several_maps import Failed

    maps = {file: m for file, m in zip(scenes, results, strict=True) if not isinstance(m, Failed)}
    failed = [m for m in results if isinstance(m, Failed)]
    content = {file: _as_json(m, measure(m)) for file, m in maps.items()}
    if as_json:
        print_json(
            {
                "maps": [{"scene": str(file), **one} for file, one in content.items()],
                "failed": [{"scene": str(f.scene), "error": str(f.error)} for f in failed],
            }
        )
    else:
        in_hectares = all(one["hectares"] is not None for one in content.values())
        figures = {
            file: one["hectares" if in_hectares else "pixels"] for file, one in content.items()
        }
        names = {i: name for m in maps.values() for i, name in m.head.class_names.items()}
        for table in maps_tables(figures, names, in_hectares, console.width) if maps else ():
            console.print(table)
        for file, m in maps.items():
            for note in m.notes:
                console.print(f"- {file.name}: {note}", soft_wrap=True, markup=False)
        for folder in dict.fromkeys(m.path.parent for m in maps.values()):
            console.print(
                f"maps in {folder}, each with the name of its scene", soft_wrap=True, markup=False
            )
    for f in failed:
        messages.print(f"[bold red]failed:[/] {plain(f'{f.scene}: {f.error}')}", soft_wrap=True)
        for note in getattr(f.error, "__notes__", []):
            messages.print(plain(note), soft_wrap=True)
