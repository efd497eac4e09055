"""A file appears under its name only when it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to, with the same ending; renamed when the block ends.

    The folder is made where it is missing. A block that fails leaves nothing, and leaves what
    stood under the name before; an `OSError` that names no file, as that of a full disk, gets
    `path` for one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part.{path.name}")
    try:
        with naming(path):
            yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give an `OSError` of the block, where it names no file, the name of `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # of the same subclass
