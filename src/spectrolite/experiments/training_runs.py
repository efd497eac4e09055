"""`train`, `evaluate` and `report`: the data decide whether a run is on scenes or on images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spectrolite.data.images import ImageSet
from spectrolite.data.labels import Labels
from spectrolite.data.scene_sets import AnyLabels, AnyScenes, LabelSet
from spectrolite.errors import SettingsError
from spectrolite.experiments.image_experiment import evaluate_images, report_images, train_images
from spectrolite.experiments.scene_experiment import evaluate_scene, report_scene, train_scene
from spectrolite.models import IMAGE_MODELS, SCENE_MODELS
from spectrolite.runs.resumable_run import EpochListener
from spectrolite.runs.run_folder import AnyRun, ImageRun, Run, any_run
from spectrolite.samples.split_image_set import ImageSplit, split_images
from spectrolite.samples.split_scene import Split
from spectrolite.training.defaults import IMAGE_DEFAULT, SCENE_DEFAULT


def train(
    scene: AnyScenes | ImageSet,
    labels: AnyLabels | ImageSet | None = None,
    split: Split | ImageSplit | None = None,
    *,
    model: str | None = None,
    seed: int = 0,
    out: str | Path,
    overwrite: bool = False,
    resume: bool = False,
    on_epoch: EpochListener = lambda _epoch, _all: None,
    on_stage: Callable[[str], None] = lambda _: None,
    **flags: Any,
) -> Run:
    """Train a network and score it on the test part of the split; a scene is mapped.

    Scenes and images have the same folder, loop, seed and flags. The first two arguments are what
    `load` and the readers return: `train(*load("digits"), out=...)`.

    The run is written to `OUT.part`. If it is stopped, `resume` goes on from there and gives the
    same bits as a run that was never stopped.

    Args:
        scene: the scene, several scenes from `several`, or the images of the training and
            validation parts. A scene that stays in its file is read window by window: windows with
            training or validation pixels to train, windows with labels to check them, windows with
            test pixels for the baselines, some rows for the picture on the page, and all of it once
            for its hash and once for its map.
        labels: the label map, or the test images; None if the split draws the test images.
        split: from `split(labels, ...)` or `split_images(images, test, ...)`; default for images:
            `split_images(images, test)`.
        model: name of the network; default: `hybridsn` for scenes, `mobilenet_v2` for images.
        seed: of weights, order, augmentation and dropout. The same seed on the same machine, with
            the same versions and thread count, gives the same bits.
        out: folder of the run; it gets this name when the run is complete.
        overwrite: replace an existing run, and discard a stopped one.
        resume: go on with a stopped run; data, split, seed and settings must be the same.
        on_epoch: called after each epoch with its log entry and the number of epochs.
        on_stage: called with a few words as each stage begins.
        **flags: any field of the stages of `Settings`, or of `ImageSettings`.

    Raises:
        InputError: data, split or settings that do not fit or differ from the stopped run, a folder
            in the way, or nothing to resume.
        OSError: for example a full disk; the stopped run stays.
        TrainingError: the loss became NaN or infinite.
    """
    common: dict[str, Any] = {
        "seed": seed,
        "out": out,
        "overwrite": overwrite,
        "resume": resume,
        "on_epoch": on_epoch,
        "on_stage": on_stage,
        **flags,
    }
    if isinstance(scene, ImageSet):
        if isinstance(labels, Labels | LabelSet) or isinstance(split, Split):
            raise SettingsError("train: images take test images and a split of images")
        model = model or IMAGE_DEFAULT
        if model in SCENE_MODELS:
            raise SettingsError(
                f"model: {model} classifies scenes, and images need one of "
                f"{', '.join(IMAGE_MODELS)}"
            )
        split = split_images(scene, labels) if split is None else split
        return train_images(scene, labels, split, model=model, **common)
    if not isinstance(labels, Labels | LabelSet) or not isinstance(split, Split):
        raise SettingsError("train: a scene takes its labels and a split of them")
    model = model or SCENE_DEFAULT
    if model in IMAGE_MODELS:
        raise SettingsError(
            f"model: {model} classifies images, and a scene needs one of {', '.join(SCENE_MODELS)}"
        )
    return train_scene(scene, labels, split, model=model, **common)


def evaluate(
    run: Run | str | Path,
    scene: AnyScenes | ImageSet | None = None,
    labels: AnyLabels | ImageSet | None = None,
    *,
    flips: bool = False,
    train_mode: bool = False,
) -> Any:
    """Score the test part again with the stored model, and rewrite report, page and map.

    The thread count is that of the training, so that the bits are the same.

    Args:
        run: a run or its folder.
        scene: the run's scene or images, if they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        flips: also map the scene with the softmax averaged over its eight orientations, and report
            its figures beside those of the usual map.
        train_mode: for images, also report the accuracy that a script gets if it forgets `eval()`:
            a wrong score, beside the right one.

    Returns:
        The `Report`, or the `ImageReport`.

    Raises:
        RunError: a damaged run, or data that differ from the run's.
        SettingsError: `flips` with images, `train_mode` with scenes.
    """
    opened, data = with_data(run, scene, labels)
    if isinstance(opened, ImageRun):
        if flips:
            raise SettingsError("--flips: goes with scenes, not with images")
        return evaluate_images(opened, *data, train_mode=train_mode)
    if train_mode:
        raise SettingsError("--train-mode: goes with images, not with scenes")
    return evaluate_scene(opened, *data, flips=flips)


def report(
    run: Run | str | Path,
    scene: AnyScenes | ImageSet | None = None,
    labels: AnyLabels | ImageSet | None = None,
) -> Path:
    """Write `report.html` of a run again from its figures and its map or predictions.

    Args:
        run: a run or its folder.
        scene: the run's scene or images, if they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.

    Returns:
        Path of the page.
    """
    opened, data = with_data(run, scene, labels)
    if isinstance(opened, ImageRun):
        return report_images(opened, *data)
    return report_scene(opened, *data)


def with_data(
    run: Run | str | Path,
    scene: AnyScenes | ImageSet | None,
    labels: AnyLabels | ImageSet | None,
) -> tuple[AnyRun, Any]:
    """A run and its data: the given ones, checked by hash, or loaded again.

    Raises:
        RunError: a damaged run, or data that differ from the run's or cannot be loaded again.
    """
    opened = any_run(run)
    if scene is None or (labels is None and not isinstance(opened, ImageRun)):
        return opened, opened.data()
    opened.check_data(scene, labels)
    return opened, (scene, labels)
