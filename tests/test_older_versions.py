"""Folders that version 0.1.0 wrote still open, and give what they gave then.

The reference are the files themselves: figures, classes and hashes that the old version stored.
tests/fixtures/version_0_1/README.md says how they were made.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from safetensors.numpy import load_file

import spectrolite as sl
from spectrolite.errors import RunError
from spectrolite.experiments import comparison
from spectrolite.runs.manifest import elsewhere
from spectrolite.runs.resumable_run import open_stopped

FOLDER = Path(__file__).parent / "fixtures" / "version_0_1"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to work in; the manifests name `scene.npy` and `labels.npy` there."""
    copy = tmp_path / "old"
    shutil.copytree(FOLDER, copy)
    monkeypatch.chdir(copy)
    return copy


def data(old: Path) -> tuple[sl.Scene, sl.Labels]:
    return sl.read_scene(old / "scene.npy"), sl.read_labels(old / "labels.npy")


def digits(first: int, last: int) -> sl.ImageSet:
    images, _ = sl.load("digits")
    kept = slice(first, last)
    return sl.ImageSet(images.pixels[kept], images.targets[kept], images.class_names)


def stored(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def old_map(old: Path) -> np.ndarray[Any, Any]:
    with rasterio.open(old / "scene_run" / "map.tif") as file:
        return np.asarray(file.read(1))


@pytest.mark.parametrize("name", ["scene_run", "image_run"])
def test_a_run_opens_with_its_figures_and_weights(old: Path, name: str) -> None:
    run = sl.open_run(old / name)
    figures = stored(old / name / "report.json")
    assert run.report.overall_accuracy == figures["overall_accuracy"]
    assert run.report.kappa == figures["kappa"]
    assert json.loads(run.report.model_dump_json()) == figures
    assert run.bundle.sha256 == stored(old / name / "manifest.json")["weights_sha256"]
    assert [e.epoch for e in run.log()] == list(range(1, 9 if name == "scene_run" else 3))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_scene_run_labels_its_scene_as_before(old: Path) -> None:
    """Run, bundle and export; the old map was computed on another machine, perhaps."""
    scene, labels = data(old)
    run = sl.open_run(old / "scene_run")
    for model in (run, sl.load_bundle(old / "scene_run" / "bundle"), old / "scene_onnx"):
        assert (sl.classify(model, scene).classes == old_map(old)).mean() > 0.99
    assert run.split(labels).sha256 == stored(old / "scene_run/manifest.json")["split_sha256"]


def test_an_image_run_predicts_as_before(old: Path) -> None:
    then = load_file(old / "image_run" / "predictions.safetensors")
    test = digits(120, 160)
    for model in (old / "image_run", old / "image_run" / "bundle", old / "image_onnx"):
        now = sl.classify(model, test)
        np.testing.assert_allclose(now.probabilities, then["probabilities"], atol=1e-4)


def test_an_old_int8_folder_opens(old: Path) -> None:
    """Its accuracy on 40 images; two of them may fall otherwise on another processor."""
    then = stored(old / "image_int8" / "quantization.json")["accuracy"][1]
    test = digits(120, 160)
    now = (sl.classify(old / "image_int8", test).classes == test.targets).mean()
    assert abs(float(now) - then) <= 2 / 40


def test_a_stopped_run_goes_on_or_says_why_not(old: Path) -> None:
    """Where versions or processor would give other bits, resuming is refused, by design."""
    scene, labels = sl.Scene(np.load("scene.npy")), sl.Labels(np.load("labels.npy"))
    stopped = open_stopped(old / "stopped_run")
    assert stopped.epochs_done == 2
    split = sl.split(labels, "random", train=0.3, seed=1)
    settings: dict[str, Any] = {"components": 6, "receptive_field": 5, "width": 0.25, "epochs": 4}
    settings |= {"model": "mobilesn", "seed": 3, "resume": True, "out": old / "stopped_run"}
    differences = elsewhere(stopped.manifest)
    if differences:
        with pytest.raises(RunError, match=re.escape(differences[0])):
            sl.train(scene, labels, split, **settings)
        return
    run = sl.train(scene, labels, split, **settings)
    before = (FOLDER / "stopped_run.part" / "log.jsonl").read_text().splitlines()
    assert (run.path / "log.jsonl").read_text().splitlines()[:2] == before
    assert len(run.log()) == 4


def test_cells_of_a_comparison_are_not_computed_again(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(comparison, "train", never)
    monkeypatch.setattr(comparison, "map_with_baseline", never)
    models = ["mobilesn,epochs=2,components=6,receptive_field=5,width=0.25", "position"]
    splits = ["random,train=0.3"]
    league = sl.compare(*data(old), models=models, splits=splits, seeds=2, out=old / "league")
    then = stored(FOLDER / "league" / "league.json")
    assert json.loads(league.model_dump_json())["cells"] == then["cells"]
