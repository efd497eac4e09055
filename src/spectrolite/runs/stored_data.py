"""The data of a run, loaded again from where its manifest says they came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from spectrolite import readers
from spectrolite.data.images import ImageSet
from spectrolite.data.joined_labels import joined, of_one_numbering
from spectrolite.data.labels import Labels
from spectrolite.data.scene import AnyScene, Scene, SceneFile, scene_files
from spectrolite.data.scene_sets import AnyLabels, AnyScenes, several
from spectrolite.datasets import catalog
from spectrolite.errors import RunError
from spectrolite.products.scenes import scene_from
from spectrolite.readers.images.folders import read_images
from spectrolite.readers.scenes.patterns import files_named
from spectrolite.runs.manifest import LEFT_IN_FILE, ImageTraining, SceneTraining, Source

Places = Path | Sequence[Path] | None  # where files are now, if they were moved


def load_images(
    training: ImageTraining, run: Path, moved: Places = None
) -> tuple[ImageSet, ImageSet | None]:
    """The images and test images of a run, from where they are now.

    Raises:
        RunError: the run was trained on images in memory, or places that do not fit.
    """
    source = training.data.images
    place = moved if isinstance(moved, str | Path) else None
    if "data" in source:
        if place is not None and source["data"] not in catalog.CIFAR:
            raise RunError(
                f"--images: {source['data']} comes with an installed package; leave it out"
            )
        images, test = catalog.load(source["data"], place or source.get("root"))
    elif "images" in source:
        size = source.get("image_size")
        images, test = read_images(
            place or source["images"], None if size is None else int(size), "skip_damaged" in source
        )
    else:
        raise RunError(
            f"{run}: trained on images in memory, which cannot be loaded again; give them"
        )
    if not isinstance(images, ImageSet) or isinstance(test, Labels):
        raise RunError(f"{run}/manifest.json: damaged: data; train again")
    return images, None if training.test_sha256 is None else test


def load_scenes(
    training: SceneTraining, run: Path, scene: Places = None, labels: Places = None
) -> tuple[AnyScenes, AnyLabels]:
    """Scene and labels of a run, or several of both, from where they are now.

    Raises:
        RunError: the run was trained on arrays in memory, or places that do not fit.
    """
    of_scenes = _moved("scene", training.data.scene, scene, run)
    of_labels = _moved("labels", training.data.labels, labels, run)
    if len(of_scenes) != len(of_labels) or not of_scenes:
        raise RunError(f"{run}/manifest.json: damaged: data; train again")
    pairs = [_load_pair(*sources, run) for sources in zip(of_scenes, of_labels, strict=True)]
    if isinstance(training.data.scene, dict):
        return pairs[0]
    return several([scene for scene, _ in pairs], [labels for _, labels in pairs])


def _moved(kind: str, sources: Source | list[Source], places: Places, run: Path) -> list[Source]:
    """How to load each scene, or the labels of each, from where the files are now."""
    stored = [sources] if isinstance(sources, dict) else sources
    files = [places] if isinstance(places, str | Path) else list(places or ())
    if files and any("mosaic" in one for one in stored):
        return [_moved_tiles(stored, files, run)]
    if files and len(files) != len(stored):
        raise RunError(
            f"--{kind}: {run} was trained on one scene; give one file, got {len(files)}"
            if len(stored) == 1
            else f"--{kind}: {run} was trained on {len(stored)} scenes; give the files of all, in "
            f"their order, got {len(files)}"
        )
    if not files:
        return stored
    return [_moved_to(Path(file), one) for one, file in zip(stored, files, strict=True)]


def _moved_to(file: Path, source: Source) -> Source:
    """How to load a scene or labels from there; a mask that is gone has moved with its scene."""
    mask = Path(source["mask"]) if "mask" in source else None
    beside = {} if mask is None or mask.exists() else {"mask": str(file.with_name(mask.name))}
    return {**source, "file": str(file), **beside}


def _moved_tiles(stored: list[Source], files: Sequence[str | Path], run: Path) -> Source:
    """How to load a mosaic from where its tiles are now."""
    if len(stored) > 1:
        raise RunError(
            f"--scene: {run} was trained on several scenes, with mosaics among them; move them "
            "back, or give scenes and labels in Python"
        )
    count = len(scene_files(stored[0]))
    if len(files) != count:
        files = files_named(files, "scene")
    if len(files) != count:
        raise RunError(
            f"--scene: {run} was trained on a mosaic of {count} tiles; give all, in their order, "
            f"or a pattern, got {len(files)}"
        )
    return {**stored[0], "mosaic": json.dumps([str(file) for file in files])}


def _load_pair(of_scene: Source, of_labels: Source, run: Path) -> tuple[AnyScene, Labels]:
    """A scene and the labels on it, each as its source says."""
    scene = _load_source(of_scene, "scene", run)
    on = scene if isinstance(scene, Scene | SceneFile) else None
    labels = _load_source(of_labels, "labels", run, on)
    if not isinstance(scene, Scene | SceneFile) or not isinstance(labels, Labels):
        raise RunError(f"{run}/manifest.json: damaged: data; train again")
    return scene, labels.on(scene)


def _load_source(
    source: Source, kind: str, run: Path, scene: AnyScene | None = None
) -> AnyScene | Labels:
    if "data" in source:
        scene, labels = catalog.load(source["data"], source.get("root"), source.get("mirror_url"))
        return scene if kind == "scene" else labels
    if "joined" in source:
        if "file" in source:
            raise RunError(
                f"--labels: {run} was trained on labels from several files; move them back, or "
                "give scene and labels in Python"
            )
        parts = [_load_source(one, kind, run, scene) for one in json.loads(source["joined"])]
        maps = of_one_numbering([part for part in parts if isinstance(part, Labels)])
        return joined(maps, source.get("name", "labels"))
    if not scene_files(source):
        raise RunError(
            f"{run}: trained on {kind} in memory, which cannot be loaded again; "
            "give scene and labels"
        )
    if kind == "labels":
        return readers.read_labels(
            source["file"],
            source.get("key"),
            scene=scene,
            layer=source.get("layer"),
            class_field=source.get("class_field"),
            allow_outside="allow_outside" in source,
            ignore=tuple(json.loads(source.get("ignore", "[]"))),
            background=source.get("background", 0),
            classes=source.get("classes"),
        )
    return scene_from(source, load=LEFT_IN_FILE not in source)
