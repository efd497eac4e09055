"""What `manifest.json` and `begin.json` hold: one family of schemas for scenes and images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spectrolite.images import ImageSet
from spectrolite.labels import Labels
from spectrolite.scene import Scene
from spectrolite.settings import ImageSettings, Settings

FORMAT = 1
SCENE_DATA, IMAGE_DATA = ("scene", "labels"), ("images", "test")
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
    data: dict[Literal["scene", "labels"], dict[str, str]] = Field(min_length=2)
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
    """Of fine-tuning; with 0 there is no rate and no seed."""
    learning_rate: float | None = None
    seed: int | None = None


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


def hash_of(value: Scene | Labels | ImageSet | None) -> str | None:
    """The sha256 of data; nothing of test images that the split draws."""
    return None if value is None else value.sha256


def named_data(known: Mapping[str, Any], data: Iterable[Any]) -> dict[str, Any]:
    """The data of a run, each under the name that its manifest has for it."""
    return dict(zip(IMAGE_DATA if is_of_images(known) else SCENE_DATA, data, strict=True))
