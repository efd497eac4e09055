"""MobileNetV1: a stem and a chain of depthwise-separable convolutions.

Source: Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam, "MobileNets: Efficient
Convolutional Neural Networks for Mobile Vision Applications", 2017, arXiv:1704.04861, sections 3.1
to 3.3 and table 1; widths and initial weights after its reference, TensorFlow's
`research/slim/nets/mobilenet_v1.py`.

What is peculiar to it:
- a 3x3 convolution is split into a depthwise one, a kernel a channel, and a pointwise one that
  mixes channels; each has its own BatchNorm and ReLU6. The pair costs 1/out + 1/9 of the ordinary
  convolution, where out is the number of output channels: between an eighth and a ninth;
- there are no shortcuts: a channel whose depthwise kernel becomes zero stays dead, and weight decay
  on nine weights causes this in many channels (`blocks.parameter_groups` has none on them);
- table 1 gives the last depthwise convolution stride 2 with the same 7x7 map before and after it.
  Here its stride is 1, as in the reference.

Where we deviate:
- `small_images=True` (the default) gives the stem stride 1, for 32x32 pixels; the paper's images
  have 224x224, and with their strides a 32x32 image is a single position from the twelfth block on;
- widths follow the reference's `max(int(width * channels), 8)`, which rounds down, not to multiples
  of 8; V2 has another rule;
- initial weights are the reference's truncated normal with `variant="paper"`, and PyTorch's
  defaults with `"course"`, as in each source;
- BatchNorm has PyTorch's epsilon 1e-5 and momentum 0.1 (reference: 1e-3, decay 0.9997), and no
  dropout precedes the linear layer (reference: 0.1 %);
- the course averages 2x2 positions, which are all positions at 32x32 pixels; here the average runs
  over all positions at every size. The course's code uses ReLU, though its text recommends ReLU6:
  `activation="relu"`;
- torchvision has no MobileNetV1, so there are no weights of torchvision to load.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spectrolite.models.blocks import (
    ACTIVATIONS,
    check_image_network,
    check_images,
    conv_norm,
    initialise,
    initialise_truncated,
    kernels_of,
)

STEM = 32
# Blocks of table 1: channels out, stride of the depthwise convolution.
BLOCKS = {
    "paper": (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (512, 1),
        (1024, 2),
        (1024, 1),
    ),
    "course": (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (1024, 2),
        (1024, 1),
    ),
}
VARIANTS = tuple(BLOCKS)
MIN_CHANNELS = 8


class MobileNetV1(nn.Module):
    """`(N, channels, H, W) -> (N, classes)`, float32 logits.

    Args:
        variant: `"paper"` (13 blocks) or `"course"` (9 blocks).
        width: multiplier of every layer's channels, 0.05 to 8.
        classes: number of classes, at least 2.
        activation: `"relu6"` or `"relu"`.
        small_images: strides for images of 32x32 pixels; if false, of 224x224.
        channels: of the image, at least 1.
        generator: source of the initial weights; None: torch's global one.
        kernels: number of kernels of each depthwise layer of a pruned network; None: all.

    Raises:
        SettingsError: an argument out of range; in `forward`, images of another shape or of fewer
            than 8 pixels a side.
    """

    def __init__(
        self,
        variant: str = "paper",
        width: float = 1.0,
        classes: int = 10,
        activation: str = "relu6",
        small_images: bool = True,
        channels: int = 3,
        generator: torch.Generator | None = None,
        kernels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_image_network("mobilenet_v1", VARIANTS, variant, width, classes, activation, channels)
        self.variant, self.width, self.classes = variant, width, classes
        self.activation, self.small_images, self.channels = activation, small_images, channels
        act = ACTIVATIONS[activation]
        outs = [scaled(table_out, width) for table_out, _ in BLOCKS[variant]]
        counts = kernels_of(kernels, [scaled(STEM, width), *outs[:-1]])
        inputs = counts[0]
        self.stem = conv_norm(channels, inputs, 3, act, stride=1 if small_images else 2)
        self.blocks = nn.Sequential()
        for out, (_, stride) in zip([*counts[1:], outs[-1]], BLOCKS[variant], strict=True):
            layers: OrderedDict[str, nn.Module] = OrderedDict(
                depthwise=conv_norm(inputs, inputs, 3, act, stride=stride, groups=inputs),
                pointwise=conv_norm(inputs, out, 1, act),
            )
            self.blocks.append(nn.Sequential(layers))
            inputs = out
        self.linear = nn.Linear(inputs, classes)
        (initialise_truncated if variant == "paper" else initialise)(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W) -> (N, classes)`; shapes in comments are for 3x32x32."""
        check_images(x, self.channels)
        x = self.stem(x)  # (N, 32, 32, 32)
        x = self.blocks(x)  # (N, 1024, 2, 2)
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def scaled(channels: int, width: float) -> int:
    """Channels times width, rounded down, at least 8: the reference's rule."""
    return max(int(width * channels), MIN_CHANNELS)
