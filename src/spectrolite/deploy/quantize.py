"""A run's network in int8 or float16, judged on the run's own protocol before it gets its name."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from numpy.typing import NDArray

from spectrolite.bundles.exported_folder import BACKENDS, FILES, new_folder, write_config
from spectrolite.bundles.extras import need
from spectrolite.bundles.loading import AnyModel
from spectrolite.bundles.runtimes import Exported, open_exported
from spectrolite.deploy import precisions
from spectrolite.deploy.onnx_graph import as_run, dropped_bands, graph_size, onnx_bytes, write_graph
from spectrolite.deploy.protocols import Protocol, protocol_of
from spectrolite.errors import RunError, SettingsError, VerifyError, wanted_one_of
from spectrolite.experiments.training_runs import with_data
from spectrolite.runs.run_folder import check_one_scene

Precision = Literal["int8", "float16"]
Backend = Literal["onnxruntime", "openvino"]
Per = Literal["channel", "tensor"]

FORMATS = {backend: kind for kind, backend in BACKENDS.items()}
TIMES = 3
NAMED = 3  # layers that a refusal names


@dataclass(frozen=True)
class Quantization:
    """What fewer bits cost and gain, before and after, on one backend.

    Attributes:
        precision: `int8` or `float16`.
        backend: that computed both.
        computes: the type in which the layers multiply; float16 is stored only.
        per: one scale for each `channel` of a weight, or for the whole `tensor`; of int8 alone.
        kept: layers that stayed float32.
        accuracy: overall accuracy on the run's test part, 0 to 1, before and after.
        agreement: share of all pixels of the scene, or of the test images, with the same class.
        bytes: of the graph's files.
        seconds: for 64 images, or for one window of the scene; the best of three.
        sqnr_db: of what each layer gives, in decibels; nothing where no bit differs.
    """

    precision: str
    backend: str
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
        """Points of accuracy that were lost."""
        return 100 * (self.accuracy[0] - self.accuracy[1])


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
    """Write a run's network in fewer bits as an exported folder.

    int8 is static: scales come from training images, or from patches of training pixels. What
    prepares the input stays float32, and so does a layer that its backend computes faster so.
    float16 halves the file and nothing else: both backends are made to compute in float32.

    Args:
        model: a run or its folder; its data calibrate and judge.
        scene: the run's scene or images, where they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        to: `int8` or `float16`.
        backend: `onnxruntime` or `openvino`.
        out: the folder to make.
        per: `channel` or `tensor`.
        keep: layers that are to stay float32.
        max_drop: points of accuracy that may be lost.
        overwrite: replace an exported folder that is there.

    Raises:
        RunError: no run, other data than the run's, or a folder in the way.
        SettingsError: an unknown word, or a layer that is not there.
        VerifyError: more than `max_drop` points were lost.
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
        raise SettingsError("keep, per: go with int8; float16 stores every weight in half")
    if not max_drop >= 0:  # NaN is none
        raise SettingsError(f"max_drop: wanted 0 points or more, got {max_drop}")
    for package in ("onnx", "onnxscript", backend, *(["nncf"] if backend == "openvino" else [])):
        need(package)
    run = as_run(model)
    if run is None:
        raise RunError(
            "quantize: wanted a run, whose training data calibrate and whose test part judges; a "
            "bundle has neither"
        )
    run, data = with_data(run, scene, labels)
    check_one_scene(run, data, "quantize")
    protocol = protocol_of(run, data)
    dropped = dropped_bands(run)
    content = onnx_bytes(run.bundle, dropped)
    layers = precisions.layer_names(content)
    for name in keep:
        if name not in layers:
            raise SettingsError(f"keep: no layer {name!r}; there are {', '.join(layers)}")
    kind = FORMATS[backend]
    slow = precisions.slow_layers(content, backend) if to == "int8" else []
    kept = [*keep, *(name for name in slow if name not in keep)]
    with tempfile.TemporaryDirectory() as name, new_folder(Path(out), overwrite) as part:
        write_graph(content, kind, Path(name))
        write_config(run.bundle, kind, Path(name), dropped)
        plain = open_exported(name)
        batches = protocol.calibration(plain)
        if to == "float16":
            write_graph(precisions.float16_weights(content), kind, part)
        else:
            quantized = precisions.int8_onnx if kind == "onnx" else precisions.int8_openvino
            write_graph(quantized(content, batches, kept, per == "channel"), kind, part)
        write_config(run.bundle, kind, part, dropped, to)
        models = (plain, open_exported(part))
        said = [protocol.classes(model) for model in models]
        seconds = _seconds(models, protocol)
        made = Quantization(
            precision=to,
            backend=backend,
            computes="int8" if to == "int8" else "float32",
            per=per if to == "int8" else None,
            kept=tuple(kept),
            accuracy=(protocol.accuracy(said[0]), protocol.accuracy(said[1])),
            agreement=float((said[0] == said[1]).mean()),
            bytes=(graph_size(plain), graph_size(models[1])),
            seconds=seconds,
            sqnr_db=_layer_noise(models, layers, batches[0]),
        )
        if made.drop > max_drop:
            raise VerifyError(_refusal(made, max_drop))
        text = json.dumps({**asdict(made), "max_drop": max_drop}, indent=2)
        (part / "quantization.json").write_text(text + "\n", encoding="utf-8")
    return made


def _seconds(models: Sequence[Exported], protocol: Protocol) -> tuple[float, float]:
    """The best of some runs of each of two, turn by turn, so that a busy machine slows both."""
    inputs = protocol.timed(models[0])
    best = [math.inf, math.inf]
    for _ in range(TIMES + 1):  # the first warms up, and is not the best
        for k, model in enumerate(models):
            start = time.perf_counter()
            model.run(inputs)
            best[k] = min(best[k], time.perf_counter() - start)
    return best[0], best[1]


def _layer_noise(
    models: Sequence[Exported], layers: Sequence[str], inputs: NDArray[Any]
) -> dict[str, float | None]:
    files = [model.path / FILES[model.config.exported][0] for model in models]
    if models[0].config.exported == "onnx":
        plain, fewer = (file.read_bytes() for file in files)
        found = precisions.onnx_layers(plain, fewer, layers, inputs)
    else:
        core = need("openvino").Core()
        first, other = (core.read_model(file) for file in files)
        found = precisions.openvino_layers(first, other, layers, inputs)
    return {
        name: round(found[name], 2) if found[name] < math.inf else None
        for name in layers
        if name in found
    }


def _refusal(made: Quantization, max_drop: float) -> str:
    before, after = (100 * a for a in made.accuracy)
    said = (
        f"{made.precision} on {made.backend} loses {made.drop:.2f} points ({before:.2f} % to "
        f"{after:.2f} %), wanted {max_drop:g} at most; nothing was written"
    )
    if made.precision == "float16":
        return said
    noise = {n: v for n, v in made.sqnr_db.items() if v is not None and n not in made.kept}
    worst = sorted(noise, key=lambda name: noise[name])[:NAMED]
    flags = " ".join(f"--keep {name}" for name in worst)
    per = ", or take --per channel" if made.per == "tensor" else ""
    return f"{said}; keep the layers that moved most in float32: {flags}{per}"
