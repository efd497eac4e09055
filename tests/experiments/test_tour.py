"""What the tour trains, without training it; tests/cli runs it.

Reference: the tour of version 0.1.0 trained HybridSN with its defaults under both splits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import spectrolite as sl
from spectrolite.errors import RunError
from spectrolite.experiments import tour


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The keywords of every training that is asked for, and its split."""
    asked: list[dict[str, Any]] = []

    def train(_scene: Any, _labels: Any, split: sl.Split, **settings: Any) -> None:
        asked.append({**settings, "split": split})

    monkeypatch.setattr(tour, "train", train)
    return asked


def test_the_full_tour_is_hybridsn_with_its_defaults(
    trainings: list[dict[str, Any]], tmp_path: Path
) -> None:
    sl.demo(tmp_path, full=True, seed=4)
    assert [(t["out"], t["model"], t["seed"]) for t in trainings] == [
        (tmp_path / "random", "hybridsn", 4),
        (tmp_path / "blocks", "hybridsn", 4),
    ]
    assert all("epochs" not in t for t in trainings)
    assert [t["split"].method for t in trainings] == ["random", "blocks"]


def test_the_short_tour_has_one_clean_split(
    trainings: list[dict[str, Any]], tmp_path: Path
) -> None:
    sl.demo(tmp_path)
    patches = [2 * (t.get("receptive_field", 25) // 2) + 1 for t in trainings]
    clean = [t["split"].leakage(p).clean for t, p in zip(trainings, patches, strict=True)]
    assert clean == [False, True, False]


def test_a_run_in_the_way_is_seen_before_the_first_training(
    trainings: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "hybridsn-random").mkdir()
    message = (
        f"{tmp_path}/hybridsn-random exists; take another --out, or replace it with --overwrite"
    )
    with pytest.raises(RunError) as caught:
        sl.demo(tmp_path)
    assert str(caught.value) == message
    assert trainings == []
