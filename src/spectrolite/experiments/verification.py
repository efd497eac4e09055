"""Is a run what its manifest says, and does training again give it?

Equal bits are promised for equal versions of what computes, an equal thread count, which is set
here, and an equal processor capability and device. Elsewhere figures are compared within a
tolerance, and the verdict says so.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.data.images import ImageSet
from spectrolite.data.scene_sets import AnyLabels, AnyScenes
from spectrolite.errors import ReadError, RunError, SettingsError, VerifyError, listed
from spectrolite.evaluation.image_report import ImageReport
from spectrolite.evaluation.reports import Report
from spectrolite.experiments.image_experiment import PREDICTIONS
from spectrolite.experiments.scene_experiment import read_maps
from spectrolite.experiments.training_runs import evaluate, train
from spectrolite.machine import other_machine, threads_of
from spectrolite.mapping.image_inference import Predictions, read_predictions
from spectrolite.mapping.scene_map import SceneMap, maps_sha256
from spectrolite.runs.manifest import WORDS, hash_of, named_data
from spectrolite.runs.resumable_run import EpochListener
from spectrolite.runs.run_folder import Run, open_run
from spectrolite.training.settings import flat_settings


@dataclass(frozen=True)
class Verification:
    """A run that was trained again, and found to be what it says.

    Attributes:
        run: its folder.
        hashes: sha256 by name of what was found to be the same, to the bit.
        figures: by name, the stored one and the one of training again, in points (0 to 100).
        elsewhere: how versions and machine differ from those of the run; empty where bits count.
        tolerance: how far figures may be apart, in points; nothing where bits count.
        training_s: seconds of training again.
    """

    run: str
    hashes: dict[str, str]
    figures: dict[str, tuple[float, float]]
    elsewhere: tuple[str, ...]
    tolerance: float | None
    training_s: float

    @property
    def verdict(self) -> str:
        """What may be said of the run."""
        if self.tolerance is None:
            return "same bits"
        return f"equal within a tolerance of {self.tolerance:g} points; bits are not promised here"


def verify(
    run: Run | str | Path,
    scene: AnyScenes | ImageSet | None = None,
    labels: AnyLabels | ImageSet | None = None,
    *,
    tolerance: float = 1.0,
    on_epoch: EpochListener = lambda _epoch, _all: None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Verification:
    """Train a run again from its manifest, elsewhere, and compare everything that it holds.

    Args:
        run: a run or its folder; it is only read.
        scene: the run's scene or images, where they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        tolerance: in points of accuracy; used only where versions or machine differ.
        on_epoch: as in `train`.
        on_stage: as in `train`.

    Raises:
        VerifyError: names what differs and by how much.
        RunError: no run, a pruned one, or one whose data cannot be loaded again.
        SettingsError: a tolerance that is none.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise SettingsError(f"--tolerance: wanted points from 0 up, got {tolerance}")
    opened = open_run(run.path if isinstance(run, Run) else run)
    opened.check_not_pruned("verify")
    data: tuple[Any, Any] = (scene, labels)
    if scene is None or (labels is None and not opened.on_images):
        data = opened.unchecked_data()
    stored = _check_stored(opened, data)
    report = opened.report
    elsewhere = tuple(other_machine(opened.manifest))
    with tempfile.TemporaryDirectory() as folder, threads_of(opened.manifest):
        again = train(
            *data,
            opened.split(*data),
            seed=opened.manifest["seed"],
            out=Path(folder) / "again",
            on_epoch=on_epoch,
            on_stage=on_stage,
            **flat_settings(opened.settings),
        )
        if opened.on_images and report.train_mode is not None:
            evaluate(again, *data, train_mode=True)
            again = open_run(again.path)
        elif not opened.on_images and report.flips is not None:
            evaluate(again, *data, flips=True)
            again = open_run(again.path)
        figures = {
            name: (points, _points(again.report)[name]) for name, points in _points(report).items()
        }
        if elsewhere:
            differs = [
                f"{name} {one:.2f}, again {other:.2f}"
                for name, (one, other) in figures.items()
                if not (abs(one - other) <= tolerance or (math.isnan(one) and math.isnan(other)))
            ]
            end = f" (tolerance {tolerance:g} points; {'; '.join(elsewhere)})"
        else:
            differs = [
                *_other_config(opened.bundle, again.bundle),
                *_other_weights(opened.bundle, again.bundle),
                *_other_made(stored, _made(again)),
                *_other_figures(report, again.report),
            ]
            end = ""
        if differs:
            raise VerifyError(
                f"{opened.path}: training again gives something else: {'; '.join(differs)}{end}"
            )
        hashes = {
            key.removesuffix("_sha256"): value
            for key, value in again.manifest.items()
            if key.endswith("_sha256") and value is not None and value == opened.manifest[key]
        }
        return Verification(
            run=str(opened.path),
            hashes=hashes,
            figures=figures,
            elsewhere=elsewhere,
            tolerance=tolerance if elsewhere else None,
            training_s=again.manifest["training_s"],
        )


def _made(run: Run) -> list[SceneMap] | Predictions:
    """What the run's model made: the maps of its scenes, or the classes of its test images."""
    if run.on_images:
        return read_predictions(run.path / PREDICTIONS, run.bundle)
    return read_maps(run)


def _check_stored(run: Run, data: tuple[Any, Any]) -> list[SceneMap] | Predictions:
    """The stored maps or predictions, after holding every stored part against the manifest.

    Raises:
        VerifyError: names each part that is not the manifest's.
    """
    differs = [
        f"{WORDS.get(kind, kind)}: {value.name if value else 'nothing'} has other numbers than "
        f"{kind}_sha256 says"
        for kind, value in named_data(run.manifest, data).items()
        if hash_of(value) != run.manifest[f"{kind}_sha256"]
    ]
    made = None
    parts: tuple[Callable[[], object], ...] = (
        lambda: run.split(*data),
        lambda: run.bundle,
        lambda: run.report,
    )
    for part in parts:
        try:
            part()
        except RunError as error:
            differs.append(str(error))
    if not differs:
        try:
            made = _made(run)
        except ReadError as error:
            differs.append(str(error))
        if isinstance(made, list) and maps_sha256(made) != run.manifest["map_sha256"]:
            what = "map.tif and its confidence are not the map"
            if len(made) > 1:
                what = "maps/ and their confidence are not the maps"
            differs.append(f"{what} that map_sha256 names")
        if isinstance(made, Predictions) and made.sha256 != run.manifest["predictions_sha256"]:
            differs.append(f"{PREDICTIONS}: not those that predictions_sha256 names")
        if run.report.figures_sha256 != run.manifest["figures_sha256"]:
            differs.append("report.json has other figures than figures_sha256 says")
    if differs or made is None:
        raise VerifyError(f"{run.path}: not what its manifest says: {'; '.join(differs)}")
    return made


COMPARED = ("accuracy", "calibration", "orientations", "baseline")
"""Groups of figures that a tolerance applies to."""


def _points(report: Report | ImageReport) -> dict[str, float]:
    """The figures that a tolerance applies to, 0 to 100."""
    return {
        figure.label: figure.value
        for figure in report.figure_list
        if figure.group in COMPARED and figure.unit != "s" and figure.high is None
    }


def _other_config(one: Bundle | ImageBundle, other: Bundle | ImageBundle) -> list[str]:
    """Which entries of `config.json` differ: a name or a colour is in no other hash."""
    stored, again = one.config.model_dump(), other.config.model_dump()
    differs = [name for name in stored if stored[name] != again[name]]
    return [f"config.json: {listed(differs)}"] if differs else []


def _other_weights(one: Bundle | ImageBundle, other: Bundle | ImageBundle) -> list[str]:
    """Which tensors differ, at how many numbers, and by how much at most."""
    differs = []
    shapes, others = ({k: v.shape for k, v in _numbers(b).items()} for b in (one, other))
    if shapes != others:
        names = sorted(k for k in {**shapes, **others} if shapes.get(k) != others.get(k))
        return [f"weights: other shapes of {listed(names, 5)}"]
    for name, stored in _numbers(one).items():
        again = _numbers(other)[name]
        apart = int((_bits(stored) != _bits(again)).sum())
        if apart:
            most = np.abs(stored.astype(np.float64) - again.astype(np.float64)).max()
            differs.append(f"{name} at {apart} of {stored.size} numbers, by {most:.3g} at most")
    return [f"weights: {listed(differs, 5)}"] if differs else []


def _numbers(bundle: Bundle | ImageBundle) -> dict[str, NDArray[Any]]:
    state = {k: v.cpu().numpy() for k, v in bundle.network.state_dict().items()}
    if isinstance(bundle, ImageBundle):
        return {"pixels.mean": bundle.mean.numpy(), "pixels.std": bundle.std.numpy(), **state}
    return {"bands.mean": bundle.bands.mean, "bands.matrix": bundle.bands.matrix, **state}


def _bits(array: NDArray[Any]) -> NDArray[np.unsignedinteger]:
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def _other_made(
    one: list[SceneMap] | Predictions, other: list[SceneMap] | Predictions
) -> list[str]:
    """Where maps or predictions differ, and how far."""
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=True)
        return [line for stored, again in pairs for line in _other_of_one(stored, again)]
    assert isinstance(one, Predictions)
    assert isinstance(other, Predictions)
    return _other_of_one(one, other)


def _other_of_one(one: SceneMap | Predictions, other: SceneMap | Predictions) -> list[str]:
    kind, what = ("map", "pixels") if isinstance(one, SceneMap) else ("predictions", "images")
    if one.classes.shape != other.classes.shape:
        return [f"{kind}: of shape {one.classes.shape}, again {other.classes.shape}"]
    if one.sha256 == other.sha256:
        return []
    apart = int((one.classes != other.classes).sum())
    most = float(np.abs(one.confidence - other.confidence).max())
    return [
        f"{kind}: another class at {apart} of {one.classes.size} {what}, confidence apart by "
        f"{most:.3g} at most"
    ]


def _other_figures(one: Report | ImageReport, other: Report | ImageReport) -> list[str]:
    stored, again = _flat(one.figures), _flat(other.figures)
    differs = [
        f"{name} {stored.get(name)}, again {again.get(name)}"
        for name in dict.fromkeys([*stored, *again])
        if stored.get(name) != again.get(name)
    ]
    return [f"figures: {listed(differs)}"] if differs else []


def _flat(figures: Mapping[str, Any] | list[Any], above: str = "") -> dict[str, Any]:
    """Nested JSON by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in figures.items() if isinstance(figures, Mapping) else enumerate(figures):
        name = f"{above}.{key}" if above else str(key)
        flat |= _flat(value, name) if isinstance(value, Mapping | list) else {name: value}
    return flat
