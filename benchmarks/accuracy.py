r"""Accuracy of HybridSN on Indian Pines over several training seeds on one split.

    python benchmarks/accuracy.py hybridsn-random-10 --split random,train=0.1,seed=345
    python benchmarks/accuracy.py hybridsn-blocks \
        --split blocks,train=0.3,side=20,guard=6,allow_missing

Takes about 4 minutes a seed on two cores. Standard deviations are those of a sample (n - 1).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from records import write_record

import spectrolite as sl
from spectrolite.splits import parse_split

FIGURES = ("overall_accuracy", "average_accuracy", "kappa")


def main() -> None:
    """Train, collect, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--split", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    scene, labels = sl.load("indian_pines")
    method, parameters = parse_split(chosen.split)
    split = sl.split(labels, method, **parameters)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(chosen.seeds):
            run = sl.train(scene, labels, split, seed=seed, out=Path(folder) / str(seed))
            report = run.report
            rows.append(
                {
                    "seed": seed,
                    **{figure: getattr(report, figure) for figure in FIGURES},
                    "training_s": report.times_s["training"],
                    "map_s": report.times_s["map"],
                    "weights_sha256": run.manifest["weights_sha256"],
                }
            )
            print(rows[-1], flush=True)
    summary = {
        figure: {
            "mean": statistics.mean(row[figure] for row in rows),
            "std": statistics.stdev(row[figure] for row in rows),
        }
        for figure in (*FIGURES, "training_s")
    }
    path = write_record(chosen.name, {
        "data": "indian_pines",
        "scene_sha256": scene.sha256,
        "labels_sha256": labels.sha256,
        "split": str(split),
        "split_sha256": split.sha256,
        "leakage": report.leakage.model_dump(),
        "baselines": report.baselines.model_dump(),
        "summary": summary,
        "seeds": rows,
    })  # fmt: skip
    print(path)


if __name__ == "__main__":
    main()
