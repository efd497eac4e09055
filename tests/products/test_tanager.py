"""Tanager ortho reflectance, compared with what the generator wrote and places written down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from rasterio.crs import CRS

import spectrolite
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.products import prisma, tanager
from written_tanager import BANDS, COLS, EPSG, NM, NORTH, ROWS, WEST, stored
from written_tanager import tanager as written

Typed = Callable[..., tuple[int, str, str]]
REFLECTANCE = "HDFEOS/GRIDS/HYP/Data Fields/surface_reflectance"
WANTED = "wanted ortho surface reflectance: get the asset ortho_sr_hdf5 of the same scene"
AGAIN = "the file is not as delivered: download it again"


@pytest.fixture
def product(tmp_path: Path) -> Path:
    return written(tmp_path / "download.h5")


def test_values_places_and_bands(product: Path) -> None:
    assert tanager.found(product)
    assert not prisma.found(product)
    scene = spectrolite.read_scene(product, leave_out=["none"])
    wanted = stored()
    for row in range(ROWS - 1):
        for col in range(COLS):
            assert scene.cube[row, col].tolist() == wanted[:, row, col].tolist()
    assert scene.wavelengths_nm == pytest.approx(NM, rel=1e-6)
    # the structure states edges of pixels, unlike PRISMA
    assert scene.transform == (30.0, 0.0, WEST, 0.0, -30.0, NORTH)
    assert scene.crs is not None
    assert CRS.from_user_input(scene.crs) == CRS.from_epsg(EPSG)
    cube = tanager.cube(product)
    assert cube.fwhm_nm == (6.05,) * BANDS
    assert cube.block == (3, 8, 4)
    assert cube.notes == ()


def test_what_is_left_out(product: Path) -> None:
    for words, cloudy, kept in ((None, [(0, 1), (2, 3)], 10), (["none"], [], 12)):
        scene = spectrolite.open_scene(product, leave_out=words)
        _, valid = scene.read(Window(0, ROWS, 0, COLS))
        assert not valid[ROWS - 1].any()  # nodata_pixels
        assert [tuple(p) for p in np.argwhere(~valid[: ROWS - 1]).tolist()] == cloudy
        assert scene.shape[2] == kept  # without the flagged band 5, and 1,920 nm
    layers = [(layer.name, layer.what, layer.left_out) for layer in tanager.cube(product).quality]
    assert layers == [("cloud", "beta_cloud_mask", True), ("cirrus", "beta_cirrus_mask", True)]


def test_without_layers_and_flags(tmp_path: Path) -> None:
    without = ("beta_cirrus_mask", "nodata_pixels", "good_wavelengths", "epsg_code", "_FillValue")
    cube = tanager.cube(written(tmp_path / "a.h5", without=without))
    assert cube.notes == (
        "it does not say which bands are good (good_wavelengths)",
        "it has no nodata_pixels",
        "it has no beta_cirrus_mask",
        "its grid has no epsg_code: no CRS",
    )
    assert (cube.crs, cube.mask, cube.bad_bands) == (None, None, ())
    assert cube.nodata is not None
    assert cube.nodata.tolist() == [-9999.0] * BANDS  # as Planet's files state it
    assert [layer.name for layer in cube.quality] == ["cloud"]


def test_info_tells_the_product(product: Path, typed: Typed) -> None:
    code, out, err = typed("info", product)
    assert (code, err) == (0, "")
    assert "Tanager ortho surface reflectance" in " ".join(out.split())


@pytest.mark.parametrize(
    ("kind", "array", "said"),
    [
        ("SWATHS", "surface_reflectance",
         "this is a basic product of Tanager, in the sensor's geometry"),
        ("SWATHS", "toa_radiance", "this is a basic product of Tanager, in the sensor's geometry"),
        ("GRIDS", "toa_radiance", "this is radiance of Tanager at the sensor"),
    ],
)  # fmt: skip
def test_other_products(tmp_path: Path, typed: Typed, kind: str, array: str, said: str) -> None:
    path = written(tmp_path / "a.h5", kind=kind, array=array)
    assert typed("info", path) == (2, "", f"error: {path}: {said}; {WANTED}")


@pytest.mark.parametrize("name", ["wavelengths", "fwhm"])
def test_without_an_attribute(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "a.h5", without=(name,))
    with pytest.raises(ReadError) as error:
        tanager.cube(path)
    assert str(error.value) == (
        f"{path}: {REFLECTANCE}: attribute {name}: wanted 12 numbers, one a band, got none; {AGAIN}"
    )


def test_structure_that_does_not_fit(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", rows=ROWS + 1)
    with pytest.raises(ReadError) as error:
        tanager.cube(path)
    structure = "HDFEOS INFORMATION/StructMetadata.0"
    assert str(error.value) == (
        f"{path}: {structure}: its grid has 7 x 8 pixels from 570300, 3.55545e+06 to 570540, "
        f"3.55524e+06, surface_reflectance has 6 x 8; {AGAIN}"
    )
    with h5py.File(path) as file:
        text = file[structure][()]
    for damaged in (text.replace(b"XDim=8", b"XDim=" + b"8" * 5000), b""):
        assert damaged != text
        with h5py.File(path, "r+") as file:
            del file[structure]
            file[structure] = np.bytes_(damaged) if damaged else np.zeros(1)
        with pytest.raises(ReadError) as error:
            tanager.cube(path)
        assert str(error.value) == (
            f"{path}: {structure}: wanted XDim, YDim, UpperLeftPointMtrs and LowerRightMtrs of the "
            f"grid HYP; {AGAIN}"
        )


def test_arrays_that_make_no_sense(product: Path, tmp_path: Path) -> None:
    fields = "HDFEOS/GRIDS/HYP/Data Fields"
    with h5py.File(product, "r+") as file:
        file["HDFEOS/GRIDS/HYP"].attrs["epsg_code"] = 1
    with pytest.raises(ReadError) as error:
        tanager.cube(product)
    assert str(error.value) == f"{product}: HDFEOS/GRIDS/HYP: epsg_code 1 is no code"
    with h5py.File(product, "r+") as file:
        del file[f"{fields}/beta_cloud_mask"]
        file[f"{fields}/beta_cloud_mask"] = np.zeros((2, 3), np.uint32)
    with pytest.raises(ReadError) as error:
        tanager.cube(product)
    assert str(error.value) == (
        f"{product}: {fields}/beta_cloud_mask (2 x 3 uint32) is of another size than "
        f"{REFLECTANCE}; {AGAIN}"
    )
    with h5py.File(product, "r+") as file:
        del file[REFLECTANCE]
        file[REFLECTANCE] = h5py.ExternalLink(str(tmp_path / "other.h5"), "cube")
    with pytest.raises(ReadError) as error:
        tanager.cube(product)
    assert str(error.value) == (
        f"{product}: {REFLECTANCE}: kept in another file (an external link), which is not opened; "
        "copy the values into this file, or name another array with --scene-key"
    )
    with h5py.File(product, "r+") as file:
        del file[REFLECTANCE]
        file[REFLECTANCE] = np.zeros((2, 3), np.int16)
    with pytest.raises(ReadError) as error:
        tanager.cube(product)
    assert str(error.value) == (
        f"{product}: wanted bands, rows, cols in floating point, got {REFLECTANCE} "
        f"(2 x 3 int16); {AGAIN}"
    )


def test_another_file_with_the_flag(tmp_path: Path) -> None:
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["cube"] = np.zeros((2, 3, 4))
    assert not tanager.found(path)
    with pytest.raises(ReadError) as error:
        tanager.cube(path)
    assert str(error.value) == (
        f"{path}: this is not a product of Tanager: it has no group HDFEOS/GRIDS/HYP; leave out "
        "--product tanager"
    )
