"""`classify`, for scenes and for images."""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.loading import AnyModel
from spectrolite.data.scene import AnyScene, Scene, SceneFile
from spectrolite.mapping.image_inference import Images, Predictions, classify_images
from spectrolite.mapping.scene_inference import WINDOW, classify_scene
from spectrolite.mapping.scene_map import SceneMap


@overload
def classify(
    model: AnyModel | Exported,
    scene: AnyScene,
    window: int = WINDOW,
    device: str = "auto",
    on_window: Callable[[int, int], None] = lambda _done, _all: None,
    flips: bool = False,
    match_wavelengths: bool = False,
    probabilities: bool = False,
) -> SceneMap: ...
@overload
def classify(model: AnyModel | Exported, scene: Images, *, device: str = "auto") -> Predictions: ...
def classify(
    model: AnyModel | Exported,
    scene: AnyScene | Images,
    window: int = WINDOW,
    device: str = "auto",
    on_window: Callable[[int, int], None] = lambda _done, _all: None,
    flips: bool = False,
    match_wavelengths: bool = False,
    probabilities: bool = False,
) -> SceneMap | Predictions:
    """Classify every pixel of a scene, or images.

    A pixel outside the scene counts as the mean spectrum. So does a pixel without a spectrum, and
    its class and confidence are 0. For images only `model` and `device` are used, as by the verb
    `classify`.

    Args:
        model: a run, a bundle, an exported model, or the folder of any.
        scene: the scene, with the bands that the model was trained on; or images: an ImageSet, or
            image files.
        window: side in pixels of the windows that are computed one at a time.
        device: `auto`, `cpu`, `cuda`; an exported model computes on the CPU.
        on_window: called after each window with the number of windows done, and of all.
        flips: average the softmax over the eight orientations of each window, which takes eight
            times as long.
        match_wavelengths: interpolate a scene of other wavelengths, as `at_wavelengths` does.
        probabilities: keep the softmax of all classes of a scene, 4 bytes a pixel and class;
            predictions of images have it anyway.

    Raises:
        RunError: the folder is not a model.
        SceneError: another number of bands, or other wavelengths.
        SettingsError: no such device, or a window without pixels.
    """
    if isinstance(scene, Scene | SceneFile):
        return classify_scene(
            model, scene, window, device, on_window, flips, match_wavelengths, probabilities
        )
    return classify_images(model, scene, device)
