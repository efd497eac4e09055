"""MobileSN.

References: a naive network written with plain loops over windows and torch's own layers; the
published arithmetic of MobileNetV2's block for the counts; the count of the first trial network,
38,608; torch's FLOP counter.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import spectrolite as sl
from spectrolite.errors import SettingsError
from spectrolite.models.costs import macs_per_pixel
from spectrolite.models.dense_form import dense
from spectrolite.models.mobilesn import InvertedResidual, MobileSN
from spectrolite.training.keywords import settings as flags_to_settings

BANDS, CLASSES = 7, 4


def made(receptive_field: int = 13, width: float = 0.25, seed: int = 0) -> MobileSN:
    """A small network whose BatchNorm is not trivial."""
    generator = torch.Generator().manual_seed(seed)
    net = MobileSN(BANDS, CLASSES, "plain", width, receptive_field, generator)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.uniform_(0.5, 2, generator=generator)
            layer.bias.data.uniform_(-1, 3, generator=generator)
            cast(Tensor, layer.running_mean).uniform_(-0.3, 0.3, generator=generator)
            cast(Tensor, layer.running_var).uniform_(0.05, 2, generator=generator)
    return net


def scene(net: MobileSN, n: int, rows: int, cols: int, seed: int = 1) -> Tensor:
    size = (n, BANDS, rows + 2 * net.halo, cols + 2 * net.halo)
    return 2 * torch.randn(size, generator=torch.Generator().manual_seed(seed)) + 0.5


def naive_pixel(net: MobileSN, patch: Tensor) -> Tensor:
    """`(classes,)` logits of one patch, `(bands, side, side)`, one position at a time, in numpy."""

    def norm(layer: nn.Module, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        mean, var, weight, bias = (
            getattr(layer, key).detach().double().numpy()
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        result: np.ndarray[Any, Any] = (x - mean) / np.sqrt(var + 1e-5) * weight + bias
        return result

    def matrix(conv: nn.Module) -> np.ndarray[Any, Any]:
        return cast(Tensor, conv.weight).detach().double().flatten(1).numpy()

    x = patch.double().permute(1, 2, 0).numpy()  # (row, col, band)
    x = norm(net.stem[1], x @ matrix(net.stem[0]).T).clip(0, 6)
    for block in net.blocks:
        block = cast(InvertedResidual, block)
        y = norm(block.expand[1], x @ matrix(block.expand[0]).T).clip(0, 6)
        kernel = cast(Tensor, block.depthwise[0].weight).detach().double().numpy()[:, 0]
        side = kernel.shape[1]
        out = y.shape[0] - side + 1
        seen = np.zeros((out, out, y.shape[2]))
        for row in range(out):
            for col in range(out):
                for channel in range(y.shape[2]):
                    window = y[row : row + side, col : col + side, channel]
                    seen[row, col, channel] = (window * kernel[channel]).sum()
        y = norm(block.depthwise[1], seen).clip(0, 6)
        y = norm(block.project[1], y @ matrix(block.project[0]).T)  # linear
        reach = side // 2
        x = x[reach : reach + out, reach : reach + out] + y
    assert x.shape[:2] == (1, 1)
    logits = x[0, 0] @ matrix(net.head).T + cast(Tensor, net.head.bias).detach().double().numpy()
    return torch.from_numpy(logits)


@pytest.mark.parametrize("receptive_field", [1, 3, 5, 9, 13])
def test_dense_equals_a_naive_loop_over_patches(receptive_field: int) -> None:
    net = made(receptive_field, width=0.1).eval()
    x = scene(net, 1, 4, 3)
    side = receptive_field
    with torch.inference_mode():
        whole, folded = net(x)[0], dense(net)(x)[0]
    assert whole.shape == folded.shape == (CLASSES, 4, 3)
    largest = float(whole.abs().max())
    for row, col in ((0, 0), (3, 2), (1, 2), (2, 0)):
        expected = naive_pixel(net, x[0, :, row : row + side, col : col + side])
        for logits in (whole, folded):
            assert float((logits[:, row, col] - expected).abs().max()) < 1e-5 * largest
    assert float(whole.flatten(1).std(1).min()) > 1e-3 * largest  # pixels differ


def test_the_dense_form_has_no_batchnorm_left_and_the_network_keeps_its_own() -> None:
    net = made().eval()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in dense(net).modules())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == 1 + 3 * 3


@pytest.mark.parametrize("receptive_field", [1, 3, 5, 7, 13, 25])
def test_the_receptive_field_has_its_nominal_size(receptive_field: int) -> None:
    """By the gradient: a logit depends on every pixel of its receptive field, and on no other."""
    net = made(receptive_field).eval().double()
    assert net.halo == receptive_field // 2
    side = receptive_field + 2
    x = torch.randn(1, BANDS, side, side, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(net(x)[0, :, 1, 1].square().sum(), x)
    seen = grad[0].abs().sum(0) > 0
    assert not seen[0].any()
    assert not seen[-1].any()
    assert not seen[:, 0].any()
    assert not seen[:, -1].any()
    assert seen[1:-1, 1:-1].float().mean() > 0.9  # ReLU6 may cut a few off


def masked_reference(net: MobileSN, x: Tensor, n: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Logits at pixels in training: BatchNorm of torch on gathered positions, marked one by one."""

    def norm(layer: nn.Module, y: Tensor, left: int, pixels: bool = False) -> Tensor:
        """Normalise `(N, C, H, W)` by the positions inside windows of side `left`."""
        layer = cast(nn.BatchNorm2d, layer)
        counts = torch.zeros(len(y), *y.shape[-2:], dtype=torch.bool)
        for i, row, col in zip(n.tolist(), rows.tolist(), cols.tolist(), strict=True):
            counts[i, row : row + left, col : col + left] = True
        lines = y.permute(0, 2, 3, 1)
        mean, variance = lines[counts].mean(0), lines[counts].var(0, unbiased=False)
        scaled = (lines - mean) / (variance + layer.eps).sqrt() * layer.weight + layer.bias
        return scaled.permute(0, 3, 1, 2)

    left = 2 * net.halo + 1
    y = norm(net.stem[1], net.stem[0](x), left).clamp(0, 6)
    for block in net.blocks:
        block = cast(InvertedResidual, block)
        z = norm(block.expand[1], block.expand[0](y), left).clamp(0, 6)
        left -= 2 * block.reach
        z = norm(block.depthwise[1], block.depthwise[0](z), left).clamp(0, 6)
        z = norm(block.project[1], block.project[0](z), left)
        cut = (
            slice(block.reach, y.shape[2] - block.reach),
            slice(block.reach, y.shape[3] - block.reach),
        )
        y = z + y[:, :, cut[0], cut[1]]
    assert left == 1
    return cast(Tensor, net.head(y))[n, :, rows, cols]


N = torch.tensor([0, 1, 1, 0, 1])


ROWS = torch.tensor([0, 2, 0, 1, 2])


COLS = torch.tensor([0, 3, 3, 2, 0])


@pytest.mark.parametrize("receptive_field", [1, 5, 13])
def test_at_in_training_counts_what_feeds_the_pixels_and_has_its_gradients(
    receptive_field: int,
) -> None:
    net, twin = made(receptive_field).double().train(), made(receptive_field).double().train()
    x = scene(net, 2, 3, 4).double()
    pull = torch.randn(len(N), CLASSES, dtype=torch.float64)
    logits, wanted = net.at(x, N, ROWS, COLS), masked_reference(twin, x, N, ROWS, COLS)
    torch.testing.assert_close(logits, wanted, rtol=1e-9, atol=1e-9)
    torch.autograd.backward((logits * pull).sum())
    torch.autograd.backward((wanted * pull).sum())
    for (name, one), other in zip(net.named_parameters(), twin.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-7, atol=1e-7, msg=name)
    before = made(receptive_field).double().state_dict()
    assert all(
        not torch.equal(value, before[key])
        for key, value in net.state_dict().items()
        if "running" in key
    )


@settings(deadline=None, max_examples=25)
@given(
    receptive_field=st.integers(0, 6).map(lambda halo: 2 * halo + 1),
    rows=st.integers(1, 5),
    cols=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
def test_at_is_forward_at_pixels_in_evaluation(
    receptive_field: int, rows: int, cols: int, seed: int
) -> None:
    net = made(receptive_field, width=0.1, seed=seed).eval()
    x = scene(net, 2, rows, cols, seed)
    n = torch.arange(2).repeat_interleave(rows * cols)
    places = torch.arange(rows * cols).repeat(2)
    with torch.inference_mode():
        expected = net(x)[n, :, places // cols, places % cols]
        found = net.at(x, n, places // cols, places % cols)
        folded = dense(net).at(x, n, places // cols, places % cols)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(folded, expected, rtol=1e-4, atol=1e-4)


def parameters_by_hand(bands: int, classes: int, channels: int, reaches: list[int]) -> int:
    """MobileNetV2's table: kernels and two numbers a channel for each BatchNorm, expansion 2."""
    block = sum(
        channels * 2 * channels
        + 2 * 2 * channels  # expand
        + (2 * r + 1) ** 2 * 2 * channels
        + 2 * 2 * channels  # depthwise
        + 2 * channels * channels
        + 2 * channels  # project
        for r in reaches
    )
    return bands * channels + 2 * channels + block + channels * classes + classes


@pytest.mark.parametrize(
    ("bands", "width", "receptive_field", "reaches"),
    [
        (30, 1.0, 13, [2, 2, 2]),
        (60, 1.0, 13, [2, 2, 2]),
        (200, 1.0, 13, [2, 2, 2]),
        (30, 0.5, 1, [0, 0, 0]),
        (30, 1.0, 5, [1, 1, 0]),
        (30, 2.0, 25, [4, 4, 4]),
        (30, 1.0, 23, [4, 4, 3]),
    ],
)
def test_counts_are_exact(
    bands: int, width: float, receptive_field: int, reaches: list[int]
) -> None:
    with torch.device("meta"):
        net = sl.build_model(
            "mobilesn", bands=bands, classes=16, width=width, receptive_field=receptive_field
        )
    assert isinstance(net, MobileSN)
    channels = round(48 * width)
    count = sum(p.numel() for p in net.parameters())
    assert count == parameters_by_hand(bands, 16, channels, reaches)
    a_pixel = (
        bands * channels
        + channels * 16
        + sum(4 * channels**2 + (2 * r + 1) ** 2 * 2 * channels for r in reaches)
    )
    assert macs_per_pixel(net, bands) == a_pixel
    shape = (bands, receptive_field, receptive_field)
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        net.eval()(torch.empty(1, *shape))
    found = sl.cost(net, shape)
    assert (found.macs, found.parameters) == (counter.get_total_flops() // 2, count)


def test_the_defaults_are_small_on_indian_pines() -> None:
    """The first trial's 38,608; the default has a wider receptive field and fewer than 50,000."""
    assert sl.explain("mobilesn").parameters == 38_608
    asked = flags_to_settings(model="mobilesn")
    field = asked.model.receptive_field
    chosen = sl.explain(
        "mobilesn",
        f"{asked.bands.components}x{field}x{field}",
        width=asked.model.width,
        receptive_field=field,
    )
    assert chosen.parameters == parameters_by_hand(30, 16, 43, [4, 4, 4]) == 46_456
    kinds = chosen.kinds()
    assert set(kinds) == {"pointwise", "depthwise"}
    assert chosen.layers[2].kind == "depthwise"
    assert chosen.layers[2].output_shape == (86, 17, 17)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"receptive_field": 12},
            "receptive_field: wanted an odd side in pixels from 1 to 49 for mobilesn, got 12",
        ),
        (
            {"receptive_field": 51},
            "receptive_field: wanted an odd side in pixels from 1 to 49 for mobilesn, got 51",
        ),
        (
            {"receptive_field": True},
            "receptive_field: wanted an odd side in pixels from 1 to 49 for mobilesn, got True",
        ),
        ({"width": float("nan")}, "width: wanted a number from 0.05 to 8, got nan"),
        ({"classes": 1}, "classes: wanted at least 2, got 1"),
        ({"bands": 0}, "bands: wanted at least 1, got 0"),
        ({"variant": "course"}, "variant: wanted one of plain for mobilesn, got 'course'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        sl.build_model("mobilesn", **{"bands": 30, "classes": 16, **arguments})
    assert str(caught.value) == message


def test_the_same_seed_gives_the_same_weights() -> None:
    one, same, other = (made(seed=seed).head.weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
