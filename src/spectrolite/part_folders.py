"""What the folders share in which runs and maps grow, `NAME.part` beside their place."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spectrolite.errors import RunError

try:
    import fcntl
except ImportError:  # not on Windows: there two processes are not kept apart
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"  # held by the process that writes there; it does not outlive it
BEGIN = "begin.json"  # what is made there; without it the rest is none of ours
REMEDY = "start anew with --overwrite"


def part_of(out: Path) -> Path:
    """The folder in which the run or the map `out` grows."""
    return out.parent / f"{out.name}.part"


def clear(part: Path) -> None:
    """Remove all but the lock; `begin.json` last."""
    for path in sorted(part.iterdir(), key=lambda path: path.name == BEGIN):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock while the block runs.

    Raises:
        RunError: another process holds it, or took the folder away in the meantime.
    """
    if fcntl is None:
        yield
        return
    busy = RunError(f"{folder}: another process is writing there; wait for it, or stop it")
    try:
        file = (folder / LOCK).open("a")
    except FileNotFoundError as error:
        raise busy from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).stat()):
                raise busy
        except (BlockingIOError, FileNotFoundError) as error:
            raise busy from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):  # a file system without locks
                raise
        yield
