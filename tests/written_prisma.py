"""A small PRISMA product, with the groups, names and types of a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from rasterio.warp import transform

ROWS, COLS = 6, 8
EPSG = 32633
WEST, NORTH = 352755.0, 5987235.0  # centre of the upper left pixel
LOW = {"Vnir": 0.0, "Swir": 0.0}
HIGH = {"Vnir": 0.8, "Swir": 0.6}
SHARED = (943.0, 953.0, 962.0, 972.0)  # VNIR's wavelengths where SWIR sees too

# From long to short waves; 0 where a band was not acquired: the first three and the last two.
NM = {
    "Vnir": [0.0] * 3 + [*SHARED[::-1], *np.linspace(931, 402.5, 59)],
    "Swir": [*np.linspace(2497, 942.5, 171), 0.0, 0.0],
}


def checkerboard() -> NDArray[np.bool_]:
    """`(rows, cols)`, true in the upper left pixel."""
    return np.asarray(np.indices((ROWS, COLS)).sum(0) % 2 == 0)


def stored(name: str) -> NDArray[np.uint16]:
    """Lines, bands, samples: squares of the board are brighter than any other value."""
    rng = np.random.default_rng(len(name) + ord(name[0]))
    values = rng.integers(1, 20_000, (ROWS, len(NM[name]), COLS))
    values += 30_000 * checkerboard()[:, None, :]
    values[:, np.array(NM[name]) == 0] = 0
    values[ROWS - 1] = 0  # outside the swath
    return values.astype(np.uint16)


def prisma(
    path: Path,
    level: str = "L2D",
    without: tuple[str, ...] = (),
    attributes: dict[str, Any] | None = None,
    chunks: bool = False,
) -> Path:
    """Write the product.

    Args:
        path: of the file.
        level: which names its swaths.
        without: attributes and arrays that are left out.
        attributes: others than the usual ones.
        chunks: store the cubes compressed, in chunks.
    """
    header: dict[str, Any] = {
        "Product_Name": np.bytes_("PRS_L2D_STD_20200813103056_20200813103100_0001"),
        "Processing_Level": np.bytes_(level.removeprefix("L")),
        "Cloudy_pixels_percentage": np.float32(12.5),
        "Epsg_Code": np.uint32(EPSG),
        "Product_ULcorner_easting": WEST,
        "Product_ULcorner_northing": NORTH,
        "Product_LRcorner_easting": WEST + 30 * (COLS - 1),
        "Product_LRcorner_northing": NORTH - 30 * (ROWS - 1),
    }
    for name, nm in NM.items():
        header[f"List_Cw_{name}"] = np.array(nm, np.float32)
        header[f"List_Fwhm_{name}"] = np.where(np.array(nm) > 0, 10 + np.array(nm) / 1000, 0)
        header[f"List_Fwhm_{name}"] = header[f"List_Fwhm_{name}"].astype(np.float32)
        header[f"List_Cw_{name}_Flags"] = (np.array(nm) > 0).astype(np.uint8)
        header[f"L2Scale{name}Min"] = np.float32(LOW[name])
        header[f"L2Scale{name}Max"] = np.float32(HIGH[name])
    with h5py.File(path, "w") as file:
        for key, value in (header | (attributes or {})).items():
            if key not in without:
                file.attrs[key] = value
        hyperspectral = file.create_group(f"HDFEOS/SWATHS/PRS_{level}_HCO")
        fields = hyperspectral.create_group("Data Fields")
        options = {"chunks": (2, 40, 8), "compression": "gzip"} if chunks else {}
        for name in NM:
            values = stored(name)
            fields.create_dataset(f"{name.upper()}_Cube", data=values, **options)
            errors = np.zeros(values.shape, np.uint8)
            fields.create_dataset(f"{name.upper()}_PIXEL_L2_ERR_MATRIX", data=errors)
        row, col = np.indices((ROWS, COLS))
        lon, lat = transform(
            f"EPSG:{EPSG}", "EPSG:4326", WEST + 30.0 * col.ravel(), NORTH - 30.0 * row.ravel()
        )
        places = hyperspectral.create_group("Geolocation Fields")
        places["Longitude"] = np.reshape(lon, row.shape).astype(np.float32)
        places["Latitude"] = np.reshape(lat, row.shape).astype(np.float32)
        hyperspectral["Geometric Fields/Solar_Zenith_Angle"] = np.full(row.shape, 40, np.float32)
        panchromatic = f"HDFEOS/SWATHS/PRS_{level}_PCO/Data Fields"
        file[f"{panchromatic}/Cube"] = np.ones((6 * ROWS, 6 * COLS), np.uint16)
        file["KDP_AUX/Cw_Vnir_Matrix"] = np.ones((1000, len(NM["Vnir"])), np.float32)
        file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_("GROUP=SwathStructure\n")
        for key in without:
            if key in fields:
                del fields[key]
    return path


def marked(path: Path, name: str, row: int, band: int, col: int, code: int) -> None:
    """Write a code into an error matrix."""
    with h5py.File(path, "r+") as file:
        key = f"HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/{name}_PIXEL_L2_ERR_MATRIX"
        file[key][row, band, col] = code
