"""The page of a run on images: what it shows, and that it needs nothing else."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import spectrolite as sl
from spectrolite.mapping.image_inference import read_predictions
from spectrolite.pages.image_page import WRONG, enlarged, image_report_page


@pytest.fixture(scope="module")
def page(digits_run: sl.Run) -> str:
    return (digits_run.path / "report.html").read_text(encoding="utf-8")


def test_it_holds_the_figures_and_needs_no_other_file(page: str, digits_run: sl.Run) -> None:
    report = digits_run.report
    boxes = re.findall(r'<div class="figure">([^<]+)<b>([^<]+)</b>', page)
    assert boxes == [
        ("overall accuracy", f"{100 * report.overall_accuracy:.2f} %"),
        ("average accuracy", f"{100 * report.average_accuracy:.2f} %"),
        ("kappa x 100", f"{100 * report.kappa:.2f}"),
        ("calibration error", f"{100 * report.calibration_error:.2f} %"),
    ]
    rows = re.findall(r"<tr><td>(\d \d)</td>(.*)</tr>", page)
    cells = {name: re.findall(r'<td class="n">([^<]+)</td>', row) for name, row in rows}
    for c in report.per_class:
        figures = [f"{100 * value:.2f} %" for value in (c.precision, c.recall, c.f1)]
        assert cells[f"{c.id} {c.name}"] == [f"{c.train:,}", f"{c.test:,}", *figures]
    facts = dict(re.findall(r"<tr><td>([^<]+)</td><td>([^<]*)</td></tr>", page))
    assert facts["MACs an image"] == f"{report.macs:,}"
    assert facts["parameters"] == f"{report.parameters:,}"
    assert "optimiser=sgd" in facts["training"]
    assert "1,297 training, 145 validation, 355 test images" in page
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_wrong_ones_are_the_surest_wrong_ones(page: str, digits_run: sl.Run) -> None:
    _, test = sl.load("digits")
    made = read_predictions(digits_run.path / "predictions.safetensors", digits_run.bundle)
    wrong = np.flatnonzero(made.classes != test.targets)
    surest = sorted(wrong.tolist(), key=lambda i: -made.probabilities[i].max())[:WRONG]
    captions = re.findall(r"<figcaption>(\d) \((\d+)%\), is (\d)</figcaption>", page)
    assert len(captions) == min(WRONG, len(wrong))
    assert [(int(a), int(c)) for a, _, c in captions] == [
        (made.classes[i], test.targets[i]) for i in surest
    ]
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    first = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[0]))))
    np.testing.assert_array_equal(first[::12, ::12, 0], test.pixels[surest[0]][0])


def test_an_image_is_enlarged_by_whole_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 30), np.uint8)
    np.testing.assert_array_equal(enlarged(pixels)[::2, ::2], pixels.transpose(1, 2, 0))
    assert enlarged(np.zeros((5, 200, 200), np.uint8)).shape == (200, 200, 3)


def test_many_classes_are_a_picture_and_names_are_escaped(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    names = ("<b>", *(f"c{i}" for i in range(24)))
    targets = np.arange(400) % 25
    pixels = generator.integers(0, 256, (400, 1, 8, 8), np.uint8)
    images = sl.ImageSet(pixels, targets, names)
    run = sl.train(
        images,
        out=tmp_path / "run",
        model="mobilenet_v1",
        variant="course",
        width=0.1,
        epochs=1,
    )
    split = run.split(images, None)
    made = read_predictions(run.path / "predictions.safetensors", run.bundle)
    page = image_report_page(run.report, split, made, run.log())
    assert "<b>c" not in page
    assert "&lt;b&gt;" in page
    assert "Most often confused" in page
    assert 'class="confusion"' not in page
    (picture,) = re.findall(r'<div class="maps"><figure><img alt="" src="data:[^,]+,([^"]+)', page)
    painted = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))))[12::24, 12::24]
    np.testing.assert_array_equal((painted != 255).any(2), np.asarray(run.report.confusion) > 0)
