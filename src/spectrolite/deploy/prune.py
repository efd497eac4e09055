"""Remove depthwise kernels from a run's network; the result is a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.loading import AnyBundle, AnyModel
from spectrolite.deploy.fine_tuning import fine_tuned, fine_tuning_settings, score_models
from spectrolite.deploy.removed_kernels import (
    bundle_without_kernels,
    check_choice,
    kernels_to_remove,
)
from spectrolite.deploy.run_data import need_run
from spectrolite.deploy.timing import seconds_in_turns
from spectrolite.errors import SettingsError, VerifyError
from spectrolite.evaluation.depthwise_kernels import (
    DepthwiseLayer,
    LayerKernels,
    depthwise_kernels,
    depthwise_layers,
)
from spectrolite.evaluation.network_checks import ROUNDING
from spectrolite.evaluation.network_outputs import difference, logits_of
from spectrolite.evaluation.training_inputs import pixel_range, some_images, some_patches
from spectrolite.experiments.training_runs import evaluate, with_data
from spectrolite.files import write_json
from spectrolite.machine import threads_of
from spectrolite.models import costs
from spectrolite.part_folders import check_folder, new_folder
from spectrolite.runs.manifest import MANIFEST, Pruned, write_training
from spectrolite.runs.resumable_run import EpochListener, is_run, seeds
from spectrolite.runs.run_files import files_added
from spectrolite.runs.run_folder import AnyRun, check_one_scene
from spectrolite.training.loop import Epoch, best_epoch

AT_A_TIME = 64  # inputs in one pass
TURNS = 20  # timed passes


@dataclass(frozen=True)
class Pruning:
    """What pruning removed, what it saved and what it cost; pairs are before and after.

    Attributes:
        how: the flag that chose the kernels.
        layers: number of kernels of each depthwise layer, by name.
        parameters: number of the network's parameters.
        macs: multiply-accumulates for one image, or for one pixel of a scene.
        seconds: of the network for 64 training images, or for the patches of 64 training pixels;
            best of twenty passes.
        difference: largest difference of logits on training data before fine-tuning, as a share of
            the largest logit.
        epochs: of fine-tuning.
        tuning_s: duration of fine-tuning, seconds.
        validation: overall accuracy on the run's validation part, 0 to 1: before pruning, after it,
            and after fine-tuning if there was any; empty if the run has no validation part.
        accuracy: the same on the test part; the first is the figure of the run's report. Scored
            after the last epoch; nothing depends on it.
        notes: which chosen kernels were kept, and why.
    """

    how: str
    layers: dict[str, tuple[int, int]]
    parameters: tuple[int, int]
    macs: tuple[int, int]
    seconds: tuple[float, float]
    difference: float
    epochs: int
    tuning_s: float
    validation: tuple[float, ...]
    accuracy: tuple[float, ...]
    notes: tuple[str, ...]

    @property
    def kernels(self) -> tuple[int, int]:
        """Number of depthwise kernels in the network."""
        before, after = (sum(counts) for counts in zip(*self.layers.values(), strict=True))
        return before, after

    def __repr__(self) -> str:
        pairs = {
            "depthwise kernels": self.kernels,
            "parameters": self.parameters,
            "multiply-accumulates": self.macs,
        }
        lines = [f"{name}: {old:,} before, {new:,} after" for name, (old, new) in pairs.items()]
        scores = " -> ".join(f"{accuracy:.2%}" for accuracy in self.accuracy)
        tuned = f", {self.epochs} epoch(s) of fine-tuning" if self.epochs else ""
        lines.append(f"test accuracy: {scores}{tuned}")
        return "\n".join([f"Pruning with {self.how}", *lines, *self.notes])


def prune(
    model: AnyModel,
    scene: Any = None,
    labels: Any = None,
    *,
    dead: bool = False,
    weak: float | None = None,
    share: float | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    seed: int | None = None,
    out: str | Path,
    overwrite: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
    on_epoch: EpochListener = lambda _epoch, _all: None,
) -> Pruning:
    """Remove depthwise kernels from a run's network; the result is a run with its data and split.

    Dead kernels are those that the doctor proves dead: their output is one constant, which the next
    layer takes up. The logits change by rounding only; this is checked on training data before the
    folder gets its name.

    `weak` and `share` remove kernels by importance: the share of a kernel in the variance of its
    layer's output on training data (Polyak and Wolf 2015). Dead kernels have importance 0 and are
    removed first. The next layer takes up the mean output of each removed kernel. Every layer loses
    its own least important kernels, as in Li, Kadav, Durdanovic, Samet and Graf, "Pruning filters
    for efficient ConvNets", ICLR 2017, and the network is fine-tuned once, after all removals.

    A pruned run supports every verb except `verify` and `repeat`, which retrain.

    Args:
        model: a run or its folder.
        scene: the run's scene or images, if they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        dead: remove dead kernels.
        weak: remove kernels whose variance is at most this share of the mean over their layer's
            channels, above 0 and up to 1; the doctor uses 0.01.
        share: remove this share of every layer's kernels, above 0 and below 1.
        epochs: of fine-tuning; default: a tenth of the run's, at least one.
        learning_rate: highest rate of fine-tuning; default: a tenth of the run's.
        seed: of fine-tuning; default: the run's.
        out: folder of the pruned run.
        overwrite: replace an existing run.
        on_stage: called with a few words as each stage begins.
        on_epoch: called after each epoch with its log entry and the number of epochs.

    Raises:
        RunError: not a run, or a damaged one; data that differ from the run's or cannot be loaded
            again; a folder in the way; or a layer that would lose all its kernels.
        SettingsError: none or several of `dead`, `weak` and `share`; a value out of range; or a
            network without depthwise layers.
        TrainingError: the loss of fine-tuning became NaN or infinite.
        VerifyError: removing the dead kernels changed the logits.
    """
    how = check_choice(dead, weak, share)
    if dead:
        _refuse_fine_tuning({"epochs": epochs, "learning-rate": learning_rate, "seed": seed})
    check_folder(Path(out), overwrite, "a run", is_run)
    run = need_run(model, "prune")
    bundle: AnyBundle = run.bundle
    if not depthwise_layers(bundle.network):
        raise SettingsError(
            f"prune: {bundle.config.model} has no depthwise layers, so there is nothing to prune"
        )
    settings = fine_tuning_settings(run, epochs, learning_rate)
    seed = run.manifest.seed if seed is None else seed
    seeds(seed)  # refuses a seed out of range before anything is computed
    run, data = with_data(run, scene, labels)
    check_one_scene(run, data, "prune")
    split = run.split(*data)
    accuracy_before = run.report.overall_accuracy
    run.log()  # copied later: a damaged log is refused before fine-tuning
    on_stage("looking at kernels")
    with threads_of(run.manifest.machine):
        inputs, layers, kernels = _training_inputs_and_kernels(bundle, data, split)
        removed, notes = kernels_to_remove(layers, kernels, weak, share)
        pruned = bundle_without_kernels(bundle, removed)
    apart = difference(*(_logits(one, inputs) for one in (bundle, pruned)))
    if dead and not apart <= ROUNDING:
        raise VerifyError(
            f"{run.path}: removing the dead kernels changes the logits by {apart:.1e} of the "
            f"largest, wanted at most {ROUNDING:.0e}; nothing was written"
        )
    fine_tunes = not dead and any(removed)
    if not dead and not fine_tunes:
        notes = (*notes, "no kernel was removed, so there was no fine-tuning")
    with new_folder(Path(out), overwrite, "a run", is_run) as part:
        on_stage("measuring")
        passes = [partial(_logits, one, inputs[:AT_A_TIME]) for one in (bundle, pruned)]
        before_s, after_s = seconds_in_turns(passes, TURNS).min(axis=1).tolist()
        models, log = [bundle, pruned], list[Epoch]()
        with threads_of(run.manifest.machine):
            if fine_tunes:
                on_stage("fine-tuning")
                tuned, log = fine_tuned(pruned, data, split, settings, seed, on_epoch)
                models.append(tuned)
            on_stage("validating and testing")
            validation, tested = score_models(models, data, split, settings.training.device)
        final = models[-1]
        counts = [
            (k.kernels, k.kernels - len(channels))
            for k, channels in zip(kernels, removed, strict=True)
        ]
        before, after = (sum(numbers) for numbers in zip(*counts, strict=True))
        tuning: dict[str, Any] = {}
        if fine_tunes:
            tuning = {
                "learning_rate": settings.training.learning_rate,
                "seed": seed,
                "test_accuracy": (accuracy_before, *tested),
                "best_epoch": best_epoch(log) if settings.training.patience else None,
            }
        record = Pruned(
            how=how, kernels=(before, after), from_sha256=bundle.sha256, epochs=len(log), **tuning
        )
        _write_run(part, run, final, record, log)
        pruning = Pruning(
            how=how,
            layers={k.name: pair for k, pair in zip(kernels, counts, strict=True)},
            parameters=(costs.parameters(bundle.network), costs.parameters(final.network)),
            macs=(_macs(bundle), _macs(final)),
            seconds=(before_s, after_s),
            difference=apart,
            epochs=len(log),
            tuning_s=log[-1].elapsed_s if log else 0.0,
            validation=tuple(validation),
            accuracy=(accuracy_before, *tested, evaluate(part, *data).overall_accuracy),
            notes=notes,
        )
        with files_added(part) as following:
            write_json(following / "pruning.json", asdict(pruning))
    return pruning


def _refuse_fine_tuning(flags: dict[str, float | None]) -> None:
    for flag, value in flags.items():
        if value is not None:
            raise SettingsError(
                f"--{flag}: goes with --weak and --share, which fine-tune; --dead changes no logit"
            )


def _training_inputs_and_kernels(
    bundle: AnyBundle, data: Any, split: Any
) -> tuple[Tensor, list[DepthwiseLayer], tuple[LayerKernels, ...]]:
    """Training inputs ready for the network, its depthwise layers, and their kernels on them."""
    if isinstance(bundle, ImageBundle):
        inputs = some_images(bundle, data[0], split.train)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        bounds = pixel_range(bundle.mean, bundle.std)
    else:
        reduced = bundle.bands.reduce(data[0].cube, data[0].valid)
        inputs, bounds = some_patches(bundle, reduced, split.train), None
    net = bundle.network
    return inputs, depthwise_layers(net, bounds), depthwise_kernels(net, inputs, bounds)


def _logits(bundle: AnyBundle, inputs: Tensor) -> Tensor:
    with torch.inference_mode():
        return logits_of(bundle.network, inputs, AT_A_TIME)


def _macs(bundle: AnyBundle) -> int:
    if isinstance(bundle, ImageBundle):
        return costs.macs(bundle.network, bundle.config.input_shape)
    return costs.macs_per_pixel(bundle.network, len(bundle.bands.matrix))


def _write_run(
    folder: Path, run: AnyRun, bundle: AnyBundle, record: Pruned, log: Sequence[Epoch]
) -> None:
    """Write bundle, manifest and logs of the pruned run; `record` describes the pruning."""
    bundle.save(folder / "bundle")
    for name in ("split.safetensors", "log.jsonl"):
        shutil.copyfile(run.path / name, folder / name)
    if log:
        lines = "".join(json.dumps(asdict(epoch)) + "\n" for epoch in log)
        (folder / "fine_tuning.jsonl").write_text(lines, encoding="utf-8")
    pruned = {
        "weights_sha256": bundle.sha256,
        "pruned": (*run.manifest.pruned, record),
        "files_sha256": None,
    }
    write_training(folder / MANIFEST, run.manifest.model_copy(update=pruned))
