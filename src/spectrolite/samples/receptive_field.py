"""Which pixels a window around given pixels reaches."""

from __future__ import annotations

import torch
from torch import Tensor


def marked(n: Tensor, rows: Tensor, cols: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """`(N, 1, rows, cols)` bool: the pixels of an output whose logit the loss is taken of."""
    there = torch.zeros(shape, dtype=torch.bool, device=n.device)
    there[n, rows, cols] = True
    return there[:, None]


def widened(feeds: Tensor, reach: int) -> Tensor:
    """The positions that those of a later layer are made of, by kernels of side `2 * reach + 1`.

    `(N, 1, H, W)` to `(N, 1, H + 2 * reach, W + 2 * reach)`, bool.
    """
    side = 2 * reach + 1
    x = torch.nn.functional.pad(feeds.float(), (side - 1,) * 4)
    x = torch.nn.functional.max_pool2d(x, (side, 1), stride=1)
    return torch.nn.functional.max_pool2d(x, (1, side), stride=1) > 0
