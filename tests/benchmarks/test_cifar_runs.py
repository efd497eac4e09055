"""Records of trainings on CIFAR-10: a whole circle, with scikit-learn's digits in its place.

References: the figures of the same training done in Python, and a plain loop in training mode.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import cifar_runs
import numpy as np
import pytest
import records
import repro
import torch

import spectrolite as sl
from spectrolite.errors import ReadError
from spectrolite.training.recipes import read_recipe

COMMIT = "1234567890" * 4
RECIPE = 'variant = "course"\nwidth = 0.1\nepochs = 2\nmirror = "none"\nema = 0.9\nbatch = 64\n'
# digits are few images, whose defaults are other ones
RECIPE += 'optimiser = "sgd"\nlearning_rate = 0.2\nweight_decay = 5e-4\n'
SEEDS = (0, 1, 4, 11, 21)  # draw each of the five figures once


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a recipe; digits stand for CIFAR-10, and nothing is uncommitted."""
    says = {"status": "", "rev-parse": COMMIT, "diff": ""}
    for module in (records, repro):
        monkeypatch.setattr(module, "git", lambda verb, *_: says[verb])
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    few = [part.take(np.arange(300)) for part in sl.load("digits")]

    def load(name: str, root: Path) -> list[sl.ImageSet]:
        assert name == "cifar10"
        if not root.is_dir():
            raise ReadError(f"{root}: nothing there")
        return few

    monkeypatch.setattr(sl, "load", load, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "tiny.toml").write_text(RECIPE)
    return tmp_path


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks/cifar_runs.py", *words])
    cifar_runs.main()


def repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seed: int
) -> tuple[Any, str]:
    """Exit code and words of `repro`."""
    monkeypatch.setattr(sys, "argv", ["repro.py", "--seed", str(seed), "--results", "results"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        repro.main()
    return stop.value.code, capsys.readouterr().out


def test_a_training_is_recorded_and_each_of_its_figures_made_again(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "tiny.toml", "mobilenet_v1", "--run", "run")
    path = here / "results" / "cifar-tiny-mobilenet_v1.json"
    record = json.loads(path.read_text())
    run = sl.open_run(here / "run")
    images, test = sl.load("cifar10", Path("data"))
    assert record["inputs"] == {
        "data": {"cifar10/train": images.sha256, "cifar10/test": test.sha256},
        "split": {"random,validation=0.1,seed=0": run.manifest.split_sha256},
        "weights": {"tiny, mobilenet_v1, seed 0": run.bundle.sha256},
        "without": {},
    }
    assert record["data"] == "CIFAR-10, other bytes"
    assert record["images"] == {"trained": 270, "validated": 30, "tested": 300}
    assert record["validation"] == {
        "role": "watched; no choice was made on it: the weights are those of the last epoch",
        "accuracy": run.log()[-1].validation_accuracy,
    }
    assert record["training"]["seconds"] == run.manifest.training_s
    assert record["training"]["command"] == (
        "spectrolite train --data cifar10 --root DIR --recipe tiny.toml --model mobilenet_v1 "
        "--split random,validation=0.1,seed=0 --seed 0 --out RUN"
    )
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2]
    same = sl.train(
        images, test, out=here / "same", **read_recipe("tiny.toml"), model="mobilenet_v1"
    )
    assert record["test"]["scores"]["overall_accuracy"] == same.report.overall_accuracy
    net = sl.load_bundle(here / "same").network.train()
    pixels = torch.from_numpy(test.pixels[:].copy()) / 255
    scaled = (pixels - run.bundle.mean[:, None, None]) / run.bundle.std[:, None, None]
    with torch.no_grad():
        said = torch.cat([net(part).argmax(1) for part in scaled.split(128)]).numpy()
    assert record["test"]["scores"]["wrongly_in_order"] == pytest.approx(
        (said == test.targets).mean(), abs=0.01
    )

    said_again = [repeated(monkeypatch, capsys, seed) for seed in SEEDS]
    assert {code for code, _ in said_again} == {0}
    assert {words.splitlines()[-1] for _, words in said_again} == {"made again: the same bits"}
    drawn = {re.sub(r"took \d+ s", "took S", words.splitlines()[1]) for _, words in said_again}
    assert drawn == {
        "  what mobilenet_v1 costs",
        "  the weights that mobilenet_v1 began with",
        "  the split random,validation=0.1,seed=0 of CIFAR-10",
        "  the first epoch of tiny.toml with mobilenet_v1 (took S)",
        "  what the weights of run score",
    }

    record["epochs"][0]["loss"] += 2**-10
    path.write_text(json.dumps(record))
    verdicts = [repeated(monkeypatch, capsys, seed) for seed in SEEDS]
    for code, words in verdicts:
        assert code == (1 if "the first epoch" in words else 0)
    assert {code for code, _ in verdicts} == {0, 1}


def test_a_run_that_is_there_is_scored_and_only_if_it_is_the_recipes(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, test = sl.load("cifar10", Path("data"))
    flags = {**read_recipe("tiny.toml"), "epochs": 3, "model": "mobilenet_v1"}
    sl.train(images, test, out=here / "run", seed=4, patience=2, **flags)
    with pytest.raises(SystemExit) as stop:
        typed(monkeypatch, "tiny.toml", "mobilenet_v1", "--run", "run")
    assert stop.value.code == (
        "run: wanted a run of tiny.toml with mobilenet_v1, trained on this machine: epochs 3, "
        "not 2; patience 2, not None"
    )
    (here / "mine.toml").write_text(RECIPE.replace("epochs = 2", "epochs = 3\npatience = 2"))
    typed(monkeypatch, "mine.toml", "mobilenet_v1", "--run", "run")
    record = json.loads((here / "results" / "cifar-mine-mobilenet_v1.json").read_text())
    best = sl.open_run(here / "run").report.protocol.best_epoch
    assert record["seed"] == 4
    assert record["validation"]["role"] == f"chose the weights: those of epoch {best}"


def test_without_the_data_what_needs_none_is_drawn(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "tiny.toml", "mobilenet_v2", "--run", "run")
    record = json.loads((here / "results" / "cifar-tiny-mobilenet_v2.json").read_text())
    (here / "data").rmdir()
    drawn = {cifar_runs.again(record, np.random.default_rng(seed)).what for seed in range(12)}
    note = "(left out of the draw, no CIFAR-10 in data: split, first epoch, scores)"
    assert drawn == {
        f"what mobilenet_v2 costs {note}",
        f"the weights that mobilenet_v2 began with {note}",
    }
    (here / "data").mkdir()
    record["inputs"]["data"]["cifar10/test"] = "0" * 64
    other = cifar_runs.again(record, np.random.default_rng(0)).what
    assert other.endswith(" (left out of the draw, data holds other images)")


def test_a_folder_in_which_nothing_has_begun_is_no_stopped_run(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill between the making of the folder and its first file leaves."""
    (here / "run.part").mkdir()
    typed(monkeypatch, "tiny.toml", "mobilenet_v1", "--run", "run")
    assert [epoch.epoch for epoch in sl.open_run(here / "run").log()] == [1, 2]


@pytest.mark.parametrize("path", ["/data", "../data"])
def test_a_path_that_a_record_cannot_repeat_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        typed(monkeypatch, "ten-epochs", "mobilenet_v1", "--run", "run", "--root", path)
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith(
        "error: --root: wanted a path from here down, since the record repeats it\n"
    )
