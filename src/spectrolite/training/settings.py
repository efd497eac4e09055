"""What can be set: one pydantic model a stage, and one field a setting.

A field is the only home of its setting: its name is the Python keyword, the flag of the command
line and the key of a recipe; its description and range are the flag's help and the documentation.
A default that differs between networks is in training/defaults.py. An unknown key or a value out
of range is an error that names the flag.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo

from spectrolite.errors import wanted_one_of
from spectrolite.training.defaults import (
    DEFAULTS,
    IMAGE_DEFAULT,
    IMAGE_NETWORKS,
    PATCH_EPOCHS,
    SCENE_DEFAULT,
    SCENE_NETWORKS,
    VARIANTS,
    network_defaults,
)


class Stage(BaseModel):
    """Base of the stages: frozen, and strict about names."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    network: ClassVar[str] = SCENE_DEFAULT
    """Its defaults fill what is missing in a stored stage, which does not name the network."""

    @model_validator(mode="before")
    @classmethod
    def _fill_defaults(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        network = values.get("model", cls.network)
        if not isinstance(network, str):
            return values  # the type of `model` is refused later, with its own message
        if network not in DEFAULTS:
            raise ValueError(f"--model: {wanted_one_of(DEFAULTS, network)}")
        missing = {
            key: default
            for key, default in network_defaults(network, values).items()
            if key in cls.model_fields and values.get(key) is None
        }
        return {**values, **missing}


class BandSettings(Stage):
    """From spectra to the input of the network."""

    components: int = Field(
        30, ge=0, description="Components that the bands are reduced to; 0 keeps all bands."
    )
    # not stored where it is "pca": the hashes of runs from before this setting stay valid
    reduction: Literal["pca", "mnf"] = Field(
        exclude_if=lambda value: value == "pca",
        description="Components ordered by variance (pca), or by signal to noise (mnf, minimum "
        "noise fraction).",
    )
    bands_from: Literal["train", "patches", "scene"] = Field(
        description="Spectra that the reduction is fitted on: the training pixels, all pixels of "
        "their patches, or the whole scene (test pixels included)."
    )
    standardise: bool = Field(
        False, description="Divide each band by its standard deviation before the PCA."
    )

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
    """Random changes of training images, in this order; images that are scored never change."""

    pad: int = Field(
        4, ge=0, description="Pixels added around an image before it is cropped at random; 0: off."
    )
    fill: Literal["reflect", "zero"] = Field(
        "reflect", description="Content of the added pixels: the image's reflection, or zeros."
    )
    mirror: Literal["alternating", "random", "none"] = Field(
        "alternating",
        description="Mirror left to right: every image in every other epoch, half of the images "
        "at random, or none.",
    )
    cutout: int = Field(
        0, ge=0, description="Side in pixels of a random square set to zero; 0: off."
    )
    mixup: float = Field(
        0.0, ge=0, description="Blend pairs of images with weights of Beta(mixup, mixup); 0: off."
    )


class LoopSettings(Stage):
    """Training settings that scenes and images share."""

    epochs: int = Field(
        ge=1,
        description=f"Passes over the training part; {PATCH_EPOCHS} by default in patch mode, more "
        "for fewer than 1,024 images.",
    )
    optimiser: Literal["adamw", "adam", "sgd"] = Field(
        description="AdamW, Adam, or stochastic gradient descent with Nesterov momentum."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of the optimiser sgd.")
    learning_rate: float = Field(
        gt=0,
        description="Highest learning rate; the default depends on the optimiser and, of images, "
        "on their number too.",
    )
    weight_decay: float = Field(
        ge=0,
        description="Decoupled decay (adamw) or L2 penalty (adam, sgd) of the weights; the default "
        "depends on the optimiser too.",
    )
    decay_on: Literal["all", "kernels"] = Field(
        description="Weights that decay: all, or kernels and matrices except depthwise kernels "
        "(BatchNorm and biases do not decay either)."
    )
    schedule: Literal["one_cycle", "cosine", "constant"] = Field(
        "one_cycle",
        description="Learning rate that rises, then falls along a cosine (one_cycle), only falls "
        "(cosine), or stays (constant).",
    )
    rise: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of the steps in which the learning rate of one_cycle rises.",
    )
    label_smoothing: float = Field(
        ge=0, lt=1, description="Share of the target probability spread evenly over all classes."
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="Weight of each class in the loss: equal, or the inverse of its training size.",
    )
    ema: float = Field(
        ge=0,
        lt=1,
        description="Average the weights over the steps: the factor kept at each step, such as "
        "0.999. The averaged weights are validated and kept; 0: off.",
    )
    batch: int = Field(
        128,
        ge=1,
        description="Images a step (2 or more), or patches a step in patch mode; smaller by "
        "default for fewer than 1,024 images.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Epochs without better validation accuracy after which training stops and "
        "keeps the best weights.",
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$",
        description="auto, cpu, cuda, cuda:N or mps; auto takes CUDA if there is one.",
    )

    @model_validator(mode="after")
    def _momentum_is_sgds(self) -> LoopSettings:
        if self.momentum != 0.9 and self.optimiser != "sgd":
            raise ValueError(f"--momentum: goes with --optimiser sgd, not with {self.optimiser}")
        return self


class TrainingSettings(LoopSettings):
    """Training on scenes."""

    mode: Literal["dense", "patches"] = Field(
        "dense",
        description="Train on whole windows with the loss at the training pixels (dense), or on "
        "one patch for each training pixel (patches).",
    )
    flips: bool = Field(True, description="Train on random flips and transposes.")
    window: int = Field(
        256,
        ge=16,
        description="Side in pixels of the windows in dense mode; a smaller scene is one window.",
    )
    calibrate: bool = Field(
        False,
        description="Fit a temperature on the validation part after training, so that the "
        "confidence is how often the class is right; needs validation= in --split.",
    )

    @model_serializer(mode="wrap")
    def _leave_out_newer(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave newer settings out at these values: the hashes of older runs stay valid."""
        newer = {
            "optimiser": "adamw",
            "momentum": 0.9,
            "decay_on": "all",
            "ema": 0.0,
            "calibrate": False,
        }
        stored: dict[str, Any] = handler(self)
        return {k: v for k, v in stored.items() if k not in newer or v != newer[k]}


class ImageTrainingSettings(LoopSettings):
    """Training on images."""

    network = IMAGE_DEFAULT

    @field_validator("batch")
    @classmethod
    def _two_images(cls, batch: int) -> int:
        if batch < 2:
            raise ValueError(f"--batch: wanted 2 or more images, got {batch}")
        return batch


class ModelSettings(Stage):
    """Which network."""

    model: str = Field(
        SCENE_DEFAULT,
        description=f"Network: {', '.join(SCENE_NETWORKS)} for scenes; "
        f"{', '.join(IMAGE_NETWORKS)} for images.",
    )
    variant: str = Field(
        description="Variant of the network: "
        + "; ".join(f"{', '.join(variants)} ({name})" for name, variants in VARIANTS.items())
        + "."
    )
    # not stored where the network has none: the hashes of HybridSN's runs stay valid
    width: float | None = Field(
        default=None,
        ge=0.05,
        le=8,
        exclude_if=lambda value: value is None,
        description="Multiplier of the channels of every layer.",
    )

    @model_validator(mode="after")
    def _has_the_variant(self) -> ModelSettings:
        if self.variant not in VARIANTS[self.model]:
            wanted = wanted_one_of(VARIANTS[self.model], self.variant)
            raise ValueError(f"--variant: {self.model}: {wanted}")
        return self


class SceneModelSettings(ModelSettings):
    """Which network for scenes; bands and classes are those of the scene."""

    receptive_field: int | None = Field(
        default=None,
        ge=1,
        le=49,
        exclude_if=lambda value: value is None,
        description="Odd side in pixels of the neighbourhood that decides the class of a pixel.",
    )

    @model_validator(mode="before")
    @classmethod
    def _only_its_own_shape(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        network = str(values.get("model", SCENE_DEFAULT))
        for key in ("width", "receptive_field") if network in DEFAULTS else ():
            if values.get(key) is not None and key not in DEFAULTS[network]:
                raise ValueError(
                    f"{flag_of(key)}: does not go with {network}, where it is fixed; leave it out"
                )
        return values

    @property
    def shape(self) -> dict[str, Any]:
        """Arguments of the network's class that decide its shape."""
        return self.model_dump(exclude={"model"})


class ImageModelSettings(ModelSettings):
    """Which network for images; channels and classes are those of the images."""

    activation: Literal["relu6", "relu"] = Field(
        "relu6", description="Activation function of every layer."
    )
    small_images: bool = Field(
        True, description="Strides for images of 32x32 pixels; otherwise those for 224x224."
    )


class Settings(Stage):
    """All settings of a training run on a scene; data, split and seed are stored beside them."""

    model: SceneModelSettings
    bands: BandSettings
    training: TrainingSettings


class ImageSettings(Stage):
    """All settings of a training run on images."""

    model: ImageModelSettings
    augmentation: AugmentationSettings
    training: ImageTrainingSettings


STAGES: dict[str, Any] = {k: f.annotation for k, f in Settings.model_fields.items()}
IMAGE_STAGES: dict[str, Any] = {k: f.annotation for k, f in ImageSettings.model_fields.items()}


def setting_fields() -> dict[str, FieldInfo]:
    """Every setting of scenes and of images, by name."""
    stages = (*STAGES.values(), *IMAGE_STAGES.values())
    return {name: field for stage in stages for name, field in stage.model_fields.items()}


def flag_of(key: str) -> str:
    """The command-line flag of a setting."""
    return f"--{key.replace('_', '-')}"
