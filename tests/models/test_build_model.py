"""Networks by name: `build_model`, its random numbers, its errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import spectrolite as sl
from models.mobilenets import Network
from spectrolite.errors import SettingsError
from spectrolite.models import IMAGE_MODELS, MODELS, build_model, build_scene_model
from spectrolite.models.hybridsn import HybridSN

BANDS, CLASSES = 14, 5


def test_build_model_gives_hybridsn() -> None:
    net = build_model(
        "hybridsn", bands=13, classes=4, variant="paper", generator=torch.Generator().manual_seed(1)
    )
    twin = HybridSN(13, 4, "paper", torch.Generator().manual_seed(1))
    assert type(net) is MODELS["hybridsn"] is HybridSN
    for key, value in twin.state_dict().items():
        assert torch.equal(net.state_dict()[key], value), key


def test_build_model_with_a_generator_leaves_the_global_one_alone() -> None:
    with torch.random.fork_rng(devices=[]):
        for seed in (0, 1):
            torch.manual_seed(seed)
            before = torch.random.get_rng_state()
            build_model("hybridsn", bands=13, classes=2, generator=torch.Generator())
            assert torch.equal(torch.random.get_rng_state(), before)
            with pytest.raises(SettingsError):
                build_model("hybridsn", bands=12, classes=2, generator=torch.Generator())
            assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("arguments", [{}, {"generator": None}])
def test_build_model_without_a_generator_draws_from_the_global_one(
    arguments: dict[str, Any],
) -> None:
    def built(seed: int) -> tuple[Tensor, Tensor]:
        torch.manual_seed(seed)
        net = build_model("hybridsn", bands=13, classes=2, **arguments)
        assert isinstance(net, HybridSN)
        return net.fc2.weight.detach(), torch.random.get_rng_state()

    with torch.random.fork_rng(devices=[]):
        (one, after), (same, _), (other, _) = built(1), built(1), built(2)
        torch.manual_seed(1)
        assert not torch.equal(torch.random.get_rng_state(), after)  # the next net is another
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("name", ["resnet", "", "HybridSN", "torch.nn.Linear", "os.system"])
def test_unknown_names_are_errors_never_imports(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_model(name, bands=13, classes=2)
    hint = "; did you mean hybridsn?" if name == "HybridSN" else ""
    assert str(caught.value) == f"model: wanted one of {', '.join(MODELS)}, got {name!r}{hint}"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [({"bands": 13, "classes": 2, "width": 0.5}, "width"), ({"bands": 13}, "classes")],
)
def test_wrong_arguments_are_settings_errors(arguments: dict[str, Any], word: str) -> None:
    with pytest.raises(SettingsError, match=rf"^model hybridsn: .*'{word}'"):
        build_model("hybridsn", **arguments)


def test_arguments_that_a_network_does_not_have() -> None:
    with pytest.raises(SettingsError, match=r"^model mobilenet_v1: .*'bands'"):
        sl.build_model("mobilenet_v1", bands=30)


@pytest.mark.parametrize(("name", "kind"), IMAGE_MODELS.items())
def test_build_model_gives_the_named_mobilenet(name: str, kind: Network) -> None:
    def seed() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    net = sl.build_model(name, width=0.25, generator=seed())
    assert type(net) is MODELS[name] is kind
    twin = kind("paper", 0.25, 10, "relu6", True, 3, generator=seed())
    for key, value in twin.state_dict().items():
        assert torch.equal(net.state_dict()[key], value), key


@pytest.mark.parametrize("name", sorted(IMAGE_MODELS))
def test_scenes_refuse_networks_for_images(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_scene_model(name, bands=30, classes=16)
    assert str(caught.value) == (
        f"model: {name} classifies images, and a scene needs one of hybridsn, mobilesn"
    )
