"""Costs layer by layer.

Independent references: HybridSN's table of shapes, the shares of table 2 of the MobileNetV1 paper;
a network with ordinary convolutions, built and counted, for what the pairs replace; torch's
`FlopCounterMode` for every network, at random sizes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import spectrolite as sl
from prose import numbers_near
from spectrolite.errors import SettingsError
from spectrolite.models import costs
from spectrolite.models.dense_form import dense
from spectrolite.models.hybridsn import HybridSN


def _net(bands: int, classes: int, variant: str = "course") -> HybridSN:
    with torch.device("meta"):  # without memory: only shapes count
        return HybridSN(bands, classes, variant)


def _ghost(name: str, **arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return sl.build_model(name, **arguments)


def _counted(net: nn.Module, shape: tuple[int, ...]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval().to("meta")(torch.empty(1, *shape, device="meta"))
    return int(counter.get_total_flops()) // 2


@settings(deadline=None, max_examples=8)
@given(
    name=st.sampled_from(["mobilenet_v1", "mobilenet_v2"]),
    variant=st.sampled_from(["paper", "course"]),
    width=st.floats(0.05, 2),
    shape=st.tuples(st.integers(1, 5), st.integers(8, 300), st.integers(8, 300)),
    classes=st.integers(2, 1000),
    small=st.booleans(),
)
def test_the_layers_of_an_image_network_add_up(
    name: str, variant: str, width: float, shape: tuple[int, int, int], classes: int, small: bool
) -> None:
    net = _ghost(
        name, variant=variant, width=width, channels=shape[0], classes=classes, small_images=small
    )
    made = sl.cost(net, shape)
    assert made.macs == _counted(net, shape)
    assert made.parameters == sum(p.numel() for p in net.parameters())
    assert made.weight_bytes == 4 * made.parameters
    kernels = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert sorted(row.weights for row in made.layers) == sorted(m.weight.numel() for m in kernels)
    for quantity, kind_totals in zip(
        (made.parameters, made.macs), zip(*made.kinds().values(), strict=True), strict=True
    ):
        assert sum(kind_totals) == quantity


@pytest.mark.parametrize(("bands", "rows", "cols"), [(13, 25, 25), (20, 31, 40)])
def test_a_scene_is_not_a_linear_layer(bands: int, rows: int, cols: int) -> None:
    net = _net(bands, 5)
    made = sl.cost(net, (bands, rows, cols))
    assert made.macs == _counted(net, (bands, rows, cols))
    assert made.layers[0].output_shape == (8, bands - 6, rows - 2, cols - 2)
    kinds = [row.kind for row in made.layers[4:]]
    whole = (rows, cols) == (25, 25)
    assert kinds == (3 * ["linear"] if whole else ["convolution", "pointwise", "pointwise"])


def test_the_dense_form_is_counted_too() -> None:
    folded = dense(HybridSN(13, 2, generator=torch.Generator().manual_seed(0)))
    made = sl.cost(folded, (13, 30, 25))
    assert made.parameters == costs.parameters(folded)
    assert made.macs == costs.macs(folded, (13, 30, 25))


def test_shares_are_those_of_the_papers_table_2() -> None:
    """Conv 1x1, conv dw 3x3, fully connected, in percent, at 224 pixels and 1000 classes."""
    made = sl.cost(_ghost("mobilenet_v1", classes=1000, small_images=False), (3, 224, 224))
    weights = sum(row.weights for row in made.layers)
    assert round(made.macs / 1e6) == 569
    assert round(weights / 1e6, 1) == 4.2
    for kind, macs, parameters in (
        ("pointwise", 94.86, 74.59),
        ("depthwise", 3.06, 1.06),
        ("linear", 0.18, 24.33),
    ):
        assert round(100 * made.kinds()[kind][1] / made.macs, 2) == macs
        held = sum(row.weights for row in made.layers if row.kind == kind)
        assert round(100 * held / weights, 2) == parameters


def _block(inputs: int, out: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, out, 3, stride, 1, bias=False, device="meta")
    return [conv, nn.BatchNorm2d(out), nn.ReLU()]


@pytest.mark.parametrize(
    ("title", "model", "variant", "widths"),
    [
        ("V1 `course` (9 blocks)", "mobilenet_v1", "course", (1.0,)),
        ("V1 `paper` ×1.0 / ×0.5 / ×0.25", "mobilenet_v1", "paper", (1.0, 0.5, 0.25)),
        ("V2 `course`", "mobilenet_v2", "course", (1.0,)),
        ("V2 `paper` ×0.5 / ×0.75", "mobilenet_v2", "paper", (0.5, 0.75)),
        ("V2 `paper` ×1.0 / ×1.4", "mobilenet_v2", "paper", (1.0, 1.4)),
    ],
)
def test_the_page_on_costs_says_what_is_counted(
    title: str, model: str, variant: str, widths: tuple[float, ...]
) -> None:
    made = [sl.explain(model, "3x32x32", variant=variant, width=width) for width in widths]
    counts = [" / ".join(f"{getattr(c, key):,}" for c in made) for key in ("parameters", "macs")]
    page = (Path(__file__).parents[2] / "docs" / "what-a-network-costs.md").read_text("utf-8")
    assert f"| {title} | {' | '.join(counts)} |" in page
    if (variant, widths[0]) == ("paper", 1.0):
        trap = sl.explain(model, "3x32x32", variant=variant, small_images=False)
        share = f"1/{made[0].macs / trap.macs:.0f} of {model[-2:].upper()}"
        assert share in " ".join(page.split())


def test_the_page_on_costs_says_what_pairs_save_and_where_the_rest_is() -> None:
    v1 = sl.explain("mobilenet_v1", "3x32x32")
    numbers = numbers_near("docs/what-a-network-costs.md", "MobileNetV1 has", "million")
    counts = v1.ordinary_parameters, v1.ordinary_macs
    times = counts[0] / v1.parameters, counts[1] / v1.macs
    share = {
        kind: sum(layer.macs for layer in v1.layers if layer.kind == kind) / v1.macs
        for kind in ("pointwise", "depthwise")
    }
    millions = [n / 1e6 for n in (v1.parameters, v1.macs, *counts)]
    assert [n for n in numbers if "." in n] == [f"{n:.1f}" for n in (*millions, *times)]
    assert numbers[-2:] == [f"{100 * share[kind]:.0f}" for kind in ("pointwise", "depthwise")]


def test_ordinary_convolutions_cost_what_such_a_network_costs() -> None:
    """The chain of MobileNetV1's course variant, with 3x3 convolutions, built."""
    layers, inputs = _block(3, 32, 1), 32
    for out, stride in (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (1024, 2),
        (1024, 1),
    ):
        layers += _block(inputs, out, stride)
        inputs = out
    ordinary = nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 10)
    ).to("meta")
    made = sl.cost(_ghost("mobilenet_v1", variant="course"), (3, 32, 32))
    built = sl.cost(ordinary, (3, 32, 32))
    assert (made.ordinary_parameters, made.ordinary_macs) == (built.parameters, built.macs)
    assert [two.ordinary_weights for _, two in made.pairs] == [
        row.weights for row in built.layers[1:-1]
    ]
    assert [two.ordinary_macs for _, two in made.pairs] == [row.macs for row in built.layers[1:-1]]


def test_the_lesson_layer_by_layer() -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 3, groups=3, bias=False), nn.Conv2d(3, 4, 1, bias=False))
    made = sl.cost(net, [3, 6, 5])
    assert [(row.kind, row.weights, row.macs) for row in made.layers] == [
        ("depthwise", 27, 27 * 12),
        ("pointwise", 12, 12 * 12),
    ]
    assert (made.ordinary_parameters, made.ordinary_macs) == (108, 108 * 12)
    assert made.activation_bytes == 4 * (3 + 4) * 12


def test_a_depthwise_layer_with_several_kernels_a_channel() -> None:
    net = nn.Sequential(nn.Conv2d(4, 8, 3, groups=4, bias=False), nn.Conv2d(8, 6, 1, bias=False))
    made, ordinary = sl.cost(net, (4, 9, 9)), sl.cost(nn.Conv2d(4, 6, 3, bias=False), (4, 9, 9))
    assert [row.kind for row in made.layers] == ["depthwise", "pointwise"]
    assert (made.ordinary_parameters, made.ordinary_macs) == (ordinary.parameters, ordinary.macs)


def test_a_pointwise_layer_that_sees_something_else_ends_no_pair() -> None:
    pooled = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.AvgPool2d(2), nn.Conv2d(4, 6, 1))
    assert sl.cost(pooled, (4, 10, 10)).pairs == []


def test_kinds_bias_and_shared_weights() -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 8, 3, groups=2),
        nn.Conv2d(8, 8, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 16, 3, groups=16 // 2),
        nn.Flatten(),
        nn.Linear(16, 16),
    )
    net.append(net[-1])
    made = sl.cost(net, (4, 7, 7))
    assert [row.kind for row in made.layers] == [
        "grouped",
        "pointwise",
        "depthwise",
        "depthwise",
        "linear",
        "linear",
    ]
    assert [row.parameters for row in made.layers] == [152, 64 + 16, 80, 160, 272, 0]
    assert made.layers[-1].macs == made.layers[-2].macs == 256
    assert made.parameters == costs.parameters(net)


def test_counting_layers_does_not_change_the_network() -> None:
    net = sl.build_model("mobilenet_v1", width=0.25, generator=torch.Generator().manual_seed(0))
    before = {key: value.clone() for key, value in net.train().state_dict().items()}
    sl.cost(net, (3, 32, 32))
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_activations_are_the_outputs_of_the_layers() -> None:
    net = sl.build_model("mobilenet_v2", width=0.25)
    held: list[int] = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda _m, _i, out: held.append(out.numel() * 4))
    made = sl.cost(net, (3, 19, 40))  # the hooks are copied with the network
    net(torch.zeros(2, 3, 19, 40))
    half = len(held) // 2
    assert [row.activation_bytes for row in made.layers] == held[:half]
    assert [2 * n for n in held[:half]] == held[half:]


def test_json_holds_the_counts_and_their_shares() -> None:
    made = sl.cost(_ghost("mobilenet_v1"), (3, 32, 32))
    read = json.loads(made.to_json())
    assert (read["parameters"], read["macs"]) == (3_217_226, 46_354_432)
    assert (read["network"], read["input_shape"]) == ("MobileNetV1", [3, 32, 32])
    assert read["ordinary_macs"] == made.ordinary_macs
    assert len(read["layers"]) == len(made.layers) == 28
    for rows in (read["layers"], read["kinds"].values()):
        for quantity in ("parameters", "macs"):
            assert sum(row[quantity] for row in rows) == read[quantity]
            assert math.isclose(sum(row[f"share_of_{quantity}"] for row in rows), 1)
    assert read["layers"][2]["ordinary_weights"] == 9 * 32 * 64
    assert read["layers"][1]["ordinary_weights"] is None


NO_LAYERS = "only networks of such layers and BatchNorm can be counted layer by layer"


@pytest.mark.parametrize(
    ("net", "shape", "message"),
    [
        (
            nn.ConvTranspose2d(2, 5, 2),
            (2, 3, 3),
            "ConvTranspose2d: its convolutions and linear layers hold 45 of 45 parameters and "
            f"1,600 of 360 MACs; {NO_LAYERS}",
        ),
        (
            nn.Sequential(nn.PReLU(), nn.Linear(2, 2)),
            (2,),
            "Sequential: its convolutions and linear layers hold 6 of 7 parameters and 4 of 4 "
            f"MACs; {NO_LAYERS}",
        ),
        (
            nn.ReLU(),
            (2,),
            "ReLU: its convolutions and linear layers hold 0 of 0 parameters and 0 of 0 MACs; "
            f"{NO_LAYERS}",
        ),
    ],
)
def test_what_cannot_be_counted_is_an_error(
    net: nn.Module, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        sl.cost(net, shape)
    assert str(caught.value) == message


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 2, 8), (3, 8), (3, -1, 8), (3, 2**40, 2**40)])
def test_a_shape_that_a_network_does_not_accept_is_an_error(shape: tuple[int, ...]) -> None:
    """The text in brackets is torch's, and changes with its version."""
    size = "x".join(map(str, shape))
    with pytest.raises(SettingsError, match=rf"^input {size}: Conv2d does not take it \(.+\)$"):
        sl.cost(nn.Conv2d(3, 4, 3), shape)


def test_the_error_of_a_network_about_its_images_is_kept() -> None:
    with pytest.raises(SettingsError) as caught:
        sl.cost(_ghost("mobilenet_v1"), (1, 8, 8))
    assert str(caught.value) == (
        "images: wanted (N, 3, H, W) with at least 8 pixels a side, got (1, 1, 8, 8)"
    )


def test_a_cost_prints_its_totals() -> None:
    with torch.device("meta"):
        net = nn.Sequential(
            nn.Conv2d(3, 3, 3, groups=3, bias=False), nn.Conv2d(3, 1000, 1, bias=False)
        )
    made = sl.cost(net, (3, 4, 4))
    assert repr(made) == str(made)
    assert str(made) == (
        "Sequential, input 3x4x4, 2 layers\n"
        "                                  parameters              MACs\n"
        "  depthwise                               27               108\n"
        "  pointwise                            3,000            12,000\n"
        "  total                                3,027            12,108\n"
        "  with ordinary convolutions          27,000           108,000\n"
        "  bytes of weights                    12,108\n"
        "  bytes of activations                16,048"
    )
    assert "ordinary" not in str(sl.cost(net[:1], (3, 4, 4)))
