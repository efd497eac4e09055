"""Change several files of a finished folder together: a kill leaves all old ones or all new ones.

The new files are first written into the folder's `.next`, one of them last: the switch. From then
on the change is made, and whoever opens the folder next moves what a kill has kept from moving.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks: two processes are not kept apart there
    fcntl = None  # type: ignore[assignment]

NEXT = ".next"
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF)  # of file systems without such locks


@contextmanager
def changed_together(folder: Path, switch: str) -> Iterator[Path]:
    """A folder for the new files of `folder`, by the same names; they replace the old ones at once.

    A block that fails leaves the old files. Another process that changes the folder is waited for.

    Args:
        folder: the folder to change.
        switch: the file that the block must write last.
    """
    with _alone(folder):
        _finish(folder, switch)
        following = folder / NEXT
        following.mkdir()
        try:
            yield following
        except BaseException:
            (following / switch).unlink(missing_ok=True)  # first: it must not be taken for made
            shutil.rmtree(following, ignore_errors=True)
            raise
        _finish(folder, switch)


def finish_change(folder: Path, switch: str) -> None:
    """Finish a change that a kill stopped after its switch was written; else do nothing."""
    if (folder / NEXT / switch).is_file():
        with _alone(folder):
            _finish(folder, switch)


def _finish(folder: Path, switch: str) -> None:
    """Move the new files to their places, the switch last; without a switch, discard them."""
    following = folder / NEXT
    if (following / switch).is_file():
        files = [path for path in sorted(following.rglob("*")) if path.is_file()]
        for path in sorted(files, key=lambda path: path == following / switch):
            place = folder / path.relative_to(following)
            place.parent.mkdir(exist_ok=True)
            path.replace(place)
    shutil.rmtree(following, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process changes the folder, and keep others waiting."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a forked process may keep it open
        os.close(descriptor)
