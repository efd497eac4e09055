"""The verbs on images, typed as a user would; the reference is the same work done in Python."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import spectrolite as sl

Type = Callable[..., tuple[int, str, str]]
SMALL = ("--model", "mobilenet_v1", "--variant", "course", "--width", 0.1, "--epochs", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of 14 images of 10 x 12 pixels."""
    generator = np.random.default_rng(0)
    for name, grey in (("dark", 60), ("light", 190)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for n in range(14):
            pixels = generator.normal(grey, 20, (10, 12, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{n}.png")
    return tmp_path / "set"


def test_the_main_job_on_images(typed: Type, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "digits"
    code, printed, _ = typed(
        "train",
        "--data",
        "digits",
        *SMALL,
        "--mirror",
        "none",
        "--split-seed",
        3,
        "--seed",
        2,
        "--out",
        out,
        "--json",
    )
    assert code == 0
    report = json.loads(printed)
    train, test = sl.load("digits")
    same = sl.train(
        train,
        test,
        sl.split_images(train, test, seed=3),
        model="mobilenet_v1",
        variant="course",
        width=0.1,
        epochs=1,
        mirror="none",
        seed=2,
        out=tmp_path / "same",
    )
    assert sl.open_run(out).bundle.sha256 == same.bundle.sha256
    assert report["overall_accuracy"] == same.report.overall_accuracy
    assert report["macs"] == same.report.macs


def test_a_folder_with_a_damaged_file(typed: Type, folder: Path, tmp_path: Path) -> None:
    (folder / "dark" / "broken.png").write_text("no image")
    command = ["train", "--images", folder, "--image-size", 8, *SMALL, "--out", tmp_path / "run"]
    code, _, err = typed(*command)
    assert code == 2
    assert "set/dark/broken.png: not an image of a supported format" in err
    code, out, err = typed(*command, "--skip-damaged")
    assert code == 0
    assert f"left out: {folder}/dark/broken.png: not an image of a supported format" in err
    assert "19, 3, 6" in out
    assert "- Damaged files left out, as --skip-damaged allows: 1." in out


def test_a_recipe_and_flags_that_override_it(typed: Type, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('model = "mobilenet_v1"\nvariant = "course"\nepochs = 7\nwidth = 0.1\n')
    flags = ("--data", "digits", "--recipe", recipe, "--epochs", 1, "--ema", 0)
    code, printed, _ = typed("train", *flags, "--out", tmp_path / "run", "--json")
    assert code == 0
    settings = json.loads(printed)["settings"]
    assert (settings["training"]["epochs"], settings["training"]["ema"]) == (1, 0)
    assert settings["model"]["width"] == 0.1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--data", "digits", "--components", 3, "--model", "mobilenet_v1"),
            "--components: does not go with mobilenet_v1, which classifies images; leave it out",
        ),
        (
            ("--data", "indian_pines", "--cutout", 3),
            "--cutout: does not go with hybridsn, which classifies scenes; leave it out",
        ),
        (
            ("--data", "digits", "--image-size", 8),
            "--image-size goes with --images, not with --data",
        ),
        (
            ("--data", "digits", "--skip-damaged"),
            "--skip-damaged goes with --images, not with --data",
        ),
        (
            ("--data", "digits", "--scene-key", "a"),
            "--scene-key goes with --scene, not with --data",
        ),
        (("--images", "x", "--root", "y"), "--root goes with --data, not with --images"),
        (
            ("--images", "x", "--data", "digits"),
            "give --data NAME, or --scene FILE and --labels FILE, or --images DIR",
        ),
        (("--scene", "x"), "give --data NAME, or --scene FILE and --labels FILE, or --images DIR"),
        (
            ("--data", "digits", "--root", "x"),
            "--root: digits comes with an installed package; omit --root",
        ),
        (
            ("--data", "digits", "--train", 0.1),
            "--split: train does not go with images; wanted random with validation, test, seed",
        ),
        (
            ("--data", "digits", "--split", "random,test=0.2"),
            "--split: test=0.2, but digits/test is the test set; leave test= out",
        ),
        (
            ("--data", "digits", "--split", "random,validation=0", "--patience", 2),
            "--patience: early stopping needs a validation part; add validation=0.1 to --split",
        ),
        (
            ("--data", "digits", "--recipe", "mine"),
            "--recipe: wanted one of course-10-epochs, full-200, ten-epochs, or a path that "
            "ends in "
            ".toml, got 'mine'",
        ),
    ],
)
def test_wrong_use_is_one_line_and_leaves_nothing(
    typed: Type, tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    code, out, err = typed("train", *words, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err.endswith(f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_run_goes_on_with_out_alone(
    typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spectrolite.cli.tables import TrainingProgress

    monkeypatch.setattr("spectrolite.training.loop.KEEP_EVERY_S", 0.0)
    flags = ("--data", "digits", *SMALL[:-1], 2)
    typed("train", *flags, "--out", tmp_path / "whole")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(TrainingProgress, "epoch", stop)
        code, _, err = typed("train", *flags, "--out", tmp_path / "run")
    assert code == 130
    assert f"go on with: spectrolite train --out {tmp_path}/run --resume" in err
    assert typed("train", "--out", tmp_path / "run", "--resume")[0] == 0
    one, other = (sl.open_run(tmp_path / name) for name in ("run", "whole"))
    assert one.bundle.sha256 == other.bundle.sha256
    assert one.report.figures == other.report.figures


def test_the_verbs_of_a_run(typed: Type, digits_run: sl.Run, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(digits_run.path, run)
    code, out, _ = typed("evaluate", run, "--train-mode")
    assert code == 0
    assert "wrongly scored, without eval(): shuffled" in out
    code, out, _ = typed("verify", run)
    assert code == 0
    assert out.split()[-2:] == ["same", "bits"]
    assert "sha256 of the predictions" in out
    assert typed("report", run, "--json")[1] == json.dumps({"page": f"{run}/report.html"}) + "\n"
    code, out, _ = typed("doctor", run, "--json")
    found = json.loads(out)
    assert code == (0 if found["ok"] else 1)
    assert found["page"] == f"{run}/doctor.html"
    code, _, err = typed("evaluate", run, "--flips")
    assert (code, err) == (2, "error: --flips: goes with scenes, not with images")
    code, _, err = typed("evaluate", run, "--scene", run, "--labels", run)
    assert (code, err) == (2, "error: give both --scene and --labels, or neither")


def test_a_run_whose_images_were_moved(typed: Type, folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    typed("train", "--images", folder, "--image-size", 8, *SMALL, "--out", run)
    (tmp_path / "moved").mkdir()
    folder.rename(tmp_path / "moved" / "set")
    code, _, err = typed("verify", run)
    assert code == 2
    assert str(folder) in err
    code, out, _ = typed("verify", run, "--images", tmp_path / "moved" / "set")
    assert (code, out.split()[-2:]) == (0, ["same", "bits"])
    code, _, err = typed("doctor", run / "bundle")
    assert (code, err) == (
        2,
        "error: doctor: a bundle has no data of its own; name them with --images",
    )
    assert typed("doctor", run / "bundle", "--images", tmp_path / "moved" / "set", "--json")[1]


def test_a_network_that_learned_nothing_says_so_everywhere(
    typed: Type, folder: Path, tmp_path: Path
) -> None:
    """A rate that moves nothing: every image gets one class, of which half are."""
    out = tmp_path / "run"
    still = ("--learning-rate", 1e-9, "--images", folder, "--out", out)
    code, _, messages = typed("train", *SMALL, *still)
    assert code == 0
    report = sl.open_run(out).report
    called = report.class_names[int(np.argmax(np.sum(report.confusion, 0)))]
    nothing = f"network learned nothing: it calls all 6 of the test part {called}"
    assert report.learned_nothing == f"the {nothing}"
    assert report.warnings == (
        f"The {nothing}. Its confidence means nothing.",
        "Trained for 1 step of the optimiser; the running statistics of BatchNorm want 50 or more. "
        "Raise --epochs, or lower --batch where training is in batches.",
    )
    for warning in report.warnings:
        assert f"warning: {warning}" in messages
        assert warning in (out / "report.html").read_text()
        assert f"> **Warning:** {warning}" in (out / "bundle" / "README.md").read_text()
    code, printed, messages = typed("classify", out / "bundle", folder / "dark" / "3.png")
    assert (code, messages.strip()) == (0, f"warning: the {nothing}")
    assert called in printed
    assert "%" not in printed
    code, printed, _ = typed("classify", out, folder / "dark" / "3.png", "--json")
    assert json.loads(printed)["caveat"] == f"the {nothing}"
