"""A run whose network has fewer depthwise kernels, judged on the run's own protocol."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from spectrolite import costs
from spectrolite.bundles import AnyModel, Bundle
from spectrolite.checks import ROUNDING, difference, logits_of
from spectrolite.checkups import some_patches
from spectrolite.deploy.export import as_run
from spectrolite.deploy.folders import new_folder
from spectrolite.deploy.thinning import thinned
from spectrolite.errors import RunError, SettingsError, VerifyError
from spectrolite.image_bundles import ImageBundle
from spectrolite.image_checkups import pixel_range, some_images
from spectrolite.kernels import DepthwiseLayer, LayerKernels, depthwise_kernels, depthwise_layers
from spectrolite.run_folders import Run, check_one_scene, write_json
from spectrolite.runs import evaluate, with_data

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
        accuracy: overall accuracy on the run's test part, 0 to 1: as the run's report has it, and
            of the pruned network, which is scored once, at the end.
        notes: layers that had to stay as they are, and why.
    """

    how: str
    layers: dict[str, tuple[int, int]]
    parameters: tuple[int, int]
    macs: tuple[int, int]
    seconds: tuple[float, float]
    difference: float
    accuracy: tuple[float, float]
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
    dead: bool,
    out: str | Path,
    overwrite: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Pruning:
    """Take depthwise kernels out of a run's network; the result is a run with its data and split.

    Dead kernels are those that the doctor proves dead. What they gave was one constant, which goes
    into the next layer: the logits are the same up to rounding, and that is checked on training
    data before the folder gets its name. The pruned run is evaluated, reported, mapped, exported
    and measured as any other; `verify` and `repeat` refuse it, since they train.

    Args:
        model: a run or its folder.
        scene: the run's scene or images, where they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        dead: remove dead kernels.
        out: folder of the pruned run.
        overwrite: replace a run that is there.
        on_stage: called with a few words as each stage begins.

    Raises:
        RunError: no run, other data than the run's, none that can be loaded again, a folder in the
            way, or a layer of which nothing would be left.
        SettingsError: no way to choose was given, or a network without depthwise layers.
        VerifyError: the pruned network gives other logits.
    """
    if not dead:
        raise SettingsError("prune: nothing chosen to be removed; give --dead")
    run = as_run(model)
    if run is None:
        raise RunError(
            "prune: wanted a run, whose training data tell what its kernels do; a bundle has none"
        )
    bundle: Bundle | ImageBundle = run.bundle
    if not depthwise_layers(bundle.network):
        raise SettingsError(
            f"prune: {bundle.config.model} has no depthwise layers, so there is nothing to prune"
        )
    run, data = with_data(run, scene, labels)
    check_one_scene(run, data, "prune")
    on_stage("looking at kernels")
    shown, layers, found = _looked_at(run, bundle, data)
    how = "--dead"
    gone, notes = _chosen(layers, found, [kernels.dead for kernels in found])
    net = thinned(bundle.network, gone)
    if isinstance(bundle, ImageBundle):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    counts = tuple(k.kernels - len(channels) for k, channels in zip(found, gone, strict=True))
    config: Any = bundle.config.model_copy(update={"kernels": counts})
    made: Bundle | ImageBundle = replace(cast(Any, bundle), network=net, config=config)
    logits = [_logits(one.network, shown) for one in (bundle, made)]
    apart = difference(*logits)
    if not apart <= ROUNDING:
        raise VerifyError(
            f"{run.path}: without its dead kernels the logits differ by {apart:.1e} of the "
            f"largest, wanted {ROUNDING:.0e} at most; nothing was written"
        )
    on_stage("measuring")
    seconds = _seconds(bundle, made, shown[:AT_A_TIME])
    before = run.report.overall_accuracy
    with new_folder(Path(out), overwrite, "run") as part:
        made.save(part / "bundle")
        for name in ("split.safetensors", "log.jsonl"):
            shutil.copyfile(run.path / name, part / name)
        record = {
            "how": how, "kernels": [sum(k.kernels for k in found), sum(counts)],
            "from_sha256": bundle.sha256, "epochs": 0,
        }  # fmt: skip
        earlier = run.manifest.get("pruned") or []
        write_json(
            part / "manifest.json",
            {**run.manifest, "weights_sha256": made.sha256, "pruned": [*earlier, record]},
        )
        on_stage("testing")
        after = evaluate(part, *data).overall_accuracy
        pruning = Pruning(
            how=how,
            layers={k.name: (k.kernels, count) for k, count in zip(found, counts, strict=True)},
            parameters=(costs.parameters(bundle.network), costs.parameters(net)),
            macs=(_macs(bundle), _macs(made)),
            seconds=seconds,
            difference=apart,
            accuracy=(before, after),
            notes=notes,
        )
        write_json(part / "pruning.json", asdict(pruning))
    return pruning


def _looked_at(
    run: Run, bundle: Bundle | ImageBundle, data: Any
) -> tuple[Tensor, list[DepthwiseLayer], tuple[LayerKernels, ...]]:
    """Training inputs ready for the network, and what the doctor finds on them."""
    if isinstance(bundle, ImageBundle):
        shown = some_images(bundle, data[0], run.split(*data).train)
        shown = shown.contiguous(memory_format=torch.channels_last)
        inputs = pixel_range(bundle.mean, bundle.std)
    else:
        reduced = bundle.bands.reduce(data[0].cube, data[0].valid)
        shown, inputs = some_patches(bundle, reduced, run.split(data[1]).train), None
    net = bundle.network
    return shown, depthwise_layers(net, inputs), depthwise_kernels(net, shown, inputs)


def _chosen(
    layers: Sequence[DepthwiseLayer],
    found: Sequence[LayerKernels],
    channels: Sequence[Sequence[int]],
) -> tuple[list[dict[int, float]], tuple[str, ...]]:
    """Of each layer the channels with their constants, and what had to stay.

    Raises:
        RunError: nothing would be left of a layer.
    """
    gone: list[dict[int, float]] = []
    notes = []
    for layer, kernels, chosen in zip(layers, found, channels, strict=True):
        if layer.shared and chosen:
            notes.append(f"{layer.name} keeps {len(chosen)} of them: its input goes around it too")
            gone.append({})
            continue
        if len(chosen) == kernels.kernels:
            raise RunError(
                f"prune: all {kernels.kernels} kernels of {layer.name} would go, and a layer "
                "cannot be empty: the network looks at nothing there; train it again"
            )
        constants = dict(zip(kernels.dead, kernels.constants, strict=True))
        gone.append({c: constants.get(c, kernels.means[c]) for c in chosen})
    return gone, tuple(notes)


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
