"""Which schedule HybridSN trains with by default: chosen inside the training part of split 345.

    python benchmarks/choose_schedule.py

A fifth of the 1,024 training pixels validates, twice drawn anew; the test pixels of the split
are not looked at. Takes about 3.5 minutes a training, of which there are six.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from records import write_record

import spectrolite as sl

CANDIDATES: tuple[dict[str, Any], ...] = (
    {"epochs": 130, "learning_rate": 3e-3},
    {"epochs": 100, "learning_rate": 3e-3},
    {"epochs": 100, "learning_rate": 5e-3},
)


def main() -> None:
    """Train every candidate on every draw and write what the validation pixels say."""
    scene, labels = sl.load("indian_pines")
    outer = sl.split(labels, "random", train=0.1, seed=345)
    inside = np.zeros(labels.shape, np.int32)
    inside.flat[outer.train] = labels.array.flat[outer.train]
    known = sl.Labels(inside, class_names=labels.class_names)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n, candidate in enumerate(CANDIDATES):
            accuracies = []
            for draw in range(2):
                inner = sl.split(known, "random", train=0.8, seed=draw, allow_missing=True)
                out = Path(folder) / f"{n}-{draw}"
                run = sl.train(scene, known, inner, seed=draw, out=out, **candidate)
                accuracies.append(run.report.overall_accuracy)
                print(candidate, draw, accuracies[-1], flush=True)
            rows.append(
                {
                    **candidate,
                    "validation_accuracy": accuracies,
                    "mean": statistics.mean(accuracies),
                }
            )
    path = write_record("choose_schedule", {
        "data": "indian_pines",
        "scene_sha256": scene.sha256,
        "labels_sha256": labels.sha256,
        "split": str(outer),
        "split_sha256": outer.sha256,
        "validation": "a fifth of the training pixels, drawn twice",
        "candidates": rows,
    })  # fmt: skip
    print(path)


if __name__ == "__main__":
    main()
