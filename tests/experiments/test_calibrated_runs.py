"""`--calibrate`, and the training spectra that every run on scenes keeps.

Independent reference: the network on the patch of each validation pixel, and the loss of many
temperatures on its logits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

import spectrolite as sl
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.deploy.fine_tuning import fine_tuned, fine_tuning_settings
from spectrolite.errors import SettingsError

FLAGS: dict[str, Any] = {
    "model": "mobilesn",
    "components": 5,
    "epochs": 2,
    "receptive_field": 5,
    "width": 0.25,
    "calibrate": True,
}


@pytest.fixture(scope="module")
def run(tiny: tuple[sl.Scene, sl.Labels], tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    split = sl.split(tiny[1], "random", train=0.3, validation=0.3, seed=1)
    return sl.train(*tiny, split, out=tmp_path_factory.mktemp("runs") / "sure", **FLAGS)


def temperature(bundle: Bundle, scene: sl.Scene, labels: sl.Labels, pixels: NDArray[Any]) -> float:
    """The likeliest of many, a patch at a time."""
    cube = scene.cube.astype(np.float64)
    reduced = np.einsum("rcb,kb->krc", cube - bundle.bands.mean, bundle.bands.matrix)
    padded = torch.from_numpy(np.pad(reduced, ((0, 0), (2, 2), (2, 2)))).float()
    places = [divmod(int(p), labels.shape[1]) for p in pixels]
    with torch.no_grad():
        logits = bundle.network(torch.stack([padded[:, r : r + 5, c : c + 5] for r, c in places]))
    values = logits.flatten(1).double().numpy()
    truth = np.searchsorted(bundle.config.class_ids, [labels.array[p] for p in places])
    tried = np.exp(np.linspace(np.log(0.05), np.log(20), 2001))
    powers = (np.exp(values / t) for t in tried)
    losses = [-np.log(p[range(len(p)), truth] / p.sum(1)).mean() for p in powers]
    return float(tried[int(np.argmin(losses))])


def test_the_temperature_is_fitted_on_the_validation_part(
    run: sl.Run, tiny: tuple[sl.Scene, sl.Labels]
) -> None:
    split = run.split(tiny[1])
    expected = temperature(run.bundle, *tiny, split.validation)
    found = json.loads((run.path / "bundle" / "config.json").read_text())["temperature"]
    assert found == pytest.approx(expected, rel=5e-3)
    assert abs(found - 1) > 0.05
    note = (
        f"The confidence is calibrated on the {len(split.validation):,} validation pixels: the "
        f"logits are divided by the temperature {found:.3g}."
    )
    assert note in run.report.notes
    card = (run.path / "bundle" / "README.md").read_text()
    assert note in card
    assert "not a calibrated probability" not in card
    assert run.settings.training.calibrate


def test_fine_tuning_calibrates_again(run: sl.Run, tiny: tuple[sl.Scene, sl.Labels]) -> None:
    split = run.split(tiny[1])
    settings = fine_tuning_settings(run, 1, 0.01)
    tuned, _ = fine_tuned(run.bundle, tiny, split, settings, seed=0)
    assert isinstance(tuned, Bundle)
    expected = temperature(tuned, *tiny, split.validation)
    assert tuned.config.temperature == pytest.approx(expected, rel=5e-3)
    assert tuned.config.temperature != run.bundle.config.temperature
    assert tuned.reference is run.bundle.reference


def test_it_needs_a_validation_part(tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path) -> None:
    split = sl.split(tiny[1], "random", train=0.3, seed=1)
    with pytest.raises(SettingsError) as caught:
        sl.train(*tiny, split, out=tmp_path / "run", **FLAGS)
    assert str(caught.value) == (
        "--calibrate: the temperature needs a validation part; add validation=0.1 to --split"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_run_keeps_its_training_spectra(run: sl.Run, tiny: tuple[sl.Scene, sl.Labels]) -> None:
    stored = load_file(run.path / "bundle" / "similarity.safetensors")
    train, bands = run.split(tiny[1]).train, run.bundle.bands
    assert 50 < len(train) < 1000
    expected = (tiny[0].cube.reshape(-1, 16)[train] - bands.mean) @ bands.matrix.T
    np.testing.assert_allclose(stored["spectra"], expected, atol=1e-4)
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert "bundle/similarity.safetensors" in manifest["files_sha256"]


def test_a_run_without_it_is_described_as_before(mobilesn_run: sl.Run) -> None:
    manifest = json.loads((mobilesn_run.path / "manifest.json").read_text())
    assert "calibrate" not in manifest["settings"]["training"]
    config = json.loads((mobilesn_run.path / "bundle" / "config.json").read_text())
    assert "temperature" not in config
    assert not any("temperature" in note for note in mobilesn_run.report.notes)
