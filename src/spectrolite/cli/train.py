"""The verb `train`: data, split and settings from flags, and settings from a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from spectrolite.cli.data_options import TRAINING_SOURCE, flags_given, load_data
from spectrolite.cli.given_labels import with_given_labels
from spectrolite.cli.options import (
    NETWORK,
    OUTPUT,
    SPLIT,
    TRAINING,
    Json,
    Overwrite,
    messages,
    option,
    plain,
    print_report,
    with_options,
)
from spectrolite.cli.setting_options import setting_options
from spectrolite.cli.tables import TrainingProgress
from spectrolite.errors import SettingsError, SplitError

SETTINGS = setting_options()


@with_options(TRAINING_SOURCE, SETTINGS)
def train(
    out: Annotated[Path, option("Folder of the run; must not exist yet.", panel=OUTPUT)],
    split: Annotated[
        str | None,
        option(
            "Method, then its keywords, as in `blocks,train=0.3,side=20,guard=6,allow_missing`. "
            "For scenes: random, per_class, blocks, blocks_by_class, fields, polygons, scenes or "
            "given (docs/splits.md). For images: random with validation=, test= and seed=.",
            panel=SPLIT,
            default="random",
            metavar="SPLIT",
        ),
    ] = None,
    train: Annotated[
        float | None,
        option(
            "Share of the labelled pixels that train; short for train= in --split.",
            panel=SPLIT,
            default="the method's: 0.1, 0.3 or 0.5",
        ),
    ] = None,
    split_seed: Annotated[
        int | None,
        option("Seed of the split; short for seed= in --split.", panel=SPLIT, default="0"),
    ] = None,
    recipe: Annotated[
        str | None,
        option(
            "Settings for images by name (course-10-epochs, full-200, ten-epochs) or from a .toml "
            "file. Flags "
            "override them.",
            panel=NETWORK,
            default="none",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        option(
            "Seed of the weights, the order and the augmentation.",
            panel=TRAINING,
            default="0",
            min=0,
        ),
    ] = None,
    resume: Annotated[
        bool,
        option("Continue a stopped run; no flag but --out is needed.", "--resume", panel=OUTPUT),
    ] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
    **flags: Any,
) -> None:
    """Train a network on scenes or on images, and score it on the test part of the split.

    Example: `spectrolite train --data indian_pines --model hybridsn --split random --train 0.1
    --split-seed 345 --seed 0 --out runs/ip`

    Example: `spectrolite train --data cifar10 --model mobilenet_v2 --seed 0 --out runs/v2`
    """
    from spectrolite.experiments import training_runs
    from spectrolite.runs.resumable_run import open_stopped
    from spectrolite.training.keywords import flat_settings
    from spectrolite.training.recipes import read_recipe

    source = flags_given({name: flags[name] for name in TRAINING_SOURCE})
    given = {name: flags[name] for name in SETTINGS if flags[name] is not None}
    if recipe is not None:
        given = {**read_recipe(recipe), **given}
    method, parameters = _split_of(split or "random", train, split_seed)
    stopped = open_stopped(out) if resume else None
    if stopped is not None:
        given = {**flat_settings(stopped.settings), **given}
        seed = stopped.manifest.seed if seed is None else seed
    else:
        _check_settings(given, source)
    if stopped is None or {"data", "scene", "labels", "images"} & set(source):
        data = load_data(source, takes_images=True, needs_labels=method != "given")
        if method == "given":
            data, parameters = with_given_labels(data, parameters, source)
    elif source:
        raise SettingsError(
            f"--{next(iter(source)).replace('_', '-')}: {stopped.path} already names its data; "
            "leave the flag out, or give all of --data, --scene or --images again"
        )
    else:
        data = stopped.data()
    if stopped is None or (split, train, split_seed) != (None, None, None):
        drawn_split = _draw(data, method, parameters)
    else:
        drawn_split = stopped.split(*data)
    try:
        with TrainingProgress(messages).shown() as progress:
            run = training_runs.train(
                *data,
                drawn_split,
                seed=seed or 0,
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


def _check_settings(given: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    """Refuse a wrong name or value before data are read, which may take minutes."""
    from spectrolite.datasets.catalog import dataset
    from spectrolite.datasets.descriptions import ImageDataset
    from spectrolite.training.defaults import IMAGE_DEFAULT, SCENE_DEFAULT
    from spectrolite.training.keywords import settings

    images = "images" in source
    if "data" in source:
        images = isinstance(dataset(source["data"]), ImageDataset)
    settings(**{"model": IMAGE_DEFAULT if images else SCENE_DEFAULT, **given})


def _split_of(text: str, train: float | None, split_seed: int | None) -> tuple[str, dict[str, Any]]:
    """Method and keywords of `--split`, with those of its two shorthands."""
    from spectrolite.samples.split_grammar import parse_split

    method, parameters = parse_split(text)
    for key, flag, value in (("train", "--train", train), ("seed", "--split-seed", split_seed)):
        if value is not None and parameters.setdefault(key, value) != value:
            raise SplitError(f"{flag} {value} contradicts --split {text}; give one of them")
    return method, parameters


def _draw(data: tuple[Any, Any], method: str, parameters: Mapping[str, Any]) -> Any:
    """The split of a scene or of images."""
    from spectrolite.data.images import ImageSet
    from spectrolite.samples.split_image_set import split_images
    from spectrolite.samples.split_scene import split

    if isinstance(data[0], ImageSet):
        return split_images(*data, method, **parameters)
    return split(data[1], method, **parameters)
