"""The part folder of a map, `NAME.tif.part`, in which its windows are staged.

begin.json     what the map is made from: model, scene, settings, versions, machine
000042.tile    a finished window: a hash, then its layers: classes, confidence, entropy, ...
lock           held by the process that writes here
map.tif, ...   the files of the map, while they are written in one last pass

The hash is over what the map is made from, the number of the window and its values. So a window of
another map or of other settings is not used, nor one that was cut short. Whatever ends the process
leaves windows that `--resume` can go on from.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.scene import AnyScene, Scene, Window, scene_files
from spectrolite.errors import RunError, SettingsError
from spectrolite.files import read_model, whole_file, write_json
from spectrolite.hashing import array_sha256
from spectrolite.machine import other_machine, versions_and_machine
from spectrolite.mapping.geotiff import Layers
from spectrolite.mapping.map_file import MADE_FROM, MapFiles, open_map
from spectrolite.part_folders import (
    BEGIN,
    START_ANEW,
    check_free,
    check_not_both,
    is_begun,
    part_of,
    resumable_folder,
)
from spectrolite.readers.scenes.open import files_of
from spectrolite.records import Record

FORMAT = 1
PROBE = 64  # pixels of a scene's first and last row that are hashed to recognise it


class Begun(Record):
    """`begin.json`: everything that decides the bytes of a map."""

    format: int
    model: str
    scene: dict[str, Any]
    settings: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, str | int]
    overwrite: bool


class StagedMap:
    """The finished windows of a map.

    Args:
        path: the part folder.
        begun: the content of `begin.json`.
        types: name and type of each layer, in the order in which the files hold them; the type of
            one with several bands is that of all bands of a pixel, as `("f4", (16,))`.
    """

    def __init__(self, path: Path, begun: dict[str, Any], types: dict[str, np.dtype[Any]]) -> None:
        self.path, self.begun, self.types = path, begun, types
        self.name = name_of(begun)

    def save(self, number: int, layers: Layers) -> None:
        """Stage a finished window."""
        values = b"".join(
            np.ascontiguousarray(layers[k], t.base).tobytes() for k, t in self.types.items()
        )
        with whole_file(self._file(number)) as part:
            part.write_bytes(self._hash(number, values) + values)

    def read(self, number: int, window: Window) -> Layers | None:
        """A staged window, or None if it is missing or not as it was staged."""
        try:
            content = memoryview(self._file(number).read_bytes())
        except FileNotFoundError:
            return None
        if content[:32] != self._hash(number, content[32:]):
            return None
        layers = {}
        start, pixels = 32, window.shape[0] * window.shape[1]
        for key, dtype in self.types.items():
            values = np.frombuffer(content, dtype, pixels, start)
            layers[key] = values.reshape(*window.shape, *dtype.shape)
            start += pixels * dtype.itemsize
        return layers

    def rows(self, windows: list[Window]) -> Iterator[Layers]:
        """The layers from top to bottom, a row of windows at a time; each window is read once.

        Raises:
            RunError: a window is missing or damaged.
        """
        row: list[Layers] = []
        for number, window in enumerate(windows):
            layers = self.read(number, window)
            if layers is None:
                raise RunError(
                    f"{self._file(number)}: missing or damaged; --resume computes it again"
                )
            row.append(layers)
            following = windows[number + 1 : number + 2]
            if not following or following[0].row_start != window.row_start:
                yield {key: np.concatenate([one[key] for one in row], axis=1) for key in self.types}
                row = []

    def _file(self, number: int) -> Path:
        return self.path / f"{number:06d}.tile"

    def _hash(self, number: int, values: bytes | memoryview) -> bytes:
        digest = hashlib.sha256(f"{self.name} {number} ".encode())
        digest.update(values)
        return digest.digest()


def begun_with(
    bundle: Bundle | Exported, scene: AnyScene, settings: dict[str, Any]
) -> dict[str, Any]:
    """What a map is made from, as `Begun` describes it, without `overwrite`."""
    return {
        "format": FORMAT,
        "model": _model_name(bundle, settings),
        "scene": _identity(scene),
        "settings": settings,
        **versions_and_machine(settings["device"]),
    }


def _model_name(bundle: Bundle | Exported, settings: dict[str, Any]) -> str:
    """A hash of the weights and the config, and of the training spectra if they are compared."""
    weights = "" if isinstance(bundle, Exported) else bundle.sha256  # an export's config has hashes
    name = f"{weights} {bundle.config.model_dump_json()}"
    if "similarity" in settings["bands"] and isinstance(bundle, Bundle) and bundle.reference:
        name += f" {bundle.reference.sha256}"
    return hashlib.sha256(name.encode()).hexdigest()


def _identity(scene: AnyScene) -> dict[str, Any]:
    """What tells one scene from another, without reading all of a scene in its file."""
    identity: dict[str, Any] = {
        "shape": scene.shape,
        "crs": scene.crs,
        "transform": scene.transform,
        "source": dict(scene.source),
    }
    named = scene_files(scene.source)
    if named:
        files = {*(one for file in named for one in files_of(Path(file))), *scene.files}
        stats = [one.stat() for one in files]
        identity |= {
            "bytes": sum(s.st_size for s in stats),
            "changed_ns": max(s.st_mtime_ns for s in stats),
        }
    if scene.lookup is not None:
        identity["lookup"] = array_sha256(scene.lookup.pixels)
    rows, cols, _ = scene.shape
    digest = hashlib.sha256()
    for row in (0, rows - 1):
        cube, valid = scene.read(Window(row, row + 1, 0, min(cols, PROBE)))
        digest.update(np.ascontiguousarray(cube).tobytes() + valid.tobytes())
    identity["values"] = digest.hexdigest()
    if isinstance(scene, Scene) and not named:
        identity["values"] = scene.sha256
        identity["valid"] = None if scene.valid is None else array_sha256(scene.valid)
    return identity


def name_of(begun: dict[str, Any]) -> str:
    """A hash of what a map is made from: model, scene and settings, on any machine."""
    decides = {key: begun[key] for key in ("format", "model", "scene", "settings")}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _progress(part: Path) -> str:
    return f"after {len(list(part.glob('*.tile')))} windows"


@contextmanager
def staged(
    files: MapFiles,
    wanted: dict[str, Any],
    types: dict[str, np.dtype[Any]],
    *,
    overwrite: bool,
    resume: bool,
) -> Iterator[StagedMap | None]:
    """The part folder of a map while the block fills it; removed when the block succeeds.

    A block that fails before a window is staged leaves nothing; otherwise the part folder stays.

    Args:
        files: the files that the map will have.
        wanted: what the map is to be made from, as `begun_with` gives it.
        types: as of `StagedMap`.
        overwrite: replace a map, discard a stopped one.
        resume: go on with a stopped map, and leave a complete one as it is.

    Yields:
        The staged map, or None if `resume` finds it complete.

    Raises:
        RunError: a map or something else is in the way, or another process writes there.
        SettingsError: the map was begun with something else.
    """
    check_not_both(overwrite, resume)
    begun = json.loads(json.dumps({**wanted, "overwrite": overwrite}))  # as it will be read again
    part = part_of(files.geotiff)
    if resume:
        begun = _as_begun(part, begun)
        if files.geotiff.exists():
            tags = open_map(files.geotiff, counts={}).tags  # without reading the pixels
            complete = tags.get(MADE_FROM) == name_of(begun)
            if not complete and not begun["overwrite"]:
                raise RunError(
                    f"{files.geotiff} exists and was not made from this model and scene with "
                    "these settings; take another --out, or replace it with --overwrite"
                )
            if complete:
                shutil.rmtree(part, ignore_errors=True)
                yield None
                return
    if not (resume and is_begun(part)):
        for path in files.all():
            check_free(path, overwrite, beside=files.geotiff)
        if files.polygons is not None:
            check_free(files.polygons, overwrite, "--polygons")
    with resumable_folder(files.geotiff, "map", _progress, overwrite=overwrite, resume=resume):
        if resume:  # read again: another process may have mapped before the lock was ours
            begun = _as_begun(part, begun)
        try:
            write_json(part / BEGIN, begun)
            yield StagedMap(part, begun, types)
        except BaseException:
            if not any(part.glob("*.tile")):
                shutil.rmtree(part, ignore_errors=True)
            raise
        shutil.rmtree(part)


def _as_begun(part: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """What a stopped map was begun with, checked against what is wanted now; `wanted` if none was.

    Raises:
        SettingsError: another model, scene or setting.
        RunError: damaged, or other versions or another machine, which would give other bits.
    """
    if not is_begun(part):
        return wanted
    begun = read_model(part / BEGIN, FORMAT, Begun, START_ANEW).model_dump()
    if begun["model"] != wanted["model"]:
        raise SettingsError(f"RUN: not the model that {part} was begun with; {START_ANEW}")
    if begun["scene"] != wanted["scene"]:
        differs = [k for k in wanted["scene"] if wanted["scene"][k] != begun["scene"].get(k)]
        raise SettingsError(
            f"--scene: not the scene that {part} was begun with ({', '.join(differs)}); "
            f"{START_ANEW}"
        )
    for key in {**wanted["settings"], **begun["settings"]}:
        value, before = wanted["settings"].get(key), begun["settings"].get(key)
        if value != before:
            raise SettingsError(
                f"--{key}: {value}, but {part} was begun with {before}; give that, or {START_ANEW}"
            )
    differs = other_machine(begun["versions"], begun["machine"], wanted["settings"]["device"])
    if differs:
        raise RunError(
            f"{part}: going on here would give other bits ({'; '.join(differs)}); go on where it "
            f"began, or {START_ANEW}"
        )
    return begun
