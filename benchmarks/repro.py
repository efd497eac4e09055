"""Draw one committed figure at random, make it again, and compare.

    make repro            # the seed of the draw is printed
    make repro SEED=3     # the same draw again

The same bits are wanted where code, versions, threads and CPU capability are the record's.
Elsewhere the figure has to lie within a tolerance, and what differs is said. Exits 1 where the
figure is another one.
"""

from __future__ import annotations

import argparse
import importlib
import json
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from records import RESULTS, Record, Repeat, Values, git, machine


def main() -> None:
    """Draw, make again, compare, say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="of the draw")
    parser.add_argument("--record", help="draw from this record alone, e.g. position_baseline")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the records")
    chosen = parser.parse_args()
    seed = secrets.randbelow(10_000) if chosen.seed is None else chosen.seed
    generator = np.random.default_rng(seed)
    path, record = draw(chosen.results, chosen.record, generator)
    torch.set_num_threads(record["machine"]["threads"])  # their number decides bits
    repeat = importlib.import_module(script_of(record).stem).again(record, generator)
    print(f"draw {seed}: {path.name} of {record['date'][:10]}, commit {record['commit'][:10]}")
    print(f"  {repeat.what}")
    differences = differences_from(record)
    for difference in differences:
        print(f"  not as in the record: {difference}")
    sys.stdout.flush()
    same, lines = compare(repeat, repeat.make(), differences)
    print("\n".join(lines))
    sys.exit(0 if same else 1)


def draw(results: Path, name: str | None, generator: np.random.Generator) -> tuple[Path, Record]:
    """A record, each as likely as the other, or the one of that name.

    Raises:
        SystemExit: none there, or none of that name.
    """
    paths = sorted(results.glob("*.json"))
    if name is not None:
        known = ", ".join(path.stem for path in paths)
        paths = [path for path in paths if path.stem == name]
        if not paths:
            sys.exit(f"--record: wanted one of {known}, got {name!r}")
    if not paths:
        sys.exit(f"{results}: no record in it")
    path = paths[generator.integers(len(paths))]
    return path, json.loads(path.read_text(encoding="utf-8"))


def script_of(record: Record) -> Path:
    """The script that the record's command names, from the root of the repository."""
    return Path(shlex.split(record["command"])[1])


def differences_from(record: Record) -> list[str]:
    """Why the same bits are not promised here: code, versions, threads or CPU capability."""
    here, there = machine(), record["machine"]
    found = [
        f"{key} is {here[key]} here, {there[key]} there"
        for key in here
        if key in there and key != "processor" and here[key] != there[key]
    ]
    commit = record["commit"]
    try:
        changed = git("diff", "--name-only", commit, "--", "src", str(script_of(record)))
    except (OSError, subprocess.CalledProcessError):
        return [*found, f"its commit {commit[:10]} is not known here, so code may differ"]
    if changed:
        files = changed.splitlines()
        shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        found.append(f"the code has changed since its commit {commit[:10]}: {shown}")
    return found


def compare(repeat: Repeat, made: Values, differences: list[str]) -> tuple[bool, list[str]]:
    """Whether the figure was made again, and a line a value with the verdict below them."""
    lines = [
        f"  {name}: {_short(value)} in the record, {_short(made[name])} now"
        for name, value in repeat.stored.items()
    ]
    if made == repeat.stored:
        return True, [*lines, "made again: the same bits"]
    if repeat.exact and not differences:
        return False, [*lines, "NOT made again: other bits, though nothing differs that may"]
    off = {name: abs(float(made[name]) - float(repeat.stored[name])) for name in repeat.tolerance}
    beyond = [
        f"{name} differs by {off[name]:.4g}, allowed are {allowed:.4g}"
        for name, allowed in repeat.tolerance.items()
        if not off[name] <= allowed
    ]
    if beyond:
        return False, [*lines, "NOT made again: " + "; ".join(beyond)]
    why = "what differs is named above" if repeat.exact else "a clock is never exact"
    within = ", ".join(f"{name} by {off[name]:.4g} of {repeat.tolerance[name]:.4g}" for name in off)
    return True, [*lines, f"made again within the tolerance, not the same bits ({why}): {within}"]


def _short(value: float | str) -> str:
    return f"{value[:12]}…" if isinstance(value, str) else str(value)


if __name__ == "__main__":
    main()
