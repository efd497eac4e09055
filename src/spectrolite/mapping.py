"""From a trained model and a scene to a map, window by window."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, overload
from xml.sax.saxutils import escape

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.bundles import AnyModel, Bundle, Config
from spectrolite.deploy.runtime import Exported, scene_model
from spectrolite.errors import ReadError, SettingsError
from spectrolite.files import whole_file
from spectrolite.memory import kept_memory
from spectrolite.predictions import Images, Predictions, classify_images
from spectrolite.scene import Colour, Scene, Window, array_sha256, windows
from spectrolite.tiles import orient
from spectrolite.training import pick_device

WINDOW = 192  # side in pixels; HybridSN holds about 400 MiB for one

NOT_XML = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


@dataclass(frozen=True, eq=False)
class SceneMap:
    """A class for every pixel of a scene.

    Attributes:
        classes: `(rows, cols)` class ids as the labels had them; uint8 where they fit, else uint16.
        confidence: `(rows, cols)` float32, the softmax of the class that was chosen, 0 to 1.
        class_names: id to name.
        class_colours: id to red, green, blue.
        crs: coordinate reference system as WKT, or nothing.
        transform: affine transform, six numbers, or nothing.
    """

    classes: NDArray[np.unsignedinteger]
    confidence: NDArray[np.float32]
    class_names: Mapping[int, str]
    class_colours: Mapping[int, Colour]
    crs: str | None = None
    transform: tuple[float, ...] | None = None

    @property
    def sha256(self) -> str:
        """Hash of classes and confidence."""
        return array_sha256(self.classes, self.confidence)

    def write_geotiff(self, path: str | Path) -> None:
        """Write the classes as a GeoTIFF with colour table and class names, 0 meaning none.

        Beside it stand `NAME.tif.aux.xml`, where GDAL and QGIS look for class names, and
        `NAME_confidence.tif`. Each appears under its name only when complete.
        """
        path, aux, confidence, _ = files_of_map(Path(path))
        colours = {0: (0, 0, 0, 0), **{i: (*c, 255) for i, c in self.class_colours.items()}}
        tags = {f"CLASS_{i}": name for i, name in self.class_names.items()}
        names = (
            NOT_XML.sub(" ", self.class_names.get(i, "")) for i in range(max(self.class_names) + 1)
        )
        categories = "".join(
            f"<Category>{escape(NOT_XML.sub(' ', name))}</Category>" for name in names
        )
        with whole_file(confidence) as part:
            _write_band(self, part, self.confidence, None, {})
        with whole_file(aux) as part:
            part.write_text(
                '<PAMDataset><PAMRasterBand band="1"><CategoryNames>'
                f"{categories}</CategoryNames></PAMRasterBand></PAMDataset>\n",
                encoding="utf-8",
            )
        with whole_file(path) as part:
            _write_band(self, part, self.classes, colours, tags)

    def write_png(self, path: str | Path) -> None:
        """Write the map as a picture with a legend of the classes."""
        from matplotlib.figure import Figure  # here: it takes half a second to import
        from matplotlib.patches import Patch

        path = Path(path)
        rows, cols = self.classes.shape
        height = 6.0
        figure = Figure(figsize=(height * min(max(cols / rows, 0.3), 3) + 3.2, height))
        axes = figure.add_subplot()
        axes.imshow(paint(self.classes, self.class_colours), interpolation="nearest")
        axes.set_axis_off()
        counts = np.bincount(self.classes.ravel(), minlength=max(self.class_names) + 1)
        handles = [
            Patch(
                facecolor="#{:02x}{:02x}{:02x}".format(*self.class_colours[i]),
                edgecolor="#888888",
                label=f"{i}  {name}  ({counts[i]:,})",
            )
            for i, name in self.class_names.items()
        ]
        legend = axes.legend(
            handles=handles, title="class (pixels)", loc="center left", bbox_to_anchor=(1.01, 0.5),
            fontsize=8, frameon=False,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)  # a name may hold dollar signs
        with whole_file(path) as part:
            figure.savefig(part, format="png", dpi=120, bbox_inches="tight")


def files_of_map(path: Path) -> tuple[Path, Path, Path, Path]:
    """The GeoTIFF of that name, and its class names, confidence and picture beside it."""
    return (
        path,
        path.with_name(f"{path.name}.aux.xml"),
        path.with_name(f"{path.stem}_confidence.tif"),
        path.with_suffix(".png"),
    )


def paint(classes: NDArray[np.integer], colours: Mapping[int, Colour]) -> NDArray[np.uint8]:
    """`(rows, cols)` class ids to `(rows, cols, 3)` colours; 0 becomes black."""
    table = np.zeros((max(int(classes.max()), *colours) + 1, 3), np.uint8)
    for i, colour in colours.items():
        table[i] = colour
    painted: NDArray[np.uint8] = table[classes]
    return painted


@overload
def classify(
    model: AnyModel | Exported,
    scene: Scene,
    window: int = WINDOW,
    device: str = "auto",
    on_window: Callable[[int, int], None] = lambda _done, _all: None,
    flips: bool = False,
) -> SceneMap: ...
@overload
def classify(model: AnyModel | Exported, scene: Images, *, device: str = "auto") -> Predictions: ...
def classify(
    model: AnyModel | Exported,
    scene: Scene | Images,
    window: int = WINDOW,
    device: str = "auto",
    on_window: Callable[[int, int], None] = lambda _done, _all: None,
    flips: bool = False,
) -> SceneMap | Predictions:
    """Label every pixel of a scene, or say what images show.

    Pixels outside a scene count as the mean spectrum. Of images, the rest is that of
    `classify_images`, which the verb `classify` calls.

    Args:
        model: a run, a bundle, an exported model, or the folder of any.
        scene: the scene, with the bands that the model was trained on; or images: an ImageSet, or
            image files.
        window: side in pixels of what is computed at a time.
        device: `auto`, `cpu`, `cuda`; an exported model computes on the CPU.
        on_window: called after each window with how many are done, and how many there are.
        flips: look at each window in its eight orientations and average the softmax, which takes
            eight times as long.

    Raises:
        RunError: the folder is no model.
        SceneError: another number of bands.
        SettingsError: no such device, or a window without pixels.
    """
    if window < 1:
        raise SettingsError(f"window: wanted a side of 1 pixel or more, got {window}")
    if not isinstance(scene, Scene):
        return classify_images(model, scene, device)
    bundle = scene_model(model)
    rows, cols, _ = scene.shape
    net: Callable[[Tensor], Tensor]
    if isinstance(bundle, Exported):
        config, target, net = cast(Config, bundle.config.scene), torch.device("cpu"), bundle.logits
    else:
        config, target = bundle.config, pick_device(device)
        net = bundle.dense.to(target)
    ids = np.asarray(config.class_ids)
    classes = np.empty((rows, cols), np.min_scalar_type(int(ids.max())))
    confidence = np.empty((rows, cols), np.float32)
    tiles = list(windows(rows, cols, window))
    with kept_memory(), torch.inference_mode():
        for done, tile in enumerate(tiles, start=1):
            inputs = torch.from_numpy(_with_halo(bundle, scene.cube, tile)).to(target)
            softmax = net(inputs[None])[0].softmax(0)  # (classes, rows, cols)
            for k in range(1, 8) if flips else ():
                softmax += _orient_back(net(orient(inputs, k)[None])[0].softmax(0), k)
            best, index = (softmax / (8 if flips else 1)).max(0)
            confidence[tile.slices] = best.cpu().numpy()
            classes[tile.slices] = ids[index.cpu().numpy()]
            on_window(done, len(tiles))
    return SceneMap(
        classes, confidence, config.class_names, config.class_colours, scene.crs, scene.transform
    )


def _orient_back(image: Tensor, orientation: int) -> Tensor:
    """What `orient` had turned, as it was: the same turns in the other order."""
    if orientation & 4:
        image = image.transpose(-2, -1)
    return orient(image, orientation & 3)


def _with_halo(
    bundle: Bundle | Exported, cube: NDArray[np.generic], tile: Window
) -> NDArray[np.float32]:
    """Input of a window, `(channels, rows + 2 * halo, cols + 2 * halo)`: components, or spectra."""
    if isinstance(bundle, Exported):
        return bundle.window(cube, tile)
    halo = bundle.config.patch // 2
    rows, cols, _ = cube.shape
    top, left = tile.row_start - halo, tile.col_start - halo
    bottom, right = tile.row_stop + halo, tile.col_stop + halo
    inside = cube[max(top, 0) : min(bottom, rows), max(left, 0) : min(right, cols)]
    around = (
        (max(-top, 0), max(bottom - rows, 0)),
        (max(-left, 0), max(right - cols, 0)),
        (0, 0),
    )
    reduced = np.pad(bundle.bands.reduce(inside), around)
    return np.ascontiguousarray(reduced.transpose(2, 0, 1))


def read_map(path: Path, bundle: Bundle) -> SceneMap:
    """Read back a map that `write_geotiff` wrote, with the classes of the model that made it.

    Raises:
        ReadError: one of the two files is missing or damaged.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    bands = []
    for file in (path, files_of_map(path)[2]):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                with rasterio.open(file) as source:
                    bands.append(source.read(1))
                    crs = source.crs.to_wkt() if source.crs else None
                    transform = (
                        None if source.transform.is_identity else tuple(source.transform)[:6]
                    )
        except rasterio.RasterioIOError as error:
            raise ReadError(f"{file}: cannot be read ({error}); run evaluate") from error
    config = bundle.config
    return SceneMap(bands[0], bands[1], config.class_names, config.class_colours, crs, transform)


def _write_band(
    made: SceneMap,
    path: Path,
    band: NDArray[np.generic],
    colours: Mapping[int, tuple[int, ...]] | None,
    tags: Mapping[str, str],
) -> None:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    profile = {
        "driver": "GTiff", "height": band.shape[0], "width": band.shape[1], "count": 1,
        "dtype": band.dtype.name, "compress": "deflate", "crs": made.crs,
    }  # fmt: skip
    if made.transform is not None:
        profile["transform"] = rasterio.Affine(*made.transform)
    if colours is not None:
        profile["nodata"] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a scene need not lie on Earth
        with MemoryFile() as memory:  # GDAL closes a file on a full disk without an error
            with memory.open(**profile) as file:
                file.write(band, 1)
                if colours is not None:
                    file.write_colormap(1, colours)
                    file.update_tags(1, **tags)
                    file.set_band_description(1, "class")
            path.write_bytes(memory.read())
