"""The error tree.

Reference: the indented tree in the module's own docstring, parsed here by column, against what the
classes say of themselves (`__bases__`, `exit_code`).
"""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

import spectrolite
from spectrolite import errors
from spectrolite.errors import (
    InputError,
    MissingExtraError,
    SpectroliteError,
    TrainingError,
    did_you_mean,
)


def written_tree() -> dict[str, tuple[str | None, str]]:
    """Class name to parent's name and remark, as the docstring draws them."""
    tree: dict[str, tuple[str | None, str]] = {}
    above: list[tuple[int, str]] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        found = re.match(r"(?:    |│   )*(?:    |├── |└── )([A-Z]\w+)\s+(.+)$", line)
        if found is None:
            continue
        column, name = found.start(1), found.group(1)
        above = [(c, n) for c, n in above if c < column]
        tree[name] = (above[-1][1] if above else None, found.group(2))
        above.append((column, name))
    return tree


def defined() -> dict[str, type[SpectroliteError]]:
    classes: dict[str, Any] = {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert all(issubclass(value, SpectroliteError) for value in classes.values())
    return classes


def test_the_written_tree_names_every_class_and_no_other() -> None:
    assert sorted(written_tree()) == sorted(defined())
    assert len(written_tree()) == 13


@pytest.mark.parametrize("name", sorted(defined()))
def test_parents_and_exit_codes_match_the_written_tree(name: str) -> None:
    tree, cls = written_tree(), defined()[name]
    parent, remark = tree[name]
    assert cls.__bases__[0].__name__ == (parent or "Exception")
    builtin = re.search(r"also an? (\w+)", remark)
    assert [b.__name__ for b in cls.__bases__[1:]] == ([builtin.group(1)] if builtin else [])
    above: str | None = name
    while above and "exit code" not in tree[above][1]:
        above = tree[above][0]
    assert above is not None
    code = re.search(r"exit code (\d)", tree[above][1])
    assert code is not None
    assert cls.exit_code == int(code.group(1))


@pytest.mark.parametrize("cls", defined().values())
def test_a_message_stays_one_plain_text(cls: type[SpectroliteError]) -> None:
    assert str(cls("file.npy: wanted 3 axes, got 2")) == "file.npy: wanted 3 axes, got 2"
    assert cls.__doc__


@pytest.mark.parametrize("cls", defined().values())
def test_an_error_comes_back_from_another_process_as_it_was(cls: type[SpectroliteError]) -> None:
    error = cls("file.npy: wanted 3 axes, got 2")
    for back in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(back) is cls
        assert str(back) == str(error)
        assert back.exit_code == error.exit_code


def test_bad_input_is_a_value_error_and_failed_training_is_not() -> None:
    assert issubclass(InputError, ValueError)
    assert not issubclass(TrainingError, ValueError)
    assert TrainingError.exit_code == 1
    assert InputError.exit_code == 2


def test_a_missing_extra_is_caught_as_an_import_error_too() -> None:
    assert issubclass(MissingExtraError, ImportError)
    assert issubclass(MissingExtraError, ValueError)


def test_the_root_is_a_public_name() -> None:
    assert spectrolite.SpectroliteError is SpectroliteError


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("hybridns", "; did you mean hybridsn?"),
        ("mobilesn", "; did you mean mobilesn?"),
        ("mobilesm", "; did you mean mobilesn?"),
        ("svm", ""),
        ("", ""),
    ],
)
def test_a_misspelt_name_brings_up_the_nearest_known_one(word: str, end: str) -> None:
    assert did_you_mean(word, (["hybridsn", "mobilesn", "mobilenetv1"])) == end
