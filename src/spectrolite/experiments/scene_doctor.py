"""The doctor: is a trained model what its report says it is?

The checks of `checks` on the model and patches of its training pixels, three that need the scene
(inputs scaled as in training, the form for whole scenes against patches, and calibration), and its
depthwise kernels.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.loading import AnyModel, any_bundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.images import ImageSet
from spectrolite.data.labels import Labels
from spectrolite.data.scene import Scene, Window, windows
from spectrolite.data.scene_sets import Pixels
from spectrolite.data.wavelengths import at_wavelengths
from spectrolite.errors import RunError, SettingsError
from spectrolite.evaluation.calibration import Calibration, reliability
from spectrolite.evaluation.checkup import Check, Checkup, threshold_check
from spectrolite.evaluation.depthwise_kernels import depthwise_kernels, depthwise_layers
from spectrolite.evaluation.network_checks import ROUNDING, check_network
from spectrolite.evaluation.network_outputs import difference, logits_of
from spectrolite.evaluation.training_inputs import (
    PATCHES,
    evenly_spaced,
    padded_image,
    patches_around,
)
from spectrolite.experiments.image_doctor import calibration_check, checkup_images
from spectrolite.files import whole_file, write_text
from spectrolite.mapping.scene_inference import WINDOW, classify_scene
from spectrolite.pages.doctor_page import checkup_page
from spectrolite.pages.kernel_picture import kernel_picture
from spectrolite.part_folders import check_free
from spectrolite.runs.run_files import files_added
from spectrolite.runs.run_folder import ImageRun, Run, SceneRun, check_one_scene, run_of
from spectrolite.samples.band_reduction import fitted_pixels
from spectrolite.samples.split_scene import Split

SCALING = 0.5
"""Standard deviations that a component's mean, and powers of two that its deviation, may lie off.
On Indian Pines rounding over the pixels of the fit, 0.1 and 0.2 over all labelled pixels in their
stead, and 27 and more with reflectance divided by ten thousand."""


def doctor(
    model: AnyModel | Run,
    scene: Scene | ImageSet | None = None,
    labels: Labels | ImageSet | None = None,
    *,
    picture: str | Path | None = None,
    overwrite: bool = False,
) -> Checkup:
    """Check a trained model; of a run, `doctor.html` is written beside its report.

    Everything is computed on the CPU.

    Args:
        model: a run, a bundle, or the folder of either. A bundle does not know its training and
            test pixels: all labelled ones replace the former, and calibration is not checked.
        scene: the scene or the images to check it on; default: the run's own. Another scene, or
            other images for a bundle, show whether their values are scaled as the model's training
            data were.
        labels: the run's labels or test images, if they were not loaded from a file or by name;
            of a bundle on a scene, any map over it.
        picture: PNG of all depthwise kernels to write; the page of a run has it anyway.
        overwrite: replace an existing picture.

    Raises:
        RunError: not a model, a damaged one, other labels than the run's, or a picture in the way.
        SceneError: another number of bands than the model's.
        ImagesError: images of another shape than the model's.
        SettingsError: one of scene and labels without the other, a bundle without data, a scene
            for a model of images and the other way round, or a picture of kernels where the network
            has none.
    """
    run = run_of(model)
    bundle = any_bundle(run or model)
    layers = depthwise_layers(bundle.network)
    if picture is not None:
        _check_picture(Path(picture), bundle, bool(layers), overwrite)
    if isinstance(bundle, ImageBundle):
        if isinstance(scene, Scene) or isinstance(labels, Labels):
            raise SettingsError(f"doctor: {bundle.config.model} classifies images, not scenes")
        checkup = checkup_images(run, bundle, scene, labels)
    else:
        if isinstance(scene, ImageSet) or isinstance(labels, ImageSet):
            raise SettingsError(f"doctor: {bundle.config.model} classifies scenes, not images")
        assert not isinstance(run, ImageRun)  # its bundle is of the other kind
        checkup = _checkup_scene(run, bundle, scene, labels)
    png = None
    if layers and (run is not None or picture is not None):
        png = kernel_picture(f"{checkup.model} on {checkup.data}", layers, checkup.kernels)
    if run is not None:
        page = checkup_page(checkup, png)
        with files_added(run.path) as following:
            write_text(following / "doctor.html", page)
    if picture is not None and png is not None:
        with whole_file(Path(picture)) as part:
            part.write_bytes(png)
    return checkup


def _check_picture(
    picture: Path, bundle: Bundle | ImageBundle, has_kernels: bool, overwrite: bool
) -> None:
    if not has_kernels:
        raise SettingsError(
            f"--picture: {bundle.config.model} has no depthwise layers, so it has no kernels to "
            "draw; leave it out"
        )
    check_free(picture, overwrite, "--picture", ".png")


def _checkup_scene(
    run: SceneRun | None, bundle: Bundle, scene: Scene | None, labels: Labels | None
) -> Checkup:
    scene, labels = _data(run, scene, labels)
    scene = at_wavelengths(scene, bundle.config.wavelengths_nm)
    split = run.split(labels) if run is not None else None
    labelled = np.flatnonzero(labels.array)
    reduced = bundle.bands.reduce(scene.cube, scene.valid)
    padded = padded_image(reduced, bundle.config.patch // 2)
    pixels = evenly_spaced(labelled if split is None else split.train, PATCHES)
    patches = patches_around(padded, pixels, bundle.config.patch)
    measured = None if split is None else _calibration(bundle, scene, split)
    return Checkup(
        model=f"{bundle.config.model} ({bundle.config.variant})",
        data=scene.name,
        checks=(
            *check_network(bundle.network, patches),
            _check_inputs(bundle, reduced, labelled, split),
            _check_dense(bundle, padded, pixels, labels.shape),
            calibration_check(measured, "pixels"),
        ),
        calibration=measured,
        kernels=depthwise_kernels(bundle.network, patches),
    )


def _data(run: SceneRun | None, scene: Scene | None, labels: Labels | None) -> tuple[Scene, Labels]:
    """Scene and labels to check on."""
    if (scene is None) != (labels is None):
        raise SettingsError("give both --scene and --labels, or neither")
    if scene is None or labels is None:
        if run is None:
            raise SettingsError(
                "doctor: a bundle has no data of its own; name them with --scene and --labels"
            )
        data: tuple[Any, Any] = run.data()
        check_one_scene(run, data, "doctor")
        return data
    check_one_scene(run, (scene, labels), "doctor")
    labels = labels.on(scene)
    if run is not None and labels.sha256 != run.manifest.labels_sha256:
        raise RunError(
            f"{run.path}: the labels ({labels.name}) differ from those of the run, whose split "
            "points into them; give those that it was trained on"
        )
    return scene, labels


def _check_inputs(
    bundle: Bundle, reduced: NDArray[np.float32], labelled: Pixels, split: Split | None
) -> Check:
    """Whether the reduction gives what it promised where it was fitted: mean 0, variance 1."""
    spectra = reduced.reshape(-1, reduced.shape[2])
    if split is None:
        spectra, where = spectra[labelled], "the labelled pixels"
    else:
        fitted_on = bundle.bands.fitted_on
        spectra = spectra[fitted_pixels(split, fitted_on, bundle.config.patch)]
        where = f"the pixels that the bands were fitted on ({fitted_on})"
    mean, deviation = spectra.mean(0, np.float64), spectra.std(0, np.float64, ddof=1)
    with np.errstate(divide="ignore"):
        spread = np.abs(np.log2(deviation))
    off = {"mean": float(np.abs(mean).max()), "spread": float(spread.max())}
    return threshold_check(
        "inputs",
        max(off.values()),
        SCALING,
        f"Over {where} the reduced bands have mean 0 and variance 1, as in training.",
        f"Over {where} the reduced bands have other means or variances than in training: the "
        "scene is scaled otherwise (reflectance from 0 to 1 for one in ten thousandths?) or comes "
        "from another sensor. Give it in the units that the model was trained on.",
        off,
    )


def _check_dense(bundle: Bundle, padded: Tensor, pixels: Pixels, shape: tuple[int, int]) -> Check:
    """Whether the form for whole scenes gives the logits of patches, in evaluation mode."""
    rows, cols = np.unravel_index(pixels, shape)

    def inside(tile: Window) -> NDArray[np.bool_]:
        down = (tile.row_start <= rows) & (rows < tile.row_stop)
        return down & (tile.col_start <= cols) & (cols < tile.col_stop)

    tile = max(windows(*shape, WINDOW), key=lambda tile: int(inside(tile).sum()))
    compared = inside(tile)
    halo = bundle.config.patch // 2
    window = padded[
        :, tile.row_start : tile.row_stop + 2 * halo, tile.col_start : tile.col_stop + 2 * halo
    ]
    net = copy.deepcopy(bundle.network).eval()
    with torch.inference_mode():
        patches = logits_of(net, patches_around(padded, pixels[compared], bundle.config.patch), 64)
        whole = bundle.dense.to("cpu")(window[None])[0]  # (classes, rows, cols)
    at = whole[:, rows[compared] - tile.row_start, cols[compared] - tile.col_start].T
    return threshold_check(
        "dense form",
        difference(patches.flatten(1), at),
        ROUNDING,
        "The form that maps whole scenes gives the logits of single patches, up to rounding.",
        "The form that maps whole scenes gives other logits than single patches do, so the map is "
        "not what the network says. Report it as a bug, with the model.",
        {"pixels compared": float(compared.sum())},
    )


def _calibration(bundle: Bundle, scene: Scene, split: Split) -> Calibration:
    """Of the test pixels, from the map's confidence."""
    scene_map = classify_scene(bundle, scene, device="cpu")
    right = scene_map.classes.ravel()[split.test] == split.labels.array.ravel()[split.test]
    return reliability(scene_map.confidence.ravel()[split.test], right)
