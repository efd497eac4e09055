"""Several classifiers on the same splits, drawn again and again: the league.

A cell is one classifier on one split with one seed, which is the split's and the training's. It is
a file in `DIR/cells`, written whole, whose name holds a hash over all that decides it: data, split,
settings, seed. What is there is checked and kept, so a comparison that was stopped goes on when it
is asked for again, and one with more models, splits or seeds adds to what is there. Networks leave
their runs in `DIR/runs`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spectrolite.data.labels import Labels
from spectrolite.data.scene import Scene
from spectrolite.errors import RunError, SettingsError, SplitError
from spectrolite.evaluation import metrics
from spectrolite.evaluation.league_table import Cell, League, made_league
from spectrolite.evaluation.tuned_baselines import TUNED, map_with_baseline
from spectrolite.experiments.contestants import (
    Entry,
    check_enough,
    checked_protocols,
    entries_of,
    seed_counts,
)
from spectrolite.experiments.training_runs import train
from spectrolite.files import read_json, whole_file
from spectrolite.machine import versions_and_machine
from spectrolite.pages.league_page import league_page
from spectrolite.runs.manifest import elsewhere
from spectrolite.runs.resumable_run import EpochListener, is_stopped, open_stopped
from spectrolite.runs.resumable_run import seeds as seeds_of
from spectrolite.runs.run_folder import Run, any_run
from spectrolite.samples.split_grammar import parse_split
from spectrolite.samples.split_scene import Split, split
from spectrolite.training.settings import flat_settings

FORMAT = 1


def compare(
    scene: Scene,
    labels: Labels,
    *,
    models: Sequence[str],
    splits: Sequence[str],
    seeds: int = 10,
    seeds_for: Mapping[str, int] | None = None,
    first_seed: int = 0,
    out: str | Path,
    on_epoch: EpochListener = lambda _epoch, _all: None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> League:
    """Put classifiers side by side: every one on every split, with seeds counted up.

    Seed k is the split's and the training's, so that the spread is that of both. Differences are
    taken pairwise on the same splits.

    Args:
        scene: the scene.
        labels: its label map; labels on pixels without a spectrum are left out.
        models: names of networks or of baselines (`TUNED`), each with settings of its own:
            `"hybridsn"`, `"mobilesn,receptive_field=13,epochs=100"`, `"svm_context,side=13"`.
        splits: in the grammar of `--split`, without a seed: `"random,train=0.1"`.
        seeds: how many seeds each split is drawn with.
        seeds_for: fewer seeds for some models, by name or by the whole of what `models` says.
        first_seed: of the seeds, the rest following it.
        out: folder of cells, runs, `league.json` and `league.html`.
        on_epoch: as in `train`.
        on_stage: as in `train`; the words begin with the cell.

    Returns:
        The league, as `league.json` holds it.

    Raises:
        SettingsError: no such model, a setting out of range, more components than bands, or a
            model named twice.
        SplitError: a split with a seed, one that cannot be drawn, one that trains too few pixels
            for a model's components, or one named twice.
        LabelsError: not on the scene's grid.
        SceneError: the scene is smaller than what a network sees.
        RunError: a damaged cell or run, or a folder that holds something else or cannot be made.
    """
    labels = labels.on(scene)
    entries = entries_of(models, scene, labels)
    counts = seed_counts(entries, seeds, seeds_for or {})
    protocols = checked_protocols(splits)
    if first_seed < 0:
        raise SettingsError(f"--first-seed: wanted 0 or more, got {first_seed}")
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or _holds_something_else(folder)):
        raise RunError(f"{folder}: is there and holds no comparison; take another --out")
    wanted = [
        (entry, text, first_seed + k)
        for text in protocols
        for k in range(seeds)
        for entry in entries
        if k < counts[entry.text]
    ]
    drawn: dict[tuple[str, int], Split] = {}
    for _, text, seed in wanted:  # all of them before the first training: a bad one costs nothing
        if (text, seed) not in drawn:
            method, keywords = parse_split(text)
            drawn[text, seed] = split(labels, method, **keywords, seed=seed)
    spelled: dict[str, str] = {}
    for text in protocols:
        twin = spelled.setdefault(str(drawn[text, first_seed]), text)
        if twin != text:
            raise SplitError(f"--split: {text} and {twin} are the same; name it once")
    for entry, text, seed in wanted:
        check_enough(entry, drawn[text, seed])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{out}: cannot be made ({error.strerror}); take another --out") from error
    cells = []
    for number, (entry, text, seed) in enumerate(wanted, start=1):
        words = f"{number}/{len(wanted)} {entry.text} on {text}, seed {seed}"

        def announce(stage: str, words: str = words) -> None:
            on_stage(f"{words}: {stage}")

        cells.append(_cell(folder, entry, text, seed, scene, drawn[text, seed], on_epoch, announce))
    league = made_league(
        scene.name,
        {"scene": scene.sha256, "labels": labels.sha256},
        protocols,
        [entry.text for entry in entries],
        cells,
    )
    with whole_file(folder / "league.json") as part:
        part.write_text(league.model_dump_json(indent=2) + "\n", encoding="utf-8")
    with whole_file(folder / "league.html") as part:
        part.write_text(league_page(league), encoding="utf-8")
    return league


def _holds_something_else(folder: Path) -> bool:
    known = {"cells", "runs", "league.json", "league.html"}
    return any(
        path.name not in known and not path.name.startswith(".part.") for path in folder.iterdir()
    )


def _cell(
    folder: Path,
    entry: Entry,
    text: str,
    seed: int,
    scene: Scene,
    drawn: Split,
    on_epoch: EpochListener,
    on_stage: Callable[[str], None],
) -> Cell:
    """The cell of that name: read and checked where it is there, else computed and written."""
    decides: dict[str, Any] = {
        "format": FORMAT,
        "scene_sha256": scene.sha256,
        "labels_sha256": drawn.labels.sha256,
        "split_sha256": drawn.sha256,
        "model": entry.name,
        "keywords": dict(entry.keywords),
        "seed": seed,
    }
    identity = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    name = f"{entry.name}-{drawn.method}-seed-{seed}-{identity[:12]}"
    path = folder / "cells" / f"{name}.json"
    if path.exists():
        return _read_cell(path, identity, entry, text)
    if entry.name in TUNED:
        on_stage("tuning and mapping")
        made = _of_baseline(entry, seed, scene, drawn)
    else:
        run = _run(folder / "runs" / name, entry, seed, scene, drawn, on_epoch, on_stage)
        made = _of_run(run)
    tested = len(drawn.classes_of(drawn.test))
    cell = Cell(
        identity=identity,
        model=entry.text,
        split=text,
        seed=seed,
        patch=entry.patch,
        train=len(drawn.train),
        test=len(drawn.test),
        classes_tested=tested,
        classes=len(drawn.labels.class_ids),
        split_sha256=drawn.sha256,
        **made,
    )
    content = json.loads(cell.model_dump_json())
    with whole_file(path) as part:
        part.write_text(
            json.dumps({"format": FORMAT, "sha256": _sha256(content), "cell": content}, indent=2)
            + "\n",
            encoding="utf-8",
        )
    return cell


def _read_cell(path: Path, identity: str, entry: Entry, text: str) -> Cell:
    """A cell that an earlier call wrote, under the words that this one has for it."""
    content = read_json(path, FORMAT, remedy="delete it, and it is computed again")
    cell: Any = content.get("cell")
    whole = isinstance(cell, dict) and content.get("sha256") == _sha256(cell)
    if not whole or cell.get("identity") != identity:
        raise RunError(
            f"{path}: damaged, or not the cell that its name says (sha256); delete it, and it is "
            "computed again"
        )
    return Cell.model_validate({**cell, "model": entry.text, "split": text})


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _of_baseline(entry: Entry, seed: int, scene: Scene, drawn: Split) -> dict[str, Any]:
    generator = np.random.default_rng(seeds_of(seed)[0])
    made = map_with_baseline(entry.name, scene, drawn, generator, **entry.keywords)
    labels = drawn.labels
    truth = labels.array.ravel()[drawn.test]
    confusion = metrics.confusion_matrix(truth, made.classes.ravel()[drawn.test], labels.class_ids)
    return {
        "overall_accuracy": metrics.overall_accuracy(confusion),
        "average_accuracy": metrics.average_accuracy(confusion),
        "kappa": metrics.kappa(confusion),
        "overlap": None if entry.patch is None else drawn.leakage(entry.patch).overlap,
        "parameters": None,
        "macs_per_pixel": None,
        "training_s": made.training_s,
        "map_s": made.map_s,
        "chosen": made.chosen,
        "weights_sha256": None,
        "versions": versions_and_machine("cpu")["versions"],
        "threads": torch.get_num_threads(),
    }


def _of_run(run: Run) -> dict[str, Any]:
    report = run.report
    return {
        "overall_accuracy": report.overall_accuracy,
        "average_accuracy": report.average_accuracy,
        "kappa": report.kappa,
        "overlap": report.leakage.overlap,
        "parameters": report.parameters,
        "macs_per_pixel": report.macs_per_pixel,
        "training_s": report.times_s["training"],
        "map_s": report.times_s["map"],
        "chosen": "settings as named",
        "weights_sha256": run.manifest.weights_sha256,
        "versions": run.manifest.versions,
        "threads": run.manifest.machine["threads"],
    }


def _run(
    path: Path,
    entry: Entry,
    seed: int,
    scene: Scene,
    drawn: Split,
    on_epoch: EpochListener,
    on_stage: Callable[[str], None],
) -> Run:
    """The network's run: one that is there is checked, a stopped one goes on, else it is trained.

    A stopped one of other versions or another machine is trained anew: to go on would give neither
    the bits of there nor those of here.
    Its folder's name holds the hash of all that decides it; the check is for what was moved here.
    """
    if not path.exists():
        stopped = is_stopped(path)
        resume = stopped and not elsewhere(open_stopped(path).manifest)
        return train(
            scene,
            drawn.labels,
            drawn,
            seed=seed,
            out=path,
            resume=resume,
            overwrite=stopped and not resume,
            on_epoch=on_epoch,
            on_stage=on_stage,
            **entry.keywords,
        )
    run = any_run(path)
    wanted = {
        "scene_sha256": scene.sha256,
        "labels_sha256": drawn.labels.sha256,
        "split_sha256": drawn.sha256,
        "seed": seed,
    }
    differs = [key for key, value in wanted.items() if getattr(run.manifest, key) != value]
    if flat_settings(run.settings) != dict(entry.keywords):
        differs.append("settings")
    if run.report.figures_sha256 != run.manifest.figures_sha256:
        differs.append("figures_sha256")
    if differs:
        raise RunError(
            f"{path}: not the run that this comparison wants ({', '.join(differs)} of its "
            "manifest); move it away"
        )
    return run
