"""Places on disk: what is in the way, what a kill leaves, and two writers at a time.

The reference is what `pathlib` finds on the disk. Kills of real processes and full disks are tested
with runs and maps, which use these functions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spectrolite as sl
from spectrolite.errors import InputError, RunError, SettingsError
from spectrolite.part_folders import (
    check_contents,
    check_folder,
    check_free,
    check_not_both,
    locked_folder,
    make_folder,
    new_folder,
    resumable_folder,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def filled(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "model.bin").write_text(text)
    return folder


def has_model(folder: Path) -> bool:
    return (folder / "model.bin").exists()


def new(out: Path, overwrite: bool = True) -> Any:
    return new_folder(out, overwrite, "a model", has_model)


def resumable(out: Path, overwrite: bool = False, resume: bool = False) -> Any:
    return resumable_folder(
        out, "run", lambda _: "after epoch 3 of 5", overwrite=overwrite, resume=resume
    )


@pytest.mark.parametrize(
    ("check", "error", "message"),
    [
        (
            lambda p: check_free(p / "a.png", False, "--picture"),
            RunError,
            "{0}/a.png exists; take another --picture, or replace it with --overwrite",
        ),
        (
            lambda p: check_free(p / "full", True),
            RunError,
            "{0}/full is a folder; take another --out",
        ),
        (
            lambda p: check_free(p / "a.jpg", True, "--picture", ".png"),
            SettingsError,
            "--picture: wanted a name that ends in .png, got {0}/a.jpg",
        ),
        (
            lambda p: check_folder(p / "full", False, "a model", has_model),
            RunError,
            "{0}/full exists; take another --out, or replace it with --overwrite",
        ),
        (
            lambda p: check_folder(p / "full", True, "a run", lambda _: False),
            RunError,
            "{0}/full is not a run, which --overwrite does not replace; take another --out",
        ),
        (
            lambda p: check_folder(p / "a.png", True, "a run", lambda _: True),
            RunError,
            "{0}/a.png is not a run, which --overwrite does not replace; take another --out",
        ),
        (
            lambda p: check_contents(p / "full", "a comparison", ["cells"]),
            RunError,
            "{0}/full exists and is not a comparison; take another --out",
        ),
        (
            lambda p: check_contents(p / "a.png", "a comparison"),
            RunError,
            "{0}/a.png exists and is not a comparison; take another --out",
        ),
        (
            lambda p: make_folder(p / "a.png" / "b", p / "a.png" / "b"),
            RunError,
            "{0}/a.png/b: cannot be made (Not a directory); take another --out",
        ),
        (
            lambda _: check_not_both(True, True),
            SettingsError,
            "give --resume or --overwrite, not both",
        ),
    ],
)
def test_what_is_in_the_way_is_named_with_a_remedy(
    tmp_path: Path, check: Callable[[Path], None], error: type[InputError], message: str
) -> None:
    (tmp_path / "a.png").touch()
    filled(tmp_path / "full", "mine")
    with pytest.raises(error) as caught:
        check(tmp_path)
    assert type(caught.value) is error
    assert str(caught.value) == message.format(tmp_path)
    assert names(tmp_path) == ["a.png", "full"]


def test_what_is_not_in_the_way_passes(tmp_path: Path) -> None:
    (tmp_path / "a.PNG").touch()
    filled(tmp_path / "full", "mine")
    (tmp_path / "full" / ".part.league.json").touch()
    check_free(tmp_path / "a.PNG", True, "--picture", ".png")
    check_free(tmp_path / "b.png", False)
    check_folder(tmp_path / "full", True, "a model", has_model)
    check_folder(tmp_path / "none", False, "a model", has_model)
    check_contents(tmp_path / "full", "a model", ["model.bin"])
    check_contents(tmp_path / "none", "a model")
    check_not_both(True, False)
    check_not_both(False, True)


# New folders


def test_the_old_folder_stays_until_the_new_one_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = filled(tmp_path / "out", "old")
    rename = Path.rename

    def killed(source: Path, target: Path) -> Path:
        if source.name == ".part.out":
            raise KeyboardInterrupt
        return rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt), new(out):
            pass
    assert names(tmp_path) == ["out"]
    assert (out / "model.bin").read_text() == "old"

    out.rename(tmp_path / ".replaced.out")  # as a kill between the two renames leaves it
    with pytest.raises(RunError) as caught, new(out, overwrite=False):
        pass
    assert str(caught.value) == (
        f"{out} exists; take another --out, or replace it with --overwrite"
    )
    assert (out / "model.bin").read_text() == "old"
    filled(tmp_path / ".replaced.out", "older")  # as a kill after the second rename leaves it
    with new(out) as part:
        (part / "model.bin").write_text("new")
    assert names(tmp_path) == ["out"]
    assert (out / "model.bin").read_text() == "new"


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_folder_alone(
    tmp_path: Path, error: type[BaseException]
) -> None:
    out = filled(tmp_path / "out", "old")

    def write() -> None:
        with new(out) as part:
            (part / "model.bin").write_text("half")
            raise error("stop")

    with pytest.raises(error, match="stop"):
        write()
    assert names(tmp_path) == ["out"]
    assert (out / "model.bin").read_text() == "old"


def test_the_working_folder_can_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = filled(tmp_path / "out", "old")
    monkeypatch.chdir(out)
    with new(Path()) as part:
        (part / "model.bin").write_text("new")
    assert (out / "model.bin").read_text() == "new"
    assert names(tmp_path) == ["out"]


def test_a_link_is_refused_before_the_block_runs(tmp_path: Path) -> None:
    target, link = filled(tmp_path / "target", "old"), tmp_path / "link"
    link.symlink_to(target)
    for exists in (True, False):
        with pytest.raises(RunError) as caught, new(link):
            raise AssertionError("begun")
        assert str(caught.value) == (
            f"{link} is a link, which --overwrite does not replace; take another --out"
        )
        assert link.is_symlink()
        if exists:
            assert (target / "model.bin").read_text() == "old"
            shutil.rmtree(target)


# Folders that can be resumed


def test_a_stopped_one_is_kept_resumed_or_discarded(tmp_path: Path) -> None:
    out, part = tmp_path / "run", tmp_path / "run.part"
    with resumable(out) as folder:
        assert folder == part
        (part / "begin.json").write_text("{}")
        (part / "log").mkdir()
    assert names(part) == ["begin.json", "lock", "log"]
    with pytest.raises(RunError) as caught, resumable(out):
        raise AssertionError("begun")
    assert str(caught.value) == (
        f"{part}: a run that was stopped after epoch 3 of 5; go on with --resume, or discard it "
        "with --overwrite"
    )
    with resumable(out, resume=True):
        assert names(part) == ["begin.json", "lock", "log"]
    with resumable(out, overwrite=True):
        assert names(part) == ["lock"]
    with resumable(out):  # nothing was begun in it, so nothing is lost
        assert names(part) == ["lock"]
    (part / "thesis.txt").touch()
    for overwrite in (False, True):
        with pytest.raises(RunError) as caught, resumable(out, overwrite=overwrite):
            raise AssertionError("begun")
        assert str(caught.value) == (
            f"{part} is in the way and not a stopped run; take another --out"
        )
    assert names(part) == ["lock", "thesis.txt"]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Seen by the system's own command for locks."""
    out, lock = tmp_path / "run", tmp_path / "run.part" / "lock"

    def is_held() -> bool:
        return subprocess.run(["flock", "-n", lock, "true"], check=False).returncode == 1

    with resumable(out):
        assert is_held()
        with pytest.raises(RunError) as caught, resumable(out):
            raise AssertionError("begun")
        assert str(caught.value) == (
            f"{tmp_path}/run.part: process {os.getpid()} is writing there; wait for it, or stop it"
        )
    assert not is_held()


def test_verbs_of_several_runs_have_their_folder_to_themselves(
    mobilesn_run: sl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`compare`, `repeat` and `demo`: a second one is refused before its first training."""
    scene, labels = mobilesn_run.data()
    monkeypatch.setattr("spectrolite.experiments.tour.load", lambda _: (scene, labels))
    out = tmp_path / "out"
    splits = ["random,train=0.3"]
    verbs: list[Callable[[], object]] = [
        lambda: sl.compare(scene, labels, models=["position"], splits=splits, seeds=1, out=out),
        lambda: sl.repeat(mobilesn_run.path, 2, out=out),
        lambda: sl.demo(out),
    ]
    with locked_folder(out):
        for verb in verbs:
            with pytest.raises(RunError) as caught:
                verb()
            assert str(caught.value) == (
                f"{out}: process {os.getpid()} is writing there; wait for it, or stop it"
            )
    assert names(out) == []
    verbs[0]()
    assert names(out) == ["cells", "league.html", "league.json"]


def test_whoever_opens_a_folder_finds_the_old_one_if_a_kill_kept_the_new_one_away(
    mobilesn_run: sl.Run, tmp_path: Path
) -> None:
    copy = tmp_path / ".replaced.run"  # as a kill between the two renames leaves it
    for open_ in (sl.open_run, sl.load_bundle):
        shutil.copytree(mobilesn_run.path, copy)
        open_(tmp_path / "run")
        assert names(tmp_path) == ["run"]
        shutil.rmtree(tmp_path / "run")
