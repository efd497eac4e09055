"""The files of a map from its windows in the part folder: all layers in one pass, then the rest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.lookup import LookupTable
from spectrolite.data.scene import AnyScene
from spectrolite.files import whole_file
from spectrolite.mapping.geotiff import Layers, write_layers
from spectrolite.mapping.map_file import (
    MADE_FROM,
    NODATA,
    REJECT,
    REJECTED,
    UNLIKE_PIXELS,
    MapFiles,
    MapHead,
)
from spectrolite.mapping.map_frame import picture_step
from spectrolite.mapping.map_rows import BLOCK
from spectrolite.mapping.picture import write_picture
from spectrolite.mapping.polygons import write_polygons
from spectrolite.mapping.scene_inference import scene_config, windows_of
from spectrolite.mapping.sidecars import complete_envi, with_rejected, write_names, write_style
from spectrolite.mapping.staged_windows import StagedMap
from spectrolite.samples.reference_spectra import UNLIKE


def compose(
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
    lookup = None if "sensor_geometry" in settings else scene.lookup
    place = (scene.shape[:2], scene.crs, scene.transform)
    if lookup is not None:
        place = (lookup.shape, lookup.crs, lookup.transform)
    head = MapHead(place[0], config.class_names, config.class_colours, *place[1:], config.class_ids)
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
        staged = part.rows(windows_of(scene, settings["window"]))
        for layers in staged if lookup is None else _on_grid(staged, lookup):
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


def _on_grid(rows: Iterator[Layers], lookup: LookupTable) -> Iterator[Layers]:
    """The layers on the grid of a look-up table, a block of its rows at a time.

    All of the sensor's image is held, for a row of the grid may show pixels of any of its rows.
    """
    parts = list(rows)
    images = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    for start in range(0, lookup.shape[0], BLOCK):
        block = slice(start, start + BLOCK)
        yield {
            key: lookup.on_grid(image, block, NODATA.get(key, 0)) for key, image in images.items()
        }
