"""Class maps as rasters: GeoTIFF, ENVI classification and other formats of rasterio.

Names of classes come from GDAL (category names or attribute table in `NAME.aux.xml`), from our own
maps (tags of the band such as `CLASS_7`) and from ENVI headers; colours from the colour table.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import (
    SAME_GRID,
    Grid,
    burn,
    check_crs,
    grid_of,
    place_of,
    same_crs,
)
from spectrolite.data.labels import Colour, Labels
from spectrolite.data.lookup import LookupTable
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError, ReadError
from spectrolite.readers.labels.conventions import USUAL, Convention, converted
from spectrolite.readers.labels.gdal_metadata import aux_colours, aux_names
from spectrolite.readers.scenes.arrays import ArrayShape, check_fits_memory
from spectrolite.readers.scenes.envi import DATA_ENDINGS, is_arbitrary, pair, read_header
from spectrolite.readers.scenes.geotiff import opened

ENDINGS = (".tif", ".tiff", ".vrt", ".png", ".asc", ".hdr", *DATA_ENDINGS)


def read(
    path: Path,
    scene: AnyScene | None,
    key: str | None = None,
    convention: Convention = USUAL,
) -> Labels:
    """The class map of one band, resampled if it is on another grid than the scene.

    Each pixel of the scene takes the class of the map's pixel that its centre is in (nearest
    neighbour). The notes say what is lost.

    Args:
        path: of the raster, or of its ENVI header.
        scene: put the map on its grid; None keeps the raster's grid.
        key: number of the band, from 1; needed if there are several.
        convention: what its numbers mean.

    Raises:
        ReadError: a damaged file, no such band, or several bands and no `key`.
        LabelsError: not a label map, one that cannot be placed, or one outside the scene.
    """
    if path.suffix.lower() == ".hdr":
        path = pair(path)[1]
    from rasterio.enums import ColorInterp

    red_green_blue = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    with opened(path) as source:
        band = _band(path, key, source.count, source.colorinterp[:3] == red_green_blue)
        dtype = source.dtypes[band - 1]
        if "complex" in dtype:
            raise ReadError(f"{path}: wanted class numbers, got {dtype}")
        size = ArrayShape(str(band), source.shape, dtype, max(4, np.dtype(dtype).itemsize), True)
        check_fits_memory(path, size, remedy="cut the labels to the scene")
        array = source.read(band)
        masked = source.read_masks(band) == 0
        nodata = source.nodatavals[band - 1]
        crs, transform = place_of(source)
        if crs is not None and source.driver == "ENVI" and is_arbitrary(crs):
            crs = None
        envi, notes = _envi_names(path) if source.driver == "ENVI" else ({}, [])
        names = {**envi, **aux_names(path, band), **_own_names(source, band)}
        colours = {**_colour_table(source, band), **aux_colours(path, band)}
    names = {i: name for i, name in names.items() if name}
    read = converted(array, names, colours, convention, path.name, nodata, masked)
    labels = Labels(
        read.ids,
        class_names=read.names,
        name=path.name,
        source={"file": str(path.resolve()), "key": str(band), **convention.source},
        notes=(*notes, *read.notes),
    )
    wanted = {i: read.colours[i] for i in labels.class_names if i in read.colours}
    if any(any(colour) for colour in wanted.values()):  # else all colours are black
        labels = _with(labels, labels.array, class_colours=wanted)
    if scene is None:
        return labels
    return _on_grid(path, labels, crs, transform, scene).on(scene)


def _on_grid(
    path: Path,
    labels: Labels,
    crs: str | None,
    transform: tuple[float, ...] | None,
    scene: AnyScene,
) -> Labels:
    same_shape = labels.shape == scene.shape[:2]
    unplaced = scene.crs is None and scene.lookup is None
    if same_shape and (crs is None or unplaced):
        if crs is None and unplaced:
            return labels
        lacking = "the labels have" if crs is None else "the scene has"
        note = (
            f"{lacking} no coordinate reference system: both have the same shape, so pixels are "
            "matched one to one"
        )
        return _with(labels, labels.array, notes=(*labels.notes, note))
    if crs is None and unplaced:
        return labels  # `on` refuses another shape
    grid = grid_of(scene, str(path))
    check_crs(grid, crs, str(path))
    if crs is None or grid.crs is None or transform is None:
        raise LabelsError(f"{path}: has no transform, so its pixels have no coordinates")
    own = Grid(labels.shape, transform, crs, path.name)
    same_grid = labels.shape == grid.shape and same_crs(crs, grid.crs, str(path))
    if same_grid and _corners_apart(own, grid) < SAME_GRID:
        return labels if grid.lookup is None else _to_sensor(labels, labels.array, grid.lookup)
    resampled = _resampled(path, labels.array, transform, crs, grid.shape, grid.transform, grid.crs)
    ones = np.ones(grid.shape, np.uint8)
    inside = _resampled(path, ones, grid.transform, grid.crs, labels.shape, transform, crs) > 0
    count = int((labels.array > 0).sum())
    kept = int(((labels.array > 0) & inside).sum())
    if not resampled.any():
        raise LabelsError(
            f"{path}: none of its {count:,} labelled pixels labels a pixel of {scene.name}; they "
            "are outside it, or smaller than its pixels: check both reference systems"
        )
    lost = count - kept
    note = (
        f"resampled to the scene's grid (nearest neighbour): {kept:,} of {count:,} labelled pixels "
        f"({kept / count:.1%}) are inside the scene, {lost:,} ({lost / count:.1%}) outside are "
        f"lost; {int((resampled > 0).sum()):,} pixels of the scene are labelled"
    )
    placed = _with(labels, resampled, notes=(*labels.notes, note))
    return placed if grid.lookup is None else _to_sensor(placed, resampled, grid.lookup)


def _to_sensor(labels: Labels, on_grid: NDArray[Any], lookup: LookupTable) -> Labels:
    """Labels on the grid of a look-up table, as pixels of the sensor.

    A pixel of the sensor that the grid shows with two classes stays unlabelled.
    """
    ids = [i for i in np.unique(on_grid).tolist() if i]
    followed = [lookup.followed(np.flatnonzero(on_grid == i)) for i in ids]
    burnt = burn(lookup.sensor, [np.unique(at[at >= 0]) for at in followed], ids)
    notes = [
        f"put into the sensor's geometry through the look-up table: {(burnt.array > 0).sum():,} "
        "pixels of the sensor are labelled"
    ]
    if burnt.conflicts:
        notes.append(f"{burnt.conflicts:,} pixels would have two classes and stay unlabelled")
    return _with(labels, burnt.array, notes=(*labels.notes, *notes))


def _with(labels: Labels, array: NDArray[Any], **others: Any) -> Labels:
    kept = {
        "class_names": labels.class_names,
        "class_colours": labels.class_colours,
        "name": labels.name,
        "source": labels.source,
        "notes": labels.notes,
    }
    return Labels(array, **{**kept, **others})


def _resampled(
    path: Path,
    array: NDArray[Any],
    transform: tuple[float, ...],
    crs: str,
    shape: tuple[int, int],
    to: tuple[float, ...],
    to_crs: str,
) -> NDArray[Any]:
    import rasterio
    from rasterio.warp import Resampling, reproject

    resampled = np.zeros(shape, array.dtype)
    try:
        reproject(
            np.ascontiguousarray(array),
            resampled,
            src_transform=rasterio.Affine(*transform),
            src_crs=crs,
            dst_transform=rasterio.Affine(*to),
            dst_crs=to_crs,
            resampling=Resampling.nearest,
            tolerance=0,
        )
    except Exception as error:  # rasterio passes on GDAL errors, which have no public class
        raise LabelsError(f"{path}: cannot be resampled to the scene's grid ({error})") from error
    return resampled


def _corners_apart(one: Grid, other: Grid) -> float:
    """Largest distance between corners of two grids of the same shape, in pixels of the second."""
    rows, cols = (np.array(n) for n in ([0, 0, one.shape[0]] * 2, [0, one.shape[1]] * 3))
    placed = other.positions(*one.centres(rows - 0.5, cols - 0.5))
    return float(max(np.abs(placed[0] - rows).max(), np.abs(placed[1] - cols).max()))


def _band(path: Path, key: str | None, count: int, in_colours: bool) -> int:
    if key is None:
        if in_colours:
            raise ReadError(
                f"{path}: wanted one band of class numbers, got a picture of {count} bands, whose "
                "colours are no classes; save the numbers as one band, or choose a band that holds "
                "them: --labels-key 1"
            )
        if count != 1:
            raise ReadError(
                f"{path}: {count} bands; choose the band with the classes: --labels-key 1"
            )
        return 1
    if not key.isdecimal() or not 1 <= int(key) <= count:
        raise ReadError(f"{path}: --labels-key: wanted a band from 1 to {count}, got {key!r}")
    return int(key)


def _own_names(source: Any, band: int) -> dict[int, str]:
    tags = {**source.tags(), **source.tags(band)}
    return {int(m[1]): v for k, v in tags.items() if (m := re.fullmatch(r"CLASS_(\d{1,5})", k))}


def _envi_names(path: Path) -> tuple[dict[int, str], list[str]]:
    """Names in the header, `{Unclassified, wheat}`: the n-th, from 0, belongs to class n.

    GDAL drops names that are not in UTF-8.
    """
    notes: list[str] = []
    listed = read_header(pair(path)[0], notes).get("class names", "")
    return {n: " ".join(name.split()) for n, name in enumerate(listed.split(",")) if listed}, notes


def _colour_table(source: Any, band: int) -> dict[int, Colour]:
    try:
        table = source.colormap(band)
    except ValueError:  # rasterio raises this if there is no colour table
        return {}
    return {i: (red, green, blue) for i, (red, green, blue, _) in table.items()}
