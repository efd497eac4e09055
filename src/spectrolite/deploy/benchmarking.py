"""How fast trained and exported models are, side by side on the machine at hand.

Each computes what the verbs compute, from raw spectra or pixels to classes. The models take turns,
call by call, so that a busy machine slows all of them. Load time and peak memory are measured in a
process of each model's own, for in this one the others would count.
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
from typing import Any, cast

import numpy as np
import torch

from spectrolite.bundles.exported_folder import BACKENDS, FILES
from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.loading import any_bundle
from spectrolite.bundles.runtimes import Exported, is_exported, open_exported
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.scene import Scene
from spectrolite.deploy.measurements import BATCH, Benchmark, Measured, Timing, draw
from spectrolite.errors import RunError, SettingsError
from spectrolite.files import whole_file
from spectrolite.mapping.image_inference import config_of, predict
from spectrolite.mapping.scene_inference import classify
from spectrolite.part_folders import check_free

SIDE = 145  # pixels, as Indian Pines has them
ALONE = "from spectrolite.deploy.benchmarking import alone; alone()"
PACKAGES = ("torch", "onnxruntime", "openvino")

Model = Bundle | ImageBundle | Exported
Work = Callable[[], object]


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

    Inputs are random: a network takes the same time for all.

    Args:
        models: folders of runs, bundles and exported models.
        threads: that compute; every backend is held to them.
        repeats: calls of each piece of work, after one that warms up.
        side: of the scene that scene networks map, in pixels.
        out: JSON to write.
        picture: PNG to write.
        overwrite: replace files that are there.

    Raises:
        SettingsError: nothing to measure, a number out of range, or one file for both.
        RunError: a folder that is no model, or a file in the way.
        MissingExtraError: the runtime of an exported model is not installed.
    """
    if not models:
        raise SettingsError("benchmark: wanted at least one model")
    for flag, number in (("threads", threads), ("repeats", repeats), ("side", side)):
        if number < 1:
            raise SettingsError(f"{flag}: wanted 1 or more, got {number}")
    files = [None if path is None else Path(path) for path in (out, picture)]
    if out is not None and picture is not None and Path(out).resolve() == Path(picture).resolve():
        raise SettingsError(f"out, picture: both would be {out}; take two names")
    for file, flag in zip(files, ("--out", "--picture"), strict=True):
        if file is not None:
            check_free(file, overwrite, flag)
    paths = [Path(model) for model in models]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        loaded = [open_model(path, threads) for path in paths]
        apart = [_measure_alone(path, threads, side) for path in paths]
        works = [work_of(model, side) for model in loaded]
        one = _timings([work[0] for work in works], [1] * len(works), repeats)
        many = _timings(
            [work[1] for work in works],
            [side * side if _on_scenes(model) else BATCH for model in loaded],
            repeats,
        )
    finally:
        torch.set_num_threads(before)
    measured = tuple(_measured(*each) for each in zip(paths, loaded, apart, one, many, strict=True))
    made = Benchmark(measured, threads, repeats, _machine())
    if files[0] is not None:
        with whole_file(files[0]) as part:
            part.write_text(made.to_json() + "\n", encoding="utf-8")
    if files[1] is not None:
        draw(made, files[1])
    return made


def open_model(path: Path, threads: int) -> Model:
    """The model in a folder, held to so many threads."""
    return open_exported(path, threads) if is_exported(path) else any_bundle(path)


def work_of(model: Model, side: int) -> tuple[Work, Work]:
    """What is measured: one image and 64, or one pixel of a scene and all of one."""
    generator = np.random.default_rng(0)
    if not _on_scenes(model):
        network = cast(ImageBundle | Exported, model)
        shape = (BATCH, *config_of(network).input_shape)
        pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        return lambda: predict(network, pixels[:1], "cpu"), lambda: predict(network, pixels, "cpu")
    if isinstance(model, Exported):
        bands = len(cast(tuple[float, ...], model.config.padding))
    else:
        bands = len(cast(Bundle, model).bands.mean)
    cube = generator.integers(0, 10_000, (side, side, bands), dtype=np.uint16)
    scenes = Scene(cube[:1, :1], name="pixel"), Scene(cube, name="scene")
    maps = cast(Bundle | Exported, model)
    return (
        lambda: classify(maps, scenes[0], device="cpu"),
        lambda: classify(maps, scenes[1], device="cpu"),
    )


def _on_scenes(model: Model) -> bool:
    if isinstance(model, Exported):
        return model.config.scene is not None
    return isinstance(model, Bundle)


def _timings(works: Sequence[Work], items: Sequence[int], repeats: int) -> list[Timing]:
    """Each piece of work in turn, so many times over."""
    seconds = np.empty((len(works), repeats))
    for work in works:
        work()
    for call in range(repeats):
        for k, work in enumerate(works):
            start = time.perf_counter()
            work()
            seconds[k, call] = time.perf_counter() - start
    middle, high = np.percentile(seconds, (50, 95), axis=1).tolist()
    return [Timing(*each) for each in zip(items, middle, high, strict=True)]


def _measure_alone(path: Path, threads: int, side: int) -> tuple[float, float]:
    """Load time in seconds and peak memory in MiB, from a process of the model's own."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(path), str(threads), str(side)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunError(f"{path}: cannot be measured in a process of its own ({last})")
    load_s, peak_mib = json.loads(done.stdout.splitlines()[-1])
    return load_s, peak_mib


def alone() -> None:
    """Load the model of the first argument, let it work, and print seconds and MiB as JSON."""
    path, threads, side = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    if is_exported(path):
        open_exported(path, threads)  # imports the libraries
    start = time.perf_counter()
    model = open_model(path, threads)
    opened = time.perf_counter()
    one, many = work_of(model, side)
    ready = time.perf_counter()  # making the inputs is no part of loading
    one()
    load_s = opened - start + time.perf_counter() - ready
    many()
    sys.stdout.write(json.dumps([load_s, peak_mib()]) + "\n")


def peak_mib() -> float:
    """The most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says begins with what the parent held
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _measured(
    path: Path, model: Model, apart: tuple[float, float], one: Timing, many: Timing
) -> Measured:
    if isinstance(model, Exported):
        known: Any = model.config.scene or model.config.images
        files = [path / name for name in FILES[model.config.exported]]
        backend, precision = BACKENDS[model.config.exported], model.config.precision
    else:
        known = model.config
        folder = path / "bundle" if (path / "bundle").is_dir() else path
        files, backend, precision = [folder / "model.safetensors"], "torch", "float32"
    return Measured(
        model=str(path),
        network=f"{known.model} ({known.variant})",
        works_on="pixels" if _on_scenes(model) else "images",
        backend=backend,
        precision=precision,
        bytes=sum(file.stat().st_size for file in files),
        load_s=apart[0],
        peak_mib=apart[1],
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
        **versions,
    }
