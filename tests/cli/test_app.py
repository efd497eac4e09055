"""The verbs, typed as a user would; the reference is the same work done in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import spectrolite as sl
from spectrolite.cli import app
from spectrolite.cli.tables import TrainingProgress
from spectrolite.datasets.catalog import DATASETS


@dataclass(frozen=True)
class Typed:
    """What a command printed and returned."""

    code: int
    out: str
    err: str


Type = Callable[..., Typed]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command."""

    def type_(*words: object) -> Typed:
        monkeypatch.setattr(sys, "argv", ["spectrolite", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            app.main()
        out, err = capsys.readouterr()
        return Typed(int(stop.value.code or 0), out, " ".join(err.split()))

    return type_


def test_data_lists_and_shows(typed: Type) -> None:
    assert "indian_pines" in typed("data").out
    shown = typed("data", "indian_pines")
    assert "145 rows, 145 cols, 200 bands, 20 m pixels" in shown.out
    assert "CC BY 3.0" in shown.out
    assert "Stone-Steel-Towers" in shown.out
    assert json.loads(typed("data", "--json").out)["datasets"][0]["name"] == "indian_pines"
    known = json.loads(typed("data", "indian_pines", "--json").out)
    assert known["labelled"] == 10_249
    assert known["class_names"]["9"] == "Oats"


def test_data_lists_and_shows_images(typed: Type) -> None:
    listed = " ".join(typed("data").out.split())
    assert "cifar10 │ 3 x 32 x 32 │ 10 │ 60,000 images │ none stated" in listed
    assert "digits │ 1 x 8 x 8 │ 10 │ 1,797 images │ CC BY 4.0" in listed
    shown = typed("data", "cifar100").out
    assert "shape: 3 x 32 x 32 (channels, height, width), 8 bits" in shown
    assert "images: 50,000 to train, 10,000 to test, 100 classes" in shown
    assert "│  0 │ apple         │    600 │" in shown
    assert "│ 99 │ worm          │    600 │" in shown
    known = json.loads(typed("data", "digits", "--json").out)
    assert (known["labelled"], known["test"], known["shape"]) == (1797, 355, [1, 8, 8])


def test_images_where_a_scene_is_wanted(typed: Type, tmp_path: Path) -> None:
    done = typed("train", "--data", "digits", "--model", "hybridsn", "--out", tmp_path / "run")
    assert (done.code, done.err) == (
        2,
        "error: model: hybridsn classifies scenes, and images need one of mobilenet_v1, "
        "mobilenet_v2",
    )
    assert not (tmp_path / "run").exists()


def test_the_main_job_from_files(
    typed: Type, tiny_files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "tiny"
    done = typed(
        "train",
        "--scene",
        tiny_files[0],
        "--labels",
        tiny_files[1],
        "--train",
        0.2,
        "--split-seed",
        1,
        "--components",
        13,
        "--epochs",
        3,
        "--out",
        out,
        "--json",
    )
    assert done.code == 0, done.err
    printed = json.loads(done.out)
    assert printed["run"] == str(out)
    scene, labels = sl.read_scene(tiny_files[0]), sl.read_labels(tiny_files[1])
    split = sl.split(labels, "random", train=0.2, seed=1)
    same = sl.train(scene, labels, split, out=tmp_path / "same", components=13, epochs=3)
    assert printed["overall_accuracy"] == same.report.overall_accuracy
    assert sl.open_run(out).bundle.sha256 == same.bundle.sha256
    assert "epoch 3/3 loss" in done.err

    evaluated = typed("evaluate", out)
    assert evaluated.code == 0
    assert "overall accuracy" in evaluated.out
    assert "Not clean: 100.0%" in evaluated.out
    assert json.loads(typed("report", out, "--json").out)["page"] == str(out / "report.html")
    assert typed("report", out).out.replace("\n", "") == str(out / "report.html")

    mapped = typed("map", out, "--scene", tiny_files[0], "--out", tmp_path / "m.tif", "--json")
    pixels = json.loads(mapped.out)["pixels"]
    classes = sl.classify(out, sl.read_scene(tiny_files[0])).classes
    assert pixels == {str(i): int((classes == i).sum()) for i in (2, 3, 7)}
    again = typed("map", out, "--out", tmp_path / "m.tif", "--overwrite")
    assert again.code == 0
    assert "class 7" in again.out


def test_a_run_whose_files_were_moved(typed: Type, tiny_run: sl.Run, tmp_path: Path) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "run")
    sources = {
        kind: Path(getattr(tiny_run.manifest.data, kind)["file"]) for kind in ("scene", "labels")
    }
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    for kind, path in sources.items():
        manifest["data"][kind]["file"] = f"/nowhere/{path.name}"
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    lost = typed("evaluate", tmp_path / "run")
    assert (lost.code, lost.err) == (2, "error: /nowhere/scene.npy: no such file")
    half = typed("evaluate", tmp_path / "run", "--scene", sources["scene"])
    assert (half.code, half.err) == (2, "error: give both --scene and --labels, or neither")
    here = ["--scene", sources["scene"], "--labels", sources["labels"]]
    assert typed("evaluate", tmp_path / "run", *here).code == 0
    assert typed("report", tmp_path / "run", *here).code == 0
    swapped = ["--scene", sources["scene"], "--labels", sources["scene"]]
    assert typed("evaluate", tmp_path / "run", *swapped).code == 2


def test_verify_repeat_and_flips(
    typed: Type, tiny_files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert (
        typed(
            "train",
            "--scene",
            tiny_files[0],
            "--labels",
            tiny_files[1],
            "--components",
            13,
            "--epochs",
            1,
            "--out",
            out,
        ).code
        == 0
    )
    flipped = typed("evaluate", out, "--flips")
    assert flipped.code == 0
    assert "eight orientations: overall accuracy" in flipped.out
    report = sl.open_run(out).report
    assert report.flips is not None
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"hybridsn, eight orientations averaged ({report.flips.seconds:.2f} s)" in page

    verified = typed("verify", out)
    assert (verified.code, verified.out.splitlines()[-1]) == (0, f"{out}: same bits")
    assert "sha256 of the weights" in verified.out
    moved = typed("verify", out, "--scene", tiny_files[0], "--labels", tiny_files[1], "--json")
    assert json.loads(moved.out)["verdict"] == "same bits"
    other = typed("verify", out, "--scene", tiny_files[0], "--labels", tmp_path / "o.npy")
    assert other.code == 2
    np.save(tmp_path / "o.npy", np.load(tiny_files[1])[::-1])
    other = typed("verify", out, "--scene", tiny_files[0], "--labels", tmp_path / "o.npy")
    assert other.code == 1
    assert "labels: o.npy has other numbers than labels_sha256 says" in other.err

    repeated = typed("repeat", out, "--seeds", 2, "--flips", "--json")
    assert repeated.code == 0, repeated.err
    made = json.loads(repeated.out)
    assert made == json.loads((tmp_path / "run-repeats" / "repeat.json").read_text())
    shown = typed("repeat", out, "--seeds", 2).out
    spread = made["summary"]["overall accuracy"]
    assert f"{spread['mean']:.2f} ± {spread['std']:.2f}" in shown
    assert "eight orientations: overall accuracy" in shown
    assert f"{100 * report.overall_accuracy:.2f}" in shown
    wrong = typed("repeat", out, "--vary", "all")
    assert (wrong.code, wrong.err) == (
        2,
        "error: --vary: wanted one of training, split, both, got 'all'",
    )


def test_a_repetition_that_is_stopped_says_how_it_goes_on(
    typed: Type, tiny_run: sl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingProgress, "epoch", stop)
    done = typed("repeat", tiny_run.path, "--seeds", 2, "--out", tmp_path / "others")
    assert done.code == 130
    assert done.err.endswith("stopped; the same command continues from here")
    assert (tmp_path / "others" / "seed-1.part").is_dir()


@pytest.mark.slow
def test_demo_trains_two_networks_and_tells_the_splits_apart(typed: Type, tmp_path: Path) -> None:
    done = typed("demo", "--epochs", 1, "--out", tmp_path / "demo")
    assert done.code == 0, done.err
    assert done.out.count("Scored on the test pixels") == 4  # a table a run, then one of all
    names = ("mobilesn-random", "mobilesn-blocks", "hybridsn-random")
    parameters = (32_008, 32_008, 5_122_416)
    clean = (False, True, False)
    for name, count, is_clean in zip(names, parameters, clean, strict=True):
        report = sl.open_run(tmp_path / "demo" / name).report
        assert (report.parameters, report.leakage.clean) == (count, is_clean)
    again = typed("demo", "--epochs", 1, "--out", tmp_path / "demo", "--json")
    assert again.code == 2
    assert "exists; take another --out, or replace it with --overwrite" in again.err
    assert again.out == ""


def test_explain_shows_and_prints_the_same_counts(typed: Type, tmp_path: Path) -> None:
    picture = tmp_path / "v1.png"
    shown = typed("explain", "mobilenet_v1", "--input", "3x32x32", "--picture", picture)
    assert shown.code == 0, shown.err
    for count in ("3,217,226", "46,354,432", "397,256,704", "1024x2x2", "blocks.12.depthwise.0"):
        assert count in shown.out
    assert "…" not in shown.out
    assert shown.out.splitlines()[-1] == str(picture)
    assert picture.stat().st_size > 20_000
    words = [
        "--variant",
        "course",
        "--width",
        "1",
        "--classes",
        "10",
        "--activation",
        "relu",
        "--small-images",
        "--json",
    ]
    printed = typed("explain", "mobilenet_v1", *words)
    assert printed.err == ""
    assert (
        printed.out
        == sl.explain("mobilenet_v1", variant="course", activation="relu").to_json() + "\n"
    )
    large = typed(
        "explain",
        "mobilenet_v2",
        "--input",
        "3x224x224",
        "--classes",
        "1000",
        "--no-small-images",
        "--json",
    )
    assert json.loads(large.out)["macs"] == 300_774_272
    scene = typed("explain", "hybridsn", "--input", "30x25x25", "--classes", "16", "--json")
    assert json.loads(scene.out)["macs"] == 247_683_392


def test_explain_goes_through_the_example_of_the_course(typed: Type) -> None:
    lines = typed("explain", "depthwise").out.splitlines()
    assert lines[:6] == [
        "3 channels to 4 maps with a 3x3 kernel, multiply-accumulates a position:",
        "1. depthwise, one kernel a channel: 3 * 3 * 3 = 27",
        "2. pointwise, 3 channels mixed into 4 maps: 1 * 1 * 3 * 4 = 12",
        "3. together: 27 + 12 = 39",
        "4. the ordinary convolution: 3 * 3 * 3 * 4 = 108",
        "5. the share: 39 / 108 = 36.1%, which is 1/4 + 1/9: the more maps, the nearer to 1/9",
    ]


WRONG = {
    "no data": (
        "train --out x",
        "give --data NAME, or --scene FILE and --labels FILE, or --images DIR",
    ),
    "half of the data": (
        "train --scene a.npy --out x",
        "give --data NAME, or --scene FILE and --labels FILE, or --images DIR",
    ),
    "unknown data": (
        "data mars",
        f"data: wanted one of {', '.join(DATASETS)}, got 'mars'",
    ),
    "unknown method": (
        "train --data indian_pines --split lucky --out x",
        "--split: wanted one of random, per_class, blocks, blocks_by_class, fields, polygons, "
        "scenes, given, got 'lucky'",
    ),
    "contradiction": (
        "train --data indian_pines --split random,train=0.3 --train 0.1 --out x",
        "--train 0.1 contradicts --split random,train=0.3; give one of them",
    ),
    "lost classes": (
        "train --data indian_pines --split blocks,side=20,guard=6 --out x",
        "blocks,train=0.3,side=20,seed=0,guard=6: 1 Alfalfa has no test pixel; "
        "7 Grass-pasture-mowed has no test pixel; 9 Oats has no test pixel; change the split, "
        "or add allow_missing to it",
    ),
    "bad bands": (
        "map run --drop-bands 3-x --out m.tif",
        "--drop-bands: wanted numbers and ranges as 3,7-9, or bad, constant, noisy, got '3-x'",
    ),
    "bands of a named set": (
        "train --data indian_pines --drop-bands 3 --out x",
        "--drop-bands goes with --scene, not with --data",
    ),
    "no run": (
        "evaluate nowhere",
        "nowhere/manifest.json: cannot be read (No such file or directory); is this a run?",
    ),
    "bad setting": (
        "train --data indian_pines --learning-rate -1 --out x",
        "--learning-rate: wanted a number greater than 0, got -1.0",
    ),
    "a network for images": (
        "train --data indian_pines --model mobilenet_v1 --out x",
        "model: mobilenet_v1 classifies images, and a scene needs one of hybridsn, mobilesn",
    ),
    "an unknown network": (
        "train --data indian_pines --model resnet --out x",
        "--model: wanted one of hybridsn, mobilesn, mobilenet_v1, mobilenet_v2, got 'resnet'",
    ),
    "nothing to explain": (
        "explain resnet",
        "explain: wanted one of depthwise, hybridsn, mobilesn, mobilenet_v1, "
        "mobilenet_v2, got 'resnet'",
    ),
    "two sizes": (
        "explain mobilenet_v1 --input 3x32",
        "--input: wanted CHANNELSxROWSxCOLS as 3x32x32, bands first for a scene network as "
        "30x25x25, got '3x32'",
    ),
    "huge sizes": (
        "explain mobilenet_v1 --input 3x1000000x1000000 --picture a.png",
        "--input: wanted sizes from 1 to 100,000, got 3x1000000x1000000",
    ),
    "width of a scene network": (
        "explain hybridsn --width 0.5",
        "model hybridsn: no argument 'width'; wanted some of bands, classes, variant, generator",
    ),
    "no such file": (
        "train --scene a.npy --labels b.npy --out x",
        "a.npy: no such file",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_message_and_exit_code_2(
    typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words, message = WRONG[case]
    done = typed(*words.split())
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_bands_with_nan_are_named_and_can_be_dropped(
    typed: Type, tiny_files: tuple[Path, Path], tmp_path: Path
) -> None:
    cube = np.load(tiny_files[0]).astype(np.float32)
    cube[:, :, 5:7] = np.nan
    cube[:, :, 9] = 1
    np.save(tmp_path / "bad.npy", cube)
    words = [
        "train",
        "--scene",
        tmp_path / "bad.npy",
        "--labels",
        tiny_files[1],
        "--components",
        13,
        "--epochs",
        1,
        "--out",
        tmp_path / "run",
    ]
    refused = typed(*words)
    assert f"{tmp_path}/bad.npy: 2 bands without any value left out: 5-6, from 0" in refused.err
    assert refused.err.endswith(
        "(train): 9, from 0; leave them out with --drop-bands 5-6,9"
    )  # numbers of the file, also of what is left out already
    done = typed(*words, "--drop-bands", "5-6,9")
    assert done.code == 0, done.err
    assert typed("evaluate", tmp_path / "run").code == 0
    mapped = typed(
        "map",
        tmp_path / "run",
        "--scene",
        tmp_path / "bad.npy",
        "--drop-bands",
        "5,6,9",
        "--out",
        tmp_path / "m.tif",
    )
    assert mapped.code == 0, mapped.err


def test_other_failures_are_one_message_and_exit_code_1(
    typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    def forbidden() -> None:
        raise PermissionError(13, "Permission denied", "runs/report.json")

    monkeypatch.setattr(app, "app", full)
    done = typed("data")
    assert (done.code, done.err) == (1, "error: [Errno 28] No space left on device")
    monkeypatch.setattr(app, "app", forbidden)
    done = typed("data")
    assert (done.code, done.err) == (2, "error: [Errno 13] Permission denied: 'runs/report.json'")


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spectrolite", "data", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["datasets"]


def test_the_doctor_says_ok_and_wrong_by_its_exit_code(
    typed: Type, tiny_run: sl.Run, tiny_files: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "run")
    here = ["--scene", tiny_files[0], "--labels", tiny_files[1]]
    healthy = typed("doctor", tmp_path / "run" / "bundle", *here)
    assert healthy.code == 0
    assert all(words in healthy.out for words in ("evaluation mode", "not checked", "same bits"))
    json_ = json.loads(typed("doctor", tmp_path / "run" / "bundle", *here, "--json").out)
    assert (json_["ok"], json_["page"], json_["calibration"]) == (True, None, None)

    reflectance = tmp_path / "reflectance.npy"
    np.save(reflectance, (np.load(tiny_files[0]) / 10_000).astype(np.float32))
    there = ["--scene", reflectance, "--labels", tiny_files[1]]
    broken = typed("doctor", tmp_path / "run", *there, "--json")
    assert broken.code == 1
    printed = json.loads(broken.out)
    assert printed["page"] == str(tmp_path / "run" / "doctor.html")
    assert {c["name"]: c["verdict"] for c in printed["checks"]}["inputs"] == "wrong"
    asked = typed("doctor", tmp_path / "run" / "bundle")
    assert (asked.code, asked.err) == (
        2,
        "error: doctor: a bundle has no data of its own; name them with --scene and --labels",
    )
    half = typed("doctor", tmp_path / "run", "--scene", reflectance)
    assert (half.code, half.err) == (2, "error: give both --scene and --labels, or neither")
    keys = typed("doctor", tmp_path / "run", "--drop-bands", 3)
    assert (keys.code, keys.err) == (
        2,
        "error: --drop-bands, --class-field and the other flags of a file go with --scene and "
        "--labels",
    )
    assert typed("doctor", tmp_path).code == 2
