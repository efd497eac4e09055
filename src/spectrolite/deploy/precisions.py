"""Quantize graphs, and measure the noise that this adds to each layer's output.

The preparation of the input, band reduction or normalisation, always stays float32.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.bundles.extras import need
from spectrolite.bundles.graphs import INPUT, NETWORK, REDUCTION

LAYERS = ("Conv", "Gemm", "MatMul")
# All operations between layers that ONNX Runtime has in int8. Each one left in float would need a
# conversion, and MobileNetV2 would be no faster than in float32.
QUANTIZED = (*LAYERS, "Add", "Clip", "Relu", "ReduceMean", "Reshape")
# Without VNNI a processor adds two products of an activation and a weight in 16 bits. Weights of
# -64 to 64 never overflow them: 2 * 255 * 64 = 32,640. 8-bit weights lose up to 16 dB there.
WEIGHT_BITS = 7
BIASES = "/WithoutBiases"  # OpenVINO's suffix for a convolution whose bias is a separate addition

Batches = Sequence[NDArray[Any]]


def layer_names(onnx_content: bytes) -> list[str]:
    """Names of the layers with weights, as in torch, in order."""
    nodes = need("onnx").load_model_from_string(onnx_content).graph.node
    return [n.name for n in nodes if n.op_type in LAYERS and n.name != REDUCTION]


def slow_layers(onnx_content: bytes, backend: str) -> list[str]:
    """Layers that a backend computes faster in float32 than in int8.

    ONNX Runtime has no fast int8 kernel for a 3-D convolution of one channel: HybridSN's first
    layer took 91 ms instead of 7, and Indian Pines 0.84 s instead of 0.61 s. For OpenVINO int8
    makes no difference there.
    """
    if backend != "onnxruntime":
        return []
    graph = need("onnx").load_model_from_string(onnx_content).graph
    shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type == "Conv" and len(s := shapes[node.input[1]]) == 5 and s[1] == 1
    ]


def float16_weights(onnx_content: bytes) -> bytes:
    """Store the network's weights as float16; the graph computes in float32."""
    onnx = need("onnx")
    model = onnx.load_model_from_string(onnx_content)
    casts = []
    for weight in model.graph.initializer:
        if weight.name.startswith(NETWORK) and weight.data_type == onnx.TensorProto.FLOAT:
            name, stored = weight.name, f"{weight.name}.float16"
            half = onnx.numpy_helper.to_array(weight).astype(np.float16)
            weight.CopyFrom(onnx.numpy_helper.from_array(half, stored))
            casts.append(
                onnx.helper.make_node(
                    "Cast", [stored], [name], f"{name}.float32", to=onnx.TensorProto.FLOAT
                )
            )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString(deterministic=True))


def int8_onnx(onnx_content: bytes, batches: Batches, kept: Sequence[str], channel: bool) -> bytes:
    """Static int8 for ONNX Runtime: unsigned activations, signed 7-bit weights, as QDQ.

    Args:
        onnx_content: the float32 graph.
        batches: raw inputs of training data.
        kept: layers that stay float32.
        channel: one scale for each output channel of a weight; if false, one for the whole weight.
    """
    need("onnxruntime")
    # imported here because the packages are large and optional
    quantization = need("onnxruntime.quantization")
    prepare = need("onnxruntime.quantization.shape_inference").quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            self.inputs = iter([{INPUT: batch} for batch in batches])

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return next(self.inputs, None)

    with tempfile.TemporaryDirectory() as name, _quiet():
        plain, prepared, int8 = (Path(name) / f"{k}.onnx" for k in ("plain", "prepared", "int8"))
        plain.write_bytes(onnx_content)
        prepare(plain, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            int8,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=channel,
            reduce_range=WEIGHT_BITS == 7,
            nodes_to_exclude=[REDUCTION, *kept],
            op_types_to_quantize=list(QUANTIZED),
        )
        return int8.read_bytes()


def int8_openvino(onnx_content: bytes, batches: Batches, kept: Sequence[str], channel: bool) -> Any:
    """Static int8 by NNCF, as an OpenVINO model; arguments as `int8_onnx`."""
    nncf = need("nncf")
    model = need("openvino").Core().read_model(onnx_content)
    names = {op.get_friendly_name() for op in model.get_ops()}
    ignored = [
        name if name in names else f"{name}{BIASES}"
        for name in (REDUCTION, *kept)
        if name in names or f"{name}{BIASES}" in names
    ]
    advanced = need("nncf.quantization.advanced_parameters")
    with _quiet(), contextlib.redirect_stdout(sys.stderr):
        return nncf.quantize(
            model,
            nncf.Dataset(list(batches)),
            subset_size=len(batches),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=ignored),
            advanced_parameters=advanced.AdvancedQuantizationParameters(
                weights_quantization_params=advanced.QuantizationParameters(per_channel=channel),
                overflow_fix=advanced.OverflowFix.ENABLE,  # in every layer
            ),
        )


def sqnr_db(wanted: NDArray[Any], got: NDArray[Any]) -> float:
    """Signal to quantization noise, `10 log10(sum w^2 / sum (w - g)^2)`, in decibels.

    `w` are the wanted values, `g` the quantized ones; infinite if they are equal.
    """
    noise = float(np.square(wanted.astype(np.float64) - got).sum())
    signal = float(np.square(wanted.astype(np.float64)).sum())
    return float("inf") if noise == 0 else float(10 * np.log10(max(signal, 1e-300) / noise))


def layer_noise(
    plain: dict[str, NDArray[Any]], fewer_bits: dict[str, NDArray[Any]]
) -> dict[str, float]:
    """`sqnr_db` of each layer's output, with all layers before it quantized too."""
    return {name: sqnr_db(plain[name], fewer_bits[name]) for name in plain if name in fewer_bits}


def onnx_layers(
    plain: bytes, fewer_bits: bytes, names: Sequence[str], inputs: NDArray[Any]
) -> dict[str, float]:
    """`layer_noise` of two ONNX files."""
    onnx, onnxruntime = need("onnx"), need("onnxruntime")
    models = [onnx.load_model_from_string(content) for content in (plain, fewer_bits)]
    plain_names = {name for node in models[0].graph.node for name in node.output}
    rounded_names = {name for node in models[1].graph.node for name in node.output}
    # Where an activation was merged into the rounding of a layer, the layer's output is that of the
    # activation, and it exists only rounded.
    watched: dict[str, tuple[str, str]] = {}
    for node in models[1].graph.node:
        name = node.output[0].removesuffix("_QuantizeLinear_Input")
        rounded = f"{name}_DequantizeLinear_Output"
        if node.name in names and name in plain_names:
            watched[node.name] = (name, rounded if rounded in rounded_names else node.output[0])
    outputs_of = []
    for k, model in enumerate(models):
        outputs = [pair[k] for pair in watched.values()]
        del model.graph.output[:]
        model.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            for name in outputs
        )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        outputs_of.append(dict(zip(watched, session.run(None, {INPUT: inputs}), strict=True)))
    return layer_noise(*outputs_of)


def openvino_layers(
    plain: Any, fewer_bits: Any, names: Sequence[str], inputs: NDArray[Any]
) -> dict[str, float]:
    """`layer_noise` of two OpenVINO models."""
    outputs_of = []
    for model in (plain, fewer_bits):
        probe = model.clone()
        layers: dict[str, Any] = {}
        for op in probe.get_ops():
            name = op.get_friendly_name().removesuffix(BIASES)
            if name in names and op.get_output_size() == 1:
                layers.setdefault(name, op.output(0))
        probe.add_outputs(list(layers.values()))
        probe.reshape({INPUT: list(inputs.shape)})
        hint = {"INFERENCE_PRECISION_HINT": "f32"}
        network = need("openvino").Core().compile_model(probe, "CPU", hint)
        results = list(network([inputs]).values())[-len(layers) :]
        outputs_of.append(dict(zip(layers, results, strict=True)))
    return layer_noise(*outputs_of)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the advice that the quantizers log; failures are raised as usual."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
