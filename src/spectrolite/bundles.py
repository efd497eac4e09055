"""A trained model as a folder: `config.json` and `model.safetensors`.

It holds everything that turns a raw spectrum into a class: the reduction of bands, the weights,
class ids, names and colours. Nothing in it is unpickled, and the network's name is looked up in
the package's own table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from spectrolite.bands import Bands
from spectrolite.dense_form import dense
from spectrolite.errors import RunError, SettingsError
from spectrolite.files import whole_file
from spectrolite.image_bundles import ImageBundle, ImageConfig, image_bundle
from spectrolite.labels import MAX_ID
from spectrolite.models import IMAGE_MODELS, SceneNetwork, build_scene_model, scene_shape
from spectrolite.models.weights import load_weights, network_weights
from spectrolite.scene import array_sha256

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
    """Of each depthwise layer, where some were pruned."""
    patch: int = Field(ge=1)
    class_ids: tuple[ClassId, ...] = Field(min_length=2)
    class_names: dict[ClassId, str]
    class_colours: dict[ClassId, tuple[Byte, Byte, Byte]]
    fitted_on: str
    pixels: int = Field(ge=1)
    explained: float = Field(ge=0, le=1 + 1e-6)
    wavelengths_nm: tuple[float, ...] | None
    scaled: bool = False  # whether the file's scale factor was applied; older bundles lack it

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
        config: what `config.json` holds.
        bands: the fitted reduction.
        network: the network in evaluation mode.
    """

    config: Config
    bands: Bands
    network: SceneNetwork

    @cached_property
    def dense(self) -> SceneNetwork:
        """The network made for whole scenes."""
        return dense(self.network)

    @cached_property
    def sha256(self) -> str:
        """Hash of every trained number: weights, running statistics, mean and matrix."""
        state = self.network.state_dict()
        arrays = [state[key].cpu().numpy() for key in sorted(state)]
        return array_sha256(self.bands.mean, self.bands.matrix, *arrays)

    def save(self, folder: Path) -> None:
        """Write the two files into `folder`, which is made."""
        state = {f"network.{k}": v.cpu().contiguous() for k, v in self.network.state_dict().items()}
        for key in ("mean", "matrix"):
            array = np.array(getattr(self.bands, key), np.float64, order="C")
            state[f"bands.{key}"] = torch.from_numpy(array)
        with whole_file(folder / "model.safetensors") as part:
            part.write_bytes(save(state))
        with whole_file(folder / "config.json") as part:
            part.write_text(self.config.model_dump_json(indent=2) + "\n", encoding="utf-8")


class HasBundle(Protocol):
    """What stands for a trained model: a run does."""

    @property
    def bundle(self) -> Any:
        """The trained model, a `Bundle` or an `ImageBundle`."""
        ...


AnyModel = Bundle | ImageBundle | HasBundle | str | Path


def load_bundle(path: str | Path) -> Any:
    """Read a trained model from a bundle's folder, or from the folder of a run.

    Returns:
        A `Bundle`, or an `ImageBundle` where the network classifies images.

    Raises:
        RunError: no folder, or a file in it is missing, damaged, of a newer version, or its
            weights are not those of the network that it names.
    """
    folder = Path(path)
    if folder.is_file():
        raise RunError(
            f"{folder}: a file, wanted the folder of a run or of a bundle; what torch.save or "
            "pickle wrote is never opened; train again"
        )
    if (folder / "bundle").is_dir():
        folder = folder / "bundle"
    content = read_json(folder / "config.json", FORMAT)
    if "exported" in content:
        raise RunError(
            f"{folder}: an exported model, and this wants a run or a bundle; map, classify and "
            "benchmark take exported models"
        )
    model = content.get("model")
    images = isinstance(model, str) and model in IMAGE_MODELS
    content = read_json(folder / "config.json", FORMAT, ImageConfig if images else Config)
    weights = folder / "model.safetensors"
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{weights}: cannot be read ({error}); train again") from error
    try:
        if images:
            return image_bundle(ImageConfig.model_validate(content), state)
        return _scene_bundle(Config.model_validate(content), state)
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise RunError(f"{folder}: not a model of this package ({why}); train again") from error


def _scene_bundle(config: Config, state: dict[str, Tensor]) -> Bundle:
    """The trained network of a file's tensors, all of them or nothing.

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
    return Bundle(config, bands, net.eval())


def _check_bands(mean: Tensor, matrix: Tensor, config: Config) -> None:
    """Refuse a reduction that is none, before anything is built to its size.

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


def any_bundle(model: AnyModel) -> Bundle | ImageBundle:
    """The trained model that a run, a bundle or a folder of either stands for."""
    if isinstance(model, Bundle | ImageBundle):
        return model
    if not isinstance(model, str | Path):
        return cast(Bundle | ImageBundle, model.bundle)
    manifest = Path(model) / "manifest.json"
    if manifest.is_file():
        return load_bundle_of_run(Path(model), read_json(manifest, FORMAT))
    return cast(Bundle | ImageBundle, load_bundle(model))


def load_bundle_of_run(run: Path, manifest: Mapping[str, Any]) -> Bundle | ImageBundle:
    """The trained model of a run's folder, held against its manifest.

    Raises:
        RunError: as `load_bundle`, or the weights are not those that the run trained.
    """
    bundle: Bundle | ImageBundle = load_bundle(run / "bundle")
    if bundle.sha256 != manifest.get("weights_sha256"):
        raise RunError(
            f"{run}/bundle: its weights are not those that this run trained "
            "(weights_sha256 of manifest.json); train again"
        )
    return bundle


def as_bundle(model: AnyModel) -> Bundle:
    """The same, of a scene network.

    Raises:
        SettingsError: the network classifies images.
    """
    bundle = any_bundle(model)
    if isinstance(bundle, ImageBundle):
        raise SettingsError(
            f"{bundle.config.model} classifies images, and a scene needs a model that was trained "
            "on a scene; give images to classify"
        )
    return bundle


def as_image_bundle(model: AnyModel) -> ImageBundle:
    """The same, of an image network.

    Raises:
        SettingsError: the network works on scenes.
    """
    bundle = any_bundle(model)
    if isinstance(bundle, Bundle):
        raise SettingsError(
            f"{bundle.config.model} was trained on a scene, and images need a model that was "
            "trained on images; label a scene with map"
        )
    return bundle


def read_json(
    path: Path, newest: int, schema: type[BaseModel] | None = None, remedy: str = "train again"
) -> dict[str, Any]:
    """Read a JSON object that has a `format`, and check it against `schema`.

    Raises:
        RunError: missing, damaged, or newer than `newest`.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); is this a run?") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged ({error}); {remedy}") from error
    if not isinstance(content, dict) or type(content.get("format")) is not int:
        raise RunError(f"{path}: wanted a JSON object with a number `format`; {remedy}")
    if content["format"] > newest:
        raise RunError(
            f"{path}: format {content['format']}, this version reads up to {newest}; "
            "install a newer spectrolite"
        )
    if schema is not None:
        try:
            schema.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = [".".join(map(str, first["loc"]))] if first["loc"] else []
            why = ": ".join([*where, first["msg"].removeprefix("Value error, ")])
            raise RunError(f"{path}: damaged: {why}; {remedy}") from error
    return content
