"""EMIT granules against netCDF4's own reading and naive loops through the look-up table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from numpy.typing import NDArray

import spectrolite as sl
from products.random_models import random_model
from spectrolite.errors import LabelsError, ReadError, RunError, SettingsError
from spectrolite.mapping.staged_windows import begun_with
from spectrolite.products import emit
from spectrolite.products.known import open_cube
from spectrolite.products.scenes import scene_from
from spectrolite.runs.stored_data import _moved_to
from written_emit import FLAGS, LEFT, STEP, TOP, WKT, turned_table, write_granule, write_mask

ROWS, COLS, BANDS = 24, 20, 12
NM = np.array([450, 550, 650, 800, 1000, 1345, 1400, 1600, 1850, 2000, 2200, 2400], float)
GOOD = np.array([1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1, 1])
KEPT = [0, 1, 2, 3, 4, 7, 9, 10, 11]  # of the others, 5 is in water vapour, 6 and 8 are flagged
TABLE = turned_table(ROWS, COLS)


@pytest.fixture
def values() -> NDArray[Any]:
    cube = np.random.default_rng(0).uniform(0, 0.6, (ROWS, COLS, BANDS)).astype(np.float32)
    cube[..., GOOD == 0] = -0.01
    cube[:2] = np.nan
    return cube


@pytest.fixture
def granule(tmp_path: Path, values: NDArray[Any]) -> Path:
    return write_granule(tmp_path, values, TABLE, good=GOOD, wavelengths_nm=NM, zlib=True)


def flags(**marked: tuple[slice, slice]) -> dict[str, NDArray[Any]]:
    """Layers of a mask, with 1 in a rectangle."""
    made = {name: np.zeros((ROWS, COLS)) for name in FLAGS}
    for name, where in marked.items():
        made[next(n for n in FLAGS if n.lower().startswith(name))][where] = 1
    made["AOD550"][:] = 0.2
    return made


CLOUD, WATER = (slice(5, 9), slice(3, 8)), (slice(20, 24), slice(0, 20))


def test_values_bands_and_marked_pixels_are_those_of_netcdf4(
    tmp_path: Path, granule: Path, values: NDArray[Any]
) -> None:
    write_mask(tmp_path, flags(cloud=CLOUD, water=WATER), (ROWS, COLS), TABLE)
    scene = sl.read_scene(granule)
    with netCDF4.Dataset(granule) as file:
        stored = file["reflectance"][:].filled(np.nan)
    expected = ~np.isnan(stored[..., 0])
    expected[CLOUD] = False
    assert scene.valid is not None
    np.testing.assert_array_equal(scene.valid, expected)
    np.testing.assert_array_equal(scene.cube[expected], stored[expected][:, KEPT])
    assert scene.wavelengths_nm == tuple(NM[KEPT])
    assert scene.source["product"] == "emit"
    assert (scene.crs, scene.transform) == (None, None)
    assert scene.notes == (
        "in the geometry of the sensor: maps come out on the grid of its look-up table",
        "its mask is EMIT_L2A_MASK_001_20230401T120000_2309108_001.nc",
        "left out: pixels marked cloud, cirrus, near-cloud, spacecraft",
        "left out: 2 bands that it flags: 6,8, from 0",
        "left out: 3 bands of water vapour: 5-6,8, from 0",
        "kept: water; --leave-out names what to leave out",
    )
    assert open_cube(granule).fwhm_nm == (8.5,) * BANDS
    info = sl.scene_info(granule)
    assert {m.name: (m.share, m.left_out) for m in info.marked if m.share} == {
        "cloud": (20 / 480, True),
        "water": (80 / 480, False),
    }
    assert (info.crs, info.pixel_unit) == ("EPSG:4326", "degrees")
    assert info.fwhm_nm == (8.5, 8.5)
    assert (info.map_shape, info.left_out_bands) == (TABLE.shape[:2], (5, 6, 8))


def test_what_is_left_out_follows_the_words(tmp_path: Path, granule: Path) -> None:
    write_mask(tmp_path, flags(cloud=CLOUD, water=WATER), (ROWS, COLS), TABLE)
    everything = sl.read_scene(granule, leave_out=("none",))
    assert everything.shape == (ROWS, COLS, BANDS)
    assert everything.valid is not None
    assert everything.valid[CLOUD].all()
    some = sl.read_scene(granule, leave_out=("water", "flagged"))
    assert some.shape[2] == 10
    assert some.valid is not None
    assert not some.valid[WATER].any()
    assert some.valid[CLOUD].all()
    with pytest.raises(SettingsError) as caught:
        sl.read_scene(granule, leave_out=("clouds",))
    assert str(caught.value) == (
        "--leave-out: wanted one of cloud, cirrus, near-cloud, spacecraft, water, flagged, "
        "water-vapour, none, got 'clouds'; did you mean cloud?"
    )
    plain = sl.read_scene(granule, product="none", key="reflectance")
    assert plain.source.get("product") == "none"


def test_layers_of_later_masks_are_told_by_their_names(tmp_path: Path, granule: Path) -> None:
    """The latest mask counts; the layers of version 003 stand elsewhere and are spelt otherwise."""
    write_mask(tmp_path, flags(cloud=CLOUD), (ROWS, COLS), TABLE)
    names = (
        "Cloud Flag",
        "Cirrus Flag",
        "Water Flag",
        "Dilated Cloud Flag",
        "SpecTf-Cloud Probability",
        "SpecTf-Cloud Flag",
        "SpecTf-Buffer Distance",
    )
    marked = np.zeros((ROWS, COLS))
    marked[10:12] = 1
    write_mask(
        tmp_path,
        {"SpecTf-Cloud Flag": marked, "SpecTf-Buffer Distance": np.ones((ROWS, COLS))},
        (ROWS, COLS),
        TABLE,
        names=names,
        version="003",
    )
    scene = sl.read_scene(granule)
    assert scene.valid is not None
    assert set(np.flatnonzero(~scene.valid.all(1)).tolist()) == {0, 1, 10, 11}


def test_a_checkerboard_comes_back_through_the_look_up_table(tmp_path: Path, granule: Path) -> None:
    """From a raster on the grid to the sensor, and from the sensor to a map on the grid."""
    row, col = np.mgrid[:ROWS, :COLS]
    board = ((row + col) % 2 + 1).astype(np.uint8)
    shown = TABLE[..., 0] >= 0
    on_grid = np.zeros(TABLE.shape[:2], np.uint8)
    for y, x in zip(*np.nonzero(shown), strict=True):
        on_grid[y, x] = board[tuple(TABLE[y, x])]
    with rasterio.open(
        tmp_path / "board.tif",
        "w",
        driver="GTiff",
        height=len(on_grid),
        width=len(on_grid[0]),
        count=1,
        dtype="uint8",
        crs=WKT,
        transform=rasterio.Affine(STEP, 0, LEFT, 0, -STEP, TOP),
    ) as file:
        file.write(on_grid, 1)
    scene = sl.read_scene(granule)
    labels = sl.read_labels(tmp_path / "board.tif", scene=scene)
    seen = np.zeros((ROWS, COLS), bool)
    seen[tuple(TABLE[shown].T)] = True
    seen[:2] = False  # without values
    np.testing.assert_array_equal(labels.array, np.where(seen, board, 0))

    model = random_model(NM[KEPT].tolist())
    raw = sl.map_scene(model, granule, out=tmp_path / "raw.tif", sensor_geometry=True)
    assert raw.head.crs is None
    assert (raw.classes == 0).sum() == 2 * COLS
    made = sl.map_scene(model, granule, out=tmp_path / "map.tif", window=9)
    assert made.head.transform == (STEP, 0.0, LEFT, 0.0, -STEP, TOP)
    naive = np.zeros(TABLE.shape[:2], np.uint8)
    for y, x in zip(*np.nonzero(shown), strict=True):
        naive[y, x] = raw.classes[TABLE[y, x, 0], TABLE[y, x, 1]]
    np.testing.assert_array_equal(made.classes, naive)
    with rasterio.open(tmp_path / "map_confidence.tif") as file:
        confidence = file.read(1)
    assert ((confidence > 0) == (naive > 0)).all()


def test_polygons_label_the_pixels_of_the_sensor_that_are_shown_inside_them(
    tmp_path: Path, granule: Path
) -> None:
    def box(row: float, col: float, rows: float, cols: float) -> Any:
        left, top = LEFT + col * STEP, TOP - row * STEP
        return shapely.box(left, top - rows * STEP, left + cols * STEP, top)

    shapes = [box(9.3, 8.2, 6, 5), box(16, 14.7, 4, 6), box(28, 0, 3, 3)]
    assert not (TABLE[28:31, :3, 0] >= 0).any()  # the third is beside the swath, inside its grid
    pyogrio.raw.write(
        tmp_path / "plots.gpkg",
        np.array([shapely.to_wkb(s) for s in shapes], object),
        [np.array(["wheat", "maize", "maize"], object)],
        ["crop"],
        geometry_type="Polygon",
        crs="EPSG:4326",
    )
    scene = sl.read_scene(granule)
    labels = sl.read_labels(tmp_path / "plots.gpkg", scene=scene, class_field="crop")
    expected = np.zeros((ROWS, COLS), np.int32)
    for shape, name in zip(shapes, ("wheat", "maize", "maize"), strict=True):
        i = next(i for i, n in labels.class_names.items() if n == name)
        for y, x in np.ndindex(TABLE.shape[:2]):
            centre = shapely.Point(LEFT + (x + 0.5) * STEP, TOP - (y + 0.5) * STEP)
            if TABLE[y, x, 0] >= 2 and shape.contains(centre):
                expected[tuple(TABLE[y, x])] = i
    assert (expected > 0).sum() > 30
    np.testing.assert_array_equal(labels.array, expected)
    assert "1 of 3 polygons are outside the scene and are dropped" in labels.notes
    (tmp_path / "beside.csv").write_text(
        f"x,y,class\n{LEFT + 1.5 * STEP},{TOP - 29.5 * STEP},wheat\n"
    )
    with pytest.raises(LabelsError, match="none of its 1 rows is in"):
        sl.read_labels(tmp_path / "beside.csv", scene=scene)


def _without(path: Path, change: Any) -> None:
    with netCDF4.Dataset(path, "a") as file:
        change(file)


def _points_outside(file: Any) -> None:
    y, x = np.argwhere(TABLE[..., 0] >= 0)[0]
    file["location/glt_y"][y, x] = ROWS + 1


def test_what_is_no_complete_granule_of_level_2a_is_refused(tmp_path: Path) -> None:
    cube = np.full((ROWS, COLS, BANDS), 0.2, np.float32)
    for folder, kind, variable, message in (
        ("b", "RAD", "radiance", "got EMIT L1B radiance at the sensor; download EMIT_L2A_RFL"),
        (
            "u",
            "RFLUNCERT",
            "reflectance_uncertainty",
            "got the uncertainty of EMIT L2A reflectance; download EMIT_L2A_RFL",
        ),
    ):
        (tmp_path / folder).mkdir()
        path = write_granule(tmp_path / folder, cube, TABLE, variable=variable, kind=kind)
        with pytest.raises(ReadError) as caught:
            sl.read_scene(path)
        assert str(caught.value) == (
            f"{path}: wanted EMIT L2A reflectance with an array reflectance, {message}"
        )
    (tmp_path / "g").mkdir()
    path = write_granule(tmp_path / "g", cube, TABLE)
    _without(path, _points_outside)
    y, x = np.argwhere(TABLE[..., 0] >= 0)[0]
    with pytest.raises(ReadError) as caught:
        sl.read_scene(path)
    assert str(caught.value) == (
        f"{path}: its look-up table points outside the image of 24 x 20 pixels at 1 of "
        f"{TABLE[..., 0].size} places, first at row {y}, col {x}: glt_y 25, glt_x "
        f"{TABLE[y, x, 1] + 1}; download the granule again"
    )
    _without(path, lambda file: file.delncattr("geotransform"))
    with pytest.raises(ReadError, match="wanted the attributes geotransform, six numbers, and"):
        sl.read_scene(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ReadError, match="not a readable"):
        sl.read_scene(path)


def test_a_mask_of_another_granule_is_refused(tmp_path: Path, granule: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    mask = write_mask(other, {}, (ROWS, COLS), TABLE, start="2023-05-09T10:00:00+0000")
    with pytest.raises(ReadError) as caught:
        sl.read_scene(granule, mask=mask)
    assert str(caught.value) == (
        f"--mask: {mask} is the mask of another granule than {granule.name}: it begins at "
        "2023-05-09T10:00:00+0000, not at 2023-04-01T12:00:00+0000"
    )
    mask = write_mask(other, {}, (ROWS + 1, COLS), TABLE)
    with pytest.raises(ReadError, match="it has 25 x 20 pixels, not 24 x 20"):
        sl.read_scene(granule, mask=mask)
    with pytest.raises(ReadError, match=r"wanted EMIT_L2A_MASK, with the arrays mask and"):
        sl.read_scene(granule, mask=granule)
    np.save(tmp_path / "cube.npy", np.ones((5, 5, 3)))
    with pytest.raises(SettingsError, match=r"--mask: .*cube.npy is not known as a product"):
        sl.read_scene(tmp_path / "cube.npy", mask=mask)


def test_a_mask_that_comes_later_makes_another_scene(tmp_path: Path, granule: Path) -> None:
    """A map that was stopped is not resumed with other valid pixels."""
    model, settings = random_model(NM[KEPT].tolist()), {"device": "cpu", "bands": ()}
    before = begun_with(model, sl.open_scene(granule), settings)
    write_mask(tmp_path, flags(cloud=CLOUD), (ROWS, COLS), TABLE)
    after = begun_with(model, sl.open_scene(granule), settings)
    assert before["scene"]["bytes"] < after["scene"]["bytes"]


def test_a_mask_moves_with_its_scene(tmp_path: Path, granule: Path) -> None:
    mask = write_mask(tmp_path, flags(cloud=CLOUD), (ROWS, COLS), TABLE)
    source = dict(sl.read_scene(granule, mask=mask).source)
    there = tmp_path / "there"
    there.mkdir()
    moved = granule.rename(there / granule.name)
    mask.rename(there / mask.name)
    scene = scene_from(_moved_to(moved, source), load=True)
    assert isinstance(scene, sl.Scene)
    assert scene.valid is not None
    assert not scene.valid[CLOUD].any()


def test_a_model_of_stored_numbers_maps_no_reflectance(tmp_path: Path, granule: Path) -> None:
    model = random_model(NM[KEPT].tolist())
    stored = replace(
        model,
        config=model.config.model_copy(update={"scaled": False}),
        bands=replace(model.bands, mean=model.bands.mean * 10_000),
    )
    with pytest.raises(SettingsError) as caught:
        sl.map_scene(stored, granule, out=tmp_path / "map.tif")
    assert str(caught.value) == (
        f"--product: the model was trained on stored numbers, and {granule.name} is read as "
        "reflectance; read it as it is stored, with --product none, or train again"
    )


@pytest.mark.parametrize(
    ("key", "shape", "dtype", "message"),
    [
        ("reflectance", (ROWS, COLS, 1 << 13), "f4",
         "reflectance (24 x 20 x 8192 float32) is larger than any granule"),
        ("reflectance", (1 << 12, (1 << 12) + 1, BANDS), "f4",
         f"reflectance (4096 x 4097 x {BANDS} float32) is larger than any granule"),
        ("location/glt_x", (1 << 15, 1 << 15), "i4",
         "location/glt_x (32768 x 32768 int32) is larger than any granule's"),
        ("sensor_band_parameters/fwhm", (BANDS,), "S9",
         f"sensor_band_parameters/fwhm: wanted a number for each of {BANDS} bands, got "
         f"sensor_band_parameters/fwhm ({BANDS} bytes72)"),
    ],
)  # fmt: skip
def test_what_is_only_declared_is_bounded(
    granule: Path, key: str, shape: tuple[int, ...], dtype: str, message: str
) -> None:
    """An array without values takes no place in the file."""
    with h5py.File(granule, "r+") as file:
        del file[key]
        file.create_dataset(key, shape, dtype, chunks=True)
    with pytest.raises(ReadError) as caught:
        emit.cube(granule)
    assert str(caught.value) == f"{granule}: {message}; download the granule again"


def test_links_into_other_files_are_not_followed(granule: Path, tmp_path: Path) -> None:
    assert emit.found(granule)
    path = tmp_path / "links.nc"
    with h5py.File(path, "w") as file:
        for name in ("location", "sensor_band_parameters"):
            file[name] = h5py.ExternalLink(str(granule), f"/{name}")
    assert not emit.found(path)


def test_the_mask_beside_a_granule_is_no_scene_of_a_pattern(tmp_path: Path, granule: Path) -> None:
    write_mask(tmp_path, flags(cloud=CLOUD), (ROWS, COLS), TABLE)
    model = random_model(NM[KEPT].tolist())
    made = sl.map_scenes(model, [str(tmp_path / "EMIT*.nc")], out=tmp_path / "maps")
    assert [one.path.name for one in made if isinstance(one, sl.MapFile)] == [f"{granule.stem}.tif"]
    assert len(made) == 1


def test_another_product_than_the_one_named_is_told(granule: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        sl.open_scene(granule, product="enmap")
    assert str(caught.value) == (
        f"--product enmap: {granule} is EMIT L2A reflectance; omit --product, or give emit"
    )


def test_a_map_does_not_replace_the_mask_of_its_scene(tmp_path: Path, granule: Path) -> None:
    mask = write_mask(tmp_path, flags(cloud=CLOUD), (ROWS, COLS), TABLE)
    named = mask.rename(tmp_path / "mask.tif")
    model = random_model(NM[KEPT].tolist())
    with pytest.raises(RunError) as caught:
        sl.map_scene(model, granule, mask=named, out=named, overwrite=True)
    assert str(caught.value) == f"--out: {named} is the scene itself; take another name"
