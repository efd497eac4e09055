"""Areas and accuracies of classes, and what a sample of reference points makes of them.

Independent references: the worked examples of Olofsson et al. 2014 (table 8 and section 5), with
the map along the rows there and along the columns here, and of Stehman 2014 (table 2); the
estimators as sums over strata written out in loops; a simulation that draws samples from a known
truth; areas of pixels by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.warp
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio import warp

import spectrolite as sl
from spectrolite.errors import LabelsError, ReadError, RunError, SettingsError
from spectrolite.mapping.area_estimates import accuracies, adjusted, ratio_of_means
from spectrolite.mapping.geotiff import geotiff_bytes
from spectrolite.mapping.map_file import MapHead
from spectrolite.mapping.pixel_areas import pixel_area_m2, row_areas_m2
from spectrolite.readers.labels.reference_points import read_sample
from written_labels import vector

PAPER = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])  # map by truth
PAPER_PIXELS = [200_000, 150_000, 3_200_000, 6_450_000]  # 10^7 times the weights
PAPER_NAMES = {1: "Deforestation", 2: "Forest gain", 3: "Stable forest", 4: "Stable non-forest"}
PAPER_USERS = ["0.88 ± 0.07", "0.73 ± 0.10", "0.93 ± 0.04", "0.96 ± 0.02"]
PAPER_PRODUCERS = ["0.75 ± 0.21", "0.85 ± 0.25", "0.93 ± 0.03", "0.96 ± 0.02"]
PAPER_HA = [(21_158, 6_158), (11_686, 3_756), (285_770, 15_510), (581_386, 16_282)]
TRANSFORM = (30.0, 0.0, 500_000.0, 0.0, -30.0, 5_400_000.0)


def _map(
    path: Path,
    classes: NDArray[Any],
    crs: str | None = "EPSG:32633",
    transform: tuple[float, ...] | None = TRANSFORM,
    names: dict[int, str] | None = None,
) -> Path:
    names = names or {1: "water", 4: "land"}
    rows, cols = classes.shape
    wkt = rasterio.crs.CRS.from_user_input(crs).to_wkt() if crs else None
    head = MapHead((rows, cols), names, dict.fromkeys(names, (1, 2, 3)), wkt, transform)
    path.write_bytes(geotiff_bytes(head, "class", classes.astype(np.uint8)))
    return path


# the estimator


def test_the_papers_example() -> None:
    """21,158 ± 6,158 ha and so on: exactly the printed numbers."""
    estimates = adjusted(PAPER.T, PAPER_PIXELS, [[0], [1], [2], [3]], 1e7 * 900 / 1e4)
    assert [(round(e.ha or 0), round(e.ha_error or 0)) for e in estimates] == PAPER_HA
    assert sum(e.share for e in estimates) == pytest.approx(1)


def test_the_papers_accuracies() -> None:
    """Equations 1 to 8 for table 8; written out in sums below."""
    made = accuracies(PAPER.T, PAPER_PIXELS, [[0], [1], [2], [3]])

    def shown(share: Any) -> str:
        return f"{share.value:.2f} ± {share.error:.2f}"

    assert shown(made.overall) == "0.95 ± 0.02"
    assert list(map(shown, made.users)) == PAPER_USERS
    assert list(map(shown, made.producers)) == PAPER_PRODUCERS


def test_strata_that_are_no_classes() -> None:
    """The example of Stehman 2014: 40 points in four strata, and a map with other classes."""

    def ids(classes: str) -> NDArray[np.int64]:
        return np.array(["ABCD".index(c) for c in classes])

    strata = ids("A" * 10 + "B" * 10 + "C" * 10 + "D" * 10)
    mapped = ids("A" * 7 + "B" * 3 + "A" + "B" * 11 + "C" * 6 + "BB" + "D" * 10)
    truth = ids("AAAAACBABCABBBBBAABBCCCCCDDBBADDDDDDDCCB")
    every, right = np.ones(40, bool), mapped == truth
    for y, x, value, standard_error in (
        (right, every, 0.63, 0.085),
        (truth == 0, every, 0.35, 0.082),
        (truth == 2, every, 0.20, 0.064),
        (right & (mapped == 1), mapped == 1, 0.574, 0.125),
        (right & (truth == 1), truth == 1, 0.794, 0.117),
    ):
        share = ratio_of_means(y, x, strata, np.array([40_000, 30_000, 20_000, 10_000]))
        assert share is not None
        assert round(share.value, 3) == value
        assert round(share.error / 1.96, 3) == standard_error


def test_the_papers_example_from_files(tmp_path: Path) -> None:
    """A map a hundredth of the paper's with pixels of 300 m, and its 640 points in a CSV."""
    classes = np.repeat([1, 2, 3, 4], [n // 100 for n in PAPER_PIXELS]).reshape(250, 400)
    path = _map(
        tmp_path / "map.tif",
        classes,
        transform=(300.0, 0.0, 5e5, 0.0, -300.0, 5e6),
        names=PAPER_NAMES,
    )
    lines = ["comment,row,class,col"]
    for stratum, counts in enumerate(PAPER, start=1):
        places = iter(np.argwhere(classes == stratum).tolist())
        for truth, n in enumerate(counts, start=1):
            for _ in range(n):
                row, col = next(places)
                lines.append(f"x,{row},{truth if n % 2 else PAPER_NAMES[truth]},{col}")
    (tmp_path / "s.csv").write_text("\n".join(lines) + "\n")
    made = sl.areas(path, sample=tmp_path / "s.csv", design="by-map-class")
    assert made.adjusted is not None
    assert [(round(e.ha or 0), round(e.ha_error or 0)) for e in made.adjusted.values()] == PAPER_HA
    assert made.counts == tuple(map(tuple, PAPER.T.tolist()))
    assert made.mapped_ha == {1: 18_000, 2: 13_500, 3: 288_000, 4: 580_500}
    assert made.notes == (
        "not checked: whether points of the sample trained the model; give --run",
    )
    assert made.overall is not None
    assert f"{made.overall.value:.2f} ± {made.overall.error:.2f}" == "0.95 ± 0.02"
    assert made.users is not None
    assert [f"{u.value:.2f} ± {u.error:.2f}" for u in made.users.values() if u] == PAPER_USERS


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3),
    st.lists(st.integers(31, 1000), min_size=3, max_size=3),
)
def test_the_accuracies_written_out(table: list[list[int]], pixels: list[int]) -> None:
    """Equations 1 to 3 and 5 to 7 of the paper, in sums over strata."""
    n = np.array(table) + 1  # truth along the rows
    made = accuracies(n, pixels, [[0], [1], [2]])
    points, size = n.sum(0), sum(pixels)
    users = [n[i, i] / points[i] for i in range(3)]
    overall = sum(pixels[i] / size * users[i] for i in range(3))
    variance = sum(
        (pixels[i] / size) ** 2 * users[i] * (1 - users[i]) / (points[i] - 1) for i in range(3)
    )
    assert made.overall.value == pytest.approx(overall)
    assert made.overall.error == pytest.approx(1.96 * variance**0.5, abs=1e-9)
    for j in range(3):
        of_class = sum(pixels[i] * n[j, i] / points[i] for i in range(3))
        producer = pixels[j] * n[j, j] / points[j] / of_class
        variance = pixels[j] ** 2 * (1 - producer) ** 2 * users[j] * (1 - users[j])
        variance /= points[j] - 1
        for i in {0, 1, 2} - {j}:
            p = n[j, i] / points[i]
            variance += producer**2 * pixels[i] ** 2 * p * (1 - p) / (points[i] - 1)
        user, found = made.users[j], made.producers[j]
        assert user is not None
        assert found is not None
        assert user.value == pytest.approx(users[j])
        spread = (users[j] * (1 - users[j]) / (points[j] - 1)) ** 0.5
        assert user.error == pytest.approx(1.96 * spread, abs=1e-9)
        assert found.value == pytest.approx(producer)
        assert found.error == pytest.approx(1.96 * variance**0.5 / of_class, abs=1e-9)


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3),
    st.lists(st.integers(31, 1000), min_size=3, max_size=3),  # more pixels than points
)
def test_the_estimator_written_out(table: list[list[int]], pixels: list[int]) -> None:
    counts = np.array(table) + 1
    estimates = adjusted(counts, pixels, [[0], [1], [2]], None)
    for truth in range(3):
        share = variance = 0.0
        for stratum in range(3):
            n = int(counts[:, stratum].sum())
            weight = pixels[stratum] / sum(pixels)
            p = weight * counts[truth, stratum] / n
            share += p
            variance += (weight * p - p**2) / (n - 1)
        assert estimates[truth].share == pytest.approx(share)
        assert estimates[truth].share_error == pytest.approx(
            1.96 * max(variance, 0) ** 0.5, abs=1e-9
        )
        assert estimates[truth].ha is None


@pytest.mark.parametrize("design", ["simple", "by-map-class"])
def test_95_percent_intervals_hold_the_truth_in_95_percent_of_samples(design: str) -> None:
    """A thousand samples of a map in which a tenth of each class is mistaken for the other."""
    generator = np.random.default_rng(0)
    truth = generator.random(20_000) < 0.2
    mapped = np.where(generator.random(20_000) < 0.1, ~truth, truth)
    pixels = [int((~mapped).sum()), int(mapped.sum())]
    held, biased = 0, abs(mapped.mean() - truth.mean())
    shares = []
    for _ in range(1000):
        if design == "simple":
            chosen = generator.choice(20_000, 300, replace=False)
        else:
            chosen = np.concatenate(
                [
                    generator.choice(np.flatnonzero(mapped == c), 150, replace=False)
                    for c in (False, True)
                ]
            )
        counts = np.zeros((2, 2), np.int64)
        np.add.at(counts, (truth[chosen].astype(int), mapped[chosen].astype(int)), 1)
        estimate = adjusted(counts, pixels, [[0], [1]], None)[1]
        shares.append(estimate.share)
        held += abs(estimate.share - truth.mean()) <= estimate.share_error
    assert 0.925 < held / 1000 < 0.97
    assert abs(np.mean(shares) - truth.mean()) < 0.003 < biased


@pytest.mark.parametrize("design", ["simple", "by-map-class"])
def test_intervals_of_accuracies_hold_the_truth_in_95_percent_of_samples(design: str) -> None:
    """500 samples of 2,000 points of a map of a million pixels, drawn as counts."""
    generator = np.random.default_rng(1)
    cells = np.array([[700_000, 20_000, 5_000], [60_000, 130_000, 5_000], [10_000, 20_000, 50_000]])
    pixels = cells.sum(0)
    every = [np.trace(cells) / 1e6, *np.diag(cells) / pixels, *np.diag(cells) / cells.sum(1)]
    held = np.zeros(7)
    for _ in range(500):
        if design == "simple":
            counts = generator.multivariate_hypergeometric(cells.ravel(), 2000).reshape(3, 3)
        else:
            drawn = [generator.multivariate_hypergeometric(column, 667) for column in cells.T]
            counts = np.transpose(drawn)
        made = accuracies(counts, pixels.tolist(), [[0], [1], [2]])
        for n, one in enumerate((made.overall, *made.users, *made.producers)):
            assert one is not None
            held[n] += abs(one.value - every[n]) <= one.error
    assert ((held > 455) & (held < 491)).all(), held


# areas of pixels


@pytest.mark.parametrize(
    ("crs", "transform", "expected", "note"),
    [
        ("EPSG:32633", TRANSFORM, 900.0, None),
        ("EPSG:32633", (3.0, 4.0, 0.0, 4.0, -3.0, 0.0), 25.0, None),  # turned
        ("EPSG:2263", (10.0, 0.0, 0.0, 0.0, -10.0, 0.0), 100 * (1200 / 3937) ** 2, None),
        ("EPSG:3857", TRANSFORM, 900.0, "areas in a Mercator projection are too large, fourfold"),
        ("EPSG:2056", TRANSFORM, 900.0, None),  # an oblique Mercator keeps areas nearly
        (
            'LOCAL_CS["site",UNIT["metre",1]]',
            TRANSFORM,
            None,
            "no areas: the map's reference system is not projected; map a scene in a "
            "projected refe",
        ),
        (
            "EPSG:4326",
            (1e-4, 1e-5, 9.0, 0.0, -1e-4, 48.0),
            None,
            "no areas: the map is in degrees and turned",
        ),
        (
            "EPSG:4326",
            (1.0, 0.0, 9.0, 0.0, -1.0, 91.5),
            None,
            "no areas: the map's latitudes reach 91.5 degrees, beyond a pole; georeference the map "
            "again",
        ),
        (
            "EPSG:32633",
            (np.nan, 0.0, 9.0, 0.0, -1.0, 48.0),
            None,
            "no areas: the map's transform has numbers that are not finite; georeference the map "
            "again",
        ),
        (
            "EPSG:4326",
            (1.0, 2.0, 9.0, 2.0, 4.0, 48.0),
            None,
            "no areas: the map's transform puts all pixels on a line; georeference the map again",
        ),
        (None, None, None, "no areas: the map has no reference system and grid, only pixels"),
    ],
)
def test_the_area_of_a_pixel(
    tmp_path: Path, crs: str | None, transform: Any, expected: float | None, note: str | None
) -> None:
    """Metres, US survey feet, degrees, nothing."""
    classes = np.array([[0, 1, 1], [4, 4, 4]])
    made = sl.areas(_map(tmp_path / "m.tif", classes, crs, transform))
    assert made.pixels == {1: 2, 4: 3}
    if expected is None:
        assert (made.pixel_m2, made.mapped_ha) == (None, None)
    else:
        assert made.pixel_m2 == pytest.approx(expected)
        assert dict(made.mapped_ha or {}) == pytest.approx({1: expected * 2e-4, 4: expected * 3e-4})
    assert len(made.notes) == (note is not None)
    assert all(n.startswith(note or "") for n in made.notes)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4267"])  # of WGS 84, of Clarke 1866
@pytest.mark.parametrize("step", [-0.05, 0.05])
def test_areas_in_degrees_are_those_of_an_equal_area_projection(
    tmp_path: Path, crs: str, step: float
) -> None:
    """PROJ's cylinder keeps areas, and a pixel in degrees is a rectangle on it."""
    classes = np.random.default_rng(0).integers(0, 3, (300, 7)).astype(np.uint8)
    transform = (0.05, 0.0, 9.0, 0.0, step, 52.0)
    ellipsoid = "WGS84" if crs == "EPSG:4326" else "clrk66"
    degrees = f"+proj=longlat +ellps={ellipsoid} +no_defs"
    cylinder = f"+proj=cea +lon_0=9 +ellps={ellipsoid} +units=m +no_defs"
    y = 52 + step * np.arange(301)
    x, north = warp.transform(degrees, cylinder, np.full(301, 9.05), y)
    expected = x[0] * np.abs(np.diff(north))
    areas = row_areas_m2(MapHead(classes.shape, {}, {}, crs, transform))
    assert areas is not None
    np.testing.assert_allclose(areas, expected, rtol=1e-9)
    made = sl.areas(_map(tmp_path / "m.tif", classes, crs, transform))
    assert made.pixel_m2 is None
    naive = {
        i: sum((classes[r] == i).sum() * expected[r] / 1e4 for r in range(300)) for i in (1, 2, 4)
    }
    assert dict(made.mapped_ha or {}) == pytest.approx(naive)
    low, high = expected.min(), expected.max()
    assert made.notes == (
        f"the map is in degrees: its pixels have {low:,.0f} to {high:,.0f} square metres, summed "
        "row by row; figures of a sample count pixels as equal",
    )


def test_a_crs_by_its_code() -> None:
    assert pixel_area_m2(MapHead((1, 1), {}, {}, "EPSG:32633", TRANSFORM)) == (900.0, ())


# samples


def test_a_sample_in_coordinates(tmp_path: Path) -> None:
    """A point belongs to the pixel around it, whose upper left corner is included."""
    classes = np.array([[1, 1, 4], [1, 4, 4], [0, 4, 1]])
    path = _map(tmp_path / "m.tif", classes)
    points = [
        (500_000, 5_400_000, "water"),
        (500_059.9, 5_399_999, "1"),
        (500_061, 5_399_969, "4"),
        (500_031, 5_399_941, "land"),
        (500_001, 5_399_911, "land"),
    ]
    text = "\ufeffX, y ,CLASS\r\n" + "".join(f"{x}, {y}, {c}\r\n" for x, y, c in points)
    (tmp_path / "s.csv").write_text(text, encoding="utf-8")
    made = sl.areas(path, sample=tmp_path / "s.csv", design="simple")
    (tmp_path / "s.tsv").write_text(text.replace(",", ";"), encoding="utf-8")
    assert sl.areas(path, sample=tmp_path / "s.tsv", design="simple") == made
    assert made.counts == ((2, 0), (0, 2))
    assert "1 points are where the map has no class; left out" in made.notes
    assert made.adjusted is not None
    assert made.adjusted[1].share == pytest.approx(0.5)
    assert made.adjusted[1].share_error == 0


BAD = {
    "row,col\n1,2\n": "wanted the columns row,col,class or x,y,class, got row, col",
    "row,col,x,y,class\n1,2,3,4,1\n": "wanted the columns row,col,class or x,y,class, got "
    "row, col, x, y, class",
    "": "wanted a header such as x,y,class and rows below it",
    "row,col,class\n": "wanted a header such as x,y,class and rows below it",
    "row,col,class,row\n0,0,1,0\n": "line 1: the column row appears twice",
    "row,col,class\n0,0,1\n0,zero,1\n": "line 3: column col: wanted a number, got 'zero'; so in 1 "
    "lines",
    "row,col,class\n0,0\n": "line 2: 2 cells, the header has 3; so in 1 lines",
    "row,col,class\n0,nan,1\n": "line 2: column col: wanted a number, got 'nan'; so in 1 lines",
    "row,col,class\n0,0,1\n0,1,\n": "1 of 2 points have no class yet in class, first in line 3; "
    "fill in the true classes, or leave the others out with --skip-empty",
    "row,col,class\n0,1,1\n0.5,1,1\n": ", line 3: rows and columns are whole numbers from 0",
    "row,col,class\n0,1,1\n2,0,1\n": ", line 3: 1 of 2 points are outside the map of 2 x 3 pixels",
    "x,y,class\n5,5,1\n": ", line 2: 1 of 1 points are outside the map of 2 x 3 pixels; are they "
    "in its reference system?",
    "row,col,class\n0,1,1\n1,1,1\n0,1,4\n": ": lines 2 and 4 are in one pixel, row 0, col 1; "
    "keep one of them",
    "row,col,class\n0,1,2\n": ", line 2: wanted a class of the map, by id or name, got '2'; it has "
    "1 water, 4 land",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_sample_is_an_error_that_names_the_line(tmp_path: Path, text: str) -> None:
    path = _map(tmp_path / "m.tif", np.array([[1, 1, 4], [4, 4, 4]]))
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ReadError) as caught:
        sl.areas(path, sample=tmp_path / "s.csv", design="simple")
    message = str(caught.value).removeprefix(str(tmp_path / "s.csv"))
    assert message.removeprefix(": ") == BAD[text].removeprefix(": ")


def test_a_sample_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"s\.csv: cannot be read \(No such file or directory\)$"):
        read_sample(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_bytes(b"row,col,class\n\xff\xfe")
    with pytest.raises(
        ReadError, match=r"s\.csv: line 2: 1 cells, the header has 3; so in 1 lines$"
    ):
        read_sample(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_text('row,col,class\n0,0,"' + "x" * 200_000 + '"\n')
    with pytest.raises(ReadError, match=r"s\.csv: line \d: not a readable .* \(field larger than"):
        read_sample(tmp_path / "s.csv")


def test_a_sample_too_small_for_an_estimate(tmp_path: Path) -> None:
    path = _map(tmp_path / "m.tif", np.array([[1, 1, 4], [4, 4, 4]]))
    (tmp_path / "s.csv").write_text("row,col,class\n0,0,1\n0,1,1\n1,1,4\n")
    sample = tmp_path / "s.csv"
    for design, remedy in (("simple", "draw more points"), ("by-map-class", "draw more of it")):
        with pytest.raises(SettingsError) as caught:
            sl.areas(path, sample=sample, design=design)
        assert str(caught.value) == (
            "--sample: wanted at least 2 points in each class of the map, got 1 for 4 pixels of "
            f"4 land; {remedy}, or count small classes as one stratum with --merge-small"
        )
    with pytest.raises(SettingsError, match=r"^--design: wanted simple or by-map-class, .* None$"):
        sl.areas(path, sample=sample)
    with pytest.raises(SettingsError, match=r"^--design, --run, --class-field, --merge-small and"):
        sl.areas(path, design="simple")


def test_a_map_that_no_sample_can_judge(tmp_path: Path) -> None:
    """Without a pixel of a class; with coordinates that cannot be turned into rows and columns."""
    sample = tmp_path / "s.csv"
    sample.write_text("x,y,class\n500005,5399995,1\n")
    path = _map(tmp_path / "m.tif", np.zeros((2, 3), np.uint8))
    with pytest.raises(SettingsError) as caught:
        sl.areas(path, sample=sample, design="simple")
    assert str(caught.value) == f"{path}: no pixel has a class; there is nothing to estimate"
    for place, fault in (
        ((0.0, 0.0, 5.0, 0.0, 0.0, 5.0), "puts all pixels on a line"),
        ((10.0, 0.0, 5.0, 0.0, np.nan, 5.0), "has numbers that are not finite"),
    ):
        path = _map(tmp_path / "m.tif", np.ones((2, 3), np.uint8), transform=place)
        with pytest.raises(ReadError) as unplaced:
            sl.areas(path, sample=sample, design="simple")
        assert str(unplaced.value) == (
            f"{sample}: cannot be placed, because the transform of the map {fault}: {place}; "
            "georeference the map again, or give row,col"
        )


def test_points_without_a_class_are_counted(tmp_path: Path) -> None:
    path = _map(tmp_path / "m.tif", np.array([[1, 1, 4], [4, 4, 4]]))
    full, part = "row,col,truth\n0,0,1\n0,1,4\n1,1,4\n1,2,4\n", "0,2,\n1,0,\n"
    (tmp_path / "full.csv").write_text(full)
    (tmp_path / "part.csv").write_text(full + part)
    wanted = {"design": "simple", "class_field": "truth"}
    with pytest.raises(ReadError) as caught:
        sl.areas(path, sample=tmp_path / "part.csv", **wanted)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"{tmp_path}/part.csv: 2 of 6 points have no class yet in truth, first in line 6; fill in "
        "the true classes, or leave the others out with --skip-empty"
    )
    made = sl.areas(path, sample=tmp_path / "part.csv", skip_empty=True, **wanted)  # type: ignore[arg-type]
    whole = sl.areas(path, sample=tmp_path / "full.csv", **wanted)  # type: ignore[arg-type]
    assert (made.adjusted, made.overall) == (whole.adjusted, whole.overall)
    assert made.notes[0] == (
        "2 of 6 points have no class yet; they are left out, which biases the estimates if they "
        "are harder to tell than the others"
    )
    x, y = TRANSFORM[2] + 15 + 30 * np.arange(3), np.full(3, TRANSFORM[5] - 15)
    none = np.array([None] * 3, object)
    vector(tmp_path / "p.gpkg", list(shapely.points(x, y)), none, field="truth", crs="EPSG:32633")
    for skip in (False, True):
        with pytest.raises(ReadError) as caught:
            sl.areas(path, sample=tmp_path / "p.gpkg", design="simple", skip_empty=skip)
        assert str(caught.value) == (
            f"{tmp_path}/p.gpkg: none of its 3 points has a class yet, first in feature 1; fill in "
            "the true classes"
        )


def test_an_interval_without_width_is_said(tmp_path: Path) -> None:
    """Ten points of which none is wrong: the smallest share p with p ** 10 >= 0.05 is 74 %."""
    path = _map(tmp_path / "m.tif", np.repeat([1, 4], 20).reshape(2, 20))
    rows = "".join(f"{r},{c},{1 if r == 0 or c == 0 else 4}\n" for r in (0, 1) for c in range(10))
    (tmp_path / "s.csv").write_text("row,col,class\n" + rows)
    made = sl.areas(path, sample=tmp_path / "s.csv", design="by-map-class")
    assert made.notes[-1] == (
        "all points of these classes are right, so the interval of their user's accuracy has no "
        "width; with 95 % confidence it is at least: water (10 points: 74 %)"
    )


SMALL = np.full((20, 20), 1)
SMALL[0, 0], SMALL[5, :3], SMALL[10:, :] = 2, 3, 4  # classes of 196, 1, 3 and 200 pixels


def _small(folder: Path, points: list[tuple[int, int, int]]) -> tuple[Path, Path]:
    names = dict(enumerate(("water", "road", "roof", "land"), start=1))
    lines = "".join(f"{row},{col},{names[i]}\n" for row, col, i in points)
    (folder / "s.csv").write_text("row,col,class\n" + lines)
    return _map(folder / "m.tif", SMALL, names=names), folder / "s.csv"


FIRM = [(0, 5, 1), (1, 5, 1), (2, 5, 4), (12, 5, 4), (13, 5, 4), (14, 5, 1)]


def test_a_class_that_is_in_the_sample_whole_has_no_sampling_error(tmp_path: Path) -> None:
    path, sample = _small(tmp_path, [*FIRM, (5, 0, 3), (5, 1, 3), (0, 0, 4)])
    made = sl.areas(path, sample=sample, design="by-map-class")
    assert made.adjusted is not None
    weights, within = (196 / 400, 200 / 400), (2 / 3, 2 / 3)
    variance = sum(w**2 * p * (1 - p) / 2 for w, p in zip(weights, within, strict=True))
    land = 196 / 400 / 3 + 1 / 400 + 200 / 400 * 2 / 3  # the one pixel of road is land
    assert made.adjusted[4].share == pytest.approx(land)
    assert made.adjusted[4].share_error == pytest.approx(1.96 * variance**0.5)
    assert (made.adjusted[2].share, made.adjusted[2].share_error) == (0, 0)
    assert made.adjusted[3].share == pytest.approx(3 / 400)


def test_small_classes_are_counted_as_one_stratum_on_request(tmp_path: Path) -> None:
    path, sample = _small(tmp_path, [*FIRM, (5, 0, 3)])
    with pytest.raises(SettingsError) as caught:
        sl.areas(path, sample=sample, design="by-map-class")
    assert str(caught.value) == (
        "--sample: wanted at least 2 points in each class of the map, got 0 for 1 pixels of "
        "2 road; add it to the sample, or count small classes as one stratum with --merge-small"
    )
    made = sl.areas(path, sample=sample, design="by-map-class", merge_small=True)
    assert made.adjusted is not None
    # road and roof have one point together: they are joined to the smallest other class, water
    within = np.array([2, 0, 1, 1]) / 4
    assert made.adjusted[1].share == pytest.approx(0.5 * within[0] + 0.5 / 3)
    assert made.adjusted[3].share == pytest.approx(0.5 * within[2])
    assert sum(one.share for one in made.adjusted.values()) == pytest.approx(1)
    assert made.notes[1] == (
        "counted as one stratum, for lack of points: 2 road, 3 roof, 1 water; the estimate takes "
        "them as sampled at one rate"
    )


def test_points_that_trained_the_model_are_refused(
    tiny_run: sl.Run, digits_run: sl.Run, tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    split = tiny_run.split(tiny_run.data()[1])
    labels, path = tiny[1].array, tiny_run.path / "map.tif"
    sample = tmp_path / "s.csv"

    def write(pixels: NDArray[Any]) -> None:
        places = np.column_stack(np.unravel_index(pixels, labels.shape))
        sample.write_text(
            "row,col,class\n" + "".join(f"{r},{c},{labels[r, c]}\n" for r, c in places)
        )

    write(split.test)
    made = sl.areas(path, sample=sample, design="simple", run=tiny_run)
    assert made.counts is not None
    assert sum(map(sum, made.counts)) == len(split.test)
    assert not any("trained" in note for note in made.notes)
    write(np.concatenate([split.test[:30], split.train[:2]]))
    with pytest.raises(RunError) as caught:
        sl.areas(path, sample=sample, design="simple", run=tiny_run.path)
    assert str(caught.value) == (
        f"{sample}: 2 of 32 points are on pixels that {tiny_run.path} trained on, first in "
        "line 32; an estimate needs points that it never saw"
    )
    small = _map(tmp_path / "m.tif", np.full((2, 2), 7), names=tiny_run.bundle.config.class_names)
    sample.write_text("row,col,class\n0,0,7\n0,1,7\n")
    with pytest.raises(
        RunError, match=r"has 28 x 30 pixels, the map 2 x 2; the run was trained on a"
    ):
        sl.areas(small, sample=sample, design="simple", run=tiny_run)
    with pytest.raises(RunError, match=r"a run on images makes no map; name the run that made it$"):
        sl.areas(small, sample=sample, design="simple", run=digits_run)


def test_the_command_line(typed: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    path = _map(tmp_path / "m.tif", np.array([[1, 1, 4], [4, 4, 4]]))
    (tmp_path / "s.csv").write_text("row,col,class\n0,0,1\n0,1,4\n1,1,4\n1,2,4\n")
    code, out, _ = typed("areas", path)
    assert code == 0
    assert "0.18" in out
    assert "adjusted" not in out
    words = ("areas", path, "--sample", tmp_path / "s.csv", "--design", "simple")
    code, out, _ = typed(*words)
    assert "50.00 ± 0.00" in out  # user's accuracy
    assert "overall accuracy" in out
    assert "0.09 ± 0.00" in out  # both pixels of class 1 are in the sample
    printed = json.loads(typed(*words, "--json")[1])
    assert printed["mapped_ha"] == {"1": 0.18, "4": 0.36}
    assert printed["adjusted"]["1"]["share_error"] == 0
    assert printed["adjusted"]["1"]["ha"] == pytest.approx(0.54 / 6)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326"])
def test_a_sample_as_a_layer_of_points(tmp_path: Path, crs: str) -> None:
    """In the map's system and in degrees, against the same points as rows and columns."""
    path, table = _small(tmp_path, [*FIRM, (5, 0, 3), (5, 1, 3), (0, 0, 2)])
    cells = [line.split(",") for line in table.read_text().splitlines()[1:]]
    rows, cols = (np.array([int(c[n]) for c in cells]) for n in (0, 1))
    x, y = TRANSFORM[2] + 30 * (cols + 0.4), TRANSFORM[5] - 30 * (rows + 0.6)
    if crs != "EPSG:32633":
        x, y = map(np.asarray, rasterio.warp.transform("EPSG:32633", crs, x, y))
    names = np.array([c[2] for c in cells], object)
    points = shapely.points(x, y)
    vector(tmp_path / "s.gpkg", list(points), names, field="truth", crs=crs)
    wanted = sl.areas(path, sample=table, design="simple")
    made = sl.areas(path, sample=tmp_path / "s.gpkg", design="simple", class_field="truth")
    assert (made.counts, made.adjusted) == (wanted.counts, wanted.adjusted)
    assert sl.areas(path, sample=tmp_path / "s.gpkg", design="simple").counts == wanted.counts
    vector(tmp_path / "p.gpkg", [shapely.box(0, 0, 1, 1)], np.array(["road"], object), field="t")
    with pytest.raises(LabelsError) as caught:
        sl.areas(path, sample=tmp_path / "p.gpkg", design="simple")
    assert str(caught.value) == (
        f"{tmp_path}/p.gpkg: wanted points, got Polygon; give each reference point one feature"
    )
