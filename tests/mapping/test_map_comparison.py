"""Which of two maps is better: the difference, its interval, and what is left out.

References: sums over strata in a loop; a simulation of samples from a known truth; McNemar's test
where the sample is simple.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from scipy import stats

import spectrolite as sl
from spectrolite.errors import ReadError, SettingsError
from spectrolite.mapping.area_estimates import ratio_of_means
from written_labels import CRS, PLACE, geotiff

SHAPE = (40, 50)
NAMES = {1: "Water", 2: "Wheat", 5: "Woods"}
UNSEEN = "not checked: whether points of the sample trained a model; give --run"


def tags(names: dict[int, str]) -> dict[str, str]:
    return {f"CLASS_{i}": name for i, name in names.items()}


def mistaken(truth: NDArray[Any], share: float, seed: int) -> NDArray[np.uint8]:
    generator = np.random.default_rng(seed)
    other = generator.choice([1, 2, 5], truth.shape)
    return np.where(generator.random(truth.shape) < share, other, truth).astype(np.uint8)


TRUTH = np.random.default_rng(0).choice([1, 2, 5], SHAPE, p=[0.1, 0.3, 0.6])
ONE, OTHER = mistaken(TRUTH, 0.1, 1), mistaken(TRUTH, 0.3, 2)


def sampled(folder: Path, per_class: int = 40) -> tuple[Path, Path, Path, NDArray[np.intp]]:
    """Two maps, and points by the classes of the first; and where these are."""
    one = geotiff(folder / "one.tif", ONE, nodata=0, tags=tags(NAMES))
    other = geotiff(folder / "other.tif", OTHER, nodata=0, tags=tags(NAMES))
    generator = np.random.default_rng(5)
    drawn = np.concatenate(
        [generator.choice(np.flatnonzero(i == ONE), per_class, replace=False) for i in NAMES]
    )
    _write(folder / "s.csv", drawn)
    return one, other, folder / "s.csv", drawn


def _write(path: Path, pixels: NDArray[np.intp], names: dict[int, str] = NAMES) -> None:
    rows, cols = np.divmod(pixels, SHAPE[1])
    lines = [
        f"{PLACE[2] + 10 * c + 5},{PLACE[5] - 10 * r - 5},{names[int(TRUTH[r, c])]}"
        for r, c in zip(rows, cols, strict=True)
    ]
    path.write_text("\n".join(["x,y,truth", *lines]))


def in_a_loop(drawn: NDArray[np.intp]) -> tuple[float, float]:
    difference = variance = 0.0
    for i in NAMES:
        here = drawn[ONE.flat[drawn] == i]
        d = [int(ONE.flat[p] == TRUTH.flat[p]) - int(OTHER.flat[p] == TRUTH.flat[p]) for p in here]
        weight = np.equal(ONE, i).sum() / ONE.size
        mean = sum(d) / len(d)
        difference += weight * mean
        variance += weight**2 * sum((x - mean) ** 2 for x in d) / (len(d) - 1) / len(d)
    return difference, float(np.sqrt(variance))


def compared(one: Path, other: Path, sample: Path, **changes: Any) -> sl.MapComparison:
    how = {"design": "by-map-class", "class_field": "truth", **changes}
    return sl.compare_maps(one, other, sample=sample, **how)


def test_the_difference_written_out(tmp_path: Path) -> None:
    one, other, sample, drawn = sampled(tmp_path)
    made = compared(one, other, sample)
    difference, error = in_a_loop(drawn)
    assert made.difference.value == pytest.approx(difference)
    assert made.difference.error == pytest.approx(1.96 * error)
    assert made.p == pytest.approx(2 * stats.norm.sf(difference / error))
    right = [m.flat[drawn] == TRUTH.flat[drawn] for m in (ONE, OTHER)]
    assert made.alone == (sum(right[0] & ~right[1]), sum(right[1] & ~right[0]))
    assert made.points == 120
    alone = sl.areas(one, sample=sample, design="by-map-class", class_field="truth").overall
    assert alone is not None
    assert made.overall[0].value == pytest.approx(alone.value)
    assert made.overall[0].error == pytest.approx(alone.error)
    assert made.verdict == f"{one} is the better map"
    assert made.notes == (UNSEEN,)
    swapped = compared(one, one, sample)
    assert (swapped.difference.value, swapped.difference.error, swapped.p) == (0, 0, 1)
    assert swapped.alone == (0, 0)
    assert swapped.verdict == (
        "the sample does not tell which map is better: the 95 % interval of the difference "
        "contains 0"
    )
    assert swapped.notes[0] == (
        "only 0 points tell the maps apart; with fewer than 10, the interval and p are rough"
    )


def test_a_simple_sample_is_near_to_mcnemars_test(tmp_path: Path) -> None:
    one, other, sample, _ = sampled(tmp_path)
    drawn = np.random.default_rng(6).choice(ONE.size, 300, replace=False)
    _write(sample, drawn)
    made = compared(one, other, sample, design="simple")
    a, b = made.alone
    z = (a - b) / (a + b) ** 0.5
    assert made.difference.value / (made.difference.error / 1.96) == pytest.approx(z, rel=0.15)


def test_intervals_hold_the_difference_in_95_percent_of_samples() -> None:
    """500 samples by the classes of the first map; counted alike, the points would be wrong."""
    generator = np.random.default_rng(0)
    truth = generator.choice([1, 2, 5], 200_000, p=[0.1, 0.3, 0.6])
    one, other = mistaken(truth, 0.15, 1), mistaken(truth, 0.25, 2)
    other[truth == 1] = mistaken(truth, 0.02, 3)[truth == 1]  # better at the rarest class
    d = (one == truth).astype(np.int64) - (other == truth)
    members = [np.flatnonzero(one == i) for i in NAMES]
    sizes = np.array([len(m) for m in members])
    stratum, every = np.repeat(np.arange(3), 150), np.ones(450, bool)
    held, alike = 0, 0
    for _ in range(500):
        drawn = np.concatenate([m[generator.integers(len(m), size=150)] for m in members])
        share = ratio_of_means(d[drawn], every, stratum, sizes)
        assert share is not None
        held += abs(share.value - d.mean()) <= share.error
        alike += abs(d[drawn].mean() - d.mean()) <= 1.96 * d[drawn].std() / 450**0.5
    assert 460 < held < 490
    assert alike < 400


def test_a_map_on_another_grid_with_other_ids(tmp_path: Path) -> None:
    """Half the pixels' size, in another order, ids by name; nothing at the last ten columns."""
    one, _, sample, drawn = sampled(tmp_path)
    ids = np.zeros(6, np.uint8)
    ids[[1, 2, 5]] = 7, 1, 2
    fine = ids[OTHER].repeat(2, 0).repeat(2, 1)[:, :80]
    names = {7: "Water", 1: "Wheat", 2: "Woods"}
    place = rasterio.Affine(5, 0, PLACE[2], 0, -5, PLACE[5])
    other = geotiff(tmp_path / "fine.tif", fine, nodata=0, tags=tags(names), transform=place)
    made = compared(one, other, sample)
    kept = drawn[drawn % SHAPE[1] < 40]
    assert made.points == len(kept)
    weights = {i: np.equal(ONE, i).sum() / (ONE.flat[drawn] == i).sum() for i in NAMES}
    right = sum(weights[ONE.flat[p]] * (OTHER.flat[p] == TRUTH.flat[p]) for p in kept)
    assert made.overall[1].value == pytest.approx(right / sum(weights[ONE.flat[p]] for p in kept))
    assert made.notes[0] == (
        f"{len(drawn) - len(kept)} points are where {other} has no class; left out: the figures "
        "are about the pixels where both maps have one"
    )


def test_maps_in_different_reference_systems(tmp_path: Path) -> None:
    """Of equal numbers in the next zone they are six degrees apart; x,y are those of the first."""
    one, other, sample, drawn = sampled(tmp_path)
    far = geotiff(tmp_path / "far.tif", OTHER, nodata=0, tags=tags(NAMES), crs="EPSG:32633")
    with pytest.raises(ReadError, match=r"s\.csv: at none of its points both maps have a class$"):
        compared(one, far, sample)
    pairs = zip(*np.divmod(drawn, SHAPE[1]), strict=True)
    lines = [f"{r},{c},{NAMES[int(TRUTH[r, c])]}" for r, c in pairs]
    sample.write_text("\n".join(["row,col,truth", *lines]))
    with pytest.raises(ReadError) as caught:
        compared(one, far, sample)
    assert str(caught.value) == (
        f"{sample}: its points are rows and columns, and the maps are in different reference "
        "systems; give x,y"
    )
    with rasterio.open(far, "r+") as file:
        file.crs = CRS
    assert compared(one, far, sample).difference == compared(one, other, sample).difference


def test_classes_that_one_map_does_not_have(tmp_path: Path) -> None:
    """Of the same id and another name: another class; without names, the same one."""
    one, _, sample, drawn = sampled(tmp_path)
    other = geotiff(tmp_path / "o.tif", TRUTH.astype(np.uint8), nodata=0, tags=tags({1: "Ice"}))
    made = compared(one, other, sample)
    water = TRUTH.flat[drawn] == 1
    assert made.notes[0] == f"{other} has no class Water; it is wrong at {water.sum()} points of it"
    right = [m.flat[drawn] == TRUTH.flat[drawn] for m in (ONE, TRUTH)]
    right[1] &= ~water
    assert made.alone == (sum(right[0] & ~right[1]), sum(right[1] & ~right[0]))
    _write(sample, drawn, {**NAMES, 1: "Ice"})
    made = compared(one, other, sample)
    assert made.notes[0] == f"{one} has no class Ice; it is wrong at {water.sum()} points of it"
    assert made.overall[1].value == 1
    _write(sample, drawn, {**NAMES, 1: "Snow"})
    with pytest.raises(ReadError) as caught:
        compared(one, other, sample)
    line = 2 + int(np.flatnonzero(water)[0])
    assert str(caught.value) == (
        f"{sample}, line {line}: wanted a class of one of the maps, by id or name, got 'Snow'; "
        "they have 1 Water, 2 Wheat, 5 Woods"
    )


def test_bad_use(typed: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    one, other, sample, _ = sampled(tmp_path)
    with pytest.raises(SettingsError, match=r"^--sample: wanted points of known class, which tell"):
        sl.compare_maps(one, other, sample=None, design=None)
    sample.write_text("row,col,truth\n0,0,1\n1,1,2\n")
    far = geotiff(tmp_path / "f.tif", OTHER[:, 10:], nodata=0)
    code, _, error = typed("areas", one, far, "--sample", sample, "--class-field", "truth",
                           "--design", "simple")  # fmt: skip
    assert (code, error) == (
        2, f"error: {sample}: its points are rows and columns, and the maps are on different "
        "grids; give x,y",
    )  # fmt: skip
    sample.write_text(f"x,y,truth\n{PLACE[2] + 5},{PLACE[5] - 5},1\n")
    away = rasterio.Affine(10, 0, 0, 0, -10, 0)
    with pytest.raises(ReadError, match=r"at none of its points both maps have a class$"):
        compared(one, geotiff(tmp_path / "g.tif", OTHER, nodata=0, transform=away), sample)


def test_the_command_line(typed: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    one, other, sample, _ = sampled(tmp_path)
    words = ("areas", one, other, "--sample", sample, "--class-field", "truth", "--design")
    code, out, _ = typed(*words, "by-map-class")
    assert code == 0
    made = compared(one, other, sample)
    assert f"{100 * made.difference.value:+.2f} ± {100 * made.difference.error:.2f}" in out
    assert f"p = {made.p:.3f}" in out
    assert f"{made.alone[0]} of 120 points" in out
    assert "is the better map" in out
    printed = json.loads(typed(*words, "by-map-class", "--json")[1])
    assert printed["difference"]["value"] == pytest.approx(made.difference.value)
    assert printed["maps"] == [str(one), str(other)]
