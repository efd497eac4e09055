"""Check that an exported model computes what torch computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.graphs import graph_of
from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.images import ImageSet
from spectrolite.data.scene import Scene, SceneFile, Window
from spectrolite.data.scene_sets import SceneSet
from spectrolite.errors import InputError, VerifyError
from spectrolite.runs.run_folder import Run

TOLERANCE = 1e-4  # of the largest logit
BATCH = 4
SIDES = ((1, 1), (9, 14))  # scenes to check on, in pixels without halo; the first is one patch


@dataclass(frozen=True)
class Parity:
    """How closely an exported model and torch agree.

    Attributes:
        checked_on: `data`, inputs of the run's data, or `generated`, random ones in their range.
        inputs: shapes that were compared.
        difference: largest difference of logits, as a share of the largest logit.
        same_class: share of pixels or images with the same class.
    """

    checked_on: str
    inputs: tuple[tuple[int, ...], ...]
    difference: float
    same_class: float


def check_parity(model: Exported, bundle: Bundle | ImageBundle, run: Run | None) -> Parity:
    """Compare an exported model with torch.

    Args:
        model: the exported model.
        bundle: the trained model that it was made from.
        run: the bundle's run, whose data are the inputs if they can be loaded; or None.

    Raises:
        VerifyError: they differ by more than `TOLERANCE`.
    """
    checked_on, inputs = _inputs(model, bundle, run)
    largest, apart, same, total = 0.0, 0.0, 0, 0
    graph = graph_of(bundle, model.config.dropped_bands)
    for batch in inputs:
        with torch.inference_mode():
            classes, confidence, logits = (t.numpy() for t in graph(torch.from_numpy(batch)))
        got = model.run(batch)
        if [g.shape for g in got] != [classes.shape, confidence.shape, logits.shape]:
            raise VerifyError(f"{model.name}: output shapes differ from torch for {batch.shape}")
        if not np.array_equal(got[0], got[2].argmax(1)):
            raise VerifyError(f"{model.name}: classes are not those of the largest logits")
        largest = max(largest, float(np.abs(logits).max()))
        apart = max(apart, float(np.abs(got[2] - logits).max()))
        same += int((got[0] == classes).sum())
        total += classes.size
    shapes = tuple(batch.shape for batch in inputs)
    parity = Parity(checked_on, shapes, apart / largest, same / total)
    if not parity.difference <= TOLERANCE:  # also refuses NaN
        raise VerifyError(
            f"{model.name}: logits differ from torch by {parity.difference:.1e} of the largest, "
            f"wanted at most {TOLERANCE:.0e}; nothing was written"
        )
    return parity


def _inputs(
    model: Exported, bundle: Bundle | ImageBundle, run: Run | None
) -> tuple[str, list[NDArray[Any]]]:
    """Raw inputs at batch 1 and `BATCH`, from the run's data if they can be loaded."""
    data, checked_on = None, "generated"
    if run is not None:
        try:
            data = run.data()[0]
            data = data.parts[0] if isinstance(data, SceneSet) else data
            checked_on = "generated" if isinstance(data, SceneFile) else "data"
        except InputError:  # files that moved or changed, or arrays in memory
            pass
    generator = np.random.default_rng(0)
    if isinstance(bundle, ImageBundle):
        if isinstance(data, ImageSet):
            pixels = data.pixels[:BATCH].copy()
        else:
            shape = (BATCH, *bundle.config.input_shape)
            pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        return checked_on, [pixels[:1], pixels]
    scene = data if isinstance(data, Scene) else _generated(bundle, generator)
    rows, cols, _ = scene.shape
    batches = []
    for height, width in SIDES:
        tiles = [
            Window(row, min(row + height, rows), col, min(col + width, cols))
            for row, col in zip(
                np.linspace(0, max(rows - height, 0), BATCH, dtype=int).tolist(),
                np.linspace(0, max(cols - width, 0), BATCH, dtype=int).tolist(),
                strict=True,
            )
        ]
        batch = np.stack([model.window(scene, tile) for tile in tiles])
        batches += [batch[:1], batch]
    return checked_on, batches


def _generated(bundle: Bundle, generator: np.random.Generator) -> Scene:
    """A scene whose components have mean 0 and variance 1, as those of the training pixels."""
    bands = bundle.bands
    size = (40, 40, len(bands.matrix))
    spectra = generator.normal(size=size) @ np.linalg.pinv(bands.matrix).T + bands.mean
    return Scene(spectra.astype(np.float32))
