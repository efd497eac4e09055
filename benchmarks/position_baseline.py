"""What position alone scores under random splits: the class of the nearest training pixel.

    python benchmarks/position_baseline.py --root data

Needs no spectra. `data` is a folder with PaviaU_gt.mat and Salinas_gt.mat, as the Grupo de
Inteligencia Computacional (UPV/EHU) publishes them; `--ground-truth pavia_u=FILE` names one alone.
Indian Pines is known by name. Five stratified splits a share, about a minute in all. A class too
small for its share has one training pixel. Standard deviations are those of a sample (n - 1).
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from records import Record, Repeat, Values, write_record

import spectrolite as sl

FILES = {  # name of the file, and the sha256 of the published one
    "pavia_u": (
        "PaviaU_gt.mat",
        "23f6a426928f9b32984adffe659e29f554f9fb6c93b5a107528d308d5087a829",
    ),
    "salinas": (
        "Salinas_gt.mat",
        "ecfab4d31ef5553f097943235d8ea502038eb4a2067b2ad10b33e37c949955e2",
    ),
}
SHARES = (0.3, 0.1, 0.05, 0.01)
SEEDS = range(5)
PATCH = 25
# Of several equally near training pixels another version of scikit-learn may take another.
TOLERANCE = {"overall_accuracy": 0.002, "overlap": 0.0}


def main() -> None:
    """Score every split of every scene and write the table."""
    chosen = _parser().parse_args()
    paths = ground_truth(chosen)
    missing = [str(path) for path in paths.values() if not path.is_file()]
    if missing:
        raise SystemExit(f"no such file: {', '.join(missing)}; name its folder with --root")
    maps = {"indian_pines": sl.load("indian_pines")[1]}
    maps |= {name: read(name, path) for name, path in paths.items()}
    rows, table = [], []
    for scene, labels in maps.items():
        for train in SHARES:
            scored = [score(labels, scene, train, seed) for seed in SEEDS]
            accuracies = [row["overall_accuracy"] for row in scored]
            mean, std = statistics.mean(accuracies), statistics.stdev(accuracies)
            table.append({"scene": scene, "train": train, "mean": mean, "std": std})
            rows += scored
            print(f"{scene:<13} {train:>5.0%}  {100 * mean:.2f} ± {100 * std:.2f}", flush=True)
    path = write_record(
        "position_baseline",
        {"patch": PATCH, "table": table, "rows": rows},
        data={f"{scene} labels": labels.sha256 for scene, labels in maps.items()}
        | dict(FILES.values()),
        split={f"{row['scene']} {row['split']}": row["split_sha256"] for row in rows},
        weights="no network takes part",
    )
    print(path)


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One split of a scene whose ground truth is at hand."""
    paths = ground_truth(_parser().parse_args(shlex.split(record["command"])[2:]))
    at_hand = {"indian_pines", *(name for name, path in paths.items() if path.is_file())}
    rows = [row for row in record["rows"] if row["scene"] in at_hand]
    row = rows[generator.integers(len(rows))]
    scene = row["scene"]
    left_out = [str(paths[name]) for name in paths if name not in at_hand]
    note = f" (left out of the draw, no such file: {', '.join(left_out)})" if left_out else ""
    stored: Values = {k: row[k] for k in ("overall_accuracy", "overlap", "split_sha256")}

    def make() -> Values:
        labels = sl.load(scene)[1] if scene == "indian_pines" else read(scene, paths[scene])
        made = score(labels, scene, row["train"], row["seed"])
        return {k: made[k] for k in stored}

    return Repeat(f"position alone on {scene}, {row['split']}{note}", stored, make, TOLERANCE)


def score(labels: sl.Labels, scene: str, train: float, seed: int) -> dict[str, Any]:
    """One split: what the nearest training pixel's class scores, and what a patch sees."""
    split = sl.split(labels, "random", train=train, seed=seed)
    leakage = split.leakage(PATCH)
    return {
        "scene": scene,
        "train": train,
        "seed": seed,
        "overall_accuracy": leakage.position,
        "overlap": leakage.overlap,
        "raised": list(split.raised),
        "split": split.text,
        "split_sha256": split.sha256,
    }


def read(name: str, path: Path) -> sl.Labels:
    """A ground truth, if the file has the published bytes.

    Raises:
        SystemExit: other bytes.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    wanted = FILES[name][1]
    if found != wanted:
        raise SystemExit(f"{path}: sha256 {found}, the published file has {wanted}")
    return sl.read_labels(path)


def ground_truth(chosen: argparse.Namespace) -> dict[str, Path]:
    """Where each file is said to be."""
    paths = {name: chosen.root / file for name, (file, _) in FILES.items()}
    for word in chosen.ground_truth:
        name, equals, path = word.partition("=")
        if name not in FILES or not equals:
            known = " or ".join(f"{name}=FILE" for name in FILES)
            raise SystemExit(f"--ground-truth: wanted {known}, got {word!r}")
        paths[name] = Path(path)
    return paths


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data"))
    parser.add_argument("--ground-truth", action="append", default=[], metavar="NAME=FILE")
    return parser


if __name__ == "__main__":
    main()
