"""Zarr stores, against the arrays that zarr wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from spectrolite.errors import MissingExtraError
from spectrolite.readers import open_cube, read_scene
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
