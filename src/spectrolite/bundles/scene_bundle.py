"""A trained model as a folder: `config.json`, `model.safetensors`, `similarity.safetensors`.

It holds everything that turns a raw spectrum into a class: band reduction, weights, class ids,
names and colours; and training spectra to tell where a scene is unlike them. Nothing in it is
unpickled; the name of the network is looked up in the package's own table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from safetensors.torch import save
from torch import Tensor

from spectrolite.bundles.stored_reference import write_reference
from spectrolite.data.labels import MAX_ID
from spectrolite.files import whole_file, write_text
from spectrolite.hashing import array_sha256
from spectrolite.models import SceneNetwork, build_scene_model, scene_shape
from spectrolite.models.dense_form import dense
from spectrolite.models.weights import load_weights, network_weights
from spectrolite.samples.band_reduction import Bands
from spectrolite.samples.reference_spectra import Reference

FORMAT = 1


ClassId = Annotated[int, Field(ge=1, le=MAX_ID)]
Byte = Annotated[int, Field(ge=0, le=255)]


class Config(BaseModel):
    """`config.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: int = Field(ge=1)
    model: str
    variant: str
    width: float | None = Field(default=None, exclude_if=lambda value: value is None)
    kernels: tuple[int, ...] | None = Field(default=None, exclude_if=lambda value: value is None)
    """Kernels of each depthwise layer, if some were pruned."""
    patch: int = Field(ge=1)
    class_ids: tuple[ClassId, ...] = Field(min_length=2)
    class_names: dict[ClassId, str]
    class_colours: dict[ClassId, tuple[Byte, Byte, Byte]]
    fitted_on: str
    pixels: int = Field(ge=1)
    explained: float = Field(ge=0, le=1 + 1e-6)
    wavelengths_nm: tuple[float, ...] | None
    scaled: bool = (
        False  # whether the scale factor of the file was applied; old bundles lack the key
    )
    caveat: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Why its classes and confidence mean nothing, if its test showed that it learned nothing."""
    temperature: float | None = Field(default=None, gt=0, exclude_if=lambda value: value is None)
    """Its logits are divided by it before the softmax, if it was fitted on the validation part.
    Versions that know no temperature refuse the key."""

    @model_validator(mode="after")
    def _classes_agree(self) -> Config:
        if list(self.class_ids) != sorted(set(self.class_ids)):
            raise ValueError("class_ids: wanted ascending ids, each once")
        for key in ("class_names", "class_colours"):
            lacking = set(self.class_ids) - set(getattr(self, key))
            if lacking:
                raise ValueError(f"{key}: nothing for class {min(lacking)}")
        for name in self.class_names.values():
            if any("\ud800" <= c <= "\udfff" for c in name):
                raise ValueError(f"class_names: {name!r} is no valid text")
        if set(self.class_names) != set(self.class_colours):
            raise ValueError("class_names and class_colours: wanted the same classes")
        return self


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model.

    Attributes:
        config: the content of `config.json`.
        bands: the fitted band reduction.
        network: in evaluation mode.
        reference: training spectra for the layer `similarity`; None in bundles of version 0.1.
    """

    config: Config
    bands: Bands
    network: SceneNetwork
    reference: Reference | None = None

    @cached_property
    def dense(self) -> SceneNetwork:
        """The network in its form for whole scenes."""
        return dense(self.network)

    @cached_property
    def sha256(self) -> str:
        """Hash of all trained numbers: weights, running statistics, mean and matrix."""
        state = self.network.state_dict()
        arrays = [state[key].cpu().numpy() for key in sorted(state)]
        return array_sha256(self.bands.mean, self.bands.matrix, *arrays)

    def save(self, folder: Path) -> None:
        """Write the files into `folder`, which is made if it does not exist."""
        state = {f"network.{k}": v.cpu().contiguous() for k, v in self.network.state_dict().items()}
        for key in ("mean", "matrix"):
            array = np.array(getattr(self.bands, key), np.float64, order="C")
            state[f"bands.{key}"] = torch.from_numpy(array)
        with whole_file(folder / "model.safetensors") as part:
            part.write_bytes(save(state))
        if self.reference is not None:
            write_reference(folder, self.reference)
        write_text(folder / "config.json", self.config.model_dump_json(indent=2) + "\n")


def trained_bundle(
    config: Config, bands: Bands, net: SceneNetwork, reference: Reference | None = None
) -> Bundle:
    """The bundle of a network that was just trained, with the bits of the one read back from disk.

    Arrays and weights are laid out in memory as reading lays them out: the layout decides the last
    bits of what is computed.
    """
    bands = replace(
        bands,
        mean=np.array(bands.mean, np.float64, order="C"),
        matrix=np.array(bands.matrix, np.float64, order="C"),
    )
    net.cpu().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return Bundle(config, bands, net, reference)


def scene_bundle(config: Config, state: dict[str, Tensor]) -> Bundle:
    """The bundle of the tensors of a file: exactly those of the network.

    Raises:
        ValueError: what is wrong; also as a RuntimeError of torch.
    """
    lacking = {"bands.mean", "bands.matrix"} - set(state)
    if lacking:
        raise ValueError(f"no {', '.join(sorted(lacking))}")
    mean, matrix = state.pop("bands.mean"), state.pop("bands.matrix")
    _check_bands(mean, matrix, config)
    weights = network_weights(state, "bands")
    own = scene_shape(config.model)
    if ("width" in own) != (config.width is not None):
        raise ValueError(f"width: {config.width}, for {config.model}")
    shape = {"width": config.width, "receptive_field": config.patch}
    pruned = {} if config.kernels is None else {"kernels": config.kernels}
    net = build_scene_model(
        config.model,
        bands=len(matrix),
        classes=len(config.class_ids),
        variant=config.variant,
        **{key: shape[key] for key in own},
        **pruned,
    )
    load_weights(net, weights, {"bands.mean": mean, "bands.matrix": matrix})
    if config.patch != 2 * net.halo + 1:
        raise ValueError(f"patch: {config.patch}, but {config.model} has {2 * net.halo + 1}")
    bands = Bands(
        mean.double().numpy(),
        matrix.double().numpy(),
        config.fitted_on,
        config.pixels,
        config.explained,
    )
    return trained_bundle(config, bands, net)


def _check_bands(mean: Tensor, matrix: Tensor, config: Config) -> None:
    """Refuse a damaged band reduction before a network of its size is built.

    Raises:
        ValueError: what is wrong.
    """
    fits = mean.dim() == 1 and matrix.dim() == 2 and matrix.shape[1] == len(mean)
    if not fits or not 0 < len(matrix) <= len(mean):
        raise ValueError(
            f"bands: mean of shape {tuple(mean.shape)} and matrix of {tuple(matrix.shape)}"
        )
    if not (mean.is_floating_point() and matrix.is_floating_point()):
        raise ValueError(f"bands: {mean.dtype} and {matrix.dtype}, not floating point")
    if config.wavelengths_nm is not None and len(config.wavelengths_nm) != len(mean):
        raise ValueError(f"{len(config.wavelengths_nm)} wavelengths for {len(mean)} bands")
