"""EnMAP L2A, however it is named.

References: rasterio's plain reading of each file, loops over its pixels, and the numbers that were
written into the metadata.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

import spectrolite as sl
from spectrolite.data.scene import Window
from spectrolite.errors import ReadError
from spectrolite.products import archives, enmap, granule_cubes, granules
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import scene_from
from spectrolite.readers.scenes.cube import Cube
from spectrolite.readers.scenes.geotiff import named_cube
from written_tif_products import (
    COLS,
    EMPTY,
    ENMAP,
    ENMAP_BANDS,
    NODATA,
    PLACE,
    ROWS,
    desis,
    enmap_layers,
    enmap_metadata,
    fwhm_of,
    layer,
    nm_of,
    packed,
    stored,
    tif,
)
from written_tif_products import enmap as written

ALL = Window(0, ROWS, 0, COLS)
EVERY_BAND = np.arange(ENMAP_BANDS)
FEW = 6  # bands, where their number does not matter


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("enmap"))


def image_of(product: Path) -> Path:
    return product / f"{product.name}-SPECTRAL_IMAGE.TIF"


def metadata_of(product: Path) -> Path:
    return product / f"{product.name}-METADATA.XML"


def naive(product: Path) -> NDArray[np.float64]:
    """`(rows, cols, bands)` float64 reflectance, NaN where the image has -32768."""
    with rasterio.open(image_of(product)) as file:
        numbers = np.asarray(file.read(), np.float64)
    numbers[numbers == NODATA] = np.nan
    return numbers.transpose(1, 2, 0) / 10_000


def nested(product: Path, folder: Path) -> Path:
    """As orders are delivered: the zip of the product within a tar.gz."""
    inner = packed(product, folder / f"{product.name}.ZIP")
    archive = packed(inner, folder / "order.tar.gz")
    inner.unlink()
    return archive


NAMED: dict[str, Callable[[Path, Path], Path]] = {
    "folder": lambda product, _: product,
    "folder above": lambda product, _: product.parent,
    "metadata": lambda product, _: metadata_of(product),
    "image": lambda product, _: image_of(product),
    "zip": lambda product, folder: packed(product, folder / "a b&c=%41.zip"),
    "tar": lambda product, folder: packed(product, folder / "a.tar", "./dims_1/"),
    "tar.gz": lambda product, folder: packed(product, folder / "a.tar.gz", "dims_1/ENMAP.HSI.L2A/"),
    "tgz": lambda product, folder: packed(product, folder / "A.TGZ"),
    "zip in tar.gz": nested,
}


@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED)
def test_reflectance_and_place(
    named: Callable[[Path, Path], Path], product: Path, tmp_path: Path
) -> None:
    path = named(product, tmp_path)
    before = sorted(tmp_path.iterdir())
    cube = open_cube(path)
    wanted = naive(product)
    values = np.asarray(cube.read(ALL), np.float32)
    assert (cube.product, cube.format, cube.shape) == ("enmap", "EnMAP L2A", wanted.shape)
    assert cube.read(ALL).dtype == cube.dtype == np.float32
    np.testing.assert_allclose(values, wanted, rtol=1e-6, atol=1e-9)
    part = Window(2, 5, 1, 4)
    np.testing.assert_array_equal(cube.read(part), values[2:5, 1:4])
    assert cube.wavelengths_nm == tuple(nm_of(ENMAP_BANDS).tolist())
    assert cube.fwhm_nm == tuple(fwhm_of(ENMAP_BANDS).tolist())
    assert cube.transform == tuple(PLACE)[:6]
    assert rasterio.crs.CRS.from_wkt(cube.crs).to_epsg() == 32633
    assert cube.bad_bands == tuple(EMPTY)
    assert cube.notes == ()
    layers = {one.name: one.marked(ALL, EVERY_BAND) for one in cube.quality}
    np.testing.assert_array_equal(layers["cloud"], enmap_layers()["QL_QUALITY_CLOUD"][0] == 1)
    assert sorted(tmp_path.iterdir()) == before  # nothing is unpacked, or written beside it


def test_quality_layers(product: Path) -> None:
    cube = open_cube(product)
    files = {
        "cloud": ("CLOUD", {1}, True),
        "cloud-shadow": ("CLOUDSHADOW", {1}, True),
        "cirrus": ("CIRRUS", {1, 2, 3}, True),
        "haze": ("HAZE", {1}, False),
        "snow": ("SNOW", {1}, False),
        "water": ("CLASSES", {2}, False),
    }
    layers = {one.name: one for one in cube.quality}
    assert list(layers) == [*files, "defects"]
    for word, (name, values, left_out) in files.items():
        with rasterio.open(product / f"{ENMAP}-QL_QUALITY_{name}.TIF") as file:
            numbers = file.read(1)
        marked = layers[word].marked(ALL, EVERY_BAND)
        assert layers[word].left_out is left_out
        assert marked.dtype == bool
        assert marked.any()
        for row in range(ROWS):
            for col in range(COLS):
                assert marked[row, col] == (int(numbers[row, col]) in values)
        np.testing.assert_array_equal(
            layers[word].marked(Window(3, 4, 2, 5), EVERY_BAND), marked[3:4, 2:5]
        )


def test_a_defect_counts_only_in_bands_that_are_read(product: Path) -> None:
    defects = open_cube(product).quality[-1]
    assert (defects.name, defects.left_out, defects.what) == ("defects", True, "QL_PIXELMASK")
    at = {
        band: np.argwhere(defects.marked(ALL, np.array([3, band]))).tolist()
        for band in (10, 11, EMPTY.start)
    }
    assert at == {10: [[2, 3]], 11: [], EMPTY.start: [[4, 4]]}


def test_a_scene_leaves_out_what_the_product_marks(product: Path) -> None:
    scene = sl.read_scene(product)
    nm = nm_of(ENMAP_BANDS)
    kept = [
        band
        for band in range(ENMAP_BANDS)
        if band not in EMPTY and not 1340 <= nm[band] <= 1450 and not 1800 <= nm[band] <= 1960
    ]
    layers = enmap_layers()
    valid = np.ones((ROWS, COLS), bool)
    for row in range(ROWS):
        for col in range(COLS):
            marks = [layers[f"QL_QUALITY_{n}"][0, row, col] for n in ("CLOUD", "CLOUDSHADOW")]
            thick = layers["QL_QUALITY_CIRRUS"][0, row, col] in (1, 2, 3)
            valid[row, col] = not (any(marks) or thick) and (row, col) not in [(0, 0), (2, 3)]
    assert scene.valid is not None
    np.testing.assert_array_equal(scene.valid, valid)
    wanted = naive(product)[..., kept]
    np.testing.assert_allclose(np.asarray(scene.cube[valid], np.float32), wanted[valid], rtol=1e-6)
    assert scene.wavelengths_nm == tuple(nm[kept].tolist())
    assert "left out: pixels marked cloud, cloud-shadow, cirrus, defects" in scene.notes


def test_cloud_optimised_copies_and_names_without_a_stem(tmp_path: Path) -> None:
    product = written(tmp_path)
    for one in list(product.iterdir()):
        name = one.name.removeprefix(f"{ENMAP}-")
        one.rename(product / re.sub(r"\.TIF$", "_COG.TIF", name))
    cube = open_cube(product)
    assert (cube.format, cube.notes, len(cube.quality)) == ("EnMAP L2A", (), 7)
    assert [one.name for one in cube.files] == [
        "METADATA.XML",
        "SPECTRAL_IMAGE_COG.TIF",
        *(
            f"QL_{name}_COG.TIF"
            for name in (
                "QUALITY_CLOUD",
                "QUALITY_CLOUDSHADOW",
                "QUALITY_CIRRUS",
                "QUALITY_HAZE",
                "QUALITY_SNOW",
                "QUALITY_CLASSES",
                "PIXELMASK",
            )
        ),
    ]
    assert open_cube(product / "SPECTRAL_IMAGE_COG.TIF").product == "enmap"


def test_a_missing_layer_is_told(tmp_path: Path) -> None:
    product = written(tmp_path, layers={"QL_QUALITY_CLOUD": layer(1, (0, 1))}, bands=FEW)
    cube = open_cube(product)
    assert [one.name for one in cube.quality] == ["cloud"]
    assert cube.notes == (
        "without QL_QUALITY_CLOUDSHADOW, QL_QUALITY_CIRRUS, QL_QUALITY_HAZE, QL_QUALITY_SNOW, "
        "QL_QUALITY_CLASSES, QL_PIXELMASK: what they would mark is kept",
    )


def test_an_image_without_a_nodata_value(tmp_path: Path) -> None:
    product = written(tmp_path, layers={}, bands=FEW)
    with rasterio.open(image_of(product)) as file:
        bands = file.read()
    tif(image_of(product), bands)
    cube = open_cube(product)
    assert cube.notes[0] == "its image states no nodata value; -32768 is taken"
    assert np.isnan(cube.read(ALL)[0, 0]).all()


def test_strips_of_an_archive_are_unpacked_once(
    product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(granule_cubes, "STRIP", 3 * COLS * ENMAP_BANDS * 2)
    windows_read: list[Window] = []

    def counting(path: Path, name: str, check: Callable[[object], None]) -> Cube:
        cube = named_cube(path, name, check)

        def read(window: Window) -> NDArray[np.generic]:
            windows_read.append(window)
            return cube.read(window)

        return replace(cube, read=read)

    monkeypatch.setattr("spectrolite.products.granule_cubes.named_cube", counting)
    cube = open_cube(packed(product, tmp_path / "a.zip"))
    assert cube.block == (3, COLS, ENMAP_BANDS)
    wanted = naive(product)
    for window in (Window(0, 2, 0, 3), Window(0, 2, 3, 5), Window(2, 5, 0, 3), Window(1, 6, 1, 2)):
        part = np.asarray(cube.read(window), np.float32)
        np.testing.assert_allclose(part, wanted[window.slices], rtol=1e-6, atol=1e-9)
    assert windows_read == [Window(0, 3, 0, COLS), Window(3, 6, 0, COLS)]


def test_strips_are_of_whole_blocks_unless_those_are_too_large(
    product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Window] = []
    whole = open_cube(product)

    def read(window: Window) -> NDArray[np.generic]:
        asked.append(window)
        return whole.read(window)

    cube = replace(whole, read=read, block=(4, COLS, ENMAP_BANDS))
    pixel, four_rows = Window(1, 2, 1, 2), 4 * COLS * ENMAP_BANDS * cube.dtype.itemsize
    for strip, window in ((four_rows, Window(0, 4, 0, COLS)), (four_rows - 1, pixel)):
        monkeypatch.setattr(granule_cubes, "STRIP", strip)
        values = granule_cubes._by_strips(cube).read(pixel)
        np.testing.assert_array_equal(values, whole.read(pixel))
        assert asked.pop() == window


# What is wrong with a product, and what is said.
L2A_WANTED = "wanted EnMAP L2A, surface reflectance, got EnMAP {}; order or download that level"
WHOLE = (
    "wanted EnMAP L2A with STEM-METADATA.XML beside STEM-SPECTRAL_IMAGE.TIF, got {}; unpack or "
    "download the product again, complete"
)


def refused(path: Path) -> str:
    with pytest.raises(ReadError) as caught:
        open_cube(path)
    return str(caught.value)


@pytest.mark.parametrize("level", ["L1B", "L1C"])
def test_another_level(level: str, tmp_path: Path) -> None:
    product = written(tmp_path, ENMAP.replace("L2A", level), level=level, layers={}, bands=FEW)
    assert refused(product) == f"{metadata_of(product)}: {L2A_WANTED.format(level)}"


def test_no_metadata(tmp_path: Path) -> None:
    product = written(tmp_path, layers={}, bands=FEW)
    metadata_of(product).unlink()
    got = f"{ENMAP}-SPECTRAL_IMAGE.TIF"
    for path in (product, image_of(product), packed(product, tmp_path / "a.zip")):
        inside = f"{ENMAP}/{got}" if path.suffix == ".zip" else got
        alone = ", or read it as a GeoTIFF with --product none" if path.suffix == ".TIF" else ""
        assert refused(path) == f"{path}: {WHOLE.format(inside)}{alone}"
    assert open_cube(image_of(product), product="none").shape == (ROWS, COLS, FEW)


def test_a_copy_of_another_name_is_read_itself(tmp_path: Path) -> None:
    product = written(tmp_path, layers={}, bands=FEW)
    clip = product / f"{ENMAP}-SPECTRAL_IMAGE_clip.tif"
    tif(clip, np.full((FEW, 2, 3), 7, np.int16), NODATA)
    cube = open_cube(clip)
    assert (cube.format, cube.shape) == ("GeoTIFF", (2, 3, FEW))


def test_no_image(tmp_path: Path) -> None:
    product = written(tmp_path, layers={}, bands=FEW)
    image_of(product).rename(product / f"{ENMAP}-SPECTRAL_IMAGE.BSQ")
    assert refused(product) == (
        f"{metadata_of(product)}: wanted the GeoTIFF STEM-SPECTRAL_IMAGE.TIF beside it, got "
        f"{ENMAP}-SPECTRAL_IMAGE.BSQ; order the product as GeoTIFF, or copy its image there"
    )


def test_an_image_that_is_cut_off(tmp_path: Path) -> None:
    product = written(tmp_path, layers={}, bands=FEW)
    image = image_of(product)
    size = image.stat().st_size
    os.truncate(image, size - 10)
    wanted = (
        f"{{}}: cut off: band {FEW} of {FEW} ends at byte {size:,}, the file has "
        f"{size - 10:,}; copy it again"
    )
    assert refused(product) == wanted.format(image)
    archive = packed(product, tmp_path / "a.tgz")
    assert refused(archive) == wanted.format(archive / ENMAP / image.name)


def test_a_quality_layer_of_another_size_or_place(tmp_path: Path) -> None:
    product = written(tmp_path, layers={"QL_QUALITY_HAZE": layer(1, (0, 1))[:, :4]}, bands=FEW)
    haze = product / f"{ENMAP}-QL_QUALITY_HAZE.TIF"
    again = "unpack or download the product again"
    assert refused(product) == (
        f"{haze}: a quality layer of another size than the image: 4 x 5 pixels, the image 6 x 5 "
        f"pixels; {again}"
    )
    tif(haze, layer(1, (0, 1)), transform=PLACE @ rasterio.Affine.translation(1, 0))
    assert refused(product) == (
        f"{haze}: a quality layer of another place than the image: 6 x 5 pixels, "
        f"the image 6 x 5 pixels; {again}"
    )
    haze.unlink()
    defects = product / f"{ENMAP}-QL_PIXELMASK.TIF"
    tif(defects, layer(1, (0, 1), 3))
    assert refused(product) == (
        f"{defects}: wanted a band for each of the 6 bands of the image, got 3; download the "
        "product again"
    )


def test_other_bands_than_in_the_metadata(tmp_path: Path) -> None:
    product = written(tmp_path, layers={}, bands=FEW)
    metadata_of(product).write_text(enmap_metadata(bands=4))
    assert refused(product) == (
        f"{image_of(product)}: has 6 bands, its metadata 4; download the product again"
    )
    text = enmap_metadata(bands=FEW)
    metadata_of(product).write_text(text.replace("401.25", "blue", 1))
    assert refused(product) == (
        f"{metadata_of(product)}: band '1': wanted numbers as wavelengthCenterOfBand, FWHMOfBand, "
        "GainOfBand, OffsetOfBand, got 'blue', '6.5', '0.0001', '0'; download it again"
    )
    metadata_of(product).write_text(text.replace('number="2"', 'number="1"', 1))
    assert refused(product) == (
        f"{metadata_of(product)}: wanted bandCharacterisation/bandID with finite numbers for each "
        "band, got 6 bands of 5 numbers; is it of EnMAP?"
    )


def test_two_products(product: Path, tmp_path: Path) -> None:
    other = ENMAP.replace("_008_", "_009_")
    for stem in (ENMAP, other):
        written(tmp_path / "both", stem, layers={}, bands=FEW)
    names = [f"{stem}/{stem}-METADATA.XML" for stem in (ENMAP, other)]
    both = (
        f"holds 2 products, {names[0]}, {names[1]}; name the METADATA.XML of one of them, unpacked "
        "if they are in an archive"
    )
    assert refused(tmp_path / "both") == f"{tmp_path / 'both'}: {both}"
    archive = tmp_path / "two.zip"
    with zipfile.ZipFile(archive, "w") as packer:
        for name in names:
            packer.write(tmp_path / "both" / name, name)
    assert refused(archive) == f"{archive}: {both}"
    assert open_cube(tmp_path / "both" / names[1]).product == "enmap"
    desis(tmp_path / "missions")
    written(tmp_path / "missions", layers={}, bands=FEW)
    assert refused(tmp_path / "missions").startswith(f"{tmp_path / 'missions'}: holds 2 products, ")
    order = tmp_path / "order.tar.gz"
    with tarfile.open(order, "w:gz") as tar:
        for stem in (ENMAP, other):
            tar.add(packed(product, tmp_path / f"{stem}.ZIP"), f"{stem}.ZIP")
    assert refused(order) == (
        f"{order}: holds 2 archives, {ENMAP}.ZIP, {other}.ZIP; unpack it, and name one of them"
    )


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
@pytest.mark.parametrize("name", ["../evil.xml", "/etc/evil.xml", "link"])
def test_a_name_or_a_link_out_of_the_archive(
    ending: str, name: str, product: Path, tmp_path: Path
) -> None:
    archive = packed(product, tmp_path / f"{ENMAP}{ending}")
    if ending == ".zip":
        info = zipfile.ZipInfo(name)
        if name == "link":
            info.external_attr = 0o120777 << 16
        with zipfile.ZipFile(archive, "a") as packer:
            packer.writestr(info, "/etc/passwd")
    else:
        files = io.BytesIO()
        with tarfile.open(archive) as old, tarfile.open(fileobj=files, mode="w:gz") as new:
            for member in old:
                new.addfile(member, old.extractfile(member))
            bad = tarfile.TarInfo(name)
            if name == "link":
                bad.type, bad.linkname = tarfile.SYMTYPE, "/etc/passwd"
            new.addfile(bad)
        archive.write_bytes(files.getvalue())
    out = f"the name {name!r} leads out of the archive; pack it again, with names like folder/file"
    link = "link is a link or a device; pack the file itself"
    assert refused(archive) == f"{archive}: {link if name == 'link' else out}"


@pytest.mark.parametrize("ending", [".msk", ".aux.xml"])
def test_files_beside_an_image_in_an_archive_are_not_opened(ending: str, tmp_path: Path) -> None:
    """A mask or overviews may be a VRT, whose sources may be anywhere."""
    product = written(tmp_path, layers={}, bands=FEW)
    image = image_of(product)
    tif(image, stored(FEW))  # no nodata value, which counts more than a mask
    tif(tmp_path / "outside.tif", np.zeros((1, ROWS, COLS), np.uint8))
    beside = image.with_name(f"{image.name}{ending}")
    if ending == ".aux.xml":
        stated = '<MDI key="wavelength">7</MDI><MDI key="wavelength_units">nm</MDI>'
        bands = "".join(
            f'<PAMRasterBand band="{n}"><NoDataValue>7</NoDataValue><Metadata>{stated}</Metadata>'
            "</PAMRasterBand>"
            for n in range(1, FEW + 1)
        )
        beside.write_text(f"<PAMDataset>{bands}</PAMDataset>")
    else:
        beside.write_text(
            f'<VRTDataset rasterXSize="{COLS}" rasterYSize="{ROWS}"><Metadata><MDI '
            'key="INTERNAL_MASK_FLAGS_1">2</MDI></Metadata><VRTRasterBand dataType="Byte" band="1">'
            f"<SimpleSource><SourceFilename>{tmp_path}/outside.tif</SourceFilename><SourceBand>1"
            "</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
        )
    archives = [packed(product, tmp_path / f"a.{kind}") for kind in ("zip", "tar")]
    archives.append(nested(product, tmp_path))
    beside_tar = tmp_path / f"a.tar{ending}"  # of a raster in a tar, GDAL looks for it here
    beside_tar.write_bytes(bytes(1 << 20) if ending != ".aux.xml" else b"")
    for archive in archives:
        cube = open_cube(archive)
        assert cube.mask is None
        assert any("states no nodata value" in note for note in cube.notes)
        np.testing.assert_array_equal(np.isfinite(cube.read(ALL)[..., 0]), stored(FEW)[0] != NODATA)


def test_a_damaged_archive_is_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def listing(path: Path, *_: object, **__: object) -> None:
        asked.append(path)
        raise ReadError(f"{path}: damaged")

    path = tmp_path / f"{ENMAP}.zip"
    path.write_bytes(b"PK")
    monkeypatch.setattr(archives, "listing", listing)
    for _ in range(2):
        assert refused(path) == f"{path}: damaged"
    assert asked == [path]


def test_a_link_out_of_the_folder(product: Path, tmp_path: Path) -> None:
    copy = tmp_path / ENMAP
    copy.mkdir()
    for one in product.iterdir():
        (copy / one.name).write_bytes(one.read_bytes())
    cloud = copy / f"{ENMAP}-QL_QUALITY_CLOUD.TIF"
    cloud.unlink()
    target = product / cloud.name
    cloud.symlink_to(target)
    assert refused(copy) == f"{cloud}: a link out of {copy}, to {target}; replace it with a copy"
    beside = f"{cloud}: a link to another folder; replace it with a copy"
    assert refused(metadata_of(copy)) == beside


def test_metadata_that_are_large_or_have_a_document_type(
    product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = written(tmp_path, layers={}, bands=FEW)
    metadata = metadata_of(copy)
    text = metadata.read_text()
    bomb = '<!DOCTYPE b [<!ENTITY a "aaaa">]>\n<level_X>'
    metadata.write_text(text.replace("<level_X", f"{bomb}<level_X", 1))
    document_type = f"{metadata}: metadata of a product have no document type; download it again"
    assert refused(copy) == document_type
    metadata.write_text(text[:500])
    assert refused(copy) == (
        f"{metadata}: damaged metadata (no element found: line 2, column 461); download it again"
    )
    metadata.write_text("")
    assert refused(copy).startswith(f"{metadata}: damaged metadata (no element found")
    metadata.write_text(text)
    archive = packed(copy, tmp_path / f"{ENMAP}.zip")
    monkeypatch.setattr(granules, "MAX_METADATA", 1000)
    inside = archive / ENMAP / metadata.name
    assert refused(archive) == f"{inside}: {len(text):,} bytes, more than 1,000"


def test_other_paths_are_not_products(tmp_path: Path) -> None:
    pictures, damaged, plain = tmp_path / "pictures", tmp_path / "x.zip", tmp_path / "scene.tif"
    (pictures / "cats").mkdir(parents=True)
    (pictures / "cats" / "1.png").write_bytes(b"\x89PNG")
    damaged.write_bytes(b"PK\x03\x04 and no more")
    tif(plain, layer(1, (0, 1)))
    (tmp_path / "METADATA.xml").write_text("<other/>")
    store = tmp_path / "a.zarr"
    store.mkdir()
    for path in (pictures, damaged, plain, store, tmp_path / "METADATA.xml", tmp_path / "none.zip"):
        assert not enmap.found(path)


def test_typed(typed: Callable[..., tuple[int, str, str]], product: Path, tmp_path: Path) -> None:
    code, out, _ = typed("info", str(packed(product, tmp_path / f"{ENMAP}.zip")))
    lines = out.splitlines()
    assert code == 0
    assert "format       EnMAP L2A" in lines
    assert "defects      3.33% of the pixels, left out by default (QL_PIXELMASK)" in lines
    lower = written(tmp_path, ENMAP.replace("L2A", "L1C"), level="L1C", layers={}, bands=FEW)
    code, out, err = typed("info", lower)
    assert (code, out) == (2, "")
    assert "wanted EnMAP L2A, surface reflectance, got EnMAP L1C" in err


def test_a_run_of_a_version_without_products_reads_what_it_read(product: Path) -> None:
    image = next(product.glob("*SPECTRAL_IMAGE.TIF"))
    scene = scene_from({"file": str(image)}, load=False)
    assert isinstance(scene, sl.SceneFile)
    assert scene.dtype == np.int16
    assert scene.wavelengths_nm is None
    assert scene.source["product"] == "none"
