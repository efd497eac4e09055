"""A trained model as a folder: `config.json` and `model.safetensors`.

It holds everything that turns a raw spectrum into a class: the reduction of bands, the weights,
class ids, names and colours. Nothing in it is unpickled, and the network's name is looked up in
the package's own table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from spectrolite.bands import Bands
from spectrolite.dense_form import dense
from spectrolite.errors import InputError, RunError
from spectrolite.models import SceneNetwork, build_model
from spectrolite.scene import Colour, array_sha256

FORMAT = 1


class Config(BaseModel):
    """`config.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    model: str
    variant: str
    patch: int
    class_ids: tuple[int, ...]
    class_names: dict[int, str]
    class_colours: dict[int, Colour]
    fitted_on: str
    pixels: int
    explained: float
    wavelengths_nm: tuple[float, ...] | None


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
        folder.mkdir(parents=True, exist_ok=True)
        state = {f"network.{k}": v.cpu().contiguous() for k, v in self.network.state_dict().items()}
        state["bands.mean"] = torch.from_numpy(self.bands.mean)
        state["bands.matrix"] = torch.from_numpy(self.bands.matrix)
        (folder / "model.safetensors").write_bytes(save(state))
        (folder / "config.json").write_text(self.config.model_dump_json(indent=2) + "\n")


class HasBundle(Protocol):
    """What stands for a trained model: a run does."""

    @property
    def bundle(self) -> Bundle:
        """The trained model."""
        ...


def load_bundle(path: str | Path) -> Bundle:
    """Read a trained model from a bundle's folder, or from the folder of a run.

    Raises:
        RunError: a file is missing, damaged, of a newer version, or its weights are not those of
            the network that it names.
    """
    folder = Path(path)
    if (folder / "bundle").is_dir():
        folder = folder / "bundle"
    config = Config.model_validate(read_json(folder / "config.json", FORMAT, Config))
    weights = folder / "model.safetensors"
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{weights}: cannot be read ({error}); train again") from error
    unfit = [k for k, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if unfit:
        raise RunError(f"{weights}: NaN or infinite values in {unfit[0]}; train again")
    try:
        mean, matrix = (state.pop(f"bands.{k}").numpy() for k in ("mean", "matrix"))
        net = build_model(
            config.model,
            bands=len(matrix),
            classes=len(config.class_ids),
            variant=config.variant,
        )
        net.load_state_dict({k.removeprefix("network."): v for k, v in state.items()})
    except (KeyError, RuntimeError, InputError) as error:
        raise RunError(f"{folder}: not a model of this package ({error})") from error
    bands = Bands(
        mean.astype(np.float64),
        matrix.astype(np.float64),
        config.fitted_on,
        config.pixels,
        config.explained,
    )
    return Bundle(config, bands, net.eval())


def as_bundle(model: Bundle | HasBundle | str | Path) -> Bundle:
    """The trained model that a run, a bundle or a folder of either stands for."""
    if isinstance(model, Bundle):
        return model
    if isinstance(model, str | Path):
        return load_bundle(model)
    return model.bundle


def read_json(path: Path, newest: int, schema: type[BaseModel] | None = None) -> dict[str, Any]:
    """Read a JSON object that has a `format`, and check it against `schema`.

    Raises:
        RunError: missing, damaged, or newer than `newest`.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); is this a run?") from error
    except ValueError as error:
        raise RunError(f"{path}: damaged ({error}); train again") from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise RunError(f"{path}: wanted a JSON object with a number `format`; train again")
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
            key = ".".join(map(str, first["loc"]))
            raise RunError(f"{path}: damaged: {key}: {first['msg']}; train again") from error
    return content
