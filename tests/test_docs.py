"""Every code block of the documentation runs, and the pages of the command line are the real ones.

Blocks of one page run in order in one folder; Python blocks share their names. So that this takes
minutes and not an hour, every training has one epoch here, training on patches takes a tenth of
them, and SVMs see a few hundred pixels. Blocks that call make are not run but held against the
Makefile.
"""

from __future__ import annotations

import inspect
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperArgument
from typer.main import get_command

import spectrolite as sl
from spectrolite.cli import app
from spectrolite.cli.setting_options import defaults_by_network, range_text, value_text
from spectrolite.evaluation import baselines, tuned_baselines
from spectrolite.models import MODELS
from spectrolite.training import defaults
from spectrolite.training.settings import setting_fields
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
    if "patches" in words:  # one epoch of a tenth of the patches
        words = [word.replace("train=0.3", "train=0.03") for word in words]
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
    for network in ("hybridsn", "mobilesn"):
        monkeypatch.setitem(defaults.DEFAULTS[network], "epochs", 1)
    monkeypatch.setattr(defaults, "PATCH_EPOCHS", 1)
    monkeypatch.setattr(baselines, "FIT_AT_MOST", 500)
    monkeypatch.setattr(baselines, "SCORE_AT_MOST", 1000)
    monkeypatch.setattr(tuned_baselines, "COSTS", (10.0, 100.0))
    monkeypatch.setattr(tuned_baselines, "GAMMAS", (1.0,))
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


def cell(text: object) -> str:
    """A text as a cell of a table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(titles: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def option_row(option: Any) -> list[str]:
    """Flag with its kind of value, meaning, default."""
    flags = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
    switch = getattr(option, "is_flag", False)
    if option.required:
        default = "required"
    elif isinstance(option.show_default, str):
        default = option.show_default
    elif switch:
        default = "off"
    else:
        default = f"`{option.default}`"
    value = option.metavar
    assert switch or value, option.name
    return [flags if switch else f"{flags} {value}", option.help, default]


def verb_text(name: str, verb: Any) -> str:
    """A verb: what it does, an example, its arguments and its options by panel."""
    what, *rest = inspect.cleandoc(verb.help).split("\n\n")
    examples = [p.removeprefix("Example: ") for p in rest if p.startswith("Example: ")]
    code = "\n\n".join(" ".join(example.strip("`").split()) for example in examples)
    parts = [f"## {name}", what, *(p for p in rest if not p.startswith("Example: "))]
    parts.append(f"```text\n{code}\n```")
    panels: dict[str, list[Any]] = {}
    for parameter in verb.params:
        kind = "Arguments" if isinstance(parameter, TyperArgument) else "Options"
        panels.setdefault(parameter.rich_help_panel or kind, []).append(parameter)
    for panel, parameters in panels.items():
        if panel == "Arguments":
            rows = [[f"`{p.metavar or p.name}`", p.help] for p in parameters]
            parts.append(table(["Argument", "Meaning"], rows))
        else:
            parts.append(table([panel, "Meaning", "Default"], list(map(option_row, parameters))))
    return "\n\n".join(parts)


def settings_text() -> str:
    """Every setting with its range and the default of each network."""
    rows = [
        [
            f"`{name}`",
            f"{field.description} {range_text(field)}".strip(),
            *(defaults_by_network(name).get(network, "") for network in MODELS),
        ]
        for name, field in setting_fields().items()
        if name != "model"
    ]
    optimisers = [
        [kind, optimiser, *(value_text(given[key]) for key in ("learning_rate", "weight_decay"))]
        for kind, table_of in defaults.OPTIMISER_DEFAULTS.items()
        for optimiser, given in table_of.items()
    ]
    return "\n\n".join(
        [
            "## Settings and their defaults",
            "A setting has one name everywhere: the keyword of `sl.train`, the flag of `train` "
            "(`--learning-rate`), the key of a recipe, and the key in `compare --model "
            "mobilesn,learning_rate=0.01`. A network without a default does not have the setting.",
            table(["Setting", "Meaning", *MODELS], rows),
            f"With `mode=patches` the default of `epochs` is {defaults.PATCH_EPOCHS}. With "
            "`mode=patches`, or with an optimiser that is not the network's default, rate and "
            "decay are these:",
            table(["Data", "optimiser", "learning_rate", "weight_decay"], optimisers),
        ]
    )


def commands_page() -> str:
    """`docs/commands.md`, made from the program itself."""
    group: Any = get_command(app.app)
    panels: dict[str, list[list[str]]] = {}
    for name, verb in group.commands.items():
        what = inspect.cleandoc(verb.help).split("\n\n")[0]
        panels.setdefault(verb.rich_help_panel, []).append([f"[{name}](#{name})", what])
    parts = [
        "# The command line",
        "This page is made from the program itself (`make docs`). `spectrolite VERB --help` shows "
        "the same in a terminal, `spectrolite --version` the version, and `spectrolite "
        "--install-completion` teaches the shell to complete verbs and flags. Exit codes: 0 done, "
        "2 wrong use or bad input, 1 any other failure.",
        *(table([panel, "What it does"], rows) for panel, rows in panels.items()),
        *(verb_text(name, verb) for name, verb in group.commands.items()),
        settings_text(),
    ]
    return "\n\n".join(parts) + "\n"


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
