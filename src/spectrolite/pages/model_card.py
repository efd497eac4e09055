"""The model card of a run, in the format of the Hugging Face Hub.

`README.md` begins with YAML between two lines of dashes. Every value in it is written as JSON,
which YAML contains, so no name in the data can break out of it. The card holds no
times: the same run gives the same card.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spectrolite.evaluation.image_report import ImageReport
from spectrolite.evaluation.reports import Report
from spectrolite.files import whole_file
from spectrolite.pages.html import render

SHOWN = ("accuracy", "calibration", "leakage", "baseline", "size")
"""Groups of figures in the card; times are not among them."""
LIMITS = (
    "The confidence is a softmax, not a calibrated probability; `spectrolite doctor` measures the "
    "calibration error."
)
LIMITS_IF_CALIBRATED = (
    "The confidence is calibrated as the notes above say, for pixels like those it was calibrated "
    "on; `spectrolite doctor` measures the calibration error."
)
LIMITS_OF_SCENES = (
    "It knows the classes of its training data and the bands of one sensor, in the units of its "
    "training data; a scene with other bands is refused, a scene in other units is not.",
    "Every pixel gets one of these classes, even if it belongs to none of them.",
    "Pixels beyond the border count as the mean spectrum.",
)
LIMITS_OF_IMAGES = (
    "Images of another size are resized to the shape it was trained on, which changes what the "
    "network sees.",
    "Every image gets one of these classes, even if it shows none of them.",
)


def write_card(report: Report | ImageReport, weights_sha256: str, folder: Path) -> None:
    """Write `README.md` into a bundle's folder, whole or not at all.

    Args:
        report: the run's figures.
        weights_sha256: hash of the bundle in the folder.
        folder: the bundle's.
    """
    with whole_file(folder / "README.md") as part:
        part.write_text(card(report, weights_sha256), encoding="utf-8")


def card(report: Report | ImageReport, weights_sha256: str) -> str:
    """The card as Markdown: data, protocol, leakage, seeds, figures, limits, use."""
    on_scene = isinstance(report, Report)
    return render(
        "card.md",
        front={key: json.dumps(value) for key, value in _front_matter(report).items()},
        report=report,
        facts=_scene_facts(report) if isinstance(report, Report) else _image_facts(report),
        figures=[figure for figure in report.figure_list if figure.group in SHOWN],
        limits=(
            *(LIMITS_OF_SCENES if on_scene else LIMITS_OF_IMAGES),
            LIMITS_IF_CALIBRATED if _calibrated(report) else LIMITS,
        ),
        weights_sha256=weights_sha256,
        command="spectrolite map FOLDER --scene SCENE --out map.tif"
        if on_scene
        else "spectrolite classify FOLDER IMAGE...",
    )


def _calibrated(report: Report | ImageReport) -> bool:
    return isinstance(report, Report) and report.settings.training.calibrate


def _front_matter(report: Report | ImageReport) -> dict[str, Any]:
    on_scene = isinstance(report, Report)
    task = "image-segmentation" if on_scene else "image-classification"
    metrics = [
        {"type": "accuracy", "name": "overall accuracy", "value": report.overall_accuracy},
        {"type": "accuracy", "name": "average accuracy", "value": report.average_accuracy},
    ]
    dataset = {"name": report.data, "type": report.data, "split": report.protocol.split}
    result = {"task": {"type": task}, "dataset": dataset, "metrics": metrics}
    return {
        "library_name": "spectrolite",
        "pipeline_tag": task,
        "tags": ["spectrolite", report.model, *(["hyperspectral"] if on_scene else [])],
        "model-index": [{"name": f"{report.model}-{report.variant}", "results": [result]}],
    }


def _scene_facts(report: Report) -> dict[str, str]:
    protocol, patch = report.protocol, report.leakage.patch
    return {
        "scene": report.data,
        **report.facts,
        "bands": (
            f"{protocol.components} components, fitted on {protocol.bands_from} "
            f"({protocol.bands_pixels:,} pixels)"
        ),
        "patch": f"{patch} x {patch} pixels",
        "epochs": str(report.settings.training.epochs),
        "seed": str(report.seed),
    }


def _image_facts(report: ImageReport) -> dict[str, str]:
    protocol = report.protocol
    return {
        "images": report.data,
        "shape": " x ".join(map(str, report.input_shape)),
        **report.facts,
        "test images": "given with the data" if protocol.test_given else "drawn by the split",
        "leakage": "not measured: nothing here tells whether two images show the same object",
        "epochs": str(protocol.epochs),
        "seed": str(report.seed),
    }
