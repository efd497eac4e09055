"""Rasters that rasterio opens, against rasterio's own masked reading."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio._env import get_gdal_config
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

import spectrolite as sl
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.mapping.map_rows import read_rows
from spectrolite.products.scenes import open_scene, read_scene
from spectrolite.readers.scenes.geotiff import opened
from written_scenes import BANDS, COLS, CUBE, NM, PLACE, ROWS


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


Typed = Callable[..., tuple[int, str, str]]


def test_complex_bands_of_a_raster(tmp_path: Path) -> None:
    path = tmp_path / "s.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype="complex64",
        height=2,
        width=2,
        count=2,
        transform=rasterio.Affine(2, 0, 0, 0, -2, 0),
    ) as file:
        file.write(np.ones((2, 2, 2), np.complex64))
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert str(caught.value) == f"{path}: wanted bands of real numbers, got complex64"


def test_a_raster_is_read_with_a_cache_of_64_mib(tmp_path: Path) -> None:
    path = tmp_path / "s.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype="uint8",
        height=2,
        width=2,
        count=1,
        transform=rasterio.Affine(2, 0, 0, 0, -2, 0),
    ) as file:
        file.write(np.ones((1, 2, 2), np.uint8))
    with opened(path):
        assert get_gdal_config("GDAL_CACHEMAX") == 64 * 2**20  # which rasterio gives in bytes


def test_a_truncated_geotiff(tmp_path: Path, typed: Typed) -> None:
    path = tmp_path / "s.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=50,
        width=50,
        count=3,
        dtype="uint16",
        transform=rasterio.Affine(1, 0, 5, 0, -1, 5),
    ) as file:
        file.write(np.ones((3, 50, 50), np.uint16))
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert str(caught.value).startswith(f"{path}: cannot be read as a raster (")
    assert typed("info", path)[0] == 2


def test_a_vrt_that_claims_a_petabyte(tmp_path: Path) -> None:
    path = tmp_path / "s.vrt"
    band = '<VRTRasterBand dataType="Byte" band="{}"/>'
    path.write_text(
        '<VRTDataset rasterXSize="20000000" rasterYSize="20000000">'
        f"{''.join(band.format(b) for b in (1, 2, 3))}</VRTDataset>"
    )
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert f"{path}: cube (20000000 x 20000000 x 3 uint8) takes 1117587.1 GiB, more than" in str(
        caught.value
    )
    assert 0 < sl.scene_info(path).looked_at < 1e-6
    assert open_scene(path).read(Window(10**7, 10**7 + 2, 5, 8))[0].shape == (2, 3, 3)


MASK = np.random.default_rng(5).random((ROWS, COLS)) < 0.7


def _masked(path: Path, kind: str) -> Path:
    """The cube with a mask, of which GDAL knows four kinds."""
    bands = BANDS + (kind == "alpha")
    driver = "ENVI" if kind == "envi" else "GTiff"
    profile = {"height": ROWS, "width": COLS, "count": bands, "dtype": "uint16", "driver": driver}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=kind == "internal"),
        rasterio.open(path, "w", transform=rasterio.Affine(*PLACE), **profile) as file,
    ):
        file.write(CUBE.transpose(2, 0, 1), list(range(1, BANDS + 1)))
        if kind == "alpha":
            file.write(np.where(MASK, 255, 0).astype(np.uint16), bands)
            uses = (ColorInterp.undefined,) * BANDS
            file.colorinterp = (*uses, ColorInterp.alpha)
        elif kind != "none":
            file.write_mask(MASK)
    return path


@pytest.mark.parametrize("kind", ["internal", "beside", "alpha", "envi"])
def test_the_mask_of_a_raster_says_which_pixels_have_a_spectrum(tmp_path: Path, kind: str) -> None:
    path = _masked(tmp_path / ("s.img" if kind == "envi" else "s.tif"), kind)
    assert (tmp_path / f"{path.name}.msk").is_file() == (kind in ("beside", "envi"))
    if kind != "alpha":  # GDAL knows an alpha band as a mask only as the second or fourth
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.dataset_mask() > 0, MASK)
    scene = read_scene(path)
    assert scene.valid is not None
    np.testing.assert_array_equal(scene.valid, MASK)
    np.testing.assert_array_equal(scene.cube, np.where(MASK[..., None], CUBE, 0))
    _, valid = open_scene(path).read(Window(1, 4, 2, 6))
    np.testing.assert_array_equal(valid, MASK[1:4, 2:6])
    info = sl.scene_info(path)
    assert info.bands == BANDS
    assert info.nodata_share == pytest.approx((~MASK).mean())
    assert (info.low, info.high) == (CUBE[MASK].min(), CUBE[MASK].max())
    assert [w for w in info.warnings if "alpha" in w] == (
        [
            "band 4, from 0, is marked as alpha: it says which pixels are valid, and is no "
            "spectral band; if it is one, remove the mark: gdal_edit.py -colorinterp_5 undefined "
            "FILE"
        ]
        if kind == "alpha"
        else []
    )


def test_a_mask_of_each_band_and_a_nodata_value_together(tmp_path: Path) -> None:
    """In a VRT each band may have a mask of its own: a pixel needs a value in every band."""
    masks = np.random.default_rng(6).random((2, ROWS, COLS)) < 0.8
    profile = {"height": ROWS, "width": COLS, "dtype": "uint8", "driver": "GTiff"}
    place = rasterio.Affine(*PLACE)
    with rasterio.open(tmp_path / "m.tif", "w", count=2, transform=place, **profile) as file:
        file.write(np.where(masks, 255, 0).astype(np.uint8))
    _masked(tmp_path / "c.tif", "none")
    source = '<SourceFilename relativeToVRT="1">{}</SourceFilename><SourceBand>{}</SourceBand>'
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{b}"><SimpleSource>{source.format("c.tif", b)}'
        f"</SimpleSource>{'<NoDataValue>3</NoDataValue>' if b == 3 else ''}"
        + (
            f"<MaskBand><VRTRasterBand dataType='Byte'><SimpleSource>{source.format('m.tif', b)}"
            "</SimpleSource></VRTRasterBand></MaskBand>"
            if b < 3
            else ""
        )
        + "</VRTRasterBand>"
        for b in (1, 2, 3)
    )
    (tmp_path / "s.vrt").write_text(
        f'<VRTDataset rasterXSize="{COLS}" rasterYSize="{ROWS}">{bands}</VRTDataset>'
    )
    scene = read_scene(tmp_path / "s.vrt")
    assert scene.valid is not None
    np.testing.assert_array_equal(scene.valid, masks.all(0) & (CUBE[..., 2] != 3))


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        (("Int16", "Float32"), "float32"),
        (("Byte", "UInt16"), "uint16"),
        (("Int16", "Byte"), "int16"),
    ],
)
def test_bands_of_two_types(tmp_path: Path, types: tuple[str, str], wanted: str) -> None:
    _masked(tmp_path / "c.tif", "none")
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{b}"><SimpleSource><SourceFilename '
        f'relativeToVRT="1">c.tif</SourceFilename><SourceBand>{b}</SourceBand></SimpleSource>'
        "</VRTRasterBand>"
        for b, kind in enumerate(types, start=1)
    )
    (tmp_path / "s.vrt").write_text(
        f'<VRTDataset rasterXSize="{COLS}" rasterYSize="{ROWS}">{bands}</VRTDataset>'
    )
    scene = read_scene(tmp_path / "s.vrt")
    assert scene.cube.dtype == wanted
    np.testing.assert_array_equal(scene.cube, CUBE[..., :2])


@pytest.mark.parametrize("where", ["band", "band, ENVI", "file", "file, ENVI"])
def test_bad_bands_of_a_geotiff(tmp_path: Path, where: str) -> None:
    path = _masked(tmp_path / "s.tif", "none")
    domain = {"ns": "ENVI"} if "ENVI" in where else {}
    with rasterio.open(path, "r+") as file:
        if "band" in where:
            for band, mark in enumerate("1010", start=1):
                file.update_tags(band, **domain, bbl=mark)
        else:
            file.update_tags(**domain, bbl="{1, 0, 1, 0}", wavelength="{1.1, 1.2, 1.3, 1.4}")
            file.update_tags(**domain, wavelength_units="Micrometers")
    assert sl.scene_info(path).bad_bands == (1, 3)
    scene = read_scene(path, drop_bands=("bad",))
    np.testing.assert_array_equal(scene.cube, CUBE[..., [0, 2]])
    assert scene.wavelengths_nm == (None if "band" in where else (1100, 1300))


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("1", "2", "3", "4"), "from 1 to 4 (no unit) are numbers of bands; they are not used"),
        (("7", "8", "9", "10"), "from 7 to 10 (no unit) are numbers of bands; they are not used"),
        (
            ("450", "451", "452", "453"),
            "from 450 to 453 (no unit); taken as nanometres, judging by their size",
        ),
        (
            ("1", "2", "3", "4.5"),
            "from 1 to 4.5 (no unit); taken as micrometres, judging by their size",
        ),
    ],
)
def test_names_of_bands_that_are_numbers(
    tmp_path: Path, names: tuple[str, ...], wanted: str
) -> None:
    path = _masked(tmp_path / "s.tif", "none")
    with rasterio.open(path, "r+") as file:
        for band, name in enumerate(names, start=1):
            file.set_band_description(band, name)
    assert sl.scene_info(path).warnings[0] == f"wavelengths: {wanted}"


def test_pages_of_a_tiff_are_bands(tmp_path: Path) -> None:
    pages = [Image.fromarray(band) for band in CUBE.transpose(2, 0, 1).astype(np.uint16)]
    pages[0].save(tmp_path / "s.tif", save_all=True, append_images=pages[1:])
    scene = read_scene(tmp_path / "s.tif")
    np.testing.assert_array_equal(scene.cube, CUBE)
    assert sl.scene_info(tmp_path / "s.tif").warnings[0] == "its 4 pages are read as bands"
    pages[2] = pages[2].resize((3, 2))
    pages[0].save(tmp_path / "s.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ReadError) as caught:
        read_scene(tmp_path / "s.tif")
    assert str(caught.value) == (
        f"{tmp_path}/s.tif: page 1 has 5 x 7 pixels, page 3 has 2 x 3; the bands of a scene have "
        "one size: resample them, or give the file that you want alone"
    )


def test_damaged_metadata_in_another_encoding_print_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """GDAL quotes the text in its message, which rasterio takes for UTF-8."""
    path = _masked(tmp_path / "s.tif", "none")
    with rasterio.open(path, "r+") as file:
        file.update_tags(1, wavelength=450)
    content = path.read_bytes()
    place = content.index(b"<Item name=")
    path.write_bytes(content[:place] + b"<Item \xe4\xff\xfe\xe4 " + content[place + 11 :])
    np.testing.assert_array_equal(read_scene(path).cube, CUBE)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_a_block_of_half_of_the_memory_is_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interleave: str
) -> None:
    """GDAL decodes a whole block for a pixel of it, also where the file holds none."""
    path = tmp_path / "s.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=64, width=32, count=2, dtype="uint16", sparse_ok=True,
        interleave=interleave, blockysize=64, crs="EPSG:32631", transform=rasterio.Affine(*PLACE),
    ):  # fmt: skip
        pass
    together = 2 if interleave == "pixel" else 1
    memory = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 2 * 64 * 32 * together * 2}
    monkeypatch.setattr(os, "sysconf", memory.__getitem__)
    assert open_scene(path).shape == (64, 32, 2)
    memory["SC_PHYS_PAGES"] -= 1
    for read in (open_scene, sl.open_map, lambda path: list(read_rows(path))):
        with pytest.raises(ReadError) as caught:
            read(path)
        assert str(caught.value) == (
            f"{path}: one block (64 x 32 x {together} uint16) takes 0.0 GiB, more than half of "
            "this machine's 0.0 GiB; store it in tiles: gdal_translate -co TILED=YES"
        )
