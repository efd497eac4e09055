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
    from spectrolite.class_areas import Areas, areas
    from spectrolite.comparison import compare
    from spectrolite.costs import Cost, cost
    from spectrolite.demonstration import demo
    from spectrolite.dense_form import dense
    from spectrolite.deploy.benchmarking import benchmark
    from spectrolite.deploy.export import Export, export
    from spectrolite.deploy.measurements import Benchmark
    from spectrolite.deploy.prune import Pruning, prune
    from spectrolite.deploy.quantize import Quantization, quantize
    from spectrolite.deploy.runtime import Exported, open_exported
    from spectrolite.errors import SpectroliteError
    from spectrolite.explanations import explain
    from spectrolite.image_reports import ImageReport
    from spectrolite.image_splits import ImageSplit, image_split, split_images
    from spectrolite.images import ImageSet
    from spectrolite.labels import Labels
    from spectrolite.leagues import League
    from spectrolite.map_files import MapFile
    from spectrolite.map_runs import map_scene, map_scenes
    from spectrolite.mapping import classify
    from spectrolite.models import build_model
    from spectrolite.predictions import Predictions
    from spectrolite.readers import open_scene, read_labels, read_scene
    from spectrolite.readers.image_folders import read_images
    from spectrolite.recipes import read_recipe
    from spectrolite.repetition import Repetition, repeat
    from spectrolite.reports import Report
    from spectrolite.run_folders import Run, open_run
    from spectrolite.runs import evaluate, report, train
    from spectrolite.scene import Scene, SceneFile, Window
    from spectrolite.scene_facts import SceneInfo, scene_info
    from spectrolite.scene_maps import SceneMap
    from spectrolite.scene_sets import LabelSet, SceneSet, several
    from spectrolite.splits import Split, split
    from spectrolite.verification import Verification, verify

__version__ = "0.1.0"

_HOMES = {
    "Areas": "class_areas",
    "Benchmark": "deploy.measurements",
    "Checkup": "checks",
    "Cost": "costs",
    "Export": "deploy.export",
    "Exported": "deploy.runtime",
    "ImageReport": "image_reports",
    "ImageSet": "images",
    "ImageSplit": "image_splits",
    "LabelSet": "scene_sets",
    "Labels": "labels",
    "League": "leagues",
    "MapFile": "map_files",
    "Predictions": "predictions",
    "Pruning": "deploy.prune",
    "Quantization": "deploy.quantize",
    "Repetition": "repetition",
    "Report": "reports",
    "Run": "run_folders",
    "Scene": "scene",
    "SceneFile": "scene",
    "SceneInfo": "scene_facts",
    "SceneMap": "scene_maps",
    "SceneSet": "scene_sets",
    "SpectroliteError": "errors",
    "Split": "splits",
    "Verification": "verification",
    "Window": "scene",
    "areas": "class_areas",
    "benchmark": "deploy.benchmarking",
    "build_model": "models",
    "check_network": "checks",
    "classify": "mapping",
    "compare": "comparison",
    "cost": "costs",
    "demo": "demonstration",
    "dense": "dense_form",
    "doctor": "checkups",
    "evaluate": "runs",
    "explain": "explanations",
    "export": "deploy.export",
    "image_split": "image_splits",
    "load": "catalog",
    "load_bundle": "bundles",
    "map_scene": "map_runs",
    "map_scenes": "map_runs",
    "open_exported": "deploy.runtime",
    "open_run": "run_folders",
    "open_scene": "readers",
    "prune": "deploy.prune",
    "quantize": "deploy.quantize",
    "read_images": "readers.image_folders",
    "read_labels": "readers",
    "read_recipe": "recipes",
    "read_scene": "readers",
    "repeat": "repetition",
    "report": "runs",
    "scene_info": "scene_facts",
    "several": "scene_sets",
    "split": "splits",
    "split_images": "image_splits",
    "train": "runs",
    "verify": "verification",
}

__all__ = [
    "Areas",
    "Benchmark",
    "Checkup",
    "Cost",
    "Export",
    "Exported",
    "ImageReport",
    "ImageSet",
    "ImageSplit",
    "LabelSet",
    "Labels",
    "League",
    "MapFile",
    "Predictions",
    "Pruning",
    "Quantization",
    "Repetition",
    "Report",
    "Run",
    "Scene",
    "SceneFile",
    "SceneInfo",
    "SceneMap",
    "SceneSet",
    "SpectroliteError",
    "Split",
    "Verification",
    "Window",
    "areas",
    "benchmark",
    "build_model",
    "check_network",
    "classify",
    "compare",
    "cost",
    "demo",
    "dense",
    "doctor",
    "evaluate",
    "explain",
    "export",
    "image_split",
    "load",
    "load_bundle",
    "map_scene",
    "map_scenes",
    "open_exported",
    "open_run",
    "open_scene",
    "prune",
    "quantize",
    "read_images",
    "read_labels",
    "read_recipe",
    "read_scene",
    "repeat",
    "report",
    "scene_info",
    "several",
    "split",
    "split_images",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'spectrolite' has no attribute {name!r}")
    return getattr(importlib.import_module(f"spectrolite.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
