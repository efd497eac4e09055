"""The verb `compare`: classifiers side by side on the same splits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from spectrolite.cli.data_options import SOURCE, flags_given, load_data
from spectrolite.cli.league_tables import league_tables
from spectrolite.cli.options import (
    NETWORK,
    OUTPUT,
    SPLIT,
    Json,
    console,
    option,
    print_json,
    resumable_progress,
    wide,
    with_options,
)
from spectrolite.errors import SettingsError


@with_options(SOURCE)
def compare(
    model: Annotated[
        list[str],
        option(
            "Model, with settings of its own, as in mobilesn,epochs=100 or svm_context,side=13. "
            "Networks: hybridsn, mobilesn, with the settings of `spectrolite train`. Baselines: "
            "svm, svm_context, random_forest, position. Repeat the flag for each model.",
            panel=NETWORK,
            metavar="MODEL",
        ),
    ],
    split: Annotated[
        list[str],
        option(
            "Split without a seed, as in random,train=0.1. Repeat the flag for each split.",
            panel=SPLIT,
            metavar="SPLIT",
        ),
    ],
    out: Annotated[
        Path, option("Folder of the results, the runs, league.json and league.html.", panel=OUTPUT)
    ],
    seeds: Annotated[
        int, option("Number of seeds; each is used for the split and the training.", panel=SPLIT)
    ] = 10,
    first_seed: Annotated[int, option("First seed; the others count up from it.", panel=SPLIT)] = 0,
    seeds_for: Annotated[
        list[str] | None,
        option(
            "Fewer seeds for a slow model. Repeat the flag for each such model.",
            panel=SPLIT,
            default="--seeds for every model",
            metavar="MODEL=N",
        ),
    ] = None,
    as_json: Json = False,
    **flags: Any,
) -> None:
    """Compare networks and tuned baselines on the same splits, in a league table.

    The same command continues after an interruption; more models, splits or seeds are added to the
    results in --out.

    Example: `spectrolite compare --data indian_pines --model mobilesn --model svm
    --split random,train=0.1 --seeds 3 --out league`
    """
    from spectrolite.data.images import ImageSet
    from spectrolite.data.scene_sets import SceneSet
    from spectrolite.experiments import comparison
    from spectrolite.experiments.contestants import checked_entry, checked_splits

    for text in model:  # before data are read, which may take minutes
        checked_entry(text)
    checked_splits(split)
    fewer = _fewer(seeds_for or ())
    source = flags_given(flags)
    data = load_data(source)
    if isinstance(data[0], ImageSet):
        raise SettingsError(f"--data: {source['data']} are images, and compare takes a scene")
    if isinstance(data[0], SceneSet):
        raise SettingsError(
            "--scene: compare takes one scene; give the flag once, or --mosaic for tiles of one"
        )
    with resumable_progress() as progress:
        league = comparison.compare(
            *data,
            models=model,
            splits=split,
            seeds=seeds,
            seeds_for=fewer,
            first_seed=first_seed,
            out=out,
            on_epoch=progress.epoch,
            on_stage=progress.stage,
        )
    if as_json:
        print_json(json.loads(league.model_dump_json()))
        return
    for table in league_tables(league):
        wide.print(table)
    for note in league.notes:
        console.print(f"- {note}", soft_wrap=True, markup=False)
    console.print(f"{out}/league.html, {out}/league.json", markup=False, soft_wrap=True)


def _fewer(texts: Sequence[str]) -> dict[str, int]:
    fewer: dict[str, int] = {}
    for text in texts:
        name, _, count = text.rpartition("=")
        if not name or not count.isdecimal():
            raise SettingsError(f"--seeds-for: wanted MODEL=N as hybridsn=3, got {text!r}")
        if name in fewer:
            raise SettingsError(f"--seeds-for: {name} is named twice; name it once")
        fewer[name] = int(count)
    return fewer
