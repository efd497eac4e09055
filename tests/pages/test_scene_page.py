"""The report's page: one file, no network, readable; the reference is a browser.

The figures are compared with `report.json`, the histogram with a count over all pairs of pixels
and with the heights of the drawn bars, the pictures with what the browser could decode.
"""

from __future__ import annotations

import base64
import html
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import spectrolite as sl
from spectrolite.evaluation.reports import LeakageFigures
from spectrolite.experiments.scene_experiment import read_maps
from spectrolite.pages.charts import APART, INSIDE, OVERLAPPING, distance_histogram
from spectrolite.pages.html import percent
from spectrolite.pages.scene_page import report_page
from spectrolite.runs.run_folder import SceneRun

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def page(tiny_run: sl.Run) -> str:
    """The page of the tiny run."""
    return (tiny_run.path / "report.html").read_text(encoding="utf-8")


def test_the_page_is_one_well_formed_file(page: str) -> None:
    class Checker(HTMLParser):
        """Counts open tags and collects what is referred to."""

        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.links: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.links += [v or "" for k, v in attrs if k in ("src", "href")]
            if tag not in ("meta", "img"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert len(checker.links) == 7  # five pictures, the histogram and the curve
    assert all(link.startswith("data:image/") for link in checker.links)
    assert "<script" not in page
    assert "url(" not in page


def test_the_page_shows_the_figures_of_the_report(page: str, tiny_run: sl.Run) -> None:
    report = tiny_run.report
    baselines = report.baselines
    boxes = re.findall(r'<div class="figure">([^<]+)<b>([^<]+)</b>', page)
    assert boxes == [
        ("overall accuracy", f"{100 * report.overall_accuracy:.2f} %"),
        ("average accuracy", f"{100 * report.average_accuracy:.2f} %"),
        ("kappa x 100", f"{100 * report.kappa:.2f}"),
        ("position alone", f"{100 * baselines.position:.2f} %"),
    ]
    fields = report.interval_fields
    low, high = 100 * fields.low, 100 * fields.high
    shown = f"95 % interval {low:.2f} to {high:.2f} % ({fields.n} fields), by resampling fields"
    assert shown in page
    bars = re.findall(
        r'<span>([^<]+)</span><div class="bar"><i[^>]* style="width:([^%]+)%"></i></div>'
        r'<span class="value">([^<]+)</span>',
        page,
    )
    assert bars == [
        (label, f"{100 * value:.1f}", f"{100 * value:.2f} %")
        for label, value in (
            ("hybridsn", report.overall_accuracy),
            ("SVM, pixel and patch mean", baselines.svm_context),
            ("SVM, pixel", baselines.svm),
            ("position alone", baselines.position),
            ("majority class", baselines.majority),
        )
    ]
    facts = dict(re.findall(r"<tr><td>([^<]+)</td><td>([^<]*)</td></tr>", page))
    assert facts["parameters"] == f"{report.parameters:,}"
    assert facts["MACs a pixel"] == f"{report.macs_per_pixel:,}"
    assert facts["split"] == report.protocol.split
    assert "fitted on train" in facts["bands"]
    assert f"torch={report.versions['torch']}" in facts["versions"]
    cells = re.findall(r'<td style="background:[^"]*" title="[^"]*">(\d*)</td>', page)
    assert cells == [str(n or "") for row in report.confusion for n in row]


def test_a_class_name_is_escaped(tiny_run: sl.Run) -> None:
    """The map's legend, the table of classes and the confusion matrix show the names."""
    names = {2: "<script>alert(1)</script>", 3: 'Oats & "rye"', 7: "class 7"}
    report = tiny_run.report
    renamed = tuple(c.model_copy(update={"name": names[c.id]}) for c in report.per_class)
    scene, labels = tiny_run.data()
    assert isinstance(tiny_run, SceneRun)
    mapped = [replace(one, class_names=names) for one in read_maps(tiny_run)]
    page = report_page(
        report.model_copy(update={"per_class": renamed, "data": "<i>data</i>"}),
        scene,
        tiny_run.split(scene, labels),
        mapped,
        tiny_run.log(),
    )
    assert "<script" not in page
    assert "<i>data" not in page
    assert page.count("&lt;script&gt;") >= 5
    assert "Oats &amp; &#34;rye&#34;" in page


def distances(report: sl.Report, labels: sl.Labels) -> list[int]:
    """Chebyshev distance of each test pixel of the tiny run, pair by pair."""
    drawn = sl.split(labels, "random", train=0.2, seed=1)
    cols = labels.shape[1]
    assert len(drawn.test) == report.protocol.test
    return [
        min(max(abs(t // cols - s // cols), abs(t % cols - s % cols)) for s in drawn.seen.tolist())
        for t in drawn.test.tolist()
    ]


def test_the_histogram_counts_each_distance(page: str, tiny_run: sl.Run) -> None:
    leakage = tiny_run.report.leakage
    found = distances(tiny_run.report, tiny_run.data()[1])
    counts = [found.count(edge) for edge in range(1, 51)]
    assert leakage.distance_edges == tuple(range(1, 51))
    assert list(leakage.distance_counts) == counts
    assert sum(counts) == len(found)
    assert (
        f"{len(found):,} (100.00 %) inside a training pixel's patch (at most 12 pixels away)"
        in html.unescape(page)
    )
    assert "0 (0.00 %) with a patch that overlaps one (at most 24)" in page
    assert "0 (0.00 %) farther away" in page
    assert "the last bar holds all that are 50 pixels away or more" in page


@pytest.mark.parametrize("patch", [1, 5, 13, 25, 61])
def test_the_bars_are_as_high_as_their_counts_and_tell_the_reach_of_the_patch(patch: int) -> None:
    generator = np.random.default_rng(patch)
    edges = tuple(range(1, 2 * patch + 1))
    counts = tuple(generator.integers(1, 500, len(edges)).tolist())
    leakage = LeakageFigures(
        patch=patch,
        overlap=0.5,
        median_distance=1,
        majority=0.5,
        position=0.5,
        clean=False,
        distance_edges=edges,
        distance_counts=counts,
    )
    encoded = re.search(r"base64,([^\"]+)", distance_histogram(leakage))
    assert encoded is not None
    svg = base64.b64decode(encoded.group(1)).decode()
    assert distance_histogram(leakage) == distance_histogram(leakage)
    for edge, count in zip(edges, counts, strict=True):
        bar = re.search(rf'<g id="distance-{edge}">\s*<path d="([^"]+)"[^>]*fill: (#\w+)', svg)
        assert bar is not None
        heights = [float(y) for y in re.findall(r"[ML] \S+ (\S+)", bar.group(1))]
        scale = (max(heights) - min(heights)) / count
        assert scale == pytest.approx(_scale(svg, counts[0]), rel=1e-3)
        zone = 0 if edge <= patch // 2 else 1 if edge <= 2 * (patch // 2) else 2
        assert bar.group(2) == (INSIDE, OVERLAPPING, APART)[zone]


def _scale(svg: str, count: int) -> float:
    """Height of a test pixel in the first bar."""
    path = re.search(r'<g id="distance-1">\s*<path d="([^"]+)"', svg)
    assert path is not None
    heights = [float(y) for y in re.findall(r"[ML] \S+ (\S+)", path.group(1))]
    return (max(heights) - min(heights)) / count


def test_undefined_figures_are_dashes() -> None:
    assert percent(float("nan")) == "–"
    assert percent(0.98765) == "98.76 %" or percent(0.98765) == "98.77 %"


def test_a_browser_shows_it_without_asking_anyone(tiny_run: sl.Run) -> None:
    from playwright.sync_api import sync_playwright

    browser_path = next((shutil.which(b) for b in BROWSERS if shutil.which(b)), None)
    if browser_path is None:
        pytest.skip("no Chromium on this machine")
    asked: list[str] = []
    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        for width in (1280, 400):
            shown = browser.new_page(viewport={"width": width, "height": 900})
            shown.on("request", lambda request: asked.append(request.url))
            shown.on("console", lambda message: said.append(message.text))
            shown.goto((tiny_run.path / "report.html").as_uri())
            sizes = shown.evaluate("[...document.images].map(i => i.complete && i.naturalWidth)")
            assert len(sizes) == 7
            assert all(size > 20 for size in sizes)
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            assert "Read this before the score" in shown.inner_text("body")
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
