"""Records and their repetition: every verdict on figures made up for it, and whole circles.

A circle: a benchmark writes a record, `repro` draws a figure of it and makes it again. The data are
the tiny scene, so that a training takes a second.
"""

from __future__ import annotations

import json
import re
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import accuracy
import choose_mobilesn
import choose_schedule
import league
import numpy as np
import position_baseline
import pytest
import records
import repro
from records import Repeat

import spectrolite as sl

SHA = "0123456789abcdef" * 4
COMMIT = "1234567890" * 4


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for records, in a repository without changes."""
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    says: dict[str, str] = {"status": "", "rev-parse": COMMIT, "diff": ""}
    for module in (records, repro):
        monkeypatch.setattr(module, "git", lambda verb, *_: says[verb])
    return tmp_path / "results"


@pytest.fixture
def tiny_everywhere(
    tiny: tuple[sl.Scene, sl.Labels], monkeypatch: pytest.MonkeyPatch
) -> tuple[sl.Scene, sl.Labels]:
    """The tiny scene under every name."""
    monkeypatch.setattr(sl, "load", lambda _: tiny, raising=False)
    return tiny


def made_up(made: dict[str, Any], **flags: Any) -> tuple[bool, list[str]]:
    """The verdict on a stored accuracy of 0.5 with some hash."""
    differences = flags.pop("differences", [])
    repeat = Repeat("x", {"oa": 0.5, "weights": SHA}, lambda: made, {"oa": 0.125}, **flags)
    return repro.compare(repeat, made, differences)


def test_the_same_bits_are_the_same_bits_whatever_differs() -> None:
    for differences in ([], ["threads is 1 here, 2 there"]):
        same, lines = made_up({"oa": 0.5, "weights": SHA}, differences=differences)
        assert same
        assert lines == [
            "  oa: 0.5 in the record, 0.5 now",
            "  weights: 0123456789ab… in the record, 0123456789ab… now",
            "made again: the same bits",
        ]


@pytest.mark.parametrize(
    "made", [{"oa": 0.5, "weights": "x"}, {"oa": 0.5 + 2**-50, "weights": SHA}]
)
def test_other_bits_fail_where_nothing_differs(made: dict[str, Any]) -> None:
    same, lines = made_up(made)
    assert not same
    assert lines[-1] == "NOT made again: other bits, though nothing differs that may"


def test_where_something_differs_the_tolerance_decides() -> None:
    why = ["cpu_capability is AVX2 here, AVX512 there"]
    same, lines = made_up({"oa": 0.625, "weights": "x"}, differences=why)
    assert same
    assert lines[-1] == (
        "made again within the tolerance, not the same bits (what differs is named above): "
        "oa by 0.125 of 0.125"
    )
    same, lines = made_up({"oa": 0.25, "weights": "x"}, differences=why)
    assert not same
    assert lines[-1] == "NOT made again: oa differs by 0.25, allowed are 0.125"
    same, lines = made_up({"oa": float("nan"), "weights": "x"}, differences=why)
    assert not same


def test_what_a_clock_measured_has_its_tolerance_everywhere() -> None:
    same, lines = made_up({"oa": 0.625, "weights": SHA}, exact=False)
    assert same
    assert "(a clock is never exact)" in lines[-1]
    assert not made_up({"oa": 0.75, "weights": SHA}, exact=False)[0]


def test_what_differs_is_said(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = records.machine()
    record = {"commit": COMMIT, "command": "python benchmarks/accuracy.py x", "machine": here}
    assert repro.differences_from(record) == []
    there = {**here, "threads": 99, "processor": "another", "torch": "1.0"}
    assert repro.differences_from({**record, "machine": there}) == [
        f"threads is {here['threads']} here, 99 there",
        f"torch is {here['torch']} here, 1.0 there",
    ]
    older = {k: v for k, v in here.items() if k != "numpy"}  # an older record knows less
    assert repro.differences_from({**record, "machine": older}) == []
    asked: list[tuple[str, ...]] = []
    files = [f"src/spectrolite/{name}.py" for name in "abcde"]

    def changed(*words: str) -> str:
        asked.append(words)
        return "\n".join(files)

    monkeypatch.setattr(repro, "git", changed)
    assert repro.differences_from(record) == [
        "the code has changed since its commit 1234567890: src/spectrolite/a.py, "
        "src/spectrolite/b.py, src/spectrolite/c.py and 2 more"
    ]
    assert asked == [("diff", "--name-only", COMMIT, "--", "src", "benchmarks/accuracy.py")]


def test_a_commit_that_is_not_there_is_said() -> None:
    record = {"commit": "0" * 40, "command": "python x.py", "machine": {}}
    assert repro.differences_from(record) == [
        "its commit 0000000000 is not known here, so code may differ"
    ]


# Records


def test_a_record_of_changed_code_is_refused(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "git", lambda *_: "M src/spectrolite/bands.py")
    with pytest.raises(SystemExit) as stop:
        records.write_record("x", {}, data={"a": SHA}, split="none", weights="none")
    assert stop.value.code == (
        "commit first, so that the result can name what made it:\nM src/spectrolite/bands.py"
    )
    assert not results.exists()


@pytest.mark.parametrize(("part", "hashes"), [("data", {}), ("split", ""), ("weights", {"a": "b"})])
def test_a_hash_that_is_none_is_refused(results: Path, part: str, hashes: Any) -> None:
    parts: dict[str, Any] = {"data": {"a": SHA}, "split": {"a": SHA}, "weights": {"a": SHA}}
    with pytest.raises(SystemExit) as stop:
        records.write_record("x", {}, **{**parts, part: hashes})
    assert stop.value.code == f"{part}: wanted sha256 by name, or a reason, got {hashes!r}"
    assert not results.exists()


def test_a_record_says_why_a_hash_is_missing(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks/x.py", "--all"])
    records.write_record("x", {"figure": 1}, data={"a": SHA}, split="no split", weights={"b": SHA})
    record = json.loads((results / "x.json").read_text())
    assert record["inputs"] == {
        "data": {"a": SHA},
        "split": None,
        "weights": {"b": SHA},
        "without": {"split": "no split"},
    }
    assert (record["figure"], record["commit"]) == (1, COMMIT)
    assert record["command"] == "python benchmarks/x.py --all"


# Whole circles


def repeat_it(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seed: int
) -> tuple[int, str]:
    """Exit code and words of `repro`."""
    monkeypatch.setattr(sys, "argv", ["repro.py", "--seed", str(seed), "--results", str(results)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        repro.main()
    assert isinstance(stop.value.code, int)
    return stop.value.code, capsys.readouterr().out


def spoil(path: Path, key: str) -> None:
    """Take 2^-10 from every number of that name, and from every number of a list of that name."""
    spoiled = 0

    def walk(content: Any) -> Any:
        nonlocal spoiled
        if isinstance(content, list):
            return [walk(part) for part in content]
        if not isinstance(content, dict):
            return content
        changed = {k: walk(v) for k, v in content.items()}
        if isinstance(changed.get(key), float):
            changed[key] -= 2**-10
            spoiled += 1
        elif isinstance(changed.get(key), list):
            changed[key] = [value - 2**-10 for value in changed[key]]
            spoiled += 1
        return changed

    path.write_text(json.dumps(walk(json.loads(path.read_text()))))
    assert spoiled


def test_accuracies_are_made_again_with_the_settings_of_the_record(
    results: Path,
    tiny_everywhere: tuple[sl.Scene, sl.Labels],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["benchmarks/accuracy.py", "tiny", "--split", "random,train=0.2", "--seeds", "2"]
    with monkeypatch.context() as short:
        short.setattr(sys, "argv", argv)
        few = partial(accuracy.train_one, components=13, epochs=2, learning_rate=1e-3)
        short.setattr(accuracy, "train_one", few)
        accuracy.main()
    record = json.loads((results / "tiny.json").read_text())
    assert record["settings"]["training"]["epochs"] == 2
    assert record["inputs"]["weights"] == {
        f"seed {row['seed']}": row["weights_sha256"] for row in record["seeds"]
    }
    code, said = repeat_it(results, monkeypatch, capsys, seed=3)
    assert said.splitlines()[0].startswith("draw 3: tiny.json of ")
    assert said.splitlines()[-1] == "made again: the same bits"
    assert code == 0


def test_the_choice_of_the_schedule_is_made_again(
    results: Path,
    tiny_everywhere: tuple[sl.Scene, sl.Labels],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    candidate = {"epochs": 2, "components": 13, "learning_rate": 1e-3}
    monkeypatch.setattr(choose_schedule, "CANDIDATES", (candidate,))
    monkeypatch.setattr(sys, "argv", ["benchmarks/choose_schedule.py"])
    choose_schedule.main()
    assert repeat_it(results, monkeypatch, capsys, seed=0)[0] == 0
    path = results / "choose_schedule.json"
    record = json.loads(path.read_text())
    record["inputs"] = records.inputs(record["inputs"]["data"], record["inputs"]["split"], "lost")
    path.write_text(json.dumps(record))
    spoil(path, "validation_accuracy")
    code, said = repeat_it(results, monkeypatch, capsys, seed=0)
    assert "weights" not in said
    assert said.splitlines()[-1].startswith("NOT made again: other bits")
    assert code == 1


def test_the_study_of_mobilesn_keeps_its_cells_and_is_made_again(
    results: Path,
    tmp_path: Path,
    tiny_everywhere: tuple[sl.Scene, sl.Labels],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(choose_mobilesn, "git", lambda *_: COMMIT)
    base = {**choose_mobilesn.BASE, "components": 5, "width": 0.25, "receptive_field": 3}
    for name, value in (
        ("BASE", base),
        ("EPOCHS", {"random": 2, "blocks": 2}),
        ("SIDE", 6),
        ("GUARD", 1),
        ("CANDIDATES", {"random": ({},), "blocks": ({}, {"learning_rate": 1e-3})}),
        (
            "OUTER",
            {
                "random": "random,train=0.3,seed=1",
                "blocks": "blocks,train=0.6,side=6,seed=1,allow_missing",
            },
        ),
        ("DRAWS", {"random": 2, "blocks": 2}),
    ):
        monkeypatch.setattr(choose_mobilesn, name, value)
    cells = tmp_path / "cells"
    argv = ["benchmarks/choose_mobilesn.py", "--cells", str(cells)]
    with monkeypatch.context() as typed:
        typed.setattr(sys, "argv", argv)
        choose_mobilesn.main()
        made = {path: path.stat().st_mtime_ns for path in cells.iterdir()}
        first = json.loads((results / "choose_mobilesn.json").read_text())
        choose_mobilesn.main()
    assert len(made) == 2 + 4
    assert {path: path.stat().st_mtime_ns for path in cells.iterdir()} == made
    again = json.loads((results / "choose_mobilesn.json").read_text())
    assert again["questions"] == first["questions"]
    assert [len(table["rows"]) for table in first["questions"].values()] == [1, 2]
    assert repeat_it(results, monkeypatch, capsys, seed=0)[0] == 0


def test_blocks_that_validate_keep_their_distance_and_their_classes() -> None:
    """Pixel by pixel, on a map of four classes in stripes, one of which lies in one block."""
    array = np.ones((60, 60), np.int32)
    array[:, 20:40], array[:, 40:] = 2, 3
    array[:5, :5] = 4
    known = sl.Labels(array, class_names={k: str(k) for k in range(1, 5)})
    for seed in range(6):
        train, held = choose_mobilesn.whole_blocks(known, seed)
        mask = np.zeros(array.shape, bool)
        mask.flat[train] = True
        assert 0 < len(held) < len(train)
        assert set(array.flat[held]) <= set(array.flat[train])
        for row, col in zip(*np.unravel_index(held, array.shape), strict=True):
            assert not mask[max(row - 6, 0) : row + 7, max(col - 6, 0) : col + 7].any()
        for top in range(0, 60, 20):
            for left in range(0, 60, 20):
                assert mask[top : top + 20, left : left + 20].mean() in (0, 1)


def test_a_cell_of_the_league_is_made_again(
    results: Path,
    tmp_path: Path,
    tiny_everywhere: tuple[sl.Scene, sl.Labels],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = "mobilesn,components=5,epochs=2,width=0.25,receptive_field=3"
    for name, value in (
        ("SLOW", small),
        ("SLOW_SEEDS", 1),
        ("MODELS", ("position",)),
        ("NARROW", "svm,components=5"),
        ("WITH_HYBRIDSN", ("random,train=0.2",)),
        ("BY_CLASS", "random,train=0.3"),
        ("FEW", ("per_class,n=5",)),
    ):
        monkeypatch.setattr(league, name, value)
    argv = ["benchmarks/league.py", "--cells", str(tmp_path / "cells"), "--seeds", "2"]
    with monkeypatch.context() as typed:
        typed.setattr(sys, "argv", argv)
        league.main()
    path = results / "league.json"
    record = json.loads(path.read_text())
    assert [(c["model"], c["split"], c["seed"]) for c in record["cells"]] == [
        (small, "random,train=0.2", 0),
        ("svm,components=5", "random,train=0.2", 0),
        ("position", "random,train=0.2", 0),
        ("svm,components=5", "random,train=0.2", 1),
        ("position", "random,train=0.2", 1),
        ("svm,components=5", "random,train=0.3", 0),
        ("position", "random,train=0.3", 0),
        ("svm,components=5", "random,train=0.3", 1),
        ("position", "random,train=0.3", 1),
        ("position", "per_class,n=5", 0),
        ("position", "per_class,n=5", 1),
    ]
    assert list(record["inputs"]["weights"]) == [f"{small} on random,train=0.2, seed 0"]
    assert len(record["inputs"]["split"]) == 6
    drawn = {league.again(record, np.random.default_rng(s)).what: s for s in range(60)}
    seed = next(s for what, s in drawn.items() if what.startswith(f"{small} on random"))
    repeat = league.again(record, np.random.default_rng(seed))
    assert repeat.make() == repeat.stored
    monkeypatch.setattr(repro, "draw", lambda *_: (path, record))
    assert repeat_it(results, monkeypatch, capsys, 0)[0] == 0


def test_position_alone_is_made_again_for_the_scenes_that_are_there(
    results: Path,
    tmp_path: Path,
    tiny_everywhere: tuple[sl.Scene, sl.Labels],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.save(tmp_path / "other.npy", tiny_everywhere[1].array)
    digest = sha256((tmp_path / "other.npy").read_bytes()).hexdigest()
    monkeypatch.setattr(position_baseline, "FILES", {"other": ("other.npy", digest)})
    monkeypatch.setattr(sys, "argv", ["position_baseline.py", "--root", str(tmp_path)])
    position_baseline.main()
    record = json.loads((results / "position_baseline.json").read_text())
    assert len(record["rows"]) == 2 * 4 * 5 == len(record["inputs"]["split"])
    assert record["inputs"]["data"]["other.npy"] == digest
    said = [repeat_it(results, monkeypatch, capsys, seed) for seed in range(6)]
    assert {code for code, _ in said} == {0}
    assert {re.search(r"position alone on (\w+)", words)[1] for _, words in said} == {  # type: ignore[index]
        "indian_pines",
        "other",
    }
    (tmp_path / "other.npy").write_bytes(b"other bytes")
    monkeypatch.setattr(sys, "argv", ["position_baseline.py", "--root", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        position_baseline.main()
    assert stop.value.code == (
        f"{tmp_path}/other.npy: sha256 {sha256(b'other bytes').hexdigest()}, "
        f"the published file has {digest}"
    )
    (tmp_path / "other.npy").unlink()
    for seed in range(6):
        code, words = repeat_it(results, monkeypatch, capsys, seed)
        assert "indian_pines, random,train=" in words
        assert f"(left out of the draw, no such file: {tmp_path}/other.npy)" in words
        assert code == 0
    monkeypatch.setattr(sys, "argv", ["position_baseline.py", "--ground-truth", "there=x.npy"])
    with pytest.raises(SystemExit) as stop:
        position_baseline.main()
    assert stop.value.code == "--ground-truth: wanted other=FILE, got 'there=x.npy'"
    monkeypatch.setattr(sys, "argv", ["position_baseline.py"])
    with pytest.raises(SystemExit, match=r"^no such file: data/other.npy; name its folder with"):
        position_baseline.main()


def test_the_seed_decides_what_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no record in it$"):
        repro.draw(tmp_path, None, np.random.default_rng(0))
    for name in "abc":
        (tmp_path / f"{name}.json").write_text(json.dumps({"name": name}))
    drawn = [repro.draw(tmp_path, None, np.random.default_rng(seed)) for seed in range(20)]
    assert drawn == [repro.draw(tmp_path, None, np.random.default_rng(s)) for s in range(20)]
    assert {record["name"] for _, record in drawn} == {"a", "b", "c"}
    assert repro.draw(tmp_path, "b", np.random.default_rng(0))[1] == {"name": "b"}
    with pytest.raises(SystemExit) as stop:
        repro.draw(tmp_path, "d", np.random.default_rng(0))
    assert stop.value.code == "--record: wanted one of a, b, c, got 'd'"
