"""The league: what it sums up, what it keeps, and what it refuses.

References: runs and baselines made by hand with the same seeds; means, deviations and the corrected
t-test written out; files counted and looked at before and after a stop.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectrolite as sl
from spectrolite.cli.league_tables import league_tables
from spectrolite.errors import InputError, RunError, SceneError, SettingsError, SplitError
from spectrolite.evaluation import tuned_baselines
from spectrolite.evaluation.league_table import Difference
from spectrolite.evaluation.tuned_baselines import map_with_baseline
from spectrolite.experiments import comparison
from spectrolite.experiments.comparison import compare
from spectrolite.experiments.contestants import parse_entry
from spectrolite.pages.league_page import in_words, plus_minus
from spectrolite.records import Spread
from spectrolite.runs.resumable_run import seeds as seeds_of

SMALL = "mobilesn,components=5,epochs=4,width=0.25,receptive_field=3"
CONTEXT = "svm_context,components=5,side=5"
MODELS = (SMALL, CONTEXT, "position")
RANDOM, BLOCKS = "random,train=0.2", "blocks,train=0.3,side=6,guard=1,allow_missing"
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned_baselines, "TREES", 5)


@pytest.fixture(scope="module")
def made(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path_factory: pytest.TempPathFactory
) -> tuple[sl.League, Path]:
    """Three classifiers, two protocols, three seeds, of the network two."""
    out = tmp_path_factory.mktemp("league") / "league"
    league = compare(
        *tiny, models=MODELS, splits=(RANDOM, BLOCKS), seeds=3, seeds_for={"mobilesn": 2}, out=out
    )
    return league, out


def without_a_cell(out: Path, folder: Path) -> Path:
    """A copy of a comparison whose first network's cell is lost, its run still there."""
    copy = folder / "copy"
    shutil.copytree(out, copy)
    next((copy / "cells").glob("mobilesn-random-seed-0-*")).unlink()
    return copy


def cells_of(league: sl.League, split: str, model: str) -> list[Any]:
    return [c for c in league.cells if (c.split, c.model) == (split, model)]


def test_every_classifier_has_its_seeds_under_every_protocol(made: tuple[sl.League, Path]) -> None:
    league, out = made
    for split in (RANDOM, BLOCKS):
        counts = {m: [c.seed for c in cells_of(league, split, m)] for m in MODELS}
        assert counts == {SMALL: [0, 1], CONTEXT: [0, 1, 2], "position": [0, 1, 2]}
    assert len(list((out / "cells").iterdir())) == len(league.cells) == 16
    assert len(list((out / "runs").iterdir())) == 4
    assert {p.name for p in out.iterdir()} == {"cells", "runs", "league.json", "league.html"}


def test_a_cell_of_a_network_is_its_run_with_that_seed_twice(
    made: tuple[sl.League, Path], tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    drawn = sl.split(tiny[1], "random", train=0.2, seed=1)
    run = sl.train(
        *tiny,
        drawn,
        model="mobilesn",
        seed=1,
        out=tmp_path / "run",
        components=5,
        epochs=4,
        width=0.25,
        receptive_field=3,
    )
    cell = cells_of(made[0], RANDOM, SMALL)[1]
    report = run.report
    assert cell.weights_sha256 == run.manifest.weights_sha256
    assert cell.split_sha256 == drawn.sha256
    assert (cell.overall_accuracy, cell.average_accuracy, cell.kappa) == (
        report.overall_accuracy,
        report.average_accuracy,
        report.kappa,
    )
    assert (cell.patch, cell.overlap) == (3, report.leakage.overlap)
    assert (cell.parameters, cell.macs_per_pixel) == (report.parameters, report.macs_per_pixel)
    (folder,) = (
        p
        for p in (made[1] / "runs").iterdir()
        if p.name.startswith(f"mobilesn-random-seed-1-{cell.identity[:12]}")
    )
    times = sl.open_run(folder).report.times_s
    assert (cell.training_s, cell.map_s) == (times["training"], times["map"])


def test_a_cell_of_a_baseline_is_that_baseline(
    made: tuple[sl.League, Path], tiny: tuple[sl.Scene, sl.Labels]
) -> None:
    drawn = sl.split(tiny[1], "blocks", train=0.3, side=6, guard=1, allow_missing=True, seed=2)
    generator = np.random.default_rng(seeds_of(2)[0])
    found = map_with_baseline("svm_context", tiny[0], drawn, generator, components=5, side=5)
    right = found.classes.ravel()[drawn.test] == drawn.labels.array.ravel()[drawn.test]
    cell = cells_of(made[0], BLOCKS, CONTEXT)[2]
    assert cell.overall_accuracy == right.mean()
    assert (cell.patch, cell.overlap) == (5, drawn.leakage(5).overlap)
    assert (cell.train, cell.test) == (len(drawn.train), len(drawn.test))
    assert (cell.parameters, cell.macs_per_pixel, cell.weights_sha256) == (None, None, None)
    assert cell.chosen == found.chosen
    position = cells_of(made[0], BLOCKS, "position")[2]
    assert position.overall_accuracy == drawn.leakage(1).position
    assert (position.patch, position.overlap) == (None, None)


def test_the_table_is_means_and_deviations_in_points(made: tuple[sl.League, Path]) -> None:
    protocol = made[0].protocols[1]
    assert [row.model for row in protocol.rows] == list(MODELS)
    row = protocol.rows[1]
    for key in ("overall_accuracy", "average_accuracy", "kappa"):
        values = [100 * getattr(c, key) for c in cells_of(made[0], BLOCKS, CONTEXT)]
        spread = getattr(row, key)
        assert spread.n == 3
        assert spread.mean == pytest.approx(statistics.mean(values))
        assert spread.std == pytest.approx(statistics.stdev(values))
    train = {c.seed: c.train for c in made[0].cells if c.split == BLOCKS}
    assert protocol.train == pytest.approx(statistics.mean(train.values()))


def test_pixels_without_a_spectrum_are_in_no_cell(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    valid = np.ones((28, 30), bool)
    valid[3:8, 2:9] = False
    scene = sl.Scene(np.where(valid[..., None], tiny[0].cube, 0), name="holes", valid=valid)
    league = compare(
        scene,
        tiny[1],
        models=(SMALL, CONTEXT, "position"),
        splits=(RANDOM,),
        seeds=1,
        out=tmp_path / "league",
    )
    known = int((valid & (tiny[1].array > 0)).sum())
    assert known == int((tiny[1].array > 0).sum()) - 35
    assert [cell.train + cell.test for cell in league.cells] == [known] * 3
    drawn = sl.split(tiny[1].on(scene), "random", train=0.2, seed=0)
    assert {cell.split_sha256 for cell in league.cells} == {drawn.sha256}
    assert league.hashes["labels"] == drawn.labels.sha256


def test_differences_are_paired_on_common_splits_and_corrected(
    made: tuple[sl.League, Path],
) -> None:
    protocol = made[0].protocols[0]
    pairs = [(d.one, d.other) for d in protocol.differences if d.figure == "kappa"]
    assert pairs == [(SMALL, CONTEXT), (SMALL, "position"), (CONTEXT, "position")]
    (found,) = (
        d
        for d in protocol.differences
        if (d.figure, d.one, d.other) == ("overall_accuracy", SMALL, CONTEXT)
    )
    ours, theirs = cells_of(made[0], RANDOM, SMALL), cells_of(made[0], RANDOM, CONTEXT)[:2]
    a, b = (
        100 * (x.overall_accuracy - y.overall_accuracy) for x, y in zip(ours, theirs, strict=True)
    )
    ratio = ours[0].test / ours[0].train
    assert found.n == 2
    assert found.mean == pytest.approx((a + b) / 2)
    assert found.test_over_train == pytest.approx(ratio)
    error = math.sqrt((1 / 2 + ratio) * (a - b) ** 2 / 2)
    assert found.statistic == pytest.approx((a + b) / 2 / error)
    # with one degree of freedom, t is Cauchy
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(abs(found.statistic)))


def test_random_is_called_optimistic_in_every_table_and_blocks_is_not(
    made: tuple[sl.League, Path],
) -> None:
    league, out = made
    titles = [str(table.title) for table in league_tables(league)]
    assert len(titles) == 4
    page = (out / "league.html").read_text()
    captions = [part.partition("</caption>")[0] for part in page.split("<caption")[1:]]
    assert len(captions) == 4
    for words in (titles, captions):
        assert [RANDOM in w for w in words] == [True, True, False, False]
        assert ["(optimistic)" in w for w in words] == [True, True, False, False]
    protocol = league.protocols[0]
    assert protocol.optimistic
    assert protocol.says.startswith("Optimistic: single pixels are drawn")


def test_the_page_needs_nothing_else_and_holds_every_row(made: tuple[sl.League, Path]) -> None:
    league, out = made
    page = (out / "league.html").read_text()
    assert 'src="http' not in page
    assert page.count("data:image/svg+xml") == 2
    for protocol in league.protocols:
        for row in protocol.rows:
            assert plus_minus(row.overall_accuracy) in page
    for difference in league.protocols[0].differences[:3]:
        assert in_words(difference) in page


def test_a_single_seed_has_no_spread() -> None:
    assert plus_minus(Spread(mean=1.234, std=math.nan, n=1)) == "1.23"
    assert plus_minus(Spread(mean=math.nan, std=math.nan, n=0)) == "–"
    assert plus_minus(Spread(mean=1.234, std=0.5, n=2), 1) == "1.2 ± 0.5"


def test_a_difference_without_a_spread_has_no_interval() -> None:
    facts = {"figure": "kappa", "one": "a", "other": "b", "test_over_train": 9.0, "n": 3}
    spread = {"std": 0.5, "statistic": 1.0, "p": 0.25, "low": -1.0, "high": 2.0}
    none = {"std": 0.0, "statistic": None, "p": 0.0, "low": 0.0, "high": 0.0}
    shown = {
        (mean, with_spread): in_words(
            Difference.model_validate({**facts, "mean": mean, **(spread if with_spread else none)})
        )
        for mean in (0.0, -0.001, 1.234)
        for with_spread in (True, False)
    }
    assert shown == {
        (0.0, True): "equal (-1.00 to 2.00), p = 0.250",
        (-0.001, True): "equal (-1.00 to 2.00), p = 0.250",
        (1.234, True): "+1.23 (-1.00 to 2.00), p = 0.250",
        (0.0, False): "equal on every split",
        (-0.001, False): "equal on every split",
        (1.234, False): "+1.23 on every split",
    }


# What is there is kept


def test_nothing_is_computed_twice(
    made: tuple[sl.League, Path],
    tiny: tuple[sl.Scene, sl.Labels],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(made[1], out)
    before = {p: p.stat().st_mtime_ns for p in (out / "cells").iterdir()}

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(comparison, "train", never)
    monkeypatch.setattr(comparison, "map_with_baseline", never)
    # the words of a model or a split may be others, as long as they mean the same
    models = ("mobilesn,receptive_field=3,components=5,epochs=4,width=0.25", CONTEXT, "position")
    again = compare(
        *tiny,
        models=models,
        splits=("random,train=.2", BLOCKS),
        seeds=3,
        seeds_for={"mobilesn": 2},
        out=out,
    )
    assert {p: p.stat().st_mtime_ns for p in (out / "cells").iterdir()} == before
    assert [c.overall_accuracy for c in again.cells] == [c.overall_accuracy for c in made[0].cells]
    assert again.protocols[0].rows[0].model == models[0]
    # a run that ended before its cell was written is not trained again either
    cell = next((out / "cells").glob("mobilesn-random-seed-0-*"))
    content = cell.read_bytes()
    cell.unlink()
    compare(*tiny, models=(SMALL,), splits=(RANDOM,), seeds=1, out=out)
    assert cell.read_bytes() == content


def test_more_seeds_and_models_add_to_what_is_there(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "league"
    compare(*tiny, models=("position",), splits=(RANDOM,), seeds=1, out=out)
    computed = []
    original = map_with_baseline

    def counted(name: str, *rest: Any, **keywords: Any) -> Any:
        computed.append(name)
        return original(name, *rest, **keywords)

    monkeypatch.setattr(comparison, "map_with_baseline", counted)
    league = compare(
        *tiny, models=("position", "svm,components=3"), splits=(RANDOM,), seeds=2, out=out
    )
    assert sorted(computed) == ["position", "svm", "svm"]
    assert [row.seeds for row in league.protocols[0].rows] == [2, 2]
    assert json.loads((out / "league.json").read_text())["protocols"][0]["rows"][1]["seeds"] == 2


def test_seeds_are_counted_from_the_first(
    made: tuple[sl.League, Path], tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    league = compare(
        *tiny, models=("position",), splits=(BLOCKS,), seeds=2, first_seed=1, out=tmp_path / "two"
    )
    known = {c.seed: c.identity for c in cells_of(made[0], BLOCKS, "position")}
    assert {c.seed: c.identity for c in league.cells} == {1: known[1], 2: known[2]}


def test_an_interrupt_between_cells_loses_nothing(
    tiny_files: tuple[Path, Path], tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        "compare",
        "--scene",
        tiny_files[0],
        "--labels",
        tiny_files[1],
        "--model",
        SMALL,
        "--model",
        "position",
        "--split",
        RANDOM,
        "--seeds",
        2,
        "--out",
        tmp_path / "league",
    )
    original = map_with_baseline
    computed: list[str] = []

    def interrupted(*rest: Any, **keywords: Any) -> Any:
        if len(computed) == 1:
            raise KeyboardInterrupt
        computed.append(rest[0])
        return original(*rest, **keywords)

    with monkeypatch.context() as stopping:
        stopping.setattr(comparison, "map_with_baseline", interrupted)
        code, out, err = typed(*words)
    assert (code, out) == (130, "")
    assert err.endswith("stopped; the same command continues from here")
    kept = {p.name: p.read_bytes() for p in (tmp_path / "league" / "cells").iterdir()}
    assert len(kept) == 3
    assert not (tmp_path / "league" / "league.json").exists()
    code, out, err = typed(*words)
    assert code == 0
    assert f"{RANDOM} (optimistic), scene.npy, accuracy in %" in out
    assert "4/4 position on random,train=0.2, seed 1: tuning and mapping" in err
    assert "1/4" not in err  # what was there is not announced again
    now = {p.name: p.read_bytes() for p in (tmp_path / "league" / "cells").iterdir()}
    assert len(now) == 4
    assert {name: now[name] for name in kept} == kept


@pytest.mark.slow
def test_a_kill_leaves_whole_cells_and_the_same_call_goes_on(
    tiny_files: tuple[Path, Path], tmp_path: Path, typed: Typed
) -> None:
    words = [
        "compare",
        "--scene",
        str(tiny_files[0]),
        "--labels",
        str(tiny_files[1]),
        "--model",
        "svm_context,components=5",
        "--model",
        "position",
        "--split",
        RANDOM,
        "--seeds",
        "8",
        "--out",
        str(tmp_path / "league"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "spectrolite", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    cells = tmp_path / "league" / "cells"
    deadline = time.monotonic() + 120
    while len(list(cells.glob("[!.]*.json"))) < 3 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {p.name: p.read_bytes() for p in cells.glob("[!.]*.json")}
    assert 3 <= len(kept) < 16
    code, out, _ = typed(*words, "--json")
    assert code == 0
    assert [row["seeds"] for row in json.loads(out)["protocols"][0]["rows"]] == [8, 8]
    assert {name: (cells / name).read_bytes() for name in kept} == kept


@pytest.mark.parametrize("damage", ["figure", "json", "another"])
def test_a_damaged_cell_is_refused_by_name(
    made: tuple[sl.League, Path], tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path, damage: str
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(made[1], out)
    path = next((out / "cells").glob("position-random-seed-0-*"))
    if damage == "figure":
        content = json.loads(path.read_text())
        content["cell"]["overall_accuracy"] = 0.125
        path.write_text(json.dumps(content))
    elif damage == "json":
        path.write_text(path.read_text()[:-20])
    else:
        shutil.copy(next((out / "cells").glob("position-random-seed-1-*")), path)
    with pytest.raises(RunError) as caught:
        compare(*tiny, models=("position",), splits=(RANDOM,), seeds=1, out=out)
    message = str(caught.value)
    assert message.startswith(f"{path}: damaged")
    assert message.endswith("delete it, and it is computed again")
    path.unlink()
    compare(*tiny, models=("position",), splits=(RANDOM,), seeds=1, out=out)


def test_a_run_that_is_another_is_refused(
    made: tuple[sl.League, Path], tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    out = without_a_cell(made[1], tmp_path)
    one, other = (next((out / "runs").glob(f"mobilesn-random-seed-{k}-*")) for k in (0, 1))
    shutil.rmtree(one)
    other.rename(one)
    with pytest.raises(RunError) as caught:
        compare(*tiny, models=(SMALL,), splits=(RANDOM,), seeds=1, out=out)
    assert str(caught.value) == (
        f"{one}: not the run that this comparison wants (split_sha256, seed of its manifest); "
        "move it away"
    )


def test_a_stopped_run_goes_on_here_and_begins_anew_after_other_versions(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    """What is kept of the stopped one is its first epoch: the second ended within its listener."""
    out = tmp_path / "league"
    began: list[int] = []

    def stopping(epoch: Any, _: int) -> None:
        began.append(epoch.epoch)
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    for then, epochs in (("now", [1, 2, 2, 3, 4]), ("0.0.1", [1, 2, 1, 2, 3, 4])):
        shutil.rmtree(out, ignore_errors=True)
        began.clear()
        with pytest.raises(KeyboardInterrupt):
            compare(*tiny, models=(SMALL,), splits=(RANDOM,), seeds=1, out=out, on_epoch=stopping)
        (begin,) = (out / "runs").glob("*.part/begin.json")
        content = json.loads(begin.read_text())
        if then != "now":
            content["versions"]["torch"] = then
            begin.write_text(json.dumps(content))
        league = compare(
            *tiny,
            models=(SMALL,),
            splits=(RANDOM,),
            seeds=1,
            out=out,
            on_epoch=lambda epoch, _: began.append(epoch.epoch),
        )
        assert began == epochs
        (run,) = (out / "runs").iterdir()
        assert sl.open_run(run).manifest.versions == league.cells[0].versions


def test_a_cell_names_what_trained_its_run(
    made: tuple[sl.League, Path], tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    """A run of another day, whose cell is written now."""
    out = without_a_cell(made[1], tmp_path)
    path = next((out / "runs").glob("mobilesn-random-seed-0-*")) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["versions"]["torch"], manifest["machine"]["threads"] = "0.0.1", 7
    path.write_text(json.dumps(manifest))
    league = compare(*tiny, models=(SMALL, "position"), splits=(RANDOM,), seeds=1, out=out)
    then, now = league.cells
    assert (then.versions["torch"], then.threads) == ("0.0.1", 7)
    assert now.versions["torch"] != "0.0.1"
    assert league.notes[-1].startswith("The cells were computed with 2 different sets of versions")


# What is asked for wrongly


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (
            {"models": ()},
            SettingsError,
            "--model: wanted one or more of hybridsn, mobilesn, svm, svm_context, random_forest, "
            "position",
        ),
        (
            {"models": ("resnet",)},
            SettingsError,
            "--model: wanted one of hybridsn, mobilesn, svm, svm_context, random_forest, position, "
            "got 'resnet'",
        ),
        (
            {"models": ("mobilenet_v2",)},
            SettingsError,
            "--model: wanted one of hybridsn, mobilesn, svm, svm_context, random_forest, position, "
            "got 'mobilenet_v2'; did you mean mobilesn?",
        ),
        ({"models": ("svm,5",)}, SettingsError, "--model: wanted key=value, got '5' in 'svm,5'"),
        (
            {"models": ("svm_context,side=5,side=7",)},
            SettingsError,
            "--model: side is given twice in 'svm_context,side=5,side=7'",
        ),
        (
            {"models": (SMALL, "mobilesn,components=5,width=0.25,receptive_field=3,epochs=4")},
            SettingsError,
            "--model: mobilesn,components=5,width=0.25,receptive_field=3,epochs=4 and "
            "mobilesn,components=5,epochs=4,width=0.25,receptive_field=3 are the same; name "
            "it once",
        ),
        (
            {"models": ("mobilesn,receptive_field=4",)},
            SettingsError,
            "receptive_field: wanted an odd side in pixels from 1 to 49 for mobilesn, got 4",
        ),
        (
            {"models": ("hybridsn,width=2",)},
            SettingsError,
            "--width: does not go with hybridsn, where it is fixed; leave it out",
        ),
        (
            {"models": ("mobilesn,model=hybridsn",)},
            SettingsError,
            "--model: the name comes first in 'mobilesn,model=hybridsn'; leave model= out",
        ),
        (
            {"models": ("position", "mobilesn,components=17")},
            SettingsError,
            "--model: mobilesn,components=17: tiny has 16 bands, fewer than the 17 "
            "components; take "
            "components=16 or fewer (0 keeps all bands)",
        ),
        (
            {"models": ("position", "svm,components=17")},
            SettingsError,
            "--model: svm,components=17: tiny has 16 bands, fewer than the 17 components; take "
            "components=16 or fewer (0 keeps all bands)",
        ),
        (
            {"models": ("position", "mobilesn,components=5,receptive_field=29")},
            SceneError,
            "tiny: 28 x 30 pixels are smaller than the 29 x 29 patch of "
            "mobilesn,components=5,receptive_field=29",
        ),
        *(
            (
                {"models": ("position", model), "splits": (RANDOM, "per_class,n=2")},
                SplitError,
                f"--split per_class,n=2,seed=0: 6 training pixels, and the 6 components of {model} "
                "need more; raise train or n, or lower components",
            )
            for model in ("svm,components=6", "mobilesn,components=6,bands_from=train")
        ),
        ({"seeds": 0}, SettingsError, "--seeds: wanted 1 or more, got 0"),
        ({"first_seed": -1}, SettingsError, "--first-seed: wanted 0 or more, got -1"),
        (
            {"seeds_for": {"svm": 1}},
            SettingsError,
            "--seeds-for: no --model svm in this comparison",
        ),
        (
            {"seeds_for": {"position": 3}},
            SettingsError,
            "--seeds-for: wanted position=1 to 2 (--seeds), got 3",
        ),
        ({"splits": ()}, SplitError, "--split: wanted one or more, as random,train=0.1"),
        (
            {"splits": ("random,seed=1",)},
            SplitError,
            "--split random,seed=1: every split is drawn with the seeds 0, 1, 2, ... of the "
            "comparison; leave seed= out",
        ),
        (
            {"splits": ("given,train=a,test=b",)},
            SplitError,
            "--split given,train=a,test=b: a given split has no seeds to vary; take another",
        ),
        (
            {"splits": (RANDOM, RANDOM)},
            SplitError,
            f"--split {RANDOM}: is given twice; name it once",
        ),
        (
            {"splits": ("random", RANDOM, "random,train=.1,guard=0")},
            SplitError,
            "--split: random,train=.1,guard=0 and random are the same; name it once",
        ),
        (
            {"splits": ("cubes",)},
            SplitError,
            "--split: wanted one of random, per_class, blocks, blocks_by_class, fields, polygons, "
            "scenes, given, got 'cubes'",
        ),
    ],
)
def test_wrong_words_are_refused_before_anything_is_computed(
    tiny: tuple[sl.Scene, sl.Labels],
    tmp_path: Path,
    words: dict[str, Any],
    error: type[InputError],
    message: str,
) -> None:
    asked = {"models": ("position",), "splits": (RANDOM,), "seeds": 2, **words}
    with pytest.raises(error) as caught:
        compare(*tiny, out=tmp_path / "league", **asked)
    assert str(caught.value) == message
    assert not (tmp_path / "league").exists()


def test_patches_give_more_components_than_there_are_training_pixels(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    league = compare(
        *tiny,
        models=("svm,components=6,reduction=mnf",),
        splits=("per_class,n=2",),
        seeds=1,
        out=tmp_path / "league",
    )
    assert [cell.train for cell in league.cells] == [6]


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_computed(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    out, stages = tmp_path / "file" / "league", list[str]()
    with pytest.raises(RunError) as caught:
        compare(
            *tiny, models=("position",), splits=(RANDOM,), seeds=1, out=out, on_stage=stages.append
        )
    assert str(caught.value) == f"{out}: cannot be made (Not a directory); take another --out"
    assert stages == []


def test_a_folder_of_something_else_is_refused(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError) as caught:
        compare(*tiny, models=("position",), splits=(RANDOM,), seeds=1, out=tmp_path)
    assert str(caught.value) == (f"{tmp_path} exists and is not a comparison; take another --out")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --data NAME, or --scene FILE and --labels FILE"),
        (
            ("--data", "indian_pines", "--scene", "x", "--labels", "y"),
            "give --data NAME, or --scene FILE and --labels FILE",
        ),
        (
            ("--data", "indian_pines", "--scene-key", "x"),
            "--scene-key goes with --scene, not with --data",
        ),
        (
            ("--scene", "x", "--labels", "y", "--root", "z"),
            "--root goes with --data, not with --scene",
        ),
        (("--data", "digits"), "--data: digits are images, and compare takes a scene"),
        (
            ("--data", "indian_pines", "--seeds-for", "position"),
            "--seeds-for: wanted MODEL=N as hybridsn=3, got 'position'",
        ),
        (
            ("--data", "indian_pines", "--seeds-for", "position=1", "--seeds-for", "position=2"),
            "--seeds-for: position is named twice; name it once",
        ),
    ],
)
def test_wrong_flags_are_refused(typed: Typed, words: tuple[str, ...], message: str) -> None:
    code, out, err = typed(
        "compare", "--model", "position", "--split", RANDOM, "--out", "never", *words
    )
    assert (code, out, err) == (2, "", f"error: {message}")


def test_labels_are_read_with_the_flags_and_notes_of_train(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path, typed: Typed
) -> None:
    """Points as a table, which needs the scene's place; one of them has no spectrum."""
    import rasterio

    cube = tiny[0].cube.astype(np.float32)
    cube[2, 3] = -1
    with rasterio.open(
        tmp_path / "scene.tif",
        "w",
        driver="GTiff",
        width=30,
        height=28,
        count=16,
        dtype="float32",
        nodata=-1,
        transform=rasterio.Affine(1, 0, 0, 0, -1, 28),
    ) as file:
        file.write(np.moveaxis(cube, 2, 0))
    rows, cols = np.nonzero(tiny[1].array)
    lines = [f"{c + 0.5},{27.5 - r},{tiny[1].array[r, c]}" for r, c in zip(rows, cols, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["x,y,crop", *lines]) + "\n")
    code, out, err = typed(
        "compare",
        "--scene",
        tmp_path / "scene.tif",
        "--labels",
        tmp_path / "labels.csv",
        "--class-field",
        "crop",
        "--model",
        "position",
        "--split",
        RANDOM,
        "--seeds",
        1,
        "--out",
        tmp_path / "league",
        "--json",
    )
    assert code == 0, err
    cell = json.loads(out)["cells"][0]
    assert cell["train"] + cell["test"] == len(rows) - 1
    assert (
        f"1 of {len(rows)} labelled pixels have no spectrum in the scene (nodata or NaN) and are "
        "dropped"
    ) in err


def test_an_entry_is_read_in_the_grammar_of_splits() -> None:
    assert parse_entry("mobilesn, epochs=5 ,learning_rate=1e-3,optimiser=sgd,flips=true") == (
        "mobilesn",
        {"epochs": 5, "learning_rate": 1e-3, "optimiser": "sgd", "flips": True},
    )
