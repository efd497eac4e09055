"""What few bits cost MobileNetV2 with ReLU6 and with ReLU, and where the loss comes from.

    python benchmarks/lesson_precision.py           # 4 minutes of one core: result and picture
    python benchmarks/lesson_precision.py --draw    # the picture alone, from the result

Three trainings with ReLU6 and three with ReLU on scikit-learn's digits, as in
`lesson_bottlenecks.py`. Each network is then scored on the 355 test images:

- as it is, in float32;
- in float16, weights and arithmetic, by torch;
- in int8, one scale a channel of a weight and one scale a weight, by `spectrolite quantize` and
  ONNX Runtime;
- with its activations alone rounded to 8 to 3 bits, by hooks in torch: steps of equal size from 0
  to the largest value on the training images. Weights and the linear ends of the blocks stay;
- with the other activation in place of its own.

The ranges of weights are those after BatchNorm is folded in, as they are when they are rounded.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lesson_bottlenecks import ACTIVATIONS, SEEDS, TRAINING, digits
from matplotlib.figure import Figure
from records import RESULTS, Record, Repeat, Values, write_record
from torch import Tensor, nn

import spectrolite as sl
from spectrolite.models.blocks import is_depthwise
from spectrolite.models.dense_form import fold
from spectrolite.samples.augmentation import standardise
from spectrolite.samples.split_image_set import ImageSplit

NAME = "lesson_precision"
PICTURE = Path(__file__).parent.parent / "docs" / "lessons" / "relu6-and-low-precision.png"
BITS = (8, 6, 5, 4, 3)
STORED = ("float32", "float16", "int8, a channel", "int8, a tensor")
BIN = 0.25  # of the histogram of activations
COLOURS = {"relu6": "#1f6f8b", "relu": "#d95f02"}
WORDS = {"relu6": "ReLU6", "relu": "ReLU"}


def measure(split: ImageSplit, activation: str, seed: int) -> dict[str, Any]:
    """Train one network, and score it in every precision; accuracies go from 0 to 1."""
    with tempfile.TemporaryDirectory() as folder:
        run = sl.train(
            split.images,
            split.test_images,
            split,
            seed=seed,
            out=Path(folder) / "run",
            activation=activation,
            **TRAINING,
        )
        drops = {
            f"int8, a {per}": sl.quantize(
                run, split.images, split.test_images, per=per, out=Path(folder) / per, max_drop=100
            ).accuracy[1]
            for per in ("channel", "tensor")
        }
        bundle = run.bundle
    net = bundle.network
    seen, tested = (
        standardise(torch.from_numpy(images.pixels[chosen]), bundle.mean, bundle.std)
        for images, chosen in ((split.images, split.train), (split.tested, split.test))
    )
    truth = torch.from_numpy(split.tested.targets[split.test].copy())
    outputs = activations(net, seen)
    tops = {name: float(given.max()) for name, given in outputs.items()}
    bits = {}
    for n in BITS:
        with rounded(net, tops, n):
            bits[str(n)] = accuracy(net, tested, truth)
    other = nn.ReLU if activation == "relu6" else nn.ReLU6
    values = torch.cat([given.flatten() for given in outputs.values()])
    return {
        "activation": activation,
        "seed": seed,
        "accuracy": {
            "float32": accuracy(net, tested, truth),
            "float16": accuracy(copy.deepcopy(net).half(), tested.half(), truth),
            **drops,
        },
        "activation_bits": bits,
        "other_activation": accuracy(with_activation(net, other), tested, truth),
        "largest_activation": max(tops.values()),
        "above_6": float((values > 6).float().mean()),
        "histogram": (values[values > 0] / BIN).ceil().long().bincount()[1:].tolist(),
        "depthwise_ranges": depthwise_ranges(net),
        "weights_sha256": bundle.sha256,
    }


@torch.inference_mode()
def accuracy(net: nn.Module, images: Tensor, truth: Tensor) -> float:
    """Share of the images whose class is right."""
    return float((net(images).argmax(1) == truth).double().mean())


def activation_layers(net: nn.Module) -> dict[str, nn.Module]:
    """Its ReLUs by name."""
    return {n: layer for n, layer in net.named_modules() if isinstance(layer, nn.ReLU | nn.ReLU6)}


@torch.inference_mode()
def activations(net: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What each of its ReLUs gives for the images."""
    given: dict[str, Tensor] = {}
    hooks = [
        layer.register_forward_hook(
            lambda _module, _inputs, output, name=name: given.update({name: output.clone()})
        )
        for name, layer in activation_layers(net).items()
    ]
    net(images)
    for hook in hooks:
        hook.remove()
    return given


@contextmanager
def rounded(net: nn.Module, tops: dict[str, float], bits: int) -> Iterator[None]:
    """With what each ReLU gives in `2 ** bits` values from 0 to its top."""
    hooks = []
    for name, layer in activation_layers(net).items():
        step = tops[name] / (2**bits - 1)
        hooks.append(
            layer.register_forward_hook(
                lambda _module, _inputs, output, step=step: to_steps(output, step, bits)
            )
        )
    yield
    for hook in hooks:
        hook.remove()


def to_steps(x: Tensor, step: float, bits: int) -> Tensor:
    """The nearest of `2 ** bits` multiples of `step` from 0 on; 0 where the step is 0."""
    return x if step == 0 else (x / step).round().clamp(0, 2**bits - 1) * step


def with_activation(net: nn.Module, other: type[nn.Module]) -> nn.Module:
    """A copy with another activation in every place."""
    made = copy.deepcopy(net)
    for name in activation_layers(net):
        made.set_submodule(name, other())
    return made


def depthwise_ranges(net: nn.Module) -> dict[str, list[float]]:
    """Largest absolute weight of each channel of each depthwise kernel, BatchNorm folded in."""
    folded = copy.deepcopy(net).eval().requires_grad_(False)
    fold(folded)
    return {
        name: layer.weight.abs().amax((1, 2, 3)).tolist()
        for name, layer in folded.named_modules()
        if is_depthwise(layer) and isinstance(layer, nn.Conv2d)
    }


def lost_channels(ranges: list[float]) -> float:
    """Share of channels whose weights all become 0 with one int8 scale for the kernel."""
    step = max(ranges) / 127
    return sum(value < step / 2 for value in ranges) / len(ranges)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation of a sample (n - 1) over the seeds of each activation."""
    table = {}
    for activation in ACTIVATIONS:
        own = [row for row in rows if row["activation"] == activation]
        columns = {name: [row["accuracy"][name] for row in own] for name in STORED}
        columns |= {f"{n} bits": [row["activation_bits"][str(n)] for row in own] for n in BITS}
        columns["other activation"] = [row["other_activation"] for row in own]
        ranges = [r for row in own for r in row["depthwise_ranges"].values()]
        table[activation] = {
            "accuracy": {
                name: {"mean": statistics.mean(values), "std": statistics.stdev(values)}
                for name, values in columns.items()
            },
            "largest_activation": max(row["largest_activation"] for row in own),
            "above_6": statistics.mean(row["above_6"] for row in own),
            "depthwise_spread": statistics.median(max(r) / statistics.median(r) for r in ranges),
            "lost_channels": statistics.mean(lost_channels(r) for r in ranges),
        }
    return table


def draw(record: Record, path: Path) -> None:
    """Histogram of activations, what their rounding costs, ranges of one depthwise kernel."""
    figure = Figure(figsize=(12, 3.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for activation in ACTIVATIONS:
        colour, label = COLOURS[activation], WORDS[activation]
        first = next(row for row in record["trainings"] if row["activation"] == activation)
        counts = np.array(first["histogram"], float)
        left.step(
            BIN * np.arange(1, len(counts) + 1), counts / counts.sum(), color=colour, label=label
        )
        for row in record["trainings"]:
            if row["activation"] == activation:
                lost = [
                    100 * (row["accuracy"]["float32"] - row["activation_bits"][str(n)])
                    for n in BITS
                ]
                shown = label if row["seed"] == SEEDS[0] else None
                middle.plot(BITS, lost, color=colour, marker="o", ms=4, label=shown)
        name = widest(first["depthwise_ranges"])
        ranges = sorted(first["depthwise_ranges"][name], reverse=True)
        right.plot(
            np.linspace(0, 100, len(ranges)),
            ranges,
            color=colour,
            label=f"{label}, {name.removesuffix('.depthwise.0')}",
        )
        right.axhline(max(ranges) / 127 / 2, color=colour, ls=":", lw=1)
    left.set(title="activations above 0", xlabel="value", ylabel="share", yscale="log")
    middle.set(title="activations rounded, weights not", xlabel="bits", ylabel="points lost")
    middle.set_xticks(BITS)
    middle.invert_xaxis()
    right.set(title="largest weight of each depthwise channel", xlabel="channels, %", yscale="log")
    right.annotate(
        "below: rounded to 0 by one scale", (0.03, 0.03), xycoords="axes fraction", fontsize=8
    )
    for axis in (left, middle, right):
        axis.title.set_fontsize(10)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def widest(ranges: dict[str, list[float]]) -> str:
    """The kernel of which one scale rounds the largest share of channels to 0."""
    return max(ranges, key=lambda name: lost_channels(ranges[name]))


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One training and its accuracy in one precision, or with activations of so many bits."""
    row = record["trainings"][generator.integers(len(record["trainings"]))]
    part = ("accuracy", "activation_bits")[generator.integers(2)]
    name = list(row[part])[generator.integers(len(row[part]))]
    stored: Values = {"accuracy": row[part][name], "weights_sha256": row["weights_sha256"]}

    def make() -> Values:
        made = measure(digits(), row["activation"], row["seed"])
        return {"accuracy": made[part][name], "weights_sha256": made["weights_sha256"]}

    words = name if part == "accuracy" else f"activations of {name} bits"
    what = f"the accuracy with {row['activation']}, seed {row['seed']}, in {words}"
    return Repeat(what, stored, make, {"accuracy": 0.25})


def main() -> None:
    """Train, round and write, or draw what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="draw the result that is there")
    path = RESULTS / f"{NAME}.json"
    if not parser.parse_args().draw:
        split = digits()
        rows = []
        for activation in ACTIVATIONS:
            for seed in SEEDS:
                rows.append(measure(split, activation, seed))
                kept = ("activation", "seed", "accuracy", "activation_bits", "other_activation")
                print({key: rows[-1][key] for key in kept}, flush=True)
        path = write_record(
            NAME,
            {"settings": TRAINING, "table": summary(rows), "trainings": rows},
            data={"digits/train": split.images.sha256, "digits/test": split.tested.sha256},
            split={split.text: split.sha256},
            weights={f"{r['activation']}, seed {r['seed']}": r["weights_sha256"] for r in rows},
        )
    draw(json.loads(path.read_text(encoding="utf-8")), PICTURE)
    print(path, PICTURE)


if __name__ == "__main__":
    main()
