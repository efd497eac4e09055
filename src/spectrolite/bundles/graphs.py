"""A trained model as one torch module to export: from raw spectra or pixels to classes.

Scenes: `(N, bands, rows + 2 * halo, cols + 2 * halo)` float32 in the scene's units ->
class positions `(N, rows, cols)` int64, confidence `(N, rows, cols)` float32, logits
`(N, classes, rows, cols)` float32. The confidence is that of the logits divided by the temperature,
if the model has one. Images: `(N, channels, H, W)` uint8 -> class indices `(N,)`,
confidence `(N,)`, logits `(N, classes)`.

Layers have their plainest form, because every runtime has fast kernels for it: BatchNorm is
folded, and HybridSN's 3-D convolutions are 3-D convolutions.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.models.dense_form import fold
from spectrolite.models.hybridsn import HybridSN

INPUT = "raw"
OUTPUTS = ("classes", "confidence", "logits")
MATRIX = "matrix"  # weight of the convolution that reduces bands
REDUCTION = "reduction"  # name of that convolution, which is never quantized
NETWORK = "network."  # prefix of the names of the network's own layers


class SceneGraph(nn.Module):
    """Band choice, band reduction and network of a scene model.

    Args:
        bundle: the trained model.
        dropped: bands of the input that the model was not trained on; the graph leaves them out.
    """

    kept: Tensor | None
    mean: Tensor
    matrix: Tensor

    def __init__(self, bundle: Bundle, dropped: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.network = _folded(bundle.network)
        self.temperature = bundle.config.temperature
        kept = kept_bands(len(bundle.bands.mean) + len(dropped), dropped)
        self.register_buffer("kept", torch.tensor(kept) if dropped else None)
        mean = torch.from_numpy(bundle.bands.mean.astype(np.float32))
        matrix = torch.from_numpy(bundle.bands.matrix.astype(np.float32))
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("matrix", matrix[:, :, None, None])

    def forward(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Classes, confidence and logits of raw spectra; shapes in the module's docstring."""
        if self.kept is not None:
            raw = raw.index_select(1, self.kept)
        # subtract the mean first: the other order has six times the rounding error in float32
        x = nn.functional.conv2d(raw - self.mean, self.matrix)
        return _outputs(_plain(self.network, x), self.temperature)


class ImageGraph(nn.Module):
    """Normalisation and network of an image model."""

    scale: Tensor
    shift: Tensor

    def __init__(self, bundle: ImageBundle) -> None:
        super().__init__()
        self.network = _folded(bundle.network)
        self.register_buffer("scale", (1 / (255 * bundle.std))[:, None, None])
        self.register_buffer("shift", (bundle.mean / bundle.std)[:, None, None])

    def forward(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Classes, confidence and logits of raw pixels; shapes in the module's docstring."""
        return _outputs(self.network(raw.float() * self.scale - self.shift))


def graph_of(
    bundle: Bundle | ImageBundle, dropped: tuple[int, ...] = ()
) -> SceneGraph | ImageGraph:
    """The module of a trained model, in evaluation mode and without gradients."""
    graph = ImageGraph(bundle) if isinstance(bundle, ImageBundle) else SceneGraph(bundle, dropped)
    return graph.eval().requires_grad_(False)


def kept_bands(bands: int, dropped: tuple[int, ...]) -> list[int]:
    """Numbers of the bands, out of `bands`, that are not in `dropped`."""
    return [band for band in range(bands) if band not in dropped]


def _folded(network: nn.Module) -> nn.Module:
    folded = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    fold(folded)
    return folded


def _plain(net: nn.Module, x: Tensor) -> Tensor:
    """Logits of a scene network, `(N, components, H, W) -> (N, classes, rows, cols)`."""
    if isinstance(net, HybridSN):
        x = x.unsqueeze(1)  # (N, 1, components, H, W)
        for layer in (net.conv3d_1, net.conv3d_2, net.conv3d_3):
            x = layer(x)
        return net.head(net.fc1(net.conv2d_4(x.flatten(1, 2))))
    logits: Tensor = net(x)
    return logits


def _outputs(logits: Tensor, temperature: float | None = None) -> tuple[Tensor, Tensor, Tensor]:
    scores = logits if temperature is None else logits / temperature
    confidence, classes = scores.softmax(1).max(1)
    return classes, confidence, logits
