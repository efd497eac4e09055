"""The doctor on a run of images, and on the same run with faults planted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import spectrolite as sl
from spectrolite.errors import ImagesError, RunError, SettingsError
from spectrolite.evaluation.calibration import reliability

NAMES = [
    "evaluation mode",
    "batch size",
    "same bits twice",
    "normalisation",
    "inputs",
    "calibration",
]


@pytest.fixture
def copied(digits_run: sl.Run, tmp_path: Path) -> sl.Run:
    """The run, to be written into and damaged."""
    shutil.copytree(digits_run.path, tmp_path / "run")
    return sl.open_run(tmp_path / "run")


def _verdicts(checkup: sl.Checkup) -> dict[str, str]:
    assert [check.name for check in checkup.checks] == NAMES
    return {check.name: check.verdict for check in checkup.checks}


def test_a_healthy_run(copied: sl.Run) -> None:
    checkup = sl.doctor(copied)
    found = _verdicts(checkup)
    assert all(found[name] == "ok" for name in NAMES[:-1])
    assert (checkup.model, checkup.data) == ("mobilenet_v1 (course)", "digits/train")
    _, test = sl.load("digits")
    made = sl.classify(copied, test)
    measured = reliability(made.confidence, made.classes == test.targets)
    assert checkup.calibration is not None
    assert checkup.calibration.error == measured.error == copied.report.calibration_error
    page = (copied.path / "doctor.html").read_text(encoding="utf-8")
    assert "355 test samples" in page


def test_lost_statistics_are_found(copied: sl.Run) -> None:
    bundle = copied.bundle
    for layer in bundle.network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
    bundle.save(copied.path / "bundle")
    manifest = {
        **copied.manifest.model_dump(mode="json"),
        "weights_sha256": sl.load_bundle(copied.path).sha256,
    }
    (copied.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert _verdicts(sl.doctor(copied.path))["normalisation"] == "wrong"


def test_a_bundle_on_images_of_a_quarter_of_the_contrast(digits_run: sl.Run) -> None:
    train, test = sl.load("digits")
    fine = sl.doctor(digits_run.path / "bundle", train)
    assert (_verdicts(fine)["inputs"], _verdicts(fine)["calibration"]) == ("ok", "not checked")
    grey = sl.ImageSet(train.pixels // 4, train.targets, train.class_names)
    assert _verdicts(sl.doctor(digits_run.bundle, grey))["inputs"] == "wrong"
    with pytest.raises(
        RunError, match=r"the images \(images\) differ from those of the run; give "
    ):
        sl.doctor(digits_run, grey, test)


def test_what_does_not_fit_is_named(
    digits_run: sl.Run, tiny_run: sl.Run, tiny: tuple[sl.Scene, sl.Labels]
) -> None:
    train, _ = sl.load("digits")
    with pytest.raises(SettingsError) as caught:
        sl.doctor(digits_run.bundle)
    assert str(caught.value) == ("doctor: a bundle has no data of its own; name them with --images")
    with pytest.raises(SettingsError, match=r"^doctor: mobilenet_v1 classifies images, not scene"):
        sl.doctor(digits_run, *tiny)
    with pytest.raises(SettingsError, match=r"^doctor: hybridsn classifies scenes, not images$"):
        sl.doctor(tiny_run, train)
    wide = sl.ImageSet(np.zeros((2, 1, 8, 9), np.uint8), np.zeros(2, int), ("a",), name="wide")
    with pytest.raises(ImagesError, match=r"^wide: images of shape \(1, 8, 9\), and the model wa"):
        sl.doctor(digits_run.bundle, wide)
