"""A run's own protocol for graphs: what calibrates them, and what they score on its test part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spectrolite.bundles.runtimes import Exported
from spectrolite.data.images import ImageSet
from spectrolite.data.scene import Scene, Window
from spectrolite.mapping.image_inference import predict
from spectrolite.mapping.scene_inference import classify
from spectrolite.runs.run_folder import Run
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.samples.split_scene import Split

CALIBRATION = {"images": (512, 32), "scene": (128, 16)}  # images or patches, and how many at a time
TIMED_IMAGES = 64
TIMED_SIDE = 96  # pixels of a scene


@dataclass(frozen=True, eq=False)
class Protocol:
    """Data and split of a run, as graphs take them.

    Attributes:
        data: the scene, or the images that train.
        split: of the run.
    """

    data: Scene | ImageSet
    split: Split | ImageSplit

    def calibration(self, model: Exported) -> list[NDArray[Any]]:
        """Raw inputs of the training part, in batches: images, or patches of training pixels."""
        count, batch = CALIBRATION["images" if isinstance(self.data, ImageSet) else "scene"]
        train = self.split.train
        chosen = train[np.unique(np.linspace(0, len(train) - 1, count).astype(int))]
        if isinstance(self.data, ImageSet):
            inputs = self.data.pixels[chosen]
        else:
            places = np.stack(np.divmod(chosen, self.data.shape[1]), 1).tolist()
            tiles = [Window(row, row + 1, col, col + 1) for row, col in places]
            inputs = np.stack([model.window(self.data, tile) for tile in tiles])
        return [inputs[k : k + batch] for k in range(0, len(inputs), batch)]

    def classes(self, model: Exported) -> NDArray[Any]:
        """What the model says: of every pixel of the scene, or of each test image."""
        if isinstance(self.split, ImageSplit):
            return predict(model, self.split.tested.pixels[self.split.test]).classes
        return classify(model, cast(Scene, self.data)).classes.ravel()

    def accuracy(self, classes: NDArray[Any]) -> float:
        """Overall accuracy on what the split tests, 0 to 1."""
        if isinstance(self.split, ImageSplit):
            return float((classes == self.split.truth).mean())
        truth = self.split.labels.array.ravel()[self.split.test]
        return float((classes[self.split.test] == truth).mean())

    def timed(self, model: Exported) -> NDArray[Any]:
        """Raw input to measure speed on: 64 test images, or a part of the scene in one window."""
        if isinstance(self.split, ImageSplit):
            return self.split.tested.pixels[self.split.test][:TIMED_IMAGES].copy()
        scene = cast(Scene, self.data)
        rows, cols = (min(side, TIMED_SIDE) for side in scene.shape[:2])
        return model.window(scene, Window(0, rows, 0, cols))[None]


def protocol_of(run: Run, data: Any) -> Protocol:
    """The protocol of a run with its data, as `with_data` gives them."""
    return Protocol(data[0], run.split(*data) if run.on_images else run.split(data[1]))
