"""What `manifest.json` and `begin.json` hold: one family of schemas for scenes and images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spectrolite.data.images import ImageSet
from spectrolite.data.scene import SceneFile
from spectrolite.data.scene_sets import AnyLabels, AnyScenes, LabelSet, SceneSet
from spectrolite.training.settings import ImageSettings, Settings

FORMAT = 1
SCENE_DATA, IMAGE_DATA = ("scene", "labels"), ("images", "test")
LEFT_IN_FILE = "left_in_file"  # in the source of a scene that training read window by window
WORDS = {"test": "test images"}  # what messages call data whose key says too little


class SplitRecord(BaseModel):
    """How the split was drawn; its pixels stand in `split.safetensors`."""

    method: str
    parameters: dict[str, int | float | bool | str]
    raised: tuple[int, ...]
    dropped: int


class Known(BaseModel):
    """What is known of a run before it trains: what it takes to train it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    date: str
    command: list[str]
    seed: int = Field(ge=0)
    split: SplitRecord
    split_sha256: str
    versions: dict[str, str]
    machine: dict[str, str | int]


class SceneKnown(Known):
    """The same of a run on a scene."""

    settings: Settings
    data: dict[Literal["scene", "labels"], dict[str, str] | list[dict[str, str]]] = Field(
        min_length=2
    )  # of several scenes, one source a scene
    scene_sha256: str
    labels_sha256: str


class ImageKnown(Known):
    """The same of a run on images; `test` is empty where the split draws the test images."""

    settings: ImageSettings
    data: dict[Literal["images", "test"], dict[str, str]] = Field(min_length=2)
    images_sha256: str
    test_sha256: str | None


class Pruned(BaseModel):
    """What was taken from a trained run's network; `from_sha256` is that of its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    how: str
    kernels: tuple[int, int]
    from_sha256: str
    epochs: int
    """Of fine-tuning; with 0 there is none of what follows."""
    learning_rate: float | None = None
    seed: int | None = None
    best_epoch: int | None = None
    """Whose weights were kept, where the run's settings stop early."""
    test_accuracy: tuple[float, float] | None = None
    """Overall, 0 to 1, before pruning and between pruning and fine-tuning."""

    @model_validator(mode="after")
    def _tells_of_fine_tuning(self) -> Pruned:
        if self.epochs and None in (self.learning_rate, self.seed, self.test_accuracy):
            raise ValueError("fine-tuned, without learning_rate, seed or test_accuracy")
        return self


class Manifest(SceneKnown):
    """`manifest.json`: what it takes to train again, and to tell whether that gave the same."""

    pruned: list[Pruned] | None = None
    weights_sha256: str
    map_sha256: str
    figures_sha256: str
    training_s: float


class ImageManifest(ImageKnown):
    """The same of a run on images."""

    pruned: list[Pruned] | None = None
    weights_sha256: str
    predictions_sha256: str
    figures_sha256: str
    training_s: float


def is_of_images(known: Mapping[str, Any]) -> bool:
    """Whether a manifest, or what is known before one, is of a run on images."""
    return "images_sha256" in known


def source_of(value: Any) -> dict[str, str] | list[dict[str, str]]:
    """How to load data again; of several scenes or their labels, how to load each."""
    if isinstance(value, SceneSet | LabelSet):
        return [_source(part) for part in value.parts]
    return {} if value is None else _source(value)


def _source(value: Any) -> dict[str, str]:
    left = {LEFT_IN_FILE: "true"} if isinstance(value, SceneFile) else {}
    return {**value.source, **left}


def hash_of(value: AnyScenes | AnyLabels | ImageSet | None) -> str | None:
    """The sha256 of data; nothing of test images that the split draws."""
    return None if value is None else value.sha256


def named_data(known: Mapping[str, Any], data: Iterable[Any]) -> dict[str, Any]:
    """The data of a run, each under the name that its manifest has for it."""
    return dict(zip(IMAGE_DATA if is_of_images(known) else SCENE_DATA, data, strict=True))
