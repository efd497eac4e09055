"""The folder in which a run grows, `NAME.part` beside its place: it is renamed when complete.

begin.json          what is known before the training
split.safetensors   the pixels of training, validation and test
log.jsonl           a line an epoch
resume.safetensors  where the training stands
lock                held by the process that writes here; the system lets go of it when that dies

Whatever ends the process, Ctrl-C or SIGKILL, leaves a folder that the next one can go on from, or
one in which nothing has begun.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from spectrolite.errors import RunError, SettingsError, SpectroliteError, TrainingError
from spectrolite.files import naming, read_json, write_json
from spectrolite.machine import other_machine, threads_of
from spectrolite.part_folders import BEGIN, LOCK, REMEDY, clear, locked, part_of
from spectrolite.runs.manifest import FORMAT, WORDS, ImageKnown, SceneKnown, is_of_images
from spectrolite.runs.run_folder import RunRecord, save_split
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.samples.split_scene import Split
from spectrolite.training.checkpoint import epochs_kept, load_checkpoint, save_checkpoint
from spectrolite.training.loop import Checkpoint, Epoch
from spectrolite.training.settings import checked_settings, flat_settings

STATE, REPLACED = "resume.safetensors", "replaced"


class Begun(SceneKnown):
    """`begin.json`."""

    overwrite: bool


class ImageBegun(ImageKnown):
    """The same of a run on images."""

    overwrite: bool


@dataclass(frozen=True, eq=False)
class StoppedRun(RunRecord):
    """A run that grows, or that was stopped before its end.

    Attributes:
        path: its folder, which ends in `.part`.
        manifest: what `begin.json` holds, as `Begun` describes it.
    """

    @property
    def state(self) -> Path:
        """The file that holds where the training stands."""
        return self.path / STATE

    @property
    def epochs_done(self) -> int:
        """Epochs that need not be trained again."""
        return epochs_kept(self.state) if self.state.exists() else 0

    @property
    def name(self) -> str:
        """Tells its state from that of another run."""
        return hashlib.sha256((self.path / BEGIN).read_bytes()).hexdigest()

    def check_same(self, known: dict[str, Any]) -> None:
        """Refuse to go on with anything else than the run began with.

        Raises:
            SettingsError: names the first of data, split, seed and settings that differs.
            RunError: other versions or another machine, which would give other bits.
        """
        end = f"leave the flag out, or {REMEDY}"
        if is_of_images(known) != self.on_images:
            begun = "images" if self.on_images else "a scene"
            raise SettingsError(f"--data: {self.path} was begun with {begun}; {end}")
        for kind in known["data"]:
            if known[f"{kind}_sha256"] != self.manifest[f"{kind}_sha256"]:
                flag = "images" if self.on_images else kind
                raise SettingsError(
                    f"--{flag}: not the {WORDS.get(kind, kind)} that {self.path} was begun with; "
                    f"{end}"
                )
        if known["split_sha256"] != self.manifest["split_sha256"]:
            raise SettingsError(f"--split: not the one that {self.path} was begun with; {end}")
        now, then = (
            {"seed": k["seed"], **flat_settings(checked_settings(k["settings"]))}
            for k in (known, self.manifest)
        )
        for key, value in now.items():
            if value != then[key]:
                raise SettingsError(
                    f"--{key.replace('_', '-')}: {value}, but {self.path} was begun with "
                    f"{then[key]}; {end}"
                )
        differs = other_machine(self.manifest)
        if differs:
            raise RunError(
                f"{self.path}: going on here would give other bits ({'; '.join(differs)}); "
                f"go on where it began, or {REMEDY}"
            )


def is_stopped(out: Path) -> bool:
    """Whether a run that would have become `out` was begun and stopped."""
    return (part_of(out) / BEGIN).is_file()


def open_stopped(out: str | Path) -> StoppedRun:
    """Open the stopped run that would have become `out`.

    Raises:
        RunError: there is none, it is damaged, or of a newer version.
    """
    out = Path(out)
    part = part_of(out)
    if not is_stopped(out):
        if (out / "manifest.json").is_file():
            raise RunError(f"{out} is complete: nothing to resume; take another --out")
        raise RunError(f"{part}: no stopped run, so nothing to resume; leave --resume out")
    return _stopped(part)


def _stopped(part: Path) -> StoppedRun:
    path = part / BEGIN
    kind = ImageBegun if is_of_images(read_json(path, FORMAT, remedy=REMEDY)) else Begun
    return StoppedRun(part, read_json(path, FORMAT, kind, REMEDY))


@contextmanager
def growing(
    out: Path, known: dict[str, Any], split: Split | ImageSplit, *, overwrite: bool, resume: bool
) -> Iterator[StoppedRun]:
    """The folder of a run while the block fills it; renamed to `out` when the block succeeds.

    A block that fails before anything was trained, or whose training diverges, leaves nothing. One
    that is stopped, or fails otherwise, leaves a stopped run.

    Args:
        out: the run's place.
        known: what is known of it, as `Known` describes it.
        split: its split.
        overwrite: replace a finished run, discard a stopped one.
        resume: go on with the stopped one.

    Raises:
        RunError: something is in the way, nothing is there to resume, another process is at it, or
            nothing can be written there.
        SettingsError: a stopped run that began with something else.
    """
    if overwrite and resume:
        raise SettingsError("give --resume or --overwrite, not both")
    part = part_of(out)
    stopped = open_stopped(out) if resume else None
    _check_place(out, overwrite or (stopped is not None and stopped.manifest["overwrite"]))
    if stopped is None:
        _check_part(part, overwrite)
        try:
            part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"{out}: cannot be made ({error.strerror}); take another --out"
            ) from error
    with locked(part):
        if resume:  # read anew, for another process may have been here before the lock was ours
            open_stopped(out).check_same(known)
        else:
            _check_part(part, overwrite)
        try:
            if not resume:
                clear(part)
                save_split(part, split)
                write_json(part / BEGIN, {**known, "overwrite": overwrite})
            stopped = open_stopped(out)
            with threads_of(stopped.manifest):
                yield stopped
            _check_place(out, bool(stopped.manifest["overwrite"]))
            _take_name(part, out)
        except SpectroliteError as error:
            if isinstance(error, TrainingError) or not (part / STATE).exists():
                shutil.rmtree(part, ignore_errors=True)
            raise
        except (KeyboardInterrupt, OSError, MemoryError) as error:
            if stopped is None or not (part / BEGIN).exists():
                shutil.rmtree(part, ignore_errors=True)  # nothing has begun, or all is done
            else:
                error.add_note(
                    f"stopped after epoch {stopped.epochs_done}; go on with: "
                    f"spectrolite train --out {shlex.quote(str(out))} --resume"
                )
            raise


def _check_place(out: Path, overwrite: bool) -> None:
    if out.exists():
        if not overwrite:
            raise RunError(f"{out} exists; take another --out, or replace it with --overwrite")
        if not (out / "manifest.json").is_file():
            raise RunError(f"{out} is no run, so --overwrite leaves it alone; take another --out")


def _check_part(part: Path, overwrite: bool) -> None:
    """Refuse to put a run where a stopped one is, or something that is none of ours."""
    if not part.exists():
        return
    if not (part / BEGIN).is_file():
        ours = {LOCK, f".part.{BEGIN}", "split.safetensors", ".part.split.safetensors"}
        if not part.is_dir() or {p.name for p in part.iterdir()} - ours:
            raise RunError(f"{part} is in the way and no stopped run; take another --out")
    elif not overwrite:
        stopped = _stopped(part)
        done, epochs = stopped.epochs_done, stopped.manifest["settings"]["training"]["epochs"]
        raise RunError(
            f"{part}: a run that was stopped after epoch {done} of {epochs}; go on with --resume, "
            "or discard it with --overwrite"
        )


def _take_name(part: Path, out: Path) -> None:
    """Rename `part`; a kill at any moment leaves a stopped run or a finished one."""
    replaced = part / REPLACED
    if replaced.exists():
        shutil.rmtree(replaced)
    if out.exists():
        out.rename(replaced)
    part.rename(out)
    if (out / REPLACED).exists():
        shutil.rmtree(out / REPLACED)
    for name in (BEGIN, STATE, LOCK):
        (out / name).unlink(missing_ok=True)


EpochListener = Callable[[Epoch, int], None]


Fit = Callable[
    [Callable[[Epoch], None], Checkpoint | None, Callable[[Checkpoint], None]], list[Epoch]
]


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
    checkpoint = load_checkpoint(stopped.state, net, name) if stopped.state.exists() else None
    path = stopped.path / "log.jsonl"

    def write(epochs: Iterable[Epoch], mode: str) -> None:
        with naming(path), path.open(mode, encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(epoch)) + "\n" for epoch in epochs)

    def listen(epoch: Epoch) -> None:
        write([epoch], "a")
        on_epoch(epoch, epochs)

    def save(state: Checkpoint) -> None:
        save_checkpoint(stopped.state, state, name)

    write(checkpoint.log if checkpoint else (), "w")
    return fit(listen, checkpoint, save)


def seeds(seed: int) -> list[int]:
    """Independent seeds of weights, order, dropout and judgement from the one of the user."""
    if seed < 0:
        raise SettingsError(f"--seed: wanted a whole number from 0 up, got {seed}")
    return [int(s) for s in np.random.SeedSequence(seed).generate_state(4)]
