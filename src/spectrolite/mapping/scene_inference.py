"""Classify a scene of any size with a trained model, window by window.

A scene is read in strips: neighbouring windows of one row of windows, with their surroundings, as
many as fit in a fixed amount of memory. A thread reads and reduces the next strip while the network
computes this one. Strips and windows depend on sizes alone, so a window has the same bits whichever
others were computed before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.bundles.exported_model import Exported
from spectrolite.bundles.graphs import kept_bands
from spectrolite.bundles.loading import AnyModel, scene_model
from spectrolite.bundles.scene_bundle import Bundle, Config
from spectrolite.data.scene import AnyScene, SceneFile, Window, windows
from spectrolite.data.wavelengths import at_wavelengths, check_wavelengths
from spectrolite.errors import SceneError, SettingsError
from spectrolite.machine import kept_memory, pick_device
from spectrolite.mapping.geotiff import Layers
from spectrolite.mapping.map_file import NODATA
from spectrolite.mapping.scene_map import SceneMap
from spectrolite.samples.padded_window import padded_window
from spectrolite.samples.reference_spectra import Reference
from spectrolite.samples.scene_batches import orient

WINDOW = 192  # side in pixels; HybridSN needs about 400 MiB for one window
STRIP_MIB = 32  # raw values of one strip; a larger window is a strip of its own

REFLECTANCE = 5.0  # above any mean reflectance, below that of numbers stored as integers

Numbered = tuple[int, Window]


def classify_scene(
    model: AnyModel | Exported,
    scene: AnyScene,
    window: int = WINDOW,
    device: str = "auto",
    on_window: Callable[[int, int], None] = lambda _done, _all: None,
    flips: bool = False,
    match_wavelengths: bool = False,
    probabilities: bool = False,
) -> SceneMap:
    """Classify every pixel of a scene; see `classify`."""
    if window < 1:
        raise SettingsError(f"window: wanted a side of 1 pixel or more, got {window}")
    bundle = scene_model(model)
    config = scene_config(bundle)
    scene = matching_scene(bundle, scene, match_wavelengths)
    rows, cols, _ = scene.shape
    classes = np.empty((rows, cols), class_type(config))
    confidence = np.empty((rows, cols), np.float32)
    shares = np.empty((rows, cols, len(config.class_ids)), np.float32) if probabilities else None
    count = len(windows_of(scene, window))
    done = 0

    def keep(_number: int, one: Window, layers: Layers) -> None:
        nonlocal done
        done += 1
        classes[one.slices], confidence[one.slices] = layers["class"], layers["confidence"]
        if shares is not None:
            shares[one.slices] = layers["probabilities"]
        on_window(done, count)

    bands = ("probabilities",) if probabilities else ()
    classify_windows(bundle, scene, range(count), keep, window, device, flips, bands)
    return SceneMap(
        classes,
        confidence,
        config.class_names,
        config.class_colours,
        scene.crs,
        scene.transform,
        shares,
        config.class_ids,
    )


def class_type(config: Config) -> np.dtype[np.unsignedinteger]:
    """The smallest type that holds the model's class ids: uint8 or uint16."""
    return np.dtype(np.min_scalar_type(max(config.class_ids)))


def layer_types(
    config: Config, bands: Collection[str], reject: float | None = None
) -> dict[str, np.dtype[Any]]:
    """The layers that are staged, each with the type of a pixel, by name.

    Args:
        config: of the model.
        bands: the layers beside the classes.
        reject: if given, the confidence is among them: it decides when the files are written.
    """
    types: dict[str, np.dtype[Any]] = {"class": class_type(config)}
    for name in (*bands, *(["confidence"] if reject is not None else [])):
        shape = (len(config.class_ids),) if name == "probabilities" else ()
        types[name] = np.dtype((np.float32, shape))
    return types


def scene_config(model: Bundle | Exported) -> Config:
    """The config of a scene model."""
    return cast(Config, model.config.scene if isinstance(model, Exported) else model.config)


def matching_scene(model: Bundle | Exported, scene: AnyScene, match_wavelengths: bool) -> AnyScene:
    """The scene with the bands and wavelengths that the model takes.

    Raises:
        SceneError: another number of bands, or other wavelengths.
        SettingsError: wavelengths to match, with an exported model that drops bands itself.
    """
    if isinstance(model, Exported):
        wanted: tuple[int, ...] = model.bands
        if scene.shape[2] == max(wanted) > min(wanted):  # it drops bands itself
            if match_wavelengths:
                raise SettingsError(
                    "--match-wavelengths: drop the model's bands first, with --drop-bands"
                )
            kept = kept_bands(scene.shape[2], model.config.dropped_bands)
            kept_nm = scene.wavelengths_nm and tuple(scene.wavelengths_nm[b] for b in kept)
            check_wavelengths(scene.name, kept_nm, scene_config(model).wavelengths_nm)
            return scene
    else:
        wanted = (len(model.bands.mean),)
    check_units(model, scene)
    scene = at_wavelengths(scene, scene_config(model).wavelengths_nm, match_wavelengths)
    if scene.shape[2] not in wanted:
        either = " or ".join(map(str, sorted(set(wanted))))
        raise SceneError(f"the model takes {either} bands, the scene has {scene.shape[2]}")
    return scene


def check_units(model: Bundle | Exported, scene: AnyScene) -> None:
    """Refuse a product, which is read as reflectance, for a model of stored numbers.

    Models of versions that knew no products were trained on the numbers of their files.

    Raises:
        SettingsError: it is one.
    """
    product = scene.source.get("product", "none")
    if product == "none" or scene_config(model).scaled:
        return
    mean = None if isinstance(model, Exported) else float(np.median(np.abs(model.bands.mean)))
    if mean is None or mean > REFLECTANCE:
        raise SettingsError(
            f"--product: the model was trained on stored numbers, and {scene.name} is read as "
            "reflectance; read it as it is stored, with --product none, or train again"
        )


def windows_of(scene: AnyScene, window: int) -> list[Window]:
    """The windows of a scene, row by row; a window's number is its place in the list."""
    rows, cols, _ = scene.shape
    return list(windows(rows, cols, window))


def strips(scene: AnyScene, window: int, halo: int) -> list[list[Numbered]]:
    """Windows with their numbers, grouped into strips that are read together."""
    dtype = scene.dtype if isinstance(scene, SceneFile) else scene.cube.dtype
    a_pixel = scene.shape[2] * dtype.itemsize
    grouped: list[list[Numbered]] = []
    for number, tile in enumerate(windows_of(scene, window)):
        if grouped:
            first = grouped[-1][0][1]
            height = first.row_stop - first.row_start + 2 * halo
            width = tile.col_stop - first.col_start + 2 * halo
            fits = height * width * a_pixel <= STRIP_MIB << 20
            if fits and first.row_start == tile.row_start:
                grouped[-1].append((number, tile))
                continue
        grouped.append([(number, tile)])
    return grouped


def classify_windows(
    bundle: Bundle | Exported,
    scene: AnyScene,
    wanted: Collection[int],
    keep: Callable[[int, Window, Layers], None],
    window: int = WINDOW,
    device: str = "auto",
    flips: bool = False,
    bands: Collection[str] = (),
) -> None:
    """Compute some windows of a scene, in the order of their numbers.

    Args:
        bundle: the trained model.
        scene: the scene.
        wanted: numbers of the windows, as `windows_of` counts them.
        keep: called with number, window and layers of each window: `class` ids, `confidence`, and
            those of `bands`, `(rows, cols)` each, or with a third axis of all classes; for pixels
            without a spectrum they have their `NODATA`, or 0.
        window: as in `classify`.
        device: as in `classify`.
        flips: as in `classify`.
        bands: further layers to compute, of `EXTRA_BANDS`.

    Raises:
        SettingsError: `similarity`, with a model that has no training spectra to compare with.
    """
    reference = reference_of(bundle) if "similarity" in bands else None
    config = scene_config(bundle)
    net: Callable[[Tensor], Tensor]
    if isinstance(bundle, Exported):
        target, net = torch.device("cpu"), bundle.logits
    else:
        target = pick_device(device)
        net = bundle.dense.to(target)
    ids = np.asarray(config.class_ids, class_type(config))
    halo = config.patch // 2
    tiles = windows_of(scene, window)
    # all windows are computed at the size of the largest, which is one pixel more than the
    # smallest: the dense form may transform its weights anew for each size
    side = max(t.shape[0] for t in tiles), max(t.shape[1] for t in tiles)
    todo = [s for s in strips(scene, window, halo) if any(number in wanted for number, _ in s)]
    with kept_memory(), ThreadPoolExecutor(1) as reader:
        ahead = [reader.submit(_reduced, bundle, scene, s, side) for s in todo[:1]]
        for n, strip in enumerate(todo):
            reduced, valid = ahead.pop().result()
            ahead = [reader.submit(_reduced, bundle, scene, s, side) for s in todo[n + 1 : n + 2]]
            left = strip[0][1].col_start
            for number, tile in strip:
                if number not in wanted:
                    continue
                cols = slice(tile.col_start - left, tile.col_stop - left)
                around = reduced[:, cols.start : cols.start + side[1] + 2 * halo]
                inputs = torch.from_numpy(np.ascontiguousarray(around.transpose(2, 0, 1)))
                scores = _scores(net, inputs.to(target), flips, bands, config.temperature)
                layers = {
                    name: layer[: tile.shape[0], : tile.shape[1]].cpu().numpy()
                    for name, layer in scores.items()
                }
                layers["class"] = ids[layers["class"]]
                if reference is not None:
                    own = inputs[:, halo:, halo:][:, : tile.shape[0], : tile.shape[1]]
                    spectra = own.permute(1, 2, 0).reshape(-1, len(own))
                    layers["similarity"] = reference.similarity(spectra).view(tile.shape).numpy()
                for name, layer in layers.items():
                    layer[~valid[:, cols]] = NODATA.get(name, 0)
                keep(number, tile, layers)


def reference_of(model: Bundle | Exported) -> Reference:
    """The training spectra that a model can compare a scene with.

    Raises:
        SettingsError: it has none.
    """
    if isinstance(model, Exported):
        raise SettingsError(
            "--bands: similarity: an exported model has no training spectra; map with the run or "
            "the bundle that it was exported from"
        )
    if model.reference is None:
        raise SettingsError(
            "--bands: similarity: the model was trained by a version that stored no training "
            "spectra to compare with; train again"
        )
    return model.reference


@torch.inference_mode()
def _scores(
    net: Callable[[Tensor], Tensor],
    inputs: Tensor,
    flips: bool,
    bands: Collection[str],
    temperature: float | None,
) -> dict[str, Tensor]:
    """Index of the most likely class, its softmax, and the entropy: each `(rows, cols)`.

    The probabilities of all classes are `(rows, cols, classes)`. `inputs` are
    `(components, rows + 2 * halo, cols + 2 * halo)`.
    """

    def shares(image: Tensor) -> Tensor:
        """`(classes, rows, cols)`."""
        logits = net(image[None])[0]
        return (logits if temperature is None else logits / temperature).softmax(0)

    softmax = shares(inputs)
    for k in range(1, 8) if flips else ():
        softmax += _orient_back(shares(orient(inputs, k)), k)
    if flips:
        softmax /= 8
    best, index = softmax.max(0)
    scores = {"class": index, "confidence": best}
    if "probabilities" in bands:
        scores["probabilities"] = softmax.permute(1, 2, 0)
    if "entropy" in bands:  # rounding may give an even softmax slightly more than 1
        spread = torch.special.entr(softmax).sum(0) / np.log(len(softmax))
        scores["entropy"] = spread.clamp(0, 1)
    return scores


def _orient_back(image: Tensor, orientation: int) -> Tensor:
    """Undo `orient`: the same flips and transpose in reverse order."""
    if orientation & 4:
        image = image.transpose(-2, -1)
    return orient(image, orientation & 3)


def _reduced(
    bundle: Bundle | Exported, scene: AnyScene, strip: list[Numbered], side: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A strip as the network wants it, and where it has a spectrum.

    `(rows + 2 * halo, cols + 2 * halo, channels)`, components or, of an exported model, spectra;
    the mean spectrum outside the scene and where there is none, with room for a last window of the
    rows and columns of `side`; and `(rows, cols)`.
    """
    first, last = strip[0][1], strip[-1][1]
    window = Window(first.row_start, first.row_stop, first.col_start, last.col_stop)
    size = side[0], last.col_start + side[1] - first.col_start
    halo = scene_config(bundle).patch // 2
    if isinstance(bundle, Exported):
        padding = np.asarray(bundle.config.padding, np.float32)
        return padded_window(scene, window, halo, padding, bundle.spectra, size)
    zeros = np.zeros(len(bundle.bands.matrix), np.float32)
    return padded_window(scene, window, halo, zeros, bundle.bands.reduce, size)
