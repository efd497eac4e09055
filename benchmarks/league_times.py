r"""What each classifier of the league takes, and what it scores: time on a machine left alone.

    python benchmarks/league_times.py         # 5 minutes of two cores
    python benchmarks/league_times.py --draw  # the picture alone, from this result and the league's

The league's cells may be computed beside other work; here one classifier follows the other on the
first split of random 10 %, with as many threads as torch takes. Of a network also the whole
command, from the scene's file to the trained model, its report and its map; and the map again and
again by the model in memory. Accuracies in the picture are the league's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from league import MODELS, NARROW, SLOW, WITH_HYBRIDSN
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from records import RESULTS, Record, Repeat, Values, write_record

import spectrolite as sl

NAME = "league_times"
PICTURE = Path(__file__).parent.parent / "docs" / "which-network.png"
RANDOM, BLOCKS = WITH_HYBRIDSN[:2]
SEED, MAPS = 0, 15
NETWORKS = ("hybridsn", "mobilesn")


def main() -> None:
    """Measure and write, or draw what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="draw the results that are there")
    if not parser.parse_args().draw:
        scene, labels = sl.load("indian_pines")
        rows = []
        for model in (SLOW, NARROW, *MODELS):
            rows.append(timed(scene, labels, model))
            print(rows[-1], flush=True)
        write_record(
            NAME,
            {"rows": rows},
            data={"indian_pines scene": scene.sha256, "indian_pines labels": labels.sha256},
            split={f"{RANDOM},seed={SEED}": rows[0]["split_sha256"]},
            weights={row["model"]: row["weights_sha256"] for row in rows if row["weights_sha256"]},
        )
    draw(record_of(NAME), record_of("league"), PICTURE)
    print(PICTURE)


def record_of(name: str) -> Record:
    """A result that is there."""
    record: Record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def timed(scene: sl.Scene, labels: sl.Labels, model: str) -> Record:
    """One classifier: seconds of training and of the first map; of a network the rest too."""
    with tempfile.TemporaryDirectory() as folder:
        made = sl.compare(
            scene, labels, models=[model], splits=[RANDOM], seeds=1, first_seed=SEED,
            out=Path(folder) / "league",
        ).cells[0]  # fmt: skip
        row: Record = {
            "model": model, "training_s": made.training_s, "map_s": made.map_s,
            "overall_accuracy": made.overall_accuracy, "split_sha256": made.split_sha256,
            "weights_sha256": made.weights_sha256, "command_s": None, "steady_map_s": None,
        }  # fmt: skip
        if made.weights_sha256 is not None:
            (run,) = (Path(folder) / "league" / "runs").iterdir()
            row["steady_map_s"] = steady_map_s(sl.open_run(run), scene)
            row["command_s"] = command_s(model, Path(folder) / "run")
    return row


def steady_map_s(run: sl.Run, scene: sl.Scene) -> float:
    """Median seconds of the map, reduction of bands included, after a first one."""
    seconds = []
    for _ in range(MAPS + 1):
        start = time.perf_counter()
        sl.classify(run.bundle, scene)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def command_s(model: str, out: Path) -> float:
    """Seconds of `spectrolite train`, from the interpreter's start to its end."""
    name, *words = model.split(",")
    options = [part for word in words for part in f"--{word.replace('_', '-')}".split("=")]
    command = [
        sys.executable, "-m", "spectrolite", "train", "--data", "indian_pines", "--model", name,
        *options, "--split", f"{RANDOM},seed={SEED}", "--seed", str(SEED), "--out", str(out),
    ]  # fmt: skip
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def draw(times: Record, league: Record, path: Path) -> None:
    """Accuracy against seconds of training and against parameters, a column a protocol."""
    figure = Figure(figsize=(10.5, 7), layout="constrained")
    seconds = {row["model"]: row["training_s"] for row in times["rows"]}
    panels = figure.subplots(2, 2, sharey="col")
    for column, (split, title) in enumerate(
        ((RANDOM, "random 10 %, optimistic"), (BLOCKS, "blocks of 20, guard 6"))
    ):
        (protocol,) = (p for p in league["protocols"] if p["split"] == split)
        rows = {row["model"]: row for row in protocol["rows"]}
        above, below = panels[:, column]
        for model, row in rows.items():
            if model == "position":
                mean = row["overall_accuracy"]["mean"]
                for axis in (above, below):
                    axis.axhline(mean, color="#9aa0a6", linestyle="--", linewidth=1)
                    axis.annotate(
                        "position alone", (1, mean), xycoords=("axes fraction", "data"),
                        ha="right", va="bottom", fontsize=8, color="#6b7177",
                    )  # fmt: skip
                continue
            point(above, seconds[model], row)
            if row["parameters"]:
                point(below, row["parameters"], row)
        above.set_title(title, fontsize=10)
        above.set_xlabel("seconds of training")
        below.set_xlabel("parameters")
        for axis in (above, below):
            axis.set_xscale("log")
            axis.margins(x=0.18, y=0.1)
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
    for axis in panels[:, 0]:
        axis.set_ylabel("overall accuracy, %")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def point(axis: Axes, x: float, row: dict[str, Any]) -> None:
    """A classifier: its mean, its standard deviation over the splits, its name."""
    accuracy = row["overall_accuracy"]
    network = row["model"].startswith(NETWORKS)
    colour = "#1f6f8b" if network else "#d95f02"
    if "mnf" in row["model"]:
        colour = "#8a4b08"
    axis.errorbar(x, accuracy["mean"], accuracy["std"], fmt="o" if network else "s", ms=5,
                  color=colour, elinewidth=0.8, alpha=0.9)  # fmt: skip
    name = row["model"].replace("receptive_field=", "field ").replace("reduction=", "")
    axis.annotate(
        name.replace("svm_context,side=", "SVM, window ").replace("svm", "SVM").replace(",", ", "),
        (x, accuracy["mean"]), xytext=(5, 4), textcoords="offset points", fontsize=7, color=colour,
    )  # fmt: skip


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """The accuracy of one classifier, and its weights. The seconds are the clock's."""
    row = record["rows"][generator.integers(len(record["rows"]))]
    keys = ["overall_accuracy", "split_sha256"]
    keys += ["weights_sha256"] if row["weights_sha256"] else []
    stored: Values = {key: row[key] for key in keys}

    def make() -> Values:
        scene, labels = sl.load("indian_pines")
        with tempfile.TemporaryDirectory() as folder:
            made = sl.compare(
                scene, labels, models=[row["model"]], splits=[RANDOM], seeds=1, first_seed=SEED,
                out=Path(folder) / "league",
            ).cells[0].model_dump()  # fmt: skip
        return {key: made[key] for key in stored}

    what = f"{row['model']} on {RANDOM} (took {row['training_s']:.0f} s to train)"
    return Repeat(what, stored, make, {"overall_accuracy": 0.02})


if __name__ == "__main__":
    main()
