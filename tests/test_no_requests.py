"""No file of others makes the program send a request, or read files elsewhere.

A server on this machine, in a process of its own, writes down what it is asked for; it must be
asked for nothing.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from typer.testing import CliRunner

from spectrolite import readers
from spectrolite.cli.app import app
from spectrolite.errors import InputError, ReadError
from spectrolite.mapping import map_rows
from spectrolite.mapping.map_file import open_map
from spectrolite.products import known, scenes
from spectrolite.products.info import scene_info

SERVER = """
import http.server, pathlib, sys
log = pathlib.Path(sys.argv[1])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with log.open("a") as file:
            file.write(self.path + chr(10))
        self.send_error(404)
    do_HEAD = do_GET
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""

VRT = (
    '<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="Byte" band="1">'
    "<SimpleSource>{source}<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)
NAME = '<SourceFilename relativeToVRT="{relative}">{name}</SourceFilename>'
WMS = (
    '<GDAL_WMS><Service name="TMS"><ServerUrl>{url}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>'
    "<DataWindow><UpperLeftX>0</UpperLeftX><UpperLeftY>4</UpperLeftY><LowerRightX>4</LowerRightX>"
    "<LowerRightY>0</LowerRightY><TileLevel>0</TileLevel><SizeX>4</SizeX><SizeY>4</SizeY>"
    "</DataWindow><BandsCount>1</BandsCount></GDAL_WMS>"
)
OGR_VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>{url}/a.geojson</SrcDataSource>'
    "</OGRVRTLayer></OGRVRTDataSource>"
)
GDALG = '{{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline read {url}/a.json"}}'


@dataclass
class Server:
    """A server on this machine, and what it was asked for."""

    url: str
    log: Path

    def requests(self) -> list[str]:
        """The paths, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "requests"
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(log)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}", log)
        process.terminate()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # else the proxy's settings hide a request


def tiff(path: Path, bands: int = 1, **tags: dict[str, str]) -> Path:
    driver = "ENVI" if path.suffix == ".dat" else "GTiff"
    with rasterio.open(
        path, "w", driver=driver, width=4, height=4, count=bands, dtype="uint8", crs="EPSG:32631",
        transform=rasterio.Affine(1, 0, 0, 0, -1, 4),
    ) as file:  # fmt: skip
        file.write(np.arange(1, 16 * bands + 1, dtype=np.uint8).reshape(bands, 4, 4))
        for name, values in tags.items():
            file.update_tags(ns=name, **values)
    return path


def read(path: Path, allow_outside: bool = False) -> None:
    scenes.read_scene(path, allow_outside=allow_outside)


def test_server_notes_requests(server: Server, tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", OVERVIEWS={"OVERVIEW_FILE": f"/vsicurl/{server.url}/known.tif"})
    with rasterio.open(path) as file:
        file.overviews(1)
    assert "/known.tif" in server.requests()
    server.log.unlink()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{url}/a.tif", "addresses and network files are never opened"),
        ("/vsicurl/{url}/a.tif", "addresses and network files are never opened"),
        ("/VSICURL_streaming/{url}/a.tif", "addresses and network files are never opened"),
        ("/vsizip//vsicurl/{url}/a.zip/a.tif", "addresses and network files are never opened"),
        ("/vsis3/bucket/a.tif", "addresses and network files are never opened"),
        ("WMS:{url}/wms", "addresses and network files are never opened"),
        ("wms.img", "which is a text and not an image"),
        ("nested.vrt", "addresses and network files are never opened"),
        ("elsewhere.img", "addresses and network files are never opened"),
    ],
)
@pytest.mark.parametrize("allow_outside", [False, True])
def test_vrt_with_an_address(
    server: Server, tmp_path: Path, name: str, message: str, allow_outside: bool
) -> None:
    (tmp_path / "wms.img").write_text(WMS.format(url=server.url))
    inner = VRT.format(source=NAME.format(relative=0, name=f"/vsicurl/{server.url}/b.tif"))
    (tmp_path / "nested.vrt").write_text(inner)
    (tmp_path / "elsewhere.img").write_text("\n" + inner)
    path = tmp_path / "a.vrt"
    path.write_text(VRT.format(source=NAME.format(relative=1, name=name.format(url=server.url))))
    for reading in (read, known.open_cube, scene_info, readers.read_labels):
        with pytest.raises(ReadError, match=message):
            reading(path, allow_outside=allow_outside)
    assert server.requests() == []


@pytest.mark.parametrize("ending", [".tif", ".img", ".png", ".asc"])
@pytest.mark.parametrize("text", [WMS, VRT.format(source="<SourceFilename>{url}</SourceFilename>")])
def test_text_under_the_name_of_an_image(
    server: Server, tmp_path: Path, ending: str, text: str
) -> None:
    path = tmp_path / f"a{ending}"
    path.write_text(text.format(url=server.url))
    (tmp_path / "a.hdr").write_text(
        "ENVI\nsamples = 4\nlines = 4\nbands = 1\ndata type = 1\ninterleave = bsq\nmap info = {UTM,"
        "1,1,0,4,1,1,31,North,WGS-84}"
    )
    for reading in (read, readers.read_labels):
        with contextlib.suppress(InputError):
            reading(path)
    assert server.requests() == []


@pytest.mark.parametrize("text", [OGR_VRT, GDALG, WMS])
@pytest.mark.parametrize("ending", [".gpkg", ".geojson", ".json", ".shp", ".fgb"])
def test_text_under_the_name_of_polygons(
    server: Server, tmp_path: Path, ending: str, text: str
) -> None:
    pytest.importorskip("pyogrio")
    scene = scenes.read_scene(tiff(tmp_path / "scene.tif", 3))
    path = tmp_path / f"a{ending}"
    path.write_text(text.format(url=server.url))
    with pytest.raises(ReadError, match=r"^\S+: "):
        readers.read_labels(path, scene=scene, class_field="a")
    assert server.requests() == []


@pytest.mark.parametrize("beside", [False, True])
def test_overviews_elsewhere(server: Server, tmp_path: Path, beside: bool) -> None:
    name = f"/vsicurl/{server.url}/overview.tif"
    path = tiff(tmp_path / "a.tif", 3, **({} if beside else {"OVERVIEWS": {"OVERVIEW_FILE": name}}))
    if beside:
        (tmp_path / "a.tif.aux.xml").write_text(
            f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{name}</MDI>'
            "</Metadata></PAMDataset>"
        )
    for one in (read, readers.read_labels, open_map, lambda path: list(map_rows.read_rows(path))):
        with pytest.raises(ReadError, match="names the file of overviews '/vsicurl/"):
            one(path)
    assert server.requests() == []


@pytest.mark.parametrize("ending", [".msk", ".MSK", ".ovr", ".msk.ovr"])
@pytest.mark.parametrize("name", ["a.tif", "a.dat"])
def test_a_vrt_as_the_mask_or_the_overviews(
    server: Server, tmp_path: Path, ending: str, name: str
) -> None:
    """GDAL opens them with any driver, and never asks where a VRT's sources are."""
    raster = tiff(tmp_path / name)
    if ending == ".msk.ovr":
        tiff(tmp_path / f"{name}.msk")
    source = NAME.format(relative=0, name=f"/vsicurl/{server.url}/mask.tif")
    flags = '<Metadata><MDI key="INTERNAL_MASK_FLAGS_1">2</MDI></Metadata><VRTRasterBand'
    vrt = VRT.format(source=source).replace("<VRTRasterBand", flags)
    beside = tmp_path / f"{name}{ending}"
    beside.write_text(vrt)
    path = raster if name == "a.tif" else raster.with_suffix(".hdr")
    readings: list[Callable[[Path], object]] = [readers.read_labels]
    if name == "a.tif":  # of an ENVI scene GDAL opens a mask only
        readings += [read, open_map, lambda path: list(map_rows.read_rows(path))]
    for one in readings:
        with pytest.raises(ReadError) as caught:
            one(path)
        assert str(caught.value) == (
            f"{beside}: wanted the mask or the overviews of {beside.stem} as a TIFF, got another "
            "file; remove it, or convert it with gdal_translate -of GTiff"
        )
    assert server.requests() == []


def test_nothing_is_asked_for_while_a_map_is_read(server: Server, tmp_path: Path) -> None:
    with (
        pytest.raises(ReadError, match=r"^a.tif: cannot be read"),
        map_rows.reading(Path("a.tif"), "map again"),
        rasterio.open(f"/vsicurl/{server.url}/a.tif"),
    ):
        pass
    assert server.requests() == []


@pytest.mark.parametrize("before", ["", "/vsicurl/", "ESRI::", " "])
def test_reference_system_from_an_address(server: Server, tmp_path: Path, before: str) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["cube"] = np.arange(60.0).reshape(3, 4, 5)
        file["cube"].attrs["grid_mapping"] = "crs"
        for name, size in (("band", 3), ("y", 4), ("x", 5)):
            file[name] = np.arange(size, dtype=float)
            file[name].make_scale(name)
            file["cube"].dims[("band", "y", "x").index(name)].attach_scale(file[name])
        file["crs"] = 0
        file["crs"].attrs["crs_wkt"] = f"{before}{server.url}/crs"
    cube = known.open_cube(path)
    assert cube.crs is None
    assert any(note.startswith("its CRS '") for note in cube.notes)
    scene_info(path)
    assert server.requests() == []


def test_geolocation_of_a_warped_vrt(server: Server, tmp_path: Path) -> None:
    tiff(tmp_path / "b.tif")
    path = tmp_path / "a.vrt"
    path.write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="4" subClass="VRTWarpedDataset"><VRTRasterBand '
        'dataType="Byte" band="1" subClass="VRTWarpedRasterBand"/><GDALWarpOptions><SourceDataset '
        'relativeToVRT="1">b.tif</SourceDataset><Transformer><GenImgProjTransformer>'
        "<SrcGeoLocTransformer><GeoLocTransformer><Metadata><MDI key='X_DATASET'>"
        f"{server.url}/x.tif</MDI></Metadata></GeoLocTransformer></SrcGeoLocTransformer>"
        "</GenImgProjTransformer></Transformer></GDALWarpOptions></VRTDataset>"
    )
    with pytest.raises(ReadError, match="addresses and network files are never opened"):
        known.open_cube(path)
    assert server.requests() == []


def outside(tmp_path: Path, build: Callable[[str], str] = str) -> Path:
    """A VRT in a folder, whose source is beside that folder."""
    tiff(tmp_path / "b.tif")
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.vrt"
    path.write_text(VRT.format(source=NAME.format(relative=1, name=build("../b.tif"))))
    return path


def test_vrt_of_files_elsewhere(tmp_path: Path) -> None:
    path = outside(tmp_path)
    with pytest.raises(ReadError) as caught:
        scenes.read_scene(path)
    assert str(caught.value) == (
        f"{path}: names the source '../b.tif', which is neither beside nor below it; "
        "--allow-outside (allow_outside=True) permits local files elsewhere"
    )
    scene = scenes.read_scene(path, allow_outside=True)
    assert scene.cube[0, :, 0].tolist() == [1, 2, 3, 4]
    assert scene.source["allow_outside"] == "true"
    (path.parent / "b.tif").symlink_to(tmp_path / "b.tif")
    path.write_text(VRT.format(source=NAME.format(relative=1, name="b.tif")))
    with pytest.raises(ReadError, match="neither beside nor below"):
        scenes.read_scene(path)


def test_vrt_of_files_below(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    tiff(tmp_path / "below" / "b.tif")
    path = tmp_path / "a.vrt"
    path.write_text(VRT.format(source=NAME.format(relative=1, name="below/b.tif")))
    assert scenes.read_scene(path).cube[0, :, 0].tolist() == [1, 2, 3, 4]


def test_flag(tmp_path: Path) -> None:
    path = str(outside(tmp_path))
    assert CliRunner().invoke(app, ["info", path, "--allow-outside"]).exit_code == 0
    assert isinstance(CliRunner().invoke(app, ["info", path]).exception, ReadError)


@pytest.mark.parametrize("name", ["", "\xff", "a\nb"])
def test_vrt_that_is_no_xml(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.vrt"
    path.write_bytes(b"<VRTDataset " + name.encode("latin-1"))
    with pytest.raises(ReadError, match="not a readable VRT"):
        scenes.read_scene(path)


@pytest.mark.parametrize("name", ["none.tif", "n" * 5000 + ".tif"])
def test_vrt_of_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    path = outside(tmp_path, lambda _: name)
    with pytest.raises(ReadError) as caught:
        scenes.read_scene(path)
    assert str(caught.value) == (
        f"{path}: names the source {name[:200]!r}, which is not a file; copy its sources beside "
        "it, or permit local sources of every kind with --allow-outside (allow_outside=True)"
    )
