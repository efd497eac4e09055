"""The same run with other seeds.

References: runs trained one by one; NumPy's mean and standard deviation over their reports.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectrolite as sl
from spectrolite.errors import RunError, SettingsError, SplitError
from spectrolite.evaluation.reports import Report
from spectrolite.experiments import repetition
from spectrolite.training import loop

FLAGS: dict[str, Any] = {"components": 13, "epochs": 2}
Data = tuple[sl.Scene, sl.Labels]


@pytest.fixture(scope="module")
def data(tiny_files: tuple[Path, Path]) -> Data:
    """The tiny scene from its files."""
    return sl.read_scene(tiny_files[0]), sl.read_labels(tiny_files[1])


@pytest.fixture(scope="module")
def trained(data: Data, tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """A run of two epochs, training seed 4 and split seed 9."""
    drawn = sl.split(data[1], "random", train=0.2, seed=9)
    return sl.train(*data, drawn, seed=4, out=tmp_path_factory.mktemp("first") / "run", **FLAGS)


@pytest.fixture
def first(trained: sl.Run, tmp_path: Path) -> sl.Run:
    """The run, in a folder of its own."""
    shutil.copytree(trained.path, tmp_path / "run")
    return sl.open_run(tmp_path / "run")


def _figures(report: Report) -> dict[str, float]:
    """Some of the figures, by the names of the table."""
    return {
        "overall accuracy": 100 * report.overall_accuracy,
        "average accuracy": 100 * report.average_accuracy,
        "kappa x 100": 100 * report.kappa,
        "7 class 7": 100 * report.per_class[2].recall,
        "position alone": 100 * report.baselines.position,
        "test pixels seen in training": 100 * report.leakage.overlap,
        "seconds of training": report.times_s["training"],
    }


def _counted() -> tuple[list[str], Callable[[str], None]]:
    words: list[str] = []
    return words, words.append


def test_other_training_seeds_are_runs_of_their_own(first: sl.Run, data: Data) -> None:
    before = (first.path / "manifest.json").read_bytes()
    words, listen = _counted()
    made = sl.repeat(first.path, seeds=3, on_stage=listen)
    folder = first.path.parent / "run-repeats"
    assert sorted(p.name for p in folder.iterdir()) == ["repeat.json", "seed-5", "seed-6"]
    assert (first.path / "manifest.json").read_bytes() == before
    assert [w for w in words if w.endswith("training")] == ["seed-5: training", "seed-6: training"]
    runs = [first, sl.open_run(folder / "seed-5"), sl.open_run(folder / "seed-6")]
    assert [(r.run, r.seed, r.split_seed) for r in made.runs] == [
        (str(run.path), seed, 9) for run, seed in zip(runs, (4, 5, 6), strict=True)
    ]
    alone = sl.train(*data, first.split(data[1]), seed=5, out=folder.parent / "alone", **FLAGS)
    assert runs[1].bundle.sha256 == alone.bundle.sha256 != first.bundle.sha256
    for name in _figures(first.report):
        values = [_figures(run.report)[name] for run in runs]
        assert made.summary[name].mean == pytest.approx(np.mean(values)), name
        assert made.summary[name].std == pytest.approx(np.std(values, ddof=1)), name
        assert made.summary[name].n == 3
        assert [r.figures[name] for r in made.runs] == pytest.approx(values)
    assert "eight orientations: seconds" not in made.summary
    stored = json.loads((folder / "repeat.json").read_text(encoding="utf-8"))
    assert stored == json.loads(made.model_dump_json())


def test_asked_for_again_it_trains_nothing_and_more_seeds_add_to_it(first: sl.Run) -> None:
    made = sl.repeat(first, seeds=2)
    words, listen = _counted()
    assert sl.repeat(first, seeds=2, on_stage=listen) == made
    assert words == []
    assert len(sl.repeat(first, seeds=3, on_stage=listen).runs) == 3
    assert [w for w in words if w.endswith("training")] == ["seed-6: training"]


def test_what_was_stopped_goes_on(first: sl.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "KEEP_EVERY_S", 0.0)
    seen: list[tuple[int, int]] = []

    def stop(epoch: loop.Epoch, _epochs: int) -> None:
        seen.append((len(seen), epoch.epoch))
        if len(seen) == 3:  # the first epoch of the second repetition
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sl.repeat(first, seeds=3, on_epoch=stop)
    folder = first.path.parent / "run-repeats"
    assert sorted(p.name for p in folder.iterdir()) == ["repeat.json", "seed-5", "seed-6.part"]
    assert len(json.loads((folder / "repeat.json").read_text(encoding="utf-8"))["runs"]) == 2
    heard: list[int] = []
    made = sl.repeat(first, seeds=3, on_epoch=lambda e, _: heard.append(e.epoch))
    assert heard == [2]
    assert len(made.runs) == 3
    assert sorted(p.name for p in folder.iterdir()) == ["repeat.json", "seed-5", "seed-6"]


@pytest.mark.parametrize(
    ("vary", "names", "seeds"),
    [("split", ["seed-10"], (4, 10)), ("both", ["seed-5"], (5, 10))],
)
def test_the_split_is_drawn_anew(
    first: sl.Run, data: Data, tmp_path: Path, vary: Any, names: list[str], seeds: tuple[int, int]
) -> None:
    made = sl.repeat(first, seeds=2, vary=vary, out=tmp_path / "others")
    found = sorted(p.name for p in (tmp_path / "others").iterdir() if p.is_dir())
    assert found == names
    run = sl.open_run(tmp_path / "others" / names[0])
    assert (run.manifest.seed, made.runs[1].split_seed) == seeds
    wanted = sl.split(data[1], "random", train=0.2, seed=10)
    assert run.manifest.split_sha256 == wanted.sha256 != first.manifest.split_sha256


def test_flips_are_rows_of_their_own(first: sl.Run) -> None:
    sl.repeat(first, seeds=2)
    before = first.report
    made = sl.repeat(first, seeds=2, flips=True)
    assert made.summary["eight orientations: overall accuracy"].n == 2
    assert made.summary["eight orientations: seconds"].mean > 0
    after = sl.open_run(first.path).report
    assert after.flips is not None
    assert after.model_copy(update={"flips": None}).figures == before.figures
    assert 100 * after.flips.kappa == made.runs[0].figures["eight orientations: kappa x 100"]


def test_a_class_that_is_not_tested_is_left_out(first: sl.Run) -> None:
    rows = [
        repetition.Repeated(run=str(n), seed=n, split_seed=0, figures={"a": value})
        for n, value in enumerate((1.0, float("nan"), 4.0))
    ]
    spread = repetition._sum_up(first, "split", rows).summary["a"]
    assert (spread.mean, spread.n) == (2.5, 2)
    assert spread.std == pytest.approx(np.std([1, 4], ddof=1))
    lone = repetition._sum_up(first, "split", rows[:2]).summary["a"]
    assert (lone.mean, lone.n, np.isnan(lone.std)) == (1.0, 1, True)


def test_what_cannot_be_repeated(first: sl.Run, data: Data, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as few:
        sl.repeat(first, seeds=1)
    assert str(few.value) == "--seeds: wanted 2 or more, for a standard deviation, got 1"
    with pytest.raises(
        SettingsError, match=r"^--vary: wanted one of training, split, both, got 'all'$"
    ):
        sl.repeat(first, vary="all")  # type: ignore[arg-type]
    with pytest.raises(RunError, match=r"the scene \(louder\) differ from those of the run"):
        sl.repeat(first, scene=sl.Scene(data[0].cube + 1, name="louder"), labels=data[1])
    train = np.where(np.arange(30) % 2, data[1].array, 0)
    given = sl.split(
        data[1], "given", train=sl.Labels(train), test=sl.Labels(data[1].array - train)
    )
    run = sl.train(*data, given, out=tmp_path / "given", **{**FLAGS, "epochs": 1})
    with pytest.raises(SplitError) as caught:
        sl.repeat(run, vary="both")
    assert str(caught.value) == (
        f"--vary both: the split of {run.path} was given, so there is no other to draw; take "
        "--vary training"
    )


def test_a_folder_of_something_else_is_refused(first: sl.Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(
        RunError, match=r"mine exists and is not a folder of repetitions; take another --"
    ):
        sl.repeat(first, out=tmp_path / "mine")
    folder = tmp_path / "run-repeats"
    sl.repeat(first, seeds=2)
    with pytest.raises(RunError) as caught:
        sl.repeat(first, seeds=2, vary="both")
    assert str(caught.value) == (
        f"{folder}: holds repetitions of another run, or with --vary training; take another --out"
    )
    shutil.rmtree(folder / "seed-5")
    shutil.copytree(first.path, folder / "seed-5")
    with pytest.raises(RunError) as caught:
        sl.repeat(first, seeds=2)
    assert str(caught.value) == (
        f"{folder}/seed-5: not a repetition of {first.path} with this seed (seed of its manifest); "
        "take another --out, or move it away"
    )
    (folder / "repeat.json").write_text("{")
    with pytest.raises(RunError, match=r"repeat\.json: damaged \(.*\); move it away$"):
        sl.repeat(first, seeds=2)
