"""Scene, Labels, Window.

References: a count of visits for the windows, a flood fill written out for the fields,
`collections.Counter` for the class counts, `hashlib` over the bytes for the hashes, matplotlib for
the colours past the palette, and a loop over bands for dropped bands.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import hsv_to_rgb
from numpy.typing import NDArray

from spectrolite.data.labels import PALETTE, Labels, check_pair, default_colour
from spectrolite.data.scene import Scene, SceneFile, Window, windows, without_bands
from spectrolite.errors import LabelsError, SceneError, listed, ranges
from spectrolite.hashing import array_sha256

SMALL = settings(deadline=None, max_examples=60, derandomize=True)


def cube(rows: int = 3, cols: int = 4, bands: int = 5) -> NDArray[np.int16]:
    return np.arange(rows * cols * bands, dtype=np.int16).reshape(rows, cols, bands)


# Window


@pytest.mark.parametrize("bounds", [(2, 2, 0, 1), (3, 2, 0, 1), (0, 1, 4, 4), (0, 1, 5, 4)])
def test_a_window_without_pixels_is_refused(bounds: tuple[int, int, int, int]) -> None:
    with pytest.raises(SceneError) as caught:
        Window(*bounds)
    assert str(caught.value) == (
        "window: wanted start < stop along both axes, got Window(row_start={}, row_stop={}, "
        "col_start={}, col_stop={})".format(*bounds)
    )


def test_a_window_is_half_open_and_frozen() -> None:
    window = Window(1, 3, 2, 3)
    assert window.shape == (2, 1)
    assert cube()[window.slices].tolist() == [[cube()[1, 2].tolist()], [cube()[2, 2].tolist()]]
    assert window == Window(1, 3, 2, 3)
    with pytest.raises(FrozenInstanceError):
        window.row_start = 0  # type: ignore[misc]


@SMALL
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 12))
def test_windows_visit_every_pixel_exactly_once(rows: int, cols: int, side: int) -> None:
    visits = np.zeros((rows, cols), int)
    corners = []
    for window in windows(rows, cols, side):
        assert max(window.shape) <= side
        assert min(window.row_start, window.col_start) >= 0
        assert window.row_stop <= rows
        assert window.col_stop <= cols
        visits[window.slices] += 1
        corners.append((window.row_start, window.col_start))
    assert (visits == 1).all()
    assert corners == sorted(corners)
    assert len(corners) == -(-rows // side) * -(-cols // side)
    shapes = np.array([window.shape for window in windows(rows, cols, side)])
    assert np.ptp(shapes, axis=0).max() <= 1


# Scene


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (2, 3, 4, 5), (0, 4, 5), (3, 0, 5), (3, 4, 0)])
def test_a_scene_has_three_axes_and_a_pixel(shape: tuple[int, ...]) -> None:
    with pytest.raises(SceneError) as caught:
        Scene(np.zeros(shape), name="field.npy")
    assert str(caught.value) == f"field.npy: wanted a cube of rows, cols, bands, got shape {shape}"


@pytest.mark.parametrize(
    ("dtype", "said"), [(bool, "bool"), (complex, "complex128"), (object, "object"), ("U1", "<U1")]
)
def test_a_scene_holds_numbers(dtype: Any, said: str) -> None:
    with pytest.raises(SceneError) as caught:
        Scene(np.zeros((1, 2, 3), dtype))
    assert str(caught.value) == (f"scene: wanted integers or floating-point numbers, got {said}")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bands_that_are_not_finite_are_named_with_the_flag(value: float) -> None:
    bad = cube(bands=8).astype(np.float32)
    bad[0, 0, [0, 1, 2, 5]] = value
    with pytest.raises(SceneError) as caught:
        Scene(bad, name="s")
    assert str(caught.value) == (
        "s: NaN or infinite values in 4 of 8 bands, from 0: 0, 1, 2, 5; "
        "drop them (--drop-bands 0-2,5) or fill them"
    )


def test_many_bad_bands_are_listed_in_short() -> None:
    with pytest.raises(SceneError) as caught:
        Scene(np.full((1, 1, 14), np.nan), name="s")
    assert str(caught.value) == (
        "s: NaN or infinite values in 14 of 14 bands, from 0: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 4 "
        "more; drop them (--drop-bands 0-13) or fill them"
    )


def test_dropping_the_named_bands_mends_the_scene() -> None:
    bad = cube().astype(float)
    bad[1, 1, 3] = np.nan
    assert Scene(without_bands(bad, (3,), "s")).shape == (3, 4, 4)


@pytest.mark.parametrize("count", [4, 6])
def test_every_band_has_one_wavelength(count: int) -> None:
    with pytest.raises(SceneError) as caught:
        Scene(cube(), wavelengths_nm=(500.0,) * count)
    assert str(caught.value) == (f"scene: wanted one wavelength a band, got {count} for 5 bands")


def test_a_scene_keeps_what_it_is_given() -> None:
    steps_back = (400.0, 500.0, 490.0, 600.0, 700.0)
    scene = Scene(cube(), wavelengths_nm=steps_back, crs="WKT", transform=(1.0,) * 6)
    assert scene.shape == (3, 4, 5)
    assert scene.cube.dtype == np.int16
    assert scene.wavelengths_nm == steps_back
    assert (scene.crs, scene.transform, scene.name) == ("WKT", (1.0,) * 6, "scene")
    assert dict(scene.source) == {}
    np.testing.assert_array_equal(scene.cube, cube())


def test_a_scene_is_frozen_and_leaves_the_given_array_alone() -> None:
    given_cube = cube()
    scene = Scene(given_cube)
    with pytest.raises(ValueError, match="read-only"):
        scene.cube[0, 0, 0] = 7
    with pytest.raises(FrozenInstanceError):
        scene.name = "other"  # type: ignore[misc]
    assert given_cube.flags.writeable


def test_the_hash_is_of_type_shape_and_values_whatever_the_memory_order() -> None:
    plain = cube()
    by_hand = hashlib.sha256(b"<i2(3, 4, 5)" + plain.astype("<i2").tobytes()).hexdigest()
    assert Scene(plain).sha256 == by_hand
    assert Scene(np.asfortranarray(plain)).sha256 == by_hand
    assert Scene(plain.astype(">i2")).sha256 == by_hand
    assert Scene(plain, name="other", crs="WKT").sha256 == by_hand
    changed = plain.copy()
    changed[2, 3, 4] += 1
    others: list[NDArray[Any]] = [plain.astype(np.int32), plain.reshape(4, 3, 5), changed]
    assert len({by_hand, *(Scene(o).sha256 for o in others)}) == 4


def test_several_arrays_hash_one_after_the_other() -> None:
    one, two = np.arange(3, dtype=np.int64), np.arange(2, dtype=np.uint8)
    by_hand = hashlib.sha256(b"<i8(3,)" + one.tobytes() + b"|u1(2,)" + two.tobytes())
    assert array_sha256(one, two) == by_hand.hexdigest()
    assert array_sha256(two, one) != by_hand.hexdigest()


@SMALL
@given(st.sets(st.integers(0, 6), max_size=6))
def test_dropped_bands_are_the_ones_named(drop: set[int]) -> None:
    full = cube(bands=7)
    kept = [full[:, :, b] for b in range(7) if b not in drop]
    np.testing.assert_array_equal(without_bands(full, tuple(drop), "s"), np.stack(kept, axis=2))


@pytest.mark.parametrize(
    ("drop", "said"),
    [((5,), "5"), ((-1, 2), "-1,2"), ((0, 1, 2, 3, 4), "0-4"), ((7, 6, 0, 7), "0,6-7")],
)
def test_bands_that_cannot_be_dropped(drop: tuple[int, ...], said: str) -> None:
    with pytest.raises(SceneError) as caught:
        without_bands(cube(), drop, "s.npy")
    assert str(caught.value) == (
        f"s.npy: --drop-bands: wanted bands from 0 to 4, not all of them, got {said}"
    )


@pytest.mark.parametrize("drop", [(), (0,), (9,)])
@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (2, 3, 4, 5)])
def test_bands_are_dropped_from_a_cube_alone(shape: tuple[int, ...], drop: tuple[int, ...]) -> None:
    with pytest.raises(SceneError) as caught:
        without_bands(np.zeros(shape), drop, "gt.npy")
    assert str(caught.value) == f"gt.npy: wanted a cube of rows, cols, bands, got shape {shape}"


# Labels


@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 4), (0, 3), (3, 0)])
def test_labels_have_two_axes_and_a_pixel(shape: tuple[int, ...]) -> None:
    with pytest.raises(LabelsError) as caught:
        Labels(np.ones(shape, int), name="gt.npy")
    assert str(caught.value) == f"gt.npy: wanted rows, cols, got shape {shape}"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[1.0, 1.5]], "float64"),
        ([[1.0, np.nan]], "float64"),
        ([[1.0, np.inf]], "float64"),
        ([[1.0, -np.inf]], "float64"),
        ([[np.inf, np.inf]], "float64"),
        ([["a", "b"]], "<U1"),
        ([[1 + 0j, 2]], "complex128"),
    ],
)
def test_labels_are_whole_numbers(values: list[list[object]], said: str) -> None:
    with pytest.raises(LabelsError) as caught:
        Labels(np.array(values), name="gt.npy")
    assert str(caught.value) == (
        f"gt.npy: wanted whole numbers (0 unlabelled, classes from 1), got {said} with other values"
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
def test_labels_are_finite_in_every_type(dtype: type) -> None:
    array: NDArray[Any] = np.array([[0, 1, 2], [3, np.inf, 1]], dtype)
    with pytest.raises(LabelsError) as caught:
        Labels(array, name="gt.npy")
    assert str(caught.value) == (
        "gt.npy: wanted whole numbers (0 unlabelled, classes from 1), "
        f"got {array.dtype} with other values"
    )


def test_negative_labels_are_counted() -> None:
    with pytest.raises(LabelsError) as caught:
        Labels(np.array([[-1, 0, 2], [-9, 3, -1]]), name="gt.npy")
    assert str(caught.value) == (
        "gt.npy: wanted ids of 0 (unlabelled) or more, got -9 at 3 pixels; set them to 0"
    )


def test_a_map_without_labels_is_refused() -> None:
    with pytest.raises(LabelsError) as caught:
        Labels(np.zeros((3, 4), np.uint8), name="gt.npy")
    assert str(caught.value) == (
        "gt.npy: all 12 pixels are 0, which means unlabelled; class ids start at 1"
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([[1, 65536]]), "65536"),
        (np.array([[1.0, 2.0**31]]), "2147483648"),
        (np.array([[2**63]], np.uint64), "9223372036854775808"),
    ],
)
def test_ids_too_large_for_a_map_file_are_refused(values: NDArray[np.generic], said: str) -> None:
    with pytest.raises(LabelsError) as caught:
        Labels(values)
    assert str(caught.value) == f"labels: wanted ids up to 65535, got {said}; renumber them"


@pytest.mark.parametrize("dtype", [bool, np.uint8, ">i2", np.int64, np.uint64, np.float16, float])
def test_whole_numbers_of_any_type_become_int32(dtype: type | str) -> None:
    labels = Labels(np.array([[0, 1], [1, 0]]).astype(dtype))
    assert labels.array.dtype == np.int32
    assert labels.array.tolist() == [[0, 1], [1, 0]]
    assert labels.sha256 == Labels(np.array([[0, 1], [1, 0]])).sha256


def test_the_largest_id_is_kept() -> None:
    assert Labels(np.array([[65535]])).class_ids == (65535,)


def test_ids_keep_their_gaps_and_names_without_pixels_stay() -> None:
    labels = Labels(
        np.array([[0, 7], [3, 3]]),
        class_names={3: "corn", 5: "oats"},
        class_colours={7: (1, 2, 3)},
    )
    assert labels.shape == (2, 2)
    assert labels.class_ids == (3, 7)
    assert labels.counts() == {3: 2, 7: 1}
    assert labels.class_names == {3: "corn", 5: "oats", 7: "class 7"}
    assert labels.class_colours == {3: PALETTE[0], 5: PALETTE[1], 7: (1, 2, 3)}


def test_labels_are_frozen() -> None:
    given_map = np.array([[1, 2]], np.int32)
    labels = Labels(given_map)
    with pytest.raises(ValueError, match="read-only"):
        labels.array[0, 0] = 2
    with pytest.raises(FrozenInstanceError):
        labels.name = "other"  # type: ignore[misc]
    given_map[0, 0] = 5
    assert labels.class_ids == (1, 2)


def test_the_hash_of_labels_is_of_shape_and_ids_alone() -> None:
    by_hand = hashlib.sha256(b"<i4(1, 2)" + np.array([[1, 2]], "<i4").tobytes()).hexdigest()
    assert Labels(np.array([[1, 2]])).sha256 == by_hand
    assert Labels(np.array([[1, 2]]), class_names={1: "corn"}, name="gt").sha256 == by_hand
    assert Labels(np.array([[1], [2]])).sha256 != by_hand
    assert Labels(np.array([[1, 3]])).sha256 != by_hand


MAPS = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda shape: st.lists(
        st.lists(st.sampled_from([0, 0, 2, 5]), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    ).filter(lambda rows: any(map(any, rows)))
)


@SMALL
@given(MAPS)
def test_counts_are_those_of_a_counter(rows: list[list[int]]) -> None:
    counted = Counter(i for row in rows for i in row if i)
    labels = Labels(np.array(rows))
    assert labels.counts() == dict(counted)
    assert labels.class_ids == tuple(sorted(counted))


@SMALL
@given(MAPS)
def test_fields_are_those_of_a_flood_fill(rows: list[list[int]]) -> None:
    labels = Labels(np.array(rows))
    unvisited = {(r, c) for r, row in enumerate(rows) for c, i in enumerate(row) if i}
    flooded = 0
    while unvisited:
        start = min(unvisited)
        flooded += 1
        field, border = {start}, [start]
        unvisited.discard(start)
        while border:
            r, c = border.pop()
            for near in [(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]:
                if near in unvisited and rows[near[0]][near[1]] == rows[r][c]:
                    unvisited.discard(near)
                    field.add(near)
                    border.append(near)
        number = labels.fields[start]
        assert number > 0
        assert {(int(r), int(c)) for r, c in np.argwhere(labels.fields == number)} == field
    assert sorted(set(labels.fields[labels.fields > 0].tolist())) == list(range(1, flooded + 1))
    assert ((labels.fields == 0) == (labels.array == 0)).all()


# Both


def test_labels_on_the_scenes_grid_pass() -> None:
    check_pair(Scene(cube()), Labels(np.ones((3, 4), int)))


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((3, 3), ""),
        ((4, 3), "; rows and columns look swapped: transpose one of the two"),
        ((4, 5), "; the cube looks stored as bands, rows, cols: move its first axis to the end"),
    ],
)
def test_labels_of_another_size_are_refused_with_a_hint(shape: tuple[int, int], hint: str) -> None:
    scene, labels = Scene(cube(), name="s.mat"), Labels(np.ones(shape, int), name="gt.mat")
    with pytest.raises(LabelsError) as caught:
        check_pair(scene, labels)
    assert str(caught.value) == (
        f"gt.mat: wanted 3 rows and 4 columns as in s.mat, got {shape[0]} and {shape[1]}{hint}"
    )


# Words and colours


def test_the_palette_tells_classes_apart() -> None:
    assert len(set(PALETTE)) == len(PALETTE) == 20
    assert [default_colour(n) for n in range(20)] == list(PALETTE)


@pytest.mark.parametrize("n", range(20, 60))
def test_colours_past_the_palette_turn_through_the_hues(n: int) -> None:
    expected = hsv_to_rgb((n * 0.618034 % 1, 0.6, 0.9)) * 255
    np.testing.assert_allclose(default_colour(n), expected, atol=0.5001)


def test_numbers_are_listed_in_short() -> None:
    assert listed([]) == ""
    assert listed([4, 2]) == "4, 2"
    assert listed(list(range(10))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert listed(list(range(11))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more"
    assert listed([1, 2, 3], most=2) == "1, 2 and 1 more"


@SMALL
@given(st.sets(st.integers(0, 40)))
def test_ranges_say_exactly_the_numbers(numbers: set[int]) -> None:
    text = ranges(sorted(numbers))
    said: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        said.extend(range(int(first), int(last or first) + 1))
    assert said == sorted(numbers)
    gaps = sum(n + 1 not in numbers for n in numbers)
    assert len(list(filter(None, text.split(",")))) == gaps


def test_an_invalid_class_name_is_refused() -> None:
    with pytest.raises(LabelsError, match=r"^labels: class name '\\ud800' is not valid text$"):
        Labels(np.ones((2, 2), np.uint8), class_names={1: "\ud800"})


# Polygons and notes


def test_polygons_are_kept_and_hashed() -> None:
    array = np.array([[1, 1, 0], [0, 4, 4]])
    polygons = np.array([[3, 3, 0], [0, 1, 9]], np.uint16)
    plain, drawn = Labels(array), Labels(array, polygons=polygons)
    assert plain.polygons is None
    assert drawn.polygons is not None
    assert drawn.polygons.dtype == np.int32
    np.testing.assert_array_equal(drawn.polygons, polygons)
    with pytest.raises(ValueError, match="read-only"):
        drawn.polygons[0, 0] = 5
    other = Labels(array, polygons=np.where(polygons == 9, 1, polygons))
    assert len({plain.sha256, drawn.sha256, other.sha256}) == 3


@pytest.mark.parametrize(
    ("polygons", "said"),
    [
        (
            np.ones((2, 2), int),
            "wanted polygons as whole numbers of shape (1, 3), got int64 of shape (2, 2)",
        ),
        (
            np.array([[1.0, 2.0, 0.0]]),
            "wanted polygons as whole numbers of shape (1, 3), got float64 of shape (1, 3)",
        ),
        (
            np.array([[1, 0, 0]]),
            "wanted a polygon number of 1 or more at each labelled pixel and 0 elsewhere",
        ),
        (
            np.array([[1, 2, -1]]),
            "wanted a polygon number of 1 or more at each labelled pixel and 0 elsewhere",
        ),
        (
            np.array([[6, 6, 0]]),
            "polygon 6 holds pixels of the classes 2, 5; wanted one class per polygon",
        ),
    ],
)
def test_polygons_that_are_none_of_the_labels(polygons: NDArray[Any], said: str) -> None:
    with pytest.raises(LabelsError) as caught:
        Labels(np.array([[5, 2, 0]]), polygons=polygons, name="plots")
    assert str(caught.value) == f"plots: {said}"


def test_print_shows_a_few_lines_and_never_the_cube() -> None:
    place = (10.0, 0.0, 600000.0, 0.0, -10.0, 5200000.0)
    valid = np.array([[True, True, False], [True, True, True]])
    cube = np.zeros((2, 3, 4), np.uint16)
    scene = Scene(cube, "field", (450.5, 850.0, 550.0, 650.0), "EPSG:32632", place, valid=valid)
    assert str(scene) == (
        "Scene field\n"
        "  size              2 rows, 3 cols, 4 bands\n"
        "  values            uint16\n"
        "  wavelengths       450.5 to 850 nm\n"
        "  CRS               EPSG:32632\n"
        "  pixel size        10 x 10, in units of the CRS\n"
        "  without spectrum  1 of 6 pixels"
    )
    in_file = SceneFile(
        (5000, 6000, 4), np.dtype("<i2"), scene.read, "a.hdr", source={"file": "/a"}
    )
    assert repr(in_file) == (
        "SceneFile a.hdr\n"
        "  size         5,000 rows, 6,000 cols, 4 bands\n"
        "  values       int16\n"
        "  wavelengths  None\n"
        "  CRS          None\n"
        "  file         /a"
    )


def test_a_notebook_shows_a_table_with_names_escaped() -> None:
    scene = Scene(np.zeros((1, 2, 3), np.float32), name="<b>", crs="no system")
    assert scene._repr_html_() == (
        "<table><caption>Scene &lt;b&gt;</caption>"
        "<tr><th>size</th><td>1 rows, 2 cols, 3 bands</td></tr>"
        "<tr><th>values</th><td>float32</td></tr>"
        "<tr><th>wavelengths</th><td>None</td></tr>"
        "<tr><th>CRS</th><td>not understood</td></tr></table>"
    )


def test_print_shows_the_classes_of_labels() -> None:
    labels = Labels(
        np.array([[0, 1, 1], [7, 7, 7]]),
        class_names={1: "oats"},
        name="gt.tif",
        polygons=np.array([[0, 1, 1], [2, 3, 3]]),
        notes=("2 of 5 rows are outside the scene and are dropped",),
    )
    assert str(labels) == (
        "Labels gt.tif\n"
        "  size      2 rows, 3 cols\n"
        "  labelled  5 of 6 pixels\n"
        "  classes   2: 1 oats (2), 7 class 7 (3)\n"
        "  polygons  3\n"
        "  note 1    2 of 5 rows are outside the scene and are dropped"
    )
    many = Labels(np.arange(8).reshape(2, 4), name="<gt>")
    assert many._repr_html_() == (
        "<table><caption>Labels &lt;gt&gt;</caption>"
        "<tr><th>size</th><td>2 rows, 4 cols</td></tr>"
        "<tr><th>labelled</th><td>7 of 8 pixels</td></tr>"
        "<tr><th>classes</th><td>7: 1 class 1 (1), 2 class 2 (1), 3 class 3 (1), 4 class 4 (1), "
        "5 class 5 (1) and 2 more</td></tr></table>"
    )
