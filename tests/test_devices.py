"""The device that a network is computed on."""

from __future__ import annotations

import pytest
import torch

from spectrolite.errors import SettingsError
from spectrolite.machine import pick_device

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def test_pick_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == DEVICES[-1]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:2", "mps"])
def test_a_device_that_is_missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: name == "cuda:2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SettingsError) as caught:
        pick_device(name)
    assert str(caught.value) == f"--device: {name} is not available on this machine; take cpu"


@pytest.mark.parametrize(
    "name", ["", "foo", "CPU", "Auto", "cpu ", "cuda:", "cuda:-1", "cuda:x", "cuda:99999999999"]
)
def test_an_unknown_device(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pick_device(name)
    assert str(caught.value) == f"--device: wanted auto, cpu or cuda, got {name!r}"


@pytest.mark.parametrize("name", ["meta", "xla", "hpu", "vulkan", "fpga:1"])
def test_devices_of_torch_that_are_not_supported(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pick_device(name)
    assert str(caught.value) == f"--device: {name} is not available on this machine; take cpu"
