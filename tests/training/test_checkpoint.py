"""Checkpoint files: they return what was saved, and everything else is refused.

References: the values that went in; the same loop never stopped, for three of PyTorch's optimisers
and for ours; damage done to the bytes themselves.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from spectrolite.data.labels import Labels
from spectrolite.errors import RunError
from spectrolite.models.hybridsn import HybridSN
from spectrolite.samples.split_scene import Split
from spectrolite.training import loop
from spectrolite.training.checkpoint import (
    _packed,
    _sha256,
    _unpacked,
    epochs_kept,
    load_checkpoint,
    save_checkpoint,
)
from spectrolite.training.loop import Checkpoint, Epoch
from spectrolite.training.scene_loop import fit_scene
from spectrolite.training.settings import TrainingSettings

RUN = "this run"
Make = Callable[[Any], torch.optim.Optimizer]


@pytest.fixture(autouse=True)
def _own_generator() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        yield


def _net() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def _step(net: nn.Module, optimiser: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        optimiser.zero_grad()
        inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        torch.autograd.backward(net(inputs).square().sum())
        optimiser.step()


def _progress(net: nn.Module, optimiser: torch.optim.Optimizer) -> Checkpoint:
    schedule = torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0)
    return Checkpoint(
        log=tuple(
            Epoch(n, 1 / n, 0.5, None if n == 1 else 0.25, 1e-3 / 3, n * 0.1) for n in (1, 2)
        ),
        network=net.state_dict(),
        optimiser=optimiser.state_dict(),
        schedule=schedule.state_dict(),
        generators={"torch": torch.get_rng_state(), "order": torch.Generator().get_state()},
        best_epoch=1,
        best_accuracy=0.1 + 0.2,
        best={k: v + 1 for k, v in net.state_dict().items()},
        ema={k: v / 3 for k, v in net.state_dict().items() if v.is_floating_point()},
    )


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, nn.Module, Checkpoint]:
    """A file, its network, and the checkpoint that was saved."""
    net = _net()
    optimiser = torch.optim.AdamW(net.parameters(), 1e-2)
    _step(net, optimiser, range(2))
    progress = _progress(net, optimiser)
    save_checkpoint(tmp_path / "state", progress, RUN)
    return tmp_path / "state", net, progress


def _same(one: Any, other: Any) -> bool:
    """Equal to the bit and to the type."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


def test_what_goes_in_comes_out(kept: tuple[Path, nn.Module, Checkpoint]) -> None:
    path, net, progress = kept
    back = load_checkpoint(path, net, RUN)
    for field in dataclasses.fields(Checkpoint):
        assert _same(getattr(back, field.name), getattr(progress, field.name)), field.name
    assert epochs_kept(path) == 2
    assert [p.name for p in path.parent.iterdir()] == ["state"]


PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
LEAVES = PLAIN | st.integers(0, 9).map(torch.arange)


@given(
    st.recursive(
        LEAVES,
        lambda inside: (
            st.lists(inside)
            | st.lists(inside).map(tuple)
            | st.dictionaries(st.integers() | st.text(), inside)
        ),
        max_leaves=12,
    )
)
def test_any_plain_value_survives_json(value: Any) -> None:
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_packed(value, "x", tensors))
    assert _same(_unpacked(json.loads(text), tensors), value)


def test_what_is_neither_tensor_nor_plain_is_refused(tmp_path: Path) -> None:
    net = _net()
    progress = _progress(net, torch.optim.SGD(net.parameters(), 1e-2))
    strange = dataclasses.replace(progress, schedule={"lambdas": [max]})
    with pytest.raises(TypeError) as caught:
        save_checkpoint(tmp_path / "state", strange, RUN)
    assert str(caught.value) == (
        "schedule.lambdas.0: builtin_function_or_method is neither a tensor nor a plain value"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.AdamW(p, 1e-2, amsgrad=True),
        lambda p: torch.optim.SGD(p, 1e-2, momentum=0.9, nesterov=True),
        lambda p: torch.optim.RMSprop(p, 1e-3, momentum=0.5, centered=True),
    ],
    ids=["adamw", "sgd", "rmsprop"],
)
def test_any_optimiser_continues_to_the_same_bits(tmp_path: Path, make: Make) -> None:
    """Five steps against three, a file, and two more."""
    whole = _net()
    _step(whole, make(whole.parameters()), range(5))
    first = _net()
    optimiser = make(first.parameters())
    _step(first, optimiser, range(3))
    save_checkpoint(tmp_path / "state", _progress(first, optimiser), RUN)
    second = _net()
    back = load_checkpoint(tmp_path / "state", second, RUN)
    second.load_state_dict(dict(back.network))
    again = make(second.parameters())
    loop._load_optimiser(again, back.optimiser)
    _step(second, again, range(3, 5))
    assert _same(dict(second.state_dict()), dict(whole.state_dict()))
    assert not _same(dict(first.state_dict()), dict(whole.state_dict()))


def test_moments_are_laid_out_as_their_weights(tmp_path: Path) -> None:
    net = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(net.parameters(), 1e-2)
    torch.autograd.backward(net(torch.randn(1, 3, 5, 5)).sum())
    optimiser.step()
    save_checkpoint(tmp_path / "state", _progress(net, optimiser), RUN)
    again = torch.optim.AdamW(net.parameters(), 1e-2)
    loop._load_optimiser(again, load_checkpoint(tmp_path / "state", net, RUN).optimiser)
    moment = again.state[net.weight]["exp_avg"]
    assert moment.stride() == net.weight.stride() != torch.empty(net.weight.shape).stride()
    assert torch.equal(moment, optimiser.state[net.weight]["exp_avg"])


# What is damaged is named


def _rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Tensor]], object]) -> None:
    """Change content and tensors, and update the hash."""
    with safe_open(path, "pt") as file:
        header = file.metadata()
        tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
    content = json.loads(header["content"])
    change(content, tensors)
    text = json.dumps(content)
    save_file(tensors, path, {"content": text, "sha256": _sha256(text, tensors)})


def _set(tensors: dict[str, Tensor], key: str, value: float) -> None:
    tensors[key].view(-1)[0] = value


def test_any_byte_that_changes_is_noticed(kept: tuple[Path, nn.Module, Checkpoint]) -> None:
    path, net, _ = kept
    content = path.read_bytes()
    places = np.flatnonzero(np.frombuffer(content, np.uint8) != ord(" "))  # spaces pad the header
    for place in np.random.default_rng(0).choice(places, 60, replace=False).tolist():
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(bytes(damaged))
        with pytest.raises(RunError, match=rf"^{path}: .*start anew with --overwrite$"):
            load_checkpoint(path, net, RUN)


CUT = "cannot be read"
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda p: p.write_bytes(b""), CUT),
    "cut": (lambda p: p.write_bytes(p.read_bytes()[:-9]), CUT),
    "gone": (lambda p: p.unlink(), CUT),
    "other safetensors": (
        lambda p: save_file({"a": torch.ones(1)}, p),
        "cannot be read (it is not a checkpoint)",
    ),
    "a newer one": (
        lambda p: _rewritten(p, lambda c, t: c.update(format=2)),
        "format 2, this version reads up to 1; install a newer spectrolite, or start anew with",
    ),
    "another run's": (
        lambda p: _rewritten(p, lambda c, t: c.update(run="that run")),
        "cannot resume from it (it belongs to another run)",
    ),
    "NaN": (
        lambda p: _rewritten(p, lambda c, t: _set(t, "network.0.weight", np.nan)),
        "cannot resume from it (NaN or infinite values in network.0.weight)",
    ),
    "an infinite moment": (
        lambda p: _rewritten(p, lambda c, t: _set(t, "optimiser.state.1.exp_avg", np.inf)),
        "cannot resume from it (NaN or infinite values in optimiser.state.1.exp_avg)",
    ),
    "another shape": (
        lambda p: _rewritten(p, lambda c, t: t.update({"network.0.bias": torch.ones(4)})),
        "network.0.bias: torch.float32 of shape (4,), wanted torch.float32 of (3,)",
    ),
    "another type": (
        lambda p: _rewritten(p, lambda c, t: t.update({"best.0.bias": torch.ones(3).double()})),
        "best.0.bias: torch.float64 of shape (3,), wanted torch.float32 of (3,)",
    ),
    "a moment's shape": (
        lambda p: _rewritten(
            p, lambda c, t: t.update({"optimiser.state.0.exp_avg": torch.ones(2, 2)})
        ),
        "optimiser.state.0.exp_avg: not of its parameter's shape",
    ),
    "a lost weight": (
        lambda p: _rewritten(p, lambda c, t: c["progress"]["network"]["items"].pop(0)),
        "network: 0.weight is not in both the file and the network",
    ),
    "a strange weight": (
        lambda p: _rewritten(
            p, lambda c, t: c["progress"]["ema"]["items"].append(["x", {"tensor": "ema.0.bias"}])
        ),
        "ema: x is not in both the file and the network",
    ),
    "a lost tensor": (
        lambda p: _rewritten(p, lambda c, t: t.pop("network.0.bias")),
        "cannot resume from it ('network.0.bias')",
    ),
    "a log that jumps": (
        lambda p: _rewritten(p, lambda c, t: c["log"].pop(0)),
        "its log does not number the epochs from 1",
    ),
    "no generator": (
        lambda p: _rewritten(p, lambda c, t: t.update({"generators.torch": torch.ones(3)})),
        "generators.torch: not a generator's state",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_not_a_checkpoint_is_named(
    kept: tuple[Path, nn.Module, Checkpoint], case: str
) -> None:
    path, net, _ = kept
    damage, words = WRONG[case]
    damage(path)
    with pytest.raises(RunError, match=rf"^{re.escape(str(path))}: .*overwrite$") as caught:
        load_checkpoint(path, net, RUN)
    assert words in str(caught.value)


# The loop continues to the same bits

ROWS, COLS, BANDS = 10, 11, 13


def _labels() -> NDArray[np.int32]:
    array = np.full((ROWS, COLS), 2, np.int32)
    array[:5, 6:], array[5:, 6:] = 3, 7
    return array


def _fit(
    progress: Checkpoint | None = None,
    keep: Callable[[Checkpoint], None] = lambda _: None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    variant: str = "course",
    **values: Any,
) -> tuple[dict[str, Tensor], list[Epoch]]:
    """Weights and log of the loop on a small scene, with dropout and flips."""
    pixels = np.arange(ROWS * COLS)
    split = Split(
        Labels(_labels()),
        pixels[pixels % 4 == 0],
        pixels[pixels % 4 == 1],
        pixels[pixels % 4 >= 2],
        "given",
    )
    image = np.random.default_rng(0).normal(size=(ROWS, COLS, BANDS)).astype(np.float32)
    net = HybridSN(BANDS, 3, variant, torch.Generator().manual_seed(1))
    assert net.dropout.p == 0.4
    chosen = TrainingSettings.model_validate({"batch": 16, "device": "cpu", **values})
    log = fit_scene(net, image, split, chosen, 5, 6, on_epoch, progress, keep)
    return net.state_dict(), log


def _untimed(log: list[Epoch]) -> list[Epoch]:
    return [dataclasses.replace(e, elapsed_s=0) for e in log]


@pytest.mark.parametrize(
    ("variant", "values"),
    [
        ("course", {"mode": "dense", "epochs": 3, "window": 16}),
        ("paper", {"mode": "patches", "epochs": 2, "patience": 9}),
        ("course", {"epochs": 4, "patience": 1, "learning_rate": 1e-12, "schedule": "constant"}),
    ],
    ids=["dense", "patches", "stops early"],
)
def test_stopped_after_any_epoch_it_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str, values: dict[str, Any]
) -> None:
    monkeypatch.setattr(loop, "KEEP_EVERY_S", 0.0)
    path = tmp_path / "state"

    def keep(progress: Checkpoint) -> None:
        save_checkpoint(path, progress, RUN)

    wanted, log = _fit(variant=variant, **values)
    for last in range(1, len(log) + 1):

        def stop(epoch: Epoch, last: int = last) -> None:
            if epoch.epoch == last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            _fit(None, keep, stop, variant, **values)
        net = HybridSN(BANDS, 3, variant)
        back = load_checkpoint(path, net, RUN)
        assert len(back.log) == last
        again, full = _fit(back, variant=variant, **values)
        assert _same(dict(again), dict(wanted))
        assert _untimed(full) == _untimed(log)
        assert [e.elapsed_s for e in full] == sorted(e.elapsed_s for e in full)


def test_checkpoints_come_after_the_first_epoch_and_the_last_and_rarely_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kept_epochs() -> list[int]:
        kept: list[int] = []
        _fit(None, lambda p: kept.append(len(p.log)), epochs=4)
        return kept

    assert kept_epochs() == [1, 4]  # 20 seconds have not passed
    monkeypatch.setattr(loop, "KEEP_EVERY_S", 0.0)
    assert kept_epochs() == [1, 2, 3, 4]


def test_continuing_from_the_end_trains_nothing() -> None:
    states: list[Checkpoint] = []
    wanted, log = _fit(None, states.append, epochs=2)
    heard: list[Epoch] = []
    again, full = _fit(states[-1], on_epoch=heard.append, epochs=2)
    assert _same(dict(again), dict(wanted))
    assert (full, heard) == (log, [])
