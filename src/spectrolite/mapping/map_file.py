"""A class map in its GeoTIFF: the files beside it, and what it holds.

Nothing here holds more than a few rows of a map in memory, unless all of it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.georeferencing import place_of
from spectrolite.data.labels import Colour, class_name, default_colour
from spectrolite.errors import ReadError, SettingsError, listed
from spectrolite.mapping.map_rows import LARGEST, MASKED, counted, opened_raster, read_rows, reading
from spectrolite.readers.labels.gdal_metadata import aux_colours, aux_names
from spectrolite.samples.reference_spectra import UNLIKE

DEFAULT_BANDS = ("confidence", "entropy")
EXTRA_BANDS = (*DEFAULT_BANDS, "probabilities", "similarity")
"""Layers that may be written beside the classes, float32, 0 to 1: the softmax of the class; the
entropy of the softmax divided by the logarithm of the number of classes; the softmax of every
class, a band each; how like the training spectra a spectrum is (`samples.reference_spectra`)."""
NODATA = {"class": 0.0, "similarity": float("nan")}
"""What the file of a layer has where there is no spectrum, and names as its nodata. The other
layers are 0 there, in all bands."""
MADE_FROM = "SPECTROLITE_MADE_FROM"  # tag: the hash of model, scene and settings
REJECT = "SPECTROLITE_REJECT"  # tag: pixels of a lower confidence have class 0
REJECTED = "SPECTROLITE_REJECTED_PIXELS"  # tag, in `.aux.xml`: how many
UNLIKE_PIXELS = "SPECTROLITE_UNLIKE_PIXELS"  # the same: pixels of a similarity below `UNLIKE`


@dataclass(frozen=True, eq=False)
class MapHead:
    """What a map's files hold beside its pixels.

    Attributes:
        shape: rows and columns.
        class_names: id to name; 0 is among them only in a map whose 0 is a class.
        class_colours: id to red, green, blue.
        crs: coordinate reference system as WKT, or None.
        transform: affine transform, six numbers, or None.
        class_ids: the ids that the network tells apart, in the order of `probabilities`; empty of a
            map that was opened.
    """

    shape: tuple[int, int]
    class_names: Mapping[int, str]
    class_colours: Mapping[int, Colour]
    crs: str | None = None
    transform: tuple[float, ...] | None = None
    class_ids: tuple[int, ...] = ()

    @property
    def no_data(self) -> int:
        """The id of pixels without a class: 0, or -1 where 0 is a class."""
        return -1 if 0 in self.class_names else 0


@dataclass(frozen=True)
class MapFiles:
    """The paths of a map's files, by the path of its GeoTIFF.

    Attributes:
        geotiff: the classes.
        polygons: the GeoPackage, anywhere, if one is asked for; not one of `all`.
    """

    geotiff: Path
    polygons: Path | None = None

    @property
    def names(self) -> Path:
        """Class names, where GDAL and QGIS look for them."""
        return self.geotiff.with_name(f"{self.geotiff.name}.aux.xml")

    @property
    def style(self) -> Path:
        """The style with which QGIS opens the map."""
        return self.geotiff.with_suffix(".qml")

    @property
    def picture(self) -> Path:
        """The picture with a legend."""
        return self.geotiff.with_suffix(".png")

    @property
    def envi(self) -> Path:
        """The ENVI classification; its header ends in `.hdr`. A scene's pair has other names."""
        return self.geotiff.with_name(f"{self.geotiff.stem}_classes.dat")

    def band(self, name: str) -> Path:
        """One of `EXTRA_BANDS`."""
        return self.geotiff.with_name(f"{self.geotiff.stem}_{name}.tif")

    def all(self, bands: Iterable[str] = EXTRA_BANDS, envi: bool = True) -> tuple[Path, ...]:
        """Every file of the map; the GeoTIFF last: where it is, all are complete."""
        names = self.envi.with_name(f"{self.envi.name}.aux.xml")
        pair = (self.envi.with_suffix(".hdr"), names, self.envi) if envi else ()
        return (*map(self.band, bands), *pair, self.names, self.style, self.picture, self.geotiff)


@dataclass(frozen=True, eq=False, repr=False)
class MapFile:
    """A map in its file.

    Attributes:
        path: the GeoTIFF.
        head: what it holds beside its pixels.
        counts: pixels of each class, ascending by id; `head.no_data` is no data.
        tags: further tags of the file.
        notes: what is odd about the file, a sentence each.
    """

    path: Path
    head: MapHead
    counts: Mapping[int, int]
    tags: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Path, size and classes, in two lines."""
        return f"MapFile {self.path}: {summary(self.head, self.counts)}"

    def _repr_html_(self) -> str:
        """The classes with their colours and pixels, for a notebook."""
        return classes_html(self.head, self.counts)

    @property
    def classes(self) -> NDArray[Any]:
        """`(rows, cols)` class ids, all of them in memory."""
        return np.concatenate([block for _, block in self.rows()])

    def rows(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Class ids from top to bottom, some whole rows at a time, each with its first row."""
        return read_rows(self.path, self.head.no_data)

    @property
    def rejected(self) -> int:
        """Pixels of class 0 that have a spectrum, but too low a confidence; 0 if it is not told."""
        return _number(self.tags, REJECTED) or 0

    def at(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.int64]:
        """Class ids at some pixels, all of them inside the map."""
        ids = np.zeros(len(rows), np.int64)
        for start, block in self.rows():
            here = (rows >= start) & (rows < start + len(block))
            ids[here] = block[rows[here] - start, cols[here]]
        return ids


def _number(tags: Mapping[str, str], key: str) -> int | None:
    """A number of pixels in the tags, which others may have written."""
    text = tags.get(key, "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def summary(head: MapHead, counts: Mapping[int, int]) -> str:
    """Size, reference system and classes of a map, for people."""
    rows, cols = head.shape
    crs = re.search(r'^\w+\["([^"]*)"', head.crs or "")
    where = f", {crs[1]}" if crs else ", not georeferenced"
    classes = [f"{i} {name} {counts.get(i, 0):,}" for i, name in head.class_names.items()]
    none = counts.get(head.no_data)
    empty = [f"no data {none:,}"] if none else []
    return f"{rows} x {cols} pixels{where}\n  {listed([*empty, *classes])}"


CLASSES_HTML = """<table><caption>{{ rows }} x {{ cols }} pixels</caption>
{% for id, name, colour, pixels in classes -%}
<tr><td style="background: {{ colour }}">&emsp;</td>
<td>{{ id }}</td><td>{{ name }}</td><td>{{ "{:,}".format(pixels) }}</td></tr>
{% endfor %}</table>"""


def classes_html(head: MapHead, counts: Mapping[int, int]) -> str:
    """A table of the classes of a map: colour, id, name and pixels."""
    from jinja2 import Environment

    none = head.no_data
    ids = {**({none: "no data"} if counts.get(none) else {}), **head.class_names}
    colours = {none: "#000000", **{i: f"#{bytes(c).hex()}" for i, c in head.class_colours.items()}}
    rows, cols = head.shape
    classes = [(i, name, colours[i], counts.get(i, 0)) for i, name in ids.items()]
    template = Environment(autoescape=True).from_string(CLASSES_HTML)
    return template.render(rows=rows, cols=cols, classes=classes)


def open_map(
    path: str | Path,
    counts: Mapping[int, int] | None = None,
    background: int | str | None = 0,
) -> MapFile:
    """Open a class map: one that `map` wrote, or any GeoTIFF of whole numbers.

    Names come from our own tags, else from GDAL's categories or attribute table; colours from the
    colour table or the attribute table. Pixels that the file masks, as by its nodata value, have no
    class; nor have those of 0, unless `background` is None.

    Args:
        path: the GeoTIFF.
        counts: pixels of each class; default: counted by reading the map.
        background: 0, which is no data, or None or `none`: 0 is a class.

    Raises:
        ReadError: missing, damaged, or not a class map.
        SettingsError: another background.
    """
    path = Path(path)
    if background not in (0, "0", None, "none"):
        raise SettingsError(
            f"--background: wanted 0 (no data) or none (0 is a class), got {background}"
        )
    zero_is_a_class = background in (None, "none")
    with reading(path, "is it a GeoTIFF?"), opened_raster(path) as file:
        if file.count != 1 or np.dtype(file.dtypes[0]).kind not in "iu":
            raise ReadError(
                f"{path}: wanted one band of whole numbers, got {file.count} of {file.dtypes[0]}; "
                "name the map that holds the classes"
            )
        crs, transform = place_of(file)
        own = {int(k[6:]): v for k, v in file.tags(1).items() if re.fullmatch(r"CLASS_\d{1,5}", k)}
        try:
            colours = {i: c[:3] for i, c in file.colormap(1).items()}
        except ValueError:  # it has none
            colours = {}
        shape, tags, nodata = file.shape, file.tags(), file.nodata
    named = {**aux_names(path, 1), **own}
    names = {i: name for i, name in named.items() if name and 0 <= i <= LARGEST}
    colours |= aux_colours(path, 1)
    zeros = 0
    if counts is None:
        counts = counted(path)
        zeros = counts.get(0, 0)
        if MASKED in counts:
            none = -1 if zero_is_a_class else 0
            counts[none] = counts.get(none, 0) + counts.pop(MASKED)
    ids = sorted({*names, *counts} - {-1, *([] if zero_is_a_class else [0])})
    ids = [i for i in ids if i in counts or i != nodata]
    if not any(any(colours.get(i, ())) for i in ids):  # a table that was never filled
        colours = {}
    head = MapHead(
        shape,
        {i: names.get(i, class_name(i)) for i in ids},
        {i: colours.get(i, default_colour(n)) for n, i in enumerate(ids)},
        crs,
        transform,
    )
    notes = tuple(f"{path.name}: {note}" for note in _cautions(tags, counts))
    if zeros and nodata != 0 and not zero_is_a_class:
        stated = (
            "it states no nodata value" if nodata is None else f"its nodata value is {nodata:g}"
        )
        called = f" ({names[0]})" if names.get(0) else ""
        notes += (
            f"{path.name}: {stated}, and {zeros:,} pixels are 0{called}: they count as no data; "
            "if 0 is a class, give --background none",
        )
    return MapFile(path, head, dict(sorted(counts.items())), tags, notes)


def _cautions(tags: Mapping[str, str], counts: Mapping[int, int]) -> tuple[str, ...]:
    """What to know before a map of ours is trusted."""
    notes = []
    limit, unlike = tags.get(REJECT), _number(tags, UNLIKE_PIXELS)
    if limit:
        count = _number(tags, REJECTED)
        notes.append(
            f"{'an unknown number of' if count is None else f'{count:,}'} pixels have class 0 "
            f"because their confidence is below {limit} (--reject); areas and accuracies are "
            "those of the other pixels"
        )
    if unlike is not None:
        with_spectrum = sum(counts.values()) - counts.get(0, 0) + (_number(tags, REJECTED) or 0)
        share = unlike / max(1, with_spectrum)
        notes.append(
            f"{unlike:,} pixels ({share:.1%}) have a similarity below {UNLIKE}: their spectra "
            "are unlike those of the training; do not trust the map there"
        )
    return tuple(notes)
