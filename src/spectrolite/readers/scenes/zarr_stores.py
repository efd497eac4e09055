"""Zarr stores of version 2 and 3, as folders, through zarr."""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import MissingExtraError, ReadError, listed
from spectrolite.files import check_regular
from spectrolite.readers.scenes.cf import cube_among
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.variable import Variable

MANY_CHUNKS = 10_000
# fmt: off
CODECS = frozenset((
    "bytes", "endian", "transpose", "sharding_indexed", "zlib", "gzip", "bz2", "lzma", "blosc",
    "zstd", "lz4", "astype", "delta", "quantize", "fixedscaleoffset", "packbits", "bitround",
    "shuffle", "pcodec", "zfpy", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3",
))
# fmt: on
"""Codecs that give numbers; others, such as `pickle`, may run code of the store."""


def cube(path: Path, key: str | None, axes: str | None = None) -> Cube:
    """The cube of the store, found by the rules of `cf`; a store of one array has the key `array`.

    Raises:
        ReadError: not a store, a damaged one, no cube or several.
        MissingExtraError: zarr is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: reading Zarr needs the package zarr, which is not installed; "
            "install it with: pip install 'spectrolite[geo]'"
        ) from error
    for file in itertools.islice(path.rglob("*"), MANY_CHUNKS):
        check_regular(file)
    try:
        with warnings.catch_warnings(record=True) as warned:  # of what is no array or group
            warnings.simplefilter("always")
            root = zarr.open(path, mode="r")
            arrays = {"array": root} if isinstance(root, zarr.Array) else _arrays(root)
    except Exception as error:  # zarr raises many kinds of errors for other files
        raise _damaged(path, error) from error
    variables = [_variable(path, k, a) for k, a in arrays.items()]
    found = cube_among(path, "Zarr", variables, key, axes)
    _check_codecs(path, found.key, arrays[found.key])
    odd = dict.fromkeys(str(one.message) for one in warned)
    missing = _missing_chunks(path, arrays[found.key])
    return replace(found, notes=(*found.notes, *odd, *missing))


def _missing_chunks(path: Path, array: Any) -> tuple[str, ...]:
    """What to say of chunks that are not in the store, which Zarr reads as the fill value.

    Raises:
        ReadError: so few of many are there that the shape cannot be right.
    """
    stated = math.prod(-(-n // c) for n, c in zip(array.shape, _chunk(array), strict=True))
    if stated > MANY_CHUNKS:  # a listing of all may take minutes
        few = stated // 100
        files = sum(1 for _ in itertools.islice(path.rglob("*"), few))
        if files < few:
            raise ReadError(
                f"{path}: its shape {array.shape} makes {stated:,} chunks, but the store holds "
                f"{files:,} files; copy it again, or correct shape and chunks in its metadata"
            )
        return ()
    missing = stated - array.nchunks_initialized
    if not missing:
        return ()
    return (
        f"{missing:,} of {stated:,} chunks are not in the store; their pixels have its fill value, "
        f"{array.fill_value}",
    )


def _check_codecs(path: Path, key: str, array: Any) -> None:
    """Refuse an array by its metadata, before a chunk is decoded.

    Raises:
        ReadError: not numbers, or a codec that is not in `CODECS`.
    """
    if np.dtype(array.dtype).kind not in "biufc":
        raise ReadError(f"{path}: {key}: wanted numbers, got {array.dtype}; they are not decoded")
    other = sorted(_codecs(array.metadata.to_dict()) - CODECS)
    if other:
        raise ReadError(
            f"{path}: {key}: not decoded, since {listed(other)} is no known codec of numbers; "
            "write the store again with zarr's own codecs"
        )


def _codecs(metadata: dict[str, Any]) -> set[str]:
    """Names of all codecs in the metadata of an array, also of those within shards."""
    if metadata["zarr_format"] == 2:
        every = [*(metadata["filters"] or ()), metadata["compressor"]]
        return {str(_configuration(codec).get("id")) for codec in every if codec is not None}
    names = set()
    todo = [*metadata["codecs"]]
    while todo:
        codec = todo.pop()
        names.add(str(codec["name"]).removeprefix("numcodecs."))
        within = codec.get("configuration", {})
        todo += [*within.get("codecs", ()), *within.get("index_codecs", ())]
    return names


def _configuration(codec: Any) -> dict[str, Any]:
    return codec if isinstance(codec, dict) else codec.get_config()


def _chunk(array: Any) -> tuple[int, ...]:
    return tuple(array.shards or array.chunks)


def _arrays(root: Any) -> dict[str, Any]:
    import zarr

    return {k: v for k, v in root.members(max_depth=None) if isinstance(v, zarr.Array)}


def _variable(path: Path, key: str, array: Any) -> Variable:
    attrs = dict(array.attrs)
    of_xarray = array.metadata.zarr_format == 2 and "_ARRAY_DIMENSIONS" in attrs
    if (
        of_xarray and array.fill_value is not None
    ):  # xarray stores it there instead of in the attribute
        attrs.setdefault("_FillValue", array.fill_value)
    dims = getattr(array.metadata, "dimension_names", None) or attrs.get("_ARRAY_DIMENSIONS")
    if not (isinstance(dims, list | tuple) and len(dims) == array.ndim):
        dims = ()
    named = tuple(str(d or "") for d in dims)
    group = key.rpartition("/")[0]
    whole = tuple(f"{group}/{d}".strip("/") if d else "" for d in named) or ("",) * array.ndim
    read = partial(_read_part, path, key, array)
    return Variable(key, array.shape, np.dtype(array.dtype), whole, attrs, read, _chunk(array))


def _read_part(path: Path, key: str, array: Any, part: tuple[slice, ...]) -> NDArray[np.generic]:
    _check_codecs(path, key, array)
    try:
        return np.asarray(array[part])
    except OSError:
        raise
    except Exception as error:  # each codec has its own error for a damaged chunk
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ReadError:
    why = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return ReadError(f"{path}: not a readable Zarr store ({why})")
