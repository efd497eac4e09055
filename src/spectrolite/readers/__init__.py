"""Open data files. No other module does; everything after it takes arrays and values.

A format family of scenes is one module with a function `cube(path, key)`, which says what a file
holds without reading it and how to read a window; a new format is a new module and a line in
`scene_files.FORMATS`. Images come from `image_folders` and `cifar`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spectrolite.errors import ReadError
from spectrolite.files import naming
from spectrolite.readers import matlab, npy
from spectrolite.readers.scene_files import open_cube, open_scene, read_scene
from spectrolite.readers.shapes import check_fits_memory, choose
from spectrolite.scene import Labels

__all__ = ["open_cube", "open_scene", "read_labels", "read_scene"]

FORMATS = {".npy": npy, ".mat": matlab}


def read_labels(
    path: str | Path, key: str | None = None, class_names: dict[int, str] | None = None
) -> Labels:
    """Read a label map from a file.

    Args:
        path: `.npy` or `.mat`.
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
    chosen = choose(path, reader.shapes(path), key, axes, wanted, flag)
    check_fits_memory(path, chosen, remedy="cut the scene into parts")
    with naming(path):
        return chosen.key, reader.read(path, chosen.key)
