"""The script of mutated inputs: it finds planted faults, and a seed makes the same inputs again."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import input_families
import mutated_input_worker
import numpy as np
import pytest
from mutations import mutated

from spectrolite.errors import ReadError, VerifyError


def _refuse(_path: Path) -> None:
    raise ReadError("no")


def _fail(_path: Path) -> None:
    raise VerifyError("no")


def _traceback(_path: Path) -> None:
    raise KeyError("no")


def _long(_path: Path) -> None:
    raise ReadError("no" * 2000)


def _warn(_path: Path) -> None:
    warnings.warn("no", RuntimeWarning, stacklevel=1)


def _memory(_path: Path) -> None:
    raise MemoryError


def _read(_path: Path) -> None:
    return None


@pytest.mark.parametrize(
    ("read", "wanted"),
    [
        (_read, "read"),
        (_refuse, "refused"),
        (_fail, "exit 1"),
        (_traceback, "traceback"),
        (_long, "long message"),
        (_warn, "warning"),
        (_memory, "memory"),
    ],
)
def test_every_outcome_is_told_apart(read: Callable[[Path], None], wanted: str) -> None:
    assert mutated_input_worker.outcome(read, Path("x"), 10, 1000)[0] == wanted


def test_the_same_seed_makes_the_same_inputs_and_another_number_others(tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.mkdir()
    input_families.FAMILIES["envi"][0](good)
    kept = {p.name: p.read_bytes() for p in good.iterdir()}
    made = []
    for number in (0, 1, 0):
        mutated_input_worker.make(good, tmp_path / "input", "envi", number, seed=3)
        made.append({p.name: p.read_bytes() for p in (tmp_path / "input").iterdir()})
    assert made[0] == made[2] != made[1]
    for one in made:
        assert sum(one[name] != kept[name] for name in kept) == 1


@pytest.mark.parametrize("content", [b"a = 1\nb = 2\n", bytes(range(256)) * 8, b"x"])
def test_a_mutation_changes_the_file(content: bytes) -> None:
    made = {mutated(content, np.random.default_rng(seed)) for seed in range(200)}
    assert content not in made
    assert len(made) > (1 if len(content) == 1 else 100)


def test_the_script_reads_inputs_in_a_worker_and_says_what_came_of_them() -> None:
    script = Path(mutated_input_worker.__file__).with_name("mutated_inputs.py")
    words = [sys.executable, str(script), "--families", "recipe", "--inputs", "20"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.removeprefix("recipe "))
    assert sum(found["outcomes"].values()) == 20
    assert found["outcomes"]["refused"] > 5
    assert found["faults"] == {}
