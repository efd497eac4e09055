"""Versions, machine and threads, which decide the bits of a computation; devices; memory."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from spectrolite.errors import RunError, SettingsError

DECIDE_BITS = ("torch", "numpy", "scipy", "scikit-learn")


def versions_and_machine(device: str) -> dict[str, Any]:
    """The keys `versions` and `machine` of a manifest, for a computation here on that device."""
    packages = ("spectrolite", *DECIDE_BITS)
    return {
        "versions": {
            "python": platform.python_version(),
            **{p: metadata.version(p) for p in packages},
        },
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processors": os.cpu_count() or 1,
            "threads": torch.get_num_threads(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "device": str(pick_device(device)),
        },
    }


def int8_path() -> str:
    """The processor's instructions for int8: `avx512_vnni`, `avx_vnni`, `avx512f` or `avx2`.

    Without `vnni`, products are added in 16 bits. On other processors and systems, the kind of
    processor, such as `arm64`.
    """
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text(encoding="utf-8").split()) if cpuinfo.is_file() else set()
    paths = ("avx512_vnni", "avx_vnni", "avx512f", "avx2")
    return next((path for path in paths if path in flags), platform.machine())


def other_machine(manifest: dict[str, Any], device: str | None = None) -> list[str]:
    """Differences between this machine and the one of a run, in whatever decides its bits.

    The number of threads is not compared: `threads_of` sets it.

    Args:
        manifest: of the run; or `versions` and `machine` alone.
        device: name of the device to compute on; default: the device of the run's settings.
    """
    here = versions_and_machine(device or manifest["settings"]["training"]["device"])
    now = {p: here["versions"][p] for p in ("spectrolite", *DECIDE_BITS)}
    now |= {key: here["machine"][key] for key in ("cpu_capability", "device")}
    then = {**manifest["versions"], **manifest["machine"]}
    differences = [
        f"{name} {then.get(name, 'unknown')} then, {value} now"
        for name, value in now.items()
        if then.get(name) != value
    ]
    if now["device"] != "cpu" and not differences:
        return [f"bits are not promised on {now['device']}"]
    return differences


@contextmanager
def threads_of(manifest: dict[str, Any]) -> Iterator[None]:
    """Compute with the run's number of threads while the block runs: it decides bits.

    Raises:
        RunError: the manifest has no such number.
    """
    wanted = manifest["machine"].get("threads")
    if not isinstance(wanted, int) or wanted < 1:
        raise RunError(f"machine.threads: wanted a whole number from 1 up, got {wanted!r}")
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA if available, else the CPU.

    Raises:
        SettingsError: an unknown device, or one that this machine or build of torch does not have.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"--device: wanted auto, cpu or cuda, got {name!r}") from error
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise SettingsError(f"--device: {name} is not available on this machine; take cpu")
    return device


TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4  # as numbered in glibc's malloc.h
DEFAULTS = {TRIM_THRESHOLD: 128 << 10, TOP_PAD: 128 << 10, MMAP_MAX: 65536}
KEPT = {TRIM_THRESHOLD: (1 << 31) - 1, TOP_PAD: 64 << 20, MMAP_MAX: 0}


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory for the next layer while the block runs; return it to the system after it.

    By default glibc asks the system for every block above 32 MiB and returns it when it is freed,
    and the system clears each page before it is used again: a quarter of the time of a training
    step. Other C libraries are left as they are.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt") or not hasattr(libc, "malloc_trim"):
        yield
        return
    for key, value in KEPT.items():
        libc.mallopt(key, value)
    try:
        yield
    finally:
        for key, value in DEFAULTS.items():
            libc.mallopt(key, value)
        libc.malloc_trim(0)
