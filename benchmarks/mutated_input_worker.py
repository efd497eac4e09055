"""The worker of `mutated_inputs.py`: it makes the inputs, reads them and prints the outcomes."""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
import traceback
import warnings
import zlib
from pathlib import Path
from typing import Any

import input_families
import numpy as np
from mutations import mutated

from spectrolite.errors import InputError, SpectroliteError

REACHING = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class")
SYSTEM = (sys.prefix, sys.base_prefix, "/proc", "/sys", "/usr", "/etc", "/dev/shm")

reached: list[str] = []
ignored: list[str] = []


def watch(folder: Path) -> None:
    """Note what Python opens outside the folder, each way out of the process, lost exceptions."""
    own = str(Path(__file__).parent.parent)
    allowed = (str(folder), own, *SYSTEM)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(REACHING):
            reached.append(f"{event} {str(arguments)[:200]}")
        elif event == "open" and not str(Path(str(arguments[0])).absolute()).startswith(allowed):
            reached.append(f"open {str(arguments[0])[:200]}")

    sys.addaudithook(hook)
    sys.unraisablehook = lambda failed: ignored.append(f"{failed.exc_value!r} {failed.err_msg}")


def make(original: Path, folder: Path, family: str, number: int, seed: int) -> None:
    """The input of that number in the folder: the good files, one of them mutated."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder)
    generator = np.random.default_rng([seed, zlib.crc32(family.encode()), number])
    files = [f for f in sorted(folder.rglob("*")) if f.is_file() and f.stat().st_size]
    # headers and descriptions are short, and where readers go wrong
    weights = np.array([1 / np.log2(16 + f.stat().st_size) for f in files])
    file = files[generator.choice(len(files), p=weights / weights.sum())]
    file.write_bytes(mutated(file.read_bytes(), generator))


def outcome(read: Any, path: Path, seconds: float, characters: int) -> tuple[str, str, str]:
    """What came of reading, where, and the message."""
    reached.clear()
    ignored.clear()
    before = time.process_time()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            read(path)
            result = "read", "", ""
        except InputError as error:
            result = "refused", "", str(error)
        except SpectroliteError as error:
            result = "exit 1", _where(error), str(error)
        except MemoryError as error:
            result = "memory", _where(error), str(error)
        except Exception as error:
            result = "traceback", f"{type(error).__name__} {_where(error)}", str(error)
    if result[0] not in ("read", "refused"):
        return result
    if reached:
        return "reaches out", reached[0].split()[0], "; ".join(reached[:3])
    if time.process_time() - before > seconds:
        return "slow", "", result[2]
    if warned:
        first = warned[0]
        return (
            "warning",
            f"{first.category.__name__} {Path(first.filename).name}:{first.lineno}",
            (str(first.message)),
        )
    if ignored:
        return "warning", "exception ignored", ignored[0]
    if len(result[2]) > characters:
        return "long message", "", result[2]
    return result


def _where(error: BaseException) -> str:
    """The last line of ours that the exception passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "spectrolite" in Path(f.filename).parts]
    last = (ours or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def main() -> None:
    """Read the job's inputs, and print the outcome of each as a line of JSON."""
    job = json.loads(sys.argv[1])
    write, read = input_families.FAMILIES[job["family"]]
    original, folder = Path(job["folder"]) / "good", Path(job["folder"]) / "input"
    path = folder / _good_files(original, write)
    shutil.copytree(original, folder, dirs_exist_ok=True)
    read(path)  # imports, and proves that the good file is read
    watch(Path(job["folder"]))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + (64 * job["mib"] << 20)  # address space is not memory: 64 times as much
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print("ready", flush=True)
    for number in range(job["start"], job["stop"]):
        make(original, folder, job["family"], number, job["seed"])
        kind, where, message = outcome(read, path, job["seconds"], job["characters"])
        now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        if now > used + job["mib"]:
            kind, where, used = "memory", f"{where} {now - used} MiB", now
        line = {"number": number, "outcome": kind, "where": where, "message": message[:300]}
        print(json.dumps(line), flush=True)


def _good_files(folder: Path, write: Any) -> Path:
    """Write them once; the path in the folder that a user types."""
    typed = folder.with_name("typed.txt")
    if not typed.exists():
        folder.mkdir()
        typed.write_text(str(write(folder).relative_to(folder)), encoding="utf-8")
    return Path(typed.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
