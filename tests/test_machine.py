"""Memory is kept inside the block and given back after it."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from spectrolite.machine import kept_memory

MIB = 1 << 20


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / MIB


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has mallopt")
def test_memory_stays_inside_the_block_and_goes_after_it() -> None:
    before = _resident_mib()
    with kept_memory():
        block = torch.ones(200 * MIB // 4)
        del block
        assert _resident_mib() > before + 150
    assert _resident_mib() < before + 100


def test_a_failure_inside_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="inside"), kept_memory():
        raise KeyError("inside")


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A C library that writes down what is called; `CDLL` itself is written down first."""
    calls: list[str] = []

    def load(_: Any) -> SimpleNamespace:
        calls.append("CDLL")
        return SimpleNamespace(
            mallopt=lambda key, _: calls.append(f"mallopt {key}"),
            malloc_trim=lambda _: calls.append("malloc_trim"),
        )

    monkeypatch.setattr(ctypes, "CDLL", load)
    return calls


def test_on_linux_three_settings_are_changed_and_set_back(
    libraries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    changes = ["mallopt -1", "mallopt -2", "mallopt -4"]  # as numbered in glibc's malloc.h
    with kept_memory():
        assert libraries == ["CDLL", *changes]
    assert libraries == ["CDLL", *changes, *changes, "malloc_trim"]


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_on_other_systems_the_c_library_is_not_called(
    libraries: list[str], monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    ran = False
    with kept_memory():
        ran = True
    assert ran
    assert libraries == []


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As musl; a call would be an AttributeError."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    ran = False
    with kept_memory():
        ran = True
    assert ran
