r"""Memory and time of maps against the size of the scene.

    python benchmarks/large_map.py

Scenes of zeros in sparse files, band after band, are read window by window and mapped to GeoTIFFs
with random weights (they decide neither memory nor time), each in a process of its own: by MobileSN
from 10^4 pixels to 5,000 x 5,000 x 200 values, 9.3 GiB, and by HybridSN at the size of Pavia
University and at 10^6 pixels. The disk is not measured: what a sparse file does not hold is not
read. Takes some 10 minutes on two cores; writes results/large_map.json and docs/large-map.png.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from records import Record, Repeat, Values, write_record

import spectrolite as sl
from spectrolite.bundles.scene_bundle import Bundle, Config
from spectrolite.data.labels import default_colour
from spectrolite.data.scene import SceneFile, Window
from spectrolite.models import build_scene_model
from spectrolite.samples.band_reduction import Bands

VARIANTS: dict[str, str] = {"hybridsn": "course", "mobilesn": "plain"}
SHAPES: dict[str, dict[str, Any]] = {
    "hybridsn": {},
    "mobilesn": {"width": 0.9, "receptive_field": 25},
}
COMPONENTS, PATCH, CLASSES, BANDS = 30, 25, 16, 200  # what both train with by default
SIDES = (100, 316, 1000, 3162, 5000)  # of square scenes: 10^4 to 2.5 * 10^7 pixels
PAVIA_UNIVERSITY, MILLION = (610, 340, 103), (1000, 1000, 200)
PICTURE = Path(__file__).parent.parent / "docs" / "large-map.png"


def model(name: str, bands: int) -> Bundle:
    """A network with random weights and a random reduction of bands."""
    ids = tuple(range(1, CLASSES + 1))
    config = Config(
        format=1,
        model=name,
        variant=VARIANTS[name],
        patch=PATCH,
        class_ids=ids,
        class_names={i: f"class {i}" for i in ids},
        class_colours={i: default_colour(i) for i in ids},
        fitted_on="scene",
        pixels=1,
        explained=1.0,
        wavelengths_nm=None,
    )
    net = build_scene_model(
        name,
        bands=COMPONENTS,
        classes=CLASSES,
        generator=torch.Generator().manual_seed(0),
        **SHAPES[name],
    )
    matrix = np.random.default_rng(0).normal(size=(COMPONENTS, bands)) / 1000
    return Bundle(config, Bands(np.full(bands, 3000.0), matrix, "scene", 1, 1.0), net.eval())


def sparse_scene(path: Path, shape: tuple[int, int, int]) -> SceneFile:
    """A scene of uint16 zeros in a file that takes no space, band after band."""
    rows, cols, bands = shape
    with path.open("wb") as file:
        file.truncate(rows * cols * bands * 2)

    def read(window: Window) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        cube = np.empty((*window.shape, bands), np.uint16)
        for band in range(bands):  # mapped one by one, for what is mapped counts as memory
            start = band * rows * cols * 2
            image = np.memmap(path, np.uint16, "r", start, (rows, cols))
            cube[:, :, band] = image[window.slices]
        return cube, np.ones(window.shape, bool)

    return SceneFile(shape, np.dtype(np.uint16), read, name=path.name)


def map_one(name: str, shape: tuple[int, int, int]) -> None:
    """In a process of its own: print seconds and memory at its highest."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = model(name, shape[2])
        scene = sparse_scene(Path(folder) / "scene.img", shape)
        start = time.perf_counter()
        sl.map_scene(bundle, scene, out=Path(folder) / "map.tif")
        seconds = time.perf_counter() - start
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"pixels": shape[0] * shape[1], "seconds": seconds, "peak_mib": peak}))


def measured(name: str, shape: tuple[int, int, int]) -> Record:
    """Seconds and MiB of one map."""
    words = [sys.executable, __file__, "--one", name, *map(str, shape)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    row: Record = json.loads(done.stdout)
    return row


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        name, rows, cols, bands = chosen.one
        map_one(name, (int(rows), int(cols), int(bands)))
        return
    sizes = [measured("mobilesn", (side, side, BANDS)) for side in SIDES]
    pixels, seconds = (np.array([row[key] for row in sizes]) for key in ("pixels", "seconds"))
    slope = np.polyfit(np.log(pixels[1:]), np.log(seconds[1:]), 1)[0]
    content = {
        "sizes": sizes,
        "exponent": float(slope),
        "hybridsn_pavia_university": measured("hybridsn", PAVIA_UNIVERSITY),
        "hybridsn_million": measured("hybridsn", MILLION),
    }
    path = write_record(
        "large_map",
        content,
        data="scenes of zeros, made as they are read",
        split="nothing is split",
        weights={
            f"random, {name}, {bands} bands": model(name, bands).sha256
            for name, bands in (
                ("mobilesn", BANDS),
                ("hybridsn", BANDS),
                ("hybridsn", PAVIA_UNIVERSITY[2]),
            )
        },
    )
    draw(content, PICTURE)
    print(path.read_text())


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One of the smaller maps: its memory within a tenth, its time within a half either way."""
    row = record["sizes"][generator.integers(3)]
    side = round(row["pixels"] ** 0.5)
    stored: Values = {"seconds": row["seconds"], "peak_mib": row["peak_mib"]}

    def make() -> Values:
        made = measured("mobilesn", (side, side, BANDS))
        return {"seconds": made["seconds"], "peak_mib": made["peak_mib"]}

    tolerance = {"seconds": row["seconds"] / 2, "peak_mib": row["peak_mib"] / 10}
    return Repeat(f"a map of {side} x {side} pixels", stored, make, tolerance, exact=False)


def draw(content: Record, path: Path) -> None:
    """Seconds and memory against pixels."""
    figure = Figure(figsize=(7.6, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = content["sizes"]
    pixels = [row["pixels"] for row in rows]
    left.loglog(pixels, [row["seconds"] for row in rows], "o-", color="#1f6f78")
    left.set_title(f"time grows as pixels to the power of {content['exponent']:.2f}", fontsize=9)
    left.set(xlabel="pixels", ylabel="seconds")
    right.semilogx(pixels, [row["peak_mib"] for row in rows], "o-", color="#b5482a")
    right.axhline(1024, color="#888888", linewidth=1, linestyle="--")
    right.set(xlabel="pixels", ylabel="MiB at the highest", ylim=(0, 1200))
    right.set_title("memory, libraries included", fontsize=9)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
