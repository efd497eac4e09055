"""Measure the speed, size and memory of trained and exported models, side by side.

Each model does the work of `classify`, from raw spectra or pixels to classes. The models take
turns, call by call, so that a busy machine slows all of them alike. Load time and peak memory are
measured in a separate process for each model.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spectrolite.bundles.exported_folder import BACKENDS, FILES
from spectrolite.bundles.exported_model import Exported, is_exported, open_exported
from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.loading import any_bundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.scene import Scene
from spectrolite.deploy.benchmark_result import BATCH, Benchmark, Measured, Timing, plot
from spectrolite.deploy.timing import seconds_in_turns
from spectrolite.errors import RunError, SettingsError
from spectrolite.files import write_text
from spectrolite.machine import int8_path
from spectrolite.mapping.image_inference import config_of, predict
from spectrolite.mapping.scene_inference import classify_scene
from spectrolite.part_folders import check_free

SIDE = 145  # pixels, the size of Indian Pines
ALONE = "from spectrolite.deploy.benchmark import alone; alone()"
PACKAGES = ("torch", "onnxruntime", "openvino")

Model = Bundle | ImageBundle | Exported
Call = Callable[[], object]


def benchmark(
    models: Sequence[str | Path],
    *,
    threads: int = 1,
    repeats: int = 20,
    side: int = SIDE,
    out: str | Path | None = None,
    picture: str | Path | None = None,
    overwrite: bool = False,
) -> Benchmark:
    """Measure models side by side: size, load time, latency, throughput, memory.

    Inputs are random: the time of a network does not depend on their values.

    Args:
        models: folders of runs, bundles and exported models.
        threads: number of threads, the same for every backend.
        repeats: timed calls of each task, after one that warms up.
        side: side in pixels of the square scene that scene networks map.
        out: JSON file to write.
        picture: PNG file to write.
        overwrite: replace existing files.

    Raises:
        SettingsError: no models, a number out of range, or the same file for `out` and `picture`.
        RunError: a folder that is not a model, or a file in the way.
        MissingExtraError: the runtime of an exported model is not installed.
    """
    if not models:
        raise SettingsError("benchmark: wanted at least one model")
    for flag, number in (("threads", threads), ("repeats", repeats), ("side", side)):
        if number < 1:
            raise SettingsError(f"{flag}: wanted 1 or more, got {number}")
    files = [None if path is None else Path(path) for path in (out, picture)]
    if out is not None and picture is not None and Path(out).resolve() == Path(picture).resolve():
        raise SettingsError(f"out, picture: wanted two different files, got {out} for both")
    for file, flag in zip(files, ("--out", "--picture"), strict=True):
        if file is not None:
            check_free(file, overwrite, flag)
    paths = [Path(model) for model in models]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        loaded = [open_model(path, threads) for path in paths]
        load_and_memory = [_measure_alone(path, threads, side) for path in paths]
        tasks = [tasks_of(model, side) for model in loaded]
        one = _timings([task[0] for task in tasks], [1] * len(tasks), repeats)
        many = _timings(
            [task[1] for task in tasks],
            [side * side if _on_scenes(model) else BATCH for model in loaded],
            repeats,
        )
    finally:
        torch.set_num_threads(before)
    rows = map(_measured, paths, loaded, load_and_memory, one, many)
    result = Benchmark(tuple(rows), threads, repeats, _machine())
    if files[0] is not None:
        write_text(files[0], result.to_json() + "\n")
    if files[1] is not None:
        plot(result, files[1])
    return result


def open_model(path: Path, threads: int) -> Model:
    """Open the model in a folder; an exported model computes with this number of threads."""
    return open_exported(path, threads) if is_exported(path) else any_bundle(path)


def tasks_of(model: Model, side: int) -> tuple[Call, Call]:
    """The two tasks that are timed: one image and 64 images, or one pixel and a whole scene."""
    generator = np.random.default_rng(0)
    if isinstance(model, ImageBundle) or (isinstance(model, Exported) and model.config.images):
        shape = (BATCH, *config_of(model).input_shape)
        pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        return lambda: predict(model, pixels[:1], "cpu"), lambda: predict(model, pixels, "cpu")
    bands = len(model.config.padding or () if isinstance(model, Exported) else model.bands.mean)
    cube = generator.integers(0, 10_000, (side, side, bands), dtype=np.uint16)
    pixel, scene = Scene(cube[:1, :1], name="pixel"), Scene(cube, name="scene")
    return (
        lambda: classify_scene(model, pixel, device="cpu"),
        lambda: classify_scene(model, scene, device="cpu"),
    )


def _on_scenes(model: Model) -> bool:
    if isinstance(model, Exported):
        return model.config.scene is not None
    return isinstance(model, Bundle)


def _timings(tasks: Sequence[Call], items: Sequence[int], repeats: int) -> list[Timing]:
    median, high = np.percentile(seconds_in_turns(tasks, repeats), (50, 95), axis=1).tolist()
    return [Timing(*row) for row in zip(items, median, high, strict=True)]


def _measure_alone(path: Path, threads: int, side: int) -> tuple[float, float]:
    """Load time in seconds and peak memory in MiB, measured in a separate process."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(path), str(threads), str(side)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunError(f"{path}: cannot be measured in a separate process ({last})")
    load_s, peak_mib = json.loads(done.stdout.splitlines()[-1])
    return load_s, peak_mib


def alone() -> None:
    """Load the model of the first argument, do both tasks, and print seconds and MiB as JSON."""
    path, threads, side = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    if is_exported(path):
        open_exported(path, threads)  # imports the libraries
    start = time.perf_counter()
    model = open_model(path, threads)
    opened = time.perf_counter()
    one, many = tasks_of(model, side)
    ready = time.perf_counter()  # the time to make inputs does not count
    one()
    load_s = opened - start + time.perf_counter() - ready
    many()
    sys.stdout.write(json.dumps([load_s, peak_mib()]) + "\n")


def peak_mib() -> float:
    """Peak memory of this process, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage starts from the peak of the parent process
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _measured(
    path: Path, model: Model, load_and_memory: tuple[float, float], one: Timing, many: Timing
) -> Measured:
    if isinstance(model, Exported):
        config: Any = model.config.network
        files = [path / name for name in FILES[model.config.exported]]
        backend, precision = BACKENDS[model.config.exported], model.config.precision
    else:
        config = model.config
        folder = path / "bundle" if (path / "bundle").is_dir() else path
        files, backend, precision = [folder / "model.safetensors"], "torch", "float32"
    return Measured(
        model=str(path),
        network=f"{config.model} ({config.variant})",
        works_on="pixels" if _on_scenes(model) else "images",
        backend=backend,
        precision=precision,
        bytes=sum(file.stat().st_size for file in files),
        load_s=load_and_memory[0],
        peak_mib=load_and_memory[1],
        one=one,
        many=many,
    )


def _machine() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "int8": int8_path(),
        **versions,
    }
