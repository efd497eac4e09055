"""Inputs that calibrate exported models, compared with pixels looked up one by one."""

from __future__ import annotations

import numpy as np

import spectrolite as sl
from spectrolite.deploy.run_data import RunData


def test_pixels_without_a_spectrum_get_the_padding_spectrum(
    scene_exports: dict[str, sl.Export], tiny: tuple[sl.Scene, sl.Labels]
) -> None:
    model = scene_exports["onnx"].model
    valid = np.random.default_rng(0).random((28, 30)) < 0.7
    scene = sl.Scene(np.where(valid[..., None], tiny[0].cube, 0), valid=valid)
    padding = np.array(model.config.padding, np.float32)
    halo = model.config.halo
    for tile in (sl.Window(0, 1, 0, 1), sl.Window(3, 8, 20, 30)):
        padded = model.window(scene, tile)
        assert padded.shape == (16, tile.shape[0] + 2 * halo, tile.shape[1] + 2 * halo)
        for i, j in np.ndindex(padded.shape[1:]):
            row, col = tile.row_start - halo + i, tile.col_start - halo + j
            inside = 0 <= row < 28 and 0 <= col < 30 and valid[row, col]
            wanted = tiny[0].cube[row, col] if inside else padding
            assert np.array_equal(padded[:, i, j], wanted)
    split = sl.split(tiny[1].on(scene), "random", train=0.2, seed=1)
    inputs = np.concatenate(RunData(scene, split).calibration(model))
    assert inputs.min() > 0
