"""Export a trained model for ONNX Runtime or OpenVINO, and check it against torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spectrolite.bundles.exported_folder import BACKENDS, FILES, is_exported_folder, write_config
from spectrolite.bundles.exported_model import Exported, open_exported
from spectrolite.bundles.extras import need
from spectrolite.bundles.loading import AnyModel, any_bundle
from spectrolite.deploy.onnx_graph import graph_size, onnx_bytes, write_graph
from spectrolite.deploy.run_data import dropped_bands
from spectrolite.deploy.torch_parity import Parity, check_parity
from spectrolite.errors import SettingsError, wanted_one_of
from spectrolite.part_folders import new_folder
from spectrolite.runs.run_folder import run_of

Kind = Literal["onnx", "openvino"]


@dataclass(frozen=True, eq=False)
class Export:
    """The result of `export`.

    Attributes:
        model: the exported model, ready to compute; `classify` and `map_scene` take it.
        parity: the comparison with torch.
        bytes: size of the graph's files.
    """

    model: Exported
    parity: Parity
    bytes: int

    def __repr__(self) -> str:
        parity = self.parity
        return (
            f"{self.model!r}\n{self.bytes / 1e6:.2f} MB; logits differ from torch by "
            f"{parity.difference:.1e} of the largest, same class for {parity.same_class:.2%} "
            f"(inputs: {parity.checked_on})"
        )


def export(
    model: AnyModel,
    format: Kind = "onnx",
    *,
    out: str | Path,
    overwrite: bool = False,
) -> Export:
    """Write a trained model as `model.onnx`, or `model.xml` and `model.bin`, with `config.json`.

    The graph takes raw spectra or uint8 pixels and returns class positions, confidence and logits
    (shapes in `bundles.graphs`); batch size, rows and columns are free. Class positions of a scene
    index `class_ids` in its `config.json`. Before the folder gets its name, graph and torch are
    compared at batch 1 and 4, and for scenes at two sizes.

    Args:
        model: a run, a bundle, or the folder of either. If a run left out bands with `drop_bands`,
            its graph takes all bands and leaves out the same ones itself.
        format: `onnx` or `openvino`.
        out: the folder to make.
        overwrite: replace an existing exported folder.

    Raises:
        RunError: not a model, or a folder in the way.
        SettingsError: an unknown format.
        VerifyError: the graph's results differ from torch.
        MissingExtraError: the packages of the extra `deploy` are not installed.
    """
    if format not in FILES:
        raise SettingsError(f"format: {wanted_one_of(FILES, format)}")
    for package in ("onnx", "onnxscript", BACKENDS[format]):
        need(package)
    bundle = any_bundle(model)
    run = run_of(model)
    dropped = () if run is None else dropped_bands(run)
    out = Path(out)
    with new_folder(out, overwrite, "an exported folder", is_exported_folder) as part:
        write_graph(onnx_bytes(bundle, dropped), format, part)
        write_config(bundle, format, part, dropped)
        exported = open_exported(part)
        parity = check_parity(exported, bundle, run)
        size = graph_size(exported)
    return Export(Exported(out, exported.config, exported.run), parity, size)
