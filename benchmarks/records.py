"""What every result is written down with, and how one of its figures is made again.

A record is `results/NAME.json`: commit, command, date, machine, inputs, then the figures. Its
command names the script that wrote it. That script has `again(record, generator) -> Repeat`, which
draws one figure that can be made alone; `repro.py` makes it and compares.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn")

Record = dict[str, Any]
Values = dict[str, float | str]
Hashes = dict[str, str] | str  # name to sha256, or the reason why there is none


@dataclass(frozen=True)
class Repeat:
    """One figure of a record, and how it is made again.

    Attributes:
        what: the figure in words, with what it takes where that is long.
        stored: its values in the record; texts are hashes.
        make: computes them again, under the same names.
        tolerance: largest difference of a value where the same bits are not promised. A name that
            is not in it is then not compared.
        exact: whether the same code on the same versions, threads and CPU capability gives the
            same bits; False for what a clock measured.
    """

    what: str
    stored: Values
    make: Callable[[], Values]
    tolerance: dict[str, float]
    exact: bool = True


def write_record(
    name: str, content: Record, *, data: Hashes, split: Hashes, weights: Hashes
) -> Path:
    """Write `results/NAME.json`.

    Args:
        name: of the record.
        content: the figures.
        data: sha256 of each array or file that was read, by name; or why there are none.
        split: sha256 of each split, by its words; or why there is none.
        weights: sha256 of the trained weights, by what trained them; or why there are none.

    Raises:
        SystemExit: the package's source differs from the commit that would be named, or a hash is
            none.
    """
    changed = git("status", "--porcelain", "--", "src", "benchmarks/*.py")
    if changed:
        sys.exit(f"commit first, so that the result can name what made it:\n{changed}")
    record = {
        "commit": git("rev-parse", "HEAD"),
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "inputs": inputs(data, split, weights),
        **content,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return path


def inputs(data: Hashes, split: Hashes, weights: Hashes) -> Record:
    """The hashes in the shape of every record: a part that is null has its reason in `without`.

    Raises:
        SystemExit: no hash, or one that is none.
    """
    parts = {"data": data, "split": split, "weights": weights}
    for part, hashes in parts.items():
        named = hashes.items() if isinstance(hashes, dict) else ()
        wrong = [name for name, sha256 in named if not re.fullmatch("[0-9a-f]{64}", sha256)]
        if wrong or not hashes:
            sys.exit(f"{part}: wanted sha256 by name, or a reason, got {hashes!r}")
    return {
        **{part: hashes if isinstance(hashes, dict) else None for part, hashes in parts.items()},
        "without": {part: reason for part, reason in parts.items() if isinstance(reason, str)},
    }


def machine() -> Record:
    """Processor, threads and versions; all but the processor's name decide about bits."""
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in PACKAGES},
    }


def git(*words: str) -> str:
    """What git says about this repository.

    Raises:
        subprocess.CalledProcessError: git refuses.
    """
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
