"""Small EnMAP and DESIS products for the tests, of the structure of real ones.

The rasters are written by rasterio, the metadata as text. All bands are there; the image is small,
and its values and quality layers are drawn.
"""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

ROWS, COLS = 6, 5
UTM33, PLACE = 32633, rasterio.Affine(30.0, 0.0, 390000.0, 0.0, -30.0, 5810010.0)
NODATA = -32768
ENMAP = "ENMAP01-____L2A-DT0000001867_20220724T104526Z_008_V010302_20230628T165614Z"
DESIS = "DESIS-HSI-L2A-DT0483531728_001-20200804T234520-V0210"
ENMAP_BANDS, DESIS_BANDS = 224, 235
EMPTY = range(129, 135)  # EnMAP's bands without data, from 0


def nm_of(bands: int) -> NDArray[np.float64]:
    first, last = (418.416, 2445.53) if bands == ENMAP_BANDS else (401.25, 999.5)
    return np.round(np.linspace(first, last, bands), 3)


def fwhm_of(bands: int) -> NDArray[np.float64]:
    return np.round(np.linspace(6.5, 10.2, bands), 4)


def stored(bands: int) -> NDArray[np.int16]:
    """`(bands, rows, cols)`: reflectance times 10,000, a background corner, empty bands."""
    cube = np.random.default_rng(0).integers(-50, 6000, (bands, ROWS, COLS)).astype(np.int16)
    cube[:, 0, 0] = NODATA
    if bands == ENMAP_BANDS:
        cube[EMPTY.start : EMPTY.stop] = NODATA
    return cube


def layer(seed: int, values: tuple[int, ...], count: int = 1) -> NDArray[np.uint8]:
    generator = np.random.default_rng(seed)
    return generator.choice(np.array(values, np.uint8), (count, ROWS, COLS))


def tif(path: Path, bands: NDArray[Any], nodata: int | None = None, **profile: Any) -> None:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(bands),
        height=bands.shape[1],
        width=bands.shape[2],
        dtype=bands.dtype.name,
        nodata=nodata,
        **{"crs": f"EPSG:{UTM33}", "transform": PLACE} | profile,
    ) as file:
        file.write(bands)


def enmap_layers() -> dict[str, NDArray[np.uint8]]:
    defects = np.zeros((ENMAP_BANDS, ROWS, COLS), np.uint8)
    defects[10, 2, 3] = defects[EMPTY.start, 4, 4] = 1
    defects[:, 0, 0] = 255
    return {
        "QL_QUALITY_CLOUD": layer(1, (0, 0, 1)),
        "QL_QUALITY_CLOUDSHADOW": layer(2, (0, 0, 0, 1)),
        "QL_QUALITY_CIRRUS": layer(3, (0, 0, 0, 1, 2, 3, 255)),
        "QL_QUALITY_HAZE": layer(4, (0, 1)),
        "QL_QUALITY_SNOW": layer(5, (0, 0, 1)),
        "QL_QUALITY_CLASSES": layer(6, (1, 2, 3)),
        "QL_QUALITY_TESTFLAGS": layer(7, (0, 4)),
        "QL_PIXELMASK": defects,
    }


def desis_layers(bands: int) -> dict[str, NDArray[np.uint8]]:
    quality = np.concatenate([layer(n, (0, 0, 0, 1)) for n in range(8)])
    flags = np.zeros((bands, ROWS, COLS), np.uint8)
    flags[20:21, 1, 1] = 2
    return {
        "QL_QUALITY-2": np.concatenate([quality, layer(8, (20, 40), 2)]),
        "QL_QUALITY": flags,
    }


def enmap_metadata(level: str = "L2A", bands: int = ENMAP_BANDS) -> str:
    rows = "".join(
        f'<bandID number="{n}"><wavelengthCenterOfBand>{nm}</wavelengthCenterOfBand>'
        f"<FWHMOfBand>{fwhm}</FWHMOfBand><GainOfBand>0.0001</GainOfBand>"
        "<OffsetOfBand>0</OffsetOfBand></bandID>"
        for n, (nm, fwhm) in enumerate(zip(nm_of(bands), fwhm_of(bands), strict=True), start=1)
    )
    statistics = "".join(
        f'<bandID number="{n}"><mean>{"-1000000" if n - 1 in EMPTY else 0.2}</mean>'
        f"<stdDeviation>{0 if n - 1 in EMPTY else 0.1}</stdDeviation></bandID>"
        for n in range(1, bands + 1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<level_X xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<metadata><schema><processingLevel>{level}</processingLevel></schema></metadata>"
        f"<base><level>{level}</level></base>"
        "<specific><numberOfVNIRBands>91</numberOfVNIRBands>"
        f"<bandCharacterisation>{rows}</bandCharacterisation>"
        '<deadPixelMap><bandID number="1"/></deadPixelMap></specific>'
        f"<product><bandStatistics>{statistics}</bandStatistics></product></level_X>"
    )


def desis_metadata(level: str = "L2A", bands: int = DESIS_BANDS) -> str:
    rows = "".join(
        f"<band><bandNumber>{n}</bandNumber>"
        f"<wavelengthCenterOfBand>{nm}</wavelengthCenterOfBand>"
        f"<wavelengthWidthOfBand>{fwhm}</wavelengthWidthOfBand><response>0.1,1,0.1</response>"
        f"<wavelengths>{nm - 1},{nm},{nm + 1}</wavelengths>"
        "<gainOfBand>0.0001</gainOfBand><offsetOfBand>0.0</offsetOfBand>"
        "<deadPixels>0</deadPixels><suspiciousPixel>0</suspiciousPixel></band>"
        for n, (nm, fwhm) in enumerate(zip(nm_of(bands), fwhm_of(bands), strict=True), start=1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<hsi_doc>'
        f"<metadata><schema><processingLevel>{level}</processingLevel></schema></metadata>"
        "<processing/><base/><specific>"
        f"<bandCharacterisation>{rows}</bandCharacterisation>"
        "<interiorOrientation><band><bandNumber>1</bandNumber></band></interiorOrientation>"
        "</specific></hsi_doc>"
    )


def enmap(
    folder: Path,
    stem: str = ENMAP,
    *,
    level: str = "L2A",
    layers: Mapping[str, NDArray[Any]] | None = None,
    bands: int = ENMAP_BANDS,
) -> Path:
    """A folder `stem` with the files of an EnMAP product, its image band by band."""
    place = folder / stem
    place.mkdir(parents=True)
    (place / f"{stem}-METADATA.XML").write_text(enmap_metadata(level, bands))
    tif(
        place / f"{stem}-SPECTRAL_IMAGE.TIF", stored(bands), NODATA, interleave="band", blockysize=1
    )
    for name, marked in (enmap_layers() if layers is None else layers).items():
        tif(place / f"{stem}-{name}.TIF", marked)
    return place


def desis(folder: Path, stem: str = DESIS, *, bands: int = DESIS_BANDS) -> Path:
    """A folder `stem` with the files of a DESIS product, its image by pixel and compressed."""
    place = folder / stem
    place.mkdir(parents=True)
    (place / f"{stem}-METADATA.xml").write_text(desis_metadata(bands=bands))
    image = stored(bands)
    tif(
        place / f"{stem}-SPECTRAL_IMAGE.tif",
        image,
        NODATA,
        interleave="pixel",
        compress="deflate",
    )
    for name, marked in desis_layers(bands).items():
        tif(place / f"{stem}-{name}.tif", marked)
    (place / f"{stem}-HISTORY.xml").write_text("<history/>")
    return place


def packed(place: Path, archive: Path, prefix: str = "") -> Path:
    """A folder, or a file, in an archive of the kind that its ending says."""
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    names = {
        one: f"{prefix}{place.name}/{one.name}" if place.is_dir() else one.name for one in files
    }
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packer:
            for one, name in names.items():
                packer.write(one, name)
    else:
        with tarfile.open(archive, "w" if archive.suffix == ".tar" else "w:gz") as packer:
            for one, name in names.items():
                packer.add(one, name)
    return archive
