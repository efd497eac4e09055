"""ENVI: header and data file.

References: bytes written one value at a time in a loop over rows, columns and bands; spectral.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spectral
from rasterio.crs import CRS

from spectrolite.errors import ReadError
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import open_scene, read_scene
from written_scenes import HEADER, PLACE, envi

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


def test_optional_keys_of_an_envi_header(tmp_path: Path) -> None:
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


Typed = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ENVI\n", "\n", "{hdr}: not an ENVI header: its first line is not ENVI"),
        (
            "lines = 3",
            "lines = 3000000000000",
            "{img}: its header says 24,000,000,000,000 bytes (3000000000000 lines x 2 samples "
            "x 2 bands of int16, header offset 0), the file has 24; it was cut off, or the header "
            "belongs to another file",
        ),
        (
            "bands = 2",
            "bands = 3",
            "{img}: its header says 36 bytes (3 lines x 2 samples x 3 bands of int16, header "
            "offset 0), the file has 24; it was cut off, or the header belongs to another file",
        ),
        ("samples = 2", "", "{hdr}: samples: wanted a whole number of 1 or more, got nothing"),
        ("samples = 2", "samples = -", "{hdr}: samples: wanted a whole number of 1 or more, got -"),
        ("lines = 3", "lines = 0", "{hdr}: lines: wanted a whole number of 1 or more, got 0"),
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
            "order = 0\ndata ignore value = zero",
            "{hdr}: data ignore value: wanted a number, got 'zero'",
        ),
        (
            "order = 0",
            "order = 0\nfile compression = 1",
            "{hdr}: file compression: not supported; save the scene again without",
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
    with pytest.raises(
        ReadError, match=r"s\.hdr: no data file beside it; wanted s with any ending"
    ):
        read_scene(path)
    with pytest.raises(ReadError) as caught:
        read_scene(tmp_path / "other.img")
    assert str(caught.value) == (
        f"{tmp_path / 'other.img'}: no ENVI header beside it; wanted other.img.hdr or other.hdr"
    )


@pytest.mark.parametrize("ending", [".hyspex", ".cube", ".a.b", ".DAT", ""])
def test_any_ending_beside_a_header(tmp_path: Path, ending: str) -> None:
    header = envi(tmp_path)
    data = (tmp_path / "s.img").rename(tmp_path / f"s{ending}")
    if ending == ".a.b":
        header = header.rename(tmp_path / "s.a.hdr")
    (tmp_path / "s.hdr.xml").write_text("<a/>")
    (tmp_path / "s.txt").write_text("notes of the flight")
    numbers = np.arange(1, 25, dtype=np.uint8).view("<i2").reshape(2, 3, 2).transpose(1, 2, 0)
    for path in (header, data):
        np.testing.assert_array_equal(read_scene(path).cube, numbers)


@pytest.mark.parametrize("unit", ["µm", "μm"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "utf-16"])
def test_micrometres_in_any_encoding(tmp_path: Path, unit: str, encoding: str) -> None:
    """The micro sign and the Greek letter; Latin-1 has only the first."""
    path = envi(tmp_path)
    header = f"{HEADER}wavelength = {{0.45, 0.55}}\nwavelength units = {unit}\n"
    if unit == "μm" and encoding in ("latin-1", "cp1252"):
        encoding = "utf-8"
    path.write_bytes(header.encode(encoding))
    cube = open_cube(path)
    assert (cube.wavelengths_nm, cube.unit) == ((450.0, 550.0), unit)
    assert cube.notes == (
        ("s.hdr: it is not in UTF-8; read as Windows-1252: if letters are wrong, save it as UTF-8",)
        if encoding in ("latin-1", "cp1252")
        else ()
    )


@pytest.mark.parametrize("value", ["none", "None", "", "{}", "NaN", "n/a"])
def test_a_header_that_states_no_nodata(tmp_path: Path, value: str) -> None:
    cube = open_cube(envi(tmp_path, f"{HEADER}data ignore value = {value}\n"))
    assert cube.nodata is None
    assert cube.notes == ()


def test_a_projection_of_no_place(tmp_path: Path) -> None:
    placed = f"{HEADER}map info = {{Arbitrary, 1, 1, 100, 200, 0.5, 0.5, 0, North}}\n"
    cube = open_cube(envi(tmp_path, placed))
    assert cube.crs is None
    assert cube.transform == (0.5, 0, 100, 0, -0.5, 200)
    assert cube.notes == ("map info: its projection is of no place on the Earth: no CRS",)


def test_a_spectral_library(tmp_path: Path, typed: Typed) -> None:
    """And the scene of one row that the message describes; the library is spectral's."""
    spectra = np.arange(15, dtype=np.float32).reshape(3, 5)
    library = spectral.envi.SpectralLibrary(spectra, {}, None)
    library.save(str(tmp_path / "lib"))
    header = tmp_path / "lib.hdr"
    for path in (header, tmp_path / "lib.sli"):
        assert typed("info", path) == (
            2,
            "",
            f"error: {header}: an ENVI spectral library of 3 spectra with 5 bands, not a scene; to "
            "read its spectra as a scene of one row, copy both files and write in the header: "
            "file type = ENVI Standard, samples = 3, lines = 1, bands = 5, interleave = bip",
        )
    text = header.read_text()
    for key, value in (
        ("file type", "ENVI Standard"),
        ("samples", 3),
        ("lines", 1),
        ("bands", 5),
        ("interleave", "bip"),
    ):
        text = re.sub(rf"(?m)^{key} *=.*$", f"{key} = {value}", text)
    header.write_text(text)
    np.testing.assert_array_equal(read_scene(header).cube, spectra[None])
