"""The same network and weights, made for whole scenes.

A scene network is valid-convolutional, so it already runs over a scene as it is. What is left to
gain without changing its numbers: BatchNorm, a multiplication and an addition a channel once its
statistics are fixed, folds into the convolution before it.
"""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from spectrolite.models import SceneNetwork

NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


def dense(net: SceneNetwork) -> SceneNetwork:
    """A copy of `net` for inference: BatchNorm folded, evaluation mode, no gradients.

    Args:
        net: a scene network, in any mode; it is not changed.

    Returns:
        A module under the same contract with the same `.halo`; its logits differ from the
        network's in evaluation mode by rounding only.
    """
    folded = copy.deepcopy(net).eval().requires_grad_(False)
    _fold(folded)
    return folded


def _fold(module: nn.Module) -> None:
    for name, child in module.named_children():
        if not isinstance(child, nn.Sequential):
            _fold(child)
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
                _fold(layer)
                layers.append(layer)
        setattr(module, name, nn.Sequential(*layers).eval())
