"""What every result is written down with: commit, command, date, machine."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


def write_record(name: str, content: dict[str, Any]) -> Path:
    """Write `results/NAME.json`.

    Raises:
        SystemExit: the package's source differs from the commit that would be named.
    """
    root = Path(__file__).parent.parent
    changed = _git(root, "status", "--porcelain", "--", "src", "benchmarks/*.py")
    if changed:
        sys.exit(f"commit first, so that the result can name what made it:\n{changed}")
    record = {
        "commit": _git(root, "rev-parse", "HEAD"),
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "threads": torch.get_num_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "python": platform.python_version(),
            "torch": metadata.version("torch"),
        },
        **content,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return path


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
