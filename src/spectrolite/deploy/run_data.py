"""Data and split of a run, as exported graphs take them: to calibrate, to score and to time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.loading import AnyModel, any_bundle
from spectrolite.data.images import ImageSet
from spectrolite.data.scene import Scene, Window
from spectrolite.errors import RunError
from spectrolite.mapping.image_inference import predict
from spectrolite.mapping.scene_inference import classify_scene
from spectrolite.runs.run_folder import AnyRun, ImageRun, run_of
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.samples.split_scene import Split

CALIBRATION_IMAGES, IMAGES_A_BATCH = 512, 32
CALIBRATION_PATCHES, PATCHES_A_BATCH = 128, 16
TIMED_IMAGES = 64
TIMED_SIDE = 96  # pixels of a scene


def need_run(model: AnyModel, verb: str) -> AnyRun:
    """The run, opened if `model` is its folder.

    Raises:
        RunError: not a run; the message names the verb.
    """
    run = run_of(model)
    if run is None:
        any_bundle(model)  # reports a folder that holds no model at all
        raise RunError(f"{verb}: wanted a run, because its data are needed; a bundle has none")
    return run


def dropped_bands(run: AnyRun) -> tuple[int, ...]:
    """Bands of the scene's file that the run left out with `drop_bands`.

    Raises:
        RunError: the run has several scenes and left out different bands of each.
    """
    if isinstance(run, ImageRun):
        return ()
    sources = run.manifest.data.scene
    choices = {
        tuple(sorted({int(word) for word in source.get("drop_bands", "").split(",") if word}))
        for source in (sources if isinstance(sources, list) else [sources])
    }
    if len(choices) > 1:
        raise RunError(
            f"{run.path}: different bands were left out of its scenes, but a graph can leave out "
            f"only the same bands of every scene; export {run.path / 'bundle'} instead: its graph "
            "takes the bands that were kept"
        )
    return choices.pop()


@dataclass(frozen=True, eq=False)
class RunData:
    """A run's data and split, as exported graphs take them.

    Attributes:
        data: the scene, or the training images.
        split: the run's split.
    """

    data: Scene | ImageSet
    split: Split | ImageSplit

    def calibration(self, model: Exported) -> list[NDArray[Any]]:
        """Batches of raw inputs: training images, or patches of training pixels, evenly spaced."""
        train = self.split.train
        if isinstance(self.data, ImageSet):
            inputs = self.data.pixels[_evenly_spaced(train, CALIBRATION_IMAGES)]
            batch = IMAGES_A_BATCH
        else:
            pixels = _evenly_spaced(train, CALIBRATION_PATCHES)
            places = np.stack(np.divmod(pixels, self.data.shape[1]), 1).tolist()
            tiles = [Window(row, row + 1, col, col + 1) for row, col in places]
            inputs = np.stack([model.window(self.data, tile) for tile in tiles])
            batch = PATCHES_A_BATCH
        return [inputs[k : k + batch] for k in range(0, len(inputs), batch)]

    def classes(self, model: Exported) -> NDArray[Any]:
        """The model's class for every pixel of the scene, flat, or for each test image."""
        if isinstance(self.split, ImageSplit):
            return predict(model, self.split.tested.pixels[self.split.test]).classes
        return classify_scene(model, cast(Scene, self.data)).classes.ravel()

    def accuracy(self, classes: NDArray[Any]) -> float:
        """Overall accuracy of such classes on the test part, 0 to 1."""
        if isinstance(self.split, ImageSplit):
            return float((classes == self.split.truth).mean())
        truth = self.split.labels.array.ravel()[self.split.test]
        return float((classes[self.split.test] == truth).mean())

    def timed_input(self, model: Exported) -> NDArray[Any]:
        """Raw input to measure speed on: up to 64 test images, or one window of the scene."""
        if isinstance(self.split, ImageSplit):
            return self.split.tested.pixels[self.split.test][:TIMED_IMAGES].copy()
        scene = cast(Scene, self.data)
        rows, cols = (min(side, TIMED_SIDE) for side in scene.shape[:2])
        return model.window(scene, Window(0, rows, 0, cols))[None]


def run_data(run: AnyRun, data: Any) -> RunData:
    """The run's split with its data, as `with_data` returns them."""
    return RunData(data[0], run.split(*data))


def _evenly_spaced(indices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return np.take(indices, np.unique(np.linspace(0, len(indices) - 1, most).astype(int)))
