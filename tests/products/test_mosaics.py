"""Tiles opened as one scene, against the scene that `rasterio.merge` makes of them.

Where it knows less (nodata values, masks and scale factors that differ by tile), the reference is a
naive loop over pixels, in which the first tile with a spectrum wins.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.merge import merge

import spectrolite as sl
from spectrolite.errors import ReadError, SceneError, SettingsError
from spectrolite.products import known
from spectrolite.products.scenes import scene_from
from spectrolite.readers.scenes.cube import QualityLayer
from spectrolite.readers.scenes.open import cube_of_file
from written_tif_products import COLS, ENMAP, NODATA, PLACE, ROWS, enmap, packed
from written_tiles import cut, naive, tile

GENERATOR = np.random.default_rng(0)
WHOLE = GENERATOR.integers(1, 999, (18, 26, 4)).astype(np.int16)
PARTS = {"t10.tif": ((0, 10), (11, 16)), "t2.tif": ((3, 0), (15, 12))}
NM = (450.0, 550.0, 650.0, 850.0)


@pytest.fixture
def tiles(tmp_path: Path) -> list[Path]:
    """Two tiles, t2 and t10, with an overlap in which t2 has holes, and with gaps."""
    t10, t2 = cut(tmp_path / "tiles", WHOLE, PARTS, nodata=-1, nm=NM)
    with rasterio.open(t2, "r+") as file:
        file.write(np.full((4, 3, 2), -1, np.int16), window=((1, 4), (9, 11)))
        file.write(np.full((4, 2, 2), -1, np.int16), window=((12, 14), (2, 4)))
    return [t2, t10]


def merged_file(tiles: list[Path], path: Path) -> Path:
    with rasterio.open(tiles[0]) as first:
        profile = first.profile
    bands, transform = merge(tiles, nodata=-1)
    return tile(
        path,
        bands.transpose(1, 2, 0),
        **{**profile, "transform": transform, "height": bands.shape[1], "width": bands.shape[2]},
        nm=NM,
    )


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # of rasterio
def test_a_mosaic_is_the_scene_that_rasterio_merges(tiles: list[Path], tmp_path: Path) -> None:
    whole = sl.read_scene(merged_file(tiles, tmp_path / "whole.tif"))
    scene = sl.read_scene(tmp_path / "tiles/*.tif", mosaic=True)
    assert scene.valid is not None
    assert whole.valid is not None
    assert 0 < (~scene.valid).sum() < 18 * 26
    np.testing.assert_array_equal(scene.valid, whole.valid)
    np.testing.assert_array_equal(scene.cube, whole.cube)
    assert scene.sha256 == whole.sha256
    assert (scene.crs, scene.transform) == (whole.crs, whole.transform)
    assert scene.wavelengths_nm == NM
    assert scene.name == "tiles"
    opened = sl.open_scene(tiles, mosaic=True)
    assert opened.sha256 == whole.sha256
    assert opened.notes[:2] == (
        "2 tiles are read as one scene, in this order: t2.tif, t10.tif",
        "16 of its 468 pixels are in two tiles or more; each takes its spectrum from the first "
        "that has one",
    )
    for window in (sl.Window(0, 18, 9, 13), sl.Window(5, 6, 0, 26), sl.Window(3, 4, 11, 12)):
        values, valid = opened.read(window)
        np.testing.assert_array_equal(values, whole.cube[window.slices])
        np.testing.assert_array_equal(valid, whole.valid[window.slices])
    outside = r"^tiles: Window\(.*\) is not inside its 18 x 26 pixels$"
    with pytest.raises(SceneError, match=outside):
        opened.read(sl.Window(0, 19, 0, 26))
    found, alone = sl.scene_info(tiles, mosaic=True), sl.scene_info(tmp_path / "whole.tif")
    same = ("rows", "cols", "bands", "crs", "pixel_size", "nodata_share", "low", "high", "nodata")
    assert [getattr(found, name) for name in same] == [getattr(alone, name) for name in same]
    assert found.format == "GeoTIFF, 2 tiles"


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # of rasterio
def test_the_order_given_decides(tiles: list[Path], tmp_path: Path) -> None:
    with rasterio.open(tiles[1], "r+") as file:
        file.write(file.read() + 1)
    for order in (tiles, tiles[::-1]):
        whole = merged_file(order, tmp_path / f"{order[0].name}-first.tif")
        scene = sl.read_scene(order, mosaic=True)
        assert scene.sha256 == sl.read_scene(whole).sha256


def envi(path: Path, cube: NDArray[Any], col: int) -> Path:
    rows, cols, bands = cube.shape
    path.with_suffix(".img").write_bytes(cube.astype("<i2").tobytes())
    path.write_text(
        f"ENVI\nsamples = {cols}\nlines = {rows}\nbands = {bands}\ndata type = 2\n"
        "interleave = bip\nbyte order = 0\ndata ignore value = -5\n"
        f"map info = {{UTM, 1, 1, {600000 + 10 * col}, 5200000, 10, 10, 32, North, WGS-84}}\n"
    )
    return path


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_formats_nodata_values_and_masks_may_differ(tmp_path: Path, order: Any) -> None:
    cubes = [GENERATOR.integers(-5, 2, (6, 8, 2)).astype(np.int16) for _ in range(3)]
    masked = GENERATOR.random((6, 8)) < 0.6
    corners = ((0, 0), (0, 3), (0, 6))
    paths = [
        tile(tmp_path / "zero.tif", cubes[0], nodata=0),
        envi(tmp_path / "minus.hdr", cubes[1], 3),
        tile(tmp_path / "masked.tif", cubes[2], corners[2]),
    ]
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(paths[2], "r+") as file,
    ):
        file.write_mask(masked)
    has = [(cubes[0] != 0).any(-1), (cubes[1] != -5).all(-1), masked]
    expected = naive([(corners[n], cubes[n], has[n]) for n in order], (6, 14, 2))
    opened = sl.open_scene([paths[n] for n in order], mosaic=True)
    values, valid = opened.read(sl.Window(0, 6, 0, 14))
    np.testing.assert_array_equal(valid, expected[1])
    np.testing.assert_array_equal(values, expected[0])
    read = sl.read_scene([paths[n] for n in order], mosaic=True)
    np.testing.assert_array_equal(read.cube, expected[0])
    found = sl.scene_info([paths[n] for n in order], mosaic=True)
    # the whole without a spectrum: every pixel must have a value in all bands here too
    assert found.nodata_share == pytest.approx((~expected[1]).mean())


def test_bands_that_one_tile_lacks_are_left_out_of_all(tmp_path: Path) -> None:
    whole = WHOLE.astype(np.float32)
    whole[:, 13:, 2] = np.nan
    cut(tmp_path, whole, {"a.tif": ((0, 0), (18, 13)), "b.tif": ((0, 13), (18, 13))})
    scene = sl.open_scene(tmp_path / "*.tif", mosaic=True)
    assert scene.source["drop_bands"] == "2"
    assert scene.notes[1:] == (
        "b.tif: 1 band without any value left out: 2, from 0",
        "left out of all tiles, since some lack them: bands 2, from 0",
    )
    values, valid = scene.read(sl.Window(0, 18, 0, 26))
    assert valid.all()
    np.testing.assert_array_equal(values, np.delete(whole, 2, axis=2))


def test_words_for_bands_are_judged_on_the_whole(tmp_path: Path) -> None:
    """Band 0 has one value in each tile, but two in all; band 1 one in all; band 2 is noise."""
    smooth = np.add.outer(np.arange(18), np.arange(26)).astype(np.int16)
    whole = np.stack(
        [np.where(smooth * 0 + np.arange(26) < 13, 3, 4), smooth * 0 + 5, smooth, smooth], -1
    )
    whole[..., 2] = GENERATOR.permutation(18 * 26).reshape(18, 26)
    parts = {"a.tif": ((0, 0), (18, 13)), "b.tif": ((0, 13), (18, 13))}
    paths = cut(tmp_path, whole.astype(np.int16), parts)
    with rasterio.open(paths[1], "r+") as file:
        file.update_tags(4, bbl=0)
        for band in (1, 2, 3):
            file.update_tags(band, bbl=1)
    for words, dropped in (("constant", "1"), ("noisy", "2"), ("bad", "3"), (0, "0")):
        scene = sl.open_scene(paths, drop_bands=[words], mosaic=True)
        assert scene.source["drop_bands"] == dropped
    with pytest.raises(SettingsError, match=r"^--drop-bands: wanted .*, got 'Bad'"):
        sl.open_scene(paths, drop_bands=["Bad"], mosaic=True)


def test_scale_factors_may_differ_only_where_they_are_applied(tmp_path: Path) -> None:
    paths = cut(tmp_path, WHOLE, {"a.tif": ((0, 0), (18, 13)), "b.tif": ((0, 13), (18, 13))})
    for path, factor in zip(paths, (0.5, 0.25), strict=True):
        with rasterio.open(path, "r+") as file:
            file.scales = (factor,) * 4
    refused = (
        "b.tif: states another scale factor or offset than a.tif, so their stored values mean "
        "different things; read both in physical units (--scale), or give them as several scenes, "
        "without --mosaic"
    )
    with pytest.raises(ReadError, match=f"^{re.escape(refused)}$"):
        sl.open_scene(paths, mosaic=True)
    scene = sl.read_scene(paths, scale=True, mosaic=True)
    expected = np.concatenate([WHOLE[:, :13] * 0.5, WHOLE[:, 13:] * 0.25], axis=1)
    np.testing.assert_array_equal(scene.cube, expected)
    assert "give train and map --scale" in sl.scene_info(paths, mosaic=True).warnings[1]


def test_a_mosaic_is_read_again_as_its_source_says(tiles: list[Path], tmp_path: Path) -> None:
    scene = sl.read_scene([*tiles, tiles[0]], drop_bands=[1], mosaic=True)
    assert json.loads(scene.source["mosaic"]) == [str(path.resolve()) for path in tiles]
    assert set(scene.source) == {"mosaic", "drop_bands"}
    for load in (True, False):
        assert scene_from(scene.source, load=load).sha256 == scene.sha256


@pytest.mark.parametrize("text", ["[1", "{}", '["a.tif", 1]', "[" * 10_000])
def test_a_damaged_list_of_tiles_is_told(text: str) -> None:
    with pytest.raises(SceneError, match=r"^mosaic: its list of tiles is damaged"):
        scene_from({"mosaic": text}, load=False)


def test_one_tile_none_and_nothing(tiles: list[Path], tmp_path: Path) -> None:
    for one in (tiles[0], [tiles[0]], [tiles[0], tiles[0]]):
        assert sl.read_scene(one, mosaic=True).source == {"file": str(tiles[0].resolve())}
    with pytest.raises(ReadError, match=r"^--scene: no file matches .*/\*\.hdr$"):
        sl.open_scene(tmp_path / "*.hdr", mosaic=True)
    with pytest.raises(ReadError, match=r"^--mosaic: wanted tiles, got none$"):
        sl.open_scene([], mosaic=True)
    with pytest.raises(SettingsError, match=r"^wanted one scene, got a list; .*mosaic=True"):
        sl.open_scene(tiles)
    nothing = tile(tmp_path / "nothing.tif", np.full((3, 3, 4), -1, np.int16), (0, 26), nodata=-1)
    with_nothing = sl.read_scene([*tiles, nothing], mosaic=True)
    np.testing.assert_array_equal(with_nothing.cube[:, :26], sl.read_scene(tiles, mosaic=True).cube)


def test_tiles_without_any_spectrum_are_refused(tmp_path: Path) -> None:
    paths = cut(tmp_path, WHOLE * 0 - 1, PARTS, nodata=-1)
    with pytest.raises(SceneError, match=r"all 18 x 26 pixels are NaN, infinite, nodata or masked"):
        sl.read_scene(paths, mosaic=True)


def test_the_whole_must_fit_memory(
    tiles: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the memory of this machine, seen as 4 KiB, a tile takes less than half, the whole more."""
    monkeypatch.setattr(os, "sysconf", lambda name: 64)
    sl.read_scene(tiles[0])
    with pytest.raises(ReadError, match=r"18 x 26 x 4.*leave it in its file"):
        sl.read_scene(tiles, mosaic=True)


def test_marked_pixels_are_filled_from_other_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a product, a cloud in the first tile does not hide a clear pixel of the second."""
    clouds = {"a.tif": WHOLE[:, :16, 0] < 300, "b.tif": WHOLE[:, 10:, 1] < 300}
    paths = cut(tmp_path, WHOLE, {"a.tif": ((0, 0), (18, 16)), "b.tif": ((0, 10), (18, 16))})

    def cube(path: Path, mask: Path | None = None) -> Any:
        cloud = QualityLayer(
            "cloud", lambda window, _: clouds[path.name][window.slices], True, "cloud"
        )
        return replace(cube_of_file(path), product="fake", quality=(cloud,))

    fake = SimpleNamespace(NAME="fake", TITLE="Fake", found=lambda path: True, cube=cube)
    monkeypatch.setitem(known.PRODUCTS, "fake", fake)
    spectra = [WHOLE[:, :16], WHOLE[:, 10:]]
    clear = [~clouds["a.tif"], ~clouds["b.tif"]]
    scene = sl.open_scene(paths, mosaic=True)
    assert scene.source["product"] == "fake"
    for leave_out, has in ((None, clear), (["none"], [np.ones((18, 16), bool)] * 2)):
        corners = ((0, 0), (0, 10))
        expected = naive(list(zip(corners, spectra, has, strict=True)), (18, 26, 4))
        read = sl.read_scene(paths, leave_out=leave_out, mosaic=True)
        np.testing.assert_array_equal(read.cube, expected[0])
    whole = known.open_cube(paths, mosaic=True)
    marked = whole.quality[0].marked(sl.Window(0, 18, 0, 26), np.arange(4))
    np.testing.assert_array_equal(marked[:, :16], clouds["a.tif"])
    np.testing.assert_array_equal(marked[:, 16:], clouds["b.tif"][:, 6:])


def test_enmap_tiles_in_a_folder_and_an_archive(tmp_path: Path) -> None:
    """Each masked as it is alone: the merge of two scenes, pixel by pixel."""
    one = enmap(tmp_path)
    other = enmap(tmp_path / "next", ENMAP.replace("Z_008_", "Z_009_"))
    for file in other.glob("*.TIF"):
        with rasterio.open(file, "r+") as layer:
            layer.transform = PLACE @ rasterio.Affine.translation(3, 1)
            if "SPECTRAL" in file.name:
                values = layer.read()
                layer.write(np.where(values == NODATA, values, values + 7))
    archive = packed(other, tmp_path / "next.zip")
    alone = [sl.read_scene(path) for path in (one, archive)]
    every = np.zeros((ROWS, COLS), bool)
    valid = [every if scene.valid is None else scene.valid for scene in alone]
    assert [v.any() and not v.all() for v in valid] == [True, True]
    corners = ((0, 0), (1, 3))
    tiles = [(at, s.cube, v) for at, s, v in zip(corners, alone, valid, strict=True)]
    expected = naive(tiles, (ROWS + 1, COLS + 3, alone[0].bands))
    scene = sl.read_scene([one, archive], mosaic=True)
    np.testing.assert_array_equal(scene.valid, expected[1])
    np.testing.assert_array_equal(scene.cube, expected[0])
    assert scene.source["product"] == "enmap"
    assert scene.source["drop_bands"] == alone[0].source["drop_bands"]
    assert scene.wavelengths_nm == alone[0].wavelengths_nm
    assert scene_from(scene.source, load=True).sha256 == scene.sha256
    found = sl.scene_info([one, archive], mosaic=True)
    assert found.product == "enmap"
    assert found.marked
    assert [layer.name for layer in found.marked] == [
        layer.name for layer in sl.scene_info(one).marked
    ]
