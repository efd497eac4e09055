"""The files of a finished run, written together with the manifest that has a hash of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from spectrolite.changes import changed_together
from spectrolite.runs.manifest import (
    MANIFEST,
    ImageManifest,
    Manifest,
    read_training,
    write_training,
)

FROM_TRAINING = (
    "bundle/config.json",
    "bundle/model.safetensors",
    "bundle/similarity.safetensors",
    "fine_tuning.jsonl",
    "log.jsonl",
    "split.safetensors",
)
"""Files of a run that its evaluation does not write."""
OF_OTHERS = ".aux.xml"  # ending of the files into which GDAL and QGIS write statistics

AnyManifest = TypeVar("AnyManifest", Manifest, ImageManifest)


@contextmanager
def files_added(run: Path) -> Iterator[Path]:
    """A folder for files of a run, new or in place of old ones; the manifest gets their hashes.

    A kill leaves the old files and manifest, or the new ones.
    """
    with changed_together(run, MANIFEST) as following:
        yield following
        manifest = read_training(run / MANIFEST, Manifest, ImageManifest)
        if manifest.files_sha256 is not None:  # version 0.1 wrote none, and `evaluate` writes all
            files = {**manifest.files_sha256, **_hashes(following)}
            manifest = manifest.model_copy(update={"files_sha256": files})
        write_training(following / MANIFEST, manifest)


def write_manifest(manifest: AnyManifest, run: Path, following: Path) -> AnyManifest:
    """Write the manifest of an evaluated run, with a hash of each file.

    Args:
        manifest: what it says of the run.
        run: the folder of the run; what the manifest there says of other files is kept.
        following: the folder of `changed_together`, which has all other files of the evaluation.
    """
    files = None
    if (run / MANIFEST).is_file():
        files = read_training(run / MANIFEST, Manifest, ImageManifest).files_sha256
    if files is None:
        files = {name: _sha256(run / name) for name in FROM_TRAINING if (run / name).is_file()}
    others = {name: sha256 for name, sha256 in files.items() if not name.startswith("maps/")}
    files = dict(sorted({**others, **_hashes(following)}.items()))
    manifest = manifest.model_copy(update={"files_sha256": files})
    write_training(following / MANIFEST, manifest)
    return manifest


def changed_files(manifest: Manifest | ImageManifest, run: Path) -> list[str]:
    """What is wrong with the files of a run, by the hashes in its manifest."""
    wrong = []
    for name, sha256 in (manifest.files_sha256 or {}).items():
        if name.endswith(OF_OTHERS):
            continue
        if not (run / name).is_file():
            wrong.append(f"{name} is missing")
        elif _sha256(run / name) != sha256:
            wrong.append(f"{name} is not the file that files_sha256 names")
    return wrong


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
