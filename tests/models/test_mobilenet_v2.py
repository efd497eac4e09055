"""MobileNetV2 alone: bottlenecks, shortcuts, channel counts, and torchvision's weights.

Torchvision's naming: `TorchvisionLayout` below, written after the names of its state dict.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.mobilenets import V2_TABLE, ghost, random_images, seeded, settle
from spectrolite.errors import SettingsError
from spectrolite.models.mobilenet_v2 import MobileNetV2, torchvision_keys
from spectrolite.models.mobilenet_v2 import scaled as scaled_v2


def test_parameters_as_torchvision_counts_them() -> None:
    net = ghost("mobilenet_v2", classes=1000, small_images=False)
    assert sum(p.numel() for p in net.parameters()) == 3_504_872


def test_the_bottleneck_is_linear_by_default() -> None:
    x = random_images(2, 3, 16, 16)
    lowest = {}
    for linear in (True, False):
        net = seeded(MobileNetV2, width=0.25, linear_bottleneck=linear)
        outs: list[Tensor] = []
        for block in net.blocks:
            block.project.register_forward_hook(lambda _m, _i, out, outs=outs: outs.append(out))
        with torch.no_grad():
            net(x)
        lowest[linear] = min(float(out.min()) for out in outs)
    assert lowest[True] < -1
    assert lowest[False] == 0


def test_shortcuts_are_where_the_tables_have_them() -> None:
    def shortcuts(variant: str) -> list[str]:
        blocks = ghost("mobilenet_v2", variant=variant).blocks
        return [type(b.shortcut).__name__ for b in blocks]

    n, i, s = "NoneType", "Identity", "Sequential"
    assert shortcuts("paper") == [n, n, i, n, i, i, n, i, i, i, n, i, i, n, i, i, n]
    assert shortcuts("course") == [s, s, i, n, i, i, n, i, i, i, s, i, i, n, i, i, s]
    assert [b.expand is None for b in ghost("mobilenet_v2").blocks] == [True] + 16 * [False]
    assert all(b.expand is not None for b in ghost("mobilenet_v2", variant="course").blocks)


@given(channels=st.floats(0.1, 1e5))
def test_v2_rounds_to_eights_and_never_down_by_more_than_a_tenth(channels: float) -> None:
    got = scaled_v2(channels)
    assert got % 8 == 0
    assert got >= max(8, 0.9 * channels)
    nearest = min(range(8, int(channels) + 17, 8), key=lambda n: (abs(n - channels), -n))
    assert got == (nearest if nearest >= 0.9 * channels else nearest + 8)


def _unit(inputs: int, out: int, side: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, out, side, stride, (side - 1) // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU6())


class _Block(nn.Module):
    """Our `expand`, `depthwise`, `project` as one chain called `conv`."""

    def __init__(self, inputs: int, out: int, stride: int, t: int) -> None:
        super().__init__()
        wide = inputs * t
        parts: list[nn.Module] = [_unit(wide, wide, 3, stride, wide)]
        if t != 1:
            parts.insert(0, _unit(inputs, wide, 1))
        self.conv = nn.Sequential(*parts, nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out))
        self.joins = stride == 1 and inputs == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.joins else y


class TorchvisionLayout(nn.Module):
    """MobileNetV2 at width 1 with the module names of torchvision's, strides for 224 pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        parts: list[nn.Module] = [_unit(3, 32, 3, 2)]
        inputs = 32
        for t, out, blocks, stride in V2_TABLE:
            for n in range(blocks):
                parts.append(_Block(inputs, out, stride if n == 0 else 1, t))
                inputs = out
        self.features = nn.Sequential(*parts, _unit(inputs, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, 3, H, W) -> (N, classes)`."""
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        logits: Tensor = self.classifier(x)
        return logits


@pytest.fixture(scope="module")
def foreign() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return settle(TorchvisionLayout(classes=7), 3)


def _ours() -> MobileNetV2:
    generator = torch.Generator().manual_seed(1)
    return MobileNetV2(classes=7, small_images=False, generator=generator)


def test_weights_in_torchvisions_naming_give_its_outputs(foreign: nn.Module) -> None:
    net = _ours()
    net.load_torchvision(foreign.state_dict())
    x = random_images(2, 3, 64, 96)
    with torch.no_grad():
        got, expected = net.eval()(x), foreign(x)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert (expected[0] - expected[1]).abs().max() > 1e-2
    for theirs, ours in torchvision_keys(net).items():
        assert torch.equal(net.state_dict()[ours], foreign.state_dict()[theirs]), theirs


def test_every_key_of_torchvision_has_a_place() -> None:
    keys = torchvision_keys(ghost("mobilenet_v2"))
    assert len(keys) == len(set(keys.values())) == 52 * 6 + 2
    assert set(keys.values()) == set(ghost("mobilenet_v2").state_dict())
    for theirs, ours in {
        "features.0.0.weight": "stem.0.weight",
        "features.1.conv.0.0.weight": "blocks.0.depthwise.0.weight",
        "features.1.conv.1.weight": "blocks.0.project.0.weight",
        "features.2.conv.3.running_var": "blocks.1.project.1.running_var",
        "features.17.conv.1.1.num_batches_tracked": "blocks.16.depthwise.1.num_batches_tracked",
        "features.18.1.bias": "head.1.bias",
        "classifier.1.weight": "linear.weight",
    }.items():
        assert keys[theirs] == ours


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: {k: v for k, v in s.items() if k != "classifier.1.bias"},
            "missing: classifier.1.bias",
        ),
        (
            lambda s: {**s, "features.19.weight": s["classifier.1.bias"]},
            "unknown: features.19.weight",
        ),
        (
            lambda s: {f"module.{k}": v for k, v in s.items()},
            "missing: features.0.0.weight, features.0.1.weight, features.0.1.bias and 311 more; "
            "unknown: module.features.0.0.weight, module.features.0.1.weight, "
            "module.features.0.1.bias and 311 more; strip the prefix 'module.' from every key",
        ),
        (
            lambda s: {**s, "classifier.1.weight": torch.zeros(8, 1280)},
            "classifier.1.weight is (8, 1280), wanted (7, 1280)",
        ),
        (
            lambda s: {
                "features.0.0.weight": torch.zeros(32, 1, 3, 3),
                **{
                    k: v
                    for k, v in s.items()
                    if k not in ("features.0.0.weight", "features.18.1.bias")
                },
            },
            "missing: features.18.1.bias; features.0.0.weight is (32, 1, 3, 3), wanted "
            "(32, 3, 3, 3)",
        ),
    ],
)
def test_other_keys_are_named_and_nothing_is_loaded(
    foreign: nn.Module,
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    message: str,
) -> None:
    net = _ours()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(SettingsError) as caught:
        net.load_torchvision(change(foreign.state_dict()))
    assert str(caught.value) == f"torchvision's state dict: {message}"
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_what_torchvision_does_not_have_is_refused(foreign: nn.Module) -> None:
    net = MobileNetV2("course", activation="relu", classes=7)
    with pytest.raises(SettingsError) as caught:
        net.load_torchvision(foreign.state_dict())
    assert str(caught.value) == (
        "torchvision's mobilenet_v2 is variant='paper', activation='relu6', "
        "linear_bottleneck=True; this network is 'course', 'relu', True"
    )
