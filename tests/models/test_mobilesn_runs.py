"""MobileSN in every verb that HybridSN supports."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spectrolite as sl
from spectrolite.errors import RunError
from spectrolite.models.mobilesn import MobileSN

BANDS, CLASSES = 7, 4


def made(receptive_field: int = 13, width: float = 0.25, seed: int = 0) -> MobileSN:
    """A small network whose BatchNorm is not trivial."""
    generator = torch.Generator().manual_seed(seed)
    net = MobileSN(BANDS, CLASSES, "plain", width, receptive_field, generator)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.uniform_(0.5, 2, generator=generator)
            layer.bias.data.uniform_(-1, 3, generator=generator)
            cast(Tensor, layer.running_mean).uniform_(-0.3, 0.3, generator=generator)
            cast(Tensor, layer.running_var).uniform_(0.05, 2, generator=generator)
    return net


def scene(net: MobileSN, n: int, rows: int, cols: int, seed: int = 1) -> Tensor:
    size = (n, BANDS, rows + 2 * net.halo, cols + 2 * net.halo)
    return 2 * torch.randn(size, generator=torch.Generator().manual_seed(seed)) + 0.5


@pytest.fixture(scope="module")
def run(tiny_files: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """A MobileSN that learnt the tiny scene from files."""
    data = sl.read_scene(tiny_files[0]), sl.read_labels(tiny_files[1])
    drawn = sl.split(data[1], "random", train=0.2, seed=1)
    return sl.train(
        *data,
        drawn,
        model="mobilesn",
        out=tmp_path_factory.mktemp("runs") / "small",
        components=10,
        epochs=60,
        width=0.5,
        receptive_field=5,
    )


def test_it_learns_a_small_scene(run: sl.Run) -> None:
    assert run.report.overall_accuracy > 0.97
    assert run.report.overall_accuracy > run.report.baselines.majority + 0.4
    losses = [epoch.loss for epoch in run.log()]
    assert losses[-1] < 0.5 * losses[0]


def test_report_leakage_bundle_and_page_have_the_receptive_field(run: sl.Run) -> None:
    report = run.report
    assert report.leakage.patch == run.bundle.config.patch == 5
    assert report.settings.model.receptive_field == 5
    assert run.bundle.config.width == report.settings.model.width == 0.5
    assert report.parameters == sum(p.numel() for p in run.bundle.network.parameters())
    assert report.macs_per_patch == sl.cost(run.bundle.network, (10, 5, 5)).macs
    assert "5x5 patch" in report.notes[0]
    page = (run.path / "report.html").read_text()
    assert "mobilesn (plain) on scene.npy" in page
    assert "width 0.5, receptive field 5" in page


def test_a_bundle_gives_the_network_back(run: sl.Run) -> None:
    again = sl.load_bundle(run.path)
    assert (again.network.width, again.network.receptive_field) == (0.5, 5)
    assert again.sha256 == run.manifest["weights_sha256"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('"width": 0.5,', "width: None, for mobilesn"),
        ('"patch": 5,', "size mismatch for blocks.0.depthwise.0.weight"),
    ],
)
def test_a_bundle_of_another_shape_is_refused(
    run: sl.Run, tmp_path: Any, change: str, words: str
) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((run.path / "bundle" / name).read_bytes())
    text = (tmp_path / "config.json").read_text()
    assert change in text
    replaced = "" if "width" in change else '"patch": 13,'
    (tmp_path / "config.json").write_text(text.replace(change, replaced))
    with pytest.raises(RunError) as caught:
        sl.load_bundle(tmp_path)
    assert words in str(caught.value)


def test_verify_repeat_doctor_and_map_work_as_for_hybridsn(run: sl.Run, tmp_path: Any) -> None:
    assert sl.verify(run.path).verdict == "same bits"
    made_again = sl.repeat(run.path, 2, out=tmp_path / "again")
    assert made_again.summary["overall accuracy"].n == 2
    checkup = sl.doctor(run.path)
    assert {c.name: c.verdict for c in checkup.checks if c.name != "calibration"} == {
        "evaluation mode": "ok",
        "batch size": "ok",
        "same bits twice": "ok",
        "normalisation": "ok",
        "inputs": "ok",
        "dense form": "ok",
    }
    sl.map_scene(run.path, out=tmp_path / "map.tif")
    mapped = sl.classify(run, run.data()[0])
    assert mapped.sha256 == run.manifest["map_sha256"]
    assert sl.evaluate(run.path).figures_sha256 == run.manifest["figures_sha256"]


def test_windows_give_the_map_of_the_whole(run: sl.Run) -> None:
    data = sl.read_scene(run.manifest["data"]["scene"]["file"])
    whole, small = (sl.classify(run, data, window=side) for side in (192, 9))
    assert np.array_equal(whole.classes, small.classes)
    np.testing.assert_allclose(whole.confidence, small.confidence, atol=1e-5)


def test_patches_train_it_too(tiny: tuple[sl.Scene, sl.Labels], tmp_path: Any) -> None:
    drawn = sl.split(tiny[1], "random", train=0.2, seed=1)
    made_run = sl.train(
        *tiny,
        drawn,
        model="mobilesn",
        mode="patches",
        out=tmp_path / "run",
        components=10,
        epochs=6,
        batch=16,
        receptive_field=5,
        width=0.5,
    )
    assert made_run.report.overall_accuracy > 0.9


def test_it_trains_from_the_command_line(
    tiny_files: tuple[Any, Any], tmp_path: Any, typed: Any
) -> None:
    code, out, _ = typed(
        "train",
        "--scene",
        tiny_files[0],
        "--labels",
        tiny_files[1],
        "--model",
        "mobilesn",
        "--width",
        0.25,
        "--receptive-field",
        3,
        "--components",
        5,
        "--epochs",
        2,
        "--out",
        tmp_path / "run",
        "--json",
    )
    assert code == 0
    assert '"receptive_field": 3' in out
    code, _, err = typed(
        "train",
        "--scene",
        tiny_files[0],
        "--labels",
        tiny_files[1],
        "--receptive-field",
        3,
        "--out",
        tmp_path / "other",
    )
    assert (code, err) == (
        2,
        "error: --receptive-field: does not go with hybridsn, where it is fixed; leave it out",
    )
    code, _, err = typed(
        "train",
        "--scene",
        tiny_files[0],
        "--labels",
        tiny_files[1],
        "--model",
        "mobilesn",
        "--receptive-field",
        31,
        "--components",
        5,
        "--out",
        tmp_path / "other",
    )
    assert (code, err) == (
        2,
        "reducing bands error: scene.npy: 28 x 30 pixels are smaller than the 31 x 31 patch of "
        "mobilesn",
    )
    assert not (tmp_path / "other").exists()
