"""Runs on several scenes and on scenes that stay in their files, from the command line.

References: scores counted pixel by pixel from the maps that were written; the same run made from
the same scenes in memory; a record of every window that was read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import spectrolite as sl
from spectrolite.data.scene import Window, windows
from spectrolite.deploy.run_data import dropped_bands
from spectrolite.errors import RunError
from spectrolite.models import build_scene_model
from spectrolite.runs.run_folder import SceneRun, any_run
from spectrolite.samples.band_reduction import fit_bands, reduce_scenes
from spectrolite.samples.scene_batches import TrainingScene
from spectrolite.training import loop, scene_loop
from spectrolite.training.settings import TrainingSettings

Typed = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
NAMES = ("north", "south", "west")
SHORT = (
    "--model",
    "mobilesn",
    "--receptive-field",
    5,
    "--width",
    0.5,
    "--components",
    6,
    "--epochs",
    3,
    "--seed",
    1,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes of other sizes whose classes have the same spectra."""
    folder = tmp_path_factory.mktemp("several")
    spectra = np.random.default_rng(9).uniform(1000, 5000, (8, 10))
    for n, name in enumerate(NAMES):
        generator = np.random.default_rng(n)
        ids = generator.choice([0, 2, 7], (4, 5 + n)).repeat(5, 0).repeat(5, 1)
        cube = spectra[ids] + generator.normal(0, 300, (*ids.shape, 10))
        np.save(folder / f"{name}.npy", cube.astype(np.uint16))
        np.save(folder / f"{name}_gt.npy", ids)
    return folder


def pairs(folder: Path, names: tuple[str, ...] = NAMES) -> list[object]:
    """Words that give these scenes with their labels."""
    each = (("--scene", folder / f"{n}.npy", "--labels", folder / f"{n}_gt.npy") for n in names)
    return [word for words in each for word in words]


@pytest.fixture(scope="module")
def run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the three, tested on the last, made in Python."""
    scene, labels = sl.several(
        [sl.read_scene(files / f"{name}.npy") for name in NAMES],
        [sl.read_labels(files / f"{name}_gt.npy") for name in NAMES],
    )
    split = sl.split(labels, "scenes", test="west")
    out = tmp_path_factory.mktemp("runs") / "three"
    sl.train(
        scene,
        labels,
        split,
        model="mobilesn",
        receptive_field=5,
        width=0.5,
        components=6,
        epochs=3,
        seed=1,
        out=out,
    )
    return out


def test_the_command_line_gives_the_same_bits_as_python(
    files: Path, run: Path, typed: Typed, tmp_path: Path
) -> None:
    code, _, err = typed(
        "train", *pairs(files), *SHORT, "--split", "scenes,test=west", "--out", tmp_path / "run"
    )
    assert (code, "Traceback" in err) == (0, False)
    one, other = sl.open_run(run).manifest, sl.open_run(tmp_path / "run").manifest
    hashes = [key for key, _ in one if key.endswith("_sha256")]
    assert len(hashes) == 6
    assert [getattr(one, key) for key in hashes] == [getattr(other, key) for key in hashes]
    assert [Path(source["file"]).name for source in one.data.scene] == [
        f"{name}.npy" for name in NAMES
    ]


def test_the_report_has_figures_scene_by_scene(files: Path, typed: Typed, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, stdout, _ = typed(
        "train",
        *pairs(files),
        *SHORT,
        "--split",
        "random,train=0.2,validation=0.2",
        "--out",
        out,
        "--json",
    )
    report = json.loads(stdout)
    assert code == 0
    assert report["data"] == "north.npy, south.npy, west.npy"
    opened = sl.open_run(out)
    _, labels = opened.data()
    split = opened.split(labels)
    first, right, tested = 0, 0, 0
    for name, figures in zip(NAMES, report["scenes"], strict=True):
        truth = np.load(files / f"{name}_gt.npy")
        with rasterio.open(out / "maps" / f"{name}.tif") as file:
            made = file.read(1)
        assert made.shape == truth.shape
        test = [p - first for p in split.test if first <= p < first + truth.size]
        good = sum(int(made.flat[p] == truth.flat[p]) for p in test)
        assert (figures["name"], figures["test"]) == (name, len(test))
        assert figures["overall_accuracy"] == pytest.approx(good / len(test))
        first, right, tested = first + truth.size, right + good, tested + len(test)
    assert report["overall_accuracy"] == pytest.approx(right / tested)
    assert report["protocol"]["test"] == tested
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<h2>Scene by scene</h2>" in page
    assert "<h1>mobilesn (plain) on north, south, west</h1>" in page
    assert "3 scenes, in the order of the table above; the maps in full size are in" in page
    assert page.count("<figure>") == 5
    card = (out / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "# mobilesn (plain) on north, south, west\n" in card
    assert typed("evaluate", out)[0] == 0
    assert opened.manifest == sl.open_run(out).manifest


def test_what_takes_one_scene_says_so(run: Path, files: Path, typed: Typed, tmp_path: Path) -> None:
    code, _, err = typed("prune", run, "--dead", "--out", tmp_path / "pruned")
    assert (code, err) == (
        2,
        "error: prune: takes a run on one scene in memory, and "
        f"{run} was trained on several scenes",
    )
    opened = sl.open_run(run)
    scenes, labels = opened.data()
    for model, words in (
        (opened, f"takes a run on one scene in memory, and {run} was trained on several scenes"),
        (opened.bundle, f"takes one scene in memory, and {scenes.name} is several scenes"),
    ):
        with pytest.raises(RunError) as refused:
            sl.doctor(model, scenes, labels)
        assert str(refused.value) == f"doctor: {words}"
    left = sl.open_scene(files / "north.npy")
    with pytest.raises(RunError) as refused:
        sl.doctor(opened.bundle, left, sl.read_labels(files / "north_gt.npy"))  # type: ignore[arg-type]
    assert str(refused.value) == (
        "doctor: takes one scene in memory, and north.npy is a scene that stayed in its file"
    )


def test_a_graph_leaves_out_the_bands_that_every_scene_leaves_out(run: Path) -> None:
    opened = any_run(run)
    assert isinstance(opened, SceneRun)
    assert dropped_bands(opened) == ()
    manifest = opened.manifest

    def with_sources(sources: list[dict[str, str]]) -> SceneRun:
        data = manifest.data.model_copy(update={"scene": sources})
        return replace(opened, manifest=manifest.model_copy(update={"data": data}))

    assert isinstance(manifest.data.scene, list)
    one, *rest = manifest.data.scene
    assert dropped_bands(
        with_sources([{**each, "drop_bands": "3,1"} for each in (one, *rest)])
    ) == (1, 3)
    with pytest.raises(RunError) as refused:
        dropped_bands(with_sources([{**one, "drop_bands": "3"}, *rest]))
    assert str(refused.value) == (
        f"{run}: different bands were left out of its scenes, but a graph can leave out only the "
        f"same bands of every scene; export {run / 'bundle'} instead: its graph takes the bands "
        "that were kept"
    )


def test_no_file_is_no_map_and_nothing_given_is_the_own_scenes(run: Path, tmp_path: Path) -> None:
    assert sl.map_scenes(run, [], out=tmp_path / "none") == []
    assert not (tmp_path / "none").exists()
    made = sl.map_scenes(run, out=tmp_path / "own")
    assert [one.path.stem for one in made if isinstance(one, sl.MapFile)] == list(NAMES)


def test_maps_of_files_under_other_names_leave_none_of_before(
    files: Path, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    named = [tmp_path / f"new_{name}.npy" for name in NAMES]
    for name, file in zip(NAMES, named, strict=True):
        shutil.copyfile(files / f"{name}.npy", file)
    scene, labels = sl.several(
        [sl.read_scene(file) for file in named],
        [sl.read_labels(files / f"{name}_gt.npy") for name in NAMES],
    )
    report = sl.evaluate(tmp_path / "run", scene, labels)
    assert [one.name for one in report.scenes] == [file.stem for file in named]
    kept = {file.stem for file in (tmp_path / "run" / "maps").glob("*.png")}
    assert kept == {file.stem for file in named}


def test_whole_scenes_are_spoken_of(run: Path) -> None:
    report = sl.open_run(run).report
    assert report.notes[1] == "Whole scenes: trained on north, south; tested on west."
    assert [(s.name, s.train > 0, s.test > 0) for s in report.scenes] == [
        ("north", True, False),
        ("south", True, False),
        ("west", False, True),
    ]
    assert np.isnan(report.leakage.median_distance)
    assert np.isnan(report.scenes[0].overall_accuracy)
    assert report.scenes[2].overall_accuracy == report.overall_accuracy


def test_a_run_is_verified_moved_and_mapped(
    files: Path, run: Path, typed: Typed, tmp_path: Path
) -> None:
    code, out, _ = typed("verify", run, "--json")
    assert (code, json.loads(out)["verdict"]) == (0, "same bits")
    moved = tmp_path / "moved"
    shutil.copytree(files, moved)
    assert typed("report", run, *pairs(moved))[0] == 0
    code, _, err = typed("report", run, *pairs(moved, NAMES[:2]))
    assert code == 2
    assert " ".join(err.split()).endswith(
        f"--scene: {run} was trained on 3 scenes; give the files of all, in their order, got 2"
    )
    code, out, _ = typed("map", run, "--out", tmp_path / "maps", "--json")
    assert code == 0
    made = json.loads(out)["maps"]
    assert [Path(m["scene"]).name for m in made] == [f"{name}.npy" for name in NAMES]
    for name in NAMES:
        with (
            rasterio.open(tmp_path / "maps" / f"{name}.tif") as one,
            rasterio.open(run / "maps" / f"{name}.tif") as other,
        ):
            np.testing.assert_array_equal(one.read(1), other.read(1))
    code, _, err = typed("map", run, "--out", tmp_path / "one.tif")
    assert code == 2
    assert f"--out: several scenes want a folder, got {tmp_path / 'one.tif'}" in " ".join(
        err.split()
    )
    with pytest.raises(sl.SpectroliteError) as caught:
        sl.map_scene(run, out=tmp_path / "one.tif")
    assert str(caught.value) == (
        "map: the run was trained on 3 scenes; --out wants a folder for the map of each, or name "
        "one scene with --scene"
    )


def test_a_stopped_run_goes_on_with_all_scenes(
    files: Path, run: Path, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spectrolite.cli.tables import TrainingProgress

    def stop(self: TrainingProgress, epoch: loop.Epoch, epochs: int) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    out = tmp_path / "run"
    monkeypatch.setattr(loop, "KEEP_EVERY_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingProgress, "epoch", stop)
        code, _, _ = typed(
            "train", *pairs(files), *SHORT, "--split", "scenes,test=west", "--out", out
        )
    assert code == 130
    code, _, _ = typed("train", "--out", out, "--resume")
    assert code == 0
    one, other = sl.open_run(run).manifest, sl.open_run(out).manifest
    for key in ("weights_sha256", "map_sha256", "figures_sha256"):
        assert getattr(one, key) == getattr(other, key)


def test_what_cannot_be_is_said(files: Path, run: Path, typed: Typed, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run")
    for words, message in (
        (
            [*pairs(files), "--scene", files / "north.npy"],
            "--labels: 4 scenes want one file of labels that covers all, or as many in the order "
            "of --scene, got 3",
        ),
        (
            [*pairs(files), *pairs(files, NAMES[:1])],
            f"{files}/north.npy: given twice; give each scene once, for its pixels would train and "
            "test",
        ),
        (
            [*pairs(files, NAMES[:1]), "--split", "scenes"],
            "scenes: keeps scenes whole and wants two or more, got north_gt.npy alone; give "
            "--scene "
            "and --labels again for each, or take blocks, fields or polygons",
        ),
        (
            [
                *pairs(files),
                "--leave-in-file",
                "--split",
                "scenes,test=west",
                "--bands-from",
                "scene",
                *SHORT,
            ],
            "--bands-from scene: needs all of north.npy in memory, but it stays in its file; take "
            "train or patches",
        ),
    ):
        code, _, err = typed("train", *words, *out)
        assert (code, "".join(err.split()).endswith("".join(message.split()))) == (2, True), err
        assert not list(tmp_path.iterdir())
    code, _, err = typed("doctor", run)
    assert code == 2
    assert " ".join(err.split()).endswith(
        f"doctor: takes a run on one scene in memory, and {run} was trained on several scenes"
    )


# Scenes that stay in their files


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 15),
    cols=st.integers(1, 15),
    halo=st.integers(0, 3),
    side=st.integers(1, 16),
    seed=st.integers(0, 999),
)
def test_windows_from_a_file_are_cuts_of_the_whole_scene(
    rows: int, cols: int, halo: int, side: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, rows, cols, generator=generator) + 1
    targets = torch.where(torch.rand(rows, cols, generator=generator) < 0.1, 1, -1)
    targets[rows // 2, cols // 2] = 0
    whole = TrainingScene(image, targets, halo, side)
    left = TrainingScene(lambda w: image[:, *w.slices], targets, halo, side)
    assert [w for w, _ in left.blocks] == whole.windows(side) == left.windows(side)
    for window, block in left.blocks:
        assert torch.equal(whole.cut(window), block)
    for row, col in (targets >= 0).nonzero().tolist():
        pixel = Window(row, row + 1, col, col + 1)
        assert torch.equal(whole.cut(pixel), left.cut(pixel))


class Recorded:
    """A scene whose every pixel that is read is noted."""

    def __init__(self, scene: sl.SceneFile) -> None:
        self.read_pixels = np.zeros(scene.shape[:2], np.int64)
        self.inner = scene.read
        self.scene = replace(scene, read=self.read)

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """As the scene does."""
        self.read_pixels[window.slices] += 1
        return self.inner(window)


@pytest.fixture
def large(tmp_path: Path) -> tuple[Path, sl.Labels]:
    """700 x 600 pixels of which two corners hold labels."""
    ids = np.zeros((700, 600), int)
    ids[5:20, 5:30], ids[25:40, 5:30] = 1, 2
    ids[650:670, 560:590], ids[675:690, 560:590] = 2, 1
    spectra = np.random.default_rng(1).uniform(1000, 3000, (3, 8))
    cube = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.uint16, (700, 600, 8))
    cube[:] = spectra[ids] + np.random.default_rng(2).normal(0, 50, (700, 600, 8))
    cube.flush()
    return tmp_path / "large.npy", sl.Labels(ids, name="corners")


def test_training_reads_windows_that_hold_training_pixels(
    large: tuple[Path, sl.Labels], tmp_path: Path
) -> None:
    path, labels = large
    recorded, stages, before = Recorded(sl.open_scene(path)), {}, ["checks"]

    def stage(name: str) -> None:
        stages[before[-1]] = recorded.read_pixels.copy()
        recorded.read_pixels[:] = 0
        before.append(name)

    split = sl.split(labels, "blocks", train=0.5, side=350, seed=0)
    run = sl.train(
        recorded.scene,
        labels,
        split,
        model="mobilesn",
        receptive_field=5,
        width=0.5,
        components=5,
        epochs=2,
        window=100,
        seed=0,
        out=tmp_path / "run",
        on_stage=stage,
    )
    taught = np.zeros(labels.shape, bool)
    taught.flat[split.train] = True
    assert 0 < taught.sum() < (labels.array > 0).sum()
    for name, side, halo in (("reducing bands", 256, 0), ("training", 100, 2)):
        wanted = np.zeros(labels.shape, np.int64)
        for w in windows(700, 600, side):
            if taught[w.slices].any():
                wanted[
                    max(w.row_start - halo, 0) : w.row_stop + halo,
                    max(w.col_start - halo, 0) : w.col_stop + halo,
                ] += 1
        np.testing.assert_array_equal(stages[name], wanted)
        assert 0 < (wanted > 0).mean() < 0.2
    assert run.report.protocol.test == len(split.test)
    assert run.manifest.scene_sha256 == sl.read_scene(path).sha256


def test_validation_on_windows_scores_as_in_memory(
    large: tuple[Path, sl.Labels],
) -> None:
    path, labels = large
    split = sl.split(labels, "random", train=0.1, validation=0.3, seed=0)
    chosen = TrainingSettings.model_validate(
        {"epochs": 3, "window": 100, "mode": "patches", "learning_rate": 1e-2}
    )
    logs = []
    for scene in (sl.read_scene(path), sl.open_scene(path)):
        bands = fit_bands(scene, split, 5)
        net = build_scene_model(
            "mobilesn",
            bands=5,
            classes=2,
            receptive_field=5,
            width=0.5,
            generator=torch.Generator().manual_seed(0),
        )
        logs.append(scene_loop.fit_scene(net, reduce_scenes(bands, scene), split, chosen, 1, 2))
    for one, other in zip(*logs, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.validation_accuracy == pytest.approx(other.validation_accuracy, abs=0.03)


def test_a_scene_left_in_its_file_is_resumed_and_verified_from_there(
    files: Path, typed: Typed, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    code, _, _ = typed(
        "train",
        *pairs(files, NAMES[:1]),
        *SHORT,
        "--leave-in-file",
        "--split",
        "random,train=0.3",
        "--out",
        out,
    )
    assert code == 0
    opened = sl.open_run(out)
    assert opened.manifest.data.scene["left_in_file"] == "true"
    assert isinstance(opened.data()[0], sl.SceneFile)
    code, stdout, _ = typed("verify", out, "--json")
    assert (code, json.loads(stdout)["verdict"]) == (0, "same bits")
    code, _, _ = typed("map", out, "--out", tmp_path / "map.tif")
    assert code == 0
    assert typed("report", out)[0] == 0
    code, _, err = typed("doctor", out)
    assert code == 2
    assert " ".join(err.split()).endswith(
        f"takes a run on one scene in memory, and {out} was trained on a scene that stayed in its "
        "file"
    )
