"""The benchmark of the training step: both sides take the same steps, and what the clock gives.

References: in float64 two layouts of one computation agree to many digits, and a figure worked out
by hand from made-up seconds.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import records
import torch
import train_images

import spectrolite as sl
from spectrolite.models import build_image_model


def stepped(
    name: str, model: str, dtype: torch.dtype, *asked: tuple[str, int]
) -> tuple[list[Any], Any]:
    """What a side answers, and the network that it has trained, of a tenth of the width."""
    net: Any = build_image_model(
        model,
        variant="course",
        width=0.1,
        activation="relu",
        generator=torch.Generator().manual_seed(0),
    ).to(dtype)
    batches = [(x[:8].to(dtype), y[:8]) for x, y in train_images.prepared(4)]
    here, there = multiprocessing.Pipe()
    for words in [*asked, ("end", 0)]:
        here.send(words)
    train_images.SIDES[name](net, batches, there)
    return [here.recv() for _ in asked], net


@pytest.mark.parametrize("model", train_images.MODELS)
def test_both_sides_take_the_same_steps(model: str) -> None:
    asked = (("time", 1), ("time", 2))
    answers, nets = zip(
        *(stepped(name, model, torch.float64, *asked) for name in train_images.SIDES), strict=True
    )
    one, other = ([loss for _, losses in answer for loss in losses] for answer in answers)
    assert len(one) == 3
    np.testing.assert_allclose(one, other, rtol=1e-5)
    assert one[0] != one[1]
    assert [len(seconds) for seconds, _ in answers[0]] == [1, 2]
    start = build_image_model(
        model,
        variant="course",
        width=0.1,
        activation="relu",
        generator=torch.Generator().manual_seed(0),
    )
    moved = nets[1].linear.weight.detach() - start.linear.weight.detach()
    assert 1e-3 < moved.abs().max() < 4e-3  # three of Adam's steps
    torch.testing.assert_close(
        nets[0].linear.weight, nets[1].linear.weight, rtol=0, atol=1e-4, check_stride=False
    )


@pytest.mark.parametrize("name", train_images.SIDES)
def test_a_profile_names_the_dearest_operators(name: str) -> None:
    (shares,), _ = stepped(name, "mobilenet_v1", torch.float32, ("profile", 1))
    assert len(shares) == train_images.SHOWN
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert 0.3 < sum(shares.values()) <= 1
    assert "aten::convolution_backward" in shares


def test_batches_are_changed_as_the_recipe_says() -> None:
    (images, targets), (others, _) = train_images.prepared(2)
    assert images.shape == (128, 3, 32, 32)
    assert images.is_contiguous()
    assert images.dtype == torch.float32
    torch.testing.assert_close(images[:, 0], images[:, 1])
    assert not torch.equal(images, others)
    assert set(targets.tolist()) == set(range(10))
    again, _ = train_images.prepared(1)[0]
    assert torch.equal(images, again)


class MadeUp:
    """A side that answers at once: the first step of a turn takes long, ours half of the others."""

    def __init__(self, name: str, model: str, dtype: torch.dtype) -> None:
        self.name, self.dtype, self.asked = name, dtype, 0

    def ask(self, kind: str, steps: int) -> Any:
        """Seconds and losses, or shares."""
        if kind == "profile":
            return {"aten::add": 0.5}
        self.asked += 1
        step = {"ours": 1.0, "notebook": 1.5 + 0.5 * (self.asked % 3)}[self.name]
        loss = {"ours": 2.0, "notebook": 2.5}[self.name]
        return [9.0] + [step] * (steps - 1), [loss] * steps

    def end(self) -> str:
        """The same weights on both sides."""
        return "0123456789abcdef" * 4


def test_the_ratio_is_the_median_of_turns_without_their_first_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(train_images, "_Side", MadeUp)
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    monkeypatch.setattr(records, "git", lambda verb, *_: "" if verb == "status" else "1" * 40)
    monkeypatch.setattr(sys, "argv", ["benchmarks/train_images.py"])
    train_images.main()
    record = json.loads((tmp_path / "train_images.json").read_text())
    assert record["times_faster"] == {"mobilenet_v1": 2.0, "mobilenet_v2": 2.0}
    (row, _) = record["models"]
    assert row["times_faster_by_turn"] == [2.0, 2.5, 1.5] * 2
    assert row["seconds_a_step"] == {"ours": 1.0, "notebook": 2.0}
    assert row["images_a_second"] == {"ours": 128.0, "notebook": 64.0}
    assert row["loss_apart"] == {
        "float64, 3 steps": 0.2,
        "float32, 3 steps": 0.2,
        "float32, last of 30 steps": 0.2,
    }
    assert row["profiles"]["ours"] == {"aten::add": 0.5}
    assert record["inputs"]["data"] == {"digits/train": sl.load("digits")[0].sha256}
    drawn = [train_images.again(record, np.random.default_rng(seed)) for seed in range(6)]
    assert len({repeat.what for repeat in drawn}) == 2
    assert drawn[0].make() == drawn[0].stored
    assert not drawn[0].exact


def test_sides_that_began_otherwise_are_no_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(MadeUp):
        def end(self) -> str:
            """Other weights on each side."""
            return self.name

    monkeypatch.setattr(train_images, "_Side", Other)
    with pytest.raises(SystemExit, match=r"^mobilenet_v1: the sides began with other weights: "):
        train_images.measure("mobilenet_v1")
