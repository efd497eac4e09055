"""Masks of the positions inside a network from which the logits at some pixels are computed."""

from __future__ import annotations

import torch
from torch import Tensor


def pixel_mask(n: Tensor, rows: Tensor, cols: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """`(N, 1, rows, cols)` bool: true at the listed pixels of a network's output.

    Args:
        n: `(P,)` int64, index into the batch.
        rows: `(P,)` int64.
        cols: `(P,)` int64.
        shape: N, rows and cols of the output.
    """
    mask = torch.zeros(shape, dtype=torch.bool, device=n.device)
    mask[n, rows, cols] = True
    return mask[:, None]


def input_mask(output: Tensor, reach: int) -> Tensor:
    """The input positions of a valid convolution that feed the marked positions of its output.

    `(N, 1, H, W)` to `(N, 1, H + 2 * reach, W + 2 * reach)`, bool.

    Args:
        output: bool mask of the output.
        reach: half the side of the kernel, which is `2 * reach + 1` pixels.
    """
    side = 2 * reach + 1
    x = torch.nn.functional.pad(output.float(), (side - 1,) * 4)
    x = torch.nn.functional.max_pool2d(x, (side, 1), stride=1)
    return torch.nn.functional.max_pool2d(x, (1, side), stride=1) > 0
