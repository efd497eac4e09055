r"""Time and memory of the map of a granule of the size of EMIT's.

    python benchmarks/granule_map.py

A file of the structure of EMIT L2A reflectance, 1,280 x 1,242 pixels and 285 bands as float32
(1.7 GiB), with its mask and a look-up table to a turned grid, is written by netCDF4 and mapped by
MobileSN with random weights (they decide neither memory nor time) from the file to the GeoTIFF on
the grid, with confidence and entropy, in a process of its own. Two storages: chunks of whole
spectra, uncompressed, and deflated. Takes some 4 minutes on two cores; writes
results/granule_map.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
from large_map import model
from rasterio.crs import CRS
from records import Record, Repeat, Values, write_record

import spectrolite as sl
from spectrolite.products.known import open_cube
from spectrolite.products.left_out import left_out

ROWS, COLS, BANDS = 1280, 1242, 285
TURN, STEP = 0.3, 0.000542232520256367
STORAGES = {"uncompressed": False, "deflated": True}
NAME = "EMIT_L2A_{}_001_20230401T120000_2309108_001.nc"


def write(folder: Path, deflated: bool) -> Path:
    """A granule and its mask; smooth spectra with noise, flagged bands, a few clouds."""
    generator = np.random.default_rng(0)
    side = round(ROWS + TURN * COLS), round(COLS + TURN * ROWS)
    y, x = np.mgrid[: side[0], : side[1]]
    row, col = np.floor(y - TURN * (side[1] - x) * 0.9), np.floor(x - TURN * y * 0.9)
    shown = (row >= 0) & (row < ROWS) & (col >= 0) & (col < COLS)
    nm = np.linspace(381.0, 2493.0, BANDS)
    for kind in ("RFL", "MASK"):
        with netCDF4.Dataset(folder / NAME.format(kind), "w") as file:
            names = ("downtrack", "crosstrack", "ortho_y", "ortho_x")
            for name, size in zip(names, (ROWS, COLS, *side), strict=True):
                file.createDimension(name, size)
            file.geotransform = np.array([14.5, STEP, 0.0, 48.2, 0.0, -STEP])
            file.spatial_ref = CRS.from_epsg(4326).to_wkt()
            place = file.createGroup("location")
            for name, values in (("glt_y", row), ("glt_x", col)):
                table = place.createVariable(name, "i4", ("ortho_y", "ortho_x"), fill_value=0)
                table[:] = np.where(shown, values + 1, 0)
            group = file.createGroup("sensor_band_parameters")
            axes = ("downtrack", "crosstrack", "bands")
            if kind == "MASK":
                file.createDimension("bands", 1)
                mask = file.createVariable("mask", "f4", axes, fill_value=-9999.0)
                mask[:] = (generator.random((ROWS, COLS, 1)) < 0.01).astype(np.float32)
                group.createVariable("mask_bands", str, ("bands",))[:] = np.array(
                    ["Cloud flag"], object
                )
                continue
            file.createDimension("bands", BANDS)
            for name, values in (
                ("wavelengths", nm),
                ("fwhm", np.full(BANDS, 8.5)),
                ("good_wavelengths", ((nm < 1325) | (nm > 1430)) & ((nm < 1770) | (nm > 1960))),
            ):
                group.createVariable(name, "f4", ("bands",))[:] = values
            cube = file.createVariable(
                "reflectance",
                "f4",
                axes,
                fill_value=-9999.0,
                zlib=deflated,
                chunksizes=(32, 32, BANDS),
            )
            for start in range(0, ROWS, 64):
                spectra = 0.2 + 0.1 * np.sin(nm / 300 + generator.random((64, COLS, 1)))
                cube[start : start + 64] = spectra.astype(np.float32)
    return folder / NAME.format("RFL")


def map_one(granule: Path) -> None:
    """In a process of its own: print seconds and memory at its highest."""
    cube = open_cube(granule)
    kept = np.delete(np.arange(BANDS), list(left_out(cube, None).bands))
    bundle = model("mobilesn", len(kept))
    nm = tuple(np.asarray(cube.wavelengths_nm)[kept].tolist())
    config = bundle.config.model_copy(update={"wavelengths_nm": nm})
    bands = replace(bundle.bands, mean=np.full(len(kept), 0.2), matrix=bundle.bands.matrix * 1000)
    start = time.perf_counter()
    done = sl.map_scene(
        replace(bundle, config=config, bands=bands), granule, out=granule.with_name("map.tif")
    )
    seconds = time.perf_counter() - start
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "grid": done.head.shape}))


def measured(storage: str) -> Record:
    """Seconds and MiB of one map."""
    with tempfile.TemporaryDirectory() as folder:
        granule = write(Path(folder), STORAGES[storage])
        words = [sys.executable, __file__, "--one", str(granule)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        row: Record = json.loads(done.stdout)
        return {**row, "file_mib": granule.stat().st_size / 2**20}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--show", action="store_true", help="print one map, write no record")
    chosen = parser.parse_args()
    if chosen.one:
        map_one(Path(chosen.one))
        return
    if chosen.show:
        print(measured("uncompressed"))
        return
    content = {"pixels": ROWS * COLS, "bands": BANDS} | {s: measured(s) for s in STORAGES}
    path = write_record(
        "granule_map",
        content,
        data="a granule of the structure of EMIT's, made from seed 0",
        split="nothing is split",
        weights={"random, mobilesn, 285 bands": model("mobilesn", BANDS).sha256},
    )
    print(path.read_text())


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """The map of one of the granules: its memory within a tenth, its time within a half."""
    storage = str(generator.choice(list(STORAGES)))
    row = record[storage]
    names = ("seconds", "peak_mib")

    def make() -> Values:
        made = measured(storage)
        return {name: made[name] for name in names}

    tolerance = {"seconds": row["seconds"] / 2, "peak_mib": row["peak_mib"] / 10}
    stored: Values = {name: row[name] for name in names}
    return Repeat(f"the map of a granule, {storage}", stored, make, tolerance, exact=False)


if __name__ == "__main__":
    main()
