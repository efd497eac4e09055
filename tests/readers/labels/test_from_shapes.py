"""From shapes to pixels: overlaps, shapes without a pixel, pixels without a spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from spectrolite.data.scene import SceneFile, Window
from spectrolite.errors import LabelsError
from spectrolite.readers import read_labels
from written_labels import CRS, PLACE, SHAPE, refused, scene, square, vector


def without(rows: slice) -> NDArray[np.bool_]:
    valid = np.ones(SHAPE, bool)
    valid[rows] = False
    return valid


def from_file(valid: NDArray[np.bool_], asked: list[Window]) -> SceneFile:
    def read(window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        asked.append(window)
        return np.zeros((*window.shape, 2)), valid[window.slices]

    return SceneFile((*SHAPE, 2), np.dtype(float), read, "field", crs=CRS, transform=PLACE)


def test_labels_where_the_scene_has_no_spectrum_are_dropped_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spectrolite.data.labels.WINDOW_SIDE", 4)
    valid = without(slice(0, 3))
    shapes = [square(2, 1), square(6, 3), square(5, 9)]
    vectors = vector(tmp_path / "plots.gpkg", shapes, [4, 4, 9])
    table = tmp_path / "gt.npy"
    np.save(table, read_labels(vectors, scene=scene(), class_field="crop").array)
    asked: list[Window] = []
    for held in (scene(valid=valid), from_file(valid, asked)):
        labels = read_labels(vectors, scene=held, class_field="crop")
        assert labels.counts() == {4: 2 + 4, 9: 4}
        assert not labels.array[:3].any()
        assert labels.notes == (
            "2 of 12 labelled pixels have no spectrum in the scene (nodata or NaN) and are dropped",
        )
        assert labels.source["without_spectrum"] == "2"
        assert (np.asarray(labels.polygons) > 0).sum() == 10
        assert read_labels(table, scene=held).counts() == labels.counts()
    looked_at = {(w.row_start, w.col_start) for w in asked}
    assert looked_at == {(0, 0), (4, 3), (4, 7)}  # of twelve, the three that hold a label
    refused(
        LabelsError,
        "plots.gpkg: none of its 12 labelled pixels has a spectrum in field",
        vectors,
        scene=scene(valid=without(slice(0, 12))),
        class_field="crop",
    )


def test_every_decision_is_in_the_notes(tmp_path: Path) -> None:
    bow = shapely.Polygon(
        [(600000, 5199900), (600040, 5199940), (600040, 5199900), (600000, 5199940)]
    )
    tiny = shapely.box(600061, 5199901, 600063, 5199903)
    shapes = [
        square(1, 1),
        square(2, 2),
        bow,
        tiny,
        square(0, 13, 4),
        square(40, 40),
        None,
        square(8, 8),
    ]
    path = vector(tmp_path / "plots.gpkg", shapes, [1, 2, 2, 2, 2, 1, 1, 0])
    labels = read_labels(path, scene=scene(), class_field="crop")
    assert labels.array[2, 2] == 0  # the pixel that is in both
    assert labels.counts() == {1: 3, 2: 3 + 4 + 8}
    assert labels.notes == (
        "1 of 8 polygons have no geometry and are dropped",
        "1 of 8 polygons intersect themselves and were repaired",
        "1 of 8 polygons are outside the scene and are dropped",
        "1 of 8 polygons extend beyond the scene and lose that part",
        "1 of 8 polygons have class 0 (unlabelled) and are dropped",
        "1 of 8 polygons hold no pixel centre and are dropped",
        "1 pixels are in polygons of two classes and stay unlabelled",
    )


def test_polygons_of_one_class_that_overlap_are_one(tmp_path: Path) -> None:
    shapes = [square(1, 1), square(6, 6), square(2, 2), square(9, 1)]
    path = vector(tmp_path / "plots.gpkg", shapes, [3, 3, 3, 3])
    labels = read_labels(path, scene=scene(), class_field="crop")
    assert set(np.unique(np.asarray(labels.polygons)).tolist()) == {0, 1, 2, 4}
    assert (np.asarray(labels.polygons) == 1).sum() == 7


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
