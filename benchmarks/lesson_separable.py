"""What depthwise-separable convolutions save in arithmetic, and what in time.

    python benchmarks/lesson_separable.py           # a minute of one core: result and picture
    python benchmarks/lesson_separable.py --draw    # the picture alone, from the result

Layers of MobileNetV1 alone, then whole networks: the pair and the ordinary 3x3 convolution in its
place, in float32, channels last in memory, for inference. Times are of the processor, on one
thread, which other programs disturb little; the best of some turns, in which all take turns.
Bytes are those that have to be moved at the least: input, weights and output, once each.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from records import RESULTS, Record, Repeat, Values, write_record
from torch import Tensor, nn

import spectrolite as sl
from spectrolite.hashing import array_sha256
from spectrolite.models import build_image_model
from spectrolite.models.blocks import conv_norm

NAME = "lesson_separable"
PICTURE = Path(__file__).parent.parent / "docs" / "lessons" / "depthwise-separable-convolutions.png"
# Channels in and out, side of the map: the course's example, then blocks of V1 at 32x32 pixels and
# two of them at 224x224.
LAYERS = (
    (3, 4, 32),
    (32, 64, 32),
    (128, 128, 16),
    (256, 256, 8),
    (512, 512, 4),
    (1024, 1024, 2),
    (32, 64, 112),
    (512, 512, 14),
)
NETWORKS = ("V1", "V1 ×0.25", "V1, ordinary", "V2")
BATCHES = (1, 32)
TURNS, WARM_UP, SHORTEST_S = 9, 2, 5e-3
COLOURS = {"depthwise": "#d95f02", "pointwise": "#1f6f8b", "ordinary": "#5d6770"}


def layers_of(channels: int, out: int) -> dict[str, nn.Conv2d]:
    """The pair, and the ordinary convolution that it replaces."""
    return {
        "depthwise": nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        "pointwise": nn.Conv2d(channels, out, 1, bias=False),
        "ordinary": nn.Conv2d(channels, out, 3, padding=1, bias=False),
    }


def network(name: str) -> nn.Module:
    """One of `NETWORKS`, in evaluation mode, with the weights of seed 0."""
    model = {"V1": "mobilenet_v1", "V2": "mobilenet_v2"}[name[:2]]
    width = 0.25 if "0.25" in name else 1.0
    net = build_image_model(model, width=width, generator=torch.Generator().manual_seed(0))
    if "ordinary" in name:
        blocks: Any = net.blocks
        for k, block in enumerate(blocks):
            conv, pointwise = block.depthwise[0], block.pointwise[0]
            stride = conv.stride[0]
            blocks[k] = conv_norm(
                conv.in_channels, pointwise.out_channels, 3, nn.ReLU6, stride=stride
            )
    return net.eval()


def images(channels: int, side: int, batch: int) -> Tensor:
    """Noise, channels last in memory."""
    x = torch.randn(batch, channels, side, side, generator=torch.Generator().manual_seed(0))
    return x.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def best(work: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Seconds of processor time of each, the least of some turns."""
    repeats = {}
    for name, one in work.items():
        for _ in range(WARM_UP):
            one()
        repeats[name] = max(1, math.ceil(SHORTEST_S / max(_timed(one, 1), 1e-6)))
    turns = [{name: _timed(one, repeats[name]) for name, one in work.items()} for _ in range(TURNS)]
    return {name: min(turn[name] for turn in turns) for name in work}


def _timed(one: Callable[[], Any], repeats: int) -> float:
    start = time.thread_time()
    for _ in range(repeats):
        one()
    return (time.thread_time() - start) / repeats


def measure_layer(channels: int, out: int, side: int, batch: int) -> dict[str, Any]:
    """MACs, bytes and seconds of the three convolutions, for the whole batch."""
    made = layers_of(channels, out)
    x = images(channels, side, batch)
    for layer in made.values():
        layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    seconds = best({name: partial(layer, x) for name, layer in made.items()})
    row: dict[str, Any] = {"channels": channels, "out": out, "side": side, "batch": batch}
    for name, layer in made.items():
        weights, positions = layer.weight.numel(), batch * side**2
        moved = positions * (layer.in_channels + layer.out_channels) + weights
        row[name] = {
            "weights": weights,
            "macs": weights * positions,
            "bytes": 4 * moved,
            "seconds": seconds[name],
        }
    return {**row, **saved(row)}


def saved(row: dict[str, Any]) -> dict[str, float]:
    """How many times the pair the ordinary convolution costs."""
    return {
        f"times_{key}": row["ordinary"][key] / (row["depthwise"][key] + row["pointwise"][key])
        for key in ("macs", "seconds")
    }


def measure_networks(batch: int) -> list[dict[str, Any]]:
    """MACs and seconds a batch of each network at 32x32 pixels."""
    nets = {name: network(name) for name in NETWORKS}
    x = images(3, 32, batch)
    for net in nets.values():
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    seconds = best({name: partial(net, x) for name, net in nets.items()})
    rows = []
    for name, net in nets.items():
        cost = sl.cost(net, (3, 32, 32))
        rows.append(
            {
                "network": name,
                "batch": batch,
                "parameters": cost.parameters,
                "macs": cost.macs,
                "seconds": seconds[name],
            }
        )
    return rows


def speed(part: dict[str, float]) -> float:
    """Billions of MACs a second."""
    return part["macs"] / part["seconds"] / 1e9


def draw(record: Record, path: Path) -> None:
    """Left how much is saved in MACs and in time; right speed against MACs a byte."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = [row for row in record["layers"] if row["batch"] == BATCHES[1]]
    at = np.arange(len(rows))
    left.bar(at - 0.2, [row["times_macs"] for row in rows], 0.4, color="#b9c0c6", label="MACs")
    left.bar(at + 0.2, [row["times_seconds"] for row in rows], 0.4, color="#7a4fa3", label="time")
    left.axhline(1, color="black", lw=0.8)
    left.set_xticks(at, [f"{r['channels']}→{r['out']}\n{r['side']}×{r['side']}" for r in rows])
    left.tick_params(labelsize=7)
    left.set_title(f"ordinary convolution / pair, {BATCHES[1]} images", fontsize=10)
    for name, colour in COLOURS.items():
        right.scatter(
            [row[name]["macs"] / row[name]["bytes"] for row in record["layers"]],
            [speed(row[name]) for row in record["layers"]],
            color=colour,
            label=name,
        )
    right.set(
        xscale="log", yscale="log", xlabel="MACs a byte moved", ylabel="billion MACs a second"
    )
    right.set_title("each layer, 1 and 32 images", fontsize=10)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """How many times faster the pair is in one of the layers: a clock's figure, half either way."""
    row = record["layers"][generator.integers(len(record["layers"]))]
    size = [row[key] for key in ("channels", "out", "side", "batch")]
    stored: Values = {"times_seconds": row["times_seconds"]}

    def make() -> Values:
        return {"times_seconds": measure_layer(*size)["times_seconds"]}

    what = "times that the pair is faster at {} -> {} channels, side {}, batch {}".format(*size)
    return Repeat(what, stored, make, {"times_seconds": row["times_seconds"] / 2}, exact=False)


def main() -> None:
    """Measure and write, or draw what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="draw the result that is there")
    path = RESULTS / f"{NAME}.json"
    if not parser.parse_args().draw:
        layers = [measure_layer(*sizes, batch) for batch in BATCHES for sizes in LAYERS]
        networks = [row for batch in BATCHES for row in measure_networks(batch)]
        nets = {name: network(name).state_dict().values() for name in NETWORKS}
        path = write_record(
            NAME,
            {"layers": layers, "networks": networks},
            data={"noise, 1 image 3x32x32": array_sha256(images(3, 32, 1).numpy())},
            split="nothing is scored: only the clock is read",
            weights={
                f"{k}, not trained": array_sha256(*(v.numpy() for v in values))
                for k, values in nets.items()
            },
        )
    draw(json.loads(path.read_text(encoding="utf-8")), PICTURE)
    print(path, PICTURE)


if __name__ == "__main__":
    main()
