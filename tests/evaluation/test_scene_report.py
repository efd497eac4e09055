"""Reports: counts against a naive loop, notes against what is true of the split.

The map is made up, so that every figure can be counted by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectrolite as sl
from spectrolite.evaluation.baselines import Baselines
from spectrolite.evaluation.reports import Report
from spectrolite.evaluation.scene_report import make_report
from spectrolite.samples.band_reduction import Bands
from spectrolite.training.keywords import settings

IDS = np.zeros((30, 30), np.int32)
IDS[:10, :15], IDS[:10, 15:], IDS[20:, :15], IDS[20:, 15:] = 1, 4, 1, 4
IDS[14, 14] = 9
BANDS = Bands(np.zeros(20), np.eye(13, 20), "train", 100, 0.9)
FACTS: dict[str, Any] = {
    "data": "made up",
    "seed": 0,
    "parameters": 1,
    "macs_per_pixel": 2,
    "macs_per_patch": 3,
    "times_s": {},
    "versions": {},
    "machine": {},
}


def made(split: sl.Split, classes: np.ndarray[Any, Any], position: float, **flags: Any) -> Report:
    """A report on a made-up map."""
    leakage = split.leakage(flags.pop("patch", 5))
    baselines = Baselines(0.2, position, 0.3, 0.4, flags.pop("fitted", len(split.train)), 10**6)
    epochs = flags.pop("trained", 100)
    chosen = settings(**flags)
    generator = np.random.default_rng(0)
    return make_report(
        classes, split, BANDS, leakage, baselines, chosen, generator, epochs, **FACTS
    )


@pytest.fixture
def halves() -> sl.Split:
    """The upper fields train, the lower ones test; class 9, one pixel, trains."""
    labels = sl.Labels(IDS, class_names={1: "grass", 4: "corn", 9: "barn"})
    train = sl.Labels(np.where(np.arange(30)[:, None] < 15, IDS, 0), name="upper")
    test = sl.Labels(np.where(np.arange(30)[:, None] >= 15, IDS, 0), name="lower")
    return sl.split(labels, "given", train=train, test=test, allow_missing=True)


def test_figures_are_counted_on_the_test_pixels_only(halves: sl.Split) -> None:
    classes = np.full_like(IDS, 4)
    classes[20:25, :15] = (
        1  # half of the tested grass is right, all corn is, the rest is not scored
    )
    report = made(halves, classes, position=0.5)
    assert report.confusion == ((75, 75, 0), (0, 150, 0), (0, 0, 0))
    assert report.overall_accuracy == 225 / 300
    assert report.average_accuracy == (0.5 + 1.0) / 2
    assert report.per_class[1].precision == pytest.approx(150 / 225)
    barn = report.per_class[2]
    assert (barn.id, barn.name, barn.train, barn.test) == (9, "barn", 1, 0)
    assert np.isnan([barn.precision, barn.recall, barn.f1]).all()
    assert report.protocol.missing == {9: "barn: no test pixel"}
    low, high = report.interval_fields.low, report.interval_fields.high
    assert (low, high) == (0.5, 1.0)  # two fields: half right and all right
    wilson = report.interval_as_if_pixels_were_independent
    assert low < wilson.low < 0.75 < wilson.high < high


def test_nan_survives_the_file(halves: sl.Split, tmp_path: Path) -> None:
    report = made(halves, IDS, position=0.5)
    report.save(tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    again = Report.model_validate_json(text)
    assert again.model_dump_json() == report.model_dump_json()
    assert np.isnan(again.per_class[2].recall)


def test_notes_of_a_clean_split(halves: sl.Split) -> None:
    notes = made(halves, IDS, position=0.5, patch=5).notes
    assert notes[0] == "Clean: no test pixel lies inside the 5x5 patch of a training pixel."
    assert notes[1] == (
        "The best baseline, the nearest training pixel's class (position alone, no spectrum), "
        "scores 50.00%; the network is 50.00 points above. Position alone scores 50.00%."
    )
    assert notes[2] == (
        "1 of 3 classes have no pixel on one side and are not scored or not learnt: barn (test)."
    )
    assert notes[3] == (
        "The interval is drawn over 2 fields only and says little: with fewer than 10 it is too "
        "short, and 100 to 100 % where all are right."
    )
    assert len(notes) == 4


@pytest.mark.parametrize(
    ("position", "words"),
    [
        (1.0, "the network is equal to it."),
        (0.99999, "the network is equal to it."),
        (0.988, "the network is 1.20 points above."),
    ],
)
def test_the_network_beside_its_best_baseline(
    halves: sl.Split, position: float, words: str
) -> None:
    assert words in made(halves, IDS, position=position).notes[1]


def test_a_map_of_one_class_is_warned_of(halves: sl.Split) -> None:
    report = made(halves, np.full_like(IDS, 4), position=0.5, trained=1)
    assert report.warnings == (
        "The network learned nothing: it calls all 300 of the test part corn. Its confidence means "
        "nothing.",
        "Trained for 1 step of the optimiser; the running statistics of BatchNorm want 50 or more. "
        "Raise --epochs, or lower --batch where training is in batches.",
    )
    assert made(halves, IDS, position=0.5).warnings == ()
    low, high = (100 * value for value in (report.interval_fields.low, report.interval_fields.high))
    shown = str(report.interval_fields.figure("fields", "fields"))
    assert shown == f"{low:.2f} to {high:.2f} % (2 fields)"


def test_notes_of_a_split_that_is_not_clean(halves: sl.Split) -> None:
    split = sl.split(halves.labels, "random", train=0.2, allow_missing=True)
    classes = np.full_like(IDS, 1)
    notes = made(
        split, classes, position=0.99, variant="paper", bands_from="scene", fitted=50
    ).notes
    share = split.leakage(5).overlap
    assert notes[0] == (
        f"Not clean: {share:.1%} of the test pixels lie inside the 5x5 patch of a training pixel, "
        "so the network has seen them in training. A clean split for this network wants a guard of "
        "2 pixels or more."
    )
    assert "points below. Position alone scores 99.00%." in notes[1]
    assert notes[2].startswith("Position alone scores above 90 %: under this split, accuracy says")
    assert "Too small for their share, given one training pixel: barn." in notes
    assert "The reduction of bands was fitted on the whole scene, test pixels included." in notes
    assert notes[-2] == (
        "The SVMs were fitted on 50 and scored on 1,000,000 pixels drawn at random."
    )
