"""What runs on scenes and on images share while they train: seeds, and the loop kept on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict

import numpy as np
from torch import nn

from spectrolite.errors import SettingsError
from spectrolite.files import naming
from spectrolite.resuming import load_progress, save_progress
from spectrolite.training import Epoch, Progress
from spectrolite.unfinished import StoppedRun

EpochListener = Callable[[Epoch, int], None]
Fit = Callable[[Callable[[Epoch], None], Progress | None, Callable[[Progress], None]], list[Epoch]]


def fit_in(
    stopped: StoppedRun, net: nn.Module, fit: Fit, epochs: int, on_epoch: EpochListener
) -> list[Epoch]:
    """Train from where the run stands, writing the log and the state into its folder.

    Args:
        stopped: the run that grows.
        net: the network that `fit` trains.
        fit: called with what listens to epochs, where the loop stood, and what keeps its state.
        epochs: how many there are in all, for the listener.
        on_epoch: called after each epoch.
    """
    name = stopped.name
    progress = load_progress(stopped.state, net, name) if stopped.state.exists() else None
    path = stopped.path / "log.jsonl"

    def write(epochs: Iterable[Epoch], mode: str) -> None:
        with naming(path), path.open(mode, encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(epoch)) + "\n" for epoch in epochs)

    def listen(epoch: Epoch) -> None:
        write([epoch], "a")
        on_epoch(epoch, epochs)

    def keep(progress: Progress) -> None:
        save_progress(stopped.state, progress, name)

    write(progress.log if progress else (), "w")
    return fit(listen, progress, keep)


def seeds(seed: int) -> list[int]:
    """Independent seeds of weights, order, dropout and judgement from the one of the user."""
    if seed < 0:
        raise SettingsError(f"--seed: wanted a whole number from 0 up, got {seed}")
    return [int(s) for s in np.random.SeedSequence(seed).generate_state(4)]
