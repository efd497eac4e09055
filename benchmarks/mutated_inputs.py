"""What the readers do with damaged and hostile files: seeded mutations of good ones.

    python benchmarks/mutated_inputs.py --jobs 2 --record         2,000 inputs of every family
    python benchmarks/mutated_inputs.py --families envi --inputs 50
    python benchmarks/mutated_inputs.py --families envi --only 17 --keep DIR   one input, kept

Each input is a good file, written by another library, with one to three mutations
(`mutations.py`). A worker process reads it as a verb does, with bounded memory and time. The
reader may read it or refuse it with an error for bad input; anything else is a fault:

- `traceback`: an exception that is not ours, which ends the command line with a traceback;
- `exit 1`: an error of ours that does not blame the input;
- `warning`: a library's warning that reaches the terminal;
- `long message`: more than 2,000 characters;
- `reaches out`: a socket, a process, an unpickling, or a file outside the input's folder;
- `slow`: more than 10 seconds of processor time;
- `memory`: more than 1 GiB beyond what the process had;
- `crash`: the interpreter ends, or hangs for a minute.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import input_families
import numpy as np
from records import Record, Repeat, Values, write_record

SECONDS, MIB, HANGS_S, CHARACTERS = 10, 1024, 60, 2000
Outcome = dict[str, Any]


def outcomes(family: str, numbers: range, seed: int, folder: Path) -> Iterator[Outcome]:
    """Outcomes of the inputs, in order; a worker that dies is replaced behind the fatal input."""
    start = numbers.start
    while start < numbers.stop:
        command = [sys.executable, str(Path(__file__).with_name("mutated_input_worker.py"))]
        job = {"family": family, "start": start, "stop": numbers.stop, "seed": seed}
        limits = {"seconds": SECONDS, "mib": MIB, "characters": CHARACTERS}
        arguments = json.dumps({**job, **limits, "folder": str(folder)})
        with subprocess.Popen([*command, arguments], stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            if worker.stdout.readline() != "ready\n":
                sys.exit(f"{family}: the good file is not read, or the worker does not start")
            while start < numbers.stop:
                watch = threading.Timer(HANGS_S, worker.kill)
                watch.start()
                line = worker.stdout.readline()
                watch.cancel()
                if not line.endswith("\n"):
                    break
                yield json.loads(line)
                start += 1
        if start < numbers.stop:
            where = f"signal {-worker.returncode}" if worker.returncode < 0 else "the end"
            yield {"number": start, "outcome": "crash", "where": where, "message": ""}
            start += 1


def summary(found: list[Outcome]) -> dict[str, Any]:
    """Counts of the outcomes, and each distinct fault with the first input that shows it."""
    faults: dict[str, Any] = {}
    for one in found:
        if one["outcome"] not in ("read", "refused"):
            first = {"input": one["number"], "message": one["message"], "count": 0}
            faults.setdefault(f"{one['outcome']}: {one['where']}", first)["count"] += 1
    return {"outcomes": dict(Counter(one["outcome"] for one in found)), "faults": faults}


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """A family's counts; some writers put the time into the file, so a few inputs may differ."""
    names = sorted(record["families"])
    family, count = names[generator.integers(len(names))], record["inputs_a_family"]
    counts = record["families"][family]["outcomes"]
    stored: Values = {kind: counts[kind] for kind in ("read", "refused") if kind in counts}

    def make() -> Values:
        with tempfile.TemporaryDirectory() as folder:
            found = summary(list(outcomes(family, range(count), record["seed"], Path(folder))))
        return {kind: found["outcomes"].get(kind, 0) for kind in stored}

    tolerance = dict.fromkeys(stored, count / 20)
    return Repeat(f"{count} mutated inputs of {family}", stored, make, tolerance, exact=False)


def main() -> None:
    """Read the inputs, print what came of them, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", default=list(input_families.FAMILIES))
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="families at a time")
    parser.add_argument("--only", type=int, help="number of the one input to read")
    parser.add_argument("--keep", type=Path, help="folder for that input")
    parser.add_argument("--record", action="store_true", help="write results/mutated_inputs.json")
    args = parser.parse_args()
    whole = args.only is None
    numbers = range(args.inputs) if whole else range(args.only, args.only + 1)

    def read(family: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            found = summary(list(outcomes(family, numbers, args.seed, Path(folder))))
            if args.keep is not None:
                shutil.copytree(folder, args.keep, dirs_exist_ok=True)
        print(family, json.dumps(found, indent=1, ensure_ascii=True), flush=True)
        return found

    with ThreadPoolExecutor(args.jobs) as pool:
        results = dict(zip(args.families, pool.map(read, args.families), strict=True))
    if args.record and whole:
        reason = "none: the inputs are made by the script from its seed"
        print(
            write_record(
                "mutated_inputs",
                {"seed": args.seed, "inputs_a_family": args.inputs, "families": results},
                data=reason,
                split="none: nothing is split",
                weights="none: no accuracy is measured",
            )
        )
    sys.exit(any(result["faults"] for result in results.values()))


if __name__ == "__main__":
    main()
