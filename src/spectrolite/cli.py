"""The command line: one verb a function; parse, call, print.

Results go to standard output, progress and messages to standard error. `--json` prints one JSON
object and nothing else. Exit codes: 0 done, 2 wrong use or bad input, 1 any other failure.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console

from spectrolite.errors import SettingsError, SpectroliteError, SplitError
from spectrolite.screen import (
    TrainingProgress,
    checkup_table,
    class_table,
    cost_notes,
    cost_table,
    data_table,
    repetition_tables,
    report_table,
    separable_steps,
    verification_table,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Small, fast, reproducible classifiers for hyperspectral scenes.",
)
console = Console(highlight=False)
# columns: a table of costs is printed as wide as it is, for rich would cut its numbers short
wide = Console(width=400, highlight=False)
messages = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Overwrite = Annotated[bool, typer.Option(help="Replace what is there under this name.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
DropBands = Annotated[
    str, typer.Option(metavar="BANDS", help="Bands of --scene to leave out, from 0: 3,7-9.")
]
SceneKey = Annotated[str | None, typer.Option(help="Name of the array in the scene's file.")]
LabelsKey = Annotated[str | None, typer.Option(help="Name of the array in the labels' file.")]

MovedScene = Annotated[Path | None, typer.Option(help="The run's scene, where it was moved.")]
MovedLabels = Annotated[Path | None, typer.Option(help="The run's labels, where they were moved.")]


def main() -> None:
    """Run the command line; errors of ours become a message and an exit code."""
    try:
        app()
    except SpectroliteError as error:
        messages.print(f"[bold red]error:[/] {_plain(str(error))}", soft_wrap=True)
        sys.exit(error.exit_code)
    except RuntimeError as error:
        if "allocate" not in str(error) and "out of memory" not in str(error):
            raise
        messages.print("[bold red]error:[/] out of memory; a smaller --window takes less")
        sys.exit(1)
    except (OSError, MemoryError) as error:
        messages.print(
            f"[bold red]error:[/] {_plain(str(error) or 'out of memory')}", soft_wrap=True
        )
        for note in getattr(error, "__notes__", []):
            messages.print(_plain(note), soft_wrap=True)
        sys.exit(2 if isinstance(error, PermissionError) else 1)


@app.command()
def data(
    name: Annotated[str | None, typer.Argument(help="Name of a data set; all without it.")] = None,
    as_json: Json = False,
) -> None:
    """List the data sets known by name, or show one.

    Example: `spectrolite data indian_pines`
    """
    from spectrolite.catalog import DATASETS, dataset

    if name is None:
        if as_json:
            _print_json({"datasets": [asdict(d) for d in DATASETS.values()]})
        else:
            console.print(data_table(list(DATASETS.values())))
        return
    known = dataset(name)
    if as_json:
        _print_json({**asdict(known), "labelled": known.labelled, "class_names": known.class_names})
        return
    console.print(f"[bold]{known.name}[/]: {known.title}")
    for title, value in known.facts().items():
        console.print(f"{title}: {value}", soft_wrap=True)
    console.print(class_table(known))


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder of the run; must not exist yet.")],
    data: Annotated[str | None, typer.Option(help="Data set by name.")] = None,
    scene: Annotated[Path | None, typer.Option(help="Scene from a file: .npy, .mat.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Its label map: .npy, .mat.")] = None,
    scene_key: SceneKey = None,
    labels_key: LabelsKey = None,
    drop_bands: DropBands = "",
    model: Annotated[str | None, typer.Option(help="Network; hybridsn without it.")] = None,
    variant: Annotated[str | None, typer.Option(help="course (BatchNorm) or paper.")] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="random (without it), per_class, blocks, blocks_by_class, fields or given, with "
            "keywords: "
            "blocks,train=0.3,side=20,guard=6,seed=1,allow_missing."
        ),
    ] = None,
    train: Annotated[float | None, typer.Option(help="Short for train= in --split.")] = None,
    split_seed: Annotated[int | None, typer.Option(help="Short for seed= in --split.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the training; 0 without it.")
    ] = None,
    components: Annotated[
        int | None, typer.Option(help="Principal components; 0: all bands.")
    ] = None,
    bands_from: Annotated[str | None, typer.Option(help="train, patches or scene.")] = None,
    standardise: Annotated[bool | None, typer.Option(help="Scale bands before the PCA.")] = None,
    mode: Annotated[str | None, typer.Option(help="dense or patches.")] = None,
    epochs: Annotated[int | None, typer.Option(help="130 where dense, 100 where patches.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="AdamW's; 0 is Adam.")] = None,
    schedule: Annotated[str | None, typer.Option(help="one_cycle or constant.")] = None,
    rise: Annotated[float | None, typer.Option(help="Share of steps that rise.")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="0 to below 1.")] = None,
    class_weights: Annotated[str | None, typer.Option(help="none or balanced.")] = None,
    flips: Annotated[bool | None, typer.Option(help="Random flips and transposes.")] = None,
    window: Annotated[int | None, typer.Option(help="Side of dense windows, pixels.")] = None,
    batch: Annotated[int | None, typer.Option(help="Patches a step, in patch mode.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Epochs without a better validation.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a stopped run; --out alone is enough.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train a network, score it on the test pixels beside baselines, map the scene.

    Example: `spectrolite train --data indian_pines --model hybridsn --split random --train 0.1
    --split-seed 345 --seed 0 --out runs/ip`
    """
    from spectrolite import runs
    from spectrolite.settings import flat_settings
    from spectrolite.unfinished import open_stopped

    flags: dict[str, Any] = {
        "model": model, "seed": seed, "variant": variant, "components": components,
        "bands_from": bands_from, "standardise": standardise, "mode": mode, "epochs": epochs,
        "learning_rate": learning_rate, "weight_decay": weight_decay, "schedule": schedule,
        "rise": rise, "label_smoothing": label_smoothing, "class_weights": class_weights,
        "flips": flips, "window": window, "batch": batch, "patience": patience, "device": device,
    }  # fmt: skip
    given = {k: v for k, v in flags.items() if v is not None}
    stopped = open_stopped(out) if resume else None
    if stopped is None or any(source is not None for source in (data, scene, labels)):
        loaded = _load(data, scene, labels, scene_key, labels_key, drop_bands)
    else:
        loaded = stopped.data()
    if stopped is None or any(flag is not None for flag in (split, train, split_seed)):
        drawn = _draw(loaded[1], split or "random", train, split_seed)
    else:
        drawn = stopped.split(loaded[1])
    if stopped is not None:
        given = {"seed": stopped.manifest["seed"], **flat_settings(stopped.settings), **given}
    try:
        with TrainingProgress(messages).shown() as progress:
            run = runs.train(
                *loaded, drawn, out=out, overwrite=overwrite, resume=resume,
                on_epoch=progress.epoch, on_stage=progress.stage, **given,
            )  # fmt: skip
    except KeyboardInterrupt as stop:
        for note in getattr(stop, "__notes__", ["stopped"]):
            messages.print(_plain(note), soft_wrap=True)
        raise typer.Exit(130) from stop
    _print_report(run.path, as_json)


@app.command()
def evaluate(
    run: RunFolder,
    scene: MovedScene = None,
    labels: MovedLabels = None,
    flips: Annotated[
        bool, typer.Option("--flips", help="A row for eight orientations averaged, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Map a run's scene anew with the stored model and score its test pixels.

    Example: `spectrolite evaluate runs/ip`
    """
    from spectrolite import runs

    runs.evaluate(run, *_moved(run, scene, labels), flips=flips)
    _print_report(run, as_json)


@app.command()
def report(
    run: RunFolder, scene: MovedScene = None, labels: MovedLabels = None, as_json: Json = False
) -> None:
    """Write a run's `report.html` anew from its figures and its map.

    Example: `spectrolite report runs/ip`
    """
    from spectrolite import runs

    page = runs.report(run, *_moved(run, scene, labels))
    if as_json:
        _print_json({"page": str(page)})
    else:
        console.print(f"{page}")


@app.command("map")
def map_(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run or of a bundle.")],
    out: Annotated[Path, typer.Option(help="GeoTIFF to write; PNG and confidence beside it.")],
    scene: Annotated[
        Path | None, typer.Option(help="Scene from a file; without it the run's own.")
    ] = None,
    scene_key: SceneKey = None,
    drop_bands: DropBands = "",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Classify a whole scene into a GeoTIFF with colours and class names.

    Example: `spectrolite map runs/ip --scene other.npy --out map.tif`
    """
    from spectrolite import runs
    from spectrolite.mapping import files_of_map

    with TrainingProgress(messages).shown() as progress:
        progress.stage("mapping")
        made = runs.map_scene(
            run, scene, out=out, scene_key=scene_key, drop_bands=_bands(drop_bands),
            overwrite=overwrite, on_window=progress.window,
        )  # fmt: skip
    _, _, confidence, picture = files_of_map(out)
    counts = {i: int((made.classes == i).sum()) for i in made.class_names}
    if as_json:
        _print_json({
            "map": str(out), "picture": str(picture), "confidence": str(confidence),
            "shape": made.classes.shape, "pixels": counts,
        })  # fmt: skip
        return
    for i, name in made.class_names.items():
        console.print(f"{i:>4}  {name:<32} {counts[i]:>12,} pixels")
    console.print(f"{out}, {picture}, {confidence}")


@app.command()
def explain(
    name: Annotated[
        str, typer.Argument(help="hybridsn, mobilenet_v1, mobilenet_v2, or depthwise: an example.")
    ],
    input_: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="CxHxW", help="3x32x32, for a scene network with bands first."
        ),
    ] = None,
    variant: Annotated[str | None, typer.Option(help="paper or course.")] = None,
    width: Annotated[float | None, typer.Option(help="Width multiplier of a MobileNet.")] = None,
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
    from spectrolite.explanations import LESSON
    from spectrolite.explanations import explain as count

    flags: dict[str, Any] = {
        "variant": variant, "width": width, "classes": classes, "activation": activation,
        "small_images": small_images,
    }  # fmt: skip
    made = count(
        name, input_, picture=picture, overwrite=overwrite,
        **{k: v for k, v in flags.items() if v is not None},
    )  # fmt: skip
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


@app.command()
def verify(
    run: RunFolder,
    scene: MovedScene = None,
    labels: MovedLabels = None,
    tolerance: Annotated[
        float, typer.Option(help="Points of accuracy, where bits cannot be compared.")
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Train a run again and compare: data, split, weights, map and figures, to the bit.

    Where versions or the processor are others, the figures are compared within a tolerance.

    Example: `spectrolite verify runs/ip`
    """
    from spectrolite import verification

    with TrainingProgress(messages).shown() as progress:
        found = verification.verify(
            run, *_moved(run, scene, labels, check=False), tolerance=tolerance,
            on_epoch=progress.epoch, on_stage=progress.stage,
        )  # fmt: skip
    if as_json:
        _print_json({**asdict(found), "verdict": found.verdict})
        return
    console.print(verification_table(found))
    for difference in found.elsewhere:
        console.print(f"- {difference}", markup=False)
    console.print(f"{run}: {found.verdict}", markup=False, soft_wrap=True)


@app.command()
def repeat(
    run: RunFolder,
    seeds: Annotated[int, typer.Option(help="Repetitions, the run itself included.")] = 10,
    vary: Annotated[str, typer.Option(help="training, split or both: whose seed.")] = "training",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the repetitions; RUN-repeats without it.")
    ] = None,
    scene: MovedScene = None,
    labels: MovedLabels = None,
    flips: Annotated[
        bool, typer.Option("--flips", help="A row for eight orientations averaged, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a run again with other seeds: mean and standard deviation of every figure.

    Typed again, it goes on where it was stopped.

    Example: `spectrolite repeat runs/ip --seeds 10`
    """
    from spectrolite import repetition

    try:
        with TrainingProgress(messages).shown() as progress:
            made = repetition.repeat(
                run, seeds, cast(repetition.Vary, vary), out, *_moved(run, scene, labels),
                flips=flips, on_epoch=progress.epoch, on_stage=progress.stage,
            )  # fmt: skip
    except KeyboardInterrupt as stop:
        messages.print("stopped; the same command goes on from here")
        raise typer.Exit(130) from stop
    if as_json:
        _print_json(json.loads(made.model_dump_json()))
        return
    for table in repetition_tables(made):
        console.print(table)


@app.command()
def doctor(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run or of a bundle.")],
    scene: Annotated[
        Path | None, typer.Option(help="Scene from a file; without it the run's own.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Its label map; of a run, the map that it was trained on.")
    ] = None,
    scene_key: SceneKey = None,
    labels_key: LabelsKey = None,
    drop_bands: DropBands = "",
    as_json: Json = False,
) -> None:
    """Check a trained model: evaluation mode, same bits, normalisation, scaling, calibration.

    Of a run, the page `doctor.html` is written beside its report. The exit code is 1 where a check
    is wrong.

    Example: `spectrolite doctor runs/ip`
    """
    from spectrolite import checkups

    given: tuple[Any, Any] = (None, None)
    if (scene is None) != (labels is None):
        raise SettingsError("give both --scene and --labels, or neither")
    if scene is not None:
        given = _load(None, scene, labels, scene_key, labels_key, drop_bands)
    elif drop_bands or scene_key or labels_key:
        raise SettingsError("--drop-bands and the keys go with --scene and --labels")
    checkup = checkups.doctor(run, *given)
    page = run / "doctor.html" if (run / "manifest.json").is_file() else None
    if as_json:
        found = json.loads(checkup.model_dump_json())
        _print_json({"ok": checkup.ok, "page": page and str(page), **found})
    else:
        console.print(checkup_table(checkup))
        if page is not None:
            console.print(str(page), markup=False)
    if not checkup.ok:
        raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the two runs.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of both trainings.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="Fewer than 130 for a quick look.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """HybridSN on Indian Pines under two splits, beside baselines that need no network.

    Example: `spectrolite demo --out demo`
    """
    from spectrolite.demonstration import demo as show

    flags: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    with TrainingProgress(messages).shown() as progress:
        runs = show(
            out, seed=seed, overwrite=overwrite, on_epoch=progress.epoch, on_stage=progress.stage,
            **flags,
        )  # fmt: skip
    reports = {name: run.report for name, run in runs.items()}
    if as_json:
        _print_json({n: json.loads(r.model_dump_json()) for n, r in reports.items()})
        return
    console.print(report_table(reports))
    for name, run in runs.items():
        console.print(f"{name}: {run.path}/report.html, map.tif, map.png, bundle/")


def _load(
    data: str | None,
    scene: Path | None,
    labels: Path | None,
    scene_key: str | None,
    labels_key: str | None,
    drop_bands: str,
) -> tuple[Any, Any]:
    from spectrolite import catalog, readers
    from spectrolite.scene import Scene

    if data is not None and scene is None and labels is None:
        if drop_bands:
            raise SettingsError("--drop-bands goes with --scene, not with --data")
        loaded: tuple[object, object] = catalog.load(data)
        if not isinstance(loaded[0], Scene):
            raise SettingsError(f"--data {data}: images; train and map want a scene")
        return loaded
    if data is None and scene is not None and labels is not None:
        return (
            readers.read_scene(scene, scene_key, _bands(drop_bands)),
            readers.read_labels(labels, labels_key),
        )
    raise SettingsError("give --data NAME, or --scene FILE and --labels FILE")


def _draw(labels: Any, text: str, train: float | None, split_seed: int | None) -> Any:
    from spectrolite.splits import parse_split, split

    method, parameters = parse_split(text)
    for key, flag, value in (("train", "--train", train), ("seed", "--split-seed", split_seed)):
        if value is not None and parameters.setdefault(key, value) != value:
            raise SplitError(f"{flag} {value} contradicts --split {text}; give one of them")
    return split(labels, method, **parameters)


def _moved(
    run: Path, scene: Path | None, labels: Path | None, check: bool = True
) -> tuple[Any, Any]:
    """Scene and labels of a run whose files lie elsewhere now, read as the run read them."""
    from spectrolite.run_folders import open_run

    if scene is None and labels is None:
        return None, None
    if scene is None or labels is None:
        raise SettingsError("give both --scene and --labels, or neither")
    opened = open_run(run)
    return opened.data(scene, labels) if check else opened.unchecked_data(scene, labels)


def _bands(text: str) -> tuple[int, ...]:
    """`3,7-9` as 3, 7, 8, 9."""
    bands: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise SettingsError(f"--drop-bands: wanted numbers and ranges as 3,7-9, got {text!r}")
        bands.extend(range(int(first), int(last or first) + 1))
    return tuple(bands)


def _print_report(folder: Path, as_json: bool) -> None:
    from spectrolite.run_folders import open_run

    made = open_run(folder).report
    if as_json:
        _print_json({"run": str(folder), **json.loads(made.model_dump_json())})
        return
    console.print(report_table({folder.name: made}))
    for note in made.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)
    console.print(f"{folder}/report.html", markup=False)


def _print_json(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
