"""What `info` says of a file.

References: the numbers that were written into it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import io

import spectrolite as sl
from spectrolite.products import info

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def field(tmp_path: Path) -> Path:
    """30 x 32 pixels, 6 bands, with an oddity of every kind."""
    rows, cols = np.indices((30, 32))
    cube = np.stack([100 * b + rows + 2 * cols for b in range(1, 7)], axis=-1).astype("<i2")
    cube[..., 1] = 9
    cube[..., 3] = np.random.default_rng(0).integers(0, 4000, (30, 32))
    cube[:3] = -9999
    cube[5, 5, 0] = -9999
    (tmp_path / "field.img").write_bytes(cube.tobytes())
    (tmp_path / "field.hdr").write_text(
        "ENVI\nsamples = 32\nlines = 30\nbands = 6\ndata type = 2\ninterleave = bip\n"
        "byte order = 0\ndata ignore value = -9999\nbbl = {1, 1, 0, 1, 1, 1}\n"
        "wavelength = {0.4, 0.5, 0.7, 0.65, 0.8, 0.9}\nreflectance scale factor = 5000\n"
        "map info = {UTM, 1, 1, 600000, 5200000, 2.5, 2.5, 32, North, WGS-84, units=Meters}\n"
    )
    return tmp_path / "field.hdr"


def test_every_warning(field: Path, typed: Typed) -> None:
    found = sl.scene_info(field)
    assert (found.format, found.key, found.dtype) == ("ENVI, bip", "", "int16")
    assert (found.rows, found.cols, found.bands, found.mib) == (30, 32, 6, 0.011)
    assert (found.wavelengths_nm, found.wavelength_unit, found.steps_back) == ((400, 900), None, 1)
    assert (found.crs, found.pixel_size) == ("EPSG:32632", (2.5, 2.5))
    assert (found.nodata, found.looked_at) == ((-9999.0,), 1.0)
    assert found.nodata_share == (3 * 32 + 1) / 960
    written = np.fromfile(field.with_suffix(".img"), "<i2")
    assert (found.low, found.high) == (written[written != -9999].min(), written.max())
    assert (found.bad_bands, found.constant_bands, found.noisy_bands) == ((2,), (1,), (3,))
    assert (found.scale, found.offset) == ((1 / 5000, 1 / 5000), None)
    assert found.warnings == (
        "wavelengths: from 0.4 to 0.9 (no unit); taken as micrometres, judging by their size",
        "wavelengths do not ascend: 1 of 6 are not above the one before, the first is band 3, "
        "from 0; this is normal for overlapping spectrometers",
        "1 band (2, from 0) is marked as bad by the file; --drop-bands bad drops them",
        "1 band (1, from 0) is constant; --drop-bands constant drops them",
        "1 band (3, from 0) is noisy; --drop-bands noisy drops them",
        "1 band (0, from 0) without values at pixels where other bands have values: these pixels "
        "have no spectrum",
        "the file states a scale factor: values are read as stored unless --scale is given",
    )
    code, out, err = typed("info", field, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads(json.dumps(found.as_json()))
    code, out, _ = typed("info", field.with_suffix(".img"))
    assert code == 0
    assert "size         30 rows x 32 cols x 6 bands, int16, 0.0 MiB in memory\n" in out
    assert "wavelengths  400 to 900 nm (in the file: no unit), 1 steps back\n" in out
    assert "nodata       -9999; 10.10% of the pixels have no spectrum\n" in out
    assert "! 1 band (3, from 0) is noisy; --drop-bands noisy drops them\n" in out


def test_a_plain_scene_of_one_pixel_and_one_band(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.full((1, 1, 1), 3.0))
    found = sl.scene_info(tmp_path / "one.npy")
    assert (found.low, found.high, found.crs, found.pixel_size) == (3.0, 3.0, None, None)
    assert found.warnings == (
        "no wavelengths: the bands cannot be compared with a model's",
        "no CRS: maps will not be georeferenced",
        "no transform: the pixel size is unknown",
        "1 band (0, from 0) is constant; --drop-bands constant drops them",
        "one band: there is no spectrum to classify; if these are classes, they go with --labels",
        "smaller than the 25 x 25 patch of hybridsn: too small to train on",
    )


def test_print_shows_a_few_lines(field: Path) -> None:
    shown = str(sl.scene_info(field)).splitlines()
    assert shown[:8] == [
        f"SceneInfo {field}",
        "  format       ENVI, bip",
        "  size         30 rows, 32 cols, 6 bands",
        "  values       int16",
        "  wavelengths  400 to 900 nm",
        "  CRS          EPSG:32632",
        "  pixel size   2.5 x 2.5 Meter",
        "  warning 1    wavelengths: from 0.4 to 0.9 (no unit); taken as micrometres, judging by "
        "their size",
    ]
    assert len(shown) == 14
    assert (
        sl.scene_info(field)
        ._repr_html_()
        .startswith(
            f"<table><caption>SceneInfo {field}</caption><tr><th>format</th><td>ENVI, bip</td></tr>"
        )
    )


def test_nothing_but_nodata(tmp_path: Path) -> None:
    io.savemat(tmp_path / "s.mat", {"a": np.full((2, 3, 4), np.nan), "b": np.ones((2, 3, 4))})
    found = sl.scene_info(tmp_path / "s.mat", "a")
    assert (found.low, found.high, found.nodata_share) == (None, None, 1.0)
    assert "none of the pixels read has a spectrum" in found.warnings
    json.dumps(found.as_json(), allow_nan=False)


def test_only_a_part_of_a_large_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "s.npy", np.ones((3000, 1000, 2), np.uint8))
    monkeypatch.setattr(info, "BUDGET", 3 << 20)
    assert 0 < sl.scene_info(tmp_path / "s.npy").looked_at < 0.6
