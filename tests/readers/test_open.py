"""Odd and bad files: what is refused, with which words, and which pixels and bands count.

References: values typed in here; SciPy's von Neumann ratio by hand; naive loops.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio._env import get_gdal_config

import spectrolite as sl
from spectrolite.data.scene import Window
from spectrolite.errors import LabelsError, MissingExtraError, ReadError, SceneError, SettingsError
from spectrolite.readers import open_cube, open_scene, read_scene
from spectrolite.readers.scenes.band_statistics import has_spectrum, pieces, survey
from spectrolite.readers.scenes.cube import in_nm
from spectrolite.readers.scenes.geotiff import opened

HEADER = (
    "ENVI\nsamples = 2\nlines = 3\nbands = 2\ndata type = 2\ninterleave = bsq\nbyte order = 0\n"
)

Typed = Callable[..., tuple[int, str, str]]


def envi(folder: Path, header: str = HEADER, size: int = 24) -> Path:
    (folder / "s.img").write_bytes(bytes(range(1, size + 1)))
    (folder / "s.hdr").write_text(header)
    return folder / "s.hdr"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ENVI\n", "\n", "{hdr}: not an ENVI header: its first line is not ENVI"),
        (
            "lines = 3",
            "lines = 3000000000000",
            "{img}: its header promises 24,000,000,000,000 bytes (3000000000000 lines x 2 samples "
            "x 2 bands of int16, header offset 0), the file holds 24; it was cut off, or the "
            "header is another file's",
        ),
        (
            "bands = 2",
            "bands = 3",
            "{img}: its header promises 36 bytes (3 lines x 2 samples x 3 bands of int16, header "
            "offset 0), the file holds 24; it was cut off, or the header is another file's",
        ),
        ("samples = 2", "", "{hdr}: samples: wanted a whole number from 1 up, got nothing"),
        ("samples = 2", "samples = -", "{hdr}: samples: wanted a whole number from 1 up, got -"),
        ("lines = 3", "lines = 0", "{hdr}: lines: wanted a whole number from 1 up, got 0"),
        ("type = 2", "type = 6", "{hdr}: data type 6 is complex; wanted real numbers"),
        (
            "type = 2",
            "type = 7",
            "{hdr}: data type: wanted one of 1, 2, 3, 4, 5, 12, 13, 14, 15, got 7",
        ),
        ("bsq", "bqs", "{hdr}: interleave: wanted bsq, bil or bip, got bqs"),
        ("order = 0", "order = 2", "{hdr}: byte order: wanted 0 or 1, got 2"),
        (
            "order = 0",
            "order = 0\nwavelength = {1, 2",
            "{hdr}: the brace of 'wavelength' is never closed",
        ),
        (
            "order = 0",
            "order = 0\ndata ignore value = none",
            "{hdr}: data ignore value: wanted a number, got 'none'",
        ),
        (
            "order = 0",
            "order = 0\nfile compression = 1",
            "{hdr}: file compression are not read; save the scene again without them",
        ),
    ],
)
def test_a_bad_envi_header(tmp_path: Path, old: str, new: str, said: str, typed: Typed) -> None:
    path = envi(tmp_path, HEADER.replace(old, new))
    wanted = said.format(hdr=path, img=tmp_path / "s.img")
    for ask in (open_cube, open_scene, read_scene):
        with pytest.raises(ReadError) as caught:
            ask(path)
        assert str(caught.value) == wanted
    code, out, err = typed("info", path)
    assert (code, out, err) == (2, "", f"error: {wanted}")


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


def test_a_half_of_an_envi_pair(tmp_path: Path) -> None:
    path = envi(tmp_path)
    (tmp_path / "s.dat").touch()
    with pytest.raises(ReadError) as caught:
        read_scene(path)
    assert str(caught.value) == (
        f"{path}: several data files beside it: s.img, s.dat; name the data file itself"
    )
    (tmp_path / "s.dat").unlink()
    (tmp_path / "s.img").rename(tmp_path / "other.img")
    with pytest.raises(ReadError, match=r"s\.hdr: no data file beside it; wanted s with one of "):
        read_scene(path)
    with pytest.raises(ReadError) as caught:
        read_scene(tmp_path / "other.img")
    assert str(caught.value) == (
        f"{tmp_path / 'other.img'}: no ENVI header beside it; wanted other.img.hdr or other.hdr"
    )


def test_a_file_that_shrinks_while_it_is_open(tmp_path: Path) -> None:
    opened = open_scene(envi(tmp_path))
    (tmp_path / "s.img").write_bytes(b"12")
    with pytest.raises(ReadError) as caught:
        opened.read(Window(0, 3, 0, 2))
    assert str(caught.value) == f"{tmp_path / 's.img'}: 22 bytes have gone since it was opened"


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


def test_no_cube_in_an_hdf5_file_and_a_wrong_key(tmp_path: Path, typed: Typed) -> None:
    path = tmp_path / "s.h5"
    with h5py.File(path, "w") as file:
        file["site/gt"] = np.zeros((2, 3), np.uint8)
        file["name"] = "x"
    said = f"{path}: wanted a cube of rows, cols, bands, found only "
    code, _, err = typed("info", path)
    assert code == 2
    assert err.startswith(f"error: {said}")
    assert err.endswith("site/gt (2 x 3 uint8)")
    mat = tmp_path / "s.mat"
    with h5py.File(mat, "w") as file:
        file["cube"] = np.zeros((2, 3, 4))
        file["cube"].attrs["MATLAB_class"] = np.bytes_("double")
    assert typed("info", mat, "--key", "paviaU") == (
        2,
        "",
        f"error: {mat}: no array 'paviaU' in it, only cube (4 x 3 x 2 double)",
    )


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


@pytest.mark.parametrize("dims", [("x", "x", "band"), ("lat", "row", "band")])
def test_axes_that_contradict_each_other(tmp_path: Path, dims: tuple[str, ...]) -> None:
    path = tmp_path / "s.h5"
    with h5py.File(path, "w") as file:
        file["cube"] = np.zeros((2, 3, 4))
        for axis, name in enumerate(dims):
            file["cube"].dims[axis].label = name
    with pytest.raises(ReadError) as caught:
        open_cube(path)
    assert str(caught.value) == (
        f"{path}: cube (2 x 3 x 4 float64): of its dimensions ({', '.join(dims)}) two are the same "
        "axis; wanted rows, cols and bands"
    )


def test_zarr_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.zarr").mkdir()
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(MissingExtraError) as caught:
        read_scene(tmp_path / "s.zarr")
    assert str(caught.value) == (
        f"{tmp_path / 's.zarr'}: to read Zarr the package zarr is needed, which is not installed; "
        "install it with: pip install 'spectrolite[geo]'"
    )


def test_a_key_or_a_scale_where_there_is_none(tmp_path: Path) -> None:
    path = envi(tmp_path)
    with pytest.raises(ReadError) as caught:
        read_scene(path, key="cube")
    assert str(caught.value) == (
        f"{path}: an ENVI file holds one cube and has no keys; leave out 'cube'"
    )
    with pytest.raises(ReadError) as caught:
        read_scene(path, scale=True)
    assert str(caught.value) == (
        f"{path}: it states no scale factor, and --scale, or a model that was trained with it, "
        "needs one"
    )


def test_a_window_outside(tmp_path: Path) -> None:
    opened = open_scene(envi(tmp_path))
    for window in (Window(0, 4, 0, 2), Window(0, 3, 1, 3), Window(-1, 2, 0, 2)):
        with pytest.raises(SceneError) as caught:
            opened.read(window)
        assert str(caught.value) == f"s.hdr: {window} is not inside its 3 x 2 pixels"


@pytest.mark.parametrize(
    ("values", "unit", "nm", "note"),
    [
        ([400, 500], "Nanometers", (400.0, 500.0), None),
        ([0.4, 0.5], " Micrometers ", (400.0, 500.0), None),
        ([0.4, 0.5], "µm", (400.0, 500.0), None),
        ([4e-7, 5e-7], "m", (400.0, 500.0), None),
        ([4000, 5000], "Angstroms", (400.0, 500.0), None),
        (
            [0.4, 0.5],
            None,
            (400.0, 500.0),
            "from 0.4 to 0.5 (no unit); taken as micrometres, by their size",
        ),
        (
            [400, 500],
            "Unknown",
            (400.0, 500.0),
            "from 400 to 500 (no unit); taken as nanometres, by their size",
        ),
        ([0.4, 500], "nm", None, "mixed units, from 0.4 to 500 (nm); they are not used"),
        ([0.4, 0.5], "nm", None, "from 0.4 to 0.5 (nm) cannot be right; they are not used"),
        (
            [400, 500],
            "GHz",
            None,
            "a unit that is not understood, from 400 to 500 (GHz); they are not used",
        ),
        ([0, 500], "nm", None, "some are no positive numbers; they are not used"),
        ([400], "nm", None, "1 for 2 bands; they are not used"),
    ],
)
def test_units_of_the_wild(
    values: list[float], unit: str | None, nm: tuple[float, ...] | None, note: str | None
) -> None:
    assert in_nm(values, unit, 2) == (nm, () if note is None else (f"wavelengths: {note}",))


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
    found = survey(opened.read, pieces(*opened.shape, 4, 0), None)
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
    with pytest.raises(SceneError) as caught:
        read_scene(tmp_path / "s.npy")
    assert str(caught.value) == (
        "s.npy: no pixel has a value in every band: NaN, infinite or nodata in 1 of 5 bands, "
        "from 0: 3; drop them (--drop-bands 3) or fill them"
    )
    with pytest.raises(SettingsError) as unknown:
        read_scene(tmp_path / "s.npy", drop_bands=("worst",))
    assert str(unknown.value) == (
        "--drop-bands: wanted numbers, ranges or one of bad, constant, noisy, got 'worst'"
    )


def test_pieces_of_a_large_scene_are_few_and_all_over_it() -> None:
    parts = list(pieces(5000, 4000, 200, 2, 64 << 20))
    assert sum(w.shape[0] * w.shape[1] for w in parts) * 400 <= 64 << 20
    assert min(w.row_start for w in parts) == 0
    assert max(w.row_stop for w in parts) == 5000
    assert len(set(parts)) == len(parts) > 8


def test_pixels_without_a_spectrum_neither_teach_nor_get_a_class(
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
