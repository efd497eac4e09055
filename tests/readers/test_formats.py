"""Scenes in every format, read by windows.

References: each file is written by another library (spectral, rasterio, h5py, netCDF4, zarr, SciPy,
NumPy), or by plain bytes in a loop over rows, columns and bands; what is read is held against the
array that was handed to the writer.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import rasterio
import spectral
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from scipy import io

from spectrolite.data.scene import Window
from spectrolite.readers import open_cube, open_scene, read_labels, read_scene
from spectrolite.readers.scenes.raw import read_box

ROWS, COLS, BANDS = 5, 7, 4
CUBE = np.random.default_rng(0).integers(1, 200, (ROWS, COLS, BANDS)).astype(np.int16)
NM = (450.5, 550.25, 650.0, 850.0)
UTM = CRS.from_epsg(32632)
PLACE = (10.0, 0.0, 600000.0, 0.0, -10.0, 5200000.0)
WINDOWS = (Window(0, 5, 0, 7), Window(1, 4, 2, 3), Window(4, 5, 6, 7), Window(0, 5, 1, 7))

Write = Callable[[Path, NDArray[Any]], Path]


def by_spectral(interleave: str) -> Write:
    def write(folder: Path, cube: NDArray[Any]) -> Path:
        path = folder / "scene.hdr"
        fields = {"wavelength": list(NM), "wavelength units": "Nanometers"}
        spectral.envi.save_image(
            str(path), cube, dtype=cube.dtype, interleave=interleave, ext=".img", metadata=fields
        )
        return path

    return write


def by_rasterio(name: str, driver: str, **profile: Any) -> Write:
    def write(folder: Path, cube: NDArray[Any]) -> Path:
        path = folder / name
        size = {"height": cube.shape[0], "width": cube.shape[1], "count": cube.shape[2]}
        with rasterio.open(
            path,
            "w",
            driver=driver,
            dtype=cube.dtype.name,
            crs=UTM,
            transform=rasterio.Affine(*PLACE),
            **size,
            **profile,
        ) as file:
            file.write(cube.transpose(2, 0, 1))
            for band, nm in enumerate(NM[: cube.shape[2]], start=1):
                file.update_tags(band, wavelength=nm, wavelength_units="nm")
        return path

    return write


def vrt(folder: Path, cube: NDArray[Any]) -> Path:
    tif = by_rasterio("inside.tif", "GTiff")(folder, cube)
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{b}"><Description>{nm} nm</Description>'
        f'<SimpleSource><SourceFilename relativeToVRT="1">{tif.name}</SourceFilename>'
        f"<SourceBand>{b}</SourceBand></SimpleSource></VRTRasterBand>"
        for b, nm in enumerate(NM, start=1)
    )
    path = folder / "scene.vrt"
    six = "600000, 10, 0, 5200000, 0, -10"
    path.write_text(
        f'<VRTDataset rasterXSize="{COLS}" rasterYSize="{ROWS}"><SRS>EPSG:32632</SRS>'
        f"<GeoTransform>{six}</GeoTransform>{bands}</VRTDataset>"
    )
    return path


def npy(order: Any) -> Write:
    def write(folder: Path, cube: NDArray[Any]) -> Path:
        np.save(folder / "scene.npy", np.asarray(cube, order=order))
        return folder / "scene.npy"

    return write


def mat_5(folder: Path, cube: NDArray[Any]) -> Path:
    io.savemat(folder / "scene.mat", {"title": "x", "cube": cube, "gt": cube[:, :, 0]})
    return folder / "scene.mat"


def mat_73(folder: Path, cube: NDArray[Any]) -> Path:
    """As MATLAB writes it: axes backwards, the class as an attribute, a block of text in front."""
    path = folder / "scene.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array, kind in (
            ("cube", cube.T, "int16"),
            ("gt", cube[:, :, 0].T, "int16"),
            ("title", np.frombuffer("ab".encode("utf-16-le"), np.uint16)[:, None], "char"),
        ):
            file[name] = array
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
        file["#refs#/a"] = cube
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


def hdf5(folder: Path, cube: NDArray[Any]) -> Path:
    path = folder / "scene.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("site/reflectance", data=cube, chunks=(2, 3, 4), compression="gzip")
        file["site/wavelength"] = np.array(NM)
        file["site/wavelength"].attrs["units"] = "nanometers"
        file["site/name"] = "a field"
    return path


def netcdf(version: Any, dims: tuple[str, str, str] = ("wavelength", "y", "x")) -> Write:
    """With CF's coordinates and a grid mapping, bands first as most writers have it."""

    def write(folder: Path, cube: NDArray[Any]) -> Path:
        path = folder / "scene.nc"
        lengths = {"y": cube.shape[0], "x": cube.shape[1], "wavelength": cube.shape[2]}
        order = [("y", "x", "wavelength").index(d) for d in dims]
        with netCDF4.Dataset(path, "w", format=version) as file:
            for name in dims:
                file.createDimension(name, lengths[name])
            for name, centres in (
                ("y", 5199995.0 - 10 * np.arange(lengths["y"])),
                ("x", 600005.0 + 10 * np.arange(lengths["x"])),
            ):
                file.createVariable(name, "f8", (name,))[:] = centres
            waves = file.createVariable("wavelength", "f4", ("wavelength",))
            waves[:] = np.array(NM) / 1000
            waves.units = "um"
            mapping = file.createVariable("utm", "i4", ())
            mapping.crs_wkt = UTM.to_wkt()
            values = file.createVariable("reflectance", cube.dtype.str[1:], dims)
            values.set_auto_maskandscale(False)
            values[:] = cube.transpose(order)
            values.grid_mapping = "utm"
        return path

    return write


def zarr_store(version: Any) -> Write:
    def write(folder: Path, cube: NDArray[Any]) -> Path:
        path = folder / "scene.zarr"
        root = zarr.open_group(path, mode="w", zarr_format=version)
        dims = ("band", "y", "x")
        named: dict[str, Any] = {"dimension_names": dims} if version == 3 else {}
        array = root.create_array(
            "cube", data=cube.transpose(2, 0, 1).copy(), chunks=(2, 3, 3), **named
        )
        waves = root.create_array("wavelength", data=np.array(NM))
        waves.attrs["units"] = "nm"
        if version == 2:
            array.attrs["_ARRAY_DIMENSIONS"] = list(dims)
        return path

    return write


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
        return ("its dimensions (?, ?, ?) do not say which is which; taken as rows, cols, bands",)
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


def test_labels_of_matlab_7_3(tmp_path: Path) -> None:
    labels = read_labels(mat_73(tmp_path, CUBE))
    np.testing.assert_array_equal(labels.array, CUBE[:, :, 0])
    assert labels.source["key"] == "gt"


TYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("number", TYPES)
def test_every_type_order_and_interleave_of_envi(
    tmp_path: Path, number: int, interleave: str, order: int
) -> None:
    """Against bytes written one value at a time, behind some bytes of a header."""
    dtype = np.dtype(f"{'<>'[order]}{TYPES[number]}")
    values = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype)
    axes = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}[interleave]
    content = bytearray(b"header!")
    lengths = [values.shape[a] for a in axes]
    for place in np.ndindex(*lengths):
        index = [0, 0, 0]
        for axis, i in zip(axes, place, strict=True):
            index[axis] = i
        content += np.array(values[tuple(index)], dtype).tobytes()
    (tmp_path / "scene.dat").write_bytes(content)
    (tmp_path / "scene.dat.hdr").write_text(
        f"ENVI\nsamples = 3\nlines   = 2\nbands = 4\nheader offset = 7\ndata type = {number}\n"
        f"interleave = {interleave.upper()}\nbyte order = {order}\n"
    )
    np.testing.assert_array_equal(read_scene(tmp_path / "scene.dat").cube, values)
    theirs = spectral.open_image(str(tmp_path / "scene.dat.hdr"))
    np.testing.assert_array_equal(theirs.open_memmap(interleave="bip"), values)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(data=st.data())
def test_any_box_of_an_array_in_a_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 20)] * 3))
    box = []
    for length in shape:
        start = data.draw(st.integers(0, length - 1))
        box.append(slice(start, data.draw(st.integers(start + 1, length))))
    array = np.arange(np.prod(shape), dtype=">i4").reshape(shape)
    path = tmp_path_factory.getbasetemp() / "array.bin"
    path.write_bytes(b"123" + array.tobytes())
    read = read_box(path, array.dtype, 3, shape, (box[0], box[1], box[2]))
    np.testing.assert_array_equal(read, array[tuple(box)])


@pytest.mark.parametrize(
    ("data", "header"),
    [
        ("scene.img", "scene.hdr"),
        ("scene.dat", "scene.dat.hdr"),
        ("scene", "scene.hdr"),
        ("scene.bsq", "scene.HDR"),
        ("SCENE.BIL", "scene.hdr"),
        ("scene.v1.rfl", "scene.v1.hdr"),
        ("f97.a.cube", "f97.a.cube.hdr"),
    ],
)
def test_a_pair_is_found_from_either_file(tmp_path: Path, data: str, header: str) -> None:
    (tmp_path / data).write_bytes(bytes(range(1, 9)))
    (tmp_path / header).write_text(
        "ENVI\nsamples = 2\nlines = 2\nbands = 2\ndata type = 1\ninterleave = bip\n"
    )
    for name in (data, *((header,) if data != "f97.a.cube" else ())):
        assert read_scene(tmp_path / name).cube.ravel().tolist() == list(range(1, 9))


def test_what_an_envi_header_says_besides(tmp_path: Path) -> None:
    (tmp_path / "scene.img").write_bytes(np.array([[[-9, 1, 2], [3, 4, 5]]], "<i2").tobytes())
    (tmp_path / "scene.hdr").write_text(
        "ENVI\ndescription = {\n  a = b, map info = none}\nsamples = 2\nlines = 1\nbands = 3\n"
        "data type = 2\ninterleave = bip\nbyte order = 0\ndata ignore value = -9\n"
        "; a comment = 5\nbbl = { 1, 0,\n 1 }\nwavelength units = Micrometers\n"
        "wavelength = {0.45,\n 0.55, 0.65}\nreflectance scale factor = 10000\n"
        "map info = {UTM, 1, 1, 600000, 5200000, 10, 10, 32, North, WGS-84, units=Meters}\n"
    )
    cube = open_cube(tmp_path / "scene.hdr")
    assert (cube.wavelengths_nm, cube.unit) == ((450.0, 550.0, 650.0), "Micrometers")
    assert (cube.bad_bands, cube.notes) == ((1,), ())
    scene = read_scene(tmp_path / "scene.hdr", drop_bands=("bad",))
    assert scene.source["drop_bands"] == "1"
    assert scene.wavelengths_nm == (450.0, 650.0)
    assert scene.valid is not None
    assert scene.valid.tolist() == [[False, True]]
    assert scene.cube.tolist() == [[[0, 0], [3, 5]]]
    assert scene.crs is not None
    assert CRS.from_wkt(scene.crs).to_epsg() == 32632
    assert scene.transform == PLACE
    scaled = read_scene(tmp_path / "scene.hdr", scale=True)
    assert scaled.cube.dtype == np.float32
    np.testing.assert_array_equal(scaled.cube[0, 1], np.array([3e-4, 4e-4, 5e-4], np.float32))
    assert scaled.source["scale"] == "true"


def test_packed_values_and_fill_of_netcdf(tmp_path: Path) -> None:
    """Against netCDF4's own unpacking and mask."""
    path = tmp_path / "packed.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, length in (("band", 3), ("lat", 4), ("lon", 5)):
            file.createDimension(name, length)
        group = file.createGroup("sensor")
        waves = group.createVariable("wavelengths", "f4", ("band",))
        waves[:], waves.units = [450, 550, 650], "nm"
        good = group.createVariable("good_wavelengths", "u1", ("band",))
        good[:] = [1, 1, 0]
        cube = file.createVariable("rfl", "i2", ("band", "lat", "lon"), fill_value=-9999)
        cube.scale_factor, cube.add_offset = 0.0001, 0.5
        values = np.random.default_rng(1).uniform(0.5, 1, (3, 4, 5))
        cube[:] = np.ma.masked_array(values, np.arange(60).reshape(3, 4, 5) % 20 == 7)
    with netCDF4.Dataset(path) as file:
        theirs = file["rfl"][:].transpose(1, 2, 0)
    assert open_cube(path).bad_bands == (2,)
    scene = read_scene(path, scale=True)
    assert scene.valid is not None
    np.testing.assert_array_equal(scene.valid, ~theirs.mask.any(-1))
    unpacked = scene.cube[scene.valid].astype(float)
    np.testing.assert_allclose(unpacked, theirs.data[scene.valid], rtol=1e-6)
    assert scene.wavelengths_nm == (450.0, 550.0, 650.0)
    stored = read_scene(path)
    assert stored.cube.dtype == np.int16
    np.testing.assert_allclose(
        stored.cube[scene.valid].astype(float) * 0.0001 + 0.5, theirs.data[scene.valid], rtol=1e-6
    )


def test_scale_and_nodata_of_a_geotiff(tmp_path: Path) -> None:
    """Against rasterio's masked reading."""
    path = tmp_path / "scene.tif"
    cube = np.where(CUBE > 190, -1, CUBE).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=ROWS,
            width=COLS,
            count=BANDS,
            dtype="float32",
            nodata=-1,
        ) as file:
            file.write(cube.transpose(2, 0, 1))
            file.scales, file.offsets = (0.5,) * BANDS, (1.0, 2.0, 3.0, 4.0)
            for band, nm in enumerate(NM, start=1):
                file.set_band_description(band, f"band {band}: {nm / 1000:.6f} µm")
        with rasterio.open(path) as file:
            theirs = file.read(masked=True).transpose(1, 2, 0)
    scene = read_scene(path, scale=True)
    assert scene.valid is not None
    assert not scene.valid.all()
    np.testing.assert_array_equal(scene.valid, ~theirs.mask.any(-1))
    wanted = np.where(scene.valid[..., None], theirs.data * 0.5 + [1, 2, 3, 4], 0)
    np.testing.assert_array_equal(scene.cube, wanted)
    assert scene.wavelengths_nm == NM
    assert (scene.crs, scene.transform) == (None, None)


def test_the_fill_value_that_xarray_writes_into_zarr(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "s.zarr", mode="w")
    array = root.create_array("c", data=np.array([[[5.0, 1.0], [2.0, 3.0]]]))
    array.attrs["_FillValue"] = "AAAAAAAAFEA="  # base64 of the eight bytes of 5.0
    scene = read_scene(tmp_path / "s.zarr")
    assert scene.valid is not None
    assert scene.valid.tolist() == [[False, True]]


def test_the_fill_value_that_xarray_keeps_as_that_of_the_array(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("missing", "notes"),
    [
        (-9, ()),
        (-8, ("missing_value: another than _FillValue; it is not used",)),
    ],
)
def test_a_missing_value_beside_a_fill_value(
    tmp_path: Path, missing: int, notes: tuple[str, ...]
) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["c"] = np.array([[[-9, 1], [-8, 3]]], np.int16)
        file["c"].attrs["_FillValue"] = np.int16(-9)
        file["c"].attrs["missing_value"] = np.int16(missing)
        for axis, name in enumerate(("y", "x", "band")):
            file["c"].dims[axis].label = name
    cube = open_cube(tmp_path / "s.h5")
    assert cube.notes == notes
    assert cube.nodata is not None
    assert cube.nodata.tolist() == [-9, -9]


def test_an_array_alone_is_a_store_too(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "s.zarr", data=CUBE)
    scene = read_scene(tmp_path / "s.zarr")
    np.testing.assert_array_equal(scene.cube, CUBE)
    assert scene.source["key"] == "array"
