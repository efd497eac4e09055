"""A trained image network as a folder, with the same two files as a scene network.

It holds everything that turns pixels into a class: image size, mean and standard deviation of the
channels, weights, class names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from safetensors.torch import save
from torch import Tensor

from spectrolite.data.images import check_class_names
from spectrolite.errors import ImagesError
from spectrolite.files import whole_file, write_text
from spectrolite.hashing import array_sha256
from spectrolite.models import ImageNetwork, build_image_model
from spectrolite.models.weights import load_weights, network_weights

LARGEST_SIDE = 4096  # pixels
MOST_CHANNELS = 1024

Channels = Annotated[int, Field(ge=1, le=MOST_CHANNELS)]
Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]


class ImageConfig(BaseModel):
    """`config.json` of an image network."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: int = Field(ge=1)
    model: str
    variant: str
    width: float
    activation: str
    small_images: bool
    kernels: tuple[int, ...] | None = Field(default=None, exclude_if=lambda value: value is None)
    """Kernels of each depthwise layer, if some were pruned."""
    input_shape: tuple[Channels, Side, Side]
    class_names: tuple[str, ...] = Field(min_length=2, max_length=65535)
    images: int = Field(ge=1)
    caveat: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Why its classes and confidence mean nothing, if its test showed that it learned nothing."""

    @model_validator(mode="after")
    def _classes_have_names(self) -> ImageConfig:
        try:
            check_class_names(self.class_names, "class_names")
        except ImagesError as error:
            raise ValueError(str(error)) from error
        return self


@dataclass(frozen=True, eq=False)
class ImageBundle:
    """A trained image network.

    Attributes:
        config: the content of `config.json`; `images` is the number of training images.
        mean: `(C,)` float32 of the training images, as shares of 255.
        std: likewise.
        network: in evaluation mode.
    """

    config: ImageConfig
    mean: Tensor
    std: Tensor
    network: ImageNetwork

    @cached_property
    def sha256(self) -> str:
        """Hash of all trained numbers: weights, running statistics, mean and deviation."""
        state = self.network.state_dict()
        arrays = [state[key].cpu().numpy() for key in sorted(state)]
        return array_sha256(self.mean.numpy(), self.std.numpy(), *arrays)

    def save(self, folder: Path) -> None:
        """Write the two files into `folder`, which is made if it does not exist."""
        state = {f"network.{k}": v.cpu().contiguous() for k, v in self.network.state_dict().items()}
        state |= {"pixels.mean": self.mean.contiguous(), "pixels.std": self.std.contiguous()}
        with whole_file(folder / "model.safetensors") as part:
            part.write_bytes(save(state))
        write_text(folder / "config.json", self.config.model_dump_json(indent=2) + "\n")


def trained_image_bundle(
    config: ImageConfig, mean: Tensor, std: Tensor, net: ImageNetwork
) -> ImageBundle:
    """The bundle of a network, with the weights laid out as training and classifying want them.

    The layout decides the last bits of what is computed: here it is the same for a network that was
    just trained and for one read back from disk.
    """
    net.cpu().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ImageBundle(config, mean.cpu().contiguous(), std.cpu().contiguous(), net)


def image_bundle(config: ImageConfig, state: Mapping[str, Tensor]) -> ImageBundle:
    """The bundle of the tensors of a file: exactly those of the network.

    Raises:
        ValueError: what is wrong; also as a RuntimeError of torch.
    """
    rest = dict(state)
    statistics: dict[str, Tensor] = {}
    for name in ("pixels.mean", "pixels.std"):
        if name not in rest:
            raise ValueError(f"no {name}")
        value = statistics[name] = rest.pop(name)
        wanted = (config.input_shape[0],)
        if tuple(value.shape) != wanted or value.dtype != torch.float32:
            raise ValueError(
                f"{name}: {value.dtype} of shape {tuple(value.shape)}, wanted torch.float32 of "
                f"{wanted}"
            )
    mean, std = statistics.values()
    if not bool((std > 0).all()):
        raise ValueError("pixels.std: wanted deviations above 0")
    weights = network_weights(rest, "pixels")
    net = build_image_model(
        config.model,
        variant=config.variant,
        width=config.width,
        classes=len(config.class_names),
        activation=config.activation,
        small_images=config.small_images,
        channels=config.input_shape[0],
        kernels=config.kernels,
    )
    load_weights(net, weights, statistics)
    return trained_image_bundle(config, mean, std, net)
