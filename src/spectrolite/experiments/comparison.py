"""Compare several classifiers on the same splits, drawn with several seeds: the league.

A cell is one classifier on one split with one seed, which is the seed of the split and of the
training. It is a file in `DIR/cells`, written whole, whose name ends in a hash over everything that
decides it: data, split, settings, seed. A cell that exists is checked and kept. So a comparison
that was stopped goes on when it is repeated, and one with more models, splits or seeds adds to it.
The runs of networks are in `DIR/runs`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    checked_splits,
    entries_of,
    seed_counts,
)
from spectrolite.experiments.training_runs import train
from spectrolite.files import read_json, write_json, write_text
from spectrolite.machine import versions_and_machine
from spectrolite.pages.league_page import league_page
from spectrolite.part_folders import LOCK, check_contents, locked_folder
from spectrolite.runs.manifest import elsewhere
from spectrolite.runs.resumable_run import EpochListener, is_stopped, open_stopped
from spectrolite.runs.resumable_run import seeds as seeds_of
from spectrolite.runs.run_folder import Run, any_run
from spectrolite.samples.split_grammar import parse_split
from spectrolite.samples.split_scene import Split, split
from spectrolite.training.keywords import flat_settings

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
    """Compare classifiers: each one on every split with every seed.

    Seed k is used for the split and for the training, so the spread includes both. Differences are
    taken pairwise on the same splits.

    Args:
        scene: the scene.
        labels: its label map; labels on pixels without a spectrum are left out.
        models: names of networks or of baselines (`TUNED`), each with its own settings:
            `"hybridsn"`, `"mobilesn,receptive_field=13,epochs=100"`, `"svm_context,side=13"`.
        splits: in the grammar of `--split`, without a seed: `"random,train=0.1"`.
        seeds: the number of seeds for each split.
        seeds_for: fewer seeds for some models, by name or by their whole text in `models`.
        first_seed: the first seed; the others follow it.
        out: folder of cells, runs, `league.json` and `league.html`.
        on_epoch: as in `train`.
        on_stage: as in `train`; the text begins with the cell.

    Returns:
        The league, as `league.json` holds it.

    Raises:
        SettingsError: an unknown model, a setting out of range, more components than bands, or a
            model named twice.
        SplitError: a split with a seed, one that cannot be drawn, one with too few training pixels
            for a model's components, or one named twice.
        LabelsError: not on the scene's grid.
        SceneError: the scene is smaller than a network's receptive field.
        RunError: a damaged cell or run, or a folder that holds something else or cannot be made.
    """
    labels = labels.on(scene)
    entries = entries_of(models, scene, labels)
    counts = seed_counts(entries, seeds, seeds_for or {})
    texts = checked_splits(splits)
    if first_seed < 0:
        raise SettingsError(f"--first-seed: wanted 0 or more, got {first_seed}")
    folder = Path(out)
    check_contents(folder, "a comparison", ("cells", "runs", "league.json", "league.html", LOCK))
    wanted = [
        (entry, text, first_seed + k)
        for text in texts
        for k in range(seeds)
        for entry in entries
        if k < counts[entry.text]
    ]
    splits_of = _splits(labels, dict.fromkeys((text, seed) for _, text, seed in wanted))
    for entry, text, seed in wanted:
        check_enough(entry, splits_of[text, seed])
    with locked_folder(folder):
        cells = []
        for number, (entry, text, seed) in enumerate(wanted, start=1):
            name = f"{number}/{len(wanted)} {entry.text} on {text}, seed {seed}"

            def announce(stage: str, name: str = name) -> None:
                on_stage(f"{name}: {stage}")

            one = splits_of[text, seed]
            cells.append(_cell(folder, entry, text, seed, scene, one, on_epoch, announce))
        league = made_league(
            scene.name,
            {"scene": scene.sha256, "labels": labels.sha256},
            texts,
            [entry.text for entry in entries],
            cells,
        )
        write_text(folder / "league.json", league.model_dump_json(indent=2) + "\n")
        write_text(folder / "league.html", league_page(league))
    return league


def _splits(labels: Labels, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Split]:
    """All splits, drawn before the first training: a bad one costs no time.

    Raises:
        SplitError: one cannot be drawn, or two texts draw the same.
    """
    splits: dict[tuple[str, int], Split] = {}
    first_text: dict[str, str] = {}
    for text, seed in wanted:
        method, keywords = parse_split(text)
        one = splits[text, seed] = split(labels, method, **keywords, seed=seed)
        twin = first_text.setdefault(one.text, text)
        if twin != text:
            raise SplitError(f"--split: {text} and {twin} are the same; name it once")
    return splits


def _cell(
    folder: Path,
    entry: Entry,
    text: str,
    seed: int,
    scene: Scene,
    split: Split,
    on_epoch: EpochListener,
    on_stage: Callable[[str], None],
) -> Cell:
    """A cell: read and checked if it exists, otherwise computed and written."""
    data = {"scene_sha256": scene.sha256, "labels_sha256": split.labels.sha256}
    data |= {"split_sha256": split.sha256}
    # a setting that came later and is off: cells of older versions keep their names
    keywords = {k: v for k, v in entry.keywords.items() if (k, v) != ("calibrate", False)}
    decides = {
        "format": FORMAT,
        **data,
        "model": entry.name,
        "keywords": keywords,
        "seed": seed,
    }
    identity = _sha256(decides)
    name = f"{entry.name}-{split.method}-seed-{seed}-{identity[:12]}"
    path = folder / "cells" / f"{name}.json"
    if path.exists():
        return _read_cell(path, identity, entry, text)
    if entry.name in TUNED:
        on_stage("tuning and mapping")
        figures = _of_baseline(entry, seed, scene, split)
    else:
        run = _trained(folder / "runs" / name, entry, seed, scene, split, data, on_epoch, on_stage)
        figures = _of_run(run)
    cell = Cell(
        identity=identity,
        model=entry.text,
        split=text,
        seed=seed,
        patch=entry.patch,
        train=len(split.train),
        test=len(split.test),
        classes_tested=len(split.classes_of(split.test)),
        classes=len(split.labels.class_ids),
        split_sha256=split.sha256,
        **figures,
    )
    content = json.loads(cell.model_dump_json())
    write_json(path, {"format": FORMAT, "sha256": _sha256(content), "cell": content})
    return cell


def _read_cell(path: Path, identity: str, entry: Entry, text: str) -> Cell:
    """A cell of an earlier call, with the texts of this call for its model and split."""
    content = read_json(path, FORMAT, remedy="delete it, and it is computed again")
    cell: Any = content.get("cell")
    intact = isinstance(cell, dict) and content.get("sha256") == _sha256(cell)
    if not intact or cell.get("identity") != identity:
        raise RunError(
            f"{path}: damaged, or not the cell of its name (sha256); delete it, and it is computed "
            "again"
        )
    return Cell.model_validate({**cell, "model": entry.text, "split": text})


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _of_baseline(entry: Entry, seed: int, scene: Scene, split: Split) -> dict[str, Any]:
    generator = np.random.default_rng(seeds_of(seed)[0])
    mapped = map_with_baseline(entry.name, scene, split, generator, **entry.keywords)
    truth = split.labels.array.ravel()[split.test]
    predicted = mapped.classes.ravel()[split.test]
    confusion = metrics.confusion_matrix(truth, predicted, split.labels.class_ids)
    return {
        "overall_accuracy": metrics.overall_accuracy(confusion),
        "average_accuracy": metrics.average_accuracy(confusion),
        "kappa": metrics.kappa(confusion),
        "overlap": None if entry.patch is None else split.leakage(entry.patch).overlap,
        "parameters": None,
        "macs_per_pixel": None,
        "training_s": mapped.training_s,
        "map_s": mapped.map_s,
        "chosen": mapped.chosen,
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


def _trained(
    path: Path,
    entry: Entry,
    seed: int,
    scene: Scene,
    split: Split,
    data: dict[str, str],
    on_epoch: EpochListener,
    on_stage: Callable[[str], None],
) -> Run:
    """The run of a network: checked if it exists, resumed if it was stopped, otherwise trained.

    A stopped run of other versions or another machine is trained anew: resuming would give the bits
    of neither. The folder's name has a hash of everything that decides the run; the check finds
    runs that were moved here.
    """
    if not path.exists():
        stopped = is_stopped(path)
        resume = stopped and not elsewhere(open_stopped(path).manifest)
        return train(
            scene,
            split.labels,
            split,
            seed=seed,
            out=path,
            resume=resume,
            overwrite=stopped and not resume,
            on_epoch=on_epoch,
            on_stage=on_stage,
            **entry.keywords,
        )
    run = any_run(path)
    wanted = {**data, "seed": seed}
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
