"""HybridSN.

Independent references:
- outputs, running statistics and gradients: `CourseHybridSN` below, written after the course's
  notebook (3-D convolutions on an explicit channel, flat linear layers, `reshape` in between);
- parameters: the counts printed in the paper, and two independent rebuilds of the course's class;
- the shape after each layer: the paper's table I;
- `at`: the whole forward pass, indexed afterwards;
- initial weights: layers that PyTorch itself initialised.
"""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from spectrolite.errors import SettingsError
from spectrolite.models import build_model
from spectrolite.models.hybridsn import HybridSN

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


BANDS, CLASSES = 14, 5


class CourseHybridSN(nn.Module):
    """The course's class: `(N, 1, bands, 25, 25) -> (N, classes)`; without `norm` the paper's."""

    def __init__(self, bands: int, classes: int, norm: bool) -> None:
        super().__init__()
        self.conv3d_1 = _course_block(nn.Conv3d(1, 8, (7, 3, 3)), nn.BatchNorm3d(8), norm)
        self.conv3d_2 = _course_block(nn.Conv3d(8, 16, (5, 3, 3)), nn.BatchNorm3d(16), norm)
        self.conv3d_3 = _course_block(nn.Conv3d(16, 32, (3, 3, 3)), nn.BatchNorm3d(32), norm)
        depth = bands - 6 - 4 - 2
        self.conv2d_4 = _course_block(nn.Conv2d(32 * depth, 64, (3, 3)), nn.BatchNorm2d(64), norm)
        self.fc1 = nn.Linear(18496, 256)
        self.fc2 = nn.Linear(256, 128)
        self.fc3 = nn.Linear(128, classes)
        self.dropout = nn.Dropout(p=0.4)

    def forward(self, x: Tensor) -> Tensor:
        """Layer after layer, as in the notebook."""
        out = self.conv3d_1(x)
        out = self.conv3d_2(out)
        out = self.conv3d_3(out)
        out = out.reshape(out.shape[0], -1, 19, 19)
        out = self.conv2d_4(out)
        out = out.reshape(out.shape[0], -1)
        out = torch.relu(self.dropout(self.fc1(out)))
        out = torch.relu(self.dropout(self.fc2(out)))
        logits: Tensor = self.fc3(out)
        return logits


def _course_block(conv: nn.Module, batch_norm: nn.Module, norm: bool) -> nn.Sequential:
    return nn.Sequential(conv, *([batch_norm] if norm else []), nn.ReLU(inplace=True))


def _course_net(variant: str) -> CourseHybridSN:
    """The course's class with seeded weights and running statistics that are not 0 and 1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        net = CourseHybridSN(BANDS, CLASSES, norm=variant == "course")
        with torch.no_grad():
            for _ in range(3):
                net(torch.randn(4, 1, BANDS, 25, 25) * 3 + 1)
    return net.eval()


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, CUDA's convolutions round to 10 bits of mantissa."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(scope="module", params=["course", "paper"])
def course(request: pytest.FixtureRequest) -> CourseHybridSN:
    return _course_net(request.param)


@pytest.fixture
def ours(course: CourseHybridSN) -> HybridSN:
    """Our network with the weights of `course`."""
    variant = "course" if len(course.conv3d_1) == 3 else "paper"
    net = HybridSN(BANDS, CLASSES, variant)
    net.load_state_dict(course.state_dict())
    return net.eval()


@pytest.mark.parametrize("device", DEVICES)
def test_weights_of_the_course_give_its_outputs(
    course: CourseHybridSN, ours: HybridSN, device: str
) -> None:
    x = _random(6, BANDS, 25, 25)
    with torch.no_grad():
        expected = course(x[:, None])
        got = ours.to(device)(x.to(device)).cpu()
    assert got.shape == (6, CLASSES, 1, 1)
    torch.testing.assert_close(got.flatten(1), expected, rtol=1e-5, atol=1e-5)
    assert expected.std(0).min() > 1e-4  # the patches have different logits


def test_training_mode_agrees_too(course: CourseHybridSN) -> None:
    """Dropout aside: batch statistics, the running ones they leave behind, and gradients.

    In float64: in float32 a value at ReLU's kink falls on either side of it.
    """
    norm = len(course.conv3d_1) == 3
    reference = CourseHybridSN(BANDS, CLASSES, norm)
    reference.load_state_dict(course.state_dict())
    net = HybridSN(BANDS, CLASSES, "course" if norm else "paper")
    net.load_state_dict(course.state_dict())
    reference.double(), net.double()
    reference.dropout.p = net.dropout.p = 0.0
    x, pull = _random(4, BANDS, 25, 25).double(), _random(4, CLASSES, seed=1).double()
    expected, got = reference(x[:, None]), net(x).flatten(1)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)
    (expected * pull).sum().backward()
    (got * pull).sum().backward()
    for (name, buffer), other in zip(net.named_buffers(), reference.buffers(), strict=True):
        torch.testing.assert_close(buffer, other, rtol=1e-9, atol=1e-10, msg=name)
    for (name, weight), other in zip(net.named_parameters(), reference.parameters(), strict=True):
        assert weight.grad is not None
        assert other.grad is not None
        largest = other.grad.abs().max().clamp(min=1e-2)  # a bias before BatchNorm has none
        error = (weight.grad.flatten() - other.grad.flatten()).abs().max()
        assert error < 1e-9 * largest, name


def test_our_state_dict_loads_into_the_course_class(course: CourseHybridSN, ours: HybridSN) -> None:
    state = {
        k: v.flatten(1) if k.startswith("fc") and v.dim() == 4 else v
        for k, v in ours.state_dict().items()
    }
    other = CourseHybridSN(BANDS, CLASSES, norm=len(course.conv3d_1) == 3)
    other.load_state_dict(state)
    for key, value in course.state_dict().items():
        assert torch.equal(other.state_dict()[key], value), key


def test_loading_leaves_the_given_state_alone_and_works_inside_another_module() -> None:
    state = _course_net("paper").state_dict()
    net = nn.ModuleDict({"net": HybridSN(BANDS, CLASSES, "paper")})
    net.load_state_dict({f"net.{key}": value for key, value in state.items()})
    assert state["fc1.weight"].shape == (256, 18496)
    assert torch.equal(net.state_dict()["net.fc1.weight"].flatten(1), state["fc1.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc1.weight": torch.zeros(256, 18495)}, "size mismatch for fc1.weight"),
        ({"fc3.weight": torch.zeros(CLASSES + 1, 128)}, "size mismatch for fc3.weight"),
        ({"fc4.weight": torch.zeros(1)}, "Unexpected key"),
    ],
)
def test_weights_of_another_network_are_refused(change: dict[str, Tensor], message: str) -> None:
    state = {**_course_net("paper").state_dict(), **change}
    with pytest.raises(RuntimeError, match=message):
        HybridSN(BANDS, CLASSES, "paper").load_state_dict(state)


def test_a_missing_weight_is_refused() -> None:
    state = _course_net("paper").state_dict()
    del state["fc1.weight"]
    with pytest.raises(RuntimeError, match=r'Missing key.*"fc1.weight"'):
        HybridSN(BANDS, CLASSES, "paper").load_state_dict(state)


@pytest.mark.parametrize(
    ("bands", "classes", "variant", "count"),
    [
        (30, 16, "paper", 5_122_176),
        (30, 16, "course", 5_122_416),
        (15, 9, "paper", 4_844_793),
        (15, 16, "paper", 4_845_696),
    ],
)
def test_parameters_are_the_published_ones(
    bands: int, classes: int, variant: str, count: int
) -> None:
    with torch.device("meta"):
        net = HybridSN(bands, classes, variant)
    assert sum(p.numel() for p in net.parameters()) == count
    assert sum(p.numel() for p in net.fc1.parameters()) == 4_735_232


@pytest.mark.parametrize("variant", ["course", "paper"])
def test_shape_after_every_layer_is_the_paper_s(variant: str) -> None:
    with torch.device("meta"):
        net = HybridSN(30, 16, variant)
    seen: dict[str, tuple[int, ...]] = {}

    def note(name: str, layer: nn.Module) -> None:
        layer.register_forward_hook(lambda _m, _i, out: seen.update({name: tuple(out.shape)}))

    for name in ("conv3d_1", "conv3d_2", "conv3d_3", "conv2d_4"):
        note(name, getattr(net, name)[-1])  # its ReLU
    for name in ("fc1", "fc2", "fc3"):
        note(name, getattr(net, name))
    net.eval()
    net(torch.empty(2, 30, 25, 25, device="meta"))
    assert seen == {
        "conv3d_1": (2, 8, 24, 23, 23),
        "conv3d_2": (2, 16, 20, 21, 21),
        "conv3d_3": (2, 32, 18, 19, 19),
        "conv2d_4": (2, 64, 17, 17),
        "fc1": (2, 256, 1, 1),
        "fc2": (2, 128, 1, 1),
        "fc3": (2, 16, 1, 1),
    }


def test_norms_and_dropout_are_those_of_the_variant() -> None:
    with torch.device("meta"):
        nets = {variant: HybridSN(13, 2, variant) for variant in ("course", "paper")}
    norms = {
        variant: sum(isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d) for m in net.modules())
        for variant, net in nets.items()
    }
    assert norms == {"course": 4, "paper": 0}
    assert all(net.dropout.p == 0.4 for net in nets.values())


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (1, 4), (3, 2), (6, 6)])
def test_contract_of_shapes(rows: int, cols: int) -> None:
    with torch.device("meta"):
        net = HybridSN(13, 3)
    assert net.halo == 12
    x = torch.empty(2, 13, rows + 2 * net.halo, cols + 2 * net.halo, device="meta")
    assert net(x).shape == (2, 3, rows, cols)
    assert net(x).dtype == torch.float32


def test_dropout_is_active_in_training_mode_only() -> None:
    net = HybridSN(13, 3, "paper", torch.Generator().manual_seed(0))
    x = _random(1, 13, 25, 25)
    with torch.no_grad():
        assert not torch.equal(net(x), net(x))
        net.eval()
        assert torch.equal(net(x), net(x))


N = torch.tensor([0, 1, 1, 0, 1, 1])


ROWS = torch.tensor([0, 2, 0, 1, 2, 2])


COLS = torch.tensor([0, 3, 3, 2, 0, 0])  # the last pixel comes twice


def _naive_at(net: HybridSN, x: Tensor, n: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """`at` by plain layers, with BatchNorm over the positions that feed one of the pixels.

    The positions are marked one receptive field at a time, and their values gathered.
    """
    x = x[:, None]
    for k, stage in enumerate((net.conv3d_1, net.conv3d_2, net.conv3d_3, net.conv2d_4)):
        if k == 3:
            x = x.flatten(1, 2)
        conv, *rest = stage
        x = conv(x)
        if len(rest) == 2 and net.training:
            norm = cast(nn.BatchNorm3d, rest[0])
            left = 2 * (11 - k) + 1  # side of what a pixel still sees here
            feeds = torch.zeros(len(x), *x.shape[-2:], dtype=torch.bool)
            for i, row, col in zip(n.tolist(), rows.tolist(), cols.tolist(), strict=True):
                feeds[i, row : row + left, col : col + left] = True
            lines = x.movedim(1, -1) if k < 3 else x.movedim(1, -1)[:, None]  # (N, D, H, W, C)
            values = lines[feeds.to(x.device)[:, None].expand(lines.shape[:-1])]
            mean, variance = values.mean(0), values.var(0, unbiased=False)
            lines = (lines - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias
            x = lines.movedim(-1, 1).relu()
            x = x if k < 3 else x.squeeze(2)
        else:
            for layer in rest:
                x = layer(x)
    logits = []
    for i, row, col in zip(n.tolist(), rows.tolist(), cols.tolist(), strict=True):
        window = x[i : i + 1, :, row : row + 17, col : col + 17]
        # flat: oneDNN's weight gradient of such a convolution is wrong on some processors
        flat = nn.functional.linear(window.flatten(1), net.fc1.weight.flatten(1), net.fc1.bias)
        hidden = net.fc2(flat[:, :, None, None].relu()).relu()
        logits.append(net.fc3(hidden).flatten(1))
    return torch.cat(logits)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("training", [False, True])
def test_at_is_the_network_at_some_pixels(ours: HybridSN, training: bool, device: str) -> None:
    ours.to(device).train(training)
    ours.dropout.p = 0.0
    n, rows, cols = (v.to(device) for v in (N, ROWS, COLS))
    x = _random(2, BANDS, 24 + 5, 24 + 5).to(device)
    pull = _random(len(N), CLASSES, seed=1).to(device)
    results = []
    for naive in (True, False):
        ours.zero_grad()
        given = x.clone().requires_grad_()
        logits = (_naive_at if naive else HybridSN.at)(ours, given, n, rows, cols)
        torch.autograd.backward((logits * pull).sum())
        grads = [p.grad.clone() for p in ours.parameters() if p.grad is not None]
        results.append([logits.detach(), given.grad, *grads])
    expected, got = results
    assert len(got) == len(expected) == 2 + len(list(ours.parameters()))
    assert got[0] is not None
    assert got[0].shape == (len(N), CLASSES)
    for one, other in zip(got, expected, strict=True):
        assert one is not None
        assert other is not None
        largest = float(other.abs().max().clamp(min=5e-2))  # a bias before BatchNorm has none
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4 * largest)
    if not training:
        with torch.no_grad():
            torch.testing.assert_close(ours(x)[n, :, rows, cols], expected[0])


def test_at_of_one_patch_is_its_pixel(ours: HybridSN) -> None:
    x, zero = _random(3, BANDS, 25, 25), torch.zeros(3, dtype=torch.int64)
    with torch.no_grad():
        got = ours.at(x, torch.arange(3), zero, zero)
        torch.testing.assert_close(got, ours(x).flatten(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("training", [False, True])
def test_at_of_no_pixel_has_no_logits_and_no_gradients(
    ours: HybridSN, training: bool, device: str
) -> None:
    ours.to(device).train(training)
    x, none = _random(2, BANDS, 26, 25).to(device), torch.zeros(0, dtype=torch.int64, device=device)
    logits = ours.at(x, none, none, none)
    assert logits.shape == ours(x)[none, :, none, none].shape == (0, CLASSES)
    torch.autograd.backward(logits.sum())
    assert all(p.grad is None or not p.grad.any() for p in ours.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "v2"}, "variant: wanted one of course, paper for hybridsn, got 'v2'"),
        (
            {"bands": 12},
            "bands: hybridsn's valid spectral kernels need at least 13 bands or components, "
            "got 12; raise --components, or take --model mobilesn",
        ),
        ({"classes": 1}, "classes: wanted at least 2, got 1"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        HybridSN(**{"bands": 13, "classes": 2, **arguments})
    assert str(caught.value) == message


def test_thirteen_bands_and_two_classes_are_enough() -> None:
    net = HybridSN(13, 2, generator=torch.Generator().manual_seed(0))
    assert (net.bands, net.classes, net.variant) == (13, 2, "course")


def test_initial_weights_have_the_distribution_of_pytorch_s_own_layers() -> None:
    net = HybridSN(16, 9, generator=torch.Generator().manual_seed(3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        defaults = CourseHybridSN(16, 9, norm=True)
    for (name, got), reference in zip(net.named_parameters(), defaults.parameters(), strict=True):
        if name.split(".")[1] == "1":  # BatchNorm
            assert torch.equal(got, reference), name
            continue
        fan_in = dict(net.named_parameters())[name.replace("bias", "weight")][0].numel()
        assert float(got.detach().abs().max()) <= (1 + 1e-6) / math.sqrt(fan_in)
        if got.numel() > 1000:
            for moment in (got.detach().std() / reference.detach().std(), 1 + got.detach().mean()):
                assert float(moment) == pytest.approx(1, abs=0.05), name


def test_a_transposed_flat_layer_is_refused() -> None:
    net = build_model("hybridsn", bands=13, classes=3)
    state = net.state_dict()
    state["fc1.weight"] = state["fc1.weight"].flatten(1).T.contiguous()
    with pytest.raises(RuntimeError, match=r"size mismatch for fc1\.weight"):
        net.load_state_dict(state)
