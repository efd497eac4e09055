"""The classifiers, splits and seeds of a comparison, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from spectrolite.data.labels import Labels
from spectrolite.data.scene import Scene
from spectrolite.errors import SceneError, SettingsError, SplitError, wanted_one_of
from spectrolite.evaluation.tuned_baselines import TUNED, checked_baseline, receptive_field_of
from spectrolite.models import SCENE_MODELS, build_scene_model
from spectrolite.samples.split_grammar import parse_split, parsed
from spectrolite.samples.split_scene import Split
from spectrolite.training.keywords import flat_settings, keywords_for, settings


@dataclass(frozen=True)
class Entry:
    """One classifier of a comparison.

    Attributes:
        text: as the user wrote it, `svm_context,side=13`.
        name: name of the network or the baseline.
        keywords: all settings of a network, or all parameters of a baseline.
        patch: odd side in pixels of the patch that it sees; None if it sees no spectrum.
    """

    text: str
    name: str
    keywords: Mapping[str, Any]
    patch: int | None


def parse_entry(text: str) -> tuple[str, dict[str, Any]]:
    """Name and keywords of a model in the grammar of the command line.

    Examples:
        >>> parse_entry("mobilesn,receptive_field=13,width=0.5,flips=false")
        ('mobilesn', {'receptive_field': 13, 'width': 0.5, 'flips': False})

    Raises:
        SettingsError: a word that is not `key=value`, or a key that is given twice.
    """
    name, *words = (word.strip() for word in text.split(","))
    keywords: dict[str, Any] = {}
    for word in words:
        key, equals, value = (piece.strip() for piece in word.partition("="))
        if not key or not equals or not value:
            raise SettingsError(f"--model: wanted key=value, got {word!r} in {text!r}")
        if key in keywords:
            raise SettingsError(f"--model: {key} is given twice in {text!r}")
        keywords[key] = parsed(value)
    return name, keywords


def checked_entry(text: str) -> tuple[str, dict[str, Any]]:
    """Name and all keywords of a model, defaults included: what can be checked without data.

    Raises:
        SettingsError: no such model, no such keyword, or a value out of range.
    """
    name, keywords = parse_entry(text)
    if name in TUNED:
        return name, checked_baseline(name, keywords)
    if name not in SCENE_MODELS:
        raise SettingsError(f"--model: {wanted_one_of([*SCENE_MODELS, *TUNED], name)}")
    if "model" in keywords:
        raise SettingsError(f"--model: the name comes first in {text!r}; leave model= out")
    return name, flat_settings(settings(model=name, **keywords))


def entries_of(models: Sequence[str], scene: Scene, labels: Labels) -> list[Entry]:
    """The classifiers of a comparison, each once, all of which fit the scene.

    Raises:
        SettingsError: no model, an unknown model, a setting out of range, more components than
            bands, HybridSN on fewer than 13 bands, or a model named twice.
        SceneError: the scene is smaller than a network's receptive field.
    """
    if not models:
        raise SettingsError(f"--model: wanted one or more of {', '.join([*SCENE_MODELS, *TUNED])}")
    entries: list[Entry] = []
    for text in models:
        name, keywords = checked_entry(text)
        if "components" in keywords:
            own = keywords_for(name, parse_entry(text)[1], scene.bands, scene.name)
            keywords["components"] = own["components"]
        if name in TUNED:
            entry = Entry(text, name, keywords, receptive_field_of(name, keywords))
        else:
            entry = _network(text, name, keywords, scene, labels)
        twin = next((e for e in entries if (e.name, e.keywords) == (name, entry.keywords)), None)
        if twin is not None:
            raise SettingsError(f"--model: {text} and {twin.text} are the same; name it once")
        entries.append(entry)
    for entry in entries:
        _check_fits(entry, scene)
    return entries


def _network(text: str, name: str, keywords: dict[str, Any], scene: Scene, labels: Labels) -> Entry:
    stages = settings(**keywords)
    with torch.device("meta"):
        net = build_scene_model(
            name,
            bands=stages.bands.components or scene.shape[2],
            classes=len(labels.class_ids),
            **stages.model.shape,
        )
    return Entry(text, name, keywords, 2 * net.halo + 1)


def _check_fits(entry: Entry, scene: Scene) -> None:
    """Refuse a model that the scene is too small for, before other cells take hours."""
    rows, cols, bands = scene.shape
    components = entry.keywords.get("components", 0)
    if components > bands:
        raise SettingsError(
            f"--model: {entry.text}: {scene.name} has {bands} bands, fewer than the {components} "
            f"components; take components={bands} or fewer (0 keeps all bands)"
        )
    if entry.name in SCENE_MODELS and entry.patch is not None and min(rows, cols) < entry.patch:
        raise SceneError(
            f"{scene.name}: {rows} x {cols} pixels are smaller than the {entry.patch} x "
            f"{entry.patch} patch of {entry.text}"
        )


def check_enough(entry: Entry, split: Split) -> None:
    """Refuse a split with too few training pixels for the components of a model.

    Raises:
        SplitError: too few training pixels.
    """
    keywords = entry.keywords
    components = keywords.get("components", 0)
    default = "patches" if keywords.get("reduction") == "mnf" else "train"
    if keywords.get("bands_from", default) == "train" and len(split.train) <= components:
        raise SplitError(
            f"--split {split.text}: {len(split.train)} training pixels, and the {components} "
            f"components of {entry.text} need more; raise train or n, or lower components"
        )


def seed_counts(entries: list[Entry], seeds: int, fewer: Mapping[str, int]) -> dict[str, int]:
    """The number of seeds of each entry, by its text.

    Args:
        entries: the entries of the comparison.
        seeds: the number for entries that are not in `fewer`.
        fewer: the number for some entries, by name or by text.

    Raises:
        SettingsError: fewer than one seed, more than `seeds`, or a name of no entry.
    """
    if seeds < 1:
        raise SettingsError(f"--seeds: wanted 1 or more, got {seeds}")
    for key, value in fewer.items():
        if not any(key in (entry.text, entry.name) for entry in entries):
            raise SettingsError(f"--seeds-for: no --model {key} in this comparison")
        if not 1 <= value <= seeds:
            raise SettingsError(f"--seeds-for: wanted {key}=1 to {seeds} (--seeds), got {value}")
    return {e.text: fewer.get(e.text, fewer.get(e.name, seeds)) for e in entries}


def checked_splits(splits: Sequence[str]) -> list[str]:
    """The texts of the splits, each once and without a seed.

    Raises:
        SplitError: no split, one with a seed, a given one, or one named twice.
    """
    if not splits:
        raise SplitError("--split: wanted one or more, as random,train=0.1")
    for text in splits:
        method, keywords = parse_split(text)
        if "seed" in keywords:
            raise SplitError(
                f"--split {text}: every split is drawn with the seeds 0, 1, 2, ... of the "
                "comparison; leave seed= out"
            )
        if method == "given":
            raise SplitError(f"--split {text}: a given split has no seeds to vary; take another")
        if splits.count(text) > 1:
            raise SplitError(f"--split {text}: is given twice; name it once")
    return list(splits)
