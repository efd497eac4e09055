"""Files beside a map: class names, a style for QGIS, the header of an ENVI classification."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from spectrolite.errors import listed
from spectrolite.files import write_text
from spectrolite.mapping.map_file import MapHead

NOT_XML = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


def with_rejected(head: MapHead, reject: float) -> MapHead:
    """With a name for class 0, for people: pixels of a lower confidence than `reject` have it."""
    names = {0: f"confidence below {reject:g}, or no data", **head.class_names}
    return replace(head, class_names=names, class_colours={0: (0, 0, 0), **head.class_colours})


def write_names(path: Path, head: MapHead, tags: Mapping[str, str] | None = None) -> None:
    """Write class names and colours as GDAL's categories and attribute table.

    Args:
        path: the file.
        head: its class 0, if it has one, is named too.
        tags: further tags of the map, known only when its pixels are written.
    """
    names = {i: NOT_XML.sub(" ", name) for i, name in head.class_names.items()}
    categories = "".join(
        f"<Category>{escape(names.get(i, ''))}</Category>" for i in range(max(names) + 1)
    )
    # name, type (0 whole number, 2 text) and usage, as GDAL numbers them
    columns = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8))
    fields = "".join(
        f'<FieldDefn index="{n}"><Name>{name}</Name><Type>{type_}</Type><Usage>{usage}</Usage>'
        "</FieldDefn>"
        for n, (name, type_, usage) in enumerate(columns)
    )
    rows = "".join(
        f'<Row index="{n}">'
        + "".join(f"<F>{v}</F>" for v in (i, escape(name), *head.class_colours[i]))
        + "</Row>"
        for n, (i, name) in enumerate(names.items())
    )
    items = "".join(f'<MDI key="{key}">{escape(text)}</MDI>' for key, text in (tags or {}).items())
    metadata = f"<Metadata>{items}</Metadata>" if items else ""
    write_text(
        path,
        f'<PAMDataset>{metadata}<PAMRasterBand band="1"><CategoryNames>{categories}</CategoryNames>'
        f'<GDALRasterAttributeTable tableType="thematic">{fields}{rows}'
        "</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>\n",
    )


def write_style(path: Path, head: MapHead) -> None:
    """Write names and colours as a QGIS style."""
    entries = "".join(
        f'<paletteEntry value="{i}" color="#{bytes(head.class_colours[i]).hex()}" alpha="255" '
        f"label={quoteattr(NOT_XML.sub(' ', name))}/>"
        for i, name in head.class_names.items()
    )
    write_text(
        path,
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.0" styleCategories="Symbology"><pipe>'
        '<rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1">'
        f"<colorPalette>{entries}</colorPalette></rasterrenderer></pipe></qgis>\n",
    )


def envi_name(name: str) -> str:
    """A class name as an ENVI header can hold it: braces end a list, commas separate its entries.

    Examples:
        >>> envi_name("maize {silage, early}")
        'maize (silage; early)'
    """
    plain = name.translate(str.maketrans("{},", "();"))
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", plain).split()) or "-"


def changed_in_envi(names: Mapping[int, str]) -> str | None:
    """What to say of class names that the header of an ENVI classification cannot hold."""
    changed = [f"{name} is {envi_name(name)}" for name in names.values() if name != envi_name(name)]
    if not changed:
        return None
    return (
        f"class names that an ENVI header cannot hold are changed in it: {listed(changed, 5)}; "
        "the file .dat.aux.xml beside it has them as they are"
    )


def complete_envi(path: Path, head: MapHead) -> None:
    """Make the ENVI raster `path` a classification: add the classes to its header.

    Names that a header cannot hold are changed there; `path.aux.xml` holds all as they are.
    """
    write_names(Path(f"{path}.aux.xml"), head)
    header = path.with_suffix(".hdr")
    lines = header.read_bytes().decode("utf-8", "replace").rstrip("\n")
    lines = lines[lines.rindex("\nsamples") + 1 :]  # after GDAL's description, a temporary path
    ids = range(max(head.class_names) + 1)
    names = [envi_name(head.class_names.get(i, "-")) for i in ids]
    colours = (c for i in ids for c in head.class_colours.get(i, (0, 0, 0)))
    write_text(
        header,
        "ENVI\ndescription = {Class map by Spectrolite}\n"
        f"{lines.replace('ENVI Standard', 'ENVI Classification')}\n"
        f"classes = {len(ids)}\n"
        f"class lookup = {{{', '.join(map(str, colours))}}}\n"
        f"class names = {{Unclassified, {', '.join(names[1:])}}}\n"
        "data ignore value = 0\n",
    )
