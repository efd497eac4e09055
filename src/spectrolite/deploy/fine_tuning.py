"""Fine-tune a pruned network with its run's training loop, on its run's training part."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.experiments.scene_experiment import calibrated
from spectrolite.mapping.image_inference import predict
from spectrolite.mapping.scene_inference import classify_scene
from spectrolite.runs.resumable_run import EpochListener, seeds
from spectrolite.runs.run_folder import Run
from spectrolite.samples.band_reduction import reduced_array
from spectrolite.training.image_loop import fit_images
from spectrolite.training.keywords import checked_settings
from spectrolite.training.loop import Epoch
from spectrolite.training.scene_loop import fit_scene

SHARE = 0.1
"""Of the run's epochs and learning rate: our choice. The full rate would undo the training."""


def fine_tuning_settings(run: Run, epochs: int | None, learning_rate: float | None) -> Any:
    """The run's settings with other epochs and learning rate; default: a tenth of the run's.

    Raises:
        SettingsError: a value out of range; the message names the flag.
    """
    stages = run.settings.model_dump()
    trained = stages["training"]
    changed = {
        "epochs": max(1, round(SHARE * trained["epochs"])) if epochs is None else epochs,
        "learning_rate": SHARE * trained["learning_rate"]
        if learning_rate is None
        else learning_rate,
    }
    return checked_settings({**stages, "training": {**trained, **changed}})


def fine_tuned(
    bundle: Bundle | ImageBundle,
    data: Any,
    split: Any,
    settings: Any,
    seed: int,
    on_epoch: EpochListener = lambda _epoch, _all: None,
) -> tuple[Bundle | ImageBundle, list[Epoch]]:
    """Train a copy of the model further, with the loop of `train`.

    Batches, augmentation, weight averaging and early stopping follow the settings. The loop sees
    the training and validation parts only. Band reduction and pixel statistics do not change.

    Args:
        bundle: the model; it is not changed.
        data: the run's data, as `with_data` returns them.
        split: the run's split.
        settings: as `fine_tuning_settings` returns them.
        seed: for batch order, augmentation and dropout.
        on_epoch: called after each epoch with its log entry and the number of epochs.

    Returns:
        The model, and one log entry for each epoch.

    Raises:
        TrainingError: the loss became NaN or infinite.
    """
    net: Any = copy.deepcopy(bundle.network)
    _, order, dropout, _ = seeds(seed)

    def listen(epoch: Epoch) -> None:
        on_epoch(epoch, settings.training.epochs)

    if isinstance(bundle, ImageBundle):
        log = fit_images(net, split, bundle.mean, bundle.std, settings, order, dropout, listen)
    else:
        reduced = bundle.bands.reduce(data[0].cube, data[0].valid)
        log = fit_scene(net, reduced, split, settings.training, order, dropout, listen)
        if settings.training.calibrate:
            parts = [reduced_array(reduced)]
            config = calibrated(bundle.config, net, parts, split, settings.training)
            bundle = replace(bundle, config=config)
    return replace(bundle, network=net.cpu()), log


def accuracies(
    bundle: Bundle | ImageBundle, data: Any, split: Any, parts: Sequence[str], device: str
) -> list[float]:
    """Overall accuracy, 0 to 1, on parts of the split; a scene is mapped once for all of them.

    Args:
        bundle: the model.
        data: the run's data, as `with_data` returns them.
        split: the run's split.
        parts: `validation`, `test`; none of them empty.
        device: as in the settings.
    """
    scores = []
    if isinstance(bundle, ImageBundle):
        for part in parts:
            where, images = getattr(split, part), split.tested if part == "test" else split.images
            classes = predict(bundle, images.pixels[where], device).classes
            scores.append(float((classes == images.targets[where]).mean()))
    elif parts:
        correct = classify_scene(bundle, data[0], device=device).classes == split.labels.array
        scores = [float(correct.ravel()[getattr(split, part)].mean()) for part in parts]
    return scores


def score_models(
    models: Sequence[Bundle | ImageBundle], data: Any, split: Any, device: str
) -> tuple[list[float], list[float]]:
    """Validation accuracy of each model, and test accuracy of those between first and last.

    The run's report has the test accuracy of the first model, and the pruned run's report that of
    the last. Arguments as in `accuracies`.
    """
    validation, tested = [], []
    parts = ["validation"] if len(split.validation) else []
    for model in models:
        between = model not in (models[0], models[-1])
        scores = accuracies(model, data, split, [*parts, *(["test"] if between else [])], device)
        tested += scores[len(parts) :]
        validation += scores[: len(parts)]
    return validation, tested
