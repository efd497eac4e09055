"""The folder that a run is.

manifest.json       settings, hashes of data, split and weights, seed, threads, versions
log.jsonl           a line an epoch
split.safetensors   the pixels of training, validation and test
bundle/             the trained model
report.json         the figures
report.html         the page
map.tif, map.png    the map, with map_confidence.tif
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from spectrolite import catalog, readers
from spectrolite.bundles import Bundle, load_bundle, read_json
from spectrolite.errors import RunError
from spectrolite.files import whole_file
from spectrolite.reports import FORMAT as REPORT_FORMAT
from spectrolite.reports import Report
from spectrolite.scene import Labels, Scene
from spectrolite.settings import Settings, checked_settings
from spectrolite.splits import Split
from spectrolite.training import Epoch, pick_device

FORMAT = 1
DATA_KINDS = ("scene", "labels")
PARTS = ("train", "validation", "test")
DECIDE_BITS = ("torch", "numpy", "scipy", "scikit-learn")


class SplitRecord(BaseModel):
    """How the split was drawn; its pixels stand in `split.safetensors`."""

    method: str
    parameters: dict[str, int | float | bool | str]
    raised: tuple[int, ...]
    dropped: int


class Known(BaseModel):
    """What is known of a run before it trains: what it takes to train it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    date: str
    command: list[str]
    settings: Settings
    seed: int = Field(ge=0)
    data: dict[Literal["scene", "labels"], dict[str, str]] = Field(min_length=2)
    scene_sha256: str
    labels_sha256: str
    split: SplitRecord
    split_sha256: str
    versions: dict[str, str]
    machine: dict[str, str | int]


class Manifest(Known):
    """`manifest.json`: what it takes to train again, and to tell whether that gave the same."""

    weights_sha256: str
    map_sha256: str
    figures_sha256: str
    training_s: float


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What a finished run and a stopped one have in common.

    Attributes:
        path: its folder.
        manifest: what is known of it, as `Known` describes it.
    """

    path: Path
    manifest: dict[str, Any]

    @property
    def settings(self) -> Settings:
        """What the run was trained with."""
        return checked_settings(self.manifest["settings"])

    def log(self) -> list[Epoch]:
        """The training log, an entry an epoch."""
        path = self.path / "log.jsonl"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            return [Epoch(**json.loads(line)) for line in lines]
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{path}: cannot be read ({error}); train again") from error

    def data(
        self, scene_file: Path | None = None, labels_file: Path | None = None
    ) -> tuple[Scene, Labels]:
        """Scene and labels, loaded again from where they came from and checked by hash.

        Args:
            scene_file: where the scene's file lies now, if it was moved.
            labels_file: where the labels' file lies now.

        Raises:
            RunError: the run was trained on arrays in memory, or the data have changed since.
        """
        scene, labels = self.unchecked_data(scene_file, labels_file)
        self.check_data(scene, labels)
        return scene, labels

    def unchecked_data(
        self, scene_file: Path | None = None, labels_file: Path | None = None
    ) -> tuple[Scene, Labels]:
        """As `data`, without a look at the hashes."""
        files = {"scene": scene_file, "labels": labels_file}
        sources = {
            kind: source if files[kind] is None else {**source, "file": str(files[kind])}
            for kind, source in self.manifest["data"].items()
        }
        scene, labels = (_load_source(sources[kind], kind, self.path) for kind in DATA_KINDS)
        if not isinstance(scene, Scene) or not isinstance(labels, Labels):
            raise RunError(f"{self.path}/manifest.json: damaged: data; train again")
        return scene, labels

    def check_data(self, scene: Scene, labels: Labels) -> None:
        """Refuse data other than those of the run.

        Raises:
            RunError: another hash.
        """
        for kind, name, sha256 in (
            ("scene", scene.name, scene.sha256),
            ("labels", labels.name, labels.sha256),
        ):
            if sha256 != self.manifest[f"{kind}_sha256"]:
                raise RunError(
                    f"{self.path}: the {kind} ({name}) differ from those of the run; "
                    "give the data that it was trained on"
                )

    def split(self, labels: Labels) -> Split:
        """The split, over the run's labels.

        Raises:
            RunError: the file is missing or damaged.
        """
        path = self.path / "split.safetensors"
        known = self.manifest["split"]
        try:
            parts = load_file(path)
            split = Split(labels, parts["train"], parts["validation"], parts["test"], **known)
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            raise RunError(f"{path}: cannot be read ({error}); train again") from error
        if split.sha256 != self.manifest["split_sha256"]:
            raise RunError(f"{path}: not the split of this run; train again")
        return split


@dataclass(frozen=True, eq=False)
class Run(RunRecord):
    """A finished run.

    Attributes:
        path: its folder.
        manifest: what `manifest.json` holds, as `Manifest` describes it.
    """

    @cached_property
    def bundle(self) -> Bundle:
        """The trained model."""
        bundle = load_bundle(self.path / "bundle")
        if bundle.sha256 != self.manifest["weights_sha256"]:
            raise RunError(
                f"{self.path}/bundle: its weights are not those that this run trained "
                "(weights_sha256 of manifest.json); train again"
            )
        return bundle

    @property
    def report(self) -> Report:
        """The figures."""
        path = self.path / "report.json"
        return Report.model_validate(read_json(path, REPORT_FORMAT, Report, "run evaluate"))


def open_run(path: str | Path) -> Run:
    """Open a run's folder.

    Raises:
        RunError: no run, a damaged one, or one of a newer version.
    """
    folder = Path(path)
    manifest = read_json(folder / "manifest.json", FORMAT, Manifest)
    return Run(folder, manifest)


def _load_source(source: dict[str, str], kind: str, run: Path) -> Scene | Labels:
    if "data" in source:
        scene, labels = catalog.load(source["data"])
        return scene if kind == "scene" else labels
    if "file" not in source:
        raise RunError(
            f"{run}: trained on {kind} in memory, which cannot be loaded again; "
            "give scene and labels"
        )
    if kind == "labels":
        return readers.read_labels(source["file"], source.get("key"))
    dropped = tuple(int(b) for b in source.get("drop_bands", "").split(",") if b)
    return readers.read_scene(source["file"], source.get("key"), dropped)


def what_is_known(
    scene: Scene, labels: Labels, split: Split, chosen: Settings, seed: int
) -> dict[str, Any]:
    """What must be known to train the run again, as `Known` describes it."""
    packages = ("spectrolite", *DECIDE_BITS)
    return {
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "settings": chosen.model_dump(),
        "seed": seed,
        "data": {"scene": dict(scene.source), "labels": dict(labels.source)},
        "scene_sha256": scene.sha256,
        "labels_sha256": labels.sha256,
        "split": {
            "method": split.method,
            "parameters": dict(split.parameters),
            "raised": list(split.raised),
            "dropped": split.dropped,
        },
        "split_sha256": split.sha256,
        "versions": {
            "python": platform.python_version(),
            **{p: metadata.version(p) for p in packages},
        },
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processors": os.cpu_count() or 1,
            "threads": torch.get_num_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "device": str(pick_device(chosen.training.device)),
        },
    }


def other_machine(known: dict[str, Any]) -> list[str]:
    """What differs here from where a run was trained, of all that decides its bits.

    The thread count is left out: `threads_of` sets it.
    """
    now = {
        **{p: metadata.version(p) for p in ("spectrolite", *DECIDE_BITS)},
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "device": str(pick_device(known["settings"]["training"]["device"])),
    }
    then = {**known["versions"], **known["machine"]}
    other = [
        f"{name} {then.get(name, 'unknown')} then, {value} now"
        for name, value in now.items()
        if then.get(name) != value
    ]
    if now["device"] != "cpu" and not other:
        return [f"bits are not promised on {now['device']}"]
    return other


@contextmanager
def threads_of(known: dict[str, Any]) -> Iterator[None]:
    """Compute with as many threads as a run did while the block runs: their number decides bits.

    Raises:
        RunError: no such number is known.
    """
    wanted = known["machine"].get("threads")
    if not isinstance(wanted, int) or wanted < 1:
        raise RunError(f"machine.threads: wanted a whole number from 1 up, got {wanted!r}")
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content`, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def save_split(folder: Path, split: Split) -> None:
    """Write the pixels of the three parts."""
    with whole_file(folder / "split.safetensors") as part:
        part.write_bytes(save({name: getattr(split, name) for name in PARTS}))
