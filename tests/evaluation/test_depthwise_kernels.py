"""Dead and weak depthwise kernels: planted ones are found, and no others.

References: random and extreme inputs sent through the layers in float64, and numpy's mean and
variance of what a layer gives.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

import spectrolite as sl
from depthwise_networks import NETWORKS, network_without_dead_kernels
from spectrolite.errors import RunError, SettingsError
from spectrolite.evaluation.checkup import Checkup
from spectrolite.evaluation.depthwise_kernels import (
    CONSTANT,
    LayerKernels,
    Range,
    depthwise_kernels,
    depthwise_layers,
    through,
    unbounded,
)
from spectrolite.models import build_model
from spectrolite.pages.doctor_page import kernel_sentence
from spectrolite.pages.kernel_picture import DEAD, WEAK, kernel_picture


def stage(
    weight: Tensor, scale: Tensor, bias: Tensor, activation: nn.Module, padding: int
) -> nn.Sequential:
    """A depthwise layer in float64 whose BatchNorm is known."""
    channels, _, side, _ = weight.shape
    made = (
        nn.Sequential(
            nn.Conv2d(channels, channels, side, padding=padding, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            activation,
        )
        .double()
        .eval()
    )
    state = made.state_dict()  # shares memory with the parameters
    state["0.weight"].copy_(weight)
    state["1.weight"].copy_(scale)
    state["1.bias"].copy_(bias)
    return made


numbers = st.sampled_from([-3.0, -1.0, -1e-9, 0.0, 1e-9, 0.25, 1.0, 2.0])


@settings(max_examples=60, deadline=None)
@given(
    weights=st.lists(numbers, min_size=9, max_size=9),
    scale=st.sampled_from([-2.0, 0.0, 1e-8, 1.0]),
    bias=st.sampled_from([-100.0, -20.0, -1.0, 0.0, 6.0, 7.0, 200.0]),
    padding=st.integers(0, 1),
    relu=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_the_proof_holds_against_any_input_and_misses_none(
    weights: list[float], scale: float, bias: float, padding: int, relu: bool, seed: int
) -> None:
    kernel = torch.tensor(weights, dtype=torch.float64).view(1, 1, 3, 3)
    layer = stage(
        kernel,
        torch.tensor([scale]),
        torch.tensor([bias]),
        nn.ReLU() if relu else nn.ReLU6(),
        padding,
    )
    top = torch.inf if relu else 6.0
    zero, end = torch.zeros(1, dtype=torch.float64), torch.tensor([top], dtype=torch.float64)
    low, high = (float(v) for v in through(layer, Range(zero, end)))
    # the corners of the range, where a linear function is largest and smallest
    largest = 1e25 if relu else 6.0
    rises = kernel * scale > 0
    ends = [largest * where.double() for where in (rises, ~rises)]
    generator = torch.Generator().manual_seed(seed)
    random = torch.rand(4, 1, 5, 4, generator=generator, dtype=torch.float64) * min(largest, 1e3)
    with torch.no_grad():
        seen = torch.cat([layer(x).flatten() for x in (*ends, random)])
        corners = torch.cat([layer(x)[..., padding, padding] for x in ends])
    assert float(seen.min()) >= low - 1e-9
    assert float(seen.max()) <= high + 1e-9
    if high - low <= CONSTANT:
        assert float(seen.max() - seen.min()) <= CONSTANT
    else:
        assert float(corners.max() - corners.min()) > CONSTANT


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_leaves_the_bounds_of_a_network(name: str) -> None:
    net, data = network_without_dead_kernels(name)
    net, data = net.double(), data.double()
    most = float(data.abs().max())
    ends = torch.full((data.shape[1],), most, dtype=torch.float64)
    for inputs in (Range(-ends, ends), None):
        layers = depthwise_layers(net, inputs)
        met: dict[str, Tensor] = {}

        def listen(name: str, met: dict[str, Tensor] = met) -> Callable[..., None]:
            def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
                met[name] = arguments[0].transpose(0, 1).flatten(1)

            return keep

        hooks = [
            layer.depthwise[0].register_forward_pre_hook(listen(layer.name)) for layer in layers
        ]
        signs = (torch.rand(data.shape, generator=torch.Generator().manual_seed(9)) < 0.5).double()
        with torch.no_grad():
            net(torch.cat([data, most * (2 * signs - 1)]))
        for hook in hooks:
            hook.remove()
        assert list(met) == [layer.name for layer in layers]
        for layer in layers:
            low, high = layer.inputs
            assert bool((met[layer.name].min(1).values >= low - 1e-9).all())
            assert bool((met[layer.name].max(1).values <= high + 1e-9).all())


def test_the_input_range_of_a_layer_is_its_activations_where_nothing_is_known() -> None:
    relu6 = depthwise_layers(network_without_dead_kernels("MobileSN")[0])[0].inputs
    assert (set(relu6.low.tolist()), set(relu6.high.tolist())) == ({0.0}, {6.0})
    relu = depthwise_layers(network_without_dead_kernels("V1 relu")[0])[0].inputs
    assert (set(relu.low.tolist()), set(relu.high.tolist())) == ({0.0}, {float("inf")})


@pytest.mark.parametrize("name", NETWORKS)
def test_none_is_found_where_none_is(name: str) -> None:
    net, data = network_without_dead_kernels(name)
    found = depthwise_kernels(net, data)
    assert [(k.dead, k.weak) for k in found] == [((), ())] * len(found)
    assert all(sum(k.shares) == pytest.approx(1) for k in found)
    layers: Any = depthwise_layers(net)
    assert [k.kernels for k in found] == [len(layer.depthwise[0].weight) for layer in layers]


def _plant(net: Any, layer: int) -> dict[str, int]:
    """Dead, constant and weak kernels in a layer, one of each kind; the channel of each."""
    conv, norm = net.blocks[layer].depthwise[:2]
    where = {"empty": 0, "zero": 2, "six": 3, "tiny": 5, "weak": 6}
    with torch.no_grad():
        conv.weight[where["empty"]] = 0
        norm.weight[where["zero"]], norm.bias[where["zero"]] = 0.01, -50
        norm.weight[where["six"]], norm.bias[where["six"]] = 0.01, 50
        conv.weight[where["tiny"]] *= 1e-12
        norm.running_mean[where["tiny"]] = 0
        norm.weight[where["weak"]], norm.bias[where["weak"]] = 0.01, 2
    return where


@pytest.mark.parametrize("name", ["V1", "V2", "MobileSN"])
def test_planted_kernels_are_found_and_no_others(name: str) -> None:
    net, data = network_without_dead_kernels(name)
    where = _plant(net, 1)
    first, found, *_ = depthwise_kernels(net, data)
    assert (first.dead, first.weak) == ((), ())
    assert found.dead == tuple(where[kind] for kind in ("empty", "zero", "six", "tiny"))
    assert found.weak == (where["weak"],)
    with torch.no_grad():
        norm = net.blocks[1].depthwise[1]
        empty = (
            norm.bias[0]
            - norm.weight[0] * norm.running_mean[0] / (norm.running_var[0] + norm.eps).sqrt()
        )
        expected = [float(empty.clamp(0, 6)), 0, 6, float(norm.bias[where["tiny"]])]
    assert found.constants == pytest.approx(expected, abs=1e-6)
    assert found.weaker_than(0) == ()
    assert found.weaker_than(1e9) == tuple(c for c in range(found.kernels) if c not in found.dead)


def test_a_constant_input_is_no_constant_output_at_a_padded_border() -> None:
    net, data = network_without_dead_kernels("V1")
    before = net.blocks[0].pointwise[1]
    with torch.no_grad():
        before.weight[4], before.bias[4] = 0, 3  # 3 everywhere: less at a border, of zeros, later
        before.weight[7], before.bias[7] = 0, -3  # 0 everywhere: nothing can come of it
        depthwise = net.blocks[1].depthwise
        depthwise[0].weight[4] = 0.5
        depthwise[1].running_mean[4], depthwise[1].running_var[4] = 0, 1e2
    found = depthwise_kernels(net, data)[1]
    assert found.dead == (7,)
    conv = depthwise[0]
    with torch.no_grad():
        out = depthwise(torch.full((1, conv.in_channels, 8, 8), 3.0))[0, 4]
    assert float(out[0, 0]) < float(out[2, 2]) < 6


def test_a_known_range_of_the_input_proves_more() -> None:
    net, data = network_without_dead_kernels("V1 relu")
    with torch.no_grad():
        kernel = net.blocks[0].depthwise[0].weight
        kernel[2] = kernel[2].abs()
        net.blocks[0].depthwise[1].bias[2] = -1e4
    ends = torch.full((3,), 10.0, dtype=torch.float64)
    assert depthwise_kernels(net, data)[0].dead == ()  # with ReLU before it, anything may come
    assert depthwise_kernels(net, data, Range(-ends, ends))[0].dead == (2,)


@pytest.mark.parametrize("name", ["V1", "V2 course", "MobileSN"])
def test_shares_and_means_are_numpys(name: str) -> None:
    net, data = network_without_dead_kernels(name)
    data = torch.cat([data, data[:30] + 1])  # two passes, of which the second is shorter
    seen: list[np.ndarray[Any, Any]] = []
    hook = (
        net.blocks[1]
        .depthwise[-1]
        .register_forward_hook(lambda _, __, out: seen.append(out.numpy().astype(np.float64)))
    )
    with torch.no_grad():
        net(data)
    hook.remove()
    out = seen[0].swapaxes(0, 1).reshape(seen[0].shape[1], -1)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    found = depthwise_kernels(net.train(), data)[1]
    assert np.allclose(found.means, out.mean(1), atol=1e-6)
    assert np.allclose(found.shares, out.var(1) / out.var(1).sum(), atol=1e-6)
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not net.blocks[1].depthwise[-1]._forward_hooks


def test_a_network_without_depthwise_layers_has_none() -> None:
    net = build_model("hybridsn", bands=13, classes=3)
    assert depthwise_kernels(net, torch.zeros(2, 13, 25, 25)) == ()


def test_an_unknown_input_is_unbounded() -> None:
    layer = nn.Sequential(nn.Conv2d(2, 2, 1, bias=True)).eval()
    state = layer.state_dict()  # shares memory with the parameters
    state["0.weight"].copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]])[:, :, None, None])
    state["0.bias"].copy_(torch.tensor([4.0, 5.0]))
    low, high = through(layer, unbounded(2))
    assert (low.tolist(), high.tolist()) == ([4, -torch.inf], [4, torch.inf])


def test_the_picture_frames_what_was_found() -> None:
    net, data = network_without_dead_kernels("V1")
    _plant(net, 1)
    layers, found = depthwise_layers(net)[:2], depthwise_kernels(net, data)[:2]
    bare = [k.model_copy(update={"dead": (), "weak": ()}) for k in found]

    def count(kernels: Any, colour: tuple[int, int, int]) -> int:
        with Image.open(io.BytesIO(kernel_picture("digits", layers, kernels))) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        return int((np.abs(pixels - colour).sum(2) < 12).sum())

    framed = [count(found, colour) - count(bare, colour) for colour in (DEAD, WEAK)]
    dead, weak = sum(len(k.dead) for k in found), sum(len(k.weak) for k in found)
    assert (dead, weak) == (4, 1)
    assert framed[1] > 50
    assert framed[0] == pytest.approx(4 * framed[1], rel=0.4)


@pytest.fixture
def copied(digits_run: sl.Run, tmp_path: Path) -> sl.Run:
    """The run, to be written into."""
    shutil.copytree(digits_run.path, tmp_path / "run")
    return sl.open_run(tmp_path / "run")


def test_the_doctor_tells_of_kernels(
    copied: sl.Run,
    tmp_path: Path,
    typed: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = copied.bundle
    # which kernels training itself kills depends on the processor
    dead_before = set(sl.doctor(copied).kernels[2].dead)
    where = _plant(bundle.network, 2)
    bundle.save(copied.path / "bundle")
    manifest = {**copied.manifest, "weights_sha256": sl.load_bundle(copied.path).sha256}
    (copied.path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    picture = tmp_path / "kernels.png"
    picture.touch()
    code, out, err = typed("doctor", copied.path, "--picture", picture)
    assert (code, out) == (2, "")
    assert err == (
        f"error: {picture} exists; take another --picture, or replace it with --overwrite"
    )
    code, _, err = typed("doctor", copied.path, "--picture", tmp_path, "--overwrite")
    assert (code, err) == (2, f"error: --picture: wanted a name that ends in .png, got {tmp_path}")
    (tmp_path / "folder.png").mkdir()
    code, _, err = typed("doctor", copied.path, "--picture", tmp_path / "folder.png", "--overwrite")
    assert (code, err) == (
        2,
        f"error: {tmp_path / 'folder.png'} is a folder; take another --picture",
    )

    code, out, _ = typed("doctor", copied.path, "--picture", picture, "--overwrite", "--json")
    told = json.loads(out)
    found = [LayerKernels.model_validate(k) for k in told["kernels"]]
    assert code in (0, 1)  # a check may be wrong; kernels are no check
    assert [k.name for k in found] == [f"blocks.{n}.depthwise.0" for n in range(9)]
    planted = {where[kind] for kind in ("empty", "zero", "six", "tiny")}
    assert planted <= set(found[2].dead) <= planted | dead_before
    assert where["weak"] in found[2].weak
    with Image.open(picture) as image:
        assert image.size[0] > 1000
    page = (copied.path / "doctor.html").read_text(encoding="utf-8")
    assert "728 depthwise kernels. Dead: " in page
    assert 'alt="depthwise kernels" src="data:image/png;base64,' in page

    # what it shows of the same checkup, without another one
    checkup = Checkup.model_validate({k: v for k, v in told.items() if k not in ("ok", "page")})
    monkeypatch.setattr("spectrolite.experiments.scene_doctor.doctor", lambda *_, **__: checkup)
    shown, out, _ = typed("doctor", copied.path)
    assert shown == code
    assert kernel_sentence(checkup) in " ".join(out.split())
    row = ["blocks.2.depthwise.0", "32", str(len(found[2].dead)), str(len(found[2].weak)), "0"]
    assert row in [re.split(r"\s*│\s*", line)[1:-1] for line in out.splitlines()]


def test_the_sentence_counts(copied: sl.Run) -> None:
    checkup = sl.doctor(copied.bundle, sl.load("digits")[0])
    kernels, dead, weak = (
        sum(counts)
        for counts in zip(
            *((k.kernels, len(k.dead), len(k.weak)) for k in checkup.kernels), strict=True
        )
    )
    assert kernel_sentence(checkup) == (
        f"{kernels} depthwise kernels. Dead: {dead}, whose output after the activation is one "
        f"constant, whatever comes in. Weak: {weak} more, whose output on the training data has a "
        "variance of at most 1% of the mean over their layer's channels."
    )


def test_the_doctor_on_scenes(mobilesn_run: sl.Run, tiny_run: sl.Run, tmp_path: Path) -> None:
    shutil.copytree(mobilesn_run.path, tmp_path / "sn")
    run = sl.open_run(tmp_path / "sn")
    found = sl.doctor(run, picture=tmp_path / "sn.png").kernels
    assert [(k.name, k.kernels) for k in found] == [
        (f"blocks.{n}.depthwise.0", 24) for n in range(3)
    ]
    assert (tmp_path / "sn.png").stat().st_size > 1000

    shutil.copytree(tiny_run.path, tmp_path / "hybridsn")
    checkup = sl.doctor(tmp_path / "hybridsn")
    said = "hybridsn (course) has no depthwise layers, so there are no kernels that could be dead."
    assert checkup.kernels == ()
    assert kernel_sentence(checkup) == said
    page = (tmp_path / "hybridsn" / "doctor.html").read_text(encoding="utf-8")
    assert f"<h2>Depthwise kernels</h2>\n<p>{said}</p>" in page
    message = (
        "--picture: hybridsn has no depthwise layers, so it has no kernels to draw; leave it out"
    )
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        sl.doctor(tmp_path / "hybridsn", picture=tmp_path / "none.png")


def test_pictures_that_are_refused(copied: sl.Run, tmp_path: Path) -> None:
    taken = tmp_path / "taken.png"
    taken.touch()
    for picture, kind, message in (
        (
            taken,
            RunError,
            f"{taken} exists; take another --picture, or replace it with --overwrite",
        ),
        (
            tmp_path / "kernels.svg",
            SettingsError,
            f"--picture: wanted a name that ends in .png, got {tmp_path / 'kernels.svg'}",
        ),
    ):
        with pytest.raises(kind, match=f"^{re.escape(message)}$"):
            sl.doctor(copied, picture=picture)


def test_layers_are_in_order_and_between_their_neighbours() -> None:
    for name in NETWORKS:
        layers: Any = depthwise_layers(network_without_dead_kernels(name)[0])
        for layer in layers:
            kernels = len(layer.depthwise[0].weight)
            assert len(layer.before[0].weight) == kernels == layer.after[0].weight.shape[1]
        pairs = itertools.pairwise(layers)
        assert all((one.after is two.before) == name.startswith("V1") for one, two in pairs)
        assert [layer.shared for layer in layers[1:]] == [False] * (len(layers) - 1)
        assert layers[0].shared == (name == "V2 narrow")
