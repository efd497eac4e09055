"""The verbs that take a run: evaluate, report, verify, repeat, doctor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from spectrolite.cli.data_options import (
    LABELS_READING,
    RELOCATED,
    SCENE_READING,
    band_numbers,
    flags_given,
    labels_on,
    relocated_data,
    scene_reading,
)
from spectrolite.cli.options import (
    DATA,
    OUTPUT,
    Json,
    Overwrite,
    Picture,
    RunFolder,
    console,
    messages,
    option,
    print_json,
    print_report,
    resumable_progress,
    with_options,
)
from spectrolite.cli.tables import (
    TrainingProgress,
    checkup_table,
    kernel_table,
    repetition_tables,
    verification_table,
)
from spectrolite.errors import SettingsError

Flips = Annotated[
    bool,
    option(
        "Scenes only: add a row with predictions averaged over the eight orientations.", "--flips"
    ),
]


@with_options(RELOCATED)
def evaluate(
    run: RunFolder,
    flips: Flips = False,
    train_mode: Annotated[
        bool,
        option(
            "Images only: add a row with the wrong score of a network left in training mode.",
            "--train-mode",
        ),
    ] = False,
    as_json: Json = False,
    **relocated: Any,
) -> None:
    """Score a run's test part again with the stored model, and map its scene again.

    Example: `spectrolite evaluate runs/ip`
    """
    from spectrolite.experiments import training_runs

    training_runs.evaluate(
        run, *relocated_data(run, **relocated), flips=flips, train_mode=train_mode
    )
    print_report(run, as_json)


@with_options(RELOCATED)
def report(run: RunFolder, as_json: Json = False, **relocated: Any) -> None:
    """Write a run's `report.html` again from its stored figures, map or predictions.

    Example: `spectrolite report runs/ip`
    """
    from spectrolite.experiments import training_runs

    page = training_runs.report(run, *relocated_data(run, **relocated))
    if as_json:
        print_json({"page": str(page)})
    else:
        console.print(str(page), markup=False, soft_wrap=True)


@with_options(RELOCATED)
def verify(
    run: RunFolder,
    tolerance: Annotated[
        float,
        option(
            "Accepted difference of accuracy, in percentage points, where versions or processor "
            "differ from the run's."
        ),
    ] = 1.0,
    as_json: Json = False,
    **relocated: Any,
) -> None:
    """Train a run again and compare data, split, weights, map or predictions, and figures.

    With the run's versions and processor they must be equal to the bit; otherwise the figures are
    compared within a tolerance.

    Example: `spectrolite verify runs/ip`
    """
    from spectrolite.experiments import verification

    with TrainingProgress(messages).shown() as progress:
        verified = verification.verify(
            run,
            *relocated_data(run, **relocated, check=False),
            tolerance=tolerance,
            on_epoch=progress.epoch,
            on_stage=progress.stage,
        )
    if as_json:
        print_json({**asdict(verified), "verdict": verified.verdict})
        return
    console.print(verification_table(verified))
    for note in (*verified.elsewhere, *verified.notes):
        console.print(f"- {note}", markup=False, soft_wrap=True)
    console.print(f"{run}: {verified.verdict}", markup=False, soft_wrap=True)


@with_options(RELOCATED)
def repeat(
    run: RunFolder,
    seeds: Annotated[
        int, option("Number of trainings, the run itself included. Range: 2 or more.")
    ] = 10,
    vary: Annotated[str, option("Seed that varies: training, split or both.")] = "training",
    out: Annotated[
        Path | None, option("Folder of the repetitions.", panel=OUTPUT, default="RUN-repeats")
    ] = None,
    flips: Flips = False,
    as_json: Json = False,
    **relocated: Any,
) -> None:
    """Train a run again with other seeds: mean and standard deviation of every figure.

    The same command continues after an interruption.

    Example: `spectrolite repeat runs/ip --seeds 10`
    """
    from spectrolite.experiments import repetition

    with resumable_progress() as progress:
        repetitions = repetition.repeat(
            run,
            seeds,
            cast(repetition.Vary, vary),
            out,
            *relocated_data(run, **relocated),
            flips=flips,
            on_epoch=progress.epoch,
            on_stage=progress.stage,
        )
    if as_json:
        print_json(json.loads(repetitions.model_dump_json()))
        return
    for table in repetition_tables(repetitions):
        console.print(table)


@with_options(SCENE_READING, LABELS_READING)
def doctor(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run or of a bundle.")],
    scene: Annotated[
        list[Path] | None, option("Scene file to check on.", panel=DATA, default="the run's")
    ] = None,
    labels: Annotated[
        Path | None,
        option(
            "Labels of --scene; for a run, the labels it was trained on.",
            panel=DATA,
            default="the run's",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        option(
            "Images to check on: a folder with one folder for each class; for a run, its images if "
            "they have moved.",
            panel=DATA,
            default="the run's",
        ),
    ] = None,
    picture: Picture = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    **flags: Any,
) -> None:
    """Check a trained model: evaluation mode, same bits, normalisation, scaling, calibration.

    Dead and weak depthwise kernels are counted too; --picture plots all of them. For a run, the
    page `doctor.html` is written beside its report. The exit code is 1 if a check fails.

    Example: `spectrolite doctor runs/ip`
    """
    from spectrolite.experiments import scene_doctor
    from spectrolite.pages.doctor_page import kernel_sentence

    data = _doctors_data(run, scene, labels, images, flags_given(flags))
    checkup = scene_doctor.doctor(run, *data, picture=picture, overwrite=overwrite)
    page = run / "doctor.html" if (run / "manifest.json").is_file() else None
    if as_json:
        content = json.loads(checkup.model_dump_json())
        print_json({"ok": checkup.ok, "page": page and str(page), **content})
    else:
        console.print(checkup_table(checkup))
        if checkup.kernels:
            console.print(kernel_table(checkup))
        console.print(kernel_sentence(checkup), markup=False, soft_wrap=True)
        for file in filter(None, (page, picture)):
            console.print(str(file), markup=False, soft_wrap=True)
    if not checkup.ok:
        raise typer.Exit(1)


def _doctors_data(
    run: Path,
    scene: list[Path] | None,
    labels: Path | None,
    images: Path | None,
    flags: Mapping[str, Any],
) -> tuple[Any, Any]:
    """Scene and labels, or images, to check on; (None, None) for the run's own."""
    from spectrolite.bundles.loading import image_model, scene_model
    from spectrolite.mapping.image_inference import config_of
    from spectrolite.mapping.scene_inference import check_units, scene_config
    from spectrolite.products.scenes import read_scene
    from spectrolite.readers.images.folders import read_images
    from spectrolite.readers.scenes.patterns import files_named

    scene = scene or None
    if (scene is None) != (labels is None):
        raise SettingsError("give both --scene and --labels, or neither")
    if scene is not None and labels is not None:
        if images is not None:
            raise SettingsError("--images: goes with runs on images, without --scene and --labels")
        drop_bands = band_numbers(flags.get("drop_bands", ""))
        model = scene_model(run)
        scaled = scene_config(model).scaled
        if "mosaic" not in flags and len(scene) > 1:
            raise SettingsError(
                f"--scene: doctor takes one scene, got {len(scene)}; if they are tiles of one, add "
                "--mosaic"
            )
        place = files_named(scene, "scene") if "mosaic" in flags else scene[0]
        cube = read_scene(place, drop_bands=drop_bands, scale=scaled, **scene_reading(flags))
        check_units(model, cube)
        return cube, labels_on(cube, labels, flags)
    if flags:
        raise SettingsError(
            "--drop-bands, --class-field and the other flags of a file go with --scene and --labels"
        )
    if images is None:
        return None, None
    if (run / "manifest.json").is_file():
        return relocated_data(run, None, None, images)
    return read_images(images, config_of(image_model(run)).input_shape[1])
