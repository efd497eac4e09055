"""The lessons say what their records say, to the digit.

Independent references: means and deviations are taken here by numpy from the trainings; what ReLU
keeps, the rounding of a scale and the arithmetic of convolutions are worked out by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lesson_bottlenecks as bottlenecks
import lesson_hybridsn as hybridsn
import lesson_precision as precision
import lesson_separable as separable
import numpy as np
import pytest
import torch
from PIL import Image

import spectrolite as sl
from prose import numbers_near

ROOT = Path(__file__).parents[2]
LESSONS = ROOT / "docs" / "lessons"


def record_of(name: str) -> dict[str, Any]:
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def page(name: str) -> str:
    """The words of a lesson, in one line."""
    return " ".join((LESSONS / f"{name}.md").read_text(encoding="utf-8").split())


def near(name: str, *words: str) -> list[str]:
    """The numbers of the one passage of a lesson that holds all the words."""
    return numbers_near(f"docs/lessons/{name}.md", *words)


def spread(values: list[float]) -> str:
    return f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f}"


def test_every_lesson_has_its_picture() -> None:
    pictures = {path.stem for path in LESSONS.glob("*.png")}
    assert pictures == {path.stem for path in LESSONS.glob("*.md")}
    for path in LESSONS.glob("*.png"):
        with Image.open(path) as picture:
            assert picture.size[0] >= 800
        assert f"]({path.name})" in page(path.stem)


# Linear bottlenecks


def test_linear_bottlenecks_says_what_was_trained() -> None:
    record, text = record_of("lesson_bottlenecks"), page("linear-bottlenecks")
    for activation, word in (("relu6", "ReLU6"), ("relu", "ReLU")):
        cells: dict[str, tuple[str, str]] = {}
        for ends in ("linear", "activated"):
            own = [
                row
                for row in record["trainings"]
                if (row["activation"], row["ends"]) == (activation, ends)
            ]
            assert [row["seed"] for row in own] == [0, 1, 2]
            loss = np.mean([row["losses"][-1] for row in own])
            cells[ends] = spread([row["accuracy"] for row in own]), f"{loss:.2f}"
        (linear, low), (activated, high) = cells.values()
        assert f"| {word} | **{linear}** | {activated} | {low}, {high} |" in text
    shares = [row["not_positive"] for row in record["table"]]
    percents = [f"{100 * shares[k]:.0f}" for k in (0, 1, 3)]
    assert near("linear-bottlenecks", "negative", "shortcut")[:3] == percents
    assert f"{shares[2]:.0%}" == f"{shares[0]:.0%}"
    sizes = f"{record['training_images']:,}", f"{record['test_images']}"
    assert near("linear-bottlenecks", "scikit-learn", "same seeds")[-3:] == [
        *sizes,
        str(record["settings"]["epochs"]),
    ]


def test_linear_bottlenecks_says_what_the_spiral_lost() -> None:
    record, text = record_of("lesson_bottlenecks"), page("linear-bottlenecks")
    rows = record["spiral"]
    assert f"| n | {' | '.join(str(row['dimensions']) for row in rows)} |" in text
    for key, words in (("mean", "mean"), ("max", "worst matrix")):
        cells = " | ".join(f"{100 * row[key]:.2f} %" for row in rows)
        assert f"| variance lost, {words} | {cells} |" in text


def test_nothing_is_lost_where_both_signs_are_kept() -> None:
    """A matrix with its negative beside it: ReLU(y) - ReLU(-y) is y."""

    class Mirrored:
        def normal(self, size: tuple[int, int]) -> Any:
            half = np.random.default_rng(0).normal(size=(2, size[1] // 2))
            return np.c_[half, -half]

    assert bottlenecks.lost(4, Mirrored()) < 1e-20  # type: ignore[arg-type]


def test_half_of_the_plane_is_lost_in_one_dimension() -> None:
    """One direction of two is never seen, and of the other ReLU keeps one side."""
    shares = [bottlenecks.lost(1, np.random.default_rng(seed)) for seed in range(5)]
    assert min(shares) > 0.5
    assert max(shares) < 1


# Depthwise separable convolutions


def test_separable_says_what_was_timed() -> None:
    record, text = record_of("lesson_separable"), page("depthwise-separable-convolutions")
    speeds: dict[str, list[float]] = {"depthwise": [], "pointwise": [], "ordinary": []}
    for row in record["layers"]:
        for name, values in speeds.items():
            values.append(row[name]["macs"] / row[name]["seconds"] / 1e9)
        last = " | ".join(f"{values[-1]:.1f}" for values in speeds.values())
        assert (
            f"| {row['channels']} → {row['out']}, {row['side']}×{row['side']} | {row['batch']} | "
            f"{row['times_macs']:.2f} | {row['times_seconds']:.2f} | {last} |"
        ) in text
    depthwise, pointwise, ordinary = (max(values) for values in speeds.values())
    slow = near("depthwise-separable-convolutions", "depthwise", "billion", "a byte")
    assert slow[1:4] == [f"{speed:.1f}" for speed in (depthwise, pointwise, ordinary)]
    assert depthwise < pointwise / 4
    slower = [row for row in record["layers"] if row["times_seconds"] < 1]
    assert [(row["channels"], row["out"], row["batch"]) for row in slower] == [(3, 4, 1)]
    best = max(row["times_seconds"] for row in record["layers"])
    (row,) = (row for row in record["layers"] if row["times_seconds"] == best)
    numbers = near("depthwise-separable-convolutions", "512 and 1,024 channels")
    assert numbers[3:5] == [f"{best:.2f}", f"{row['times_macs']:.2f}"]
    shares = [
        row["depthwise"]["seconds"] / (row["depthwise"]["seconds"] + row["pointwise"]["seconds"])
        for row in record["layers"]
        if (row["channels"], row["side"]) == (32, 32)
    ]
    of_macs = 9 / (9 + 64)  # per input channel and position: a 3x3 kernel, and 64 output channels
    percents = [f"{100 * share:.0f}" for share in (of_macs, *reversed(shares))]
    assert slow[-4:] == [*percents[:2], "32", percents[2]]
    example = near("depthwise-separable-convolutions", "own example")
    assert example[-1] == f"{slower[0]['times_macs']:.2f}"
    (large,) = (
        r for r in record["layers"] if (r["side"], r["channels"], r["batch"]) == (112, 32, 32)
    )
    speeds_there = [
        large[k]["macs"] / large[k]["seconds"] / 1e9 for k in ("depthwise", "pointwise")
    ]
    times = f"{large['times_macs']:.2f}", f"{large['times_seconds']:.2f}"
    numbers = near("depthwise-separable-convolutions", "large maps", "cache")
    assert numbers[-4:] == [*(f"{speed:.1f}" for speed in speeds_there), *times]


def test_separable_says_what_whole_networks_take() -> None:
    record, text = record_of("lesson_separable"), page("depthwise-separable-convolutions")
    rows = {(row["network"], row["batch"]): row for row in record["networks"]}
    for (name, batch), row in rows.items():
        speed = row["macs"] * batch / row["seconds"] / 1e9
        shown = f"{row['macs'] / 1e6:.1f} | {1e3 * row['seconds']:.2f} | {speed:.1f}"
        assert f"| {name} | {batch} | {shown} |" in text

    def times(one: str, other: str, batch: int) -> tuple[str, str]:
        pair = rows[one, batch], rows[other, batch]
        return tuple(f"{pair[0][key] / pair[1][key]:.1f}" for key in ("macs", "seconds"))  # type: ignore[return-value]

    numbers = near("depthwise-separable-convolutions", "V2 has", "V1 ×0.25 has")
    assert [number for number in numbers if "." in number] == [
        *times("V1, ordinary", "V1", 32),
        times("V1, ordinary", "V1", 1)[1],
        *times("V2", "V1", 32),
        "0.25",
        *times("V1", "V1 ×0.25", 1),
    ]


def test_the_pair_and_what_it_replaces_are_counted_as_by_hand() -> None:
    """The course's example: 27 + 12 weights against 108."""
    row = separable.measure_layer(3, 4, 4, 1)
    weights = {name: row[name]["weights"] for name in separable.COLOURS}
    assert weights == {"depthwise": 27, "pointwise": 12, "ordinary": 108}
    assert row["ordinary"]["macs"] == 108 * 16
    assert row["depthwise"]["bytes"] == 4 * (2 * 3 * 16 + 27)
    assert row["times_macs"] == pytest.approx(108 / 39)
    whole = separable.network("V1, ordinary")
    assert (
        sum(p.numel() for p in whole.parameters())
        == sl.cost(separable.network("V1"), (3, 32, 32)).ordinary_parameters
    )


# HybridSN layer by layer


def test_hybridsn_says_what_was_counted_and_timed() -> None:
    record, text = record_of("lesson_hybridsn"), page("hybridsn-layer-by-layer")
    for row in record["layers"]:
        cells = [row["name"].removesuffix(".0")]
        cells += ["×".join(map(str, row[key])) for key in ("kernel", "output_shape")]
        for key in ("parameters", "macs"):
            cells += [f"{row[key]:,}", f"{100 * row[key] / record[key]:.2f} %"]
        assert f"| {' | '.join(cells)} |" in text
    assert f"| together | | | {record['parameters']:,} | | {record['macs']:,} | |" in text
    numbers = near("hybridsn-layer-by-layer", "neighbouring patches", "frequency domain")
    assert numbers[:2] == [f"{record['macs_a_scene_pixel']:,}", f"{record['macs']:,}"]
    ways = record["seconds_a_pixel"]
    assert list(ways) == ["patches", "scene", "shipped"]
    for stage in hybridsn.STAGES:
        shown = " | ".join(f"{1e3 * way[stage]:.4f}" for way in ways.values())
        assert f"| {stage} | {shown} |" in text
    times = sum(ways["patches"].values()) / sum(ways["shipped"].values())
    assert numbers[-1] == f"{times:.0f}"


def test_hybridsn_s_counts_are_those_of_the_architecture() -> None:
    """Kernel times channels in and out, plus biases; MACs are weights times positions."""
    made = hybridsn.counted()
    inputs = (1, 8, 16, 576, 64, 256, 128)
    for channels, row in zip(inputs, made["layers"], strict=True):
        out, *positions = row["output_shape"]
        weights = channels * out * int(np.prod(row["kernel"]))
        assert row["parameters"] == weights + out
        assert row["macs"] == weights * int(np.prod(positions))
    numbers = near("hybridsn-layer-by-layer", "first linear layer", "Flattening")
    sizes = [f"{64 * (side - 8) ** 2 * 256 + 256:,}" for side in (25, 19)]
    assert sizes == ["4,735,232", "1,982,720"]
    assert [n for n in numbers if n in sizes] == sizes
    assert numbers[-1] == f"{64 * 256 + 256:,}"
    fc1 = made["layers"][4]
    of_all = [f"{100 * fc1[key] / made[key]:.2f}" for key in ("parameters", "macs")]
    assert [n for n in numbers if "." in n] == of_all


# ReLU6 and low precision


def test_precision_says_what_was_scored() -> None:
    record, text = record_of("lesson_precision"), page("relu6-and-low-precision")
    fell = []
    lost_shares = []
    for row in record["trainings"]:
        ranges = row["depthwise_ranges"].values()
        largest = max(max(values) for values in ranges)
        lost = max(np.mean(np.array(v) < max(v) / 254) for v in ranges)
        cells = " | ".join(f"{100 * row['accuracy'][name]:.2f}" for name in precision.STORED)
        word = precision.WORDS[row["activation"]]
        shown = f"| {word} | {row['seed']} | {cells} | {largest:,.0f} | {100 * lost:.0f} % |"
        assert shown in text
        fell.append((row["accuracy"]["int8, a tensor"] < 0.2, lost > 0.9))
        if lost > 0.9:
            lost_shares.append(lost)
    assert sum(chance for chance, _ in fell) == 3
    assert all(chance == lost for chance, lost in fell)
    assert f"{100 / 355:.2f}" in near("relu6-and-low-precision", "One image is")
    drops = sorted(
        100 * (row["accuracy"]["float32"] - row["accuracy"]["int8, a channel"])
        for row in record["trainings"]
    )
    spared = [
        100 * (row["accuracy"]["float32"] - row["accuracy"]["int8, a tensor"])
        for row, (chance, _) in zip(record["trainings"], fell, strict=True)
        if not chance
    ]
    numbers = near("relu6-and-low-precision", "per weight tensor", "falls to chance")
    worst = [f"{100 * share:.0f}" for share in (min(lost_shares), max(lost_shares))]
    assert numbers[-3:] == [*worst, f"{max(spared):.2f}"]
    numbers = near("relu6-and-low-precision", "int8", "scale per channel", "at most", "converged")
    assert numbers[-2:] == [f"{drops[-1]:.2f}", f"{drops[-2]:.2f}"]
    for row in record["trainings"]:  # float16 changes one image at most
        assert abs(row["accuracy"]["float32"] - row["accuracy"]["float16"]) * 355 < 1.01
    ranges = [np.sort(v) for v in record["trainings"][0]["depthwise_ranges"].values()]
    alone = sorted(v[-1] / v[-2] for v in ranges if v[-1] > 100)
    numbers = near("relu6-and-low-precision", "epsilon", "next largest")
    assert numbers[-2:] == [f"{times:.0f}" for times in alone]
    assert f"{1e-5**-0.5:.0f}" in numbers
    assert f"{1e-5**-0.5:.0f}" in near("dead-kernels", "√1e-5", "folded")


def test_the_two_lessons_quote_each_other_s_trainings() -> None:
    """The same settings and other random draws: each page quotes the accuracies of the other."""
    one, other = record_of("lesson_bottlenecks"), record_of("lesson_precision")
    assert one["settings"] == other["settings"]
    linear = [
        row["accuracy"]
        for row in one["trainings"]
        if (row["activation"], row["ends"]) == ("relu6", "linear")
    ]
    mean, std = spread(linear).split(" ± ")
    assert {mean, std} <= set(near("relu6-and-low-precision", "One image is", "other random draws"))
    relu6 = [100 * row["accuracy"]["float32"] for row in other["trainings"][:3]]
    numbers = near("linear-bottlenecks", "same settings", "other random draws")
    assert [n for n in numbers if "." in n] == [f"{accuracy:.2f}" for accuracy in relu6]


def test_precision_says_what_activations_cost() -> None:
    record, text = record_of("lesson_precision"), page("relu6-and-low-precision")
    for activation, word in precision.WORDS.items():
        own = [row for row in record["trainings"] if row["activation"] == activation]
        cells = [
            np.mean([r["accuracy"]["float32"] - r["activation_bits"][str(n)] for r in own])
            for n in precision.BITS
        ]
        assert f"| {word} | {' | '.join(f'{100 * cell:.2f}' for cell in cells)} |" in text
    relu6, relu = (
        [row for row in record["trainings"] if row["activation"] == a] for a in precision.WORDS
    )
    scores = [f"{100 * r['other_activation']:.2f}" for r in relu6]
    scores += [f"{100 * r['accuracy']['float32']:.2f}" for r in relu6]
    cost = np.mean([100 * (r["accuracy"]["float32"] - r["other_activation"]) for r in relu])
    numbers = near("relu6-and-low-precision", "in place of ReLU costs", "the other way round")
    assert [n for n in numbers if "." in n] == [*scores, f"{cost:.2f}"]
    largest = max(r["largest_activation"] for r in relu)
    for words in (("float16", "65,504"), ("the range of ReLU", "bits")):
        assert f"{largest:.0f}" in near("relu6-and-low-precision", *words)
    assert f"{round(1 / np.mean([r['above_6'] for r in relu]), -3):,.0f}" in numbers
    assert all(r["largest_activation"] == 6 for r in relu6)


def test_steps_and_lost_channels_by_hand() -> None:
    x = torch.tensor([0.0, 0.9, 2.4, 6.0, 9.0])
    assert precision.to_steps(x, 2.0, 2).tolist() == [0, 0, 2, 6, 6]
    assert precision.to_steps(x, 0.0, 2) is x
    # 127 and a half step of 1: what is below half a step vanishes
    assert precision.lost_channels([127, 0.49, 0.51, 0.1]) == 0.5


def test_ranges_are_those_of_the_folded_kernel() -> None:
    net: Any = sl.build_model(
        "mobilenet_v2", width=0.05, channels=1, generator=torch.Generator().manual_seed(0)
    ).eval()
    conv, norm = net.blocks[1].depthwise[0], net.blocks[1].depthwise[1]
    with torch.no_grad():
        norm.running_var[0] = 1e-10
    ranges = precision.depthwise_ranges(net)
    assert len(ranges) == 17
    found = ranges["blocks.1.depthwise.0"]
    root = (norm.running_var + norm.eps).sqrt()
    expected = (conv.weight.abs().flatten(1).max(1).values / root).tolist()
    assert found == pytest.approx(expected)
    assert found[0] > 50 * max(found[1:])
    swapped: Any = precision.with_activation(net, torch.nn.ReLU)
    assert isinstance(swapped.stem[2], torch.nn.ReLU)
    assert not isinstance(swapped.stem[2], torch.nn.ReLU6)


# Dead kernels


def test_dead_kernels_says_what_was_counted() -> None:
    record, text = record_of("lesson_kernels"), page("dead-kernels")
    rows = record["trainings"]
    cells = {(r["network"], r["activation"], r["decay"]): [] for r in rows}  # type: ignore[var-annotated]
    for row in rows:
        cells[row["network"], row["activation"], row["decay"]].append(row)
    assert len(cells) == 16
    words = {"mobilenet_v1": "V1", "mobilenet_v2": "V2", "relu6": "ReLU6", "relu": "ReLU"}
    shares = []
    for (network, activation, decay), own in cells.items():
        assert [row["seed"] for row in own] == [0, 1, 2]
        dead, weak, norm = (np.mean([r[k] for r in own]) for k in ("dead", "weak", "median_norm"))
        shares.append((dead + weak) / own[0]["kernels"])
        assert (
            f"| {words[network]} | {words[activation]} | {decay} | {dead:.1f} | {weak:.1f} | "
            f"{own[0]['kernels']:,} | {spread([r['accuracy'] for r in own])} | {norm:.2f} |"
        ) in text
    assert max(shares) < 0.007
    most = max((row["dead"] + row["weak"]) / row["kernels"] for row in rows)
    assert near("dead-kernels", "one in six", "dead or weak")[-1] == f"{100 * most:.2f}"
    networks = len(rows) + len(record["runs"])
    assert str(networks) in numbers_near("docs/kernels.md", "networks of ours")
    for run in record["runs"]:
        recipe = run["run"].replace("ten", "ten-epochs").replace("course", "course-10-epochs")
        name, counts = words[run["network"]], f"{run['dead']} | {run['weak']} | {run['kernels']:,}"
        accuracy = f"{100 * run['accuracy']:.2f}"
        assert f"| {name} | `{recipe[:-3]}` | {counts} | {accuracy} |" in text


def test_dead_kernels_says_where_they_are() -> None:
    record, text = record_of("lesson_kernels"), page("dead-kernels")
    for network, word, share in (("mobilenet_v1", "V1", 6), ("mobilenet_v2", "V2", 14)):
        own = [row for row in record["trainings"] if row["network"] == network]
        assert len(own) == 24
        for block, layers in enumerate(zip(*(row["layers"] for row in own), strict=True)):
            assert {layer["name"].split(".")[1] for layer in layers} == {str(block)}
            kernels, dead, weak = (
                sum(layer[key] for layer in layers) for key in ("kernels", "dead", "weak")
            )
            shown = f"| {word} | {block} | {kernels:,} | {dead} | {weak} |"
            assert (shown in text) == (dead > 0 or weak > 5)
            if block == 0:
                assert round(kernels / dead) == share
                counts = near("dead-kernels", "one in six", "one in fourteen")
                assert word == "V2" or counts[1:3] == [str(dead), str(kernels)]
        few = [row["dead"] + row["weak"] for row in own]
        r = float(np.corrcoef(few, [row["accuracy"] for row in own])[0, 1])
        correlations = near("dead-kernels", "have a correlation")
        assert correlations[{"V1": -1, "V2": 2}[word]] == f"{abs(r):.2f}"
        assert (r < 0) == (f"-{abs(r):.2f}" in text)
