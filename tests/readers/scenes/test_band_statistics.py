"""Which pixels have a spectrum and which bands are constant or noisy.

References: naive loops; von Neumann's ratio by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrolite.errors import SceneError, SettingsError
from spectrolite.products.info import scene_info
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import open_scene, read_scene
from spectrolite.readers.scenes import geotiff
from spectrolite.readers.scenes.band_statistics import band_statistics, has_spectrum, sample_windows
from written_scenes import PLACE, UTM


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    values=st.lists(st.sampled_from([0.0, 1.0, 7.0, np.nan, np.inf]), min_size=12, max_size=12),
    nodata=st.sampled_from([None, (0.0,) * 3, (7.0,) * 3, (0.0, 7.0, np.nan)]),
)
def test_where_a_spectrum_is_against_a_loop(
    values: list[float], nodata: tuple[float, ...] | None
) -> None:
    cube = np.array(values, np.float32).reshape(2, 2, 3)
    found = has_spectrum(cube, None if nodata is None else np.array(nodata))
    for r, c in np.ndindex(2, 2):
        spectrum = cube[r, c].tolist()
        zeros = [v == 0 for v, n in zip(spectrum, nodata or (1,) * 3, strict=True) if n == 0]
        wrong = any(
            not np.isfinite(v) or (n is not None and n != 0 and v == n)
            for v, n in zip(spectrum, nodata or (None,) * 3, strict=True)
        )
        assert found[r, c] == (not wrong and not (zeros and all(zeros)))


def test_a_survey_against_numpy_and_the_words_it_gives(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    cube = np.empty((40, 50, 5), np.float32)
    cube[..., 0] = np.add.outer(np.arange(40), np.arange(50)) + 1000  # smooth
    cube[..., 1] = generator.normal(size=(40, 50))  # noise
    cube[..., 2], cube[..., 3], cube[..., 4] = 5, np.nan, cube[..., 0] ** 2
    cube[3, 4:9, 0] = np.nan
    np.save(tmp_path / "s.npy", cube)
    opened = open_cube(tmp_path / "s.npy")
    found = band_statistics(opened, sample_windows(opened.shape, 4))
    lows = [np.nanmin(cube[..., b]) for b in (0, 1, 2)]
    np.testing.assert_array_equal(found.low, [*lows, np.nan, cube[..., 4].min()])
    np.testing.assert_array_equal(found.missing, [5, 0, 0, 2000, 0])
    assert (found.pixels, found.without) == (2000, 2000)
    noise = cube[..., 1].astype(float)
    ratio = (np.diff(noise, axis=1) ** 2).mean() / 2 / noise.var()
    assert found.roughness[1] == pytest.approx(ratio, rel=1e-9)
    assert found.constant == (2, 3)
    assert found.noisy == (1,)
    scene = read_scene(tmp_path / "s.npy", drop_bands=("constant", "noisy"))
    assert scene.source["drop_bands"] == "1,2,3"
    assert scene.valid is not None
    assert int((~scene.valid).sum()) == 5
    for opened_again in (read_scene(tmp_path / "s.npy"), open_scene(tmp_path / "s.npy")):
        assert opened_again.notes == ("1 band without any value left out: 3, from 0",)
        assert (opened_again.source["drop_bands"], opened_again.bands) == ("3", 4)
    assert read_scene(tmp_path / "s.npy", drop_bands=(3,)).sha256 == opened_again.sha256
    assert "1 band (3, from 0) is without any value; every verb leaves them out" in (
        scene_info(tmp_path / "s.npy").warnings
    )
    cube[::2, :, 0] = cube[1::2, :, 4] = np.nan  # no pixel is left, though no band is empty
    np.save(tmp_path / "s.npy", cube)
    with pytest.raises(SceneError) as caught:
        read_scene(tmp_path / "s.npy")
    assert str(caught.value) == (
        "s.npy: no pixel has a value in every band: NaN, infinite or nodata in 2 of 4 bands, "
        "from 0: 0, 4; drop them (--drop-bands 0,4) or fill them"
    )
    with pytest.raises(SettingsError) as unknown:
        read_scene(tmp_path / "s.npy", drop_bands=("worst",))
    assert str(unknown.value) == (
        "--drop-bands: wanted numbers, ranges or one of bad, constant, noisy, got 'worst'"
    )


def test_pieces_of_a_large_scene_are_few_and_all_over_it() -> None:
    parts = list(sample_windows((5000, 4000, 200), 2, 64 << 20))
    assert sum(w.shape[0] * w.shape[1] for w in parts) * 400 <= 64 << 20
    assert min(w.row_start for w in parts) == 0
    assert max(w.row_stop for w in parts) == 5000
    assert len(set(parts)) == len(parts) > 8


@pytest.mark.parametrize(
    ("block", "windows_read", "rows_each"),
    [((5000, 4000, 200), 1, 41), ((5000, 4000, 1), 1, 41), ((1000, 4000, 200), 1, 41)],
)
def test_of_a_block_larger_than_the_budget_one_window_is_read(
    block: tuple[int, int, int], windows_read: int, rows_each: int
) -> None:
    parts = list(sample_windows((5000, 4000, 200), 2, 64 << 20, block))
    assert len(parts) == windows_read
    assert parts[0].shape == (rows_each, 4000)
    assert 1000 < parts[0].row_start < 4000


def test_a_small_file_of_many_tiny_blocks_is_not_read_whole() -> None:
    parts = list(sample_windows((100_000, 60, 4), 2, 64 << 20, (3, 3, 2)))
    assert len(parts) >= 8
    blocks = sum(-(-w.shape[0] // 3) * -(-w.shape[1] // 3) * 2 for w in parts)
    assert blocks <= 4096
    assert parts[-1].row_stop == 100_000


@pytest.mark.parametrize(
    ("block", "rows"), [((1, 400, 100), 838), ((100, 100, 1), 800), ((1000, 400, 1), 1000)]
)
def test_strips_end_where_blocks_end(block: tuple[int, int, int], rows: int) -> None:
    strips = list(sample_windows((2500, 400, 100), 2, block=block))
    assert strips[0].shape == (rows, 400)
    assert [w.row_start for w in strips] == list(range(0, 2500, rows))
    assert strips[-1].row_stop == 2500


def test_of_a_wide_scene_whole_blocks_are_read() -> None:
    parts = list(sample_windows((2500, 40_001, 100), 2, block=(256, 256, 1)))
    assert sum(w.shape[0] * w.shape[1] for w in parts) == 2500 * 40_001
    assert len({(w.row_start, w.col_start) for w in parts}) == len(parts)
    assert {w.row_start % 256 for w in parts} | {w.col_start % 256 for w in parts} == {0}
    assert parts[0].shape == (256, 5 * 256)  # 12.5 MiB a block of rows, cols and all bands


def test_a_strip_of_the_whole_file_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube = np.random.default_rng(0).integers(0, 99, (60, 50, 3), np.int16)
    profile = {"height": 60, "width": 50, "count": 3, "dtype": "int16", "compress": "deflate"}
    with rasterio.open(
        tmp_path / "s.tif",
        "w",
        blockysize=60,
        crs=UTM,
        transform=rasterio.Affine(*PLACE),
        **profile,
    ) as file:
        file.write(cube.transpose(2, 0, 1))
    assert open_cube(tmp_path / "s.tif").block == (60, 50, 3)
    monkeypatch.setattr("spectrolite.readers.scenes.band_statistics.VALUES_AT_ONCE", 300)
    reads: list[Any] = []
    kept = geotiff._read

    def counted(*arguments: Any) -> Any:
        reads.append(arguments)
        return kept(*arguments)

    monkeypatch.setattr(geotiff, "_read", counted)
    info = scene_info(tmp_path / "s.tif")
    assert (info.low, info.high) == (cube.min(), cube.max())
    assert len(reads) == 1
    np.testing.assert_array_equal(read_scene(tmp_path / "s.tif").cube, cube)
    assert len(reads) == 2
