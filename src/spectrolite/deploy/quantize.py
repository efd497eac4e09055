"""Quantize a run's network to int8 or float16, and check its accuracy on the run's test part."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from numpy.typing import NDArray

from spectrolite.bundles.exported_folder import BACKENDS, FILES, is_exported_folder, write_config
from spectrolite.bundles.exported_model import Exported, open_exported
from spectrolite.bundles.extras import need
from spectrolite.bundles.loading import AnyModel
from spectrolite.deploy import precisions
from spectrolite.deploy.onnx_graph import graph_size, onnx_bytes, write_graph
from spectrolite.deploy.run_data import dropped_bands, need_run, run_data
from spectrolite.deploy.timing import seconds_in_turns
from spectrolite.errors import SettingsError, VerifyError, wanted_one_of
from spectrolite.experiments.training_runs import with_data
from spectrolite.files import write_json
from spectrolite.machine import int8_path
from spectrolite.part_folders import check_folder, new_folder
from spectrolite.runs.run_folder import check_one_scene

Precision = Literal["int8", "float16"]
Backend = Literal["onnxruntime", "openvino"]
Per = Literal["channel", "tensor"]

FORMATS = {backend: kind for kind, backend in BACKENDS.items()}
TURNS = 3  # timed runs
NAMED = 3  # layers that the message of a refusal names


@dataclass(frozen=True)
class Quantization:
    """What quantization costs and saves on one backend; pairs are before and after.

    Attributes:
        precision: `int8` or `float16`.
        backend: the backend that computed both.
        processor: instructions for int8 on this machine, as `machine.int8_path` names them.
        computes: the type in which the layers multiply; float16 is for storage only.
        per: int8 has one scale for each `channel` of a weight, or one for the whole `tensor`; None
            for float16.
        kept: layers that stay float32.
        accuracy: overall accuracy on the run's test part, 0 to 1.
        agreement: share of all pixels of the scene, or of the test images, with the same class.
        bytes: size of the graph's files.
        seconds: for 64 images, or for one window of the scene; best of three.
        sqnr_db: signal to quantization noise of each layer's output, in decibels; None if the
            outputs are equal.
    """

    precision: str
    backend: str
    processor: str
    computes: str
    per: str | None
    kept: tuple[str, ...]
    accuracy: tuple[float, float]
    agreement: float
    bytes: tuple[int, int]
    seconds: tuple[float, float]
    sqnr_db: dict[str, float | None]

    @property
    def drop(self) -> float:
        """Percentage points of accuracy lost."""
        return 100 * (self.accuracy[0] - self.accuracy[1])

    def __repr__(self) -> str:
        pairs = {
            "accuracy": [f"{a:.2%}" for a in self.accuracy],
            "size": [f"{n / 1e6:.2f} MB" for n in self.bytes],
            "time": [f"{1e3 * s:.1f} ms" for s in self.seconds],
        }
        lines = [
            f"{name}: {before} before, {after} after" for name, (before, after) in pairs.items()
        ]
        heading = f"Quantization to {self.precision} on {self.backend}"
        return "\n".join([heading, *lines, f"same class for {self.agreement:.2%}"])


def quantize(
    model: AnyModel,
    scene: Any = None,
    labels: Any = None,
    *,
    to: Precision = "int8",
    backend: Backend = "onnxruntime",
    out: str | Path,
    per: Per = "channel",
    keep: Sequence[str] = (),
    max_drop: float = 0.5,
    overwrite: bool = False,
) -> Quantization:
    """Write a run's network as an exported folder in fewer bits.

    int8 is static: scales come from training images, or from patches of training pixels. The
    preparation of the input stays float32, and so do layers that the backend computes faster in
    float32. float16 halves the file and changes nothing else: both backends compute in float32.

    Args:
        model: a run or its folder; its training data calibrate, its test part scores.
        scene: the run's scene or images, if they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        to: `int8` or `float16`.
        backend: `onnxruntime` or `openvino`.
        out: the folder to make.
        per: `channel` or `tensor`.
        keep: names of layers to keep in float32.
        max_drop: percentage points of accuracy that may be lost, 0 or more.
        overwrite: replace an existing exported folder.

    Raises:
        RunError: not a run, data that differ from the run's, or a folder in the way.
        SettingsError: an unknown value, or a layer that the network does not have.
        VerifyError: accuracy drops by more than `max_drop` points.
        MissingExtraError: the packages of the extra `deploy` are not installed.
    """
    for flag, value, words in (
        ("to", to, get_args(Precision)),
        ("backend", backend, get_args(Backend)),
        ("per", per, get_args(Per)),
    ):
        if value not in words:
            raise SettingsError(f"{flag}: {wanted_one_of(words, value)}")
    if to == "float16" and (keep or per != "channel"):
        raise SettingsError("keep, per: go with int8 only; float16 stores every weight in 16 bits")
    if not max_drop >= 0:  # also refuses NaN
        raise SettingsError(f"max_drop: wanted 0 points or more, got {max_drop}")
    for package in ("onnx", "onnxscript", backend, *(["nncf"] if backend == "openvino" else [])):
        need(package)
    check_folder(Path(out), overwrite, "an exported folder", is_exported_folder)
    run, data = with_data(need_run(model, "quantize"), scene, labels)
    check_one_scene(run, data, "quantize")
    own_data = run_data(run, data)
    dropped = dropped_bands(run)
    content = onnx_bytes(run.bundle, dropped)
    layers = precisions.layer_names(content)
    for name in keep:
        if name not in layers:
            raise SettingsError(
                f"keep: wanted layers of the network ({', '.join(layers)}), got {name!r}"
            )
    kind = FORMATS[backend]
    slow = precisions.slow_layers(content, backend) if to == "int8" else []
    kept = [*keep, *(name for name in slow if name not in keep)]
    new = new_folder(Path(out), overwrite, "an exported folder", is_exported_folder)
    with tempfile.TemporaryDirectory() as name, new as part:
        write_graph(content, kind, Path(name))
        write_config(run.bundle, kind, Path(name), dropped)
        plain = open_exported(name)
        batches = own_data.calibration(plain)
        if to == "float16":
            write_graph(precisions.float16_weights(content), kind, part)
        else:
            quantized = precisions.int8_onnx if kind == "onnx" else precisions.int8_openvino
            write_graph(quantized(content, batches, kept, per == "channel"), kind, part)
        bits = precisions.WEIGHT_BITS if to == "int8" else None
        write_config(run.bundle, kind, part, dropped, to, bits)
        models = (plain, open_exported(part))
        before, after = (own_data.classes(model) for model in models)
        inputs = own_data.timed_input(plain)
        seconds = seconds_in_turns([partial(model.run, inputs) for model in models], TURNS)
        before_s, after_s = seconds.min(axis=1).tolist()
        result = Quantization(
            precision=to,
            backend=backend,
            processor=int8_path(),
            computes="int8" if to == "int8" else "float32",
            per=per if to == "int8" else None,
            kept=tuple(kept),
            accuracy=(own_data.accuracy(before), own_data.accuracy(after)),
            agreement=float((before == after).mean()),
            bytes=(graph_size(plain), graph_size(models[1])),
            seconds=(before_s, after_s),
            sqnr_db=_layer_noise(models, layers, batches[0]),
        )
        if result.drop > max_drop:
            raise VerifyError(_refusal(result, max_drop))
        write_json(part / "quantization.json", {**asdict(result), "max_drop": max_drop})
    return result


def _layer_noise(
    models: Sequence[Exported], layers: Sequence[str], inputs: NDArray[Any]
) -> dict[str, float | None]:
    files = [model.path / FILES[model.config.exported][0] for model in models]
    if models[0].config.exported == "onnx":
        plain, fewer = (file.read_bytes() for file in files)
        noise = precisions.onnx_layers(plain, fewer, layers, inputs)
    else:
        core = need("openvino").Core()
        first, other = (core.read_model(file) for file in files)
        noise = precisions.openvino_layers(first, other, layers, inputs)
    return {n: round(noise[n], 2) if noise[n] < math.inf else None for n in layers if n in noise}


def _refusal(result: Quantization, max_drop: float) -> str:
    before, after = (100 * a for a in result.accuracy)
    text = (
        f"{result.precision} on {result.backend} loses {result.drop:.2f} points of accuracy "
        f"({before:.2f} % to {after:.2f} %), wanted at most {max_drop:g}; nothing was written"
    )
    if result.precision == "float16":
        return text
    noise = {n: v for n, v in result.sqnr_db.items() if v is not None and n not in result.kept}
    worst = sorted(noise, key=lambda name: noise[name])[:NAMED]
    flags = " ".join(f"--keep {name}" for name in worst)
    per = ", or use --per channel" if result.per == "tensor" else ""
    return f"{text}; keep the layers with the most noise in float32: {flags}{per}"
