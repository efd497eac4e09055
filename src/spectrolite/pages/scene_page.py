"""The report as one self-contained HTML page: it needs no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence

from spectrolite.data.scene_sets import AnyScenes
from spectrolite.evaluation.figures import Figure
from spectrolite.evaluation.reports import LeakageFigures, Report
from spectrolite.mapping.scene_map import SceneMap
from spectrolite.pages.charts import APART, INSIDE, OVERLAPPING, distance_histogram, training_curve
from spectrolite.pages.html import percent, render, thousands
from spectrolite.pages.mosaic import Mosaic, mosaic_of
from spectrolite.pages.report_tables import class_rows, confusion_cells, key_values, seconds
from spectrolite.pages.scene_pictures import css, scene_pictures
from spectrolite.samples.leakage import check_patch
from spectrolite.samples.split_scene import Split
from spectrolite.training.loop import Epoch


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
    mosaic = mosaic_of(scene.scenes)
    figures = {figure.label: figure for figure in report.figure_list}
    colours = {i: css(colour) for i, colour in maps[0].class_colours.items()}
    return render(
        "scene.html",
        title=f"{report.model} ({report.variant}) on {report.data_in_short}",
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
        pictures=scene_pictures(scene.scenes, mosaic, split, maps),
        together=_together(mosaic),
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


def _together(mosaic: Mosaic) -> str | None:
    """How the scenes of a mosaic are placed; None for one scene."""
    count = len(mosaic.corners)
    if count == 1:
        return None
    how = "at their coordinates" if mosaic.by_coordinates else "in the order of the table above"
    return f"{count} scenes, {how}; the maps in full size are in the folder maps."


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
