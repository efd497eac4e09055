"""`map`: from the file of a scene to the files of its map, window by window, resumable."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from spectrolite import readers
from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.loading import AnyModel, scene_model
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.scene import AnyScene, Window
from spectrolite.data.scene_sets import AnyScenes
from spectrolite.data.wavelengths import surplus_bands
from spectrolite.errors import RunError, SettingsError, wanted_one_of
from spectrolite.files import whole_file
from spectrolite.machine import threads_of
from spectrolite.mapping.geotiff import Layers, write_layers
from spectrolite.mapping.map_file import (
    DEFAULT_BANDS,
    EXTRA_BANDS,
    MADE_FROM,
    REJECT,
    REJECTED,
    UNLIKE_PIXELS,
    MapFile,
    MapFiles,
    MapHead,
    open_map,
)
from spectrolite.mapping.map_frame import picture_step
from spectrolite.mapping.picture import write_picture
from spectrolite.mapping.polygons import need_polygons, write_polygons
from spectrolite.mapping.scene_inference import (
    classify_windows,
    layer_types,
    matching_scene,
    reference_of,
    scene_config,
    windows_of,
)
from spectrolite.mapping.sidecars import complete_envi, with_rejected, write_names, write_style
from spectrolite.mapping.staged_windows import StagedMap, begun_with, staged
from spectrolite.places import check_place
from spectrolite.readers.scenes.geotiff import GDAL_CACHE
from spectrolite.runs.run_folder import ImageRun, Run, run_of
from spectrolite.samples.reference_spectra import UNLIKE

MAP_WINDOW = 128  # side in pixels: HybridSN then takes 900 MiB; 192 is a tenth faster, but larger

OnWindow = Callable[[int, int], None]


def map_scene(
    model: AnyModel | Run | Exported,
    scene: str | Path | AnyScene | None = None,
    *,
    out: str | Path,
    window: int = MAP_WINDOW,
    device: str = "auto",
    flips: bool = False,
    bands: Sequence[str] = DEFAULT_BANDS,
    reject: float | None = None,
    cog: bool = False,
    envi: bool = False,
    polygons: str | Path | None = None,
    sieve: int | None = None,
    scene_key: str | None = None,
    axes: str | None = None,
    drop_bands: Sequence[int | str] = (),
    allow_outside: bool = False,
    match_wavelengths: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    on_window: OnWindow = lambda _done, _all: None,
    on_note: Callable[[str], None] = lambda _note: None,
) -> MapFile:
    """Classify a scene of any size into a GeoTIFF, with the files that belong to it.

    The scene is read window by window, and finished windows are staged in `OUT.part`. After any
    interruption, `resume` goes on from there, and the map has the bytes of one that was never
    stopped. The memory that it takes does not depend on the size of the scene.

    Args:
        model: a run, a bundle, an exported model, or the folder of any.
        scene: a file, or a scene; default: the scene of the run.
        out: the GeoTIFF to write, ending in `.tif`. Beside it appear class names
            (`NAME.tif.aux.xml`), a style of QGIS (`NAME.qml`), a picture (`NAME.png`) and `bands`.
        window: side in pixels of the windows that are computed one by one.
        device: `auto`, `cpu`, `cuda`.
        flips: average eight orientations, as in `classify`.
        bands: float32 layers to write as `NAME_BAND.tif`, 0 to 1: `confidence`, the softmax of the
            class; `entropy` of the softmax, divided by the logarithm of the number of classes;
            `probabilities`, the softmax of every class, a band each; `similarity` to the training
            spectra, low where the map is not to be trusted (docs/large-scenes.md).
        reject: give class 0 to pixels whose confidence is lower, above 0 and at most 1.
        cog: make the GeoTIFFs cloud-optimised, with overviews.
        envi: write an ENVI classification too, `NAME_classes.dat` and `.hdr`.
        polygons: GeoPackage to write, ending in `.gpkg`: the areas of the classes as polygons.
        sieve: polygons of fewer pixels go to their largest neighbour; the map keeps them.
        scene_key: name of the array in the file, if several could be the scene.
        axes: order of the array's axes in the file, as of `read_scene`.
        drop_bands: bands of the file to leave out, as of `read_scene`; default: those that the
            model does not have, if the wavelengths prove which these are.
        allow_outside: as of `read_scene`.
        match_wavelengths: interpolate a scene of other wavelengths between its bands.
        overwrite: replace a map, and discard a stopped one.
        resume: go on with a stopped map; begin if there is none; leave a complete one as it is.
            Model, scene and settings must be those it began with.
        on_window: called after each window with the number done and the number in all.
        on_note: called with each sentence on what is odd about the scene's file, before it is read.

    Returns:
        The map in its file.

    Raises:
        RunError: no model, no scene to map, a file in the way, or another process writes the map.
        ReadError: the scene cannot be read.
        SceneError: other bands than the model's, or other wavelengths.
        SettingsError: the map was begun with something else; an unknown band or device; a name
            that does not end in `.tif`; a key or bands to leave out, without a file; a similarity
            with a model that has no training spectra; a sieve without polygons.
        MissingExtraError: polygons, and pyogrio or shapely is not installed.
        OSError: a full disk and the like; the finished windows stay.
    """
    files = MapFiles(Path(out), None if polygons is None else Path(polygons))
    if files.geotiff.suffix.lower() not in (".tif", ".tiff"):
        raise SettingsError(f"--out: wanted a name that ends in .tif, got {out}")
    check_place(files.geotiff)
    if window < 1:
        raise SettingsError(f"--window: wanted a side of 1 pixel or more, got {window}")
    unknown = sorted(set(bands) - set(EXTRA_BANDS))
    if unknown:
        raise SettingsError(f"--bands: {wanted_one_of(EXTRA_BANDS, unknown[0])}")
    _check_extras(files, reject, sieve)
    bundle = scene_model(model)
    if "similarity" in bands and reference_of(bundle).apart == "pixels":
        on_note(
            "similarity: no class was trained on two fields, or on one wider than the network's "
            "patch, so nearly every new field is unlike; label two fields or more of each class"
        )
    opened = _opened(model, bundle, scene, scene_key, axes, drop_bands, allow_outside)
    file = opened.source.get("file")
    if file and Path(file).resolve() in {path.resolve() for path in files.all()}:
        raise RunError(f"--out: {file} is the scene itself; take another name")
    for note in opened.notes:
        on_note(f"{opened.name}: {note}")
    opened = matching_scene(bundle, opened, match_wavelengths)
    settings: dict[str, Any] = {
        "window": window,
        "device": device,
        "flips": flips,
        "bands": [name for name in EXTRA_BANDS if name in bands],
        "cog": cog,
        "envi": envi,
        "match_wavelengths": match_wavelengths,
    }
    # only if given: the hash of a map without them is that of version 0.1
    further = {"reject": reject, "polygons": polygons and str(polygons), "sieve": sieve}
    settings |= {key: value for key, value in further.items() if value is not None}
    types = layer_types(scene_config(bundle), settings["bands"], reject)
    counts = None
    begun = begun_with(bundle, opened, settings)
    with staged(files, begun, types, overwrite=overwrite, resume=resume) as part:
        if part is not None:
            with threads_of(part.begun["machine"]), rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE):
                _compute(bundle, opened, part, settings, on_window)
                counts = _compose(bundle, opened, part, settings, files)
    return open_map(files.geotiff, counts)


def _check_extras(files: MapFiles, reject: float | None, sieve: int | None) -> None:
    """Refuse values of `reject`, `polygons` and `sieve` before anything is read."""
    if reject is not None and not 0 < reject <= 1:
        raise SettingsError(f"--reject: wanted a confidence above 0, up to 1, got {reject:g}")
    if files.polygons is None:
        if sieve is not None:
            raise SettingsError("--sieve: goes with --polygons, which it makes fewer")
        return
    if files.polygons.suffix.lower() != ".gpkg":
        raise SettingsError(f"--polygons: wanted a name that ends in .gpkg, got {files.polygons}")
    check_place(files.polygons, "--polygons")
    if sieve is not None and sieve < 2:
        raise SettingsError(f"--sieve: wanted 2 pixels or more, got {sieve}")
    need_polygons()


def _opened(
    model: AnyModel | Run | Exported,
    bundle: Bundle | Exported,
    scene: str | Path | AnyScene | None,
    key: str | None,
    axes: str | None,
    drop_bands: Sequence[int | str],
    allow_outside: bool,
) -> AnyScene:
    if isinstance(scene, str | Path):
        config = scene_config(bundle)
        if not drop_bands:
            own_nm = readers.open_cube(scene, key, axes, allow_outside=allow_outside).wavelengths_nm
            drop_bands = surplus_bands(own_nm, config.wavelengths_nm)
        return readers.open_scene(
            scene, key, drop_bands, scale=config.scaled, axes=axes, allow_outside=allow_outside
        )
    if key is not None or axes is not None or drop_bands or allow_outside:
        raise SettingsError(
            "--scene-key, --axes, --drop-bands and --allow-outside: go with --scene FILE"
        )
    if scene is not None:
        return scene
    own = own_scene(model)
    if len(own.scenes) > 1:
        raise RunError(
            f"map: the run was trained on {len(own.scenes)} scenes; --out wants a folder for the "
            "map of each, or name one scene with --scene"
        )
    return own.scenes[0]


def own_scene(model: AnyModel | Run | Exported) -> AnyScenes:
    """The scene or scenes that a run was trained on.

    Raises:
        RunError: the model is not a run.
    """
    run = run_of(model)
    if run is None:
        raise RunError(
            "map: a bundle or an exported model has no scene of its own; name one with --scene"
        )
    if isinstance(run, ImageRun):
        raise RunError(f"map: {run.path} was trained on images; name a scene with --scene")
    return run.data()[0]


def _compute(
    bundle: Bundle | Exported,
    scene: AnyScene,
    part: StagedMap,
    settings: dict[str, Any],
    on_window: OnWindow,
) -> None:
    """Stage every window that is not staged yet."""
    windows = windows_of(scene, settings["window"])
    missing = {n for n, window in enumerate(windows) if part.read(n, window) is None}
    done = len(windows) - len(missing)
    on_window(done, len(windows))

    def save(number: int, _window: Window, layers: Layers) -> None:
        nonlocal done
        part.save(number, layers)
        done += 1
        on_window(done, len(windows))

    try:
        classify_windows(
            bundle,
            scene,
            missing,
            save,
            settings["window"],
            settings["device"],
            settings["flips"],
            settings["bands"],
        )
    except (KeyboardInterrupt, OSError, MemoryError, RuntimeError) as error:
        error.add_note(
            f"stopped after window {done} of {len(windows)}; go on with the same command and "
            "--resume"
        )
        raise


def _compose(
    bundle: Bundle | Exported,
    scene: AnyScene,
    part: StagedMap,
    settings: dict[str, Any],
    files: MapFiles,
) -> dict[int, int]:
    """Write the files of the map from its windows in the part folder, then rename them.

    Returns:
        Pixels of each class.
    """
    config = scene_config(bundle)
    head = MapHead(
        scene.shape[:2],
        config.class_names,
        config.class_colours,
        scene.crs,
        scene.transform,
        config.class_ids,
    )
    here = MapFiles(part.path / files.geotiff.name, part.path / "polygons.gpkg")
    paths = {here.geotiff: "class", **{here.band(name): name for name in settings["bands"]}}
    if settings["envi"]:
        paths[here.envi] = "class"
    counts = np.zeros(max(config.class_ids) + 1, np.int64)
    tags = {MADE_FROM: part.name}
    told, reject = {}, settings.get("reject")
    if reject is not None:
        tags[REJECT], told[REJECTED] = f"{reject:g}", 0
    if "similarity" in settings["bands"]:
        told[UNLIKE_PIXELS] = 0
    step = picture_step(head.shape)
    shown: list[NDArray[Any]] = []

    def rows() -> Iterator[Layers]:
        start = 0
        for layers in part.rows(windows_of(scene, settings["window"])):
            classes = layers["class"]
            if reject is not None:
                rejected = (classes > 0) & (layers["confidence"] < reject)
                told[REJECTED] += int(rejected.sum())
                classes = np.where(rejected, 0, classes).astype(classes.dtype)
                layers = {**layers, "class": classes}
            if "similarity" in layers:
                told[UNLIKE_PIXELS] += int((layers["similarity"] < UNLIKE).sum())
            counts[:] += np.bincount(classes.ravel(), minlength=len(counts))
            shown.append(classes[-start % step :: step, ::step])
            start += len(classes)
            yield layers

    try:
        write_layers(paths, head, rows(), tags, cog=settings["cog"])
        named = head if reject is None else with_rejected(head, reject)
        if settings["envi"]:
            complete_envi(here.envi, named)
        write_names(here.names, named, {key: str(n) for key, n in told.items()})
        write_style(here.style, named)
        pixels = {i: n for i, n in enumerate(counts.tolist()) if n}
        write_picture(here.picture, np.concatenate(shown), named, pixels)
        if here.polygons is not None and files.polygons is not None:
            write_polygons(here.polygons, here.geotiff, head, settings.get("sieve"))
            with whole_file(files.polygons) as whole:  # perhaps on another disk
                shutil.copyfile(here.polygons, whole)
        complete, final = (one.all(settings["bands"], settings["envi"]) for one in (here, files))
        for one, other in zip(complete, final, strict=True):
            one.replace(other)
        if part.begun["overwrite"]:  # files of the map before that this one does not have
            for path in {*files.all()} - {*final}:
                path.unlink(missing_ok=True)
    except (KeyboardInterrupt, OSError, MemoryError) as error:
        error.add_note("every window is computed; go on with the same command and --resume")
        raise
    return pixels
