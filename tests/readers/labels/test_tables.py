"""Tables of places with their class, written by hand here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rasterio import warp

from spectrolite.errors import LabelsError, ReadError
from spectrolite.readers import read_labels
from written_labels import CRS, at, refused, scene

GUESSED = "it is not in UTF-8; read as Windows-1252: if letters are wrong, save it as UTF-8"


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_three_ways_to_name_a_place(tmp_path: Path) -> None:
    centres = {(0, 0): "oats", (3, 4): "rye", (11, 14): "oats"}
    xy = {p: (600000 + 10 * (p[1] + 0.5), 5200000 - 10 * (p[0] + 0.5)) for p in centres}
    lonlat = {
        p: [v[0] for v in warp.transform(CRS, "EPSG:4326", [x], [y])] for p, (x, y) in xy.items()
    }
    wanted = {(0, 0): 1, (3, 4): 2, (11, 14): 1}
    for head, places in (("x,y", xy), ("Lon,Lat", lonlat), ("row,col", {p: p for p in centres})):
        lines = [f"{name},{a!r},{b!r}" for (p, name) in centres.items() for a, b in [places[p]]]
        path = table(tmp_path / "p.csv", f"Class,{head}", *lines)
        labels = read_labels(path, scene=scene())
        assert at(labels) == wanted
        assert labels.class_names == {1: "oats", 2: "rye"}
        assert sorted(np.unique(np.asarray(labels.polygons))) == [0, 1, 2, 3]
        assert labels.source == {"file": str(path)}


def test_semicolons_other_names_a_mark_and_polygons(tmp_path: Path) -> None:
    lines = ["\ufeffrow;col;crop;polygon", "0;0;4;a", "0;1;4;a", "", "5;5;9;b", "9;9;9;", "9;9;9;"]
    path = table(tmp_path / "p.csv", *lines)
    labels = read_labels(path, scene=scene(), class_field="crop")
    assert at(labels) == {(0, 0): 4, (0, 1): 4, (5, 5): 9, (9, 9): 9}
    assert np.asarray(labels.polygons)[[0, 0, 5, 9], [0, 1, 5, 9]].tolist() == [1, 1, 2, 3]
    assert labels.source == {"file": str(path), "class_field": "crop"}


def test_rows_outside_and_rows_that_contradict(tmp_path: Path) -> None:
    path = table(tmp_path / "p.csv", "row,col,class", "1,1,2", "1,1,3", "2,2,3", "12,0,3", "0,15,2")
    labels = read_labels(path, scene=scene())
    assert at(labels) == {(2, 2): 3}
    assert labels.notes == (
        "2 of 5 rows are outside the scene and are dropped",
        "1 pixels are in rows of two classes and stay unlabelled",
    )


TABLES: list[tuple[list[str], type[Exception], str]] = [
    (
        ["x,y,class", "1,2,3", "1,b,3", "1,c,3"],
        ReadError,
        "line 3: column y: wanted a number, got 'b'; so in 2 lines",
    ),
    (
        ["x,y,class", "1,nan,3"],
        ReadError,
        "line 2: column y: wanted a number, got 'nan'; so in 1 lines",
    ),
    (
        ["x,y,class", "1,2,3", "", "1,2"],
        ReadError,
        "line 4: 2 cells, the header has 3; so in 1 lines",
    ),
    (
        ["row,col,class", "1,2.5,3"],
        ReadError,
        "line 2: column col: wanted a whole number of 0 or more, got 2.5",
    ),
    (
        ["lon,lat,class", "10.3,46.9,1", "600000,46.9,3"],
        ReadError,
        "line 3: column lon: wanted degrees from -180 to 180, got 600000; so in 1 lines",
    ),
    (
        ["row,col,class", "1,2,"],
        LabelsError,
        "column class is empty in 1 of 1, first in line 2; fill the empty ones, or remove them",
    ),
    (
        ["row,col,crop", "1,2,3"],
        LabelsError,
        "no column 'class' for the class, only row, col, crop; name it with --class-field",
    ),
    (
        ["row,column,class", "1,2,3"],
        LabelsError,
        "wanted one pair of columns x,y or lon,lat or row,col, got none in row, column, "
        "class; keep one pair",
    ),
    (
        ["row,col,x,y,class", "1,2,3,4,5"],
        LabelsError,
        "wanted one pair of columns x,y or lon,lat or row,col, got x,y and row,col; keep one pair",
    ),
    (["row,col,class,class", "1,2,3,3"], ReadError, "line 1: the column class appears twice"),
    (["row,col,class"], ReadError, "wanted a header such as x,y,class and rows below it"),
    (
        ["x,y,class", "46,10,3"],
        LabelsError,
        "none of its 1 rows is in field; check the order of x and y, and the scene's reference "
        "system",
    ),
    (
        ["row,col,class,polygon", "1,2,3,a", "1,3,4,a"],
        LabelsError,
        "polygon a has one class in line 2 and another in line 3; give each polygon one class",
    ),
]


@pytest.mark.parametrize(("lines", "kind", "said"), TABLES, ids=lambda v: str(v)[:30])
def test_tables_that_are_refused(
    tmp_path: Path, lines: list[str], kind: type[Exception], said: str
) -> None:
    path = table(tmp_path / "p.csv", *lines)
    refused(kind, f"{path}: {said}", path, scene=scene())


def test_a_table_in_another_encoding_and_degrees_without_a_system(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    for encoding, notes in (("utf-8-sig", ()), ("utf-16", ()), ("cp1252", (GUESSED,))):
        path.write_bytes("row,col,class\n1,2,Hafer ö\n2,2,€\n".encode(encoding))
        labels = read_labels(path, scene=scene())
        assert set(labels.class_names.values()) == {"Hafer ö", "€"}
        assert labels.notes == notes
    table(path, "lon,lat,class", "10.3,46.9,1")
    refused(
        LabelsError,
        f"{path}: has lon and lat, but the scene field has no coordinate reference system; set it, "
        "or use row,col",
        path,
        scene=scene(crs=None),
    )
