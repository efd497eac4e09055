"""Memory that stays with the process while it is needed again and again."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# glibc's malloc.h
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
DEFAULTS = {TRIM_THRESHOLD: 128 << 10, TOP_PAD: 128 << 10, MMAP_MAX: 65536}
KEPT = {TRIM_THRESHOLD: (1 << 31) - 1, TOP_PAD: 64 << 20, MMAP_MAX: 0}


@contextmanager
def kept_memory() -> Iterator[None]:
    """While the block runs, freed memory is kept for the next layer, not given back.

    glibc takes every block above 32 MiB from the system and returns it when it is freed, and the
    system clears each page before it hands it out again: a quarter of a training step. At the end
    all is given back. Other C libraries are left as they are.
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
