"""Draw the README's picture from the runs of `spectrolite demo --full`.

python docs/make_picture.py demo docs/demo.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import spectrolite as sl
from spectrolite.mapping.picture import paint
from spectrolite.pages.false_colour import false_colour
from spectrolite.pages.scene_pictures import split_pictures


def main() -> None:
    """One row a run: split, map, and what the map is worth."""
    folder, out = map(Path, sys.argv[1:])
    figure = Figure(figsize=(11, 6.6), layout="constrained")
    axes = figure.subplots(2, 4)
    for row, name in enumerate(("random", "blocks")):
        run = sl.open_run(folder / name)
        scene, labels = run.data()
        split, report = run.split(labels), run.report
        made = sl.classify(run, scene)
        tested = np.zeros_like(made.classes)
        tested.flat[split.test] = made.classes.flat[split.test]
        right = report.overall_accuracy
        pictures = (
            (false_colour(scene), "Indian Pines, false colour")
            if row == 0
            else (paint(labels.array, labels.class_colours), "ground truth"),
            (split_pictures(split)[0], f"{name}: training blue, test grey"),
            (paint(made.classes, made.class_colours), "map of the whole scene"),
            (
                paint(tested, made.class_colours),
                f"what is scored: {right:.1%}\n(position alone {report.baselines.position:.1%})",
            ),
        )
        for axis, (picture, title) in zip(axes[row], pictures, strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set_title(title, fontsize=10)
            axis.set_axis_off()
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main()
