"""SceneMap: a map in memory, and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.georeferencing import place_of
from spectrolite.data.labels import Colour
from spectrolite.files import whole_file
from spectrolite.hashing import array_sha256
from spectrolite.mapping.geotiff import geotiff_bytes
from spectrolite.mapping.map_file import MapFiles, MapHead, classes_html, summary
from spectrolite.mapping.map_frame import picture_step
from spectrolite.mapping.map_rows import opened_raster, reading
from spectrolite.mapping.picture import write_picture
from spectrolite.mapping.sidecars import write_names, write_style


@dataclass(frozen=True, eq=False, repr=False)
class SceneMap:
    """A class for every pixel of a scene.

    Attributes:
        classes: `(rows, cols)` class ids of the labels, uint8 if they fit, else uint16; 0 where the
            scene has no spectrum.
        confidence: `(rows, cols)` float32, the softmax of the class, 0 to 1.
        class_names: id to name.
        class_colours: id to red, green, blue.
        crs: coordinate reference system as WKT, or None.
        transform: affine transform, six numbers, or None.
        probabilities: `(rows, cols, classes)` float32, the softmax of every class, in the order of
            `class_ids`; 0 where the scene has no spectrum. None unless `classify` was asked for it.
        class_ids: the ids that the model tells apart, ascending.
    """

    classes: NDArray[np.unsignedinteger]
    confidence: NDArray[np.float32]
    class_names: Mapping[int, str]
    class_colours: Mapping[int, Colour]
    crs: str | None = None
    transform: tuple[float, ...] | None = None
    probabilities: NDArray[np.float32] | None = None
    class_ids: tuple[int, ...] = ()

    def __repr__(self) -> str:
        """Size and classes, in two lines."""
        return f"SceneMap: {summary(self._head, self._counts)}"

    def _repr_html_(self) -> str:
        """The classes with their colours and pixels, for a notebook."""
        return classes_html(self._head, self._counts)

    @property
    def _head(self) -> MapHead:
        rows, cols = self.classes.shape
        return MapHead(
            (rows, cols),
            self.class_names,
            self.class_colours,
            self.crs,
            self.transform,
            self.class_ids,
        )

    @property
    def _counts(self) -> dict[int, int]:
        """Pixels of each class."""
        return dict(enumerate(np.bincount(self.classes.ravel()).tolist()))

    @property
    def sha256(self) -> str:
        """Hash of classes and confidence."""
        return array_sha256(self.classes, self.confidence)

    def write_geotiff(self, path: str | Path) -> None:
        """Write the classes as a GeoTIFF with colour table and class names; 0 is no data.

        Beside it appear `NAME.tif.aux.xml`, where GDAL and QGIS look for class names, `NAME.qml`, a
        style of QGIS, `NAME_confidence.tif`, and `NAME_probabilities.tif` if it has them. Each has
        its name only when it is complete. Further layers of a map that was there are removed.
        """
        files, head = MapFiles(Path(path)), self._head
        replaced = files.geotiff.exists()
        with whole_file(files.band("confidence")) as part:
            part.write_bytes(geotiff_bytes(head, "confidence", self.confidence))
        if self.probabilities is not None:
            with whole_file(files.band("probabilities")) as part:
                part.write_bytes(geotiff_bytes(head, "probabilities", self.probabilities))
        write_names(files.names, head)
        write_style(files.style, head)
        # in memory first, for GDAL closes a file on a full disk without an error
        with whole_file(files.geotiff) as part:
            part.write_bytes(geotiff_bytes(head, "class", self.classes))
        if replaced:  # its picture stays: `write_png` may have written it just now
            written = ["confidence", *(["probabilities"] if self.probabilities is not None else [])]
            kept = {*files.all(written, envi=False)}
            for other in {*files.all()} - kept:
                other.unlink(missing_ok=True)

    def write_png(self, path: str | Path) -> None:
        """Write the map as a picture with a legend of the classes."""
        step = picture_step(self._head.shape)
        shown = self.classes[::step, ::step]
        write_picture(Path(path), shown, self._head, self._counts)


def maps_sha256(maps: Sequence[SceneMap]) -> str:
    """Hash of the maps of all scenes; for one scene, the hash of its map."""
    return array_sha256(*(array for one in maps for array in (one.classes, one.confidence)))


def read_map(path: Path, bundle: Bundle) -> SceneMap:
    """Read back a map that `write_geotiff` wrote, with the classes of the model that made it.

    Raises:
        ReadError: one of the two files is missing or damaged.
    """
    bands = []
    for file in (path, MapFiles(path).band("confidence")):
        with reading(file, "run evaluate"), opened_raster(file) as source:
            bands.append(source.read(1))
            crs, transform = place_of(source)
    config = bundle.config
    return SceneMap(
        bands[0],
        bands[1],
        config.class_names,
        config.class_colours,
        crs,
        transform,
        class_ids=config.class_ids,
    )
