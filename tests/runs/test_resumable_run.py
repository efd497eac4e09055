"""Runs that are stopped, killed, interrupted or out of disk, and resumed.

The reference is a run that was never stopped, compared by the hashes of its files. The kills are
real kills of real processes.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import spectrolite as sl
from spectrolite.cli import app
from spectrolite.cli.tables import TrainingProgress
from spectrolite.errors import RunError, SettingsError, TrainingError
from spectrolite.part_folders import locked
from spectrolite.runs.manifest import scene_training
from spectrolite.runs.resumable_run import new_run, open_stopped
from spectrolite.training import loop, optimisers
from spectrolite.training.keywords import settings

FLAGS: dict[str, Any] = {"components": 13, "epochs": 5}
Type = Callable[..., tuple[int, str]]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every epoch."""
    monkeypatch.setattr(loop, "KEEP_EVERY_S", 0.0)


@pytest.fixture(scope="module")
def data(tiny_files: tuple[Path, Path]) -> tuple[sl.Scene, sl.Labels, sl.Split]:
    """The tiny scene from its files, and a split of it."""
    scene, labels = sl.read_scene(tiny_files[0]), sl.read_labels(tiny_files[1])
    return scene, labels, sl.split(labels, "random", train=0.2, seed=1)


@pytest.fixture(scope="module")
def whole(
    data: tuple[sl.Scene, sl.Labels, sl.Split], tmp_path_factory: pytest.TempPathFactory
) -> sl.Run:
    """The run that was never stopped."""
    return sl.train(*data, out=tmp_path_factory.mktemp("whole") / "run", **FLAGS)


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Type:
    """Run a command: its exit code, and what it printed to standard error."""

    def type_(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["spectrolite", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        return int(stop.value.code or 0), " ".join(capsys.readouterr().err.split())

    return type_


def _bits(run: Path) -> dict[str, str]:
    """Hashes of all files of a run whose bits are promised, without times."""
    files = (
        "bundle/model.safetensors",
        "bundle/config.json",
        "split.safetensors",
        "map.tif",
        "map_confidence.tif",
        "map.png",
    )
    bits = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in files}
    figures = json.loads((run / "report.json").read_text())
    del figures["times_s"]
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    for epoch in log:
        del epoch["elapsed_s"]
    return {**bits, "figures": json.dumps(figures), "log": json.dumps(log)}


def _stop_after(epoch: int) -> Callable[[loop.Epoch, int], None]:
    def stop(seen: loop.Epoch, _epochs: int) -> None:
        if seen.epoch == epoch:
            raise KeyboardInterrupt

    return stop


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("often")
def test_ctrl_c_leaves_a_stopped_run_that_goes_on(
    data: tuple[sl.Scene, sl.Labels, sl.Split], whole: sl.Run, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt) as stopped:
        sl.train(*data, out=out, on_epoch=_stop_after(2), **FLAGS)
    assert stopped.value.__notes__ == [
        f"stopped after epoch 2; go on with: spectrolite train --out {out} --resume"
    ]
    assert _names(tmp_path) == ["run.part"]
    assert _names(tmp_path / "run.part") == [
        "begin.json",
        "lock",
        "log.jsonl",
        "resume.safetensors",
        "split.safetensors",
    ]
    heard: list[int] = []
    run = sl.train(
        *data, out=out, resume=True, on_epoch=lambda e, _: heard.append(e.epoch), **FLAGS
    )
    assert heard == [3, 4, 5]
    assert _names(tmp_path) == ["run"]
    assert _names(out) == _names(whole.path)
    assert _bits(out) == _bits(whole.path)
    assert run.manifest.command == json.loads((out / "manifest.json").read_text())["command"]


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("stage", ["reducing bands", "training", "baselines", "mapping"])
def test_it_may_be_stopped_in_any_stage(
    data: tuple[sl.Scene, sl.Labels, sl.Split], whole: sl.Run, tmp_path: Path, stage: str
) -> None:
    def stop(words: str) -> None:
        if words == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sl.train(*data, out=tmp_path / "run", on_stage=stop, **FLAGS)
    assert _names(tmp_path) == ["run.part"]
    sl.train(*data, out=tmp_path / "run", resume=True, **FLAGS)
    assert _bits(tmp_path / "run") == _bits(whole.path)


@pytest.fixture(scope="module")
def few_digits() -> tuple[sl.ImageSet, sl.ImageSet | None]:
    images, _ = sl.load("digits")
    return sl.ImageSet(images.pixels[:150], images.targets[:150], images.class_names), None


IMAGES: dict[str, Any] = {"model": "mobilenet_v1", "variant": "course", "width": 0.25, "batch": 16}


@pytest.mark.parametrize(("kind", "number"), [("scene", signal.SIGTERM), ("images", signal.SIGINT)])
def test_stopped_inside_an_epoch_it_goes_on_from_the_last_finished_one(
    data: tuple[sl.Scene, sl.Labels, sl.Split],
    whole: sl.Run,
    few_digits: tuple[sl.ImageSet, None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    number: signal.Signals,
) -> None:
    """Real signals to this process, long before the next regular checkpoint."""
    arguments: tuple[Any, ...] = data if kind == "scene" else few_digits
    flags = FLAGS if kind == "scene" else {**IMAGES, "epochs": 5}
    if kind == "images":
        whole = sl.train(*arguments, out=tmp_path / "whole", **flags)
    heard: list[int] = []
    update = optimisers.update_averages

    def signalled(*words: Any) -> None:
        update(*words)
        if heard == [1, 2, 3]:
            signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, app._terminate)
    # a shell starts work in the background with this signal ignored
    of_keyboard = signal.signal(signal.SIGINT, signal.default_int_handler)
    flags = {**flags, "out": tmp_path / "run", "on_epoch": lambda e, _: heard.append(e.epoch)}
    with monkeypatch.context() as patch:
        patch.setattr(loop, "update_averages", signalled)
        with pytest.raises(KeyboardInterrupt) as stopped:
            sl.train(*arguments, **flags)
    signal.signal(signal.SIGTERM, before)
    signal.signal(signal.SIGINT, of_keyboard)
    assert stopped.value.__notes__[0].startswith("stopped after epoch 3; go on with: ")
    sl.train(*arguments, resume=True, **flags)
    assert heard == [1, 2, 3, 4, 5]
    if kind == "scene":
        assert _bits(tmp_path / "run") == _bits(whole.path)
    again = sl.open_run(tmp_path / "run")
    assert again.bundle.sha256 == whole.bundle.sha256
    assert again.report.figures == whole.report.figures


HERE = str(Path(__file__).parents[1])  # of forked.py
KILLER = """
import json, os, sys, time
import matplotlib.figure, rasterio
from spectrolite.experiments import training_runs
from spectrolite.runs import resumable_run
from spectrolite.training import loop

sys.path.insert(0, sys.argv[2])
from forked import begin, computed_s, waited

loop.KEEP_EVERY_S = 0.0
out, words, signals, moments, epochs = json.loads(sys.argv[1])
ended = []


def epochs_kept(out):
    begun = os.path.exists(out + ".part/begin.json")
    return resumable_run.open_stopped(out).epochs_done if begun else 0


def when_kept(out, before, child):  # seconds the child has computed once it has kept more epochs
    while before < epochs and epochs_kept(out) <= before and computed_s(child) < 1e9:
        time.sleep(0.005)
    return computed_s(child)


child = begin([*words, "--out", out + "-never"])
first_s = when_kept(out + "-never", 0, child)
code, took_s = waited(child)
assert code == 0, code
one_epoch_s = (took_s - first_s) / epochs  # or more: it holds what comes after them
for number, moment in zip([*signals, 0], [None, *moments, None]):
    before = epochs_kept(out)
    stopped = os.path.exists(out + ".part/begin.json")
    child = begin(["train", "--out", out, "--resume"] if stopped else [*words, "--out", out])
    if number:
        end_s = (0.3 * first_s if moment is None else
                 when_kept(out, before, child) + moment * one_epoch_s)
        while computed_s(child) < end_s:
            time.sleep(0.005)
        os.kill(child, number)
    code, _ = waited(child)
    kept = os.path.exists(out + ".part/begin.json")
    ended.append((number, code, resumable_run.open_stopped(out).epochs_done if kept else None))
    if not code:
        break
print(json.dumps(ended))
"""
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGKILL]


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [["--mode", "dense"], ["--mode", "patches", "--variant", "paper", "--epochs", "6"]],
    ids=["dense", "patches"],
)
def test_killed_again_and_again_it_ends_with_the_same_bits(
    tiny_files: tuple[Path, Path], tmp_path: Path, flags: list[str]
) -> None:
    """At random moments; each process resumes what the one before has left."""
    out = tmp_path / "run"
    words = [
        "train",
        "--scene",
        str(tiny_files[0]),
        "--labels",
        str(tiny_files[1]),
        "--components",
        "13",
        "--epochs",
        "9",
        "--patience",
        "8",
        "--split",
        "random,train=0.2,seed=1,validation=0.2",
        *flags,
    ]
    # the first before there is a checkpoint, the others that many epochs after the next one
    moments = np.random.default_rng(5).uniform(0, 1.5, len(SIGNALS) - 1).tolist()
    epochs = 6 if "patches" in flags else 9
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            KILLER,
            json.dumps([str(out), words, SIGNALS, moments, epochs]),
            HERE,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout.splitlines()[-1])
    assert ended[-1][1:] == [0, None], ended
    assert len(ended) == len(SIGNALS) + 1, ended
    # those that a process can hear are reported, with the exit code of a shell
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
    assert all(code == codes[signal.Signals(number)] for number, code, _ in ended[:-1])
    reached = [epoch for _, _, epoch in ended[:-1] if epoch is not None]
    assert reached == sorted(reached)
    assert reached[-1] > 0, ended
    assert _bits(out) == _bits(tmp_path / "run-never")
    assert _names(out) == _names(tmp_path / "run-never")
    assert _names(tmp_path) == ["run", "run-never"]


# What is refused


@pytest.mark.usefixtures("often")
def test_a_stopped_run_is_not_overlooked_nor_resumed_with_something_else(
    data: tuple[sl.Scene, sl.Labels, sl.Split], whole: sl.Run, tmp_path: Path
) -> None:
    scene, labels, split = data
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        sl.train(*data, out=out, on_epoch=_stop_after(3), **FLAGS)
    part = tmp_path / "run.part"
    end = "; leave the flag out, or start anew with --overwrite"
    louder = sl.Scene(scene.cube + 1, name="louder")
    fewer = sl.Labels(np.where(labels.array == 7, 3, labels.array))
    for error, message, arguments, flags in (
        (
            RunError,
            f"{part}: a run that was stopped after epoch 3 of 5; go on with --resume, or "
            "discard it with --overwrite",
            data,
            FLAGS,
        ),
        (
            SettingsError,
            "give --resume or --overwrite, not both",
            data,
            {**FLAGS, "resume": True, "overwrite": True},
        ),
        (
            SettingsError,
            f"--seed: 4, but {part} was begun with 0{end}",
            data,
            {**FLAGS, "resume": True, "seed": 4},
        ),
        (
            SettingsError,
            f"--epochs: 9, but {part} was begun with 5{end}",
            data,
            {**FLAGS, "resume": True, "epochs": 9, "patience": None},
        ),
        (
            SettingsError,
            f"--learning-rate: 0.1, but {part} was begun with 0.003{end}",
            data,
            {**FLAGS, "resume": True, "learning_rate": 0.1, "flips": False},
        ),
        (
            SettingsError,
            f"--scene: not the scene that {part} was begun with{end}",
            (louder, labels, split),
            {**FLAGS, "resume": True},
        ),
        (
            SettingsError,
            f"--labels: not the labels that {part} was begun with{end}",
            (scene, fewer, sl.split(fewer)),
            {**FLAGS, "resume": True},
        ),
        (
            SettingsError,
            f"--split: not the one that {part} was begun with{end}",
            (scene, labels, sl.split(labels, train=0.3)),
            {**FLAGS, "resume": True},
        ),
    ):
        with pytest.raises(error) as caught:
            sl.train(*arguments, out=out, **flags)
        assert str(caught.value) == message
        assert open_stopped(out).epochs_done == 3
    run = sl.train(*data, out=out, overwrite=True, **{**FLAGS, "epochs": 1})
    assert len(run.log()) == 1
    assert _names(tmp_path) == ["run"]
    with pytest.raises(RunError, match=r"run is complete: nothing to resume; take another --out$"):
        sl.train(*data, out=out, resume=True, **FLAGS)
    with pytest.raises(RunError, match=r"other\.part: no stopped run to resume; leave --resume"):
        sl.train(*data, out=tmp_path / "other", resume=True, **FLAGS)


@pytest.mark.usefixtures("often")
def test_a_run_that_replaces_another_replaces_it_last(
    data: tuple[sl.Scene, sl.Labels, sl.Split], tmp_path: Path
) -> None:
    short = {**FLAGS, "epochs": 2}
    out = tmp_path / "run"
    before = sl.train(*data, out=out, seed=1, **short).bundle.sha256
    with pytest.raises(KeyboardInterrupt):
        sl.train(*data, out=out, overwrite=True, on_epoch=_stop_after(1), **short)
    assert sl.open_run(out).bundle.sha256 == before
    after = sl.train(*data, out=out, resume=True, **short)
    assert after.bundle.sha256 != before
    assert _names(tmp_path) == ["run"]
    assert "replaced" not in _names(out)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"versions": {"torch": "1.0"}}, r"other bits \(torch 1\.0 then, .* now\); go on where it"),
        ({"machine": {"cpu_capability": "Z80"}}, r"other bits \(cpu_capability Z80 then, .* now\)"),
        ({"machine": {"threads": 0}}, r"threads: wanted a whole number from 1 up, got 0$"),
    ],
)
def test_another_machine_would_give_other_bits(
    data: tuple[sl.Scene, sl.Labels, sl.Split],
    tmp_path: Path,
    change: dict[str, dict[str, Any]],
    words: str,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        sl.train(*data, out=tmp_path / "run", on_epoch=_stop_after(1), **FLAGS)
    path = tmp_path / "run.part" / "begin.json"
    begun = json.loads(path.read_text())
    for key, value in change.items():
        begun[key].update(value)
    path.write_text(json.dumps(begun))
    with pytest.raises(RunError, match=words):
        sl.train(*data, out=tmp_path / "run", resume=True, **FLAGS)
    assert (tmp_path / "run.part" / "resume.safetensors").exists()


def test_as_many_threads_as_before(
    data: tuple[sl.Scene, sl.Labels, sl.Split], tmp_path: Path
) -> None:
    known = scene_training(*data, settings(**FLAGS), 0)
    known = known.model_copy(update={"machine": {**known.machine, "threads": 3}})
    before = torch.get_num_threads()
    with new_run(tmp_path / "run", known, data[2], overwrite=False, resume=False):
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == before


def test_two_processes_cannot_write_one_run(
    data: tuple[sl.Scene, sl.Labels, sl.Split], tmp_path: Path
) -> None:
    """Another process holds the lock, with the system's own command, until it is killed."""
    part = tmp_path / "run.part"
    part.mkdir()
    other = subprocess.Popen(
        ["flock", part / "lock", "sh", "-c", "echo held; exec sleep 60"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(RunError) as caught:
        sl.train(*data, out=tmp_path / "run", **FLAGS)
    assert str(caught.value) == (
        f"{part}: another process is writing there; wait for it, or stop it"
    )
    subprocess.run(["pkill", "-KILL", "-P", str(other.pid)], check=False)
    other.kill()
    other.communicate()
    sl.train(*data, out=tmp_path / "run", **{**FLAGS, "epochs": 1})
    assert _names(tmp_path) == ["run"]


def test_a_run_that_another_process_trains_was_not_stopped(
    data: tuple[sl.Scene, sl.Labels, sl.Split], typed: Type, tmp_path: Path
) -> None:
    """Whatever is asked for, the process is named, and nothing is touched."""
    out, part = tmp_path / "run", tmp_path / "run.part"
    with pytest.raises(KeyboardInterrupt):
        sl.train(*data, out=out, on_epoch=_stop_after(2), **FLAGS)
    before = {path: path.read_bytes() for path in part.iterdir() if path.name != "lock"}
    message = f"{part}: process {os.getpid()} is writing there; wait for it, or stop it"
    with locked(part):
        options: list[dict[str, Any]] = [{}, {"resume": True}, {"overwrite": True}]
        for option in options:
            with pytest.raises(RunError) as caught:
                sl.train(*data, out=out, **{**FLAGS, **option})
            assert str(caught.value) == message
        # before the data are read
        assert typed("train", "--data", "indian_pines", "--out", out) == (2, f"error: {message}")
    assert before == {path: path.read_bytes() for path in part.iterdir() if path.name != "lock"}
    with pytest.raises(RunError, match=r"a run that was stopped after epoch 2 of 5; go on with"):
        sl.train(*data, out=out, **FLAGS)


def test_bad_input_and_diverging_leave_nothing(
    data: tuple[sl.Scene, sl.Labels, sl.Split], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"^--patience: early stopping needs a validation part"):
        sl.train(*data, out=tmp_path / "run", patience=3, **FLAGS)
    with pytest.raises(TrainingError, match=r"^the loss became"):
        sl.train(*data, out=tmp_path / "run", learning_rate=1e30, schedule="constant", **FLAGS)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_a_stopped_run_is_left_alone(
    data: tuple[sl.Scene, sl.Labels, sl.Split], tmp_path: Path
) -> None:
    (tmp_path / "run.part").mkdir()
    (tmp_path / "run.part" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(RunError) as caught:
            sl.train(*data, out=tmp_path / "run", overwrite=overwrite, **FLAGS)
        assert str(caught.value) == (
            f"{tmp_path}/run.part is in the way and not a stopped run; take another --out"
        )
    assert _names(tmp_path / "run.part") == ["thesis.txt"]


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("begin.json", r"begin\.json: damaged \(.*\); start anew with --overwrite$"),
        ("resume.safetensors", r"resume\.safetensors: cannot be read \(.*\); start anew with"),
    ],
)
def test_a_damaged_stopped_run_is_named_and_kept(
    data: tuple[sl.Scene, sl.Labels, sl.Split], tmp_path: Path, name: str, words: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        sl.train(*data, out=tmp_path / "run", on_epoch=_stop_after(1), **FLAGS)
    path = tmp_path / "run.part" / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RunError, match=words):
        sl.train(*data, out=tmp_path / "run", resume=True, **FLAGS)
    assert path.exists()
    sl.train(*data, out=tmp_path / "run", overwrite=True, **{**FLAGS, "epochs": 1})
    assert _names(tmp_path) == ["run"]


# A full disk, a failing one


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    "name",
    [
        "resume.safetensors",
        "log.jsonl",
        "model.safetensors",
        "map.tif",
        "report.json",
        "report.html",
        "map.png",
        "manifest.json",
    ],
)
def test_a_full_disk_names_the_file_and_leaves_a_stopped_run(
    data: tuple[sl.Scene, sl.Labels, sl.Split],
    whole: sl.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """The disk is full at the first write of a file, the third checkpoint or the second log."""
    opened = Path.open
    seen: list[str] = []

    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(self: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if self.name.endswith(name) and mode[0] in "wa":
            seen.append(mode)
            if len(seen) == (3 if name == "resume.safetensors" else 1 + (name == "log.jsonl")):
                return io.TextIOWrapper(Full(), write_through=True) if "b" not in mode else Full()
        return opened(self, mode, *arguments, **named)

    monkeypatch.setattr(Path, "open", full)
    if name == "map.png":
        monkeypatch.setattr(Figure, "savefig", lambda *_, **__: Full().write(b""))
    with pytest.raises(OSError, match="No space left on device") as caught:
        sl.train(*data, out=tmp_path / "run", **FLAGS)
    assert Path(str(caught.value.filename)).name == name
    assert caught.value.errno == errno.ENOSPC
    remedy, stopped = caught.value.__notes__
    assert remedy == "no incomplete file is left; make room on that disk, or write to another one"
    assert re.fullmatch(
        rf"stopped after epoch \d; go on with: spectrolite train --out {tmp_path}/run --resume",
        stopped,
    )
    assert _names(tmp_path) == ["run.part"]
    monkeypatch.undo()
    sl.train(*data, out=tmp_path / "run", resume=True, **FLAGS)
    assert _bits(tmp_path / "run") == _bits(whole.path)


LIMITED = """
import resource, signal, sys
from spectrolite.cli import app
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
app.main()
"""


@pytest.mark.slow
def test_a_file_that_the_system_will_not_write_ends_with_a_message_and_exit_code_1(
    tiny_files: tuple[Path, Path], tmp_path: Path
) -> None:
    """A real limit on the size of files, between the log and the checkpoint."""
    out = tmp_path / "run"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            LIMITED,
            "1000000",
            "train",
            "--scene",
            str(tiny_files[0]),
            "--labels",
            str(tiny_files[1]),
            "--components",
            "13",
            "--epochs",
            "3",
            "--train",
            "0.2",
            "--out",
            str(out),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-3:] == [
        f"error: [Errno 27] File too large: '{out}.part/resume.safetensors'",
        "no incomplete file is left; make room on that disk, or write to another one",
        f"stopped after epoch 0; go on with: spectrolite train --out {out} --resume",
    ]
    assert done.stdout == ""
    assert _names(tmp_path / "run.part") == ["begin.json", "lock", "log.jsonl", "split.safetensors"]


def test_a_disk_that_fails_while_the_scene_is_read(
    typed: Type, tiny_files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(io.BytesIO):
        def readinto(self, _: object) -> int:
            raise OSError(errno.EIO, "Input/output error")

    def open_(self: Path, *_: object, **__: object) -> Failing:
        assert self == tiny_files[0]
        return Failing()

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", open_)
        words = ["--scene", tiny_files[0], "--labels", tiny_files[1], "--out", tmp_path / "run"]
        printed = typed("train", *words)
    assert printed == (1, f"error: [Errno 5] Input/output error: '{tiny_files[0]}'")
    assert list(tmp_path.iterdir()) == []


# The command line


def test_out_alone_is_enough_to_resume(
    typed: Type,
    data: tuple[sl.Scene, sl.Labels, sl.Split],
    whole: sl.Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    often: None,
) -> None:
    out = tmp_path / "my run"
    files = [
        "--scene",
        whole.manifest.data.scene["file"],
        "--labels",
        whole.manifest.data.labels["file"],
    ]
    words = [
        "train",
        *files,
        "--train",
        0.2,
        "--split-seed",
        1,
        "--components",
        13,
        "--epochs",
        5,
        "--out",
        out,
    ]
    with monkeypatch.context() as patched:
        patched.setattr(TrainingProgress, "epoch", lambda _self, e, n: _stop_after(2)(e, n))
        code, printed = typed(*words)
    assert code == 130
    assert printed.endswith(
        f"stopped after epoch 2; go on with: spectrolite train --out '{out}' --resume"
    )
    assert typed(*words) == (
        2,
        f"error: {out}.part: a run that was stopped after epoch 2 of 5; go on with --resume, or "
        "discard it with --overwrite",
    )
    end = f"but {out}.part was begun with"
    for flags, message in (
        (["--epochs", 9], f"--epochs: 9, {end} 5"),
        (["--seed", 1, "--variant", "paper"], f"--seed: 1, {end} 0"),
        (["--no-flips"], f"--flips: False, {end} True"),
        (["--train", 0.3], f"--split: not the one that {out}.part was begun with"),
        (["--split", "per_class,n=5"], f"--split: not the one that {out}.part was begun with"),
    ):
        code, printed = typed("train", "--out", out, "--resume", *flags)
        assert (code, printed) == (
            2,
            f"error: {message}; leave the flag out, or start anew with --overwrite",
        )
    for flags, flag in (
        (["--root", "."], "--root"),
        (["--mirror-url", "http://127.0.0.1"], "--mirror-url"),
        (["--scene-key", "a"], "--scene-key"),
        (["--labels-key", "a"], "--labels-key"),
        (["--drop-bands", 1], "--drop-bands"),
        (["--class-field", "a"], "--class-field"),
        (["--layer", "a"], "--layer"),
        (["--scale"], "--scale"),
        (["--image-size", 8], "--image-size"),
        (["--skip-damaged"], "--skip-damaged"),
    ):
        assert typed("train", "--out", out, "--resume", *flags) == (
            2,
            f"error: {flag}: {out}.part already names its data; leave the flag out, or give all "
            "of --data, --scene or --images again",
        )
    code, printed = typed("train", "--out", out, "--resume", *files, "--epochs", 5)
    assert code == 0, printed
    assert _bits(out) == _bits(whole.path)
    assert typed("train", "--out", out, "--resume") == (
        2,
        f"error: {out} is complete: nothing to resume; take another --out",
    )


@pytest.mark.usefixtures("often")
def test_out_alone_is_not_enough_for_arrays_in_memory(
    typed: Type, tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        sl.train(*tiny, sl.split(tiny[1]), out=tmp_path / "run", on_epoch=_stop_after(1), **FLAGS)
    code, printed = typed("train", "--out", tmp_path / "run", "--resume")
    assert code == 2
    assert "trained on scene in memory, which cannot be loaded again; give scene and" in printed
