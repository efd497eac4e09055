"""The folder that a run is.

manifest.json       settings, hashes of data, split and weights, seed, threads, versions
log.jsonl           a line an epoch
split.safetensors   the pixels or images of training, validation and test
bundle/             the trained model, with its card as README.md
report.json         the figures
report.html         the page
map.tif, map.png    of a scene: the map, with map_confidence.tif
predictions.safetensors  of images: class and probabilities of each test image
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from spectrolite import catalog, readers
from spectrolite.bundles import load_bundle_of_run, read_json
from spectrolite.errors import RunError, SplitError
from spectrolite.files import whole_file
from spectrolite.image_reports import ImageReport
from spectrolite.image_splits import ImageSplit
from spectrolite.images import ImageSet
from spectrolite.labels import Labels
from spectrolite.manifests import (
    FORMAT,
    IMAGE_DATA,
    SCENE_DATA,
    WORDS,
    ImageManifest,
    Manifest,
    hash_of,
    is_of_images,
    named_data,
)
from spectrolite.readers.image_folders import read_images
from spectrolite.reports import FORMAT as REPORT_FORMAT
from spectrolite.reports import Report
from spectrolite.scene import Scene
from spectrolite.settings import ImageSettings, Settings, checked_settings
from spectrolite.splits import Split
from spectrolite.training import Epoch, pick_device

PARTS = ("train", "validation", "test")
DECIDE_BITS = ("torch", "numpy", "scipy", "scikit-learn")


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
    def settings(self) -> Any:
        """What the run was trained with: `Settings`, or `ImageSettings`."""
        return checked_settings(self.manifest["settings"])

    @property
    def on_images(self) -> bool:
        """Whether it was trained on images, not on a scene."""
        return is_of_images(self.manifest)

    def log(self) -> list[Epoch]:
        """The training log, an entry an epoch."""
        path = self.path / "log.jsonl"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            return [Epoch(**json.loads(line)) for line in lines]
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{path}: cannot be read ({error}); train again") from error

    def data(self, *moved: Path | None) -> Any:
        """The data, loaded again from where they came from and checked by hash.

        Args:
            *moved: where the files lie now, if they were moved: those of scene and labels; or the
                folder or archive of the images.

        Returns:
            Scene and labels; or images and test images, nothing where the split draws them.

        Raises:
            RunError: the run was trained on arrays in memory, or the data have changed since.
        """
        data = self.unchecked_data(*moved)
        self.check_data(*data)
        return data

    def unchecked_data(self, *moved: Path | None) -> Any:
        """As `data`, without a look at the hashes."""
        places = dict(zip(self.manifest["data"], moved, strict=False))
        if self.on_images:
            return _load_images(self.manifest, places.get("images"), self.path)
        sources = {
            kind: {**source, **({"file": str(places[kind])} if places.get(kind) else {})}
            for kind, source in self.manifest["data"].items()
        }
        scene = _load_source(sources["scene"], "scene", self.path)
        on = scene if isinstance(scene, Scene) else None
        labels = _load_source(sources["labels"], "labels", self.path, on)
        if not isinstance(scene, Scene) or not isinstance(labels, Labels):
            raise RunError(f"{self.path}/manifest.json: damaged: data; train again")
        return scene, labels.on(scene)

    def check_data(self, *data: Any) -> None:
        """Refuse data other than those of the run.

        Raises:
            RunError: another hash.
        """
        for kind, value in named_data(self.manifest, data).items():
            if hash_of(value) != self.manifest[f"{kind}_sha256"]:
                name = "none" if value is None else value.name
                raise RunError(
                    f"{self.path}: the {WORDS.get(kind, kind)} ({name}) differ from those of the "
                    "run; give the data that it was trained on"
                )

    def split(self, *data: Any) -> Any:
        """The split, over the run's labels, or over its images and test images.

        Raises:
            RunError: the file is missing or damaged.
        """
        path = self.path / "split.safetensors"
        known = self.manifest["split"]
        kind: Any = ImageSplit if self.on_images else Split
        over = data if self.on_images else data[-1:]
        try:
            parts = load_file(path)
            split = kind(*over, parts["train"], parts["validation"], parts["test"], **known)
        except (OSError, SafetensorError, KeyError, TypeError, SplitError) as error:
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
    def bundle(self) -> Any:
        """The trained model: a `Bundle`, or an `ImageBundle`."""
        return load_bundle_of_run(self.path, self.manifest)

    @property
    def pruning_notes(self) -> tuple[str, ...]:
        """What was taken from its network, a sentence each time; none of a run as trained."""
        return tuple(_pruning_note(p) for p in self.manifest.get("pruned") or ())

    def check_not_pruned(self, verb: str) -> None:
        """Refuse to train a pruned run again.

        Raises:
            RunError: it was pruned, and training gives the network before.
        """
        if self.manifest.get("pruned"):
            raise RunError(
                f"{verb}: {self.path} was pruned, and training from its manifest gives the network "
                f"before that; {verb} the run that it was made from"
            )

    @property
    def report(self) -> Any:
        """The figures: a `Report`, or an `ImageReport`."""
        path = self.path / "report.json"
        kind = ImageReport if self.on_images else Report
        return kind.model_validate(read_json(path, REPORT_FORMAT, kind, "run evaluate"))


def _pruning_note(pruned: Mapping[str, Any]) -> str:
    before, after = pruned["kernels"]
    tuning = "no fine-tuning"
    if pruned["epochs"]:
        tuning = (
            f"then {pruned['epochs']} epoch{'s' * (pruned['epochs'] > 1)} of fine-tuning on the "
            f"training part (learning rate {pruned['learning_rate']:g}, seed {pruned['seed']})"
        )
    return (
        f"Pruned ({pruned['how']}): {before - after:,} of {before:,} depthwise kernels were "
        f"removed, {tuning}."
    )


def open_run(path: str | Path) -> Run:
    """Open a run's folder.

    Raises:
        RunError: no run, a damaged one, or one of a newer version.
    """
    folder = Path(path)
    path = folder / "manifest.json"
    kind = ImageManifest if is_of_images(read_json(path, FORMAT)) else Manifest
    return Run(folder, read_json(path, FORMAT, kind))


def _load_images(
    manifest: Mapping[str, Any], moved: Path | None, run: Path
) -> tuple[ImageSet, ImageSet | None]:
    source = manifest["data"]["images"]
    if "data" in source:
        images, test = catalog.load(source["data"], moved or source.get("root"))
    elif "images" in source:
        size = source.get("image_size")
        images, test = read_images(
            moved or source["images"], None if size is None else int(size), "skip_damaged" in source
        )
    else:
        raise RunError(
            f"{run}: trained on images in memory, which cannot be loaded again; give them"
        )
    return images, None if manifest["test_sha256"] is None else test


def _load_source(
    source: dict[str, str], kind: str, run: Path, scene: Scene | None = None
) -> Scene | Labels:
    if "data" in source:
        scene, labels = catalog.load(source["data"], source.get("root"), source.get("mirror_url"))
        return scene if kind == "scene" else labels
    if "file" not in source:
        raise RunError(
            f"{run}: trained on {kind} in memory, which cannot be loaded again; "
            "give scene and labels"
        )
    if kind == "labels":
        return readers.read_labels(
            source["file"], source.get("key"), scene=scene, layer=source.get("layer"),
            class_field=source.get("class_field"),
        )  # fmt: skip
    dropped = tuple(int(b) for b in source.get("drop_bands", "").split(",") if b)
    return readers.read_scene(source["file"], source.get("key"), dropped, scale="scale" in source)


def what_is_known(
    one: Scene | ImageSet,
    other: Labels | ImageSet | None,
    split: Split | ImageSplit,
    chosen: Settings | ImageSettings,
    seed: int,
) -> dict[str, Any]:
    """What must be known to train the run again, as `Known` describes it.

    Args:
        one: the scene, or the images.
        other: its labels, or the test images, nothing where the split draws them.
        split: of the data.
        chosen: the settings.
        seed: of the training.
    """
    data = dict(
        zip(IMAGE_DATA if isinstance(one, ImageSet) else SCENE_DATA, (one, other), strict=True)
    )
    return {
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "settings": chosen.model_dump(),
        "seed": seed,
        "data": {k: {} if value is None else dict(value.source) for k, value in data.items()},
        **{f"{kind}_sha256": hash_of(value) for kind, value in data.items()},
        "split": {
            "method": split.method,
            "parameters": dict(split.parameters),
            "raised": list(split.raised),
            "dropped": split.dropped,
        },
        "split_sha256": split.sha256,
        **versions_and_machine(chosen.training.device),
    }


def versions_and_machine(device: str) -> dict[str, Any]:
    """`versions` and `machine` of what is computed here, on the device of that name."""
    packages = ("spectrolite", *DECIDE_BITS)
    return {
        "versions": {
            "python": platform.python_version(),
            **{p: metadata.version(p) for p in packages},
        },
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processors": os.cpu_count() or 1,
            "threads": torch.get_num_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "device": str(pick_device(device)),
        },
    }


def other_machine(known: dict[str, Any], device: str | None = None) -> list[str]:
    """What differs here from where a run was trained, of all that decides its bits.

    The thread count is left out: `threads_of` sets it.

    Args:
        known: what is known of a run; or `versions` and `machine` alone.
        device: name of the device to compute on; without it, that of the run's settings.
    """
    here = versions_and_machine(device or known["settings"]["training"]["device"])
    now = {p: here["versions"][p] for p in ("spectrolite", *DECIDE_BITS)}
    now |= {key: here["machine"][key] for key in ("cpu_capability", "device")}
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


def save_split(folder: Path, split: Split | ImageSplit) -> None:
    """Write the pixels or images of the three parts."""
    with whole_file(folder / "split.safetensors") as part:
        part.write_bytes(save({name: getattr(split, name) for name in PARTS}))
