"""From a trained model to a folder that ONNX Runtime or OpenVINO computes, held against torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spectrolite.bundles.exported_folder import BACKENDS, FILES, new_folder, write_config
from spectrolite.bundles.extras import need
from spectrolite.bundles.loading import AnyModel, any_bundle
from spectrolite.bundles.runtimes import Exported, open_exported
from spectrolite.deploy.onnx_graph import as_run, dropped_bands, graph_size, onnx_bytes, write_graph
from spectrolite.deploy.parity import Parity, check
from spectrolite.errors import SettingsError, wanted_one_of

Kind = Literal["onnx", "openvino"]


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
        raise SettingsError(f"format: {wanted_one_of(FILES, format)}")
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
