"""The figures of a benchmark.

Independent references: files on the disk, functions of known duration, and this process's own
memory.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import spectrolite as sl
from spectrolite.deploy import benchmark as benchmarking
from spectrolite.deploy.benchmark import peak_mib, tasks_of
from spectrolite.deploy.benchmark_result import Timing
from spectrolite.errors import RunError, SettingsError


@pytest.fixture
def without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No separate process for each model: each takes three seconds to import torch."""
    monkeypatch.setattr(benchmarking, "_measure_alone", lambda *_: (0.25, 300.0))


def test_models_of_both_kinds_are_measured_side_by_side(
    tiny_run: sl.Run,
    digits_run: sl.Run,
    digits_onnx: sl.Export,
    tmp_path: Path,
    without_processes: None,
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    exported = digits_onnx.model.path
    folders = (tiny_run.path, digits_run.path / "bundle", exported)
    out, picture = tmp_path / "result.json", tmp_path / "result.png"
    flags = ("--repeats", 3, "--side", 20, "--out", out, "--picture", picture)
    code, printed, err = typed("benchmark", *folders, *flags, "--threads", 1)
    assert (code, err) == (0, "")
    assert "onnxruntime │ float32" in printed
    content = json.loads(out.read_text(encoding="utf-8"))
    assert (content["threads"], content["repeats"]) == (1, 3)
    assert content["machine"]["torch"] == torch.__version__
    models = content["models"]
    assert [m["backend"] for m in models] == ["torch", "torch", "onnxruntime"]
    assert [m["works_on"] for m in models] == ["pixels", "images", "images"]
    assert [m["many"]["items"] for m in models] == [400, 64, 64]
    assert models[2]["bytes"] == (exported / "model.onnx").stat().st_size
    weights = tiny_run.path / "bundle" / "model.safetensors"
    assert models[0]["bytes"] == weights.stat().st_size
    for m in models:
        assert 0 < m["one"]["p50_s"] <= m["one"]["p95_s"] < 60
        assert (m["load_s"], m["peak_mib"]) == (0.25, 300.0)
    with Image.open(picture) as plot:
        assert len(np.unique(np.asarray(plot.convert("RGB")).reshape(-1, 3), axis=0)) > 10
    assert typed("benchmark", *folders, *flags)[2] == (
        f"error: {out} exists; take another --out, or replace it with --overwrite"
    )


def test_times_are_medians_over_turns() -> None:
    order: list[str] = []

    def task(name: str, seconds: float) -> Callable[[], None]:
        def call() -> None:
            order.append(name)
            time.sleep(seconds)

        return call

    tasks = [task("a", 0.001), task("b", 0.02)]
    slow, slower = benchmarking._timings(tasks, [1, 5], 4)
    assert order == ["a", "b"] * 5  # the first turn warms up
    assert 0.001 <= slow.p50_s < 0.02 <= slower.p50_s < 0.2
    assert slower.items == 5
    assert Timing(10, 0.5, 0.6).per_second == 20


def test_threads_are_set_and_restored(
    digits_run: sl.Run, without_processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = benchmarking._timings

    def spy(*arguments: Any) -> list[Timing]:
        seen.append(torch.get_num_threads())
        return real(*arguments)

    monkeypatch.setattr(benchmarking, "_timings", spy)
    before = torch.get_num_threads()
    result = sl.benchmark([digits_run.path], threads=2, repeats=1)
    assert seen == [2, 2]
    assert torch.get_num_threads() == before
    assert json.loads(result.to_json())["threads"] == 2
    first, row = repr(result).splitlines()
    assert first == "Benchmark, 2 thread(s), 1 calls"
    assert row.startswith(f"{digits_run.path}: mobilenet_v1 (course), torch float32, ")


def test_a_separate_process_measures_time_and_memory(digits_run: sl.Run) -> None:
    load_s, mib = benchmarking._measure_alone(digits_run.path / "bundle", 1, 16)
    assert 0 < load_s < 60
    assert 100 < mib < 4000


def test_load_time_excludes_making_the_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each step advances a clock by a different power of ten."""
    now = [0.0]

    def takes(seconds: float, result: Any = None) -> Callable[..., Any]:
        def step(*_: Any) -> Any:
            now[0] += seconds
            return result

        return step

    tasks = takes(100.0), takes(1000.0)
    monkeypatch.setattr(benchmarking, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(benchmarking, "open_model", takes(1.0))
    monkeypatch.setattr(benchmarking, "tasks_of", takes(10.0, tasks))
    monkeypatch.setattr(benchmarking, "peak_mib", lambda: now[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["-c", str(tmp_path), "1", "16"])
    benchmarking.alone()
    assert json.loads(capsys.readouterr().out) == [101.0, 1111.0]


def test_peak_memory_includes_an_array() -> None:
    before = peak_mib()
    held = np.ones(int((before + 200) * 2**20), np.uint8)
    assert peak_mib() > before + 100
    assert held.all()


def test_the_tasks_are_one_pixel_and_a_scene(tiny_run: sl.Run) -> None:
    one, many = tasks_of(tiny_run.bundle, 15)
    shapes = [one().classes.shape, many().classes.shape]  # type: ignore[attr-defined]
    assert shapes == [(1, 1), (15, 15)]


def test_wrong_use_is_refused(digits_run: sl.Run, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^benchmark: wanted at least one model$"):
        sl.benchmark([])
    for flag in ("threads", "repeats", "side"):
        with pytest.raises(SettingsError, match=rf"^{flag}: wanted 1 or more, got 0$"):
            sl.benchmark([digits_run.path], **{flag: 0})  # type: ignore[arg-type]
    with pytest.raises(RunError, match=r"config\.json: cannot be read"):
        sl.benchmark([tmp_path])
    one, same = tmp_path / "one", tmp_path / "there" / ".." / "one"
    with pytest.raises(SettingsError) as caught:
        sl.benchmark([digits_run.path], out=one, picture=same, overwrite=True)
    assert str(caught.value) == f"out, picture: wanted two different files, got {one} for both"
    assert not one.exists()
    with pytest.raises(RunError, match=r"cannot be measured in a separate process \(.*none"):
        benchmarking._measure_alone(tmp_path / "none", 1, 1)
