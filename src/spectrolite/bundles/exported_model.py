"""Open an exported model and compute with it.

Nothing in its folder is unpickled, and no file outside it is opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.bundles.exported_folder import BACKENDS, FILES, FORMAT, REMEDY, ExportConfig
from spectrolite.bundles.graphs import kept_bands
from spectrolite.bundles.image_bundle import ImageConfig
from spectrolite.bundles.runtimes import Outputs, start_onnx, start_openvino
from spectrolite.data.scene import Scene, Window
from spectrolite.errors import RunError, SceneError
from spectrolite.files import read_model
from spectrolite.part_folders import restore_replaced
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
        network = self.config.network
        if isinstance(network, ImageConfig):
            shape = " x ".join(map(str, network.input_shape))
            inputs, classes = f"images of {shape}", len(network.class_names)
        else:
            inputs, classes = f"spectra of {self.bands[0]} bands", len(network.class_ids)
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
    restore_replaced(folder)
    config = read_model(folder / "config.json", FORMAT, ExportConfig, REMEDY)
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
