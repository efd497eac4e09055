"""The data of a run, loaded again from where its manifest says they came from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spectrolite import readers
from spectrolite.data.images import ImageSet
from spectrolite.data.labels import Labels
from spectrolite.data.scene import AnyScene, Scene, SceneFile
from spectrolite.datasets import catalog
from spectrolite.errors import RunError
from spectrolite.readers.images.folders import read_images
from spectrolite.runs.manifest import LEFT_IN_FILE


def load_images(
    manifest: Mapping[str, Any], moved: Path | None, run: Path
) -> tuple[ImageSet, ImageSet | None]:
    """The images and test images of a run, from where they lie now."""
    source = manifest["data"]["images"]
    if "data" in source:
        if moved is not None and source["data"] not in catalog.CIFAR:
            raise RunError(
                f"--images: {source['data']} comes with an installed package; leave it out"
            )
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


def moved_sources(kind: str, sources: Any, places: Any, run: Path) -> list[dict[str, str]]:
    """How to load each scene, or the labels of each, from where the files lie now."""
    known: list[dict[str, str]] = [sources] if isinstance(sources, dict) else sources
    files = [places] if isinstance(places, str | Path) else list(places or ())
    if files and len(files) != len(known):
        raise RunError(
            f"--{kind}: {run} was trained on one scene; give one file, got {len(files)}"
            if len(known) == 1
            else f"--{kind}: {run} was trained on {len(known)} scenes; give the files of all, in "
            f"their order, got {len(files)}"
        )
    if not files:
        return known
    return [{**one, "file": str(file)} for one, file in zip(known, files, strict=True)]


def load_pair(
    of_scene: dict[str, str], of_labels: dict[str, str], run: Path
) -> tuple[AnyScene, Labels]:
    """A scene and the labels on it, each as its source says."""
    scene = _load_source(of_scene, "scene", run)
    on = scene if isinstance(scene, Scene | SceneFile) else None
    labels = _load_source(of_labels, "labels", run, on)
    if not isinstance(scene, Scene | SceneFile) or not isinstance(labels, Labels):
        raise RunError(f"{run}/manifest.json: damaged: data; train again")
    return scene, labels.on(scene)


def _load_source(
    source: dict[str, str], kind: str, run: Path, scene: AnyScene | None = None
) -> AnyScene | Labels:
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
            source["file"],
            source.get("key"),
            scene=scene,
            layer=source.get("layer"),
            class_field=source.get("class_field"),
        )
    dropped = tuple(int(b) for b in source.get("drop_bands", "").split(",") if b)
    read = readers.open_scene if LEFT_IN_FILE in source else readers.read_scene
    return read(source["file"], source.get("key"), dropped, scale="scale" in source)
