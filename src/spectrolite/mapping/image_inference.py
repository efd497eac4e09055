"""Classify images with a trained model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.image_bundle import ImageBundle, ImageConfig
from spectrolite.bundles.loading import AnyModel, image_model
from spectrolite.data.images import ImageSet
from spectrolite.errors import ImagesError, ReadError
from spectrolite.files import whole_file
from spectrolite.hashing import array_sha256
from spectrolite.machine import kept_memory, pick_device
from spectrolite.readers.images.folders import read_image_files
from spectrolite.training.image_loop import AT_A_TIME, logits_of

Images = ImageSet | str | Path | Sequence[str | Path]


@dataclass(frozen=True, eq=False)
class Predictions:
    """A class for every image.

    Attributes:
        probabilities: `(N, classes)` float32, the softmax; not calibrated.
        classes: `(N,)` int64, index of the class with the largest logit.
        class_names: name of each class.
        images: name of each image: its file, or its number.
        notes: how images were changed that did not have the model's shape.
        caveat: why classes and probabilities mean nothing, if the model's test showed that it
            learned nothing.
    """

    probabilities: NDArray[np.float32]
    classes: NDArray[np.int64]
    class_names: tuple[str, ...]
    images: tuple[str, ...]
    notes: tuple[str, ...] = ()
    caveat: str | None = None

    @property
    def confidence(self) -> NDArray[np.float32]:
        """`(N,)` float32: the probability of the predicted class."""
        confidence: NDArray[np.float32] = self.probabilities[
            np.arange(len(self.classes)), self.classes
        ]
        return confidence

    @property
    def sha256(self) -> str:
        """Hash of classes and probabilities."""
        return array_sha256(self.classes, self.probabilities)

    def top(self, k: int = 1) -> list[list[tuple[str, float]]]:
        """For each image the `k` most likely classes and their probabilities, in this order."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return [
            [(self.class_names[c], float(row[c])) for c in best]
            for row, best in zip(self.probabilities, order, strict=True)
        ]

    def save(self, path: Path) -> None:
        """Write classes and probabilities as safetensors."""
        with whole_file(path) as part:
            part.write_bytes(save({"classes": self.classes, "probabilities": self.probabilities}))


def read_predictions(path: Path, bundle: ImageBundle) -> Predictions:
    """Read what `Predictions.save` wrote.

    Args:
        path: the file.
        bundle: the model that made the predictions: it has the class names.

    Raises:
        ReadError: missing, damaged, or of another model.
    """
    names = bundle.config.class_names
    try:
        arrays = load_file(path)
        classes, probabilities = arrays["classes"], arrays["probabilities"]
        if classes.dtype != np.int64 or probabilities.dtype != np.float32:
            raise ValueError(f"{classes.dtype} and {probabilities.dtype}")
        if classes.ndim != 1 or probabilities.shape != (len(classes), len(names)):
            raise ValueError(f"shapes {classes.shape} and {probabilities.shape}")
        if len(classes) and not 0 <= classes.min() <= classes.max() < len(names):
            raise ValueError("a class that the model does not have")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ReadError(f"{path}: cannot be read ({error}); run evaluate") from error
    return Predictions(probabilities, classes, names, _numbers(len(classes)))


def classify_images(
    model: AnyModel | Exported, images: Images, device: str = "auto"
) -> Predictions:
    """Classify images.

    Args:
        model: a run on images, its bundle, an exported model, or the folder of any.
        images: a set, or image files. Files are converted as by `read_images`: to 8-bit colours, or
            to grey if the model was trained on grey; the shorter side is resized to the model's
            size, then the centre is cut out.
        device: `auto`, `cpu`, `cuda`; an exported model computes on the CPU.

    Raises:
        SettingsError: a model of scenes, or an unknown device.
        ImagesError: images of another shape than the model's, or no image.
        ReadError: a file that cannot be read.
        RunError: the folder is not a model.
    """
    bundle = image_model(model)
    config = config_of(bundle)
    notes: tuple[str, ...] = ()
    if not isinstance(images, ImageSet):
        files = [images] if isinstance(images, str | Path) else list(images)
        if not files:
            raise ImagesError("classify: wanted at least one image, got none")
        pixels, notes = read_image_files(files, config.input_shape)
        return predict(bundle, pixels, device, tuple(map(str, files)), notes)
    if images.shape != config.input_shape:
        raise ImagesError(
            f"{images.name}: images of shape {images.shape}, and the model was trained on "
            f"{config.input_shape}"
        )
    return predict(bundle, images.pixels, device)


def config_of(model: ImageBundle | Exported) -> ImageConfig:
    """The config of an image model."""
    return cast(ImageConfig, model.config.images if isinstance(model, Exported) else model.config)


def predict(
    bundle: ImageBundle | Exported,
    pixels: NDArray[np.uint8],
    device: str = "auto",
    names: tuple[str, ...] | None = None,
    notes: tuple[str, ...] = (),
) -> Predictions:
    """Predictions for pixels `(N, C, H, W)` of the model's shape."""
    if isinstance(bundle, Exported):
        parts = (pixels[k : k + AT_A_TIME] for k in range(0, len(pixels), AT_A_TIME))
        logits = torch.cat([bundle.logits(torch.from_numpy(part.copy())) for part in parts])
    else:
        target = pick_device(device)
        net = bundle.network
        if next(net.parameters()).device.type != target.type:
            net = copy.deepcopy(net).to(target)  # the caller's network stays on its device
        with kept_memory():
            logits = logits_of(net, pixels, bundle.mean, bundle.std, target)
    return Predictions(
        logits.softmax(1).numpy(),
        logits.argmax(1).numpy(),
        config_of(bundle).class_names,
        _numbers(len(pixels)) if names is None else names,
        notes,
        config_of(bundle).caveat,
    )


def _numbers(n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n)))
