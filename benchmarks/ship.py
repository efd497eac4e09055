r"""The networks shipped: parity of torch and both backends, fewer bits, size and speed.

    spectrolite train --data indian_pines --model hybridsn --seed 0 --out runs/hybridsn
    python benchmarks/ship.py runs/hybridsn

takes one or more runs whose data are at hand, exports and quantizes each, lets every model label
the run's whole data (all test images, or all pixels of the scene), and measures all of them in
turns. Takes two minutes a run; writes results/ship.json and docs/ship.png.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import Record, Repeat, Values, write_record

import spectrolite as sl
from spectrolite.deploy.benchmark_result import plot
from spectrolite.deploy.export import Kind
from spectrolite.deploy.quantize import Backend, Precision
from spectrolite.deploy.run_data import run_data
from spectrolite.experiments.training_runs import with_data
from spectrolite.runs.run_folder import Run

BACKENDS: dict[Backend, Kind] = {"onnxruntime": "onnx", "openvino": "openvino"}
PRECISIONS: tuple[Precision, ...] = ("int8", "float16")
PICTURE = Path(__file__).parent.parent / "docs" / "ship.png"
POINT = {"before": 0.001, "after": 0.001, "same_class": 0.001}  # another processor rounds otherwise


def main() -> None:
    """Measure and write."""
    parser = _parser()
    chosen = parser.parse_args()
    for path in chosen.runs:
        if path.is_absolute() or ".." in path.parts:
            parser.error(f"{path}: wanted a path from here down, since the record repeats it")
    torch.set_num_threads(chosen.threads)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folders: list[Path] = []
        for path in chosen.runs:
            rows.append(shipped(path, Path(name) / path.name))
            made = [Path(name) / path.name / kind for kind in rows[-1]["folders"]]
            folders += [path, *made]
        speed = sl.benchmark(
            folders, threads=chosen.threads, repeats=chosen.repeats, side=chosen.side
        )
        plot(speed, PICTURE)
    measured = [
        asdict(row) | {"model": Path(row.model).relative_to(name).as_posix()}
        if Path(row.model).is_relative_to(name)
        else asdict(row)
        for row in speed.models
    ]
    runs = [sl.open_run(path) for path in chosen.runs]
    path = write_record(
        "ship",
        {
            "runs": rows,
            "threads": speed.threads,
            "repeats": speed.repeats,
            "measured": measured,
            "packages": speed.machine,
        },
        data={
            f"{run.path.name} {part}": run.manifest[f"{part}_sha256"]
            for run in runs
            for part in run.manifest["data"]
        },
        split={run.path.name: run.manifest["split_sha256"] for run in runs},
        weights={
            f"{run.path.name}, seed {run.manifest['seed']}": run.manifest["weights_sha256"]
            for run in runs
        },
    )
    print(path)


def shipped(path: Path, out: Path) -> Record:
    """Export and quantize a run for both backends, and compare what all of them say."""
    run, data = with_data(sl.open_run(path), None, None)
    own_data = run_data(run, data)
    by_torch = classes_by_torch(run, data)
    row: Record = {"run": path.name, "network": run.settings.model.model, "parity": {}, "fewer": []}
    for backend, kind in BACKENDS.items():
        made = sl.export(run, kind, out=out / backend)
        classes = own_data.classes(made.model)
        row["parity"][backend] = {
            "difference": made.parity.difference,
            "checked_on": made.parity.checked_on,
            "same_class": float((classes == by_torch).mean()),
            "compared": len(by_torch),
        }
    for backend in BACKENDS:
        for precision in PRECISIONS:
            fewer = sl.quantize(
                run,
                *data,
                to=precision,
                backend=backend,
                out=out / f"{backend}-{precision}",
                max_drop=100,
            )
            row["fewer"].append(_of_quantization(asdict(fewer)))
            print(path, row["fewer"][-1], flush=True)
    row["folders"] = [*BACKENDS, *(f"{b}-{p}" for b in BACKENDS for p in PRECISIONS)]
    return row


def _of_quantization(made: Record) -> Record:
    before, after = made.pop("accuracy")
    plain, fewer = made.pop("bytes")
    same = made.pop("agreement")
    del made["seconds"]  # those of `measured` are medians of more calls
    return {
        **made,
        "before": before,
        "after": after,
        "drop_points": 100 * (before - after),
        "same_class": same,
        "bytes_before": plain,
        "bytes_after": fewer,
        "times_smaller": plain / fewer,
    }


def classes_by_torch(run: Run, data: Any) -> Any:
    """What torch says of each test image, or of every pixel of the scene."""
    if run.on_images:
        split = run.split(*data)
        return sl.classify(run, split.tested, device="cpu").classes[split.test]
    return sl.classify(run, data[0], device="cpu").classes.ravel()


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One quantization, where the run is still there.

    Where it is not, making it says so.
    """
    chosen = _parser().parse_args(shlex.split(record["command"])[2:])
    row = record["runs"][generator.integers(len(record["runs"]))]
    (path,) = (path for path in chosen.runs if path.name == row["run"])
    fewer = row["fewer"][generator.integers(len(row["fewer"]))]
    stored: Values = {key: fewer[key] for key in POINT}

    def make() -> Values:
        torch.set_num_threads(record["threads"])
        with tempfile.TemporaryDirectory() as folder:
            made = sl.quantize(
                path,
                to=fewer["precision"],
                backend=fewer["backend"],
                out=Path(folder) / "made",
                max_drop=100,
            )
        found = _of_quantization(asdict(made))
        return {key: found[key] for key in stored}

    what = f"{path} in {fewer['precision']} by {fewer['backend']} (needs that run)"
    return Repeat(what, stored, make, POINT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of trained runs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--side", type=int, default=145, help="of the scene that is mapped")
    return parser


if __name__ == "__main__":
    main()
