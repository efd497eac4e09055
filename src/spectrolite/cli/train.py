"""The verb `train`: data, split and settings from flags, and from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spectrolite.cli.options import (
    ClassField,
    DropBands,
    Json,
    LabelsKey,
    Layer,
    MirrorUrl,
    Overwrite,
    Root,
    Scale,
    SceneKey,
    load_data,
    messages,
    plain,
    print_report,
)
from spectrolite.cli.tables import TrainingProgress
from spectrolite.errors import SettingsError, SplitError

Number = float | None


def train(
    out: Annotated[Path, typer.Option(help="Folder of the run; must not exist yet.")],
    data: Annotated[
        str | None, typer.Option(help="Data set by name: spectrolite data lists them.")
    ] = None,
    root: Root = None,
    mirror_url: MirrorUrl = None,
    scene: Annotated[
        list[Path] | None,
        typer.Option(
            help="Scene from a file: ENVI, GeoTIFF, .npy, .mat, HDF5, NetCDF, Zarr. Several: again."
        ),
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            help="Its labels: .npy, .mat, raster, polygons (.gpkg, .shp, ...), .csv; of several "
            "scenes in their order."
        ),
    ] = None,
    leave_in_file: Annotated[
        bool,
        typer.Option(
            "--leave-in-file",
            help="Read --scene window by window, and only where pixels train: for large scenes.",
        ),
    ] = False,
    scene_key: SceneKey = None,
    labels_key: LabelsKey = None,
    class_field: ClassField = None,
    layer: Layer = None,
    drop_bands: DropBands = "",
    scale: Scale = False,
    images: Annotated[
        Path | None, typer.Option(help="Images: a folder a class, or an archive of it.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side in pixels to resize --images to.")
    ] = None,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave damaged --images out, and list them.")
    ] = False,
    split: Annotated[
        str | None,
        typer.Option(
            help="random (without it), per_class, blocks, blocks_by_class, fields, polygons, "
            "scenes or given, with keywords: "
            "blocks,train=0.3,side=20,guard=6,seed=1,allow_missing. Several scenes: "
            "scenes,test=NAME. Images: "
            "random,validation=0.1,test=0.2,seed=0; test= only where there is no test set."
        ),
    ] = None,
    train: Annotated[float | None, typer.Option(help="Short for train= in --split.")] = None,
    split_seed: Annotated[int | None, typer.Option(help="Short for seed= in --split.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Settings by name, or from a .toml file; flags override them."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Network; without it hybridsn for scenes, mobilenet_v2 for images."),
    ] = None,
    variant: Annotated[str | None, typer.Option(help="course or paper.")] = None,
    width: Annotated[
        Number, typer.Option(help="Multiplier of all channels: images, and mobilesn.")
    ] = None,
    receptive_field: Annotated[
        int | None, typer.Option(help="mobilesn: odd side in pixels of what it sees.")
    ] = None,
    activation: Annotated[str | None, typer.Option(help="Images: relu6 or relu.")] = None,
    small_images: Annotated[
        bool | None, typer.Option(help="Images: strides for 32x32 pixels, or for 224x224.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the training; 0 without it.")
    ] = None,
    components: Annotated[
        int | None, typer.Option(help="Scenes: components; 0: all bands.")
    ] = None,
    reduction: Annotated[
        str | None, typer.Option(help="Scenes: pca, or mnf (minimum noise fraction).")
    ] = None,
    bands_from: Annotated[str | None, typer.Option(help="Scenes: train, patches or scene.")] = None,
    standardise: Annotated[
        bool | None, typer.Option(help="Scenes: scale bands before the PCA.")
    ] = None,
    pad: Annotated[
        int | None, typer.Option(help="Images: pad so many pixels, crop at random.")
    ] = None,
    fill: Annotated[str | None, typer.Option(help="Images: pad with reflect or zero.")] = None,
    mirror: Annotated[str | None, typer.Option(help="Images: alternating, random or none.")] = None,
    cutout: Annotated[
        int | None, typer.Option(help="Images: side of a square to blank, pixels.")
    ] = None,
    mixup: Annotated[Number, typer.Option(help="Images: blend pairs, Beta(mixup, mixup).")] = None,
    mode: Annotated[str | None, typer.Option(help="Scenes: dense or patches.")] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Of hybridsn 130, of mobilesn 100; where patches 100, images 10."),
    ] = None,
    optimiser: Annotated[
        str | None, typer.Option(help="adamw (scenes), sgd with Nesterov (images) or adam.")
    ] = None,
    momentum: Annotated[Number, typer.Option(help="SGD's.")] = None,
    learning_rate: Annotated[Number, typer.Option(help="Highest learning rate.")] = None,
    weight_decay: Annotated[Number, typer.Option(help="With 0, AdamW is Adam.")] = None,
    decay_on: Annotated[
        str | None,
        typer.Option(help="all, or kernels: not on depthwise ones, BatchNorm and biases."),
    ] = None,
    schedule: Annotated[str | None, typer.Option(help="one_cycle, cosine or constant.")] = None,
    rise: Annotated[Number, typer.Option(help="Share of steps that rise.")] = None,
    label_smoothing: Annotated[Number, typer.Option(help="0 to below 1.")] = None,
    class_weights: Annotated[str | None, typer.Option(help="none or balanced.")] = None,
    ema: Annotated[Number, typer.Option(help="Decay of averaged weights; 0: none.")] = None,
    flips: Annotated[bool | None, typer.Option(help="Scenes: random flips and transposes.")] = None,
    window: Annotated[
        int | None, typer.Option(help="Scenes: side of dense windows, pixels.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Images a step; of scenes patches, in patch mode.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Epochs without a better validation.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a stopped run; --out alone is enough.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train a network on a scene or on images, and score it on what the split tests.

    Example: `spectrolite train --data indian_pines --model hybridsn --split random --train 0.1
    --split-seed 345 --seed 0 --out runs/ip`

    Example: `spectrolite train --data cifar10 --model mobilenet_v2 --seed 0 --out runs/v2`
    """
    from spectrolite.experiments import training_runs
    from spectrolite.runs.resumable_run import open_stopped
    from spectrolite.training.recipes import read_recipe
    from spectrolite.training.settings import flat_settings

    flags: dict[str, Any] = {
        "model": model,
        "seed": seed,
        "variant": variant,
        "width": width,
        "receptive_field": receptive_field,
        "activation": activation,
        "small_images": small_images,
        "components": components,
        "reduction": reduction,
        "bands_from": bands_from,
        "standardise": standardise,
        "pad": pad,
        "fill": fill,
        "mirror": mirror,
        "cutout": cutout,
        "mixup": mixup,
        "mode": mode,
        "epochs": epochs,
        "optimiser": optimiser,
        "momentum": momentum,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "decay_on": decay_on,
        "schedule": schedule,
        "rise": rise,
        "label_smoothing": label_smoothing,
        "class_weights": class_weights,
        "ema": ema,
        "flips": flips,
        "window": window,
        "batch": batch,
        "patience": patience,
        "device": device,
    }
    given = {k: v for k, v in flags.items() if v is not None}
    if recipe is not None:
        given = {**read_recipe(recipe), **given}
    stopped = open_stopped(out) if resume else None
    scene, labels = scene or None, labels or None
    of_data: dict[str, Any] = {"root": root, "mirror_url": mirror_url}
    of_scene = {
        "scene": scene,
        "labels": labels,
        "scene_key": scene_key,
        "labels_key": labels_key,
        "drop_bands": drop_bands or None,
        "class_field": class_field,
        "layer": layer,
        "scale": scale or None,
        "leave_in_file": leave_in_file or None,
    }
    of_images = {"image_size": image_size, "skip_damaged": skip_damaged or None}
    if stopped is None or any(source is not None for source in (data, scene, labels, images)):
        loaded = load_data(data, of_data, of_scene, images, of_images)
    else:
        for key, value in {**of_data, **of_scene, **of_images}.items():
            if value is not None:
                flag = key.replace("_", "-")
                raise SettingsError(
                    f"--{flag}: {stopped.path} knows its data; leave the flag out, or give all of "
                    "--data, --scene or --images again"
                )
        loaded = stopped.data()
    if stopped is None or any(flag is not None for flag in (split, train, split_seed)):
        drawn = _draw(loaded, split or "random", train, split_seed)
    else:
        drawn = stopped.split(*loaded)
    if stopped is not None:
        given = {"seed": stopped.manifest.seed, **flat_settings(stopped.settings), **given}
    try:
        with TrainingProgress(messages).shown() as progress:
            run = training_runs.train(
                *loaded,
                drawn,
                out=out,
                overwrite=overwrite,
                resume=resume,
                on_epoch=progress.epoch,
                on_stage=progress.stage,
                **given,
            )
    except KeyboardInterrupt as stop:
        for note in getattr(stop, "__notes__", ["stopped"]):
            messages.print(plain(note), soft_wrap=True)
        raise typer.Exit(130) from stop
    print_report(run.path, as_json)


def _draw(loaded: tuple[Any, Any], text: str, train: float | None, split_seed: int | None) -> Any:
    from spectrolite.data.images import ImageSet
    from spectrolite.samples.split_grammar import parse_split
    from spectrolite.samples.split_image_set import split_images
    from spectrolite.samples.split_scene import split

    method, parameters = parse_split(text)
    for key, flag, value in (("train", "--train", train), ("seed", "--split-seed", split_seed)):
        if value is not None and parameters.setdefault(key, value) != value:
            raise SplitError(f"{flag} {value} contradicts --split {text}; give one of them")
    if isinstance(loaded[0], ImageSet):
        return split_images(*loaded, method, **parameters)
    return split(loaded[1], method, **parameters)
