"""Several scenes as values: how pixels are counted, what is refused, what each split does.

Independent references: naive loops over each scene alone; the same functions on one scene.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import spectrolite as sl
from spectrolite.data.scene_sets import scene_by_scene, starts
from spectrolite.errors import LabelsError, SceneError, SplitError
from spectrolite.samples.split_grammar import parse_split

SHAPES = ((12, 14), (9, 21), (16, 10))
NAMES = ("north", "south", "west")
SPLITS = (
    ("random", {"train": 0.03}),
    ("per_class", {"n": 6}),
    ("blocks", {"train": 0.3, "side": 4}),
    ("blocks_by_class", {"train": 0.3, "side": 3}),
    ("fields", {"train": 0.5}),
    ("polygons", {"train": 0.5}),
    ("scenes", {"train": 0.4}),
)


def scene(n: int, bands: int = 5, **more: object) -> sl.Scene:
    values = np.random.default_rng(n).normal(size=(*SHAPES[n], bands))
    return sl.Scene(values, name=f"{NAMES[n]}.npy", **more)  # type: ignore[arg-type]


def labels(n: int, names: dict[int, str] | None = None) -> sl.Labels:
    """Quarters of two classes, each quarter a polygon, with a bare cross between them."""
    rows, cols = SHAPES[n]
    ids, drawn = np.zeros((rows, cols), int), np.zeros((rows, cols), int)
    north, south = slice(rows // 2 - 1), slice(rows // 2, rows)
    west, east = slice(cols // 2 - 1), slice(cols // 2, cols)
    quarters = ((north, west), (north, east), (south, west), (south, east))
    for k, (down, across) in enumerate(quarters):
        ids[down, across], drawn[down, across] = (2, 7, 7, 2)[k], k + 1
    return sl.Labels(ids, names or {}, name=f"{NAMES[n]}_gt.npy", polygons=drawn)


def three() -> tuple[sl.SceneSet, sl.LabelSet]:
    return sl.several([scene(n) for n in range(3)], [labels(n) for n in range(3)])


def part_of(numbers: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Those of the n-th scene, counted from its first pixel."""
    first = sum(rows * cols for rows, cols in SHAPES[:n])
    size = SHAPES[n][0] * SHAPES[n][1]
    return np.array([p - first for p in numbers.tolist() if first <= p < first + size], np.int64)


def test_pixels_are_counted_through_the_scenes_in_order() -> None:
    scenes, known = three()
    assert scenes.names == NAMES
    assert (scenes.name, scenes.bands) == ("north.npy, south.npy, west.npy", 5)
    assert starts(known.shapes) == [0, 168, 357, 517]
    flat = [value for n in range(3) for row in labels(n).array.tolist() for value in row]
    assert known.array.tolist() == flat
    assert known.class_ids == (2, 7)
    assert known.counts() == {i: flat.count(i) for i in (2, 7)}
    assert known.class_names == {2: "class 2", 7: "class 7"}
    polygons = known.polygons
    assert polygons is not None
    for numbers in (known.fields, polygons):  # four a scene, none in two scenes
        there = [
            set(np.unique(part)) - {0} for part in np.split(numbers, starts(known.shapes)[1:-1])
        ]
        assert [len(part) for part in there] == [4, 4, 4]
        assert len(set.union(*there)) == 12


@settings(max_examples=50, deadline=None)
@given(pixels=st.lists(st.integers(0, 516), unique=True, max_size=60))
def test_every_pixel_lies_in_one_scene(pixels: list[int]) -> None:
    numbers = np.array(pixels, np.int64)
    found = list(scene_by_scene(SHAPES, numbers))
    assert sorted(np.concatenate([there for _, there, _ in found])) == list(range(len(pixels)))
    for n, (shape, there, here) in enumerate(found):
        assert shape == SHAPES[n]
        np.testing.assert_array_equal(here, part_of(numbers, n))
        np.testing.assert_array_equal(numbers[there] - numbers[there][:1] + here[:1], here)


@pytest.mark.parametrize(("method", "parameters"), SPLITS)
@pytest.mark.parametrize("guard", [0, 2])
def test_a_split_works_over_the_scenes_together(
    method: str, parameters: dict[str, float], guard: int
) -> None:
    _, known = three()
    drawn = sl.split(known, method, seed=3, guard=guard, **parameters)  # type: ignore[arg-type]
    everything = np.concatenate([drawn.train, drawn.validation, drawn.test])
    assert len(np.unique(everything)) == len(everything)
    assert (known.array[everything] > 0).all()
    assert len(everything) + drawn.dropped == (known.array > 0).sum()
    for n, (rows, cols) in enumerate(SHAPES):  # the guard holds within a scene, and only there
        train, test = (
            np.stack(np.unravel_index(part_of(p, n), (rows, cols)), 1)
            for p in (drawn.train, drawn.test)
        )
        if len(train) and len(test):
            apart = np.abs(train[:, None] - test[None]).max(2)
            assert apart.min() > guard
    if method == "scenes":
        assert drawn.dropped == 0


def test_distances_and_position_never_cross_scenes() -> None:
    _, known = three()
    drawn = sl.split(known, "scenes", test="south+west")
    found = drawn.leakage(5)
    assert (found.overlap, found.clean) == (0, True)
    assert np.isnan(found.median_distance)
    assert sum(found.distance_counts[:-1]) == 0
    commonest = max((2, 7), key=lambda i: (known.array[drawn.train] == i).sum())
    assert found.position == found.majority == (known.array[drawn.test] == commonest).mean()


def test_leakage_of_a_random_split_is_that_of_the_scenes_alone() -> None:
    """Each scene alone, its shares weighted by test pixels."""
    _, known = three()
    drawn = sl.split(known, "random", train=0.05, seed=2)
    found, right, inside = drawn.leakage(5), 0.0, 0.0
    for n in range(3):
        train, test = part_of(drawn.train, n), part_of(drawn.test, n)
        alone = sl.Split(labels(n), train, train[:0], test, "given").leakage(5)
        right, inside = right + alone.position * len(test), inside + alone.overlap * len(test)
    assert found.position == pytest.approx(right / len(drawn.test))
    assert found.overlap == pytest.approx(inside / len(drawn.test))


def test_the_split_scenes_keeps_scenes_whole() -> None:
    _, known = three()
    drawn = sl.split(known, "scenes", test="west")
    assert drawn.text == "scenes,test=west,seed=0"
    assert parse_split("scenes,test=2024") == ("scenes", {"test": "2024"})
    assert len(part_of(drawn.train, 2)) == len(part_of(drawn.test, 0)) == 0
    assert len(part_of(drawn.test, 1)) == 0
    assert len(part_of(drawn.test, 2)) == (labels(2).array > 0).sum()
    again = sl.split(known, "scenes", train=0.7, validation=0.5, seed=5)
    for part in (again.train, again.validation, again.test):  # a scene each
        assert sum(len(part_of(part, n)) > 0 for n in range(3)) == 1
    seeds = {tuple(sl.split(known, "scenes", train=0.7, seed=s).test[:1]) for s in range(9)}
    assert len(seeds) == 1  # of 64 draws the one nearest to the share: here always the same


def refused(
    message: str, error: type[Exception], scenes: list[sl.Scene], maps: list[sl.Labels]
) -> None:
    with pytest.raises(error) as caught:
        sl.several(scenes, maps)
    assert str(caught.value) == message


def test_scenes_that_do_not_go_together() -> None:
    one, other = scene(0), scene(1)
    maps = [labels(0), labels(1)]
    refused(
        "several: wanted labels for each of 2 scenes, in their order, got 1",
        LabelsError,
        [one, other],
        maps[:1],
    )
    refused("several: wanted two scenes or more, got 1", SceneError, [one], maps[:1])
    refused(
        "north.npy: given twice; give each scene once, for its pixels would train and test",
        SceneError,
        [one, sl.Scene(one.cube.copy(), name="north.npy")],
        maps,
    )
    refused(
        "a/x.npy and b/x.npy: both are called x; rename one",
        SceneError,
        [
            sl.Scene(one.cube, "x.npy", source={"file": "a/x.npy"}),
            sl.Scene(other.cube, "x.npy", source={"file": "b/x.npy"}),
        ],
        maps,
    )
    refused(
        "south.npy: 6 bands, but north.npy has 5; leave bands out until both have the same",
        SceneError,
        [one, scene(1, 6)],
        maps,
    )
    refused(
        "south.npy: band 3, from 0, has its centre at 731.5 nm, but at 700 nm in north.npy, "
        "and so 2 of 5 bands are more than 1 nm apart; train on scenes of one sensor",
        SceneError,
        [
            scene(0, wavelengths_nm=(400.0, 500.0, 600.0, 700.0, 800.0)),
            scene(1, wavelengths_nm=(400.5, 500.0, 600.0, 731.5, 803.0)),
        ],
        maps,
    )
    refused(
        "south.npy: the scale factor of its file was applied to it or to north.npy, not to both",
        SceneError,
        [one, scene(1, source={"scale": "true"})],
        maps,
    )
    refused(
        "south_gt.npy: wanted 12 rows and 14 columns as in north.npy, got 9 and 21",
        LabelsError,
        [one, other],
        [labels(1), labels(1)],
    )


def test_classes_that_do_not_go_together() -> None:
    scenes = [scene(0), scene(1)]
    refused(
        "south_gt.npy (of south): class 7 is 'rye', but 'oats' in north_gt.npy (of north); "
        "give one class one id and one name in all label files",
        LabelsError,
        scenes,
        [labels(0, {2: "wheat", 7: "oats"}), labels(1, {2: "wheat", 7: "rye"})],
    )
    refused(
        "south_gt.npy (of south): 'oats' is class 9, but class 7 in north_gt.npy (of north); "
        "give one class one id and one name in all label files",
        LabelsError,
        scenes,
        [labels(0, {2: "wheat", 7: "oats"}), labels(1, {2: "wheat", 7: "oats", 9: "oats"})],
    )


def test_a_class_of_one_scene_is_a_class_of_all() -> None:
    more = labels(1).array.copy()
    more[0, 0] = 9
    _, known = sl.several([scene(0), scene(1)], [labels(0), sl.Labels(more, {9: "reed"})])
    assert known.class_ids == (2, 7, 9)
    assert known.class_names == {2: "class 2", 7: "class 7", 9: "reed"}
    assert len(set(known.class_colours.values())) == 3
    assert known.polygons is None


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        (
            "scenes",
            {"test": "east"},
            "scenes: test=east: no scene east; wanted north, south, west, "
            'or several of them joined by "+"',
        ),
        (
            "scenes",
            {"test": "north+south+west"},
            "scenes: test=north+south+west: names every scene; leave one to train on",
        ),
        (
            "scenes",
            {"test": "north", "train": 0.5},
            "scenes: test= goes with scenes, and in place of train=",
        ),
        ("random", {"test": "north"}, "random: test= goes with scenes, and in place of train="),
        (
            "scenes",
            {"test": "north+west", "validation": 0.5},
            "scenes,test=north+west,seed=0,validation=0.5: no validation pixel is left; one scene "
            "alone trains; give more scenes, or test fewer",
        ),
        (
            "given",
            {"train": "a", "test": "b"},
            "given: goes with one scene; of several name those to test: scenes,test=NAME",
        ),
    ],
)
def test_splits_that_cannot_be(method: str, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(SplitError) as caught:
        sl.split(three()[1], method, **parameters)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_one_scene_has_no_split_by_scenes() -> None:
    with pytest.raises(SplitError) as caught:
        sl.split(labels(0), "scenes")
    assert str(caught.value) == (
        "scenes: keeps scenes whole and wants two or more, got north_gt.npy alone; give --scene "
        "and --labels again for each, or take blocks, fields or polygons"
    )


def test_the_hash_of_a_scene_in_its_file_is_that_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).normal(size=(9, 7, 4))
    monkeypatch.setattr("spectrolite.data.scene.HASHED_BYTES", 500)  # strips of two rows
    for name, bad in (("whole.npy", False), ("gaps.npy", True)):
        if bad:
            values[3, 4] = np.nan
        np.save(tmp_path / name, values)
        assert sl.open_scene(tmp_path / name).sha256 == sl.read_scene(tmp_path / name).sha256


def test_the_same_numbers_under_another_name_are_the_same_scene() -> None:
    one = scene(0)
    other = sl.Scene(one.cube, name="copy.npy", source={"file": "copy.npy"})
    with pytest.raises(SceneError, match=r"^copy\.npy: given twice; give each scene once"):
        sl.several([one, other], [labels(0), labels(0)])


def test_labels_of_one_scene_are_no_set() -> None:
    with pytest.raises(LabelsError, match=r"two scenes or more and as many names, got 1 and 1$"):
        sl.LabelSet((labels(0),), ("north",))
    with pytest.raises(LabelsError, match=r"two scenes or more and as many names, got 2 and 1$"):
        sl.LabelSet((labels(0), labels(1)), ("north",))


def test_a_class_that_one_file_has_no_name_for_has_that_of_another() -> None:
    _, known = sl.several(
        [scene(n) for n in range(3)], [labels(0), labels(1, {2: "corn"}), labels(2, {7: "oats"})]
    )
    assert known.class_names == {2: "corn", 7: "oats"}


def test_a_scene_may_have_a_plus_in_its_name() -> None:
    scenes = [sl.Scene(scene(n).cube, name=f"{name}.npy") for n, name in enumerate(("a+b", "c"))]
    _, known = sl.several(scenes, [labels(0), labels(1)])
    drawn = sl.split(known, "scenes", test="a+b")
    assert drawn.test.max() < 168 <= drawn.train.min()
