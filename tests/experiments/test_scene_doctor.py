"""The doctor on a run that has learnt its scene, and on the same run with faults planted.

A planted fault stands in the stored bundle, its hash rewritten, so that only looking at the model
can find it. References: the map that the run wrote, and the numbers that were planted.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from torch import Tensor, nn

import spectrolite as sl
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.errors import LabelsError, RunError, SettingsError
from spectrolite.evaluation.calibration import reliability
from spectrolite.models import SceneNetwork
from spectrolite.models.hybridsn import HybridSN

NAMES = [
    "evaluation mode",
    "batch size",
    "same bits twice",
    "normalisation",
    "inputs",
    "dense form",
    "calibration",
]


@pytest.fixture(autouse=True)
def _fewer_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of them, for speed."""
    monkeypatch.setattr("spectrolite.evaluation.training_inputs.PATCHES", 40)


@pytest.fixture(scope="module")
def learnt(tiny_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """Long enough for running statistics and confidence to settle."""
    scene, labels = sl.read_scene(tiny_files[0]), sl.read_labels(tiny_files[1])
    split = sl.split(labels, "random", train=0.2, seed=1)
    return sl.train(
        scene,
        labels,
        split,
        out=tmp_path_factory.mktemp("runs") / "learnt",
        components=13,
        epochs=60,
        learning_rate=2e-3,
        label_smoothing=0.0,
    )


@pytest.fixture
def copied(learnt: sl.Run, tmp_path: Path) -> sl.Run:
    """The run, to be damaged and written into."""
    shutil.copytree(learnt.path, tmp_path / "run")
    return sl.open_run(tmp_path / "run")


def planted(run: sl.Run, plant: Callable[[SceneNetwork], object]) -> sl.Run:
    """The run with a fault in its stored network, as if it had been trained that way."""
    bundle = sl.load_bundle(run.path)
    plant(bundle.network)
    bundle.save(run.path / "bundle")
    manifest = {**run.manifest, "weights_sha256": sl.load_bundle(run.path).sha256}
    (run.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return sl.open_run(run.path)


def verdicts(checkup: sl.Checkup) -> dict[str, str]:
    assert [check.name for check in checkup.checks] == NAMES
    return {check.name: check.verdict for check in checkup.checks if check.verdict != "ok"}


def _norms(net: nn.Module) -> list[nn.BatchNorm2d | nn.BatchNorm3d]:
    return [m for m in net.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d)]


def _reset(net: SceneNetwork) -> None:
    for norm in _norms(net):
        norm.reset_running_stats()


def _statistics_of_other_data(net: SceneNetwork) -> None:
    """Those of noise of four times the contrast, as if fine-tuned on another scene."""
    net.train()
    noise = 4 * torch.randn(8, net.bands, 25, 25, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for _ in range(40):
            net(noise)
    net.eval()


def _ten_times_the_logits(net: SceneNetwork) -> None:
    """Over-confident, and wrong where it was in doubt: noise decides."""
    assert isinstance(net, HybridSN)
    with torch.no_grad():
        net.fc3.weight.normal_(generator=torch.Generator().manual_seed(0)).mul_(10)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_healthy_run_passes(copied: sl.Run, tiny: tuple[sl.Scene, sl.Labels]) -> None:
    checkup = sl.doctor(copied.path)
    assert verdicts(checkup) == {}
    assert checkup.ok
    assert (checkup.model, checkup.data) == ("hybridsn (course)", copied.report.data)
    with rasterio.open(copied.path / "map.tif") as file:
        classes = file.read(1)
    with rasterio.open(copied.path / "map_confidence.tif") as file:
        confidence = file.read(1)
    test = copied.split(tiny[1]).test
    right = classes.ravel()[test] == tiny[1].array.ravel()[test]
    assert checkup.calibration is not None
    again = reliability(confidence.ravel()[test], right)
    assert checkup.calibration.model_dump_json() == again.model_dump_json()  # NaN of empty bins
    assert checkup.calibration.accuracy == copied.report.overall_accuracy
    read = sl.Checkup.model_validate_json(checkup.model_dump_json())
    assert read.checks == checkup.checks
    assert read.model_dump_json() == checkup.model_dump_json()


@pytest.mark.parametrize(
    ("plant", "names"),
    [
        (_reset, {"normalisation"}),
        (_statistics_of_other_data, {"normalisation"}),
        (_ten_times_the_logits, {"calibration"}),
    ],
)
def test_a_planted_fault_is_found(
    copied: sl.Run, plant: Callable[[SceneNetwork], object], names: set[str]
) -> None:
    checkup = sl.doctor(planted(copied, plant))
    assert not checkup.ok
    found = verdicts(checkup)
    assert names <= set(found) <= {*names, "calibration"}  # spoilt statistics spoil the map too
    assert set(found.values()) == {"wrong"}


def test_over_confidence_is_called_so(copied: sl.Run) -> None:
    checkup = sl.doctor(planted(copied, _ten_times_the_logits))
    measured = checkup.calibration
    assert measured is not None
    assert measured.confidence > measured.accuracy + 0.1
    assert checkup.checks[-1].measured == measured.error
    assert checkup.checks[-1].meaning == (
        f"The network is over-confident: over the 500 test pixels the confidence is "
        f"{measured.confidence:.1%} on average and {measured.accuracy:.1%} are right. Do not read "
        "its confidence as a probability; rank pixels by it at most."
    )


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ((nn.Dropout,), ["evaluation mode", "batch size", "same bits twice"]),
        ((nn.BatchNorm2d, nn.BatchNorm3d), ["evaluation mode", "batch size"]),
    ],
    ids=["dropout", "batchnorm"],
)
def test_live_layers_are_found(
    learnt: sl.Run,
    tiny: tuple[sl.Scene, sl.Labels],
    kinds: tuple[type[nn.Module]],
    names: list[str],
) -> None:
    bundle = sl.load_bundle(learnt.path)
    for module in bundle.network.modules():
        if isinstance(module, kinds):
            module.train()
    unknown = {"calibration": "not checked"}
    assert verdicts(sl.doctor(bundle, *tiny)) == dict.fromkeys(names, "wrong") | unknown


def test_another_scaling_is_found(copied: sl.Run, tiny: tuple[sl.Scene, sl.Labels]) -> None:
    scene, labels = tiny
    reflectance = sl.Scene(scene.cube.astype(np.float64) / 10_000, name="reflectance")
    checkup = sl.doctor(copied, reflectance, labels)
    assert verdicts(checkup)["inputs"] == "wrong"
    check = checkup.checks[4]
    expected = copied.bundle.bands.reduce(reflectance.cube).reshape(-1, 13)
    train = expected[copied.split(labels).train].astype(np.float64)
    assert check.details["mean"] == pytest.approx(np.abs(train.mean(0)).max(), rel=1e-6)
    assert check.details["spread"] == pytest.approx(-np.log2(train.std(0, ddof=1)).min(), rel=1e-3)
    assert verdicts(sl.doctor(copied.path / "bundle", reflectance, labels))["inputs"] == "wrong"


def test_a_dense_form_that_differs_is_found(
    learnt: sl.Run, tiny: tuple[sl.Scene, sl.Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shifted(nn.Module):
        """A form for whole scenes that is one column off."""

        def __init__(self, net: SceneNetwork) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.net(x.roll(1, -1))
            return logits

    monkeypatch.setattr("spectrolite.bundles.scene_bundle.dense", Shifted)
    bundle = sl.load_bundle(learnt.path)
    assert isinstance(bundle, Bundle)
    assert verdicts(sl.doctor(bundle, *tiny)) == {
        "dense form": "wrong",
        "calibration": "not checked",
    }


def test_the_page_shows_what_was_found(copied: sl.Run) -> None:
    checkup = sl.doctor(copied)
    page = (copied.path / "doctor.html").read_text(encoding="utf-8")
    assert "Nothing found that is wrong" in page
    assert re.findall(r'src="(data:image/svg\+xml;base64,)', page) == ["data:image/svg+xml;base64,"]
    assert "http" not in re.sub(r"base64,[^\"]+", "", page)
    for check in checkup.checks:
        assert check.meaning in html.unescape(page)
    assert checkup.calibration is not None
    for b in checkup.calibration.bins:
        assert not b.count or f'<td class="n">{b.count:,}</td>' in page
    assert sl.open_run(copied.path).report == copied.report  # the run is as it was
    sl.doctor(planted(copied, _reset))
    assert "<h2>Wrong: normalisation" in (copied.path / "doctor.html").read_text(encoding="utf-8")


def test_a_bundle_leaves_no_page(copied: sl.Run, tiny: tuple[sl.Scene, sl.Labels]) -> None:
    checkup = sl.doctor(copied.path / "bundle", *tiny)
    assert verdicts(checkup) == {"calibration": "not checked"}
    assert checkup.ok
    assert checkup.calibration is None
    assert not list(copied.path.rglob("doctor.html"))


def test_what_is_refused(copied: sl.Run, tiny: tuple[sl.Scene, sl.Labels]) -> None:
    scene, labels = tiny
    with pytest.raises(SettingsError, match=r"^give both --scene and --labels, or neither$"):
        sl.doctor(copied, scene)
    message = "doctor: a bundle has no data of its own; name them with --scene and --labels"
    with pytest.raises(SettingsError, match=f"^{message}$"):
        sl.doctor(copied.bundle)
    other = sl.Labels(np.where(labels.array == 2, 3, labels.array), name="other")
    message = (
        f"{copied.path}: the labels (other) differ from those of the run, whose split points into "
        "them; give those that it was trained on"
    )
    with pytest.raises(RunError, match=f"^{re.escape(message)}$"):
        sl.doctor(copied, scene, other)
    with pytest.raises(LabelsError, match=r"^tiny: wanted 28 rows and 29 columns as in tiny"):
        sl.doctor(copied, sl.Scene(scene.cube[:, :29], name="tiny"), labels)
