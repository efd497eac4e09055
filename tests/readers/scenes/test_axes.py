"""The order of axes of arrays without names: stated, or proved by the number of wavelengths.

The reference is the array that was written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from scipy import io

import spectrolite as sl
from spectrolite.errors import SettingsError
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import open_scene, read_scene
from spectrolite.runs.stored_data import _load_source
from written_scenes import CUBE, NM, by_spectral, mat_73

Typed = Callable[..., tuple[int, str, str]]
BANDS_FIRST = CUBE.transpose(2, 0, 1)


def written(name: str, folder: Path, array: Any) -> Path:
    path = folder / name
    if name == "c.npy":
        np.save(path, array)
    elif name == "f.npy":
        np.save(path, np.asfortranarray(array))
    elif name == "s.mat":
        io.savemat(path, {"cube": array})
    elif name == "s.zarr":
        zarr.create_array(path, data=array)
    elif name == "s.h5":
        with h5py.File(path, "w") as file:
            file["cube"] = array
    else:
        path = mat_73(folder, array)
    return path


@pytest.mark.parametrize("name", ["c.npy", "f.npy", "s.mat", "7.3", "s.zarr", "s.h5"])
def test_stated_axes(tmp_path: Path, name: str) -> None:
    path = written(name, tmp_path, BANDS_FIRST)
    scene = read_scene(path, axes="bands,rows,cols")
    np.testing.assert_array_equal(scene.cube, CUBE)
    assert scene.source["axes"] == "bands,rows,cols"
    opened = open_scene(path, axes=" Bands, rows ,cols", drop_bands=(1,))
    window = sl.Window(1, 4, 2, 7)
    np.testing.assert_array_equal(opened.read(window)[0], np.delete(CUBE, 1, axis=2)[window.slices])
    turned = open_scene(path, axes="cols,bands,rows")
    np.testing.assert_array_equal(
        turned.read(sl.Window(0, 7, 0, 4))[0], BANDS_FIRST.transpose(2, 0, 1)
    )
    assert read_scene(path).shape == BANDS_FIRST.shape


@pytest.mark.parametrize("shape", ["bands first", "bands in the middle", "bands last"])
def test_the_number_of_wavelengths_decides(tmp_path: Path, shape: str) -> None:
    order = {"bands first": (2, 0, 1), "bands in the middle": (0, 2, 1), "bands last": (0, 1, 2)}
    array = CUBE.transpose(order[shape])
    words = {"bands first": "bands, rows, cols", "bands in the middle": "rows, bands, cols"}
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["site/cube"], file["site/wavelength"] = array, NM
    cube = open_cube(tmp_path / "s.h5")
    assert cube.notes[0] == (
        f"its dimensions (?, ?, ?) have no known names; taken as "
        f"{words.get(shape, 'rows, cols, bands')}, as the file has 4 wavelengths; --axes states "
        "another order"
    )
    np.testing.assert_array_equal(cube.read(sl.Window(0, 5, 0, 7)), CUBE)
    assert cube.wavelengths_nm == NM
    io.savemat(tmp_path / "s.mat", {"cube": array, "Wavelengths": np.array(NM)[:, None]})
    cube = open_cube(tmp_path / "s.mat")
    np.testing.assert_array_equal(cube.read(sl.Window(0, 5, 0, 7)), CUBE)
    assert cube.notes == (
        ()
        if shape == "bands last"
        else (
            f"taken as {words[shape]}, as the file has 4 wavelengths; --axes states another order",
        )
    )


def test_wavelengths_that_fit_two_axes_decide_nothing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["cube"], file["wavelength"] = np.ones((4, 4, 5)), NM
    cube = open_cube(tmp_path / "s.h5")
    assert cube.shape == (4, 4, 5)
    assert cube.notes[0] == (
        "its dimensions (?, ?, ?) have no known names; taken as rows, cols, bands; --axes states "
        "another order"
    )


@pytest.mark.parametrize(
    ("axes", "end"),
    [
        ("bands,rows", "'bands,rows'"),
        ("bands,row,cols", "'bands,row,cols'; did you mean rows?"),
        ("bands,rows,rows", "'bands,rows,rows'"),
        ("2,0,1", "'2,0,1'"),
    ],
)
def test_wrong_words_of_axes(tmp_path: Path, axes: str, end: str, typed: Typed) -> None:
    path = written("c.npy", tmp_path, CUBE)
    assert typed("info", path, "--axes", axes) == (
        2,
        "",
        "error: --axes: wanted rows, cols and bands, each once, in the order of the file, as "
        f"bands,rows,cols, got {end}",
    )


def test_axes_of_a_format_that_fixes_them(tmp_path: Path) -> None:
    path = by_spectral("bil")(tmp_path, CUBE)
    with pytest.raises(SettingsError) as caught:
        read_scene(path, axes="bands,rows,cols")
    assert str(caught.value) == (
        "--axes: scene.hdr states its axes; the flag is for .npy, .mat, HDF5, NetCDF and Zarr"
    )


def test_a_run_loads_its_scene_again_with_the_same_axes(tmp_path: Path) -> None:
    scene = read_scene(written("c.npy", tmp_path, BANDS_FIRST), axes="bands,rows,cols")
    again = _load_source(dict(scene.source), "scene", tmp_path / "run")
    assert again.sha256 == scene.sha256
