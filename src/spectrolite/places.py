"""Can a file or folder be made in a place? Asked before the work begins whose result goes there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from spectrolite.errors import RunError

LONGER = 32
"""Bytes that the name of a part file or of a file beside it may have more than the name itself, as
`.part.NAME_confidence.tif`."""
INSIDE = 160
"""Bytes that the path of a file in a new folder may have more than the folder's, as
`NAME.part/bundle/.part.model.safetensors`; a comparison's are the longest."""


def check_place(out: Path, flag: str = "--out") -> None:
    """Refuse a place where the result could not be written.

    Args:
        out: the file or folder to make; folders above it need not exist.
        flag: the option that named it, for the message.

    Raises:
        RunError: a name or the path is too long, or its folder is not one, or not writable.
    """
    names, folder = [out.name], out.absolute().parent
    while not os.path.lexists(folder):
        names.append(folder.name)
        folder = folder.parent
    _check_lengths(out, names, folder, flag)
    if not folder.is_dir():
        raise RunError(f"{out}: {folder} is not a folder; take another {flag}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RunError(
            f"{out}: cannot write in {folder} ({error.strerror}); take another {flag}"
        ) from error


def _check_lengths(out: Path, names: list[str], folder: Path, flag: str) -> None:
    if not hasattr(os, "pathconf") or not folder.is_dir():
        return
    most = os.pathconf(folder, "PC_NAME_MAX") - LONGER
    for name in names:
        length = len(os.fsencode(name))
        if length > most:
            raise RunError(
                f"{flag}: the name {name[:20]}... has {length} bytes, wanted {most} at most: the "
                f"files beside it get longer names; take another {flag}"
            )
    most = os.pathconf(folder, "PC_PATH_MAX") - INSIDE
    length = len(os.fsencode(out))
    if length > most:
        raise RunError(
            f"{flag}: a path of {length} bytes, wanted {most} at most: the files in it get longer "
            f"paths; take another {flag}"
        )
