"""`map`: from files of scenes to files of maps, window by window, resumable."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import rasterio

from spectrolite import readers
from spectrolite.bundles.loading import AnyModel
from spectrolite.bundles.runtimes import Exported, is_exported, scene_model
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.scene import AnyScene, Scene, Window
from spectrolite.data.scene_sets import AnyScenes, SceneSet, scenes_of
from spectrolite.errors import ReadError, RunError, SettingsError, SpectroliteError, wanted_one_of
from spectrolite.hashing import array_sha256
from spectrolite.machine import threads_of, versions_and_machine
from spectrolite.mapping.geotiff import (
    DOUBTS,
    MADE_FROM,
    MapFile,
    MapFiles,
    MapHead,
    open_map,
    write_geotiff,
)
from spectrolite.mapping.picture import thinning, write_picture
from spectrolite.mapping.scene_inference import (
    Layers,
    class_type,
    classify_windows,
    fitting,
    scene_config,
    windows_of,
)
from spectrolite.mapping.sidecars import write_envi, write_names, write_style
from spectrolite.mapping.staged_windows import FORMAT, StagedMap, staged
from spectrolite.readers.scenes.geotiff import GDAL_CACHE
from spectrolite.readers.scenes.open import files_of
from spectrolite.runs.run_folder import Run, open_run

MAP_WINDOW = 128  # side in pixels: with HybridSN all takes 900 MiB, with 192 a tenth less time
PROBE = 64  # pixels of a scene's first and last row that tell it from another

OnWindow = Callable[[int, int], None]


@dataclass(frozen=True)
class Failed:
    """A scene that could not be mapped.

    Attributes:
        scene: its file.
        error: why.
    """

    scene: Path
    error: Exception


def map_scene(
    model: AnyModel | Run | Exported,
    scene: str | Path | AnyScene | None = None,
    *,
    out: str | Path,
    window: int = MAP_WINDOW,
    device: str = "auto",
    flips: bool = False,
    bands: Sequence[str] = DOUBTS,
    cog: bool = False,
    envi: bool = False,
    scene_key: str | None = None,
    drop_bands: Sequence[int | str] = (),
    match_wavelengths: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    on_window: OnWindow = lambda _done, _all: None,
) -> MapFile:
    """Classify a scene of any size into a GeoTIFF, with what belongs beside it.

    The scene is read window by window, and finished windows are staged in `OUT.part`. Whatever
    stops it, `resume` goes on from there, and the end has the bytes of a map that was never
    stopped. The memory that it takes does not depend on the size of the scene.

    Args:
        model: a run, a bundle, an exported model, or the folder of any.
        scene: a file, or a scene; without it the scene of the run.
        out: the GeoTIFF to write, ending in `.tif`. Beside it appear class names
            (`NAME.tif.aux.xml`), a style of QGIS (`NAME.qml`), a picture (`NAME.png`) and `bands`.
        window: side in pixels of what is computed at a time.
        device: `auto`, `cpu`, `cuda`.
        flips: average eight orientations, as in `classify`.
        bands: float32 bands to write as `NAME_BAND.tif`, 0 to 1: `confidence`, the softmax of the
            class; `entropy` of the softmax, divided by the logarithm of the number of classes.
        cog: make the GeoTIFFs cloud-optimised, with overviews.
        envi: write an ENVI classification too, `NAME_classes.dat` and `.hdr`.
        scene_key: name of the array in the file, where several fit.
        drop_bands: bands of the file to leave out, as of `read_scene`.
        match_wavelengths: interpolate a scene of other wavelengths between its bands.
        overwrite: replace a map that is there, and discard a stopped one.
        resume: go on with a stopped map; begin where there is none; leave one that is complete.
            Model, scene and settings must be those it began with.
        on_window: called after each window with how many are done, and how many there are.

    Returns:
        The map in its file.

    Raises:
        RunError: no model, no scene to map, a file in the way, or another process at it.
        ReadError: the scene cannot be read.
        SceneError: other bands than the model's, or other wavelengths.
        SettingsError: a stopped map that was begun with something else; an unknown band or device;
            a key or bands to leave out, and no file.
        OSError: a full disk and the like; the finished windows stay.
    """
    files = MapFiles(Path(out))
    if files.geotiff.suffix.lower() not in (".tif", ".tiff"):
        raise RunError(f"--out: wanted a name that ends in .tif, got {out}")
    if window < 1:
        raise SettingsError(f"--window: wanted a side of 1 pixel or more, got {window}")
    unknown = sorted(set(bands) - set(DOUBTS))
    if unknown:
        raise SettingsError(f"--bands: {wanted_one_of(DOUBTS, unknown[0])}")
    bundle = scene_model(model)
    opened = _opened(model, bundle, scene, scene_key, drop_bands)
    file = opened.source.get("file")
    if file and Path(file).resolve() in {path.resolve() for path in files.all()}:
        raise RunError(f"--out: {file} is the scene itself; take another name")
    opened = fitting(bundle, opened, match_wavelengths)
    settings: dict[str, Any] = {
        "window": window,
        "device": device,
        "flips": flips,
        "bands": [name for name in DOUBTS if name in bands],
        "cog": cog,
        "envi": envi,
        "match_wavelengths": match_wavelengths,
    }
    known = {
        "format": FORMAT,
        "model": _model_name(bundle),
        "scene": _identity(opened),
        "settings": settings,
        **versions_and_machine(device),
    }
    types: dict[str, np.dtype[Any]] = {"class": class_type(scene_config(bundle))}
    types |= {name: np.dtype(np.float32) for name in settings["bands"]}
    with staged(files, known, types, overwrite=overwrite, resume=resume) as part:
        if part is not None:
            with threads_of(part.known), rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE):
                _compute(bundle, opened, part, settings, on_window)
                _compose(bundle, opened, part, settings, files)
    return open_map(files.geotiff)


def map_scenes(
    model: AnyModel | Run | Exported,
    scenes: Sequence[str | Path] | None = None,
    *,
    out: str | Path,
    on_scene: Callable[[Path, int], None] = lambda _scene, _all: None,
    **settings: Any,
) -> list[MapFile | Failed]:
    """Map several scenes, one after the other, each as `map_scene` does.

    A scene that fails does not keep the others from being mapped.

    Args:
        model: as of `map_scene`.
        scenes: files, or patterns of files such as `scenes/*.tif`; nothing for those that the run
            was trained on. An empty list gives no map.
        out: folder of the maps; each is called like its scene.
        on_scene: called before each scene with its file and the number of scenes.
        **settings: as of `map_scene`.

    Returns:
        A map, or why there is none, for each scene in order.

    Raises:
        ReadError: a pattern that no file matches, or two scenes whose maps would be one file.
        RunError: no model.
    """
    targets: dict[str, Path | AnyScene] = {}
    if scenes is None:
        own = _own_scene(model)
        names = own.names if isinstance(own, SceneSet) else (Path(own.name).stem,)
        targets = dict(zip(names, scenes_of(own), strict=True))
    for file in scenes_named(scenes or ()):
        if file.stem in targets:
            raise ReadError(
                f"--scene: {targets[file.stem]} and {file} would both become {file.stem}.tif; map "
                "one of them alone"
            )
        targets[file.stem] = file
    bundle = scene_model(model)
    made: list[MapFile | Failed] = []
    for name, scene in targets.items():
        file = scene if isinstance(scene, Path) else Path(scene.source.get("file", scene.name))
        on_scene(file, len(targets))
        try:
            made.append(map_scene(bundle, scene, out=Path(out) / f"{name}.tif", **settings))
        except (SpectroliteError, OSError, MemoryError) as error:
            made.append(Failed(file, error))
    return made


def is_of_several(model: str | Path) -> bool:
    """Whether the folder is that of a run on several scenes."""
    if not (Path(model) / "manifest.json").is_file():
        return False
    return isinstance(open_run(model).manifest["data"].get("scene"), list)


def scenes_named(patterns: Sequence[str | Path]) -> list[Path]:
    """The files of names and patterns, each once, those of a pattern in order.

    Raises:
        ReadError: a pattern that no file matches.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        plain = Path(pattern).exists() or not glob.has_magic(str(pattern))
        names = [str(pattern)] if plain else sorted(glob.glob(str(pattern)))  # noqa: PTH207 (a pattern may be absolute)
        if not names:
            raise ReadError(f"--scene: no file matches {pattern}")
        found |= dict.fromkeys(map(Path, names))
    return list(found)


def _opened(
    model: AnyModel | Run | Exported,
    bundle: Bundle | Exported,
    scene: str | Path | AnyScene | None,
    key: str | None,
    drop_bands: Sequence[int | str],
) -> AnyScene:
    if isinstance(scene, str | Path):
        return readers.open_scene(scene, key, drop_bands, scale=scene_config(bundle).scaled)
    if key is not None or drop_bands:
        raise SettingsError("--scene-key and --drop-bands: go with --scene FILE")
    if scene is not None:
        return scene
    own = _own_scene(model)
    if isinstance(own, SceneSet):
        raise RunError(
            f"map: the run was trained on {len(own.parts)} scenes; --out wants a folder for the "
            "map of each, or name one scene with --scene"
        )
    return own


def _own_scene(model: AnyModel | Run | Exported) -> AnyScenes:
    """What a run was trained on."""
    run = model if isinstance(model, Run) else None
    if isinstance(model, str | Path) and not is_exported(model):
        run = open_run(model)
    if run is None:
        raise RunError(
            "map: a bundle or an exported model has no scene of its own; name one with --scene"
        )
    return cast(AnyScenes, run.data()[0])


def _model_name(bundle: Bundle | Exported) -> str:
    """Hash of the trained numbers and of what the files say about classes."""
    weights = "" if isinstance(bundle, Exported) else bundle.sha256  # its config has their hashes
    config = bundle.config.model_dump_json()
    return hashlib.sha256(f"{weights} {config}".encode()).hexdigest()


def _identity(scene: AnyScene) -> dict[str, Any]:
    """What tells a scene from another, without reading all of one that stays in its file."""
    known: dict[str, Any] = {
        "shape": scene.shape,
        "crs": scene.crs,
        "transform": scene.transform,
        "source": dict(scene.source),
    }
    file = scene.source.get("file")
    if file:
        stats = [one.stat() for one in files_of(Path(file))]
        known |= {
            "bytes": sum(s.st_size for s in stats),
            "changed_ns": max(s.st_mtime_ns for s in stats),
        }
    rows, cols, _ = scene.shape
    digest = hashlib.sha256()
    for row in (0, rows - 1):
        cube, valid = scene.read(Window(row, row + 1, 0, min(cols, PROBE)))
        digest.update(np.ascontiguousarray(cube).tobytes() + valid.tobytes())
    known["values"] = digest.hexdigest()
    if isinstance(scene, Scene) and not file:
        known["values"] = scene.sha256
        known["valid"] = None if scene.valid is None else array_sha256(scene.valid)
    return known


def _compute(
    bundle: Bundle | Exported,
    scene: AnyScene,
    part: StagedMap,
    settings: dict[str, Any],
    on_window: OnWindow,
) -> None:
    """Stage every window that is not there yet."""
    tiles = windows_of(scene, settings["window"])
    wanted = {n for n, tile in enumerate(tiles) if part.kept(n, tile) is None}
    done = len(tiles) - len(wanted)
    on_window(done, len(tiles))

    def keep(number: int, _tile: Window, layers: Layers) -> None:
        nonlocal done
        part.keep(number, layers)
        done += 1
        on_window(done, len(tiles))

    try:
        classify_windows(
            bundle,
            scene,
            wanted,
            keep,
            settings["window"],
            settings["device"],
            settings["flips"],
            entropy="entropy" in settings["bands"],
        )
    except (KeyboardInterrupt, OSError, MemoryError, RuntimeError) as error:
        error.add_note(
            f"stopped after window {done} of {len(tiles)}; go on with the same command and --resume"
        )
        raise


def _compose(
    bundle: Bundle | Exported,
    scene: AnyScene,
    part: StagedMap,
    settings: dict[str, Any],
    files: MapFiles,
) -> None:
    """Make the files of the map from its windows, beside them, and give them their names last."""
    tiles = windows_of(scene, settings["window"])
    config = scene_config(bundle)
    head = MapHead(
        scene.shape[:2], config.class_names, config.class_colours, scene.crs, scene.transform
    )
    here = MapFiles(part.path / files.geotiff.name)
    paths = {"class": here.geotiff, **{name: here.band(name) for name in settings["bands"]}}
    tags = {MADE_FROM: part.name}
    try:
        for band, path in paths.items():
            rows = partial(part.rows, tiles, band)
            write_geotiff(path, head, band, rows, tags, cog=settings["cog"])
        if settings["envi"]:
            write_envi(here.envi, head, partial(part.rows, tiles, "class"))
        write_names(here.names, head)
        write_style(here.style, head)
        made = open_map(here.geotiff)
        write_picture(
            here.picture,
            made.thinned(thinning(head.shape)),
            head.class_names,
            head.class_colours,
            made.counts,
        )
        for one, other in zip(
            here.all(settings["bands"], settings["envi"]),
            files.all(settings["bands"], settings["envi"]),
            strict=True,
        ):
            one.replace(other)
        if part.known["overwrite"]:  # what the map before had and this one has not
            for path in {*files.all()} - {*files.all(settings["bands"], settings["envi"])}:
                path.unlink(missing_ok=True)
    except (KeyboardInterrupt, OSError, MemoryError) as error:
        error.add_note("every window is computed; go on with the same command and --resume")
        raise
