"""Load graphs with ONNX Runtime or OpenVINO, and refuse files that could open others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spectrolite.bundles.exported_folder import REMEDY
from spectrolite.bundles.extras import need
from spectrolite.bundles.graphs import INPUT, OUTPUTS
from spectrolite.errors import RunError

MOST_SHAPES = 8  # input shapes for which OpenVINO keeps compiled models; a scene has 4 window sizes

Outputs = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]


def start_onnx(file: Path, threads: int) -> Callable[[NDArray[Any]], Outputs]:
    """Load a file with ONNX Runtime.

    Raises:
        RunError: the file is damaged, or stores tensors in other files.
        MissingExtraError: ONNX Runtime is not installed.
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
    except Exception as error:  # its errors have no narrower base
        raise RunError(f"{file}: ONNX Runtime cannot load it ({_line(error)}); {REMEDY}") from error
    names = {one.name for one in session.get_inputs()}, {one.name for one in session.get_outputs()}
    _check_names(file, *names)

    def run(inputs: NDArray[Any]) -> Outputs:
        classes, confidence, logits = session.run(list(OUTPUTS), {INPUT: inputs})
        return classes, confidence, logits

    return run


def start_openvino(file: Path, threads: int) -> Callable[[NDArray[Any]], Outputs]:
    """Load a file with OpenVINO.

    Raises:
        RunError: the file is damaged.
        MissingExtraError: OpenVINO is not installed.
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
    """Compile an OpenVINO model for the CPU; layers that are not int8 compute in float32.

    An int8 model is compiled for each input shape: with free sizes, OpenVINO 2026.4.1 crashes the
    process for small inputs, such as MobileNetV2 at 8x8 pixels.
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
        results = networks[shape]([inputs])
        return tuple(results[name] for name in outputs)

    return run


def _check_names(file: Path, inputs: set[str], outputs: set[str]) -> None:
    if INPUT not in inputs or not set(OUTPUTS) <= outputs:
        raise RunError(
            f"{file}: wanted the input {INPUT} and the outputs {', '.join(OUTPUTS)}, got "
            f"{', '.join(sorted(inputs))} and {', '.join(sorted(outputs))}; {REMEDY}"
        )


def _refuse_other_files(file: Path) -> None:
    """Refuse an ONNX file that stores tensors in other files: its author could open any file.

    Raises:
        RunError: it does, or is not an ONNX file.
    """
    onnx = need("onnx")
    try:
        model = onnx.load_model_from_string(file.read_bytes())
    except Exception as error:  # protobuf raises errors of its own
        raise RunError(f"{file}: not an ONNX file ({_line(error)}); {REMEDY}") from error
    for tensor in _tensors(model):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            where = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
            raise RunError(
                f"{file}: stores {tensor.name!r} in another file, {where!r}; wanted all tensors in "
                f"one file; {REMEDY}"
            )


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor of an ONNX file, also in attributes, subgraphs and functions."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                if hasattr(inner, "ListFields"):
                    yield from _tensors(inner)


def _line(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 200 else f"{words[:200]}…"
