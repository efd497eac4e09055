r"""How fast a scene becomes a map: one patch a pixel against one pass over the scene.

    python benchmarks/scene_map.py

Everything is measured in one run, at the size of Indian Pines, from the padded and reduced scene to
the logits of every pixel, with the same weights (those of 20 whole-scene steps), BatchNorm folded,
in inference mode. Patches take the best of three batch sizes and of two forms: layers as published
code has them, and the layers of this package. The whole scene is timed with the best of them.
Takes about 4 minutes on two cores; writes results/scene_map.json and docs/scene-map.png.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from records import Record, Repeat, Values, write_record
from torch import Tensor, nn

import spectrolite as sl
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.machine import kept_memory
from spectrolite.models.costs import macs, macs_per_patch, macs_per_pixel
from spectrolite.models.hybridsn import HybridSN
from spectrolite.samples.band_reduction import Bands

EPOCHS = 20
BATCHES = (64, 256, 1024)
TRIAL = 2048  # pixels with which batch sizes and forms are compared
SIDES = (100, 145, 200, 316, 450, 700, 1000)  # of square scenes
PICTURE = Path(__file__).parent.parent / "docs" / "scene-map.png"


class AsPublished(nn.Module):
    """The folded network with ordinary layers: 3-D convolutions, then linear layers on a patch."""

    def __init__(self, folded: HybridSN) -> None:
        super().__init__()
        self.conv3d = nn.Sequential(folded.conv3d_1, folded.conv3d_2, folded.conv3d_3)
        self.conv2d = folded.conv2d_4
        layers: list[nn.Module] = []
        for conv in (folded.fc1, folded.fc2, folded.fc3):
            linear = nn.Linear(conv.weight[0].numel(), len(conv.weight))
            linear.load_state_dict({"weight": conv.weight.flatten(1), "bias": conv.bias})
            layers += [linear, nn.ReLU()]
        self.linear = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """`(N, bands, 25, 25) -> (N, classes, 1, 1)`."""
        x = self.conv2d(self.conv3d(x[:, None]).flatten(1, 2))
        logits: Tensor = self.linear(x.flatten(1))
        return logits[:, :, None, None]


def by_patches(net: nn.Module, padded: Tensor, pixels: Tensor, cols: int, batch: int) -> Tensor:
    """`(pixels, classes)` logits from one 25x25 patch a pixel, cut as they are needed."""
    windows = padded.unfold(1, 25, 1).unfold(2, 25, 1)  # (bands, rows, cols, 25, 25), a view
    logits = []
    for part in torch.split(pixels, batch):
        patches = windows[:, part // cols, part % cols].transpose(0, 1).contiguous()
        logits.append(net(patches).flatten(1))
    return torch.cat(logits)


def timed(function: Callable[[], Any], times: int = 1) -> list[float]:
    """Seconds of each call."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return seconds


def matrix_product_gmacs_s() -> float:
    """This machine's best float32 matrix product, 10^9 multiply-accumulates a second."""
    a = torch.randn(2048, 2048)
    return 2048**3 / min(timed(lambda: a @ a, 10)) / 1e9


def square(bundle: Bundle, side: int, components: int) -> tuple[Bundle, sl.Scene]:
    """A scene of noise, and the model with bands as they are."""
    bands = Bands(np.zeros(components), np.eye(components), "noise", 1, 1.0)
    cube = np.random.default_rng(0).standard_normal((side, side, components), np.float32)
    config = bundle.config.model_copy(update={"wavelengths_nm": None})
    return Bundle(config, bands, bundle.network), sl.Scene(cube)


def resident_mib(kind: str) -> float:
    """Resident memory of this process, now (`VmRSS`) or at its highest (`VmHWM`). Linux alone."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{kind}:")[1].split()[0]) / 1024


def memory(folder: str, side: int) -> None:
    """In a process of its own: print how far model, scene and map go beyond the libraries."""
    sl.classify(*square(sl.load_bundle(folder), 30, 30))  # so that all libraries are there
    with kept_memory():
        pass  # what that took is given back
    Path("/proc/self/clear_refs").write_text("5")  # the highest starts anew
    before = resident_mib("VmRSS")
    bundle, scene = sl.load_bundle(folder), sl.load("indian_pines")[0]
    if side:
        bundle, scene = square(bundle, side, len(bundle.bands.matrix))
    sl.classify(bundle, scene)
    above = resident_mib("VmHWM") - before
    print(json.dumps({"libraries_mib": before, "above_mib": above}))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", nargs=2, metavar=("BUNDLE", "SIDE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.memory:
        memory(chosen.memory[0], int(chosen.memory[1]))
        return
    content, hashes = measure()
    data, split, weights = hashes
    path = write_record("scene_map", content, data=data, split=split, weights=weights)
    draw(content, PICTURE)
    print(path.read_text())


def measure() -> tuple[Record, tuple[dict[str, str], ...]]:
    """All figures, and the hashes of what they were measured with."""
    scene, labels = sl.load("indian_pines")
    split = sl.split(labels, "random", train=0.1, seed=345)
    with tempfile.TemporaryDirectory() as folder:
        run = sl.train(scene, labels, split, seed=0, epochs=EPOCHS, out=Path(folder) / "run")
        bundle = run.bundle
        peaks = {}
        for name, side in (("indian_pines", 0), ("1000 x 1000", 1000)):
            command = [sys.executable, __file__, "--memory", str(run.path / "bundle"), str(side)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks[name] = json.loads(done.stdout)
    rows, cols, _ = scene.shape
    reduced = torch.from_numpy(bundle.bands.reduce(scene.cube).transpose(2, 0, 1).copy())
    padded = nn.functional.pad(reduced, (12, 12, 12, 12))
    everything = torch.arange(rows * cols)
    components = len(reduced)
    plain = sl.dense(bundle.network, memory_mib=0)
    forms = {"as published": AsPublished(plain).eval(), "this package": plain}
    with torch.inference_mode(), kept_memory():
        trials = {
            (form, batch): min(
                timed(partial(by_patches, net, padded, everything[:TRIAL], cols, batch), 2)
            )
            for form, net in forms.items()
            for batch in BATCHES
        }
        form, batch = min(trials, key=lambda key: trials[key])
        patch_logits: list[Tensor] = []
        patches_s = timed(
            lambda: patch_logits.append(by_patches(forms[form], padded, everything, cols, batch))
        )[0]
        first_plain_s = timed(lambda: plain(padded[None]))[0]
        plain_s = timed(lambda: plain(padded[None]), 5)
        fast: list[HybridSN] = []
        first_s = timed(lambda: fast.extend([sl.dense(bundle.network)]))[0]
        first_s += timed(lambda: fast[0](padded[None]))[0]
        steady_s = timed(lambda: fast[0](padded[None]), 30)
        trunk_s = min(timed(lambda: fast[0].trunk(padded[None]), 10))
        logits = fast[0](padded[None])[0].flatten(1).T
        gmacs_s = matrix_product_gmacs_s()
    largest = float(patch_logits[0].abs().max())
    difference = float((logits - patch_logits[0]).abs().max()) / largest
    classify_s = timed(lambda: sl.classify(bundle, scene), 6)
    trunk_macs = macs(_Trunk(bundle.network), (components, rows + 24, cols + 24))
    steady = statistics.median(steady_s)
    lengths = []
    for side in SIDES:
        noisy, square_scene = square(bundle, side, components)
        seconds = min(timed(partial(sl.classify, noisy, square_scene), 2))
        lengths.append({"pixels": side * side, "seconds": seconds})
    slope = np.polyfit(
        np.log([r["pixels"] for r in lengths]), np.log([r["seconds"] for r in lengths]), 1
    )[0]
    content = {
        "epochs": EPOCHS,
        "patches": {
            "trials_s": {f"{f}, batch {b}": s for (f, b), s in trials.items()},
            "trial_pixels": TRIAL,
            "best": f"{form}, batch {batch}",
            "seconds": patches_s,
        },
        "dense_plain": {"first_s": first_plain_s, "steady_s": statistics.median(plain_s)},
        "dense": {
            "first_s": first_s,
            "steady_s": steady,
            "steady_best_s": min(steady_s),
            "trunk_s": trunk_s,
        },
        "classify": {"first_s": classify_s[0], "steady_s": statistics.median(classify_s[1:])},
        "times_faster": {
            "plain": patches_s / statistics.median(plain_s),
            "first": patches_s / first_s,
            "steady": patches_s / steady,
        },
        "largest_logit": largest,
        "difference_of_largest": difference,
        "floor": {
            "matrix_product_gmacs_s": gmacs_s,
            "trunk_gmacs": trunk_macs / 1e9,
            "trunk_s": trunk_macs / 1e9 / gmacs_s,
        },
        "macs": {
            "patch": macs_per_patch(bundle.network, components),
            "pixel": macs_per_pixel(bundle.network, components),
        },
        "peak": peaks,
        "sizes": lengths,
        "exponent": float(slope),
    }
    hashes = (
        {"indian_pines scene": scene.sha256, "indian_pines labels": labels.sha256},
        {split.text: split.sha256},
        {f"seed 0, {EPOCHS} epochs": bundle.sha256},
    )
    return content, hashes


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """The whole measurement, and one of its ratios: a clock's figure, a third either way."""
    kinds = list(record["times_faster"])
    kind = kinds[generator.integers(len(kinds))]
    stored: Values = {kind: record["times_faster"][kind]}

    def make() -> Values:
        return {kind: measure()[0]["times_faster"][kind]}

    what = f"times that one pass is faster than patches, {kind} (measured anew in 4 minutes)"
    tolerance = {kind: record["times_faster"][kind] / 3}
    return Repeat(what, stored, make, tolerance, exact=False)


class _Trunk(nn.Module):
    """The convolutions alone, for the counter."""

    def __init__(self, net: HybridSN) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net.trunk(x)


def draw(record: dict[str, Any], path: Path) -> None:
    """Seconds against pixels, with the patches beside."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    pixels = [row["pixels"] for row in record["sizes"]]
    seconds = [row["seconds"] for row in record["sizes"]]
    per_pixel = record["patches"]["seconds"] / 21025
    ends = np.array([pixels[0], pixels[-1]])
    axes.loglog(
        ends,
        ends * per_pixel,
        "--",
        color="#b5482a",
        label="one patch a pixel, as measured at 145 x 145",
    )
    axes.loglog(pixels, seconds, "o-", color="#1f6f78", label="one pass over the scene (classify)")
    axes.set_xlabel("pixels of the scene")
    axes.set_ylabel("seconds, two cores")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    axes.set_title(f"time grows as pixels to the power of {record['exponent']:.2f}", fontsize=10)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
