"""Training batches of a scene: windows for dense training, patches as published.

Both are a `Batch`: inputs, and the pixels of the output at which the loss is taken. A patch is the
smallest window: its output is one pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spectrolite.scene import Window, windows

MOST_PIXELS = 8192  # training pixels in one step


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs and what is known of their output.

    Attributes:
        inputs: `(N, components, rows + 2 * halo, cols + 2 * halo)` float32.
        n: `(P,)` int64, which input each target belongs to.
        rows: `(P,)` int64, its row in the output.
        cols: `(P,)` int64, its column in the output.
        targets: `(P,)` int64, class index from 0.
    """

    inputs: Tensor
    n: Tensor
    rows: Tensor
    cols: Tensor
    targets: Tensor

    def logits(self, net: Any, device: torch.device) -> Tensor:
        """`(P, classes)`: what a scene network, on that device, says at the pixels."""
        where = (self.n.to(device), self.rows.to(device), self.cols.to(device))
        logits: Tensor = net.at(self.inputs.to(device), *where)
        return logits


class TrainingScene:
    """A reduced and padded scene with the targets of its training pixels.

    Args:
        reduced: `(components, rows, cols)` float32, mean spectrum at zero.
        targets: `(rows, cols)` int64, class index from 0, -1 where nothing trains.
        halo: pixels of context that the network wants on each side; padded with zeros here, once.

    Attributes:
        padded: the whole scene.
        taught: the same with zeros wherever no training pixel's patch reaches: all that training
            may see. Replaced, not multiplied, since NaN times zero is NaN.
    """

    def __init__(self, reduced: Tensor, targets: Tensor, halo: int) -> None:
        self.padded = torch.nn.functional.pad(reduced, (halo, halo, halo, halo))
        self.targets = targets
        self.halo = halo
        self.taught = self.within(targets >= 0)

    def within(self, pixels: Tensor) -> Tensor:
        """The padded scene with zeros where no patch of these pixels reaches.

        `(rows, cols)` bool to `(components, rows + 2 * halo, cols + 2 * halo)`.
        """
        return torch.where(widened(pixels[None, None], self.halo)[0], self.padded, 0.0)

    def windows(self, side: int) -> list[Window]:
        """Windows of at most `side` pixels that hold a training pixel.

        They are halved until none holds more than `MOST_PIXELS`, for memory: HybridSN's first
        linear layer copies 72 KiB for each training pixel of a step.
        """
        rows, cols = self.targets.shape
        counts = {w: int((self.targets[w.slices] >= 0).sum()) for w in windows(rows, cols, side)}
        if max(counts.values()) > MOST_PIXELS:
            return self.windows(side // 2)
        return [w for w, count in counts.items() if count]

    def dense_epoch(
        self, tiles: list[Window], flips: bool, generator: torch.Generator
    ) -> Iterator[Batch]:
        """Each window once, in random order, in a random one of its eight orientations."""
        for i in torch.randperm(len(tiles), generator=generator).tolist():
            tile = tiles[i]
            orientation = _orientations(1, flips, generator)[0]
            rows = slice(tile.row_start, tile.row_stop + 2 * self.halo)
            cols = slice(tile.col_start, tile.col_stop + 2 * self.halo)
            inputs = orient(self.taught[:, rows, cols], orientation)
            targets = orient(self.targets[tile.slices], orientation)
            row, col = (targets >= 0).nonzero(as_tuple=True)
            yield Batch(inputs[None], torch.zeros_like(row), row, col, targets[row, col])

    def patch_epoch(self, size: int, flips: bool, generator: torch.Generator) -> Iterator[Batch]:
        """Each training pixel's patch once, in random order, `size` at a time."""
        row, col = (self.targets >= 0).nonzero(as_tuple=True)
        side = 2 * self.halo + 1
        for chosen in torch.split(torch.randperm(len(row), generator=generator), size):
            turned = _orientations(len(chosen), flips, generator)
            inputs = torch.stack(
                [
                    orient(self.taught[:, r : r + side, c : c + side], k)
                    for r, c, k in zip(
                        row[chosen].tolist(), col[chosen].tolist(), turned, strict=True
                    )
                ]
            )
            n = torch.arange(len(chosen))
            zeros = torch.zeros_like(n)
            yield Batch(inputs, n, zeros, zeros, self.targets[row[chosen], col[chosen]])


def orient(image: Tensor, orientation: int) -> Tensor:
    """One of the eight orientations of the last two axes: flips and transposes; 0 is as it was."""
    if orientation & 1:
        image = image.flip(-2)
    if orientation & 2:
        image = image.flip(-1)
    if orientation & 4:
        image = image.transpose(-2, -1)
    return image


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


def _orientations(n: int, flips: bool, generator: torch.Generator) -> list[int]:
    return torch.randint(8, (n,), generator=generator).tolist() if flips else [0] * n
