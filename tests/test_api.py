"""The public names: exactly those of `__all__`, each from its own module, none shadowed."""

from __future__ import annotations

import ast
from importlib import metadata
from pathlib import Path

import pytest

import spectrolite as sl


@pytest.mark.parametrize("name", sl.__all__)
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    """Its own text: neither one inherited nor the signature that a dataclass makes up."""
    value = getattr(sl, name)
    assert value.__module__.startswith("spectrolite.")
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}(")


def test_all_is_exact() -> None:
    """The stub says where each name is defined; `dir` lists those names alone."""
    stub = ast.parse(Path(sl.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module for node in imports for alias in node.names}
    assert sl.__all__ == sorted(homes)
    assert dir(sl) == sorted(homes)
    for name, home in homes.items():
        assert getattr(sl, name).__module__.startswith(f"spectrolite.{home}"), name


def test_no_module_bears_the_name_of_a_public_function() -> None:
    root = Path(sl.__file__).parent
    modules = {p.stem for p in root.iterdir() if p.suffix == ".py" or p.is_dir()}
    assert not modules & set(sl.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = sl.nothing  # type: ignore[attr-defined]


def test_the_version_is_the_installed_one() -> None:
    assert sl.__version__ == metadata.version("spectrolite")
