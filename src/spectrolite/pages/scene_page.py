"""The report as one self-contained HTML page: it needs no network and no other file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from spectrolite.data.labels import Colour, Labels
from spectrolite.data.scene import AnyScene, Scene, Window
from spectrolite.data.scene_sets import AnyScenes, by_scene, scenes_of
from spectrolite.evaluation.scene_report import LeakageFigures, Report
from spectrolite.mapping.picture import paint, picture_step
from spectrolite.mapping.scene_map import SceneMap
from spectrolite.pages.charts import APART, INSIDE, OVERLAPPING, distance_histogram, training_curve
from spectrolite.pages.html import bars, boxes, confusion_table, document, facts_table, percent, png
from spectrolite.samples.leakage import check_patch
from spectrolite.samples.split_scene import Split
from spectrolite.training.loop import Epoch

TRAIN, VALIDATION, TEST, OTHER = (31, 119, 180), (255, 127, 14), (222, 222, 214), (46, 46, 46)
FALSE_COLOUR_NM = (860.0, 650.0, 550.0)  # near infrared, red, green


def report_page(
    report: Report, scene: AnyScenes, split: Split, made: Sequence[SceneMap], log: list[Epoch]
) -> str:
    """The whole page as text.

    Args:
        report: the figures.
        scene: the scene, or several, for false-colour pictures.
        split: the split, for its picture and the ground truth.
        made: the map of each scene.
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
        *_scenes(report),
        "<h2>Scene and map</h2>",
        *_maps(scene, split, made),
        "<h2>Class by class</h2>",
        _per_class(report, made[0]),
        "<h2>Confusion matrix</h2>",
        confusion_table(report.class_ids, [c.name for c in report.per_class], report.confusion),
        "<h2>Training</h2>",
        training_curve(log),
        '<p class="soft">Training accuracy is taken as the network trains, with dropout and '
        "flips.</p>",
        "<h2>Protocol, cost, versions</h2>",
        _facts(report),
    ]
    return document(title, parts)


def _headline(report: Report) -> str:
    fields, pixels = report.interval_fields, report.interval_as_if_pixels_were_independent
    shown = (
        (
            "overall accuracy",
            percent(report.overall_accuracy),
            f"95 % interval {percent(fields.low)} to {percent(fields.high)}, by resampling fields",
        ),
        ("average accuracy", percent(report.average_accuracy), "mean recall of the tested classes"),
        ("kappa", percent(report.kappa), "agreement beyond chance"),
        ("position alone", percent(report.baselines.position), "1-NN on row and column, no image"),
    )
    return (
        f'{boxes(shown)}<p class="soft">As if pixels were independent, which '
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
        f"median distance to the nearest training pixel {apart(leak)} (Chebyshev).</p>"
    )


def _bars(report: Report) -> str:
    figures = report.baselines
    rows = (
        (report.model, report.overall_accuracy, "own"),
        *(
            [
                (
                    f"{report.model}, eight orientations averaged ({flips.seconds:.2f} s)",
                    flips.overall_accuracy,
                    "own",
                )
            ]
            if (flips := report.flips)
            else []
        ),
        ("SVM, pixel and patch mean", figures.svm_context, ""),
        ("SVM, pixel", figures.svm, ""),
        ("position alone (1-NN)", figures.position, ""),
        ("majority class", figures.majority, ""),
    )
    return bars(rows)


def _scenes(report: Report) -> list[str]:
    """The figures scene by scene, where there are several."""
    if not report.scenes:
        return []
    head = "<th>scene</th>" + "".join(
        f'<th class="n">{name}</th>'
        for name in ("training", "validation", "test", "overall", "average", "kappa")
    )
    rows = "".join(
        f"<tr><td>{escape(s.name)}</td>"
        + "".join(
            f'<td class="n">{value}</td>'
            for value in (
                f"{s.train:,}",
                f"{s.validation:,}",
                f"{s.test:,}",
                percent(s.overall_accuracy),
                percent(s.average_accuracy),
                percent(s.kappa),
            )
        )
        + "</tr>"
        for s in report.scenes
    )
    table = f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'
    return ["<h2>Scene by scene</h2>", table]


def _maps(scene: AnyScenes, split: Split, made: Sequence[SceneMap]) -> list[str]:
    parts = []
    pictures = zip(scenes_of(scene), split.labels.parts, split_pictures(split), made, strict=True)
    for one, labels, picture, mapped in pictures:
        if len(made) > 1:
            parts.append(f"<h3>{escape(one.name)}</h3>")
        parts.append(_maps_of(one, split, labels, picture, mapped))
    return parts


def _maps_of(
    scene: AnyScene, split: Split, labels: Labels, picture: NDArray[np.uint8], made: SceneMap
) -> str:
    step = picture_step(labels.shape)
    confidence = colormaps["viridis"](made.confidence[::step, ::step])[:, :, :3]
    truth = paint(labels.array[::step, ::step], split.labels.class_colours)
    pictures = (
        (false_colour(scene, step), "False colour"),
        (truth, "Ground truth; black is unlabelled"),
        (
            picture[::step, ::step],
            "Split: "
            + ", ".join(
                f"{_chip(c)}{name}"
                for c, name, pixels in (
                    (TRAIN, "training", split.train),
                    (VALIDATION, "validation", split.validation),
                    (TEST, "test", split.test),
                )
                if len(pixels)
            )
            + f", {_chip(OTHER)}neither",
        ),
        (paint(made.classes, made.class_colours), "Map; between the fields it is not scored"),
        (
            (255 * confidence).astype(np.uint8),
            f"Confidence, {made.confidence.min():.2f} (dark) to 1 (yellow); not calibrated",
        ),
    )
    figures = "".join(
        f'<figure><img alt="" src="{png(image)}"><figcaption>{caption}</figcaption></figure>'
        for image, caption in pictures
    )
    legend = "".join(
        f"<li>{_chip(made.class_colours[i])}{i} {escape(name)}</li>"
        for i, name in made.class_names.items()
    )
    return f'<div class="maps">{figures}</div><ul class="legend">{legend}</ul>'


def apart(leakage: LeakageFigures) -> str:
    """The median distance in words."""
    distance = leakage.median_distance
    return "none in the same scene" if math.isnan(distance) else f"{distance:g} pixels"


def false_colour(scene: AnyScene, step: int = 1) -> NDArray[np.uint8]:
    """`(rows, cols, 3)`: near infrared, red and green where wavelengths are known.

    Every `step` of rows and columns. Without wavelengths, bands at three quarters, half and a
    quarter of the spectrum. Each channel is stretched between its 2nd and 98th percentile.
    """
    bands = scene.shape[2]
    if scene.wavelengths_nm is None:
        chosen = [bands * k // 4 for k in (3, 2, 1)]
    else:
        waves = np.asarray(scene.wavelengths_nm)
        chosen = [int(np.abs(waves - nm).argmin()) for nm in FALSE_COLOUR_NM]
    image = _every(scene, step, chosen).astype(np.float64)
    low, high = np.percentile(image, [2, 98], axis=(0, 1))
    stretched = (image - low) / np.maximum(high - low, 1e-12)
    bytes_: NDArray[np.uint8] = (255 * stretched.clip(0, 1)).astype(np.uint8)
    return bytes_


def _every(scene: AnyScene, step: int, bands: list[int]) -> NDArray[np.generic]:
    """Some bands of every `step` of rows and columns; of a file those rows are read."""
    if isinstance(scene, Scene):
        return scene.cube[::step, ::step, bands]
    rows, cols, _ = scene.shape
    lines = (scene.read(Window(row, row + 1, 0, cols))[0] for row in range(0, rows, step))
    return np.concatenate([line[:, ::step, bands] for line in lines])


def split_pictures(split: Split) -> list[NDArray[np.uint8]]:
    """`(rows, cols, 3)` of each scene: training blue, validation orange, test light, else dark."""
    flat = np.full((split.labels.array.size, 3), OTHER, np.uint8)
    for pixels, colour in (
        (split.test, TEST),
        (split.train, TRAIN),
        (split.validation, VALIDATION),
    ):
        flat[pixels] = colour
    shapes = split.labels.shapes
    images = by_scene(shapes, flat)
    return [image.reshape(*shape, 3) for image, shape in zip(images, shapes, strict=True)]


def _per_class(report: Report, made: SceneMap) -> str:
    head = "<th>class</th>" + "".join(
        f'<th class="n">{name}</th>' for name in ("training", "test", "precision", "recall", "F1")
    )
    rows = "".join(
        f"<tr><td>{_chip(made.class_colours[c.id])}{c.id} {escape(c.name)}</td>"
        + "".join(
            f'<td class="n">{value}</td>'
            for value in (
                f"{c.train:,}",
                f"{c.test:,}",
                percent(c.precision),
                percent(c.recall),
                percent(c.f1),
            )
        )
        + "</tr>"
        for c in report.per_class
    )
    return f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'


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
    shape = report.settings.model
    of_shape = (
        ()
        if shape.width is None
        else (("network", f"width {shape.width:g}, receptive field {report.leakage.patch}"),)
    )
    rows = (
        *of_shape,
        ("split", p.split),
        ("training share achieved", f"{percent(p.train_share)} of the labelled pixels"),
        ("dropped by the guard", f"{p.dropped_by_guard:,} pixels"),
        ("classes raised to one pixel", ", ".join(p.raised.values()) or "none"),
        ("classes missing on a side", ", ".join(p.missing.values()) or "none"),
        (
            "bands",
            f"{p.components} components, fitted on {p.bands_from} ({p.bands_pixels:,} "
            f"pixels), {percent(p.explained)} of their variance",
        ),
        ("training settings", ", ".join(f"{k}={v}" for k, v in training.items())),
        ("parameters", f"{report.parameters:,}"),
        (
            "multiply-accumulates",
            f"{report.macs_per_pixel:,} a pixel of a scene; "
            f"{report.macs_per_patch:,} a single patch",
        ),
        ("seconds", ", ".join(f"{k} {v:.1f}" for k, v in report.times_s.items())),
        ("versions", ", ".join(f"{k} {v}" for k, v in report.versions.items())),
        ("machine", ", ".join(f"{k} {v}" for k, v in report.machine.items())),
    )
    return facts_table(rows)


def _chip(colour: Colour) -> str:
    return f'<span class="chip" style="background:rgb{tuple(int(c) for c in colour)}"></span>'
