"""PRISMA L2D, compared with a loop over the file that h5py opens, and with places written down."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from rasterio.warp import transform

import spectrolite
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.products import prisma
from written_prisma import (
    COLS,
    EPSG,
    HIGH,
    LOW,
    NM,
    NORTH,
    ROWS,
    SHARED,
    WEST,
    checkerboard,
    marked,
    stored,
)
from written_prisma import prisma as written

Typed = Callable[..., tuple[int, str, str]]
FIELDS = "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields"
NOTES = (
    "3 VNIR bands were not acquired: 0-2 of its cube",
    "2 SWIR bands were not acquired: 171-172 of its cube",
    "both detectors see 943 to 972 nm: the 4 VNIR bands there are not read",
    "it has no mask of clouds; it states 12.5 % of cloudy pixels",
)


@pytest.fixture
def product(tmp_path: Path) -> Path:
    # a name that says nothing: the structure tells what it is
    return written(tmp_path / "download.he5")


def naive() -> list[tuple[float, str, int]]:
    """Wavelength, detector and position in the file of each band that is read, ascending."""
    bands = []
    for name, all_nm in NM.items():
        for position, nm in enumerate(all_nm):
            if nm != 0 and not (name == "Vnir" and nm in SHARED):
                bands.append((nm, name, position))
    return sorted(bands)


@pytest.mark.parametrize("chunks", [False, True])
def test_values_are_reflectance_in_order_of_wavelength(tmp_path: Path, chunks: bool) -> None:
    path = written(tmp_path / "a.he5", chunks=chunks)
    scene = spectrolite.read_scene(path, leave_out=["none"])
    bands = naive()
    assert scene.cube.shape == (ROWS, COLS, len(bands)) == (ROWS, COLS, 59 + 171)
    assert scene.wavelengths_nm == pytest.approx([nm for nm, _, _ in bands], abs=0.001)
    stored_values = {name: stored(name).astype(float) for name in NM}
    for row in range(ROWS - 1):
        for col in range(COLS):
            for band, (_, name, position) in enumerate(bands):
                dn = stored_values[name][row, position, col]
                wanted = LOW[name] + dn * (HIGH[name] - LOW[name]) / 65535
                assert abs(scene.cube[row, col, band] - wanted) < 1e-6
    assert scene.notes[:4] == NOTES


def test_minimum_is_added(tmp_path: Path) -> None:
    other = {"L2ScaleVnirMin": np.float32(0.25), "L2ScaleVnirMax": np.float32(0.75)}
    path = written(tmp_path / "a.he5", attributes=other)
    with h5py.File(path, "r+") as file:
        file[f"{FIELDS}/VNIR_Cube"][0, 10, :3] = (0, 65535, 13107)
    band = [position for _, name, position in naive() if name == "Vnir"].index(10)
    values = prisma.cube(path).read(Window(0, 1, 0, 3))[0, :, band]
    assert values == pytest.approx([0.25, 0.75, 0.35])


def test_window_is_a_part_of_the_whole(product: Path) -> None:
    scene = spectrolite.open_scene(product)
    whole, valid = scene.read(Window(0, ROWS, 0, COLS))
    part, part_valid = scene.read(Window(1, 4, 3, 7))
    np.testing.assert_array_equal(part, whole[1:4, 3:7])
    np.testing.assert_array_equal(part_valid, valid[1:4, 3:7])


def test_outside_the_swath_there_is_no_spectrum(product: Path) -> None:
    _, valid = spectrolite.open_scene(product).read(Window(0, ROWS, 0, COLS))
    assert valid.tolist() == [[True] * COLS] * (ROWS - 1) + [[False] * COLS]


def test_dark_water_with_a_few_zeros_keeps_its_spectrum(product: Path) -> None:
    with h5py.File(product, "r+") as file:
        file[f"{FIELDS}/SWIR_Cube"][2, :, 2] = 0
        file[f"{FIELDS}/VNIR_Cube"][2, 8:, 2] = 0
    _, valid = spectrolite.open_scene(product).read(Window(2, 3, 2, 3))
    assert valid.all()


def test_corners_are_centres_of_pixels(product: Path, tmp_path: Path) -> None:
    """Squares drawn around the bright pixels, in degrees, come back as labels of these pixels."""
    scene = spectrolite.read_scene(product)
    assert scene.transform == (30.0, 0.0, WEST - 15, 0.0, -30.0, NORTH + 15)
    features = []
    for row, col in np.argwhere(checkerboard()):
        x, y = WEST + 30 * col, NORTH - 30 * row
        # 1 m inside the pixel: half a pixel off, the centre of none is inside
        xs, ys = [x - 14, x + 14, x + 14, x - 14, x - 14], [y + 14, y + 14, y - 14, y - 14, y + 14]
        ring = list(zip(*transform(f"EPSG:{EPSG}", "EPSG:4326", xs, ys), strict=True))
        shape = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {"kind": "bright"}, "geometry": shape})
    path = tmp_path / "bright.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    labels = spectrolite.read_labels(path, scene=scene, class_field="kind")
    inside = slice(ROWS - 1)  # of the swath
    np.testing.assert_array_equal(labels.array[inside] == 1, checkerboard()[inside])
    bright = np.asarray(scene.cube[..., 0], np.float64) > 20_000 * HIGH["Vnir"] / 65535
    np.testing.assert_array_equal(bright[inside], checkerboard()[inside])


def test_places_agree_with_longitude_and_latitude(product: Path) -> None:
    cube = prisma.cube(product)
    assert cube.notes == NOTES
    with h5py.File(product, "r+") as file:
        latitude = file["HDFEOS/SWATHS/PRS_L2D_HCO/Geolocation Fields/Latitude"]
        latitude[...] += 15 / 111_200  # half a pixel to the north
    said = prisma.cube(product).notes[-2]
    with h5py.File(product, "r+") as file:
        latitude = file["HDFEOS/SWATHS/PRS_L2D_HCO/Geolocation Fields/Latitude"]
        latitude[...] = 1e30
    assert prisma.cube(product).notes == NOTES  # no place on Earth says nothing
    assert said == (
        "by its Longitude and Latitude the middle pixel lies 0 m east and 15 m north of where its "
        "corners put it; placed by the corners"
    )


def test_corners_that_do_not_fit_the_size_are_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.he5", attributes={"Product_LRcorner_easting": WEST + 30 * COLS})
    cube = prisma.cube(path)
    assert cube.transform == (30.0, 0.0, WEST - 15, 0.0, -30.0, NORTH + 15)
    assert cube.notes[3] == (
        "its corners are 240 m and 150 m apart, where 8 x 6 centres of pixels of 30 m are 210 m "
        "and 150 m; placed by the upper left one"
    )


def test_defects_count_in_bands_that_are_read(product: Path) -> None:
    vapour = int(np.argmin(np.abs(np.array(NM["Swir"]) - 1400)))
    marked(product, "VNIR", 0, 10, 1, 1)  # invalid in L1
    marked(product, "SWIR", 1, 20, 2, 3)  # saturated
    marked(product, "SWIR", 2, 20, 3, 2)  # negative: kept by default
    marked(product, "VNIR", 3, 0, 4, 1)  # a band that was not acquired
    marked(product, "VNIR", 3, 4, 5, 1)  # a band where SWIR sees too
    marked(product, "SWIR", 4, vapour, 6, 1)  # left out: water vapour
    cases: list[tuple[list[str] | None, list[tuple[int, int]]]] = [
        (None, [(0, 1), (1, 2)]),
        (["none"], []),
        (["negative"], [(2, 3)]),
        (["defects", "negative"], [(0, 1), (1, 2), (2, 3)]),
        (["defects", "flagged"], [(0, 1), (1, 2), (4, 6)]),
    ]
    for words, wanted in cases:
        scene = spectrolite.open_scene(product, leave_out=words)
        _, valid = scene.read(Window(0, ROWS - 1, 0, COLS))
        assert [tuple(place) for place in np.argwhere(~valid).tolist()] == wanted, words
        part = scene.read(Window(0, 3, 1, 4))[1]
        np.testing.assert_array_equal(part, valid[:3, 1:4])
    layers = {layer.name: layer for layer in prisma.cube(product).quality}
    one = np.array([0, 229])  # neither of them is a marked band
    assert not layers["defects"].marked(Window(0, ROWS, 0, COLS), one).any()


def test_without_error_matrices(tmp_path: Path) -> None:
    keys = ("VNIR_PIXEL_L2_ERR_MATRIX", "SWIR_PIXEL_L2_ERR_MATRIX")
    one = prisma.cube(written(tmp_path / "one.he5", without=keys[:1]))
    assert one.notes[-1] == "it has no error matrix of VNIR: no defects are known"
    assert [layer.name for layer in one.quality] == ["defects", "negative"]
    none = prisma.cube(written(tmp_path / "none.he5", without=keys))
    assert none.notes[-1] == "it has no error matrix of VNIR and SWIR: no defects are known"
    assert none.quality == ()


def test_info_tells_the_product(product: Path, typed: Typed) -> None:
    code, out, err = typed("info", product)
    assert (code, err) == (0, "")
    said = " ".join(out.split())
    assert "PRISMA L2D" in said
    for note in NOTES:
        assert note in said


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("L1", "this is PRISMA L1, radiance at the sensor"),
        ("L2B", "this is PRISMA L2B, radiance at the ground"),
        ("L2C", "this is PRISMA L2C, reflectance in the sensor's geometry"),
        ("L4", "this is PRISMA L4"),
    ],
)
def test_other_levels(tmp_path: Path, typed: Typed, level: str, said: str) -> None:
    path = written(tmp_path / "a.he5", level=level)
    assert typed("info", path) == (
        2,
        "",
        f"error: {path}: {said}; wanted L2D, reflectance on a map grid: get the L2D product of the "
        "same acquisition (PRS_L2D_STD_….he5)",
    )


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("List_Cw_Vnir", "attribute List_Cw_Vnir: wanted 66 numbers, one a band, got none"),
        ("List_Cw_Swir_Flags", "attribute List_Cw_Swir_Flags: wanted 173 numbers, one a band, got "
         "none"),
        ("List_Fwhm_Swir", "attribute List_Fwhm_Swir: wanted 173 numbers, one a band, got none"),
        ("L2ScaleSwirMax", "attribute L2ScaleSwirMax: wanted a number, got none"),
        ("Epsg_Code", "attribute Epsg_Code: wanted a number, got none"),
        ("Product_ULcorner_northing", "attribute Product_ULcorner_northing: wanted a number, got "
         "none"),
    ],
)  # fmt: skip
def test_without_an_attribute(tmp_path: Path, without: str, said: str) -> None:
    path = written(tmp_path / "a.he5", without=(without,))
    with pytest.raises(ReadError) as error:
        prisma.cube(path)
    assert str(error.value) == (f"{path}: {said}; the file is not as delivered: download it again")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"List_Cw_Vnir": np.zeros(3, np.float32)},
         "attribute List_Cw_Vnir: wanted 66 numbers, one a band, got 3; the file is not as "
         "delivered: download it again"),
        ({"List_Cw_Vnir": np.full(66, np.nan, np.float32)},
         "attribute List_Cw_Vnir: wanted 66 numbers, one a band, got some that are not finite; the "
         "file is not as delivered: download it again"),
        ({"L2ScaleVnirMax": np.bytes_("wide")},
         "attribute L2ScaleVnirMax: wanted a number, got something else; the file is not as "
         "delivered: download it again"),
        ({"L2ScaleVnirMax": np.float32(0)},
         "L2ScaleVnirMin and Max: wanted a minimum below the maximum, got 0 and 0"),
        ({"List_Cw_Swir_Flags": np.zeros(173, np.uint8)},
         "List_Cw_Swir_Flags: no band of 173 was acquired"),
        ({"Epsg_Code": np.uint32(1)}, "attribute Epsg_Code: 1 is no code of EPSG"),
        ({"Epsg_Code": np.uint32(4326)},
         "attribute Epsg_Code: 4326 is no system in metres, such as UTM"),
    ],
)  # fmt: skip
def test_attributes_that_make_no_sense(
    tmp_path: Path, attributes: dict[str, Any], said: str
) -> None:
    path = written(tmp_path / "a.he5", attributes=attributes)
    with pytest.raises(ReadError) as error:
        prisma.cube(path)
    assert str(error.value) == f"{path}: {said}"


def test_cubes_that_are_missing_or_of_other_sizes(tmp_path: Path) -> None:
    path = written(tmp_path / "a.he5", without=("SWIR_Cube",))
    with pytest.raises(ReadError) as error:
        prisma.cube(path)
    again = "the file is damaged: download it again"
    assert str(error.value) == f"{path}: has no {FIELDS}/SWIR_Cube; {again}"
    with h5py.File(path, "r+") as file:
        file[f"{FIELDS}/SWIR_Cube"] = np.ones((ROWS, 173, COLS + 1), np.uint16)
        del file[f"{FIELDS}/SWIR_PIXEL_L2_ERR_MATRIX"]
    with pytest.raises(ReadError) as error:
        prisma.cube(path)
    assert str(error.value) == (
        f"{path}: its cubes are of two sizes: {FIELDS}/VNIR_Cube (6 x 66 x 8 uint16), "
        f"{FIELDS}/SWIR_Cube (6 x 173 x 9 uint16); {again}"
    )
    with h5py.File(path, "r+") as file:
        file[f"{FIELDS}/SWIR_PIXEL_L2_ERR_MATRIX"] = np.zeros((2, 3, 4), np.uint8)
    with pytest.raises(ReadError) as error:
        prisma.cube(path)
    assert str(error.value) == (
        f"{path}: {FIELDS}/SWIR_PIXEL_L2_ERR_MATRIX (2 x 3 x 4 uint8) is of another size than "
        f"{FIELDS}/SWIR_Cube (6 x 173 x 9 uint16); {again}"
    )
    with h5py.File(path, "r+") as file:
        del file[f"{FIELDS}/VNIR_Cube"]
        file[f"{FIELDS}/VNIR_Cube"] = np.ones((ROWS, 66, COLS))
    with pytest.raises(ReadError) as error:
        prisma.cube(path)
    assert str(error.value) == (
        f"{path}: wanted lines, bands, samples in uint16, got {FIELDS}/VNIR_Cube "
        "(6 x 66 x 8 float64)"
    )


def test_a_cube_in_another_file_is_not_opened(product: Path, tmp_path: Path) -> None:
    with h5py.File(product, "r+") as file:
        del file[f"{FIELDS}/VNIR_Cube"]
        file[f"{FIELDS}/VNIR_Cube"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "cube")
    assert prisma.found(product)
    with pytest.raises(ReadError) as error:
        prisma.cube(product)
    assert str(error.value) == (
        f"{product}: {FIELDS}/VNIR_Cube: kept in another file (an external link), which is not "
        "opened; copy the values into this file, or name another array with --scene-key"
    )
    with h5py.File(tmp_path / "linked.he5", "w") as file:
        file["HDFEOS"] = h5py.ExternalLink(str(product), "HDFEOS")
    assert not prisma.found(tmp_path / "linked.he5")


def test_truncated(product: Path, typed: Typed) -> None:
    product.write_bytes(product.read_bytes()[:100_000])
    assert not prisma.found(product)
    for words in ((), ("--product", "prisma")):
        code, _, err = typed("info", product, *words)
        assert code == 2
        assert err.startswith(f"error: {product}: not a readable HDF5 file (")
        assert "truncated file" in err


def test_a_zip_file_is_to_be_unpacked(product: Path, tmp_path: Path, typed: Typed) -> None:
    name = "PRS_L2D_STD_20200813103056_20200813103100_0001.he5"
    path = tmp_path / "PRS_L2D_STD_20200813103056_20200813103100_0001.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(product, name)
    assert typed("info", path) == (
        2,
        "",
        f"error: {path}: holds {name}, which can only be read unpacked: unpack the archive and "
        "give that file",
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no product")
    assert not prisma.found(path)
    path.write_bytes(b"PK no archive")
    assert not prisma.found(path)


def test_without_a_share_of_clouds(tmp_path: Path) -> None:
    path = written(tmp_path / "a.he5", without=("Cloudy_pixels_percentage",))
    assert prisma.cube(path).notes == (*NOTES[:3], "it has no mask of clouds")


def test_other_files_are_not_this_product(tmp_path: Path) -> None:
    (tmp_path / "a.he5").write_text("no HDF5")
    (tmp_path / "empty.he5").touch()
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["HDFEOS"] = np.zeros(3)
    for path in (tmp_path, tmp_path / "none", *tmp_path.iterdir()):
        assert not prisma.found(path)
    path = tmp_path / "plain.h5"
    with pytest.raises(ReadError) as error:
        prisma.cube(path)
    assert str(error.value) == (
        f"{path}: this is not a PRISMA product: it has no group HDFEOS/SWATHS/PRS_L2D_HCO; leave "
        "out --product prisma"
    )


def test_a_product_without_any_value_is_described(product: Path) -> None:
    """No band has a value, so no band is left in which pixels could be marked."""
    with h5py.File(product, "r+") as file:
        for name in ("VNIR_Cube", "SWIR_Cube"):
            file[f"{FIELDS}/{name}"][:] = 0
    info = spectrolite.scene_info(product)
    assert (info.nodata_share, info.low) == (1.0, None)
    assert {one.share for one in info.marked} == {0.0}
