"""Scene, SceneFile and Window: frozen values that check themselves.

Conventions, stated here once:
- axes of a scene are `rows, cols, bands`; row 0 is the northern edge, column 0 the western;
- windows are half open: `row_start` belongs to the window, `row_stop` does not;
- wavelengths are in nanometres, in the order of the bands, not sorted: the four spectrometers of
  AVIRIS overlap, so its bands step back at the joints.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.lookup import LookupTable
from spectrolite.data.summaries import as_html, as_text, place_facts
from spectrolite.errors import SceneError, listed, ranges
from spectrolite.hashing import array_sha256, read_only

HASHED_BYTES = 64 << 20  # of a scene in a file, read at a time to take its hash


@dataclass(frozen=True)
class Window:
    """A half-open rectangle of pixels: from `row_start` to before `row_stop`, and so on."""

    row_start: int
    row_stop: int
    col_start: int
    col_stop: int

    def __post_init__(self) -> None:
        if not (self.row_start < self.row_stop and self.col_start < self.col_stop):
            raise SceneError(f"window: wanted start < stop along both axes, got {self}")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.row_stop - self.row_start, self.col_stop - self.col_start

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the window in an array whose first axes are rows and columns."""
        return slice(self.row_start, self.row_stop), slice(self.col_start, self.col_stop)

    def widened(self, by: int, rows: int, cols: int) -> Window:
        """The window with a margin of `by` pixels, cut off at the edges of the scene."""
        return Window(
            max(self.row_start - by, 0),
            min(self.row_stop + by, rows),
            max(self.col_start - by, 0),
            min(self.col_stop + by, cols),
        )


def windows(rows: int, cols: int, side: int) -> Iterator[Window]:
    """Cover `rows` by `cols` pixels with windows of at most `side` pixels, row by row, no overlap.

    There are as few windows as possible; their sides differ by one pixel at most.

    Examples:
        >>> [w.shape for w in windows(5, 4, 4)]
        [(2, 4), (3, 4)]
    """
    down, across = -(-rows // side), -(-cols // side)
    for i in range(down):
        for j in range(across):
            yield Window(
                i * rows // down,
                (i + 1) * rows // down,
                j * cols // across,
                (j + 1) * cols // across,
            )


@dataclass(frozen=True, eq=False, repr=False)
class Scene:
    """A hyperspectral scene in memory.

    Args:
        cube: `(rows, cols, bands)`, integer or float, at least one of each, finite throughout.
        name: used in reports.
        wavelengths_nm: centre of each band in nanometres, or None.
        crs: coordinate reference system as WKT, or None.
        transform: affine transform from (col, row) to coordinates, six numbers in rasterio's
            order, or None.
        source: how to load it again: `{"data": "indian_pines"}` or `{"file": ..., "key": ...}`.
        valid: `(rows, cols)` bool, false where the scene has no spectrum: the values there are 0,
            training leaves these pixels out, and a map has no class there. None if every pixel has
            a spectrum.
        notes: what is odd about its file, and what was decided while reading, a sentence each.
        lookup: of a scene in its sensor's geometry, from an orthorectified grid to its pixels; it
            has no `crs` and `transform` of its own then.
        files: all files of a product, where these are more than the one in `source`.

    Raises:
        SceneError: another number of axes, no pixels, a type that is not numeric, NaN or infinity.
    """

    cube: NDArray[np.generic]
    name: str = "scene"
    wavelengths_nm: tuple[float, ...] | None = None
    crs: str | None = None
    transform: tuple[float, ...] | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    valid: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    lookup: LookupTable | None = None
    files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        cube = np.asarray(self.cube)
        if cube.ndim != 3 or 0 in cube.shape:
            raise SceneError(
                f"{self.name}: wanted a cube of rows, cols, bands, got shape {cube.shape}"
            )
        if cube.dtype.kind not in "iuf":
            raise SceneError(
                f"{self.name}: wanted integers or floating-point numbers, got {cube.dtype}"
            )
        if cube.dtype.kind == "f":
            bad = [int(b) for b in range(cube.shape[2]) if not np.isfinite(cube[:, :, b]).all()]
            if bad:
                raise SceneError(
                    f"{self.name}: NaN or infinite values in {len(bad)} of {cube.shape[2]} bands, "
                    f"from 0: {listed(bad)}; drop them (--drop-bands {ranges(bad)}) or fill them"
                )
        if self.wavelengths_nm is not None and len(self.wavelengths_nm) != cube.shape[2]:
            raise SceneError(
                f"{self.name}: wanted one wavelength a band, got {len(self.wavelengths_nm)} "
                f"for {cube.shape[2]} bands"
            )
        object.__setattr__(self, "cube", read_only(cube))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, bands."""
        rows, cols, bands = self.cube.shape
        return rows, cols, bands

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """The scene, as a set of one: what takes scenes takes it or a `SceneSet`."""
        return (self,)

    @property
    def names(self) -> tuple[str, ...]:
        """Its name: the file without the ending."""
        return (Path(self.name).stem,)

    @property
    def bands(self) -> int:
        """Number of bands."""
        return self.shape[2]

    @cached_property
    def sha256(self) -> str:
        """Hash of type, shape and values: scenes with the same hash hold the same numbers."""
        return array_sha256(*(a for a in (self.cube, self.valid) if a is not None))

    def __repr__(self) -> str:
        return as_text(f"Scene {self.name}", _facts(self))

    def _repr_html_(self) -> str:
        return as_html(f"Scene {self.name}", _facts(self))

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """`(rows, cols, bands)` of a window, and `(rows, cols)` bool: where there is a spectrum."""
        cube = self.cube[window.slices]
        valid = np.ones(window.shape, bool) if self.valid is None else self.valid[window.slices]
        return cube, valid


@dataclass(frozen=True, eq=False, repr=False)
class SceneFile:
    """A hyperspectral scene that stays in its file and is read window by window.

    Functions for scenes of any size take this or a `Scene`: both have `shape`, `name`,
    `wavelengths_nm`, `crs`, `transform`, `source` and `read`.

    Args:
        shape: rows, columns, bands.
        dtype: of the values that `read` returns.
        read: window to `(rows, cols, bands)` finite values and `(rows, cols)` bool, false where
            the file has no spectrum; the values there are 0.
        name: used in reports.
        wavelengths_nm: as of `Scene`.
        crs: as of `Scene`.
        transform: as of `Scene`.
        source: as of `Scene`.
        notes: as of `Scene`.
        lookup: as of `Scene`.
        files: as of `Scene`.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    read: Callable[[Window], tuple[NDArray[np.generic], NDArray[np.bool_]]]
    name: str = "scene"
    wavelengths_nm: tuple[float, ...] | None = None
    crs: str | None = None
    transform: tuple[float, ...] | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    lookup: LookupTable | None = None
    files: tuple[Path, ...] = ()

    @property
    def scenes(self) -> tuple[SceneFile, ...]:
        """The scene, as a set of one: what takes scenes takes it or a `SceneSet`."""
        return (self,)

    @property
    def names(self) -> tuple[str, ...]:
        """Its name: the file without the ending."""
        return (Path(self.name).stem,)

    @property
    def bands(self) -> int:
        """Number of bands."""
        return self.shape[2]

    def __repr__(self) -> str:
        return as_text(f"SceneFile {self.name}", _facts(self))

    def _repr_html_(self) -> str:
        return as_html(f"SceneFile {self.name}", _facts(self))

    @cached_property
    def sha256(self) -> str:
        """The same hash as of this scene in memory; the file is read once, a strip at a time."""
        rows, cols, bands = self.shape
        dtype = self.dtype.newbyteorder("<")
        digest = hashlib.sha256(f"{dtype.str}{(rows, cols, bands)}".encode())
        valid = np.empty((rows, cols), bool)
        strip = max(1, HASHED_BYTES // (cols * bands * dtype.itemsize))
        for start in range(0, rows, strip):
            window = Window(start, min(start + strip, rows), 0, cols)
            cube, valid[window.slices] = self.read(window)
            digest.update(np.ascontiguousarray(cube, dtype).data)
        if not valid.all():
            digest.update(f"{valid.dtype.str}{valid.shape}".encode())
            digest.update(valid.data)
        return digest.hexdigest()


AnyScene = Scene | SceneFile


def dropped_bands(scene: AnyScene) -> list[int]:
    """Bands of the scene's file that were left out when it was read, from 0."""
    return [int(b) for b in scene.source.get("drop_bands", "").split(",") if b]


def scene_files(source: Mapping[str, str]) -> list[str]:
    """What a scene is read from: its file, the tiles of a mosaic, or nothing if it never was.

    Raises:
        SceneError: the list of tiles is damaged.
    """
    if "mosaic" not in source:
        return [source["file"]] if "file" in source else []
    try:
        tiles = json.loads(source["mosaic"])
    except (ValueError, RecursionError) as error:
        raise SceneError(f"mosaic: its list of tiles is damaged ({error})") from error
    if not isinstance(tiles, list) or not all(isinstance(tile, str) for tile in tiles):
        raise SceneError("mosaic: its list of tiles is damaged: wanted a list of paths")
    return tiles


def _facts(scene: AnyScene) -> dict[str, str]:
    rows, cols, bands = scene.shape
    nm = scene.wavelengths_nm
    dtype = scene.dtype if isinstance(scene, SceneFile) else scene.cube.dtype
    facts = {
        "size": f"{rows:,} rows, {cols:,} cols, {bands:,} bands",
        "values": dtype.name,
        "wavelengths": f"{min(nm):g} to {max(nm):g} nm" if nm else "None",
        **place_facts(scene.crs, scene.transform),
    }
    if scene.lookup is not None:
        grid = scene.lookup
        facts |= place_facts(grid.crs, grid.transform)
        facts["map"] = f"{grid.shape[0]:,} rows, {grid.shape[1]:,} cols, through a look-up table"
    if isinstance(scene, Scene) and scene.valid is not None:
        facts["without spectrum"] = f"{int((~scene.valid).sum()):,} of {rows * cols:,} pixels"
    files = scene_files(scene.source)
    if files:
        facts["file" if "file" in scene.source else "tiles"] = listed(files, 3)
    return facts


def without_bands(
    cube: NDArray[np.generic], drop: tuple[int, ...], name: str
) -> NDArray[np.generic]:
    """The cube without the bands in `drop`, counted from 0.

    Raises:
        SceneError: another number of axes, a band that the cube does not have, or none left.
    """
    if cube.ndim != 3:
        raise SceneError(f"{name}: wanted a cube of rows, cols, bands, got shape {cube.shape}")
    unknown = sorted(set(drop) - set(range(cube.shape[2])))
    if unknown or len(set(drop)) == cube.shape[2]:
        raise SceneError(
            f"{name}: --drop-bands: wanted bands from 0 to {cube.shape[2] - 1}, not all of them, "
            f"got {ranges(sorted(set(drop)))}"
        )
    return np.delete(cube, list(drop), axis=2)
