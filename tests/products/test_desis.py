"""DESIS L2A, however it is named.

References: rasterio's plain reading of each file, loops over its pixels, and the numbers that were
written into the metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.products import enmap
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import open_scene
from written_tif_products import (
    COLS,
    DESIS,
    DESIS_BANDS,
    NODATA,
    PLACE,
    ROWS,
    desis,
    desis_metadata,
    fwhm_of,
    layer,
    nm_of,
    packed,
    tif,
)

ALL = Window(0, ROWS, 0, COLS)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return desis(tmp_path_factory.mktemp("desis"))


NAMED: dict[str, Callable[[Path, Path], Path]] = {
    "folder": lambda product, _: product,
    "metadata": lambda product, _: product / f"{DESIS}-METADATA.xml",
    "image": lambda product, _: product / f"{DESIS}-SPECTRAL_IMAGE.tif",
    "zip": lambda product, folder: packed(product, folder / "a.zip"),
    "tar.gz": lambda product, folder: packed(product, folder / "a.tar.gz"),
}


@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED)
def test_reflectance_and_place(
    named: Callable[[Path, Path], Path], product: Path, tmp_path: Path
) -> None:
    cube = open_cube(named(product, tmp_path))
    with rasterio.open(product / f"{DESIS}-SPECTRAL_IMAGE.tif") as file:
        wanted = file.read().astype(np.float64).transpose(1, 2, 0)
    wanted[wanted == NODATA] = np.nan
    values = np.asarray(cube.read(ALL), np.float32)
    assert (cube.product, cube.format, cube.shape) == ("desis", "DESIS L2A", wanted.shape)
    assert cube.read(ALL).dtype == np.float32
    np.testing.assert_allclose(values, wanted / 10_000, rtol=1e-6, atol=1e-9)
    assert cube.wavelengths_nm == tuple(nm_of(DESIS_BANDS).tolist())
    assert cube.fwhm_nm == tuple(fwhm_of(DESIS_BANDS).tolist())
    assert cube.transform == tuple(PLACE)[:6]
    assert (cube.bad_bands, cube.notes) == ((), ())
    assert [one.name for one in cube.quality] == [
        "cloud",
        "cloud-shadow",
        "haze",
        "snow",
        "water",
        "defects",
    ]


def test_quality_layers(product: Path) -> None:
    layers = {one.name: one for one in open_cube(product).quality}
    with rasterio.open(product / f"{DESIS}-QL_QUALITY-2.tif") as file:
        shadow, _land, snow, land_haze, water_haze, land_cloud, water_cloud, water = file.read(
            list(range(1, 9))
        )
    wanted = {
        "cloud": (land_cloud, water_cloud),
        "cloud-shadow": (shadow,),
        "haze": (land_haze, water_haze),
        "snow": (snow,),
        "water": (water,),
    }
    for word, parts in wanted.items():
        marked = layers[word].marked(ALL, np.arange(3))
        assert marked.any()
        for row in range(ROWS):
            for col in range(COLS):
                assert marked[row, col] == any(part[row, col] == 1 for part in parts)
    assert {word: one.left_out for word, one in layers.items()} == {
        "cloud": True,
        "cloud-shadow": True,
        "haze": False,
        "snow": False,
        "water": False,
        "defects": False,
    }
    flagged = {
        b: np.argwhere(layers["defects"].marked(ALL, np.array([b]))).tolist() for b in (19, 20)
    }
    assert flagged == {19: [], 20: [[1, 1]]}


def test_what_to_leave_out_is_chosen(product: Path) -> None:
    scene = open_scene(product, leave_out=("water", "defects"))
    with rasterio.open(product / f"{DESIS}-QL_QUALITY-2.tif") as file:
        wanted = file.read(8) == 0
    wanted[0, 0] = wanted[1, 1] = False
    np.testing.assert_array_equal(scene.read(ALL)[1], wanted)
    assert scene.shape == (ROWS, COLS, DESIS_BANDS)


def refused(path: Path) -> str:
    with pytest.raises(ReadError) as caught:
        open_cube(path)
    return str(caught.value)


def test_what_is_wrong_with_a_product(tmp_path: Path) -> None:
    product = desis(tmp_path, bands=5)
    metadata = product / f"{DESIS}-METADATA.xml"
    quality = product / f"{DESIS}-QL_QUALITY-2.tif"
    for level in ("L1B", "L1C"):
        metadata.write_text(desis_metadata(level, 5))
        assert refused(product) == (
            f"{metadata}: wanted DESIS L2A, surface reflectance, got DESIS {level}; order or "
            "download that level"
        )
    metadata.write_text(desis_metadata(bands=5).replace("processingLevel", "other"))
    assert open_cube(product).product == "desis"  # its name says the level
    tif(quality, layer(0, (0, 1), 2))
    assert refused(product) == (
        f"{quality}: wanted 8 bands or more, got 2; download the product again"
    )
    quality.unlink()
    assert open_cube(product).notes == ("without QL_QUALITY-2: what they would mark is kept",)
    with pytest.raises(ReadError) as caught:
        enmap.cube(product)
    assert str(caught.value) == (
        f"{metadata}: wanted bandCharacterisation/bandID with finite numbers for each band, got 0 "
        "bands of 0 numbers; is it of EnMAP?"
    )
    metadata.unlink()
    assert "wanted DESIS L2A with STEM-METADATA.XML beside" in refused(product)
