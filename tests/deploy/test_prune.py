"""Pruned networks give what the unpruned ones give, and every verb takes them.

References: the unpruned network's logits, and a network built anew with the numbers of kernels that
the bundle names. What is fine-tuned after pruning stands in `test_fine_tuning`.
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
from spectrolite.deploy.thinning import chosen_kernels, thinned
from spectrolite.errors import RunError, SettingsError, VerifyError
from spectrolite.evaluation.depthwise_kernels import (
    LayerKernels,
    depthwise_kernels,
    depthwise_layers,
)
from spectrolite.evaluation.network_outputs import difference
from spectrolite.models import build_model, costs

NETWORKS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "V1": ("mobilenet_v1", {"width": 0.25, "variant": "course"}, (3, 16, 16)),
    "V1 relu": ("mobilenet_v1", {"width": 0.25, "activation": "relu"}, (3, 16, 16)),
    "V2": ("mobilenet_v2", {"width": 0.35}, (3, 16, 16)),
    "V2 narrow": ("mobilenet_v2", {"width": 0.1}, (3, 16, 16)),
    "V2 course": ("mobilenet_v2", {"width": 0.1, "variant": "course"}, (3, 16, 16)),
    "MobileSN": ("mobilesn", {"bands": 5, "classes": 3, "width": 0.3}, (5, 15, 14)),
}


def random_network(name: str) -> tuple[Any, Tensor]:
    """With statistics that are those of the data, so that no layer's output is nearly 0."""
    model, arguments, shape = NETWORKS[name]
    net = build_model(model, **arguments, generator=torch.Generator().manual_seed(0))
    data = torch.randn(24, *shape, generator=torch.Generator().manual_seed(1))
    for norm in norms(net):
        norm.momentum = 1.0
    with torch.no_grad():
        net.train()(data)
    return net.eval(), data


def norms(net: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def kill(net: Any) -> None:
    """Every third kernel of each depthwise layer: empty, below 0 or above the ceiling in turn."""
    with torch.no_grad():
        for layer in depthwise_layers(net):
            conv, norm = layer.depthwise[0], layer.depthwise[1]
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            conv.weight[::9] = 0
            norm.bias[::9] = 2
            norm.weight[3::9], norm.bias[3::9] = 0, -20
            norm.weight[6::9], norm.bias[6::9] = 0, 7


def planted(run: sl.Run, folder: Path, plant: Callable[[Any], object]) -> sl.Run:
    """A copy of the run with something done to its network, as if it had been trained that way."""
    shutil.copytree(run.path, folder)
    bundle = sl.load_bundle(folder)
    plant(bundle.network)
    bundle.save(folder / "bundle")
    manifest = {**run.manifest, "weights_sha256": sl.load_bundle(folder).sha256}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return sl.open_run(folder)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_dead_kernels_the_logits_are_the_same(name: str) -> None:
    net, data = random_network(name)
    kill(net)
    with torch.no_grad():
        expected = net(data)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    layers: Any = depthwise_layers(net)
    found = depthwise_kernels(net, data)
    gone = [
        {} if layer.shared else dict(zip(k.dead, k.constants, strict=True))
        for layer, k in zip(layers, found, strict=True)
    ]
    assert all(len(k.dead) >= -(-k.kernels // 3) for k in found)
    made = thinned(net, gone)
    with torch.no_grad():
        assert difference(expected, made(data)) < 1e-5
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())

    model, arguments, _ = NETWORKS[name]
    counts = [k.kernels - len(channels) for k, channels in zip(found, gone, strict=True)]
    anew = build_model(model, **arguments, kernels=counts)
    anew.load_state_dict(made.state_dict())
    with torch.no_grad():
        assert torch.equal(anew.eval()(data), made(data))
    # a kernel takes its own weights, its column and row of the neighbours, and two BatchNorms of 2
    saved = 0
    for layer, channels in zip(layers, gone, strict=True):
        a_kernel = (
            layer.before[0].weight[0].numel()
            + layer.depthwise[0].weight[0].numel()
            + len(layer.after[0].weight)
            + 4
        )
        saved += a_kernel * len(channels)
    if not name.startswith("V1"):
        assert costs.parameters(net) - costs.parameters(made) == saved


@pytest.mark.parametrize("name", NETWORKS)
def test_a_mean_stands_for_a_kernel(name: str) -> None:
    """The reference is the whole network, some of whose channels are made to give their mean."""
    net, data = random_network(name)
    layers: Any = depthwise_layers(net)
    found = depthwise_kernels(net, data)
    gone, notes = chosen_kernels(layers, found, None, 0.3)
    assert [len(channels) for channels in gone] == [
        0 if layer.shared else round(0.3 * k.kernels)
        for layer, k in zip(layers, found, strict=True)
    ]
    said = ("blocks.0.depthwise.0 keeps 2 of them: its input goes around it too",)
    assert notes == (said if name == "V2 narrow" else ())
    made = thinned(net, gone)

    def give(channels: dict[int, float]) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def constant(_: nn.Module, __: Any, out: Tensor) -> Tensor:
            out = out.clone()
            for channel, value in channels.items():
                out[:, channel] = value
            return out

        return constant

    for layer, channels in zip(layers, gone, strict=True):
        layer.depthwise[-1].register_forward_hook(give(channels))
    with torch.no_grad():
        assert difference(net(data), made(data)) < 1e-5


@given(
    st.lists(st.sampled_from([0.0, 0.01, 0.02, 0.3, 0.5]), min_size=1, max_size=20),
    st.sets(st.integers(0, 19)),
    st.floats(0.01, 0.99),
)
def test_the_least_go_first(shares: list[float], dead: set[int], share: float) -> None:
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


def test_kernels_that_a_network_cannot_have() -> None:
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
    full = [len(x.depthwise[0].weight) for x in depthwise_layers(random_network("V2 narrow")[0])]  # type: ignore[arg-type]
    message = "kernels: wanted 8 in depthwise layer 0, whose input goes around it too, got 7"
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        build_model("mobilenet_v2", width=0.1, kernels=[7, *full[1:]])


@pytest.fixture(scope="module")
def dying(digits_run: sl.Run, tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """The digits with a third of the kernels dead."""
    return planted(digits_run, tmp_path_factory.mktemp("dying") / "run", kill)


@pytest.fixture(scope="module")
def pruned(dying: sl.Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, sl.Pruning]:
    """It without them."""
    sl.evaluate(dying)
    out = tmp_path_factory.mktemp("pruned") / "run"
    return out, sl.prune(dying, dead=True, out=out)


def test_a_pruned_run(dying: sl.Run, pruned: tuple[Path, sl.Pruning]) -> None:
    out, made = pruned
    run = sl.open_run(out)
    train, test = sl.load("digits")
    assert made.kernels[0] == 728
    assert made.kernels[1] <= 728 * 2 / 3
    assert run.bundle.config.kernels == tuple(after for _, after in made.layers.values())
    assert made.parameters[1] == costs.parameters(run.bundle.network) < made.parameters[0]
    assert made.macs[1] == costs.macs(run.bundle.network, (1, 8, 8)) < made.macs[0]
    assert made.difference < 1e-5
    assert min(made.seconds) > 0
    before, after = (sl.classify(one, test) for one in (dying, run))
    assert np.abs(before.probabilities - after.probabilities).max() < 1e-5
    assert made.accuracy == (dying.report.overall_accuracy, run.report.overall_accuracy)
    assert made.accuracy[0] == made.accuracy[1]
    assert run.report.parameters == made.parameters[1]
    note = (
        f"Pruned after that training (--dead): {728 - made.kernels[1]} of 728 depthwise kernels "
        "were removed, no fine-tuning."
    )
    assert run.report.notes[-1] == note
    assert json.loads((out / "pruning.json").read_text())["how"] == "--dead"
    assert sl.evaluate(out).overall_accuracy == made.accuracy[1]
    assert sl.report(out) == out / "report.html"
    found = sl.doctor(out / "bundle", train).kernels
    assert sum(k.kernels for k in found) == made.kernels[1]
    assert sum(len(k.dead) for k in found) == 0
    assert not list(out.parent.glob(".*"))


def test_a_pruned_run_is_exported_and_measured(
    pruned: tuple[Path, sl.Pruning], tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
    out, _ = pruned
    made = sl.export(out, out=tmp_path / "onnx")
    assert (made.parity.checked_on, made.parity.same_class) == ("data", 1)
    _, test = sl.load("digits")
    ours, theirs = sl.classify(out, test), sl.classify(made.model, test)
    assert np.abs(ours.probabilities - theirs.probabilities).max() < 1e-4
    code, stdout, _ = typed("benchmark", out, tmp_path / "onnx", "--repeats", 1, "--json")
    assert (code, len(json.loads(stdout)["models"])) == (0, 2)


def test_it_is_not_trained_again(pruned: tuple[Path, sl.Pruning]) -> None:
    out, _ = pruned
    for verb, call in (("verify", sl.verify), ("repeat", sl.repeat)):
        message = (
            f"{verb}: {out} was pruned, and training from its manifest gives the network before "
            f"that; {verb} the run that it was made from"
        )
        with pytest.raises(RunError, match=f"^{re.escape(message)}$"):
            call(out)


def test_a_pruned_run_is_pruned_again(pruned: tuple[Path, sl.Pruning], tmp_path: Path) -> None:
    out, made = pruned
    again = sl.prune(out, dead=True, out=tmp_path / "again")
    assert again.kernels == (made.kernels[1], made.kernels[1])
    assert again.difference == 0
    assert len(sl.open_run(tmp_path / "again").pruning_notes) == 2


def test_a_bundle_with_other_numbers_is_refused(
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


@pytest.fixture(scope="module")
def scene_run(tiny_files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """MobileSN, with a third of its kernels dead."""
    scene, labels = sl.read_scene(tiny_files[0]), sl.read_labels(tiny_files[1])
    folder = tmp_path_factory.mktemp("scene")
    run = sl.train(
        scene,
        labels,
        sl.split(labels, "random", train=0.2, seed=1),
        out=folder / "trained",
        model="mobilesn",
        components=5,
        epochs=3,
        receptive_field=5,
        width=0.25,
    )
    return planted(run, folder / "dying", kill)


def test_a_pruned_scene_network(scene_run: sl.Run, tmp_path: Path) -> None:
    made = sl.prune(scene_run, dead=True, out=tmp_path / "sn")
    run = sl.open_run(tmp_path / "sn")
    assert made.kernels[0] == 72
    assert made.kernels[1] <= 48
    scene, _ = run.data()
    before, after = (sl.classify(one, scene) for one in (scene_run, run))
    assert np.abs(before.confidence - after.confidence).max() < 1e-5
    assert (before.classes == after.classes).all()
    assert sl.map_scene(run, out=tmp_path / "map.tif").path.exists()


def test_what_is_refused(
    dying: sl.Run,
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

    assert refused(dying.path, "--out", out) == (
        "prune: nothing chosen to be removed; give --dead, --weak 0.01 or --share 0.3"
    )
    for words, message in (
        (
            ("--dead", "--weak", 0.01),
            "prune: --dead and --weak: give one of them; --weak and --share remove dead kernels "
            "too",
        ),
        (
            ("--weak", 0.01, "--share", 0.3),
            "prune: --weak and --share: give one of them; each says how many go",
        ),
        (
            ("--dead", "--weak", 0.01, "--share", 0.3),
            "prune: --dead and --weak and --share: give one of them; --weak and --share remove "
            "dead kernels too",
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
            "--epochs: Input should be greater than or equal to 1, got 0",
        ),
        (
            ("--share", 0.3, "--learning-rate", -1),
            "--learning-rate: Input should be greater than 0, got -1.0",
        ),
        (
            ("--share", 0.95),
            "prune: all 8 kernels of blocks.0.depthwise.0 would go, and a layer cannot be empty: "
            "take less than --share 0.95",
        ),
    ):
        assert refused(dying.path, *words, "--out", out) == message
    with pytest.raises(SettingsError, match=r"^--seed: wanted a whole number from 0 up, got -1$"):
        sl.prune(dying, share=0.3, seed=-1, out=out)
    assert refused(tiny_run.path, "--dead", "--out", out) == (
        "prune: hybridsn has no depthwise layers, so there is nothing to prune"
    )
    assert refused(dying.path / "bundle", "--dead", "--out", out) == (
        "prune: wanted a run, whose training data tell what its kernels do; a bundle has none"
    )
    assert refused(dying.path, "--dead", "--out", tmp_path / "taken", "--overwrite") == (
        f"{tmp_path / 'taken'} is no run, so --overwrite leaves it alone; take another --out"
    )
    for flags in (("--dead",), ("--share", 0.3)):
        assert refused(dying.path, *flags, "--out", dying.path) == (
            f"{dying.path} exists; take another --out, or replace it with --overwrite"
        )
    assert refused(tmp_path / "nowhere", "--share", 0.3, "--out", out) == (
        f"{tmp_path / 'nowhere' / 'config.json'}: cannot be read (No such file or directory); is "
        "this a run?"
    )

    def all_die(net: Any) -> None:
        nn.init.zeros_(net.blocks[4].depthwise[0].weight)

    empty = planted(dying, tmp_path / "empty", all_die)
    for flags in (("--dead",), ("--weak", 0.01)):
        assert refused(empty.path, *flags, "--out", out) == (
            "prune: all 64 kernels of blocks.4.depthwise.0 would go, and a layer cannot be empty: "
            "the network looks at nothing there; train it again"
        )


def test_a_run_whose_data_are_gone(
    digits_run: sl.Run, tmp_path: Path, typed: Callable[..., tuple[int, str, str]]
) -> None:
    shutil.copytree(digits_run.path, tmp_path / "run")
    manifest = {**digits_run.manifest, "data": {"images": {}, "test": {}}}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    code, out, err = typed("prune", tmp_path / "run", "--dead", "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err == (
        f"error: {tmp_path / 'run'}: trained on images in memory, which cannot be loaded again; "
        "give them"
    )
    made = sl.prune(tmp_path / "run", *sl.load("digits"), dead=True, out=tmp_path / "out")
    assert made.difference < 1e-5


def test_other_logits_get_no_name(
    dying: sl.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(net: Any, gone: Any) -> Any:
        return thinned(net, [{c: value + 1 for c, value in layer.items()} for layer in gone])

    monkeypatch.setattr("spectrolite.deploy.prune.thinned", wrong)
    with pytest.raises(
        VerifyError,
        match=r"^.*: without its dead kernels the logits differ by .* "
        r"of the largest, wanted 1e-05 at most; nothing was written$",
    ):
        sl.prune(dying, dead=True, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
