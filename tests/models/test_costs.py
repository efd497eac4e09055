"""Parameters and multiply-accumulates of whole networks.

Independent references:
- the published counts of HybridSN, and those of the course's lesson on separable convolutions;
- torch's `FlopCounterMode` for every network, at random sizes;
- `layer_positions` below, which counts positions and kernel weights layer by layer by hand.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import spectrolite as sl
from spectrolite.models import costs
from spectrolite.models.dense_form import dense
from spectrolite.models.hybridsn import HybridSN


def _net(bands: int, classes: int, variant: str = "course") -> HybridSN:
    with torch.device("meta"):  # without memory: only shapes count
        return HybridSN(bands, classes, variant)


def layer_positions(bands: int, classes: int, side: int) -> list[tuple[int, int]]:
    """Weights of each layer's kernel over all channels, and how many positions it visits."""
    rows = side  # of the map; a layer's output is wider where layers follow
    return [
        (1 * 8 * 7 * 3 * 3, (bands - 6) * (rows + 22) ** 2),
        (8 * 16 * 5 * 3 * 3, (bands - 10) * (rows + 20) ** 2),
        (16 * 32 * 3 * 3 * 3, (bands - 12) * (rows + 18) ** 2),
        (32 * (bands - 12) * 64 * 3 * 3, (rows + 16) ** 2),
        (64 * 17 * 17 * 256, rows**2),
        (256 * 128, rows**2),
        (128 * classes, rows**2),
    ]


@pytest.mark.parametrize(
    ("bands", "classes", "variant", "count"),
    [
        (30, 16, "paper", 5_122_176),
        (30, 16, "course", 5_122_416),
        (15, 9, "paper", 4_844_793),
        (15, 16, "paper", 4_845_696),
    ],
)
def test_published_parameters(bands: int, classes: int, variant: str, count: int) -> None:
    assert costs.parameters(_net(bands, classes, variant)) == count


@pytest.mark.parametrize("variant", ["course", "paper"])
def test_published_macs(variant: str) -> None:
    net = _net(30, 16, variant)
    assert costs.macs_per_patch(net, 30) == 247_683_392
    assert costs.macs_per_pixel(net, 30) == 5_477_696
    assert costs.macs(net, (30, 25, 25)) == 247_683_392


def test_fifteen_bands_cost_what_was_published() -> None:
    assert round(costs.macs_per_patch(_net(15, 16), 15) / 1e6, 1) == 50.8


@pytest.mark.parametrize(("bands", "classes"), [(13, 2), (15, 9), (30, 16), (103, 9)])
def test_counted_by_hand(bands: int, classes: int) -> None:
    net = _net(bands, classes)
    for side in (1, 2, 40):
        expected = sum(a * b for a, b in layer_positions(bands, classes, side))
        assert costs.macs(net, (bands, side + 24, side + 24)) == expected
    assert costs.macs_per_patch(net, bands) == sum(
        a * b for a, b in layer_positions(bands, classes, 1)
    )
    depths = (bands - 6, bands - 10, bands - 12, 1, 1, 1, 1)
    kernels = (a for a, _ in layer_positions(bands, classes, 1))
    assert costs.macs_per_pixel(net, bands) == sum(
        kernel * depth for kernel, depth in zip(kernels, depths, strict=True)
    )


def test_a_pixel_of_a_large_scene_tends_to_the_count_a_pixel() -> None:
    net = _net(13, 3)
    side = 4000
    share = costs.macs(net, (13, side + 24, side + 24)) / side**2
    assert share == pytest.approx(costs.macs_per_pixel(net, 13), rel=2e-3)


def test_separable_convolution_of_the_lesson() -> None:
    depthwise = nn.Conv2d(3, 3, 3, groups=3, bias=False)
    pointwise = nn.Conv2d(3, 4, 1, bias=False)
    both, ordinary = nn.Sequential(depthwise, pointwise), nn.Conv2d(3, 4, 3, bias=False)
    assert [costs.parameters(m) for m in (depthwise, pointwise, both, ordinary)] == [
        27,
        12,
        39,
        108,
    ]
    assert costs.macs(both, (3, 3, 3)) == 39  # one position
    assert costs.macs(both, (3, 6, 5)) == 39 * 4 * 3
    assert costs.macs(ordinary, (3, 6, 5)) == 108 * 4 * 3


def test_neither_batch_norm_nor_bias_counts() -> None:
    plain = nn.Conv2d(2, 5, 3, bias=False)
    dressed = nn.Sequential(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
    assert costs.macs(plain, (2, 7, 7)) == costs.macs(dressed, (2, 7, 7)) == 2 * 5 * 9 * 25
    assert costs.parameters(dressed) == 2 * 5 * 9 + 5 + 2 * 5  # running statistics are not trained


def test_counting_does_not_change_the_network() -> None:
    net = HybridSN(13, 2, generator=torch.Generator().manual_seed(0)).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    costs.macs_per_pixel(net, 13)
    assert net.training
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_the_dense_form_costs_the_same_with_fewer_parameters() -> None:
    net = HybridSN(13, 2, generator=torch.Generator().manual_seed(0))
    folded = dense(net)
    assert costs.macs_per_patch(folded, 13) == costs.macs_per_patch(net, 13)
    assert costs.parameters(folded) == costs.parameters(net) - 2 * (8 + 16 + 32 + 64)
    assert costs.parameters(folded) == costs.parameters(_net(13, 2, "paper"))


def _ghost(name: str, **arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return sl.build_model(name, **arguments)


@pytest.mark.parametrize("variant", ["paper", "course"])
def test_hybridsn_has_the_shapes_of_its_table(variant: str) -> None:
    made = sl.cost(_net(30, 16, variant), (30, 25, 25))
    assert [(row.name, row.kind, row.input_shape, row.output_shape) for row in made.layers] == [
        ("conv3d_1.0", "convolution", (1, 30, 25, 25), (8, 24, 23, 23)),
        ("conv3d_2.0", "convolution", (8, 24, 23, 23), (16, 20, 21, 21)),
        ("conv3d_3.0", "convolution", (16, 20, 21, 21), (32, 18, 19, 19)),
        ("conv2d_4.0", "convolution", (576, 19, 19), (64, 17, 17)),
        ("fc1", "linear", (64, 17, 17), (256, 1, 1)),
        ("fc2", "linear", (256, 1, 1), (128, 1, 1)),
        ("fc3", "linear", (128, 1, 1), (16, 1, 1)),
    ]
    expected = [a * b for a, b in layer_positions(30, 16, 1)]
    assert [row.macs for row in made.layers] == expected
    assert made.macs == 247_683_392
    assert made.parameters == (5_122_176 if variant == "paper" else 5_122_416)
    assert made.layers[4].parameters == 4_735_232
    assert (made.ordinary_parameters, made.ordinary_macs) == (made.parameters, made.macs)
    assert made.pairs == []
