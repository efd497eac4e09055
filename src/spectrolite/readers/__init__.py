"""Open data files. No other module does; everything after it takes arrays and values.

A format family of scenes is one module with two functions: `shapes(path)` names the arrays of a
file with shape and type without reading them, `read(path, key)` reads one. A new format is a new
module and a line in `FORMATS`. Images come from `image_folders` and `cifar`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spectrolite.errors import ReadError
from spectrolite.files import naming
from spectrolite.readers import matlab, npy
from spectrolite.readers.shapes import ArrayShape, check_fits_memory
from spectrolite.scene import Labels, Scene, without_bands

FORMATS = {".npy": npy, ".mat": matlab}


def read_scene(path: str | Path, key: str | None = None, drop_bands: tuple[int, ...] = ()) -> Scene:
    """Read a scene from a file.

    Args:
        path: `.npy`, or `.mat` up to version 7.
        key: name of the array in the file; found by its three axes where only one has them.
        drop_bands: bands to leave out, counted from 0.

    Raises:
        ReadError: no such file, another format, no array or several that fit, a damaged file.
        SceneError: the array is no scene.
    """
    path = Path(path)
    found, array = _read(
        path, key, axes=3, wanted="a cube of rows, cols, bands", flag="--scene-key"
    )
    if drop_bands:
        array = without_bands(array, drop_bands, path.name)
    source = {"file": str(path.resolve()), "key": found}
    if drop_bands:
        source["drop_bands"] = ",".join(map(str, drop_bands))
    return Scene(array, name=path.name, source=source)


def read_labels(
    path: str | Path, key: str | None = None, class_names: dict[int, str] | None = None
) -> Labels:
    """Read a label map from a file.

    Args:
        path: `.npy`, or `.mat` up to version 7.
        key: name of the array in the file; found by its two axes where only one has them.
        class_names: id to name, where they are known.

    Raises:
        ReadError: no such file, another format, no array or several that fit, a damaged file.
        LabelsError: the array is no label map.
    """
    path = Path(path)
    found, array = _read(path, key, axes=2, wanted="a map of rows, cols", flag="--labels-key")
    source = {"file": str(path.resolve()), "key": found}
    return Labels(array, class_names=class_names or {}, name=path.name, source=source)


def _read(
    path: Path, key: str | None, axes: int, wanted: str, flag: str
) -> tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    if not path.is_file():
        raise ReadError(f"{path}: no such file")
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        raise ReadError(
            f"{path}: wanted one of {', '.join(sorted(FORMATS))}, got {path.suffix or 'no ending'}"
        )
    arrays = reader.shapes(path)
    if key is None:
        chosen = _only_fit(path, arrays, axes, wanted, flag)
    else:
        named = [a for a in arrays if a.key == key]
        if not named:
            raise ReadError(f"{path}: no array {key!r} in it, only {_listed(arrays)}")
        chosen = named[0]
        if not chosen.numeric:
            raise ReadError(f"{path}: {chosen} holds no numbers; wanted {wanted}")
    check_fits_memory(path, chosen, remedy="cut the scene into parts")
    with naming(path):
        return chosen.key, reader.read(path, chosen.key)


def _only_fit(
    path: Path, arrays: list[ArrayShape], axes: int, wanted: str, flag: str
) -> ArrayShape:
    fits = [a for a in arrays if len(a.shape) == axes and a.numeric and min(a.shape) > 0]
    if axes == 2:  # MATLAB keeps numbers and texts as matrices of one row: no maps
        fits = [a for a in fits if min(a.shape) > 1] or fits
    if not fits:
        raise ReadError(f"{path}: wanted {wanted}, found only {_listed(arrays)}")
    if len(fits) > 1:
        raise ReadError(f"{path}: several arrays fit: {_listed(fits)}; choose one with {flag}")
    return fits[0]


def _listed(arrays: list[ArrayShape]) -> str:
    return ", ".join(str(a) for a in arrays) or "nothing"
