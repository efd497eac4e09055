"""BatchNorm over some positions and ReLU, against torch's own layers on the gathered positions."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spectrolite.models.blocks import _NormActivation, norm_and_activation
from spectrolite.samples.receptive_field import input_mask, pixel_mask

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def _gathered(
    norm: nn.BatchNorm2d | nn.BatchNorm3d, x: Tensor, feeds: Tensor, activation: nn.Module
) -> Tensor:
    """`(positions, C)`: torch's layers on the positions that count, and no others."""
    lines = x.movedim(1, -1)
    there = feeds if x.dim() == 5 else feeds[:, 0]
    flat = lines[there.expand(lines.shape[:-1])]
    one_dimensional = nn.BatchNorm1d(x.shape[1], eps=norm.eps, momentum=norm.momentum)
    one_dimensional.load_state_dict(norm.state_dict())
    y: Tensor = activation(one_dimensional(flat))
    norm.load_state_dict(one_dimensional.state_dict())
    return y


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU6(), nn.Identity()], ids=str)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 6), st.integers(1, 7)),
    share=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_statistics_are_those_of_the_positions_that_count(
    device: str,
    activation: nn.Module,
    deep: bool,
    seed: int,
    shape: tuple[int, int, int, int],
    share: float,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    n, channels, rows, cols = shape
    size = (n, channels, 3, rows, cols) if deep else shape
    x = 3 * torch.randn(size, generator=generator) + 2
    feeds = torch.rand(n, 1, rows, cols, generator=generator) < share
    feeds.view(-1)[:2] = True
    if feeds.sum() * (3 if deep else 1) < 2:
        return
    norm = (nn.BatchNorm3d if deep else nn.BatchNorm2d)(channels)
    nn.init.normal_(norm.weight, generator=generator)
    nn.init.normal_(norm.bias, generator=generator)
    norm, x, feeds = norm.to(device), x.to(device), feeds.to(device)
    reference = copy.deepcopy(norm)
    lines = feeds if deep else feeds[:, 0]
    there = lines.expand(x.movedim(1, -1).shape[:-1])
    pull = torch.randn(size, generator=generator).to(device)

    given_x, wanted_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    y = norm_and_activation(
        [norm, *([] if isinstance(activation, nn.Identity) else [activation])], given_x, feeds
    )
    assert y.isfinite().all()
    torch.autograd.backward((y * pull).movedim(1, -1)[there].sum())
    wanted = _gathered(reference, wanted_x, feeds, activation)
    torch.autograd.backward((wanted * pull.movedim(1, -1)[there]).sum())

    torch.testing.assert_close(y.movedim(1, -1)[there], wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(given_x.grad, wanted_x.grad, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(norm.running_mean, reference.running_mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.running_var, reference.running_var, rtol=1e-4, atol=1e-4)
    assert int(norm.num_batches_tracked or 0) == 1


@pytest.mark.parametrize("ceiling", [float("inf"), 1.1, None])
def test_gradients_are_those_of_finite_differences(ceiling: float | None) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, 2, dtype=torch.float64, generator=generator).requires_grad_()
    weight = torch.tensor([1.5, -0.7], dtype=torch.float64).requires_grad_()
    bias = torch.tensor([0.3, 0.1], dtype=torch.float64).requires_grad_()
    outside = torch.tensor([1, 7])

    def counted(*arguments: Tensor) -> Tensor:
        y = _NormActivation.apply(*arguments, outside, 1e-5, ceiling)[0]  # type: ignore[no-untyped-call]
        keep = torch.ones(12, 1, dtype=torch.float64).index_fill_(0, outside, 0)
        result: Tensor = y.view(12, 2) * keep
        return result

    assert torch.autograd.gradcheck(counted, (x, weight, bias))


def test_every_position_counts_without_a_mask() -> None:
    x = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    ours, theirs = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    torch.testing.assert_close(norm_and_activation([ours, nn.ReLU()], x, None), theirs(x).relu())
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


@given(
    seed=st.integers(0, 2**31),
    reach=st.integers(0, 4),
    rows=st.integers(1, 6),
    cols=st.integers(1, 6),
)
def test_input_mask_marks_every_window_of_a_marked_pixel(
    seed: int, reach: int, rows: int, cols: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    count = int(torch.randint(0, 5, (), generator=generator))
    n = torch.randint(2, (count,), generator=generator)
    row = torch.randint(rows, (count,), generator=generator)
    col = torch.randint(cols, (count,), generator=generator)
    naive = torch.zeros(2, 1, rows + 2 * reach, cols + 2 * reach, dtype=torch.bool)
    for i, r, c in zip(n.tolist(), row.tolist(), col.tolist(), strict=True):
        naive[i, 0, r : r + 2 * reach + 1, c : c + 2 * reach + 1] = True
    assert torch.equal(input_mask(pixel_mask(n, row, col, (2, rows, cols)), reach), naive)
