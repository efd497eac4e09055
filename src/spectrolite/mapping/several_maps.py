"""`map` of several scenes, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.loading import AnyModel, scene_model
from spectrolite.data.scene import AnyScene
from spectrolite.errors import ReadError, SettingsError, SpectroliteError
from spectrolite.mapping.large_maps import map_scene, own_scene
from spectrolite.mapping.map_file import MapFile
from spectrolite.places import check_place
from spectrolite.products.known import scenes_among
from spectrolite.readers.scenes.patterns import scenes_named
from spectrolite.runs.resumable_run import is_run
from spectrolite.runs.run_folder import Run, SceneRun, any_run


@dataclass(frozen=True)
class Failed:
    """A scene that could not be mapped.

    Attributes:
        scene: its file.
        error: why.
    """

    scene: Path
    error: Exception


def map_scenes(
    model: AnyModel | Run | Exported,
    scenes: Sequence[str | Path] | None = None,
    *,
    out: str | Path,
    on_scene: Callable[[Path, int], None] = lambda _scene, _all: None,
    **settings: Any,
) -> list[MapFile | Failed]:
    """Map several scenes, one after the other, each as `map_scene` does.

    If a scene fails, the others are still mapped.

    Args:
        model: as of `map_scene`.
        scenes: files, or patterns of files such as `scenes/*.tif`; default: the scenes that the run
            was trained on. An empty list gives no map.
        out: folder of the maps; each has the name of its scene.
        on_scene: called before each scene with its file and the number of scenes.
        **settings: as of `map_scene`.

    Returns:
        For each scene in order its map, or why there is none.

    Raises:
        ReadError: a pattern that no file matches, or two scenes whose maps would be one file.
        RunError: not a model, or no folder can be written there.
        SettingsError: polygons of several scenes.
    """
    check_place(Path(out))
    targets: dict[str, Path | AnyScene] = {}
    if scenes is None:
        own = own_scene(model)
        targets = dict(zip(own.names, own.scenes, strict=True))
    for file in scenes_among(scenes_named(scenes or ())):
        if file.stem in targets:
            raise ReadError(
                f"--scene: {targets[file.stem]} and {file} would both become {file.stem}.tif; map "
                "one of them alone"
            )
        targets[file.stem] = file
    if settings.get("polygons") is not None and len(targets) > 1:
        raise SettingsError(f"--polygons: takes one scene, got {len(targets)}")
    bundle = scene_model(model)
    maps: list[MapFile | Failed] = []
    for name, scene in targets.items():
        file = scene if isinstance(scene, Path) else Path(scene.source.get("file", scene.name))
        on_scene(file, len(targets))
        try:
            maps.append(map_scene(bundle, scene, out=Path(out) / f"{name}.tif", **settings))
        except (SpectroliteError, OSError, MemoryError) as error:
            maps.append(Failed(file, error))
    return maps


def is_of_several(model: str | Path) -> bool:
    """Whether a folder is a run on several scenes."""
    if not is_run(Path(model)):
        return False
    run = any_run(model)
    return isinstance(run, SceneRun) and isinstance(run.manifest.data.scene, list)
