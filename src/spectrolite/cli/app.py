"""The command line: one verb a function; parse, call, print.

Results go to standard output, progress and messages to standard error. `--json` prints one JSON
object and nothing else. Exit codes: 0 done, 2 wrong use or bad input, 1 any other failure.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectrolite.cli.compare import compare
from spectrolite.cli.deploy import benchmark, export, prune, quantize
from spectrolite.cli.image_tables import predictions_table
from spectrolite.cli.maps import areas, map_
from spectrolite.cli.options import Json, Overwrite, console, messages, plain, print_json, wide
from spectrolite.cli.runs import doctor, evaluate, info, repeat, report, verify
from spectrolite.cli.tables import (
    TrainingProgress,
    class_table,
    cost_notes,
    cost_table,
    data_table,
    report_table,
    separable_steps,
)
from spectrolite.cli.train import train
from spectrolite.errors import SpectroliteError

if TYPE_CHECKING:
    from spectrolite.runs.run_folder import Run

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Small, fast, reproducible classifiers for hyperspectral scenes and for images.",
)


def main() -> None:
    """Run the command line; errors of ours become a message and an exit code."""
    try:
        app()
    except SpectroliteError as error:
        messages.print(f"[bold red]error:[/] {plain(str(error))}", soft_wrap=True)
        sys.exit(error.exit_code)
    except RuntimeError as error:
        if "allocate" not in str(error) and "out of memory" not in str(error):
            raise
        messages.print(
            "[bold red]error:[/] out of memory; a smaller --window or --batch takes less"
        )
        sys.exit(1)
    except (OSError, MemoryError) as error:
        messages.print(
            f"[bold red]error:[/] {plain(str(error) or 'out of memory')}", soft_wrap=True
        )
        for note in getattr(error, "__notes__", []):
            messages.print(plain(note), soft_wrap=True)
        sys.exit(2 if isinstance(error, PermissionError) else 1)


@app.command()
def data(
    name: Annotated[str | None, typer.Argument(help="Name of a data set; all without it.")] = None,
    as_json: Json = False,
) -> None:
    """List the data sets known by name, or show one.

    Example: `spectrolite data indian_pines`
    """
    from spectrolite.datasets.catalog import DATASETS, dataset

    if name is None:
        if as_json:
            print_json({"datasets": [asdict(d) for d in DATASETS.values()]})
        else:
            console.print(data_table(list(DATASETS.values())))
        return
    known = dataset(name)
    if as_json:
        print_json({**asdict(known), "labelled": known.labelled, "class_names": known.class_names})
        return
    console.print(f"[bold]{known.name}[/]: {known.title}")
    for title, value in known.facts().items():
        console.print(f"{title}: {value}", soft_wrap=True)
    console.print(class_table(known))


app.command()(info)
app.command()(train)
app.command()(evaluate)
app.command()(report)


app.command("map")(map_)
app.command()(areas)


@app.command()
def classify(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="Folder of a run on images, a bundle or an export."),
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    top: Annotated[int, typer.Option(min=1, help="Likeliest classes to show.")] = 1,
    as_json: Json = False,
) -> None:
    """Say what images show: classes with probabilities.

    Images become what the model was trained on: another size is resized, and said.

    Example: `spectrolite classify runs/v2 cat.jpg dog.png --top 3`
    """
    from spectrolite.mapping.image_inference import classify_images

    made = classify_images(model, list(images))
    if as_json:
        best = ([{"class": name, "probability": p} for name, p in row] for row in made.top(top))
        rows = [{"image": i, "classes": b} for i, b in zip(made.images, best, strict=True)]
        print_json({"model": str(model), "images": rows, "notes": made.notes})
        return
    console.print(predictions_table(made, top))
    for note in made.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)


@app.command()
def explain(
    name: Annotated[
        str,
        typer.Argument(
            help="A network (hybridsn, mobilesn, mobilenet_v1, mobilenet_v2), or "
            "depthwise: an example."
        ),
    ],
    input_: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="CxHxW", help="3x32x32, for a scene network with bands first."
        ),
    ] = None,
    variant: Annotated[str | None, typer.Option(help="paper or course.")] = None,
    width: Annotated[
        float | None, typer.Option(help="Width multiplier of a MobileNet, or of mobilesn.")
    ] = None,
    receptive_field: Annotated[
        int | None, typer.Option(help="Odd side in pixels, of mobilesn.")
    ] = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
    activation: Annotated[str | None, typer.Option(help="relu6 or relu.")] = None,
    small_images: Annotated[
        bool | None,
        typer.Option(help="A MobileNet's strides for 32x32 pixels, or those for 224x224."),
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG to write.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Show what a network costs, layer by layer, beside the ordinary convolutions it replaces.

    Example: `spectrolite explain mobilenet_v1 --input 3x32x32`
    """
    from spectrolite.models.explanations import LESSON
    from spectrolite.models.explanations import explain as count

    flags: dict[str, Any] = {
        "variant": variant,
        "width": width,
        "classes": classes,
        "activation": activation,
        "small_images": small_images,
        "receptive_field": receptive_field,
    }
    made = count(
        name,
        input_,
        picture=picture,
        overwrite=overwrite,
        **{k: v for k, v in flags.items() if v is not None},
    )
    if as_json:
        sys.stdout.write(made.to_json() + "\n")
        return
    for line in separable_steps(made) if name == LESSON else ():
        console.print(line, soft_wrap=True)
    wide.print(cost_table(made))
    for note in cost_notes(made):
        console.print(f"- {note}", soft_wrap=True)
    if picture is not None:
        console.print(f"{picture}", markup=False, soft_wrap=True)


app.command()(verify)
app.command()(repeat)
app.command()(doctor)
app.command()(compare)
app.command()(export)
app.command()(quantize)
app.command()(prune)
app.command()(benchmark)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("demo"),
    full: Annotated[
        bool,
        typer.Option("--full", help="Train HybridSN under both splits, 130 epochs each."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every training.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs of every training, for a quick look.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train on Indian Pines under two splits, beside baselines that need no network.

    MobileSN under a random split and under whole blocks, then HybridSN under the random split.
    Each result is printed as soon as it is there.

    Example: `spectrolite demo --out demo`
    """
    from spectrolite.experiments.tour import demo as take_tour

    def show(name: str, run: Run) -> None:
        if not as_json:
            console.print(report_table({name: run.report}))
            console.print(f"{run.path}/report.html, map.tif, map.png, bundle/", soft_wrap=True)

    flags: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    with TrainingProgress(messages).shown() as progress:
        runs = take_tour(
            out,
            full=full,
            seed=seed,
            overwrite=overwrite,
            on_epoch=progress.epoch,
            on_stage=progress.stage,
            on_run=show,
            **flags,
        )
    reports = {name: run.report for name, run in runs.items()}
    if as_json:
        print_json({n: json.loads(r.model_dump_json()) for n, r in reports.items()})
        return
    console.print(report_table(reports))
