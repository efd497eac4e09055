"""The manifest: one type for each kind of run, as the file has it.

References are the files themselves, read by the json of Python.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import spectrolite as sl
from spectrolite.bundles.loading import any_bundle
from spectrolite.errors import RunError
from spectrolite.runs.manifest import (
    ImageManifest,
    Manifest,
    Pruned,
    read_training,
    write_training,
)
from spectrolite.runs.run_folder import ImageRun, SceneRun, any_run, run_of

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1"
KINDS = {"scene_run": (SceneRun, Manifest), "image_run": (ImageRun, ImageManifest)}


@pytest.mark.parametrize("name", KINDS)
def test_the_keys_of_the_file_decide_the_kind(name: str) -> None:
    run = sl.open_run(OLD / name)
    assert (type(run), type(run.manifest)) == KINDS[name]
    assert isinstance(run, sl.Run)


@pytest.mark.parametrize("name", KINDS)
def test_a_manifest_of_version_0_1_is_written_as_it_was(name: str, tmp_path: Path) -> None:
    path = OLD / name / "manifest.json"
    write_training(tmp_path / "manifest.json", read_training(path, Manifest, ImageManifest))
    assert (tmp_path / "manifest.json").read_text() == path.read_text()


def test_what_training_returns_is_what_is_on_disk(tiny_run: sl.Run, digits_run: sl.Run) -> None:
    for run in (tiny_run, digits_run):
        opened = sl.open_run(run.path)
        assert opened.manifest == run.manifest
        assert type(opened) is type(run)
        assert run.bundle.sha256 == run.manifest.weights_sha256
        assert run.report.figures_sha256 == run.manifest.figures_sha256


def test_a_pruning_without_fine_tuning_leaves_its_keys_out() -> None:
    pruned = Pruned(how="--dead", kernels=(9, 8), from_sha256="0" * 64, epochs=0)
    assert list(pruned.model_dump()) == ["how", "kernels", "from_sha256", "epochs"]


def test_a_key_that_is_missing_is_named(tmp_path: Path) -> None:
    content = json.loads((OLD / "scene_run" / "manifest.json").read_text())
    del content["data"]["labels"]
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(RunError) as caught:
        sl.open_run(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/manifest.json: damaged: data.labels: Field required; train again"
    )


FORMATS = {
    "manifest.json": (
        "spectrolite.runs.manifest.MANIFEST_FORMAT",
        "spectrolite.bundles.loading.MANIFEST_FORMAT",
    ),
    "bundle/config.json": ("spectrolite.bundles.loading.FORMAT",),
    "report.json": ("spectrolite.runs.run_folder.REPORT_FORMAT",),
}
"""Each file of a run, and where the newest format that can be read of it is looked up."""


@pytest.mark.parametrize("bumped", FORMATS)
def test_each_file_has_a_format_of_its_own(
    bumped: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file is of the next format, and so is what is read of it; the others are as they were."""
    newest = 2 if bumped == "manifest.json" else 1
    run = tmp_path / "run"
    shutil.copytree(OLD / "scene_run", run)
    content = json.loads((run / bumped).read_text())
    (run / bumped).write_text(json.dumps({**content, "format": newest + 1}))

    def read_all() -> None:
        opened = any_run(run)
        assert opened.bundle.sha256 == opened.manifest.weights_sha256
        assert opened.report.model == opened.bundle.config.model
        assert any_bundle(run).sha256 == opened.bundle.sha256

    with pytest.raises(RunError) as caught:
        read_all()
    assert str(caught.value) == (
        f"{run / bumped}: format {newest + 1}, this version reads up to {newest}; "
        "install a newer spectrolite"
    )
    for name in FORMATS[bumped]:
        monkeypatch.setattr(name, newest + 1)
    read_all()


def test_run_of_is_none_for_other_models(tiny_run: sl.Run) -> None:
    assert run_of(tiny_run) is tiny_run
    opened = run_of(str(tiny_run.path))
    assert opened is not None
    assert opened.path == tiny_run.path
    assert run_of(tiny_run.bundle) is None
    assert run_of(tiny_run.path / "bundle") is None
