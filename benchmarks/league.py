r"""The league: networks and tuned baselines on Indian Pines under every protocol.

    python benchmarks/league.py --cells league --seeds 10

HybridSN takes part under three protocols, on the first three seeds; MobileSN with a field of 13
there and under blocks by class. Typed again, it goes on from
the cells that are there. Takes hours on two cores: HybridSN 2 to 4 minutes a cell, the others up
to 2. Accuracies are those of one forward pass; standard deviations are of a sample (n - 1).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from records import Record, Repeat, Values, write_record

import spectrolite as sl

WITH_HYBRIDSN = (
    "random,train=0.1",
    "blocks,train=0.3,side=20,guard=6,allow_missing",
    "blocks,train=0.3,side=10,allow_missing",
)
BY_CLASS = "blocks_by_class,train=0.3,allow_missing"
FEW = (
    "random,train=0.05",
    "random,train=0.01,allow_missing",
    "per_class,n=10,allow_missing",
    "per_class,n=20,allow_missing",
    "per_class,n=50,allow_missing",
)
NARROW = "mobilesn,receptive_field=13"  # sees no further than a guard of 6
MODELS = (
    "mobilesn",
    "svm",
    "svm_context,side=5",
    "svm_context,side=13",
    "svm_context,side=25",
    "svm,reduction=mnf",
    "svm_context,side=5,reduction=mnf",
    "svm_context,side=13,reduction=mnf",
    "svm_context,side=25,reduction=mnf",
    "random_forest",
    "position",
)
SLOW, SLOW_SEEDS = "hybridsn", 3
FIGURES = ("overall_accuracy", "average_accuracy", "kappa")
HASHES = ("split_sha256", "weights_sha256")


def main() -> None:
    """Compute the cells that are missing, collect, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=Path, default=Path("league"), help="folder of the cells")
    parser.add_argument("--seeds", type=int, default=10)
    chosen = parser.parse_args()
    scene, labels = sl.load("indian_pines")
    leagues = [
        compare(scene, labels, models, splits, chosen.seeds, chosen.cells / folder)
        for folder, models, splits in (
            ("all", (SLOW, NARROW, *MODELS), WITH_HYBRIDSN),
            ("by-class", (NARROW, *MODELS), (BY_CLASS,)),
            ("few", MODELS, FEW),
        )
    ]
    cells = [cell for league in leagues for cell in league.cells]
    path = write_record(
        "league",
        {
            "notes": list(dict.fromkeys(note for league in leagues for note in league.notes)),
            "protocols": [
                protocol.model_dump(mode="json")
                for league in leagues
                for protocol in league.protocols
            ],
            "cells": [cell.model_dump(mode="json") for cell in cells],
        },
        data={"indian_pines scene": scene.sha256, "indian_pines labels": labels.sha256},
        split={f"{cell.split},seed={cell.seed}": cell.split_sha256 for cell in cells},
        weights={
            f"{cell.model} on {cell.split}, seed {cell.seed}": cell.weights_sha256
            for cell in cells
            if cell.weights_sha256 is not None
        },
    )
    print(path)


def compare(
    scene: sl.Scene,
    labels: sl.Labels,
    models: tuple[str, ...],
    splits: tuple[str, ...],
    seeds: int,
    out: Path,
) -> sl.League:
    """One league, with fewer seeds for the slow network where it takes part."""
    fewer = {SLOW: min(SLOW_SEEDS, seeds)} if SLOW in models else {}
    return sl.compare(
        scene,
        labels,
        models=models,
        splits=splits,
        seeds=seeds,
        seeds_for=fewer,
        out=out,
        on_stage=lambda words: print(words, flush=True),
    )


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One cell, from its split to its figures.

    Where the same bits are not promised a cell of a network is as good as another seed, and two
    points are allowed; a baseline draws little, and half a point is.
    """
    rows: list[dict[str, Any]] = record["cells"]
    row = rows[generator.integers(len(rows))]
    known = [key for key in HASHES if row[key] is not None]
    stored: Values = {key: row[key] for key in (*FIGURES, *known)}

    def make() -> Values:
        scene, labels = sl.load("indian_pines")
        with tempfile.TemporaryDirectory() as folder:
            made = sl.compare(
                scene,
                labels,
                models=[row["model"]],
                splits=[row["split"]],
                seeds=1,
                first_seed=row["seed"],
                out=Path(folder) / "league",
            )
        found = made.cells[0].model_dump()
        return {key: found[key] for key in stored}

    points = 0.005 if row["weights_sha256"] is None else 0.02
    what = f"{row['model']} on {row['split']}, seed {row['seed']}"
    took = f" (took {row['training_s']:.0f} s to train)"
    return Repeat(what + took, stored, make, dict.fromkeys(FIGURES, points))


if __name__ == "__main__":
    main()
