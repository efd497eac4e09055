"""The folder in which a map grows, `NAME.tif.part` beside its place.

begin.json     what the map is made from: model, scene, settings, versions
000042.tile    a finished window: a hash, then classes, confidence, entropy as they lie in memory
lock           held by the process that writes here
map.tif, ...   the files of the map, while they are composed in one last pass

The hash is over begin.json, the window's number and the values: a tile of another map, of other
settings, or one that was cut short is no tile. Whatever ends the process leaves tiles to go on
from.
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
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from spectrolite.data.scene import Window
from spectrolite.errors import RunError, SettingsError
from spectrolite.files import read_json, whole_file, write_json
from spectrolite.machine import other_machine
from spectrolite.mapping.geotiff import MADE_FROM, MapFiles, open_map
from spectrolite.mapping.scene_inference import Layers
from spectrolite.part_folders import BEGIN, LOCK, REMEDY, clear, locked, part_of

FORMAT = 1


class Begun(BaseModel):
    """`begin.json`: all that decides about the bytes of a map."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
        path: the folder.
        known: what `begin.json` holds.
        types: name and type of each layer, in the order in which tiles hold them.
    """

    def __init__(self, path: Path, known: dict[str, Any], types: dict[str, np.dtype[Any]]) -> None:
        self.path, self.types = path, types
        self.known = known
        self.name = name_of(known)

    def keep(self, number: int, layers: Layers) -> None:
        """Stage a finished window."""
        values = b"".join(
            np.ascontiguousarray(layers[k], t).tobytes() for k, t in self.types.items()
        )
        with whole_file(self._file(number)) as part:
            part.write_bytes(self._hash(number, values) + values)

    def kept(self, number: int, window: Window) -> Layers | None:
        """A staged window; nothing where it is missing or not what was staged."""
        try:
            content = self._file(number).read_bytes()
        except FileNotFoundError:
            return None
        values = content[32:]
        if content[:32] != self._hash(number, values):
            return None
        layers: Layers = {}
        start, pixels = 0, window.shape[0] * window.shape[1]
        for key, dtype in self.types.items():
            layers[key] = np.frombuffer(values, dtype, pixels, start).reshape(window.shape)
            start += pixels * dtype.itemsize
        return layers

    def rows(self, windows: list[Window], layer: str) -> Iterator[NDArray[Any]]:
        """A layer from top to bottom, a row of windows at a time.

        Raises:
            RunError: a window is missing or damaged.
        """
        row: list[NDArray[Any]] = []
        for number, window in enumerate(windows):
            layers = self.kept(number, window)
            if layers is None:
                raise RunError(
                    f"{self._file(number)}: missing or damaged; --resume computes it again"
                )
            row.append(layers[layer])
            following = windows[number + 1 : number + 2]
            if not following or following[0].row_start != window.row_start:
                yield np.concatenate(row, axis=1)
                row = []

    def _file(self, number: int) -> Path:
        return self.path / f"{number:06d}.tile"

    def _hash(self, number: int, values: bytes) -> bytes:
        return hashlib.sha256(f"{self.name} {number} ".encode() + values).digest()


def name_of(known: dict[str, Any]) -> str:
    """Hash of what a map is made from: model, scene and settings, on whatever machine."""
    made_from = {key: known[key] for key in ("format", "model", "scene", "settings")}
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


@contextmanager
def staged(
    files: MapFiles,
    known: dict[str, Any],
    types: dict[str, np.dtype[Any]],
    *,
    overwrite: bool,
    resume: bool,
) -> Iterator[StagedMap | None]:
    """The folder of a map while the block fills it; gone when the block succeeds.

    A block that fails before anything was staged leaves nothing; otherwise the folder stays.

    Args:
        files: where the map will stand.
        known: what it is made from, as `Begun` describes it.
        types: as in `StagedMap`.
        overwrite: replace a map that is there, discard one that was stopped.
        resume: go on with a stopped one, and leave one alone that is complete.

    Yields:
        The staged map; nothing where `resume` finds it complete.

    Raises:
        RunError: a map or another folder is in the way, or another process is at it.
        SettingsError: the map was begun with something else.
    """
    if overwrite and resume:
        raise SettingsError("give --resume or --overwrite, not both")
    known = json.loads(json.dumps({**known, "overwrite": overwrite}))  # as it will be read again
    part = part_of(files.geotiff)
    there = [path for path in files.all() if path.exists()]
    if resume:
        known = _as_begun(part, known)
        if files.geotiff.exists():
            complete = open_map(files.geotiff).tags.get(MADE_FROM) == name_of(known)
            if not complete and not known["overwrite"]:
                raise RunError(
                    f"{files.geotiff} exists and was not made from this model and scene with "
                    "these settings; take another --out, or --overwrite"
                )
            if complete:
                shutil.rmtree(part, ignore_errors=True)
                yield None
                return
    if there and not overwrite and not (resume and (part / BEGIN).is_file()):
        raise RunError(f"{there[0]} exists; take another --out, or --overwrite")
    _check_ours(part)
    try:
        part.mkdir(parents=True, exist_ok=True)
    except PermissionError as error:
        raise RunError(f"{part}: no permission to write there; take another --out") from error
    except OSError as error:
        raise RunError(f"{part}: cannot be made ({error.strerror}); take another --out") from error
    with locked(part):
        if resume:  # read anew, for another process may have been here before the lock was ours
            known = _as_begun(part, known)
        else:
            _check_begun(part, overwrite)
            clear(part)
        try:
            write_json(part / BEGIN, known)
            made = StagedMap(part, known, types)
            yield made
        except BaseException:
            if not any(part.glob("*.tile")):
                shutil.rmtree(part, ignore_errors=True)
            raise
        shutil.rmtree(part)


def _as_begun(part: Path, known: dict[str, Any]) -> dict[str, Any]:
    """What the map was begun with, where that is what it would be made from now.

    Raises:
        SettingsError: another model, scene or setting.
        RunError: damaged, or other versions or another machine, which would give other bits.
    """
    if not (part / BEGIN).is_file():
        return known
    begun = read_json(part / BEGIN, FORMAT, Begun, REMEDY)
    if begun["model"] != known["model"]:
        raise SettingsError(f"RUN: not the model that {part} was begun with; {REMEDY}")
    if begun["scene"] != known["scene"]:
        differs = [k for k in known["scene"] if known["scene"][k] != begun["scene"].get(k)]
        raise SettingsError(
            f"--scene: not the scene that {part} was begun with ({', '.join(differs)}); {REMEDY}"
        )
    for key, value in known["settings"].items():
        if value != begun["settings"].get(key):
            raise SettingsError(
                f"--{key}: {value}, but {part} was begun with {begun['settings'].get(key)}; give "
                f"that, or {REMEDY}"
            )
    differs = other_machine(begun, known["settings"]["device"])
    if differs:
        raise RunError(
            f"{part}: going on here would give other bits ({'; '.join(differs)}); go on where it "
            f"began, or {REMEDY}"
        )
    return begun


def _check_ours(part: Path) -> None:
    """Refuse to stage in something that is none of ours."""
    if part.exists() and not (part / BEGIN).is_file():
        if part.is_dir() and not {p.name for p in part.iterdir()} - {LOCK, f".part.{BEGIN}"}:
            return
        raise RunError(f"{part} is in the way and no stopped map; take another --out")


def _check_begun(part: Path, overwrite: bool) -> None:
    """Refuse to overlook a stopped map."""
    if (part / BEGIN).is_file() and not overwrite:
        done = len(list(part.glob("*.tile")))
        raise RunError(
            f"{part}: a map that was stopped after {done} windows; go on with --resume, or discard "
            "it with --overwrite"
        )
