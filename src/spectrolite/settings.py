"""What can be set, one model a stage. Field names are the flags of the command line.

An unknown key and a value out of range are errors that name the flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from spectrolite.errors import SettingsError
from spectrolite.models import MODELS, default_variant

EPOCHS = {"dense": 130, "patches": 100}
"""Passes over the training pixels where none are asked for: chosen by benchmarks/choose_schedule.py
for whole-scene steps, the paper's for patches."""


class Stage(BaseModel):
    """Base of the stages: frozen, strict about names."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BandSettings(Stage):
    """From spectra to what the network sees."""

    components: int = Field(default=30, ge=0)
    """Whitened principal components; 0 keeps all bands, standardised."""
    bands_from: Literal["train", "patches", "scene"] = "train"
    """What the reduction is fitted on: training pixels, their patches, or the whole scene."""
    standardise: bool = False
    """Divide each band by its standard deviation before the PCA."""


class TrainingSettings(Stage):
    """The loop. The defaults were chosen for whole-scene steps of HybridSN on Indian Pines."""

    mode: Literal["dense", "patches"] = "dense"
    """Whole windows with the loss at training pixels, or one patch a training pixel."""
    epochs: int = Field(ge=1)
    """Passes over the training pixels; 130 where dense, 100 where patches."""
    learning_rate: float = Field(3e-3, gt=0)
    """The highest of the schedule."""
    weight_decay: float = Field(1e-2, ge=0)
    """AdamW's; with 0 it is Adam."""
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    """One-cycle rises for `rise` of the steps, then falls along a cosine."""
    rise: float = Field(0.2, gt=0, lt=1)
    """Share of the steps in which the learning rate rises."""
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    """Share of the target spread over all classes."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs a class by the inverse of its training pixels."""
    flips: bool = True
    """Train on random flips and transposes."""
    window: int = Field(256, ge=16)
    """Side of the windows of dense training, in pixels; a smaller scene is one window."""
    batch: int = Field(128, ge=1)
    """Patches a step, in patch mode."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many epochs without a better validation accuracy, keeping the best weights."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    """`auto` takes CUDA where there is one."""

    @model_validator(mode="before")
    @classmethod
    def _epochs_of_the_mode(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("epochs") is None:
            return {**values, "epochs": EPOCHS.get(str(values.get("mode", "dense")), 1)}
        return values


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


class Settings(Stage):
    """Everything that a training run depends on beside data, split and seed."""

    model: ModelSettings
    bands: BandSettings
    training: TrainingSettings


STAGES: dict[str, type[Stage]] = {
    "model": ModelSettings,
    "bands": BandSettings,
    "training": TrainingSettings,
}


def settings(**values: Any) -> Settings:
    """Settings from flat keywords, each put into the stage that has it.

    >>> settings(components=15, epochs=10).training.epochs
    10

    Raises:
        SettingsError: an unknown name, or a value out of range.
    """
    stages: dict[str, dict[str, Any]] = {name: {} for name in STAGES}
    for key, value in values.items():
        homes = [name for name, stage in STAGES.items() if key in stage.model_fields]
        if not homes:
            known = ", ".join(k for stage in STAGES.values() for k in stage.model_fields)
            raise SettingsError(f"{key}: no such setting; wanted one of {known}")
        stages[homes[0]][key] = value
    return checked_settings(stages)


def flat_settings(chosen: Settings) -> dict[str, Any]:
    """The flat keywords that `settings` makes these of."""
    return {key: value for stage in chosen.model_dump().values() for key, value in stage.items()}


def checked_settings(stages: Mapping[str, Any]) -> Settings:
    """Settings from nested ones, as a manifest holds them.

    Raises:
        SettingsError: an unknown name, or a value out of range.
    """
    try:
        return Settings.model_validate(stages)
    except ValidationError as error:
        first = error.errors()[0]
        flag = str(first["loc"][-1] if first["loc"] else "settings").replace("_", "-")
        raise SettingsError(f"--{flag}: {first['msg']}, got {first['input']!r}") from error
