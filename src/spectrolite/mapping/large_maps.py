"""`map`: from the file of a scene to the files of its map, window by window, resumable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rasterio

from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.loading import AnyModel, scene_model
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.scene import AnyScene, Scene, SceneFile, Window, scene_files
from spectrolite.data.scene_sets import AnyScenes
from spectrolite.data.wavelengths import same_wavelengths, surplus_bands
from spectrolite.errors import RunError, SettingsError, wanted_one_of
from spectrolite.machine import threads_of
from spectrolite.mapping.geotiff import Layers
from spectrolite.mapping.map_composing import compose
from spectrolite.mapping.map_file import (
    DEFAULT_BANDS,
    EXTRA_BANDS,
    MapFile,
    MapFiles,
    open_map,
)
from spectrolite.mapping.polygons import need_polygons
from spectrolite.mapping.scene_inference import (
    classify_windows,
    layer_types,
    matching_scene,
    reference_of,
    scene_config,
    windows_of,
)
from spectrolite.mapping.staged_windows import StagedMap, begun_with, staged
from spectrolite.places import check_place
from spectrolite.products.known import Places, open_cube
from spectrolite.products.scenes import open_scene
from spectrolite.readers.scenes.geotiff import GDAL_CACHE
from spectrolite.runs.run_folder import ImageRun, Run, run_of

MAP_WINDOW = 128  # side in pixels: HybridSN then takes 900 MiB; 192 is a tenth faster, but larger

OnWindow = Callable[[int, int], None]


def map_scene(
    model: AnyModel | Run | Exported,
    scene: Places | AnyScene | None = None,
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
    sensor_geometry: bool = False,
    scene_key: str | None = None,
    axes: str | None = None,
    drop_bands: Sequence[int | str] = (),
    allow_outside: bool = False,
    product: str | None = None,
    mask: str | Path | None = None,
    leave_out: Sequence[str] | None = None,
    mosaic: bool = False,
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
        sensor_geometry: map a swath pixel by pixel of the sensor; default: on the orthorectified
            grid of its look-up table.
        scene_key: name of the array in the file, if several could be the scene.
        axes: order of the array's axes in the file, as of `read_scene`.
        drop_bands: bands of the file to leave out, as of `read_scene`; default: those that the
            model does not have, if the wavelengths prove which these are.
        allow_outside: as of `read_scene`.
        product: as of `read_scene`.
        mask: as of `read_scene`.
        leave_out: as of `read_scene`.
        mosaic: `scene` is the pattern or the list of tiles that are one scene, as of `read_scene`.
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
    reading = {
        "key": scene_key,
        "axes": axes,
        "allow_outside": allow_outside,
        "product": product,
        "mask": mask,
        "mosaic": mosaic,
    }
    opened = _opened(model, bundle, scene, reading, drop_bands, leave_out, match_wavelengths)
    if sensor_geometry and opened.lookup is None:
        raise SettingsError(f"--sensor-geometry: {opened.name} has no look-up table; omit it")
    written = {path.resolve() for path in files.all()}
    for file in (*map(Path, scene_files(opened.source)), *opened.files):
        if file.resolve() in written:
            raise RunError(f"--out: {file} is the scene itself; take another name")
    opened = matching_scene(bundle, opened, match_wavelengths)
    for note in opened.notes:
        on_note(f"{opened.name}: {note}")
    settings: dict[str, Any] = {
        "window": window,
        "device": device,
        "flips": flips,
        "bands": [name for name in EXTRA_BANDS if name in bands],
        "cog": cog,
        "envi": envi,
        "match_wavelengths": match_wavelengths,
        **({"sensor_geometry": True} if sensor_geometry else {}),
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
                counts = compose(bundle, opened, part, settings, files)
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
    scene: Places | AnyScene | None,
    reading: dict[str, Any],
    drop_bands: Sequence[int | str],
    leave_out: Sequence[str] | None,
    match_wavelengths: bool,
) -> AnyScene:
    if scene is not None and not isinstance(scene, Scene | SceneFile):
        config = scene_config(bundle)
        own_nm, wanted_nm = open_cube(scene, **reading).wavelengths_nm, config.wavelengths_nm
        model_bands = not match_wavelengths and same_wavelengths(own_nm, wanted_nm)
        if not drop_bands:
            drop_bands = surplus_bands(own_nm, wanted_nm)
            model_bands = model_bands or bool(drop_bands)
        return open_scene(
            scene,
            drop_bands=drop_bands,
            scale=config.scaled,
            leave_out=leave_out,
            model_bands=model_bands,
            **reading,
        )
    if any(reading.values()) or drop_bands or leave_out is not None:
        raise SettingsError(
            "--scene-key, --axes, --drop-bands, --allow-outside, --product, --mask, --leave-out "
            "and --mosaic: go with --scene FILE"
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
