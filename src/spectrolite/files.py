"""New files, which have their name only when they are complete, and JSON files."""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from spectrolite.errors import ReadError, RunError, in_our_words

MAX_TEXT = 256 << 20  # bytes; a table of a million points has 50 MiB
MAX_JSON = 64 << 20

Model = TypeVar("Model", bound=BaseModel)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MAKE_ROOM = "no incomplete file is left; make room on that disk, or write to another one"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to, with the same ending; renamed when the block ends.

    A missing folder is made. A block that fails leaves nothing new, and a file that had the name
    before keeps it. An `OSError` that names no file, as for a full disk, gets the name `path`.
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
    """Give an `OSError` of the block the name of `path`, if it names no file; say what to do."""
    try:
        yield
    except OSError as error:
        named = error
        if error.errno is not None and error.filename is None:
            named = OSError(error.errno, error.strerror, str(path))  # of the same subclass
        if error.errno in FULL and MAKE_ROOM not in getattr(error, "__notes__", []):
            named.add_note(MAKE_ROOM)
        if named is error:
            raise
        raise named from error


def check_regular(path: Path, *, beside: bool = False) -> None:
    """Refuse a pipe, a device, or a link to one, before it is opened: reading it may never end.

    Args:
        path: of a file or folder; a missing one is left to those who open it.
        beside: check the files of the same stem too, which GDAL opens by itself.

    Raises:
        ReadError: it is one.
    """
    paths = [path]
    if beside and path.parent.is_dir():
        paths += [p for p in path.parent.iterdir() if p.name.startswith(f"{path.stem}.")]
    for one in paths:
        try:
            mode = one.stat().st_mode
        except (OSError, ValueError):
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ReadError(f"{one}: wanted a file, got a pipe or a device; copy its content")


def read_bytes(path: Path, most: int) -> bytes:
    """Read a whole file that others wrote.

    Raises:
        ReadError: a pipe or a device, or more than `most` bytes.
        OSError: it cannot be read.
    """
    check_regular(path)
    if (size := path.stat().st_size) > most:
        raise ReadError(f"{path}: {size:,} bytes, more than {most:,}; make it smaller")
    return path.read_bytes()


def read_text(path: Path, encoding: str = "utf-8", most: int = MAX_TEXT) -> str:
    """Read a text that others wrote; lines end as in Python.

    Raises:
        ReadError: as of `read_bytes`.
        UnicodeDecodeError: other bytes than those of the encoding.
        OSError: it cannot be read.
    """
    return read_bytes(path, most).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, all of it or nothing."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content`, all of it or nothing."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, newest: int, remedy: str = "train again") -> dict[str, Any]:
    """Read a JSON object that has a `format`.

    Args:
        path: the file.
        newest: the newest format that this version reads.
        remedy: the end of the message about a damaged file.

    Raises:
        RunError: missing, damaged, or of a newer format.
    """
    try:
        for one in path.parent.iterdir():
            check_regular(one)  # the rest of the run or bundle is opened soon
        content = json.loads(read_text(path, most=MAX_JSON))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); is this a run?") from error
    except ReadError:
        raise
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged ({error}); {remedy}") from error
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise RunError(f"{path}: wanted a JSON object with a number `format`; {remedy}")
    if content["format"] > newest:
        raise RunError(
            f"{path}: format {content['format']}, this version reads up to {newest}; "
            "install a newer spectrolite"
        )
    return content


def validated(
    path: Path, content: dict[str, Any], schema: type[Model], remedy: str = "train again"
) -> Model:
    """The content of a JSON file as a value of `schema`.

    Raises:
        RunError: a key or value that does not fit; the message names the first.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = [".".join(map(str, first["loc"]))] if first["loc"] else []
        why = ": ".join([*where, in_our_words(first["msg"])])
        raise RunError(f"{path}: damaged: {why}; {remedy}") from error


def read_model(path: Path, newest: int, schema: type[Model], remedy: str = "train again") -> Model:
    """Read a JSON file that has a `format` as a value of `schema`.

    Raises:
        RunError: as of `read_json` and `validated`.
    """
    return validated(path, read_json(path, newest, remedy), schema, remedy)
