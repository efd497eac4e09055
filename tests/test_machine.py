"""Memory is kept inside the block and given back after it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from spectrolite.machine import kept_memory

MIB = 1 << 20


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / MIB


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone has the switch")
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


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with kept_memory():
        assert torch.ones(3).sum() == 3
