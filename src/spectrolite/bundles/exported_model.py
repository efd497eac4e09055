"""Open an exported model and compute with it.

Nothing in its folder is unpickled, and no file outside it is opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.bundles.exported_folder import BACKENDS, FILES, FORMAT, REMEDY, ExportConfig
from spectrolite.bundles.graphs import kept_bands
from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.loading import AnyModel, as_bundle, as_image_bundle
from spectrolite.bundles.runtimes import Outputs, start_onnx, start_openvino
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.scene import Scene, Window
from spectrolite.errors import RunError, SceneError, SettingsError
from spectrolite.files import read_json
from spectrolite.samples.padded_window import padded_window


@dataclass(frozen=True, eq=False)
class Exported:
    """An exported model, ready to compute.

    Attributes:
        path: its folder.
        config: the content of `config.json`.
        run: takes `(N, bands or channels, H, W)`, float32 spectra or uint8 pixels, and returns
            class positions, confidence and logits; shapes in `bundles.graphs`.
    """

    path: Path
    config: ExportConfig
    run: Callable[[NDArray[Any]], Outputs]

    def __repr__(self) -> str:
        network = self.config.scene or self.config.images
        assert network is not None  # ExportConfig has one of them
        if self.config.images is not None:
            shape = " x ".join(map(str, self.config.images.input_shape))
            inputs, classes = f"images of {shape}", len(self.config.images.class_names)
        else:
            inputs = f"spectra of {self.bands[0]} bands"
            classes = len(cast(Any, network).class_ids)
        return (
            f"{network.model} ({network.variant}) on {self.name}, {self.path}\n"
            f"takes {inputs}; {classes} classes"
        )

    @property
    def name(self) -> str:
        """Backend and precision."""
        return f"{BACKENDS[self.config.exported]} {self.config.precision}"

    @property
    def bands(self) -> tuple[int, int]:
        """Number of bands that the graph takes, and how many of them the network uses."""
        padding = self.config.padding or ()
        return len(padding), len(kept_bands(len(padding), self.config.dropped_bands))

    def spectra(
        self, cube: NDArray[np.generic], valid: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Spectra as the graph takes them, `(rows, cols, bands)`.

        Args:
            cube: `(rows, cols, bands)`; bands that the graph does not use may be missing.
            valid: `(rows, cols)`; pixels where it is false get the padding spectrum.

        Raises:
            SceneError: a wrong number of bands.
        """
        padding = np.asarray(self.config.padding, np.float32)
        if cube.shape[-1] not in self.bands:
            either = " or ".join(str(n) for n in sorted(set(self.bands)))
            raise SceneError(f"the model takes {either} bands, the scene has {cube.shape[-1]}")
        spectra = np.empty((*cube.shape[:-1], len(padding)), np.float32)
        spectra[:] = padding
        if cube.shape[-1] == len(padding):
            spectra[:] = cube
        else:
            spectra[..., kept_bands(len(padding), self.config.dropped_bands)] = cube
        if valid is not None:
            spectra[~valid] = padding
        return spectra

    def window(self, scene: Scene, tile: Window) -> NDArray[np.float32]:
        """Input for a window of a scene: `(bands, rows + 2 * halo, cols + 2 * halo)`.

        Args:
            scene: with bands that `spectra` takes.
            tile: the window.

        Raises:
            SceneError: a wrong number of bands.
        """
        padding = np.asarray(self.config.padding, np.float32)
        padded, _ = padded_window(scene, tile, self.config.halo, padding, self.spectra)
        return np.ascontiguousarray(padded.transpose(2, 0, 1))

    def logits(self, inputs: Tensor) -> Tensor:
        """Logits for raw inputs, as torch tensors."""
        return torch.from_numpy(self.run(inputs.numpy())[2])


def scene_model(model: AnyModel | Exported) -> Bundle | Exported:
    """Open MODEL as a model for scenes: a bundle or an exported model.

    Raises:
        SettingsError: it classifies images.
    """
    exported = _exported(model)
    if exported is None:
        return as_bundle(cast(AnyModel, model))
    if exported.config.images is not None:
        raise SettingsError(
            f"{exported.config.images.model} classifies images, and a scene needs a model that was "
            "trained on a scene; give images to classify"
        )
    return exported


def image_model(model: AnyModel | Exported) -> ImageBundle | Exported:
    """Open MODEL as a model for images: a bundle or an exported model.

    Raises:
        SettingsError: it classifies scenes.
    """
    exported = _exported(model)
    if exported is None:
        return as_image_bundle(cast(AnyModel, model))
    if exported.config.scene is not None:
        raise SettingsError(
            f"{exported.config.scene.model} was trained on a scene, and images need a model that "
            "was trained on images; label a scene with map"
        )
    return exported


def _exported(model: AnyModel | Exported) -> Exported | None:
    if isinstance(model, str | Path) and is_exported(model):
        return open_exported(model)
    return model if isinstance(model, Exported) else None


def is_exported(folder: str | Path) -> bool:
    """Whether a folder holds an exported model, complete or damaged."""
    return any((Path(folder) / name).exists() for names in FILES.values() for name in names)


def open_exported(folder: str | Path, threads: int | None = None) -> Exported:
    """Open an exported folder.

    Args:
        folder: a folder that `export` or `quantize` wrote.
        threads: number of threads that compute; default: torch's.

    Raises:
        RunError: a file is missing, damaged, of a newer version, or refers to a file outside the
            folder.
        MissingExtraError: its runtime is not installed.
    """
    folder = Path(folder)
    path = folder / "config.json"
    config = ExportConfig.model_validate(read_json(path, FORMAT, ExportConfig, REMEDY))
    for name, sha256 in config.files_sha256.items():
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            raise RunError(
                f"{folder / name}: cannot be read ({error.strerror}); {REMEDY}"
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise RunError(
                f"{folder / name}: its sha256 differs from the one in config.json; {REMEDY}"
            )
    start = start_onnx if config.exported == "onnx" else start_openvino
    file = folder / FILES[config.exported][0]
    return Exported(folder, config, start(file, threads or torch.get_num_threads()))
