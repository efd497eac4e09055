"""What the last activation of a bottleneck costs MobileNetV2, and how ReLU loses what it cuts off.

    python benchmarks/lesson_bottlenecks.py           # 4 minutes of one core: result and picture
    python benchmarks/lesson_bottlenecks.py --draw    # the picture alone, from the result

Twelve trainings on scikit-learn's digits: ReLU6 and ReLU, blocks that end linear and blocks that
end with the activation, three seeds each; what differs within a seed is that one thing. No image
validates, and the 355 test images are scored once. The learning rate was chosen before, on a fifth
of the training images, by one seed and 10 epochs, as the better one for the blocks of the paper:
SGD at 0.05 gave 92.4 % (with the activation 20.4), Adam at 3e-3 86.5 (30.4).

The spiral repeats figure 1 of the paper: points in the plane go through a random matrix into n
dimensions and through ReLU. The paper goes back by the inverse matrix; here it is the best affine
map there is, so that what is lost is lost to every layer that follows without an activation.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from records import RESULTS, Record, Repeat, Values, write_record
from torch import Tensor, nn

import spectrolite as sl
from spectrolite.hashing import array_sha256
from spectrolite.models import build_image_model
from spectrolite.samples.augmentation import channel_statistics, standardise
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.training.image_loop import fit_images, logits_of
from spectrolite.training.keywords import settings

NAME = "lesson_bottlenecks"
PICTURE = Path(__file__).parent.parent / "docs" / "lessons" / "linear-bottlenecks.png"
WIDTH, SEEDS, ACTIVATIONS = 0.35, (0, 1, 2), ("relu6", "relu")
TRAINING: dict[str, Any] = {
    "model": "mobilenet_v2",
    "width": WIDTH,
    "epochs": 12,
    "batch": 32,
    "learning_rate": 0.05,
    "ema": 0.0,
    "pad": 0,
    "mirror": "none",
    "device": "cpu",
}
POINTS, TURNS = 1000, 3  # of the spiral
DIMENSIONS, DRAWS = (2, 3, 5, 15, 30), 200
COLOURS = {"linear": "#1f6f8b", "activated": "#d95f02"}


def digits() -> ImageSplit:
    """Every training image trains, the test images test."""
    return sl.split_images(*sl.load("digits"), validation=0)


def train(split: ImageSplit, activation: str, ends: str, seed: int) -> dict[str, Any]:
    """One training: losses, accuracy from 0 to 1, what the ends of the blocks are cut off."""
    chosen = settings(**TRAINING, activation=activation)
    net = build_image_model(
        "mobilenet_v2",
        width=WIDTH,
        activation=activation,
        channels=1,
        linear_bottleneck=ends == "linear",
        generator=torch.Generator().manual_seed(seed),
    )
    mean, std = channel_statistics(torch.from_numpy(split.images.pixels[split.train]))
    log = fit_images(net, split, mean, std, chosen, order=seed, dropout=seed)
    tested = split.tested.pixels[split.test]
    said = logits_of(net.eval(), tested, mean, std, torch.device("cpu")).argmax(1).numpy()
    images = standardise(torch.from_numpy(tested.copy()), mean, std)
    return {
        "activation": activation,
        "ends": ends,
        "seed": seed,
        "accuracy": float((said == split.tested.targets[split.test]).mean()),
        "losses": [epoch.loss for epoch in log],
        "not_positive": not_positive(net, images),
        "weights_sha256": array_sha256(*(value.numpy() for value in net.state_dict().values())),
    }


@torch.inference_mode()
def not_positive(net: nn.Module, images: Tensor) -> float:
    """Share of the numbers that leave the last BatchNorms of the blocks and are 0 or less.

    An activation there sets them to 0; a linear block hands them on.
    """
    shares: list[float] = []

    def look(_module: nn.Module, _inputs: object, given: Tensor) -> None:
        shares.append(float((given <= 0).float().mean()))

    norms = [net.get_submodule(f"blocks.{k}.project.1") for k in range(17)]
    hooks = [norm.register_forward_hook(look) for norm in norms]
    net(images)
    for hook in hooks:
        hook.remove()
    return statistics.mean(shares)


def spiral() -> NDArray[np.float64]:
    """`(points, 2)`, about 1 in size, turning around 0."""
    angle = np.linspace(0, 2 * np.pi * TURNS, POINTS)
    turning = np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.asarray((angle / angle[-1])[:, None] * turning)


def through_relu(dimensions: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """The spiral after a random matrix into so many dimensions, ReLU, and the best way back."""
    points = spiral()
    cut = np.maximum(points @ generator.normal(size=(2, dimensions)), 0)
    design = np.c_[cut, np.ones(POINTS)]
    back, *_ = np.linalg.lstsq(design, points, rcond=None)
    return np.asarray(design @ back)


def lost(dimensions: int, generator: np.random.Generator) -> float:
    """Share of the spiral's variance that no affine map brings back."""
    points = spiral()
    missed = points - through_relu(dimensions, generator)
    return float(np.square(missed).sum() / np.square(points - points.mean(0)).sum())


def of_spiral(dimensions: int) -> dict[str, float]:
    """What is lost in so many dimensions, over many random matrices."""
    generator = np.random.default_rng(dimensions)
    shares = [lost(dimensions, generator) for _ in range(DRAWS)]
    return {"dimensions": dimensions, "mean": statistics.mean(shares), "max": max(shares)}


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation of a sample (n - 1) over the seeds of each cell."""
    table = []
    for activation in ACTIVATIONS:
        for ends in COLOURS:
            own = [r for r in rows if (r["activation"], r["ends"]) == (activation, ends)]
            accuracies = [row["accuracy"] for row in own]
            table.append(
                {
                    "activation": activation,
                    "ends": ends,
                    "mean": statistics.mean(accuracies),
                    "std": statistics.stdev(accuracies),
                    "last_loss": statistics.mean(row["losses"][-1] for row in own),
                    "not_positive": statistics.mean(row["not_positive"] for row in own),
                }
            )
    return table


def draw(record: Record, path: Path) -> None:
    """Above the spiral after ReLU in n dimensions; below the losses, a line a training."""
    figure = Figure(figsize=(10.5, 5.6), layout="constrained")
    above, below = cast(Any, figure.subfigures(2, 1, height_ratios=[2.2, 3]))
    for axis, row in zip(above.subplots(1, len(DIMENSIONS)), record["spiral"], strict=True):
        n = row["dimensions"]
        points = through_relu(n, np.random.default_rng(n))
        axis.scatter(*points.T, c=np.arange(POINTS), s=2, cmap="viridis")
        axis.set_title(f"n = {n}: {row['mean']:.0%} lost", fontsize=10)
        axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal", xticks=[], yticks=[])
    panels = below.subplots(1, 2, sharey=True)
    for axis, activation in zip(panels, ACTIVATIONS, strict=True):
        for row in record["trainings"]:
            if row["activation"] == activation:
                epochs = range(1, len(row["losses"]) + 1)
                label = f"blocks end {row['ends']}" if row["seed"] == SEEDS[0] else None
                axis.plot(epochs, row["losses"], color=COLOURS[row["ends"]], label=label)
        axis.set_title({"relu6": "ReLU6", "relu": "ReLU"}[activation], fontsize=10)
        axis.set_xlabel("epoch")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    panels[0].set_ylabel("training loss")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One of the trainings, or the spiral in one of the dimensions."""
    if generator.random() < 0.25:
        row = record["spiral"][generator.integers(len(record["spiral"]))]
        n = row["dimensions"]
        stored: Values = {key: row[key] for key in ("mean", "max")}

        def make_spiral() -> Values:
            made = of_spiral(n)
            return {key: made[key] for key in stored}

        what = f"the share of the spiral that ReLU in {n} dimensions destroys"
        return Repeat(what, stored, make_spiral, dict.fromkeys(stored, 1e-6))
    row = record["trainings"][generator.integers(len(record["trainings"]))]
    cell = (row["activation"], row["ends"], row["seed"])
    stored = {key: row[key] for key in ("accuracy", "weights_sha256")}

    def make() -> Values:
        made = train(digits(), *cell)
        return {key: made[key] for key in stored}

    # trainings as short as these end elsewhere where sums are rounded otherwise
    what = f"the accuracy of MobileNetV2 with {cell[0]}, blocks ending {cell[1]}, seed {cell[2]}"
    return Repeat(what, stored, make, {"accuracy": 0.25})


def main() -> None:
    """Train and write, or draw what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="draw the result that is there")
    path = RESULTS / f"{NAME}.json"
    if not parser.parse_args().draw:
        split = digits()
        rows = []
        for activation in ACTIVATIONS:
            for seed in SEEDS:
                for ends in COLOURS:
                    rows.append(train(split, activation, ends, seed))
                    print({k: v for k, v in rows[-1].items() if k != "losses"}, flush=True)
        path = write_record(
            NAME,
            {
                "settings": TRAINING,
                "training_images": len(split.train),
                "test_images": len(split.test),
                "table": summary(rows),
                "spiral": [of_spiral(n) for n in DIMENSIONS],
                "trainings": rows,
            },
            data={"digits/train": split.images.sha256, "digits/test": split.tested.sha256},
            split={split.text: split.sha256},
            weights={
                f"{r['activation']}, {r['ends']}, seed {r['seed']}": r["weights_sha256"]
                for r in rows
            },
        )
    draw(json.loads(path.read_text(encoding="utf-8")), PICTURE)
    print(path, PICTURE)


if __name__ == "__main__":
    main()
