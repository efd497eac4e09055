"""MobileNetV2: inverted residuals with linear bottlenecks.

Source: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", 2018, arXiv:1801.04381, section 3.3, tables 1 and 2; widths and initial weights after
its reference, TensorFlow's `research/slim/nets/mobilenet`.

What is peculiar to it:
- a block widens first: 1x1 to t times the channels, 3x3 depthwise, 1x1 back to few channels. The
  shortcut joins the narrow ends, the reverse of a residual block, and exists only if the stride is
  1 and both ends have the same number of channels;
- the last 1x1 has no activation: with few channels, ReLU would destroy information.
  `linear_bottleneck=False` adds one, to measure its effect;
- if t is 1, there is no expansion layer;
- a width multiplier below 1 does not apply to the last convolution, which keeps 1280 channels.

Where we deviate:
- `small_images=True` (the default) gives the stem and the second stage stride 1, for 32x32 pixels;
  the paper's images have 224;
- `variant="course"` has an expansion layer even if t is 1, and a 1x1 convolution with BatchNorm as
  shortcut if the stride is 1 and the ends differ. The course's code has ReLU: `activation="relu"`;
- initial weights are the reference's truncated normal with `variant="paper"`, and PyTorch's
  defaults with `"course"`, as in each source;
- BatchNorm has PyTorch's epsilon 1e-5 and momentum 0.1 (reference: 1e-3, decay 0.997), and no
  dropout precedes the linear layer (reference and torchvision: 20 %).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from spectrolite.errors import SettingsError
from spectrolite.models.blocks import (
    ACTIVATIONS,
    check_image_network,
    check_images,
    conv_norm,
    initialise,
    initialise_truncated,
    kernels_of,
)

STEM, HEAD = 32, 1280
# Stages of table 2: expansion t, channels out, blocks, stride of the first block at 224 pixels and
# at 32 pixels.
STAGES = (
    (1, 16, 1, 1, 1),
    (6, 24, 2, 2, 1),
    (6, 32, 3, 2, 2),
    (6, 64, 4, 2, 2),
    (6, 96, 3, 1, 1),
    (6, 160, 3, 2, 2),
    (6, 320, 1, 1, 1),
)
VARIANTS = ("paper", "course")
DIVISOR = 8


class MobileNetV2(nn.Module):
    """`(N, channels, H, W) -> (N, classes)`, float32 logits.

    Args:
        variant: `"paper"` or `"course"`.
        width: multiplier of the channels, 0.05 to 8.
        classes: number of classes, at least 2.
        activation: `"relu6"` or `"relu"`.
        small_images: strides for images of 32x32 pixels; if false, of 224x224.
        channels: of the image, at least 1.
        linear_bottleneck: no activation after a block's last convolution.
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
        linear_bottleneck: bool = True,
        generator: torch.Generator | None = None,
        kernels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_image_network("mobilenet_v2", VARIANTS, variant, width, classes, activation, channels)
        self.variant, self.width, self.classes = variant, width, classes
        self.activation, self.small_images, self.channels = activation, small_images, channels
        self.linear_bottleneck = linear_bottleneck
        act = ACTIVATIONS[activation]
        inputs = scaled(STEM * width)
        rows = []  # a block each: channels in and out, expansion, stride
        for t, table_out, blocks, large_stride, small_stride in STAGES:
            out = scaled(table_out * width)
            for n in range(blocks):
                stride = (small_stride if small_images else large_stride) if n == 0 else 1
                rows.append((inputs, out, t, stride))
                inputs = out
        counts = kernels_of(kernels, [t * inputs for inputs, _, t, _ in rows])
        stem = rows[0][0]
        if variant == "paper":  # no expansion: the first kernels filter the stem's own channels
            if rows[0][1] == stem != counts[0]:
                raise SettingsError(
                    f"kernels: wanted {stem} in depthwise layer 0, whose input goes around it too, "
                    f"got {counts[0]}"
                )
            stem = counts[0]
        self.stem = conv_norm(channels, stem, 3, act, stride=1 if small_images else 2)
        self.blocks = nn.Sequential()
        for (inputs, out, t, stride), hidden in zip(rows, counts, strict=True):
            self.blocks.append(
                InvertedResidual(
                    inputs,
                    out,
                    t,
                    stride,
                    act,
                    hidden=hidden,
                    course=variant == "course",
                    linear_bottleneck=linear_bottleneck,
                )
            )
        features = scaled(HEAD * max(1.0, width))
        self.head = conv_norm(rows[-1][1], features, 1, act)
        self.linear = nn.Linear(features, classes)
        (initialise_truncated if variant == "paper" else initialise)(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, channels, H, W) -> (N, classes)`; shapes in comments are for 3x32x32."""
        check_images(x, self.channels)
        x = self.stem(x)  # (N, 32, 32, 32)
        x = self.blocks(x)  # (N, 320, 4, 4)
        x = self.head(x)  # (N, 1280, 4, 4)
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits

    def load_torchvision(self, state: Mapping[str, Tensor]) -> None:
        """Load the complete state dict of torchvision's `mobilenet_v2`.

        Args:
            state: tensors named `features.0.0.weight` to `classifier.1.bias`.

        Raises:
            SettingsError: a key that is missing, unknown or prefixed (`module.`), a tensor of
                another shape, or a network that differs from torchvision's; nothing is loaded.
        """
        if (self.variant, self.activation, self.linear_bottleneck) != ("paper", "relu6", True):
            raise SettingsError(
                "torchvision's mobilenet_v2 is variant='paper', activation='relu6', "
                f"linear_bottleneck=True; this network is {self.variant!r}, {self.activation!r}, "
                f"{self.linear_bottleneck}"
            )
        keys, own = torchvision_keys(self), self.state_dict()
        wrong = []
        for word, names in (
            ("missing", [k for k in keys if k not in state]),
            ("unknown", [k for k in state if k not in keys]),
        ):
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                wrong.append(f"{word}: {', '.join(names[:3])}{more}")
        if wrong and all(k.startswith("module.") for k in state):
            wrong.append("strip the prefix 'module.' from every key")
        wrong += [
            f"{theirs} is {tuple(state[theirs].shape)}, wanted {tuple(own[ours].shape)}"
            for theirs, ours in keys.items()
            if theirs in state and state[theirs].shape != own[ours].shape
        ]
        if wrong:
            raise SettingsError(f"torchvision's state dict: {'; '.join(wrong)}")
        self.load_state_dict({ours: state[theirs] for theirs, ours in keys.items()})


class InvertedResidual(nn.Module):
    """`(N, inputs, H, W) -> (N, out, h, w)`: widen, filter each channel, narrow."""

    def __init__(
        self,
        inputs: int,
        out: int,
        t: int,
        stride: int,
        activation: type[nn.Module],
        *,
        hidden: int,
        course: bool,
        linear_bottleneck: bool,
    ) -> None:
        super().__init__()
        expands = t != 1 or course
        self.expand = conv_norm(inputs, hidden, 1, activation) if expands else None
        self.depthwise = conv_norm(hidden, hidden, 3, activation, stride=stride, groups=hidden)
        self.project = conv_norm(hidden, out, 1, None if linear_bottleneck else activation)
        self.shortcut: nn.Module | None = None
        if stride == 1 and inputs == out:
            self.shortcut = nn.Identity()
        elif stride == 1 and course:
            self.shortcut = conv_norm(inputs, out, 1, None)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W) -> (N, out, h, w)`."""
        wide = x if self.expand is None else self.expand(x)
        y: Tensor = self.project(self.depthwise(wide))
        return y if self.shortcut is None else y + self.shortcut(x)


def scaled(channels: float) -> int:
    """The nearest multiple of 8, but at most 10 % below `channels`: the reference's rule."""
    near = max(DIVISOR, int(channels + DIVISOR / 2) // DIVISOR * DIVISOR)
    return near if near >= 0.9 * channels else near + DIVISOR


def torchvision_keys(net: MobileNetV2) -> dict[str, str]:
    """From each key of torchvision's state dict to the key of the same tensor in `net`."""
    modules = dict(_modules(net))
    keys = {}
    for key in net.state_dict():
        module, _, name = key.rpartition(".")
        keys[f"{modules[module]}.{name}"] = key
    return keys


def _modules(net: MobileNetV2) -> Iterator[tuple[str, str]]:
    """Our names of modules with weights, and torchvision's numbered names for them."""
    chains = [("stem", "features.0"), ("head", f"features.{len(net.blocks) + 1}")]
    for i, block in enumerate(net.blocks):
        theirs = f"features.{i + 1}.conv"
        parts = ["depthwise"] if block.expand is None else ["expand", "depthwise"]
        chains += [(f"blocks.{i}.{part}", f"{theirs}.{n}") for n, part in enumerate(parts)]
        # the last convolution and its BatchNorm are not nested any further
        yield f"blocks.{i}.project.0", f"{theirs}.{len(parts)}"
        yield f"blocks.{i}.project.1", f"{theirs}.{len(parts) + 1}"
    for ours, theirs in chains:
        yield f"{ours}.0", f"{theirs}.0"
        yield f"{ours}.1", f"{theirs}.1"
    yield "linear", "classifier.1"
