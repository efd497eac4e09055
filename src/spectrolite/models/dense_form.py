"""A faster form of a scene network for whole scenes, with the same results up to rounding.

A scene network is made of valid convolutions, so it runs over a whole scene as it is. Two changes
make it faster without changing its results:
- BatchNorm, which multiplies and adds once its statistics are fixed, is folded into the convolution
  before it;
- a convolution with a large kernel, such as HybridSN's first linear layer, is computed in the
  frequency domain.
Times are in `benchmarks/results/scene_map.json`.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from spectrolite.models import SceneNetwork

Network = TypeVar("Network", bound=SceneNetwork)
NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)
LARGE_KERNEL = 9  # smallest side that is computed in the frequency domain
SMALL_OUTPUT = 256  # pixels: smaller outputs are computed as an ordinary convolution
TILES = range(32, 49)  # sides to choose from: small tiles overlap more, large ones need more memory
AT_A_TIME = 32  # tiles: for memory


def dense(net: Network, memory_mib: int = 256) -> Network:
    """A copy of `net` for inference: exact, in evaluation mode, without gradients.

    Args:
        net: a scene network, in any mode; it is not changed.
        memory_mib: memory in MiB for the transformed weights of a large kernel; if no tile fits
            into it, the layer stays an ordinary convolution.

    Returns:
        A module with the same shapes and the same `.halo`; its logits differ from the network's
        in evaluation mode by rounding only, less than 1e-5 of the largest. Weights are transformed
        for the first scene of a size, and kept for the next ones.
    """
    folded = copy.deepcopy(net)
    folded.eval().requires_grad_(False)
    fold(folded)
    for name, layer in folded.named_children():
        if (
            isinstance(layer, nn.Conv2d)
            and _is_plain(layer)
            and layer.kernel_size[0] >= LARGE_KERNEL
        ):
            setattr(folded, name, FrequencyConv(layer, memory_mib).eval())
    return folded


def fold(module: nn.Module) -> None:
    """Fold every BatchNorm into the convolution before it, in place; in evaluation mode only."""
    for name, child in module.named_children():
        if not isinstance(child, nn.Sequential):
            fold(child)
            continue
        layers: list[nn.Module] = []
        for layer in child:
            if (
                isinstance(layer, NORMS)
                and layers
                and isinstance(layers[-1], nn.Conv2d | nn.Conv3d)
            ):
                layers[-1] = fuse_conv_bn_eval(layers[-1], layer)
            else:
                fold(layer)
                layers.append(layer)
        setattr(module, name, nn.Sequential(*layers).eval())


def _is_plain(conv: nn.Conv2d) -> bool:
    """Whether it is valid, of stride 1, undilated, ungrouped and square."""
    steps = {*conv.stride, *conv.dilation, conv.groups}
    return steps == {1} and conv.padding == (0, 0) and len(set(conv.kernel_size)) == 1


class FrequencyConv(nn.Conv2d):
    """A valid convolution of stride 1 with a large square kernel: overlap-save, tile by tile.

    `(N, in, H, W) -> (N, out, H - kernel + 1, W - kernel + 1)`.

    Source: overlap-save as in Oppenheim and Schafer, "Discrete-Time Signal Processing", section
    8.7.3. Our deviation: the transforms are products with the matrix of the discrete Fourier
    transform, not fast transforms. For tiles of this size that is efficient on a CPU, works for any
    side, and computes only the valid outputs.
    """

    def __init__(self, conv: nn.Conv2d, memory_mib: int) -> None:
        kernel = conv.kernel_size[0]
        super().__init__(conv.in_channels, conv.out_channels, kernel, device="meta")
        self.weight, self.bias = conv.weight, conv.bias
        a_frequency = conv.in_channels * conv.out_channels * 8  # bytes
        self.sides = [
            side
            for side in TILES
            if side >= 2 * kernel and (side // 2 + 1) * side * a_frequency <= memory_mib << 20
        ]
        self.tile: _Tile | None = None

    def forward(self, x: Tensor) -> Tensor:
        """`(N, in, H, W) -> (N, out, H - kernel + 1, W - kernel + 1)`."""
        kernel = self.kernel_size[0]
        rows, cols = x.shape[2] - kernel + 1, x.shape[3] - kernel + 1
        if not self.sides or rows * cols < SMALL_OUTPUT or self.weight.dtype != torch.float32:
            return super().forward(x)

        def work(side: int) -> int:
            step = side - kernel + 1
            return -(-rows // step) * -(-cols // step) * side * side

        best = min(self.sides, key=work)
        # depends on the size alone: a scene gives the same bits whatever was mapped before it
        same_device = self.tile is not None and self.tile.weight.device == x.device
        if self.tile is None or not same_device or self.tile.side != best:
            self.tile = None  # free its memory first
            self.tile = _Tile(self, best)
        return self.tile.convolve(x)


class _Tile:
    """The matrices and the transformed weights for tiles of one side.

    A complex number is two real ones on an axis of its own, "part". Axes: u are the frequencies of
    the rows, half of them, as the other half are conjugates; v are the frequencies of the columns.
    """

    def __init__(self, conv: nn.Conv2d, side: int) -> None:
        weight = conv.weight.detach()
        self.side, self.kernel, self.bias = side, conv.kernel_size[0], conv.bias
        self.step = step = side - self.kernel + 1
        self.half = half = side // 2 + 1
        angle = 2 * np.pi * np.outer(np.arange(side), np.arange(side)) / side
        cos, sin = np.cos(angle), np.sin(angle)  # (frequency, position)
        conjugates = np.full(half, 2.0)  # frequencies that stand for two
        conjugates[0] = 1
        if side % 2 == 0:
            conjugates[-1] = 1

        def matrix(values: NDArray[np.float64]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(weight)

        forward_rows = np.stack([cos[:half], -sin[:half]], axis=1)  # (u, part, row)
        # (part, v, part of the input, col)
        forward_cols = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)])
        back_cos, back_sin = cos.T[:step] / side, sin.T[:step] / side  # (position, frequency)
        # (part, col, v, part of the input)
        back_cols = np.stack(
            [np.stack([back_cos, -back_sin], -1), np.stack([back_sin, back_cos], -1)]
        )
        # (row, u, part)
        back_rows = np.stack([back_cos[:, :half], -back_sin[:, :half]], -1) * conjugates[:, None]
        self.forward_rows = matrix(forward_rows.reshape(2 * half, side))
        self.forward_cols = matrix(forward_cols.reshape(2 * side, 2 * side))
        self.back_cols = matrix(back_cols.reshape(2 * step, 2 * side))
        self.back_rows = matrix(back_rows.reshape(step, 2 * half))

        kernel_cols = forward_cols[..., : self.kernel].swapaxes(0, 1)  # (v, part, part, col)
        w = weight.permute(2, 3, 1, 0).reshape(self.kernel, -1)  # (row, col * in * out)
        w = self.forward_rows[:, : self.kernel] @ w
        w = w.view(half, 2 * self.kernel, -1)  # (u, part and col, in * out)
        w = matrix(kernel_cols.reshape(2 * side, -1)) @ w  # (u, v and part, in * out)
        self.weight = w.view(half, side, 2 * weight.shape[1], weight.shape[0])

    def convolve(self, x: Tensor) -> Tensor:
        """`(N, in, H, W) -> (N, out, H - kernel + 1, W - kernel + 1)`."""
        side, step, channels = self.side, self.step, self.weight.shape[3]
        n, _, height, width = x.shape
        rows, cols = height - self.kernel + 1, width - self.kernel + 1
        down, across = -(-rows // step), -(-cols // step)
        bottom, right = down * step + self.kernel - 1, across * step + self.kernel - 1
        x = nn.functional.pad(x, (0, right - width, 0, bottom - height)).permute(0, 2, 3, 1)
        tiles = x.unfold(1, side, step).unfold(2, side, step)  # (N, down, across, in, row, col)
        tiles = tiles.flatten(0, 1).permute(0, 1, 3, 4, 2)  # (N * down, across, row, col, in)
        result = x.new_empty(n * down, step, across, step, channels)
        bias = torch.zeros_like(self.weight[0, 0, 0]) if self.bias is None else self.bias
        for one in range(0, n * down, max(AT_A_TIME // across, 1)):
            some = slice(one, one + max(AT_A_TIME // across, 1))
            y = self._convolve_tiles(tiles[some].flatten(0, 1))  # (row, col, tiles, out)
            y = y.view(step, step, -1, across, channels).permute(2, 0, 3, 1, 4)
            torch.add(y, bias, out=result[some])
        result = result.view(n, down * step, across * step, channels)[:, :rows, :cols]
        return result.permute(0, 3, 1, 2)

    def _convolve_tiles(self, tiles: Tensor) -> Tensor:
        """`(tiles, side, side, in) -> (step, step, tiles, out)`."""
        count, side, _, channels = tiles.shape
        half, out = self.half, self.weight.shape[3]
        x = self.forward_rows @ tiles.reshape(count, side, -1)  # (tiles, u and part, col * in)
        x = self.forward_cols @ x.view(count * half, 2 * side, channels)
        real, imaginary = (  # (u, v, tiles, in)
            x.view(count, half, 2, side, channels)[:, :, part].permute(1, 2, 0, 3)
            for part in range(2)
        )
        # a correlation multiplies by the conjugate: (a + bi)(c - di) = (ac + bd) + (bc - ad)i
        pairs = x.new_empty(half, side, 2, count, 2, channels)
        pairs[:, :, 0, :, 0] = real
        pairs[:, :, 0, :, 1] = imaginary
        pairs[:, :, 1, :, 0] = imaginary
        pairs[:, :, 1, :, 1] = -real
        # one frequency of the rows at a time stays in the cache between the two products
        y = x.new_empty(side, 2 * count, out)
        z = x.new_empty(half, 2 * self.step, count * out)  # (u, part and col, tiles * out)
        for u in range(half):
            torch.bmm(pairs[u].view(side, 2 * count, -1), self.weight[u], out=y)
            torch.mm(self.back_cols, y.view(2 * side, -1), out=z[u])
        z = self.back_rows @ z.view(2 * half, -1)  # (row, col * tiles * out)
        return z.view(self.step, self.step, count, out)
