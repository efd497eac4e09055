"""Train, evaluate and report runs on images."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spectrolite.bundles.image_bundle import ImageBundle, ImageConfig, trained_image_bundle
from spectrolite.bundles.scene_bundle import FORMAT as BUNDLE_FORMAT
from spectrolite.data.images import ImageSet
from spectrolite.errors import ImagesError, SettingsError, SplitError
from spectrolite.evaluation.image_report import ImageReport, TrainModeFigures, make_image_report
from spectrolite.files import write_text
from spectrolite.machine import pick_device, threads_of
from spectrolite.mapping.image_inference import Predictions, predict, read_predictions
from spectrolite.models import build_image_model, costs
from spectrolite.models.blocks import MIN_SIDE
from spectrolite.pages import image_page
from spectrolite.pages.model_card import write_card
from spectrolite.runs.manifest import (
    ImageManifest,
    ImageTraining,
    Pruned,
    image_training,
    write_training,
)
from spectrolite.runs.resumable_run import EpochListener, fit_resumably, new_run, seeds
from spectrolite.runs.run_folder import ImageRun
from spectrolite.samples.augmentation import channel_statistics
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.training.few_images import defaults_for_few
from spectrolite.training.image_loop import fit_images, logits_of
from spectrolite.training.keywords import settings
from spectrolite.training.loop import Epoch
from spectrolite.training.settings import ImageSettings

PREDICTIONS = "predictions.safetensors"
TRAIN_MODE_BATCH = 128  # images; the notebooks' loaders of test images have it


def train_images(
    images: ImageSet,
    test: ImageSet | None,
    split: ImageSplit,
    *,
    model: str,
    seed: int,
    out: str | Path,
    overwrite: bool,
    resume: bool,
    on_epoch: EpochListener,
    on_stage: Callable[[str], None],
    **flags: Any,
) -> ImageRun:
    """`train` on images; see there."""
    _check(images, test, split)
    weights, order, dropout, _ = seeds(seed)
    settings(model=model, **flags)  # refuses a wrong value before it is reckoned with
    stages: ImageSettings = settings(
        model=model, **defaults_for_few(model, flags, len(split.train))
    )
    training = image_training(images, test, split, stages, seed)
    with new_run(Path(out), training, split, overwrite=overwrite, resume=resume) as stopped:
        assert isinstance(stopped.manifest, ImageTraining)  # new_run has checked it
        net = build_image_model(
            model,
            classes=len(images.class_names),
            channels=images.shape[0],
            variant=stages.model.variant,
            width=stages.model.width,
            activation=stages.model.activation,
            small_images=stages.model.small_images,
            generator=torch.Generator().manual_seed(weights),
        )
        mean, std = channel_statistics(torch.from_numpy(images.pixels[split.train]))
        on_stage("training")
        fit = partial(fit_images, net, split, mean, std, stages, order, dropout)
        log = fit_resumably(stopped, net, fit, stages.training.epochs, on_epoch)
        bundle = trained_image_bundle(_config(images, stages, split), mean, std, net)
        bundle.save(stopped.path / "bundle")
        on_stage("testing")
        training_s = round(log[-1].elapsed_s, 3)
        _, manifest = _evaluate(
            stopped.path, stopped.manifest, bundle, log, split, training_s=training_s
        )
    return ImageRun(Path(out), manifest)


def evaluate_images(
    run: ImageRun, images: ImageSet, test: ImageSet | None, *, train_mode: bool
) -> ImageReport:
    """`evaluate` of a run on images; see there."""
    with threads_of(run.manifest.machine):
        report, _ = _evaluate(
            run.path,
            run.manifest,
            run.bundle,
            run.log(),
            run.split(images, test),
            training_s=run.manifest.training_s,
            pruned=run.manifest.pruned,
            train_mode=train_mode,
        )
    return report


def report_images(run: ImageRun, images: ImageSet, test: ImageSet | None) -> Path:
    """`report` of a run on images; see there."""
    predictions = read_predictions(run.path / PREDICTIONS, run.bundle)
    return _write_page(run.path, run.report, run.split(images, test), predictions, run.log())


def _check(images: ImageSet, test: ImageSet | None, split: ImageSplit) -> None:
    """Refuse a split of other images, and images that the networks cannot take."""
    given, split_from = (
        (one.sha256, None if other is None else other.sha256)
        for one, other in ((images, test), (split.images, split.test_images))
    )
    if given != split_from:
        raise SplitError("split: drawn from other images than those given; draw it from these")
    if min(images.shape[1:]) < MIN_SIDE:
        raise ImagesError(
            f"{images.name}: {images.shape[2]} x {images.shape[1]} pixels, and the networks want "
            f"at least {MIN_SIDE} a side; resize them with --image-size"
        )
    if len(images.class_names) < 2:
        raise ImagesError(f"{images.name}: one class; wanted two or more to tell apart")


def _config(images: ImageSet, stages: ImageSettings, split: ImageSplit) -> ImageConfig:
    return ImageConfig(
        format=BUNDLE_FORMAT,
        **stages.model.model_dump(),
        input_shape=images.shape,
        class_names=images.class_names,
        images=len(split.train),
    )


def _evaluate(
    folder: Path,
    training: ImageTraining,
    bundle: ImageBundle,
    log: list[Epoch],
    split: ImageSplit,
    *,
    training_s: float,
    pruned: tuple[Pruned, ...] = (),
    train_mode: bool = False,
) -> tuple[ImageReport, ImageManifest]:
    """Classify and score the test images; write report, card, predictions, page and manifest."""
    stages = training.settings
    start = time.perf_counter()
    predictions = predict(bundle, split.tested.pixels[split.test], stages.training.device)
    times_s = {"training": training_s, "test": time.perf_counter() - start}
    report = make_image_report(
        predictions.classes,
        predictions.confidence,
        split,
        stages,
        log,
        data=split.images.name.removesuffix("/train"),
        seed=training.seed,
        input_shape=bundle.config.input_shape,
        parameters=costs.parameters(bundle.network),
        macs=costs.macs(bundle.network, bundle.config.input_shape),
        times_s={k: round(v, 3) for k, v in times_s.items()},
        versions=training.versions,
        machine=training.machine,
        train_mode=_in_train_mode(bundle, split, training) if train_mode else None,
    )
    report = report.model_copy(update={"notes": (*report.notes, *(p.note for p in pruned))})
    report.save(folder / "report.json")
    if bundle.config.caveat != report.learned_nothing:
        config = bundle.config.model_copy(update={"caveat": report.learned_nothing})
        replace(bundle, config=config).save(folder / "bundle")
    write_card(report, bundle.sha256, folder / "bundle")
    predictions.save(folder / PREDICTIONS)
    _write_page(folder, report, split, predictions, log)
    manifest = training.finished(
        weights_sha256=bundle.sha256,
        training_s=training_s,
        predictions_sha256=predictions.sha256,
        figures_sha256=report.figures_sha256,
        pruned=pruned,
    )
    write_training(folder / "manifest.json", manifest)
    return report, manifest


def _in_train_mode(
    bundle: ImageBundle, split: ImageSplit, training: ImageTraining
) -> TrainModeFigures:
    """Accuracy as a script that forgets `eval()` gets it, in the set's order and shuffled."""
    device = pick_device(training.settings.training.device)
    if len(split.test) < 2:
        raise SettingsError(
            "--train-mode: BatchNorm takes the mean of a batch, and there is one test image; leave "
            "the flag out"
        )
    # BatchNorm needs two images or more in the last batch too
    batch = next(b for b in range(TRAIN_MODE_BATCH, 1, -1) if len(split.test) % b != 1)
    shuffled = np.random.default_rng(seeds(training.seed)[3]).permutation(split.test)
    accuracies = []
    for order in (split.test, shuffled):
        net = copy.deepcopy(bundle.network).to(device).train()  # a copy: its statistics change
        pixels = split.tested.pixels[order]
        logits = logits_of(net, pixels, bundle.mean, bundle.std, device, batch)
        accuracies.append(float((logits.argmax(1).numpy() == split.tested.targets[order]).mean()))
    return TrainModeFigures(
        overall_accuracy=accuracies[0],
        overall_accuracy_shuffled=accuracies[1],
        batch=batch,
    )


def _write_page(
    folder: Path,
    report: ImageReport,
    split: ImageSplit,
    predictions: Predictions,
    log: list[Epoch],
) -> Path:
    path = folder / "report.html"
    write_text(path, image_page.image_report_page(report, split, predictions, log))
    return path
