"""Files of other formats than their names say, told by their first bytes."""

from __future__ import annotations

from pathlib import Path

GDAL = "convert it: gdal_translate -of GTiff {file} scene.tif"

# First bytes, the format, the endings that are right for it, and what to do.
FORMATS: tuple[tuple[bytes, str, tuple[str, ...], str], ...] = (
    (b"EHFA_HEADER_TAG", "ERDAS Imagine", (), GDAL),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000", (), GDAL),
    (b"\xff\x4f\xff\x51", "JPEG 2000", (), GDAL),
    (b"\x0e\x03\x13\x01", "HDF4", (), "convert it to HDF5 with h4toh5, or to GeoTIFF"),
    (b"GRIB", "GRIB", (), GDAL),
    (b"NITF", "NITF", (), GDAL),
    (
        b"\x89HDF\r\n\x1a\n",
        "HDF5",
        (".h5", ".hdf5", ".he5", ".hdf", ".nc", ".nc4", ".cdf", ".mat"),
        "name it with the ending .h5",
    ),
    (b"CDF\x01", "NetCDF 3", (".nc", ".nc4", ".cdf"), "name it with the ending .nc"),
    (b"CDF\x02", "NetCDF 3", (".nc", ".nc4", ".cdf"), "name it with the ending .nc"),
    (b"\x93NUMPY", "an array of NumPy", (".npy",), "name it with the ending .npy"),
    (b"MATLAB", "MATLAB", (".mat",), "name it with the ending .mat"),
    (b"II*\x00", "TIFF", (".tif", ".tiff"), "name it with the ending .tif"),
    (b"MM\x00*", "TIFF", (".tif", ".tiff"), "name it with the ending .tif"),
    (b"II+\x00", "BigTIFF", (".tif", ".tiff"), "name it with the ending .tif"),
    (b"MM\x00+", "BigTIFF", (".tif", ".tiff"), "name it with the ending .tif"),
    (b"SQLite format 3", "GeoPackage or SQLite", (), "polygons go with --labels"),
    (b"PK\x03\x04", "a zip archive", (".npy",), "unpack it, and name the scene in it"),
    (b"\x1f\x8b", "compressed by gzip", (), "unpack it, and name the scene in it"),
    (b"BZh", "compressed by bzip2", (), "unpack it, and name the scene in it"),
    (b"\xfd7zXZ", "compressed by xz", (), "unpack it, and name the scene in it"),
    (b"\x89PNG", "a PNG picture", (), "pictures to classify go with --images"),
    (b"\xff\xd8\xff", "a JPEG picture", (), "pictures to classify go with --images"),
    (b"%PDF", "PDF", (), "name the scene itself"),
)


def other_format(path: Path) -> str | None:
    """What the file is and what to do, if its ending does not say so; None if nothing is known."""
    with path.open("rb") as file:
        start = file.read(16)
    for first, name, endings, remedy in FORMATS:
        if start.startswith(first):
            if path.suffix.lower() in endings:
                return None
            return f"this is {name}; {remedy.format(file=path.name)}"
    return None
