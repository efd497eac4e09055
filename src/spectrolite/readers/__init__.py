"""Open data files. No other module does; everything after it takes arrays and values.

A format family of scenes is one module with a function `cube(path, key)`, which says what a file
holds without reading it and how to read a window; a new format is a new module and a line in
`scene_files.FORMATS`. Images come from `image_folders` and `cifar`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spectrolite.data.labels import Labels
from spectrolite.data.scene import AnyScene
from spectrolite.errors import LabelsError, ReadError
from spectrolite.files import naming
from spectrolite.readers.labels import envi_rois, rasters, tables, vectors
from spectrolite.readers.scenes import matlab, npy
from spectrolite.readers.scenes.arrays import check_fits_memory, choose
from spectrolite.readers.scenes.open import open_cube, open_scene, read_scene

__all__ = ["open_cube", "open_scene", "read_labels", "read_scene"]

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
) -> Labels:
    """Read labels from a file, and put them on a scene's grid.

    Args:
        path: `.npy`, `.mat`; a raster (GeoTIFF, ENVI classification, what rasterio
            opens); polygons or points (`.gpkg`, `.geojson`, `.shp`, `.fgb`); `.csv` of x, y, class;
            `.txt` or `.roi` with ENVI's regions of interest as text.
        key: name of the array in the file; found by its two axes where only one has them. Of a
            raster, the number of the band.
        class_names: id to name, where they are known; they come before those of the file.
        scene: whose grid the labels are put on, and whose pixels without a spectrum lose theirs.
            Polygons, points and tables need it; a raster without it is taken as it is.
        layer: of a file of polygons, where there are several.
        class_field: field of polygons and points, or column of a table, that says the class.

    Raises:
        ReadError: no such file, another format, no array, band or layer, or several that fit, a
            damaged file.
        LabelsError: no label map, no such field, values that are no classes, or nothing that can
            be put on the scene's grid.
        MissingExtraError: polygons, and pyogrio or shapely is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise ReadError(f"{path}: no such file")
    ending = path.suffix.lower()
    placed = (*vectors.ENDINGS, *tables.ENDINGS, *envi_rois.ENDINGS)
    for flag, value, wanted in (
        ("layer", layer, vectors.ENDINGS),
        ("class-field", class_field, (*vectors.ENDINGS, *tables.ENDINGS)),
        ("labels-key", key, (*FORMATS, *rasters.ENDINGS)),
    ):
        if value is not None and ending not in wanted and ending in LABEL_ENDINGS:
            raise LabelsError(f"{path}: --{flag} {value} does not go with {ending} files")
    if ending in placed and scene is None:
        raise LabelsError(
            f"{path}: holds places and needs the scene's grid: read_labels(path, scene=scene); or "
            "take a raster"
        )
    with naming(path):
        if ending in rasters.ENDINGS:
            labels = rasters.read(path, scene, key)
        elif ending in placed and scene is not None:
            if ending in vectors.ENDINGS:
                labels = vectors.read(path, scene, layer, class_field)
            elif ending in tables.ENDINGS:
                labels = tables.read(path, scene, class_field)
            else:
                labels = envi_rois.read(path, scene)
        else:
            labels = _read_array(path, key, class_names or {})
            if scene is not None and labels.shape == scene.shape[:2]:
                labels = labels.on(scene)
    if ending not in FORMATS and class_names:
        labels = replace(labels, class_names={**labels.class_names, **class_names})
    return labels


def _read_array(path: Path, key: str | None, names: dict[int, str]) -> Labels:
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        wanted = ", ".join(sorted(filter(None, LABEL_ENDINGS)))
        raise ReadError(f"{path}: wanted one of {wanted}, got {path.suffix or 'no ending'}")
    chosen = choose(path, reader.shapes(path), key, 2, "a map of rows, cols", "--labels-key")
    check_fits_memory(path, chosen, remedy="cut the scene into parts")
    source = {"file": str(path.resolve()), "key": chosen.key}
    array = reader.read(path, chosen.key)
    return Labels(array, class_names=names, name=path.name, source=source)
