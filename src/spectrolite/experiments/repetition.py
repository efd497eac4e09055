"""One run says little: the same again with other seeds, as mean and standard deviation.

Each repetition is a run of its own, `DIR/seed-K`; the run that is repeated counts as the first and
stays where it is. `DIR/repeat.json` holds what is repeated and the figures so far, so that a
repetition that was stopped goes on when it is asked for again.
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
from spectrolite.files import read_json, whole_file
from spectrolite.part_folders import check_contents
from spectrolite.records import Number, Record, Spread, spread
from spectrolite.runs.manifest import hash_of, named_data
from spectrolite.runs.resumable_run import EpochListener, is_stopped
from spectrolite.runs.run_folder import Run, open_run
from spectrolite.samples.split_image_set import split_images
from spectrolite.samples.split_scene import split
from spectrolite.training.settings import flat_settings

FORMAT = 1
Vary = Literal["training", "split", "both"]


class Repeated(Record):
    """One repetition.

    Attributes:
        run: its folder.
        seed: of the training.
        split_seed: of the split; nothing where the split was given.
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
        vary: which seeds are others.
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
    """Train a run again with other seeds, counted up from its own, and sum up the figures.

    Repetitions that are there already are checked and kept, and a stopped one goes on: the same
    call continues what was stopped, and a larger `seeds` adds to what is there.

    Args:
        run: a run or its folder; the first repetition.
        seeds: how many repetitions, the run itself included, from 2 up.
        vary: `"training"`, other weights, orders and dropout on the same split; `"split"`, the
            split drawn anew and the same training seed; `"both"`.
        out: folder of the repetitions; `RUN-repeats` without it.
        scene: the run's scene or images, where they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        flips: report eight orientations averaged too, for every repetition; those that lack the
            row, the run itself among them, are evaluated again.
        on_epoch: as in `train`.
        on_stage: as in `train`; the words begin with the seed.

    Raises:
        RunError: no run, a pruned one, a folder of other repetitions, or a damaged repetition.
        SplitError: a split that was given cannot be drawn anew.
        SettingsError: too few seeds, or nothing to vary.
    """
    if seeds < 2:
        raise SettingsError(f"--seeds: wanted 2 or more, for a standard deviation, got {seeds}")
    if vary not in get_args(Vary):
        raise SettingsError(f"--vary: {wanted_one_of(get_args(Vary), vary)}")
    opened = open_run(run.path if isinstance(run, Run) else run)
    opened.check_not_pruned("repeat")
    first, data = with_data(opened, scene, labels)
    if flips and first.on_images:
        raise SettingsError("--flips: goes with scenes, not with images")
    original = first.split(*data)
    if vary != "training" and first.on_images and data[1] and not len(original.validation):
        raise SplitError(
            f"--vary {vary}: {first.path} trained on all its images and was tested on a test set, "
            "so there is no other split to draw; take --vary training"
        )
    named = original.method == "scenes" and "test" in original.parameters
    if vary != "training" and (original.method == "given" or named):
        raise SplitError(
            f"--vary {vary}: the split of {first.path} was given, so there is no other to draw; "
            "take --vary training"
        )
    place = first.path if first.path.name else first.path.resolve()  # "." has no name
    folder = place.with_name(f"{place.name}-repeats") if out is None else Path(out)
    _check_folder(folder, first, vary)
    rows: list[Repeated] = []
    made = _sum_up(first, vary, rows)
    for offset in range(seeds):
        seed = first.manifest["seed"] + (offset if vary != "split" else 0)
        drawn, split_seed = original, original.parameters.get("seed")
        if vary != "training":
            split_seed = int(original.parameters["seed"]) + offset
            keywords: dict[str, Any] = {**original.parameters, "seed": split_seed}
            drawn = original
            if offset and first.on_images:
                drawn = split_images(*data, **keywords)
            elif offset:
                drawn = split(data[1], original.method, **keywords)
        name = f"seed-{split_seed if vary == 'split' else seed}"

        def announce(stage: str, name: str = name) -> None:
            on_stage(f"{name}: {stage}")

        one = first
        if offset:
            one = _repeated(first, folder / name, data, drawn, seed, on_epoch, announce)
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
        made = _sum_up(first, vary, rows)
        with whole_file(folder / "repeat.json") as part:
            part.write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return made


def _repeated(
    first: Run,
    path: Path,
    data: tuple[Any, Any],
    drawn: Any,
    seed: int,
    on_epoch: EpochListener,
    on_stage: Callable[[str], None],
) -> Run:
    """The repetition at `path`: opened and checked where it is there, else trained."""
    if not path.exists():
        return train(
            *data,
            drawn,
            seed=seed,
            out=path,
            resume=is_stopped(path),
            on_epoch=on_epoch,
            on_stage=on_stage,
            **flat_settings(first.settings),
        )
    run = open_run(path)
    wanted: dict[str, Any] = {
        **{f"{k}_sha256": hash_of(v) for k, v in named_data(first.manifest, data).items()},
        "split_sha256": drawn.sha256,
        "seed": seed,
        "settings": first.settings.model_dump(),
    }
    found = {**run.manifest, "settings": run.settings.model_dump()}
    differs = [key for key, value in wanted.items() if found.get(key) != value]
    if not differs and run.report.figures_sha256 != run.manifest["figures_sha256"]:
        differs = ["figures_sha256"]
    if differs:
        raise RunError(
            f"{path}: not a repetition of {first.path} with this seed ({', '.join(differs)} of "
            "its manifest); take another --out, or move it away"
        )
    run.bundle  # noqa: B018 - reading it checks that it is whole and the manifest's
    return run


def _check_folder(folder: Path, first: Run, vary: Vary) -> None:
    """Refuse a folder that holds something else."""
    path = folder / "repeat.json"
    if path.exists():
        content = read_json(path, FORMAT, Repetition, "move it away")
        known = (content["repeats"], content["vary"])
        if known != (first.manifest["weights_sha256"], vary):
            raise RunError(
                f"{folder}: holds repetitions of another run, or with --vary {content['vary']}; "
                "take another --out"
            )
    else:
        check_contents(folder, "a folder of repetitions")


REPEATED = (
    "accuracy",
    "class",
    "calibration",
    "orientations",
    "leakage",
    "baseline",
    "time",
)
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
        repeats=first.manifest["weights_sha256"], vary=vary, summary=summary, runs=tuple(rows)
    )
