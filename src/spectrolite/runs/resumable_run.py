"""Runs that can be stopped and resumed: the part folder `NAME.part`, renamed when complete.

begin.json          the manifest as it is known before training
split.safetensors   the pixels or images of training, validation and test
log.jsonl           one line an epoch
resume.safetensors  the checkpoint
lock                held by the process that writes here

Whatever ends the process, Ctrl-C or SIGKILL, it leaves a folder that `--resume` can go on from, or
one in which nothing was begun.
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

import numpy as np
from torch import nn

from spectrolite.errors import RunError, SettingsError, SpectroliteError, TrainingError
from spectrolite.files import naming
from spectrolite.machine import threads_of
from spectrolite.part_folders import (
    BEGIN,
    LOCK,
    START_ANEW,
    check_folder,
    check_not_both,
    check_resumable,
    is_begun,
    part_of,
    restore_replaced,
    resumable_folder,
    take_name,
)
from spectrolite.runs.manifest import (
    MANIFEST,
    NAMES,
    AnyTraining,
    ImageTraining,
    SceneTraining,
    elsewhere,
    read_training,
    write_training,
)
from spectrolite.runs.run_folder import RunRecord, save_split
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.samples.split_scene import Split
from spectrolite.training.checkpoint import epochs_kept, load_checkpoint, save_checkpoint
from spectrolite.training.keywords import flat_settings
from spectrolite.training.loop import Checkpoint, Epoch

CHECKPOINT = "resume.safetensors"
BEFORE_BEGIN = ("split.safetensors",)  # written before `begin.json`


class Begun(SceneTraining):
    """`begin.json` of a run on scenes."""

    overwrite: bool


class ImageBegun(ImageTraining):
    """`begin.json` of a run on images."""

    overwrite: bool


@dataclass(frozen=True, eq=False)
class StoppedRun(RunRecord):
    """A run that is being trained, or was stopped before its end.

    Attributes:
        path: its part folder.
        manifest: the content of `begin.json`.
    """

    manifest: Begun | ImageBegun

    @property
    def checkpoint(self) -> Path:
        """The file of the checkpoint."""
        return self.path / CHECKPOINT

    @property
    def epochs_done(self) -> int:
        """Epochs that the checkpoint holds: they need not be trained again."""
        return epochs_kept(self.checkpoint) if self.checkpoint.exists() else 0

    @property
    def name(self) -> str:
        """A hash of `begin.json`, which names the run in its checkpoint."""
        return hashlib.sha256((self.path / BEGIN).read_bytes()).hexdigest()

    def check_same(self, training: AnyTraining) -> None:
        """Refuse to resume with other data, split, seed, settings or machine.

        Raises:
            SettingsError: data, split, seed or a setting differs; it names the first.
            RunError: versions or machine differ, which would give other bits.
        """
        end = f"leave the flag out, or {START_ANEW}"
        on_images = isinstance(self.manifest, ImageTraining)
        if isinstance(training, ImageTraining) != on_images:
            begun = "images" if on_images else "a scene"
            raise SettingsError(f"--data: {self.path} was begun with {begun}; {end}")
        for name, sha256 in training.data_sha256.items():
            if sha256 != self.manifest.data_sha256[name]:
                flag = "images" if on_images else name
                raise SettingsError(
                    f"--{flag}: not the {NAMES.get(name, name)} that {self.path} was begun with; "
                    f"{end}"
                )
        if training.split_sha256 != self.manifest.split_sha256:
            raise SettingsError(f"--split: not the one that {self.path} was begun with; {end}")
        now, then = (
            {"seed": one.seed, **flat_settings(one.settings)} for one in (training, self.manifest)
        )
        for key, value in now.items():
            if value != then[key]:
                raise SettingsError(
                    f"--{key.replace('_', '-')}: {value}, but {self.path} was begun with "
                    f"{then[key]}; {end}"
                )
        differs = elsewhere(self.manifest)
        if differs:
            raise RunError(
                f"{self.path}: going on here would give other bits ({'; '.join(differs)}); "
                f"go on where it began, or {START_ANEW}"
            )


def is_run(folder: Path) -> bool:
    """Whether a folder is a finished run."""
    return (folder / MANIFEST).is_file()


def is_stopped(out: Path) -> bool:
    """Whether the run `out` was begun and stopped."""
    return is_begun(part_of(out))


def open_stopped(out: str | Path) -> StoppedRun:
    """Open the stopped run that would have become `out`.

    Raises:
        RunError: there is none, or it is damaged or of a newer version.
    """
    out = Path(out)
    if is_stopped(out):
        return _open_part(part_of(out))
    if is_run(out):
        raise RunError(f"{out} is complete: nothing to resume; take another --out")
    raise RunError(f"{part_of(out)}: no stopped run to resume; leave --resume out")


def _open_part(part: Path) -> StoppedRun:
    return StoppedRun(part, read_training(part / BEGIN, Begun, ImageBegun, START_ANEW))


def _progress(part: Path) -> str:
    stopped = _open_part(part)
    return f"after epoch {stopped.epochs_done} of {stopped.settings.training.epochs}"


def check_new_run(out: Path, *, overwrite: bool, resume: bool) -> StoppedRun | None:
    """Refuse, before data are read, a place where no run can be written; the stopped run to resume.

    Raises:
        SettingsError: both options are given.
        RunError: something is in the way, another process writes there, nothing can be written
            there, or there is nothing to resume.
    """
    check_not_both(overwrite, resume)
    stopped = open_stopped(out) if resume else None
    restore_replaced(out)
    replaces = overwrite or (stopped is not None and stopped.manifest.overwrite)
    check_folder(out, replaces, "a run", is_run)
    check_resumable(out, "run", _progress, overwrite or resume, BEFORE_BEGIN)
    return stopped


@contextmanager
def new_run(
    out: Path, training: AnyTraining, split: Split | ImageSplit, *, overwrite: bool, resume: bool
) -> Iterator[StoppedRun]:
    """A part folder for a run, renamed to `out` when the block succeeds.

    A block that fails before the first checkpoint, or because training diverges, leaves nothing.
    Otherwise a block that fails or is interrupted leaves a stopped run.

    Args:
        out: the folder of the run.
        training: what the run is trained with.
        split: the split of its data.
        overwrite: replace a finished run, discard a stopped one.
        resume: go on with the stopped one.

    Raises:
        RunError: something is in the way, there is nothing to resume, another process writes
            there, or the folder cannot be made.
        SettingsError: the stopped run began with something else.
    """
    part, stopped = part_of(out), check_new_run(out, overwrite=overwrite, resume=resume)
    with resumable_folder(
        out, "run", _progress, overwrite=overwrite, resume=resume, before=BEFORE_BEGIN
    ):
        if resume:  # read again: another process may have trained before the lock was ours
            stopped = open_stopped(out)
            stopped.check_same(training)
        try:
            if stopped is None:
                save_split(part, split)
                stopped = StoppedRun(part, _begun(training, overwrite))
                write_training(part / BEGIN, stopped.manifest)
            (part / MANIFEST).unlink(missing_ok=True)  # of an evaluation before a kill
            with threads_of(stopped.manifest.machine):
                yield stopped
            check_folder(out, stopped.manifest.overwrite, "a run", is_run)
            take_name(part, out)
            for name in (BEGIN, CHECKPOINT, LOCK):
                (out / name).unlink(missing_ok=True)
        except SpectroliteError as error:
            if isinstance(error, TrainingError) or not (part / CHECKPOINT).exists():
                shutil.rmtree(part, ignore_errors=True)
            raise
        except (KeyboardInterrupt, OSError, MemoryError) as error:
            if stopped is None or not (part / BEGIN).exists():
                shutil.rmtree(part, ignore_errors=True)  # nothing was begun, or all is done
            else:
                error.add_note(
                    f"stopped after epoch {stopped.epochs_done}; go on with: "
                    f"spectrolite train --out {shlex.quote(str(out))} --resume"
                )
            raise


def _begun(training: AnyTraining, overwrite: bool) -> Begun | ImageBegun:
    kind = ImageBegun if isinstance(training, ImageTraining) else Begun
    return kind(**dict(training), overwrite=overwrite)


EpochListener = Callable[[Epoch, int], None]
Fit = Callable[
    [Callable[[Epoch], None], Checkpoint | None, Callable[[Checkpoint], None]], list[Epoch]
]


def fit_resumably(
    stopped: StoppedRun, net: nn.Module, fit: Fit, epochs: int, on_epoch: EpochListener
) -> list[Epoch]:
    """Train from the checkpoint on, writing the log and new checkpoints into the part folder.

    Args:
        stopped: the run.
        net: the network that `fit` trains.
        fit: the training loop: it takes a listener of epochs, the checkpoint to start from, and a
            function that saves a checkpoint.
        epochs: their number in all, for `on_epoch`.
        on_epoch: called after each epoch.
    """
    name = stopped.name
    exists = stopped.checkpoint.exists()
    checkpoint = load_checkpoint(stopped.checkpoint, net, name) if exists else None
    path = stopped.path / "log.jsonl"

    def write(epochs: Iterable[Epoch], mode: str) -> None:
        with naming(path), path.open(mode, encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(epoch)) + "\n" for epoch in epochs)

    def listen(epoch: Epoch) -> None:
        write([epoch], "a")
        on_epoch(epoch, epochs)

    write(checkpoint.log if checkpoint else (), "w")
    return fit(listen, checkpoint, lambda state: save_checkpoint(stopped.checkpoint, state, name))


def seeds(seed: int) -> list[int]:
    """Independent seeds of weights, order, dropout and evaluation from the user's seed."""
    if seed < 0:
        raise SettingsError(f"--seed: wanted a whole number from 0 up, got {seed}")
    return [int(s) for s in np.random.SeedSequence(seed).generate_state(4)]
