"""The folder that a run is.

manifest.json       settings, hashes of data, split and weights, seed, threads, versions
log.jsonl           a line an epoch
split.safetensors   the pixels or images of training, validation and test
bundle/             the trained model, with its card as README.md
report.json         the figures
report.html         the page
map.tif, map.png    of a scene: the map, with map_confidence.tif; of several maps/NAME.tif
predictions.safetensors  of images: class and probabilities of each test image
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from spectrolite.bundles.loading import load_bundle_of_run
from spectrolite.data.images import ImageSet
from spectrolite.data.scene import SceneFile
from spectrolite.data.scene_sets import AnyLabels, AnyScenes, SceneSet, several
from spectrolite.errors import RunError, SplitError
from spectrolite.evaluation.image_report import ImageReport
from spectrolite.evaluation.reports import FORMAT as REPORT_FORMAT
from spectrolite.evaluation.reports import Report
from spectrolite.files import read_json, whole_file
from spectrolite.machine import versions_and_machine
from spectrolite.runs.manifest import (
    FORMAT,
    IMAGE_DATA,
    SCENE_DATA,
    WORDS,
    ImageManifest,
    Manifest,
    hash_of,
    is_of_images,
    named_data,
    source_of,
)
from spectrolite.runs.stored_data import load_images, load_pair, moved_sources
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.samples.split_scene import Split
from spectrolite.training.loop import Epoch
from spectrolite.training.settings import ImageSettings, Settings, checked_settings

PARTS = ("train", "validation", "test")


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

    def data(self, *moved: Path | Sequence[Path] | None) -> Any:
        """The data, loaded again from where they came from and checked by hash.

        Args:
            *moved: where the files lie now, if they were moved: those of scene and labels, or of
                each of several; or the folder or archive of the images.

        Returns:
            Scene and labels, or several of both; or images and test images, nothing where the
            split draws them.

        Raises:
            RunError: the run was trained on arrays in memory, or the data have changed since.
        """
        data = self.unchecked_data(*moved)
        self.check_data(*data)
        return data

    def unchecked_data(self, *moved: Path | Sequence[Path] | None) -> Any:
        """As `data`, without a look at the hashes."""
        places = dict(zip(self.manifest["data"], moved, strict=False))
        if self.on_images:
            images: Any = places.get("images")
            return load_images(self.manifest, images, self.path)
        sources = {
            kind: moved_sources(kind, source, places.get(kind), self.path)
            for kind, source in self.manifest["data"].items()
        }
        if len(sources["scene"]) != len(sources["labels"]) or not sources["scene"]:
            raise RunError(f"{self.path}/manifest.json: damaged: data; train again")
        loaded = [
            load_pair(scene, labels, self.path)
            for scene, labels in zip(sources["scene"], sources["labels"], strict=True)
        ]
        if isinstance(self.manifest["data"]["scene"], dict):
            return loaded[0]
        return several([scene for scene, _ in loaded], [labels for _, labels in loaded])

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
    note = (
        f"Pruned after that training ({pruned['how']}): {before - after:,} of {before:,} depthwise "
        "kernels were removed"
    )
    epochs = pruned["epochs"]
    if not epochs:
        return f"{note}, no fine-tuning."
    right, left = pruned["test_accuracy"]
    tuning = f"{epochs} {'epoch' if epochs == 1 else 'epochs'} of fine-tuning on the training part"
    if pruned.get("best_epoch"):
        tuning += f", of which the weights of epoch {pruned['best_epoch']} were kept"
    return (
        f"{note}, which took the accuracy on the test part from {right:.2%} to {left:.2%}; then "
        f"{tuning} (learning rate {pruned['learning_rate']:g}, seed {pruned['seed']})."
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


def check_one_scene(run: RunRecord | None, data: Sequence[Any], verb: str) -> None:
    """Refuse data that a verb cannot take, for it wants one scene in memory.

    Raises:
        RunError: several scenes, or one that stays in its file.
    """
    why = {SceneSet: "several scenes", SceneFile: "a scene that stayed in its file"}.get(
        type(data[0])
    )
    if why is not None:
        if run is None:
            raise RunError(f"{verb}: takes one scene in memory, and {data[0].name} is {why}")
        raise RunError(
            f"{verb}: takes a run on one scene in memory, and {run.path} was trained on {why}"
        )


def what_is_known(
    one: AnyScenes | ImageSet,
    other: AnyLabels | ImageSet | None,
    split: Split | ImageSplit,
    chosen: Settings | ImageSettings,
    seed: int,
) -> dict[str, Any]:
    """What must be known to train the run again, as `Known` describes it.

    Args:
        one: the scene, or several, or the images.
        other: the labels, or the test images, nothing where the split draws them.
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
        "data": {k: source_of(value) for k, value in data.items()},
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


def save_split(folder: Path, split: Split | ImageSplit) -> None:
    """Write the pixels or images of the three parts."""
    with whole_file(folder / "split.safetensors") as part:
        part.write_bytes(save({name: getattr(split, name) for name in PARTS}))
