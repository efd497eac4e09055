"""EnMAP L2A: 224 bands from 418 to 2445 nm at 30 m, orthorectified surface reflectance.

Read about in versions 01.01 to 01.05 of the processor (`V010110` to `V010505` in the names):
`bandCharacterisation/bandID` with `wavelengthCenterOfBand`, `FWHMOfBand`, `GainOfBand` and
`OffsetOfBand`; `bandStatistics`, in which bands without data have the mean -1,000,000 and no
deviation; the quality layers below, 0 where clear; background is -32768 in the image.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spectrolite.products import granule_cubes, granules
from spectrolite.products.granules import Granule, Mission
from spectrolite.readers.scenes.cube import Cube, QualityLayer

NAME = "enmap"
TITLE = "EnMAP L2A"

MISSION = Mission("EnMAP", "enmap", "bandID", "FWHMOfBand", "GainOfBand", "OffsetOfBand")
LAYERS = (
    ("cloud", "QL_QUALITY_CLOUD", True, ""),
    ("cloud-shadow", "QL_QUALITY_CLOUDSHADOW", True, ""),
    ("cirrus", "QL_QUALITY_CIRRUS", True, ": thin, medium or thick"),
    ("haze", "QL_QUALITY_HAZE", False, ""),
    ("snow", "QL_QUALITY_SNOW", False, ""),
)
CLASSES, WATER = "QL_QUALITY_CLASSES", 2  # 1 is land, 3 is background
DEFECTS = "QL_PIXELMASK"
NO_DATA_MEAN = -1_000_000.0


def found(path: Path) -> bool:
    """Whether a path is, or holds, an EnMAP product of any level."""
    return granules.found(path, MISSION)


def cube(path: Path) -> Cube:
    """The product's reflectance.

    Args:
        path: its folder, its archive, its METADATA.XML, or its SPECTRAL_IMAGE beside that.

    Raises:
        ReadError: a product of another level, without a part, damaged, or one of several.
    """
    one = granules.granule(path, MISSION)
    spectral = granule_cubes.spectral_cube(one, MISSION, NAME)
    layers = []
    for word, file, left_out, more in LAYERS:
        layer = granule_cubes.quality_layer(one, spectral, file)
        if layer is not None:
            marked = granule_cubes.marks(layer, (0,))
            layers.append(QualityLayer(word, marked, left_out, file + more))
    classes = granule_cubes.quality_layer(one, spectral, CLASSES)
    if classes is not None:
        marked = granule_cubes.equals(classes, WATER)
        layers.append(QualityLayer("water", marked, False, f"{CLASSES}: water"))
    defects = granule_cubes.band_layer(one, spectral, DEFECTS)
    if defects is not None:
        layers.append(QualityLayer("defects", granule_cubes.marks(defects), True, DEFECTS))
    spectral = replace(spectral, bad_bands=_without_data(one, spectral.shape[2]))
    names = [*(file for _, file, _, _ in LAYERS), CLASSES, DEFECTS]
    return granule_cubes.with_quality(one, spectral, layers, names)


def _without_data(one: Granule, bands: int) -> tuple[int, ...]:
    """Bands that the statistics in the metadata say to be empty, from 0."""
    empty = []
    for element in one.root.findall(".//bandStatistics/bandID"):
        texts = [element.findtext(tag) or "" for tag in ("mean", "stdDeviation")]
        try:
            mean, deviation = (float(text) for text in texts)
            band = int(element.get("number") or "") - 1
        except ValueError:
            continue
        if mean == NO_DATA_MEAN and deviation == 0 and 0 <= band < bands:
            empty.append(band)
    return tuple(sorted(set(empty)))
