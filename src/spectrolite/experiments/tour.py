"""The tour: Indian Pines under a random split and under blocks, and what each score is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectrolite.datasets.catalog import load
from spectrolite.experiments.training_runs import train
from spectrolite.part_folders import check_folder, locked_folder
from spectrolite.runs.resumable_run import EpochListener, is_run
from spectrolite.runs.run_folder import Run
from spectrolite.samples.split_grammar import parse_split
from spectrolite.samples.split_scene import split

RANDOM = "random,train=0.1,seed=345"
BLOCKS = "blocks,train=0.3,side=20,guard=6,allow_missing"
# the guard of 6 pixels covers a receptive field of 13: under BLOCKS this network's split is clean
MOBILESN: dict[str, Any] = {"model": "mobilesn", "receptive_field": 13}
HYBRIDSN: dict[str, Any] = {"model": "hybridsn"}


@dataclass(frozen=True)
class Stop:
    """One training of the tour.

    Attributes:
        name: of the run's folder.
        split: how to draw the split, in the grammar of `--split`.
        settings: keywords of `train`.
    """

    name: str
    split: str
    settings: dict[str, Any]


SHORT = (
    Stop("mobilesn-random", RANDOM, MOBILESN),
    Stop("mobilesn-blocks", BLOCKS, MOBILESN),
    # 80 of the default 130 epochs, so that the whole tour takes five minutes on two cores
    Stop("hybridsn-random", RANDOM, {**HYBRIDSN, "epochs": 80}),
)
FULL = (Stop("random", RANDOM, HYBRIDSN), Stop("blocks", BLOCKS, HYBRIDSN))


def demo(
    out: str | Path = "demo",
    *,
    full: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    on_epoch: EpochListener = lambda _epoch, _all: None,
    on_stage: Callable[[str], None] = lambda _: None,
    on_run: Callable[[str, Run], None] = lambda _name, _run: None,
    **flags: Any,
) -> dict[str, Run]:
    """Train on Indian Pines under the course's random split and under whole blocks.

    The short tour trains MobileSN under both splits, then HybridSN under the random one for 80
    epochs. The full tour trains HybridSN under both, 130 epochs each.

    Args:
        out: folder of the runs.
        full: take the full tour.
        seed: of every training.
        overwrite: replace existing runs.
        on_epoch: as in `train`.
        on_stage: as in `train`; the text begins with the name of the run.
        on_run: called with name and run as soon as a run is complete.
        **flags: as in `train`, for every training.

    Returns:
        The runs by name: `mobilesn-random`, `mobilesn-blocks` and `hybridsn-random`, or of the full
        tour `random` and `blocks`.

    Raises:
        MissingExtraError: the extra `demo` is not installed.
        RunError: a run is in the way.
    """
    scene, labels = load("indian_pines")
    stops = FULL if full else SHORT
    for stop in stops:  # before the first training, which takes its time
        check_folder(Path(out) / stop.name, overwrite, "a run", is_run)
    with locked_folder(Path(out)):
        runs = {}
        for stop in stops:
            method, parameters = parse_split(stop.split)

            def announce(stage: str, name: str = stop.name) -> None:
                on_stage(f"{name}: {stage}")

            runs[stop.name] = train(
                scene,
                labels,
                split(labels, method, **parameters),
                seed=seed,
                out=Path(out) / stop.name,
                overwrite=overwrite,
                on_epoch=on_epoch,
                on_stage=announce,
                **{**stop.settings, **flags},
            )
            on_run(stop.name, runs[stop.name])
    return runs
