"""The folder of a run.

manifest.json       settings, hashes of data, split and weights, seed, threads, versions
log.jsonl           one line an epoch
split.safetensors   the pixels or images of training, validation and test
bundle/             the trained model, with its card as README.md
report.json         the figures
report.html         the page
map.tif, map.png    one scene: the map, with map_confidence.tif; several scenes: maps/NAME.tif
predictions.safetensors  images: class and probabilities of each test image
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.loading import AnyModel, bundle_of_run
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.changes import finish_change
from spectrolite.data.images import ImageSet
from spectrolite.data.scene import SceneFile
from spectrolite.data.scene_sets import AnyLabels, AnyScenes, SceneSet
from spectrolite.errors import RunError, SpectroliteError, SplitError
from spectrolite.evaluation.image_report import ImageReport
from spectrolite.evaluation.reports import FORMAT as REPORT_FORMAT
from spectrolite.evaluation.reports import Report
from spectrolite.files import read_model, whole_file
from spectrolite.part_folders import restore_replaced
from spectrolite.runs.manifest import (
    MANIFEST,
    NAMES,
    AnyTraining,
    ImageManifest,
    ImageTraining,
    Manifest,
    read_training,
)
from spectrolite.runs.stored_data import load_images, load_scenes
from spectrolite.samples.split_image_set import ImageSplit
from spectrolite.samples.split_scene import Split
from spectrolite.training.loop import Epoch

PARTS = ("train", "validation", "test")
Data = AnyScenes | AnyLabels | ImageSet | None


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What a finished run and a stopped one have in common.

    Attributes:
        path: its folder.
        manifest: what it is trained with.
    """

    path: Path
    manifest: AnyTraining

    @property
    def settings(self) -> Any:
        """The settings of training: `Settings`, or `ImageSettings`."""
        return self.manifest.settings

    def log(self) -> list[Epoch]:
        """The training log, one entry an epoch."""
        path = self.path / "log.jsonl"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            return [Epoch(**json.loads(line)) for line in lines]
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise RunError(f"{path}: cannot be read ({error}); train again") from error

    def data(self, *moved: Path | Sequence[Path] | None) -> Any:
        """The data, loaded again from where they came from and checked by hash.

        Args:
            *moved: where the files are now, if they were moved: those of scene and labels, or of
                each of several; or the folder or archive of the images.

        Returns:
            Scene and labels, or several of both; or images and test images, None if the split
            draws the test images.

        Raises:
            RunError: the run was trained on arrays in memory, or the data have changed since.
        """
        data = self.unchecked_data(*moved)
        self.check_data(*data)
        return data

    def unchecked_data(self, *moved: Path | Sequence[Path] | None) -> Any:
        """As `data`, without checking the hashes."""
        if isinstance(self.manifest, ImageTraining):
            return load_images(self.manifest, self.path, *moved)
        return load_scenes(self.manifest, self.path, *moved)

    def check_data(self, *data: Data) -> None:
        """Refuse data other than those of the run.

        Raises:
            RunError: another hash.
        """
        for name, value in self.other_data(*data).items():
            given = "none" if value is None else value.name
            raise RunError(
                f"{self.path}: the {NAMES.get(name, name)} ({given}) differ from those of the "
                "run; give the data that it was trained on"
            )

    def other_data(self, *data: Data) -> dict[str, Data]:
        """Those of the given data that are not the run's, by the name that the manifest has."""
        return {
            name: value
            for (name, sha256), value in zip(self.manifest.data_sha256.items(), data, strict=True)
            if (None if value is None else value.sha256) != sha256
        }

    def split(self, *data: Any) -> Any:
        """The split of the run's labels, or of its images and test images.

        Raises:
            RunError: the file is missing or damaged.
        """
        path = self.path / "split.safetensors"
        record = self.manifest.split.model_dump()
        split: Split | ImageSplit
        try:
            parts = load_file(path)
            train, validation, test = (parts[name] for name in PARTS)
            if isinstance(self.manifest, ImageTraining):
                images, test_images = data
                split = ImageSplit(images, test_images, train, validation, test, **record)
            else:
                split = Split(data[-1], train, validation, test, **record)
        except (OSError, SafetensorError, KeyError, TypeError, SplitError) as error:
            raise RunError(f"{path}: cannot be read ({error}); train again") from error
        if split.sha256 != self.manifest.split_sha256:
            raise RunError(f"{path}: not the split of this run; train again")
        return split


@dataclass(frozen=True, eq=False, repr=False)
class Run(RunRecord):
    """A finished run, on scenes or on images.

    Attributes:
        path: its folder.
        manifest: the content of `manifest.json`, a `Manifest` or an `ImageManifest`:
            `run.manifest.seed`, `run.manifest.versions`, ...
    """

    manifest: Any

    def __repr__(self) -> str:
        try:
            return f"run in {self.path}, seed {self.manifest.seed}: {self.report!r}"
        except SpectroliteError as error:  # a notebook shows a damaged run too
            return f"run in {self.path}: {error}"

    @cached_property
    def bundle(self) -> Any:
        """The trained model: a `Bundle`, or an `ImageBundle`."""
        return bundle_of_run(self.path, self.manifest.weights_sha256)

    @property
    def report(self) -> Any:
        """The figures: a `Report`, or an `ImageReport`."""
        kind = ImageReport if isinstance(self.manifest, ImageManifest) else Report
        return read_model(self.path / "report.json", REPORT_FORMAT, kind, "run evaluate")

    def check_not_pruned(self, verb: str) -> None:
        """Refuse to train a pruned run again.

        Raises:
            RunError: it was pruned, and training gives the network before that.
        """
        if self.manifest.pruned:
            raise RunError(
                f"{verb}: {self.path} was pruned, and training from its manifest gives the network "
                f"before that; {verb} the run that it was made from"
            )


@dataclass(frozen=True, eq=False, repr=False)
class SceneRun(Run):
    """A finished run on scenes: a `Run` whose types are known."""

    manifest: Manifest

    if TYPE_CHECKING:

        @cached_property
        def bundle(self) -> Bundle:
            """The trained model."""

        @property
        def report(self) -> Report:
            """The figures."""

        def data(self, *moved: Path | Sequence[Path] | None) -> tuple[AnyScenes, AnyLabels]:
            """The data."""

        def split(self, *data: Any) -> Split:
            """The split."""


@dataclass(frozen=True, eq=False, repr=False)
class ImageRun(Run):
    """A finished run on images: a `Run` whose types are known."""

    manifest: ImageManifest

    if TYPE_CHECKING:

        @cached_property
        def bundle(self) -> ImageBundle:
            """The trained model."""

        @property
        def report(self) -> ImageReport:
            """The figures."""

        def data(self, *moved: Path | Sequence[Path] | None) -> tuple[ImageSet, ImageSet | None]:
            """The data."""

        def split(self, *data: Any) -> ImageSplit:
            """The split."""


AnyRun = SceneRun | ImageRun


def open_run(path: str | Path) -> Run:
    """Open a run's folder.

    Raises:
        RunError: not a run, or one that is damaged or of a newer version.
    """
    return any_run(path)


def any_run(run: Run | str | Path) -> AnyRun:
    """A run, opened if its folder is given, as one of its two kinds.

    Raises:
        RunError: as of `open_run`.
    """
    if isinstance(run, SceneRun | ImageRun):
        return run
    folder = run.path if isinstance(run, Run) else Path(run)
    restore_replaced(folder)
    finish_change(folder, MANIFEST)
    manifest = read_training(folder / MANIFEST, Manifest, ImageManifest)
    if isinstance(manifest, ImageManifest):
        return ImageRun(folder, manifest)
    return SceneRun(folder, manifest)


def run_of(model: AnyModel | Exported) -> AnyRun | None:
    """The run that a MODEL is, opened if its folder is given; None if it is another model.

    Raises:
        RunError: as of `open_run`.
    """
    if isinstance(model, str | Path):
        restore_replaced(Path(model))
        return any_run(model) if (Path(model) / MANIFEST).is_file() else None
    return any_run(model) if isinstance(model, Run) else None


def check_one_scene(run: Run | None, data: Sequence[Any], verb: str) -> None:
    """Refuse data of a verb that takes one scene in memory.

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


def save_split(folder: Path, split: Split | ImageSplit) -> None:
    """Write the pixels or images of the three parts."""
    with whole_file(folder / "split.safetensors") as part:
        part.write_bytes(save({name: getattr(split, name) for name in PARTS}))
