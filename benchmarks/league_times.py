r"""What each classifier of the league takes, and what it scores: time on a machine left alone.

    python benchmarks/league_times.py         # 5 minutes of two cores
    python benchmarks/league_times.py --draw  # the picture alone, from this result and the league's

The league's cells may be computed beside other work; here one classifier follows the other on the
first split of random 10 %, with as many threads as torch takes. Of a network also the whole
command, from the scene's file to the trained model, its report and its map; the map again and
again by the model in memory; and the network alone, from components to logits, as scene_map.py
times HybridSN. Accuracies in the picture are the league's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from league import MODELS, NARROW, SLOW, WITH_HYBRIDSN
from matplotlib.figure import Figure
from records import RESULTS, Record, Repeat, Values, write_record

import spectrolite as sl
from spectrolite.deploy.timing import seconds_in_turns
from spectrolite.machine import kept_memory

NAME = "league_times"
PICTURE = Path(__file__).parent.parent / "docs" / "which-network.png"
RANDOM, BLOCKS = WITH_HYBRIDSN[:2]
SEED, TIMES = 0, 15
MARKS = {  # model to its name, colour and marker; with the noise fraction it is drawn hollow
    "hybridsn": ("HybridSN", "#1e7d4f", "o"),
    "mobilesn": ("MobileSN", "#1f6f8b", "o"),
    NARROW: ("MobileSN, field 13", "#1f6f8b", "D"),
    "random_forest": ("random forest", "#6a4c93", "P"),
    **{
        f"{model}{reduction}": (f"SVM, {window}{seen}", "#d95f02", marker)
        for reduction, seen in (("", ""), (",reduction=mnf", ", noise fraction"))
        for model, window, marker in (
            ("svm", "pixel", "."),
            ("svm_context,side=5", "window 5", "^"),
            ("svm_context,side=13", "window 13", "s"),
            ("svm_context,side=25", "window 25", "p"),
        )
    },
}


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
            scene,
            labels,
            models=[model],
            splits=[RANDOM],
            seeds=1,
            first_seed=SEED,
            out=Path(folder) / "league",
        ).cells[0]
        row: Record = {
            "model": model,
            "training_s": made.training_s,
            "map_s": made.map_s,
            "overall_accuracy": made.overall_accuracy,
            "split_sha256": made.split_sha256,
            "weights_sha256": made.weights_sha256,
            "command_s": None,
            "steady_map_s": None,
            "network_s": None,
        }
        if made.weights_sha256 is not None:
            (run,) = (Path(folder) / "league" / "runs").iterdir()
            row["steady_map_s"] = steady(partial(sl.classify, sl.open_run(run).bundle, scene))
            row["network_s"] = network_s(sl.open_run(run), scene)
            row["command_s"] = command_s(model, Path(folder) / "run")
    return row


def steady(function: Callable[[], Any]) -> float:
    """Median seconds of a call, after a first one."""
    return float(np.median(seconds_in_turns([function], TIMES)))


def network_s(run: sl.Run, scene: sl.Scene) -> float:
    """Seconds of the folded network on the scene's components, memory kept."""
    reduced, halo = run.bundle.bands.reduce(scene.cube), run.bundle.config.patch // 2
    padded = np.pad(reduced, ((halo, halo), (halo, halo), (0, 0))).transpose(2, 0, 1)
    inputs = torch.from_numpy(np.ascontiguousarray(padded))[None]
    with torch.inference_mode(), kept_memory():
        return steady(partial(run.bundle.dense, inputs))


def command_s(model: str, out: Path) -> float:
    """Seconds of `spectrolite train`, from the interpreter's start to its end."""
    name, *words = model.split(",")
    options = [part for word in words for part in f"--{word.replace('_', '-')}".split("=")]
    command = [
        sys.executable,
        "-m",
        "spectrolite",
        "train",
        "--data",
        "indian_pines",
        "--model",
        name,
        *options,
        "--split",
        f"{RANDOM},seed={SEED}",
        "--seed",
        str(SEED),
        "--out",
        str(out),
    ]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def draw(times: Record, league: Record, path: Path) -> None:
    """Accuracy against seconds of training and against parameters, a column a protocol."""
    figure = Figure(figsize=(10.5, 7.4), layout="constrained")
    seconds = {row["model"]: row["training_s"] for row in times["rows"]}
    panels = figure.subplots(2, 2, height_ratios=(3, 2))
    for column, (split, title) in enumerate(
        ((RANDOM, "random 10 %, optimistic"), (BLOCKS, "blocks of 20, guard 6"))
    ):
        (protocol,) = (p for p in league["protocols"] if p["split"] == split)
        rows = {row["model"]: row for row in protocol["rows"]}
        above, below = panels[:, column]
        for axis in (above, below):
            axis.axhline(
                rows["position"]["overall_accuracy"]["mean"],
                color="#6b7177",
                linestyle="--",
                linewidth=1,
                label="position alone",
            )
            axis.set_xscale("log")
            axis.margins(x=0.1, y=0.1)
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
        for model, (name, colour, marker) in MARKS.items():
            places = [(above, seconds[model])]
            if rows[model]["parameters"]:
                places.append((below, rows[model]["parameters"]))
            accuracy = rows[model]["overall_accuracy"]
            for axis, x in places:
                axis.errorbar(
                    x,
                    accuracy["mean"],
                    accuracy["std"],
                    fmt=marker,
                    ms=7,
                    color=colour,
                    mfc="white" if "mnf" in model else colour,
                    elinewidth=0.8,
                    label=name,
                )
        above.set_title(title, fontsize=10)
        above.set_xlabel("seconds of training")
        below.set_xlabel("parameters, of the networks")
    for axis in panels[:, 0]:
        axis.set_ylabel("overall accuracy, %")
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """The accuracy of one classifier, and its weights. The seconds are the clock's."""
    row = record["rows"][generator.integers(len(record["rows"]))]
    keys = ["overall_accuracy", "split_sha256"]
    keys += ["weights_sha256"] if row["weights_sha256"] else []
    stored: Values = {key: row[key] for key in keys}

    def make() -> Values:
        scene, labels = sl.load("indian_pines")
        with tempfile.TemporaryDirectory() as folder:
            made = (
                sl.compare(
                    scene,
                    labels,
                    models=[row["model"]],
                    splits=[RANDOM],
                    seeds=1,
                    first_seed=SEED,
                    out=Path(folder) / "league",
                )
                .cells[0]
                .model_dump()
            )
        return {key: made[key] for key in stored}

    what = f"{row['model']} on {RANDOM} (took {row['training_s']:.0f} s to train)"
    return Repeat(what, stored, make, {"overall_accuracy": 0.02})


if __name__ == "__main__":
    main()
