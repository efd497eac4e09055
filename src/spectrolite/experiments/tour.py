"""The tour: one network, one scene, two protocols, and what each of them is worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spectrolite.datasets.catalog import load
from spectrolite.experiments.training_runs import train
from spectrolite.part_folders import check_folder
from spectrolite.runs.resumable_run import EpochListener, is_run
from spectrolite.runs.run_folder import Run
from spectrolite.samples.split_grammar import parse_split
from spectrolite.samples.split_scene import split

PROTOCOLS = {
    "random": "random,train=0.1,seed=345",
    "blocks": "blocks,train=0.3,side=20,guard=6,allow_missing",
}


def demo(
    out: str | Path = "demo",
    *,
    seed: int = 0,
    overwrite: bool = False,
    on_epoch: EpochListener = lambda _epoch, _all: None,
    on_stage: Callable[[str], None] = lambda _: None,
    **flags: Any,
) -> dict[str, Run]:
    """Train HybridSN on Indian Pines under the course's random split and under whole blocks.

    Args:
        out: folder for the two runs, `random` and `blocks`.
        seed: of both trainings.
        overwrite: replace runs that are there.
        on_epoch: as in `train`.
        on_stage: as in `train`; the words begin with the name of the protocol.
        **flags: as in `train`.

    Returns:
        The runs, by name of the protocol.

    Raises:
        MissingExtraError: the extra `demo` is not installed.
        RunError: a run is in the way.
    """
    scene, labels = load("indian_pines")
    folders = {name: Path(out) / name for name in PROTOCOLS}
    for folder in folders.values():  # before the minutes of the first training, not after
        check_folder(folder, overwrite, "a run", is_run)
    runs = {}
    for name, text in PROTOCOLS.items():
        method, parameters = parse_split(text)
        drawn = split(labels, method, **parameters)

        def announce(stage: str, name: str = name) -> None:
            on_stage(f"{name}: {stage}")

        runs[name] = train(
            scene,
            labels,
            drawn,
            seed=seed,
            out=folders[name],
            overwrite=overwrite,
            on_epoch=on_epoch,
            on_stage=announce,
            **flags,
        )
    return runs
