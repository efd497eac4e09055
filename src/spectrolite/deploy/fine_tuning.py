"""A pruned network trained on, by the loop and on the training part of its run."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.mapping.image_inference import predict
from spectrolite.mapping.scene_inference import classify
from spectrolite.runs.resumable_run import EpochListener
from spectrolite.runs.run_folder import Run
from spectrolite.training.image_loop import fit_images
from spectrolite.training.loop import Epoch
from spectrolite.training.scene_loop import fit_scene
from spectrolite.training.settings import checked_settings

SHARE = 0.1
"""Of the run's epochs, and of its learning rate: ours. A full rate would train the network anew."""


def tuning_settings(run: Run, epochs: int | None, learning_rate: float | None) -> Any:
    """The run's settings with other epochs and rate: a tenth of its own where none are given.

    Raises:
        SettingsError: a value out of range; the message names the flag.
    """
    stages = run.settings.model_dump()
    own = stages["training"]
    changed = {
        "epochs": max(1, round(SHARE * own["epochs"])) if epochs is None else epochs,
        "learning_rate": SHARE * own["learning_rate"] if learning_rate is None else learning_rate,
    }
    return checked_settings({**stages, "training": {**own, **changed}})


def fine_tuned(
    bundle: Bundle | ImageBundle,
    data: Any,
    split: Any,
    chosen: Any,
    order: int,
    dropout: int,
    on_epoch: EpochListener = lambda _epoch, _all: None,
) -> tuple[Bundle | ImageBundle, list[Epoch]]:
    """A copy of the model, trained on.

    The loop is that of `train`: batches, changes of images, averaged weights and early stopping are
    those of the settings. It sees training and validation part; bands and pixel statistics stay.

    Args:
        bundle: the model; it is not changed.
        data: of the run, as `with_data` gives them.
        split: of the run.
        chosen: settings, as `tuning_settings` gives them.
        order: seed, as in `fit_images` and `fit_scene`.
        dropout: the same.
        on_epoch: called after each epoch with its log entry and the number of epochs.

    Returns:
        The model and the log, an entry an epoch.

    Raises:
        TrainingError: the loss became NaN or infinite.
    """
    net: Any = copy.deepcopy(bundle.network)
    epochs = chosen.training.epochs

    def listen(epoch: Epoch) -> None:
        on_epoch(epoch, epochs)

    if isinstance(bundle, ImageBundle):
        log = fit_images(net, split, bundle.mean, bundle.std, chosen, order, dropout, listen)
    else:
        reduced = bundle.bands.reduce(data[0].cube, data[0].valid)
        log = fit_scene(net, reduced, split, chosen.training, order, dropout, listen)
    return replace(bundle, network=net.cpu()), log


def accuracies(
    bundle: Bundle | ImageBundle, data: Any, split: Any, parts: Sequence[str], device: str
) -> list[float]:
    """Overall accuracy, 0 to 1, on parts of the split; a scene is mapped once for all of them.

    Args:
        bundle: the model.
        data: of the run, as `with_data` gives them.
        split: of the run.
        parts: `validation`, `test`; none that is empty.
        device: as in the settings.
    """
    found = []
    if isinstance(bundle, ImageBundle):
        for part in parts:
            where, images = getattr(split, part), split.tested if part == "test" else split.images
            said = predict(bundle, images.pixels[where], device).classes
            found.append(float((said == images.targets[where]).mean()))
    elif parts:
        right = classify(bundle, data[0], device=device).classes == split.labels.array
        found = [float(right.ravel()[getattr(split, part)].mean()) for part in parts]
    return found
