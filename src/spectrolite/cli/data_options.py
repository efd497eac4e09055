"""The flags that name data, and the data read from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spectrolite.cli.options import messages, optional, plain, switch
from spectrolite.errors import SettingsError, did_you_mean

WORDS = ("bad", "constant", "noisy")  # of products.dropped, which takes a second to import

MOSAIC_HELP = (
    "The files are tiles of one grid and are read as one scene; where they overlap, the first that "
    "has a spectrum wins."
)

SCENE_READING = {
    "scene_key": optional(str, "Name of the array in the scene's file.", "the only cube in it"),
    "axes": optional(
        str,
        "Order of the array's axes in --scene (.npy, .mat, HDF5, NetCDF, Zarr), as "
        "bands,rows,cols.",
        "as the file says, or rows,cols,bands",
    ),
    "drop_bands": optional(
        str,
        "Bands of --scene to leave out, counted from 0, as 3,7-9; or one of the words bad (marked "
        "in the file), constant and noisy.",
        "none",
        metavar="BANDS",
    ),
    "allow_outside": switch(
        "--allow-outside", "A VRT may name local files that are neither beside nor below it."
    ),
    "mosaic": switch("--mosaic", MOSAIC_HELP),
    "product": optional(
        str,
        "Satellite product that --scene is: emit, enmap, prisma, desis, tanager or pace; none "
        "reads the file as one of its format.",
        "told by its files",
    ),
    "mask": optional(
        Path, "File of the product's mask, as EMIT_L2A_MASK.", "the one beside it", metavar="FILE"
    ),
    "leave_out": optional(
        str,
        "What to leave out of a product: pixels, as cloud,cirrus (`spectrolite info` lists the "
        "words), and the bands flagged,water-vapour; or none.",
        "clouds, defects, flagged and water-vapour bands",
        metavar="WORDS",
    ),
}
LABELS_READING = {
    "labels_key": optional(
        str, "Name of the array in the labels' file, or number of the band.", "the only map in it"
    ),
    "class_field": optional(
        str,
        "Column of --labels that holds the class (polygons, points, .csv).",
        "the only one that can",
    ),
    "layer": optional(str, "Layer of --labels, if it has several.", "the only one"),
    "classes": optional(
        Path,
        "CSV of id,name,colour: names and colours of the ids in --labels.",
        "those in the file",
        metavar="FILE",
    ),
    "ignore": optional(
        list[str],
        "Id or name of a class of --labels that means unlabelled, such as 255. Repeat the flag for "
        "several.",
        "none",
        metavar="CLASS",
    ),
    "background": optional(
        str,
        "0, or none if 0 is a class in --labels; ids are then those of the file plus 1.",
        "0, which is unlabelled",
        metavar="ID",
    ),
}

STACK_HELP = (
    "The files of the pattern --scene are the bands of one scene, in the order of their names."
)

SOURCE = {
    "data": optional(
        str, "Data set by name; `spectrolite data` lists the names.", "none: give files"
    ),
    "root": optional(Path, "Folder that already holds the files of --data.", "the download cache"),
    "mirror_url": optional(
        str, "Another address to download a scene of --data from.", "the publisher's", metavar="URL"
    ),
    "scene": optional(
        list[Path],
        "Satellite product, or scene file: ENVI, GeoTIFF, .npy, .mat, HDF5, NetCDF or Zarr. For "
        "several scenes repeat the flag, or quote a pattern: 'scenes/*.tif'.",
        "none: give --data",
    ),
    "labels": optional(
        list[Path],
        "Labels of --scene: .npy, .mat, a raster, polygons (.gpkg, .shp, ...) or .csv. For several "
        "scenes one file that covers all, or as many files in the same order.",
        "none: give --data",
    ),
    "stack": switch("--stack", STACK_HELP),
    **SCENE_READING,
    **LABELS_READING,
    "scale": switch("--scale", "Apply the scale factor stored in --scene."),
}
"""Where a scene and its labels come from."""

TRAINING_SOURCE = {
    **SOURCE,
    "leave_in_file": switch(
        "--leave-in-file",
        "Do not load --scene whole: read the windows that hold training pixels. For scenes larger "
        "than memory.",
    ),
    "images": optional(
        Path, "Images: a folder with one folder for each class, or an archive of it.", "none"
    ),
    "image_size": optional(
        int, "Side in pixels to which --images are resized.", "their own size, if all share one"
    ),
    "skip_damaged": switch(
        "--skip-damaged", "Leave out --images that cannot be read, and list them."
    ),
}
"""Where a scene and its labels, or images, come from."""

RELOCATED = {
    "scene": optional(
        list[Path],
        "The run's scene, if the file has moved. Repeat the flag for several scenes or tiles, in "
        "the run's order.",
        "where the run read it",
    ),
    "labels": optional(
        list[Path], "The run's labels, if the file has moved; likewise.", "where the run read them"
    ),
    "images": optional(Path, "The run's images, if they have moved.", "where the run read them"),
}
"""The data of a run whose files are elsewhere now."""

_GOES_WITH = {
    **dict.fromkeys(("root", "mirror_url"), "--data"),
    **dict.fromkeys(("image_size", "skip_damaged"), "--images"),
}  # every other flag goes with --scene


def flags_given(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that were given: not None, off or empty."""
    return {k: v for k, v in flags.items() if not (v is None or v is False or v in ("", []))}


def band_numbers(text: str) -> tuple[int | str, ...]:
    """`3,7-9,bad` as 3, 7, 8, 9 and the word."""
    bands: list[int | str] = []
    for part in filter(None, text.split(",")):
        if part in WORDS:
            bands.append(part)
            continue
        first, _, last = part.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise SettingsError(
                f"--drop-bands: wanted numbers and ranges as 3,7-9, or {', '.join(WORDS)}, "
                f"got {text!r}{did_you_mean(part, WORDS)}"
            )
        bands.extend(range(int(first), int(last or first) + 1))
    return tuple(bands)


def load_data(
    flags: Mapping[str, Any], *, takes_images: bool = False, needs_labels: bool = True
) -> tuple[Any, Any]:
    """Scene and labels, or images and test images, from the flags of `SOURCE` that are given.

    Without `needs_labels`, the labels of --scene are None if there is no --labels.
    """
    source = _source(flags, takes_images, needs_labels)
    if source == "--data":
        return _named_data(flags)
    if source == "--images":
        return _image_files(flags)
    return _scene_files(flags)


def _source(flags: Mapping[str, Any], takes_images: bool, needs_labels: bool) -> str:
    """The one flag that names the data; every other flag must go with it."""
    sources = [key for key in ("data", "scene", "images") if key in flags]
    lacking = "scene" in flags and "labels" not in flags and needs_labels
    if len(sources) != 1 or lacking or ("labels" in flags and "scene" not in flags):
        or_images = ", or --images DIR" if takes_images else ""
        raise SettingsError(f"give --data NAME, or --scene FILE and --labels FILE{or_images}")
    source = f"--{sources[0]}"
    for key in flags:
        owner = _GOES_WITH.get(key, "--scene")
        if key != sources[0] and owner != source:
            raise SettingsError(f"--{key.replace('_', '-')} goes with {owner}, not with {source}")
    return source


def _named_data(flags: Mapping[str, Any]) -> tuple[Any, Any]:
    from spectrolite.data.labels import Labels
    from spectrolite.datasets import catalog

    scene, labels = catalog.load(
        flags["data"],
        flags.get("root"),
        flags.get("mirror_url"),
        tell=lambda text: messages.print(plain(text), soft_wrap=True),
    )
    if isinstance(labels, Labels):
        labels = labels.on(scene)
        _print_notes(labels)
    return scene, labels


def _image_files(flags: Mapping[str, Any]) -> tuple[Any, Any]:
    from spectrolite.readers.images.folders import read_images

    sets = read_images(flags["images"], flags.get("image_size"), bool(flags.get("skip_damaged")))
    for images in filter(None, sets):
        for file in images.skipped:
            messages.print(f"left out: {plain(file)}", soft_wrap=True)
    return sets


def _scene_files(flags: Mapping[str, Any]) -> tuple[Any, Any]:
    from spectrolite.data.scene_sets import several
    from spectrolite.readers.scenes.patterns import files_named

    scenes: list[Any] = flags["scene"] if "stack" in flags else files_named(flags["scene"], "scene")
    labels = files_named(flags.get("labels", ()), "labels")
    if "mosaic" in flags:
        if len(labels) > 1:
            raise SettingsError(
                f"--labels: a mosaic wants one file of labels for all its tiles, got {len(labels)}"
            )
        scenes = [scenes]
    if len(labels) == 1:
        labels = labels * len(scenes)
    if labels and len(scenes) != len(labels):
        raise SettingsError(
            f"--labels: {len(scenes)} scenes want one file of labels that covers all, or as many "
            f"in the order of --scene, got {len(labels)}"
        )
    drop_bands = band_numbers(flags.get("drop_bands", ""))
    read = [_read_scene(one, drop_bands, flags) for one in scenes]
    for path, scene in zip(scenes, read, strict=True):
        for note in scene.notes:
            place = scene.name if "mosaic" in flags else path
            messages.print(plain(f"{place}: {note}"), soft_wrap=True)
    left_out = {scene.source.get("drop_bands", "") for scene in read}
    if len(left_out) > 1:  # bands without a value in some scenes: the network needs them in all
        every = band_numbers(",".join(filter(None, left_out)))
        read = [_read_scene(one, every, flags) for one in scenes]
        messages.print(
            f"left out of all scenes, since some lack them: bands {read[0].source['drop_bands']}, "
            "from 0",
            soft_wrap=True,
        )
    if not labels:
        if len(read) > 1:
            raise SettingsError("--split given: goes with one --scene")
        return read[0], None
    pairs = [(one, labels_on(one, file, flags)) for one, file in zip(read, labels, strict=True)]
    if len(pairs) == 1:
        return pairs[0]
    return several([scene for scene, _ in pairs], [labels for _, labels in pairs])


def _read_scene(path: Any, drop_bands: tuple[int | str, ...], flags: Mapping[str, Any]) -> Any:
    from spectrolite.products import scenes

    read = scenes.open_scene if "leave_in_file" in flags else scenes.read_scene
    return read(path, drop_bands=drop_bands, scale="scale" in flags, **scene_reading(flags))


def scene_reading(flags: Mapping[str, Any]) -> dict[str, Any]:
    """How a scene is read, from the flags of `SCENE_READING` without the bands to drop."""
    words = flags.get("leave_out")
    return {
        "key": flags.get("scene_key"),
        "axes": flags.get("axes"),
        "allow_outside": bool(flags.get("allow_outside")),
        "product": flags.get("product"),
        "mask": flags.get("mask"),
        "leave_out": None if words is None else tuple(filter(None, words.split(","))),
        "mosaic": bool(flags.get("mosaic")),
    }


def labels_on(scene: Any, labels: Path, flags: Mapping[str, Any]) -> Any:
    """Labels from a file on the scene's grid; the notes of reading them are printed."""
    from spectrolite import readers

    read = readers.read_labels(
        labels,
        flags.get("labels_key"),
        scene=scene,
        layer=flags.get("layer"),
        class_field=flags.get("class_field"),
        allow_outside="allow_outside" in flags,
        ignore=flags.get("ignore", ()),
        background=flags.get("background", 0),
        classes=flags.get("classes"),
    )
    _print_notes(read)
    return read


def _print_notes(labels: Any) -> None:
    for note in labels.notes:
        messages.print(f"{plain(labels.name)}: {plain(note)}", soft_wrap=True)


def relocated_data(
    run: Path, scene: Any, labels: Any, images: Any, *, check: bool = True
) -> tuple[Any, Any]:
    """The data of a run from the flags of `RELOCATED`, read as the run read them.

    (None, None) without such a flag: the verb then reads the run's own files.
    """
    from spectrolite.runs.run_folder import ImageRun, any_run

    scene, labels = scene or None, labels or None
    if scene is None and labels is None and images is None:
        return None, None
    opened = any_run(run)
    on_images = isinstance(opened, ImageRun)
    if images is not None and (scene is not None or labels is not None or not on_images):
        raise SettingsError("--images: goes with runs on images, without --scene and --labels")
    if images is None and (scene is None or labels is None or on_images):
        raise SettingsError("give both --scene and --labels, or neither")
    places: tuple[Any, ...] = (scene, labels) if images is None else (images,)
    data: tuple[Any, Any]
    data = opened.data(*places) if check else opened.unchecked_data(*places)
    return data
