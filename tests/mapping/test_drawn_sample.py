"""Points drawn from a map: how many of each class, where, and what their file tells.

References: the worked example of Olofsson et al. 2014 (section 5.1); the variance of a stratified
sample summed in a loop; largest remainders written out; the map as rasterio reads it; GDAL's own
reading of the files.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.warp
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyogrio import raw

import spectrolite as sl
from spectrolite.data.lookup import LookupTable
from spectrolite.errors import RunError, SettingsError
from spectrolite.mapping.allocation import allocated, expected_error, shares, size_for
from spectrolite.mapping.drawn_sample import drawn
from spectrolite.mapping.map_rows import no_georeference_allowed
from written_labels import PLACE, geotiff

PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])
EXPECTED = np.array([0.7, 0.6, 0.9, 0.95])
IDS = np.array([1, 2, 5, 9], np.uint8)


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 x 70 pixels, so that it is read in three parts, with a corner without data."""
    classes = seeded(3).choice(IDS, (600, 70), p=[0.01, 0.09, 0.3, 0.6])
    classes[:100, :30] = 0
    tags = {"CLASS_1": "Water", "CLASS_2": "Oats & rye", "CLASS_5": "<Woods>"}
    file = tmp_path_factory.mktemp("maps") / "map.tif"
    return geotiff(file, classes, nodata=0, tags=tags)


def array_of(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as file:
        return np.asarray(file.read(1))


# how many points


def test_the_papers_sample_size() -> None:
    """Section 5.1: a standard error of 0.01 takes 641 points; shares by hand."""
    optimal = shares("optimal", PIXELS, EXPECTED)
    assert size_for(0.01, optimal, PIXELS, EXPECTED) == 641
    proportional = shares("proportional", PIXELS, EXPECTED)
    names = list("abcd")
    assert allocated(641, proportional, PIXELS, 2, names).tolist() == [13, 10, 205, 413]
    equal = allocated(640, shares("equal", PIXELS, EXPECTED), PIXELS, 2, names)
    assert equal.tolist() == [160] * 4
    np.testing.assert_allclose(np.sqrt(EXPECTED * (1 - EXPECTED)), [0.458, 0.49, 0.3, 0.218], 2e-3)


def variance_in_a_loop(points: Any, pixels: Any, accuracy: Any) -> float:
    total = 0.0
    for n, size, u in zip(points, pixels, accuracy, strict=True):
        if n:
            total += (size / sum(pixels)) ** 2 * u * (1 - u) / n * (1 - n / size)
    return total


SOME = st.lists(st.tuples(st.integers(500, 9_000), st.floats(0.5, 0.99)), min_size=2, max_size=6)


@settings(max_examples=30)
@given(SOME, st.sampled_from(["proportional", "equal", "optimal"]))
def test_a_size_is_the_smallest_that_reaches_its_error(
    classes: list[tuple[int, float]], allocation: str
) -> None:
    """With fractions of points, whose variance is summed in a loop."""
    pixels, accuracy = np.array([c[0] for c in classes]), np.array([c[1] for c in classes])
    share = shares(allocation, pixels, accuracy)
    size = size_for(0.02, share, pixels, accuracy)
    assert variance_in_a_loop(share * size, pixels, accuracy) <= 0.02**2 * (1 + 1e-9)
    assert variance_in_a_loop(share * (size - 1), pixels, accuracy) > 0.02**2
    points = allocated(min(size, int(pixels.sum())), share, pixels, 2, [""] * len(pixels))
    np.testing.assert_allclose(
        expected_error(points, pixels, accuracy) ** 2, variance_in_a_loop(points, pixels, accuracy)
    )
    single = size_for(0.02, None, pixels, accuracy)
    right = float(accuracy @ pixels / pixels.sum())
    assert variance_in_a_loop([single], [pixels.sum()], [right]) <= 0.02**2 * (1 + 1e-9)
    assert variance_in_a_loop([single - 1], [pixels.sum()], [right]) > 0.02**2


@settings(max_examples=30)
@given(SOME, st.integers(60, 400))
def test_shares_become_whole_points_by_largest_remainder(
    classes: list[tuple[int, float]], count: int
) -> None:
    pixels, accuracy = np.array([c[0] for c in classes]), np.array([c[1] for c in classes])
    weights = [n * (u * (1 - u)) ** 0.5 for n, u in classes]
    exact = [count * w / sum(weights) for w in weights]
    share = shares("optimal", pixels, accuracy)
    made = allocated(count, share, pixels, 2, [""] * len(classes))
    assert made.sum() == count
    assert (made >= 2).all()
    if min(exact) >= 2:
        assert all(abs(n - e) < 1 for n, e in zip(made, exact, strict=True))
        up = [e - int(e) for n, e in zip(made, exact, strict=True) if n > int(e)]
        down = [e - int(e) for n, e in zip(made, exact, strict=True) if n == int(e)]
        assert min(up, default=1) >= max(down, default=0) - 1e-6


def test_a_least_number_of_points_takes_none_of_the_precision(path: Path) -> None:
    opened = sl.open_map(path)
    plan = {"standard_error": 0.02, "expected_accuracy": {1: 0.6, 9: 0.9}}
    plain = drawn(opened, seeded(), "by-map-class", **plan)  # type: ignore[arg-type]
    made = drawn(opened, seeded(), "by-map-class", minimum=80, **plan)  # type: ignore[arg-type]
    assert made.points[1] == 80 > plain.points[1]
    for one in (plain, made):
        assert 0.0198 < one.expected_error <= 0.02
    assert repr(plain).splitlines() == [
        f"DrawnSample by-map-class proportional, {len(plain)} points on {path}",
        "  " + ", ".join(f"{i} {opened.head.class_names[i]} {n}" for i, n in plain.points.items()),
    ]


def test_small_classes_get_their_least_and_large_ones_share_the_rest() -> None:
    pixels = np.array([3, 1000, 9000])
    share = shares("proportional", pixels, np.full(3, 0.8))
    assert allocated(100, share, pixels, 20, list("abc")).tolist() == [3, 20, 77]
    assert allocated(8000, np.full(3, 1 / 3), pixels, 2, list("abc")).tolist() == [3, 1000, 6997]


# where


def test_points_beyond_the_shares_go_to_the_others_in_turn() -> None:
    """One by one, as written out here; a million in a moment."""
    share, available = np.array([0.0, 1, 0, 0]), np.array([40, 6, 9, 2])
    for count in range(8, 58):
        points = [2, min(count - 6, 6), 2, 2]
        while sum(points) < count:
            for n in range(4):
                points[n] += sum(points) < count and points[n] < available[n]
        assert allocated(count, share, available, 2, list("abcd")).tolist() == points
    start = time.perf_counter()
    many = allocated(10**6, np.array([1.0, 0]), np.array([10**5, 10**7]), 2, ["a", "b"])
    assert many.tolist() == [10**5, 9 * 10**5]
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("design", ["simple", "by-map-class"])
def test_every_point_is_the_centre_of_a_pixel_of_its_class(path: Path, design: str) -> None:
    classes = array_of(path)
    made = drawn(sl.open_map(path), seeded(), design, points=200)
    assert len(made) == len({*zip(made.rows, made.cols, strict=True)}) == 200
    np.testing.assert_array_equal(made.classes, classes[made.rows, made.cols])
    assert (made.classes > 0).all()
    counted = {int(i): int((made.classes == i).sum()) for i in IDS}
    assert made.points == counted
    if design == "by-map-class":
        pixels = np.array([(classes == i).sum() for i in IDS])
        assert (
            list(counted.values())
            == allocated(200, pixels / pixels.sum(), pixels, 2, list("abcd")).tolist()
        )
    with rasterio.open(path) as file:
        x, y = file.xy(made.rows, made.cols)
    places = made.coordinates()
    assert places is not None
    np.testing.assert_allclose(places, np.column_stack([x, y]))
    assert (np.diff(made.rows) < 0).any()  # in random order
    assert (np.diff(made.classes) < 0).any()


@pytest.mark.parametrize("design", ["simple", "by-map-class"])
def test_every_pixel_of_a_class_has_the_same_chance(tmp_path: Path, design: str) -> None:
    """120 draws of 10 of 40 pixels; five standard deviations of a binomial."""
    classes = np.array([[1] * 20 + [2] * 20 + [0] * 5], np.uint8)
    opened = sl.open_map(geotiff(tmp_path / "m.tif", classes, nodata=0))
    generator, times = seeded(), np.zeros(45)
    for _ in range(120):
        times[drawn(opened, generator, design, points=10).cols] += 1
    assert times[40:].sum() == 0
    assert np.abs(times[:40] - 30).max() < 5 * (120 * 0.25 * 0.75) ** 0.5
    halves = times[:20].sum(), times[20:40].sum()
    assert (halves == (600, 600)) == (design == "by-map-class")


def test_pixels_that_trained_a_run_are_never_drawn(tiny_run: sl.Run, tmp_path: Path) -> None:
    opened = sl.open_map(tiny_run.path / "map.tif")
    seen = tiny_run.split(tiny_run.data()[1]).seen
    left = 28 * 30 - len(seen)
    made = drawn(opened, seeded(), "simple", points=left, run=tiny_run)
    assert {*(made.rows * 30 + made.cols).tolist()} == {*range(28 * 30)} - {*seen.tolist()}
    assert made.notes[0] == (
        f"{len(seen):,} pixels ({len(seen) / 840:.1%} of the map) trained or validated "
        f"{tiny_run.path} and are never drawn; the estimates take them to be like the rest of "
        "their class"
    )
    made = drawn(opened, seeded(), "by-map-class", points=60, allocation="equal", run=tiny_run.path)
    assert not {*(made.rows * 30 + made.cols).tolist()} & {*seen.tolist()}
    assert list(made.points.values()) == [20, 20, 20]
    with pytest.raises(SettingsError) as caught:
        drawn(opened, seeded(), "simple", points=left + 1, run=tiny_run)
    assert str(caught.value) == (
        f"--points: wanted at most {left}, the pixels that can be drawn, got {left + 1}"
    )
    other = sl.open_map(geotiff(tmp_path / "m.tif", np.ones((4, 5), np.uint8), nodata=0))
    with pytest.raises(RunError, match=r"has 28 x 30 pixels, the map 4 x 5; the run was trained"):
        drawn(other, seeded(), "simple", points=2, run=tiny_run)


def test_pixels_of_a_grid_that_show_a_seen_pixel_of_the_sensor_are_not_drawn(
    tiny_run: sl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grid that shows the swath twice, side by side."""
    scene, labels = tiny_run.data()
    pixels = np.tile(np.arange(840, dtype=np.int32).reshape(28, 30), 2)
    table = LookupTable(pixels, (28, 30), PLACE, "EPSG:32632")
    swath = replace(scene, lookup=table)
    monkeypatch.setattr(type(tiny_run), "data", lambda _: (swath, labels))
    seen = tiny_run.split(labels).seen
    opened = sl.open_map(geotiff(tmp_path / "m.tif", np.ones((28, 60), np.uint8), nodata=0))
    made = drawn(opened, seeded(), "simple", points=2 * (840 - len(seen)), run=tiny_run)
    sensed = pixels[made.rows, made.cols]
    assert not {*sensed.tolist()} & {*seen.tolist()}
    assert (np.unique(sensed, return_counts=True)[1] == 2).all()


# files


ENDINGS = (".gpkg", ".geojson", ".csv")


def written(path: Path, out: Path, seed: int = 0, **settings: Any) -> sl.DrawnSample:
    how = {"design": "by-map-class", "points": 40, **settings}
    return sl.sample(path, out=out, generator=seeded(seed), **how)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_seed_gives_the_same_bytes(path: Path, tmp_path: Path, ending: str) -> None:
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        written(path, tmp_path / folder / f"p{ending}", seed, points=10)
    for name in (f"p{ending}", "p.html"):
        first, again, other = ((tmp_path / f / name).read_bytes() for f in "abc")
        assert first == again
        assert first != other
        assert {p.name for p in (tmp_path / "a").iterdir()} == {f"p{ending}", "p.html"}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_files_hold_the_points_and_tell_no_class(
    path: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"p{ending}"
    made = written(path, out)
    wanted = made.coordinates()
    assert wanted is not None
    if ending == ".csv":
        rows = list(csv.DictReader(out.read_text().splitlines()))
        assert list(rows[0]) == ["point", "x", "y", "truth"]
        assert {row["truth"] for row in rows} == {""}
        assert [int(row["point"]) for row in rows] == list(range(1, 41))
        places = np.array([(float(row["x"]), float(row["y"])) for row in rows])
    else:
        meta, _, shapes, (numbers, truth) = raw.read(out)
        assert list(meta["fields"]) == ["point", "truth"]
        assert numbers.tolist() == list(range(1, 41))
        assert set(truth) == {None}
        places = shapely.get_coordinates(shapely.from_wkb(shapes))
        if ending == ".geojson":
            assert meta["crs"] == "EPSG:4326"
            places = np.column_stack(rasterio.warp.transform("EPSG:4326", "EPSG:32632", *places.T))
        else:
            assert meta["crs"] == "EPSG:32632"
    np.testing.assert_allclose(places, wanted, atol=1e-3)
    assert b"Woods" not in out.read_bytes()
    written(path, tmp_path / f"q{ending}", show_class=True)
    assert b"Woods" in (tmp_path / f"q{ending}").read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_sample_filled_in_gives_the_areas(path: Path, tmp_path: Path, ending: str) -> None:
    """Points that say what the map says: no error anywhere, and areas as they are counted."""
    out = tmp_path / f"p{ending}"
    made = written(path, out)
    ids = [str(i) for i in made.classes]
    if ending == ".csv":
        lines = out.read_text().splitlines()
        text = [lines[0], *(f"{line}{i}" for line, i in zip(lines[1:], ids, strict=True))]
        out.write_text("\n".join(text))
    elif ending == ".geojson":
        content = json.loads(out.read_text())
        for feature, i in zip(content["features"], ids, strict=True):
            feature["properties"]["truth"] = i
        out.write_text(json.dumps(content))
    else:
        meta, _, shapes, (numbers, _) = raw.read(out)
        out.unlink()
        raw.write(
            out, shapes, [numbers, np.array(ids, object)], ["point", "truth"], crs=meta["crs"],
            geometry_type="Point", driver="GPKG",
        )  # fmt: skip
    measured = sl.areas(path, sample=out, design="by-map-class", class_field="truth")
    assert measured.overall is not None
    assert (measured.overall.value, measured.overall.error) == (1, 0)
    assert measured.adjusted is not None
    total = sum(measured.pixels.values())
    for number, one in measured.adjusted.items():
        assert one.share == pytest.approx(measured.pixels[number] / total)


def test_a_map_whose_pixels_are_on_a_line(tmp_path: Path) -> None:
    line = rasterio.Affine(0, 0, 5, 0, 0, 5)
    path = geotiff(tmp_path / "m.tif", IDS[:, None], transform=line, nodata=0)
    with pytest.raises(SettingsError) as caught:
        written(path, tmp_path / "p.csv", points=4)
    assert str(caught.value) == (
        f"{path}: the map's transform puts all pixels on a line, so its points have no places; "
        "georeference the map again"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["m.tif"]


def test_a_map_without_coordinates(tmp_path: Path) -> None:
    classes = np.repeat(IDS, 25).reshape(10, 10)
    with no_georeference_allowed():
        path = geotiff(tmp_path / "m.tif", classes, crs=None, transform=None, nodata=0)
    made = written(path, tmp_path / "p.csv", points=20)
    rows = list(csv.reader((tmp_path / "p.csv").read_text().splitlines()))
    assert rows[0] == ["point", "row", "col", "truth"]
    assert [row[1:3] for row in rows[1:]] == [
        [str(r), str(c)] for r, c in zip(made.rows, made.cols, strict=True)
    ]
    with pytest.raises(SettingsError) as caught:
        written(path, tmp_path / "q.gpkg", points=20)
    assert str(caught.value) == "--out: m.tif has no coordinates; take a .csv"
    geotiff(path, classes, crs=None, transform=rasterio.Affine(*PLACE), nodata=0)
    with pytest.raises(SettingsError) as caught:
        written(path, tmp_path / "q.geojson", points=20)
    assert str(caught.value) == "--out: m.tif has no reference system; take a .csv"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"points": None}, "give one of --points and --standard-error: how many points to draw"),
    (
        {"standard_error": 0.1},
        "give one of --points and --standard-error: how many points to draw",
    ),
    (
        {"design": "random"},
        "--design: wanted simple or by-map-class, how the points of --sample were drawn, got "
        "random",
    ),
    (
        {"design": "simple", "allocation": "equal"},
        "--allocation and --minimum: go with --design by-map-class; a simple sample falls where "
        "it falls",
    ),
    ({"minimum": 1}, "--minimum: wanted 2 or more, which the intervals need, got 1"),
    (
        {"allocation": "equals"},
        "--allocation: wanted one of proportional, equal, optimal, got 'equals'; did you mean "
        "equal?",
    ),
    (
        {"points": 7},
        "--points: wanted at least 8, 2 in each of 4 classes (--minimum), got 7",
    ),
    (
        {"points": 10**6},
        "--points: wanted at most 39,000, the pixels that can be drawn, got 1,000,000",
    ),
    ({"points": 0}, "--points: wanted 1 or more, got 0"),
    (
        {"points": None, "standard_error": 1.0},
        "--standard-error: wanted a share above 0 and below 0.5, such as 0.01 for one percentage "
        "point, got 1",
    ),
    ({"expected_accuracy": 80}, "--expected-accuracy: wanted shares from 0 to 1, got 80"),
    (
        {"expected_accuracy": {"Wood": 0.8}},
        "--expected-accuracy: wanted a class of the map, by id or name, got 'Wood'; it has "
        "1 Water, 2 Oats & rye, 5 <Woods>, 9 class 9",
    ),
    (
        {"expected_accuracy": 1, "allocation": "optimal"},
        "--expected-accuracy: with 1 or 0 in every class nothing is to be estimated; wanted a "
        "number between for one class at least",
    ),
    (
        {"expected_accuracy": 1, "standard_error": 0.02, "points": None, "design": "simple"},
        "--expected-accuracy: with 1 or 0 in every class nothing is to be estimated; wanted a "
        "number between for one class at least",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_bad_settings(path: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        written(path, tmp_path / "p.csv", **changes)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_the_command_line(
    typed: Callable[..., tuple[int, str, str]], path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.geojson"
    words = ("sample", path, "--design", "by-map-class", "--out", out)
    plan = ("--standard-error", 0.03, "--allocation", "optimal", "--expected-accuracy")
    code, shown, _ = typed(*words, *plan, "Water=0.5,9=0.95")
    assert code == 0
    assert "Points drawn (by-map-class, optimal)" in shown
    printed = json.loads(typed(*words, *plan, "Water=0.5,9=0.95", "--overwrite", "--json")[1])
    assert printed["expected_accuracy"] == {"1": 0.5, "2": 0.8, "5": 0.8, "9": 0.95}
    assert sum(printed["points"].values()) == len(json.loads(out.read_text())["features"])
    assert printed["expected_standard_error"] == pytest.approx(0.03, rel=0.02)
    code, _, error = typed(*words, "--points", 20)
    assert (code, error) == (
        2, f"error: {out} exists; take another --out, or replace it with --overwrite"
    )  # fmt: skip
    code, _, error = typed(*words, "--points", 20, "--expected-accuracy", "Water=much")
    assert (code, error) == (
        2, "error: --expected-accuracy: wanted a number, or CLASS=NUMBER with commas between, got "
        "Water=much",
    )  # fmt: skip
    code, _, error = typed("sample", path, "--design", "simple", "--points", 5, "--out", "p.shp")
    assert (code, error) == (2, "error: --out: wanted one of .gpkg, .geojson, .csv, got p.shp")
    code, _, error = typed("areas", path, "--sample", out, "--class-field", "truth", "--design",
                           "by-map-class")  # fmt: skip
    assert (code, error) == (
        2, f"error: {out}: none of its {sum(printed['points'].values())} points has a class yet in "
        "truth, first in feature 1; fill in the true classes",
    )  # fmt: skip


def test_a_class_too_small_for_its_points_is_said(tmp_path: Path) -> None:
    classes = np.array([[1] * 40 + [2] * 40 + [5]], np.uint8)
    opened = sl.open_map(geotiff(tmp_path / "m.tif", classes, nodata=0))
    made = drawn(opened, seeded(), "by-map-class", points=21, allocation="equal")
    assert made.points == {1: 10, 2: 10, 5: 1}
    assert made.notes == (
        "not checked: whether points are on pixels that trained the map; give --run if it is by "
        "this program",
    )
    made = drawn(opened, seeded(), "simple", points=3)
    few = [
        f"{i} class {i} ({n} of {size} pixels)"
        for (i, n), size in zip(made.points.items(), (40, 40, 1), strict=True)
        if n < min(2, size)
    ]
    assert made.notes[-1] == (
        f"fewer than 2 points in: {', '.join(few)}, as chance has it: draw more, or take --design "
        "by-map-class; areas counts them with other classes only with --merge-small"
    )
    made = drawn(opened, seeded(), "by-map-class", points=20, allocation="optimal")
    assert made.notes[-1] == (
        "every class has the same expected accuracy, so the optimal allocation is the proportional "
        "one; give each class its own with --expected-accuracy 1=0.7,2=0.9"
    )
