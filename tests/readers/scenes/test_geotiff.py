"""Rasters that rasterio opens, against rasterio's own masked reading."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio._env import get_gdal_config
from rasterio.errors import NotGeoreferencedWarning

import spectrolite as sl
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.readers import open_scene, read_scene
from spectrolite.readers.scenes.geotiff import opened
from written_scenes import BANDS, COLS, CUBE, NM, ROWS


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
