"""Write a trained model as an ONNX graph that takes raw inputs."""

from __future__ import annotations

import errno
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from spectrolite.bundles.exported_folder import FILES
from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.extras import need
from spectrolite.bundles.graphs import INPUT, MATRIX, NETWORK, OUTPUTS, REDUCTION, graph_of
from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.files import naming

OPSET = 20  # of ONNX: has all layers used here, and both runtimes support it


def write_graph(graph: Any, format: str, folder: Path) -> None:
    """Write a graph in a format: `onnx` takes ONNX bytes, `openvino` those or an OpenVINO model."""
    if format == "onnx":
        with naming(folder / "model.onnx"):
            (folder / "model.onnx").write_bytes(graph)
        return
    openvino = need("openvino")
    model = openvino.Core().read_model(graph) if isinstance(graph, bytes) else graph
    try:
        openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    except RuntimeError as error:  # it names neither the file nor the cause
        what = f"cannot be written ({error}); is the disk full?"
        raise OSError(errno.EIO, what, str(folder / "model.xml")) from error


def graph_size(model: Exported) -> int:
    """Size of the graph's files, in bytes."""
    return sum((model.path / name).stat().st_size for name in FILES[model.config.exported])


def onnx_bytes(bundle: Bundle | ImageBundle, dropped: tuple[int, ...]) -> bytes:
    """The model as an ONNX file; its layers have the same names as in torch.

    Args:
        bundle: the trained model.
        dropped: bands of the input that the model does not use.
    """
    graph = graph_of(bundle, dropped)
    example = _example(bundle, dropped)
    free = {0: "batch", 2: "rows", 3: "cols"}
    with _quiet():
        program = torch.onnx.export(
            graph,
            (example,),
            dynamo=True,
            external_data=False,
            dynamic_shapes=(free,),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            verbose=False,
        )
    proto = cast(Any, program).model_proto
    for node in proto.graph.node:
        for name in node.input:
            if name == MATRIX:
                node.name = REDUCTION
            if name.startswith(NETWORK) and name.endswith(".weight"):
                node.name = name.removesuffix(".weight").removeprefix(NETWORK)
    for message in (proto, proto.graph, *proto.graph.node, *proto.graph.initializer):
        del message.metadata_props[:]  # paths of the machine that exported it
    return bytes(proto.SerializeToString(deterministic=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide two messages of torch's exporter.

    One is about a deprecated call of its own, the other about torchvision, which is not needed.
    """
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            yield
    finally:
        registration.setLevel(level)


def _example(bundle: Bundle | ImageBundle, dropped: tuple[int, ...]) -> Tensor:
    """An input to trace the graph with; its axes have different sizes."""
    if isinstance(bundle, ImageBundle):
        channels, rows, cols = bundle.config.input_shape
        return torch.zeros(2, channels, rows, cols, dtype=torch.uint8)
    bands = len(bundle.bands.mean) + len(dropped)
    side = bundle.config.patch
    return torch.zeros(2, bands, side + 6, side + 10)
