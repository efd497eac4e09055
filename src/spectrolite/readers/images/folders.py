"""One folder per class, or an archive of such folders, as images of one size.

    flowers/daisy/1.jpg                  one set; a split divides it later
    flowers/train/daisy/1.jpg            two sets, if `train` and `test` are both there, with the
    flowers/test/daisy/7.jpg             same classes

Outer folders that hold only one folder are skipped. Classes are sorted by folder name, images by
file name, both by character code. Files beside the class folders are ignored unless they look like
images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spectrolite.data.images import ImageSet, check_class_names
from spectrolite.errors import ReadError, SettingsError
from spectrolite.errors import listed as listed_names
from spectrolite.files import naming
from spectrolite.readers.archives import Listing, contents, listing
from spectrolite.readers.images.decoding import ENDINGS, MAX_BYTES, grey, read_picture
from spectrolite.readers.scenes.arrays import ArrayShape, check_fits_memory

VALIDATION = ("val", "valid", "validation")
MAX_SIZE = 4096  # pixels, largest side to resize to

Classes = dict[str, list[str]]  # class name to the paths of its images


def read_images(
    path: str | Path, image_size: int | None = None, skip_damaged: bool = False
) -> tuple[ImageSet, ImageSet | None]:
    """Read images from one folder per class, or from a `.tar`, `.tar.gz` or `.zip` of them.

    Args:
        path: the folder or the archive.
        image_size: side in pixels; every image is resized (shorter side, bicubic with
            antialiasing) and its centre cropped. Default: no resizing, all must have one size.
        skip_damaged: skip damaged files and list them in `skipped`. Damage of the archive itself is
            never skipped.

    Returns:
        Training and test images; or all images and None, if they are not divided.

    Raises:
        ReadError: no such folder, another layout, an empty class folder, a damaged or dangerous
            file, images of several sizes, or more than half of the memory.
        ImagesError: class names that differ only in case.
        SettingsError: a size out of range.
    """
    path = Path(path)
    if image_size is not None and image_size not in range(1, MAX_SIZE + 1):
        raise SettingsError(f"--image-size: wanted 1 to {MAX_SIZE} pixels, got {image_size!r}")
    listed = listing(path)
    parts = _parts(path, listed)
    wanted = [name for part in parts.values() for files in part.values() for name in files]
    pixels, damaged = _read(path, listed, wanted, image_size, skip_damaged)
    title, sets, start = path.resolve().name, [], 0
    for part, classes in parts.items():
        kept = [[n for n in names if n not in damaged] for names in classes.values()]
        for name, files in zip(classes, kept, strict=True):
            if not files:
                raise ReadError(
                    f"{path}: every image of class {name} is damaged; the first of "
                    f"{len(classes[name])}: {damaged[classes[name][0]]}"
                )
        counts = [len(files) for files in kept]
        source = {"images": str(path.resolve()), "part": part}
        if image_size is not None:
            source["image_size"] = str(image_size)
        if skip_damaged:
            source["skip_damaged"] = "true"
        sets.append(
            ImageSet(
                pixels[start : start + sum(counts)],
                np.repeat(np.arange(len(counts)), counts),
                tuple(classes),
                name=title if part == "all" else f"{title}/{part}",
                source=source,
                skipped=tuple(damaged[n] for f in classes.values() for n in f if n in damaged),
            )
        )
        start += sum(counts)
    return sets[0], sets[1] if len(sets) > 1 else None


def _read(
    path: Path, listed: Listing, wanted: list[str], size: int | None, skip_damaged: bool
) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """Pixels of the wanted files in their order, and the faults of the skipped ones."""
    damaged: dict[str, str] = {}

    def refuse(name: str, error: ReadError) -> None:
        if not skip_damaged:
            raise error
        damaged[name] = str(error)

    for name in wanted:
        if listed.files[name] > MAX_BYTES:
            refuse(
                name,
                ReadError(
                    f"{path}/{name}: {listed.files[name]:,} bytes, more than {MAX_BYTES:,}; "
                    "make it smaller"
                ),
            )
    place = {name: i for i, name in enumerate(wanted)}
    pixels, first = np.empty((0, 3, 0, 0), np.uint8), ""
    readable = {n: listed.files[n] for n in wanted if n not in damaged}
    for name, content in contents(path, readable):
        try:
            picture = read_picture(content, f"{path}/{name}", size)
        except ReadError as error:
            refuse(name, error)
            continue
        if not first:
            shape = (len(wanted), *picture.shape)
            images = ArrayShape("images", shape, "uint8", 1, True)
            check_fits_memory(path, images, remedy="use fewer, or a smaller --image-size")
            pixels, first = np.empty(shape, np.uint8), name
        if picture.shape != pixels.shape[1:]:
            (_, h, w), (height, width) = picture.shape, pixels.shape[2:]
            raise ReadError(
                f"{path}: images of several sizes: {first} has {width} x {height} pixels, {name} "
                f"{w} x {h}; resize them with --image-size"
            )
        pixels[place[name]] = picture
    if damaged:
        pixels = pixels[[n not in damaged for n in wanted]] if first else pixels
    return pixels, damaged


def _parts(path: Path, listed: Listing) -> dict[str, Classes]:
    """`train` and `test`, or `all`: each class with the paths of its images, both sorted."""
    files = sorted(listed.files)
    folders = set(listed.folders)
    for name in files:
        parents = name.split("/")[:-1]
        folders |= {"/".join(parents[: n + 1]) for n in range(len(parents))}
    top = ""
    while len(inner := _below(folders, top)) == 1 and _below(folders, f"{top}{inner[0]}/"):
        top += f"{inner[0]}/"
    held_back = sorted(set(inner) & set(VALIDATION))
    if "train" in inner and "test" not in inner and held_back:
        raise ReadError(
            f"{path}: holds train and {held_back[0]}, but no test: rename {held_back[0]} to test "
            "to score on its images, or move them into train, from which validation and test parts "
            "are taken"
        )
    if not {"train", "test"} <= set(inner):
        return {"all": _classes(path, files, folders, top)}
    if len(inner) > 2:
        others = listed_names(sorted(set(inner) - {"train", "test"}))
        raise ReadError(
            f"{path}: wanted only the folders train and test, got also {others}; move its images "
            "into train, from which a validation part is taken, or move the folder elsewhere"
        )
    parts = {p: _classes(path, files, folders, f"{top}{p}/") for p in ("train", "test")}
    for one, other in (("train", "test"), ("test", "train")):
        alone = sorted(set(parts[one]) - set(parts[other]))
        if alone:
            raise ReadError(
                f"{path}: {other} lacks a class of {one}: {listed_names(alone)}; both need the "
                "same class folders"
            )
    return parts


def _classes(path: Path, files: list[str], folders: set[str], top: str) -> Classes:
    where = f"{path}/{top}".rstrip("/")
    names = _below(folders, top)
    if not names:
        raise ReadError(
            f"{where}: no class folder in it; wanted one folder per class with its images, such as "
            "daisy/1.jpg"
        )
    check_class_names(names, where)
    classes: Classes = {name: [] for name in names}
    for file in (f for f in files if f.startswith(top)):
        name, *rest = file.removeprefix(top).split("/")
        if not rest and file.lower().endswith(ENDINGS):
            raise ReadError(
                f"{path}/{file}: an image beside the class folders; move it into one of them"
            )
        if rest:
            classes[name].append(file)
    for name, images in classes.items():
        if inner := _below(folders, f"{top}{name}/"):
            raise ReadError(
                f"{path}/{top}{name}/{inner[0]}: a folder inside a class folder; wanted one "
                "folder per class with its images, such as daisy/1.jpg"
            )
        if not images:
            raise ReadError(f"{path}/{top}{name}: a class folder without an image; remove it")
    return classes


def _below(folders: set[str], top: str) -> list[str]:
    """Names of the folders directly below `top`, sorted."""
    below = (f.removeprefix(top) for f in folders if f.startswith(top))
    return sorted(name for name in below if name and "/" not in name)


def read_image_files(
    paths: Sequence[str | Path], shape: tuple[int, int, int]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Read single image files for a model of input `shape`.

    Args:
        paths: the files.
        shape: channels, height and width.

    Returns:
        Pixels `(N, C, H, W)`, and notes on what was changed.

    Raises:
        ReadError: no such file, a damaged file, or a model that takes neither grey nor colour
            images, or images that are not square.
    """
    channels, height, width = shape
    pixels = np.empty((len(paths), *shape), np.uint8)
    resized = 0
    for n, name in enumerate(paths):
        path = Path(name)
        if not path.is_file():
            raise ReadError(f"{path}: no such file")
        if (size := path.stat().st_size) > MAX_BYTES:
            raise ReadError(f"{path}: {size:,} bytes, more than {MAX_BYTES:,}; make it smaller")
        with naming(path):
            content = path.read_bytes()
        picture = read_picture(content, str(path))
        if picture.shape[1:] != (height, width):
            if height != width:
                raise ReadError(
                    f"{path}: {picture.shape[2]} x {picture.shape[1]} pixels, but the model takes "
                    f"{width} x {height}; resize it"
                )
            picture = read_picture(content, str(path), height)
            resized += 1
        if channels == 1:
            picture = grey(picture)
        elif channels != 3:
            raise ReadError(
                f"{path}: 3 channels, but the model was trained on {channels}; pass the pixels as "
                "an ImageSet"
            )
        pixels[n] = picture
    notes = []
    if resized:
        notes.append(
            f"{resized} of {len(paths)} images were resized to {width} x {height}: the shorter "
            "side was resized, then the centre cropped"
        )
    if channels == 1:
        notes.append("colours were converted to grey, because the model was trained on grey images")
    return pixels, tuple(notes)
