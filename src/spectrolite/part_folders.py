"""Claim a place on disk: check what is in the way, write beside it, rename when complete.

There are two kinds of new folder, `new_folder` and `resumable_folder`; new files are `whole_file`.
While it is written, a folder NAME is called

.part.NAME      new_folder: an interruption discards it
NAME.part       resumable_folder: an interruption leaves it, and the next call can resume
.replaced.NAME  the folder that was there before, until the new one has its name

A part folder that can be resumed has two files of its own:

begin.json  what is written there; a folder without it was never begun
lock        held by the process that writes there; the system releases it when the process ends
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spectrolite.errors import RunError, SettingsError
from spectrolite.files import naming
from spectrolite.places import check_place

try:
    import fcntl
except ImportError:  # Windows has no such locks: two processes are not kept apart there
    fcntl = None  # type: ignore[assignment]

LOCK, BEGIN = "lock", "begin.json"
START_ANEW = "start anew with --overwrite"


def part_of(out: Path) -> Path:
    """The part folder of the run or the map `out`."""
    return out.parent / f"{out.name}.part"


def is_begun(part: Path) -> bool:
    """Whether a part folder has something to resume."""
    return (part / BEGIN).is_file()


def check_not_both(overwrite: bool, resume: bool) -> None:
    """Refuse two options that contradict each other.

    Raises:
        SettingsError: both are given.
    """
    if overwrite and resume:
        raise SettingsError("give --resume or --overwrite, not both")


def check_free(
    out: Path,
    overwrite: bool,
    flag: str = "--out",
    ending: str = "",
    beside: Path | None = None,
) -> None:
    """Refuse to write a file where it cannot be, or where something is that must not be replaced.

    Args:
        out: the file.
        overwrite: a file may be replaced; a folder never is.
        flag: the option that named the file, for the message.
        ending: what its name must end in, as `.png`.
        beside: the file that the option named, if `out` is one beside it.

    Raises:
        SettingsError: another ending.
        RunError: a folder has the name, or a file has it and `overwrite` is false; or as of
            `check_place`.
    """
    check_place(beside or out, flag)
    if ending and out.suffix.lower() != ending:
        raise SettingsError(f"{flag}: wanted a name that ends in {ending}, got {out}")
    if out.is_dir():
        raise RunError(f"{out} is a folder; take another {flag}")
    if out.exists() and not overwrite:
        raise RunError(f"{out} exists; take another {flag}, or replace it with --overwrite")


def check_folder(out: Path, overwrite: bool, kind: str, is_kind: Callable[[Path], bool]) -> None:
    """Refuse to write a folder where it cannot be, or where something must not be replaced.

    Args:
        out: the folder.
        overwrite: a folder of the same kind may be replaced.
        kind: what to write, with its article: `a run`.
        is_kind: whether a folder is one of those.

    Raises:
        RunError: something has the name without `overwrite`, or it is not of that kind; or as of
            `check_place`.
    """
    check_place(out)
    if not (out.exists() or out.is_symlink()):
        return
    if not overwrite:
        raise RunError(f"{out} exists; take another --out, or replace it with --overwrite")
    if out.is_symlink() or not out.is_dir() or not is_kind(out):
        what = "a link" if out.is_symlink() else f"not {kind}"
        raise RunError(f"{out} is {what}, which --overwrite does not replace; take another --out")


def check_contents(folder: Path, kind: str, names: Collection[str] = ()) -> None:
    """Refuse to add to a folder that holds something else.

    Args:
        folder: the folder, which need not exist.
        kind: what it should be, with its article.
        names: what it may hold.

    Raises:
        RunError: it holds something else, or is a file; or as of `check_place`.
    """
    check_place(folder)
    if folder.exists() and (not folder.is_dir() or _others(folder, names)):
        raise RunError(f"{folder} exists and is not {kind}; take another --out")


def make_folder(folder: Path, out: Path) -> None:
    """Make a folder and those above it.

    Raises:
        RunError: it cannot be made; the message names `out`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{out}: cannot be made ({error.strerror}); take another --out") from error


@contextmanager
def new_folder(
    out: Path, overwrite: bool, kind: str, is_kind: Callable[[Path], bool]
) -> Iterator[Path]:
    """A hidden part folder to write to, renamed to `out` when the block ends.

    A block that fails leaves nothing new, and what had the name keeps it. A kill at any moment
    leaves the old folder or the new one: the next call gives the old one its name back.

    Args:
        out: the folder to make.
        overwrite: replace a folder of the same kind.
        kind: as of `check_folder`.
        is_kind: as of `check_folder`.

    Raises:
        RunError: something is in the way, or the folder cannot be made.
    """
    place = out.absolute()  # `.` names another folder once this one is renamed
    part = place.parent / f".part.{place.name}"
    restore_replaced(place)
    check_folder(out, overwrite, kind, is_kind)
    shutil.rmtree(part, ignore_errors=True)
    make_folder(part, out)
    try:
        with naming(out):
            yield part
            take_name(part, place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        restore_replaced(place)


@contextmanager
def resumable_folder(
    out: Path,
    kind: str,
    progress: Callable[[Path], str],
    *,
    overwrite: bool,
    resume: bool,
    before: Collection[str] = (),
) -> Iterator[Path]:
    """The part folder of `out`, locked while the block runs, and empty unless `resume`.

    What becomes of it when the block ends is the caller's decision.

    Args:
        out: what it will become.
        kind: `run` or `map`.
        progress: how far the stopped one in a part folder came: `after epoch 3 of 5`.
        overwrite: discard a stopped one.
        resume: keep a stopped one.
        before: files that the caller writes before `begin.json`.

    Raises:
        RunError: a stopped one or something else is in the way, another process writes there, or
            the folder cannot be made.
    """
    part = part_of(out)
    keeps = overwrite or resume
    check_resumable(out, kind, progress, keeps, before)
    make_folder(part, out)
    with locked(part):
        # again: another process may have written there before the lock was ours
        _check_stopped(part, kind, progress, keeps, before)
        if not resume:
            clear(part)
        yield part


def check_resumable(
    out: Path,
    kind: str,
    progress: Callable[[Path], str],
    accepts: bool,
    before: Collection[str] = (),
) -> None:
    """Refuse what `resumable_folder` refuses; `accepts` is whether it may find a stopped one.

    Raises:
        RunError: as of `resumable_folder`.
    """
    part = part_of(out)
    if is_begun(part):
        with locked(part):  # first: what another process is writing was not stopped
            pass
    _check_stopped(part, kind, progress, accepts, before)


def _check_stopped(
    part: Path,
    kind: str,
    progress: Callable[[Path], str],
    accepts: bool,
    before: Collection[str],
) -> None:
    if not is_begun(part):
        if part.exists() and (not part.is_dir() or _others(part, {LOCK, *before})):
            raise RunError(f"{part} is in the way and not a stopped {kind}; take another --out")
    elif not accepts:
        raise RunError(
            f"{part}: a {kind} that was stopped {progress(part)}; go on with --resume, or "
            "discard it with --overwrite"
        )


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make a folder, and hold its lock while the block runs; the lock file goes when it ends.

    Raises:
        RunError: another process writes there, or the folder cannot be made.
    """
    make_folder(folder, folder)
    with locked(folder):
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)


def clear(part: Path) -> None:
    """Remove all but the lock; `begin.json` last."""
    for path in sorted(part.iterdir(), key=lambda path: path.name == BEGIN):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def take_name(part: Path, out: Path) -> None:
    """Rename a complete part folder to `out`, which it replaces."""
    old = _replaced(out)
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    part.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def restore_replaced(out: Path) -> None:
    """Give a replaced folder its name back, if a kill kept the new one from taking it."""
    # `lexists` has no error for a name that is too long
    if os.path.lexists(_replaced(out)) and not os.path.lexists(out):
        _replaced(out).rename(out)


def _replaced(out: Path) -> Path:
    return out.parent / f".replaced.{out.name}"


def _others(folder: Path, names: Collection[str]) -> bool:
    """Whether a folder holds anything but `names` and files that were being written."""
    present = {path.name for path in folder.iterdir()}
    return any(name not in names and not name.startswith(".part.") for name in present)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock while the block runs; the lock file names the process.

    Raises:
        RunError: another process holds it, or removed the folder in the meantime.
    """
    if fcntl is None:
        yield
        return
    try:
        file = (folder / LOCK).open("a+", encoding="ascii", errors="replace")
    except FileNotFoundError as error:
        raise _busy(folder) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).stat()):
                raise _busy(folder)
        except BlockingIOError as error:
            file.seek(0)
            raise _busy(folder, file.read(20)) from error
        except FileNotFoundError as error:
            raise _busy(folder) from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):  # a file system without locks
                raise
        with suppress(OSError):  # of a full disk, of which the first file that matters tells
            file.truncate(0)
            os.write(file.fileno(), str(os.getpid()).encode())
        yield


def _busy(folder: Path, number: str = "") -> RunError:
    process = f"process {number}" if number.isdecimal() else "another process"
    return RunError(f"{folder}: {process} is writing there; wait for it, or stop it")
