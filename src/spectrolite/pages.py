"""The report as one self-contained HTML page: it needs no network and no other file."""

from __future__ import annotations

import base64
import io
import math
from html import escape

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from spectrolite.charts import APART, INSIDE, OVERLAPPING, distance_histogram, training_curve
from spectrolite.leakage import check_patch
from spectrolite.mapping import SceneMap, paint
from spectrolite.reports import LeakageFigures, Report
from spectrolite.scene import Colour, Scene
from spectrolite.splits import Split
from spectrolite.training import Epoch

TRAIN, VALIDATION, TEST, OTHER = (31, 119, 180), (255, 127, 14), (222, 222, 214), (46, 46, 46)
FALSE_COLOUR_NM = (860.0, 650.0, 550.0)  # near infrared, red, green

STYLE = """
:root { --ink: #1c2126; --soft: #5d6770; --line: #dfe3e6; --paper: #ffffff; --accent: #1f6f8b;
  --good: #1e7d4f; --good-paper: #e9f6ef; --warn: #9a5b00; --warn-paper: #fff5e2; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 32px 28px 64px; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 28px; } h2 { margin: 40px 0 12px; font-size: 19px; }
.soft { color: var(--soft); } code { font-size: 13px; overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: 16px; margin: 24px 0; }
.figure { flex: 1 1 170px; border: 1px solid var(--line); border-radius: 8px; padding: 14px 18px; }
.figure b { display: block; font-size: 30px; line-height: 1.2; font-weight: 650; }
.verdict { border-left: 5px solid var(--warn); background: var(--warn-paper); border-radius: 4px;
  padding: 12px 20px; } .verdict.clean { border-color: var(--good); background: var(--good-paper); }
.verdict h2 { margin: 0 0 6px; color: var(--warn); } .verdict.clean h2 { color: var(--good); }
.verdict ul { margin: 0; padding-left: 20px; }
.bars { display: grid; grid-template-columns: fit-content(40%) 1fr 64px; gap: 6px 14px;
  align-items: center; } .bars div.bar { background: #eef1f3; border-radius: 3px; }
.bars div.bar i { display: block; height: 16px; border-radius: 3px; background: #9fb3c0; }
.bars div.bar i.own { background: var(--accent); } .bars .value { text-align: right; }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 18px; }
.maps figure { margin: 0; } .maps img { width: 100%; image-rendering: pixelated; display: block;
  border-radius: 4px; border: 1px solid var(--line); }
figcaption { font-size: 13px; color: var(--soft); margin-top: 6px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 14px 0 0; padding: 0;
  list-style: none; font-size: 13px; } .chip { display: inline-block; width: 12px; height: 12px;
  border-radius: 2px; margin-right: 6px; border: 1px solid rgba(0, 0, 0, .25);
  vertical-align: -1px; }
table { border-collapse: collapse; font-size: 14px; } th { text-align: left; font-weight: 600; }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } .confusion td, .confusion th { padding: 3px 5px; text-align: right;
  border: 1px solid #fff; min-width: 34px; font-size: 12px; font-variant-numeric: tabular-nums; }
.facts td { overflow-wrap: anywhere; } .facts td:first-child { color: var(--soft);
  vertical-align: top; min-width: 110px; overflow-wrap: normal; }
img.curve { width: 100%; max-width: 760px; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } }
"""


def report_page(
    report: Report, scene: Scene, split: Split, made: SceneMap, log: list[Epoch]
) -> str:
    """The whole page as text.

    Args:
        report: the figures.
        scene: the scene, for its false-colour picture.
        split: the split, for its picture and the ground truth.
        made: the map.
        log: the training log.
    """
    title = f"{report.model} ({report.variant}) on {report.data}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">split <code>{escape(report.protocol.split)}</code> · training seed '
        f"{report.seed} · {report.protocol.train:,} training, {report.protocol.validation:,} "
        f"validation, {report.protocol.test:,} test pixels; only test pixels are scored</p>",
        _headline(report),
        _verdict(report),
        "<h2>How far the test pixels lie from the training</h2>",
        _distances(report.leakage),
        "<h2>Against the baselines, same pixels</h2>",
        _bars(report),
        "<h2>Scene and map</h2>",
        _maps(scene, split, made),
        "<h2>Class by class</h2>",
        _per_class(report, made),
        "<h2>Confusion matrix</h2>",
        _confusion(report),
        "<h2>Training</h2>",
        training_curve(log),
        '<p class="soft">Training accuracy is taken as the network trains, with dropout and '
        "flips.</p>",
        "<h2>Protocol, cost, versions</h2>",
        _facts(report),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def percent(value: float) -> str:
    """A fraction as a percentage, or a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{100 * value:.2f} %"


def _headline(report: Report) -> str:
    fields, pixels = report.interval_fields, report.interval_as_if_pixels_were_independent
    boxes = (
        ("overall accuracy", percent(report.overall_accuracy),
         f"95 % interval {percent(fields.low)} to {percent(fields.high)}, by resampling fields"),
        ("average accuracy", percent(report.average_accuracy), "mean recall of the tested classes"),
        ("kappa", percent(report.kappa), "agreement beyond chance"),
        ("position alone", percent(report.baselines.position), "1-NN on row and column, no image"),
    )  # fmt: skip
    cells = "".join(
        f'<div class="figure">{name}<b>{value}</b><span class="soft">{note}</span></div>'
        for name, value, note in boxes
    )
    return (
        f'<div class="figures">{cells}</div><p class="soft">As if pixels were independent, which '
        f"neighbours are not, the interval would be {percent(pixels.low)} to "
        f"{percent(pixels.high)} (Wilson).</p>"
    )


def _verdict(report: Report) -> str:
    leak = report.leakage
    clean, title = ("clean", "A clean split") if leak.clean else ("", "Read this before the score")
    items = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f'<div class="verdict {clean}"><h2>{title}</h2><ul>{items}</ul></div>'
        f'<p class="soft">Leakage for a patch of {leak.patch}: overlap {percent(leak.overlap)}, '
        f"median distance to the nearest training pixel {leak.median_distance:g} pixels "
        "(Chebyshev).</p>"
    )


def _bars(report: Report) -> str:
    figures = report.baselines
    rows = (
        (report.model, report.overall_accuracy, "own"),
        *([(f"{report.model}, eight orientations averaged ({flips.seconds:.2f} s)",
            flips.overall_accuracy, "own")] if (flips := report.flips) else []),
        ("SVM, pixel and patch mean", figures.svm_context, ""),
        ("SVM, pixel", figures.svm, ""),
        ("position alone (1-NN)", figures.position, ""),
        ("majority class", figures.majority, ""),
    )  # fmt: skip
    cells = "".join(
        f'<span>{escape(name)}</span><div class="bar"><i class="{kind}" '
        f'style="width:{100 * value:.1f}%"></i></div><span class="value">{percent(value)}</span>'
        for name, value, kind in rows
    )
    return f'<div class="bars">{cells}</div>'


def _maps(scene: Scene, split: Split, made: SceneMap) -> str:
    labels = split.labels
    confidence = colormaps["viridis"](made.confidence)[:, :, :3]
    pictures = (
        (false_colour(scene), "False colour"),
        (paint(labels.array, labels.class_colours), "Ground truth; black is unlabelled"),
        (split_picture(split), "Split: " + ", ".join(
            f"{_chip(c)}{name}" for c, name, pixels in (
                (TRAIN, "training", split.train), (VALIDATION, "validation", split.validation),
                (TEST, "test", split.test)) if len(pixels)
        ) + f", {_chip(OTHER)}neither"),
        (paint(made.classes, made.class_colours), "Map; between the fields it is not scored"),
        ((255 * confidence).astype(np.uint8),
         f"Confidence, {made.confidence.min():.2f} (dark) to 1 (yellow); not calibrated"),
    )  # fmt: skip
    figures = "".join(
        f'<figure><img alt="" src="{_png(image)}"><figcaption>{caption}</figcaption></figure>'
        for image, caption in pictures
    )
    legend = "".join(
        f"<li>{_chip(made.class_colours[i])}{i} {escape(name)}</li>"
        for i, name in made.class_names.items()
    )
    return f'<div class="maps">{figures}</div><ul class="legend">{legend}</ul>'


def false_colour(scene: Scene) -> NDArray[np.uint8]:
    """`(rows, cols, 3)`: near infrared, red and green where wavelengths are known.

    Without wavelengths, bands at three quarters, half and a quarter of the spectrum. Each channel
    is stretched between its 2nd and 98th percentile.
    """
    bands = scene.shape[2]
    if scene.wavelengths_nm is None:
        chosen = [bands * k // 4 for k in (3, 2, 1)]
    else:
        waves = np.asarray(scene.wavelengths_nm)
        chosen = [int(np.abs(waves - nm).argmin()) for nm in FALSE_COLOUR_NM]
    image = scene.cube[:, :, chosen].astype(np.float64)
    low, high = np.percentile(image, [2, 98], axis=(0, 1))
    stretched = (image - low) / np.maximum(high - low, 1e-12)
    bytes_: NDArray[np.uint8] = (255 * stretched.clip(0, 1)).astype(np.uint8)
    return bytes_


def split_picture(split: Split) -> NDArray[np.uint8]:
    """`(rows, cols, 3)`: training blue, validation orange, test light, all else dark."""
    image = np.full((*split.labels.shape, 3), OTHER, np.uint8)
    flat = image.reshape(-1, 3)
    for pixels, colour in (
        (split.test, TEST), (split.train, TRAIN), (split.validation, VALIDATION),
    ):  # fmt: skip
        flat[pixels] = colour
    return image


def _per_class(report: Report, made: SceneMap) -> str:
    head = "<th>class</th>" + "".join(
        f'<th class="n">{name}</th>' for name in ("training", "test", "precision", "recall", "F1")
    )
    rows = "".join(
        f"<tr><td>{_chip(made.class_colours[c.id])}{c.id} {escape(c.name)}</td>"
        + "".join(
            f'<td class="n">{value}</td>'
            for value in (
                f"{c.train:,}", f"{c.test:,}", percent(c.precision), percent(c.recall),
                percent(c.f1),
            )
        )
        + "</tr>"
        for c in report.per_class
    )  # fmt: skip
    return f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'


def _confusion(report: Report) -> str:
    names = {c.id: c.name for c in report.per_class}
    head = "<th></th>" + "".join(
        f'<th title="{escape(names[i])}">{i}</th>' for i in report.class_ids
    )
    rows = []
    for i, row in zip(report.class_ids, report.confusion, strict=True):
        total = max(sum(row), 1)
        cells = []
        for j, n in zip(report.class_ids, row, strict=True):
            colour = "31,111,139" if i == j else "200,60,40"
            strength = 0.75 * (n / total) ** 0.5
            cells.append(
                f'<td style="background:rgba({colour},{strength:.2f})" '
                f'title="{escape(names[i])} called {escape(names[j])}">{n or ""}</td>'
            )
        rows.append(f"<tr><th>{i} {escape(names[i])}</th>{''.join(cells)}</tr>")
    return (
        '<p class="soft">Truth along the rows, prediction along the columns; shades are shares of '
        f'a row.</p><div class="wide"><table class="confusion"><tr>{head}</tr>{"".join(rows)}'
        "</table></div>"
    )


def _distances(leakage: LeakageFigures) -> str:
    halo = check_patch(leakage.patch)
    pairs = list(zip(leakage.distance_edges, leakage.distance_counts, strict=True))
    tested = sum(leakage.distance_counts)
    inside = sum(n for edge, n in pairs if edge <= halo)
    overlapping = sum(n for edge, n in pairs if halo < edge <= 2 * halo)
    parts = (
        (INSIDE, inside, f"inside a training pixel's patch (at most {halo} pixels away)"),
        (OVERLAPPING, overlapping, f"with a patch that overlaps one (at most {2 * halo})"),
        (APART, tested - inside - overlapping, "farther away"),
    )
    legend = "".join(
        f'<li><span class="chip" style="background:{colour}"></span>{n:,} '
        f"({percent(n / tested)}) {words}</li>"
        for colour, n, words in parts
    )
    return (
        f'{distance_histogram(leakage)}<ul class="legend">{legend}</ul>'
        f'<p class="soft">{tested:,} test pixels; the last bar holds all that are '
        f"{leakage.distance_edges[-1]} pixels away or more.</p>"
    )


def _facts(report: Report) -> str:
    p = report.protocol
    training = report.settings.training.model_dump()
    rows = (
        ("split", p.split),
        ("training share achieved", f"{percent(p.train_share)} of the labelled pixels"),
        ("dropped by the guard", f"{p.dropped_by_guard:,} pixels"),
        ("classes raised to one pixel", ", ".join(p.raised.values()) or "none"),
        ("classes missing on a side", ", ".join(p.missing.values()) or "none"),
        ("bands", f"{p.components} components, fitted on {p.bands_from} ({p.bands_pixels:,} "
                  f"pixels), {percent(p.explained)} of their variance"),
        ("training settings", ", ".join(f"{k}={v}" for k, v in training.items())),
        ("parameters", f"{report.parameters:,}"),
        ("multiply-accumulates", f"{report.macs_per_pixel:,} a pixel of a scene; "
                                 f"{report.macs_per_patch:,} a single patch"),
        ("seconds", ", ".join(f"{k} {v:.1f}" for k, v in report.times_s.items())),
        ("versions", ", ".join(f"{k} {v}" for k, v in report.versions.items())),
        ("machine", ", ".join(f"{k} {v}" for k, v in report.machine.items())),
    )  # fmt: skip
    body = "".join(f"<tr><td>{k}</td><td>{escape(str(v))}</td></tr>" for k, v in rows)
    return f'<table class="facts">{body}</table>'


def _chip(colour: Colour) -> str:
    return f'<span class="chip" style="background:rgb{tuple(int(c) for c in colour)}"></span>'


def _png(image: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
