"""A new exported folder appears complete, and replaces only what it may."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from spectrolite import part_folders
from spectrolite.bundles.exported_folder import is_exported_folder
from spectrolite.errors import RunError


def new_folder(out: Path, overwrite: bool) -> AbstractContextManager[Path]:
    return part_folders.new_folder(out, overwrite, "an exported folder", is_exported_folder)


def filled(folder: Path, words: str) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(words)
    return folder


def test_an_old_folder_stays_until_the_new_one_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = filled(tmp_path / "out", "old")
    real = Path.rename

    def killed(source: Path, target: Path) -> Path:
        if source.name == ".part.out":
            raise KeyboardInterrupt
        return real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt), new_folder(out, overwrite=True):
            pass
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (out / "config.json").read_text() == "old"

    out.rename(tmp_path / ".replaced.out")  # the state after a kill
    with pytest.raises(RunError) as caught, new_folder(out, overwrite=False):
        pass
    assert str(caught.value) == (
        f"{out} exists; take another --out, or replace it with --overwrite"
    )
    assert (out / "config.json").read_text() == "old"
    filled(tmp_path / ".replaced.out", "older")  # the state after a later kill
    with new_folder(out, overwrite=True) as part:
        (part / "config.json").write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (out / "config.json").read_text() == "new"


def test_the_working_directory_can_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = filled(tmp_path / "out", "old")
    monkeypatch.chdir(out)
    with new_folder(Path(), overwrite=True) as part:
        (part / "config.json").write_text("new")
    assert (out / "config.json").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_link_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    target, link = filled(tmp_path / "target", "old"), tmp_path / "link"
    link.symlink_to(target)
    for there in (True, False):
        with pytest.raises(RunError) as caught, new_folder(link, overwrite=True):
            raise AssertionError("begun")
        assert str(caught.value) == (
            f"{link} is a link, which --overwrite does not replace; take another --out"
        )
        if there:
            assert (target / "config.json").read_text() == "old"
            shutil.rmtree(target)
    assert link.is_symlink()
