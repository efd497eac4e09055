"""The course's notebook runs from the first cell to the last, at its setting of one minute.

Cells are executed as they stand, in one namespace, as a kernel does; none of them needs more of
Jupyter than a place to show its last value, which is held against what a notebook can show.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import spectrolite as sl

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "course.ipynb"


def notebook() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return content


def code_cells() -> list[str]:
    return ["".join(c["source"]) for c in notebook()["cells"] if c["cell_type"] == "code"]


def execute(cells: list[str]) -> tuple[dict[str, Any], list[Any]]:
    """The names after the last cell, and what each cell shows: the value of a last expression."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for text in cells:
        body = ast.parse(text).body
        last = body[-1]
        if not isinstance(last, ast.Expr):
            exec(compile(text, "course", "exec"), names)
            continue
        exec(compile(ast.Module(body[:-1], []), "course", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "course", "eval"), names)
        if value is not None:
            shown.append(value)
    return names, shown


def test_the_notebook_is_one_without_outputs() -> None:
    content = notebook()
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert content["metadata"]["kernelspec"]["name"] == "python3"
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    for cell in content["cells"]:
        wanted = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            wanted |= {"outputs", "execution_count"}
        assert set(cell) == wanted
        for line in "".join(cell["source"]).split("]("):
            target = line.split(")")[0]
            if target.endswith(".md"):
                assert (NOTEBOOK.parent / target).exists(), target


@pytest.mark.slow
def test_every_cell_runs_at_the_setting_of_one_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorly", reason="needs the extra demo, for Indian Pines")
    monkeypatch.setenv("SPECTROLITE_COURSE", "short")
    monkeypatch.chdir(tmp_path)
    names, shown = execute(code_cells())
    said = capsys.readouterr().out
    assert "depthwise 27\npointwise 12\n" in said
    assert "mobilenet_v1: 2,142,026 parameters, 29,282,304 multiply-accumulates" in said
    assert "project ['Conv2d', 'BatchNorm2d']" in said
    assert "100% of the test pixels lie inside a training patch" in said
    for name in ("v1", "v2", "hybrid"):
        run = names[name]
        assert f"{100 * run.report.overall_accuracy:.2f} %" in said
        assert run.report.model in said
        assert (run.path / "report.html").is_file()
    assert names["hybrid"].report.protocol.split.startswith("random,train=0.1")
    tiles, maps = shown
    assert isinstance(tiles, Image.Image)
    assert tiles.size == (640, 64)
    assert maps.size == (3 * (2 * 145 + 5), 3 * 145)
    truth = names["labels"].array
    assert (np.asarray(maps)[::3, : 3 * 145 : 3][truth == 0] == 0).all()


@pytest.mark.slow
def test_the_images_are_cifar_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to the first training, on pictures of noise in the place of CIFAR's."""
    generator = np.random.default_rng(0)

    def load(name: str, root: str) -> tuple[sl.ImageSet, sl.ImageSet]:
        assert (name, root) == ("cifar10", "data")
        return tuple(  # type: ignore[return-value]
            sl.ImageSet(
                generator.integers(0, 256, (n, 3, 32, 32), np.uint8),
                np.arange(n) % 10,
                class_names=tuple("abcdefghij"),
                name=f"cifar10/{part}",
            )
            for n, part in ((100, "train"), (20, "test"))
        )

    monkeypatch.setenv("SPECTROLITE_COURSE", "short")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sl, "load", load)
    (tmp_path / "data" / "cifar-10-batches-bin").mkdir(parents=True)
    cells = code_cells()
    (until,) = (k for k, text in enumerate(cells) if "v1 = sl.train(" in text)
    names, shown = execute(cells[: until + 1])
    assert "cifar10/train (3, 32, 32) 90 train 20 test" in capsys.readouterr().out
    assert names["v1"].settings.training.learning_rate == 0.5
    assert shown[0].size == (640, 64)
