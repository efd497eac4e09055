"""Files of one scene for the tests, each written by another library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import rasterio
import spectral
import zarr
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy import io

ROWS, COLS, BANDS = 5, 7, 4


CUBE = np.random.default_rng(0).integers(1, 200, (ROWS, COLS, BANDS)).astype(np.int16)


NM = (450.5, 550.25, 650.0, 850.0)


UTM = CRS.from_epsg(32632)


PLACE = (10.0, 0.0, 600000.0, 0.0, -10.0, 5200000.0)


Write = Callable[[Path, NDArray[Any]], Path]


def by_spectral(interleave: str) -> Write:
    def write(folder: Path, cube: NDArray[Any]) -> Path:
        path = folder / "scene.hdr"
        fields = {"wavelength": list(NM), "wavelength units": "Nanometers"}
        spectral.envi.save_image(
            str(path), cube, dtype=cube.dtype, interleave=interleave, ext=".img", metadata=fields
        )
        return path

    return write


def by_rasterio(name: str, driver: str, **profile: Any) -> Write:
    def write(folder: Path, cube: NDArray[Any]) -> Path:
        path = folder / name
        size = {"height": cube.shape[0], "width": cube.shape[1], "count": cube.shape[2]}
        with rasterio.open(
            path,
            "w",
            driver=driver,
            dtype=cube.dtype.name,
            crs=UTM,
            transform=rasterio.Affine(*PLACE),
            **size,
            **profile,
        ) as file:
            file.write(cube.transpose(2, 0, 1))
            for band, nm in enumerate(NM[: cube.shape[2]], start=1):
                file.update_tags(band, wavelength=nm, wavelength_units="nm")
        return path

    return write


def placed_geotiff(path: Path, bands: NDArray[Any], nm: tuple[float, ...], shift: int = 0) -> Path:
    """Bands, rows, cols of one place, or `shift` columns further east."""
    place = rasterio.Affine(*PLACE) @ rasterio.Affine.translation(shift, 0)
    path.parent.mkdir(exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(bands),
        height=bands.shape[1],
        width=bands.shape[2],
        dtype=bands.dtype.name,
        nodata=-1,
        crs=UTM,
        transform=place,
    ) as file:
        file.write(bands)
        for band, centre in enumerate(nm, start=1):
            file.update_tags(band, wavelength=centre, wavelength_units="nm")
    return path


def vrt(folder: Path, cube: NDArray[Any]) -> Path:
    tif = by_rasterio("inside.tif", "GTiff")(folder, cube)
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{b}"><Description>{nm} nm</Description>'
        f'<SimpleSource><SourceFilename relativeToVRT="1">{tif.name}</SourceFilename>'
        f"<SourceBand>{b}</SourceBand></SimpleSource></VRTRasterBand>"
        for b, nm in enumerate(NM, start=1)
    )
    path = folder / "scene.vrt"
    six = "600000, 10, 0, 5200000, 0, -10"
    path.write_text(
        f'<VRTDataset rasterXSize="{COLS}" rasterYSize="{ROWS}"><SRS>EPSG:32632</SRS>'
        f"<GeoTransform>{six}</GeoTransform>{bands}</VRTDataset>"
    )
    return path


def npy(order: Any) -> Write:
    def write(folder: Path, cube: NDArray[Any]) -> Path:
        np.save(folder / "scene.npy", np.asarray(cube, order=order))
        return folder / "scene.npy"

    return write


def mat_5(folder: Path, cube: NDArray[Any]) -> Path:
    io.savemat(folder / "scene.mat", {"title": "x", "cube": cube, "gt": cube[:, :, 0]})
    return folder / "scene.mat"


def mat_73(folder: Path, cube: NDArray[Any]) -> Path:
    """As MATLAB writes it: axes backwards, the class as an attribute, a block of text in front."""
    path = folder / "scene.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array, kind in (
            ("cube", cube.T, "int16"),
            ("gt", cube[:, :, 0].T, "int16"),
            ("title", np.frombuffer("ab".encode("utf-16-le"), np.uint16)[:, None], "char"),
        ):
            file[name] = array
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
        file["#refs#/a"] = cube
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


def hdf5(folder: Path, cube: NDArray[Any]) -> Path:
    path = folder / "scene.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("site/reflectance", data=cube, chunks=(2, 3, 4), compression="gzip")
        file["site/wavelength"] = np.array(NM)
        file["site/wavelength"].attrs["units"] = "nanometers"
        file["site/name"] = "a field"
    return path


def netcdf(version: Any, dims: tuple[str, str, str] = ("wavelength", "y", "x")) -> Write:
    """With CF's coordinates and a grid mapping, bands first as most writers have it."""

    def write(folder: Path, cube: NDArray[Any]) -> Path:
        path = folder / "scene.nc"
        lengths = {"y": cube.shape[0], "x": cube.shape[1], "wavelength": cube.shape[2]}
        order = [("y", "x", "wavelength").index(d) for d in dims]
        with netCDF4.Dataset(path, "w", format=version) as file:
            for name in dims:
                file.createDimension(name, lengths[name])
            for name, centres in (
                ("y", 5199995.0 - 10 * np.arange(lengths["y"])),
                ("x", 600005.0 + 10 * np.arange(lengths["x"])),
            ):
                file.createVariable(name, "f8", (name,))[:] = centres
            waves = file.createVariable("wavelength", "f4", ("wavelength",))
            waves[:] = np.array(NM) / 1000
            waves.units = "um"
            mapping = file.createVariable("utm", "i4", ())
            mapping.crs_wkt = UTM.to_wkt()
            values = file.createVariable("reflectance", cube.dtype.str[1:], dims)
            values.set_auto_maskandscale(False)
            values[:] = cube.transpose(order)
            values.grid_mapping = "utm"
        return path

    return write


def zarr_store(version: Any) -> Write:
    def write(folder: Path, cube: NDArray[Any]) -> Path:
        path = folder / "scene.zarr"
        root = zarr.open_group(path, mode="w", zarr_format=version)
        dims = ("band", "y", "x")
        named: dict[str, Any] = {"dimension_names": dims} if version == 3 else {}
        array = root.create_array(
            "cube", data=cube.transpose(2, 0, 1).copy(), chunks=(2, 3, 3), **named
        )
        waves = root.create_array("wavelength", data=np.array(NM))
        waves.attrs["units"] = "nm"
        if version == 2:
            array.attrs["_ARRAY_DIMENSIONS"] = list(dims)
        return path

    return write


HEADER = (
    "ENVI\nsamples = 2\nlines = 3\nbands = 2\ndata type = 2\ninterleave = bsq\nbyte order = 0\n"
)


def envi(folder: Path, header: str = HEADER, size: int = 24) -> Path:
    (folder / "s.img").write_bytes(bytes(range(1, size + 1)))
    (folder / "s.hdr").write_text(header)
    return folder / "s.hdr"
