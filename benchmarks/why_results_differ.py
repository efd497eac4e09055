"""Why two results differ: each cause switched on alone, and the spread that it makes.

    python benchmarks/why_results_differ.py           # 12 minutes of one core: result and picture
    python benchmarks/why_results_differ.py --draw    # the picture alone, from the result

HybridSN with 15 components on a part of Indian Pines, 60 steps. One base run fixes data, split,
weights, order, dropout and one thread; every other run differs from it in one thing. Seeds stand
for what is drawn anew when nothing is seeded, so that this script gives the same table twice.
Standard deviations are those of a sample (n - 1).
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from records import RESULTS, Record, Repeat, Values, write_record
from torch import nn

import spectrolite as sl
from spectrolite.hashing import array_sha256
from spectrolite.models import SceneNetwork, build_scene_model
from spectrolite.samples.band_reduction import fit_bands
from spectrolite.training.keywords import settings
from spectrolite.training.scene_loop import fit_scene

NAME = "why_results_differ"
PICTURE = Path(__file__).parent.parent / "docs" / "why-results-differ.png"
PART = sl.Window(18, 90, 6, 78)  # of Indian Pines: 11 of the 16 classes with at least ten pixels
SPLIT_SEED = 345
COMPONENTS, EPOCHS, REPEATS = 15, 60, 5
BATCHES = (2, 8, 128)
LIVE = (nn.Dropout, nn.BatchNorm2d, nn.BatchNorm3d)


class Laboratory:
    """The part of the scene, one way of training on it, and one of scoring."""

    def __init__(self) -> None:
        scene, labels = sl.load("indian_pines")
        ids = np.ascontiguousarray(labels.array[PART.slices])
        names = {i: labels.class_names[i] for i in np.unique(ids[ids > 0]).tolist()}
        self.scene = sl.Scene(np.ascontiguousarray(scene.cube[PART.slices]), name="part")
        self.labels = sl.Labels(ids, class_names=names)
        self.settings = settings(components=COMPONENTS, epochs=EPOCHS, device="cpu").training

    def split(self, seed: int = SPLIT_SEED) -> sl.Split:
        """A tenth of the labelled pixels trains, at random."""
        return sl.split(self.labels, "random", train=0.1, seed=seed)

    def inputs(self, split: sl.Split) -> NDArray[np.float32]:
        """`(rows, cols, components)` reduced as the split's training pixels say."""
        return fit_bands(self.scene, split, COMPONENTS).reduce(self.scene.cube)

    def train(
        self, weights: int = 0, order: int = 0, dropout: int = 0, split: int = SPLIT_SEED
    ) -> tuple[SceneNetwork, float]:
        """One training and its accuracy on the test pixels, from 0 to 1."""
        drawn = self.split(split)
        reduced = self.inputs(drawn)
        generator = torch.Generator().manual_seed(weights)
        classes = len(self.labels.class_ids)
        net = build_scene_model("hybridsn", bands=COMPONENTS, classes=classes, generator=generator)
        fit_scene(net, reduced, drawn, self.settings, order, dropout)
        return net, self.score(net, reduced, drawn)

    @torch.inference_mode()
    def score(self, net: SceneNetwork, reduced: NDArray[np.float32], split: sl.Split) -> float:
        """Accuracy on the test pixels, from the dense form."""
        padded = _padded(reduced, net.halo)
        predicted = sl.dense(net)(padded[None])[0].argmax(0).flatten()
        return self._accuracy(predicted[torch.from_numpy(split.test)], split)

    @torch.inference_mode()
    def score_patches(
        self, net: SceneNetwork, batch: int, live: tuple[type[nn.Module], ...], seed: int
    ) -> tuple[float, float]:
        """Accuracy over test patches in random order with some layers left in training mode.

        Returns:
            The accuracy so measured, and that in evaluation mode afterwards.
        """
        net = copy.deepcopy(net).eval()
        for module in net.modules():
            if isinstance(module, live):
                module.train()
        split = self.split()
        reduced = self.inputs(split)
        padded, side = _padded(reduced, net.halo), 2 * net.halo + 1
        rows, cols = np.unravel_index(split.test, self.labels.shape)
        predicted = torch.empty(len(rows), dtype=torch.int64)
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for part in torch.split(torch.randperm(len(rows), generator=generator), batch):
                patches = torch.stack(
                    [padded[:, rows[i] : rows[i] + side, cols[i] : cols[i] + side] for i in part]
                )
                predicted[part] = net(patches).flatten(1).argmax(1)
        return self._accuracy(predicted, split), self.score(net, reduced, split)

    def _accuracy(self, predicted: torch.Tensor, split: sl.Split) -> float:
        truth = np.searchsorted(self.labels.class_ids, self.labels.array.ravel()[split.test])
        return float((predicted.numpy() == truth).mean())


def measure() -> dict[str, Any]:
    """Every cause alone."""
    torch.set_num_threads(1)
    lab = Laboratory()
    base, accuracy = lab.train()
    again, accuracy_again = lab.train()
    print("base", accuracy, accuracy_again, flush=True)
    values: dict[str, list[float]] = {"nothing": [accuracy, accuracy_again]}
    for cause, start in (("weights", 0), ("order", 0), ("dropout", 0), ("split", SPLIT_SEED)):
        values[cause] = [accuracy]
        for n in range(1, REPEATS):
            values[cause].append(lab.train(**{cause: start + n})[1])
            print(cause, values[cause][-1], flush=True)
    one_thread = values["weights"]
    torch.set_num_threads(2)
    two_threads = [lab.train(weights=n)[1] for n in range(REPEATS)]
    torch.set_num_threads(1)
    print("threads", one_thread, two_threads, flush=True)
    values["threads"] = [
        accuracy + two - one for one, two in zip(one_thread, two_threads, strict=True)
    ]
    after = {}
    for cause, batch, live in (
        ("dropout live", 128, LIVE[:1]),
        *((f"batchnorm live, batch {batch}", batch, LIVE[1:]) for batch in BATCHES),
    ):
        scores = [lab.score_patches(base, batch, live, seed) for seed in range(REPEATS)]
        values[cause] = [score for score, _ in scores]
        after[cause] = [score for _, score in scores]
        print(cause, scores, flush=True)
    split = lab.split()
    return {
        "data": f"indian_pines, rows {PART.row_start}:{PART.row_stop}, "
        f"columns {PART.col_start}:{PART.col_stop}",
        "split": split.text,
        "training_pixels": len(split.train),
        "test_pixels": len(split.test),
        "classes": len(lab.labels.class_ids),
        "settings": lab.settings.model_dump(),
        "weights_sha256": _sha256(base),
        "weights_sha256_again": _sha256(again),
        "two_threads": two_threads,
        "evaluation_mode_afterwards": after,
        "causes": {
            cause: {
                "mean": statistics.mean(numbers),
                "std": statistics.stdev(numbers),
                "min": min(numbers),
                "max": max(numbers),
                "overall_accuracy": numbers,
            }
            for cause, numbers in values.items()
        },
    }


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """One training in which one thing is drawn anew; a point may lie between other bits."""
    starts = {"weights": 0, "order": 0, "dropout": 0, "split": SPLIT_SEED}
    cause = list(starts)[generator.integers(len(starts))]
    n = int(generator.integers(1, REPEATS))
    stored: Values = {"overall_accuracy": record["causes"][cause]["overall_accuracy"][n]}

    def make() -> Values:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return {"overall_accuracy": Laboratory().train(**{cause: starts[cause] + n})[1]}
        finally:
            torch.set_num_threads(threads)

    what = f"the accuracy with another {cause} (number {n} of {REPEATS}), all else held fixed"
    return Repeat(what, stored, make, {"overall_accuracy": 0.03})


def draw(record: dict[str, Any], path: Path) -> None:
    """One row a cause, one dot a repetition; all of them left, those near the base run right."""
    causes = record["causes"]
    percent = {
        cause: [100 * value for value in row["overall_accuracy"]] for cause, row in causes.items()
    }
    base = percent["nothing"][0]
    figure = Figure(figsize=(10.5, 4.6), layout="constrained")
    whole, near = figure.subplots(1, 2, sharey=True, width_ratios=(2, 3))
    for axes in (whole, near):
        axes.axvline(base, color="#1f6f8b", linewidth=1)
        for y, (cause, values) in enumerate(percent.items()):
            colour = "#9a5b00" if "live" in cause else "#1f6f8b"
            axes.plot([min(values), max(values)], [y, y], color="#c8d0d6", linewidth=5, zorder=1)
            axes.plot(
                values, [y] * len(values), "o", color=colour, alpha=0.6, markeredgewidth=0, zorder=2
            )
        axes.grid(axis="x", color="#eef1f3")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False)
    for y, row in enumerate(causes.values()):
        text = f"{100 * row['mean']:.2f} ± {100 * row['std']:.2f}"
        near.annotate(text, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    whole.set_yticks(range(len(causes)), [title(cause) for cause in causes])
    whole.invert_yaxis()
    whole.set(title="all", xlabel="overall accuracy, %")
    near.set(title="the same, near the base run", xlabel="overall accuracy, %", xlim=(94, 98))
    figure.savefig(path, dpi=100, metadata={"Software": None})


def title(cause: str) -> str:
    """A cause in the words of the page."""
    return {
        "nothing": "nothing: run twice",
        "weights": "initial weights",
        "order": "order of the orientations",
        "dropout": "dropout's draws in training",
        "split": "split",
        "threads": "two threads for one",
    }.get(cause, cause.replace("batchnorm", "BatchNorm").replace("live", "live at test"))


def _padded(reduced: NDArray[np.float32], halo: int) -> torch.Tensor:
    image = torch.from_numpy(np.ascontiguousarray(reduced.transpose(2, 0, 1)))
    return nn.functional.pad(image, (halo, halo, halo, halo))


def _sha256(net: nn.Module) -> str:
    return array_sha256(*(value.numpy() for value in net.state_dict().values()))


def main() -> None:
    """Measure and write, or draw what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="draw the result that is there")
    path = RESULTS / f"{NAME}.json"
    if not parser.parse_args().draw:
        content = measure()
        lab = Laboratory()
        path = write_record(
            NAME,
            content,
            data={"scene of the part": lab.scene.sha256, "labels of the part": lab.labels.sha256},
            split={content["split"]: lab.split().sha256},
            weights={"the base run": content["weights_sha256"]},
        )
    draw(json.loads(path.read_text(encoding="utf-8")), PICTURE)
    print(path, PICTURE)


if __name__ == "__main__":
    main()
