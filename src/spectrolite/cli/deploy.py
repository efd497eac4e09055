"""The verbs of delivery: export, quantize, prune, benchmark."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from spectrolite.cli.data_options import RELOCATED, relocated_data
from spectrolite.cli.deploy_tables import (
    benchmark_table,
    noise_table,
    pruning_table,
    quantization_table,
)
from spectrolite.cli.options import (
    OUTPUT,
    Json,
    Model,
    Overwrite,
    Picture,
    RunFolder,
    console,
    messages,
    option,
    print_json,
    wide,
    with_options,
)
from spectrolite.cli.tables import TrainingProgress

Out = Annotated[Path, option("Folder to write.", panel=OUTPUT)]


def export(
    model: Model,
    out: Out,
    format_: Annotated[str, option("Format of the graph: onnx or openvino.", "--format")] = "onnx",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write a trained model as a graph for ONNX Runtime or OpenVINO, checked against torch.

    Its inputs are raw spectra or uint8 pixels, its outputs class, confidence and logits.

    Example: `spectrolite export runs/ip --format onnx --out ip-onnx`
    """
    from spectrolite.deploy.export import Kind
    from spectrolite.deploy.export import export as write

    exported = write(model, cast(Kind, format_), out=out, overwrite=overwrite)
    parity = exported.parity
    if as_json:
        content: dict[str, Any] = {
            "exported": str(out),
            "format": format_,
            "bytes": exported.bytes,
            "checked_on": parity.checked_on,
            "inputs": parity.inputs,
            "difference": parity.difference,
            "same_class": parity.same_class,
        }
        print_json(content)
        return
    shapes = ", ".join("x".join(map(str, shape)) for shape in parity.inputs)
    console.print(f"{out}: {format_}, {exported.bytes / 1e6:.2f} MB", markup=False, soft_wrap=True)
    console.print(
        f"logits differ from torch by {parity.difference:.1e} of the largest, the class is the "
        f"same at {parity.same_class:.2%} ({parity.checked_on}; {shapes})",
        soft_wrap=True,
    )


@with_options(RELOCATED)
def quantize(
    run: RunFolder,
    out: Out,
    to: Annotated[str, option("Number format: int8 or float16.")] = "int8",
    backend: Annotated[
        str, option("Runtime of the model: onnxruntime or openvino.")
    ] = "onnxruntime",
    per: Annotated[
        str,
        option(
            "One scale for each output channel of a weight (channel), or for the whole weight "
            "(tensor)."
        ),
    ] = "channel",
    keep: Annotated[
        list[str] | None,
        option(
            "Layer that stays float32. Repeat the flag for several.",
            default="none",
            metavar="LAYER",
        ),
    ] = None,
    max_drop: Annotated[
        float,
        option(
            "Largest accepted loss of accuracy, in percentage points; if it is larger, nothing "
            "is written."
        ),
    ] = 0.5,
    overwrite: Overwrite = False,
    as_json: Json = False,
    **relocated: Any,
) -> None:
    """Write a run's network in fewer bits, scored on the run's own test part first.

    Example: `spectrolite quantize runs/ip --to int8 --backend openvino --out ip-int8`
    """
    from spectrolite.deploy.quantize import quantize as write

    flags: dict[str, Any] = {"to": to, "backend": backend, "per": per}
    quantized = write(
        run,
        *relocated_data(run, **relocated),
        **flags,
        out=out,
        keep=keep or (),
        max_drop=max_drop,
        overwrite=overwrite,
    )
    if as_json:
        print_json({"quantized": str(out), "drop": quantized.drop, **asdict(quantized)})
        return
    console.print(quantization_table(quantized))
    console.print(noise_table(quantized))
    console.print(
        f"{out}: the layers multiply in {quantized.computes}"
        + (": float16 is how the weights are stored" if quantized.precision == "float16" else "")
        + (f"; float32: {', '.join(quantized.kept)}" if quantized.kept else ""),
        markup=False,
        soft_wrap=True,
    )


@with_options(RELOCATED)
def prune(
    run: RunFolder,
    out: Annotated[Path, option("Folder of the pruned run.", panel=OUTPUT)],
    dead: Annotated[
        bool,
        option(
            "Remove the depthwise kernels that `spectrolite doctor` proves dead. The outputs stay "
            "the same.",
            "--dead",
        ),
    ] = False,
    weak: Annotated[
        float | None,
        option(
            "Remove kernels whose output varies less than this share of their layer's mean.",
            default="off",
        ),
    ] = None,
    share: Annotated[
        float | None, option("Remove this share of each layer, weakest first.", default="off")
    ] = None,
    epochs: Annotated[
        int | None,
        option("Epochs of fine-tuning after --weak or --share.", default="a tenth of the run's"),
    ] = None,
    learning_rate: Annotated[
        float | None,
        option("Highest learning rate of fine-tuning.", default="a tenth of the run's"),
    ] = None,
    seed: Annotated[int | None, option("Seed of fine-tuning.", default="the run's", min=0)] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    **relocated: Any,
) -> None:
    """Remove depthwise kernels from a run's network, and score it on the run's own test part.

    Example: `spectrolite prune runs/digits --dead --out runs/pruned`
    """
    from spectrolite.deploy.prune import prune as write

    amounts: dict[str, Any] = {
        "dead": dead,
        "weak": weak,
        "share": share,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    with TrainingProgress(messages).shown() as progress:
        pruned = write(
            run,
            *relocated_data(run, **relocated),
            **amounts,
            out=out,
            overwrite=overwrite,
            on_stage=progress.stage,
            on_epoch=progress.epoch,
        )
    before, after = pruned.kernels
    if as_json:
        print_json({"pruned": str(out), "removed": before - after, **asdict(pruned)})
        return
    console.print(pruning_table(pruned))
    for note in pruned.notes:
        console.print(f"- {note}", markup=False, soft_wrap=True)
    console.print(
        f"{out}: {before - after:,} kernels removed; logits on training data differ by "
        f"{pruned.difference:.1e} of the largest"
        + (
            f" before {pruned.epochs} epoch(s) of fine-tuning, which took {pruned.tuning_s:.1f} s"
            if pruned.epochs
            else ""
        ),
        markup=False,
        soft_wrap=True,
    )


def benchmark(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="Folders of runs, bundles or exported models."),
    ],
    threads: Annotated[int, option("Computing threads, the same in every runtime.")] = 1,
    repeats: Annotated[int, option("Number of timed calls.")] = 20,
    side: Annotated[int, option("Side in pixels of the scene that is mapped.")] = 145,
    out: Annotated[
        Path | None, option("JSON file to write.", panel=OUTPUT, default="no file")
    ] = None,
    picture: Picture = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure models side by side: size, load time, latency, throughput, peak memory.

    Timed are 1 and 64 images, or one pixel with its patch and a whole scene.

    Example: `spectrolite benchmark runs/ip ip-onnx ip-int8`
    """
    from spectrolite.deploy.benchmark import benchmark as measure

    measured = measure(
        models,
        threads=threads,
        repeats=repeats,
        side=side,
        out=out,
        picture=picture,
        overwrite=overwrite,
    )
    if as_json:
        sys.stdout.write(measured.to_json() + "\n")
        return
    wide.print(benchmark_table(measured))
    for file in (out, picture):
        if file is not None:
            console.print(f"{file}", markup=False, soft_wrap=True)
