r"""Accuracy of HybridSN on Indian Pines over several training seeds on one split.

    python benchmarks/accuracy.py hybridsn-random-10 --split random,train=0.1,seed=345 --seeds 10
    python benchmarks/accuracy.py hybridsn-blocks \
        --split blocks,train=0.3,side=20,guard=6,allow_missing

Takes 2 to 3 minutes a seed on two cores. Standard deviations are those of a sample (n - 1). The
figures named `flips` average eight orientations and stand beside those of the one forward pass.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from records import Record, Repeat, Values, write_record

import spectrolite as sl
from spectrolite.evaluation.scene_report import flip_figures
from spectrolite.samples.split_grammar import parse_split

FIGURES = ("overall_accuracy", "average_accuracy", "kappa")


def main() -> None:
    """Train, collect, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--split", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.seeds < 2:
        parser.error("--seeds: wanted 2 or more, for a standard deviation")
    scene, labels = sl.load("indian_pines")
    method, parameters = parse_split(chosen.split)
    split = sl.split(labels, method, **parameters)
    rows = []
    for seed in range(chosen.seeds):
        row, report = train_one(scene, split, seed)
        rows.append(row)
        print(row, flush=True)
    summary = {
        figure: {
            "mean": statistics.mean(row[figure] for row in rows),
            "std": statistics.stdev(row[figure] for row in rows),
        }
        for figure in (*FIGURES, *(f"flips_{f}" for f in FIGURES), "training_s", "flips_s")
    }
    path = write_record(
        chosen.name,
        {
            "split": split.text,
            "settings": report.settings.model_dump(),
            "leakage": report.leakage.model_dump(exclude={"distance_edges", "distance_counts"}),
            "baselines": report.baselines.model_dump(),
            "summary": summary,
            "seeds": rows,
        },
        data={"indian_pines scene": scene.sha256, "indian_pines labels": labels.sha256},
        split={split.text: split.sha256},
        weights={f"seed {row['seed']}": row["weights_sha256"] for row in rows},
    )
    print(path)


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One training seed, with the settings of the record.

    Where the same bits are not promised it is as good as another seed: three standard deviations
    of the record's seeds, and half a point, are allowed.
    """
    rows = record["seeds"]
    row = rows[generator.integers(len(rows))]
    stored: Values = {k: row[k] for k in (*FIGURES, "weights_sha256")}
    spread = {k: statistics.stdev(r[k] for r in rows) if len(rows) > 1 else 0.0 for k in FIGURES}
    flags = {k: v for stage in record.get("settings", {}).values() for k, v in stage.items()}

    def make() -> Values:
        scene, labels = sl.load("indian_pines")
        method, parameters = parse_split(record["split"])
        made, _ = train_one(scene, sl.split(labels, method, **parameters), row["seed"], **flags)
        return {k: made[k] for k in stored}

    what = f"HybridSN on {record['split']}, training seed {row['seed']}"
    took = f" (took {row['training_s']:.0f} s to train)" if "training_s" in row else ""
    return Repeat(what + took, stored, make, {k: 0.005 + 3 * spread[k] for k in FIGURES})


def train_one(
    scene: sl.Scene, split: sl.Split, seed: int, **flags: Any
) -> tuple[dict[str, Any], sl.Report]:
    """Train once; the figures, the times and the hash of the weights."""
    with tempfile.TemporaryDirectory() as folder:
        run = sl.train(scene, split.labels, split, seed=seed, out=Path(folder) / "run", **flags)
        report = run.report
        start = time.perf_counter()
        averaged = sl.classify(run, scene, flips=True)
        flips = flip_figures(averaged.classes, split, time.perf_counter() - start)
    return {
        "seed": seed,
        **{figure: getattr(report, figure) for figure in FIGURES},
        "training_s": report.times_s["training"],
        "map_s": report.times_s["map"],
        **{f"flips_{figure}": getattr(flips, figure) for figure in FIGURES},
        "flips_s": flips.seconds,
        "weights_sha256": run.manifest["weights_sha256"],
    }, report


if __name__ == "__main__":
    main()
