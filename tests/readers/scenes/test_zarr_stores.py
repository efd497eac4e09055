"""Zarr stores, against the arrays that zarr wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from spectrolite.errors import MissingExtraError, ReadError
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import read_scene
from written_scenes import CUBE


def test_the_fill_value_that_xarray_writes_into_zarr(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "s.zarr", mode="w")
    array = root.create_array("c", data=np.array([[[5.0, 1.0], [2.0, 3.0]]]))
    array.attrs["_FillValue"] = "AAAAAAAAFEA="  # base64 of the eight bytes of 5.0
    scene = read_scene(tmp_path / "s.zarr")
    assert scene.valid is not None
    assert scene.valid.tolist() == [[False, True]]


def test_the_fill_value_that_xarray_stores_with_the_array(tmp_path: Path) -> None:
    """Version 2: the array's own is the attribute, where dimensions say that xarray wrote it."""
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=2)
    array = root.create_array("c", shape=(1, 2, 2), dtype="i2", fill_value=-9)
    array[:] = [[[-9, 1], [2, 3]]]
    assert read_scene(tmp_path / "s.zarr").valid is None
    array.attrs["_ARRAY_DIMENSIONS"] = ["y", "x", "band"]
    scene = read_scene(tmp_path / "s.zarr")
    assert scene.valid is not None
    assert scene.valid.tolist() == [[False, True]]
    array.attrs["_FillValue"] = 3
    stated = open_cube(tmp_path / "s.zarr").nodata
    assert stated is not None
    assert stated.tolist() == [3, 3]


def test_an_array_alone_is_a_store_too(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "s.zarr", data=CUBE)
    scene = read_scene(tmp_path / "s.zarr")
    np.testing.assert_array_equal(scene.cube, CUBE)
    assert scene.source["key"] == "array"


def test_zarr_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.zarr").mkdir()
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(MissingExtraError) as caught:
        read_scene(tmp_path / "s.zarr")
    assert str(caught.value) == (
        f"{tmp_path / 's.zarr'}: reading Zarr needs the package zarr, which is not installed; "
        "install it with: pip install 'spectrolite[geo]'"
    )


@pytest.mark.parametrize("version", [2, 3])
def test_chunks_that_are_not_in_the_store_are_counted(tmp_path: Path, version: Any) -> None:
    array = zarr.create_array(
        tmp_path / "s.zarr",
        shape=(40, 60, 4),
        chunks=(10, 20, 4),
        dtype="i2",
        fill_value=7,
        zarr_format=version,
    )
    array[:10, :40] = 1
    notes = open_cube(tmp_path / "s.zarr").notes
    assert notes[-1] == (
        "10 of 12 chunks are not in the store; their pixels have its fill value, 7"
    )


@pytest.mark.parametrize("version", [2, 3])
def test_a_shape_that_claims_a_hundred_times_the_chunks(tmp_path: Path, version: Any) -> None:
    array = zarr.create_array(
        tmp_path / "s.zarr",
        shape=(100_000, 60, 4),
        chunks=(3, 6, 4),
        dtype="i2",
        zarr_format=version,
    )
    array[:6, :12] = 1
    with pytest.raises(ReadError) as caught:
        open_cube(tmp_path / "s.zarr")
    files = sum(1 for _ in (tmp_path / "s.zarr").rglob("*"))
    assert str(caught.value) == (
        f"{tmp_path}/s.zarr: its shape (100000, 60, 4) makes 333,340 chunks, but the store holds "
        f"{files:,} files; copy it again, or correct shape and chunks in its metadata"
    )


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "attrs",
    [
        {"_ARRAY_DIMENSIONS": 5},
        {"_ARRAY_DIMENSIONS": ["y"]},
        {"_ARRAY_DIMENSIONS": {"y": 1}},
        {"wavelength": [[400, 500], [600]]},
        {"wavelength": {"a": 1}},
        {"bbl": [[0, 1], [1]]},
        {"bbl": "1111"},
        {"_FillValue": {}},
        {"scale_factor": [[1, 2]]},
        {"grid_mapping": [1, 2]},
    ],
    ids=str,
)
def test_an_attribute_of_a_wrong_shape_is_not_used(
    tmp_path: Path, version: Any, attrs: dict[str, Any]
) -> None:
    array = zarr.create_array(tmp_path / "s.zarr", data=CUBE.copy(), zarr_format=version)
    array.attrs.update(attrs)
    opened = open_cube(tmp_path / "s.zarr")
    assert (opened.wavelengths_nm, opened.bad_bands, opened.scale) == (None, (), None)
    np.testing.assert_array_equal(read_scene(tmp_path / "s.zarr").cube, CUBE)


def test_what_is_no_array_is_a_note_and_no_warning(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=2)
    root.create_array("cube", data=CUBE.copy())
    (tmp_path / "s.zarr" / "preview").mkdir()
    (tmp_path / "s.zarr" / "preview" / "a.png").touch()
    assert open_cube(tmp_path / "s.zarr").notes[-1] == (
        "Object at preview is not recognized as a component of a Zarr hierarchy."
    )
