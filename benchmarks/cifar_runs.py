r"""One recipe, one network, on CIFAR-10: scored rightly, and wrongly for the lesson.

    spectrolite train --data cifar10 --root data --recipe ten-epochs --model mobilenet_v1 \
        --seed 0 --out runs/ten-epochs-v1
    python benchmarks/cifar_runs.py ten-epochs mobilenet_v1 --run runs/ten-epochs-v1

`--run` names the folder of the training. Where none is there this script makes it, and goes on
with one that was stopped. The record is `cifar-RECIPE-MODEL.json`. `data`, or what `--root` names,
is the folder with CIFAR's binary version. Scoring takes a minute; a training on two cores a quarter
of an hour for V1 and an hour for V2.

`again` starts no whole training. It draws what costs nothing (the counts, the weights that the
training began with) and, where the data are at hand, the split and the first epoch, minutes long;
where the run is, too, the scores of its weights. `spectrolite verify RUN` trains all of it again.
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from records import Record, Repeat, Values, write_record

import spectrolite as sl
from spectrolite.errors import SpectroliteError
from spectrolite.hashing import array_sha256
from spectrolite.models import build_image_model
from spectrolite.runs.manifest import elsewhere
from spectrolite.runs.resumable_run import is_stopped, seeds
from spectrolite.samples.split_grammar import parse_split
from spectrolite.training.keywords import checked_settings, flat_settings, settings
from spectrolite.training.loop import Epoch
from spectrolite.training.recipes import read_recipe

JPEG_COPY = (  # sha256 of the training and of the test images
    "72ca30f3271bd2483b78a87e7e245a2cd6c116141dbf415dc75353482536968d",
    "f6cbd010cc8ab982597cf402be3cdb7f6a81bce2981a0b407121ff994001de2a",
)
FIGURES = ("overall_accuracy", "average_accuracy", "kappa")
# Another processor rounds otherwise, and ten epochs make much of it.
SCORES = dict.fromkeys(FIGURES, 0.002) | {"wrongly_in_order": 0.01, "wrongly_shuffled": 0.01}
FIRST_EPOCH = {"loss": 0.1, "training_accuracy": 0.05, "validation_accuracy": 0.15}


def main() -> None:
    """Train where no run is there, score it, write."""
    parser = _parser()
    chosen = parser.parse_args()
    for flag, path in (("--root", chosen.root), ("--run", chosen.run)):
        if path.is_absolute() or ".." in path.parts:
            parser.error(f"{flag}: wanted a path from here down, since the record repeats it")
    name = Path(chosen.recipe).stem
    images, test = sl.load("cifar10", root=chosen.root)
    run = the_run(chosen, images, test)
    with_these = images.sha256, test.sha256
    split = run.split(images, test)
    torch.set_num_threads(run.manifest.machine["threads"])  # the record names those that decide
    report = sl.evaluate(run, images, test, train_mode=True)
    log = [asdict(epoch) for epoch in run.log()]
    seed = run.manifest.seed
    path = write_record(
        f"cifar-{name}-{chosen.model}",
        {
            "data": "CIFAR-10, JPEG copy" if with_these == JPEG_COPY else "CIFAR-10, other bytes",
            "training": {
                "command": f"spectrolite train --data cifar10 --root DIR --recipe {chosen.recipe} "
                f"--model {chosen.model} --split {split.text} --seed {seed} --out RUN",
                "date": run.manifest.date,
                "seconds": run.manifest.training_s,
                "machine": run.manifest.machine,
                "versions": run.manifest.versions,
            },
            "recipe": chosen.recipe,
            "model": chosen.model,
            "seed": seed,
            "settings": run.manifest.settings.model_dump(),
            "input_shape": list(images.shape),
            "classes": len(images.class_names),
            "parameters": report.parameters,
            "macs": report.macs,
            "split": split.text,
            "images": {
                "trained": len(split.train),
                "validated": len(split.validation),
                "tested": len(split.test),
            },
            "validation": {
                "role": "none" if not len(split.validation) else role(report),
                "accuracy": log[-1]["validation_accuracy"],
            },
            "test": {
                "scores": scores(report),
                "interval": report.interval.model_dump(),
                "wrongly": f"in training mode, batches of {report.train_mode.batch} test images",
            },
            "weights_at_the_start": hash_of_weights(
                fresh(run.settings, images.shape[0], len(images.class_names), seed)
            ),
            "epochs": log,
        },
        data={"cifar10/train": with_these[0], "cifar10/test": with_these[1]},
        split={split.text: split.sha256},
        weights={f"{name}, {chosen.model}, seed {seed}": run.manifest.weights_sha256},
    )
    print(path)


def the_run(chosen: argparse.Namespace, images: sl.ImageSet, test: sl.ImageSet) -> sl.Run:
    """The run that `--run` names, trained where it is not there yet.

    Raises:
        SystemExit: a run of another recipe, on other images, or of another machine.
    """
    wanted = settings(**{**read_recipe(chosen.recipe), "model": chosen.model})
    if not (chosen.run / "manifest.json").is_file():
        sl.train(
            images,
            test,
            seed=0,
            out=chosen.run,
            resume=is_stopped(chosen.run),
            on_epoch=lambda epoch, _: print(epoch, flush=True),
            **flat_settings(wanted),
        )
    run = sl.open_run(chosen.run)
    run.check_data(images, test)
    one, other = flat_settings(run.settings), flat_settings(wanted)
    differs = [
        f"{key} {one.get(key)}, not {value}"
        for key, value in other.items()
        if one.get(key) != value
    ]
    differs += elsewhere(run.manifest)
    if differs:
        raise SystemExit(
            f"{chosen.run}: wanted a run of {chosen.recipe} with {chosen.model}, trained on this "
            f"machine: {'; '.join(differs)}"
        )
    return run


def role(report: Any) -> str:
    """What the validation images decided."""
    if report.protocol.best_epoch is None:
        return "watched; no choice was made on it: the weights are those of the last epoch"
    return f"chose the weights: those of epoch {report.protocol.best_epoch}"


def scores(report: Any) -> dict[str, float]:
    """On the test images: rightly, and wrongly, as a script scores that forgets `eval()`."""
    return {
        **{figure: getattr(report, figure) for figure in FIGURES},
        "wrongly_in_order": report.train_mode.overall_accuracy,
        "wrongly_shuffled": report.train_mode.overall_accuracy_shuffled,
    }


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """What can be made again in minutes; the docstring of this file says what is left out."""
    chosen = _parser().parse_args(shlex.split(record["command"])[2:])
    wanted = record["inputs"]["data"]["cifar10/train"], record["inputs"]["data"]["cifar10/test"]
    kinds: list[Callable[[Record, argparse.Namespace], Repeat]] = [_counts, _start]
    note = ""
    try:
        images, test = sl.load("cifar10", root=chosen.root)
    except SpectroliteError:
        note = f" (left out of the draw, no CIFAR-10 in {chosen.root}: split, first epoch, scores)"
    else:
        if (images.sha256, test.sha256) != wanted:
            note = f" (left out of the draw, {chosen.root} holds other images)"
        else:
            kinds += [_split, _first_epoch]
            kinds += [_scores] if _is_there(chosen.run, record) else []
    repeat = kinds[generator.integers(len(kinds))](record, chosen)
    return Repeat(repeat.what + note, repeat.stored, repeat.make, repeat.tolerance)


def _is_there(folder: Path, record: Record) -> bool:
    if not (folder / "manifest.json").is_file():
        return False
    weights = sl.open_run(folder).manifest.weights_sha256
    return weights in record["inputs"]["weights"].values()


def _counts(record: Record, _: argparse.Namespace) -> Repeat:
    stored: Values = {k: record[k] for k in ("parameters", "macs")}

    def make() -> Values:
        cost = sl.cost(_fresh_of(record), record["input_shape"])
        return {"parameters": cost.parameters, "macs": cost.macs}

    return Repeat(f"what {record['model']} costs", stored, make, dict.fromkeys(stored, 0.0))


def _start(record: Record, _: argparse.Namespace) -> Repeat:
    stored: Values = {"weights_at_the_start": record["weights_at_the_start"]}

    def make() -> Values:
        return {"weights_at_the_start": hash_of_weights(_fresh_of(record))}

    return Repeat(f"the weights that {record['model']} began with", stored, make, {})


def _split(record: Record, chosen: argparse.Namespace) -> Repeat:
    (words,) = record["inputs"]["split"]
    stored: Values = {"split": record["inputs"]["split"][words]}

    def make() -> Values:
        return {"split": _drawn(record, *sl.load("cifar10", root=chosen.root)).sha256}

    return Repeat(f"the split {words} of CIFAR-10", stored, make, {})


def _first_epoch(record: Record, chosen: argparse.Namespace) -> Repeat:
    row = record["epochs"][0]
    tolerance = {k: v for k, v in FIRST_EPOCH.items() if row[k] is not None}
    stored: Values = {k: row[k] for k in tolerance}

    def make() -> Values:
        images, test = sl.load("cifar10", root=chosen.root)
        made: Values = {}

        def enough(epoch: Epoch, _: int) -> None:
            made.update({k: asdict(epoch)[k] for k in stored})
            raise KeyboardInterrupt  # what a training expects to be stopped by

        with tempfile.TemporaryDirectory() as folder:
            try:
                sl.train(
                    images,
                    test,
                    _drawn(record, images, test),
                    seed=record["seed"],
                    out=Path(folder) / "run",
                    on_epoch=enough,
                    **flat_settings(checked_settings(record["settings"])),
                )
            except KeyboardInterrupt:
                if not made:
                    raise
        return made

    what = f"the first epoch of {record['recipe']} with {record['model']}"
    return Repeat(f"{what} (took {row['elapsed_s']:.0f} s)", stored, make, tolerance)


def _scores(record: Record, chosen: argparse.Namespace) -> Repeat:
    stored: Values = dict(record["test"]["scores"])

    def make() -> Values:
        images, test = sl.load("cifar10", root=chosen.root)
        return dict(scores(sl.evaluate(chosen.run, images, test, train_mode=True)))

    what = f"what the weights of {chosen.run} score"
    return Repeat(what, stored, make, SCORES)


def _drawn(record: Record, images: sl.ImageSet, test: sl.ImageSet) -> sl.ImageSplit:
    method, parameters = parse_split(record["split"])
    return sl.split_images(images, test, method, **parameters)


def _fresh_of(record: Record) -> Any:
    chosen = checked_settings(record["settings"])
    return fresh(chosen, record["input_shape"][0], record["classes"], record["seed"])


def fresh(chosen: Any, channels: int, classes: int, seed: int) -> Any:
    """The network as a training with this seed begins with it."""
    return build_image_model(
        chosen.model.model,
        variant=chosen.model.variant,
        width=chosen.model.width,
        activation=chosen.model.activation,
        small_images=chosen.model.small_images,
        classes=classes,
        channels=channels,
        generator=torch.Generator().manual_seed(seeds(seed)[0]),
    )


def hash_of_weights(net: Any) -> str:
    """Hash of all weights and running statistics, in their order."""
    return array_sha256(*(value.numpy() for value in net.state_dict().values()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", help="its name, or a .toml file")
    parser.add_argument("model")
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder with CIFAR-10")
    parser.add_argument("--run", type=Path, required=True, help="folder of the training")
    return parser


if __name__ == "__main__":
    main()
