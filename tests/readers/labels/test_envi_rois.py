"""ENVI's regions of interest as text, written by hand here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spectrolite.errors import LabelsError, ReadError
from spectrolite.readers import read_labels
from written_labels import at, refused, scene

ROIS = """; ENVI Output of ROIs (5.3) [Tue Nov 24 12:00:00 2026]
; Number of ROIs: 3
; File Dimension: 15 x 12
;
; ROI name: rye field
; ROI rgb value: {255, 0, 10}
; ROI npts: 2
;
; ROI name: oats
; ROI rgb value: {0, 255, 0}
; ROI npts: 1
;
; ROI name: rye field
; ROI rgb value: {9, 9, 9}
; ROI npts: 1
;   ID    X    Y         Map X         Map Y   B1
     1    1    1     600005.00    5199995.00   12
     2    2    1     600015.00    5199995.00   12

     1   15   12     600145.00    5199885.00   12

     1    4    6     600035.00    5199945.00   12
"""


GUESSED = "it is not in UTF-8; read as Windows-1252: if letters are wrong, save it as UTF-8"


def test_regions_of_interest(tmp_path: Path) -> None:
    path = tmp_path / "rois.txt"
    path.write_text(ROIS)
    labels = read_labels(path, scene=scene())
    assert at(labels) == {(0, 0): 1, (0, 1): 1, (11, 14): 2, (5, 3): 1}
    assert labels.class_names == {1: "rye field", 2: "oats"}
    assert labels.class_colours == {1: (255, 0, 10), 2: (0, 255, 0)}
    assert np.asarray(labels.polygons)[[0, 0, 11, 5], [0, 1, 14, 3]].tolist() == [1, 1, 2, 3]
    assert labels.source == {"file": str(path)}


ROI_ERRORS: list[tuple[str, str, type[Exception], str]] = [
    (
        "15 x 12",
        "145 x 145",
        LabelsError,
        "drawn on an image of 145 x 145 (columns x rows), but field has 15 x 12; use the scene "
        "that it was drawn on, or export the regions as a Shapefile",
    ),
    (
        "npts: 2",
        "npts: 3",
        ReadError,
        "its header says 5 points, the file has 4; it was cut off or edited",
    ),
    (
        "     1   15 ",
        "     1    0 ",
        ReadError,
        "line 20: wanted a pixel number of 1 or more, got '1 0 12 600145.00 5199885.00 12'",
    ),
    (
        "     1   15 ",
        "     1   9999999999999999999 ",
        ReadError,
        "line 20: wanted a pixel number of 1 or more, got '1 9999999999999999999 12 600145.00 "
        "5199885.00 "
        "12'",
    ),
    (
        "     1   15 ",
        "     1   16 ",
        LabelsError,
        "1 of its points are outside field; use the scene that it was drawn on",
    ),
    (
        ";   ID    X    Y ",
        ";   B1   B2   B3 ",
        LabelsError,
        "its points have no columns X and Y (B1 B2 B3 Map Map B1); export them again with pixel "
        "locations",
    ),
    (
        "; ENVI",
        "; IDL",
        ReadError,
        "wanted a text that begins with '; ENVI Output of ROIs'; export the regions with "
        "Output ROIs "
        "to "
        "ASCII, or as a Shapefile; a table of x, y, class ends in .csv",
    ),
]


@pytest.mark.parametrize(("old", "new", "kind", "said"), ROI_ERRORS, ids=lambda v: str(v)[:16])
def test_regions_that_are_refused(
    tmp_path: Path, old: str, new: str, kind: type[Exception], said: str
) -> None:
    path = tmp_path / "rois.txt"
    path.write_text(ROIS.replace(old, new))
    refused(kind, f"{path}: {said}", path, scene=scene())


def test_a_binary_file_of_regions(tmp_path: Path) -> None:
    path = tmp_path / "rois.roi"
    path.write_bytes(b"\xff\xfe\x80" * 20)
    with pytest.raises(ReadError, match=rf"^{path}: wanted a text that begins with '; ENVI Output"):
        read_labels(path, scene=scene())


def test_regions_in_an_encoding_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "rois.txt"
    path.write_bytes(
        "; ENVI Output of ROIs\n; Number of ROIs: 1\n; File Dimension: 12 x 10\n;\n"
        "; ROI name: Maïs – été\n; ROI rgb value: {1, 2, 3}\n; ROI npts: 1\n;   ID    X    Y\n"
        "    1    3    2\n".encode("cp1252")
    )
    shape = scene().shape
    path.write_bytes(path.read_bytes().replace(b"12 x 10", f"{shape[1]} x {shape[0]}".encode()))
    labels = read_labels(path, scene=scene())
    assert labels.class_names == {1: "Maïs – été"}
    assert labels.notes == (GUESSED,)
