"""Exported models, computed by ONNX Runtime or OpenVINO.

Nothing in a folder is unpickled, and no file outside it is opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.bundles.exported_folder import BACKENDS, FILES, FORMAT, REMEDY, ExportConfig
from spectrolite.bundles.extras import need
from spectrolite.bundles.graphs import INPUT, OUTPUTS, kept_bands
from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.loading import AnyModel, as_bundle, as_image_bundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.scene import Scene, Window
from spectrolite.errors import RunError, SceneError, SettingsError
from spectrolite.files import read_json

MOST_SHAPES = 8  # of inputs that OpenVINO is kept compiled for: a scene has four kinds of window

Outputs = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Exported:
    """An exported model, ready to compute.

    Attributes:
        path: its folder.
        config: what `config.json` holds.
        run: `(N, bands or channels, H, W)`, float32 spectra or uint8 pixels, to class positions,
            confidence and logits, as `deploy.graphs` says.
    """

    path: Path
    config: ExportConfig
    run: Callable[[NDArray[Any]], Outputs]

    @property
    def name(self) -> str:
        """Backend and precision."""
        return f"{BACKENDS[self.config.exported]} {self.config.precision}"

    @property
    def bands(self) -> tuple[int, int]:
        """Bands of a scene that the graph takes: all that it reads, or those it looks at."""
        padding = self.config.padding or ()
        return len(padding), len(kept_bands(len(padding), self.config.dropped_bands))

    def spectra(
        self, cube: NDArray[np.generic], valid: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """`(rows, cols, bands)` of a scene as the graph takes them.

        Bands that it does not look at may be missing, and a pixel without a spectrum, where `valid`
        says which have one, gets that of the padding.

        Raises:
            SceneError: another number of bands.
        """
        padding = np.asarray(self.config.padding, np.float32)
        if cube.shape[-1] not in self.bands:
            either = " or ".join(str(n) for n in sorted(set(self.bands)))
            raise SceneError(f"the model takes {either} bands, the scene has {cube.shape[-1]}")
        made = np.empty((*cube.shape[:-1], len(padding)), np.float32)
        made[:] = padding
        if cube.shape[-1] == len(padding):
            made[:] = cube
        else:
            made[..., kept_bands(len(padding), self.config.dropped_bands)] = cube
        if valid is not None:
            made[~valid] = padding
        return made

    def window(self, scene: Scene, tile: Window) -> NDArray[np.float32]:
        """Input of a window: `(bands, rows + 2 * halo, cols + 2 * halo)`.

        Args:
            scene: whose bands are those that `spectra` takes.
            tile: the window.

        Raises:
            SceneError: another number of bands.
        """
        halo, padding = self.config.halo, np.asarray(self.config.padding, np.float32)
        rows, cols, _ = scene.shape
        height, width = tile.shape
        made = np.empty((height + 2 * halo, width + 2 * halo, len(padding)), np.float32)
        made[:] = padding
        top, left = tile.row_start - halo, tile.col_start - halo
        inside = Window(
            max(top, 0),
            min(tile.row_stop + halo, rows),
            max(left, 0),
            min(tile.col_stop + halo, cols),
        )
        made[
            inside.row_start - top : inside.row_stop - top,
            inside.col_start - left : inside.col_stop - left,
        ] = self.spectra(*scene.read(inside))
        return np.ascontiguousarray(made.transpose(2, 0, 1))

    def logits(self, inputs: Tensor) -> Tensor:
        """Logits of raw inputs, as a network of torch gives them."""
        return torch.from_numpy(self.run(inputs.numpy())[2])


def scene_model(model: AnyModel | Exported) -> Bundle | Exported:
    """What labels scenes: the trained model, or the exported one, that MODEL stands for.

    Raises:
        SettingsError: it classifies images.
    """
    made = _exported(model)
    if made is None:
        return as_bundle(cast(AnyModel, model))
    if made.config.images is not None:
        raise SettingsError(
            f"{made.config.images.model} classifies images, and a scene needs a model that was "
            "trained on a scene; give images to classify"
        )
    return made


def image_model(model: AnyModel | Exported) -> ImageBundle | Exported:
    """What classifies images: the same.

    Raises:
        SettingsError: it works on scenes.
    """
    made = _exported(model)
    if made is None:
        return as_image_bundle(cast(AnyModel, model))
    if made.config.scene is not None:
        raise SettingsError(
            f"{made.config.scene.model} was trained on a scene, and images need a model that was "
            "trained on images; label a scene with map"
        )
    return made


def _exported(model: AnyModel | Exported) -> Exported | None:
    if isinstance(model, str | Path) and is_exported(model):
        return open_exported(model)
    return model if isinstance(model, Exported) else None


def is_exported(folder: str | Path) -> bool:
    """Whether a folder holds an exported model, whole or damaged."""
    return any((Path(folder) / name).exists() for names in FILES.values() for name in names)


def open_exported(folder: str | Path, threads: int | None = None) -> Exported:
    """Open an exported folder.

    Args:
        folder: what `export` or `quantize` wrote.
        threads: that compute; as many as torch has without it.

    Raises:
        RunError: a file is missing, damaged, newer, or names a file outside the folder.
        MissingExtraError: its runtime is not installed.
    """
    folder = Path(folder)
    path = folder / "config.json"
    config = ExportConfig.model_validate(read_json(path, FORMAT, ExportConfig, REMEDY))
    for name, wanted in config.files_sha256.items():
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            raise RunError(
                f"{folder / name}: cannot be read ({error.strerror}); {REMEDY}"
            ) from error
        if hashlib.sha256(content).hexdigest() != wanted:
            raise RunError(
                f"{folder / name}: not the file that config.json was written for; {REMEDY}"
            )
    start = start_onnx if config.exported == "onnx" else start_openvino
    file = folder / FILES[config.exported][0]
    return Exported(folder, config, start(file, threads or torch.get_num_threads()))


def start_onnx(file: Path, threads: int) -> Callable[[NDArray[Any]], Outputs]:
    """Let ONNX Runtime load a file.

    Raises:
        RunError: the file is damaged, or keeps tensors in other files.
    """
    onnxruntime = need("onnxruntime")
    _refuse_other_files(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            file.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its errors share no base but this
        raise RunError(f"{file}: ONNX Runtime cannot load it ({_line(error)}); {REMEDY}") from error
    names = {one.name for one in session.get_inputs()}, {one.name for one in session.get_outputs()}
    _check_names(file, *names)

    def run(inputs: NDArray[Any]) -> Outputs:
        classes, confidence, logits = session.run(list(OUTPUTS), {INPUT: inputs})
        return classes, confidence, logits

    return run


def start_openvino(file: Path, threads: int) -> Callable[[NDArray[Any]], Outputs]:
    """Let OpenVINO load a file.

    Raises:
        RunError: the file is damaged.
    """
    openvino = need("openvino")
    core = openvino.Core()
    try:
        model = core.read_model(file)
        _check_names(
            file,
            {name for one in model.inputs for name in one.names},
            {name for one in model.outputs for name in one.names},
        )
        return cast(Callable[[NDArray[Any]], Outputs], compiled(model, threads))
    except RuntimeError as error:
        raise RunError(f"{file}: OpenVINO cannot load it ({_line(error)}); {REMEDY}") from error


def compiled(
    model: Any, threads: int, outputs: tuple[str, ...] = OUTPUTS
) -> Callable[[NDArray[Any]], tuple[NDArray[Any], ...]]:
    """Compile a model of OpenVINO for the CPU, as float32 where it is not int8.

    An int8 model is compiled anew for each shape of input: with free sizes, OpenVINO 2026.4.1
    crashes the process on small ones, as on MobileNetV2 at 8x8 pixels.
    """
    core = need("openvino").Core()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    free = not any(op.get_type_name() == "FakeQuantize" for op in model.get_ops())
    networks: dict[tuple[int, ...], Any] = {}
    if free:
        networks[()] = core.compile_model(model, "CPU", settings)

    def run(inputs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        shape = () if free else inputs.shape
        if shape not in networks:
            if len(networks) == MOST_SHAPES:
                networks.pop(next(iter(networks)))
            fixed = model.clone()
            fixed.reshape({INPUT: list(shape)})
            networks[shape] = core.compile_model(fixed, "CPU", settings)
        made = networks[shape]([inputs])
        return tuple(made[name] for name in outputs)

    return run


def _check_names(file: Path, inputs: set[str], outputs: set[str]) -> None:
    if INPUT not in inputs or not set(OUTPUTS) <= outputs:
        raise RunError(
            f"{file}: wanted the input {INPUT} and the outputs {', '.join(OUTPUTS)}, got "
            f"{', '.join(sorted(inputs))} and {', '.join(sorted(outputs))}; {REMEDY}"
        )


def _refuse_other_files(file: Path) -> None:
    """Refuse an ONNX file that keeps tensors elsewhere: whoever wrote it would choose what opens.

    Raises:
        RunError: it does, or is no ONNX file.
    """
    onnx = need("onnx")
    try:
        model = onnx.load_model_from_string(file.read_bytes())
    except Exception as error:  # protobuf has its own errors
        raise RunError(f"{file}: no ONNX file ({_line(error)}); {REMEDY}") from error
    for tensor in _tensors(model):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            where = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
            raise RunError(
                f"{file}: keeps {tensor.name!r} in another file, {where!r}; wanted all in one "
                f"file; {REMEDY}"
            )


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor of an ONNX file: of graphs, of graphs in attributes, of functions."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                if hasattr(part, "ListFields"):
                    yield from _tensors(part)


def _line(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 200 else f"{words[:200]}…"
