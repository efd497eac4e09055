"""What the verbs share: where they print, flags that several have, how a run is printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from spectrolite.cli.tables import report_table
from spectrolite.errors import SettingsError

console = Console(highlight=False)
# columns: a table of costs is printed as wide as it is, for rich would cut its numbers short
wide = Console(width=400, highlight=False)
messages = Console(stderr=True, highlight=False)

WORDS = ("bad", "constant", "noisy")  # of readers.scene_files, which takes a second to import

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Overwrite = Annotated[bool, typer.Option(help="Replace what is there under this name.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]
DropBands = Annotated[
    str,
    typer.Option(
        metavar="BANDS",
        help="Bands of --scene to leave out, from 0: 3,7-9; also the words bad (marked by the "
        "file), constant and noisy.",
    ),
]
SceneKey = Annotated[str | None, typer.Option(help="Name of the array in the scene's file.")]
LabelsKey = Annotated[
    str | None, typer.Option(help="Name of the array in the labels' file, or number of the band.")
]
ClassField = Annotated[
    str | None, typer.Option(help="Field of --labels that says the class: polygons, points, .csv.")
]
Layer = Annotated[str | None, typer.Option(help="Layer of --labels, where it has several.")]
Root = Annotated[Path | None, typer.Option(help="Folder that holds the files of --data.")]
MirrorUrl = Annotated[
    str | None, typer.Option(help="Address to download a scene of --data from instead.")
]
Scale = Annotated[bool, typer.Option("--scale", help="Apply the scale factor that --scene states.")]

MovedScene = Annotated[
    list[Path] | None,
    typer.Option(help="The run's scene, where it was moved; of several all, in their order."),
]
MovedLabels = Annotated[
    list[Path] | None, typer.Option(help="The run's labels, where they were moved; likewise.")
]
MovedImages = Annotated[
    Path | None, typer.Option("--images", help="The run's images, where they were moved.")
]


def band_numbers(text: str) -> tuple[int | str, ...]:
    """`3,7-9,bad` as 3, 7, 8, 9 and the word."""
    bands: list[int | str] = []
    for part in filter(None, text.split(",")):
        if part in WORDS:
            bands.append(part)
            continue
        first, _, last = part.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise SettingsError(
                f"--drop-bands: wanted numbers and ranges as 3,7-9, or {', '.join(WORDS)}, "
                f"got {text!r}"
            )
        bands.extend(range(int(first), int(last or first) + 1))
    return tuple(bands)


def labels_on(
    scene: Any, labels: Path, key: str | None, layer: str | None, class_field: str | None
) -> Any:
    """Labels from a file on the scene's grid; what reading them had to decide is told."""
    from spectrolite import readers

    return told(readers.read_labels(labels, key, scene=scene, layer=layer, class_field=class_field))


def told(labels: Any) -> Any:
    """The labels; what reading them had to decide is told."""
    for note in labels.notes:
        messages.print(f"{plain(labels.name)}: {plain(note)}", soft_wrap=True)
    return labels


def load_data(
    data: str | None,
    of_data: dict[str, Any],
    of_scene: dict[str, Any],
    images: Path | None = None,
    of_images: dict[str, Any] | None = None,
) -> tuple[Any, Any]:
    """Scene and labels, or images and test images; each flag must go with where they come from.

    A verb without `--images` gives no `of_images`.
    """
    from spectrolite.data.labels import Labels
    from spectrolite.data.scene_sets import several
    from spectrolite.datasets import catalog
    from spectrolite.readers.images.folders import read_images

    sources = {"--data": data, "--scene": of_scene["scene"] or None, "--images": images}
    named = [flag for flag, value in sources.items() if value is not None]
    if len(named) != 1 or (not of_scene["scene"]) != (not of_scene["labels"]):
        or_images = "" if of_images is None else ", or --images DIR"
        raise SettingsError(f"give --data NAME, or --scene FILE and --labels FILE{or_images}")
    of_images = of_images or {}
    for owner, beside in (("--scene", of_scene), ("--images", of_images), ("--data", of_data)):
        for key, value in beside.items():
            if value is not None and named[0] != owner:
                flag = key.replace("_", "-")
                raise SettingsError(f"--{flag} goes with {owner}, not with {named[0]}")
    loaded: tuple[Any, Any]
    if data is not None:
        loaded = catalog.load(
            data, **of_data, tell=lambda text: messages.print(plain(text), soft_wrap=True)
        )
        first, second = loaded
        return (first, told(second.on(first))) if isinstance(second, Labels) else loaded
    if images is not None:
        loaded = read_images(
            images, of_images.get("image_size"), bool(of_images.get("skip_damaged"))
        )
        for part in filter(None, loaded):
            for file in part.skipped:
                messages.print(f"left out: {plain(file)}", soft_wrap=True)
        return loaded
    files = [
        [value] if isinstance(value, Path) else list(value)
        for value in (of_scene["scene"], of_scene["labels"])
    ]
    if len(files[0]) != len(files[1]):
        raise SettingsError(
            f"--labels: {len(files[0])} scenes want as many files of labels, in the order of "
            f"--scene, got {len(files[1])}"
        )
    pairs = [_read_pair(one, other, of_scene) for one, other in zip(*files, strict=True)]
    if len(pairs) == 1:
        return pairs[0]
    return several([scene for scene, _ in pairs], [labels for _, labels in pairs])


def _read_pair(scene: Path, labels: Path, of_scene: dict[str, Any]) -> tuple[Any, Any]:
    """A scene and its labels from files."""
    from spectrolite import readers

    for note in readers.open_cube(scene, of_scene["scene_key"]).notes:
        messages.print(plain(f"{scene}: {note}"), soft_wrap=True)
    read = (readers.open_scene if of_scene.get("leave_in_file") else readers.read_scene)(
        scene,
        of_scene["scene_key"],
        band_numbers(of_scene["drop_bands"] or ""),
        scale=bool(of_scene["scale"]),
    )
    return read, labels_on(
        read, labels, of_scene["labels_key"], of_scene["layer"], of_scene["class_field"]
    )


def moved(
    run: Path,
    scene: list[Path] | None,
    labels: list[Path] | None,
    images: Path | None,
    check: bool = True,
) -> tuple[Any, Any]:
    """The data of a run whose files lie elsewhere now, read as the run read them."""
    from spectrolite.runs.run_folder import ImageRun, any_run

    scene, labels = scene or None, labels or None
    if scene is None and labels is None and images is None:
        return None, None
    opened = any_run(run)
    on_images = isinstance(opened, ImageRun)
    if images is not None and (scene is not None or labels is not None or not on_images):
        raise SettingsError("--images: goes with runs on images, without --scene and --labels")
    if images is None and (scene is None or labels is None or on_images):
        raise SettingsError("give both --scene and --labels, or neither")
    places: tuple[Any, ...] = (scene, labels) if images is None else (images,)
    data: tuple[Any, Any]
    data = opened.data(*places) if check else opened.unchecked_data(*places)
    return data


def print_report(folder: Path, as_json: bool) -> None:
    """The figures of a run, as a table with notes or as JSON."""
    from spectrolite.runs.run_folder import open_run

    run = open_run(folder)
    made = run.report
    if as_json:
        print_json({"run": str(folder), **json.loads(made.model_dump_json())})
        return
    console.print(report_table({folder.name: made}))
    for note in made.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)
    console.print(f"{folder}/report.html", markup=False)


def print_json(content: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(content) + "\n")


def plain(text: str) -> str:
    """Text that rich prints as it is."""
    return text.replace("[", r"\[")
