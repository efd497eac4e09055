"""Every code block of the documentation runs, and the pages of the command line are the real ones.

Blocks of one page run in order in one folder; Python blocks share their names. So that this takes
minutes and not an hour, a training without `--epochs` has one epoch here, and one with it has one
too. Blocks that call make are not run but held against the Makefile.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import spectrolite as sl
from spectrolite.cli import app
from spectrolite.training import settings
from test_layers import ROOMS

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = ROOT / "docs" / "commands.md"


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def run_command(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type one line of a shell block."""
    program, *words = shlex.split(line, comments=True)
    if program == "make":
        target = next(w for w in words if "=" not in w)
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        return
    if Path(program).name in ("git", "cd", "python", "pip"):
        return  # set-up of a machine, and benchmarks: not the work of a test
    assert program == "spectrolite", line
    if "--epochs" in words:
        words[words.index("--epochs") + 1] = "1"
    if "--max-drop" in words:  # after one epoch a network knows too little to lose it
        words[words.index("--max-drop") + 1] = "100"
    monkeypatch.setattr(sys, "argv", [program, *words])
    with pytest.raises(SystemExit) as stop:
        app.main()
    assert not stop.value.code, line


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(settings.EPOCHS, "dense", 1)
    monkeypatch.setitem(settings.EPOCHS, "patches", 1)
    monkeypatch.setitem(settings.SUITED["mobilesn"], "epochs", 1)
    names: dict[str, object] = {"__name__": page.stem}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, str(page), "exec"), names)
        elif language == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                if line.strip() and not line.startswith("#"):
                    run_command(line, monkeypatch)
        else:
            assert language == "text", f"{page.name}: a block of unknown kind {language!r}"


def commands_page() -> str:
    """`docs/commands.md` as the command line would write it."""
    verbs = [c.name or c.callback.__name__ for c in app.app.registered_commands if c.callback]
    runner = CliRunner(env={"TERMINAL_WIDTH": "100", "COLUMNS": "100", "NO_COLOR": "1"})
    parts = ["# The command line\n\nWritten by `make docs` from the program itself.\n"]
    for words in ([], *([verb] for verb in verbs)):
        done = runner.invoke(app.app, [*words, "--help"], prog_name="spectrolite")
        text = "\n".join(line.rstrip() for line in done.output.strip().splitlines())
        parts.append(f"## {' '.join(['spectrolite', *words])}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def test_the_commands_page_is_the_real_one() -> None:
    page = commands_page()
    if os.environ.get("SPECTROLITE_WRITE_DOCS") == "1":
        COMMANDS.write_text(page, encoding="utf-8")
    assert COMMANDS.read_text(encoding="utf-8") == page, "run make docs"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "DESIGN.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def headings(page: Path) -> set[str]:
    """What each heading of a page is called in a link."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_links_to_a_part_of_a_page_lead_to_a_heading() -> None:
    found = 0
    for page in [*PAGES, ROOT / "DESIGN.md", ROOT / "CHANGELOG.md", ROOT / "README.zh.md"]:
        text = page.read_text(encoding="utf-8")
        for target, part in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
            there = page.parent / target if target else page
            assert part in headings(there), f"{page.name}: {target}#{part}"
            found += 1
    assert found


def test_the_tree_of_the_readme_lists_the_rooms_in_import_order() -> None:
    """The reference are the folders that git would carry."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    source = ROOT / "src" / "spectrolite"
    folders = {path.parent.name for path in source.glob("*/__init__.py")}
    assert re.findall(r"^  (\w+)/ ", readme, re.MULTILINE) == [r for r in ROOMS if r in folders]


def test_the_python_reference_has_every_public_name_once() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: spectrolite\.(\w+)$", page, re.MULTILINE)) == sl.__all__


def test_every_page_is_in_the_site_and_on_the_front_page() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert set(re.findall(r"^ +- (\S+\.md)$", site, re.MULTILINE)) == pages
    assert set(re.findall(r"\]\(docs/([^)#]+\.md)\)", front)) == pages - {"index.md"}
