"""Shapes and their classes from a layer of features, through pyogrio and shapely, as stored."""

from __future__ import annotations

import codecs
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.errors import LabelsError, MissingExtraError, ReadError, listed
from spectrolite.readers.scenes.drivers import NO_NETWORK
from spectrolite.readers.text import decoded

ENDINGS = (".gpkg", ".geojson", ".json", ".shp", ".fgb")
# First bytes of the formats; a GeoJSON begins with a brace, as do texts that name other files.
BEGINNINGS = {
    ".gpkg": b"SQLite format 3\0",
    ".shp": b"\x00\x00\x27\x0a",
    ".fgb": b"fgb\x03fgb",
}
OTHER_JSON = (b"gdal_streamed_alg", b"stac_version", b"<OGR", b"Capabilities")
MAX_GUESSED = 16 << 20  # bytes of a table that its encoding is guessed from


@dataclass(frozen=True, eq=False)
class Features:
    """The features of a layer.

    Attributes:
        shapes: `(features,)` shapely geometries, in the layer's coordinates.
        classes: value of the attribute of each.
        crs: of the layer, or None.
        layer: its name.
        attribute: name of the attribute that holds the class.
        notes: what is odd about the file.
    """

    shapes: NDArray[Any]
    classes: list[Any]
    crs: str | None
    layer: str
    attribute: str
    notes: tuple[str, ...]


def read_features(path: Path, layer: str | None, class_field: str | None) -> Features:
    """The shapes of a layer, and the attribute that holds their class.

    Args:
        path: of the file.
        layer: name of the layer; needed if there are several.
        class_field: attribute that holds the class; needed if there are several.

    Raises:
        ReadError: a damaged file, no such layer, or several layers and no `layer`.
        LabelsError: no such attribute, an empty layer, or coordinates that are no degrees.
        MissingExtraError: pyogrio or shapely is not installed.
    """
    try:
        import pyogrio
        import shapely
        from pyogrio import errors
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: reading polygons and points needs pyogrio and shapely, which are not "
            "installed; install them with: pip install 'spectrolite[geo]'"
        ) from error
    _check_kind(path)
    try:
        with warnings.catch_warnings(), _no_network():
            warnings.simplefilter("ignore")  # GDAL warns of what affects neither shapes nor classes
            layer = _layer(path, layer, pyogrio.list_layers(path))
            encoding, guessed = _encoding(path, pyogrio.read_info(path, layer=layer)["encoding"])
            known = pyogrio.read_info(path, layer=layer, encoding=encoding)["fields"]
            attribute = _attribute(path, class_field, list(known))
            meta, _, shapes, columns = pyogrio.raw.read(
                path, layer=layer, columns=[attribute], force_2d=True, encoding=encoding
            )
        features = shapely.from_wkb(shapes)
    except (
        errors.DataSourceError,
        errors.DataLayerError,
        errors.FeatureError,
        errors.GeometryError,
        errors.CRSError,
        shapely.errors.ShapelyError,
        UnicodeDecodeError,
        UnboundLocalError,  # pyogrio's for a damaged reference system
    ) as error:
        why = " ".join(str(error).split())
        raise ReadError(f"{path}: not a readable file of polygons or points ({why})") from error
    if not len(features):
        raise LabelsError(f"{path}: layer {layer} is empty; draw polygons in it, or name another")
    _check_degrees(path, shapely.total_bounds(features), meta["crs"])
    if columns[0].dtype.kind not in "iufO":
        raise LabelsError(
            f"{path}: attribute {attribute}: wanted whole numbers or words, got {columns[0].dtype}"
        )
    return Features(features, columns[0].tolist(), meta["crs"], layer, attribute, tuple(guessed))


def _check_kind(path: Path) -> None:
    """Refuse a text of another kind, since GDAL goes by the content, not by the ending.

    Raises:
        ReadError: it does not begin as files of its ending do.
    """
    with path.open("rb") as file:
        head = file.read(64 << 10)
    ending = path.suffix.lower()
    if ending in BEGINNINGS:
        fits = head.startswith(BEGINNINGS[ending])
    else:
        fits = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
        fits &= not any(word in head for word in OTHER_JSON)
    if not fits:
        raise ReadError(
            f"{path}: not a readable file of polygons or points (it does not begin as files that "
            f"end in {ending} do); export it again"
        )


@contextmanager
def _no_network() -> Iterator[None]:
    """Settings of pyogrio's GDAL while the block runs; they are those of the process."""
    import pyogrio

    before = {name: pyogrio.get_gdal_config_option(name) for name in NO_NETWORK}
    pyogrio.set_gdal_config_options(NO_NETWORK)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(before)


def _layer(path: Path, layer: str | None, layers: NDArray[Any]) -> str:
    """The layer of that name, or the only one with geometry."""
    every = [str(name) for name, _ in layers]
    features = [
        str(name) for name, kind in layers if kind is not None
    ]  # QGIS stores styles in a table
    if layer is not None:
        if layer not in every:
            raise ReadError(f"{path}: no layer {layer!r}, only {listed(every)}")
        return layer
    if not features:
        raise ReadError(f"{path}: no layer with geometry, only {listed(every) or 'nothing'}")
    if len(features) > 1:
        raise ReadError(f"{path}: several layers: {listed(features)}; choose one with --layer")
    return features[0]


def _encoding(path: Path, known: str | None) -> tuple[str | None, list[str]]:
    """Encoding of a Shapefile's table where GDAL does not know it, and a note if it is a guess."""
    table = next((p for p in (path.with_suffix(e) for e in (".dbf", ".DBF")) if p.is_file()), None)
    if path.suffix.lower() != ".shp" or known == "UTF-8" or table is None:
        return None, []
    beside = next((p for p in (path.with_suffix(e) for e in (".cpg", ".CPG")) if p.is_file()), None)
    stated = "" if beside is None else decoded(beside.read_bytes()[:64])[0].strip()
    numbers = re.findall(r"\d{3,5}", stated)  # as in `ANSI 1252`, of Windows
    for name in (stated, "utf-8" if numbers == ["65001"] else f"cp{''.join(numbers)}"):
        try:
            return codecs.lookup(name).name, []
        except (LookupError, ValueError):
            continue
    with table.open("rb") as file:
        head = file.read(32)
        file.seek(int.from_bytes(head[8:10], "little"))  # the first row
        guessed = list(decoded(file.read(MAX_GUESSED))[1])
    return ("cp1252" if guessed else "utf-8"), [f"{table.name}: {note}" for note in guessed]


def _check_degrees(path: Path, bounds: NDArray[np.float64], crs: str | None) -> None:
    from rasterio import Env
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        with Env():  # else PROJ prints its errors
            if crs is None or not CRS.from_user_input(crs).is_geographic:
                return
    except (CRSError, IndexError, ValueError):  # `check_crs` says so
        return
    left, low, right, high = bounds
    if (max(-left, right) <= 361 and max(-low, high) <= 91) or np.isnan(bounds).any():
        return
    why, remedy = f"its reference system is in degrees ({crs})", "correct its reference system"
    if path.suffix.lower() in (".geojson", ".json"):
        why = "GeoJSON that does not name its reference system is in degrees (RFC 7946)"
        remedy = (
            "export it in longitude and latitude, or as a GeoPackage, or name the system in it: "
            '"crs": {"type": "name", "properties": {"name": "EPSG:32632"}} with your code'
        )
    raise LabelsError(f"{path}: its coordinates extend {extent(bounds)}, but {why}; {remedy}")


def _attribute(path: Path, name: str | None, attributes: list[str]) -> str:
    if name is None and len(attributes) == 1:
        return attributes[0]
    if name is None:
        raise LabelsError(
            f"{path}: name the attribute that holds the class with --class-field; the file has: "
            f"{listed(attributes) or 'none'}"
        )
    if name not in attributes:
        raise LabelsError(
            f"{path}: --class-field: no attribute {name!r}, only {listed(attributes) or 'none'}"
        )
    return name


def extent(bounds: Any) -> str:
    """Corners of a box, for messages."""
    left, low, right, high = (f"{value:.8g}" for value in bounds)
    return f"from ({left}, {low}) to ({right}, {high})"
