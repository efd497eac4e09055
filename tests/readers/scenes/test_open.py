"""Scenes in every format, whole and by windows; dropped bands; pixels without a spectrum.

References: each file is written by another library (spectral, rasterio, h5py, netCDF4, zarr, SciPy,
NumPy); what is read is compared with the array that was handed to the writer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from scipy import io

import spectrolite as sl
from spectrolite.data.scene import Window
from spectrolite.errors import LabelsError, ReadError, SceneError
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import open_scene, read_scene
from spectrolite.readers import read_labels
from written_scenes import (
    COLS,
    CUBE,
    NM,
    PLACE,
    ROWS,
    UTM,
    Write,
    by_rasterio,
    by_spectral,
    envi,
    hdf5,
    mat_5,
    mat_73,
    netcdf,
    npy,
    vrt,
    zarr_store,
)

MAP = np.array([[0, 1, 1], [2, 0, 7]], np.uint8)


def test_a_path_may_be_a_text_and_its_ending_in_capitals(tmp_path: Path) -> None:
    with (tmp_path / "CUBE.NPY").open("wb") as file:
        np.save(file, CUBE)
    np.testing.assert_array_equal(read_scene(str(tmp_path / "CUBE.NPY")).cube, CUBE)


def test_the_source_is_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "cube.npy", CUBE)
    monkeypatch.chdir(tmp_path)
    assert read_scene("cube.npy").source["file"] == str(tmp_path.resolve() / "cube.npy")


def test_dropped_bands_are_left_out_and_remembered(tmp_path: Path) -> None:
    broken = CUBE.astype(float)
    broken[:, :, 1] = np.nan
    np.save(tmp_path / "cube.npy", broken)
    scene = read_scene(tmp_path / "cube.npy", drop_bands=(1, 3))
    np.testing.assert_array_equal(scene.cube, CUBE[:, :, [0, 2]])
    assert scene.source["drop_bands"] == "1,3"


@pytest.mark.parametrize("read", [read_scene, read_labels])
def test_a_missing_file_and_a_folder(tmp_path: Path, read: Any) -> None:
    (tmp_path / "folder.npy").mkdir()
    for name in ("a.npy", "b.mat", "readme"):
        (tmp_path / "folder.npy" / name).touch()
    for name, why in (
        ("none.npy", "no such file"),
        ("folder.npy", "this is a folder; name a file in it: a.npy, b.mat"),
    ):
        with pytest.raises(ReadError) as caught:
            read(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {why}"


def test_bad_values_are_named_with_their_file(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", MAP.astype(int) - 1)
    with pytest.raises(LabelsError) as bad_labels:
        read_labels(tmp_path / "gt.npy")
    assert str(bad_labels.value) == (
        "gt.npy: wanted ids of 0 (unlabelled) or more, got -1 at 2 pixels; set them to 0, or give "
        "--ignore -1"
    )
    cube = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    np.save(tmp_path / "cube.npy", np.where((cube // 4) % 2 == np.arange(4) % 2, np.inf, cube))
    with pytest.raises(SceneError) as bad_scene:
        read_scene(tmp_path / "cube.npy")
    assert str(bad_scene.value) == (
        "cube.npy: no pixel has a value in every band: NaN, infinite or nodata in 4 of 4 "
        "bands, from 0: 0, 1, 2, 3; drop them (--drop-bands 0-3) or fill them"
    )


HEADS = {
    "s.img": b"EHFA_HEADER_TAG\0",
    "s.jp2": b"\0\0\0\x0cjP  \r\n",
    "s.nc": b"\x0e\x03\x13\x01",
    "s.npy": b"\x89HDF\r\n\x1a\n",
    "s.dat": b"II*\0",
    "s.zip": b"PK\x03\x04",
    "s.grb": b"GRIB",
    "s.png": b"\x89PNG\r\n",
}
SAID = {
    "s.img": "ERDAS Imagine; convert it: gdal_translate -of GTiff s.img scene.tif",
    "s.jp2": "JPEG 2000; convert it: gdal_translate -of GTiff s.jp2 scene.tif",
    "s.nc": "HDF4; convert it to HDF5 with h4toh5, or to GeoTIFF",
    "s.npy": "HDF5; name it with the ending .h5",
    "s.dat": "TIFF; name it with the ending .tif",
    "s.zip": "a zip archive; unpack it, and name the scene in it",
    "s.grb": "GRIB; convert it: gdal_translate -of GTiff s.grb scene.tif",
    "s.png": "a PNG picture; pictures to classify go with --images",
}


@pytest.mark.parametrize("name", HEADS)
def test_another_format_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HEADS[name].ljust(64, b"\0"))
    with pytest.raises(ReadError) as caught:
        read_scene(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: this is {SAID[name]}"


def test_one_file_a_band(tmp_path: Path) -> None:
    """In the order of the numbers in the names: 2 before 10."""
    numbers = (1, 2, 9, 10)
    for number, band in zip(numbers, CUBE.transpose(2, 0, 1), strict=True):
        with rasterio.open(
            tmp_path / f"B{number}.tif",
            "w",
            driver="GTiff",
            height=ROWS,
            width=COLS,
            count=1,
            dtype="int16",
            crs=UTM,
            transform=rasterio.Affine(*PLACE),
            nodata=-number,
        ) as file:
            file.write(band, 1)
            file.update_tags(1, wavelength=400 + number, wavelength_units="nm")
    scene = read_scene(tmp_path / "B*.tif")
    np.testing.assert_array_equal(scene.cube, CUBE)
    assert scene.wavelengths_nm == (401, 402, 409, 410)
    assert (scene.transform, scene.name) == (PLACE, tmp_path.name)
    assert scene.notes == (
        "4 files are read as bands, in this order: B1.tif, B2.tif, B9.tif, B10.tif",
    )
    again = open_scene(scene.source["file"])
    np.testing.assert_array_equal(again.read(Window(1, 4, 2, 5))[0], CUBE[1:4, 2:5])
    assert again.sha256 == scene.sha256
    with rasterio.open(tmp_path / "B9.tif", "r+") as file:
        file.transform = rasterio.Affine(10, 0, 0, 0, -10, 0)
    with pytest.raises(ReadError) as caught:
        read_scene(tmp_path / "B*.tif")
    assert str(caught.value) == (
        f"{tmp_path}/B*.tif: B9.tif lies elsewhere than B1.tif; the bands of a scene have one "
        "grid: warp them to it"
    )
    with pytest.raises(ReadError) as none:
        read_scene(tmp_path / "C*.tif")
    assert str(none.value) == f"--scene: no file matches {tmp_path}/C*.tif"


def test_bands_that_the_file_does_not_have(tmp_path: Path) -> None:
    np.save(tmp_path / "cube.npy", CUBE)
    with pytest.raises(SceneError) as caught:
        read_scene(tmp_path / "cube.npy", drop_bands=(2, 3, 4))
    assert str(caught.value) == (
        "cube.npy: --drop-bands: wanted bands from 0 to 3, not all of them, got 2-4"
    )


def test_bands_of_a_map_cannot_be_dropped(tmp_path: Path) -> None:
    io.savemat(tmp_path / "m.mat", {"gt": MAP, "cube": CUBE})
    with pytest.raises(ReadError) as caught:
        read_scene(tmp_path / "m.mat", key="gt", drop_bands=(1,))
    assert str(caught.value) == (
        f"{tmp_path}/m.mat: wanted a cube of rows, cols, bands, got gt (2 x 3 uint8)"
        "; a map of classes goes with --labels"
    )


WINDOWS = (Window(0, 5, 0, 7), Window(1, 4, 2, 3), Window(4, 5, 6, 7), Window(0, 5, 1, 7))


# Writer, what `format` says, whether it keeps wavelengths, whether it keeps the place on Earth.
FILES: dict[str, tuple[Write, str, bool, bool]] = {
    "envi bsq": (by_spectral("bsq"), "ENVI, bsq", True, False),
    "envi bil": (by_spectral("bil"), "ENVI, bil", True, False),
    "envi bip": (by_spectral("bip"), "ENVI, bip", True, False),
    "envi of GDAL": (by_rasterio("scene.img", "ENVI", interleave="bil"), "ENVI, bil", False, True),
    "geotiff": (by_rasterio("scene.tif", "GTiff", interleave="pixel"), "GeoTIFF", True, True),
    "geotiff tiled": (
        by_rasterio(
            "scene.tif",
            "GTiff",
            tiled=True,
            blockxsize=16,
            blockysize=16,
            interleave="band",
            compress="deflate",
        ),
        "GeoTIFF",
        True,
        True,
    ),
    "cog": (by_rasterio("scene.tif", "COG"), "cloud-optimised GeoTIFF", True, True),
    "vrt": (vrt, "VRT", True, True),
    "npy": (npy("C"), "NumPy array", False, False),
    "npy, columns first": (npy("F"), "NumPy array", False, False),
    "mat 5": (mat_5, "MATLAB, up to 7", False, False),
    "mat 7.3": (mat_73, "MATLAB 7.3", False, False),
    "hdf5": (hdf5, "HDF5", True, False),
    "netcdf 4": (netcdf("NETCDF4"), "NetCDF 4", True, True),
    "netcdf 4, rows first": (netcdf("NETCDF4", ("y", "x", "wavelength")), "NetCDF 4", True, True),
    "netcdf 3": (netcdf("NETCDF3_64BIT_OFFSET"), "NetCDF 3", True, True),
    "zarr 2": (zarr_store(2), "Zarr", True, False),
    "zarr 3": (zarr_store(3), "Zarr", True, False),
}


@pytest.mark.parametrize("name", FILES)
def test_windows_of_a_scene_are_those_of_the_array_that_was_written(
    tmp_path: Path, name: str
) -> None:
    write, form, waves, place = FILES[name]
    path = write(tmp_path, CUBE)
    cube, opened = open_cube(path), open_scene(path)
    assert (cube.format, cube.notes if waves else ()) == (form, odd_of(name))
    assert (opened.shape, opened.dtype, opened.name) == (CUBE.shape, cube.dtype, path.name)
    for window in WINDOWS:
        values, valid = opened.read(window)
        np.testing.assert_array_equal(values, CUBE[window.slices])
        assert valid.all()
        assert valid.shape == window.shape
    if waves:
        np.testing.assert_allclose(opened.wavelengths_nm or (), NM, rtol=1e-6)
    assert (opened.transform is not None) == place
    if place:
        assert opened.crs is not None
        assert CRS.from_wkt(opened.crs) == UTM
        np.testing.assert_allclose(opened.transform or (), PLACE)


def odd_of(name: str) -> tuple[str, ...]:
    if name == "hdf5":
        return (
            "its dimensions (?, ?, ?) have no known names; taken as rows, cols, bands, as the file "
            "has 4 wavelengths; --axes states another order",
        )
    return ()


@pytest.mark.parametrize("name", FILES)
def test_a_whole_scene_and_its_source_give_the_same_numbers(tmp_path: Path, name: str) -> None:
    scene = read_scene(FILES[name][0](tmp_path, CUBE), drop_bands=(1,))
    np.testing.assert_array_equal(scene.cube, CUBE[:, :, [0, 2, 3]])
    assert scene.valid is None
    assert scene.source["drop_bands"] == "1"
    again = read_scene(scene.source["file"], scene.source.get("key"), drop_bands=(1,))
    assert (again.sha256, again.source) == (scene.sha256, scene.source)
    if scene.wavelengths_nm:
        np.testing.assert_allclose(scene.wavelengths_nm, [NM[b] for b in (0, 2, 3)], rtol=1e-6)


Typed = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("name", ["s.tif", "s.h5", "s.nc", "s.mat", "s.zarr", "s.vrt", "s.xyz"])
def test_a_file_of_something_else(tmp_path: Path, name: str, typed: Typed) -> None:
    path = tmp_path / name
    if name.endswith("zarr"):
        path.mkdir()
    else:
        path.write_text("no scene at all, but a text that goes on for a while. " * 20)
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert typed("info", path)[0] == 2


def test_a_key_or_a_scale_where_there_is_none(tmp_path: Path) -> None:
    path = envi(tmp_path)
    with pytest.raises(ReadError) as caught:
        read_scene(path, key="cube")
    assert str(caught.value) == (
        f"{path}: an ENVI file holds one cube and has no keys; omit 'cube'"
    )
    with pytest.raises(ReadError) as caught:
        read_scene(path, scale=True)
    assert str(caught.value) == (
        f"{path}: has no scale factor, which --scale needs, and a model trained with it"
    )


def test_a_window_outside(tmp_path: Path) -> None:
    opened = open_scene(envi(tmp_path))
    for window in (Window(0, 4, 0, 2), Window(0, 3, 1, 3), Window(-1, 2, 0, 2)):
        with pytest.raises(SceneError) as caught:
            opened.read(window)
        assert str(caught.value) == f"s.hdr: {window} is not inside its 3 x 2 pixels"


def test_pixels_without_a_spectrum_are_neither_trained_on_nor_classified(
    tmp_path: Path, tiny: tuple[sl.Scene, sl.Labels], typed: Typed
) -> None:
    cube = tiny[0].cube.astype(np.float32)
    cube[2:6, 2:8] = np.nan
    np.save(tmp_path / "s.npy", cube)
    np.save(tmp_path / "gt.npy", tiny[1].array)
    out = tmp_path / "run"
    words = ("--scene", tmp_path / "s.npy", "--labels", tmp_path / "gt.npy", "--components", 13)
    code, _, err = typed("train", *words, "--epochs", 1, "--train", 0.2, "--out", out)
    assert code == 0
    assert err.startswith(
        f"gt.npy: 24 of {(tiny[1].array > 0).sum()} labelled pixels have no spectrum in the scene "
        "(nodata or NaN) and are dropped"
    )
    run = sl.open_run(out)
    scene, labels = run.data()
    hole = np.zeros((28, 30), bool)
    hole[2:6, 2:8] = True
    np.testing.assert_array_equal(labels.array, np.where(hole, 0, tiny[1].array))
    assert labels.source["without_spectrum"] == "24"
    split = run.split(labels)
    assert not hole.ravel()[np.concatenate([split.train, split.test])].any()
    taught = cube.reshape(-1, 16)[split.train].astype(float)
    np.testing.assert_allclose(run.bundle.bands.mean, taught.mean(0), rtol=1e-6)
    made = sl.classify(run, scene)
    np.testing.assert_array_equal(made.classes == 0, hole)
    assert (made.confidence[hole] == 0).all()
    other = np.where(hole[..., None], np.float32(1e9), scene.cube)  # what is there changes nothing
    same = sl.classify(run, sl.Scene(other, valid=~hole))
    assert same.sha256 == made.sha256
    assert typed("evaluate", out)[0] == 0
    with pytest.raises(sl.SpectroliteError) as caught:
        sl.train(scene, tiny[1], sl.split(tiny[1], train=0.2), out=tmp_path / "no", components=13)
    assert str(caught.value) == (
        "tiny: labels on pixels without a spectrum in s.npy; leave them out before the split is "
        "drawn: labels = labels.on(scene)"
    )
    ids = np.where(hole, tiny[1].array, 0)
    with pytest.raises(LabelsError) as nothing:
        sl.Labels(ids, name="gt").on(scene)
    assert str(nothing.value) == "gt: none of its 24 labelled pixels has a spectrum in s.npy"
