"""A disk that is full while a model is delivered: the file is named, and nothing half is left.

The limit is a real one, of the system, on the size of the files that this process writes.
"""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import spectrolite as sl
from spectrolite.files import MAKE_ROOM

Typed = Callable[..., tuple[int, str, str]]


@contextmanager
def files_up_to(most: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


CASES: dict[str, tuple[tuple[Any, ...], str]] = {
    "onnx": (("export", "RUN", "--out", "OUT"), "{0}/.part.out/model.onnx"),
    "prune": (
        ("prune", "RUN", "--dead", "--out", "OUT"),
        "{0}/.part.out/bundle/model.safetensors",
    ),
    "map": (("map", "RUN", "--out", "OUT.tif"), "{0}/out.tif.part/000000.tile"),
    "benchmark": (("benchmark", "RUN", "--repeats", "1", "--out", "OUT.json"), "{0}/out.json"),
    "evaluate": (("evaluate", "RUN"), "{1}/.next/report.json"),
    "report": (("report", "RUN"), "{1}/.next/report.html"),
    "doctor": (("doctor", "RUN"), "{1}/.next/doctor.html"),
    "repeat": (
        ("repeat", "RUN", "--seeds", "2", "--out", "OUT"),
        "{0}/out/seed-1.part/split.safetensors",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_file_is_named_and_nothing_half_is_left(
    case: str,
    typed: Typed,
    mobilesn_run: sl.Run,
    digits_onnx: sl.Export,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = (digits_onnx.model.path / "model.onnx").read_bytes()  # torch's exporter takes seconds
    monkeypatch.setattr("spectrolite.deploy.export.onnx_bytes", lambda *_: graph)
    words, file = CASES[case]
    before = {p: p.read_bytes() for p in mobilesn_run.path.rglob("*") if p.is_file()}
    out = str(tmp_path / "out")
    with files_up_to(300 if case == "benchmark" else 3000):
        code, _, err = typed(
            *(str(mobilesn_run.path) if w == "RUN" else w.replace("OUT", out) for w in words)
        )
    assert code == 1, err
    where = re.escape(file.format(tmp_path, mobilesn_run.path))
    assert re.search(rf"error: \[Errno 27\] File too large: '{where}' {MAKE_ROOM}", err), err
    assert names(tmp_path) == (["out"] if case == "repeat" else [])
    assert before == {p: p.read_bytes() for p in mobilesn_run.path.rglob("*") if p.is_file()}


def test_openvino_names_its_file_too(
    mobilesn_run: sl.Run,
    scene_exports: dict[str, sl.Export],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = (scene_exports["onnx"].model.path / "model.onnx").read_bytes()
    monkeypatch.setattr("spectrolite.deploy.export.onnx_bytes", lambda *_: graph)
    with files_up_to(3000), pytest.raises(OSError, match="is the disk full") as caught:
        sl.export(mobilesn_run, "openvino", out=tmp_path / "out")
    assert caught.value.filename == f"{tmp_path}/.part.out/model.xml"
    assert names(tmp_path) == []
