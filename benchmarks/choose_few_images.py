"""Which defaults train a MobileNet on few images? Three shapes, 20 images each.

    python benchmarks/choose_few_images.py choose    candidates, scored on further images of theirs
    python benchmarks/choose_few_images.py measure   the defaults, scored once on the test part

`choose` draws its images with other seeds than `measure`, so no choice sees a test image of
`measure`. Each line is printed as soon as it is there.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import spectrolite as sl

SHAPES = ("disc", "square", "triangle")
SIDE, NOISE = 32, 12
TRAIN, FRESH = 20, 100  # images a class
CANDIDATES: tuple[dict[str, Any], ...] = (
    {"model": "mobilenet_v2", "width": 0.25, "batch": 16, "epochs": 67, "learning_rate": 0.025},
    {"model": "mobilenet_v2", "width": 0.25, "batch": 16, "epochs": 67, "learning_rate": 0.1},
    {"model": "mobilenet_v2", "width": 0.25, "batch": 8, "epochs": 50, "learning_rate": 0.0125},
    {"model": "mobilenet_v1", "width": 0.5, "batch": 16, "epochs": 67, "learning_rate": 0.025},
    *(
        {
            "model": "mobilenet_v1",
            "width": 0.5,
            "optimiser": "adamw",
            "batch": batch,
            "epochs": epochs,
            "learning_rate": rate,
        }
        for batch, epochs, rate in (
            (16, 67, 3e-3),
            (16, 134, 3e-3),
            (32, 200, 3e-3),
            (32, 200, 1e-2),
            (64, 300, 3e-3),
        )
    ),
)


def shape(kind: str, generator: np.random.Generator) -> NDArray[np.uint8]:
    """`(3, 32, 32)`: a shape of any place, size and colour on a darker ground, with noise."""
    ground, colour = generator.integers(0, 100, 3), generator.integers(140, 256, 3)
    radius = generator.uniform(6, 10)
    row, col = generator.uniform(radius + 1, SIDE - 1 - radius, 2)
    y, x = np.mgrid[:SIDE, :SIDE] - np.array([row, col])[:, None, None]
    inside = {
        "square": (abs(y) <= 0.9 * radius) & (abs(x) <= 0.9 * radius),
        "disc": y**2 + x**2 <= radius**2,
        "triangle": (abs(y) <= radius) & (abs(x) <= (y + radius) / 2),
    }[kind]
    image = np.where(inside, colour[:, None, None], ground[:, None, None])
    noisy = image + generator.normal(0, NOISE, image.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def images(a_class: int, seed: int) -> sl.ImageSet:
    """A set with so many images of each shape."""
    generator = np.random.default_rng(seed)
    pixels = np.stack([shape(kind, generator) for kind in SHAPES for _ in range(a_class)])
    return sl.ImageSet(pixels, np.repeat(np.arange(len(SHAPES)), a_class), SHAPES)


def accuracy(seed: int, fresh: int | None, **settings: Any) -> tuple[float, float]:
    """Accuracy on `fresh` further images a class, or on the test part; and seconds."""
    few = images(TRAIN, seed)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        split = sl.split_images(few, seed=seed)
        run = sl.train(few, None, split, seed=seed, out=Path(folder) / "run", **settings)
        seconds = time.perf_counter() - start
        if fresh is None:
            return float(run.report.overall_accuracy), seconds
        others = images(fresh, 900 + seed)
        return float((sl.classify(run, others).classes == others.targets).mean()), seconds


def main() -> None:
    """Print a line for each candidate, or for each network with its defaults."""
    if sys.argv[1:] == ["choose"]:
        candidates, seeds, fresh = CANDIDATES, range(100, 103), FRESH
    elif sys.argv[1:2] == ["measure"]:
        names = sys.argv[2:] or ["mobilenet_v1", "mobilenet_v2"]
        candidates, seeds, fresh = tuple({"model": name} for name in names), range(5), None
    else:
        sys.exit(__doc__)
    for settings in candidates:
        scores = []
        for seed in seeds:
            score, seconds = accuracy(seed, fresh, **settings)
            scores.append(100 * score)
            print(f"  seed {seed}: {100 * score:.1f} %, {seconds:.0f} s", flush=True)
        mean, std = statistics.fmean(scores), statistics.stdev(scores)
        print(f"{settings}: {mean:.1f} ± {std:.1f} %", flush=True)


if __name__ == "__main__":
    main()
