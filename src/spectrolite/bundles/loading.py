"""Open what a user calls a model: a run, a bundle, or a path to either."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from safetensors import SafetensorError
from safetensors.torch import load_file

from spectrolite.bundles.image_bundle import ImageBundle, ImageConfig, image_bundle
from spectrolite.bundles.scene_bundle import FORMAT, Bundle, Config, _scene_bundle
from spectrolite.errors import RunError, SettingsError
from spectrolite.files import read_json
from spectrolite.models import IMAGE_MODELS


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
