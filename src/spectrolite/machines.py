"""Versions and machine: what decides the bits of a computation beside its inputs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import torch

from spectrolite.errors import RunError
from spectrolite.training import pick_device

DECIDE_BITS = ("torch", "numpy", "scipy", "scikit-learn")


def versions_and_machine(device: str) -> dict[str, Any]:
    """`versions` and `machine` of what is computed here, on the device of that name."""
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


def other_machine(known: dict[str, Any], device: str | None = None) -> list[str]:
    """What differs here from where a run was trained, of all that decides its bits.

    The thread count is left out: `threads_of` sets it.

    Args:
        known: what is known of a run; or `versions` and `machine` alone.
        device: name of the device to compute on; without it, that of the run's settings.
    """
    here = versions_and_machine(device or known["settings"]["training"]["device"])
    now = {p: here["versions"][p] for p in ("spectrolite", *DECIDE_BITS)}
    now |= {key: here["machine"][key] for key in ("cpu_capability", "device")}
    then = {**known["versions"], **known["machine"]}
    other = [
        f"{name} {then.get(name, 'unknown')} then, {value} now"
        for name, value in now.items()
        if then.get(name) != value
    ]
    if now["device"] != "cpu" and not other:
        return [f"bits are not promised on {now['device']}"]
    return other


@contextmanager
def threads_of(known: dict[str, Any]) -> Iterator[None]:
    """Compute with as many threads as a run did while the block runs: their number decides bits.

    Raises:
        RunError: no such number is known.
    """
    wanted = known["machine"].get("threads")
    if not isinstance(wanted, int) or wanted < 1:
        raise RunError(f"machine.threads: wanted a whole number from 1 up, got {wanted!r}")
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
