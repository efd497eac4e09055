"""The help pages: width, examples, defaults, and that settings are what `settings` says.

The pages are read as a terminal of 80 columns shows them; defaults are compared with what the
Python functions do without the flag.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import spectrolite as sl
from spectrolite.cli import app, train
from spectrolite.cli.setting_options import range_text, setting_help
from spectrolite.datasets import catalog
from spectrolite.deploy.export import export
from spectrolite.experiments import tour
from spectrolite.experiments.comparison import compare
from spectrolite.experiments.repetition import repeat
from spectrolite.mapping.large_maps import MAP_WINDOW
from spectrolite.mapping.map_file import DEFAULT_BANDS
from spectrolite.models import IMAGE_MODELS, MODELS
from spectrolite.training.keywords import flat_settings, settings
from spectrolite.training.recipes import recipe_names
from spectrolite.training.settings import setting_fields

COMMANDS: dict[str, Any] = get_command(app.app).commands  # type: ignore[attr-defined]
Typed = Callable[..., tuple[int, str, str]]


def option(verb: str, name: str) -> Any:
    """One option of a verb, by its name in Python."""
    return next(p for p in COMMANDS[verb].params if p.name == name)


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


def test_verbs_are_called_as_the_public_functions() -> None:
    """`data` lists what `load` reads; `info` and `map` are `scene_info` and `map_scene`."""
    assert set(COMMANDS) - set(sl.__all__) == {"data", "info", "map"}
    assert len(COMMANDS) == 19


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_page_fits_80_columns_and_has_an_example(typed: Typed, verb: str) -> None:
    code, page, _ = typed(verb, "--help")
    assert code == 0
    assert max(map(len, page.splitlines())) == 80
    assert "…" not in page, "cut short"
    assert f"spectrolite {verb} " in page.split("Example: ")[1]
    assert "--json" in page


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_option_shows_its_help_and_its_default(typed: Typed, verb: str) -> None:
    page = " ".join(typed(verb, "--help")[1].replace("│", " ").split())
    for parameter in COMMANDS[verb].params:
        assert parameter.help, parameter.name
        assert parameter.help.endswith("."), parameter.name
        switch = getattr(parameter, "is_flag", False) and not parameter.secondary_opts
        if parameter.required or switch:
            assert not isinstance(parameter.show_default, str), parameter.name
            continue
        shown = parameter.show_default
        text = f"({shown})" if isinstance(shown, str) else str(parameter.default)
        if parameter.name == "overwrite":
            text = "no-overwrite"
        assert f"[default: {text}]" in page, parameter.name


def test_the_first_page_lists_every_verb(typed: Typed) -> None:
    page = typed("--help")[1]
    assert all(f"│ {verb} " in page for verb in COMMANDS)
    assert max(map(len, page.splitlines())) == 80


@pytest.mark.parametrize("name", setting_fields())
def test_a_setting_is_an_option_of_train(name: str) -> None:
    field, shown = setting_fields()[name], option("train", name)
    assert f"--{name.replace('_', '-')}" in shown.opts
    assert shown.help == setting_help(name)
    assert shown.help.startswith(field.description)
    assert shown.default is None


@pytest.mark.parametrize("name", [name for name in setting_fields() if name != "model"])
def test_the_default_shown_is_what_settings_gives_each_network(name: str) -> None:
    shown = option("train", name).show_default
    by_network = dict(words.split(" ") for words in shown.split(", ")) if " " in shown else {}
    for network in MODELS:
        flat = flat_settings(settings(model=network))
        kind = "images" if network in IMAGE_MODELS else "scenes"
        text = by_network.get(network, by_network.get(kind)) if by_network else shown
        if name not in flat or (name in ("width", "receptive_field") and flat[name] is None):
            assert not by_network or text is None
        elif isinstance(flat[name], bool):
            assert text == ("on" if flat[name] else "off")
        elif isinstance(flat[name], float):
            assert float(str(text)) == flat[name]
        else:
            assert text == str(flat[name]).lower()


def test_the_default_network_is_the_one_that_train_takes(tiny_run: sl.Run) -> None:
    assert option("train", "model").show_default == "scenes hybridsn, images mobilenet_v2"
    assert tiny_run.settings.model.model == "hybridsn"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("epochs", "Range: from 1."),
        ("momentum", "Range: from 0, below 1."),
        ("rise", "Range: above 0, below 1."),
        ("width", "Range: from 0.05 to 8."),
        ("optimiser", "One of adamw, adam, sgd."),
        ("flips", ""),
        ("device", ""),
    ],
)
def test_a_range_in_words(name: str, text: str) -> None:
    assert range_text(setting_fields()[name]) == text


def test_the_defaults_that_explain_shows_are_the_networks() -> None:
    for name in ("variant", "width", "receptive_field", "activation", "small_images", "classes"):
        shown = option("explain", name).show_default
        by_network = dict(words.split(" ") for words in shown.split(", ")) if " " in shown else {}
        for network, kind in MODELS.items():
            default = signature(kind).parameters.get(name)
            if default is None or default.default is default.empty:
                continue
            value = "on" if default.default is True else default.default
            own = by_network.get(network, by_network.get("images")) if by_network else shown
            assert own == (f"{value:g}" if isinstance(value, float) else str(value)), name


def test_defaults_of_other_verbs_are_those_of_the_functions() -> None:
    assert option("map", "window").show_default == str(MAP_WINDOW)
    assert option("map", "bands").default == ",".join(DEFAULT_BANDS)
    for verb, function in (("compare", compare), ("repeat", repeat), ("export", export)):
        for name, parameter in signature(function).parameters.items():
            if name in ("seeds", "first_seed", "vary", "format"):
                shown = option(verb, "format_" if name == "format" else name).default
                assert shown == parameter.default, (verb, name)


def test_the_epochs_of_the_demo_are_those_of_its_trainings() -> None:
    short, full = (
        {stop.settings["model"]: settings(**stop.settings).training.epochs for stop in stops}
        for stops in (tour.SHORT, tour.FULL)
    )
    assert option("demo", "epochs").show_default == (
        ", ".join(f"{network} {epochs}" for network, epochs in short.items())
        + f"; {full['hybridsn']} with --full"
    )


def test_the_recipes_named_are_those_that_there_are() -> None:
    assert f"({', '.join(recipe_names())})" in option("train", "recipe").help


MISSPELT = {
    "model": (
        "train --data indian_pines --model hybridns --out x",
        "--model: wanted one of hybridsn, mobilesn, mobilenet_v1, mobilenet_v2, got 'hybridns'; "
        "did you mean hybridsn?",
    ),
    "variant": (
        "train --data cifar10 --variant papers --out x",
        "--variant: mobilenet_v2: wanted one of paper, course, got 'papers'; did you mean paper?",
    ),
    "value": (
        "train --data indian_pines --reduction pcaa --out x",
        "--reduction: wanted 'pca' or 'mnf', got 'pcaa'; did you mean pca?",
    ),
    "split": (
        "train --data indian_pines --split blok --out x",
        "--split: wanted one of random, per_class, blocks, blocks_by_class, fields, polygons, "
        "scenes, given, got 'blok'; did you mean blocks?",
    ),
    "keyword of a split": (
        "train --data indian_pines --split blocks,gard=6 --out x",
        "--split: no keyword gard; wanted one of train, test, n, side, seed, guard, validation, "
        "allow_missing; did you mean guard?",
    ),
    "data": (
        "train --data indian_pine --out x",
        f"data: wanted one of {', '.join(catalog.DATASETS)}, got 'indian_pine'; "
        "did you mean indian_pines?",
    ),
    "recipe": (
        "train --data cifar10 --recipe full200 --out x",
        f"--recipe: wanted one of {', '.join(recipe_names())}, or a path that ends in .toml, "
        "got 'full200'; did you mean full-200?",
    ),
    "model of a comparison": (
        "compare --data ksc --model swm --split random --out x",
        "--model: wanted one of hybridsn, mobilesn, svm, svm_context, random_forest, position, "
        "got 'swm'; did you mean svm?",
    ),
    "parameter of a baseline": (
        "compare --data ksc --model svm_context,sid=3 --split random --out x",
        "svm_context: no parameter sid; wanted components, reduction, side; did you mean side?",
    ),
    "split of a comparison": (
        "compare --data ksc --model svm --split randon --out x",
        "--split: wanted one of random, per_class, blocks, blocks_by_class, fields, polygons, "
        "scenes, given, got 'randon'; did you mean random?",
    ),
}


@pytest.mark.parametrize("case", MISSPELT)
def test_a_misspelt_word_is_refused_before_data_are_read(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("data were read")

    monkeypatch.setattr(catalog, "load", load)
    monkeypatch.chdir(tmp_path)
    words, message = MISSPELT[case]
    assert typed(*words.split()) == (2, "", f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_flag_or_verb_is_answered_with_the_nearest(typed: Typed) -> None:
    code, _, err = typed("train", "--modle", "hybridsn")
    assert code == 2
    assert "No such option: --modle (Possible options: --mode, --model)" in err
    code, _, err = typed("trian")
    assert code == 2
    assert "No such command 'trian'. Did you mean 'train'?" in err


def test_version(typed: Typed) -> None:
    assert typed("--version") == (0, f"{sl.__version__}\n", "")


def test_a_shell_can_complete_verbs() -> None:
    """The shell asks through these variables, as the installed completion script does."""
    asked = {"COMP_WORDS": "spectrolite ver", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from spectrolite.cli.app import app; app(prog_name='spectrolite')"],
        env={**os.environ, **asked, "_SPECTROLITE_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["verify"]


def test_every_setting_goes_through_the_command_line(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each flag reaches the settings under the name of its field."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(train, "load_data", lambda *_, **__: (None, None))
    monkeypatch.setattr(train, "_draw", lambda *_: None)

    def stop(*_: object, **keywords: Any) -> None:
        given.update(keywords)
        raise KeyboardInterrupt

    monkeypatch.setattr("spectrolite.experiments.training_runs.train", stop)
    values = {k: v for k, v in flat_settings(settings(model="mobilesn")).items() if v is not None}
    words: list[object] = []
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, value]
    assert typed("train", "--data", "ksc", "--out", tmp_path / "x", *words)[0] == 130
    assert {k: v for k, v in given.items() if k in setting_fields()} == values
