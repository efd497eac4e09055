"""The public names: exactly those of `__all__`, each from its own module, none shadowed."""

from __future__ import annotations

import inspect
from importlib import metadata
from pathlib import Path

import pytest

import spectrolite as sl


@pytest.mark.parametrize("name", sl.__all__)
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(sl, name)
    assert value.__module__.startswith("spectrolite.")
    assert inspect.getdoc(value)


def test_all_is_exact() -> None:
    assert sl.__all__ == sorted(set(sl.__all__))
    assert set(sl._HOMES) == set(sl.__all__)
    assert set(sl.__all__) <= set(dir(sl))


def test_no_module_bears_the_name_of_a_public_function() -> None:
    root = Path(sl.__file__).parent
    modules = {p.stem for p in root.iterdir() if p.suffix == ".py" or p.is_dir()}
    assert not modules & set(sl.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'spectrolite' has no attribute 'nothing'$"):
        _ = sl.nothing


def test_the_version_is_the_installed_one() -> None:
    assert sl.__version__ == metadata.version("spectrolite")
