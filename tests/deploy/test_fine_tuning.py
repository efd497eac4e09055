"""Pruning by importance, and the fine-tuning after it.

References: the training loop called here on the pruned network, whose bits the pruned run must
have, and accuracies counted from classes. A test part with wrong labels shows that nothing depends
on it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spectrolite as sl
from spectrolite.deploy.fine_tuning import fine_tuned, fine_tuning_settings
from spectrolite.deploy.removed_kernels import kernels_to_remove, without_kernels
from spectrolite.errors import RunError, TrainingError
from spectrolite.evaluation.depthwise_kernels import depthwise_kernels, depthwise_layers
from spectrolite.evaluation.training_inputs import pixel_range, some_images
from spectrolite.runs.resumable_run import seeds
from spectrolite.training.image_loop import fit_images
from spectrolite.training.loop import Epoch

Pruned = tuple[sl.Run, sl.Pruning, list[str], list[Epoch]]


@pytest.fixture(scope="module")
def pruned(digits_run: sl.Run, tmp_path_factory: pytest.TempPathFactory) -> Pruned:
    """The digits run without 30 % of its kernels: run, figures, stages, epochs."""
    out = tmp_path_factory.mktemp("pruned") / "run"
    stages: list[str] = []
    log: list[Epoch] = []
    pruning = sl.prune(
        digits_run,
        share=0.3,
        epochs=2,
        seed=5,
        out=out,
        on_stage=stages.append,
        on_epoch=lambda epoch, epochs: log.append(epoch) if epochs == 2 else None,
    )
    return sl.open_run(out), pruning, stages, log


def by_hand(run: sl.Run) -> tuple[Any, Any]:
    """The pruned network before and after fine-tuning."""
    images, test = sl.load("digits")
    bundle, split = sl.load_bundle(run.path), run.split(images, test)
    shown = some_images(bundle, images, split.train).contiguous(memory_format=torch.channels_last)
    inputs = pixel_range(bundle.mean, bundle.std)
    kernels = depthwise_kernels(bundle.network, shown, inputs)
    layers = depthwise_layers(bundle.network, inputs)
    removed, _ = kernels_to_remove(layers, kernels, None, 0.3)
    before, tuned = (without_kernels(bundle.network, removed) for _ in range(2))
    changed = {"epochs": 2, "learning_rate": 0.1 * run.settings.training.learning_rate}
    training = run.settings.training.model_copy(update=changed)
    settings = run.settings.model_copy(update={"training": training})
    _, order, dropout, _ = seeds(5)
    fit_images(tuned, split, bundle.mean, bundle.std, settings, order, dropout)
    return before, tuned


def test_fine_tuning_is_the_training_loop_on_the_pruned_network(
    digits_run: sl.Run, pruned: Pruned
) -> None:
    run, pruning, stages, log = pruned
    before, tuned = by_hand(digits_run)
    assert tuned.state_dict().keys() == run.bundle.network.state_dict().keys()
    for key, value in run.bundle.network.state_dict().items():
        assert torch.equal(value, tuned.state_dict()[key]), key
    assert stages == ["looking at kernels", "measuring", "fine-tuning", "validating and testing"]
    images, test = sl.load("digits")
    split = run.split(images, test)
    models = (digits_run.bundle, replace(run.bundle, network=before), run.bundle)
    validation, accuracy = (
        [(sl.classify(m, on).classes == on.targets).mean() for m in models]
        for on in (images.take(split.validation), test)
    )
    assert pruning.validation == tuple(validation)
    assert pruning.accuracy == tuple(accuracy)
    assert pruning.accuracy[::2] == (
        digits_run.report.overall_accuracy,
        run.report.overall_accuracy,
    )
    assert log[-1].validation_accuracy == pruning.validation[2]
    # fine-tuning changed the network, and the mean of a kernel is not the kernel
    assert len({pruning.accuracy[0], pruning.accuracy[1], pruning.accuracy[2]}) == 3


def test_the_run_records_its_pruning(digits_run: sl.Run, pruned: Pruned) -> None:
    run, pruning, _, log = pruned
    assert {name: before - after for name, (before, after) in pruning.layers.items()} == {
        f"blocks.{n}.depthwise.0": round(0.3 * len(layer.depthwise[0].weight))  # type: ignore[arg-type]
        for n, layer in enumerate(depthwise_layers(digits_run.bundle.network))
    }
    assert (pruning.how, pruning.epochs, pruning.notes) == ("--share 0.3", 2, ())
    assert 0 < log[-1].elapsed_s == pruning.tuning_s
    assert pruning.parameters[1] < 0.75 * pruning.parameters[0]
    assert pruning.macs[1] < 0.75 * pruning.macs[0]
    removed = pruning.kernels[0] - pruning.kernels[1]
    rate = 0.1 * digits_run.settings.training.learning_rate
    assert run.manifest["pruned"] == [
        {
            "how": "--share 0.3",
            "kernels": list(pruning.kernels),
            "from_sha256": digits_run.bundle.sha256,
            "epochs": 2,
            "learning_rate": rate,
            "seed": 5,
            "test_accuracy": list(pruning.accuracy[:2]),
        }
    ]
    note = (
        f"Pruned after that training (--share 0.3): {removed} of 728 depthwise kernels were "
        f"removed, which took the accuracy on the test part from {pruning.accuracy[0]:.2%} to "
        f"{pruning.accuracy[1]:.2%}; then 2 epochs of fine-tuning on the training part (learning "
        f"rate {rate:g}, seed 5)."
    )
    assert run.report.notes[-1] == note
    assert f"- {note}" in (run.path / "bundle" / "README.md").read_text(encoding="utf-8")
    assert note in (run.path / "report.html").read_text(encoding="utf-8")
    lines = (run.path / "fine_tuning.jsonl").read_text(encoding="utf-8").splitlines()
    assert [Epoch(**json.loads(line)) for line in lines] == log
    assert run.log() == digits_run.log()
    kept = json.loads((run.path / "pruning.json").read_text(encoding="utf-8"))
    assert tuple(kept["validation"]) == pruning.validation
    assert sl.evaluate(run).overall_accuracy == pruning.accuracy[2]
    with pytest.raises(RunError, match="was pruned, and training from its manifest gives"):
        sl.verify(run)


def test_nothing_depends_on_the_test_part(
    digits_run: sl.Run, pruned: Pruned, tmp_path: Path
) -> None:
    images, test = sl.load("digits")
    wrong = replace(test, targets=(test.targets + 1) % 10)
    shutil.copytree(digits_run.path, tmp_path / "run")
    manifest = {**digits_run.manifest, "test_sha256": wrong.sha256}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    pruning = sl.prune(
        tmp_path / "run", images, wrong, share=0.3, epochs=2, seed=5, out=tmp_path / "out"
    )
    assert pruning.accuracy[2] != pruned[1].accuracy[2]
    assert sl.open_run(tmp_path / "out").bundle.sha256 == pruned[0].bundle.sha256


def test_defaults_are_a_tenth_of_the_runs(digits_run: sl.Run) -> None:
    training = digits_run.settings.training
    for own, epochs in ((6, 1), (1, 1), (130, 13)):
        stages = digits_run.settings.model_dump()
        stages["training"]["epochs"] = own
        run = replace(digits_run, manifest={**digits_run.manifest, "settings": stages})
        settings = fine_tuning_settings(run, None, None)
        assert settings.training.epochs == epochs
        assert settings.training.learning_rate == 0.1 * training.learning_rate
        changed = {"epochs": own, "learning_rate": training.learning_rate}
        assert settings.training.model_copy(update=changed) == run.settings.training
        assert settings.augmentation == run.settings.augmentation


def test_another_seed_yields_different_weights(digits_run: sl.Run) -> None:
    data = sl.load("digits")
    split = digits_run.split(*data)
    settings = fine_tuning_settings(digits_run, 1, None)
    before = digits_run.bundle.sha256
    one, again, other = (
        fine_tuned(digits_run.bundle, data, split, settings, seed)[0].sha256 for seed in (1, 1, 2)
    )
    assert one == again != other
    assert sl.load_bundle(digits_run.path).sha256 == before == digits_run.bundle.sha256


def test_without_a_validation_part_and_with_a_shared_input(tmp_path: Path) -> None:
    """MobileNetV2 so narrow that a shortcut also uses the input of the first depthwise layer."""
    images, test = sl.load("digits")
    images, test = images.take(np.arange(150)), test.take(np.arange(60))
    split = sl.split_images(images, test, validation=0)
    run = sl.train(
        images, test, split, out=tmp_path / "v2", model="mobilenet_v2", width=0.1, epochs=1
    )
    pruning = sl.prune(run, images, test, weak=0.9, out=tmp_path / "out")
    assert pruning.validation == ()
    assert (len(pruning.accuracy), pruning.epochs) == (3, 1)
    assert pruning.layers["blocks.0.depthwise.0"] == (8, 8)
    assert pruning.kernels[1] < pruning.kernels[0]
    assert re.fullmatch(
        r"blocks\.0\.depthwise\.0: \d kernel\(s\) kept, since a shortcut uses the same input "
        r"channels",
        pruning.notes[0],
    )
    classes = sl.classify(tmp_path / "out", test).classes
    assert (classes == test.targets).mean() == pruning.accuracy[2]


@pytest.mark.parametrize("mode", ["dense", "patches"])
def test_a_scene_network(tiny_files: tuple[Path, Path], tmp_path: Path, mode: str) -> None:
    scene, labels = sl.read_scene(tiny_files[0]), sl.read_labels(tiny_files[1])
    split = sl.split(labels, "random", train=0.2, validation=0.1, seed=1)
    run = sl.train(
        scene,
        labels,
        split,
        out=tmp_path / "sn",
        model="mobilesn",
        components=5,
        epochs=3,
        receptive_field=5,
        width=0.25,
        mode=mode,
    )
    pruning = sl.prune(run, share=0.3, epochs=2, out=tmp_path / "out")
    after = sl.open_run(tmp_path / "out")
    assert pruning.kernels == (72, 51)
    assert after.bundle.config.kernels == (17, 17, 17)
    assert after.bundle.sha256 != run.bundle.sha256
    for k, one in ((0, run), (2, after)):
        right = (sl.classify(one, scene).classes == labels.array).ravel()
        assert pruning.validation[k] == right[split.validation].mean()
        assert pruning.accuracy[k] == right[split.test].mean()
    # band reduction does not change
    assert np.array_equal(after.bundle.bands.matrix, run.bundle.bands.matrix)
    assert after.report.notes[-1].startswith(
        "Pruned after that training (--share 0.3): 21 of 72 depthwise kernels were removed, which "
    )


def test_early_stopping_keeps_the_best_epoch_and_reports_it(
    digits_run: sl.Run, tmp_path: Path
) -> None:
    """A learning rate so high that the best epoch is not the last."""
    folder = copy_of(digits_run, tmp_path / "run", patience=1)
    pruning = sl.prune(folder, share=0.3, epochs=6, learning_rate=2, out=tmp_path / "out")
    run = sl.open_run(tmp_path / "out")
    lines = (run.path / "fine_tuning.jsonl").read_text(encoding="utf-8").splitlines()
    seen = [json.loads(line)["validation_accuracy"] for line in lines]
    kept = run.manifest["pruned"][0]["best_epoch"]
    assert kept == 1 + int(np.argmax(seen)) < len(seen) == pruning.epochs < 6, seen
    assert pruning.validation[2] == max(seen)
    assert (
        f"then {pruning.epochs} epochs of fine-tuning on the training part, of which the weights "
        f"of epoch {kept} were kept (learning rate 2, seed 0)."
    ) in run.report.notes[-1]


def copy_of(run: sl.Run, folder: Path, **training: Any) -> Path:
    """The run's folder with other settings of the training in its manifest."""
    shutil.copytree(run.path, folder)
    manifest = json.loads(json.dumps(run.manifest))
    manifest["settings"]["training"] |= training
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_pruning_uses_the_threads_of_the_run(
    digits_run: sl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean outputs of kernels go into the weights, so their bits must repeat."""
    folder = copy_of(digits_run, tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["machine"]["threads"] = 3
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    before, threads = torch.get_num_threads(), []

    def spy(*inputs: Any) -> Any:
        threads.append(torch.get_num_threads())
        return depthwise_kernels(*inputs)

    monkeypatch.setattr("spectrolite.deploy.prune.depthwise_kernels", spy)
    sl.prune(
        folder,
        share=0.3,
        epochs=1,
        out=tmp_path / "out",
        on_epoch=lambda *_: threads.append(torch.get_num_threads()),
    )
    assert threads == [3, 3]
    assert torch.get_num_threads() == before


def test_a_manifest_without_its_fine_tuning_is_refused(pruned: Pruned, tmp_path: Path) -> None:
    folder = copy_of(pruned[0], tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del manifest["pruned"][0]["test_accuracy"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(RunError, match="fine-tuned, without learning_rate, seed or test_accuracy"):
        sl.open_run(folder)


def test_missing_or_changed_data_are_refused(
    tiny: tuple[sl.Scene, sl.Labels], tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
    files = scene, labels = tmp_path / "scene.npy", tmp_path / "labels.npy"
    for file, array in zip(files, (tiny[0].cube, tiny[1].array), strict=True):
        np.save(file, array)
    read = sl.read_labels(labels)
    run = sl.train(
        sl.read_scene(scene),
        read,
        sl.split(read, "random", train=0.2, seed=1),
        out=tmp_path / "sn",
        model="mobilesn",
        components=5,
        epochs=1,
        receptive_field=5,
        width=0.1,
    )
    np.save(scene, np.flip(tiny[0].cube))
    if_changed = typed("prune", run.path, "--share", 0.3, "--out", tmp_path / "out")
    scene.unlink()
    if_missing = typed("prune", run.path, "--share", 0.3, "--out", tmp_path / "out")
    assert if_changed == (
        2,
        "",
        f"error: {run.path}: the scene (scene.npy) differ from those of the run; give the "
        "data that it was trained on",
    )
    assert if_missing == (2, "", f"error: {scene}: no such file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.npy", "sn"]


def test_the_verb_prints_a_table(
    digits_run: sl.Run, tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = typed("prune", digits_run.path, "--weak", 0.2, "--out", tmp_path / "out")
    assert code == 0
    assert "fine-tuning epoch 1/1 loss" in err
    pruning = json.loads((tmp_path / "out" / "pruning.json").read_text(encoding="utf-8"))
    rows = [re.split(r"\s*│\s*", line)[1:-1] for line in out.splitlines()]
    for name in ("validation", "accuracy"):
        was, between, now = (100 * figure for figure in pruning[name])
        title = "validation accuracy, %" if name == "validation" else "test accuracy, %"
        at = rows.index([title, f"{was:.2f}", f"{now:.2f}", f"{now - was:+.2f}"])
        assert rows[at + 1] == [
            "before fine-tuning",
            f"{was:.2f}",
            f"{between:.2f}",
            f"{between - was:+.2f}",
        ]
    removed = sum(before - after for before, after in pruning["layers"].values())
    assert removed > 0
    assert " ".join(out.split()).endswith(
        f"{tmp_path / 'out'}: {removed} kernels removed; logits on training data differ by "
        f"{pruning['difference']:.1e} of the largest before 1 epoch(s) of fine-tuning, which took "
        f"{pruning['tuning_s']:.1f} s"
    )


@pytest.mark.parametrize("name", ["log.jsonl", "report.json"])
def test_a_damaged_run_is_refused_before_it_is_fine_tuned(
    digits_run: sl.Run, tmp_path: Path, name: str
) -> None:
    folder = copy_of(digits_run, tmp_path / "run")
    (folder / name).unlink()
    stages: list[str] = []
    with pytest.raises(RunError, match=f"^{re.escape(str(folder / name))}: cannot be read"):
        sl.prune(folder, share=0.3, epochs=1, out=tmp_path / "out", on_stage=stages.append)
    assert stages == []


def test_no_fine_tuning_if_no_kernel_is_removed(
    digits_run: sl.Run, tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = typed(
        "prune", digits_run.path, "--share", 0.001, "--out", tmp_path / "out", "--json"
    )
    printed = json.loads(out)
    figures = (printed["removed"], printed["epochs"], printed["difference"])
    assert (code, *figures) == (0, 0, 0, 0)
    assert printed["notes"] == ["no kernel was removed, so there was no fine-tuning"]
    assert sl.open_run(tmp_path / "out").bundle.sha256 == digits_run.bundle.sha256
    assert not (tmp_path / "out" / "fine_tuning.jsonl").exists()


def test_a_loss_of_nan_leaves_no_files(digits_run: sl.Run, tmp_path: Path) -> None:
    message = r"^the loss became nan in epoch 1 of 1; lower --learning-rate \(now 1e\+30\)$"
    with pytest.raises(TrainingError, match=message):
        sl.prune(digits_run, share=0.3, epochs=1, learning_rate=1e30, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
