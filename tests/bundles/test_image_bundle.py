"""Trained image networks as folders: what goes in comes out, and nothing else is let in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import spectrolite as sl
from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.errors import RunError


@pytest.fixture
def folder(digits_run: sl.Run, tmp_path: Path) -> Path:
    """The run's bundle, to be damaged."""
    shutil.copytree(digits_run.path / "bundle", tmp_path / "bundle")
    return tmp_path / "bundle"


def test_what_goes_in_comes_out(digits_run: sl.Run, tmp_path: Path) -> None:
    bundle = digits_run.bundle
    bundle.save(tmp_path)
    back = sl.load_bundle(tmp_path)
    assert isinstance(back, ImageBundle)
    assert back.config == bundle.config
    assert back.sha256 == bundle.sha256
    assert not back.network.training
    assert {p.name for p in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config == {
        "format": 1,
        "model": "mobilenet_v1",
        "variant": "course",
        "width": 0.25,
        "activation": "relu6",
        "small_images": True,
        "input_shape": [1, 8, 8],
        "class_names": list("0123456789"),
        "images": 1297,
    }
    train, test = sl.load("digits")
    pixels = train.pixels[digits_run.split(train, test).train] / 255
    assert back.mean.tolist() == pytest.approx([pixels.mean()])
    assert back.std.tolist() == pytest.approx([pixels.std()])


def test_the_hash_covers_the_scaling(digits_run: sl.Run) -> None:
    one = digits_run.bundle
    for other in (
        ImageBundle(one.config, one.mean + 1e-4, one.std, one.network),
        ImageBundle(one.config, one.mean, one.std * 1.001, one.network),
    ):
        assert other.sha256 != one.sha256


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"width": 0.5}, "size mismatch for stem.0.weight"),
        ({"width": 1e9}, "width: wanted a number from 0.05 to 8, got 1000000000.0"),
        ({"variant": "paper"}, "Missing key(s) in state_dict"),
        ({"variant": "tiny"}, "variant: wanted one of paper, course for mobilenet_v1, got 'tiny'"),
        ({"activation": "eval"}, "activation: wanted one of relu6, relu, got 'eval'"),
        ({"model": "mobilenet_v2"}, "Missing key(s) in state_dict"),
        ({"input_shape": [3, 8, 8]}, "pixels.mean: torch.float32 of shape (1,), wanted torch.f"),
        ({"input_shape": [1, 8]}, "damaged: input_shape.2: Field required"),
        ({"input_shape": [0, 8, 8]}, "damaged: input_shape.0: wanted a number greater than"),
        ({"input_shape": [1, 8, 10**9]}, "damaged: input_shape.2: wanted a number less than"),
        ({"class_names": ["a"]}, "damaged: class_names: Tuple should have at least 2 items"),
        ({"class_names": ["a", "A"]}, "class_names: class names 'a' and 'A' read alike"),
        ({"class_names": ["a", "\ud800"]}, "class name '\\ud800' is not valid text"),
        ({"class_names": ["a", "b"]}, "size mismatch for linear.weight"),
        ({"small_images": "maybe"}, "damaged: small_images: wanted a valid boolean"),
        ({"images": 0}, "damaged: images: wanted a number greater than or equal to 1"),
        ({"extra": 1}, "damaged: extra: Extra inputs are not permitted"),
        ({"format": 2}, "format 2, this version reads up to 1; install a newer spectrolite"),
        ({"model": ["mobilenet_v1"]}, "damaged: "),
    ],
)
def test_a_configuration_that_is_none_is_named(
    folder: Path, values: dict[str, Any], words: str
) -> None:
    path = folder / "config.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **values}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunError) as caught:
        sl.load_bundle(folder)
    assert str(caught.value).startswith(str(folder))
    assert words in str(caught.value)


def _nan(state: dict[str, Tensor]) -> None:
    state["network.stem.0.weight"][0, 0, 0, 0] = float("nan")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("pixels.std"), "no pixels.std"),
        (lambda s: s.update({"pixels.std": torch.zeros(1)}), "pixels.std: wanted deviations"),
        (lambda s: s.update({"pixels.mean": torch.zeros(3)}), "pixels.mean: torch.float32 of"),
        (lambda s: s.update({"pixels.mean": torch.zeros(1).long()}), "pixels.mean: torch.int64"),
        (
            lambda s: s.update({"pixels.mean": torch.tensor([float("inf")])}),
            "NaN, infinite or too large values in pixels.mean",
        ),
        (lambda s: s.update({"bands.mean": torch.zeros(1)}), "'bands.mean' is neither of the netw"),
        (lambda s: s.update({"linear.bias": torch.zeros(10)}), "'linear.bias' is neither of the n"),
        (lambda s: s.pop("network.linear.bias"), 'Missing key(s) in state_dict: "linear.bias"'),
        (lambda s: s.update({"network.x": torch.zeros(1)}), "Unexpected key(s) in state_dict"),
        (_nan, "NaN, infinite or too large values in stem.0.weight"),
        (
            lambda s: s.update({"network.stem.1.running_var": -torch.ones(8)}),
            "negative variances in stem.1.running_var",
        ),
        (
            lambda s: s.update({"network.linear.bias": torch.zeros(10).long()}),
            "linear.bias is torch.int64, wanted torch.float32",
        ),
    ],
)
def test_weights_that_are_others_are_named(
    folder: Path, change: Callable[[dict[str, Tensor]], object], words: str
) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)
    with pytest.raises(RunError) as caught:
        sl.load_bundle(folder)
    assert words in str(caught.value)
    assert str(caught.value).endswith("; train again")


def test_a_scene_is_no_image(tiny_run: sl.Run, folder: Path) -> None:
    """Neither kind reads the other's configuration."""
    shutil.copy(tiny_run.path / "bundle" / "config.json", folder / "config.json")
    with pytest.raises(RunError, match=r"no bands\.matrix, bands\.mean\); train again$"):
        sl.load_bundle(folder)
