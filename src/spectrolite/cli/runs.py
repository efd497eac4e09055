"""The verbs that take a run: evaluate, report, verify, repeat."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from spectrolite.cli.options import (
    ClassField,
    DropBands,
    Json,
    LabelsKey,
    Layer,
    MovedImages,
    MovedLabels,
    MovedScene,
    Overwrite,
    RunFolder,
    SceneKey,
    band_numbers,
    console,
    labels_on,
    messages,
    moved,
    print_json,
    print_report,
)
from spectrolite.cli.tables import (
    TrainingProgress,
    checkup_table,
    kernel_table,
    repetition_tables,
    verification_table,
)
from spectrolite.errors import SettingsError

if TYPE_CHECKING:
    from spectrolite.readers.scenes.info import SceneInfo


def evaluate(
    run: RunFolder,
    scene: MovedScene = None,
    labels: MovedLabels = None,
    images: MovedImages = None,
    flips: Annotated[
        bool, typer.Option("--flips", help="Scenes: a row for eight orientations averaged, too.")
    ] = False,
    train_mode: Annotated[
        bool,
        typer.Option("--train-mode", help="Images: a row for the wrong score without eval(), too."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Score a run's test pixels or test images anew with the stored model; map its scene anew.

    Example: `spectrolite evaluate runs/ip`
    """
    from spectrolite.experiments import training_runs

    training_runs.evaluate(
        run, *moved(run, scene, labels, images), flips=flips, train_mode=train_mode
    )
    print_report(run, as_json)


def report(
    run: RunFolder,
    scene: MovedScene = None,
    labels: MovedLabels = None,
    images: MovedImages = None,
    as_json: Json = False,
) -> None:
    """Write a run's `report.html` anew from its figures, and its map or predictions.

    Example: `spectrolite report runs/ip`
    """
    from spectrolite.experiments import training_runs

    page = training_runs.report(run, *moved(run, scene, labels, images))
    if as_json:
        print_json({"page": str(page)})
    else:
        console.print(f"{page}")


def verify(
    run: RunFolder,
    scene: MovedScene = None,
    labels: MovedLabels = None,
    images: MovedImages = None,
    tolerance: Annotated[
        float, typer.Option(help="Points of accuracy, where bits cannot be compared.")
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Train a run again and compare to the bit: data, split, weights, map or predictions, figures.

    Where versions or the processor are others, the figures are compared within a tolerance.

    Example: `spectrolite verify runs/ip`
    """
    from spectrolite.experiments import verification

    with TrainingProgress(messages).shown() as progress:
        found = verification.verify(
            run,
            *moved(run, scene, labels, images, check=False),
            tolerance=tolerance,
            on_epoch=progress.epoch,
            on_stage=progress.stage,
        )
    if as_json:
        print_json({**asdict(found), "verdict": found.verdict})
        return
    console.print(verification_table(found))
    for difference in found.elsewhere:
        console.print(f"- {difference}", markup=False)
    console.print(f"{run}: {found.verdict}", markup=False, soft_wrap=True)


def repeat(
    run: RunFolder,
    seeds: Annotated[int, typer.Option(help="Repetitions, the run itself included.")] = 10,
    vary: Annotated[str, typer.Option(help="training, split or both: whose seed.")] = "training",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the repetitions; RUN-repeats without it.")
    ] = None,
    scene: MovedScene = None,
    labels: MovedLabels = None,
    images: MovedImages = None,
    flips: Annotated[
        bool, typer.Option("--flips", help="A row for eight orientations averaged, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a run again with other seeds: mean and standard deviation of every figure.

    Typed again, it goes on where it was stopped.

    Example: `spectrolite repeat runs/ip --seeds 10`
    """
    from spectrolite.experiments import repetition

    try:
        with TrainingProgress(messages).shown() as progress:
            made = repetition.repeat(
                run,
                seeds,
                cast(repetition.Vary, vary),
                out,
                *moved(run, scene, labels, images),
                flips=flips,
                on_epoch=progress.epoch,
                on_stage=progress.stage,
            )
    except KeyboardInterrupt as stop:
        messages.print("stopped; the same command goes on from here")
        raise typer.Exit(130) from stop
    if as_json:
        print_json(json.loads(made.model_dump_json()))
        return
    for table in repetition_tables(made):
        console.print(table)


def doctor(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run or of a bundle.")],
    scene: Annotated[
        Path | None, typer.Option(help="Scene from a file; without it the run's own.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Its label map; of a run, the map that it was trained on.")
    ] = None,
    scene_key: SceneKey = None,
    labels_key: LabelsKey = None,
    class_field: ClassField = None,
    layer: Layer = None,
    drop_bands: DropBands = "",
    images: Annotated[
        Path | None,
        typer.Option(help="Images to check on: a folder a class; of a run, where they were moved."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="PNG of all depthwise kernels to write.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Check a trained model: evaluation mode, same bits, normalisation, scaling, calibration.

    Its depthwise kernels are looked at too: which are dead, which weak. Of a run, the page
    `doctor.html` is written beside its report. The exit code is 1 where a check is wrong.

    Example: `spectrolite doctor runs/ip`
    """
    from spectrolite import readers
    from spectrolite.bundles.loading import image_model, scene_model
    from spectrolite.experiments import scene_doctor
    from spectrolite.mapping.image_inference import config_of
    from spectrolite.mapping.scene_inference import scene_config
    from spectrolite.pages.doctor_page import kernel_sentence
    from spectrolite.readers.images.folders import read_images

    given: tuple[Any, Any] = (None, None)
    is_run = (run / "manifest.json").is_file()
    if (scene is None) != (labels is None):
        raise SettingsError("give both --scene and --labels, or neither")
    if scene is not None and labels is not None:
        if images is not None:
            raise SettingsError("--images: goes with runs on images, without --scene and --labels")
        scaled = scene_config(scene_model(run)).scaled
        read = readers.read_scene(scene, scene_key, band_numbers(drop_bands), scale=scaled)
        given = (read, labels_on(read, labels, labels_key, layer, class_field))
    elif drop_bands or scene_key or labels_key or class_field or layer:
        raise SettingsError(
            "--drop-bands, --class-field, --layer and the keys go with --scene and --labels"
        )
    elif images is not None and is_run:
        given = moved(run, None, None, images)
    elif images is not None:
        given = read_images(images, config_of(image_model(run)).input_shape[1])
    checkup = scene_doctor.doctor(run, *given, picture=picture, overwrite=overwrite)
    page = run / "doctor.html" if is_run else None
    if as_json:
        found = json.loads(checkup.model_dump_json())
        print_json({"ok": checkup.ok, "page": page and str(page), **found})
    else:
        console.print(checkup_table(checkup))
        if checkup.kernels:
            console.print(kernel_table(checkup))
        console.print(kernel_sentence(checkup), markup=False, soft_wrap=True)
        for file in filter(None, (page, picture)):
            console.print(str(file), markup=False, soft_wrap=True)
    if not checkup.ok:
        raise typer.Exit(1)


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scene, in any format.")],
    key: Annotated[
        str | None, typer.Option("--key", "--scene-key", help="Name of the array in the file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a scene's file is: size, wavelengths, place, values, and what is odd about it.

    Files above 64 MiB are looked at in windows all over them; how much that was is said.

    Example: `spectrolite info field.hdr`
    """
    from spectrolite.readers.scenes.info import scene_info

    found = scene_info(file, key)
    if as_json:
        print_json(found.as_json())
        return
    for title, value in lines(found).items():
        console.print(f"{title:<12} {value}", markup=False, soft_wrap=True)
    for warning in found.warnings:
        console.print(f"! {warning}", markup=False, soft_wrap=True)


def lines(found: SceneInfo) -> dict[str, str]:
    """What is shown, by title."""
    named = f", array {found.key}" if found.key else ""
    shown = {
        "file": found.file,
        "format": f"{found.format}{named}",
        "size": f"{found.rows} rows x {found.cols} cols x {found.bands} bands, {found.dtype}, "
        f"{found.mib:,.1f} MiB in memory",
        "wavelengths": "unknown",
        "CRS": found.crs or "none",
        "pixel": "unknown",
    }
    if found.wavelengths_nm is not None:
        low, high = found.wavelengths_nm
        back = f", {found.steps_back} steps back" if found.steps_back else ""
        unit = found.wavelength_unit or "no unit"
        shown["wavelengths"] = f"{low:g} to {high:g} nm (in the file: {unit}){back}"
    if found.pixel_size is not None:
        width, height = found.pixel_size
        shown["pixel"] = f"{width:g} x {height:g} {found.pixel_unit or '(unit unknown)'}"
    values = "none" if found.low is None else f"{found.low:g} to {found.high:g}, as stored"
    if found.scale is not None or found.offset is not None:
        low, high = found.scale or (1.0, 1.0)
        factor = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        least, most = found.offset or (0.0, 0.0)
        added = f"{least:g}" if least == most else f"{least:g} to {most:g}"
        values += f"; physical = stored x {factor} + {added}"
    shown["values"] = values
    stated = ", ".join(f"{n:g}" for n in found.nodata) or "none stated"
    shown["nodata"] = f"{stated}; {found.nodata_share:.2%} of the pixels have no spectrum"
    part = "every pixel" if found.looked_at == 1 else f"{found.looked_at:.2%} of the pixels"
    shown["looked at"] = f"{part} for values, nodata and odd bands"
    return shown
