"""A model and a scene give a map and its files.

Independent references:
- classes and confidences: `naive`, which takes the mean off, projects and pads by itself, cuts the
  patch of each pixel and runs the trained network, not its dense form, on it alone;
- GeoTIFF: rasterio; its class names: an XML parser; PNG: Pillow.
"""

from __future__ import annotations

import itertools
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.io
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from torch import Tensor

import spectrolite as sl
from spectrolite.bundles.scene_bundle import Bundle, Config
from spectrolite.data.scene import Scene
from spectrolite.errors import ReadError, RunError, SceneError, SettingsError
from spectrolite.mapping.inference import classify
from spectrolite.mapping.picture import paint
from spectrolite.mapping.scene_map import SceneMap, read_map
from spectrolite.models.hybridsn import HybridSN
from spectrolite.samples.band_reduction import Bands

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
ROWS, COLS, BANDS, COMPONENTS, IDS = 11, 9, 15, 13, (2, 5, 9)
WKT = rasterio.crs.CRS.from_epsg(32616).to_wkt()
TRANSFORM = (20.0, 0.0, 500_000.0, 0.0, -20.0, 4_480_000.0)
NAMES = {2: "Corn & <young> rye", 5: "Grünland", 9: 'quoted "it\'s"'}
COLOURS = {2: (255, 0, 0), 5: (0, 128, 1), 9: (10, 20, 30)}


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA's convolutions round to 10 bits of mantissa by default."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Integers as a sensor gives them; halves of different spectra."""
    generator = np.random.default_rng(0)
    cube = generator.integers(900, 1100, (ROWS, COLS, BANDS))
    cube[:, 5:] += generator.integers(0, 400, BANDS)
    return Scene(cube.astype(np.uint16))


@pytest.fixture(scope="module")
def bundle(scene: Scene) -> Bundle:
    """Eight steps on twelve patches; then the logits are spread, so that every class occurs."""
    generator = np.random.default_rng(1)
    spectra = scene.cube.reshape(-1, BANDS).astype(float)
    matrix = generator.normal(size=(COMPONENTS, BANDS)) / (100 * np.sqrt(BANDS))
    bands = Bands(spectra.mean(0), matrix, "scene", len(spectra), 1.0)
    net = HybridSN(COMPONENTS, len(IDS), "course", torch.Generator().manual_seed(0))
    net.dropout.p = 0.0
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    padded = _padded(bands, scene.cube)
    pixels = generator.integers(0, (ROWS, COLS), (12, 2))
    patches = torch.stack([padded[:, r : r + 25, c : c + 25] for r, c in pixels.tolist()])
    targets = torch.tensor([(c > 4) + (r > 7) for r, c in pixels.tolist()])
    for _ in range(8):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(patches).flatten(1), targets)
        torch.autograd.backward(loss)
        optimiser.step()
    everywhere = [padded[:, r : r + 25, c : c + 25] for r in range(ROWS) for c in range(COLS)]
    assert net.fc3.bias is not None
    with torch.no_grad():  # every class is someone's, and no two are nearly equal
        net.fc3.weight *= 20
        net.fc3.bias.zero_()
        net.fc3.bias -= net.eval()(torch.stack(everywhere)).mean((0, 2, 3))
    config = Config(
        format=1,
        model="hybridsn",
        variant="course",
        patch=25,
        class_ids=IDS,
        class_names=NAMES,
        class_colours=COLOURS,
        fitted_on="scene",
        pixels=len(spectra),
        explained=1.0,
        wavelengths_nm=None,
    )
    return Bundle(config, bands, net.eval())


def _padded(bands: Bands, cube: NDArray[np.generic]) -> Tensor:
    """`(components, rows + 24, cols + 24)`, reduced in float64, zeros around."""
    reduced = np.einsum("rcb,kb->krc", cube.astype(float) - bands.mean, bands.matrix)
    return torch.from_numpy(np.pad(reduced, ((0, 0), (12, 12), (12, 12)))).float()


def naive(
    bundle: Bundle, cube: NDArray[np.generic], pixels: Iterable[tuple[int, int]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Class ids and confidences at some pixels, a patch at a time."""
    padded, ids = _padded(bundle.bands, cube), bundle.config.class_ids
    classes, confidence = [], []
    with torch.no_grad():
        for row, col in pixels:
            logits = bundle.network(padded[None, :, row : row + 25, col : col + 25])
            shares = np.exp(logits.flatten().double().numpy())
            classes.append(ids[int(shares.argmax())])
            confidence.append(shares.max() / shares.sum())
    return np.array(classes), np.array(confidence)


@pytest.fixture(scope="module")
def expected(bundle: Bundle, scene: Scene) -> tuple[NDArray[Any], NDArray[Any]]:
    classes, confidence = naive(bundle, scene.cube, np.ndindex(ROWS, COLS))
    return classes.reshape(ROWS, COLS), confidence.reshape(ROWS, COLS)


# classify


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("window", [256, 11, 4, 1])
def test_the_map_equals_the_patches(
    bundle: Bundle,
    scene: Scene,
    expected: tuple[NDArray[Any], NDArray[Any]],
    window: int,
    device: str,
) -> None:
    made = classify(bundle, scene, window=window, device=device)
    assert np.array_equal(made.classes, expected[0])
    assert np.abs(made.confidence - expected[1]).max() < 1e-5
    assert (made.classes.dtype, made.confidence.dtype) == (np.dtype("u1"), np.dtype("f4"))
    assert set(np.unique(made.classes)) == set(IDS)  # a map that says something
    assert (made.class_names, made.class_colours) == (NAMES, COLOURS)


def test_a_scene_larger_than_a_patch(bundle: Bundle, scene: Scene) -> None:
    """Windows whose surroundings are partly or wholly inside the scene."""
    cube = np.tile(scene.cube, (4, 4, 1))[:40, :31]
    pixels = [(r, c) for r in (0, 11, 12, 13, 25, 39) for c in (0, 1, 12, 13, 18, 30)]
    classes, confidence = naive(bundle, cube, pixels)
    assert len(set(classes)) > 1
    rows, cols = np.array(pixels).T
    for window in (256, 13):
        made = classify(bundle, Scene(cube), window=window)
        assert np.array_equal(made.classes[rows, cols], classes)
        assert np.abs(made.confidence[rows, cols] - confidence).max() < 1e-5


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1)])
def test_the_smallest_scenes(bundle: Bundle, scene: Scene, shape: tuple[int, int]) -> None:
    cube = scene.cube[: shape[0], : shape[1]]
    classes, confidence = naive(bundle, cube, np.ndindex(shape))
    made = classify(bundle, Scene(cube))
    assert np.array_equal(made.classes.ravel(), classes)
    assert np.abs(made.confidence.ravel() - confidence).max() < 1e-5


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", ">i2"])
def test_the_type_of_the_cube_does_not_matter(
    bundle: Bundle, scene: Scene, expected: tuple[NDArray[Any], NDArray[Any]], dtype: str
) -> None:
    made = classify(bundle, Scene(scene.cube.astype(dtype)))
    assert np.array_equal(made.classes, expected[0])


def test_every_window_is_reported(bundle: Bundle, scene: Scene) -> None:
    heard: list[tuple[int, int]] = []
    classify(bundle, scene, 6, on_window=lambda done, all_: heard.append((done, all_)))
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]


@dataclass
class _Run:
    bundle: Bundle


def test_a_run_or_a_folder_can_be_the_model(bundle: Bundle, scene: Scene, tmp_path: Path) -> None:
    bundle.save(tmp_path)
    made = classify(bundle, scene, device="cpu")
    for model in (_Run(bundle), tmp_path, str(tmp_path)):
        again = classify(model, scene, device="cpu")
        assert np.array_equal(again.classes, made.classes)
        assert np.array_equal(again.confidence, made.confidence)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(RunError, match="cannot be read"):
        classify(tmp_path, scene)


@pytest.mark.parametrize("bands", [BANDS - 1, BANDS + 1])
def test_another_number_of_bands_is_an_error(bundle: Bundle, bands: int) -> None:
    with pytest.raises(SceneError) as caught:
        classify(bundle, Scene(np.ones((3, 3, bands))))
    assert str(caught.value) == f"the model takes 15 bands, the scene has {bands}"


def test_a_device_that_is_not_available(bundle: Bundle, scene: Scene) -> None:
    with pytest.raises(SettingsError, match=r"^--device: cuda:99 is not available"):
        classify(bundle, scene, device="cuda:99")


@pytest.mark.parametrize("name", ["", "foo", "GPU", "cuda:-1", "meta"])
def test_a_name_that_is_not_a_device(bundle: Bundle, scene: Scene, name: str) -> None:
    with pytest.raises(SettingsError, match=r"^--device: "):
        classify(bundle, scene, device=name)


@pytest.mark.parametrize("window", [0, -1, -256])
def test_a_window_without_pixels_is_an_error(bundle: Bundle, scene: Scene, window: int) -> None:
    with pytest.raises(SettingsError) as caught:
        classify(bundle, scene, window=window)
    assert str(caught.value) == f"window: wanted a side of 1 pixel or more, got {window}"


def test_the_map_has_the_georeference_of_the_scene(bundle: Bundle, scene: Scene) -> None:
    made = classify(bundle, Scene(scene.cube, crs=WKT, transform=TRANSFORM))
    assert (made.crs, made.transform) == (WKT, TRANSFORM)
    made = classify(bundle, scene)
    assert (made.crs, made.transform) == (None, None)


@pytest.mark.parametrize(
    ("ids", "dtype"), [((1, 2, 255), "uint8"), ((1, 2, 256), "uint16"), ((3, 300, 9), "uint16")]
)
def test_ids_come_from_the_labels(
    bundle: Bundle,
    scene: Scene,
    expected: tuple[NDArray[Any], NDArray[Any]],
    ids: tuple[int, ...],
    dtype: str,
) -> None:
    config = bundle.config.model_copy(update={"class_ids": ids})
    made = classify(replace(bundle, config=config), scene)
    assert made.classes.dtype == np.dtype(dtype)
    assert np.array_equal(made.classes, np.array(ids)[np.searchsorted(IDS, expected[0])])


# GeoTIFF


def _map(dtype: str = "uint8", **changes: Any) -> SceneMap:
    """Four rows of five columns, with every id and a pixel without class."""
    generator = np.random.default_rng(0)
    classes = generator.choice(np.array([0, *IDS], dtype), (4, 5))
    classes[0, :4] = 0, *IDS
    confidence = generator.random((4, 5), np.float32)
    return replace(SceneMap(classes, confidence, NAMES, COLOURS), **changes)


def _read(file: Path) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # these maps lie nowhere
        with rasterio.open(file) as source:
            array: NDArray[Any] = source.read(1)
    return array


def _categories(file: Path) -> list[str]:
    root = ElementTree.parse(file).getroot()
    assert root.tag == "PAMDataset"
    return [e.text or "" for e in root.findall("PAMRasterBand[@band='1']/CategoryNames/Category")]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("placed", [True, False])
def test_a_geotiff_is_read_back_whole(tmp_path: Path, placed: bool) -> None:
    made = _map(crs=WKT, transform=TRANSFORM) if placed else _map()
    made.write_geotiff(tmp_path / "map.tif")
    assert {p.name for p in tmp_path.iterdir()} == {
        "map.tif",
        "map.tif.aux.xml",
        "map.qml",
        "map_confidence.tif",
    }
    with rasterio.open(tmp_path / "map.tif") as file:
        assert (file.driver, file.count, file.dtypes, file.nodata) == ("GTiff", 1, ("uint8",), 0)
        assert np.array_equal(file.read(1), made.classes)
        assert np.array_equal(file.read_masks(1) > 0, made.classes > 0)
        colours = file.colormap(1)
        assert {i: colours[i] for i in (0, *IDS)} == {
            0: (0, 0, 0, 0),
            2: (255, 0, 0, 255),
            5: (0, 128, 1, 255),
            9: (10, 20, 30, 255),
        }
        tags = {k: v for k, v in file.tags(1).items() if k.startswith("CLASS_")}
        assert tags == {f"CLASS_{i}": name for i, name in NAMES.items()}
        assert file.descriptions == ("class",)
        places = [(file.crs, file.transform)]
    with rasterio.open(str(tmp_path / "map_confidence.tif")) as file:
        assert (file.count, file.dtypes, file.nodata) == (1, ("float32",), None)
        assert np.array_equal(file.read(1), made.confidence)
        places.append((file.crs, file.transform))
    for crs, transform in places:
        assert crs == (rasterio.crs.CRS.from_epsg(32616) if placed else None)
        assert transform == (rasterio.Affine(*TRANSFORM) if placed else rasterio.Affine.identity())


def test_class_names_are_where_gdal_looks_for_them(tmp_path: Path) -> None:
    """In order of the ids from 0, escaped, with nothing where an id is missing."""
    _map().write_geotiff(tmp_path / "map.tif")
    text = (tmp_path / "map.tif.aux.xml").read_text(encoding="utf-8")
    assert "Corn &amp; &lt;young&gt; rye" in text
    names = _categories(tmp_path / "map.tif.aux.xml")
    assert names == [NAMES.get(i, "") for i in range(10)]


def test_characters_that_xml_does_not_allow_become_blanks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control characters, half a surrogate pair and two non-characters; others stay."""
    monkeypatch.setattr("spectrolite.mapping.scene_map.geotiff_bytes", lambda *_: b"")
    codes = [*range(32), *range(127, 160), 0xD800, 0xFFFE, 0xFFFF]
    names = [*(f"a{chr(code)}<b" for code in codes), "Grünland", "麦"]
    named = dict(enumerate(names, start=1))
    made = _map(class_names=named, class_colours=dict.fromkeys(named, (0, 0, 0)))
    made.write_geotiff(tmp_path / "map.tif")
    got = _categories(tmp_path / "map.tif.aux.xml")
    assert got == ["", *["a <b"] * len(codes), "Grünland", "麦"]


def test_a_map_with_a_control_character_in_a_name_is_written(
    bundle: Bundle, tmp_path: Path
) -> None:
    made = _map(class_names={2: "a\x01b\n", 5: "\x1b[31m", 9: "c"})
    made.write_geotiff(tmp_path / "map.tif")
    assert _categories(tmp_path / "map.tif.aux.xml") == [
        *[""] * 2,
        "a b ",
        *[""] * 2,
        " [31m",
        *[""] * 3,
        "c",
    ]
    assert np.array_equal(read_map(tmp_path / "map.tif", bundle).classes, made.classes)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_ids_above_255_are_written_as_uint16(tmp_path: Path) -> None:
    classes = np.array([[0, 2, 300]], np.uint16)
    made = SceneMap(
        classes, np.ones((1, 3), np.float32), {2: "a", 300: "b"}, {2: (1, 2, 3), 300: (4, 5, 6)}
    )
    made.write_geotiff(tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.dtypes == ("uint16",)
        assert np.array_equal(file.read(1), classes)
        assert (file.colormap(1)[300], file.nodata) == ((4, 5, 6, 255), 0)
        assert file.tags(1)["CLASS_300"] == "b"
    names = _categories(tmp_path / "map.tif.aux.xml")
    assert len(names) == 301
    assert (names[2], names[300], set(names)) == ("a", "b", {"", "a", "b"})


def test_folders_of_a_map_are_made(tmp_path: Path) -> None:
    _map().write_geotiff(tmp_path / "new" / "maps" / "map.tif")
    _map().write_png(tmp_path / "other" / "map.png")
    assert {p.name for p in (tmp_path / "new" / "maps").iterdir()} == {
        "map.tif",
        "map.tif.aux.xml",
        "map.qml",
        "map_confidence.tif",
    }
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["map.png"]


def test_a_map_is_replaced_as_a_whole(tmp_path: Path) -> None:
    first, second = _map(), _map()
    second.classes[:] = 5
    first.write_geotiff(tmp_path / "map.tif")
    second.write_geotiff(str(tmp_path / "map.tif"))
    assert len(list(tmp_path.iterdir())) == 4
    assert (_read(tmp_path / "map.tif") == 5).all()


def test_layers_of_a_map_that_is_replaced_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    probabilities = np.full((4, 5, len(IDS)), 1 / len(IDS), np.float32)
    older = _map(probabilities=probabilities, class_ids=tuple(IDS))
    (tmp_path / "map_entropy.tif").write_bytes(b"of no map")
    older.write_geotiff(path)
    assert (tmp_path / "map_entropy.tif").exists()
    (tmp_path / "map_classes.dat").write_bytes(b"of an older map")
    (tmp_path / "maps_probabilities.tif").write_bytes(b"of another map")
    _map().write_png(tmp_path / "map.png")
    _map().write_geotiff(path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "map.tif",
        "map.tif.aux.xml",
        "map.qml",
        "map.png",
        "map_confidence.tif",
        "maps_probabilities.tif",
    }
    older.write_geotiff(path)
    assert (tmp_path / "map_probabilities.tif").exists()


def _fail_at(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    """Writing of the file with values of that type fails after half of its rows."""
    write = rasterio.io.DatasetWriter.write

    def half(writer: Any, array: NDArray[Any], *rest: Any, **named: Any) -> None:
        if array.dtype != dtype:
            write(writer, array, *rest, **named)
            return
        write(writer, np.where(np.arange(len(array))[:, None] < 2, array, 0), *rest, **named)
        raise OSError("No space left on device")

    monkeypatch.setattr(rasterio.io.DatasetWriter, "write", half)


def test_a_disk_that_fills_up_leaves_no_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class map fails: there is no file of its name, nor a temporary one."""
    made = _map()
    _fail_at(monkeypatch, "uint8")
    with pytest.raises(OSError, match="No space left"):
        made.write_geotiff(tmp_path / "map.tif")
    there = {p.name for p in tmp_path.iterdir()}
    assert there <= {"map.tif.aux.xml", "map.qml", "map_confidence.tif"}
    if "map_confidence.tif" in there:  # whole, or not at all
        assert np.array_equal(_read(tmp_path / "map_confidence.tif"), made.confidence)


def test_a_disk_that_fills_up_at_the_confidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _map()
    _fail_at(monkeypatch, "float32")
    with pytest.raises(OSError, match="No space left"):
        made.write_geotiff(tmp_path / "map.tif")
    there = {p.name for p in tmp_path.iterdir()}
    assert there <= {"map.tif.aux.xml", "map.tif"}
    if "map.tif" in there:
        assert np.array_equal(_read(tmp_path / "map.tif"), made.classes)


def test_a_disk_that_fills_up_leaves_the_old_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _map().write_geotiff(tmp_path / "map.tif")
    before = (tmp_path / "map.tif").read_bytes()
    _fail_at(monkeypatch, "uint8")
    with pytest.raises(OSError, match="No space left"):
        _map(classes=np.full((4, 5), 9, np.uint8)).write_geotiff(tmp_path / "map.tif")
    assert (tmp_path / "map.tif").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 4


# PNG and colours


def test_a_png_shows_the_map_and_its_legend(tmp_path: Path) -> None:
    made = _map(classes=np.repeat(np.repeat(_map().classes, 30, 0), 30, 1))
    made.write_png(tmp_path / "map.png")
    assert [p.name for p in tmp_path.iterdir()] == ["map.png"]
    with Image.open(tmp_path / "map.png") as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    counts = {c: int((pixels == c).all(1).sum()) for c in [(0, 0, 0), *COLOURS.values()]}
    assert min(counts.values()) > 1000
    # A colour's area follows its pixels: those of 2, 5 and 9 stand in the map's ratio.
    areas = np.array([counts[COLOURS[i]] for i in IDS], float)
    pixels_of = np.array([(made.classes == i).sum() for i in IDS], float)
    assert areas / areas.sum() == pytest.approx(pixels_of / pixels_of.sum(), abs=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (60, 1)])
def test_a_png_of_any_shape(tmp_path: Path, shape: tuple[int, int]) -> None:
    made = _map(classes=np.full(shape, 5, np.uint8))
    made.write_png(str(tmp_path / "map.png"))
    with Image.open(tmp_path / "map.png") as image:
        image.load()
        assert max(image.size) < 4000


def test_a_png_that_fails_halfway_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_figure: Figure, path: Path, **__: object) -> None:
        path.write_bytes(b"\x89PNG half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="No space left"):
        _map().write_png(tmp_path / "map.png")
    assert list(tmp_path.iterdir()) == []


def test_paint() -> None:
    painted = paint(np.array([[0, 2], [9, 5]]), COLOURS)
    assert painted.dtype == np.uint8
    assert painted.tolist() == [[[0, 0, 0], [255, 0, 0]], [[10, 20, 30], [0, 128, 1]]]


def test_paint_takes_ids_without_a_colour_and_colours_without_an_id() -> None:
    assert paint(np.array([[3, 700]], np.uint16), COLOURS).tolist() == [[[0, 0, 0], [0, 0, 0]]]
    assert paint(np.zeros((1, 1), np.uint8), COLOURS).tolist() == [[[0, 0, 0]]]


# Reading back


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_written_map_is_read_back(bundle: Bundle, tmp_path: Path, dtype: str) -> None:
    made = _map(dtype)
    made.write_geotiff(tmp_path / "map.tif")
    back = read_map(tmp_path / "map.tif", bundle)
    for one, other in ((back.classes, made.classes), (back.confidence, made.confidence)):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    assert (back.class_names, back.class_colours) == (NAMES, COLOURS)
    assert (back.crs, back.transform) == (None, None)


@pytest.mark.parametrize("crs", [None, 32616, 4326, 3035])
@pytest.mark.parametrize("transform", [None, TRANSFORM, (19.0, 3.0, 5.5, 3.0, -19.0, 7.0)])
def test_a_map_is_read_back_with_its_georeference(
    bundle: Bundle, tmp_path: Path, crs: int | None, transform: tuple[float, ...] | None
) -> None:
    wkt = None if crs is None else rasterio.crs.CRS.from_epsg(crs).to_wkt()
    _map(crs=wkt, transform=transform).write_geotiff(tmp_path / "map.tif")
    back = read_map(tmp_path / "map.tif", bundle)
    assert back.transform == transform
    assert back.crs == wkt
    back.write_geotiff(tmp_path / "again.tif")
    assert (tmp_path / "again.tif").read_bytes() == (tmp_path / "map.tif").read_bytes()


@pytest.mark.parametrize("name", ["map.tif", "map_confidence.tif"])
@pytest.mark.parametrize("damage", ["missing", "empty", "text"])
def test_a_damaged_map_is_an_error_that_names_the_file(
    bundle: Bundle, tmp_path: Path, name: str, damage: str
) -> None:
    _map().write_geotiff(tmp_path / "map.tif")
    file = tmp_path / name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"" if damage == "empty" else b"no picture")
    with pytest.raises(ReadError) as caught:
        read_map(tmp_path / "map.tif", bundle)
    assert str(caught.value).startswith(f"{file}: cannot be read (")
    assert str(caught.value).endswith("); run evaluate")


def test_a_map_cut_short_is_an_error(bundle: Bundle, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((60, 60), np.float32)
    _map(classes=np.full((60, 60), 2, np.uint8), confidence=noise).write_geotiff(
        tmp_path / "map.tif"
    )
    file = tmp_path / "map_confidence.tif"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ReadError, match=r"map_confidence\.tif: cannot be read"):
        read_map(tmp_path / "map.tif", bundle)


@pytest.mark.parametrize("window", [256, 11])
def test_flips_average_the_softmax_of_eight_orientations(
    tiny_run: sl.Run, tiny: tuple[sl.Scene, sl.Labels], window: int
) -> None:
    """Against NumPy's flips and transposes of the whole scene and the network as built."""
    bundle, cube = tiny_run.bundle, tiny[0].cube
    total = np.zeros((*cube.shape[:2], 3))
    for turns, mirrored in itertools.product(range(4), (False, True)):
        turned = np.rot90(cube[:, ::-1] if mirrored else cube, turns)
        padded = np.pad(bundle.bands.reduce(turned), ((12, 12), (12, 12), (0, 0)))
        inputs = torch.from_numpy(padded.transpose(2, 0, 1).copy())[None]
        with torch.no_grad():
            logits = bundle.network(inputs)[0].double().numpy()
        softmax = np.exp(logits) / np.exp(logits).sum(0)
        back = np.rot90(softmax.transpose(1, 2, 0), -turns)
        total += back[:, ::-1] if mirrored else back
    averaged = sl.classify(tiny_run, tiny[0], window, flips=True)
    ids = np.asarray(bundle.config.class_ids)
    np.testing.assert_allclose(averaged.confidence, total.max(2) / 8, atol=1e-5)
    np.testing.assert_array_equal(averaged.classes, ids[total.argmax(2)])
    once = sl.classify(tiny_run, tiny[0], window)
    assert np.abs(once.confidence - averaged.confidence).max() > 1e-3
    assert once.sha256 == sl.classify(tiny_run, tiny[0], window).sha256 != averaged.sha256
