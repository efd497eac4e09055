"""What can be set, one model a stage. Field names are the flags of the command line.

An unknown key and a value out of range are errors that name the flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from spectrolite.errors import SettingsError
from spectrolite.models import IMAGE_MODELS, MODELS, SCENE_MODELS, default_variant, scene_shape

EPOCHS = {"dense": 130, "patches": 100, "images": 10}
"""Passes over the training part where none are asked for: chosen by benchmarks/choose_schedule.py
for whole-scene steps of HybridSN, the paper's for patches, the course's for images."""

SUITED: dict[str, dict[str, Any]] = {
    "mobilesn": {
        "components": 30,
        "reduction": "mnf",
        "bands_from": "patches",
        "receptive_field": 25,
        "width": 0.9,
        "epochs": 100,
        "learning_rate": 1e-2,
    }
}
"""Settings whose default is a network's own, where it differs from that of its kind: chosen by
benchmarks/choose_mobilesn.py on validation pixels inside the training part of split 345, rate and
epochs for whole-scene steps of AdamW."""

Optimiser = Literal["adamw", "adam", "sgd"]


class Stage(BaseModel):
    """Base of the stages: frozen, strict about names."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BandSettings(Stage):
    """From spectra to what the network sees."""

    components: int = Field(default=30, ge=0)
    """Whitened components; 0 keeps all bands, standardised."""
    # left out of what is stored where it is the default: runs from before it keep their hashes
    reduction: Literal["pca", "mnf"] = Field(default="pca", exclude_if=lambda value: value == "pca")
    """Components by their variance, or by variance over noise, the minimum noise fraction."""
    bands_from: Literal["train", "patches", "scene"] = "train"
    """What the reduction is fitted on: training pixels, their patches, or the whole scene."""
    standardise: bool = False
    """Divide each band by its standard deviation before the PCA."""

    @model_validator(mode="after")
    def _fits_the_reduction(self) -> BandSettings:
        if self.reduction == "mnf" and self.components == 0:
            raise ValueError(
                "--components: wanted 1 or more with --reduction mnf, got 0; --reduction pca keeps "
                "all bands"
            )
        if self.reduction == "mnf" and self.standardise:
            raise ValueError("--standardise: changes nothing with --reduction mnf; leave it out")
        return self


class AugmentationSettings(Stage):
    """How training images are changed at random, in this order; those scored never are."""

    pad: int = Field(4, ge=0)
    """Pixels by which an image is padded before its size is cut out at a random place; 0: none."""
    fill: Literal["reflect", "zero"] = "reflect"
    """What the padding is filled with."""
    mirror: Literal["alternating", "random", "none"] = "alternating"
    """Left to right: every image in every other epoch, half of them at random, or none."""
    cutout: int = Field(0, ge=0)
    """Side in pixels of a square that is blanked; 0: none."""
    mixup: float = Field(0.0, ge=0)
    """Images are blended in shares of Beta(mixup, mixup); 0: none."""


class LoopSettings(Stage):
    """What the loop asks of scenes and of images. Defaults that differ stand in the subclasses."""

    epochs: int = Field(ge=1)
    """Passes over the training part."""
    optimiser: Optimiser
    """AdamW, Adam, or SGD with Nesterov's momentum."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Of `sgd`; the others have moments of their own."""
    learning_rate: float = Field(gt=0)
    """The highest of the schedule; where none is given, one that suits the optimiser."""
    weight_decay: float = Field(ge=0)
    """AdamW's, or the L2 penalty of the others; with 0 AdamW is Adam."""
    decay_on: Literal["all", "kernels"] = "all"
    """`kernels` spares depthwise ones, BatchNorm and biases, which decay kills."""
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    """One-cycle rises for `rise` of the steps, then falls along a cosine; cosine only falls."""
    rise: float = Field(0.2, gt=0, lt=1)
    """Share of the steps in which the learning rate of one-cycle rises."""
    label_smoothing: float = Field(ge=0, lt=1)
    """Share of the target spread over all classes."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs a class by the inverse of its training pixels or images."""
    ema: float = Field(0.0, ge=0, lt=1)
    """Decay, a step, of averaged weights that are validated and kept instead; 0: none."""
    batch: int = Field(128, ge=1)
    """Patches (in patch mode) or images a step."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many epochs without a better validation accuracy, keeping the best weights."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    """`auto` takes CUDA where there is one."""

    @model_validator(mode="after")
    def _momentum_is_sgds(self) -> LoopSettings:
        if self.momentum != 0.9 and self.optimiser != "sgd":
            raise ValueError(f"--momentum: goes with --optimiser sgd, not with {self.optimiser}")
        return self


class TrainingSettings(LoopSettings):
    """The loop on scenes: the defaults were chosen for whole-scene steps of HybridSN."""

    # left out of what is stored where they are the default: runs from before them keep their hashes
    optimiser: Optimiser = Field("adamw", exclude_if=lambda value: value == "adamw")
    momentum: float = Field(0.9, ge=0, lt=1, exclude_if=lambda value: value == 0.9)
    decay_on: Literal["all", "kernels"] = Field("all", exclude_if=lambda value: value == "all")
    ema: float = Field(0.0, ge=0, lt=1, exclude_if=lambda value: value == 0)
    label_smoothing: float = Field(0.05, ge=0, lt=1)

    mode: Literal["dense", "patches"] = "dense"
    """Whole windows with the loss at training pixels, or one patch a training pixel."""
    flips: bool = True
    """Train on random flips and transposes."""
    window: int = Field(256, ge=16)
    """Side of the windows of dense training, in pixels; a smaller scene is one window."""

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        adaptive = {"learning_rate": 3e-3, "weight_decay": 1e-2}
        of = {
            "adamw": adaptive,
            "adam": {**adaptive, "weight_decay": 0.0},
            "sgd": {"learning_rate": 0.05, "weight_decay": 5e-4},
        }
        return _filled(values, of, "adamw", str(_of(values, "mode", "dense")))


class ImageTrainingSettings(LoopSettings):
    """The loop on images."""

    optimiser: Optimiser = "sgd"
    decay_on: Literal["all", "kernels"] = "kernels"
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    ema: float = Field(0.999, ge=0, lt=1)
    batch: int = Field(128, ge=2)

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        of = {
            "adamw": {"learning_rate": 3e-3, "weight_decay": 1e-2},
            "adam": {"learning_rate": 1e-3, "weight_decay": 0.0},
            "sgd": {"learning_rate": 0.2, "weight_decay": 5e-4},
        }
        return _filled(values, of, "sgd", "images")


def _of(values: Any, key: str, default: str) -> Any:
    return values.get(key, default) if isinstance(values, dict) else default


def _filled(values: Any, of: dict[str, dict[str, float]], optimiser: str, epochs: str) -> Any:
    """`values` with the epochs, rate and decay that nobody gave."""
    if not isinstance(values, dict):
        return values
    suit = of.get(str(_of(values, "optimiser", optimiser)), of[optimiser])
    filled = {"epochs": EPOCHS.get(epochs, 1), **suit}
    return {**values, **{k: v for k, v in filled.items() if values.get(k) is None}}


class ModelSettings(Stage):
    """Which network."""

    model: str = "hybridsn"
    variant: str
    """Which kind of the network; where none is given, the network's own default."""

    @model_validator(mode="before")
    @classmethod
    def _variant_of_the_model(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("variant") is None:
            model = values.get("model", "hybridsn")
            known = isinstance(model, str) and model in MODELS  # the rest build_model refuses
            return {**values, "variant": default_variant(model) if known else ""}
        return values


class SceneModelSettings(ModelSettings):
    """Which network, for scenes; bands and classes are those of the scene."""

    # left out of what is stored where the network has none: HybridSN's runs keep their hashes
    width: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """Multiplier of every layer's channels."""
    receptive_field: int | None = Field(default=None, exclude_if=lambda value: value is None)
    """Odd side in pixels of what the class of a pixel is decided by."""

    @model_validator(mode="before")
    @classmethod
    def _shape_of_the_model(cls, values: Any) -> Any:
        model = _of(values, "model", "hybridsn")
        if not isinstance(values, dict) or not isinstance(model, str) or model not in SCENE_MODELS:
            return values
        own = scene_shape(model)
        for key in ("width", "receptive_field"):
            if values.get(key) is not None and key not in own:
                raise ValueError(
                    f"--{key.replace('_', '-')}: does not go with {model}, where it is fixed; "
                    "leave it out"
                )
        given = {k: v for k, v in values.items() if v is not None}
        return {**own, **given}

    @property
    def shape(self) -> dict[str, Any]:
        """Arguments of the network's class that decide its shape."""
        of_some = {"width": self.width, "receptive_field": self.receptive_field}
        return {"variant": self.variant, **{k: v for k, v in of_some.items() if v is not None}}


class ImageModelSettings(ModelSettings):
    """Which network, for images; channels and classes are those of the images."""

    width: float = 1.0
    """Multiplier of every layer's channels."""
    activation: Literal["relu6", "relu"] = "relu6"
    small_images: bool = True
    """Strides for 32x32 pixels; without it those for 224x224."""


class Settings(Stage):
    """Everything that a training run on a scene depends on beside data, split and seed."""

    model: SceneModelSettings
    bands: BandSettings
    training: TrainingSettings


class ImageSettings(Stage):
    """The same of a training run on images."""

    model: ImageModelSettings
    augmentation: AugmentationSettings
    training: ImageTrainingSettings


STAGES: dict[str, type[Stage]] = {
    "model": SceneModelSettings,
    "bands": BandSettings,
    "training": TrainingSettings,
}
IMAGE_STAGES: dict[str, type[Stage]] = {
    "model": ImageModelSettings,
    "augmentation": AugmentationSettings,
    "training": ImageTrainingSettings,
}


def settings(**values: Any) -> Any:
    """Settings from flat keywords, each put into the stage that has it.

    >>> settings(components=15, epochs=10).training.epochs
    10
    >>> settings(model="mobilenet_v1").training.optimiser
    'sgd'

    Returns:
        `ImageSettings` where `model` classifies images, else `Settings`.

    Raises:
        SettingsError: an unknown name, one that does not fit the network, or a value out of range.
    """
    model = values.get("model", "hybridsn")
    images = isinstance(model, str) and model in IMAGE_MODELS
    own, others = (IMAGE_STAGES, STAGES) if images else (STAGES, IMAGE_STAGES)
    stages: dict[str, dict[str, Any]] = {name: {} for name in own}
    for key, value in _suited(model, values).items():
        homes = [name for name, stage in own.items() if key in stage.model_fields]
        if not homes:
            if any(key in stage.model_fields for stage in others.values()):
                flag, what = key.replace("_", "-"), "images" if images else "scenes"
                raise SettingsError(
                    f"--{flag}: does not go with {model}, which classifies {what}; leave it out"
                )
            known = ", ".join(k for stage in own.values() for k in stage.model_fields)
            raise SettingsError(f"{key}: no such setting; wanted one of {known}")
        stages[homes[0]][key] = value
    return checked_settings(stages)


def _suited(model: Any, values: dict[str, Any]) -> dict[str, Any]:
    """`values` with the network's own defaults where nobody gave any.

    Not part of the models above: what is stored says all that differs from theirs.
    """
    if not isinstance(model, str) or model not in SUITED:
        return values
    suited = dict(SUITED[model])
    dense = values.get("mode") in (None, "dense")
    if not dense:
        suited.pop("epochs", None)
    if not dense or values.get("optimiser") not in (None, "adamw"):
        suited.pop("learning_rate", None)
    return {**values, **{k: v for k, v in suited.items() if values.get(k) is None}}


def flat_settings(chosen: Settings | ImageSettings) -> dict[str, Any]:
    """The flat keywords that `settings` makes these of."""
    return {key: value for _, stage in chosen for key, value in stage}


def checked_settings(stages: Mapping[str, Any]) -> Any:
    """Settings from nested ones, as a manifest holds them.

    Returns:
        `ImageSettings` where the network classifies images, else `Settings`.

    Raises:
        SettingsError: an unknown name, or a value out of range.
    """
    model = stages.get("model") if isinstance(stages, Mapping) else None
    name = model.get("model") if isinstance(model, Mapping) else None
    kind = ImageSettings if isinstance(name, str) and name in IMAGE_MODELS else Settings
    try:
        return kind.model_validate(stages)
    except ValidationError as error:
        first = error.errors()[0]
        flag = str(first["loc"][-1] if first["loc"] else "settings").replace("_", "-")
        if first["type"] == "value_error":
            raise SettingsError(first["msg"].removeprefix("Value error, ")) from error
        raise SettingsError(f"--{flag}: {first['msg']}, got {first['input']!r}") from error
