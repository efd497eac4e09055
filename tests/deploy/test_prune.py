"""Pruned networks have the logits of the unpruned ones, and every verb takes pruned runs.

References: the unpruned network's logits, and a network built with the numbers of kernels in the
bundle. Fine-tuning after pruning is tested in `test_fine_tuning`.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import spectrolite as sl
from depthwise_networks import NETWORKS, network_without_dead_kernels
from spectrolite.deploy.removed_kernels import kernels_to_remove, without_kernels
from spectrolite.errors import RunError, SettingsError, VerifyError
from spectrolite.evaluation.depthwise_kernels import (
    LayerKernels,
    depthwise_kernels,
    depthwise_layers,
)
from spectrolite.evaluation.network_outputs import difference
from spectrolite.models import build_model, costs


def kill(net: Any) -> None:
    """Kill every third kernel of each depthwise layer: zero weights, or outputs always 0 or 6."""
    with torch.no_grad():
        for layer in depthwise_layers(net):
            conv, norm = layer.depthwise[0], layer.depthwise[1]
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            conv.weight[::9] = 0
            norm.bias[::9] = 2
            norm.weight[3::9], norm.bias[3::9] = 0, -20
            norm.weight[6::9], norm.bias[6::9] = 0, 7


def changed_run(run: sl.Run, folder: Path, change: Callable[[Any], object]) -> sl.Run:
    """A copy of the run whose network was changed, as if it had been trained that way."""
    shutil.copytree(run.path, folder)
    bundle = sl.load_bundle(folder)
    change(bundle.network)
    bundle.save(folder / "bundle")
    manifest = {
        **run.manifest.model_dump(mode="json"),
        "weights_sha256": sl.load_bundle(folder).sha256,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return sl.open_run(folder)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_dead_kernels_the_logits_are_the_same(name: str) -> None:
    net, data = network_without_dead_kernels(name)
    kill(net)
    with torch.no_grad():
        expected = net(data)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    layers: Any = depthwise_layers(net)
    kernels = depthwise_kernels(net, data)
    removed = [
        {} if layer.shared else dict(zip(k.dead, k.constants, strict=True))
        for layer, k in zip(layers, kernels, strict=True)
    ]
    assert all(len(k.dead) >= -(-k.kernels // 3) for k in kernels)
    pruned = without_kernels(net, removed)
    with torch.no_grad():
        assert difference(expected, pruned(data)) < 1e-5
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())

    model, arguments, _ = NETWORKS[name]
    counts = [k.kernels - len(channels) for k, channels in zip(kernels, removed, strict=True)]
    built = build_model(model, **arguments, kernels=counts)
    built.load_state_dict(pruned.state_dict())
    with torch.no_grad():
        assert torch.equal(built.eval()(data), pruned(data))
    # for each kernel: its weights, its row and column of the neighbours, and 2 in each BatchNorm
    saved = 0
    for layer, channels in zip(layers, removed, strict=True):
        a_kernel = (
            layer.before[0].weight[0].numel()
            + layer.depthwise[0].weight[0].numel()
            + len(layer.after[0].weight)
            + 4
        )
        saved += a_kernel * len(channels)
    if not name.startswith("V1"):
        assert costs.parameters(net) - costs.parameters(pruned) == saved


@pytest.mark.parametrize("name", NETWORKS)
def test_the_mean_output_replaces_a_kernel(name: str) -> None:
    """The reference is the whole network, with hooks that set some channels to their mean."""
    net, data = network_without_dead_kernels(name)
    layers: Any = depthwise_layers(net)
    kernels = depthwise_kernels(net, data)
    removed, notes = kernels_to_remove(layers, kernels, None, 0.3)
    assert [len(channels) for channels in removed] == [
        0 if layer.shared else round(0.3 * k.kernels)
        for layer, k in zip(layers, kernels, strict=True)
    ]
    note = "blocks.0.depthwise.0: 2 kernel(s) kept, since a shortcut uses the same input channels"
    assert notes == ((note,) if name == "V2 narrow" else ())
    pruned = without_kernels(net, removed)

    def set_to(channels: dict[int, float]) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def constant(_: nn.Module, __: Any, out: Tensor) -> Tensor:
            out = out.clone()
            for channel, value in channels.items():
                out[:, channel] = value
            return out

        return constant

    for layer, channels in zip(layers, removed, strict=True):
        layer.depthwise[-1].register_forward_hook(set_to(channels))
    with torch.no_grad():
        assert difference(net(data), pruned(data)) < 1e-5


@given(
    st.lists(st.sampled_from([0.0, 0.01, 0.02, 0.3, 0.5]), min_size=1, max_size=20),
    st.sets(st.integers(0, 19)),
    st.floats(0.01, 0.99),
)
def test_dead_and_then_least_important_kernels_are_chosen(
    shares: list[float], dead: set[int], share: float
) -> None:
    n = len(shares)
    kernels = LayerKernels(
        name="layer",
        kernels=n,
        dead=tuple(sorted(c for c in dead if c < n)),
        constants=(),
        weak=(),
        shares=tuple(shares),
        means=(),
    )
    least = kernels.least(share)
    ranks = [-1.0 if c in kernels.dead else shares[c] for c in range(n)]
    assert list(least) == sorted(np.argsort(ranks, kind="stable")[: round(share * n)].tolist())


def test_impossible_numbers_of_kernels_are_refused() -> None:
    full = [8, 16, 32, 32, 64, 64, 128, 128, 256]
    net = build_model("mobilenet_v1", variant="course", width=0.25, kernels=full)
    assert costs.parameters(net) == costs.parameters(
        build_model("mobilenet_v1", variant="course", width=0.25)
    )
    for kernels, message in (
        ([8], "kernels: wanted a number for each of 9 depthwise layers, got 1"),
        ([8, 0, *full[2:]], "kernels: wanted 1 to 16 in depthwise layer 1, got 0"),
        ([*full[:8], 257], "kernels: wanted 1 to 256 in depthwise layer 8, got 257"),
    ):
        with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
            build_model("mobilenet_v1", variant="course", width=0.25, kernels=kernels)
    layers: Any = depthwise_layers(network_without_dead_kernels("V2 narrow")[0])
    full = [len(layer.depthwise[0].weight) for layer in layers]
    message = "kernels: wanted 8 in depthwise layer 0, whose input goes around it too, got 7"
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        build_model("mobilenet_v2", width=0.1, kernels=[7, *full[1:]])


@pytest.fixture(scope="module")
def with_dead_kernels(digits_run: sl.Run, tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """The digits run with a third of the kernels dead."""
    return changed_run(digits_run, tmp_path_factory.mktemp("dead") / "run", kill)


@pytest.fixture(scope="module")
def pruned(
    with_dead_kernels: sl.Run, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, sl.Pruning]:
    """That run without its dead kernels, and what pruning reported."""
    sl.evaluate(with_dead_kernels)
    out = tmp_path_factory.mktemp("pruned") / "run"
    return out, sl.prune(with_dead_kernels, dead=True, out=out)


def test_a_pruned_run(with_dead_kernels: sl.Run, pruned: tuple[Path, sl.Pruning]) -> None:
    out, pruning = pruned
    run = sl.open_run(out)
    train, test = sl.load("digits")
    assert pruning.kernels[0] == 728
    assert pruning.kernels[1] <= 728 * 2 / 3
    assert run.bundle.config.kernels == tuple(after for _, after in pruning.layers.values())
    assert pruning.parameters[1] == costs.parameters(run.bundle.network) < pruning.parameters[0]
    assert pruning.macs[1] == costs.macs(run.bundle.network, (1, 8, 8)) < pruning.macs[0]
    assert pruning.difference < 1e-5
    assert min(pruning.seconds) > 0
    before, after = (sl.classify(one, test) for one in (with_dead_kernels, run))
    assert np.abs(before.probabilities - after.probabilities).max() < 1e-5
    assert pruning.accuracy == (
        with_dead_kernels.report.overall_accuracy,
        run.report.overall_accuracy,
    )
    assert pruning.accuracy[0] == pruning.accuracy[1]
    assert run.report.parameters == pruning.parameters[1]
    note = (
        f"Pruned after that training (--dead): {728 - pruning.kernels[1]} of 728 depthwise kernels "
        "were removed, no fine-tuning."
    )
    assert run.report.notes[-1] == note
    assert json.loads((out / "pruning.json").read_text())["how"] == "--dead"
    assert sl.evaluate(out).overall_accuracy == pruning.accuracy[1]
    assert sl.report(out) == out / "report.html"
    kernels = sl.doctor(out / "bundle", train).kernels
    assert sum(k.kernels for k in kernels) == pruning.kernels[1]
    assert sum(len(k.dead) for k in kernels) == 0
    assert not list(out.parent.glob(".*"))
    lines = repr(pruning).splitlines()
    assert lines[0] == "Pruning with --dead"
    assert lines[1] == f"depthwise kernels: 728 before, {pruning.kernels[1]} after"
    assert lines[4] == "test accuracy: {:.2%} -> {:.2%}".format(*pruning.accuracy)
    assert len(lines) == 5


def test_a_pruned_run_is_exported_and_benchmarked(
    pruned: tuple[Path, sl.Pruning], tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
    out, _ = pruned
    exported = sl.export(out, out=tmp_path / "onnx")
    assert (exported.parity.checked_on, exported.parity.same_class) == ("data", 1)
    _, test = sl.load("digits")
    ours, theirs = sl.classify(out, test), sl.classify(exported.model, test)
    assert np.abs(ours.probabilities - theirs.probabilities).max() < 1e-4
    code, stdout, _ = typed("benchmark", out, tmp_path / "onnx", "--repeats", 1, "--json")
    assert (code, len(json.loads(stdout)["models"])) == (0, 2)


def test_a_pruned_run_is_not_retrained(pruned: tuple[Path, sl.Pruning]) -> None:
    out, _ = pruned
    for verb, call in (("verify", sl.verify), ("repeat", sl.repeat)):
        message = (
            f"{verb}: {out} was pruned, and training from its manifest gives the network before "
            f"that; {verb} the run that it was made from"
        )
        with pytest.raises(RunError, match=f"^{re.escape(message)}$"):
            call(out)


def test_a_pruned_run_is_pruned_again(pruned: tuple[Path, sl.Pruning], tmp_path: Path) -> None:
    out, pruning = pruned
    again = sl.prune(out, dead=True, out=tmp_path / "again")
    assert again.kernels == (pruning.kernels[1], pruning.kernels[1])
    assert again.difference == 0
    assert len(sl.open_run(tmp_path / "again").manifest.pruned) == 2


def test_a_bundle_with_wrong_numbers_of_kernels_is_refused(
    pruned: tuple[Path, sl.Pruning], tmp_path: Path
) -> None:
    shutil.copytree(pruned[0] / "bundle", tmp_path / "bundle")
    path = tmp_path / "bundle" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for kernels, why in (
        ([10**9] * 9, "kernels: wanted 1 to 8 in depthwise layer 0, got 1000000000"),
        ([8], "kernels: wanted a number for each of 9 depthwise layers, got 1"),
    ):
        path.write_text(json.dumps({**config, "kernels": kernels}), encoding="utf-8")
        message = f"{path.parent}: not a model of this package ({why}); train again"
        with pytest.raises(RunError, match=f"^{re.escape(message)}$"):
            sl.load_bundle(path.parent)
    del config["kernels"]
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(RunError, match="size mismatch for stem"):
        sl.load_bundle(path.parent)


def test_a_pruned_scene_network(mobilesn_run: sl.Run, tmp_path: Path) -> None:
    run_with_dead = changed_run(mobilesn_run, tmp_path / "dead", kill)
    pruning = sl.prune(run_with_dead, dead=True, out=tmp_path / "sn")
    run = sl.open_run(tmp_path / "sn")
    assert pruning.kernels[0] == 72
    assert pruning.kernels[1] <= 48
    scene, _ = run.data()
    before, after = (sl.classify(one, scene) for one in (run_with_dead, run))
    assert np.abs(before.confidence - after.confidence).max() < 1e-5
    assert (before.classes == after.classes).all()
    assert sl.map_scene(run, out=tmp_path / "map.tif").path.exists()


def test_wrong_use_is_refused(
    with_dead_kernels: sl.Run,
    tiny_run: sl.Run,
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
) -> None:
    out = tmp_path / "out"
    (tmp_path / "taken").mkdir()

    def refused(*words: object, code: int = 2) -> str:
        ended, stdout, stderr = typed("prune", *words)
        assert (ended, stdout) == (code, "")
        assert not out.exists()
        return stderr[stderr.index("error: ") + 7 :]

    assert refused(with_dead_kernels.path, "--out", out) == (
        "prune: wanted a choice of kernels to remove; give --dead, --weak 0.01 or --share 0.3"
    )
    for words, message in (
        (
            ("--dead", "--weak", 0.01),
            "prune: --dead and --weak: give only one of them; --weak and --share remove dead "
            "kernels too",
        ),
        (
            ("--weak", 0.01, "--share", 0.3),
            "prune: --weak and --share: give only one of them; each is a choice by itself",
        ),
        (
            ("--dead", "--weak", 0.01, "--share", 0.3),
            "prune: --dead and --weak and --share: give only one of them; --weak and --share "
            "remove dead kernels too",
        ),
        (
            ("--weak", 1.5),
            "--weak: wanted a share of the mean variance of a layer's channels, above 0 and up to "
            "1, got 1.5",
        ),
        *(
            (
                ("--share", share),
                "--share: wanted a share of each layer's kernels, above 0 and below 1, got "
                f"{share}",
            )
            for share in (0, 1, "nan")
        ),
        (
            ("--dead", "--images", tmp_path),
            "--images: digits comes with an installed package; leave it out",
        ),
        (
            ("--dead", "--seed", 0),
            "--seed: goes with --weak and --share, which fine-tune; --dead changes no logit",
        ),
        (
            ("--share", 0.3, "--epochs", 0),
            "--epochs: wanted a number greater than or equal to 1, got 0",
        ),
        (
            ("--share", 0.3, "--learning-rate", -1),
            "--learning-rate: wanted a number greater than 0, got -1.0",
        ),
        (
            ("--share", 0.95),
            "prune: all 8 kernels of blocks.0.depthwise.0 would be removed, but a layer needs at "
            "least one; use less than --share 0.95",
        ),
    ):
        assert refused(with_dead_kernels.path, *words, "--out", out) == message
    with pytest.raises(SettingsError, match=r"^--seed: wanted a whole number from 0 up, got -1$"):
        sl.prune(with_dead_kernels, share=0.3, seed=-1, out=out)
    assert refused(tiny_run.path, "--dead", "--out", out) == (
        "prune: hybridsn has no depthwise layers, so there is nothing to prune"
    )
    assert refused(with_dead_kernels.path / "bundle", "--dead", "--out", out) == (
        "prune: wanted a run, because its data are needed; a bundle has none"
    )
    assert refused(
        with_dead_kernels.path, "--dead", "--out", tmp_path / "taken", "--overwrite"
    ) == (
        f"{tmp_path / 'taken'} is not a run, which --overwrite does not replace; take another --out"
    )
    for flags in (("--dead",), ("--share", 0.3)):
        assert refused(with_dead_kernels.path, *flags, "--out", with_dead_kernels.path) == (
            f"{with_dead_kernels.path} exists; take another --out, or replace it with --overwrite"
        )
    assert refused(tmp_path / "nowhere", "--share", 0.3, "--out", out) == (
        f"{tmp_path / 'nowhere' / 'config.json'}: cannot be read (No such file or directory); is "
        "this a run?"
    )

    def all_die(net: Any) -> None:
        nn.init.zeros_(net.blocks[4].depthwise[0].weight)

    empty = changed_run(with_dead_kernels, tmp_path / "empty", all_die)
    for flags in (("--dead",), ("--weak", 0.01)):
        assert refused(empty.path, *flags, "--out", out) == (
            "prune: all 64 kernels of blocks.4.depthwise.0 would be removed, but a layer needs at "
            "least one; train the network again: this layer ignores its input"
        )


def test_a_run_whose_data_are_gone(
    digits_run: sl.Run, tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
    shutil.copytree(digits_run.path, tmp_path / "run")
    manifest = {**digits_run.manifest.model_dump(mode="json"), "data": {"images": {}, "test": {}}}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    code, out, err = typed("prune", tmp_path / "run", "--dead", "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err == (
        f"error: {tmp_path / 'run'}: trained on images in memory, which cannot be loaded again; "
        "give them"
    )
    pruning = sl.prune(tmp_path / "run", *sl.load("digits"), dead=True, out=tmp_path / "out")
    assert pruning.difference < 1e-5


def test_changed_logits_are_refused(
    with_dead_kernels: sl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(net: Any, removed: Any) -> Any:
        wrong_constants = [{c: value + 1 for c, value in layer.items()} for layer in removed]
        return without_kernels(net, wrong_constants)

    monkeypatch.setattr("spectrolite.deploy.removed_kernels.without_kernels", wrong)
    with pytest.raises(
        VerifyError,
        match=r"^.*: removing the dead kernels changes the logits by .* "
        r"of the largest, wanted at most 1e-05; nothing was written$",
    ):
        sl.prune(with_dead_kernels, dead=True, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
