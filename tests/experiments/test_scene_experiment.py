"""Runs from training to page, on a tiny scene.

References: scikit-learn's metrics on the map that the run wrote; a second training for the bits;
the files' own hashes for damage.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from sklearn.metrics import accuracy_score, balanced_accuracy_score, cohen_kappa_score

import spectrolite as sl
from spectrolite.errors import RunError, SceneError, SettingsError, SplitError

FILES = {
    "manifest.json",
    "log.jsonl",
    "split.safetensors",
    "bundle",
    "report.json",
    "report.html",
    "map.tif",
    "map.tif.aux.xml",
    "map.qml",
    "map_confidence.tif",
    "map.png",
}


@pytest.fixture
def copied(tiny_run: sl.Run, tmp_path: Path) -> sl.Run:
    """The run, to be damaged."""
    shutil.copytree(tiny_run.path, tmp_path / "run")
    return sl.open_run(tmp_path / "run")


def test_a_run_holds_its_files_and_nothing_else(tiny_run: sl.Run) -> None:
    assert {p.name for p in tiny_run.path.iterdir()} == FILES
    assert [p for p in tiny_run.path.parent.iterdir() if p != tiny_run.path] == []


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_figures_are_those_of_the_map_at_the_test_pixels(
    tiny_run: sl.Run, tiny: tuple[sl.Scene, sl.Labels]
) -> None:
    with rasterio.open(tiny_run.path / "map.tif") as file:
        classes = file.read(1)
    labels = tiny[1]
    split = tiny_run.split(labels)
    truth, predicted = labels.array.ravel()[split.test], classes.ravel()[split.test]
    report = tiny_run.report
    assert report.overall_accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert report.average_accuracy == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert report.kappa == pytest.approx(cohen_kappa_score(truth, predicted))
    assert report.overall_accuracy > 0.85
    assert report.class_ids == (2, 3, 7)
    assert np.sum(report.confusion) == len(split.test) == report.protocol.test
    assert [c.test for c in report.per_class] == np.sum(report.confusion, axis=1).tolist()
    assert sum(c.train for c in report.per_class) == len(split.train)
    assert report.interval_fields.low <= report.overall_accuracy <= report.interval_fields.high


def test_the_report_is_json_with_the_promised_names(tiny_run: sl.Run) -> None:
    report = json.loads((tiny_run.path / "report.json").read_text(encoding="utf-8"))
    assert {
        "overall_accuracy",
        "average_accuracy",
        "kappa",
        "confusion",
        "per_class",
        "baselines",
        "parameters",
        "macs_per_pixel",
        "macs_per_patch",
        "leakage",
        "class_ids",
    } <= set(report)
    assert set(report["per_class"][0]) == {
        "id",
        "name",
        "precision",
        "recall",
        "f1",
        "train",
        "test",
    }
    assert {"majority", "position", "svm", "svm_context"} <= set(report["baselines"])
    assert report["leakage"]["overlap"] == 1.0
    assert report["leakage"]["clean"] is False
    assert report["notes"][0].startswith("Not clean: 100.0% of the test pixels")


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    tiny: tuple[sl.Scene, sl.Labels], tiny_flags: dict[str, Any], tmp_path: Path
) -> None:
    split = sl.split(tiny[1], "random", train=0.2)
    one, again, other = (
        sl.train(*tiny, split, seed=seed, out=tmp_path / name, **tiny_flags)
        for name, seed in (("one", 0), ("again", 0), ("other", 1))
    )
    assert one.bundle.sha256 == again.bundle.sha256 != other.bundle.sha256
    for name in ("map.tif", "map_confidence.tif", "map.png"):
        assert (one.path / name).read_bytes() == (again.path / name).read_bytes()
    timed = {"times_s"}
    assert one.report.model_dump_json(exclude=timed) == again.report.model_dump_json(exclude=timed)


def test_evaluate_and_report_write_the_same_again(copied: sl.Run) -> None:
    before = copied.report
    kept = (copied.path / "map.tif").read_bytes()
    for name in ("report.html", "map.tif"):
        (copied.path / name).unlink()
    after = sl.evaluate(copied.path)
    timed = {"times_s"}
    assert after.model_dump_json(exclude=timed) == before.model_dump_json(exclude=timed)
    assert (copied.path / "map.tif").read_bytes() == kept
    (copied.path / "report.html").unlink()
    assert sl.report(copied) == copied.path / "report.html"
    assert (copied.path / "report.html").stat().st_size > 20_000


def test_classify_takes_a_run_its_folder_and_its_bundle(
    tiny_run: sl.Run, tiny: tuple[sl.Scene, sl.Labels]
) -> None:
    maps = [
        sl.classify(model, tiny[0]).classes
        for model in (tiny_run, tiny_run.path, tiny_run.bundle, tiny_run.path / "bundle")
    ]
    assert set(np.unique(maps[0])) <= {2, 3, 7}
    for other in maps[1:]:
        np.testing.assert_array_equal(maps[0], other)


def test_training_on_patches_validating_and_early_stopping(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    split = sl.split(tiny[1], "random", train=0.1, validation=0.2)
    run = sl.train(
        *tiny,
        split,
        out=tmp_path / "run",
        mode="patches",
        epochs=6,
        batch=16,
        components=13,
        bands_from="scene",
        class_weights="balanced",
        patience=4,
    )
    assert run.report.overall_accuracy > 0.5
    assert "fitted on the whole scene" in " ".join(run.report.notes)
    assert all(e.validation_accuracy is not None for e in run.log())
    with pytest.raises(
        RunError, match=r"trained on scene in memory, which cannot be loaded again; give scene and"
    ):
        sl.evaluate(run)
    assert sl.evaluate(run, *tiny).overall_accuracy == run.report.overall_accuracy


def test_a_blocks_split_names_what_it_loses(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    split = sl.split(tiny[1], "blocks", train=0.3, side=14, allow_missing=True)
    run = sl.train(*tiny, split, out=tmp_path / "run", components=13, epochs=2, variant="paper")
    missing = run.report.protocol.missing
    assert missing
    assert all(
        what.endswith((": no test pixel", ": no training pixel")) for what in missing.values()
    )
    assert any("classes have no pixel on one side" in note for note in run.report.notes)
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "&lt;Woods&gt;" in page
    assert "<Woods>" not in page


def test_map_scene_maps_another_file(
    tiny_run: sl.Run, tiny_files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "map.tif"
    made = sl.map_scene(tiny_run.path, tiny_files[0], out=out)
    assert {p.name for p in out.parent.iterdir()} == {
        "map.tif",
        "map.tif.aux.xml",
        "map.qml",
        "map.png",
        "map_confidence.tif",
        "map_entropy.tif",
    }
    own = sl.map_scene(tiny_run, out=tmp_path / "m.tif")
    np.testing.assert_array_equal(made.classes, own.classes)
    with pytest.raises(
        RunError, match=r"exists; take another --out, or replace it with --overwrite$"
    ):
        sl.map_scene(tiny_run, out=out)
    with pytest.raises(RunError, match=r"^map: a bundle or an exported model has no scene of"):
        sl.map_scene(tiny_run.bundle, out=tmp_path / "b.tif")
    with pytest.raises(
        SettingsError, match=r"^--out: wanted a name that ends in \.tif, got .*\.jpg$"
    ):
        sl.map_scene(tiny_run, out=tmp_path / "map.jpg")
    np.save(tmp_path / "fewer.npy", np.load(tiny_files[0])[:, :, :12])
    with pytest.raises(SceneError, match=r"the model takes 16 bands, the scene has 12$"):
        sl.map_scene(tiny_run, tmp_path / "fewer.npy", out=tmp_path / "c.tif")
    assert not (tmp_path / "c.tif").exists()


# ---- bad input


def test_a_folder_that_exists_is_left_alone(
    tiny: tuple[sl.Scene, sl.Labels], tiny_flags: dict[str, Any], tmp_path: Path
) -> None:
    split = sl.split(tiny[1], "random")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for overwrite, words in (
        (False, r"mine exists; take another --out, or replace it with --overwrite$"),
        (True, r"mine is not a run, which --overwrite does not replace; take another --out$"),
    ):
        with pytest.raises(RunError, match=words):
            sl.train(*tiny, split, out=tmp_path / "mine", overwrite=overwrite, **tiny_flags)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_overwrite_replaces_a_run(
    copied: sl.Run, tiny: tuple[sl.Scene, sl.Labels], tiny_flags: dict[str, Any]
) -> None:
    flags = {**tiny_flags, "epochs": 1}
    run = sl.train(*tiny, sl.split(tiny[1]), out=copied.path, overwrite=True, **flags)
    assert len(run.log()) == 1
    assert {p.name for p in run.path.iterdir()} == FILES


def test_a_place_that_cannot_be_written_is_named(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"run: cannot be made \(.*\); take another --out$"):
        sl.train(*tiny, sl.split(tiny[1]), out=tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda s, k: (sl.Scene(s.cube[:20, :24]), sl.Labels(k.array[:20, :24])),
            SceneError,
            r"^scene: 20 x 24 pixels are smaller than the 25 x 25 patch of hybrid",
        ),
        (
            lambda s, k: (sl.Scene(s.cube[:, :, :10]), k),
            SettingsError,
            r"^--model: hybridsn needs 13 bands or more, got 10 in scene; take --model mobilesn "
            r"--components 10$",
        ),
    ],
)
def test_scenes_that_do_not_fit(
    tiny: tuple[sl.Scene, sl.Labels],
    tiny_flags: dict[str, Any],
    tmp_path: Path,
    change: Callable[[sl.Scene, sl.Labels], tuple[sl.Scene, sl.Labels]],
    error: type[Exception],
    words: str,
) -> None:
    scene, labels = change(*tiny)
    with pytest.raises(error, match=words):
        sl.train(scene, labels, sl.split(labels), out=tmp_path / "run", **tiny_flags)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "bands", "components"),
    [("mobilesn", 1, 1), ("mobilesn", 3, 3), ("mobilesn", 12, 12), ("hybridsn", 16, 16)],
)
def test_a_scene_of_few_bands_keeps_them_all(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path, model: str, bands: int, components: int
) -> None:
    scene, labels = sl.Scene(tiny[0].cube[:, :, :bands]), tiny[1]
    split = sl.split(labels, "random", train=0.3, seed=0)
    run = sl.train(scene, labels, split, model=model, epochs=1, out=tmp_path / "run")
    assert run.settings.bands.components == run.report.protocol.components == components


def test_settings_and_splits_that_do_not_fit(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    scene, labels = tiny
    other = sl.Labels(np.where(labels.array == 7, 3, labels.array))
    with pytest.raises(SplitError, match=r"^split: drawn from other labels than those given; draw"):
        sl.train(scene, labels, sl.split(other), out=tmp_path / "run")
    with pytest.raises(SettingsError, match=r"^--seed: wanted a whole number from 0 up, got -1$"):
        sl.train(scene, labels, sl.split(labels), seed=-1, out=tmp_path / "run")
    with pytest.raises(SettingsError, match=r"^--model: wanted one of hybridsn, mobilesn, "):
        sl.train(scene, labels, sl.split(labels), model="os.system", out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


MANIFEST, SPLIT, REPORT, LOG = "manifest.json", "split.safetensors", "report.json", "log.jsonl"
WEIGHTS = "bundle/model.safetensors"


def rewrite(folder: Path, **changes: Any) -> None:
    """Change keys of a manifest."""
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**content, **changes}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: (p / MANIFEST).unlink(), r"manifest\.json: cannot be read \(No such file"),
        (lambda p: (p / MANIFEST).write_text("{"), r"manifest\.json: damaged \(.*\); train again$"),
        (lambda p: (p / MANIFEST).write_text("[]"), r"wanted a JSON object with a number `format`"),
        (
            lambda p: rewrite(p, format=99),
            r"format 99, this version reads up to 1; install a newer",
        ),
        (
            lambda p: (p / MANIFEST).write_text('{"format": 1}'),
            r"damaged: date: Field required; train again$",
        ),
        (lambda p: rewrite(p, data={}), r"damaged: data\.scene: Field required; train again$"),
        (
            lambda p: rewrite(p, settings=[]),
            r"manifest\.json: damaged: settings: wanted a valid dictionary",
        ),
        (lambda p: rewrite(p, seed=-1), r"damaged: seed: wanted a number greater than or equal to"),
        (
            lambda p: rewrite(p, weights_sha256="0"),
            r"its weights are not those that this run train",
        ),
        (lambda p: rewrite(p, split_sha256="0"), r"not the split of this run; train again$"),
        (lambda p: rewrite(p, scene_sha256="0"), r"the scene \(scene\.npy\) differ from those of"),
        (lambda p: (p / SPLIT).write_bytes(b"\0" * 40), r"split\.safetensors: cannot be read"),
        (lambda p: (p / LOG).write_text('{"a": 1}\n'), r"log\.jsonl: cannot be read"),
        (lambda p: (p / WEIGHTS).write_bytes(b""), r"model\.safetensors: cannot be read"),
    ],
)
def test_a_damaged_run_is_named(
    copied: sl.Run, damage: Callable[[Path], object], words: str
) -> None:
    damage(copied.path)
    with pytest.raises(RunError, match=words):
        sl.evaluate(copied.path)


def test_a_report_that_is_damaged_is_named_and_made_again(copied: sl.Run) -> None:
    before = copied.report.overall_accuracy
    (copied.path / REPORT).write_text('{"format": 1}')
    with pytest.raises(
        RunError, match=r"report\.json: damaged: data: Field required; run evaluate$"
    ):
        sl.report(copied)
    assert sl.evaluate(copied).overall_accuracy == before


def test_a_map_that_is_gone_asks_for_evaluate(copied: sl.Run) -> None:
    (copied.path / "map.tif").unlink()
    with pytest.raises(sl.SpectroliteError, match=r"map\.tif: cannot be read .*; run evaluate$"):
        sl.report(copied)


def test_a_run_prints_its_place_and_its_report(tiny_run: sl.Run, tmp_path: Path) -> None:
    lines = str(tiny_run).splitlines()
    assert lines[0] == f"run in {tiny_run.path}, seed 0: hybridsn (course) on scene.npy"
    assert "\n".join(lines[1:]) == "\n".join(str(tiny_run.report).splitlines()[1:])
    shutil.copytree(tiny_run.path, tmp_path / "run")
    damaged = sl.open_run(tmp_path / "run")
    (damaged.path / "report.json").unlink()
    assert str(damaged).startswith(f"run in {damaged.path}: {damaged.path}/report.json: ")
