"""Runs on images: what `runs` does with them."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spectrolite.bundles.image_bundle import ImageBundle, ImageConfig
from spectrolite.bundles.scene_bundle import FORMAT as BUNDLE_FORMAT
from spectrolite.data.images import ImageSet
from spectrolite.errors import ImagesError, SettingsError, SplitError
from spectrolite.evaluation.image_report import ImageReport, TrainModeFigures, make_image_report
from spectrolite.files import whole_file, write_json
from spectrolite.machine import pick_device, threads_of
from spectrolite.mapping.image_inference import Predictions, predict, read_predictions
from spectrolite.models import build_image_model, costs
from spectrolite.models.blocks import MIN_SIDE
from spectrolite.pages import image_page
from spectrolite.pages.model_card import write_card
from spectrolite.runs.manifest import hash_of
from spectrolite.runs.resumable_run import EpochListener, fit_resumably, new_run, seeds
from spectrolite.runs.run_folder import Run, open_run, what_is_known
from spectrolite.samples.augmentation import channel_statistics
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.training.image_loop import fit_images, logits_of
from spectrolite.training.loop import best_epoch
from spectrolite.training.settings import ImageSettings, settings

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
) -> Run:
    """`train` of images; see there."""
    _check(images, test, split)
    weights, order, dropout, _ = seeds(seed)
    arguments = {"classes": len(images.class_names), "channels": images.shape[0]}
    build = partial(build_image_model, model, **arguments)
    chosen: ImageSettings = settings(model=model, **flags)
    known = what_is_known(images, test, split, chosen, seed)
    with new_run(Path(out), known, split, overwrite=overwrite, resume=resume) as stopped:
        folder = stopped.path
        net = build(
            variant=chosen.model.variant,
            width=chosen.model.width,
            activation=chosen.model.activation,
            small_images=chosen.model.small_images,
            generator=torch.Generator().manual_seed(weights),
        )
        mean, std = channel_statistics(torch.from_numpy(images.pixels[split.train]))
        on_stage("training")
        fit = partial(fit_images, net, split, mean, std, chosen, order, dropout)
        log = fit_resumably(stopped, net, fit, chosen.training.epochs, on_epoch)
        bundle = ImageBundle(_config(images, chosen, split), mean, std, net.cpu())
        bundle.save(folder / "bundle")
        manifest = {k: v for k, v in stopped.manifest.items() if k != "overwrite"}
        manifest |= {"weights_sha256": bundle.sha256, "training_s": round(log[-1].elapsed_s, 3)}
        on_stage("testing")
        _judge(Run(folder, manifest), split)
    return open_run(out)


def evaluate_images(
    opened: Run, images: ImageSet, test: ImageSet | None, *, train_mode: bool
) -> ImageReport:
    """`evaluate` of a run on images; see there."""
    with threads_of(opened.manifest):
        return _judge(opened, opened.split(images, test), train_mode)


def report_images(opened: Run, images: ImageSet, test: ImageSet | None) -> Path:
    """`report` of a run on images; see there."""
    made = read_predictions(opened.path / PREDICTIONS, opened.bundle)
    return _write_page(opened, opened.split(images, test), made)


def _check(images: ImageSet, test: ImageSet | None, split: ImageSplit) -> None:
    wanted = (hash_of(images), hash_of(test))
    if wanted != (hash_of(split.images), hash_of(split.test_images)):
        raise SplitError("split: drawn from other images than those given; draw it from these")
    if min(images.shape[1:]) < MIN_SIDE:
        raise ImagesError(
            f"{images.name}: {images.shape[2]} x {images.shape[1]} pixels, and the networks want "
            f"at least {MIN_SIDE} a side; resize them with --image-size"
        )
    if len(images.class_names) < 2:
        raise ImagesError(f"{images.name}: one class; wanted two or more to tell apart")


def _config(images: ImageSet, chosen: ImageSettings, split: ImageSplit) -> ImageConfig:
    return ImageConfig(
        format=BUNDLE_FORMAT,
        **chosen.model.model_dump(),
        input_shape=images.shape,
        class_names=images.class_names,
        images=len(split.train),
    )


def _judge(run: Run, split: ImageSplit, train_mode: bool = False) -> ImageReport:
    """Predict the test images with the stored model, and write figures, page and manifest."""
    bundle: ImageBundle = run.bundle
    chosen: ImageSettings = run.settings
    start = time.perf_counter()
    made = predict(bundle, split.tested.pixels[split.test], chosen.training.device)
    test_s = time.perf_counter() - start
    patience, log = chosen.training.patience, run.log()
    times_s = {"training": run.manifest["training_s"], "test": test_s}
    report = make_image_report(
        made.classes,
        made.confidence,
        split,
        chosen,
        best_epoch(log) if patience else None,
        data=split.images.name.removesuffix("/train"),
        seed=run.manifest["seed"],
        input_shape=bundle.config.input_shape,
        parameters=costs.parameters(bundle.network),
        macs=costs.macs(bundle.network, bundle.config.input_shape),
        times_s={k: round(v, 3) for k, v in times_s.items()},
        versions=run.manifest["versions"],
        machine=run.manifest["machine"],
        train_mode=_in_train_mode(bundle, split, run) if train_mode else None,
    )
    report = report.model_copy(update={"notes": (*report.notes, *run.pruning_notes)})
    report.save(run.path / "report.json")
    write_card(report, bundle.sha256, run.path / "bundle")
    made.save(run.path / PREDICTIONS)
    _write_page(run, split, made)
    hashes = {"predictions_sha256": made.sha256, "figures_sha256": report.figures_sha256}
    write_json(run.path / "manifest.json", {**run.manifest, **hashes})
    return report


def _in_train_mode(bundle: ImageBundle, split: ImageSplit, run: Run) -> TrainModeFigures:
    """Accuracy as a script gets it that forgets `eval()`, in the set's order and shuffled."""
    device = pick_device(run.settings.training.device)
    if len(split.test) < 2:
        raise SettingsError(
            "--train-mode: BatchNorm takes the mean of a batch, and there is one test image; leave "
            "the flag out"
        )
    # the last batch has to have two images or more, as BatchNorm asks for
    batch = next(b for b in range(TRAIN_MODE_BATCH, 1, -1) if len(split.test) % b != 1)
    shuffled = np.random.default_rng(seeds(run.manifest["seed"])[3]).permutation(split.test)
    accuracies = []
    for order in (split.test, shuffled):
        net = copy.deepcopy(bundle.network).to(device).train()  # its statistics move as it looks
        pixels = split.tested.pixels[order]
        said = logits_of(net, pixels, bundle.mean, bundle.std, device, batch)
        accuracies.append(float((said.argmax(1).numpy() == split.tested.targets[order]).mean()))
    return TrainModeFigures(
        overall_accuracy=accuracies[0],
        overall_accuracy_shuffled=accuracies[1],
        batch=batch,
    )


def _write_page(run: Run, split: ImageSplit, made: Predictions) -> Path:
    path = run.path / "report.html"
    with whole_file(path) as part:
        part.write_text(
            image_page.image_report_page(run.report, split, made, run.log()), encoding="utf-8"
        )
    return path
