"""The verb `compare`: classifiers side by side on the same splits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from spectrolite.cli.league_tables import league_tables
from spectrolite.cli.options import (
    ClassField,
    DropBands,
    Json,
    LabelsKey,
    Layer,
    MirrorUrl,
    Root,
    Scale,
    SceneKey,
    console,
    load_data,
    messages,
    print_json,
    wide,
)
from spectrolite.cli.tables import TrainingProgress
from spectrolite.errors import SettingsError


def compare(
    model: Annotated[
        list[str],
        typer.Option(
            help="Once a model: hybridsn, mobilesn, svm, svm_context, random_forest or position, "
            "with settings of its own: svm_context,side=13 or mobilesn,epochs=100."
        ),
    ],
    split: Annotated[
        list[str],
        typer.Option(help="Once a protocol, without a seed: random,train=0.1 as in train."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of cells, runs, league.json, league.html.")],
    data: Annotated[
        str | None, typer.Option(help="Scene by name: spectrolite data lists them.")
    ] = None,
    root: Root = None,
    mirror_url: MirrorUrl = None,
    scene: Annotated[
        Path | None,
        typer.Option(help="Scene from a file: ENVI, GeoTIFF, .npy, .mat, HDF5, NetCDF, Zarr."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Its labels: .npy, .mat, raster, polygons (.gpkg, .shp, ...), .csv."),
    ] = None,
    scene_key: SceneKey = None,
    labels_key: LabelsKey = None,
    class_field: ClassField = None,
    layer: Layer = None,
    drop_bands: DropBands = "",
    scale: Scale = False,
    seeds: Annotated[
        int, typer.Option(help="How many seeds, each the split's and the training's.")
    ] = 10,
    first_seed: Annotated[int, typer.Option(help="The seed to count up from.")] = 0,
    seeds_for: Annotated[
        list[str] | None, typer.Option(metavar="MODEL=N", help="Fewer seeds for a slow model.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare networks and tuned baselines on the same splits: the league table.

    Typed again, it goes on where it was stopped; more models, splits or seeds add to what is there.

    Example: `spectrolite compare --data indian_pines --model mobilesn --model svm
    --split random,train=0.1 --seeds 3 --out league`
    """
    from spectrolite.data.images import ImageSet
    from spectrolite.experiments import comparison

    of_scene = {
        "scene": scene,
        "labels": labels,
        "scene_key": scene_key,
        "labels_key": labels_key,
        "drop_bands": drop_bands or None,
        "class_field": class_field,
        "layer": layer,
        "scale": scale or None,
    }
    loaded = load_data(data, {"root": root, "mirror_url": mirror_url}, of_scene)
    if isinstance(loaded[0], ImageSet):
        raise SettingsError(f"--data: {data} are images, and compare takes a scene")
    fewer = _fewer(seeds_for or ())
    try:
        with TrainingProgress(messages).shown() as progress:
            league = comparison.compare(
                *loaded,
                models=model,
                splits=split,
                seeds=seeds,
                seeds_for=fewer,
                first_seed=first_seed,
                out=out,
                on_epoch=progress.epoch,
                on_stage=progress.stage,
            )
    except KeyboardInterrupt as stop:
        messages.print("stopped; the same command goes on from here")
        raise typer.Exit(130) from stop
    if as_json:
        print_json(json.loads(league.model_dump_json()))
        return
    for table in league_tables(league):
        wide.print(table)
    for note in league.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)
    console.print(f"{out}/league.html, {out}/league.json", markup=False, soft_wrap=True)


def _fewer(texts: Sequence[str]) -> dict[str, int]:
    fewer: dict[str, int] = {}
    for text in texts:
        name, _, count = text.rpartition("=")
        if not name or not count.isdecimal():
            raise SettingsError(f"--seeds-for: wanted MODEL=N as hybridsn=3, got {text!r}")
        if name in fewer:
            raise SettingsError(f"--seeds-for: {name} stands twice; name it once")
        fewer[name] = int(count)
    return fewer
