"""What a product's HDF5 file is told by: the names in its groups, and small attributes.

Links into other files are never followed: a name that is one is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spectrolite.errors import ReadError
from spectrolite.readers.scenes.hdf5 import opened

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_BYTES = 1 << 16  # of an attribute: the longest list has a number a band


def names_in(path: Path, *groups: str) -> tuple[str, ...]:
    """Names in a group of a file, given by the names on the way to it; none if it is not there.

    Args:
        path: of any file or folder; what is no HDF5 file, or a damaged one, has no names.
        groups: from the root on, `"HDFEOS", "SWATHS"`.
    """
    try:
        with path.open("rb") as start:
            if start.read(len(SIGNATURE)) != SIGNATURE:
                return ()
        with opened(path) as file:
            group = _group(file, groups)
            return () if group is None else tuple(str(name) for name in group)
    except (OSError, ReadError):
        return ()


def attributes(path: Path, names: Iterable[str], *groups: str) -> dict[str, Any]:
    """Those attributes of a group, or of the file, that are there and small.

    Raises:
        ReadError: a damaged file.
    """
    found: dict[str, Any] = {}
    with opened(path) as file:
        group = _group(file, groups)
        for name in names if group is not None else ():
            if name in group.attrs and group.attrs.get_id(name).get_storage_size() <= MOST_BYTES:
                try:
                    found[name] = group.attrs[name]
                except TypeError:  # a type that h5py does not support
                    continue
    return found


def _group(file: Any, groups: tuple[str, ...]) -> Any:
    """A group inside the file itself, or None."""
    import h5py

    group = file
    for name in groups:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            return None
        group = group[name]
        if not isinstance(group, h5py.Group):
            return None
    return group
