"""DESIS L2A: up to 235 bands from 400 to 1000 nm at 30 m, orthorectified surface reflectance.

Read about in versions 02.10 and 02.20 of the processor (`V0210` and `V0220` in the names):
`bandCharacterisation/band` with `bandNumber`, `wavelengthCenterOfBand`, `wavelengthWidthOfBand`,
`gainOfBand` and `offsetOfBand`; `QL_QUALITY-2` with eight layers of 0 and 1, then aerosol and water
vapour; `QL_QUALITY` with flags for each band, as bits; background is -32768 in the image.
"""

from __future__ import annotations

from pathlib import Path

from spectrolite.errors import ReadError
from spectrolite.products import granule_cubes, granules
from spectrolite.products.granules import Mission
from spectrolite.readers.scenes.cube import Cube, QualityLayer

NAME = "desis"
TITLE = "DESIS L2A"

MISSION = Mission("DESIS", "desis", "band", "wavelengthWidthOfBand", "gainOfBand", "offsetOfBand")
QUALITY, FLAGS = "QL_QUALITY-2", "QL_QUALITY"
LAYERS = (
    ("cloud", (5, 6), True, "clouds over land and water"),
    ("cloud-shadow", (0,), True, "shadow"),
    ("haze", (3, 4), False, "haze over land and water"),
    ("snow", (2,), False, "snow"),
    ("water", (7,), False, "water"),
)
"""Word, bands of `QL_QUALITY-2` from 0, whether left out by default, and what they are."""
MARKING = 8  # bands of `QL_QUALITY-2` that mark pixels


def found(path: Path) -> bool:
    """Whether a path is, or holds, a DESIS product of any level."""
    return granules.found(path, MISSION)


def cube(path: Path) -> Cube:
    """The product's reflectance.

    Args:
        path: its folder, its archive, its METADATA.xml, or its SPECTRAL_IMAGE beside that.

    Raises:
        ReadError: a product of another level, without a part, damaged, or one of several.
    """
    one = granules.granule(path, MISSION)
    spectral = granule_cubes.spectral_cube(one, MISSION, NAME)
    layers = []
    quality = granule_cubes.quality_layer(one, spectral, QUALITY)
    if quality is not None and quality.shape[2] < MARKING:
        raise ReadError(
            f"{one.members.shown(one.named(QUALITY) or '')}: wanted {MARKING} bands or more, got "
            f"{quality.shape[2]}; download the product again"
        )
    if quality is not None:
        layers = [
            QualityLayer(word, granule_cubes.marks(quality, bands), left_out, f"{QUALITY}: {what}")
            for word, bands, left_out, what in LAYERS
        ]
    flags = granule_cubes.band_layer(one, spectral, FLAGS)
    if flags is not None:
        # any flag, and some may be mild: what the bits mean is not published in full
        marked = granule_cubes.marks(flags)
        layers.append(QualityLayer("defects", marked, False, f"{FLAGS}: any flag of a band"))
    return granule_cubes.with_quality(one, spectral, layers, [QUALITY, FLAGS])
