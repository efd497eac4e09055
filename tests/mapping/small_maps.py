"""A scene of 56 x 60 pixels in files, and what the tests of maps need to know of a map."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.scene import SceneFile, Window

NAMES = (
    "map.tif",
    "map.tif.aux.xml",
    "map.qml",
    "map.png",
    "map_confidence.tif",
    "map_entropy.tif",
)


def in_file(cube: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> SceneFile:
    """A scene that is read window by window, from an array in the place of its file."""
    rows, cols, bands = cube.shape
    has_spectrum = np.ones((rows, cols), bool) if valid is None else valid

    def read(window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        return np.where(
            has_spectrum[window.slices][..., None], cube[window.slices], 0
        ), has_spectrum[window.slices]

    return SceneFile((rows, cols, bands), cube.dtype, read)


def envi_pair(folder: Path, cube: NDArray[Any]) -> Path:
    """An ENVI pair, by its header."""
    rows, cols, bands = cube.shape
    folder.mkdir(exist_ok=True)
    (folder / "s.img").write_bytes(cube.astype("<u2").tobytes())
    (folder / "s.hdr").write_text(
        f"ENVI\nsamples = {cols}\nlines = {rows}\nbands = {bands}\ndata type = 12\n"
        "interleave = bip\nbyte order = 0\n"
    )
    return folder / "s.hdr"


def bytes_of(out: Path) -> dict[str, bytes]:
    """The map and every file beside it, by name."""
    return {p.name: p.read_bytes() for p in out.parent.iterdir() if p.is_file()}


def rows_of(path: Path) -> Iterator[tuple[int, NDArray[Any]]]:
    from spectrolite.mapping.map_rows import read_rows

    return read_rows(path)


def stop_after(window: int, error: type[BaseException] = KeyboardInterrupt) -> Any:
    def stop(done: int, _all: int) -> None:
        if done == window:
            raise error

    return stop


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """The system writes no file beyond that many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
