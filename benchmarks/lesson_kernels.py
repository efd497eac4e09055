r"""Where depthwise kernels die: V1 and V2, with and without decay on them, with ReLU and ReLU6.

    python benchmarks/lesson_kernels.py --run runs/ten-v1 --run runs/ten-v2   # 11 minutes of a core
    python benchmarks/lesson_kernels.py --draw       # the picture alone, from the result

Short trainings on scikit-learn's digits, three seeds a cell: no decay at all, decay that spares
depthwise kernels, BatchNorm and biases, decay on everything, and the same ten times as strong, for
a long training shrinks a kernel that much more. The 355 test images are scored once. The runs that
`--run` names, trained elsewhere, are counted beside them; they need their data.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lesson_bottlenecks import digits
from matplotlib.figure import Figure
from records import RESULTS, Record, Repeat, Values, write_record

import spectrolite as sl
from spectrolite.evaluation.depthwise_kernels import LayerKernels, depthwise_kernels
from spectrolite.evaluation.training_inputs import IMAGES, pixel_range
from spectrolite.hashing import array_sha256
from spectrolite.models import build_image_model
from spectrolite.samples.augmentation import channel_statistics, standardise
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.training.image_loop import fit_images, logits_of
from spectrolite.training.keywords import settings

NAME = "lesson_kernels"
PICTURE = Path(__file__).parent.parent / "docs" / "lessons" / "dead-kernels.png"
NETWORKS = {"mobilenet_v1": 0.25, "mobilenet_v2": 0.35}  # and their widths
ACTIVATIONS, SEEDS = ("relu6", "relu"), (0, 1, 2)
DECAYS: dict[str, dict[str, Any]] = {
    "none": {"weight_decay": 0.0},
    "spared": {"weight_decay": 5e-4, "decay_on": "kernels"},
    "decayed": {"weight_decay": 5e-4, "decay_on": "all"},
    "ten times": {"weight_decay": 5e-3, "decay_on": "all"},
}
TRAINING: dict[str, Any] = {
    "epochs": 12,
    "batch": 32,
    "learning_rate": 0.05,
    "ema": 0.0,
    "pad": 0,
    "mirror": "none",
    "device": "cpu",
}


def train(split: ImageSplit, network: str, activation: str, decay: str, seed: int) -> Record:
    """One training: kernels by layer, accuracy from 0 to 1."""
    width = NETWORKS[network]
    chosen = settings(
        **TRAINING, **DECAYS[decay], model=network, width=width, activation=activation
    )
    net = build_image_model(
        network,
        width=width,
        activation=activation,
        channels=1,
        generator=torch.Generator().manual_seed(seed),
    )
    pixels = torch.from_numpy(split.images.pixels[split.train])
    mean, std = channel_statistics(pixels)
    fit_images(net, split, mean, std, chosen, order=seed, dropout=seed)
    tested = split.tested.pixels[split.test]
    said = logits_of(net.eval(), tested, mean, std, torch.device("cpu")).argmax(1).numpy()
    places = np.linspace(0, len(pixels) - 1, IMAGES).round().astype(np.int64)  # as the doctor does
    layers = depthwise_kernels(net, standardise(pixels[places], mean, std), pixel_range(mean, std))
    return {
        "network": network,
        "activation": activation,
        "decay": decay,
        "seed": seed,
        "accuracy": float((said == split.tested.targets[split.test]).mean()),
        **counts(layers),
        "median_norm": statistics.median(
            float(
                net.get_parameter(f"{layer.name}.weight").detach().flatten(1).norm(dim=1).median()
            )
            for layer in layers
        ),
        "weights_sha256": array_sha256(*(value.numpy() for value in net.state_dict().values())),
    }


def counts(layers: Sequence[LayerKernels]) -> Record:
    """Kernels, dead and weak: of a network, and of each layer."""
    rows: list[Record] = [
        {
            "name": layer.name,
            "kernels": layer.kernels,
            "dead": len(layer.dead),
            "weak": len(layer.weak),
        }
        for layer in layers
    ]
    totals = {key: sum(row[key] for row in rows) for key in ("kernels", "dead", "weak")}
    return {**totals, "layers": rows}


def counted(path: Path) -> Record:
    """A run that was trained elsewhere, as the doctor counts its kernels."""
    run = sl.open_run(path)
    return {
        "run": path.name,
        "network": run.settings.model.model,
        "data": run.report.data,
        "accuracy": run.report.overall_accuracy,
        **counts(sl.doctor(run).kernels),
        "weights_sha256": run.manifest.weights_sha256,
    }


def summary(rows: list[Record]) -> list[Record]:
    """Mean over the seeds of each cell; of the accuracy also the standard deviation (n - 1)."""
    table = []
    for network in NETWORKS:
        for activation in ACTIVATIONS:
            for decay in DECAYS:
                cell = (network, activation, decay)
                own = [r for r in rows if (r["network"], r["activation"], r["decay"]) == cell]
                means = {
                    key: statistics.mean(row[key] for row in own)
                    for key in ("accuracy", "dead", "weak", "median_norm")
                }
                spread = statistics.stdev(row["accuracy"] for row in own)
                table.append(
                    dict(zip(("network", "activation", "decay"), cell, strict=True))
                    | {"kernels": own[0]["kernels"], **means, "accuracy_std": spread}
                )
    return table


def draw(record: Record, path: Path) -> None:
    """A panel a network: dead and weak kernels in %, a bar a decay and activation."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    colours = {"relu6": "#1f6f8b", "relu": "#d95f02"}
    for axis, (network, width) in zip(panels, NETWORKS.items(), strict=True):
        for k, activation in enumerate(ACTIVATIONS):
            own = [
                r
                for r in record["table"]
                if (r["network"], r["activation"]) == (network, activation)
            ]
            places = [place + 0.38 * (k - 0.5) for place in range(len(own))]
            dead = [100 * row["dead"] / row["kernels"] for row in own]
            weak = [100 * row["weak"] / row["kernels"] for row in own]
            name = {"relu6": "ReLU6", "relu": "ReLU"}[activation]
            axis.bar(places, dead, 0.36, color=colours[activation], label=f"{name}, dead")
            axis.bar(
                places,
                weak,
                0.36,
                bottom=dead,
                color=colours[activation],
                alpha=0.4,
                label=f"{name}, weak",
            )
        axis.set_xticks(range(len(DECAYS)), list(DECAYS))
        title = {"mobilenet_v1": "MobileNetV1", "mobilenet_v2": "MobileNetV2"}[network]
        axis.set_title(f"{title}, width {width}", fontsize=10)
        axis.set_xlabel("weight decay on depthwise kernels")
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("% of the depthwise kernels")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One of the trainings on digits."""
    row = record["trainings"][generator.integers(len(record["trainings"]))]
    cell = (row["network"], row["activation"], row["decay"], row["seed"])
    stored: Values = {key: row[key] for key in ("dead", "weak", "accuracy", "weights_sha256")}

    def make() -> Values:
        made = train(digits(), *cell)
        return {key: made[key] for key in stored}

    # trainings as short as these end elsewhere where sums are rounded otherwise
    some = 0.1 * row["kernels"]
    what = f"kernels of {cell[0]} with {cell[1]}, decay {cell[2]}, seed {cell[3]}"
    return Repeat(what, stored, make, {"dead": some, "weak": some, "accuracy": 0.25})


def main() -> None:
    """Train, count and write, or draw what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, action="append", default=[], help="a run to count")
    parser.add_argument("--draw", action="store_true", help="draw the result that is there")
    chosen = parser.parse_args()
    path = RESULTS / f"{NAME}.json"
    if not chosen.draw:
        split = digits()
        runs = [counted(run) for run in chosen.run]
        rows = []
        for network in NETWORKS:
            for activation in ACTIVATIONS:
                for decay in DECAYS:
                    for seed in SEEDS:
                        rows.append(train(split, network, activation, decay, seed))
                        shown = {k: v for k, v in rows[-1].items() if k != "layers"}
                        print(shown, flush=True)
        weights = {
            f"{r['network']}, {r['activation']}, {r['decay']}, seed {r['seed']}": r[
                "weights_sha256"
            ]
            for r in rows
        }
        path = write_record(
            NAME,
            {
                "settings": TRAINING,
                "decays": DECAYS,
                "table": summary(rows),
                "runs": runs,
                "trainings": rows,
            },
            data={"digits/train": split.images.sha256, "digits/test": split.tested.sha256},
            split={split.text: split.sha256},
            weights={**weights, **{row["run"]: row["weights_sha256"] for row in runs}},
        )
    draw(json.loads(path.read_text(encoding="utf-8")), PICTURE)
    print(path, PICTURE)


if __name__ == "__main__":
    main()
