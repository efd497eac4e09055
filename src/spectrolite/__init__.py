"""Small, fast, reproducible convolutional classifiers for hyperspectral scenes and for images.

>>> import spectrolite as sl
>>> scene, labels = sl.load("indian_pines")
>>> split = sl.split(labels, "random", train=0.1, seed=345)
>>> split.leakage(patch=25).overlap
1.0

Importing the package is light: a name is loaded from its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spectrolite.bundles import load_bundle
    from spectrolite.catalog import load
    from spectrolite.checks import Checkup, check_network
    from spectrolite.checkups import doctor
    from spectrolite.demonstration import demo
    from spectrolite.dense_form import dense
    from spectrolite.errors import SpectroliteError
    from spectrolite.mapping import SceneMap, classify
    from spectrolite.models import build_model
    from spectrolite.readers import read_labels, read_scene
    from spectrolite.reports import Report
    from spectrolite.run_folders import Run, open_run
    from spectrolite.runs import evaluate, map_scene, report, train
    from spectrolite.scene import Labels, Scene, Window
    from spectrolite.splits import Split, split

__version__ = "0.1.0"

_HOMES = {
    "Checkup": "checks",
    "Labels": "scene",
    "Report": "reports",
    "Run": "run_folders",
    "Scene": "scene",
    "SceneMap": "mapping",
    "SpectroliteError": "errors",
    "Split": "splits",
    "Window": "scene",
    "build_model": "models",
    "check_network": "checks",
    "classify": "mapping",
    "demo": "demonstration",
    "dense": "dense_form",
    "doctor": "checkups",
    "evaluate": "runs",
    "load": "catalog",
    "load_bundle": "bundles",
    "map_scene": "runs",
    "open_run": "run_folders",
    "read_labels": "readers",
    "read_scene": "readers",
    "report": "runs",
    "split": "splits",
    "train": "runs",
}

__all__ = [
    "Checkup",
    "Labels",
    "Report",
    "Run",
    "Scene",
    "SceneMap",
    "SpectroliteError",
    "Split",
    "Window",
    "build_model",
    "check_network",
    "classify",
    "demo",
    "dense",
    "doctor",
    "evaluate",
    "load",
    "load_bundle",
    "map_scene",
    "open_run",
    "read_labels",
    "read_scene",
    "report",
    "split",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'spectrolite' has no attribute {name!r}")
    return getattr(importlib.import_module(f"spectrolite.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
