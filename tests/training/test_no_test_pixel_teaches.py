"""Pixels outside the patches of training pixels cannot change a trained network.

Each pixel out there is replaced by a million and, after the check of the input, by NaN; bands,
weights and running statistics must keep their bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import spectrolite as sl
from spectrolite.models import build_scene_model
from spectrolite.samples.band_reduction import fit_bands
from spectrolite.samples.split_scene import Split
from spectrolite.training.keywords import settings
from spectrolite.training.scene_loop import fit_scene

ROWS, COLS, BANDS = 44, 40, 16
NETWORKS: dict[str, tuple[dict[str, Any], int]] = {  # settings, and the patch that they give
    "hybridsn course": ({"model": "hybridsn", "variant": "course"}, 25),
    "hybridsn paper": ({"model": "hybridsn", "variant": "paper"}, 25),
    "mobilesn 13": ({"model": "mobilesn", "width": 0.5, "receptive_field": 13}, 13),
    "mobilesn 5": ({"model": "mobilesn", "reduction": "pca", "receptive_field": 5}, 5),
}
MODES: dict[str, dict[str, Any]] = {
    "dense": {"mode": "dense", "epochs": 3, "window": 32},
    "patches": {"mode": "patches", "epochs": 2, "batch": 5},
}


def _scene_and_split() -> tuple[sl.Scene, Split]:
    """Training pixels in the upper left, test pixels all over."""
    rng = np.random.default_rng(0)
    labels = np.zeros((ROWS, COLS), np.int32)
    labels[2:6, 1:5] = 1
    labels[2:6, 5:9] = 2
    train = np.flatnonzero(labels)
    labels[20:44, 20:40] = rng.integers(1, 3, (24, 20))
    cube = rng.normal(labels[..., None], 1, (ROWS, COLS, BANDS)).astype(np.float32)
    test = np.setdiff1d(np.flatnonzero(labels), train)
    none = np.array([], np.int64)
    known = sl.Labels(labels, class_names={1: "left", 2: "right"})
    return sl.Scene(cube), Split(known, train, none, test, "given", {}, (), 0)


def _outside(split: Split, patch: int) -> NDArray[np.bool_]:
    """Pixels that no training pixel's patch reaches, marked one patch at a time."""
    outside, reach = np.ones((ROWS, COLS), bool), patch // 2
    for pixel in split.train:
        row, col = divmod(int(pixel), COLS)
        rows = slice(max(row - reach, 0), row + reach + 1)
        outside[rows, max(col - reach, 0) : col + reach + 1] = False
    return outside


def _learned(
    cube: NDArray[np.float32], split: Split, flags: dict[str, Any], network: str, bands_from: str
) -> dict[str, bytes]:
    scene = sl.Scene(np.zeros((ROWS, COLS, BANDS), np.float32))
    object.__setattr__(scene, "cube", cube)  # past the check of the input
    of_network, patch = NETWORKS[network]
    chosen = settings(bands_from=bands_from, components=14, **of_network, **flags)
    bands = fit_bands(scene, split, 14, bands_from, False, patch, chosen.bands.reduction)
    net = build_scene_model(
        chosen.model.model,
        bands=14,
        classes=2,
        **chosen.model.shape,
        generator=torch.Generator().manual_seed(0),
    )
    assert 2 * net.halo + 1 == patch
    fit_scene(net, bands.reduce(scene.cube), split, chosen.training, order=1, dropout=2)
    learned = {key: value.numpy().tobytes() for key, value in net.state_dict().items()}
    return {**learned, "mean": bands.mean.tobytes(), "matrix": bands.matrix.tobytes()}


@pytest.mark.parametrize("bands_from", ["train", "patches"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("mode", MODES)
def test_what_lies_outside_the_training_patches_leaves_no_trace(
    mode: str, network: str, bands_from: str
) -> None:
    scene, split = _scene_and_split()
    outside = _outside(split, NETWORKS[network][1])
    assert 0.3 < outside.mean() < 0.98
    known = _learned(np.array(scene.cube, np.float32), split, MODES[mode], network, bands_from)
    for strange in (1e6, np.nan):
        changed = np.array(scene.cube, np.float32)
        changed[outside] = strange
        learned = _learned(changed, split, MODES[mode], network, bands_from)
        assert [key for key in known if learned[key] != known[key]] == []


@pytest.mark.parametrize("network", ["hybridsn course", "mobilesn 5"])
@pytest.mark.parametrize("mode", MODES)
def test_what_lies_inside_them_does_leave_one(mode: str, network: str) -> None:
    """The test above can fail: one pixel at the edge of a patch changes the result."""
    scene, split = _scene_and_split()
    known = _learned(np.array(scene.cube, np.float32), split, MODES[mode], network, "train")
    changed = np.array(scene.cube, np.float32)
    patch = NETWORKS[network][1]
    row, col = (int(v) for v in np.argwhere(~_outside(split, patch))[-1])
    assert (row, col) == (5 + patch // 2, 8 + patch // 2)
    changed[row, col] += 1
    learned = _learned(changed, split, MODES[mode], network, "train")
    first = next(key for key in known if key.endswith("weight"))
    assert learned[first] != known[first]
    assert learned["matrix"] == known["matrix"]


def test_bands_fitted_on_the_scene_depend_on_test_pixels() -> None:
    scene, split = _scene_and_split()
    changed = np.array(scene.cube, np.float32)
    changed[_outside(split, 25)] = 7
    one, other = (
        fit_bands(sl.Scene(c), split, 14, "scene", False, 25).matrix for c in (scene.cube, changed)
    )
    assert not np.array_equal(one, other)
