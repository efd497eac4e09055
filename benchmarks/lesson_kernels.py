"""Where depthwise kernels die: MobileNetV1 and V2, with and without decay on them, ReLU and ReLU6.

    python benchmarks/lesson_kernels.py --root data    # half an hour of one core, needs CIFAR-10
    python benchmarks/lesson_kernels.py --draw         # the picture alone, from the result

Sixteen short trainings at a quarter of the width on 10,000 of CIFAR-10's training images, four
epochs each, one seed. `adam` is the course's recipe, without decay. The others are `ten-epochs`:
`spared` has no decay on depthwise kernels, `decayed` has its 5e-4 on everything, and `ten times`
5e-3, for four epochs are few and a training ten times as long shrinks a kernel that much more.
2,000 more of the training images are watched; no test image is looked at.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from records import RESULTS, Record, Repeat, Values, write_record

import spectrolite as sl
from spectrolite.augment import channel_statistics, standardise
from spectrolite.image_splits import ImageSplit
from spectrolite.image_training import fit_images
from spectrolite.kernels import Range, depthwise_kernels
from spectrolite.models import build_image_model
from spectrolite.recipes import read_recipe
from spectrolite.scene import array_sha256
from spectrolite.settings import settings

NAME = "lesson_kernels"
PICTURE = Path(__file__).parent.parent / "docs" / "lessons" / "dead-kernels.png"
NETWORKS, ACTIVATIONS = ("mobilenet_v1", "mobilenet_v2"), ("relu6", "relu")
DECAYS: dict[str, dict[str, Any]] = {
    "adam": read_recipe("course-10-epochs"),
    "spared": read_recipe("ten-epochs"),
    "decayed": {**read_recipe("ten-epochs"), "decay_on": "all"},
    "ten times": {**read_recipe("ten-epochs"), "decay_on": "all", "weight_decay": 5e-3},
}
WIDTH, EPOCHS, IMAGES, WATCHED, SEEN = 0.25, 4, 12_000, 1 / 6, 512


def images_of(root: Path) -> ImageSplit:
    """10,000 images train, 2,000 are watched; what stands for the test is not scored."""
    images, _ = sl.load("cifar10", root=root)
    part = dataclasses.replace(
        images, pixels=images.pixels[:IMAGES], targets=images.targets[:IMAGES], source={}
    )
    unused = dataclasses.replace(part, pixels=part.pixels[:1], targets=part.targets[:1])
    return sl.split_images(part, unused, validation=WATCHED)


def train(split: ImageSplit, network: str, activation: str, decay: str) -> dict[str, Any]:
    """One training: kernels by layer, accuracy from 0 to 1 on the images that are watched."""
    chosen = settings(
        **{**DECAYS[decay], "model": network, "width": WIDTH, "epochs": EPOCHS, "device": "cpu",
           "activation": activation}
    )  # fmt: skip
    net = build_image_model(
        network, variant=chosen.model.variant, width=WIDTH, activation=activation,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    pixels = torch.from_numpy(split.images.pixels[split.train])
    mean, std = channel_statistics(pixels)
    log = fit_images(net, split, mean, std, chosen, order=0, dropout=0)
    ends = (torch.tensor([0.0, 255.0])[:, None] / 255 - mean) / std  # (2, C)
    layers = depthwise_kernels(
        net, standardise(pixels[:SEEN], mean, std), Range(ends[0].double(), ends[1].double())
    )  # fmt: skip
    sizes = [
        float(net.get_parameter(f"{layer.name}.weight").detach().flatten(1).norm(dim=1).median())
        for layer in layers
    ]
    return {
        "network": network,
        "activation": activation,
        "decay": decay,
        "validation_accuracy": log[-1].validation_accuracy,
        "kernels": sum(layer.kernels for layer in layers),
        "dead": sum(len(layer.dead) for layer in layers),
        "weak": sum(len(layer.weak) for layer in layers),
        "layers": [
            {"name": layer.name, "kernels": layer.kernels, "dead": len(layer.dead),
             "weak": len(layer.weak), "median_norm": size}
            for layer, size in zip(layers, sizes, strict=True)
        ],
        "weights_sha256": array_sha256(*(value.numpy() for value in net.state_dict().values())),
    }  # fmt: skip


def draw(record: Record, path: Path) -> None:
    """A panel a network and activation: share of dead and weak kernels, a line a decay."""
    figure = Figure(figsize=(10.5, 5.2), layout="constrained")
    panels = figure.subplots(2, 2, sharey=True)
    colours = dict(zip(DECAYS, ("#7a7a7a", "#1f6f8b", "#d95f02", "#8b1f41"), strict=True))
    for row in record["trainings"]:
        axis = panels[NETWORKS.index(row["network"])][ACTIVATIONS.index(row["activation"])]
        shares = [
            100 * (layer["dead"] + layer["weak"]) / layer["kernels"] for layer in row["layers"]
        ]
        axis.plot(range(1, len(shares) + 1), shares, "o-", markersize=3,
                  color=colours[row["decay"]], label=row["decay"])  # fmt: skip
        name = {"mobilenet_v1": "MobileNetV1", "mobilenet_v2": "MobileNetV2"}[row["network"]]
        axis.set_title(f"{name}, {row['activation'].replace('relu', 'ReLU')}", fontsize=10)
        axis.set(xlabel="depthwise layer", ylabel="% dead or weak")
        axis.spines[["top", "right"]].set_visible(False)
    panels[0][0].legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One of the trainings, where CIFAR-10 is at hand."""
    chosen = _parser().parse_args(shlex.split(record["command"])[2:])
    row = record["trainings"][generator.integers(len(record["trainings"]))]
    cell = (row["network"], row["activation"], row["decay"])
    stored: Values = {key: row[key] for key in ("dead", "weights_sha256")}

    def make() -> Values:
        made = train(images_of(chosen.root), *cell)
        return {key: made[key] for key in stored}

    what = f"dead kernels of {' '.join(cell)} (a minute or two, needs CIFAR-10 in {chosen.root})"
    return Repeat(what, stored, make, {"dead": 0.1 * row["kernels"]})


def main() -> None:
    """Train and write, or draw what was written."""
    chosen = _parser().parse_args()
    path = RESULTS / f"{NAME}.json"
    if not chosen.draw:
        split = images_of(chosen.root)
        rows = []
        for network in NETWORKS:
            for activation in ACTIVATIONS:
                for decay in DECAYS:
                    rows.append(train(split, network, activation, decay))
                    print({k: v for k, v in rows[-1].items() if k != "layers"}, flush=True)
        path = write_record(
            NAME,
            {"width": WIDTH, "epochs": EPOCHS, "training_images": len(split.train),
             "validation_images": len(split.validation), "decays": DECAYS, "trainings": rows},
            data={"cifar10/train, the first 12,000": split.images.sha256},
            split={str(split): split.sha256},
            weights={f"{r['network']}, {r['activation']}, {r['decay']}": r["weights_sha256"]
                     for r in rows},
        )  # fmt: skip
    draw(json.loads(path.read_text(encoding="utf-8")), PICTURE)
    print(path, PICTURE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder with CIFAR-10")
    parser.add_argument("--draw", action="store_true", help="draw the result that is there")
    return parser


if __name__ == "__main__":
    main()
