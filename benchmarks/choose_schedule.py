"""What HybridSN trains with by default: chosen inside the training part of split 345.

    python benchmarks/choose_schedule.py

A fifth of the 1,024 training pixels validates, twice drawn anew; the test pixels of the split
are not looked at. Each candidate differs from the default in one setting. Takes about a
minute a training, of which there are fourteen.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from records import Record, Repeat, Values, write_record

import spectrolite as sl
from spectrolite.samples.split_grammar import parse_split

DEFAULT: dict[str, Any] = {
    "epochs": 130,
    "learning_rate": 3e-3,
    "weight_decay": 1e-2,
    "label_smoothing": 0.05,
    "standardise": False,
}
CANDIDATES: tuple[dict[str, Any], ...] = (
    DEFAULT,
    {**DEFAULT, "epochs": 80},
    {**DEFAULT, "epochs": 200},
    {**DEFAULT, "learning_rate": 5e-3},
    {**DEFAULT, "weight_decay": 1e-1},
    {**DEFAULT, "label_smoothing": 0.1},
    {**DEFAULT, "standardise": True},
)
DRAWS = (0, 1)


def main() -> None:
    """Train every candidate on every draw and write what the validation pixels say."""
    scene, labels = sl.load("indian_pines")
    outer = sl.split(labels, "random", train=0.1, seed=345)
    draws = [inner_split(outer, draw) for draw in DRAWS]
    rows, weights = [], {}
    for candidate in CANDIDATES:
        accuracies = []
        for draw, inner in zip(DRAWS, draws, strict=True):
            accuracy, sha256 = train_one(scene, inner, draw, candidate)
            accuracies.append(accuracy)
            weights[name_of(candidate, draw)] = sha256
            print(candidate, draw, accuracy, flush=True)
        rows.append(
            {**candidate, "validation_accuracy": accuracies, "mean": statistics.mean(accuracies)}
        )
    path = write_record(
        "choose_schedule",
        {
            "split": outer.text,
            "validation": "a fifth of the training pixels, drawn twice",
            "candidates": rows,
        },
        data={"indian_pines scene": scene.sha256, "indian_pines labels": labels.sha256},
        split={outer.text: outer.sha256}
        | {f"draw {draw}": inner.sha256 for draw, inner in zip(DRAWS, draws, strict=True)},
        weights=weights,
    )
    print(path)


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One candidate on one draw; six of its 205 validation pixels may differ elsewhere."""
    row = record["candidates"][generator.integers(len(record["candidates"]))]
    draw = int(generator.integers(len(DRAWS)))
    candidate = {k: v for k, v in row.items() if k not in ("validation_accuracy", "mean")}
    stored: Values = {"validation_accuracy": row["validation_accuracy"][draw]}
    weights = record["inputs"]["weights"]
    if weights is not None:
        stored["weights_sha256"] = weights[name_of(candidate, draw)]

    def make() -> Values:
        scene, labels = sl.load("indian_pines")
        method, parameters = parse_split(record["split"])
        inner = inner_split(sl.split(labels, method, **parameters), draw)
        accuracy, sha256 = train_one(scene, inner, draw, candidate)
        made: Values = {"validation_accuracy": accuracy, "weights_sha256": sha256}
        return {k: made[k] for k in stored}

    what = f"HybridSN with {name_of(candidate, draw)} (a training of minutes)"
    return Repeat(what, stored, make, {"validation_accuracy": 0.03})


def inner_split(outer: sl.Split, draw: int) -> sl.Split:
    """Four fifths of the outer training pixels train; the other fifth stands where tests do."""
    labels = outer.labels
    assert isinstance(labels, sl.Labels)  # of one scene
    inside = np.zeros(labels.shape, np.int32)
    inside.flat[outer.train] = labels.array.flat[outer.train]
    known = sl.Labels(inside, class_names=labels.class_names)
    return sl.split(known, "random", train=0.8, seed=draw, allow_missing=True)


def train_one(
    scene: sl.Scene, inner: sl.Split, draw: int, candidate: dict[str, Any]
) -> tuple[float, str]:
    """Accuracy on the validation pixels, and the hash of the weights."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run = sl.train(scene, inner.labels, inner, seed=draw, out=out, **candidate)
        return run.report.overall_accuracy, run.manifest["weights_sha256"]


def name_of(candidate: dict[str, Any], draw: int) -> str:
    """Words for one training."""
    return ", ".join([*(f"{k}={v}" for k, v in candidate.items()), f"draw {draw}"])


if __name__ == "__main__":
    main()
