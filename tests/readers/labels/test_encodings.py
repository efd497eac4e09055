"""Class names in every encoding that outsiders' files have.

References: the names that were encoded here, byte for byte.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely

from spectrolite.products.known import open_cube
from spectrolite.readers import read_labels
from spectrolite.readers.labels.reference_points import read_sample
from written_labels import PLACE, class_map, geotiff, scene, square

GUESSED = "it is not in UTF-8; read as Windows-1252: if letters are wrong, save it as UTF-8"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252"])
@pytest.mark.parametrize("ending", [".dat", ".classes"])
def test_an_envi_classification(tmp_path: Path, encoding: str, ending: str) -> None:
    array = (class_map() % 4).astype(np.uint8)
    (tmp_path / f"gt{ending}").write_bytes(array.tobytes())
    header = (
        f"ENVI\nsamples = {array.shape[1]}\nlines = {array.shape[0]}\nbands = 1\ndata type = 1\n"
        "interleave = bsq\nfile type = ENVI Classification\nclasses = 4\n"
        "class names = {Unclassified,\n Maïs, Blé  dur,\n Forêt}\n"
    )
    (tmp_path / "gt.hdr").write_bytes(header.encode(encoding))
    for name in ("gt.hdr", f"gt{ending}"):
        labels = read_labels(tmp_path / name)
        np.testing.assert_array_equal(labels.array, array)
        assert labels.class_names == {1: "Maïs", 2: "Blé dur", 3: "Forêt"}
        assert labels.notes == (() if encoding == "utf-8" else (f"gt.hdr: {GUESSED}",))


def test_category_names_in_xml_that_states_no_encoding(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "gt.tif", class_map() % 3)
    text = (
        '<PAMDataset><PAMRasterBand band="1"><CategoryNames><Category/><Category>Maïs</Category>'
        "<Category>Blé</Category></CategoryNames></PAMRasterBand></PAMDataset>"
    )
    beside = tmp_path / "gt.tif.aux.xml"
    for raw in (
        text.encode("cp1252"),
        text.encode("utf-8"),
        b'<?xml version="1.0" encoding="ISO-8859-1"?>' + text.encode("latin-1"),
    ):
        beside.write_bytes(raw)
        assert read_labels(path).class_names == {1: "Maïs", 2: "Blé"}


@pytest.mark.parametrize(
    ("encoding", "stated", "guessed"),
    [
        ("utf-8", "UTF-8", False),
        ("utf-8", None, False),
        ("utf-8", "65001", False),
        ("cp1252", None, True),
        ("cp1252", "1252", False),
        ("cp1252", "ANSI 1252", False),
        ("cp1252", "what?", True),
        ("cp1252", "cp-1252", False),
    ],
)
def test_a_shapefile(tmp_path: Path, encoding: str, stated: str | None, guessed: bool) -> None:
    words = np.array(["Maïs €", "Blé"], object)
    path = tmp_path / "p.shp"
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array([square(1, 1), square(4, 4)], object)),
        [words],
        ["été"],
        geometry_type="Polygon",
        crs="EPSG:32632",
        driver="ESRI Shapefile",
        encoding=encoding,
    )
    (tmp_path / "p.cpg").unlink()
    if stated is not None:
        (tmp_path / "p.cpg").write_text(stated)
    assert words[0].encode(encoding) in (tmp_path / "p.dbf").read_bytes()
    labels = read_labels(path, scene=scene(), class_field="été")
    assert labels.class_names == {1: "Blé", 2: "Maïs €"}
    assert labels.notes == ((f"p.dbf: {GUESSED}",) if guessed else ())


def test_a_sample_of_points(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes("row,col,class\n1,2,Blé\n".encode("latin-1"))
    sample = read_sample(tmp_path / "p.csv")
    assert (sample.classes, sample.notes) == (("Blé",), (GUESSED,))


def test_a_table_of_classes(tmp_path: Path) -> None:
    np.save(tmp_path / "l.npy", class_map() % 3)
    (tmp_path / "c.csv").write_bytes("id;name\n1;Maïs\n2;Blé\n".encode("cp1252"))
    labels = read_labels(tmp_path / "l.npy", classes=tmp_path / "c.csv")
    assert labels.class_names == {1: "Maïs", 2: "Blé"}
    assert labels.notes == (f"c.csv: {GUESSED}",)


def test_band_descriptions_of_a_geotiff(tmp_path: Path) -> None:
    path = tmp_path / "s.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=2,
        height=2,
        count=1,
        dtype="uint8",
        transform=rasterio.Affine(*PLACE),
    ) as file:
        file.write(np.ones((1, 2, 2), np.uint8))
        file.set_band_description(1, "0.55 XXm")
    path.write_bytes(path.read_bytes().replace(b"XXm", b"\xb5m "))
    assert open_cube(path).notes == (
        "wavelengths: its band descriptions are not in UTF-8; they are not used",
    )
