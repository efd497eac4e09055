"""The model card of a run: what its bundle says of itself, as the Hugging Face Hub reads it.

`README.md` begins with YAML between two lines of dashes. Every value there is written as JSON,
which YAML contains, so that no name in the data can break out of its place. The card holds no
times: the same run gives the same card.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from spectrolite.evaluation.image_report import ImageReport
from spectrolite.evaluation.reports import Report
from spectrolite.files import whole_file

LIMITS = (
    "The confidence is a softmax, not a probability that was checked against truth; "
    "`spectrolite doctor` measures how far the two lie apart."
)
LIMITS_OF_SCENES = (
    "It knows the classes of one scene and the bands of one sensor, in the units of its training "
    "data; a scene with other bands is refused, one in other units is not.",
    "Every pixel gets a class, those of none of them too.",
    "A pixel outside the scene counts as the mean spectrum.",
)
LIMITS_OF_IMAGES = (
    "Images become the shape that it was trained on; another size is resized, which changes what "
    "it sees.",
    "Every image gets a class, one that shows none of them too.",
)


def write_card(report: Report | ImageReport, weights_sha256: str, folder: Path) -> None:
    """Write `README.md` into a bundle's folder, whole or not at all.

    Args:
        report: the run's figures.
        weights_sha256: hash of the bundle that stands there.
        folder: the bundle's.
    """
    with whole_file(folder / "README.md") as part:
        part.write_text(card(report, weights_sha256), encoding="utf-8")


def card(report: Report | ImageReport, weights_sha256: str) -> str:
    """The card as Markdown: data, protocol, leakage, seeds, figures, limits, use."""
    of_scene = isinstance(report, Report)
    facts = _scene_facts(report) if isinstance(report, Report) else _image_facts(report)
    limits = (*(LIMITS_OF_SCENES if of_scene else LIMITS_OF_IMAGES), LIMITS)
    sections = {
        "Data and protocol": _table(facts),
        "Figures": _table(_figures(report)),
        "By class": _classes(report),
        "What to know of these figures": _list(report.notes),
        "Limits": _list(limits),
        "Use": (
            f"Seed of the training: {report.seed}. One training, not the mean of several: "
            "`spectrolite repeat RUN` measures the spread.\n\n"
            f"Weights: sha256 `{weights_sha256}` as `sl.load_bundle(path).sha256` gives it. "
            "Nothing in this folder is unpickled.\n\n"
            + (
                "    spectrolite map FOLDER --scene SCENE --out map.tif"
                if of_scene
                else "    spectrolite classify FOLDER IMAGE..."
            )
        ),
    }
    title = f"# {report.model} ({report.variant}) on {_plain(report.data)}"
    body = "\n\n".join(f"## {name}\n\n{text}" for name, text in sections.items())
    return f"---\n{_front_matter(report)}---\n\n{title}\n\n{body}\n"


def _front_matter(report: Report | ImageReport) -> str:
    of_scene = isinstance(report, Report)
    task = "image-segmentation" if of_scene else "image-classification"
    metrics = [
        {"type": "accuracy", "name": "overall accuracy", "value": report.overall_accuracy},
        {"type": "accuracy", "name": "average accuracy", "value": report.average_accuracy},
    ]
    dataset = {"name": report.data, "type": report.data, "split": report.protocol.split}
    result = {"task": {"type": task}, "dataset": dataset, "metrics": metrics}
    content: dict[str, Any] = {
        "library_name": "spectrolite",
        "pipeline_tag": task,
        "tags": ["spectrolite", report.model, *(["hyperspectral"] if of_scene else [])],
        "model-index": [{"name": f"{report.model}-{report.variant}", "results": [result]}],
    }
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in content.items())


def _scene_facts(report: Report) -> dict[str, str]:
    protocol, leakage = report.protocol, report.leakage
    return {
        "scene": report.data,
        "split": protocol.split,
        "training, validation, test pixels": (
            f"{protocol.train:,}, {protocol.validation:,}, {protocol.test:,}"
        ),
        "bands": (
            f"{protocol.components} components, fitted on {protocol.bands_from} "
            f"({protocol.bands_pixels:,} pixels)"
        ),
        "patch": f"{leakage.patch} x {leakage.patch} pixels",
        "test pixels inside a training pixel's patch": f"{leakage.overlap:.1%}",
        "clean split": "yes" if leakage.clean else "no",
        "position alone, never sees the image": f"{100 * report.baselines.position:.2f} %",
        "SVM on the pixel": f"{100 * report.baselines.svm:.2f} %",
        "SVM on the pixel and its patch's mean": f"{100 * report.baselines.svm_context:.2f} %",
        "epochs": str(report.settings.training.epochs),
        "seed": str(report.seed),
    }


def _image_facts(report: ImageReport) -> dict[str, str]:
    protocol = report.protocol
    return {
        "images": report.data,
        "shape": " x ".join(map(str, report.input_shape)),
        "split": protocol.split,
        "training, validation, test images": (
            f"{protocol.train:,}, {protocol.validation:,}, {protocol.test:,}"
        ),
        "test images": "given with the data" if protocol.test_given else "drawn by the split",
        "leakage": "not measured: nothing here tells whether two images show the same object",
        "majority class": f"{100 * report.baselines.majority:.2f} %",
        "epochs": str(protocol.epochs),
        "seed": str(report.seed),
    }


def _figures(report: Report | ImageReport) -> dict[str, str]:
    return {
        "overall accuracy": f"{100 * report.overall_accuracy:.2f} %",
        "average accuracy": f"{100 * report.average_accuracy:.2f} %",
        "kappa x 100": f"{100 * report.kappa:.2f}",
        "parameters": f"{report.parameters:,}",
    }


def _classes(report: Report | ImageReport) -> str:
    rows = [
        f"| {c.id} | {_plain(c.name)} | {c.recall:.4f} | {c.precision:.4f} | {c.train} | {c.test} |"
        for c in report.per_class
    ]
    head = "| id | class | recall | precision | training | test |\n|---|---|---|---|---|---|"
    return "\n".join([head, *rows])


def _table(rows: dict[str, str]) -> str:
    lines = [f"| {name} | {_plain(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _list(lines: tuple[str, ...]) -> str:
    return "\n".join(f"- {_plain(line)}" for line in lines)


def _plain(text: str) -> str:
    """Text on one line that Markdown prints as it is, names in it included."""
    return re.sub(r"([\\`*_{}\[\]<>|#&])", r"\\\1", " ".join(text.split()))
