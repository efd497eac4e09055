"""What `report.json` holds: the figures of a run, with everything needed to believe them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from spectrolite.data.summaries import short_names
from spectrolite.errors import listed
from spectrolite.evaluation.caveats import learned_nothing
from spectrolite.evaluation.figures import Figure, accuracies, counted, percents, report_lines
from spectrolite.files import whole_file
from spectrolite.records import Number, Record
from spectrolite.training.settings import Settings

FORMAT = 1


class PerClass(Record):
    """Figures of one class; precision, recall and F1 from 0 to 1, NaN where undefined."""

    id: int
    name: str
    precision: Number
    recall: Number
    f1: Number
    train: int
    test: int


class Interval(Record):
    """A 95 % interval of the overall accuracy, and how many fields or images it was drawn over."""

    low: Number
    high: Number
    # reports of version 0.1 lack it
    n: int | None = Field(default=None, exclude_if=lambda value: value is None)

    def figure(self, kind: str, samples: str) -> Figure:
        """The interval in %, named by its kind and drawn over so many samples."""
        over = "" if self.n is None else counted(self.n, samples)
        return Figure(
            f"95 % interval ({kind})", "accuracy", 100 * self.low, high=100 * self.high, over=over
        )


class BaselineFigures(Record):
    """Overall accuracies of the baselines on the same test pixels."""

    majority: float
    position: float
    svm: float
    svm_context: float
    fitted_pixels: int
    scored_pixels: int


class FlipFigures(Record):
    """Scores of the average over the scene's eight orientations; the map itself is one pass."""

    overall_accuracy: float
    average_accuracy: float
    kappa: Number
    seconds: float


class LeakageFigures(Record):
    """How close the test pixels lie to the training pixels, for the network's patch."""

    patch: int
    overlap: float
    median_distance: Number  # NaN where the median test pixel's scene has no training pixel
    majority: float
    position: float
    distance_edges: tuple[int, ...]
    distance_counts: tuple[int, ...]
    clean: bool


class Counts(Record):
    """How the samples were divided: the split and the numbers of samples."""

    split: str
    train: int
    validation: int
    test: int


class Protocol(Counts):
    """How the pixels were divided, and which pixels the band reduction was fitted on."""

    train_share: float
    dropped_by_guard: int
    raised: dict[int, str]
    missing: dict[int, str]
    bands_from: str
    bands_pixels: int
    components: int
    explained: float


class Figures(Record):
    """The common part of the reports of scenes and of images.

    Accuracies are fractions; `confusion` has the truth along its rows.
    """

    samples: ClassVar[str]

    format: int = FORMAT
    data: str
    model: str
    variant: str
    seed: int
    overall_accuracy: float
    average_accuracy: float
    kappa: Number
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[PerClass, ...]
    protocol: Counts
    notes: tuple[str, ...]
    # left out where there are none, so that the hashes of such reports do not change
    warnings: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    parameters: int
    times_s: dict[str, float]
    versions: dict[str, str]
    machine: dict[str, str | int]

    @property
    def figure_list(self) -> tuple[Figure, ...]:
        """Every figure once, in the order of tables and pages; each report adds its own."""
        return (
            *accuracies(self.overall_accuracy, self.average_accuracy, self.kappa),
            *(Figure(f"{c.id} {c.name}", "class", 100 * c.recall) for c in self.per_class),
            Figure("parameters", "size", self.parameters, "", 0),
            Figure("seconds of training", "time", self.times_s["training"], "s", 1),
        )

    @property
    def learned_nothing(self) -> str | None:
        """Why the network is no better than one class for everything; None if it is better."""
        names = tuple(c.name for c in self.per_class)
        return learned_nothing(np.asarray(self.confusion), names)

    @property
    def data_in_short(self) -> str:
        """The name of the data, for titles."""
        return self.data

    @property
    def facts(self) -> dict[str, str]:
        """How the figures came about: network, split, numbers of samples and of classes."""
        tested = sum(c.test > 0 for c in self.per_class)
        protocol = self.protocol
        return {
            "network": f"{self.model} ({self.variant})",
            "split": protocol.split,
            f"training, validation, test {self.samples}": (
                f"{protocol.train:,}, {protocol.validation:,}, {protocol.test:,}"
            ),
            "classes tested": f"{tested} of {len(self.per_class)}",
        }

    def __repr__(self) -> str:
        """A few lines for a notebook, never the confusion matrix or the settings."""
        title = f"{self.model} ({self.variant}) on {self.data_in_short}"
        lines = report_lines(title, self.facts, self.figure_list)
        return "\n".join([lines, *(f"  warning: {warning}" for warning in self.warnings)])

    __str__ = __repr__

    @property
    def figures(self) -> dict[str, Any]:
        """Everything but times, versions and machine, as in JSON."""
        figures: dict[str, Any] = json.loads(
            self.model_dump_json(
                exclude={"times_s": True, "versions": True, "machine": True, "flips": {"seconds"}}
            )
        )
        return figures

    @property
    def figures_sha256(self) -> str:
        """Hash of the figures."""
        return hashlib.sha256(json.dumps(self.figures, sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write `report.json`."""
        with whole_file(path) as part:
            part.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


class SceneFigures(Record):
    """Figures of one scene of several, on its test pixels; NaN if it has none."""

    name: str
    train: int
    validation: int
    test: int
    overall_accuracy: Number
    average_accuracy: Number
    kappa: Number


class Report(Figures):
    """`report.json` of a run on a scene."""

    samples = "pixels"

    interval_fields: Interval
    interval_as_if_pixels_were_independent: Interval
    class_ids: tuple[int, ...]
    baselines: BaselineFigures
    leakage: LeakageFigures
    protocol: Protocol
    macs_per_pixel: int
    macs_per_patch: int
    settings: Settings
    flips: FlipFigures | None = None
    # left out for a single scene, so that the hashes of such reports do not change
    scenes: tuple[SceneFigures, ...] = Field(default=(), exclude_if=lambda value: not value)

    @property
    def figure_list(self) -> tuple[Figure, ...]:
        """The figures of every report, and those only of scenes."""
        overall, *common, parameters, training = super().figure_list
        fields, leakage, baselines = self.interval_fields, self.leakage, self.baselines
        return (
            overall,
            fields.figure("fields", "fields"),
            *common,
            *self._scenes_and_orientations(),
            Figure("test pixels seen in training", "leakage", 100 * leakage.overlap),
            Figure(
                "median distance to a training pixel",
                "leakage",
                leakage.median_distance,
                "pixels",
                1,
                undefined="none in the same scene",
            ),
            *percents(
                "baseline",
                {
                    "SVM, pixel and patch mean": baselines.svm_context,
                    "SVM, pixel": baselines.svm,
                    "position alone": baselines.position,
                    "majority class": baselines.majority,
                },
            ),
            parameters,
            Figure("MACs a pixel", "size", self.macs_per_pixel, "", 0),
            Figure("MACs a single patch", "size", self.macs_per_patch, "", 0),
            training,
            Figure("seconds of the map", "time", self.times_s["map"], "s"),
        )

    @property
    def data_in_short(self) -> str:
        """The name of the scene; of up to three their names in short, of more their number."""
        if not self.scenes:
            return self.data
        names = [scene.name for scene in self.scenes]
        return listed(short_names(names, 16)) if len(names) <= 3 else f"{len(names)} scenes"

    @property
    def facts(self) -> dict[str, str]:
        """As for every report, and whether the split is clean for the network."""
        facts, width = super().facts, self.settings.model.width
        if width is not None:
            facts["network"] += f", width {width:g}, receptive field {self.leakage.patch}"
        return {**facts, "clean split": "yes" if self.leakage.clean else "no"}

    def _scenes_and_orientations(self) -> list[Figure]:
        """Several scenes one by one, and eight orientations averaged, where a run has them."""
        figures = []
        for scene in self.scenes:
            if scene.test:
                accuracy = 100 * scene.overall_accuracy
                figures.append(Figure(f"{scene.name}: overall accuracy", "scene", accuracy))
                figures.append(Figure(f"{scene.name}: test", "scene", scene.test, "pixels", 0))
        if self.flips is not None:
            prefix, flips = "eight orientations: ", self.flips
            figures += accuracies(
                flips.overall_accuracy,
                flips.average_accuracy,
                flips.kappa,
                "orientations",
                prefix,
            )
            figures.append(Figure(f"{prefix}seconds", "orientations", flips.seconds, "s"))
        return figures
