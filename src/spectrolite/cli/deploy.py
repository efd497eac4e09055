"""The verbs of delivery: export, quantize, prune, benchmark."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from spectrolite.cli.deploy_tables import (
    benchmark_table,
    noise_table,
    pruning_table,
    quantization_table,
)
from spectrolite.cli.options import (
    Json,
    MovedImages,
    MovedLabels,
    MovedScene,
    Overwrite,
    RunFolder,
    console,
    messages,
    moved,
    print_json,
    wide,
)
from spectrolite.cli.tables import TrainingProgress

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
            "exported": str(out),
            "format": format_,
            "bytes": made.bytes,
            "checked_on": parity.checked_on,
            "inputs": parity.inputs,
            "difference": parity.difference,
            "same_class": parity.same_class,
        }
        print_json(content)
        return
    shapes = ", ".join("x".join(map(str, shape)) for shape in parity.inputs)
    console.print(f"{out}: {format_}, {made.bytes / 1e6:.2f} MB", markup=False, soft_wrap=True)
    console.print(
        f"logits differ from torch by {parity.difference:.1e} of the largest, the class is the "
        f"same at {parity.same_class:.2%} ({parity.checked_on}; {shapes})",
        soft_wrap=True,
    )


def quantize(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    to: Annotated[str, typer.Option(help="int8 or float16.")] = "int8",
    backend: Annotated[str, typer.Option(help="onnxruntime or openvino.")] = "onnxruntime",
    per: Annotated[
        str, typer.Option(help="A scale for each channel of a weight, or the whole tensor.")
    ] = "channel",
    keep: Annotated[
        list[str] | None, typer.Option(metavar="LAYER", help="A layer to stay float32.")
    ] = None,
    max_drop: Annotated[float, typer.Option(help="Points of accuracy that may be lost.")] = 0.5,
    scene: MovedScene = None,
    labels: MovedLabels = None,
    images: MovedImages = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write a run's network in fewer bits, judged on its own protocol before it gets its name.

    Example: `spectrolite quantize runs/ip --to int8 --backend openvino --out ip-int8`
    """
    from spectrolite.deploy.quantize import quantize as write

    flags: dict[str, Any] = {"to": to, "backend": backend, "per": per}
    made = write(
        run,
        *moved(run, scene, labels, images),
        **flags,
        out=out,
        keep=keep or (),
        max_drop=max_drop,
        overwrite=overwrite,
    )
    if as_json:
        print_json({"quantized": str(out), "drop": made.drop, **asdict(made)})
        return
    console.print(quantization_table(made))
    console.print(noise_table(made))
    console.print(
        f"{out}: the layers multiply in {made.computes}"
        + (": float16 is how the weights are stored" if made.precision == "float16" else "")
        + (f"; float32 stayed {', '.join(made.kept)}" if made.kept else ""),
        markup=False,
        soft_wrap=True,
    )


def prune(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help="Folder of the pruned run.")],
    dead: Annotated[
        bool, typer.Option("--dead", help="Remove kernels that the doctor proves dead.")
    ] = False,
    weak: Annotated[
        float | None,
        typer.Option(help="Remove those that vary by so small a share of their layer's mean."),
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Remove this share of each layer, the weakest.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of fine-tuning; a tenth of the run's without it.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Highest of fine-tuning; a tenth of the run's without it.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of fine-tuning; the run's without it.")
    ] = None,
    scene: MovedScene = None,
    labels: MovedLabels = None,
    images: MovedImages = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Take depthwise kernels out of a run's network, judged on its own protocol.

    Without dead ones its logits stay. --weak and --share remove by importance, then fine-tune.

    Example: `spectrolite prune runs/digits --dead --out runs/pruned`
    """
    from spectrolite.deploy.prune import prune as write

    chosen: dict[str, Any] = {
        "dead": dead,
        "weak": weak,
        "share": share,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    with TrainingProgress(messages).shown() as progress:
        made = write(
            run,
            *moved(run, scene, labels, images),
            **chosen,
            out=out,
            overwrite=overwrite,
            on_stage=progress.stage,
            on_epoch=progress.epoch,
        )
    before, after = made.kernels
    if as_json:
        print_json({"pruned": str(out), "removed": before - after, **asdict(made)})
        return
    console.print(pruning_table(made))
    for note in made.notes:
        console.print(f"- {note}", markup=False, soft_wrap=True)
    console.print(
        f"{out}: {before - after:,} kernels removed; logits on training data differ by "
        f"{made.difference:.1e} of the largest"
        + (
            f" before {made.epochs} epoch(s) of fine-tuning, which took {made.tuning_s:.1f} s"
            if made.epochs
            else ""
        ),
        markup=False,
        soft_wrap=True,
    )


def benchmark(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="Folders of runs, bundles or exports."),
    ],
    threads: Annotated[int, typer.Option(help="That compute, in every backend.")] = 1,
    repeats: Annotated[int, typer.Option(help="Calls of each piece of work.")] = 20,
    side: Annotated[int, typer.Option(help="Of the scene that is mapped, in pixels.")] = 145,
    out: Annotated[Path | None, typer.Option(help="JSON to write.")] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG to write.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure models side by side: size, load time, latency, throughput, peak memory.

    One image and 64, or one pixel with its patch and a whole scene.

    Example: `spectrolite benchmark runs/ip ip-onnx ip-int8`
    """
    from spectrolite.deploy.benchmark import benchmark as measure

    made = measure(
        models,
        threads=threads,
        repeats=repeats,
        side=side,
        out=out,
        picture=picture,
        overwrite=overwrite,
    )
    if as_json:
        sys.stdout.write(made.to_json() + "\n")
        return
    wide.print(benchmark_table(made))
    for file in (out, picture):
        if file is not None:
            console.print(f"{file}", markup=False, soft_wrap=True)
