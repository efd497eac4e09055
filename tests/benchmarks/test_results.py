"""Every committed result names what made it, and one of its figures can be made again.

References: the shape that `benchmarks/records.py` states, and, for position alone, a table measured
before this package existed.
"""

from __future__ import annotations

import importlib
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from records import Repeat
from repro import script_of

import spectrolite as sl
from prose import numbers_near
from spectrolite.samples.split_grammar import parse_split

ROOT = Path(__file__).parents[2]
RESULTS = {path.stem: path for path in sorted((ROOT / "benchmarks" / "results").glob("*.json"))}
SHA256 = re.compile("[0-9a-f]{64}")
MACHINE = {"processor", "threads", "cpu_capability", "python", "torch"}


def record_of(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(RESULTS[name].read_text(encoding="utf-8"))
    return record


def words(page: str) -> str:
    """A page in one line."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


def values_in(content: Any) -> list[Any]:
    """Every number and text of a record, however deep."""
    if isinstance(content, dict):
        return [v for part in content.values() for v in values_in(part)]
    if isinstance(content, list):
        return [v for part in content for v in values_in(part)]
    return [content]


def test_there_are_results_and_nothing_else_beside_them() -> None:
    assert RESULTS
    assert {p.suffix for p in (ROOT / "benchmarks" / "results").iterdir()} == {".json"}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_names_commit_command_and_machine(name: str) -> None:
    record = record_of(name)
    assert re.fullmatch("[0-9a-f]{40}", record["commit"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record["date"])
    assert set(record["machine"]) >= MACHINE
    program, script, *words = record["command"].split()
    assert program == "python"
    assert (ROOT / script).is_file()
    assert not any(word.startswith(("/", "~", "..")) for word in [script, *words])


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_has_the_hashes_of_data_split_and_weights_or_says_why_not(name: str) -> None:
    inputs = record_of(name)["inputs"]
    assert set(inputs) == {"data", "split", "weights", "without"}
    for part in ("data", "split", "weights"):
        if inputs[part] is None:
            assert len(inputs["without"][part].split()) > 2
        else:
            assert part not in inputs["without"]
            assert inputs[part]
            assert all(SHA256.fullmatch(sha256) for sha256 in inputs[part].values())


@pytest.mark.parametrize("name", RESULTS)
def test_a_figure_of_each_result_can_be_drawn_to_be_made_again(name: str) -> None:
    record = record_of(name)
    again = importlib.import_module(script_of(record).stem).again
    known = values_in(record)
    drawn = [again(record, np.random.default_rng(seed)) for seed in range(12)]
    for repeat in drawn:
        assert isinstance(repeat, Repeat)
        assert repeat.what
        assert all(value in known for value in repeat.stored.values())
        assert set(repeat.tolerance) <= set(repeat.stored)
        assert all(0 <= allowed < np.inf for allowed in repeat.tolerance.values())
        numbers = {k for k, value in repeat.stored.items() if not isinstance(value, str)}
        assert numbers == set(repeat.tolerance)  # a number without a tolerance is never compared
    same = again(record, np.random.default_rng(0))
    assert (same.what, same.stored) == (drawn[0].what, drawn[0].stored)
    assert len({repeat.what for repeat in drawn}) > 1


POSITION = {  # overall accuracy in %, five seeds, at 30, 10, 5 and 1 %
    "indian_pines": (99.45, 97.55, 95.22, 82.79),
    "pavia_u": (99.86, 98.89, 97.27, 90.44),
    "salinas": (99.97, 99.81, 99.45, 95.99),
}


@pytest.mark.parametrize("scene", POSITION)
def test_position_alone_scores_what_was_measured_before(scene: str) -> None:
    record = record_of("position_baseline")
    for train, known in zip((0.3, 0.1, 0.05, 0.01), POSITION[scene], strict=True):
        rows = [r for r in record["rows"] if (r["scene"], r["train"]) == (scene, train)]
        assert [row["seed"] for row in rows] == [0, 1, 2, 3, 4]
        accuracies = [100 * row["overall_accuracy"] for row in rows]
        assert np.mean(accuracies) == pytest.approx(known, abs=0.1)
        (line,) = (t for t in record["table"] if (t["scene"], t["train"]) == (scene, train))
        assert 100 * line["mean"] == pytest.approx(np.mean(accuracies))
        assert 100 * line["std"] == pytest.approx(np.std(accuracies, ddof=1))
        if train >= 0.1:
            assert all(row["overlap"] == 1.0 or scene == "pavia_u" for row in rows)
            assert all(row["overlap"] > 0.998 for row in rows)
        shown = f"{100 * line['mean']:.2f} ± {100 * line['std']:.2f}"
        assert shown in (ROOT / "docs" / "splits.md").read_text(encoding="utf-8")
    raised = [r["raised"] for r in record["rows"] if r["scene"] == "indian_pines"]
    assert [r for r in raised if r] == [[7, 9]] * 5  # at 1 %


HYBRIDSN = {  # rows of two tables of docs/results.md, and the figures of the records behind them
    "**HybridSN**": "overall_accuracy",
    "its average accuracy": "average_accuracy",
    "its kappa × 100": "kappa",
    "eight orientations averaged": "flips_overall_accuracy",
}
BASELINES = {
    "SVM on the pixel and its patch's mean": "svm_context",
    "SVM on the pixel": "svm",
    "position alone, never sees the image": "position",
}


@pytest.mark.parametrize(
    "names", [("random-10", "blocks", "blocks-clean"), ("random-30", "random-10", "random-5")]
)
def test_the_tables_of_results_are_those_of_the_records(names: tuple[str, ...]) -> None:
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    records = [record_of(f"hybridsn-{name}") for name in names]
    seeds = [f"({len(record['seeds'])} seeds)" for record in records]
    for title, figure in HYBRIDSN.items():
        values = [[100 * row[figure] for row in record["seeds"]] for record in records]
        cells = [f"{np.mean(v):.2f} ± {np.std(v, ddof=1):.2f}" for v in values]
        if title.startswith("**"):
            cells = [f"**{cell}**" for cell in cells]
            if names[1] == "blocks":
                cells = [f"{cell} {n}" for cell, n in zip(cells, seeds, strict=True)]
        assert f"| {title} | {' | '.join(cells)} |" in page
    for title, baseline in BASELINES.items():
        if baseline == "svm" and names[1] != "blocks":
            continue  # the second table leaves it out
        cells = [f"{100 * record['baselines'][baseline]:.2f}" for record in records]
        assert f"| {title} | {' | '.join(cells)} |" in page
    if names[1] == "blocks":
        clean = record_of("hybridsn-blocks-clean")["summary"]["overall_accuracy"]
        shown = f"{100 * clean['mean']:.2f} ± {100 * clean['std']:.2f} %"
        assert shown in (ROOT / "docs" / "splits.md").read_text(encoding="utf-8")
        pixels = [f"{record['baselines']['fitted_pixels']:,}" for record in records]
        seconds = [f"{record['summary']['training_s']['mean']:.0f}" for record in records]
        assert f"| training pixels | {' | '.join(pixels)} |" in page
        assert f"| training time in seconds | {' | '.join(seconds)} |" in page
        assert seconds[0] in numbers_near("docs/first-run.md", "two cores with AVX-512")
        inside, some, none = (record["leakage"]["overlap"] for record in records)
        shown = f"patch | {100 * inside:.0f} % | {100 * some:.1f} % | **none: clean** |"
        assert shown in page
        assert none == 0
        ahead = 100 * (records[2]["baselines"]["svm"] - clean["mean"])
        position = 100 * records[0]["baselines"]["position"]
        near = numbers_near("docs/results.md", "sees only the row and the column", "plainest")
        assert {f"{ahead:.0f}", f"{position:.1f}"} <= set(near)
        overall = records[0]["summary"]["overall_accuracy"]
        shown = f"[{100 * overall['mean']:.2f} ± {100 * overall['std']:.2f}]"
        assert shown in words("docs/why-results-differ.md")
    else:
        shares = zip((30, 10, 5), seeds, strict=True)
        assert (
            f"| random split of | {' | '.join(f'{share} % {n}' for share, n in shares)} |" in page
        )


def test_pages_say_how_fast_a_scene_is_labelled_and_trained_on() -> None:
    record = record_of("scene_map")
    times, plain, fast = (record[key] for key in ("times_faster", "dense_plain", "dense"))
    near = numbers_near("docs/results.md", "patches in their best form", "logits agree")
    assert near[1:] == [  # the first is the scene's machine, AVX-512
        f"{record['patches']['seconds']:.1f}",
        f"{plain['steady_s']:.2f}",
        f"{fast['steady_s']:.3f}",
        f"{times['steady']:.0f}",
        f"{fast['first_s']:.3f}",
        f"{times['first']:.0f}",
        "5e-7",
    ]
    assert record["difference_of_largest"] < 5e-7
    assert f"{times['steady']:.0f}" in numbers_near("README.md", "any size")
    steady = {f"{fast['steady_s']:.3f}", f"{plain['steady_s']:.2f}"}
    assert steady <= set(numbers_near("DESIGN.md", "frequency domain"))
    whole, patches = record_of("train_time")["recipes"]
    assert 25 < whole["seconds_to_wanted"] < 35
    assert patches["seconds_to_wanted"] is None
    near = numbers_near("docs/results.md", "half a minute", "whole-scene steps")
    end = [f"{100 * patches['overall_accuracy']:.1f}", f"{patches['seconds']:.0f}"]
    assert near == ["98.5", *end]
    a_patch = patches["seconds"] / (patches["settings"]["epochs"] * 1024)  # training pixels
    assert patches["settings"]["batch"] == 128
    assert round(100 * 0.3 * 10_249 * a_patch / 60, -1) == 40
    near = numbers_near("docs/first-run.md", "ms a patch")
    assert {f"{1000 * a_patch:.1f}", "40"} <= set(near)


def test_the_splits_of_the_page_are_what_it_says() -> None:
    """Drawn again: which pixels train, how many are tested, for which patch that is clean."""
    page = (ROOT / "docs" / "splits.md").read_text(encoding="utf-8")
    _, labels = sl.load("indian_pines")
    rows = re.findall(
        r"^\| `((?:blocks|fields),train=[^`]+guard=\d+)` \| (\d+) % \| ([\d,]+) \| "
        r"(\d+) \| (\d+) \|$",
        page,
        re.MULTILINE,
    )
    assert len(rows) == 6
    tested = {}
    for text, *shown in rows:
        method, parameters = parse_split(f"{text},allow_missing")
        drawn = sl.split(labels, method, **parameters)
        tested[text] = len(np.unique(labels.array.ravel()[drawn.test]))
        made = f"{100 * drawn.train_share:.0f}", f"{len(drawn.test):,}", str(tested[text])
        patch = 2 * int(text.rsplit("=", 1)[1]) + 1
        assert (*made, str(patch)) == tuple(shown)
        assert drawn.leakage(patch).clean
        assert not drawn.leakage(patch + 2).clean
    blocks = [tested[f"blocks,train={t},side=20,guard={g}"] for t, g in ((0.3, 6), (0.1, 12))]
    shown = "| classes tested | 16 of 16 | {} of 16 | {} of 16 |".format(*blocks)
    assert shown in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


OPERATORS = {
    "convolutions, backward": "aten::convolution_backward",
    "convolutions, forward": "aten::mkldnn_convolution",
    "BatchNorm, backward": "aten::native_batch_norm_backward",
    "BatchNorm, forward": "aten::native_batch_norm",
    "ReLU, backward": "aten::threshold_backward",
}


def test_the_page_on_cifar_says_where_the_time_goes() -> None:
    page, (v1, v2) = words("docs/cifar.md"), record_of("train_images")["models"]
    for title, name in OPERATORS.items():
        sides = [row["profiles"][side][name] for row in (v1, v2) for side in ("notebook", "ours")]
        assert f"| {title} | {' | '.join(f'{100 * share:.0f}' for share in sides)} |" in page


def test_the_page_on_cifar_says_how_the_trainings_went() -> None:
    v1, v2 = (record_of(f"cifar-ten-epochs-mobilenet_v{n}") for n in (1, 2))
    minutes = [record["training"]["seconds"] / 60 for record in (v1, v2)]
    near = numbers_near("docs/cifar.md", "one core without a GPU", "minutes")
    assert [near[0], near[2]] == [f"{taken:.0f}" for taken in minutes]
    for alone, row in zip(minutes, record_of("train_images")["models"], strict=True):
        assert 10 * 45_000 / row["images_a_second"]["ours"] / 60 == pytest.approx(
            alone / 2, rel=0.15
        )
    losses = [epoch["loss"] for epoch in v2["epochs"]]
    fell = [before - after for before, after in pairwise(losses[1:6])]
    assert all(epoch["learning_rate"] > 0.24 for epoch in v2["epochs"][1:6])
    near = numbers_near("docs/cifar.md", "loss fell", "augmented training images")
    first = near.index(f"{min(fell):.2f}")
    end = f"{100 * v2['epochs'][-1]['training_accuracy']:.0f}"
    assert near[first : first + 3] == [f"{min(fell):.2f}", f"{max(fell):.2f}", end]


def test_the_step_on_images_is_as_fast_as_wanted_and_as_the_page_says() -> None:
    record = record_of("train_images")
    page = (ROOT / "docs" / "cifar.md").read_text(encoding="utf-8")
    assert [row["model"] for row in record["models"]] == ["mobilenet_v1", "mobilenet_v2"]
    for row, wanted in zip(record["models"], (1.2, 1.3), strict=True):
        images = row["images_a_second"]
        assert row["times_faster"] == np.median(row["times_faster_by_turn"]) >= wanted
        assert min(row["times_faster_by_turn"]) > wanted
        name = {"mobilenet_v1": "MobileNetV1", "mobilenet_v2": "MobileNetV2"}[row["model"]]
        shown = f"{images['notebook']:.0f} images/s | {images['ours']:.0f} images/s"
        assert f"| {name} | {shown} | **{row['times_faster']:.2f} times** |" in page
        one, other = (np.array(row["losses"][side]) for side in ("ours", "notebook"))
        np.testing.assert_allclose(one, other, rtol=0.1)
        assert one[-5:].mean() < 0.7 * one[:5].mean()  # both learn
        apart = abs(one[-1] - other[-1]) / other[-1]
        near = numbers_near("docs/cifar.md", "in float32", "losses are")
        v1, _, v2, _ = near[near.index("30") + 1 :]  # 30 steps; each figure before its network
        assert f"{100 * apart:.1f}" == {"MobileNetV1": v1, "MobileNetV2": v2}[name]
        assert row["losses_float64"]["ours"] == row["losses_float64"]["notebook"]


def test_large_maps_stay_within_memory_and_the_page_says_what_was_measured() -> None:
    record = record_of("large_map")
    page = (ROOT / "docs" / "large-scenes.md").read_text(encoding="utf-8")
    rows = [("MobileSN", row) for row in record["sizes"]]
    rows += [("HybridSN", record[f"hybridsn_{kind}"]) for kind in ("pavia_university", "million")]
    assert record["sizes"][-1]["pixels"] == 5000 * 5000
    for name, row in rows:
        assert row["peak_mib"] <= 1024
        side = f"{round(row['pixels'] ** 0.5):,}"
        size = f"{side} x {side} x 200" if row["pixels"] != 207_400 else "610 x 340 x 103"
        assert f"| {name} | {size} | {row['seconds']:.1f} | {row['peak_mib']:.0f} |" in page
    assert record["hybridsn_pavia_university"]["seconds"] <= 8
    large = [row for row in record["sizes"] if row["pixels"] > 20_000]
    pixels, seconds = (np.log([row[key] for row in large]) for key in ("pixels", "seconds"))
    slope = np.polyfit(pixels, seconds, 1)[0]
    assert slope == pytest.approx(record["exponent"])
    assert 0.8 < slope < 1.1
    assert f"to the power of {slope:.2f}." in page


CIFAR = [name for name in RESULTS if name.startswith("cifar-")]


@pytest.mark.parametrize("name", CIFAR)
def test_the_page_on_cifar_says_what_was_scored(name: str) -> None:
    record = record_of(name)
    page = (ROOT / "docs" / "cifar.md").read_text(encoding="utf-8")
    assert record["data"] == "CIFAR-10, JPEG copy"
    assert record["images"] == {"trained": 45_000, "validated": 5_000, "tested": 10_000}
    test, network = record["test"], record["model"].replace("mobilenet_v", "MobileNetV")
    interval = f"{100 * test['interval']['low']:.1f} to {100 * test['interval']['high']:.1f}"
    cells = [
        f"`{record['recipe']}`",
        network,
        f"**{100 * test['scores']['overall_accuracy']:.2f}**",
        interval,
        f"{100 * record['validation']['accuracy']:.2f}",
        f"{100 * test['scores']['wrongly_shuffled']:.2f}",
        f"{record['training']['seconds'] / 60:.0f} min",
    ]
    assert f"| {' | '.join(cells)} |" in page


NETWORKS = {
    "mobilenet_v1": "MobileNetV1",
    "mobilenet_v2": "MobileNetV2",
    "hybridsn": "HybridSN",
    "mobilesn": "MobileSN",
}


def test_what_was_shipped_keeps_its_classes_and_the_page_says_what_was_measured() -> None:
    record = record_of("ship")
    page = (ROOT / "docs" / "ship-it.md").read_text(encoding="utf-8")
    measured = {row["model"]: row for row in record["measured"]}
    assert {row["network"] for row in record["runs"]} == set(NETWORKS)
    for row in record["runs"]:
        for backend, name in (("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO")):
            assert row["parity"][backend]["difference"] <= 1e-4
            assert row["parity"][backend]["same_class"] == 1
            (few,) = (
                f for f in row["fewer"] if (f["backend"], f["precision"]) == (backend, "int8")
            )
            plain_s, few_s = (
                measured[f"{row['run']}/{kind}"]["many"]["p50_s"]
                for kind in (backend, f"{backend}-int8")
            )
            cells = [
                NETWORKS[row["network"]],
                name,
                f"{100 * few['before']:.2f}",
                f"{100 * few['after']:.2f}",
                f"{100 * few['same_class']:.2f}",
                f"{few['bytes_after'] / 1e6:.2f} MB, {few['times_smaller']:.2f} × smaller",
                f"{1000 * few_s:.0f} ms, {plain_s / few_s:.2f} × faster",
            ]
            assert f"| {' | '.join(cells)} |" in page
    worst = max(p["difference"] for row in record["runs"] for p in row["parity"].values())
    near = numbers_near("docs/ship-it.md", "largest logit", "both backends differ")
    assert f"{worst:.1e}" in near


def test_the_study_of_mobilesn_is_what_the_page_says() -> None:
    page = (ROOT / "docs" / "which-network.md").read_text(encoding="utf-8")
    questions = record_of("choose_mobilesn")["questions"]
    apart = []
    for question in questions.values():
        for row in question["rows"]:
            shown = f"{100 * row['mean_accuracy']:.2f}, {row['mean_cross_entropy']:.3f}"
            assert shown in page
    for row in questions["blocks"]["rows"]:
        apart.append(100 * (max(row["accuracy"]) - min(row["accuracy"])))
    for other in ("which-network", "results", "splits", "why-results-differ"):
        assert f"{max(apart):.1f}" in numbers_near(f"docs/{other}.md", "points apart")
