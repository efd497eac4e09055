"""A tiny scene that every stage can run on, and the rule that CI skips nothing."""

from __future__ import annotations

import gc
import hashlib
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from torch.export import ExportedProgram

import spectrolite as sl
from spectrolite.bundles.image_bundle import ImageBundle
from spectrolite.bundles.scene_bundle import Bundle
from spectrolite.cli import app
from spectrolite.deploy.onnx_graph import onnx_bytes


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With SPECTROLITE_ALL=1, as in CI, a skipped test fails."""
    report = yield
    if os.environ.get("SPECTROLITE_ALL") == "1" and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: a tenth of the time of a training."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function out of coverage's sight, which doubles the time of Python code of others."""

    def call(*arguments: Any, **named: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*arguments, **named)
        finally:
            sys.settrace(tracer)
            (lambda: None)()  # the tracer takes over at a call, and must see this frame return

    return call


@pytest.fixture(scope="session", autouse=True)
def others_untraced() -> Iterator[None]:
    """Long work of other libraries, in which nothing of ours runs."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((Figure, "savefig"), (ExportedProgram, "run_decompositions")):
            patch.setattr(owner, name, _untraced(getattr(owner, name)))
        yield


@pytest.fixture(scope="session", autouse=True)
def each_graph_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One ONNX graph of each model, for all workers: torch's exporter takes ten seconds."""
    mine = tmp_path_factory.getbasetemp()
    shared = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine

    def once(bundle: Bundle | ImageBundle, dropped: tuple[int, ...]) -> bytes:
        model = f"{bundle.sha256} {bundle.config!r} {dropped}"
        name = f"{hashlib.sha256(model.encode()).hexdigest()}.onnx"
        if not (shared / name).exists():
            (mine / name).write_bytes(onnx_bytes(bundle, dropped))
            (mine / name).replace(shared / name)
        return (shared / name).read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        for user in ("export", "quantize"):
            patch.setattr(f"spectrolite.deploy.{user}.onnx_bytes", once)
        yield


@pytest.fixture(scope="session")
def tiny() -> tuple[sl.Scene, sl.Labels]:
    """28 x 30 pixels, 16 bands, four fields of three classes (ids 2, 3, 7) around bare ground."""
    generator = np.random.default_rng(0)
    ids = np.zeros((28, 30), np.int32)
    ids[1:13, 1:14], ids[1:13, 16:29], ids[15:27, 1:14], ids[15:27, 16:29] = 2, 3, 7, 2
    spectra = generator.uniform(1000, 5000, size=(8, 16))
    cube = spectra[ids] + generator.normal(0, 200, size=(28, 30, 16))
    labels = sl.Labels(ids, class_names={2: "Oats & rye", 3: "Wheat", 7: "<Woods>"}, name="tiny")
    return sl.Scene(cube.round().astype(np.uint16), name="tiny"), labels


@pytest.fixture(scope="session")
def tiny_files(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The tiny scene and its labels as files."""
    folder = tmp_path_factory.mktemp("tiny")
    np.save(folder / "scene.npy", tiny[0].cube)
    np.save(folder / "labels.npy", tiny[1].array)
    return folder / "scene.npy", folder / "labels.npy"


@pytest.fixture(scope="session")
def tiny_flags() -> dict[str, Any]:
    """Settings that run every stage on the tiny scene in a second or two, learning little."""
    return {"components": 13, "epochs": 3}


@pytest.fixture(scope="session")
def tiny_run(tiny_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """A run that learnt the tiny scene from files; tests that change it work on a copy."""
    scene, labels = sl.read_scene(tiny_files[0]), sl.read_labels(tiny_files[1])
    split = sl.split(labels, "random", train=0.2, seed=1)
    out = tmp_path_factory.mktemp("runs") / "tiny"
    return sl.train(scene, labels, split, out=out, components=13, epochs=30, learning_rate=1e-3)


@pytest.fixture(scope="session")
def mobilesn_run(tiny_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """A small MobileSN run on the tiny scene; tests that change it work on a copy."""
    scene, labels = sl.read_scene(tiny_files[0]), sl.read_labels(tiny_files[1])
    return sl.train(
        scene,
        labels,
        sl.split(labels, "random", train=0.2, seed=1),
        out=tmp_path_factory.mktemp("runs") / "mobilesn",
        model="mobilesn",
        components=5,
        epochs=3,
        receptive_field=5,
        width=0.25,
    )


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """A small network that learnt scikit-learn's digits; tests that change it work on a copy."""
    return sl.train(
        *sl.load("digits"),
        out=tmp_path_factory.mktemp("runs") / "digits",
        model="mobilenet_v1",
        variant="course",
        width=0.25,
        epochs=6,
        batch=64,
        mirror="none",
        pad=1,
    )


@pytest.fixture(scope="session")
def digits_onnx(digits_run: sl.Run, tmp_path_factory: pytest.TempPathFactory) -> sl.Export:
    """The digits' network as ONNX."""
    return sl.export(digits_run, out=tmp_path_factory.mktemp("exports") / "digits")


@pytest.fixture(scope="session")
def scene_exports(
    tiny_run: sl.Run, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, sl.Export]:
    """The tiny scene's network in both formats."""
    folder = tmp_path_factory.mktemp("scenes")
    onnx = sl.export(tiny_run.path, "onnx", out=folder / "onnx")
    openvino = sl.export(tiny_run.path, "openvino", out=folder / "openvino")
    return {"onnx": onnx, "openvino": openvino}


@pytest.fixture(scope="session")
def image_exports(
    digits_run: sl.Run, digits_onnx: sl.Export, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, sl.Export]:
    """The digits' network in both formats; the OpenVINO one is exported from the bundle."""
    folder = tmp_path_factory.mktemp("images")
    openvino = sl.export(digits_run.path / "bundle", "openvino", out=folder / "openvino")
    return {"onnx": digits_onnx, "openvino": openvino}


@pytest.fixture
def typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Type a command: exit code, standard output, standard error in one line."""

    def type_(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["spectrolite", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            app.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, " ".join(err.split())

    return type_
