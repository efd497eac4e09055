"""`repeat`: train a run again with other seeds; mean and standard deviation of its figures.

Each repetition is a run, `DIR/seed-K`; the run that is repeated is the first one and stays where it
is. `DIR/repeat.json` holds the figures so far; the same call again goes on with what was stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from spectrolite.data.images import ImageSet
from spectrolite.data.scene_sets import AnyLabels, AnyScenes
from spectrolite.errors import RunError, SettingsError, SplitError, wanted_one_of
from spectrolite.evaluation.image_report import ImageReport
from spectrolite.evaluation.reports import Report
from spectrolite.experiments.training_runs import evaluate, train, with_data
from spectrolite.files import read_model, write_text
from spectrolite.part_folders import LOCK, check_contents, locked_folder
from spectrolite.records import Number, Record, Spread, spread
from spectrolite.runs.resumable_run import EpochListener, is_stopped
from spectrolite.runs.run_folder import AnyRun, ImageRun, Run, any_run
from spectrolite.samples.split_image_set import ImageSplit, split_images
from spectrolite.samples.split_scene import Split
from spectrolite.samples.split_scene import split as draw_split
from spectrolite.training.keywords import flat_settings

FORMAT = 1
Vary = Literal["training", "split", "both"]


class Repeated(Record):
    """One repetition.

    Attributes:
        run: its folder.
        seed: of the training.
        split_seed: of the split; None if the split was given.
        figures: by name; accuracies in points (0 to 100), NaN where a class was not tested.
    """

    run: str
    seed: int
    split_seed: int | None
    figures: dict[str, Number]


class Repetition(Record):
    """`repeat.json`: the same training with other seeds.

    Attributes:
        format: of the file.
        repeats: hash of the weights of the run that is repeated, the first one.
        vary: which seeds differ.
        summary: by name of the figure.
        runs: every repetition, the run itself first.
    """

    format: int = FORMAT
    repeats: str
    vary: Vary
    summary: dict[str, Spread]
    runs: tuple[Repeated, ...]


def repeat(
    run: Run | str | Path,
    seeds: int = 10,
    vary: Vary = "training",
    out: str | Path | None = None,
    scene: AnyScenes | ImageSet | None = None,
    labels: AnyLabels | ImageSet | None = None,
    *,
    flips: bool = False,
    on_epoch: EpochListener = lambda _epoch, _all: None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Repetition:
    """Train a run again with the seeds that follow its own, and summarise the figures.

    Existing repetitions are checked and kept, and a stopped one is resumed: call again to go on, or
    with a larger `seeds` to add repetitions.

    Args:
        run: a run or its folder; the first repetition.
        seeds: number of repetitions, including the run itself, from 2 up.
        vary: `"training"`: other weights, orders and dropout on the same split; `"split"`: other
            draws of the split, the same training seed; `"both"`.
        out: folder of the repetitions; default: `RUN-repeats`.
        scene: the run's scene or images, if they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        flips: also report the average over eight orientations; repetitions that lack it, including
            the run itself, are evaluated again.
        on_epoch: as in `train`.
        on_stage: as in `train`; the text begins with the seed.

    Raises:
        RunError: not a run, a pruned run, a folder of other repetitions, or a damaged repetition.
        SplitError: the split was given, so it cannot be drawn again.
        SettingsError: too few seeds, or nothing to vary.
    """
    if seeds < 2:
        raise SettingsError(f"--seeds: wanted 2 or more, for a standard deviation, got {seeds}")
    if vary not in get_args(Vary):
        raise SettingsError(f"--vary: {wanted_one_of(get_args(Vary), vary)}")
    stored = any_run(run.path if isinstance(run, Run) else run)  # read from disk, whatever is given
    stored.check_not_pruned("repeat")
    first, data = with_data(stored, scene, labels)
    if flips and isinstance(first, ImageRun):
        raise SettingsError("--flips: goes with scenes, not with images")
    original = first.split(*data)
    if vary != "training":
        _check_drawn(first, original, vary)
    place = first.path if first.path.name else first.path.resolve()  # "." has no name
    folder = place.with_name(f"{place.name}-repeats") if out is None else Path(out)
    _check_folder(folder, first, vary)
    with locked_folder(folder):
        rows: list[Repeated] = []
        for offset in range(seeds):
            seed = first.manifest.seed + (offset if vary != "split" else 0)
            split, split_seed = original, original.parameters.get("seed")
            if vary != "training":
                split_seed = int(original.parameters["seed"]) + offset
                split = _drawn_again(original, split_seed) if offset else original
            name = f"seed-{split_seed if vary == 'split' else seed}"

            def announce(stage: str, name: str = name) -> None:
                on_stage(f"{name}: {stage}")

            one: Run = first
            if offset:
                one = _repeated(first, folder / name, data, split, seed, on_epoch, announce)
            if flips and one.report.flips is None:
                announce("eight orientations")
                evaluate(one, *data, flips=True)
            rows.append(
                Repeated(
                    run=str(one.path),
                    seed=seed,
                    split_seed=None if split_seed is None else int(split_seed),
                    figures=_figures(one.report),
                )
            )
            repetition = _sum_up(first, vary, rows)
            write_text(folder / "repeat.json", repetition.model_dump_json(indent=2) + "\n")
    return repetition


def _check_drawn(run: AnyRun, split: Split | ImageSplit, vary: Vary) -> None:
    """Refuse a split that has no other draw.

    Raises:
        SplitError: it was given, or there is nothing to draw.
    """
    if isinstance(split, ImageSplit) and split.test_images and not len(split.validation):
        raise SplitError(
            f"--vary {vary}: {run.path} trained on all its images and was tested on a test set, "
            "so there is no other split to draw; take --vary training"
        )
    named = split.method == "scenes" and "test" in split.parameters
    if split.method == "given" or named:
        raise SplitError(
            f"--vary {vary}: the split of {run.path} was given, so there is no other to draw; "
            "take --vary training"
        )


def _drawn_again(split: Split | ImageSplit, seed: int) -> Split | ImageSplit:
    """The same split of the same data, drawn with another seed."""
    keywords: dict[str, Any] = {**split.parameters, "seed": seed}
    if isinstance(split, ImageSplit):
        return split_images(split.images, split.test_images, **keywords)
    return draw_split(split.labels, split.method, **keywords)


def _repeated(
    first: AnyRun,
    path: Path,
    data: tuple[Any, Any],
    split: Split | ImageSplit,
    seed: int,
    on_epoch: EpochListener,
    on_stage: Callable[[str], None],
) -> Run:
    """The repetition at `path`: opened and checked if it exists, else trained."""
    if not path.exists():
        return train(
            *data,
            split,
            seed=seed,
            out=path,
            resume=is_stopped(path),
            on_epoch=on_epoch,
            on_stage=on_stage,
            **flat_settings(first.settings),
        )
    run = any_run(path)
    wanted = {"split_sha256": split.sha256, "seed": seed, "settings": first.settings}
    differs = [f"{name}_sha256" for name in run.other_data(*data)]
    differs += [key for key, value in wanted.items() if getattr(run.manifest, key) != value]
    if not differs and run.report.figures_sha256 != run.manifest.figures_sha256:
        differs = ["figures_sha256"]
    if differs:
        raise RunError(
            f"{path}: not a repetition of {first.path} with this seed ({', '.join(differs)} of "
            "its manifest); take another --out, or move it away"
        )
    run.bundle  # noqa: B018 - reading it checks that it is whole and the manifest's
    return run


def _check_folder(folder: Path, first: Run, vary: Vary) -> None:
    """Refuse a folder with other contents."""
    path = folder / "repeat.json"
    if path.exists():
        stored = read_model(path, FORMAT, Repetition, "move it away")
        if (stored.repeats, stored.vary) != (first.manifest.weights_sha256, vary):
            raise RunError(
                f"{folder}: holds repetitions of another run, or with --vary {stored.vary}; "
                "take another --out"
            )
    else:
        check_contents(folder, "a folder of repetitions", (LOCK,))


REPEATED = ("accuracy", "class", "calibration", "orientations", "leakage", "baseline", "time")
"""Groups of figures whose mean and standard deviation are computed."""


def _figures(report: Report | ImageReport) -> dict[str, float]:
    """The figures of one repetition, in the order of the tables."""
    return {
        figure.label: figure.value
        for figure in report.figure_list
        if figure.group in REPEATED and figure.unit != "pixels" and figure.high is None
    }


def _sum_up(first: Run, vary: Vary, rows: list[Repeated]) -> Repetition:
    names = dict.fromkeys(name for row in rows for name in row.figures)
    summary = {name: spread(row.figures.get(name, math.nan) for row in rows) for name in names}
    return Repetition(
        repeats=first.manifest.weights_sha256, vary=vary, summary=summary, runs=tuple(rows)
    )
