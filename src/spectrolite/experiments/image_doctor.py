"""The doctor's checks of a model of images.

The checks of `checks` on the model and its training images, two that need the images (inputs scaled
as in training, and calibration), and its depthwise kernels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.data.images import ImageSet
from spectrolite.errors import ImagesError, SettingsError
from spectrolite.evaluation.calibration import Calibration, reliability
from spectrolite.evaluation.checkup import Check, Checkup, threshold_check
from spectrolite.evaluation.depthwise_kernels import depthwise_kernels
from spectrolite.evaluation.network_checks import check_network
from spectrolite.evaluation.training_inputs import pixel_range, some_images
from spectrolite.mapping.image_inference import predict
from spectrolite.runs.run_folder import Run
from spectrolite.samples.augmentation import standardise
from spectrolite.samples.split_image_set import ImageSplit

SCALING = 0.5
"""Standard deviations that a channel's mean, and powers of two that its deviation, may lie off. On
digits 0 over the training images; 0.8 and more with the contrast halved."""
CALIBRATION_ERROR = 0.1
"""Scene networks that were right at 93 to 97 % of the test pixels had 0.06 to 0.07, under-confident
as label smoothing makes them; one that was right at 61 % under whole blocks had 0.16."""


def checkup_images(
    run: Run | None, bundle: ImageBundle, images: ImageSet | None, test: ImageSet | None
) -> Checkup:
    """`doctor` of a model of images; see there."""
    if images is None:
        if run is None:
            raise SettingsError("doctor: a bundle has no data of its own; name them with --images")
        images, test = run.data()
    elif run is not None:
        run.check_data(images, test)
    if images.shape != bundle.config.input_shape:
        raise ImagesError(
            f"{images.name}: images of shape {images.shape}, and the model was trained on "
            f"{bundle.config.input_shape}"
        )
    split: ImageSplit | None = None if run is None else run.split(images, test)
    trained = np.arange(len(images)) if split is None else split.train
    shown = some_images(bundle, images, trained)
    measured = None if split is None else _calibration(bundle, split)
    return Checkup(
        model=f"{bundle.config.model} ({bundle.config.variant})",
        data=images.name,
        checks=(
            *check_network(bundle.network, shown),
            _check_inputs(bundle, torch.from_numpy(images.pixels[trained])),
            calibration_check(measured, "images"),
        ),
        calibration=measured,
        kernels=depthwise_kernels(bundle.network, shown, pixel_range(bundle.mean, bundle.std)),
    )


def _check_inputs(bundle: ImageBundle, pixels: Tensor) -> Check:
    """Whether the channels have mean 0 and variance 1 over the images that trained."""
    scaled = standardise(pixels, bundle.mean, bundle.std).transpose(0, 1).flatten(1).double()
    off = {
        "mean": float(scaled.mean(1).abs().max()),
        "spread": float(scaled.std(1).log2().abs().max()),
    }
    return threshold_check(
        "inputs",
        max(off.values()),
        SCALING,
        "Over the training images every channel has mean 0 and variance 1, as in training.",
        "The channels have other means or variances than in training: other images, or pixels that "
        "are scaled otherwise. Give them as 8 bits, red, green, blue, as the model was trained.",
        off,
    )


def _calibration(bundle: ImageBundle, split: ImageSplit) -> Calibration:
    predictions = predict(bundle, split.tested.pixels[split.test], "cpu")
    return reliability(predictions.confidence, predictions.classes == split.truth)


def calibration_check(measured: Calibration | None, samples: str) -> Check:
    """Whether confidence can be read as a probability; `samples` are pixels or images."""
    if measured is None:
        return Check(
            name="calibration",
            verdict="not checked",
            meaning=f"A bundle does not know which {samples} are test {samples}: give the run.",
        )
    over = measured.confidence > measured.accuracy
    figures = (
        f"over the {measured.count:,} test {samples} the confidence is {measured.confidence:.1%} "
        f"on average and {measured.accuracy:.1%} are right"
    )
    return threshold_check(
        "calibration",
        measured.error,
        CALIBRATION_ERROR,
        f"The confidence can be read as a probability: {figures}.",
        f"The network is {'over' if over else 'under'}-confident: {figures}. Do not read its "
        f"confidence as a probability; rank {samples} by it at most.",
    )
