"""Texts of others are read in linear time and steer no terminal; pipes are refused."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rich.table import Table
from typer.testing import CliRunner

from spectrolite.cli.app import app
from spectrolite.cli.options import PrintableConsole, plain
from spectrolite.data.labels import Labels
from spectrolite.errors import InputError, LabelsError, ReadError, listed, printable, shortened
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import read_scene
from spectrolite.readers import read_labels
from spectrolite.readers.labels.class_columns import numbered_classes
from spectrolite.readers.labels.tables import read_rows
from spectrolite.readers.scenes.envi import read_header
from spectrolite.readers.scenes.hdf5 import variables

LONG = 100_000


@pytest.mark.parametrize(
    "line",
    [" " * LONG, "\t" * LONG, "a" * LONG, "a " * LONG, "= " * LONG, "{" * LONG, "\n" * LONG,
     " =\n" * LONG, "a = {b}" * LONG, "x = {" + "{" * LONG + "}"],
)  # fmt: skip
def test_headers_take_linear_time(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.hdr"
    path.write_text(f"ENVI\nlines = 4\n{line}\nsamples = 5\n")
    begun = time.process_time()
    fields = read_header(path)
    assert time.process_time() - begun < 0.5
    assert (fields["lines"], fields["samples"]) == ("4", "5")


def test_headers_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.hdr"
    path.write_bytes(b"ENVI\n" + bytes(16 << 20))
    with pytest.raises(ReadError) as caught:
        read_header(path)
    assert str(caught.value) == f"{path}: a header of more than 16 MiB; is it the data?"


def test_wide_tables_take_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",".join(f"c{n}" for n in range(LONG)) + "\n" + ",".join("1" * LONG) + "\n")
    begun = time.process_time()
    header, _, rows = read_rows(path, [])
    assert (len(header), len(rows)) == (LONG, 1)
    assert time.process_time() - begun < 1


def test_long_columns_take_linear_time() -> None:
    begun = time.process_time()
    with pytest.raises(LabelsError, match="mixes numbers and words"):
        numbered_classes(["1"] * LONG + ["a"], "column", str)
    assert time.process_time() - begun < 1


def test_long_descriptions_take_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=1, height=1, count=1, dtype="uint8", crs="EPSG:32631",
        transform=rasterio.Affine(1, 0, 0, 0, -1, 4),
    ) as file:  # fmt: skip
        file.set_band_description(1, "1" * LONG)
    begun = time.process_time()
    open_cube(path)
    assert time.process_time() - begun < 1


def test_listings_are_bounded(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for n in range(200):
            file[f"array_with_a_long_name_{n}"] = np.ones((2, 2, 2))
    assert len(variables(path)) == 200
    with pytest.raises(ReadError) as caught:
        open_cube(path)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).endswith(" and 190 more; choose one with --scene-key")


def test_messages_are_bounded() -> None:
    assert str(ReadError("a" * 500)) == "a" * 500
    message = str(ReadError("begin " + "a" * LONG + " end"))
    assert len(message) == 2000
    assert message.startswith("begin a")
    assert message.endswith("a end")
    assert shortened("0123456789" * 3, 20) == "012345678 ... 456789"
    assert listed(["a" * 400, "b"]) == "a" * 149 + " ... " + "a" * 146 + ", b"


def test_class_names_are_bounded() -> None:
    with pytest.raises(LabelsError) as caught:
        Labels(np.ones((2, 2), int), {n: str(n) for n in range(1, 200_000)}, name="map")
    assert str(caught.value) == (
        "map: wanted names of ids up to 65535, got one of 199999; "
        "remove the names of ids that no pixel has"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Maïs, 小麦 and\tأرز\n", "Maïs, 小麦 and\tأرز\n"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("a\u202egnp.b", r"a\u202egnp.b"),
        ("\u2066a\u2069", r"\u2066a\u2069"),
        ("a\rb", r"a\rb"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("1\u202f000\xa0m", "1\u202f000\xa0m"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown
    for table in (False, True):
        file = io.StringIO()
        console = PrintableConsole(file=file, force_terminal=True, color_system=None, width=60)
        if table:
            rows = Table(plain(text), title=plain(text))
            rows.add_row(plain(text))
            console.print(rows)
        else:
            console.print(plain(text))
            console.print(text, markup=False, soft_wrap=True)
        assert printable(file.getvalue()) == file.getvalue()


def test_no_markup_in_texts_of_others() -> None:
    file = io.StringIO()
    console = PrintableConsole(file=file, emoji=False, width=200)
    for text in ("[bold]a[/]", r"\[bold]a", "[/x]", ":bug:", "[1, 2]"):
        console.print(f"[bold]b[/] {plain(text)}")
    assert file.getvalue().splitlines() == [
        "b [bold]a[/]", r"b \[bold]a", "b [/x]", "b :bug:", "b [1, 2]",
    ]  # fmt: skip


def test_errors_and_info_are_printable(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b]0;b\x07\u202e.npy"
    np.save(path, np.ones((2, 2, 2)))
    shown = CliRunner().invoke(app, ["info", str(path)])
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0].endswith(r"a\x1b]0;b\x07\u202e.npy")
    assert printable(shown.stdout) == shown.stdout


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [a_pipe, a_link_to_a_device])
@pytest.mark.parametrize(
    "name",
    ["a.tif", "a.vrt", "a.hdr", "a.npy", "a.mat", "a.h5", "a.nc", "a.csv", "a.geojson", "a.txt",
     "a.toml", "config.json", "manifest.json", "a.zip"],
)  # fmt: skip
def test_pipes_are_refused(tmp_path: Path, make: Callable[[Path], None], name: str) -> None:
    path = tmp_path / name
    make(path)
    scene, folder = tmp_path / "scene.npy", str(tmp_path)
    np.save(scene, np.ones((2, 2, 2)))
    train = ["train", "--out", f"{folder}/out", "--split", "random,train=0.5"]
    commands = {
        ".csv": [*train, "--scene", str(scene), "--labels", str(path)],
        ".geojson": [*train, "--scene", str(scene), "--labels", str(path)],
        ".txt": [*train, "--scene", str(scene), "--labels", str(path)],
        ".toml": [*train, "--scene", str(scene), "--labels", str(scene), "--recipe", str(path)],
        ".json": ["map", folder, "--scene", str(scene), "--out", f"{folder}/map.tif"],
        ".zip": [*train, "--images", str(path)],
    }
    done = CliRunner().invoke(app, commands.get(path.suffix, ["info", str(path)]))
    assert isinstance(done.exception, InputError)
    wanted = f"{path}: wanted a file, got a pipe or a device; copy its content"
    if path.suffix == ".zip":
        wanted = f"{path}: no such file or folder"
    assert str(done.exception) == wanted


@pytest.mark.parametrize("name", ["a.tif.aux.xml", "a.tfw", "a.tif.msk", "a.tif.ovr"])
def test_pipes_beside_a_raster_are_refused(tmp_path: Path, name: str) -> None:
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=1, height=1, count=1, dtype="uint8",
        crs="EPSG:32631", transform=rasterio.Affine(1, 0, 0, 0, -1, 4),
    ):  # fmt: skip
        pass
    os.mkfifo(tmp_path / name)
    for read in (read_scene, read_labels):
        with pytest.raises(ReadError, match="got a pipe or a device"):
            read(tmp_path / "a.tif")


@pytest.mark.parametrize("name", [".zarray", "zarr.json", "0.0.0"])
def test_pipes_in_a_store_are_refused(tmp_path: Path, name: str) -> None:
    pytest.importorskip("zarr")
    store = tmp_path / "a.zarr"
    store.mkdir()
    os.mkfifo(store / name)
    with pytest.raises(ReadError, match="got a pipe or a device"):
        open_cube(store)
