"""Does a run hold what its manifest says, and does training again give the same?

The same bits are promised for the same versions of the libraries that compute, the same thread
count, which is set here, and the same processor capability and device. Elsewhere figures are
compared within a tolerance, and the verdict says so.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.loading import AnyBundle
from spectrolite.data.images import ImageSet
from spectrolite.data.scene_sets import AnyLabels, AnyScenes
from spectrolite.errors import ReadError, RunError, SettingsError, VerifyError, listed
from spectrolite.evaluation.image_report import ImageReport
from spectrolite.evaluation.reports import Report
from spectrolite.experiments.image_experiment import PREDICTIONS
from spectrolite.experiments.scene_experiment import read_maps
from spectrolite.experiments.training_runs import evaluate, train
from spectrolite.machine import threads_of
from spectrolite.mapping.image_inference import Predictions, read_predictions
from spectrolite.mapping.scene_map import SceneMap, maps_sha256
from spectrolite.runs.manifest import NAMES, elsewhere
from spectrolite.runs.resumable_run import EpochListener
from spectrolite.runs.run_files import changed_files
from spectrolite.runs.run_folder import AnyRun, ImageRun, Run, any_run
from spectrolite.training.keywords import flat_settings

Output = SceneMap | Predictions

NO_HASHES = (
    "the manifest is of version 0.1, which stored no hashes of files: pages, pictures and card "
    "were not checked; evaluate the run to store them"
)


@dataclass(frozen=True)
class Verification:
    """The result of `verify`: training again gave the same.

    Attributes:
        run: its folder.
        hashes: sha256 by name of everything that has the same bits.
        figures: by name, the stored figure and the new one, in points (0 to 100).
        elsewhere: how versions and machine differ from those of the run; if empty, the same bits
            are wanted.
        tolerance: largest difference of figures, in points; None if the same bits are wanted.
        training_s: duration of the new training, seconds.
        notes: what could not be checked.
    """

    run: str
    hashes: dict[str, str]
    figures: dict[str, tuple[float, float]]
    elsewhere: tuple[str, ...]
    tolerance: float | None
    training_s: float
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The result in a few words."""
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
    """Train a run again from its manifest, in another folder, and compare everything in it.

    Args:
        run: a run or its folder; it is only read.
        scene: the run's scene or images, if they were not loaded from a file or by name.
        labels: the run's labels or test images, likewise.
        tolerance: in points of accuracy; used only if versions or machine differ.
        on_epoch: as in `train`.
        on_stage: as in `train`.

    Raises:
        VerifyError: names what differs and by how much.
        RunError: not a run, a pruned run, or a run whose data cannot be loaded again.
        SettingsError: a negative tolerance, or one that is not a number.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise SettingsError(f"--tolerance: wanted points from 0 up, got {tolerance}")
    stored = any_run(run.path if isinstance(run, Run) else run)  # read from disk, whatever is given
    stored.check_not_pruned("verify")
    data: tuple[Any, Any] = (scene, labels)
    if scene is None or (labels is None and not isinstance(stored, ImageRun)):
        data = stored.unchecked_data()
    outputs = _check_stored(stored, data)
    differs_here = tuple(elsewhere(stored.manifest))
    with tempfile.TemporaryDirectory() as folder, threads_of(stored.manifest.machine):
        again = any_run(
            train(
                *data,
                stored.split(*data),
                seed=stored.manifest.seed,
                out=Path(folder) / "again",
                on_epoch=on_epoch,
                on_stage=on_stage,
                **flat_settings(stored.settings),
            )
        )
        train_mode, flips = _extras(stored)
        if train_mode or flips:
            evaluate(again, *data, train_mode=train_mode, flips=flips)
            again = any_run(again.path)
        points = _points(again.report)
        figures = {name: (one, points[name]) for name, one in _points(stored.report).items()}
        if differs_here:
            differs = [
                f"{name} {one:.2f}, again {other:.2f}"
                for name, (one, other) in figures.items()
                if not (abs(one - other) <= tolerance or (math.isnan(one) and math.isnan(other)))
            ]
            end = f" (tolerance {tolerance:g} points; {'; '.join(differs_here)})"
        else:
            differs = [
                *_other_config(stored.bundle, again.bundle),
                *_other_weights(stored.bundle, again.bundle),
                *chain.from_iterable(map(_other_output, outputs, _read_outputs(again))),
                *_other_figures(stored.report, again.report),
            ]
            end = ""
        if differs:
            raise VerifyError(
                f"{stored.path}: training again gives something else: {'; '.join(differs)}{end}"
            )
        hashes = {
            key.removesuffix("_sha256"): value
            for key, value in again.manifest
            if key.endswith("_sha256")
            and isinstance(value, str)
            and value == getattr(stored.manifest, key)
        }
        return Verification(
            run=str(stored.path),
            hashes=hashes,
            figures=figures,
            elsewhere=differs_here,
            tolerance=tolerance if differs_here else None,
            training_s=again.manifest.training_s,
            notes=() if stored.manifest.files_sha256 else (NO_HASHES,),
        )


def _extras(run: AnyRun) -> tuple[bool, bool]:
    """Whether the run's report has the figures of `train_mode`, and of `flips`."""
    if isinstance(run, ImageRun):
        return run.report.train_mode is not None, False
    return False, run.report.flips is not None


def _read_outputs(run: AnyRun) -> list[Output]:
    """What the run's model gave: the maps of its scenes, or the classes of its test images."""
    if isinstance(run, ImageRun):
        return [read_predictions(run.path / PREDICTIONS, run.bundle)]
    return [*read_maps(run)]


def _check_stored(run: AnyRun, data: tuple[Any, Any]) -> list[Output]:
    """The stored maps or predictions, after a check of everything stored against the manifest.

    Raises:
        VerifyError: names everything that is not the manifest's.
    """
    differs = [
        f"{NAMES.get(name, name)}: {value.name if value else 'nothing'} has other numbers than "
        f"{name}_sha256 says"
        for name, value in run.other_data(*data).items()
    ]
    outputs: list[Output] = []
    readers: tuple[Callable[[], object], ...] = (
        lambda: run.split(*data),
        lambda: run.bundle,
        lambda: run.report,
    )
    for read in readers:
        try:
            read()
        except RunError as error:
            differs.append(str(error))
    if not differs:
        try:
            outputs = _read_outputs(run)
            differs += _changed_outputs(run, outputs)
        except ReadError as error:
            differs.append(str(error))
        if run.report.figures_sha256 != run.manifest.figures_sha256:
            differs.append("report.json has other figures than figures_sha256 says")
    if not differs:
        differs = changed_files(run.manifest, run.path)
    if differs:
        raise VerifyError(f"{run.path}: not what its manifest says: {'; '.join(differs)}")
    return outputs


def _changed_outputs(run: AnyRun, outputs: list[Output]) -> list[str]:
    """Whether the stored maps or predictions have another hash than the manifest has."""
    if isinstance(run, ImageRun):
        if outputs[0].sha256 == run.manifest.predictions_sha256:
            return []
        return [f"{PREDICTIONS}: not those that predictions_sha256 names"]
    maps = [output for output in outputs if isinstance(output, SceneMap)]
    if maps_sha256(maps) == run.manifest.map_sha256:
        return []
    what = "map.tif and its confidence are not the map"
    if len(maps) > 1:
        what = "maps/ and their confidence are not the maps"
    return [f"{what} that map_sha256 names"]


COMPARED = ("accuracy", "calibration", "orientations", "baseline")
"""Groups of figures that a tolerance applies to."""


def _points(report: Report | ImageReport) -> dict[str, float]:
    """The figures that a tolerance applies to, 0 to 100."""
    return {
        figure.label: figure.value
        for figure in report.figure_list
        if figure.group in COMPARED and figure.unit != "s" and figure.high is None
    }


def _other_config(one: AnyBundle, other: AnyBundle) -> list[str]:
    """Which keys of `config.json` differ: no other hash covers names and colours."""
    stored, again = one.config.model_dump(), other.config.model_dump()
    differs = [name for name in stored if stored[name] != again[name]]
    return [f"config.json: {listed(differs)}"] if differs else []


def _other_weights(one: AnyBundle, other: AnyBundle) -> list[str]:
    """Which tensors differ, in how many numbers, and by how much at most."""
    shapes, others = ({k: v.shape for k, v in _numbers(b).items()} for b in (one, other))
    if shapes != others:
        names = sorted(k for k in {**shapes, **others} if shapes.get(k) != others.get(k))
        return [f"weights: other shapes of {listed(names, 5)}"]
    differs = []
    for name, stored in _numbers(one).items():
        again = _numbers(other)[name]
        apart = int((_bits(stored) != _bits(again)).sum())
        if apart:
            most = np.abs(stored.astype(np.float64) - again.astype(np.float64)).max()
            differs.append(f"{name} at {apart} of {stored.size} numbers, by {most:.3g} at most")
    return [f"weights: {listed(differs, 5)}"] if differs else []


def _numbers(bundle: AnyBundle) -> dict[str, NDArray[Any]]:
    state = {k: v.cpu().numpy() for k, v in bundle.network.state_dict().items()}
    if isinstance(bundle, ImageBundle):
        return {"pixels.mean": bundle.mean.numpy(), "pixels.std": bundle.std.numpy(), **state}
    return {"bands.mean": bundle.bands.mean, "bands.matrix": bundle.bands.matrix, **state}


def _bits(array: NDArray[Any]) -> NDArray[np.unsignedinteger]:
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def _other_output(one: Output, other: Output) -> list[str]:
    """Where maps or predictions differ, and by how much."""
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
    """Nested JSON as one dict with dotted names."""
    flat: dict[str, Any] = {}
    for key, value in figures.items() if isinstance(figures, Mapping) else enumerate(figures):
        name = f"{above}.{key}" if above else str(key)
        flat |= _flat(value, name) if isinstance(value, Mapping | list) else {name: value}
    return flat
