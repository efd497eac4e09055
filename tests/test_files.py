"""Files that appear whole, looked at with nothing but `pathlib`."""

from __future__ import annotations

from pathlib import Path

import pytest

from spectrolite.files import whole_file


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["map.tif", "map.tif.aux.xml", "log", ".hidden", "Grünland 1.png"])
def test_a_file_appears_when_the_block_ends(tmp_path: Path, name: str) -> None:
    with whole_file(tmp_path / name) as part:
        assert part.parent == tmp_path
        assert part.name.startswith(".")  # hidden
        assert part.name.endswith(name)  # the ending says what it is to those who write it
        part.write_text("all")
        assert _names(tmp_path) == [part.name]
    assert _names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "all"


def test_what_stood_there_stands_until_the_block_ends(tmp_path: Path) -> None:
    file = tmp_path / "map.tif"
    file.write_text("before")
    with whole_file(file) as part:
        part.write_text("after")
        assert file.read_text() == "before"
    assert (file.read_text(), _names(tmp_path)) == ("after", ["map.tif"])


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", [True, False])
def test_a_block_that_fails_leaves_nothing_but_what_was_there(
    tmp_path: Path, error: type[BaseException], before: bool
) -> None:
    file = tmp_path / "map.tif"
    if before:
        file.write_text("before")

    def write() -> None:
        with whole_file(file) as part:
            part.write_text("half")
            raise error("stop")

    with pytest.raises(error, match="stop"):
        write()
    assert _names(tmp_path) == ["map.tif"] * before
    if before:
        assert file.read_text() == "before"


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "map.tif"
    file.write_text("before")
    with pytest.raises(FileNotFoundError), whole_file(file):
        pass
    assert (file.read_text(), _names(tmp_path)) == ("before", ["map.tif"])


def test_missing_folders_are_made_before_the_block(tmp_path: Path) -> None:
    file = tmp_path / "new" / "er" / "map.tif"
    with whole_file(file) as part:
        assert part.parent.is_dir()
        part.write_text("all")
    assert file.read_text() == "all"
    assert _names(file.parent) == ["map.tif"]


def test_a_bare_name_is_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with whole_file(Path("map.tif")) as part:
        part.write_text("all")
    assert _names(tmp_path) == ["map.tif"]


def test_what_a_killed_writer_left_does_not_show(tmp_path: Path) -> None:
    file = tmp_path / "map.tif"
    block = whole_file(file)
    block.__enter__().write_text("longer than what comes")
    with whole_file(file) as part:
        part.write_text("all")
    assert (file.read_text(), _names(tmp_path)) == ("all", ["map.tif"])


def test_a_folder_under_the_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "map.tif").mkdir()
    with pytest.raises(OSError, match=r"map\.tif"), whole_file(tmp_path / "map.tif") as part:
        part.write_text("all")
    assert _names(tmp_path) == ["map.tif"]


def test_a_file_where_a_folder_should_be_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(FileExistsError), whole_file(tmp_path / "runs" / "map.tif"):
        raise AssertionError("there is nowhere to write to")
    assert (tmp_path / "runs").read_text() == "a file"


def test_two_files_at_a_time_do_not_meet(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.tif") as one, whole_file(tmp_path / "b.tif") as other:
        one.write_text("a")
        other.write_text("b")
    assert [(tmp_path / name).read_text() for name in _names(tmp_path)] == ["a", "b"]


def test_the_file_may_be_read_by_those_who_may_read_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with whole_file(tmp_path / "whole") as part:
        part.write_text("")
    modes = {(tmp_path / name).stat().st_mode for name in ("plain", "whole")}
    assert len(modes) == 1
