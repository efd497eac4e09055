"""Open what a user calls a MODEL: a run, a bundle, an exported model, or the folder of any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from spectrolite.bundles.exported_model import Exported, is_exported, open_exported
from spectrolite.bundles.image_bundle import ImageBundle, ImageConfig, image_bundle
from spectrolite.bundles.scene_bundle import FORMAT, Bundle, Config, scene_bundle
from spectrolite.bundles.stored_reference import read_reference
from spectrolite.errors import RunError, SettingsError
from spectrolite.files import read_json, validated
from spectrolite.models import IMAGE_MODELS
from spectrolite.part_folders import restore_replaced

MANIFEST_FORMAT = 2  # of a run's manifest.json, which has a hash of each file since format 2


AnyBundle = Bundle | ImageBundle


class HasBundle(Protocol):
    """A value that has a trained model, as a run does."""

    @property
    def bundle(self) -> AnyBundle:
        """The trained model."""
        ...


AnyModel = AnyBundle | HasBundle | str | Path

Built = TypeVar("Built", Bundle, ImageBundle)


def load_bundle(path: str | Path) -> Any:
    """Read a trained model from a bundle's folder, or from the folder of a run.

    Returns:
        A `Bundle`, or an `ImageBundle` if the network classifies images.

    Raises:
        RunError: not a folder, or a file in it is missing, damaged, of a newer version, or its
            weights do not fit the network that it names.
    """
    restore_replaced(Path(path))
    return _bundle_in(Path(path))


def _bundle_in(folder: Path) -> AnyBundle:
    """The model in the folder of a run or a bundle."""
    return _read_bundle(folder / "bundle" if (folder / "bundle").is_dir() else folder)


def _read_bundle(folder: Path) -> AnyBundle:
    if folder.is_file():
        raise RunError(
            f"{folder}: a file, wanted the folder of a run or of a bundle; what torch.save or "
            "pickle wrote is never opened; train again"
        )
    path = folder / "config.json"
    content = read_json(path, FORMAT)
    if "exported" in content:
        raise RunError(
            f"{folder}: an exported model, and this wants a run or a bundle; map, classify and "
            "benchmark take exported models"
        )
    model = content.get("model")
    if isinstance(model, str) and model in IMAGE_MODELS:
        of_images = validated(path, content, ImageConfig)
        return _built(folder, lambda state: image_bundle(of_images, state))
    of_scenes = validated(path, content, Config)
    bundle = _built(folder, lambda state: scene_bundle(of_scenes, state))
    return replace(bundle, reference=read_reference(folder, len(bundle.bands.matrix)))


def _built(folder: Path, build: Callable[[dict[str, Tensor]], Built]) -> Built:
    """The bundle that `build` makes of the stored weights."""
    weights = folder / "model.safetensors"
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{weights}: cannot be read ({error}); train again") from error
    try:
        return build(state)
    except (RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise RunError(f"{folder}: not a model of this package ({why}); train again") from error


def bundle_of_run(run: Path, weights_sha256: str) -> AnyBundle:
    """The trained model of a run's folder, checked against the hash in its manifest.

    Raises:
        RunError: as of `load_bundle`, or the weights are not those that the run trained.
    """
    bundle = _read_bundle(run / "bundle")
    if bundle.sha256 != weights_sha256:
        raise RunError(
            f"{run}/bundle: its weights are not those that this run trained "
            "(weights_sha256 of manifest.json); train again"
        )
    return bundle


def any_bundle(model: AnyModel) -> AnyBundle:
    """The trained model of a run, a bundle, or a folder of either.

    Raises:
        RunError: as of `load_bundle` and `bundle_of_run`.
    """
    if isinstance(model, Bundle | ImageBundle):
        return model
    if not isinstance(model, str | Path):
        return model.bundle
    folder = Path(model)
    restore_replaced(folder)
    if (folder / "manifest.json").is_file():
        content = read_json(folder / "manifest.json", MANIFEST_FORMAT)
        return bundle_of_run(folder, content.get("weights_sha256", ""))
    return _bundle_in(folder)


def any_model(model: AnyModel | Exported) -> AnyBundle | Exported:
    """The trained or exported model of whatever a user calls a MODEL.

    Raises:
        RunError: as of `any_bundle` and `open_exported`.
    """
    if isinstance(model, Exported):
        return model
    if isinstance(model, str | Path):
        restore_replaced(Path(model))
    if isinstance(model, str | Path) and is_exported(model):
        return open_exported(model)
    return any_bundle(model)


def scene_model(model: AnyModel | Exported) -> Bundle | Exported:
    """The same, of a network that classifies scenes.

    Raises:
        SettingsError: it classifies images.
    """
    opened = any_model(model)
    if isinstance(opened, Exported) and opened.config.scene is not None:
        return opened
    if isinstance(opened, Bundle):
        return opened
    raise SettingsError(
        f"{_network(opened)} classifies images, and a scene needs a model that was trained on a "
        "scene; give images to classify"
    )


def image_model(model: AnyModel | Exported) -> ImageBundle | Exported:
    """The same, of a network that classifies images.

    Raises:
        SettingsError: it classifies scenes.
    """
    opened = any_model(model)
    if isinstance(opened, Exported) and opened.config.images is not None:
        return opened
    if isinstance(opened, ImageBundle):
        return opened
    raise SettingsError(
        f"{_network(opened)} was trained on a scene, and images need a model that was trained on "
        "images; label a scene with map"
    )


def _network(model: AnyBundle | Exported) -> str:
    config = model.config.network if isinstance(model, Exported) else model.config
    return config.model
