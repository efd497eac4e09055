"""`manifest.json` and `begin.json`: what a run was trained with, and what came of it.

A run is on scenes or on images. The keys of the file decide which, once, where it is read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, model_validator

from spectrolite.bundles.loading import MANIFEST_FORMAT
from spectrolite.data.images import ImageSet
from spectrolite.data.scene import AnyScene, SceneFile
from spectrolite.data.scene_sets import AnyLabels, AnyScenes, SceneSet
from spectrolite.files import read_json, validated, write_json
from spectrolite.machine import other_machine, versions_and_machine
from spectrolite.records import Record
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.samples.split_scene import Split
from spectrolite.training.settings import ImageSettings, Settings

LEFT_IN_FILE = "left_in_file"  # key in the source of a scene that training read window by window
MANIFEST, PAGE = "manifest.json", "report.html"
NAMES = {"test": "test images"}  # of data in messages, where the key says too little

Source = dict[str, str]


class SplitRecord(Record):
    """How the split was drawn; its pixels are in `split.safetensors`."""

    method: str
    parameters: dict[str, int | float | bool | str]
    raised: tuple[int, ...]
    dropped: int


class SceneSources(Record):
    """How to load scenes and labels again: one source, or a list with one for each scene."""

    scene: Source | list[Source]
    labels: Source | list[Source]


class ImageSources(Record):
    """How to load the images again; `test` is empty if the split draws the test images."""

    images: Source
    test: Source


class SceneTraining(Record):
    """What a run on scenes is trained with; the same again gives the same bits."""

    format: int = MANIFEST_FORMAT
    date: str
    command: list[str]
    settings: Settings
    seed: int = Field(ge=0)
    data: SceneSources
    scene_sha256: str
    labels_sha256: str
    split: SplitRecord
    split_sha256: str
    versions: dict[str, str]
    machine: dict[str, str | int]

    @property
    def data_sha256(self) -> dict[str, str | None]:
        """Hash of scene and of labels."""
        return {"scene": self.scene_sha256, "labels": self.labels_sha256}

    def finished(self, **results: Any) -> Manifest:
        """The manifest of the finished run; `results` are the fields that `Manifest` adds."""
        known = {k: getattr(self, k) for k in SceneTraining.model_fields}
        return Manifest(**{**known, **results, "format": MANIFEST_FORMAT})


class ImageTraining(Record):
    """What a run on images is trained with."""

    format: int = MANIFEST_FORMAT
    date: str
    command: list[str]
    settings: ImageSettings
    seed: int = Field(ge=0)
    data: ImageSources
    images_sha256: str
    test_sha256: str | None
    split: SplitRecord
    split_sha256: str
    versions: dict[str, str]
    machine: dict[str, str | int]

    @property
    def data_sha256(self) -> dict[str, str | None]:
        """Hash of images and of test images, None if the split draws the test images."""
        return {"images": self.images_sha256, "test": self.test_sha256}

    def finished(self, **results: Any) -> ImageManifest:
        """The manifest of the finished run; `results` are the fields that `ImageManifest` adds."""
        known = {k: getattr(self, k) for k in ImageTraining.model_fields}
        return ImageManifest(**{**known, **results, "format": MANIFEST_FORMAT})


def _if_any(default: Any = None) -> Any:
    """A field that is left out of the file if it is empty."""
    return Field(default=default, exclude_if=lambda value: value is None or value == ())


class Pruned(Record):
    """What was removed from a trained network; `from_sha256` is the hash of its weights before."""

    how: str
    kernels: tuple[int, int]
    """Depthwise kernels before and after."""
    from_sha256: str
    epochs: int
    """Of fine-tuning; if 0, the keys below are left out."""
    learning_rate: float | None = _if_any()
    seed: int | None = _if_any()
    test_accuracy: tuple[float, float] | None = _if_any()
    """Overall, 0 to 1: before pruning, and after it but before fine-tuning."""
    best_epoch: int | None = _if_any()
    """The epoch whose weights were kept, if the run's settings stop early."""

    @model_validator(mode="after")
    def _describes_fine_tuning(self) -> Pruned:
        if self.epochs and None in (self.learning_rate, self.seed, self.test_accuracy):
            raise ValueError("fine-tuned, without learning_rate, seed or test_accuracy")
        return self

    @property
    def note(self) -> str:
        """One or two sentences for the report."""
        before, after = self.kernels
        note = (
            f"Pruned after that training ({self.how}): {before - after:,} of {before:,} depthwise "
            "kernels were removed"
        )
        if not self.epochs or self.test_accuracy is None:
            return f"{note}, no fine-tuning."
        right, left = self.test_accuracy
        epochs = f"{self.epochs} {'epoch' if self.epochs == 1 else 'epochs'}"
        tuning = f"{epochs} of fine-tuning on the training part"
        if self.best_epoch:
            tuning += f", of which the weights of epoch {self.best_epoch} were kept"
        return (
            f"{note}, which took the accuracy on the test part from {right:.2%} to {left:.2%}; "
            f"then {tuning} (learning rate {self.learning_rate:g}, seed {self.seed})."
        )


class Manifest(SceneTraining):
    """`manifest.json` of a run on scenes."""

    weights_sha256: str
    training_s: float
    map_sha256: str
    figures_sha256: str
    pruned: tuple[Pruned, ...] = _if_any(())
    files_sha256: dict[str, str] | None = _if_any()
    """Of each file of the run, by its path in the folder; None in runs of version 0.1."""


class ImageManifest(ImageTraining):
    """`manifest.json` of a run on images."""

    weights_sha256: str
    training_s: float
    predictions_sha256: str
    figures_sha256: str
    pruned: tuple[Pruned, ...] = _if_any(())
    files_sha256: dict[str, str] | None = _if_any()
    """Of each file of the run, by its path in the folder; None in runs of version 0.1."""


AnyTraining = SceneTraining | ImageTraining

OfScenes = TypeVar("OfScenes", bound=SceneTraining)
OfImages = TypeVar("OfImages", bound=ImageTraining)


def read_training(
    path: Path, scenes: type[OfScenes], images: type[OfImages], remedy: str = "train again"
) -> OfScenes | OfImages:
    """Read `manifest.json` or `begin.json` as `scenes` or `images`, whichever the run is on.

    Raises:
        RunError: missing, damaged, or of a newer format.
    """
    content = read_json(path, MANIFEST_FORMAT, remedy)
    if "images_sha256" in content:
        return validated(path, content, images, remedy)
    return validated(path, content, scenes, remedy)


def write_training(path: Path, training: AnyTraining) -> None:
    """Write `manifest.json` or `begin.json`."""
    write_json(path, training.model_dump(mode="json"))


def elsewhere(training: AnyTraining) -> list[str]:
    """How versions and machine differ from those of a run, where that decides its bits."""
    device = training.settings.training.device
    return other_machine(training.versions, training.machine, device)


def scene_training(
    scene: AnyScenes, labels: AnyLabels, split: Split, settings: Settings, seed: int
) -> SceneTraining:
    """What a run on scenes, now and here, is trained with."""
    several = isinstance(scene, SceneSet)
    of_scenes = [_scene_source(one) for one in scene.scenes]
    of_labels = [dict(part.source) for part in labels.parts]
    return SceneTraining(
        settings=settings,
        data=SceneSources(
            scene=of_scenes if several else of_scenes[0],
            labels=of_labels if several else of_labels[0],
        ),
        scene_sha256=scene.sha256,
        labels_sha256=labels.sha256,
        **_now(split, settings, seed),
    )


def image_training(
    images: ImageSet, test: ImageSet | None, split: ImageSplit, settings: ImageSettings, seed: int
) -> ImageTraining:
    """What a run on images, now and here, is trained with."""
    return ImageTraining(
        settings=settings,
        data=ImageSources(
            images=dict(images.source), test={} if test is None else dict(test.source)
        ),
        images_sha256=images.sha256,
        test_sha256=None if test is None else test.sha256,
        **_now(split, settings, seed),
    )


def _scene_source(scene: AnyScene) -> Source:
    left = {LEFT_IN_FILE: "true"} if isinstance(scene, SceneFile) else {}
    return {**scene.source, **left}


def _now(
    split: Split | ImageSplit, settings: Settings | ImageSettings, seed: int
) -> Mapping[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "seed": seed,
        "split": SplitRecord(
            method=split.method,
            parameters=dict(split.parameters),
            raised=tuple(split.raised),
            dropped=split.dropped,
        ),
        "split_sha256": split.sha256,
        **versions_and_machine(settings.training.device),
    }
