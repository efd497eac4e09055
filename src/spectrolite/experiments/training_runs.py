"""What one does with a run: train, evaluate, report. What the data are decides the kind."""

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
from spectrolite.runs.run_folder import Run, open_run
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
    """Train a network and score it on what the split tests: a scene, which is mapped, or images.

    One verb for both, because a run is one thing: the same folder, loop, seed and flags. The first
    two arguments are what `load` and the readers return, so `train(*load("digits"), out=...)`.

    The run grows in `OUT.part`. Whatever stops it, `resume` goes on from there, and the end has the
    bits of a run that was never stopped.

    Args:
        scene: the scene, several of them from `several`, or the images that train and validate. A
            scene that stays in its file is read by windows: those that hold a training or a
            validation pixel to train, those that hold a labelled one to check the labels,
            those that hold a test pixel for the baselines, some rows for the page's picture, and
            all of it once for its hash and once for its map.
        labels: its label map, or the test images; nothing where the split draws them.
        split: from `split(labels, ...)`, or `split_images(images, test, ...)`, which images have
            without being asked for.
        model: name of the network; `hybridsn` for a scene, `mobilenet_v2` for images without it.
        seed: of weights, order, changes of images and dropout. The same seed on the same machine,
            with the same versions and thread count, gives the same bits.
        out: folder of the run; made, and only under this name once complete.
        overwrite: replace a run that is there, and discard a stopped one.
        resume: go on with a stopped run; data, split, seed and settings must be those it began
            with.
        on_epoch: called after each epoch with its log entry and the number of epochs.
        on_stage: called with a few words as each stage begins.
        **flags: any field of the stages of `Settings`, or of `ImageSettings`.

    Raises:
        InputError: data, split or settings that do not fit or are not those of the stopped run, a
            folder in the way, or nothing to resume.
        OSError: a full disk and the like; the stopped run stays.
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
        drawn = split_images(scene, labels) if split is None else split
        return train_images(scene, labels, drawn, model=model, **common)
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
    """Score anew what the split tests with the stored model, and rewrite report, page and map.

    As many threads compute as when the run was trained, so that the bits are the same.

    Args:
        run: a run or its folder.
        scene: the run's scene or images, where they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        flips: map the scene in its eight orientations too, and report what the average of the
            softmax scores, as figures of its own beside those of the one pass.
        train_mode: of images, report also what a script gets that forgets `eval()`: a wrong score,
            beside the right one.

    Returns:
        The `Report`, or the `ImageReport`.

    Raises:
        RunError: a damaged run, or other data than the run's.
        SettingsError: `flips` of images, `train_mode` of a scene.
    """
    opened, data = with_data(run, scene, labels)
    if opened.on_images:
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
    """Write a run's `report.html` anew from its figures, and its map or predictions.

    Args:
        run: a run or its folder.
        scene: the run's scene or images, where they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.

    Returns:
        Path of the page.
    """
    opened, data = with_data(run, scene, labels)
    return (report_images if opened.on_images else report_scene)(opened, *data)


def with_data(
    run: Run | str | Path,
    scene: AnyScenes | ImageSet | None,
    labels: AnyLabels | ImageSet | None,
) -> tuple[Run, Any]:
    """An opened run and its data: those given, if they are the run's, or loaded again.

    Raises:
        RunError: a damaged run, other data, or some that cannot be loaded again.
    """
    opened = run if isinstance(run, Run) else open_run(run)
    if scene is None or (labels is None and not opened.on_images):
        return opened, opened.data()
    opened.check_data(scene, labels)
    return opened, (scene, labels)
