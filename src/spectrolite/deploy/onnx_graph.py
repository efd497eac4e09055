"""The ONNX graph of a model, with the preparation of its input inside."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from spectrolite.bundles.exported_folder import FILES
from spectrolite.bundles.extras import need
from spectrolite.bundles.graphs import INPUT, MATRIX, NETWORK, OUTPUTS, REDUCTION, graph_of
from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.runtimes import Exported
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.errors import RunError
from spectrolite.runs.run_folder import Run, open_run

OPSET = 20  # of ONNX: new enough for all layers here, and known to both runtimes


def as_run(model: Any) -> Run | None:
    """The run that a MODEL is, or nothing of a bundle."""
    if isinstance(model, str | Path):
        return open_run(model) if (Path(model) / "manifest.json").is_file() else None
    return model if isinstance(model, Run) else None


def write_graph(graph: Any, format: str, folder: Path) -> None:
    """Write an ONNX file, or what OpenVINO makes of one, or a model of OpenVINO."""
    if format == "onnx":
        (folder / "model.onnx").write_bytes(graph)
        return
    openvino = need("openvino")
    model = openvino.Core().read_model(graph) if isinstance(graph, bytes) else graph
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)


def graph_size(model: Exported) -> int:
    """Bytes of the graph's files."""
    return sum((model.path / name).stat().st_size for name in FILES[model.config.exported])


def onnx_bytes(bundle: Bundle | ImageBundle, dropped: tuple[int, ...]) -> bytes:
    """The model as an ONNX file whose layers have the names that they have in torch."""
    graph = graph_of(bundle, dropped)
    example = _example(bundle, dropped)
    free = {0: "batch", 2: "rows", 3: "cols"}
    with _quiet():
        made = torch.onnx.export(
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
    proto = cast(Any, made).model_proto
    for node in proto.graph.node:
        for name in node.input:
            if name == MATRIX:
                node.name = REDUCTION
            if name.startswith(NETWORK) and name.endswith(".weight"):
                node.name = name.removesuffix(".weight").removeprefix(NETWORK)
    for message in (proto, proto.graph, *proto.graph.node, *proto.graph.initializer):
        del message.metadata_props[:]  # paths of the machine that exported it
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter says of itself: of a call that it deprecates, and torchvision.

    It misses torchvision, which nothing here needs.
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
    """What the graph is traced with: sizes that differ in all axes."""
    if isinstance(bundle, ImageBundle):
        channels, rows, cols = bundle.config.input_shape
        return torch.zeros(2, channels, rows, cols, dtype=torch.uint8)
    bands = len(bundle.bands.mean) + len(dropped)
    side = bundle.config.patch
    return torch.zeros(2, bands, side + 6, side + 10)


def dropped_bands(run: Run) -> tuple[int, ...]:
    """Bands of its file that a run left out, or of each of its files.

    Raises:
        RunError: of one scene others than of the next, and a graph makes one choice.
    """
    sources = run.manifest["data"].get("scene", {})
    chosen = {
        tuple(sorted({int(word) for word in source.get("drop_bands", "").split(",") if word}))
        for source in (sources if isinstance(sources, list) else [sources])
    }
    if len(chosen) > 1:
        raise RunError(
            f"{run.path}: other bands were left out of one scene than of another, and a graph "
            f"makes one choice; give {run.path / 'bundle'}, whose graph takes the bands that were "
            "kept"
        )
    return chosen.pop()
