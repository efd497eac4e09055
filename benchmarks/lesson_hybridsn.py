"""HybridSN layer by layer: what each layer gives, holds and costs, by patches and on a scene.

    python benchmarks/lesson_hybridsn.py    # half a minute of one core: result and picture

Counts are those of `spectrolite.costs`. Times are of the processor on one thread, the best of some
turns, with BatchNorm folded in, on noise: 64 patches, as published code labels 64 pixels, and a
scene of the size of Indian Pines with the padding around it, with the first linear layer as a plain
convolution and, as shipped, in the frequency domain.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lesson_separable import best
from records import Record, Repeat, Values, write_record
from torch import Tensor

import spectrolite as sl
from spectrolite.hashing import array_sha256
from spectrolite.models import costs
from spectrolite.models.hybridsn import HybridSN

NAME = "lesson_hybridsn"
PICTURE = Path(__file__).parent.parent / "docs" / "lessons" / "hybridsn-layer-by-layer.png"
BANDS, CLASSES, PATCHES, SIDE = 30, 16, 64, 145
STAGES = ("convolutions", "first linear layer", "the other two")


def network() -> HybridSN:
    """As published, with the weights of seed 0."""
    generator = torch.Generator().manual_seed(0)
    return HybridSN(BANDS, CLASSES, variant="paper", generator=generator)


def noise(n: int, side: int) -> Tensor:
    """`(n, bands, side + 24, side + 24)`."""
    shape = (n, BANDS, side + 2 * HybridSN.halo, side + 2 * HybridSN.halo)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def timed(way: str) -> dict[str, float]:
    """Seconds a pixel of each of the `STAGES`, by `patches`, on a `scene`, or as `shipped`."""
    net = network().eval()
    x = noise(PATCHES, 1) if way == "patches" else noise(1, SIDE)
    ready = sl.dense(net) if way == "shipped" else net
    features = ready.trunk(x)
    hidden = ready.fc1(features)
    work: tuple[Callable[[], Any], ...] = (
        lambda: ready.trunk(x),
        lambda: ready.fc1(features),
        lambda: ready.head(hidden),
    )
    seconds = best(dict(zip(STAGES, work, strict=True)))
    pixels = hidden.numel() // hidden.shape[1]
    return {stage: seconds[stage] / pixels for stage in STAGES}


def counted() -> dict[str, Any]:
    """Layers, totals, and multiply-accumulates a pixel of a patch and of a large scene."""
    net = network()
    cost = sl.cost(net, (BANDS, 25, 25))
    return {
        "parameters": cost.parameters,
        "macs": cost.macs,
        "macs_a_scene_pixel": costs.macs_per_pixel(net, BANDS),
        "layers": [
            {
                "name": layer.name,
                "kernel": list(net.get_parameter(f"{layer.name}.weight").shape[2:]),
                "output_shape": list(layer.output_shape),
                "parameters": layer.parameters,
                "macs": layer.macs,
                "activation_bytes": layer.activation_bytes,
            }
            for layer in cost.layers
        ],
    }


def again(record: Record, generator: np.random.Generator) -> Repeat:
    """A layer's counts, to the digit, or the time of a stage, half either way."""
    if generator.random() < 0.5:
        k = int(generator.integers(len(record["layers"])))
        row = record["layers"][k]
        stored: Values = {key: row[key] for key in ("parameters", "macs")}

        def count() -> Values:
            made = counted()["layers"][k]
            return {key: made[key] for key in stored}

        return Repeat(f"the counts of {row['name']}", stored, count, dict.fromkeys(stored, 0))
    way = list(record["seconds_a_pixel"])[generator.integers(3)]
    stage = STAGES[generator.integers(2)]  # the last takes too little time to be told again
    seconds = record["seconds_a_pixel"][way][stage]

    def make() -> Values:
        return {"seconds": timed(way)[stage]}

    what = f"seconds a pixel of the {stage}, {way}"
    return Repeat(what, {"seconds": seconds}, make, {"seconds": seconds / 2}, exact=False)


def main() -> None:
    """Count, measure, write, draw."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    state = network().state_dict().values()
    path = write_record(
        NAME,
        {
            **counted(),
            "seconds_a_pixel": {way: timed(way) for way in ("patches", "scene", "shipped")},
        },
        data={"noise, 64 patches": array_sha256(noise(PATCHES, 1).numpy())},
        split="nothing is scored: layers are counted and timed",
        weights={"not trained": array_sha256(*(value.numpy() for value in state))},
    )
    sl.explain("hybridsn", picture=PICTURE, overwrite=True, variant="paper")
    print(path, PICTURE)


if __name__ == "__main__":
    main()
