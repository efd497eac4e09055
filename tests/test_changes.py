"""Several files of a folder changed together: after a kill at any moment, all old or all new.

The kills are real ones, of a process of its own, before each thing that it does on the disk.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spectrolite.changes import changed_together, finish_change

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open")


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


OLD = {"a.txt": "old", "sub/b.txt": "old", "switch": "old", "other": "kept"}
NEW = {"a.txt": "new", "sub/b.txt": "new", "new/c.txt": "new", "switch": "new", "other": "kept"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in OLD.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def change(folder: Path) -> None:
    with changed_together(folder, "switch") as following:
        for name, text in NEW.items():
            if name != "other":
                (following / name).parent.mkdir(exist_ok=True)
                (following / f".part.{Path(name).name}").write_text(text)
                (following / f".part.{Path(name).name}").replace(following / name)


def killed_before(step: int, folder: Path) -> bool:
    """Change the folder in a child that is killed before its `step`-th change; whether it was."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    seen = 0

    def hook(event: str, _arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in CHANGES:
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    try:
        change(folder)
    finally:
        os._exit(0)


def steps() -> Iterator[int]:
    yield from range(1, 200)


def test_a_kill_leaves_all_old_files_or_all_new_ones(folder: Path) -> None:
    seen = []
    for step in steps():
        for name in contents(folder):
            (folder / name).unlink()
        for name, text in OLD.items():
            (folder / name).write_text(text)
        was_killed = killed_before(step, folder)
        finish_change(folder, "switch")
        state = {k: v for k, v in contents(folder).items() if not k.startswith(".next/")}
        assert state in (OLD, NEW)
        assert (folder / ".next" / "switch").exists() is False
        seen.append(state == NEW)
        if not was_killed:
            break
    assert len(seen) > 20
    assert seen == sorted(seen)  # old, and from one step on new
    assert {*seen} == {False, True}
    change(folder)  # whatever a kill has left
    assert contents(folder) == NEW


def test_a_block_that_fails_changes_nothing(folder: Path) -> None:
    def stopped() -> None:
        with changed_together(folder, "switch") as following:
            (following / "a.txt").write_text("new")
            (following / "switch").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert contents(folder) == OLD
    finish_change(folder, "switch")
    assert contents(folder) == OLD


def test_a_second_change_waits_for_the_first(folder: Path) -> None:
    ready, go = os.pipe()
    with changed_together(folder, "switch") as following:
        child = os.fork()
        if not child:
            signal.alarm(20)  # which ends it
            os.write(go, b"x")
            with changed_together(folder, "switch") as own:
                (own / "switch").write_text("second")
            os._exit(0)
        os.read(ready, 1)
        (following / "a.txt").write_text("first")
        (following / "switch").write_text("first")
    assert os.waitpid(child, 0)[1] == 0
    assert contents(folder) == {**OLD, "a.txt": "first", "switch": "second"}
