"""Runs on images from training to page, on scikit-learn's digits.

References: scikit-learn's metrics on predictions of a plain loop over the stored network; a second
training for the bits; the change itself for what verify must name.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    precision_recall_fscore_support,
)

import spectrolite as sl
from spectrolite.errors import ImagesError, RunError, SettingsError, SplitError, VerifyError
from spectrolite.evaluation.calibration import reliability
from spectrolite.training import loop
from spectrolite.training.loop import Epoch

FILES = {
    "manifest.json",
    "log.jsonl",
    "split.safetensors",
    "bundle",
    "report.json",
    "report.html",
    "predictions.safetensors",
}
FLAGS: dict[str, Any] = {
    "model": "mobilenet_v1",
    "variant": "course",
    "width": 0.1,
    "epochs": 3,
    "batch": 64,
    "mirror": "none",
    "pad": 1,
    "cutout": 2,
}


@pytest.fixture
def copied(digits_run: sl.Run, tmp_path: Path) -> sl.Run:
    """The run, to be changed."""
    shutil.copytree(digits_run.path, tmp_path / "run")
    return sl.open_run(tmp_path / "run")


@pytest.fixture(scope="module")
def few() -> tuple[sl.ImageSet, sl.ImageSet]:
    """A fifth of the digits, in memory."""
    train, test = sl.load("digits")
    return train.take(np.arange(300)), test.take(np.arange(80))


def _naive(run: sl.Run, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Probabilities, an image at a time, scaled here."""
    bundle = sl.load_bundle(run.path)
    net = bundle.network.eval()
    rows = []
    for image in pixels.tolist():
        x = torch.tensor(image) / 255
        x = (x - bundle.mean[:, None, None]) / bundle.std[:, None, None]
        with torch.no_grad():
            rows.append(net(x[None])[0].double().softmax(0).numpy())
    return np.stack(rows)


def test_a_run_holds_its_files_and_nothing_else(digits_run: sl.Run) -> None:
    assert {p.name for p in digits_run.path.iterdir()} == FILES
    assert list(digits_run.path.parent.iterdir()) == [digits_run.path]


def test_figures_are_those_of_a_plain_loop_in_evaluation_mode(digits_run: sl.Run) -> None:
    train, test = sl.load("digits")
    report = digits_run.report
    probabilities = _naive(digits_run, test.pixels)
    said = probabilities.argmax(1)
    assert report.overall_accuracy == accuracy_score(test.targets, said)
    assert report.overall_accuracy > 0.6
    assert report.average_accuracy == pytest.approx(balanced_accuracy_score(test.targets, said))
    assert report.kappa == pytest.approx(cohen_kappa_score(test.targets, said))
    np.testing.assert_array_equal(report.confusion, confusion_matrix(test.targets, said))
    columns = precision_recall_fscore_support(test.targets, said, zero_division=0)
    for ours, theirs in zip(("precision", "recall", "f1", "test"), columns, strict=True):
        np.testing.assert_allclose([getattr(c, ours) for c in report.per_class], theirs)
    measured = reliability(probabilities.max(1), said == test.targets)
    assert report.calibration_error == pytest.approx(measured.error, abs=1e-4)
    assert report.interval.low < report.overall_accuracy < report.interval.high
    split = digits_run.split(train, test)
    commonest = np.bincount(train.targets[split.train]).argmax()
    assert report.baselines.majority == (test.targets == commonest).mean()
    trained = np.bincount(train.targets[split.train]).tolist()
    assert [c.train for c in report.per_class] == trained


def test_the_report_says_what_trained_and_what_it_costs(digits_run: sl.Run) -> None:
    report = digits_run.report
    assert (report.protocol.train, report.protocol.validation, report.protocol.test) == (
        1297,
        145,
        355,
    )
    assert report.protocol.split == "random,validation=0.1,seed=0"
    assert report.notes[:2] == (
        "1,297 images trained and 145 validated; the 355 test images (the test set that the data "
        "come with) were scored once, after the last epoch.",
        "No choice was made on the validation images: the last epoch's weights stand.",
    )
    cost = sl.cost(digits_run.bundle.network, (1, 8, 8))
    stored = json.loads((digits_run.path / "report.json").read_text(encoding="utf-8"))
    assert (stored["macs"], stored["parameters"]) == (cost.macs, cost.parameters)
    assert all(e.validation_accuracy is not None for e in digits_run.log())


def test_the_stored_split_is_scikit_learns(digits_run: sl.Run) -> None:
    from sklearn.model_selection import train_test_split

    train, test = sl.load("digits")
    split = digits_run.split(train, test)
    rest, aside = train_test_split(
        np.arange(len(train)), test_size=0.1, random_state=0, stratify=train.targets
    )
    np.testing.assert_array_equal(split.train, np.sort(rest))
    np.testing.assert_array_equal(split.validation, np.sort(aside))


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    few: tuple[sl.ImageSet, sl.ImageSet], tmp_path: Path
) -> None:
    one, again, other = (
        sl.train(*few, seed=seed, out=tmp_path / name, **FLAGS)
        for name, seed in (("one", 0), ("again", 0), ("other", 1))
    )
    assert one.bundle.sha256 == again.bundle.sha256 != other.bundle.sha256
    assert one.report.figures == again.report.figures
    name = "predictions.safetensors"
    assert (one.path / name).read_bytes() == (again.path / name).read_bytes()


def test_stopped_and_resumed_it_ends_with_the_same_bits(
    few: tuple[sl.ImageSet, sl.ImageSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "KEEP_EVERY_S", 0.0)
    whole = sl.train(*few, out=tmp_path / "whole", **FLAGS)

    def stop(epoch: Epoch, _epochs: int) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        sl.train(*few, out=tmp_path / "run", on_epoch=stop, **FLAGS)
    assert caught.value.__notes__[0].startswith("stopped after epoch 2; go on with: ")
    with pytest.raises(SettingsError, match=r"^--batch: 32, but .* was begun with 64; leave the "):
        sl.train(*few, out=tmp_path / "run", resume=True, **{**FLAGS, "batch": 32})
    other = few[0].take(np.arange(299))
    with pytest.raises(SettingsError, match=r"^--images: not the images that .* was begun with; "):
        sl.train(other, few[1], out=tmp_path / "run", resume=True, **FLAGS)
    with pytest.raises(SettingsError, match=r"^--images: not the test images that .* was begun w"):
        sl.train(few[0], other, out=tmp_path / "run", resume=True, **FLAGS)
    resumed = sl.train(*few, out=tmp_path / "run", resume=True, **FLAGS)
    assert resumed.bundle.sha256 == whole.bundle.sha256
    assert resumed.report.figures == whole.report.figures


def test_a_stopped_run_of_the_other_kind_is_not_gone_on_with(
    few: tuple[sl.ImageSet, sl.ImageSet], tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sl.train(*few, out=tmp_path / "run", on_epoch=stop, **FLAGS)
    with pytest.raises(SettingsError, match=r"^--data: .*run\.part was begun with images; leave "):
        sl.train(*tiny, sl.split(tiny[1]), out=tmp_path / "run", resume=True, components=13)


def test_early_stopping_keeps_the_best_epoch(
    few: tuple[sl.ImageSet, sl.ImageSet], tmp_path: Path
) -> None:
    run = sl.train(*few, out=tmp_path / "run", **{**FLAGS, "epochs": 6, "patience": 2})
    best = max(e.validation_accuracy or 0 for e in run.log())
    first = next(e.epoch for e in run.log() if e.validation_accuracy == best)
    assert run.report.protocol.best_epoch == first
    assert f"The weights of epoch {first} were kept" in run.report.notes[2]
    split = run.split(*few)
    said = _naive(run, few[0].pixels[split.validation]).argmax(1)
    assert (said == few[0].targets[split.validation]).mean() == best


def test_without_a_test_set_a_share_is_drawn(
    few: tuple[sl.ImageSet, sl.ImageSet], tmp_path: Path
) -> None:
    split = sl.split_images(few[0], validation=0.0, test=0.25, seed=3)
    run = sl.train(few[0], None, split, out=tmp_path / "run", **FLAGS)
    assert (run.report.protocol.train, run.report.protocol.test) == (225, 75)
    assert "75 test images (drawn by the split)" in run.report.notes[0]
    assert run.manifest.test_sha256 is None
    with pytest.raises(RunError, match=r"trained on images in memory, which cannot be loaded aga"):
        sl.evaluate(run)
    assert sl.evaluate(run, few[0]).overall_accuracy == run.report.overall_accuracy
    assert sl.verify(run, few[0]).verdict == "same bits"


def test_evaluate_and_report_write_the_same_again(copied: sl.Run) -> None:
    before, page = copied.report, (copied.path / "report.html").read_text(encoding="utf-8")
    kept = (copied.path / "predictions.safetensors").read_bytes()
    for name in ("report.html", "predictions.safetensors"):
        (copied.path / name).unlink()
    assert sl.evaluate(copied.path).figures == before.figures
    assert (copied.path / "predictions.safetensors").read_bytes() == kept
    (copied.path / "report.html").unlink()
    assert sl.report(copied) == copied.path / "report.html"
    again = (copied.path / "report.html").read_text(encoding="utf-8")
    assert _untimed(again) == _untimed(page)


def _untimed(page: str) -> str:
    return page.partition("<tr><td>seconds")[0]


def test_the_wrong_score_is_that_of_a_script_without_eval(copied: sl.Run) -> None:
    _, test = sl.load("digits")
    right = copied.report.overall_accuracy
    report = sl.evaluate(copied, train_mode=True)
    assert report.overall_accuracy == right
    bundle = sl.load_bundle(copied.path)
    x = (torch.from_numpy(test.pixels.copy()) / 255 - bundle.mean[0]) / bundle.std[0]
    said = torch.cat([bundle.network.train()(part).argmax(1) for part in x.split(128)])
    wrong = float((said.numpy() == test.targets).mean())
    assert report.train_mode.overall_accuracy == pytest.approx(wrong, abs=2 / 355)
    assert report.train_mode.overall_accuracy != right
    assert "wrongly scored" in (copied.path / "report.html").read_text(encoding="utf-8")
    assert sl.verify(copied).verdict == "same bits"


@pytest.mark.parametrize(("images", "batch"), [(128, 128), (129, 127), (130, 128)])
def test_no_batch_of_the_wrong_score_has_one_image(
    few: tuple[sl.ImageSet, sl.ImageSet], tmp_path: Path, images: int, batch: int
) -> None:
    test = sl.load("digits")[1].take(np.arange(images))  # 8 x 8 pixels: one position at the end
    run = sl.train(few[0], test, out=tmp_path / "run", **{**FLAGS, "epochs": 1})
    report = sl.evaluate(run, few[0], test, train_mode=True)
    assert report.train_mode.batch == batch
    assert f"batches of {batch}" in (run.path / "report.html").read_text(encoding="utf-8")


def test_one_test_image_has_no_wrong_score(
    few: tuple[sl.ImageSet, sl.ImageSet], tmp_path: Path
) -> None:
    test = few[1].take(np.arange(1))
    run = sl.train(few[0], test, out=tmp_path / "run", **{**FLAGS, "epochs": 1})
    with pytest.raises(SettingsError) as caught:
        sl.evaluate(run, few[0], test, train_mode=True)
    assert str(caught.value) == (
        "--train-mode: BatchNorm takes the mean of a batch, and there is one test image; leave the "
        "flag out"
    )


# Verify and repeat


def test_a_run_that_is_what_it_says(digits_run: sl.Run) -> None:
    found = sl.verify(digits_run)
    assert found.verdict == "same bits"
    assert set(found.hashes) == {"images", "test", "split", "weights", "predictions", "figures"}
    assert found.figures["overall accuracy"][0] == 100 * digits_run.report.overall_accuracy


def _other_weights(run: sl.Run) -> None:
    """One number, and the manifest told of it."""
    path = run.path / "bundle" / "model.safetensors"
    state = load_file(path)
    state["network.linear.bias"][0] += 0.25
    save_file(state, path)
    manifest = json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))
    manifest["weights_sha256"] = sl.load_bundle(run.path).sha256
    manifest["files_sha256"] = None
    (run.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _other_name(run: sl.Run) -> None:
    """In the model and nowhere else."""
    path = run.path / "bundle" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["class_names"][0] = "zero"
    path.write_text(json.dumps(config), encoding="utf-8")
    manifest = json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))
    manifest["files_sha256"] = None
    (run.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def _other_predictions(run: sl.Run) -> None:
    path = run.path / "predictions.safetensors"
    state = load_file(path)
    state["classes"][0] = (state["classes"][0] + 1) % 10
    save_file(state, path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_other_weights, "weights: linear.bias at 1 of 10 numbers, by 0.25 at most"),
        (_other_name, "training again gives something else: config.json: class_names"),
        (
            _other_predictions,
            "predictions.safetensors: not those that predictions_sha256 names",
        ),
        (
            lambda run: (run.path / "predictions.safetensors").unlink(),
            "predictions.safetensors: cannot be read",
        ),
        (
            lambda run: (run.path / "split.safetensors").unlink(),
            "split.safetensors: cannot be read",
        ),
    ],
)
def test_what_was_changed_is_named(
    copied: sl.Run, change: Callable[[sl.Run], object], words: str
) -> None:
    change(copied)
    with pytest.raises(VerifyError) as caught:
        sl.verify(copied.path)
    assert words in str(caught.value)


def test_repetitions_have_other_seeds_and_other_splits(
    few: tuple[sl.ImageSet, sl.ImageSet], tmp_path: Path
) -> None:
    first = sl.train(*few, out=tmp_path / "first", **FLAGS)
    made = sl.repeat(first, 2, "both", None, *few)
    other = sl.open_run(tmp_path / "first-repeats" / "seed-1")
    assert [(r.seed, r.split_seed) for r in made.runs] == [(0, 0), (1, 1)]
    drawn = sl.split_images(*few, seed=1)
    np.testing.assert_array_equal(other.split(*few).validation, drawn.validation)
    scores = [100 * run.report.overall_accuracy for run in (first, other)]
    assert made.summary["overall accuracy"].mean == pytest.approx(np.mean(scores))
    assert made.summary["overall accuracy"].std == pytest.approx(np.std(scores, ddof=1))
    assert sl.repeat(first, 2, "both", None, *few) == made


def test_a_split_that_draws_nothing_cannot_vary(
    few: tuple[sl.ImageSet, sl.ImageSet], tmp_path: Path
) -> None:
    split = sl.split_images(*few, validation=0.0)
    run = sl.train(*few, split, out=tmp_path / "run", **{**FLAGS, "epochs": 1})
    with pytest.raises(SplitError, match=r"^--vary split: .* trained on all its images and was te"):
        sl.repeat(run, 2, "split", None, *few)
    with pytest.raises(SettingsError, match=r"^--flips: goes with scenes, not with images$"):
        sl.repeat(run, 2, "training", None, *few, flips=True)


def test_a_split_without_a_test_set_is_drawn_anew(
    few: tuple[sl.ImageSet, sl.ImageSet], tmp_path: Path
) -> None:
    run = sl.train(few[0], out=tmp_path / "run", **{**FLAGS, "epochs": 1})
    made = sl.repeat(run, 2, "split", None, few[0])
    assert [(r.seed, r.split_seed) for r in made.runs] == [(0, 0), (0, 1)]


# Bad input


def test_images_that_moved_are_found_again(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name, grey in (("a", 60), ("b", 190)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for n in range(12):
            pixels = generator.normal(grey, 20, (9, 11, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{n}.png")
    (tmp_path / "set" / "a" / "broken.png").write_bytes(b"no image")
    images, test = sl.read_images(tmp_path / "set", image_size=8, skip_damaged=True)
    run = sl.train(images, test, out=tmp_path / "run", **FLAGS)
    assert run.report.protocol.skipped == 1
    assert any(n.endswith("--skip-damaged allows: 1.") for n in run.report.notes)
    assert sl.evaluate(run.path).figures == run.report.figures
    (tmp_path / "set").rename(tmp_path / "moved")
    with pytest.raises(sl.SpectroliteError, match=r"set: "):
        sl.evaluate(run.path)
    data = sl.open_run(run.path).data(tmp_path / "moved")
    assert sl.evaluate(run.path, *data).figures == run.report.figures
    (tmp_path / "moved" / "b" / "0.png").unlink()
    with pytest.raises(RunError, match=r"the images \(moved\) differ from those of the run; give"):
        sl.open_run(run.path).data(tmp_path / "moved")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"components": 3},
            SettingsError,
            "--components: does not go with mobilenet_v1, which classifies images; leave it out",
        ),
        (
            {"model": "hybridsn"},
            SettingsError,
            "model: hybridsn classifies scenes, and images need one of mobilenet_v1, mobilenet_v2",
        ),
        ({"width": 99}, SettingsError, "--width: wanted a number less than or equal to 8, got 99"),
        ({"pad": 8}, SettingsError, "pad: wanted 0 to 7 pixels for images of 8 x 8, got 8"),
        (
            {"optimiser": "adam", "momentum": 0.5},
            SettingsError,
            "--momentum: goes with --optimiser sgd, not with adam",
        ),
        ({"batch": 1}, SettingsError, "--batch: wanted 2 or more images, got 1"),
        ({"seed": -1}, SettingsError, "--seed: wanted a whole number from 0 up, got -1"),
    ],
)
def test_settings_that_do_not_fit_leave_nothing(
    few: tuple[sl.ImageSet, sl.ImageSet],
    tmp_path: Path,
    change: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error) as caught:
        sl.train(*few, out=tmp_path / "run", **{**FLAGS, **change})
    assert str(caught.value) == words
    assert list(tmp_path.iterdir()) == []


def test_data_that_do_not_fit_leave_nothing(
    few: tuple[sl.ImageSet, sl.ImageSet], tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    train, _ = few
    out = tmp_path / "run"
    small = sl.ImageSet(train.pixels[:, :, :7], train.targets, train.class_names, name="small")
    with pytest.raises(ImagesError, match=r"^small: 8 x 7 pixels, and the networks want at least "):
        sl.train(small, out=out, **FLAGS)
    with pytest.raises(ImagesError, match=r"^small: wanted the classes and the shape \(1, 8, 8\) "):
        sl.train(train, small, out=out, **FLAGS)
    with pytest.raises(SplitError, match=r"^split: drawn from other images than those given; draw"):
        sl.train(train, None, sl.split_images(*few), out=out, **FLAGS)
    alike: Any = tiny[1]
    with pytest.raises(SettingsError, match=r"^train: images take test images and a split of imag"):
        sl.train(train, alike, out=out, **FLAGS)
    with pytest.raises(SettingsError, match=r"^train: a scene takes its labels and a split of the"):
        sl.train(tiny[0], tiny[1], out=out)
    with pytest.raises(SettingsError, match=r"^model: mobilenet_v1 classifies images, and a scene"):
        sl.train(*tiny, sl.split(tiny[1]), out=out, model="mobilenet_v1")
    one = sl.ImageSet(train.pixels, np.zeros(300, int), ("all",), name="one")
    with pytest.raises(ImagesError, match=r"^one: one class; wanted two or more to tell apart$"):
        sl.train(one, out=out, **FLAGS)
    assert list(tmp_path.iterdir()) == []


def test_verbs_of_the_other_kind_say_so(
    digits_run: sl.Run, tiny_run: sl.Run, tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"^mobilenet_v1 classifies images, and a scene needs"):
        sl.map_scene(digits_run, tiny[0], out=tmp_path / "map.tif")
    with pytest.raises(SettingsError, match=r"^hybridsn was trained on a scene, and images need"):
        sl.classify(tiny_run, sl.load("digits")[1])
    with pytest.raises(SettingsError, match=r"^--flips: goes with scenes, not with images$"):
        sl.evaluate(digits_run, flips=True)
    with pytest.raises(SettingsError, match=r"^--train-mode: goes with images, not with scenes$"):
        sl.evaluate(tiny_run, train_mode=True)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("images_sha256", "0", r"the images \(digits/train\) differ from those of the run; give "),
        ("test_sha256", None, r"split\.safetensors: cannot be read|not the split of this run"),
        ("predictions_sha256", 3, r"damaged: predictions_sha256: wanted a valid string"),
        ("map_sha256", "0", r"damaged: map_sha256: Extra inputs are not permitted; train again$"),
    ],
)
def test_a_manifest_that_is_damaged_is_named(
    copied: sl.Run, key: str, value: object, words: str
) -> None:
    content = json.loads((copied.path / "manifest.json").read_text(encoding="utf-8"))
    (copied.path / "manifest.json").write_text(json.dumps({**content, key: value}))
    with pytest.raises(sl.SpectroliteError, match=words):
        sl.evaluate(copied.path)


def test_predictions_that_are_gone_ask_for_evaluate(copied: sl.Run) -> None:
    path = copied.path / "predictions.safetensors"
    save_file({"classes": torch.zeros(3)}, path)
    with pytest.raises(sl.SpectroliteError, match=r"cannot be read \('probabilities'\); run eval"):
        sl.report(copied)
    save_file({"classes": torch.full((2,), 10), "probabilities": torch.zeros(2, 10)}, path)
    with pytest.raises(sl.SpectroliteError, match=r"a class that the model does not have\); run e"):
        sl.report(copied)
