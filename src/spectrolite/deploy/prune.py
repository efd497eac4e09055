"""A run whose network has fewer depthwise kernels, judged on the run's own protocol."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.loading import AnyModel, any_bundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.deploy.fine_tuning import accuracies, fine_tuned, tuning_settings
from spectrolite.deploy.onnx_graph import as_run
from spectrolite.deploy.thinning import chosen_kernels, flag_of, thinned
from spectrolite.errors import RunError, SettingsError, VerifyError
from spectrolite.evaluation.depthwise_kernels import (
    DepthwiseLayer,
    LayerKernels,
    depthwise_kernels,
    depthwise_layers,
)
from spectrolite.evaluation.network_checks import ROUNDING, difference, logits_of
from spectrolite.evaluation.training_inputs import pixel_range, some_images, some_patches
from spectrolite.experiments.training_runs import evaluate, with_data
from spectrolite.files import write_json
from spectrolite.machine import threads_of
from spectrolite.models import costs
from spectrolite.part_folders import new_folder
from spectrolite.runs.resumable_run import EpochListener, is_run, seeds
from spectrolite.runs.run_folder import check_one_scene
from spectrolite.training.loop import Epoch, best_epoch

AT_A_TIME = 64  # inputs in one pass
TIMES = 20


@dataclass(frozen=True)
class Pruning:
    """What pruning took away, saved and cost; pairs are before and after.

    Attributes:
        how: the flag that chose the kernels.
        layers: kernels of each depthwise layer, by name.
        parameters: of the network.
        macs: multiply-accumulates of one image, or of one pixel of a scene.
        seconds: of the network for 64 training images, or for the patches of 64 training pixels;
            the best of twenty.
        difference: of the logits on training data, as a share of the largest, before any
            fine-tuning.
        epochs: of fine-tuning.
        tuning_s: what it took, seconds.
        validation: accuracy on the run's validation part, 0 to 1: before, pruned, and fine-tuned
            where there was any; empty without such a part.
        accuracy: the same overall on the test part, the first as the run's report has it. Scored
            after the last epoch, and nothing depends on it.
        notes: what had to stay as it is, and why.
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
        """Depthwise kernels of the network."""
        before, after = (sum(counts) for counts in zip(*self.layers.values(), strict=True))
        return before, after


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
    """Take depthwise kernels out of a run's network; the result is a run with its data and split.

    Dead kernels are those that the doctor proves dead. What they gave was one constant, which goes
    into the next layer: the logits are the same up to rounding, and that is checked on training
    data before the folder gets its name.

    `weak` and `share` remove kernels by importance, which is their share of the variance of their
    layer's output on training data (Polyak and Wolf 2015); dead ones have none and go first. The
    mean of each goes into the next layer. Every layer loses its own least, as in Li, Kadav,
    Durdanovic, Samet and Graf, "Pruning filters for efficient ConvNets", ICLR 2017, and the network
    is fine-tuned once, after all of them are gone.

    The pruned run is evaluated, reported, mapped, exported and measured as any other; `verify` and
    `repeat` refuse it, since they train.

    Args:
        model: a run or its folder.
        scene: the run's scene or images, where they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        dead: remove dead kernels.
        weak: remove kernels whose variance is at most this share of the mean over their layer's
            channels, above 0 and up to 1; the doctor's is 0.01.
        share: remove this share of every layer's kernels, between 0 and 1.
        epochs: of fine-tuning; a tenth of the run's without it, and at least one.
        learning_rate: the highest of fine-tuning; a tenth of the run's without it.
        seed: of fine-tuning; the run's without it.
        out: folder of the pruned run.
        overwrite: replace a run that is there.
        on_stage: called with a few words as each stage begins.
        on_epoch: called after each epoch with its log entry and the number of epochs.

    Raises:
        RunError: no run, a damaged one, other data than the run's, none that can be loaded again, a
            folder in the way, or a layer of which nothing would be left.
        SettingsError: no way to choose was given, or two; a value out of range; or a network
            without depthwise layers.
        TrainingError: the loss of fine-tuning became NaN or infinite.
        VerifyError: without its dead kernels the network gives other logits.
    """
    how = flag_of(dead, weak, share)
    for flag, value in (("epochs", epochs), ("learning-rate", learning_rate), ("seed", seed)):
        if dead and value is not None:
            raise SettingsError(
                f"--{flag}: goes with --weak and --share, which fine-tune; --dead changes no logit"
            )
    run = as_run(model)
    if run is None:
        any_bundle(model)  # tells of a folder that holds no model at all
        raise RunError(
            "prune: wanted a run, whose training data tell what its kernels do; a bundle has none"
        )
    bundle: Bundle | ImageBundle = run.bundle
    if not depthwise_layers(bundle.network):
        raise SettingsError(
            f"prune: {bundle.config.model} has no depthwise layers, so there is nothing to prune"
        )
    chosen = tuning_settings(run, epochs, learning_rate)
    seed = run.manifest["seed"] if seed is None else seed
    _, order, dropout, _ = seeds(seed)
    run, data = with_data(run, scene, labels)
    check_one_scene(run, data, "prune")
    split = run.split(*data)
    earlier_accuracy = run.report.overall_accuracy
    run.log()  # it goes along: a damaged one is told of before the fine-tuning
    on_stage("looking at kernels")
    with threads_of(run.manifest):
        shown, layers, found = _looked_at(bundle, data, split)
        gone, notes = chosen_kernels(layers, found, weak, share)
        net = thinned(bundle.network, gone)
    if isinstance(bundle, ImageBundle):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    counts = tuple(k.kernels - len(channels) for k, channels in zip(found, gone, strict=True))
    config: Any = bundle.config.model_copy(update={"kernels": counts})
    made: Bundle | ImageBundle = replace(cast(Any, bundle), network=net, config=config)
    logits = [_logits(one.network, shown) for one in (bundle, made)]
    apart = difference(*logits)
    if dead and not apart <= ROUNDING:
        raise VerifyError(
            f"{run.path}: without its dead kernels the logits differ by {apart:.1e} of the "
            f"largest, wanted {ROUNDING:.0e} at most; nothing was written"
        )
    tunes = not dead and any(gone)
    if not dead and not tunes:
        notes = (*notes, "no kernel was removed, so nothing was fine-tuned")
    with new_folder(Path(out), overwrite, "a run", is_run) as part:
        on_stage("measuring")
        parameters = (costs.parameters(bundle.network), costs.parameters(net))
        macs = (_macs(bundle), _macs(made))
        seconds = _seconds(bundle, made, shown[:AT_A_TIME])
        log: list[Epoch] = []
        device = chosen.training.device
        watched = ["validation"] if len(split.validation) else []
        with threads_of(run.manifest):
            final = made
            if tunes:
                on_stage("fine-tuning")
                final, log = fine_tuned(made, data, split, chosen, order, dropout, on_epoch)
            on_stage("validating and testing")
            validation = accuracies(bundle, data, split, watched, device)
            between = [] if not tunes else accuracies(made, data, split, [*watched, "test"], device)
            validation += between[:-1] + accuracies(final, data, split, watched, device)
        final.save(part / "bundle")
        for name in ("split.safetensors", "log.jsonl"):
            shutil.copyfile(run.path / name, part / name)
        record: dict[str, Any] = {
            "how": how,
            "kernels": [sum(k.kernels for k in found), sum(counts)],
            "from_sha256": bundle.sha256,
            "epochs": len(log),
        }
        if tunes:
            record |= {
                "learning_rate": chosen.training.learning_rate,
                "seed": seed,
                "test_accuracy": [earlier_accuracy, between[-1]],
            }
            if chosen.training.patience:
                record["best_epoch"] = best_epoch(log)
            (part / "fine_tuning.jsonl").write_text(
                "".join(json.dumps(asdict(epoch)) + "\n" for epoch in log), encoding="utf-8"
            )
        earlier = run.manifest.get("pruned") or []
        write_json(
            part / "manifest.json",
            {**run.manifest, "weights_sha256": final.sha256, "pruned": [*earlier, record]},
        )
        tested = evaluate(part, *data).overall_accuracy
        pruning = Pruning(
            how=how,
            layers={k.name: (k.kernels, count) for k, count in zip(found, counts, strict=True)},
            parameters=parameters,
            macs=macs,
            seconds=seconds,
            difference=apart,
            epochs=len(log),
            tuning_s=log[-1].elapsed_s if log else 0.0,
            validation=tuple(validation),
            accuracy=(earlier_accuracy, *between[-1:], tested),
            notes=notes,
        )
        write_json(part / "pruning.json", asdict(pruning))
    return pruning


def _looked_at(
    bundle: Bundle | ImageBundle, data: Any, split: Any
) -> tuple[Tensor, list[DepthwiseLayer], tuple[LayerKernels, ...]]:
    """Training inputs ready for the network, and what the doctor finds on them."""
    if isinstance(bundle, ImageBundle):
        shown = some_images(bundle, data[0], split.train)
        shown = shown.contiguous(memory_format=torch.channels_last)
        inputs = pixel_range(bundle.mean, bundle.std)
    else:
        reduced = bundle.bands.reduce(data[0].cube, data[0].valid)
        shown, inputs = some_patches(bundle, reduced, split.train), None
    net = bundle.network
    return shown, depthwise_layers(net, inputs), depthwise_kernels(net, shown, inputs)


def _logits(net: torch.nn.Module, shown: Tensor) -> Tensor:
    with torch.inference_mode():
        return logits_of(net, shown, AT_A_TIME)


def _macs(bundle: Bundle | ImageBundle) -> int:
    if isinstance(bundle, ImageBundle):
        return costs.macs(bundle.network, bundle.config.input_shape)
    return costs.macs_per_pixel(bundle.network, len(bundle.bands.matrix))


def _seconds(
    one: Bundle | ImageBundle, other: Bundle | ImageBundle, inputs: Tensor
) -> tuple[float, float]:
    """The best of some passes of each, turn by turn, so that a busy machine slows both."""
    best = [math.inf, math.inf]
    for _ in range(TIMES + 1):  # the first warms up
        for k, bundle in enumerate((one, other)):
            start = time.perf_counter()
            _logits(bundle.network, inputs)
            best[k] = min(best[k], time.perf_counter() - start)
    return best[0], best[1]
