"""The verbs of delivery: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from spectrolite.cli_parts import Json, Overwrite, console, print_json

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a run or of a bundle.")]


def export(
    model: Model,
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    format_: Annotated[str, typer.Option("--format", help="onnx or openvino.")] = "onnx",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write a trained model as a graph for ONNX Runtime or OpenVINO, checked against torch.

    Raw spectra or uint8 pixels in; class, confidence and logits out.

    Example: `spectrolite export runs/ip --format onnx --out ip-onnx`
    """
    from spectrolite.deploy.export import Kind
    from spectrolite.deploy.export import export as write

    made = write(model, cast(Kind, format_), out=out, overwrite=overwrite)
    parity = made.parity
    if as_json:
        content: dict[str, Any] = {
            "exported": str(out), "format": format_, "bytes": made.bytes,
            "checked_on": parity.checked_on, "inputs": parity.inputs,
            "difference": parity.difference, "same_class": parity.same_class,
        }  # fmt: skip
        print_json(content)
        return
    shapes = ", ".join("x".join(map(str, shape)) for shape in parity.inputs)
    console.print(f"{out}: {format_}, {made.bytes / 1e6:.2f} MB", markup=False, soft_wrap=True)
    console.print(
        f"logits differ from torch by {parity.difference:.1e} of the largest, the class is the "
        f"same at {parity.same_class:.2%} ({parity.checked_on}; {shapes})", soft_wrap=True,
    )  # fmt: skip
