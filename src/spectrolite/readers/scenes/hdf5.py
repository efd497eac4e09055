"""HDF5, and the formats built on it, NetCDF 4 and MATLAB 7.3, through h5py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import ReadError, listed
from spectrolite.readers.scenes.cf import cube_among
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.variable import Variable

HDF4 = b"\x0e\x03\x13\x01"
NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"


def cube(path: Path, key: str | None, axes: str | None = None) -> Cube:
    """The cube of the file, found by the rules of `cf`.

    Raises:
        ReadError: a damaged file, HDF4, no cube or several.
    """
    with path.open("rb") as file:
        if file.read(4) == HDF4:
            raise ReadError(
                f"{path}: this is HDF4, which is not supported; convert it to HDF5 or ENVI"
            )
    form = "NetCDF 4" if path.suffix.lower().startswith((".nc", ".cdf")) else "HDF5"
    arrays = variables(path, key)
    with opened(path) as file:
        netcdf = form == "NetCDF 4" or "_NCProperties" in file.attrs
    return cube_among(path, form, arrays, key, axes, netcdf=netcdf)


def variables(path: Path, key: str | None = None) -> list[Variable]:
    """Every array of the file, in all its groups.

    HDF5 can keep the values of an array in any other file of the machine; those are not opened.

    Args:
        path: of the file.
        key: the array to be read, if it is known.

    Raises:
        ReadError: a damaged file, or the array is kept in another file, or could be.
    """
    import h5py

    arrays: list[Variable] = []
    elsewhere: dict[str, str] = {}
    links: dict[str, str] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group):
            links.update(_links(item))
        elif isinstance(item, h5py.Dataset) and _is_elsewhere(item):
            elsewhere[name] = "external storage or a virtual data set"
        elif isinstance(item, h5py.Dataset) and item.shape is not None:
            if _attribute(item, "NAME", b"").startswith(NO_VARIABLE):
                return  # only the name of an axis
            dims = tuple(_dim(item, axis) for axis in range(item.ndim))
            attrs = {k: _attribute(item, k) for k in item.attrs}
            read = partial(read_part, path, name)
            arrays.append(Variable(name, item.shape, item.dtype, dims, attrs, read, item.chunks))

    with opened(path) as file:
        links.update(_links(file))
        file.visititems(visit)
    known = links | elsewhere
    blamed = [key] if key in known else []
    if key is None:
        blamed = list(elsewhere) or ([] if arrays else list(links))
    if blamed:
        raise ReadError(
            f"{path}: {listed(blamed)}: kept in another file ({known[blamed[0]]}), which is not "
            "opened; copy the values into this file, or name another array with --scene-key"
        )
    return arrays


def _links(group: Any) -> dict[str, str]:
    """Names in a group that stand for something in another file."""
    import h5py

    return {
        f"{group.name}/{name}".strip("/"): "an external link"
        for name in group
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink)
    }


def _is_elsewhere(item: Any) -> bool:
    """Whether values of an array are in another file; its shape is not asked, which opens that."""
    if item.is_virtual:
        return any(source.file_name != "." for source in item.virtual_sources())
    return item.external is not None


def read_part(path: Path, key: str, part: tuple[slice, ...]) -> NDArray[np.generic]:
    """A part of an array.

    Raises:
        ReadError: a damaged file, or a compression that this build of HDF5 does not support.
    """
    with opened(path) as file:
        values: NDArray[np.generic] = file[key][part]
    return values


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file, open while the block runs: each time anew, so that nothing stays open."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, ReadError) or (isinstance(error, OSError) and error.errno):
            raise
        why = " ".join(str(error).split())
        raise ReadError(f"{path}: not a readable HDF5 file ({why})") from error


def _attribute(item: Any, name: str, default: Any = None) -> Any:
    try:
        return item.attrs.get(name, default)
    except (OSError, RuntimeError, TypeError):  # a type that h5py does not support
        return default


def _dim(item: Any, axis: int) -> str:
    """Key of the dimension scale of an axis, or its label."""
    scales = item.dims[axis]
    if len(scales):
        return str(scales[0].name).strip("/")
    if item.ndim == 1 and item.is_scale:
        return str(item.name).strip("/")
    return str(scales.label)
