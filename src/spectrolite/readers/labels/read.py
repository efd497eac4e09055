"""Read labels: which module reads which ending, and the options that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spectrolite.data.labels import Colour, Labels
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError, ReadError, why_no_file
from spectrolite.files import check_regular, naming
from spectrolite.readers.labels import envi_rois, rasters, tables, vectors
from spectrolite.readers.labels.class_files import read_classes
from spectrolite.readers.labels.conventions import Convention, convention_of, converted
from spectrolite.readers.scenes import matlab, npy
from spectrolite.readers.scenes.arrays import check_fits_memory, choose
from spectrolite.readers.scenes.drivers import check_sources
from spectrolite.readers.scenes.envi import has_header

FORMATS = {".npy": npy, ".mat": matlab}
LABEL_ENDINGS = (*FORMATS, *rasters.ENDINGS, *vectors.ENDINGS, *tables.ENDINGS, *envi_rois.ENDINGS)


def read_labels(
    path: str | Path,
    key: str | None = None,
    class_names: dict[int, str] | None = None,
    *,
    scene: AnyScene | None = None,
    layer: str | None = None,
    class_field: str | None = None,
    allow_outside: bool = False,
    ignore: Sequence[int | str] = (),
    background: int | str | None = 0,
    classes: str | Path | None = None,
) -> Labels:
    """Read labels from a file, and put them on a scene's grid.

    Args:
        path: `.npy`, `.mat`; a raster (GeoTIFF, ENVI classification, what rasterio
            opens); polygons or points (`.gpkg`, `.geojson`, `.shp`, `.fgb`); `.csv` of x, y, class;
            `.txt` or `.roi` with ENVI's regions of interest as text.
        key: name of the array in the file; default: the only one with two axes. For a raster, the
            number of the band.
        class_names: id to name; overrides the names in the file.
        scene: put the labels on its grid, and drop those of pixels without a spectrum. Required
            for polygons, points and tables; without a scene a raster keeps its own grid.
        layer: of a file of polygons that has several.
        class_field: attribute of polygons and points, or column of a table, that holds the class.
        allow_outside: a VRT may name local files that are neither beside nor below it.
        ignore: ids, or names of classes, that are unlabelled, such as 255.
        background: 0 if 0 is unlabelled; None (or "none") if it is a class: the ids are then those
            of the file plus 1.
        classes: a CSV file of `id,name,colour` with names and colours of the ids in the file.

    Raises:
        ReadError: no such file, another format, no array, band or layer, or several that fit, a
            damaged file.
        LabelsError: not a label map, no such attribute, values that are not classes, or nothing
            that can be put on the scene's grid.
        MissingExtraError: polygons, and pyogrio or shapely is not installed.
    """
    path = Path(path)
    check_regular(path, beside=True)
    if not path.is_file():
        raise ReadError(f"{path}: {why_no_file(path, LABEL_ENDINGS)}")
    ending = path.suffix.lower()
    if ending not in LABEL_ENDINGS and has_header(path):
        ending = ".hdr"
    on_grid = (*vectors.ENDINGS, *tables.ENDINGS, *envi_rois.ENDINGS)
    for flag, value, wanted in (
        ("layer", layer, vectors.ENDINGS),
        ("class-field", class_field, (*vectors.ENDINGS, *tables.ENDINGS)),
        ("labels-key", key, (*FORMATS, *rasters.ENDINGS)),
    ):
        if value is not None and ending not in wanted and ending in LABEL_ENDINGS:
            raise LabelsError(f"{path}: --{flag} {value} does not apply to {ending} files")
    if ending in on_grid and scene is None:
        raise LabelsError(
            f"{path}: holds coordinates and needs the scene's grid: read_labels(path, "
            "scene=scene); or use a raster"
        )
    convention = convention_of(ignore, background)
    colours: dict[int, Colour] = {}
    notes: list[str] = []
    if classes is not None:
        names, colours = read_classes(Path(classes), notes)
        class_names = {**names, **(class_names or {})}
    # numpy's warnings of coordinates that are no numbers; each such shape is counted in the notes
    with naming(path), np.errstate(over="ignore", invalid="ignore"):
        if ending in rasters.ENDINGS:
            check_sources(path, allow_outside)
            labels = rasters.read(path, scene, key, convention)
            if allow_outside:
                labels = replace(labels, source={**labels.source, "allow_outside": "true"})
        elif ending in on_grid and scene is not None:
            if ending in vectors.ENDINGS:
                labels = vectors.read(path, scene, layer, class_field, convention)
            elif ending in tables.ENDINGS:
                labels = tables.read(path, scene, class_field, convention)
            else:
                labels = envi_rois.read(path, scene, convention)
        else:
            labels = _read_array(path, key, class_names or {}, convention)
            if scene is not None and labels.shape == scene.shape[:2]:
                labels = labels.on(scene)
    shift = int(convention.zero_is_a_class)
    if ending not in FORMATS and class_names:
        named = {i + shift: name for i, name in class_names.items() if i + shift}
        labels = replace(labels, class_names={**labels.class_names, **named})
    if classes is not None:
        own = {i + shift: colour for i, colour in colours.items() if i + shift}
        labels = replace(
            labels,
            class_colours={**labels.class_colours, **own},
            source={**labels.source, "classes": str(Path(classes).resolve())},
            notes=(*labels.notes, *notes),
        )
    return labels


def _read_array(
    path: Path, key: str | None, names: dict[int, str], convention: Convention
) -> Labels:
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        wanted = ", ".join(sorted(filter(None, LABEL_ENDINGS)))
        raise ReadError(f"{path}: wanted one of {wanted}, got {path.suffix or 'no ending'}")
    chosen = choose(path, reader.shapes(path), key, 2, "a map of rows, cols", "--labels-key")
    check_fits_memory(path, chosen, remedy="cut the scene into parts")
    source = {"file": str(path.resolve()), "key": chosen.key, **convention.source}
    read = converted(reader.read(path, chosen.key), names, {}, convention, path.name)
    return Labels(read.ids, class_names=read.names, name=path.name, source=source, notes=read.notes)
