"""Families of inputs for `mutated_inputs.py`: a good file of each, and how a verb reads it."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.append(str(Path(__file__).parent.parent / "tests"))

import spectrolite as sl
import written_labels
import written_scenes

Write = Callable[[Path], Path]  # folder to the path that a user would type
Read = Callable[[Path], object]


def _scene(write: Callable[[Path, Any], Path]) -> tuple[Write, Read]:
    return lambda folder: write(folder, written_scenes.CUBE), _read_scene


def _read_scene(path: Path) -> None:
    sl.scene_info(path)
    sl.read_scene(path)


def _labels(write: Write, class_field: str | None = None) -> tuple[Write, Read]:
    scene = written_labels.scene()
    return write, lambda path: sl.read_labels(path, scene=scene, class_field=class_field)


def _label_raster(folder: Path) -> Path:
    colours = {1: (200, 30, 30, 255), 2: (30, 200, 30, 255), 7: (30, 30, 200, 255)}
    path = written_labels.geotiff(
        folder / "labels.tif", written_labels.class_map(), colours=colours, nodata=0
    )
    rows = "".join(
        f'<Row index="{n}"><F>{i}</F><F>{name}</F></Row>'
        for n, (i, name) in enumerate(((1, "maize"), (2, "oats"), (7, "rye")))
    )
    path.with_name("labels.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><GDALRasterAttributeTable>'
        '<FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>'
        '<FieldDefn index="1"><Name>Class</Name><Type>2</Type><Usage>2</Usage></FieldDefn>'
        f"{rows}</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"
    )
    return path


def _envi_classification(folder: Path) -> Path:
    (folder / "map.img").write_bytes(written_labels.class_map().tobytes())
    (folder / "map.hdr").write_text(
        "ENVI\nsamples = 15\nlines = 12\nbands = 1\ndata type = 1\ninterleave = bsq\n"
        "file type = ENVI Classification\nclasses = 8\nclass lookup = {0,0,0, 1,2,3}\n"
        "class names = {none, maize, oats, a, b, c, d, rye}\n"
        "map info = {UTM, 1, 1, 600000, 5200000, 10, 10, 32, North, WGS-84}\n"
    )
    return folder / "map.hdr"


def _polygons(name: str) -> Write:
    def write(folder: Path) -> Path:
        squares = [written_labels.square(row, 2 * row) for row in (1, 3, 5)]
        names = np.array(["maize", "oats", "maize"], object)
        written_labels.vector(folder / name, squares, names)
        return folder / name

    return write


def _table(folder: Path) -> Path:
    rows = ((600015, 5199985, "maize"), (600055, 5199945, "oats"), (600105, 5199915, "maize"))
    text = "".join(f"{x},{y},{name}\n" for x, y, name in rows)
    (folder / "points.csv").write_text(f"x,y,class\n{text}")
    return folder / "points.csv"


def _regions(folder: Path) -> Path:
    (folder / "regions.txt").write_text(
        "; ENVI Output of ROIs (5.3)\n; Number of ROIs: 2\n; File Dimension: 15 x 12\n;\n"
        "; ROI name: maize\n; ROI rgb value: {255, 0, 0}\n; ROI npts: 2\n;\n"
        "; ROI name: oats\n; ROI rgb value: {0, 255, 0}\n; ROI npts: 1\n;\n"
        "; ID X Y\n 1 2 3\n 2 3 3\n\n 1 9 9\n"
    )
    return folder / "regions.txt"


def _label_array(name: str) -> Write:
    def write(folder: Path) -> Path:
        from scipy.io import savemat

        if name.endswith(".npy"):
            np.save(folder / name, written_labels.class_map())
        else:
            savemat(folder / name, {"gt": written_labels.class_map(), "note": "x"})
        return folder / name

    return write


def _sample(folder: Path) -> Path:
    (folder / "sample.csv").write_text("row,col,class\n1,1,maize\n3,4,oats\n5,5,maize\n")
    return folder / "sample.csv"


def _read_sample(path: Path) -> object:
    from spectrolite.readers.labels.reference_points import read_sample

    return read_sample(path)


def _pictures(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    for n, ending in enumerate(("png", "jpg", "bmp", "gif", "tif", "webp")):
        for name in ("disc", "square"):
            (folder / "images" / name).mkdir(parents=True, exist_ok=True)
            pixels = generator.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "images" / name / f"{n}.{ending}")
    return folder / "images"


def _read_pictures(path: Path) -> object:
    return sl.read_images(path, skip_damaged=True)


def _archive(name: str) -> Write:
    def write(folder: Path) -> Path:
        images, path = _pictures(folder / "unpacked"), folder / name
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as archive:
                for file in sorted(images.rglob("*.*")):
                    archive.write(file, file.relative_to(images))
        else:
            with tarfile.open(path, "w:gz") as archive:
                archive.add(images, "images")
        for file in sorted((folder / "unpacked").rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        (folder / "unpacked").rmdir()
        return path

    return write


def _recipe(folder: Path) -> Path:
    (folder / "mine.toml").write_text(
        'model = "mobilesn"\nepochs = 3\nbatch = 32\nlearning_rate = 0.01\ncomponents = 3\n'
    )
    return folder / "mine.toml"


def _run(folder: Path) -> Path:
    cube = np.random.default_rng(0).normal(size=(12, 15, 6)).astype(np.float32)
    scene, labels = sl.Scene(cube, "field"), sl.Labels(written_labels.class_map())
    split = sl.split(labels, "random", train=0.5, seed=0)
    sl.train(
        scene,
        labels,
        split,
        model="mobilesn",
        components=3,
        epochs=1,
        receptive_field=5,
        out=folder / "run",
    )
    return folder / "run"


def _read_run(path: Path) -> object:
    return str(sl.open_run(path).report)


def _exported(folder: Path) -> Path:
    sl.export(_run(folder), "onnx", out=folder / "exported")
    shutil.rmtree(folder / "run")
    return folder / "exported"


FAMILIES: dict[str, tuple[Write, Read]] = {
    "envi": _scene(written_scenes.by_spectral("bil")),
    "geotiff": _scene(written_scenes.by_rasterio("scene.tif", "GTiff")),
    "vrt": _scene(written_scenes.vrt),
    "npy": _scene(written_scenes.npy("C")),
    "mat 5": _scene(written_scenes.mat_5),
    "mat 7.3": _scene(written_scenes.mat_73),
    "hdf5": _scene(written_scenes.hdf5),
    "netcdf 3": _scene(written_scenes.netcdf("NETCDF3_CLASSIC")),
    "netcdf 4": _scene(written_scenes.netcdf("NETCDF4")),
    "zarr 2": _scene(written_scenes.zarr_store(2)),
    "zarr 3": _scene(written_scenes.zarr_store(3)),
    "label raster": _labels(_label_raster),
    "envi classification": _labels(_envi_classification),
    "label npy": _labels(_label_array("gt.npy")),
    "label mat": _labels(_label_array("gt.mat")),
    "geopackage": _labels(_polygons("plots.gpkg"), "crop"),
    "geojson": _labels(_polygons("plots.geojson"), "crop"),
    "shapefile": _labels(_polygons("plots.shp"), "crop"),
    "flatgeobuf": _labels(_polygons("plots.fgb"), "crop"),
    "table": _labels(_table),
    "regions": _labels(_regions),
    "sample": (_sample, _read_sample),
    "images": (_pictures, _read_pictures),
    "zip of images": (_archive("images.zip"), _read_pictures),
    "tar of images": (_archive("images.tar.gz"), _read_pictures),
    "recipe": (_recipe, sl.read_recipe),
    "run": (_run, _read_run),
    "bundle": (_run, sl.load_bundle),
    "exported model": (_exported, sl.open_exported),
}
