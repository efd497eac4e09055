"""Arrays of a file of named arrays, with what their attributes say."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.readers.scenes.arrays import ArrayShape
from spectrolite.readers.text import decoded


@dataclass(frozen=True, eq=False)
class Variable:
    """An array of a file.

    Attributes:
        key: its path in the file, with `/` between groups.
        shape: its length along each axis.
        dtype: of its values.
        dims: key of the dimension of each axis; empty if it has none.
        attrs: its attributes.
        read: reads a part of it.
        chunk: lengths of what is decoded together; None if any part can be read.
    """

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    attrs: Mapping[str, Any]
    read: Callable[[tuple[slice, ...]], NDArray[np.generic]]
    chunk: tuple[int, ...] | None = None

    @property
    def summary(self) -> ArrayShape:
        """Name, shape and type, for choosing and for messages."""
        numeric = self.dtype.kind in "iuf"
        return ArrayShape(self.key, self.shape, self.dtype.name, self.dtype.itemsize, numeric)

    def text(self, name: str) -> str:
        """An attribute as text; empty if there is none."""
        return as_text(self.attrs.get(name, ""))

    def named(self, name: str) -> Iterator[tuple[str, Any]]:
        """Attributes of that name, however it is spelt, `Scale_Factor` for `scalefactor`."""
        return ((k, v) for k, v in self.attrs.items() if plain_name(k) == name)

    def all(self) -> NDArray[np.generic]:
        """The whole array, in memory."""
        return self.read((slice(None),) * len(self.shape))


def plain_name(name: object) -> str:
    """A name without case and signs: `Data_Ignore_Value` and `data ignore value` are the same."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def as_text(value: object) -> str:
    """An attribute or a scalar array as text."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return decoded(value)[0] if isinstance(value, bytes) else str(value)


def as_numbers(value: object) -> list[float] | None:
    """The numbers of an attribute, one or a list; None for anything else, such as nested lists.

    Numbers may be written as text, and in base64, as xarray writes them into Zarr's JSON.
    """
    if isinstance(value, bytes | str | np.bytes_):
        text = as_text(value)
        try:
            return [float(word) for word in text.replace(",", " ").split()]
        except ValueError:
            pass
        try:
            return list(struct.unpack("<d", base64.b64decode(text, validate=True)))
        except (binascii.Error, struct.error, ValueError):
            return None
    if isinstance(value, list | tuple) and any(isinstance(v, str | bytes) for v in value):
        parts = [as_numbers(v) for v in value]
        return None if any(p is None for p in parts) else [n for p in parts if p for n in p]
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
    return array.ravel().tolist() if array.ndim < 2 else None


def nearest(array: Variable, variables: Sequence[Variable], name: str) -> Variable | None:
    """The variable of that plain name whose group has most in common with the array's."""

    def shared(other: Variable) -> int:
        pairs = zip(array.key.split("/"), other.key.split("/"), strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), 0)

    same = [v for v in variables if plain_name(v.key.rpartition("/")[2]) == name]
    return max(same, key=shared, default=None)
