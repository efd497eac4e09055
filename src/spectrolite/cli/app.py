"""The command line: one verb a function; parse, call, print.

Results go to standard output, progress and messages to standard error. `--json` prints one JSON
object and nothing else. Exit codes: 0 done, 2 wrong use or bad input, 1 any other failure.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

from spectrolite import __version__
from spectrolite.cli.compare import compare
from spectrolite.cli.deploy import benchmark, export, prune, quantize
from spectrolite.cli.describe import data, explain, info
from spectrolite.cli.image_tables import predictions_table
from spectrolite.cli.maps import map_
from spectrolite.cli.options import (
    OUTPUT,
    Json,
    Model,
    Overwrite,
    Terminated,
    console,
    in_panel_order,
    messages,
    option,
    plain,
    print_json,
    print_warning,
    training_progress,
)
from spectrolite.cli.runs import doctor, evaluate, repeat, report, verify
from spectrolite.cli.samples import areas, sample
from spectrolite.cli.tables import report_table
from spectrolite.cli.train import train
from spectrolite.errors import SpectroliteError

if TYPE_CHECKING:
    from spectrolite.runs.run_folder import Run


class VerbCommand(TyperCommand):
    """A verb whose help page shows --help in its last panel, not in one of its own."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help, in the panel of --json."""
        help_option = super().get_help_option(ctx)
        if isinstance(help_option, TyperOption):
            help_option.rich_help_panel = OUTPUT
        return help_option


app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Small, fast, reproducible classifiers for hyperspectral scenes and for images.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Options of the program itself."""


def main() -> None:
    """Run the command line; errors of ours become a message and an exit code."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        _run()
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _run() -> None:
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


def classify(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    top: Annotated[int, option("Number of classes to show, likeliest first.", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Classify images: classes with probabilities.

    Images of another size are resized to the size the model was trained on, with a note.

    Example: `spectrolite classify runs/v2 cat.jpg dog.png --top 3`
    """
    from spectrolite.mapping.image_inference import classify_images

    predictions = classify_images(model, list(images))
    if as_json:
        best = (
            [{"class": name, "probability": p} for name, p in row] for row in predictions.top(top)
        )
        rows = [{"image": i, "classes": b} for i, b in zip(predictions.images, best, strict=True)]
        caveat = {} if predictions.caveat is None else {"caveat": predictions.caveat}
        print_json({"model": str(model), "images": rows, "notes": predictions.notes, **caveat})
        return
    console.print(predictions_table(predictions, top))
    print_warning(predictions.caveat)
    for note in predictions.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)


def demo(
    out: Annotated[Path, option("Folder of the runs.", panel=OUTPUT)] = Path("demo"),
    full: Annotated[
        bool, option("Train HybridSN under both splits, 130 epochs each.", "--full")
    ] = False,
    seed: Annotated[int, option("Seed of every training.", min=0)] = 0,
    epochs: Annotated[
        int | None,
        option(
            "Epochs of every training, for a quick look.",
            default="mobilesn 100, hybridsn 80; 130 with --full",
        ),
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
            console.print(
                f"{run.path}/report.html, map.tif, map.png, bundle/", markup=False, soft_wrap=True
            )

    flags: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    with training_progress() as progress:
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


VERBS: dict[str, dict[str, Callable[..., None]]] = {
    "Start": {"demo": demo},
    "Data and networks": {"data": data, "info": info, "explain": explain},
    "Train and compare": {"train": train, "compare": compare},
    "Evaluate runs": {
        "evaluate": evaluate,
        "report": report,
        "verify": verify,
        "repeat": repeat,
        "doctor": doctor,
    },
    "Use a model": {"map": map_, "sample": sample, "areas": areas, "classify": classify},
    "Deploy": {"export": export, "quantize": quantize, "prune": prune, "benchmark": benchmark},
}
"""The verbs, in the panels of the help page."""

for panel, verbs in VERBS.items():
    for name, verb in verbs.items():
        app.command(name, cls=VerbCommand, rich_help_panel=panel)(in_panel_order(verb))
