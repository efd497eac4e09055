"""Runs that are trained again: what is equal passes, and whatever was changed is named.

Reference: the change itself, made in the file behind the run's back.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import spectrolite as sl
from spectrolite.bundles.loading import load_bundle
from spectrolite.errors import RunError, SettingsError, VerifyError
from spectrolite.evaluation.reports import Report
from spectrolite.experiments import verification
from spectrolite.experiments.verification import Verification
from spectrolite.mapping.scene_map import read_map
from spectrolite.runs.run_files import files_added
from spectrolite.runs.run_folder import any_run

FLAGS: dict[str, Any] = {"components": 13, "epochs": 2}
NO_FILES = {"files_sha256": None}  # so that what else is stored is compared


@pytest.fixture(scope="module")
def short(tiny_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """A run of two epochs, with the row of eight orientations."""
    scene, labels = sl.read_scene(tiny_files[0]), sl.read_labels(tiny_files[1])
    split = sl.split(labels, "random", train=0.2, seed=1)
    run = sl.train(scene, labels, split, out=tmp_path_factory.mktemp("runs") / "short", **FLAGS)
    sl.evaluate(run, flips=True)
    return sl.open_run(run.path)


@pytest.fixture
def copied(short: sl.Run, tmp_path: Path) -> sl.Run:
    """The run, to be changed."""
    shutil.copytree(short.path, tmp_path / "run")
    return sl.open_run(tmp_path / "run")


def _rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def _flip_a_weight(run: Path, rehash: bool) -> float:
    """Change one number of one tensor; how far it moved."""
    path = run / "bundle" / "model.safetensors"
    state = load_file(path)
    before = float(state["network.fc3.weight"][1, 2, 0, 0])
    state["network.fc3.weight"][1, 2, 0, 0] = -before
    save_file(state, path)
    if rehash:
        sha256 = load_bundle(run).sha256
        _rewrite(run / "manifest.json", lambda m: m.update(weights_sha256=sha256, **NO_FILES))
    return 2 * abs(before)


def test_an_honest_run_is_the_same_to_the_bit(short: sl.Run) -> None:
    before = {p: p.read_bytes() for p in short.path.rglob("*") if p.is_file()}
    found = sl.verify(short)
    assert found.verdict == "same bits"
    assert (found.elsewhere, found.tolerance) == ((), None)
    assert found.hashes == {
        name: getattr(short.manifest, f"{name}_sha256")
        for name in ("scene", "labels", "split", "weights", "map", "figures")
    }
    assert found.figures["overall accuracy"] == (100 * short.report.overall_accuracy,) * 2
    assert "eight orientations: overall accuracy" in found.figures
    assert found.training_s > 0
    assert before == {p: p.read_bytes() for p in short.path.rglob("*") if p.is_file()}


def test_one_stored_weight_with_its_hash_rewritten_is_found(copied: sl.Run) -> None:
    moved = _flip_a_weight(copied.path, rehash=True)
    with pytest.raises(VerifyError) as caught:
        sl.verify(copied.path)
    assert str(caught.value) == (
        f"{copied.path}: training again gives something else: weights: fc3.weight at 1 of 384 "
        f"numbers, by {moved:.3g} at most"
    )
    assert caught.value.exit_code == 1


def test_a_map_and_figures_made_by_other_weights_are_counted(copied: sl.Run) -> None:
    """As above, and map and report made anew, so that the run agrees with itself."""
    honest = read_map(copied.path / "map.tif", copied.bundle)
    report = copied.report
    path = copied.path / "bundle" / "model.safetensors"
    state = load_file(path)
    state["network.fc3.bias"][1] += 9
    save_file(state, path)
    sha256 = load_bundle(copied.path).sha256
    _rewrite(copied.path / "manifest.json", lambda m: m.update(weights_sha256=sha256, **NO_FILES))
    forged = sl.evaluate(copied.path, flips=True)
    made = read_map(copied.path / "map.tif", copied.bundle)
    pixels = int((honest.classes != made.classes).sum())
    most = np.abs(honest.confidence - made.confidence).max()
    assert pixels > 0
    with pytest.raises(VerifyError) as caught:
        sl.verify(copied.path)
    message = str(caught.value)
    assert "weights: fc3.bias at 1 of 3 numbers, by 9 at most; map: another class at " in message
    assert f"another class at {pixels} of 840 pixels, confidence apart by {most:.3g} at" in message
    assert (
        f"figures: overall_accuracy {forged.overall_accuracy}, again {report.overall_accuracy}"
        in message
    )


def _swap(scene: sl.Scene) -> sl.Scene:
    return sl.Scene(scene.cube[:, ::-1], name="scene.npy")


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights": (
        lambda p: _flip_a_weight(p, rehash=False),
        "bundle: its weights are not those that this run trained (weights_sha256 of manifest",
    ),
    "bundle": (lambda p: (p / "bundle/model.safetensors").write_bytes(b""), "cannot be read"),
    "split": (
        lambda p: _rewrite(p / "manifest.json", lambda m: m.update(split_sha256="0")),
        "split.safetensors: not the split of this run",
    ),
    "map": (
        lambda p: (p / "map_confidence.tif").write_bytes((p / "map.tif").read_bytes()),
        "map.tif and its confidence are not the map that map_sha256 names",
    ),
    "no map": (lambda p: (p / "map.tif").unlink(), "map.tif: cannot be read"),
    "report": (
        lambda p: _rewrite(p / "report.json", lambda r: r.update(overall_accuracy=0.999)),
        "report.json has other figures than figures_sha256 says",
    ),
    "damaged report": (lambda p: (p / "report.json").write_text("{"), "report.json: damaged"),
    "scene": (
        lambda p: _rewrite(p / "manifest.json", lambda m: m.update(scene_sha256="0")),
        "scene: scene.npy has other numbers than scene_sha256 says",
    ),
    "labels": (
        lambda p: _rewrite(p / "manifest.json", lambda m: m.update(labels_sha256="0")),
        "labels: labels.npy has other numbers than labels_sha256 says",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_the_manifests_is_named_before_any_training(
    copied: sl.Run, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    change, words = WRONG[case]
    change(copied.path)
    monkeypatch.setattr(verification, "train", None)
    with pytest.raises(VerifyError) as caught:
        sl.verify(copied.path)
    assert str(caught.value).startswith(f"{copied.path}: not what its manifest says: ")
    assert words in str(caught.value)


FILES = [
    "report.html",
    "map.png",
    "map.qml",
    "bundle/README.md",
    "bundle/config.json",
    "log.jsonl",
    "doctor.html",
]


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_a_run_is_checked(
    copied: sl.Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = copied.path / name
    if name == "doctor.html":
        with files_added(copied.path) as following:
            (following / name).write_text("a page")
    assert verification._check_stored(any_run(copied.path), copied.data())
    path.write_bytes(path.read_bytes().replace(b" ", b"  ", 1))
    monkeypatch.setattr(verification, "train", None)
    start = f"{copied.path}: not what its manifest says: {name} is "
    with pytest.raises(VerifyError) as caught:
        sl.verify(copied.path)
    assert str(caught.value) == f"{start}not the file that files_sha256 names"
    if name != "bundle/config.json":
        path.unlink()
        with pytest.raises(VerifyError) as caught:
            sl.verify(copied.path)
        assert str(caught.value) == f"{start}missing"


def test_what_others_write_beside_a_run_is_left_alone(copied: sl.Run) -> None:
    """GDAL and QGIS write statistics into the side file of a map; a user adds notes."""
    (copied.path / "map.tif.aux.xml").write_text("<PAMDataset/>")
    (copied.path / "notes.txt").write_text("mine")
    assert verification._check_stored(any_run(copied.path), copied.data())


def test_a_run_of_version_0_1_says_what_was_not_checked(copied: sl.Run) -> None:
    """It has no hashes of files; `report` adds none, `evaluate` adds all."""
    written = {*copied.manifest.files_sha256}
    files = {p.relative_to(copied.path).as_posix() for p in copied.path.rglob("*") if p.is_file()}
    assert written == files - {"manifest.json"}
    _rewrite(copied.path / "manifest.json", lambda m: (m.pop("files_sha256"), m.update(format=1)))
    sl.report(copied.path)
    found = sl.verify(copied.path)
    assert (found.verdict, found.notes) == (
        "same bits",
        (
            "the manifest is of version 0.1, which stored no hashes of files: pages, pictures and "
            "card were not checked; evaluate the run to store them",
        ),
    )
    sl.evaluate(copied.path, flips=True)
    assert {*sl.open_run(copied.path).manifest.files_sha256} == written


MOMENTS: list[Path] = []
"""Copies of a run, each as a kill at one moment would leave it."""
WATCHED: list[Path] = []
"""The run that is copied before every change, if one is."""


def _copy(event: str, arguments: tuple[Any, ...]) -> None:
    """Copy the watched run before Python changes a file in it."""
    writes = event == "open" and any(c in str(arguments[1] or "r") for c in "wax+")
    if WATCHED and (writes or event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir")):
        run = WATCHED.pop()  # copying changes files too
        seen = _seen(run)
        if not MOMENTS or seen != _seen(MOMENTS[-1]):
            MOMENTS.append(run.with_name(f"moment-{len(MOMENTS)}"))
            shutil.copytree(run, MOMENTS[-1])
        WATCHED.append(run)


def _seen(run: Path) -> set[tuple[str, int, int]]:
    """What who opens the run sees of it: `.next` only once its manifest is there."""
    complete = (run / ".next" / "manifest.json").exists()
    files = {path.relative_to(run): path.stat() for path in run.rglob("*") if path.is_file()}
    return {
        (str(name), stat.st_size, stat.st_mtime_ns)
        for name, stat in files.items()
        if complete or name.parts[0] != ".next"
    }


@pytest.fixture(scope="module")
def _audited() -> None:
    sys.addaudithook(_copy)  # cannot be removed; does nothing unless a run is watched


CHANGED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "evaluate": ("report.json", sl.evaluate),
    "evaluate images": ("report.json", lambda run: sl.evaluate(run, train_mode=True)),
    "report": ("report.html", sl.report),
    "doctor": ("doctor.html", sl.doctor),
}


@pytest.mark.usefixtures("_audited")
@pytest.mark.parametrize("verb", CHANGED)
def test_a_kill_at_any_moment_leaves_the_old_run_or_the_new_one(
    copied: sl.Run, digits_run: sl.Run, tmp_path: Path, verb: str
) -> None:
    """Each state that a kill could leave opens, holds what its manifest says, and is one of two."""
    run = copied.path
    if verb == "evaluate images":
        run = tmp_path / "digits"
        shutil.copytree(digits_run.path, run)
    data = sl.open_run(run).data()
    name, change = CHANGED[verb]
    if verb == "report":
        with files_added(run) as following:
            (following / name).write_text("old")
    old = (run / name).read_bytes() if (run / name).exists() else None
    MOMENTS.clear()
    WATCHED.append(run)
    try:
        change(run)
    finally:
        WATCHED.clear()
    new = (run / name).read_bytes()
    states = []
    for moment in [*MOMENTS, run]:
        opened = any_run(moment)  # which finishes what was begun
        assert verification._check_stored(opened, data)
        found = (moment / name).read_bytes() if (moment / name).exists() else None
        assert found in (old, new)
        states.append(found == new)
    assert len(states) > 3
    assert states == sorted(states)
    assert {*states} == {False, True}


def _older(run: Path) -> None:
    _rewrite(run / "manifest.json", lambda m: m["versions"].update(torch="2.11.0"))


def test_elsewhere_figures_are_compared_within_a_tolerance(copied: sl.Run) -> None:
    _older(copied.path)
    found = sl.verify(copied.path, tolerance=0.5)
    torch = metadata.version("torch")
    assert found.elsewhere == (f"torch 2.11.0 then, {torch} now",)
    assert found.verdict == ("equal within a tolerance of 0.5 points; bits are not promised here")
    assert "same bits" not in found.verdict


def test_elsewhere_figures_beyond_the_tolerance_are_named(copied: sl.Run) -> None:
    _older(copied.path)
    honest = copied.report
    forged = honest.model_copy(update={"overall_accuracy": honest.overall_accuracy - 0.02})
    forged.save(copied.path / "report.json")
    sha256 = copied.report.figures_sha256
    _rewrite(copied.path / "manifest.json", lambda m: m.update(figures_sha256=sha256, **NO_FILES))
    with pytest.raises(VerifyError) as caught:
        sl.verify(copied.path)
    torch = metadata.version("torch")
    accuracy = 100 * honest.overall_accuracy
    assert str(caught.value) == (
        f"{copied.path}: training again gives something else: overall accuracy "
        f"{accuracy - 2:.2f}, again {accuracy:.2f} (tolerance 1 points; torch 2.11.0 then, "
        f"{torch} now)"
    )
    assert sl.verify(copied.path, tolerance=2.1).tolerance == 2.1


def test_what_cannot_be_verified(tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path) -> None:
    run = sl.train(*tiny, sl.split(tiny[1]), out=tmp_path / "run", **{**FLAGS, "epochs": 1})
    with pytest.raises(RunError, match=r"trained on scene in memory, which cannot be loaded again"):
        sl.verify(run)
    with pytest.raises(SettingsError, match=r"^--tolerance: wanted points from 0 up, got -1$"):
        sl.verify(run, tolerance=-1)
    found = sl.verify(run, *tiny)
    assert isinstance(found, Verification)
    assert found.verdict == "same bits"
    assert isinstance(run.report, Report)
    assert "eight orientations: overall accuracy" not in found.figures
    with pytest.raises(VerifyError, match=r"scene: scene\.npy has other numbers than scene_sha256"):
        sl.verify(run, _swap(tiny[0]), tiny[1])
