"""A small Tanager ortho product, with the groups, names and types of a real one."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

BANDS, ROWS, COLS = 12, 6, 8
EPSG = 32613
WEST, NORTH = 570300.0, 3555450.0  # upper left edge of the upper left pixel
NM = np.linspace(376.5, 2499.0, BANDS)
FILL = -9999.0

STRUCTURE = """GROUP=SwathStructure
END_GROUP=SwathStructure
GROUP=GridStructure
\tGROUP=GRID_1
\t\tGridName="HYP"
\t\tBand={bands}
\t\tXDim={cols}
\t\tYDim={rows}
\t\tUpperLeftPointMtrs=({west:.2f},{north:.2f})
\t\tLowerRightMtrs=({east:.2f},{south:.2f})
\t\tProjection=HE5_GCTP_UTM
\t\tZoneCode=13
\t\tSphereCode=12
\t\tPixelRegistration=HE5_HDFE_CORNER
\t\tGridOrigin=HE5_HDFE_GD_UL
\tEND_GROUP=GRID_1
END_GROUP=GridStructure
END
"""


def stored() -> NDArray[np.float32]:
    """Bands, rows, cols; the last row has no data."""
    values = np.random.default_rng(3).uniform(0.01, 0.6, (BANDS, ROWS, COLS))
    values[:, ROWS - 1] = FILL
    return values.astype(np.float32)


def tanager(
    path: Path,
    kind: str = "GRIDS",
    array: str = "surface_reflectance",
    without: tuple[str, ...] = (),
    rows: int = ROWS,
) -> Path:
    """Write the product.

    Args:
        path: of the file.
        kind: GRIDS for ortho, SWATHS for basic.
        array: the name of the cube.
        without: attributes and arrays that are left out.
        rows: that the structure states.
    """
    with h5py.File(path, "w") as file:
        hyp = file.create_group(f"HDFEOS/{kind}/HYP")
        hyp.attrs["strip_id"] = "20250608_091605_90_4001"
        hyp.attrs["epsg_code"] = EPSG
        fields = hyp.create_group("Data Fields")
        options = {"chunks": (4, 3, 8), "compression": "gzip", "compression_opts": 4}
        cube = fields.create_dataset(array, data=stored(), **options)
        cube.attrs["wavelengths"], cube.attrs["wavelengths_units"] = NM, "nm"
        cube.attrs["fwhm"], cube.attrs["fwhm_units"] = np.full(BANDS, 6.05), "nm"
        cube.attrs["good_wavelengths"] = np.array([1] * 5 + [0] + [1] * 6, np.uint8)
        cube.attrs["_FillValue"], cube.attrs["Unit"] = np.float32(FILL), "unitless"
        if array == "surface_reflectance":
            fields["surface_reflectance_uncertainty"] = np.zeros(cube.shape, np.float32)
        masks = {name: np.zeros((ROWS, COLS), np.uint32) for name in ("cloud", "cirrus")}
        masks["cloud"][0, 1] = masks["cirrus"][2, 3] = 1
        for name, mask in masks.items():
            fields[f"beta_{name}_mask"] = mask
        fields["nodata_pixels"] = np.repeat([0] * (ROWS - 1) + [1], COLS).reshape(ROWS, COLS)
        fields["sun_zenith"] = np.full((ROWS, COLS), 40, np.float32)
        south, east = NORTH - 30 * rows, WEST + 30 * COLS
        file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(
            STRUCTURE.format(
                bands=BANDS, cols=COLS, rows=rows, west=WEST, north=NORTH, east=east, south=south
            )
        )
        for name in without:
            if name in fields:
                del fields[name]
            elif name in cube.attrs:
                del cube.attrs[name]
            else:
                del hyp.attrs[name]
    return path
