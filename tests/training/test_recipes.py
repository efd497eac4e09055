"""Recipes: each fits the networks it is for, says how it is run, and can be overridden."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import spectrolite as sl
from spectrolite.errors import SettingsError
from spectrolite.training.keywords import settings
from spectrolite.training.recipes import FOLDER, read_recipe, recipe_names
from spectrolite.training.settings import setting_fields

ROOT = Path(__file__).parents[2]


def test_the_recipes_that_come_with_the_package() -> None:
    assert recipe_names() == ["course-10-epochs", "full-200", "ten-epochs"]
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    data = packaged["tool"]["setuptools"]["package-data"]["spectrolite"]
    assert all(
        any(path.match(f"spectrolite/{glob}") for glob in data) for path in FOLDER.glob("*.toml")
    )


@pytest.mark.parametrize("name", recipe_names())
@pytest.mark.parametrize("model", ["mobilenet_v1", "mobilenet_v2"])
def test_a_recipe_fits_both_networks_and_sets_what_it_says(name: str, model: str) -> None:
    recipe = read_recipe(name)
    made = settings(model=model, **recipe).model_dump()
    flat = {k: v for stage in made.values() for k, v in stage.items()}
    assert {k: flat[k] for k in recipe} == recipe


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_opens_with_how_it_is_run(name: str) -> None:
    head = (FOLDER / f"{name}.toml").read_text(encoding="utf-8").split("\n\n")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"--recipe {name} " in head
    assert all(f"# {word} " in head for word in ("command", "score", "time", "source"))


def test_the_courses_recipe_is_the_notebooks() -> None:
    """Adam 1e-3, batch 128, crop and flip, ten epochs, ReLU; no smoothing, no decay."""
    recipe = read_recipe("course-10-epochs")
    wanted = {
        "optimiser": "adam",
        "learning_rate": 1e-3,
        "batch": 128,
        "epochs": 10,
        "pad": 4,
        "fill": "zero",
        "mirror": "random",
        "activation": "relu",
        "variant": "course",
        "label_smoothing": 0.0,
        "weight_decay": 0.0,
        "ema": 0.0,
        "schedule": "constant",
    }
    assert {k: recipe[k] for k in wanted} == wanted


def test_both_ten_epoch_recipes_have_one_budget() -> None:
    one, other = read_recipe("course-10-epochs"), read_recipe("ten-epochs")
    assert (one["epochs"], one["batch"]) == (other["epochs"], other["batch"])


def test_a_recipe_from_a_file_and_what_overrides_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("epochs = 2\nlearning_rate = 0.1\n")
    assert sl.read_recipe(path) == {"epochs": 2, "learning_rate": 0.1}
    made = settings(model="mobilenet_v1", **{**sl.read_recipe(str(path)), "epochs": 3})
    assert (made.training.epochs, made.training.learning_rate) == (3, 0.1)


def test_recipes_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_recipe("elevenepochs")
    assert str(caught.value) == (
        "--recipe: wanted one of course-10-epochs, full-200, ten-epochs, or a path that ends in "
        ".toml, got 'elevenepochs'; did you mean ten-epochs?"
    )
    gone, broken, strange = (tmp_path / f"{n}.toml" for n in ("gone", "broken", "strange"))
    with pytest.raises(SettingsError) as caught:
        read_recipe(gone)
    assert str(caught.value) == f"--recipe: {gone}: cannot be read (No such file or directory)"
    broken.write_text("epochs = = 2")
    with pytest.raises(SettingsError, match=r"^--recipe: .*broken\.toml: not TOML \("):
        read_recipe(broken)
    strange.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"^--recipe: .*strange\.toml: not TOML \("):
        read_recipe(strange)
    strange.write_text("epochs = " + "[" * 100_000)
    with pytest.raises(SettingsError, match=r"^--recipe: .*strange\.toml: not TOML \("):
        read_recipe(strange)
    strange.write_text("epoch = 2")
    with pytest.raises(SettingsError) as caught:
        read_recipe(strange)
    assert str(caught.value) == (
        f"--recipe: {strange}: unknown setting epoch; wanted some of "
        f"{', '.join(setting_fields())}; did you mean epochs?"
    )
    strange.write_text("[training]\nepochs = 2")
    with pytest.raises(SettingsError, match=r"strange\.toml: unknown setting training; wanted "):
        read_recipe(strange)
