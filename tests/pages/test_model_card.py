"""The card of a trained model.

Independent references:
- the report's own figures, formatted here;
- the front matter taken apart line by line and read by `json`, which YAML contains.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import spectrolite as sl
from spectrolite.errors import RunError
from spectrolite.pages.model_card import card


def _front(text: str) -> dict[str, Any]:
    dashes, front, _ = text.split("---\n", 2)
    assert dashes == ""
    pairs = (line.split(": ", 1) for line in front.splitlines())
    return {key: json.loads(value) for key, value in pairs}


def test_a_run_on_a_scene_has_its_card(tiny_run: sl.Run) -> None:
    text = (tiny_run.path / "bundle" / "README.md").read_text(encoding="utf-8")
    report = tiny_run.report
    front = _front(text)
    assert front["library_name"] == "spectrolite"
    assert front["pipeline_tag"] == "image-segmentation"
    (result,) = front["model-index"][0]["results"]
    assert result["dataset"]["split"] == report.protocol.split
    assert [m["value"] for m in result["metrics"]] == [
        report.overall_accuracy,
        report.average_accuracy,
    ]
    assert f"| overall accuracy | {100 * report.overall_accuracy:.2f} % |" in text
    assert f"| kappa x 100 | {100 * report.kappa:.2f} |" in text
    assert f"| test pixels seen in training | {100 * report.leakage.overlap:.2f} % |" in text
    assert f"| position alone | {100 * report.baselines.position:.2f} % |" in text
    assert "seconds" not in text
    assert f"| seed | {report.seed} |" in text
    assert f"sha256 `{tiny_run.manifest['weights_sha256']}`" in text
    for c in report.per_class:
        assert f"| {c.id} | {c.name} | {c.recall:.4f} | {c.precision:.4f} |" in text
    for title in ("Data and protocol", "Figures", "By class", "Limits", "Use"):
        assert f"\n## {title}\n" in text


def test_a_run_on_images_has_its_card(digits_run: sl.Run) -> None:
    text = (digits_run.path / "bundle" / "README.md").read_text(encoding="utf-8")
    report = digits_run.report
    assert _front(text)["pipeline_tag"] == "image-classification"
    assert f"| majority class | {100 * report.baselines.majority:.2f} % |" in text
    assert "| training, validation, test images | 1,297, 145, 355 |" in text
    assert text == card(report, digits_run.bundle.sha256)


def test_a_class_name_is_text_and_never_markup(tiny_run: sl.Run) -> None:
    report = tiny_run.report
    names = iter(("<Woods>", "a | b", "*x*\n# y"))
    renamed = tuple(c.model_copy(update={"name": next(names)}) for c in report.per_class)
    text = card(report.model_copy(update={"per_class": renamed}), "0" * 64)
    for written in (r"| 2 | \<Woods\> |", r"| 3 | a \| b |", r"| 7 | \*x\* \# y |"):
        assert written in text


@pytest.mark.parametrize("name", ['a"\n---\nlicense: mit', "x: [1", "# |`<b>"])
def test_a_name_cannot_break_out_of_the_front_matter(digits_run: sl.Run, name: str) -> None:
    report = digits_run.report.model_copy(update={"data": name})
    front = _front(card(report, "0" * 64))
    assert set(front) == {"library_name", "pipeline_tag", "tags", "model-index"}
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == name


class _Trap:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("verb", ["classify", "doctor"])
def test_a_pickle_given_as_a_model_is_refused_and_does_not_run(
    tmp_path: Path, typed: Any, verb: str
) -> None:
    model, trace = tmp_path / "model.pt", tmp_path / "trace"
    model.write_bytes(pickle.dumps(_Trap(trace)))
    with pytest.raises(RunError) as caught:
        sl.load_bundle(model)
    message = (
        f"{model}: a file, wanted the folder of a run or of a bundle; what torch.save or pickle "
        "wrote is never opened; train again"
    )
    assert str(caught.value) == message
    code, out, err = typed(verb, model, *(["x.png"] if verb == "classify" else []))
    assert (code, out, err) == (2, "", f"error: {message}")
    assert not trace.exists()
    pickle.loads(model.read_bytes())
    assert trace.exists()  # the trap works
