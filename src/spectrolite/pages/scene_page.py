"""The report as one self-contained HTML page: it needs no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from spectrolite.data.labels import Colour, Labels
from spectrolite.data.scene import AnyScene, Scene, Window
from spectrolite.data.scene_sets import AnyScenes, by_scene
from spectrolite.evaluation.figures import Figure
from spectrolite.evaluation.reports import LeakageFigures, Report
from spectrolite.mapping.map_frame import picture_step
from spectrolite.mapping.picture import paint
from spectrolite.mapping.scene_map import SceneMap
from spectrolite.pages.charts import APART, INSIDE, OVERLAPPING, distance_histogram, training_curve
from spectrolite.pages.html import percent, png, render, thousands
from spectrolite.pages.report_tables import class_rows, confusion_cells, key_values, seconds
from spectrolite.samples.leakage import check_patch
from spectrolite.samples.split_scene import Split
from spectrolite.training.loop import Epoch

TRAIN, VALIDATION, TEST, OTHER = (31, 119, 180), (255, 127, 14), (222, 222, 214), (46, 46, 46)
FALSE_COLOUR_NM = (860.0, 650.0, 550.0)  # near infrared, red, green


def report_page(
    report: Report, scene: AnyScenes, split: Split, maps: Sequence[SceneMap], log: list[Epoch]
) -> str:
    """The whole page as text.

    Args:
        report: the figures.
        scene: the scene, or several, for false-colour pictures.
        split: the split, for its picture and the ground truth.
        maps: the map of each scene.
        log: the training log.
    """
    figures = {figure.label: figure for figure in report.figure_list}
    colours = {i: _css(colour) for i, colour in maps[0].class_colours.items()}
    return render(
        "scene.html",
        title=f"{report.model} ({report.variant}) on {report.data}",
        report=report,
        headline=[
            (
                figures["overall accuracy"],
                f"95 % interval {figures['95 % interval (fields)']}, by resampling fields",
            ),
            (figures["average accuracy"], "mean recall of the tested classes"),
            (figures["kappa x 100"], "agreement beyond chance"),
            (figures["position alone"], "1-NN on row and column, no image"),
        ],
        wilson=report.interval_as_if_pixels_were_independent,
        leakage=[figure for figure in report.figure_list if figure.group == "leakage"],
        histogram=distance_histogram(report.leakage),
        distances=_distances(report.leakage),
        bars=_bars(report, figures),
        scenes=[
            (
                s.name,
                *map(thousands, (s.train, s.validation, s.test)),
                percent(s.overall_accuracy),
                percent(s.average_accuracy),
                f"{100 * s.kappa:.2f}",
            )
            for s in report.scenes
        ],
        maps=_maps(scene, split, maps),
        classes=[(colours[i], f"{i} {name}") for i, name in maps[0].class_names.items()],
        colours=[colours[c.id] for c in report.per_class],
        per_class=class_rows(report.per_class),
        confusion=confusion_cells(report.per_class, report.confusion),
        training=training_curve(log),
        facts=_facts(report),
    )


def _bars(report: Report, figures: dict[str, Figure]) -> list[tuple[str, Figure, bool]]:
    """Overall accuracies of the network and of the baselines."""
    rows = [(report.model, figures["overall accuracy"], True)]
    if report.flips is not None:
        accuracy, time = (
            figures[f"eight orientations: {name}"] for name in ("overall accuracy", "seconds")
        )
        rows.append((f"{report.model}, eight orientations averaged ({time} s)", accuracy, True))
    return rows + [(f.label, f, False) for f in report.figure_list if f.group == "baseline"]


Picture = tuple[str, str, list[tuple[str, str]]]
"""A picture: its address, its caption, and a legend of colours and names."""


def _maps(
    scene: AnyScenes, split: Split, maps: Sequence[SceneMap]
) -> list[tuple[str, list[Picture]]]:
    """The name and the pictures of each scene."""
    pictures = zip(scene.scenes, split.labels.parts, split_pictures(split), maps, strict=True)
    return [
        (one.name, _pictures(one, split, labels, picture, mapped))
        for one, labels, picture, mapped in pictures
    ]


def _pictures(
    scene: AnyScene, split: Split, labels: Labels, parts: NDArray[np.uint8], scene_map: SceneMap
) -> list[Picture]:
    """False colour, ground truth, split, map and confidence of a scene."""
    step = picture_step(labels.shape)
    confidence = colormaps["viridis"](scene_map.confidence[::step, ::step])[:, :, :3]
    truth = paint(labels.array[::step, ::step], split.labels.class_colours)
    legend = [
        (_css(colour), name)
        for colour, name, pixels in (
            (TRAIN, "training", split.train),
            (VALIDATION, "validation", split.validation),
            (TEST, "test", split.test),
        )
        if len(pixels)
    ]
    return [
        (png(false_colour(scene, step)), "False colour", []),
        (png(truth), "Ground truth; black is unlabelled", []),
        (png(parts[::step, ::step]), "Split: ", [*legend, (_css(OTHER), "neither")]),
        (
            png(paint(scene_map.classes, scene_map.class_colours)),
            "Map; pixels without a label are not scored",
            [],
        ),
        (
            png((255 * confidence).astype(np.uint8)),
            f"Confidence, {scene_map.confidence.min():.2f} (dark) to 1 (yellow); not calibrated",
            [],
        ),
    ]


def false_colour(scene: AnyScene, step: int = 1) -> NDArray[np.uint8]:
    """`(rows, cols, 3)`: near infrared, red and green where wavelengths are known.

    Every `step` of rows and columns. Without wavelengths, bands at three quarters, half and a
    quarter of the spectrum. Each channel is stretched between its 2nd and 98th percentile.
    """
    bands = scene.shape[2]
    if scene.wavelengths_nm is None:
        shown_bands = [bands * k // 4 for k in (3, 2, 1)]
    else:
        waves = np.asarray(scene.wavelengths_nm)
        shown_bands = [int(np.abs(waves - nm).argmin()) for nm in FALSE_COLOUR_NM]
    image = _every(scene, step, shown_bands).astype(np.float64)
    low, high = np.percentile(image, [2, 98], axis=(0, 1))
    stretched: NDArray[np.float64] = (image - low) / np.maximum(high - low, 1e-12)
    return (255 * stretched.clip(0, 1)).astype(np.uint8)


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


def _distances(leakage: LeakageFigures) -> list[tuple[str, int, float, str]]:
    """Colour, number and share of the test pixels in each zone around the training pixels."""
    halo = check_patch(leakage.patch)
    pairs = list(zip(leakage.distance_edges, leakage.distance_counts, strict=True))
    tested = sum(leakage.distance_counts)
    inside = sum(n for edge, n in pairs if edge <= halo)
    overlapping = sum(n for edge, n in pairs if halo < edge <= 2 * halo)
    zones = (
        (INSIDE, inside, f"inside a training pixel's patch (at most {halo} pixels away)"),
        (OVERLAPPING, overlapping, f"with a patch that overlaps one (at most {2 * halo})"),
        (APART, tested - inside - overlapping, "farther away"),
    )
    return [(colour, pixels, pixels / tested, words) for colour, pixels, words in zones]


def _facts(report: Report) -> dict[str, str]:
    protocol = report.protocol
    return {
        **report.facts,
        "training share achieved": f"{percent(protocol.train_share)} of the labelled pixels",
        "dropped by the guard": f"{protocol.dropped_by_guard:,} pixels",
        "classes raised to one pixel": ", ".join(protocol.raised.values()) or "none",
        "classes missing on a side": ", ".join(protocol.missing.values()) or "none",
        "bands": (
            f"{protocol.components} components, fitted on {protocol.bands_from} "
            f"({protocol.bands_pixels:,} pixels), {percent(protocol.explained)} of their variance"
        ),
        "training settings": key_values(report.settings.training.model_dump()),
        **{f.label: str(f) for f in report.figure_list if f.group == "size"},
        "seconds": seconds(report.times_s),
        "versions": key_values(report.versions),
        "machine": key_values(report.machine),
    }


def _css(colour: Colour) -> str:
    return f"rgb{tuple(int(c) for c in colour)}"
