"""Labels by the ending of the file, and label maps as plain arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import io

from spectrolite.errors import LabelsError, ReadError
from spectrolite.readers import read_labels
from written_labels import class_map, refused, square, vector

MAP = np.array([[0, 1, 1], [2, 0, 7]], np.uint8)


def test_a_label_map_comes_back_with_its_names(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", MAP)
    labels = read_labels(tmp_path / "gt.npy", class_names={7: "oats"})
    np.testing.assert_array_equal(labels.array, MAP)
    assert labels.class_names == {1: "class 1", 2: "class 2", 7: "oats"}
    assert labels.name == "gt.npy"
    assert labels.source == {"file": str(tmp_path / "gt.npy"), "key": "array"}


def test_labels_that_matlab_stored_as_doubles_are_read(tmp_path: Path) -> None:
    io.savemat(tmp_path / "gt.mat", {"gt": MAP.astype(float) * 300})
    assert read_labels(tmp_path / "gt.mat").class_ids == (300, 600, 2100)


def test_a_map_of_one_row_is_read_where_there_is_no_other(tmp_path: Path) -> None:
    io.savemat(tmp_path / "row.mat", {"gt": np.array([[1, 2, 3]])})
    assert read_labels(tmp_path / "row.mat").shape == (1, 3)


def test_labels_with_an_unknown_ending(tmp_path: Path) -> None:
    path = tmp_path / "map.xyz"
    path.touch()
    with pytest.raises(ReadError) as caught:
        read_labels(path)
    assert str(caught.value) == (
        f"{path}: wanted one of .asc, .bil, .bin, .bip, .bsq, .csv, .dat, .envi, .fgb, .geojson, "
        ".gpkg, .hdr, .img, .json, .mat, .npy, .png, .raw, .rfl, .roi, .shp, .tif, .tiff, .tsv, "
        ".txt, .vrt, got .xyz"
    )


def test_labels_without_an_ending_are_a_raster_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "map"
    path.touch()
    with pytest.raises(ReadError) as caught:
        read_labels(path)
    assert str(caught.value) == (
        f"{path}: cannot be read as a raster ('{path}' not recognized as being in a supported file "
        "format.)"
    )


def test_infinite_labels_are_named_with_their_file(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", np.where(MAP == 7, np.inf, MAP))
    with pytest.raises(LabelsError) as caught:
        read_labels(tmp_path / "gt.npy")
    assert str(caught.value) == (
        "gt.npy: wanted whole numbers (0 unlabelled, classes from 1), got float64 with other values"
    )


def test_options_of_other_formats(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", class_map())
    path = tmp_path / "gt.npy"
    refused(LabelsError, f"{path}: --layer a does not apply to .npy files", path, layer="a")
    refused(
        LabelsError, f"{path}: --class-field a does not apply to .npy files", path, class_field="a"
    )
    plots = vector(tmp_path / "p.gpkg", [square(1, 1)], [1])
    refused(LabelsError, f"{plots}: --labels-key a does not apply to .gpkg files", plots, "a")
