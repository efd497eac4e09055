"""From a trained model to a folder that ONNX Runtime or OpenVINO computes, held against torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

from spectrolite.bundles import AnyModel, Bundle, any_bundle
from spectrolite.deploy.extras import need
from spectrolite.deploy.folders import BACKENDS, FILES, new_folder, write_config
from spectrolite.deploy.graphs import INPUT, MATRIX, NETWORK, OUTPUTS, REDUCTION, graph_of
from spectrolite.deploy.parity import Parity, check
from spectrolite.deploy.runtime import Exported, open_exported
from spectrolite.errors import RunError, SettingsError
from spectrolite.image_bundles import ImageBundle
from spectrolite.run_folders import Run, open_run

Kind = Literal["onnx", "openvino"]

OPSET = 20  # of ONNX: new enough for all layers here, and known to both runtimes


@dataclass(frozen=True, eq=False)
class Export:
    """What `export` made.

    Attributes:
        model: the exported model, ready to compute; `classify` and `map_scene` take it.
        parity: what the comparison with torch gave.
        bytes: of the graph's files.
    """

    model: Exported
    parity: Parity
    bytes: int


def export(
    model: AnyModel,
    format: Kind = "onnx",
    *,
    out: str | Path,
    overwrite: bool = False,
) -> Export:
    """Write a trained model as `model.onnx`, or `model.xml` and `model.bin`, with `config.json`.

    The graph takes raw spectra or uint8 pixels and gives class positions, confidence and logits
    (`deploy.graphs` has the shapes); batch, rows and columns are free. Class positions of a scene
    index `class_ids` of its `config.json`. Before the folder gets its name, both are compared with
    torch: at batch 1 and 4, and at two sizes of scenes.

    Args:
        model: a run, a bundle, or the folder of either. A run whose bands were chosen with
            `drop_bands` gives a graph that takes all bands and chooses inside.
        format: `onnx` or `openvino`.
        out: the folder to make.
        overwrite: replace an exported folder that is there.

    Raises:
        RunError: no model, or a folder in the way.
        SettingsError: an unknown format.
        VerifyError: the graph computes something else than torch.
        MissingExtraError: the packages of the extra `deploy` are not installed.
    """
    if format not in FILES:
        raise SettingsError(f"format: wanted one of {', '.join(FILES)}, got {format!r}")
    for package in ("onnx", "onnxscript", BACKENDS[format]):
        need(package)
    bundle = any_bundle(model)
    run = as_run(model)
    dropped = () if run is None else dropped_bands(run)
    out = Path(out)
    with new_folder(out, overwrite) as part:
        write_graph(onnx_bytes(bundle, dropped), format, part)
        write_config(bundle, format, part, dropped)
        made = open_exported(part)
        parity = check(made, bundle, run)
        size = graph_size(made)
    return Export(Exported(out, made.config, made.run), parity, size)


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
            graph, (example,), dynamo=True, external_data=False, dynamic_shapes=(free,),
            input_names=[INPUT], output_names=list(OUTPUTS), opset_version=OPSET, verbose=False,
        )  # fmt: skip
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
