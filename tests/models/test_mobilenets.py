"""MobileNetV1 and MobileNetV2 alike.

Independent references:
- parameters and MACs: the counts of two rebuilds, given with the course, and FlopCounterMode;
- outputs: `plain_v1` and `plain_v2` below, which go through the papers' tables with one ordinary
  convolution a channel, a sum over channels, and BatchNorm by its formula;
- initial weights: scipy's truncated normal, and layers that PyTorch itself initialised;
- map sizes: the stride's division, rounded up, again and again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, truncnorm, uniform
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import spectrolite as sl
from models.mobilenets import NETWORKS, V1_TABLE, V2_TABLE, Network, ghost, random_images, seeded
from spectrolite.errors import SettingsError
from spectrolite.models import IMAGE_MODELS
from spectrolite.models.mobilenet_v1 import MobileNetV1
from spectrolite.models.mobilenet_v1 import scaled as scaled_v1
from spectrolite.models.mobilenet_v2 import MobileNetV2
from spectrolite.models.mobilenet_v2 import scaled as scaled_v2


@pytest.mark.parametrize(
    ("name", "variant", "width", "parameters", "macs"),
    [
        ("mobilenet_v1", "course", 1.0, 2_142_026, 29_282_304),
        ("mobilenet_v1", "paper", 1.0, 3_217_226, 46_354_432),
        ("mobilenet_v1", "paper", 0.5, 823_722, 12_167_168),
        ("mobilenet_v1", "paper", 0.25, 215_642, 3_331_072),
        ("mobilenet_v2", "course", 1.0, 2_296_922, 91_154_944),
        ("mobilenet_v2", "paper", 0.5, 700_490, 27_969_024),
        ("mobilenet_v2", "paper", 0.75, 1_368_234, 59_310_080),
        ("mobilenet_v2", "paper", 1.0, 2_236_682, 87_976_448),
        ("mobilenet_v2", "paper", 1.4, 4_333_706, 170_073_344),
    ],
)
def test_counts_at_32_pixels(
    name: str, variant: str, width: float, parameters: int, macs: int
) -> None:
    net = ghost(name, variant=variant, width=width)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        assert net(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 10)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert counter.get_total_flops() == 2 * macs
    made = sl.cost(net, (3, 32, 32))
    assert (made.parameters, made.macs) == (parameters, macs)


@pytest.mark.parametrize(
    ("name", "classes", "side", "macs"),
    [
        ("mobilenet_v1", 10, 32, 11_596_288),  # the stem trap: ImageNet's strides at 32 pixels
        ("mobilenet_v2", 10, 32, 6_124_928),
        ("mobilenet_v2", 1000, 224, 300_774_272),
    ],
)
def test_counts_with_the_strides_of_imagenet(name: str, classes: int, side: int, macs: int) -> None:
    net = ghost(name, classes=classes, small_images=False)
    assert sl.cost(net, (3, side, side)).macs == macs


def plain_conv(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """A convolution with padding for a map of the same size; depthwise: one a channel."""
    side = weight.shape[-1]
    if side == 1:
        assert stride == 1
        return torch.einsum("nchw,oc->nohw", x, weight[:, :, 0, 0])
    padding = side // 2
    if weight.shape[1] == x.shape[1]:
        return nn.functional.conv2d(x, weight, stride=stride, padding=padding)
    maps = [
        nn.functional.conv2d(x[:, c : c + 1], weight[c : c + 1], stride=stride, padding=padding)
        for c in range(x.shape[1])
    ]
    return torch.cat(maps, 1)


def plain_unit(
    state: dict[str, Tensor], prefix: str, x: Tensor, stride: int, top: float | None
) -> Tensor:
    """Convolution, BatchNorm by its formula, and clipping from 0 to `top`; nothing: no clipping."""
    x = plain_conv(x, state[f"{prefix}.0.weight"], stride)
    mean, var, weight, bias = (
        state[f"{prefix}.1.{key}"][:, None, None]
        for key in ("running_mean", "running_var", "weight", "bias")
    )
    x = (x - mean) / torch.sqrt(var + 1e-5) * weight + bias
    return x if top is None else x.clip(0, top)


def plain_v1(net: MobileNetV1, x: Tensor) -> Tensor:
    state, top = net.state_dict(), 6 if net.activation == "relu6" else math.inf
    x = plain_unit(state, "stem", x, 1 if net.small_images else 2, top)
    for i, (_, stride) in enumerate(V1_TABLE[net.variant]):
        x = plain_unit(state, f"blocks.{i}.depthwise", x, stride, top)
        x = plain_unit(state, f"blocks.{i}.pointwise", x, 1, top)
    logits: Tensor = x.flatten(2).mean(2) @ state["linear.weight"].T + state["linear.bias"]
    return logits


def plain_v2(net: MobileNetV2, x: Tensor) -> Tensor:
    state, top = net.state_dict(), 6 if net.activation == "relu6" else math.inf
    course = net.variant == "course"
    x = plain_unit(state, "stem", x, 1 if net.small_images else 2, top)
    i = 0
    for t, channels, blocks, first_stride in V2_TABLE:
        for n in range(blocks):
            stride = first_stride if n == 0 else 1
            if net.small_images and channels == 24:
                stride = 1
            y = x
            if t > 1 or course:
                y = plain_unit(state, f"blocks.{i}.expand", y, 1, top)
            y = plain_unit(state, f"blocks.{i}.depthwise", y, stride, top)
            y = plain_unit(
                state, f"blocks.{i}.project", y, 1, None if net.linear_bottleneck else top
            )
            if stride == 1 and x.shape == y.shape:
                y = y + x
            elif stride == 1 and course:
                y = y + plain_unit(state, f"blocks.{i}.shortcut", x, 1, None)
            x, i = y, i + 1
    assert i == 17
    x = plain_unit(state, "head", x, 1, top)
    logits: Tensor = x.flatten(2).mean(2) @ state["linear.weight"].T + state["linear.bias"]
    return logits


@pytest.mark.parametrize("variant", ["paper", "course"])
@pytest.mark.parametrize(
    ("kind", "plain", "arguments", "shape"),
    [
        (MobileNetV1, plain_v1, {}, (3, 32, 32)),
        (MobileNetV1, plain_v1, {"activation": "relu", "small_images": False}, (3, 45, 64)),
        (MobileNetV1, plain_v1, {"channels": 1, "classes": 2}, (1, 19, 8)),
        (MobileNetV2, plain_v2, {}, (3, 32, 32)),
        (MobileNetV2, plain_v2, {"activation": "relu", "small_images": False}, (3, 45, 64)),
        (MobileNetV2, plain_v2, {"channels": 1, "classes": 2}, (1, 19, 8)),
        (MobileNetV2, plain_v2, {"linear_bottleneck": False}, (3, 16, 16)),
    ],
)
def test_outputs_are_those_of_a_plain_rebuild(
    kind: Network,
    plain: Callable[[Any, Tensor], Tensor],
    arguments: dict[str, Any],
    shape: tuple[int, ...],
    variant: str,
) -> None:
    net = seeded(kind, variant=variant, width=0.25, **arguments).double()
    x = random_images(2, *shape).double()
    with torch.no_grad():
        got, expected = net(x), plain(net, x)
    assert got.shape == (2, arguments.get("classes", 10))
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
    assert (expected[0] - expected[1]).abs().max() > 1e-3  # the images have different logits


@pytest.mark.parametrize("kind", NETWORKS)
def test_gradients_reach_every_weight(kind: Network) -> None:
    net = kind(width=0.25, generator=torch.Generator().manual_seed(0))
    net(random_images(4, 3, 16, 16)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def _maps(net: Any, rows: int, cols: int) -> list[tuple[int, ...]]:
    """Sizes of the map after the stem and after each block."""
    sizes: list[tuple[int, ...]] = []
    for part in (net.stem, *net.blocks):
        part.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape[2:])))
    x = torch.empty(2, net.channels, rows, cols, device="meta")
    assert net(x).shape == (2, net.classes)
    return sizes


@settings(deadline=None, max_examples=15)
@given(
    rows=st.integers(8, 80),
    cols=st.integers(8, 80),
    small=st.booleans(),
    name=st.sampled_from(sorted(IMAGE_MODELS)),
    channels=st.integers(1, 5),
)
def test_every_size_is_divided_by_the_strides_and_rounded_up(
    rows: int, cols: int, small: bool, name: str, channels: int
) -> None:
    net = ghost(name, small_images=small, channels=channels, width=0.25)
    if name == "mobilenet_v1":
        strides = [1 if small else 2, *(stride for _, stride in V1_TABLE["paper"])]
    else:
        strides = [1 if small else 2]
        for _, out, blocks, stride in V2_TABLE:
            strides += [1 if small and out == 24 else stride] + [1] * (blocks - 1)
    expected, size = [], (rows, cols)
    for stride in strides:
        size = (math.ceil(size[0] / stride), math.ceil(size[1] / stride))
        expected.append(size)
    assert _maps(net, rows, cols) == expected


def test_the_last_map_of_224_pixels_is_the_papers() -> None:
    for name in IMAGE_MODELS:
        assert _maps(ghost(name, small_images=False), 224, 224)[-1] == (7, 7)
    assert _maps(ghost("mobilenet_v1"), 32, 32)[-1] == (2, 2)
    assert _maps(ghost("mobilenet_v2"), 32, 32)[-1] == (4, 4)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 3, 7, 32), (1, 3, 32, 7), (1, 1, 32, 32), (3, 32, 32)])
def test_images_of_another_shape_are_refused(kind: Network, shape: tuple[int, ...]) -> None:
    net = kind(width=0.25)
    with pytest.raises(SettingsError) as caught:
        net(torch.zeros(shape))
    assert str(caught.value) == (
        f"images: wanted (N, 3, H, W) with at least 8 pixels a side, got {shape}"
    )


@settings(deadline=None, max_examples=10)
@given(scale=st.floats(1e-3, 1e6), seed=st.integers(0, 99))
@pytest.mark.parametrize("kind", NETWORKS)
def test_relu6_bounds_every_map(kind: Network, scale: float, seed: int) -> None:
    net = seeded(kind, width=0.25, variant="course")
    seen: list[tuple[float, float]] = []
    for layer in net.modules():
        if isinstance(layer, nn.ReLU6):
            layer.register_forward_hook(
                lambda _m, _i, out: seen.append((float(out.min()), float(out.max())))
            )
    with torch.no_grad():
        net(scale * random_images(1, 3, 16, 16, seed=seed))
    assert len(seen) == (1 + 2 * 9 if kind is MobileNetV1 else 1 + 2 * 17 + 1)
    assert min(low for low, _ in seen) >= 0
    assert max(high for _, high in seen) <= 6


@pytest.mark.parametrize("kind", NETWORKS)
def test_relu_has_no_upper_bound_and_relu6_is_relu_where_maps_stay_small(kind: Network) -> None:
    six = kind(width=0.25, generator=torch.Generator().manual_seed(0)).eval()
    for norm in six.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.constant_(norm.bias, 0.5)  # maps that are not all zero and stay far below 6
    plain = kind(width=0.25, activation="relu").eval()
    plain.load_state_dict(six.state_dict())
    assert not any(isinstance(m, nn.ReLU6) for m in plain.modules())
    highest: list[float] = []
    for layer in plain.modules():
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(lambda _m, _i, out: highest.append(float(out.max())))
    x = random_images(2, 3, 16, 16)
    with torch.no_grad():
        small = plain(x)
        assert 0.5 < max(highest) < 6
        assert torch.equal(six(x), small)
        assert not torch.equal(small[0], small[1])
        for net in (six, plain):
            last = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)][-1]
            nn.init.constant_(last.bias, 100)
        highest.clear()
        large = plain(x)
        assert highest[-1] > 90
        assert (six(x) - large).abs().max() > 0.1


def test_published_widths() -> None:
    assert [scaled_v2(0.35 * c) for c in (32, 16, 24, 32, 64, 96, 160, 320)] == [
        16,
        8,
        8,
        16,
        24,
        32,
        56,
        112,
    ]
    for width, features in ((0.35, 1280), (1.0, 1280), (1.4, 1792)):
        assert ghost("mobilenet_v2", width=width).linear.in_features == features
    assert [scaled_v1(c, 0.25) for c in (32, 64, 1024)] == [8, 16, 256]
    assert [scaled_v1(32, width) for width in (0.1, 0.33, 0.75)] == [8, 10, 24]


@pytest.mark.parametrize("variant", ["paper", "course"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_initial_weights_come_from_the_generator_alone(kind: Network, variant: str) -> None:
    def weights(seed: int, global_seed: int) -> dict[str, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            generator = torch.Generator().manual_seed(seed)
            return kind(variant, 0.25, generator=generator).state_dict()

    one, same, other = weights(1, 0), weights(1, 99), weights(2, 0)
    assert all(torch.equal(one[key], same[key]) for key in one)
    drawn = [key for key, value in one.items() if value.dim() > 1]
    assert len(drawn) > 19
    assert not any(torch.equal(one[key], other[key]) for key in drawn)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_paper_variant_starts_as_the_reference_does(kind: Network) -> None:
    net = kind(width=0.5, generator=torch.Generator().manual_seed(3))
    for name, value in net.named_parameters():
        values = value.detach().flatten().double()
        if value.dim() > 1:
            assert values.abs().max() <= 0.18, name
            if len(values) > 1000:
                fit = kstest(values[:50_000].numpy(), truncnorm(-2, 2, scale=0.09).cdf)
                assert fit.pvalue > 1e-4, name
        else:
            assert torch.equal(values, torch.full_like(values, float(name.endswith("1.weight"))))


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_course_variant_starts_as_pytorch_does(kind: Network) -> None:
    net = kind("course", 0.5, generator=torch.Generator().manual_seed(3))
    for name, value in net.named_parameters():
        values = value.detach().flatten().double()
        if value.dim() > 1 and len(values) > 1000:
            bound = 1 / math.sqrt(value[0].numel())
            fit = kstest(values[:50_000].numpy(), uniform(-bound, 2 * bound).cdf)
            assert fit.pvalue > 1e-4, name
    assert net.linear.bias.detach().abs().max() > 0


@pytest.mark.parametrize("name", sorted(IMAGE_MODELS))
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "v3"}, "variant: wanted one of paper, course for {}, got 'v3'"),
        ({"width": 0.0}, "width: wanted a number from 0.05 to 8, got 0.0"),
        ({"width": math.nan}, "width: wanted a number from 0.05 to 8, got nan"),
        ({"width": 8.01}, "width: wanted a number from 0.05 to 8, got 8.01"),
        ({"classes": 1}, "classes: wanted at least 2, got 1"),
        (
            {"activation": "gelu"},
            "activation: wanted one of relu6, relu, got 'gelu'; did you mean relu?",
        ),
        ({"channels": 0}, "channels: wanted at least 1, got 0"),
        ({"width": "wide"}, "model {}: '<=' not supported between instances of 'float' and 'str'"),
    ],
)
def test_arguments_out_of_range(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        sl.build_model(name, **arguments)
    assert str(caught.value) == message.format(name)


@pytest.mark.parametrize(("width", "channels"), [(0.05, 8), (8, 256)])
def test_the_limits_of_width_themselves_are_allowed(width: float, channels: int) -> None:
    for name in IMAGE_MODELS:
        assert ghost(name, width=width).stem[0].out_channels == channels
