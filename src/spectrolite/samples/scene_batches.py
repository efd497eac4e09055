"""Training batches of a scene: windows for dense training, patches as published.

Both are a `Batch`: inputs, and the pixels of the output at which the loss is taken. A patch is the
smallest window: its output is one pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectrolite.data.scene import Window, windows
from spectrolite.samples.receptive_field import input_mask

MOST_PIXELS = 8192  # training pixels in one step


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs, and the targets of some pixels of their output.

    Attributes:
        inputs: `(N, components, rows + 2 * halo, cols + 2 * halo)` float32.
        n: `(P,)` int64, the input that each target belongs to.
        rows: `(P,)` int64, the target's row in the output.
        cols: `(P,)` int64, its column in the output.
        targets: `(P,)` int64, class index from 0.
    """

    inputs: Tensor
    n: Tensor
    rows: Tensor
    cols: Tensor
    targets: Tensor

    def logits(self, net: Any, device: torch.device) -> Tensor:
        """`(P, classes)`: logits of a scene network on that device, at the target pixels."""
        pixels = (self.n.to(device), self.rows.to(device), self.cols.to(device))
        logits: Tensor = net.at(self.inputs.to(device), *pixels)
        return logits


class TrainingScene:
    """A reduced scene with the targets of its training pixels.

    Args:
        reduced: `(components, rows, cols)` float32, mean spectrum at zero; or, of a scene that
            stays in its file, a function that reads a window of it.
        targets: `(rows, cols)` int64, class index from 0, -1 outside training pixels.
        halo: pixels of context that the network needs on each side; padded with zeros here, once.
        side: side in pixels of the windows that are read from a file: those with a training pixel.

    Attributes:
        blocks: windows with their inputs, `(components, rows + 2 * halo, cols + 2 * halo)`, zero
            outside the patches of training pixels: all that training may see. Zeros replace the
            values, as NaN times zero is NaN. A scene in memory is a single block.
    """

    def __init__(
        self,
        reduced: Tensor | Callable[[Window], Tensor],
        targets: Tensor,
        halo: int,
        side: int,
    ) -> None:
        self.targets = targets
        self.halo = halo
        rows, cols = targets.shape
        self.blocks: list[tuple[Window, Tensor]] = []
        if not (targets >= 0).any():
            return
        if isinstance(reduced, Tensor):
            whole = Window(0, rows, 0, cols)
            self.blocks.append((whole, self._visible(whole, lambda w: reduced[:, *w.slices])))
        else:
            self.blocks.extend((w, self._visible(w, reduced)) for w in self.windows(side))

    def _visible(self, window: Window, read: Callable[[Window], Tensor]) -> Tensor:
        """A window with its halo, zero outside the scene and outside the patches."""
        halo, (rows, cols) = self.halo, self.targets.shape
        inside, missing = _with_margin(window, halo, rows, cols)
        padded = torch.nn.functional.pad(read(inside), missing)
        around, beyond = _with_margin(window, 2 * halo, rows, cols)
        trains = torch.nn.functional.pad(self.targets[around.slices] >= 0, beyond)
        reached = input_mask(trains[None, None], halo)[0]
        reached = reached[..., 2 * halo : reached.shape[-2] - 2 * halo, :]
        reached = reached[..., 2 * halo : reached.shape[-1] - 2 * halo]
        return torch.where(reached, padded, 0.0)

    def windows(self, side: int) -> list[Window]:
        """Windows of at most `side` pixels with a training pixel."""
        return training_windows((self.targets >= 0).numpy(), side)

    def cut(self, window: Window) -> Tensor:
        """`(components, rows + 2 * halo, cols + 2 * halo)` of a window inside one of the blocks."""
        block, inputs = next(b for b in self.blocks if _contains(b[0], window))
        row, col = window.row_start - block.row_start, window.col_start - block.col_start
        rows, cols = window.shape
        return inputs[:, row : row + rows + 2 * self.halo, col : col + cols + 2 * self.halo]


def training_windows(trains: NDArray[np.bool_], side: int) -> list[Window]:
    """Windows of at most `side` pixels with a training pixel, each a step of the optimiser.

    The side is halved until no window has more than `MOST_PIXELS`, to save memory: HybridSN's
    first linear layer copies 72 KiB for each training pixel of a step.

    Args:
        trains: `(rows, cols)`: whether a pixel trains.
        side: in pixels.
    """
    rows, cols = trains.shape
    counts = {w: int(trains[w.slices].sum()) for w in windows(rows, cols, side)}
    if max(counts.values()) > MOST_PIXELS:
        return training_windows(trains, side // 2)
    return [w for w, count in counts.items() if count]


def dense_epoch(
    scenes: Sequence[TrainingScene],
    windows: Sequence[tuple[int, Window]],
    flips: bool,
    generator: torch.Generator,
) -> Iterator[Batch]:
    """Each window once, in random order, in a random one of its eight orientations.

    Args:
        scenes: the scenes.
        windows: the number of each window's scene, and the window.
        flips: whether to flip and transpose windows.
        generator: of order and orientations.
    """
    for i in torch.randperm(len(windows), generator=generator).tolist():
        n, window = windows[i]
        orientation = _orientations(1, flips, generator)[0]
        inputs = orient(scenes[n].cut(window), orientation)
        targets = orient(scenes[n].targets[window.slices], orientation)
        row, col = (targets >= 0).nonzero(as_tuple=True)
        yield Batch(inputs[None], torch.zeros_like(row), row, col, targets[row, col])


def patch_epoch(
    scenes: Sequence[TrainingScene], size: int, flips: bool, generator: torch.Generator
) -> Iterator[Batch]:
    """Each training pixel's patch once, in random order, `size` at a time."""
    places = [(scene.targets >= 0).nonzero() for scene in scenes]
    number = torch.repeat_interleave(torch.tensor([len(place) for place in places]))
    row, col = torch.cat(places).unbind(1)
    for indices in torch.split(torch.randperm(len(row), generator=generator), size):
        turned = _orientations(len(indices), flips, generator)
        positions = zip(
            number[indices].tolist(), row[indices].tolist(), col[indices].tolist(), strict=True
        )
        pixels = [(scenes[i], Window(r, r + 1, c, c + 1)) for i, r, c in positions]
        inputs = torch.stack(
            [orient(scene.cut(w), k) for (scene, w), k in zip(pixels, turned, strict=True)]
        )
        targets = torch.stack([scene.targets[w.row_start, w.col_start] for scene, w in pixels])
        n = torch.arange(len(indices))
        zeros = torch.zeros_like(n)
        yield Batch(inputs, n, zeros, zeros, targets)


def orient(image: Tensor, orientation: int) -> Tensor:
    """One of eight orientations of the last two axes: flips and transposes; 0 is unchanged."""
    if orientation & 1:
        image = image.flip(-2)
    if orientation & 2:
        image = image.flip(-1)
    if orientation & 4:
        image = image.transpose(-2, -1)
    return image


def _with_margin(
    window: Window, by: int, rows: int, cols: int
) -> tuple[Window, tuple[int, int, int, int]]:
    """A window with a margin of `by` pixels, cut to the scene, and the padding in its place."""
    top, bottom = window.row_start - by, window.row_stop + by
    left, right = window.col_start - by, window.col_stop + by
    beyond = (max(-left, 0), max(right - cols, 0), max(-top, 0), max(bottom - rows, 0))
    return window.widened(by, rows, cols), beyond


def _contains(block: Window, window: Window) -> bool:
    down = block.row_start <= window.row_start and window.row_stop <= block.row_stop
    return down and block.col_start <= window.col_start and window.col_stop <= block.col_stop


def _orientations(n: int, flips: bool, generator: torch.Generator) -> list[int]:
    return torch.randint(8, (n,), generator=generator).tolist() if flips else [0] * n
